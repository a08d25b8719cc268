"""A VTN whose server turns one service away, over real sockets: the VEN says so once, and lives on."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import pytest

from openadr_ra import Ven
from openadr_ra.net.server import Reply, Request, serve
from openadr_ra.protocol.messages import (
    PROFILES,
    CreatedPartyRegistration,
    CreatePartyRegistration,
    DistributeEvent,
    Message,
    Poll,
    RegisteredReport,
    RegisterReport,
    RequestEvent,
    Response,
)
from openadr_ra.protocol.model import RegistrationId, VenId, VtnId
from openadr_ra.protocol.parts import Result
from openadr_ra.protocol.refusal import requested
from openadr_ra.protocol.times import Duration
from openadr_ra.wire.codec import decode, encode
from tests.run.site import BATTERY, Site, new_site, until


class Partial:
    """A VTN of a few lines, which answers reports with that status, and keeps what it was told."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.heard: list[Message] = []
        self._told = asyncio.Event()

    async def answer(self, request: Request) -> Reply:
        message = decode(request.body)
        self.heard.append(message)
        self._told.set()
        self._told = asyncio.Event()
        result, ven_id = Result(request_id=requested(message)), VenId("VEN-1")
        match message:
            case CreatePartyRegistration():
                created = CreatedPartyRegistration(
                    result=result, registration_id=RegistrationId("reg-1"), ven_id=ven_id, vtn_id=VtnId("AC"),
                    profiles=PROFILES, poll_freq=Duration(seconds=1),
                )  # fmt: skip
                return Reply(body=encode(created))
            case RequestEvent():
                return Reply(
                    body=encode(DistributeEvent(result=result, request_id=message.request_id, vtn_id=VtnId("AC")))
                )
            case RegisterReport() if self.status == 200:
                return Reply(body=encode(RegisteredReport(result=result, ven_id=ven_id)))
            case RegisterReport():
                return Reply(status=self.status)
        return Reply(body=encode(Response(result=result, ven_id=ven_id)))

    async def changed(self, within: timedelta) -> None:
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self._told.wait()
        except TimeoutError:
            return

    def count(self, kind: type[Message]) -> int:
        return sum(isinstance(message, kind) for message in self.heard)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


@pytest.mark.parametrize("status", [404, 406, 413, 501])
async def test_what_a_vtn_turns_away_for_good_is_said_once(
    site: Site, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """One line in the log, and the operator sees it; polls go on."""
    caplog.set_level(logging.WARNING, "openadr_ra.run")
    vtn = Partial(status)
    async with serve(vtn.answer, host="127.0.0.1", port=0) as listener:
        settings = site.settings({"store": {"url": "memory"}, "upstream": [{"url": listener.url}], "device": [BATTERY]})
        async with Ven(settings).running() as ven:

            async def gone_on() -> bool:
                return vtn.count(Poll) >= 3 and vtn.count(RegisterReport) >= 1

            await until(gone_on, vtn.changed)
            (stands,) = await ven.upstreams()

    assert vtn.count(RegisterReport) == 1
    (given_up,) = stands.given_up
    assert given_up.message == "RegisterReport"
    assert f"answered {status}" in given_up.why
    assert (stands.phase, stands.owed) == ("registered", ())
    lines = [record.getMessage() for record in caplog.records if "turned RegisterReport away" in record.getMessage()]
    assert len(lines) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_what_a_vtn_could_not_take_just_then_is_said_again(site: Site, status: int) -> None:
    vtn = Partial(status)
    async with serve(vtn.answer, host="127.0.0.1", port=0) as listener:
        settings = site.settings({"store": {"url": "memory"}, "upstream": [{"url": listener.url}], "device": [BATTERY]})
        async with Ven(settings).running() as ven:

            async def tried() -> bool:
                return vtn.count(RegisterReport) >= 2

            await until(tried, vtn.changed)
            (stands,) = await ven.upstreams()
            assert (stands.given_up, stands.unanswered > 0, "Announce" in stands.owed) == ((), True, True)
            vtn.status = 200

            async def heard() -> bool:
                (now,) = await ven.upstreams()
                return now.owed == ()

            await until(heard, vtn.changed)
