"""The verbs of a mapped device, whatever carries its points."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from types import TracebackType
from typing import Generic, Self

from msgspec.structs import replace

from openadr_ra.drivers.mapped.carrier import Carrier, Refused, Unreached, end
from openadr_ra.drivers.mapped.declared import MappedSettings, check, descriptor, left_kwh, possible, reach
from openadr_ra.drivers.mapped.mapping import (
    COUNTS,
    P,
    Point,
    Points,
    Raw,
    Seen,
    Written,
    nearest,
    readable,
    resolution,
    seen,
)
from openadr_ra.drivers.mapped.owner import Owner
from openadr_ra.drivers.orders import SAME_KW, Held, Orders, silent, unreachable
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.parts import (
    DEVICE_FAILURE,
    GOOD,
    LOCAL_OVERRIDE,
    UNCERTAIN,
    LoadControlLevel,
    LoadControlState,
    Quality,
)
from openadr_ra.seams import Ack, Clock, Descriptor, Measurement, Setpoint

RELEASE_FOR_S = 86_400.0
"""A device that is away for longer has let go by itself, and may be somebody else's by then."""

ROUNDING = 1e-9
"""Of a quotient that should be a whole number."""


class Mapped(Generic[P]):
    """A device behind a mapping of points. An async context manager: it owns its carrier and its heartbeat."""

    def __init__(
        self, resource: ResourceId, settings: MappedSettings, points: Points[P], carrier: Carrier[P], clock: Clock
    ) -> None:
        check(resource, settings, points)
        self._settings = settings
        self._points = points
        self._carrier = carrier
        self._clock = clock
        self._declared = descriptor(resource, settings, clock.now())
        self._orders = Orders(clock)
        state = points.setpoint_state or points.setpoint
        self._owner = Owner(
            tolerance_kw=max(resolution(state, "power"), resolution(points.setpoint, "power")),
            echo=timedelta(seconds=settings.echo_s),
            counts_for=timedelta(seconds=settings.override_s),
        )
        self._turn = asyncio.Lock()
        self._beating = asyncio.Event()
        self._stack = AsyncExitStack()
        self._last: Measurement | None = None
        self._held_kw: float | None = None
        self._soc_percent: float | None = None
        self._touched = True  # A set-point of the process before this one may still stand there.
        self._outages = 0
        self._beats = 0
        self._alive: tuple[float, datetime] | None = None

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._carrier)
            if self._points.heartbeat is not None:
                group = await stack.enter_async_context(asyncio.TaskGroup())
                beat = group.create_task(self._beat())
                stack.push_async_callback(end, beat, self._settings.timeout_s)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def describe(self) -> Descriptor:
        return self._declared

    async def read(self) -> Measurement:
        try:
            async with self._talk():
                found = await self._look()
                # What it reads is true all the same.
                with contextlib.suppress(Refused):
                    await self._hold(found)
        except Unreached:
            return silent(self._last, self._clock.now())
        if found.kw is None:
            return replace(silent(self._last, self._clock.now()), online=True, quality=DEVICE_FAILURE)
        self._last = self._measured(found, found.kw)
        return self._last

    async def apply(self, setpoint: Setpoint) -> Ack:
        if refusal := self._orders.turned_away(setpoint):
            return refusal
        try:
            async with self._talk():
                found = await self._look()
                if why := self._owner.other(found, self._clock.now(), self._line):
                    self._let_go()
                    return Ack(outcome="rejected", reason=f"local override: {why}")
                return await self._order(setpoint, found)
        except Unreached as error:
            return unreachable(str(error))
        except Refused as error:
            # Something of it may have been taken all the same.
            self._owner.let_go()
            return Ack(outcome="rejected", reason=str(error))

    async def release(self, reason: str) -> Ack:
        self._orders.let_go()
        self._beating.clear()
        try:
            async with self._talk():
                found = await self._look()
                self._owner.other(found, self._clock.now(), self._line)
                if self._touched and not self._owner.taken:
                    self._owner.let_go()
                    await self._carrier.write(self._parting(), RELEASE_FOR_S)
        except Unreached as error:
            return unreachable(str(error))
        except Refused as error:
            return Ack(outcome="rejected", reason=str(error))
        self._let_go()
        self._touched = False
        return Ack(outcome="accepted", effective_kw=self._settings.plan_kw)

    # --- what is read ---------------------------------------------------------------------------------------------

    async def _look(self) -> Seen:
        """What the device shows. Raises Unreached where it says of itself that it is off, or seems to be."""
        now = self._clock.now()
        samples = await self._carrier.read(readable(self._points))
        found = seen(self._points, samples, self._settings.release_value, now)
        if not found.online:
            raise Unreached("it is not online, says its state")
        self._check_alive(found, now)
        if found.soc_percent is not None:
            self._soc_percent = found.soc_percent
        return found

    def _check_alive(self, found: Seen, now: datetime) -> None:
        """A gateway may go on answering for a device that is dead: then its counter stands still."""
        if found.alive is None:
            return
        if self._alive is None or self._alive[0] != found.alive:
            self._alive = (found.alive, now)
        still_s = (now - self._alive[1]).total_seconds()
        if still_s > self._settings.alive_s:
            raise Unreached(f"its counter has stood still for {still_s:.0f} s")

    def _measured(self, found: Seen, kw: float) -> Measurement:
        theirs = self._owner.other(found, self._clock.now(), self._line)
        low_kw, high_kw = (kw, kw) if theirs else self._reach(found)
        give_kwh, take_kwh = left_kwh(self._declared.energy, found.soc_percent)
        return Measurement(
            at=found.at,
            kw=kw,
            min_kw=low_kw,
            max_kw=high_kw,
            import_kwh=found.import_kwh,
            export_kwh=found.export_kwh,
            soc_percent=found.soc_percent,
            can_reduce_kwh=0.0 if theirs else give_kwh,
            can_raise_kwh=0.0 if theirs else take_kwh,
            local_override=bool(theirs),
            quality=_quality(found, bool(theirs)),
            load_control=LoadControlState(setpoint=self._level(kw, low_kw, high_kw)),
        )

    def _level(self, kw: float, low_kw: float, high_kw: float) -> LoadControlLevel:
        """What it is asked for; without a set-point what it does by itself."""
        own_kw = self._settings.plan_kw
        asked_kw = self._held_kw if self._held_kw is not None else own_kw
        return LoadControlLevel(
            minimum=low_kw, maximum=high_kw, current=kw if asked_kw is None else asked_kw, normal=own_kw
        )

    def _reach(self, found: Seen) -> tuple[float, float]:
        soc = found.soc_percent if found.soc_percent is not None else self._soc_percent
        return reach(self._declared, found.min_kw, found.max_kw, soc)

    # --- what is written ------------------------------------------------------------------------------------------

    async def _order(self, setpoint: Setpoint, found: Seen) -> Ack:
        """Write what comes nearest to `setpoint`."""
        held, written = self._choice(setpoint.kw, found)
        if written is None:
            self._let_go()
            return Ack(outcome="rejected", reason=f"its set-point cannot be {held.kw:g} kW, as it has to be")
        await self._write(setpoint, written)
        rounding_kw = resolution(self._points.setpoint, "power")
        rounded = abs(written.ours - held.kw) <= rounding_kw
        why = held.why or ("" if rounded else f"its set-point holds no more than {written.ours:g} kW")
        if abs(held.kw - setpoint.kw) > SAME_KW or not rounded:
            return Ack(outcome="clamped", effective_kw=written.ours, reason=why)
        return Ack(outcome="accepted", effective_kw=written.ours)

    def _choice(self, kw: float, found: Seen) -> tuple[Held, Written | None]:
        """What it can do, and how that is written."""
        low_kw, high_kw = self._reach(found)
        held = possible(self._declared, kw, low_kw, high_kw)
        # A level is to be met, and everything else stays within the limits.
        exact = bool(self._declared.levels_kw)
        step_kw = resolution(self._points.setpoint, "power") if exact else 0.0
        low_kw, high_kw = (held.kw - step_kw, held.kw + step_kw) if exact else (low_kw, high_kw)
        return held, nearest(self._points.setpoint, "power", held.kw, low_kw, high_kw)

    async def _write(self, setpoint: Setpoint, written: Written) -> None:
        self._touched = True
        await self._carrier.write(self._order_values(written.raw), self._orders.lease_s)
        self._held_kw = written.ours
        self._owner.wrote(written.ours, self._clock.now(), setpoint.lease_until, self._line)
        self._beating.set()

    async def _hold(self, found: Seen) -> None:
        """Its limits may have moved under the set-point that it has: then that is moved after them."""
        setpoint = self._orders.held
        if setpoint is None or self._held_kw is None or not self._orders.lease_s:
            return
        if self._owner.other(found, self._clock.now(), self._line):
            return
        low_kw, high_kw = self._reach(found)
        if low_kw - SAME_KW <= self._held_kw <= high_kw + SAME_KW:
            return
        _, written = self._choice(setpoint.kw, found)
        if written is not None and abs(written.ours - self._held_kw) > SAME_KW:
            await self._write(setpoint, written)

    def _order_values(self, raw: float) -> tuple[tuple[P, Raw], ...]:
        """All that makes the device follow a set-point, in the order in which it is written."""
        points = self._points
        values: list[tuple[P, Raw]] = []
        if points.lease is not None:
            lease = nearest(points.lease, "time", _rounded_up(points.lease, self._orders.lease_s), 0.0, math.inf)
            values += [] if lease is None else [(points.lease, lease.raw)]
        values.append((points.setpoint, raw))
        if points.heartbeat is not None:
            values.append((points.heartbeat, self._next_beat(points.heartbeat)))
        if points.enable is not None:
            values.append((points.enable, points.enable.on))
        return tuple(values)

    def _parting(self) -> tuple[tuple[P, Raw], ...]:
        """All that gives it back control: first the mode, for then no value counts any more."""
        points = self._points
        values: list[tuple[P, Raw]] = []
        if points.enable is not None:
            values.append((points.enable, points.enable.off))
        if self._settings.release_value is not None:
            values.append((points.setpoint, self._settings.release_value))
        return tuple(values)

    def _let_go(self) -> None:
        self._orders.let_go()
        self._owner.let_go()
        self._beating.clear()
        self._held_kw = None

    # --- the heartbeat --------------------------------------------------------------------------------------------

    def _next_beat(self, heartbeat: P) -> float:
        """One more than the last, as far as the point can count: a coil knows 0 and 1."""
        self._beats = (self._beats + 1) % COUNTS
        most = heartbeat.grid.high
        return self._beats % (most + 1) if most < COUNTS else float(self._beats)

    async def _beat(self) -> None:
        """While there is a set-point, and no longer than its lease: a device that misses it lets go by itself."""
        while True:
            await self._beating.wait()
            await self._clock.sleep_until(self._clock.now() + timedelta(seconds=self._settings.heartbeat_s))
            heartbeat = self._points.heartbeat
            if heartbeat is None or not self._beating.is_set():
                continue
            if not self._orders.lease_s:
                self._beating.clear()
                continue
            with contextlib.suppress(Unreached, Refused):
                async with self._talk():
                    await self._carrier.write(((heartbeat, self._next_beat(heartbeat)),), self._settings.heartbeat_s)

    @property
    def _line(self) -> tuple[int, int]:
        return self._carrier.line, self._outages

    @asynccontextmanager
    async def _talk(self) -> AsyncIterator[None]:
        """A turn with the device, no longer than it may take. Raises Unreached or Refused."""
        limit_s = self._settings.timeout_s
        try:
            async with asyncio.timeout(limit_s), self._turn:
                yield
        except TimeoutError as error:
            self._outages += 1
            raise Unreached(f"no answer within {limit_s:g} s") from error
        except Unreached:
            self._outages += 1
            raise


def _quality(found: Seen, theirs: bool) -> Quality:
    if theirs:
        return LOCAL_OVERRIDE
    return UNCERTAIN if found.lacking else GOOD


def _rounded_up(lease: Point, seconds: float) -> float:
    """To what the point can say: a lease of half a minute must not become one of none."""
    step_s = resolution(lease, "time")
    return math.ceil(seconds / step_s - ROUNDING) * step_s if step_s else seconds
