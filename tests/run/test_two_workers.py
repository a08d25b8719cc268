"""Two VTN processes on one PostgreSQL database: a VEN may come to any of them at any time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import asyncpg
import pytest

from openadr_ra import OPT_IN, Vtn, dispatch
from openadr_ra.errors import OK, NotRegistered
from openadr_ra.protocol.event_overlap import Overlap
from openadr_ra.protocol.messages import (
    CreatedEvent,
    DistributeEvent,
    Poll,
    RegisteredReport,
    RegisterReport,
    Response,
)
from openadr_ra.protocol.model import QualifiedEventId, RequestId, VenId
from openadr_ra.protocol.parts import EventResponse, Result
from openadr_ra.wire import codec
from tests.postgres import Server
from tests.run.peer import Peer, peer
from tests.run.push_peer import PushPeer
from tests.run.site import PATIENCE, Site, code, new_site, soon, until

HALF_HOUR = timedelta(minutes=30)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


@pytest.fixture
def url(postgres: Server) -> str:
    return postgres.database()


@asynccontextmanager
async def worker(site: Site, url: str, *, secure: bool = False) -> AsyncIterator[Vtn]:
    """One of the processes; that they live in one loop makes no difference to the database, which knows none of them."""
    bare = site.vtn(hold_s=20, client_ca="", cert=[], key=[])
    table = (site.vtn() if secure else bare) | {"store": {"url": url}}
    async with Vtn(site.settings(table)).running() as running:
        yield running


@pytest.fixture
async def two(site: Site, url: str) -> AsyncIterator[tuple[Vtn, Vtn]]:
    async with worker(site, url) as one, worker(site, url) as other:
        yield one, other


class Wanderer:
    """A VEN that goes to another process with each message."""

    def __init__(self, ven_id: str, *vtns: Vtn) -> None:
        self.ven_id = VenId(ven_id)
        self._peers = [Peer(url=vtn.url) for vtn in vtns]
        self._said = 0

    @property
    def next(self) -> Peer:
        self._said += 1
        return self._peers[self._said % len(self._peers)]

    async def settle(self) -> None:
        """Register, and hear all that there is to say at first."""
        assert code(await self.next.register(self.ven_id)) == OK
        await self.next.say(RegisterReport(request_id=RequestId("m1"), ven_id=self.ven_id))
        while not isinstance(said := await self.poll(), Response):
            assert isinstance(said, RegisterReport)
            await self.next.say(RegisteredReport(result=Result(request_id=said.request_id), ven_id=self.ven_id))

    async def poll(self) -> object:
        return await self.next.say(Poll(ven_id=self.ven_id))

    async def event(self) -> DistributeEvent:
        """Poll until there is one, which is at once with news, and within seconds without."""
        async with asyncio.timeout(PATIENCE.total_seconds()):
            while not isinstance(said := await self.poll(), DistributeEvent):
                pass
        return said

    async def opt_in(self, told: DistributeEvent) -> None:
        answer = CreatedEvent(
            ven_id=self.ven_id,
            result=Result(request_id=RequestId("")),
            responses=tuple(
                EventResponse(
                    request_id=told.request_id,
                    event=QualifiedEventId(event_id=each.event.id, modification=each.event.modification),
                    opt=OPT_IN,
                )
                for each in told.events
            ),
        )
        assert code(await self.next.say(answer)) == OK


async def test_ven_that_wanders_between_two_workers_is_known_to_both(two: tuple[Vtn, Vtn]) -> None:
    """Registered at one, answered by the other, its opt is seen by both."""
    one, other = two
    ven = Wanderer("VEN-1", one, other)
    await ven.settle()
    event = await other.publish(dispatch(start=soon(60), every=HALF_HOUR, delta_kw={"VEN-1": (-1.0,)}))
    await ven.opt_in(await ven.event())
    for vtn in two:
        assert await vtn.opts(event, within=PATIENCE) == {"VEN-1": OPT_IN}


async def test_poll_held_by_one_worker_is_answered_when_the_other_publishes(two: tuple[Vtn, Vtn]) -> None:
    """Long before the 20 s are over, for which it would be held."""
    one, other = two
    ven = Wanderer("VEN-1", one)
    await ven.settle()
    held = asyncio.create_task(_held(one, ven.ven_id))
    await other.publish(dispatch(start=soon(60), every=HALF_HOUR, delta_kw={"VEN-1": (-1.0,)}))
    async with asyncio.timeout(10):
        assert isinstance(codec.decode(await held), DistributeEvent)


async def _held(vtn: Vtn, ven: VenId) -> bytes:
    """The body of the answer to a poll that prefers to wait for 20 s."""
    body = codec.encode(Poll(ven_id=ven))
    path, port = vtn.url.partition("://")[2].partition("/")[2], int(vtn.url.rpartition(":")[2].partition("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"POST /{path}/OadrPoll HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\nPrefer: wait=20\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode() + body)
    answer = await reader.read()
    writer.close()
    return answer.partition(b"\r\n\r\n")[2]


async def test_two_workers_never_give_a_ven_two_events_at_once(two: tuple[Vtn, Vtn]) -> None:
    """Rule 18 holds over all processes."""
    await Wanderer("VEN-1", *two).settle()
    order = dispatch(start=soon(60), every=HALF_HOUR, delta_kw={"VEN-1": (-1.0,)})
    done = await asyncio.gather(*(vtn.publish(order) for vtn in two for _ in range(3)), return_exceptions=True)
    assert sorted(isinstance(each, Overlap) for each in done) == [False] + [True] * 5


async def test_event_reaches_a_worker_whose_news_have_stopped(two: tuple[Vtn, Vtn], url: str) -> None:
    """Its listening connection is ended by the server again and again; polls are answered all the same."""
    one, other = two
    ven = Wanderer("VEN-1", one)
    await ven.settle()
    database = await asyncpg.connect(url)

    async def disturb() -> None:
        while True:
            await database.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE '%listener' AND datname = current_database()"
            )
            await database.execute("SELECT pg_sleep(0.05)")

    disturbing = asyncio.create_task(disturb())
    try:
        await other.publish(dispatch(start=soon(60), every=HALF_HOUR, delta_kw={"VEN-1": (-1.0,)}))
        await ven.opt_in(await ven.event())
    finally:
        disturbing.cancel()
        with suppress(asyncio.CancelledError):
            await disturbing
        database.terminate()


async def test_certificate_that_one_worker_takes_away_is_refused_by_the_other(site: Site, url: str) -> None:
    old, new = site.issue("VEN-1"), site.issue("VEN-1b")
    async with worker(site, url, secure=True) as one, worker(site, url, secure=True) as other:
        await one.enrol("VEN-1", [old.fingerprint])
        ven = peer(site, other.url, old)
        assert code(await ven.register("VEN-1")) == OK
        await one.enrol("VEN-1", [new.fingerprint])

        async def refused() -> bool:
            return code(await ven.say(Poll(ven_id=VenId("VEN-1")))) == NotRegistered.code

        await until(refused, other.changed)


async def test_push_ven_is_posted_to_once_whoever_publishes(site: Site, url: str) -> None:
    """And by the other worker once the first has gone."""
    async with worker(site, url, secure=True) as one:
        ven = PushPeer(site, one.url, "VEN-push")
        async with ven.listening():
            async with worker(site, url, secure=True) as other:
                assert code(await ven.register()) == OK

                async def asked() -> bool:
                    return bool(ven.told(RegisterReport))

                await until(asked, ven.changed)
                first = await other.publish(dispatch(start=soon(60), every=HALF_HOUR, delta_kw={"VEN-push": (-1.0,)}))
                await until(lambda: _told(ven, first), ven.changed)
            second = await one.publish(dispatch(start=soon(6000), every=HALF_HOUR, delta_kw={"VEN-push": (-1.0,)}))
            await until(lambda: _told(ven, second), ven.changed)
    assert len([each for each in ven.told(DistributeEvent) if [one.event.id for one in each.events] == [first]]) == 1


async def _told(ven: PushPeer, event: str) -> bool:
    return any(one.event.id == event for each in ven.told(DistributeEvent) for one in each.events)


async def test_database_that_is_away_is_a_503_and_the_same_is_taken_when_it_is_back(
    postgres: Server, site: Site, url: str
) -> None:
    """Nothing is acknowledged meanwhile, and nobody has to do anything."""
    async with worker(site, url) as vtn:
        ven = Wanderer("VEN-1", vtn)
        await ven.settle()
        postgres.kill()
        try:
            body = codec.encode(RegisterReport(request_id=RequestId("m2"), ven_id=ven.ven_id))
            assert (await Peer(url=vtn.url).post("EiReport", body)).status == 503
        finally:
            await asyncio.to_thread(postgres.start)

        async def taken() -> bool:
            return (await Peer(url=vtn.url).post("EiReport", body)).status == 200

        await until(taken, vtn.changed)
