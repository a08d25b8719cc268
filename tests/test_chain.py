"""The main job, with real parts: certificates, mutual TLS, SQLite files, processes that are killed, and seconds that pass.

Each story takes real time and none disturbs another, so all of them are told at once; a test waits for its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from math import fsum

import msgspec
import pytest
import pytest_asyncio

from openadr_ra import OPT_IN, ResponseRow, Ven, Vtn, dispatch
from openadr_ra.fleet.aggregate import sums_agree
from openadr_ra.protocol.messages import (
    CreatePartyRegistration,
    Poll,
    RegisteredReport,
    RegisterReport,
    RequestEvent,
)
from openadr_ra.protocol.model import OptType, RequestId, VenId
from openadr_ra.protocol.parts import Result
from openadr_ra.protocol.step import Entry
from tests.run.device import Device, Order, device
from tests.run.peer import peer
from tests.run.programs import Task, child
from tests.run.site import BATTERY, PATIENCE, Site, Watch, new_site, soon, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

EVERY = timedelta(seconds=2)
LONGER = timedelta(seconds=5)
"""Long enough for a VEN to start within it, on a busy machine, too."""

GRACE = timedelta(seconds=15)
"""For responses on a busy machine."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to tell of an event when it is over."""

    start: datetime
    rows: tuple[ResponseRow, ...]
    opts: dict[VenId, OptType | None] = {}
    journal: tuple[Entry, ...] = ()
    orders: tuple[Order, ...] = ()
    watch: Watch | None = None

    def of(self, ven: str, resource: str = "*") -> list[ResponseRow]:
        """The rows of one resource, else of the VEN, in time."""
        return [row for row in self.rows if (row.ven, row.resource) == (ven, resource)]

    def powers(self) -> list[float | None]:
        """What the device was told, repetitions left out."""
        told = [order.kw for order in self.orders]
        return [kw for index, kw in enumerate(told) if index == 0 or kw != told[index - 1]]


async def registered(vtn: Vtn, *vens: str) -> None:
    """Wait until these VENs are registered and have been asked for their reports."""

    async def all_there() -> bool:
        return {one.ven_id for one in await vtn.vens() if one.registered} >= set(vens)

    await until(all_there, vtn.changed)


async def responded(vtn: Vtn, event: str) -> tuple[ResponseRow, ...]:
    """The report once every response is in."""
    async for _ in vtn.response(event, grace=GRACE):
        pass
    return await vtn.report(event)


async def told(vtn: Vtn, event: str, edge: Device | None = None, watch: Watch | None = None) -> Told:
    order = await vtn.event(event)
    return Told(
        start=order.start,
        rows=await vtn.report(event),
        opts=await vtn.opts(event),
        journal=await vtn.journal(f"event/{event}"),
        orders=tuple(edge.orders) if edge is not None else (),
        watch=watch,
    )


@asynccontextmanager
async def pair(site: Site, name: str) -> AsyncIterator[tuple[Vtn, Device]]:
    """A VTN and one registered VEN with one battery."""
    async with AsyncExitStack() as stack:
        edge = await stack.enter_async_context(device())
        vtn = await stack.enter_async_context(Vtn(site.settings(site.vtn(f"{name}-ac"))).running())
        await stack.enter_async_context(Ven(site.settings(site.ven(name, vtn.url, edge.table))).running())
        await registered(vtn, name)
        yield vtn, edge


async def instructed_and_answered(site: Site) -> Told:
    """Two VENs, one of them with two batteries, and an event of three intervals."""
    second = BATTERY | {"id": "bat-2", "power_kw": 2.0}
    async with device() as edge, Vtn(site.settings(site.vtn("main"))).running() as vtn:
        one = Ven(site.settings(site.ven("MAIN-1", vtn.url, edge.table)))
        two = Ven(site.settings(site.ven("MAIN-2", vtn.url, BATTERY, second)))
        async with one.running(), two.running():
            await registered(vtn, "MAIN-1", "MAIN-2")
            asks = {"MAIN-1": (-2.0, -4.0, 3.0), "MAIN-2": (-6.0, -3.5, 1.0)}
            event = await vtn.publish(dispatch(start=soon(), every=EVERY, delta_kw=asks))
            await vtn.opts(event, within=PATIENCE)
            await responded(vtn, event)
            return await told(vtn, event, edge)


async def changed_while_pending(site: Site) -> Told:
    async with pair(site, "CHANGE-1") as (vtn, edge):
        first = dispatch(start=soon(30), every=EVERY, delta_kw=(-1, -1, -1), to=("CHANGE-1",))
        event = await vtn.publish(first)
        await vtn.opts(event, within=PATIENCE)
        await vtn.change(event, dispatch(start=soon(), every=EVERY, delta_kw=(-2, 2.5), to=("CHANGE-1",)))
        await vtn.opts(event, within=PATIENCE)
        await responded(vtn, event)
        return await told(vtn, event, edge)


async def cancelled_while_running(site: Site) -> Told:
    async with pair(site, "CANCEL-1") as (vtn, edge):
        event = await vtn.publish(dispatch(start=soon(), every=timedelta(minutes=30), delta_kw=(-2,), to=("CANCEL-1",)))

        async def moved() -> bool:
            return len(edge.orders) > 1

        async def released() -> bool:
            return edge.orders[-1].kw is None

        async def answered() -> bool:
            return any(row.final for row in await vtn.report(event))

        await until(moved, edge.changed)
        await vtn.cancel(event)
        await until(released, edge.changed)
        await until(answered, vtn.changed)
        return await told(vtn, event, edge)


async def vtn_killed(site: Site) -> Told:
    """Killed after the response to the first interval; its second life is in this process, on the same port and file."""
    watch = Watch()
    table = site.vtn("killed-ac")
    async with device() as edge, child("vtn", site.file(table)) as first_life:
        url = (await first_life.said()).url
        async with Ven(site.settings(site.ven("GOES-ON", url, edge.table)), tap=watch).running():

            async def polling() -> bool:
                return bool(watch.asked(Poll))

            await until(polling, watch.changed)
            first_life.tell(Task(start=soon(), every_s=3, asks={"GOES-ON": (-1, -2, -3)}))
            event = (await first_life.said()).event
            said = (await first_life.said()).row
            await first_life.kill()
            port = url.split(":")[2].split("/")[0]
            again = Vtn(site.settings(site.vtn("killed-ac", listen=f"127.0.0.1:{port}")))
            async with again.running() as vtn:
                at_once = await told(vtn, event)
                assert said in at_once.rows
                assert at_once.opts == {VenId("GOES-ON"): OPT_IN}
                await responded(vtn, event)
                return await told(vtn, event, edge, watch)


async def ven_killed(site: Site) -> Told:
    """Killed after the response to the first interval; its second life is in this process, on the same file."""
    watch = Watch()
    async with device() as edge, Vtn(site.settings(site.vtn("goes-on-ac"))).running() as vtn:
        table = site.ven("KILLED-1", vtn.url, edge.table)
        async with child("ven", site.file(table)) as first_life:
            await registered(vtn, "KILLED-1")
            order = dispatch(start=soon(), every=LONGER, delta_kw=(-1, -2, -3), to=("KILLED-1",))
            event = await vtn.publish(order)
            async for _ in vtn.response(event):
                break
            await first_life.kill()
        edge.orders.clear()
        async with Ven(site.settings(table), tap=watch).running():
            await responded(vtn, event)
            return await told(vtn, event, edge, watch)


Story = Callable[[Site], Awaitable[Told]]
STORIES: tuple[Story, ...] = (
    instructed_and_answered,
    changed_while_pending,
    cancelled_while_running,
    vtn_killed,
    ven_killed,
)


Stories = Mapping[Story, asyncio.Future[Told]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stories(site: Site) -> AsyncIterator[Stories]:
    under_way = {story: asyncio.ensure_future(story(site)) for story in STORIES}
    yield under_way
    for story in under_way.values():
        story.cancel()
    await asyncio.gather(*under_way.values(), return_exceptions=True)


def near(*kw: float) -> list[object]:
    """Means over two seconds or more. A busy machine may leave the device at the power before for half a second of them,
    which is a quarter of the step from one to the other.
    """
    return [pytest.approx(each, abs=max(0.5, abs(each - before) / 4)) for before, each in pairwise((0.0, *kw))]


async def test_each_interval_of_an_event_is_answered_for_by_each_device_ven_and_in_sum(stories: Stories) -> None:
    """Instruct, opt, set-points, response: with the dtstart and duration of the event's own intervals."""
    done = await stories[instructed_and_answered]

    starts = [done.start + EVERY * number for number in range(3)]
    assert set(done.opts.values()) == {OPT_IN}
    assert [(row.start, row.duration_s) for row in done.of("*")] == [(start, 2.0) for start in starts]
    assert [row.delivered_kw for row in done.of("MAIN-1")] == near(-2.0, -4.0, 3.0)
    assert [row.delivered_kw for row in done.of("MAIN-2")] == near(-6.0, -3.5, 1.0)
    assert all(row.final and row.coverage_percent == 100 and row.source == "x-RESPONSE" for row in done.rows)


async def test_what_devices_delivered_adds_up_to_what_their_vens_and_the_sum_say(stories: Stories) -> None:
    done = await stories[instructed_and_answered]

    parts = zip(done.of("MAIN-2", "bat-1"), done.of("MAIN-2", "bat-2"), done.of("MAIN-1"), strict=True)
    sums = [fsum(row.delivered_kw or 0.0 for row in rows) for rows in parts]
    assert sums == [pytest.approx(row.delivered_kw, abs=1e-6) for row in done.of("*")]
    assert [row.asked_kw for row in done.of("*")] == [-8.0, -7.5, 4.0]
    assert sums_agree(done.rows)


async def test_a_device_is_told_its_power_at_the_edges_of_intervals_and_let_go_at_the_end(stories: Stories) -> None:
    """Between them it is told again each second, as its settings have it, and not at each reading."""
    done = await stories[instructed_and_answered]

    assert done.powers() == [-2.0, -4.0, 3.0, None]
    assert abs(done.orders[0].at - done.start) < timedelta(seconds=1)
    assert len([order for order in done.orders if order.kw is not None]) <= 3 * 3


async def test_a_change_while_an_event_is_pending_replaces_it_before_it_ever_ran(stories: Stories) -> None:
    """Another start, another number of intervals, other powers; asked and answered anew."""
    done = await stories[changed_while_pending]

    said = [(entry.what, entry.detail) for entry in done.journal]
    (first,) = [item for item in said if item[0] == "optIn" and item[1].startswith("modification 0, in effect from ")]
    assert said.index(first) < said.index(("changed", "modification 1"))
    assert said[-1][0] == "optIn"
    assert said[-1][1].startswith("modification 1, in effect from ")
    assert done.powers() == [-2.0, 2.5, None]
    assert [row.delivered_kw for row in done.of("CHANGE-1")] == near(-2.0, 2.5)
    assert sums_agree(done.rows)


async def test_cancelling_a_running_event_lets_the_device_go_and_closes_the_interval_there(stories: Stories) -> None:
    """Rule 36: the cancellation is acknowledged with optIn. What was delivered until then is answered for."""
    done = await stories[cancelled_while_running]

    assert done.powers() == [-2.0, None]
    assert [entry.what for entry in done.journal[-3:]] == ["cancelled", "sent", "optIn"]
    (row,) = done.of("CANCEL-1")
    assert row.duration_s < 60
    assert row.mean_kw is not None


async def test_a_vtn_killed_in_the_middle_of_an_event_goes_on_where_it_was(stories: Stories) -> None:
    """What it had before is there at once; what its VEN could not say meanwhile arrives; and the VEN never noticed."""
    done = await stories[vtn_killed]

    assert done.watch is not None
    assert len(done.watch.asked(CreatePartyRegistration)) == 1
    assert done.powers() == [-1.0, -2.0, -3.0, None]
    assert [row.delivered_kw for row in done.of("GOES-ON")] == near(-1.0, -2.0, -3.0)
    assert all(row.final for row in done.rows)
    assert sums_agree(done.rows)
    assert [entry.what for entry in done.journal] == ["published", "sent", "optIn"]


async def test_a_ven_killed_in_the_middle_of_an_event_resumes_at_the_running_interval(stories: Stories) -> None:
    """It does not register a second time; it asks for events, for deliveries may have been lost."""
    done = await stories[ven_killed]

    assert done.watch is not None
    assert done.watch.asked(CreatePartyRegistration) == ()
    assert len(done.watch.asked(RequestEvent)) == 1
    assert done.powers() == [-2.0, -3.0, None]
    assert done.orders[0].at < done.start + 2 * LONGER


async def test_the_response_is_complete_although_the_ven_was_dead_for_a_part_of_it(stories: Stories) -> None:
    """The device's own energy register ran on, so nothing of the interval is lost; the coverage says so."""
    done = await stories[ven_killed]

    rows = done.of("KILLED-1")
    assert [row.delivered_kw for row in rows] == near(-1.0, -2.0, -3.0)
    assert [row.coverage_percent for row in rows] == [100.0, 100.0, 100.0]
    assert all(row.final for row in rows)
    assert sums_agree(done.rows)


async def test_a_poll_with_nothing_pending_writes_nothing(site: Site) -> None:
    """A fleet polls day and night: neither the file nor its log of writes may move for it."""
    table = site.vtn("idle")
    async with Vtn(site.settings(table)).running() as vtn:
        idle = peer(site, vtn.url, site.issue("IDLE-1"))
        await idle.register("IDLE-1")
        await idle.say(RegisterReport(request_id=RequestId("m1"), ven_id=VenId("IDLE-1")))
        (metadata,) = await idle.drained("IDLE-1")
        assert isinstance(metadata, RegisterReport)
        await idle.say(RegisteredReport(result=Result(request_id=metadata.request_id), ven_id=VenId("IDLE-1")))
        before = files(site, "idle")
        for _ in range(5):
            assert await idle.drained("IDLE-1") == ()
        assert files(site, "idle") == before


def files(site: Site, name: str) -> dict[str, bytes]:
    """What is on the disk of a store."""
    return {path.name: path.read_bytes() for path in site.folder.glob(f"{name}.db*")}
