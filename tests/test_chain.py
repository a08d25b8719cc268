"""The main job, with real parts: certificates, mutual TLS, SQLite files, processes that are killed, and seconds that pass.

Each story takes real time and none disturbs another, so all of them are told at once; a test waits for its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from math import fsum

import msgspec
import pytest
import pytest_asyncio
from msgspec.structs import replace

from openadr_ra import OPT_IN, ResponseRow, Ven, Vtn, dispatch
from openadr_ra.fleet.aggregate import sums_agree
from openadr_ra.protocol.messages import CreatePartyRegistration, Poll, RequestEvent
from openadr_ra.protocol.model import OptType, VenId
from openadr_ra.protocol.step import Entry
from tests.run.device import Device, Order, device
from tests.run.programs import Task, child
from tests.run.site import BATTERY, Site, Watch, new_site, soon, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVERY = timedelta(seconds=2)
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

    def powers(self, since: datetime | None = None) -> list[float | None]:
        """What the device was told, repetitions left out."""
        told = [order.kw for order in self.orders if since is None or order.at >= since]
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
    async with device() as edge, Vtn(site.settings(site.vtn(f"{name}-ac"))).running() as vtn:
        async with Ven(site.settings(site.ven(name, vtn.url, edge.table))).running():
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
            await vtn.opts(event, within=timedelta(seconds=5))
            await responded(vtn, event)
            return await told(vtn, event, edge)


async def changed_while_pending(site: Site) -> Told:
    async with pair(site, "CHANGE-1") as (vtn, edge):
        first = dispatch(start=soon(30), every=EVERY, delta_kw=(-1, -1, -1), to=("CHANGE-1",))
        event = await vtn.publish(first)
        await vtn.opts(event, within=timedelta(seconds=5))
        await vtn.change(event, dispatch(start=soon(), every=EVERY, delta_kw=(-2, 2.5), to=("CHANGE-1",)))
        await vtn.opts(event, within=timedelta(seconds=5))
        await responded(vtn, event)
        return await told(vtn, event, edge)


async def cancelled_while_running(site: Site) -> Told:
    async with pair(site, "CANCEL-1") as (vtn, edge):
        event = await vtn.publish(dispatch(start=soon(), every=timedelta(minutes=30), delta_kw=(-2,), to=("CANCEL-1",)))

        async def moved() -> bool:
            return bool(edge.orders)

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
            first_life.tell(Task(start=soon(), every_s=2.5, asks={"GOES-ON": (-1, -2, -3)}))
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
            order = dispatch(start=soon(), every=timedelta(seconds=2.5), delta_kw=(-1, -2, -3), to=("KILLED-1",))
            event = await vtn.publish(replace(order, every=timedelta(seconds=3)))
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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stories(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[Story, asyncio.Future[Told]]]:
    site = new_site(tmp_path_factory)
    under_way = {story: asyncio.ensure_future(story(site)) for story in STORIES}
    yield under_way
    for story in under_way.values():
        story.cancel()
    await asyncio.gather(*under_way.values(), return_exceptions=True)


Stories = dict[Story, asyncio.Future[Told]]


async def test_x(stories: Stories) -> None:
    for s, t in stories.items():
        try:
            r = await t
        except BaseException as e:
            print("#####", s.__name__, repr(e)); import traceback; traceback.print_exception(e); continue
        print("#####", s.__name__, r.opts)
        for row in r.rows: print(row.start.time(), row.ven, row.resource, row.duration_s, row.asked_kw, row.delivered_kw, row.coverage_percent, row.source, row.final)
        for o in r.orders: print(o)
        for e in r.journal: print(e)
