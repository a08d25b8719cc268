"""The chain from the first certificate to the last response: DRAS and AC here, RAs and gateways elsewhere, one event.

The TSO instructs, changes its mind three times, takes one slot back while the event runs; a gateway is lost, and
another one's operator opts out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import NoReturn

import msgspec
from msgspec.structs import replace

from openadr_ra.programs.chain_live import look
from openadr_ra.programs.chain_nodes import ac_grace_s
from openadr_ra.programs.chain_plant import (
    AC,
    AT_FIRST_KW,
    CANCELLED,
    CHANGES_KW,
    DRAS,
    EVENT,
    LEAVING,
    LOST,
    SLOTS,
    Plant,
)
from openadr_ra.programs.chain_ready import assembled
from openadr_ra.programs.chain_site import Site
from openadr_ra.programs.demo_screen import Screen
from openadr_ra.programs.demo_summary import Version, interval, version
from openadr_ra.protocol.instruction import Instruction
from openadr_ra.protocol.makers import dispatch
from openadr_ra.protocol.model import EventId, VenId
from openadr_ra.run.orders import OwnOpt
from openadr_ra.run.responses import ResponseRow
from openadr_ra.seams import Clock

LEAD_INTERVALS = 0.8
"""From the first instruction to its start, in intervals; time for three changes and their answers."""

SHORTEST_LEAD_S = 3.0

BETWEEN_CHANGES_S = 0.5

ANSWER_S = 15.0
"""How long an answer of the AC is waited for; it takes a tenth of a second."""

LOSS, OPT_OUT_AT, CANCEL_AT = 1.35, 2.4, 2.65
"""When in the event the gateway is lost, the other's operator opts out, and the TSO takes a slot back; in intervals."""

LATE_S = 20.0
"""How long after the AC's own grace the last response is waited for."""

QUIET_S = 2.0
"""After the last response corrections may be on their way."""

LOOK_EVERY = timedelta(seconds=0.5)

BELOW_AC = EventId(f"{EVENT}.{DRAS}")
BELOW_RA = EventId(f"{BELOW_AC}.{AC}")
"""What the event is called on its way down: each tier adds from whom it has it."""


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to the plant, for the picture and the summary."""

    at: datetime
    what: str


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What happened: the event as it was at last and in each version, and its rows as the DRAS has them."""

    order: Instruction
    versions: tuple[Version, ...]
    rows: tuple[ResponseRow, ...]
    happened: tuple[Happening, ...]


class Story:
    """What operators do, and what befalls them, step by step."""

    def __init__(self, site: Site, plant: Plant, clock: Clock, screen: Screen) -> None:
        self._site = site
        self._plant = plant
        self._clock = clock
        self._screen = screen
        self._every = timedelta(seconds=plant.interval_s)
        self._versions: list[Version] = []
        self._happened: list[Happening] = []

    async def tell(self) -> Told:
        """Everything; return when each slot has its response, or is late."""
        await assembled(self._site, self._plant, self._clock, self._screen)
        lead_s = max(SHORTEST_LEAD_S, LEAD_INTERVALS * self._plant.interval_s)
        first = self._order(self._on_live_edge(self._clock.now() + timedelta(seconds=lead_s)), AT_FIRST_KW)
        await self._site.dras.publish(first)
        await self._say_version("instructed")
        for number, values in enumerate(CHANGES_KW, start=1):
            await self._clock.sleep_until(self._clock.now() + timedelta(seconds=BETWEEN_CHANGES_S))
            await self._site.dras.change(EVENT, self._order(first.start, values))
            await self._say_version(f"changed, {number} of {len(CHANGES_KW)}")
        await self._answered()
        reporting = asyncio.ensure_future(self._report())
        try:
            await self._at(first.start, LOSS, self._lose)
            await self._at(first.start, OPT_OUT_AT, self._opt_out)
            await self._at(first.start, CANCEL_AT, self._take_back)
            await reporting
        finally:
            reporting.cancel()
        await self._settled()
        return await self._told()

    async def watch(self) -> NoReturn:
        """Keep the live table true."""
        while True:
            now = self._clock.now()
            self._screen.show(await look(self._site, now))
            await self._clock.sleep_until(now + LOOK_EVERY)

    def _on_live_edge(self, when: datetime) -> datetime:
        """The next instant at which a live report begins, so that slots are whole numbers of them."""
        live_s = self._plant.live_s
        return datetime.fromtimestamp(ceil(when.timestamp() / live_s) * live_s, UTC)

    def _order(self, start: datetime, values: tuple[float, ...]) -> Instruction:
        return replace(dispatch(start=start, every=self._every, delta_kw={AC: self._plant.asked(values)}), id=EVENT)

    async def _say_version(self, what: str) -> None:
        order = await self._site.dras.event(EVENT)
        values = ", ".join(f"{kw:+.0f}" for kw in order.asks[VenId(AC)].values)
        self._note(what)
        self._screen.say(f"TSO           {what}: {values} kW from {order.start:%H:%M:%S} UTC on")
        self._versions.append(version(order, {VenId(AC): None}))

    async def _answered(self) -> None:
        """What the AC said to the newest version."""
        order = await self._site.dras.event(EVENT)
        opts = await self._site.dras.opts(EVENT, within=timedelta(seconds=ANSWER_S))
        self._versions[-1] = version(order, opts)
        self._screen.say(f"              version {order.modification}: AC {opts[VenId(AC)] or 'no answer'}")

    async def _at(self, start: datetime, intervals: float, do: Callable[[], Awaitable[None]]) -> None:
        await self._clock.sleep_until(start + intervals * self._every)
        await do()

    async def _lose(self) -> None:
        self._site.lost.process.kill()
        self._note(f"{LOST} lost")
        self._screen.say(f"lost          gateway {LOST}: its process is gone, nobody told the RA", "yellow")

    async def _opt_out(self) -> None:
        await asyncio.to_thread(self._site.leaving.opt, BELOW_RA, OwnOpt(opt="optOut", reason="economic"))
        self._note(f"{LEAVING} opted out")
        self._screen.say(f"opted out     the operator of {LEAVING}, in the middle of the event", "yellow")

    async def _take_back(self) -> None:
        order = await self._site.dras.event(EVENT)
        values = (*CHANGES_KW[-1][:CANCELLED], 0.0, *CHANGES_KW[-1][CANCELLED + 1 :])
        await self._site.dras.change(EVENT, self._order(order.start, values))
        await self._say_version(f"slot {CANCELLED + 1} taken back")
        await self._answered()

    def _note(self, what: str) -> None:
        self._happened.append(Happening(at=self._clock.now(), what=what))

    async def _report(self) -> None:
        """A line for each slot as its response comes."""
        order = await self._site.dras.event(EVENT)
        said: set[datetime] = set()
        async for row in self._site.dras.response(EVENT, grace=self._grace()):
            if row.ven == AC and row.resource == "*" and row.start not in said:
                said.add(row.start)
                self._screen.interval(interval(row), (row.start - order.start) // order.every + 1, SLOTS)
            if len(said) == SLOTS:
                return

    async def _settled(self) -> None:
        """No correction came to the AC for a while."""
        end = self._clock.now() + self._grace()
        before: list[int] | None = None
        while (revisions := await self._revisions()) != before and self._clock.now() < end:
            before = revisions
            await self._clock.sleep_until(self._clock.now() + timedelta(seconds=QUIET_S))

    def _grace(self) -> timedelta:
        return timedelta(seconds=ac_grace_s(self._plant.interval_s) + LATE_S)

    async def _revisions(self) -> list[int]:
        return [account.revision for one in (await self._site.fleet()).promises for account in one.accounts]

    async def _told(self) -> Told:
        return Told(
            order=await self._site.dras.event(EVENT),
            versions=tuple(self._versions),
            rows=await self._site.dras.report(EVENT),
            happened=tuple(self._happened),
        )
