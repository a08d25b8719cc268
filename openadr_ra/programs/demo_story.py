"""The demo from the first certificate to the last response: one VTN here, three VENs elsewhere, two events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from math import fsum
from pathlib import Path
from typing import NoReturn, TypeVar

import msgspec
from msgspec.structs import replace

from openadr_ra.errors import OadrRaError
from openadr_ra.programs import demo_edges, demo_sites
from openadr_ra.programs.demo_messages import Recorder
from openadr_ra.programs.demo_screen import Screen
from openadr_ra.programs.demo_sites import SITES, Site
from openadr_ra.programs.demo_summary import EVERYONE, Version, interval, version
from openadr_ra.programs.demo_watch import USAGE, look
from openadr_ra.protocol.instruction import Instruction
from openadr_ra.protocol.makers import dispatch
from openadr_ra.protocol.model import EventId
from openadr_ra.protocol.report import TOTAL
from openadr_ra.protocol.schedule import Reading
from openadr_ra.run.clock import SystemClock
from openadr_ra.run.responses import ResponseRow
from openadr_ra.run.vtn import Vtn
from openadr_ra.seams import Clock

REDUCE, RAISE = EventId("reduce"), EventId("raise")

READY_S = 45.0
"""Until when VENs have to be registered and to report; a machine that does nothing else takes two seconds."""

LEAD = timedelta(seconds=8)
"""From publishing to the start: time to publish, change, and have both versions acknowledged by polling VENs."""

GRACE = timedelta(seconds=20)
"""How long after an event its last response is waited for; it takes a second or two."""

AFTER = timedelta(seconds=2)
"""Until when devices are watched after the last event, to be seen returning to their plans."""

LOOK_EVERY = timedelta(seconds=0.5)

T = TypeVar("T")


class Failed(OadrRaError):
    """The demo cannot go on; the message says what is missing."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What happened: the events as they were at last and in each version, their responses, and power as reported."""

    orders: tuple[Instruction, ...]
    versions: tuple[Version, ...]
    rows: tuple[ResponseRow, ...]
    power: tuple[Reading, ...]


async def perform(out: Path, interval_s: int, screen: Screen, recorder: Recorder) -> Told:
    """Run it all in `out`. Raises Failed, EdgeDied if a VEN ends by itself, and what a VTN raises."""
    clock = SystemClock()
    folder = out / "certs"
    reused = demo_sites.make_certificates(folder, [(site.name, site.key) for site in SITES], clock.now())
    screen.say(f"certificates  {'those there are' if reused else 'a throw-away CA'} in {folder}")
    vtn = Vtn.from_toml(demo_sites.write_vtn(out), tap=recorder.tap)
    with logged(out / "ac.log"):
        async with vtn.running():
            screen.say(f"VTN           AC at {vtn.url}, mutual TLS, SQLite")
            settings = [demo_sites.write_ven(out, site, vtn.url, interval_s) for site in SITES]
            async with demo_edges.running(settings) as edges:
                with screen.live():
                    story = _Story(vtn, clock, screen, interval_s, out)
                    return await unless(story.tell(), story.watch(), demo_edges.death(edges))


@contextmanager
def logged(path: Path) -> Iterator[None]:
    """What the VTN logs goes to `path`, and not into the live table."""
    logger = logging.getLogger("openadr_ra")
    level, propagate = logger.level, logger.propagate
    handler = logging.FileHandler(path, "w", "utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
        logger.setLevel(level)
        logger.propagate = propagate


async def unless(story: Coroutine[object, object, T], *others: Coroutine[object, object, NoReturn]) -> T:
    """The story's end, unless one of the others raises before."""
    told = asyncio.ensure_future(story)
    rest = [asyncio.ensure_future(other) for other in others]
    try:
        await asyncio.wait((told, *rest), return_when=asyncio.FIRST_COMPLETED)
        for one in rest:
            if one.done():
                one.result()
        return told.result()
    finally:
        for task in (told, *rest):
            task.cancel()
        await asyncio.gather(told, *rest, return_exceptions=True)


class _Story:
    """What the operator of the VTN does, step by step."""

    def __init__(self, vtn: Vtn, clock: Clock, screen: Screen, interval_s: int, out: Path) -> None:
        self._vtn = vtn
        self._clock = clock
        self._screen = screen
        self._every = timedelta(seconds=interval_s)
        self._out = out
        self._versions: list[Version] = []

    async def tell(self) -> Told:
        """Publish, change, publish again; return when every response is there, or late."""
        await self._assembled()
        start = self._clock.now() + LEAD
        await self._vtn.publish(self._order(REDUCE, start, lambda site: site.at_first_kw))
        await self._answered(REDUCE, "published")
        await self._vtn.change(REDUCE, self._order(REDUCE, start, lambda site: site.reduce_kw))
        down = await self._answered(REDUCE, "changed while pending")
        up: Instruction | None = None
        async for row in self._vtn.response(REDUCE, grace=GRACE):
            self._report(row, down)
            if up is None and row.ven == EVERYONE and row.final:
                # While the first event still runs; an interval lies between the two.
                await self._vtn.publish(self._order(RAISE, down.end + self._every, lambda site: site.raise_kw))
                up = await self._answered(RAISE, "published")
        if up is None:
            raise Failed(f"no interval of event {REDUCE} was answered for by all VENs; see the logs in {self._out}")
        async for row in self._vtn.response(RAISE, grace=GRACE):
            self._report(row, up)
        await self._clock.sleep_until(up.end + AFTER)
        return await self._told(down, up)

    async def watch(self) -> NoReturn:
        """Keep the live table true."""
        while True:
            now = self._clock.now()
            self._screen.show(await look(self._vtn, now))
            await self._clock.sleep_until(now + LOOK_EVERY)

    async def _assembled(self) -> None:
        """Every VEN is registered, and reports on every device."""
        try:
            async with asyncio.timeout(READY_S):
                while await self._lacking():
                    await self._vtn.changed(timedelta(seconds=1))
        except TimeoutError:
            lacking = await self._lacking()
            raise Failed(f"{lacking} within {READY_S:.0f} s; see the logs in {self._out}") from None
        what = {site.name: site.what for site in SITES}
        for one in await self._vtn.vens():
            self._screen.say(f"VEN           {one.ven_id}, {what[one.ven_id]}; certificate {one.fingerprints[0]}")

    async def _lacking(self) -> str:
        for one in await self._vtn.vens():
            if not one.registered:
                return f"{one.ven_id} did not register"
        for series in USAGE:
            if not await self._vtn.store.series(series):
                return f"{series} was not reported"
        return ""

    def _order(self, event: EventId, start: datetime, of: Callable[[Site], tuple[float, ...]]) -> Instruction:
        delta_kw = {site.name: of(site) for site in SITES}
        return replace(dispatch(start=start, every=self._every, delta_kw=delta_kw), id=event)

    async def _answered(self, event: EventId, what: str) -> Instruction:
        """The event as it is now; says, and keeps, what the VENs answered to this version until its start."""
        order = await self._vtn.event(event)
        sums = ", ".join(
            f"{fsum(values):+.0f}" for values in zip(*(ask.values for ask in order.asks.values()), strict=True)
        )
        self._screen.say(f"event         {event} {what}: {sums} kW from {order.start:%H:%M:%S} UTC on")
        opts = await self._vtn.opts(event, within=order.start - self._clock.now())
        self._versions.append(version(order, opts))
        given = ", ".join(f"{ven} {opt or 'no answer'}" for ven, opt in opts.items())
        self._screen.say(f"              version {order.modification}: {given}")
        return order

    def _report(self, row: ResponseRow, order: Instruction) -> None:
        """A line for each VEN and each sum; resources come with the result."""
        if row.resource == TOTAL and row.final:
            self._screen.interval(interval(row), (row.start - order.start) // order.every + 1, order.count)

    async def _told(self, *orders: Instruction) -> Told:
        rows = [row for order in orders for row in await self._vtn.report(order.id)]
        begin, end = orders[0].start - LEAD, orders[-1].end + AFTER
        return Told(
            orders=orders,
            versions=tuple(self._versions),
            rows=tuple(rows),
            power=await self._vtn.store.readings(USAGE, begin, end),
        )
