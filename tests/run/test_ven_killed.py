"""A VEN in a process of its own, killed at a moment of an event that matters, and begun anew on the same file."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from itertools import pairwise

import msgspec
import pytest

from openadr_ra import Vtn, dispatch
from openadr_ra.protocol.schedule import Reading
from openadr_ra.run.traffic import Exchange
from openadr_ra.seams import Store
from openadr_ra.store import SqliteStore
from tests.run.device import Device, Order, device
from tests.run.programs import Child, child
from tests.run.site import PATIENCE, Site, Watch, new_site, soon, until
from tests.test_chain import registered

pytestmark = pytest.mark.timeout(180)

EVERY = timedelta(seconds=4)
ASKED = (-1.0, -2.0, -3.0)
GRACE = timedelta(seconds=60)
"""For responses on a busy machine."""

MOMENTS = ("accepted", "applied", "acknowledging")
"""Before anything is applied; when the device has been told, and nothing been said of it; and when the VTN has stored the
first interval's response, and its acknowledgement has not left."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What was left at both ends, and what the device was told, when the event is over."""

    start: datetime
    said: dict[str, tuple[Reading, ...]]
    heard: dict[str, tuple[Reading, ...]]
    journal: tuple[str, ...]
    orders: tuple[Order, ...]
    updates: int


class Striking:
    """A tap that kills when a response to an event is about to be acknowledged for the first time."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.victim: Child | None = None
        self.updates = 0

    def __call__(self, exchange: Exchange) -> None:
        if b"oadrUpdateReport" in exchange.request and b"x-RESPONSE" in exchange.request:
            self.updates += 1
            if self.victim is not None:
                self.victim.strike()
                self.victim = None
        self.watch(exchange)


async def strike(moment: str, vtn: Vtn, event: str, edge: Device, victim: Child, tap: Striking) -> None:
    """Kill the VEN at that moment."""

    async def applied() -> bool:
        return bool(edge.orders)

    async def acknowledging() -> bool:
        return tap.victim is None

    match moment:
        case "accepted":
            assert None not in (await vtn.opts(event, within=PATIENCE)).values()
            assert not edge.orders
        case "applied":
            await until(applied, edge.changed)
            assert not tap.updates
        case _:
            tap.victim = victim
            await until(acknowledging, tap.watch.changed)
    await victim.kill()


async def responses(store: Store, prefix: str) -> dict[str, tuple[Reading, ...]]:
    """All values of the response to the event, by what stands behind its name."""
    names = [name for name in await store.series("") if name.startswith(prefix)]
    start, end = soon(-3600), soon(3600)
    return {name.removeprefix(prefix): await store.readings((name,), start, end) for name in names}


async def killed(site: Site, moment: str) -> Told:
    name, tap = f"K-{moment}", Striking()
    async with device() as edge, Vtn(site.settings(site.vtn(f"{moment}-ac")), tap=tap).running() as vtn:
        file = site.file(site.ven(name, vtn.url, edge.table))
        async with child("ven", file) as victim, child("standby", file) as second:
            await registered(vtn, name)
            order = dispatch(start=soon(4), every=EVERY, delta_kw=ASKED, to=(name,))
            event = await vtn.publish(order)
            await strike(moment, vtn, event, edge, victim, tap)
            second.begin()
            async for _ in vtn.response(event, grace=GRACE):
                pass

            async def let_go() -> bool:
                return bool(edge.orders) and edge.orders[-1].kw is None

            await until(let_go, edge.changed)
            await second.kill()
        journal = tuple(entry.what for entry in await vtn.journal(f"event/{event}") if entry.by == name)
        heard = await responses(vtn.store, f"{name}/x-RESPONSE/{event}/")
    ven = await SqliteStore.open(site.folder / f"{name}.db")
    said = await responses(ven, f"response/{event}/")
    await ven.close()
    return Told(
        start=order.start, said=said, heard=heard, journal=journal, orders=tuple(edge.orders), updates=tap.updates
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


async def test_ven_killed_at_any_moment_of_an_event_says_all_once_and_drives_its_device_as_asked(site: Site) -> None:
    """Every interval has its value with its true time; both ends have the same values; and no power is told but the one
    of the interval that runs."""
    stories = await asyncio.gather(*(killed(site, moment) for moment in MOMENTS))
    for moment, told in zip(MOMENTS, stories, strict=True):
        times = [told.start + EVERY * number for number in range(len(ASKED))]
        assert "*.kw" in told.heard, moment
        for name, values in told.heard.items():
            assert [(one.start, one.span) for one in values] == [(at, EVERY) for at in times], (moment, name)
            # A difference is told as such, and may differ by its last digit.
            said = [pytest.approx(one.value, abs=1e-9) for one in told.said[name]]
            assert [one.value for one in values] == said, (moment, name)
        assert [one.value for one in told.heard["*.asked"]] == list(ASKED), moment
        assert [one.value for one in told.heard["*.final"]] == [1.0] * len(ASKED), moment
        assert [one.value for one in told.heard["*.revision"]] == [0.0] * len(ASKED), moment
        assert (told.journal.count("optIn"), told.journal.count("optOut")) == (1, 0), moment
        assert told.updates == len(ASKED) + (moment == "acknowledging"), moment
        powers = [order.kw for order in told.orders]
        changes = [after for before, after in pairwise([None, *powers]) if after != before]
        # On a machine that is slow enough an interval may be over before the second life begins.
        assert [kw for kw in (*ASKED, None) if kw in changes] == changes, moment
        assert changes[-2:] == [ASKED[-1], None], moment
        for order in told.orders:
            if order.kw is not None:
                began = times[ASKED.index(order.kw)]
                assert order.at >= began - timedelta(milliseconds=50), moment
