"""The driver round the physics: verbs, sequence, lease, override, noise, and the two times.

Outside everything is in the clock's time, inside in simulated time, `speed` times as fast. A device with `speed` 180 is
therefore, to whoever drives it, one whose ramps and start-ups take a 180th of the time and which stores a 180th of the
energy: ten seconds do to its state of charge what half an hour does to the real one, and a register's difference over
the clock's span is its mean power.
"""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Annotated

import msgspec
from msgspec import Meta

from openadr_ra.drivers.simulated.physics import (
    SAME_KW,
    Device,
    Order,
    State,
    advance,
    order,
    wish_kw,
)
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.parts import (
    COMM_FAILURE,
    GOOD,
    LOCAL_OVERRIDE,
    NO_VALUE,
    LoadControlLevel,
    LoadControlState,
)
from openadr_ra.protocol.schedule import Slot
from openadr_ra.protocol.times import FOREVER, shift
from openadr_ra.seams import Ack, Clock, Descriptor, DriverSettings, Measurement, Need, Setpoint

Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Percent = Annotated[float, Meta(ge=0, le=100)]
Fraction = Annotated[float, Meta(gt=0, le=1)]

CUT_OFF = "it cannot be reached"


class SimulatedSettings(DriverSettings, frozen=True, kw_only=True):
    """What every simulated device can be told. Times and energies of a device are simulated ones.

    `speed`: simulated seconds for each second of the clock. `latency_s`: from an order to its effect. `noise_kw`: the
    standard deviation of measured power; the same `seed` and device give the same noise again.
    """

    speed: Positive = 1.0
    latency_s: NotNegative = 0.0
    noise_kw: NotNegative = 0.0
    seed: int = 0
    metering_point: str = ""


class Simulated:
    """A driver of a device that exists only here. Its state follows from the clock whenever someone asks."""

    def __init__(self, resource: ResourceId, settings: SimulatedSettings, device: Device, clock: Clock) -> None:
        self._resource = resource
        self._settings = settings
        self._device = device
        self._clock = clock
        self._origin = clock.now()
        self._state = device.first()
        self._sequence: int | None = None
        self._last: Measurement | None = None
        # Not a secret, and it must be the same in each run.
        self._noise = random.Random(f"{settings.seed}/{resource}")  # noqa: S311
        self.reachable = True
        """False cuts the driver off from its device, which goes on by itself."""

    def override(self, kw: float | None) -> None:
        """Somebody turns the device to `kw` by hand, or (None) lets it go again."""
        self._state = msgspec.structs.replace(self._present(), override_kw=kw)

    async def describe(self) -> Descriptor:
        speed = self._settings.speed
        plain = self._device.descriptor(self._resource)
        energy = plain.energy and msgspec.structs.replace(
            plain.energy,
            capacity_kwh=plain.energy.capacity_kwh / speed,
            reserve_kwh=plain.energy.reserve_kwh / speed,
        )
        return msgspec.structs.replace(
            plain,
            metering_point=self._settings.metering_point,
            ramp_kw_per_s=None if plain.ramp_kw_per_s is None else plain.ramp_kw_per_s * speed,
            latency_s=(plain.latency_s + self._settings.latency_s) / speed,
            min_on_s=plain.min_on_s / speed,
            min_off_s=plain.min_off_s / speed,
            energy=energy,
            plan=self._plan(),
        )

    async def apply(self, setpoint: Setpoint) -> Ack:
        if not self.reachable:
            return Ack(outcome="unreachable", reason=CUT_OFF)
        if not math.isfinite(setpoint.kw) or setpoint.lease_until <= self._clock.now():
            return Ack(outcome="rejected", reason=f"{setpoint.kw} kW until {setpoint.lease_until} is no order")
        if self._sequence is not None and setpoint.sequence < self._sequence:
            return Ack(outcome="stale", reason=f"set-point {self._sequence} is newer")
        self._sequence = setpoint.sequence
        self._order(setpoint.kw, self._simulated_s(setpoint.lease_until))
        return self._ack(setpoint.kw)

    async def read(self) -> Measurement:
        if not self.reachable:
            return self._out_of_reach()
        self._state = self._present()
        self._last = self._measured(self._state)
        return self._last

    async def release(self, reason: str) -> Ack:
        if not self.reachable:
            return Ack(outcome="unreachable", reason=CUT_OFF)
        self._order(None, math.inf)
        return Ack(outcome="accepted", effective_kw=self._device.aim(self._state, self._wish_kw()).kw)

    def _order(self, kw: float | None, until_s: float) -> None:
        state = self._present()
        new = Order(from_s=state.t_s + self._settings.latency_s, until_s=until_s, kw=kw)
        # Without latency it begins at this instant: the step of no length lets it.
        self._state = advance(self._device, order(state, new), 0.0)

    def _ack(self, kw: float) -> Ack:
        """What the order for `kw` comes to once it takes effect, as far as can be seen now."""
        if self._state.override_kw is not None:
            effective_kw = self._device.aim(self._state, self._state.override_kw).kw
            return Ack(outcome="clamped", effective_kw=effective_kw, reason="local override")
        aim = self._device.aim(self._state, kw)
        clamped = abs(aim.kw - kw) > SAME_KW
        return Ack(outcome="clamped" if clamped else "accepted", effective_kw=aim.kw, reason=aim.why)

    def _measured(self, state: State) -> Measurement:
        speed = self._settings.speed
        overridden = state.override_kw is not None
        low_kw, high_kw = (
            self._device.aim(state, state.override_kw if state.override_kw is not None else kw).kw
            for kw in (self._device.min_kw, self._device.max_kw)
        )
        left = self._device.left(state)
        return Measurement(
            at=self._clock.now(),
            kw=state.kw + self._noise.gauss(0.0, self._settings.noise_kw),
            min_kw=low_kw,
            max_kw=high_kw,
            import_kwh=state.import_kwh / speed,
            export_kwh=state.export_kwh / speed,
            soc_percent=self._device.soc_percent(state),
            can_reduce_kwh=0.0 if overridden else _limited(left.reduce_kwh / speed),
            can_raise_kwh=0.0 if overridden else _limited(left.raise_kwh / speed),
            local_override=overridden,
            quality=LOCAL_OVERRIDE if overridden else GOOD,
            load_control=self._load_control(state, low_kw, high_kw),
            need=self._need(state),
        )

    def _need(self, state: State) -> Need | None:
        missing, speed = self._device.missing(state), self._settings.speed
        if missing is None:
            return None
        return Need(kwh=missing.kwh / speed, by=self._instant(missing.by_s), spare_kwh=missing.spare_kwh / speed)

    def _load_control(self, state: State, low_kw: float, high_kw: float) -> LoadControlState:
        """The power it is asked for now, where it can be asked to go, and what it would do by itself."""
        asked_kw = self._device.aim(state, wish_kw(self._device, state)).kw
        own_kw = self._device.own_kw(state)
        return self._device.load_control(
            LoadControlLevel(minimum=low_kw, maximum=high_kw, current=asked_kw, normal=own_kw)
        )

    def _out_of_reach(self) -> Measurement:
        if self._last is None:
            return Measurement(at=self._clock.now(), kw=0.0, min_kw=0.0, max_kw=0.0, online=False, quality=NO_VALUE)
        return msgspec.structs.replace(self._last, online=False, quality=COMM_FAILURE)

    def _plan(self) -> tuple[Slot, ...]:
        """The device's plan on the clock."""
        steps = self._device.plan
        starts = [self._instant(step.from_s) for step in steps]
        ends = [later for _, later in pairwise(starts)]
        return tuple(
            Slot(start=start, end=end, kw=step.kw)
            for step, start, end in zip(steps, starts, [*ends, FOREVER], strict=True)
        )

    def _wish_kw(self) -> float:
        return wish_kw(self._device, self._state)

    def _present(self) -> State:
        return advance(self._device, self._state, self._simulated_s(self._clock.now()) - self._state.t_s)

    def _simulated_s(self, when: datetime) -> float:
        return (when - self._origin).total_seconds() * self._settings.speed

    def _instant(self, simulated_s: float) -> datetime:
        """In UTC; FOREVER for what lies beyond the calendar."""
        seconds = simulated_s / self._settings.speed
        return shift(self._origin, timedelta(seconds=seconds)) if seconds < 1e12 else FOREVER


def _limited(kwh: float) -> float | None:
    return kwh if math.isfinite(kwh) else None
