"""Push VENs that are away, come back, move, or answer amiss: whatever they were to be told, they are told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise

import pytest
import pytest_asyncio
from msgspec.structs import replace

from openadr_ra import Vtn, dispatch
from openadr_ra.errors import OK, NotRegistered
from openadr_ra.protocol.messages import (
    CreatedPartyRegistration,
    CreateReport,
    DistributeEvent,
    Message,
    RegisteredReport,
    RegisterReport,
)
from openadr_ra.protocol.parts import Result
from openadr_ra.protocol.refusal import requested
from openadr_ra.protocol.step import Entry
from openadr_ra.run.wanted import WantedReport
from openadr_ra.wire.codec import decode, encode
from tests.run.peer import peer
from tests.run.push_peer import PushPeer, plainly
from tests.run.signed_peer import signed_peer
from tests.run.site import Site, code, new_site, soon, until
from tests.wire.untidy import WATTS, offer

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vtn(site: Site) -> AsyncIterator[Vtn]:
    async with Vtn(site.settings(site.vtn())).running() as running:
        yield running


async def posted(ven: PushPeer, kind: type[Message], times: int = 1) -> None:
    """Wait until so many of them have been posted to the VEN."""

    async def often_enough() -> bool:
        return len(ven.told(kind)) >= times

    await until(often_enough, ven.changed)


class Failures(logging.Handler):
    """When posts to one VEN failed, by the VTN's own log, in seconds."""

    def __init__(self, ven_id: str) -> None:
        super().__init__(logging.WARNING)
        self.times: list[float] = []
        self._ven_id = ven_id
        self._told = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith(f"! {self._ven_id}: "):
            self.times.append(record.created)
            self._told.set()
            self._told = asyncio.Event()

    async def changed(self, within: timedelta) -> None:
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self._told.wait()
        except TimeoutError:
            return

    async def reach(self, count: int) -> None:
        async def often_enough() -> bool:
            return len(self.times) >= count

        await until(often_enough, self.changed)


@contextmanager
def failing(ven_id: str) -> Iterator[Failures]:
    """The posts to that VEN that fail within the block."""
    handler, log = Failures(ven_id), logging.getLogger("openadr_ra.run.pushing")
    log.addHandler(handler)
    try:
        yield handler
    finally:
        log.removeHandler(handler)


async def test_a_ven_that_is_away_is_tried_again_ever_more_slowly_and_loses_nothing(site: Site, vtn: Vtn) -> None:
    """It registers, goes, and comes back on the same port: METADATA, report requests and the newest event are there."""
    ven = PushPeer(site, vtn.url, "AWAY")
    with failing("AWAY") as failures:
        assert code(await ven.register()) == OK
        await ven.vtn.say(replace(offer(WATTS), ven_id=ven.ven_id))
        event = await vtn.publish(dispatch(start=soon(600), every=HOUR, delta_kw=(-1,), to=("AWAY",)))
        await vtn.change(event, dispatch(start=soon(600), every=HOUR, delta_kw=(-3,), to=("AWAY",)))
        await vtn.ask("AWAY", [WantedReport(granularity=timedelta(seconds=10), back=timedelta(seconds=10))])
        await failures.reach(3)
    gaps = [later - sooner for sooner, later in pairwise(failures.times)]
    async with ven.listening():
        await posted(ven, RegisterReport)
        await posted(ven, DistributeEvent)
        await posted(ven, CreateReport)

    # Of 1, 2 and 4 s half is sure and half is chance; there is some air for a busy machine.
    assert all(0.5 * 2**number <= gap <= 2**number + 2 for number, gap in enumerate(gaps))
    (told,) = ven.told(DistributeEvent)
    assert [(each.event.modification, each.event.id) for each in told.events] == [(1, event)]


async def test_an_event_finds_its_push_ven_after_the_vtn_was_started_again(site: Site) -> None:
    """The VEN need say nothing for that."""
    settings = site.settings(site.vtn("restarts"))
    async with Vtn(settings).running() as first:
        ven = PushPeer(site, first.url, "STAYS")
        async with ven.listening():
            await ven.register()
            await posted(ven, RegisterReport)
    async with Vtn(settings).running() as second, ven.listening():
        event = await second.publish(dispatch(start=soon(600), every=HOUR, delta_kw=(-1,), to=("STAYS",)))
        await posted(ven, DistributeEvent)

    (told,) = ven.told(DistributeEvent)
    assert [each.event.id for each in told.events] == [event]


async def test_what_a_ven_that_is_away_has_not_been_told_is_told_by_the_vtn_s_next_life(site: Site) -> None:
    settings = site.settings(site.vtn("crashes"))
    async with Vtn(settings).running() as first:
        ven = PushPeer(site, first.url, "CATCHES-UP")
        with failing("CATCHES-UP") as failures:
            await ven.register()
            await failures.reach(1)
        event = await first.publish(dispatch(start=soon(600), every=HOUR, delta_kw=(-1,), to=("CATCHES-UP",)))
    async with Vtn(settings).running(), ven.listening():
        await posted(ven, RegisterReport)
        await posted(ven, DistributeEvent)

    assert [each.event.id for told in ven.told(DistributeEvent) for each in told.events] == [event]


ADDRESSES = {
    "PLAIN": "{url}",
    "SLASH": "{url}/",
    "PATH": "{url}/OpenADR2/Simple/2.0b",
    "PATH-SLASH": "{url}/OpenADR2/Simple/2.0b/",
    "SERVICE": "{url}/OpenADR2/Simple/2.0b/EiEvent",
    "CAPITALS": "HTTPS://127.0.0.1:{port}",
}


async def test_an_address_is_understood_in_any_spelling(site: Site, vtn: Vtn) -> None:
    """With and without a slash at its end, with the path and without (interop 2)."""

    async def told(name: str, spelling: str) -> str:
        ven = PushPeer(site, vtn.url, name)
        async with ven.listening():
            await ven.register(spelling.format(url=ven.url, port=ven.port))
            await posted(ven, RegisterReport)
        return ven.posted[0][0]

    services = await asyncio.gather(*(told(name, spelling) for name, spelling in ADDRESSES.items()))

    assert services == ["EiReport"] * len(ADDRESSES)


NOWHERE = (
    "http://127.0.0.1:9", "127.0.0.1:9", "https://", "https://u:p@127.0.0.1:9", "ftp://127.0.0.1", "https://a b"
)  # fmt: skip


async def test_a_ven_cannot_register_for_push_to_where_it_cannot_be_posted_to_safely(site: Site, vtn: Vtn) -> None:
    """Least of all in plain HTTP, where anybody could read its events, or answer for it."""
    ven = PushPeer(site, vtn.url, "NOWHERE")

    for address in NOWHERE:
        refused = await ven.register(address)
        assert isinstance(refused, CreatedPartyRegistration)
        assert refused.result.code == "454"
        assert "oadrTransportAddress" in (refused.result.description or "")
    assert "NOWHERE" not in {one.ven_id for one in await vtn.vens()}


async def test_a_ven_that_moves_is_told_where_it_is_now(site: Site, vtn: Vtn) -> None:
    old, new = PushPeer(site, vtn.url, "MOVES"), PushPeer(site, vtn.url, "MOVES-2")
    async with old.listening(), new.listening():
        created = await old.register()
        await posted(old, RegisterReport)
        assert isinstance(created, CreatedPartyRegistration)
        await old.vtn.say(replace(old.creation(), registration_id=created.registration_id, address=new.url))
        await vtn.publish(dispatch(start=soon(600), every=HOUR, delta_kw=(-1,), to=("MOVES",)))
        await posted(new, DistributeEvent)

    assert old.told(DistributeEvent) == ()


async def test_a_ven_that_does_not_know_of_its_registration_yet_is_told_again(site: Site, vtn: Vtn) -> None:
    """Our first post may overtake the reply to its registration; what it answers 463 then counts as not said."""
    ready = False

    def answer(message: Message) -> bytes:
        nonlocal ready
        if ready:
            return plainly(message)
        ready = True
        refused = Result(code=NotRegistered.code, request_id=requested(message))
        return encode(RegisteredReport(result=refused))

    ven = PushPeer(site, vtn.url, "SLOW", answer)
    async with ven.listening():
        await ven.register()
        await posted(ven, RegisterReport, 2)

    first, again = ven.told(RegisterReport)
    assert first == again


async def test_an_answer_to_a_post_is_read_as_the_ven_s_messages_are(site: Site) -> None:
    """Leniently, if its operator says so, and what had to be repaired is listed."""
    untidy = PushPeer(site, "https://127.0.0.1:9", "UNTIDY", untidily)
    listed = [{"id": "UNTIDY", "fingerprints": [untidy.shown.fingerprint], "lenient": True}]
    async with Vtn(site.settings(site.vtn("lenient", admit="listed", ven=listed))).running() as vtn:
        untidy.vtn = peer(site, vtn.url, untidy.shown)
        async with untidy.listening():
            await untidy.register()

            async def warned() -> tuple[Entry, ...]:
                return await vtn.warnings("UNTIDY")

            (warning,) = await until(warned, vtn.changed)

    assert warning.detail.startswith("attribute-name at oadr:oadrRegisteredReport")
    assert len(untidy.told(RegisterReport)) == 1


def untidily(message: Message) -> bytes:
    """Without the prefix of schemaVersion."""
    return plainly(message).replace(b" ei:schemaVersion=", b" schemaVersion=")


async def test_an_answer_that_another_certificate_signed_counts_as_none(site: Site, vtn: Vtn) -> None:
    """A push VEN that registered for signatures answers by its own, whoever sits at its address."""
    own, other = signed_peer(site, vtn.url, "SIGNED"), signed_peer(site, vtn.url, "SIGNED", site.issue("OTHER"))
    turns = [other, own]
    ven = PushPeer(site, vtn.url, "SIGNED-server", lambda message: turns.pop(0).sealed(decode(plainly(message))))
    async with ven.listening():
        creation = replace(own.creation(), pull=False, address=ven.url)
        assert code((await own.say(creation)).message) == OK
        await posted(ven, RegisterReport, 2)

    assert turns == []
    assert len(ven.told(RegisterReport)) == 2
