"""A VTN that three VENs know, and what is said to it that it must refuse."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from openadr_ra import Vtn
from openadr_ra.errors import OK
from openadr_ra.programs.certs import Issued
from openadr_ra.protocol.messages import Message
from openadr_ra.protocol.model import VenId
from openadr_ra.protocol.step import Entry
from openadr_ra.protocol.vtn import Party
from openadr_ra.wire import codec
from tests.run.peer import Answer, Peer, peer
from tests.run.site import Site, code

MOST_BYTES = 50_000

EDGE, OTHER, NEW = VenId("EDGE-1"), VenId("OTHER-1"), VenId("NEW-1")


class Hall(msgspec.Struct, frozen=True, kw_only=True):
    """A VTN that admits three VENs by their certificates; two of them are registered. Nobody enrolled `stranger`."""

    vtn: Vtn
    edge: Peer
    other: Peer
    new: Peer
    stranger: Peer


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """All that a message of a VEN may change."""

    parties: dict[str, Party | None]
    series: tuple[str, ...]
    journal: tuple[Entry, ...]


@asynccontextmanager
async def standing(site: Site) -> AsyncIterator[Hall]:
    shown = {ven: site.issue(ven) for ven in (EDGE, OTHER, NEW)}
    listed = [{"id": ven, "fingerprints": [one.fingerprint]} for ven, one in shown.items()]
    table = site.vtn(admit="listed", ven=listed, max_body_bytes=MOST_BYTES)
    async with Vtn(site.settings(table)).running() as vtn:

        def at(certificate: Issued) -> Peer:
            return peer(site, vtn.url, certificate)

        made = Hall(
            vtn=vtn,
            edge=at(shown[EDGE]),
            other=at(shown[OTHER]),
            new=at(shown[NEW]),
            stranger=at(site.issue("stranger")),
        )
        for registering, ven in ((made.edge, EDGE), (made.other, OTHER)):
            assert code(await registering.register(ven)) == OK
            await registering.drained(ven)
        yield made


async def stored(vtn: Vtn) -> Stored:
    keys = await vtn.store.keys("party/")
    return Stored(
        parties={key: await vtn.store.load(key, Party) for key in keys},
        series=await vtn.store.series(""),
        journal=tuple([entry for key in keys for entry in await vtn.journal(key)]),
    )


class Refusals:
    """Says something to the hall; what was said in our log meanwhile, and whether anything stored has changed."""

    def __init__(self, hall: Hall, caplog: pytest.LogCaptureFixture) -> None:
        self.hall = hall
        self._caplog = caplog

    async def post(
        self, who: Peer, service: str, body: bytes, why: str, content_type: str = "application/xml"
    ) -> Answer:
        """The answer to `body`, for which there is one log line with `why`."""
        before = await stored(self.hall.vtn)
        self._caplog.clear()
        answer = await who.post(service, body, content_type=content_type)
        (line,) = [record.getMessage() for record in self._caplog.records if record.name.startswith("openadr_ra.")]
        assert line.startswith("! refused ")
        assert "127.0.0.1 " in line
        assert why in line
        assert await stored(self.hall.vtn) == before
        assert b"Traceback" not in answer.body
        return answer

    async def say(self, who: Peer, message: Message, why: str, service: str | None = None) -> Message:
        """The reply to a message that is schema-valid, with HTTP 200."""
        to = service or message.service or "EiRegisterParty"
        answer = await self.post(who, to, codec.encode(message), why)
        assert answer.status == 200
        return answer.message
