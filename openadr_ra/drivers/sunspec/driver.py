"""The driver of a SunSpec device: four verbs over Modbus TCP, and its controller's heartbeat while it is held."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from msgspec.structs import replace

from openadr_ra.drivers.orders import Held, Orders, answer, silent, unreachable, within
from openadr_ra.drivers.sunspec import facts
from openadr_ra.drivers.sunspec.control import Move, Way, best_way
from openadr_ra.drivers.sunspec.device import Device
from openadr_ra.drivers.sunspec.link import Link, Refused, Unreachable
from openadr_ra.drivers.sunspec.registers import Write
from openadr_ra.drivers.sunspec.settings import SunspecSettings
from openadr_ra.drivers.sunspec.view import Mine, View, view
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.parts import (
    GOOD,
    LOCAL_OVERRIDE,
    NO_VALUE,
    UNCERTAIN,
    LoadControlLevel,
    LoadControlState,
    Quality,
)
from openadr_ra.seams import Ack, Clock, Descriptor, Measurement, Setpoint

BEAT_S = 1.0
"""SunSpec 802: CtrlHb is incremented every second."""

BEATS = 0xFFFF
"""CtrlHb returns to 0 before this, which stands for "not implemented"."""

STILL_S = 10.0
"""A battery whose own heartbeat, due every second, stands so long does not know what it says."""

COARSE = 0.01
"""Of the range: a register that rounds an order by more than that has not taken it as it was."""

DRAIN = 0.9
"""Of what is above the reserve: so much an order may take before it ends by itself. The rest is losses and rounding."""


class Sunspec:
    """The driver `sunspec`. An async context manager: its heartbeat beats only inside."""

    Settings = SunspecSettings

    def __init__(self, resource: ResourceId, settings: SunspecSettings, clock: Clock) -> None:
        self._resource = resource
        self._settings = settings
        self._clock = clock
        self._device = Device(Link(settings.host, settings.port, settings.unit, settings.timeout_s))
        self._turn = asyncio.Lock()
        self._orders = Orders(clock)
        self._mine: Mine | None = None
        self._last: Measurement | None = None
        self._view: View | None = None
        self._pulse: tuple[int, datetime] | None = None
        self._beats = 0
        self._group: asyncio.TaskGroup | None = None
        self._beating: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._group = await asyncio.TaskGroup().__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The device keeps what it was told until its own timer ends."""
        if self._beating is not None:
            self._beating.cancel()
        group, self._group = self._group, None
        try:
            if group is not None:
                await group.__aexit__(None, None, None)
        finally:
            self._device.link.drop()

    async def quiet(self) -> None:
        """Return when no answer of the device is awaited: for a clock that goes on only when all is at rest."""
        async with self._turn:
            return

    async def describe(self) -> Descriptor:
        """As the device says; before it has said anything, as the settings say."""
        with suppress(Unreachable):
            async with self._heard():
                await self._look()
        if self._view is None:
            return facts.unmet(self._resource, self._settings)
        return facts.descriptor(self._resource, self._view.plate, self._view.now, self._settings)

    async def read(self) -> Measurement:
        try:
            async with self._heard():
                self._last = self._measured(await self._look())
        except Unreachable:
            return silent(self._last, self._clock.now())
        return self._last

    async def apply(self, setpoint: Setpoint) -> Ack:
        if away := self._orders.turned_away(setpoint):
            return away
        try:
            async with self._heard():
                ack = await self._order(setpoint.kw)
        except Refused as error:
            ack = Ack(outcome="rejected", reason=str(error))
        except Unreachable as error:
            return unreachable(str(error))
        if ack.outcome == "rejected":
            # Without a heartbeat the device ends what it was told before.
            self._orders.let_go()
        return ack

    async def release(self, reason: str) -> Ack:
        """What somebody else told the device stays."""
        self._orders.let_go()
        try:
            async with self._heard():
                return await self._let_go()
        except Refused as error:
            return Ack(outcome="rejected", reason=str(error))
        except Unreachable as error:
            return unreachable(str(error))

    # --- what the verbs do, with a device that is there -----------------------------------------------------------

    @asynccontextmanager
    async def _heard(self) -> AsyncIterator[None]:
        """The device, connected and known, for one verb at a time. Raises Unreachable when that takes too long."""
        try:
            async with asyncio.timeout(self._settings.timeout_s), self._turn:
                await self._device.ready()
                yield
        except TimeoutError as error:
            raise Unreachable(f"no answer within {self._settings.timeout_s:g} s") from error

    async def _look(self) -> View:
        image = await self._device.look()
        plate = self._plate()
        now = facts.now(image, plate, self._settings)
        free_kw = self._view.free_kw if self._view is not None else 0.0
        self._view = view(image, plate, now, self._way(plate), self._mine, free_kw, self._settings)
        return self._view

    def _plate(self) -> facts.Nameplate:
        if self._device.nameplate is None:
            raise Unreachable("it has not said yet what it is")
        return facts.nameplate(self._device.nameplate, self._settings)

    def _way(self, plate: facts.Nameplate) -> Way | None:
        if self._device.nameplate is None:
            return None
        return best_way(self._device.nameplate, plate, signed=self._settings.storage_rates == "signed")

    async def _order(self, kw: float) -> Ack:
        seen = await self._look()
        why, way = seen.local or seen.idle, seen.way
        if why or way is None:
            return Ack(outcome="rejected", reason=why)
        held, move = self._move(seen, way, kw)
        # Ours from here on, even if the answer to it is lost.
        self._mine = move.raws | ({seen.order.raw} if seen.order is not None else frozenset())
        await self._device.write(seen.image, move.writes)
        await self._beat()
        after = await self._look()
        self._keep_beating()
        return self._taken(kw, held, move, after, seen.sun_kw)

    def _move(self, seen: View, way: Way, kw: float) -> tuple[Held, Move]:
        """The power that is ordered, and how. A limit may lie beyond what the sun gives now: it may give more."""
        low_kw = -seen.plate.rated_kw if way.holds == "limit" else seen.low_kw
        held = within(kw, *facts.narrowed(low_kw, seen.high_kw, self._settings))
        battery_kw = min(max(held.kw + seen.sun_kw, -seen.plate.discharge_kw), seen.plate.charge_kw)
        told_kw = battery_kw if way.holds == "storage" else held.kw
        return held, way.move(seen.image, told_kw, self._lease_s(seen, battery_kw))

    def _lease_s(self, seen: View, battery_kw: float) -> float:
        """The lease; less where the battery would go below its reserve: one of ours the device does not know."""
        now, capacity_kwh = seen.now, seen.plate.capacity_kwh
        lease_s = self._orders.lease_s
        if battery_kw >= 0 or capacity_kwh is None or now.soc_percent is None:
            return lease_s
        left_kwh = DRAIN * (now.soc_percent - now.floor_percent) / 100 * capacity_kwh
        return min(lease_s, max(left_kwh / -battery_kw * 3600, 1.0))

    def _taken(self, kw: float, held: Held, move: Move, after: View, sun_kw: float) -> Ack:
        """What the device made of it, for it may have limits that it does not tell."""
        if after.order is None:
            return Ack(outcome="rejected", reason="the device did not take it")
        self._mine = move.raws | {after.order.raw}
        coarse_kw = COARSE * (after.plate.rated_kw + after.plate.charge_kw)
        told_kw, why = move.kw, held.why
        if abs(after.order.kw - told_kw) > coarse_kw:
            told_kw, why = after.order.kw, f"the device took {after.order.kw:g} kW"
        if after.way is not None and after.way.holds == "storage":
            told_kw -= sun_kw
        if not why and abs(told_kw - held.kw) > coarse_kw:
            why = "it moves in larger steps"
        if after.plate.kind == "pv" and told_kw < after.low_kw:
            told_kw, why = after.low_kw, why or "the sun gives no more now"
        # What is below a milliwatt is the scale factor's arithmetic.
        told_kw = round(told_kw, 6) + 0.0
        return answer(kw, Held(told_kw, why)) if why else Ack(outcome="accepted", effective_kw=told_kw)

    async def _let_go(self) -> Ack:
        seen = await self._look()
        if seen.order is not None and seen.way is not None and not seen.foreign:
            await self._device.write(seen.image, seen.way.let_go(seen.image))
            seen = await self._look()
            if seen.order is not None and not seen.foreign:
                return Ack(outcome="rejected", reason="the device did not let go")
        self._mine = frozenset()
        return Ack(outcome="accepted", reason=seen.local)

    # --- readings -------------------------------------------------------------------------------------------------

    def _measured(self, seen: View) -> Measurement:
        now, plate = seen.now, seen.plate
        kw = now.kw or 0.0
        told_kw = seen.order_kw if seen.order is not None else kw
        reading = Measurement(
            at=self._clock.now(),
            kw=kw,
            min_kw=seen.low_kw,
            max_kw=seen.high_kw,
            import_kwh=now.import_kwh,
            export_kwh=now.export_kwh,
            soc_percent=now.soc_percent,
            local_override=bool(seen.local),
            quality=self._quality(seen),
            load_control=LoadControlState(
                setpoint=LoadControlLevel(minimum=seen.low_kw, maximum=seen.high_kw, current=told_kw)
            ),
        )
        if seen.local or seen.idle:
            return replace(reading, can_reduce_kwh=0.0, can_raise_kwh=0.0)
        if plate.kind == "pv":
            return replace(reading, can_reduce_kwh=0.0)
        if plate.capacity_kwh is None or now.soc_percent is None:
            return reading
        above, below = now.soc_percent - now.floor_percent, now.ceiling_percent - now.soc_percent
        return replace(
            reading,
            can_reduce_kwh=max(above, 0.0) / 100 * plate.capacity_kwh,
            can_raise_kwh=max(below, 0.0) / 100 * plate.capacity_kwh,
        )

    def _quality(self, seen: View) -> Quality:
        if seen.now.kw is None:
            return NO_VALUE
        if seen.now.fault or self._stands_still(seen.now.pulse):
            return UNCERTAIN
        return LOCAL_OVERRIDE if seen.local else GOOD

    def _stands_still(self, pulse: int | None) -> bool:
        now = self._clock.now()
        if pulse is None:
            return False
        if self._pulse is None or self._pulse[0] != pulse:
            self._pulse = (pulse, now)
        return now - self._pulse[1] > timedelta(seconds=STILL_S)

    # --- the heartbeat --------------------------------------------------------------------------------------------

    def _keep_beating(self) -> None:
        wanted = self._view is not None and self._view.plate.heartbeat and self._group is not None
        if wanted and self._group is not None and (self._beating is None or self._beating.done()):
            self._beating = self._group.create_task(self._beats_on())

    async def _beats_on(self) -> None:
        """As long as the lease goes, over whatever connection there is; the verbs make it."""
        while self._orders.lease_s > 0:
            await self._clock.sleep_until(self._clock.now() + timedelta(seconds=BEAT_S))
            if self._orders.lease_s > 0 and self._device.link.connected:
                with suppress(Unreachable):
                    async with self._heard():
                        await self._beat()

    async def _beat(self) -> None:
        """A number that differs from the last one."""
        if self._view is not None and self._view.plate.heartbeat:
            self._beats = (self._beats + 1) % BEATS
            await self._device.write(self._view.image, (Write(802, "CtrlHb", self._beats),))
