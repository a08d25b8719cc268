"""A simulated heat pump, water heater or cold store: its heat, or its cold, is a store that leaks by itself.

Comfort is a hard constraint: whatever was asked, the temperature stays in its band. At an edge of it the device does what
holds the edge; one that is on or off is not switched into a minimum time that would lead out of the band.
"""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
from msgspec import Meta

from openadr_ra.drivers.simulated.physics import (
    HOUR_S,
    LONG_AGO_S,
    Aim,
    Device,
    Left,
    State,
    Step,
    nearest,
    plan_kwh,
    snapped,
    wish_kw,
    within,
)
from openadr_ra.drivers.simulated.shell import NotNegative, Positive, Simulated, SimulatedSettings
from openadr_ra.protocol.model import ResourceId
from openadr_ra.seams import Clock, Descriptor, Energy

COMFORT = "the temperature would leave its band"


class ThermalSettings(SimulatedSettings, frozen=True, kw_only=True):
    """A modulating heat pump in a house in winter, unless told otherwise. Powers are electrical, heat is not.

    With `outside_c` below the band it heats, above it it cools: a cold store. By itself it runs at `profile_kw`, a value
    each `step_h` hours, the last one stays; without one at the power that holds `start_c`. One that does not modulate is
    off or at `power_kw`, and needs a profile: nobody could foretell a thermostat's own switching.
    """

    power_kw: Positive = 3.0
    cop: Positive = 3.0
    modulates: bool = True
    heat_kwh_per_k: Positive = 3.0
    loss_kw_per_k: Positive = 0.2
    low_c: float = 19.0
    high_c: float = 23.0
    start_c: float = 21.0
    outside_c: float = 5.0
    profile_kw: tuple[NotNegative, ...] = ()
    step_h: Positive = 0.5
    min_on_s: NotNegative = 600.0
    min_off_s: Annotated[float, Meta(ge=60)] = 300.0

    def __post_init__(self) -> None:
        if not self.low_c <= self.start_c <= self.high_c or self.low_c == self.high_c:
            raise ValueError("start_c does not lie in the band from low_c to high_c")
        if self.low_c < self.outside_c < self.high_c:
            raise ValueError("outside_c lies in the band: it would have to heat and to cool")
        if not self.modulates and not self.profile_kw:
            raise ValueError("one that does not modulate needs a profile_kw")
        if not self.modulates and {*self.profile_kw} - {0.0, self.power_kw}:
            raise ValueError(f"profile_kw has more than 0 and power_kw {self.power_kw:g}")
        if max(self.profile_kw, default=0.0) > self.power_kw:
            raise ValueError(f"profile_kw goes beyond power_kw {self.power_kw:g}")
        made = physics(self)
        if made.holding_kw(made.first_kwh if not self.profile_kw else 0.0) > self.power_kw:
            raise ValueError(f"power_kw {self.power_kw:g} does not make up for the loss")
        if not self.modulates and not made.can_switch():
            raise ValueError("min_on_s or min_off_s is longer than its band allows")


class ThermalPhysics(Device, frozen=True, kw_only=True, gc=False):
    """`stored_kwh` is what the store holds beyond the edge of comfort that it leaks to, up to `capacity_kwh`.

    It loses `base_kw` when it holds nothing, and `leak_per_h` of what it holds.
    """

    cop: float
    modulates: bool
    capacity_kwh: float
    first_kwh: float
    base_kw: float
    leak_per_h: float
    min_on_s: float
    min_off_s: float

    def first(self) -> State:
        state = State(stored_kwh=self.first_kwh)
        own_kw = self.own_kw(state)
        return msgspec.structs.replace(state, kw=own_kw, on=own_kw > 0, since_s=LONG_AGO_S)

    def aim(self, state: State, kw: float) -> Aim:
        if self.modulates:
            return self._modulated(state, kw)
        free, why = self._free(state)
        level_kw = nearest(free, kw)
        if level_kw == kw:
            return Aim(kw=kw)
        other = nearest((0.0, self.max_kw), kw) != level_kw
        return Aim(kw=level_kw, why=why if other else f"it is off, or on at {self.max_kw:g} kW")

    def settle(self, state: State) -> State:
        stored = state.stored_kwh
        for limit in self._limits():
            stored = snapped(stored, limit, self.capacity_kwh)
        state = msgspec.structs.replace(state, stored_kwh=stored)
        on = self.aim(state, wish_kw(self, state)).kw > 0
        return state if on == state.on else msgspec.structs.replace(state, on=on, since_s=state.t_s)

    def horizon_s(self, state: State, slope_kw_per_s: float) -> float:
        met = [self._time_to_s(state, limit) for limit in self._limits() if limit != state.stored_kwh]
        return min([*met, self._locked_s(state) or math.inf])

    def stored(self, state: State, taken_kwh: float, given_kwh: float, span_s: float) -> float:
        """There is no ramp, so power was the same all the time."""
        return self._after(state.stored_kwh, state.kw, span_s)

    def left(self, state: State) -> Left:
        """Less than planned until nothing is stored, more until it is full; what leaks less or more for that is let go."""
        planned_kwh = plan_kwh(self.plan, state.t_s, math.inf)
        return Left(
            reduce_kwh=min(max(state.stored_kwh, 0.0) / self.cop, planned_kwh),
            raise_kwh=max(self.capacity_kwh - state.stored_kwh, 0.0) / self.cop,
        )

    def soc_percent(self, state: State) -> float | None:
        return min(max(state.stored_kwh / self.capacity_kwh * 100, 0.0), 100.0)

    def descriptor(self, resource: ResourceId) -> Descriptor:
        return Descriptor(
            id=resource,
            kind="consumer",
            subtype="thermal",
            min_kw=self.min_kw,
            max_kw=self.max_kw,
            levels_kw=() if self.modulates else (0.0, self.max_kw),
            min_on_s=0.0 if self.modulates else self.min_on_s,
            min_off_s=0.0 if self.modulates else self.min_off_s,
            energy=Energy(capacity_kwh=self.capacity_kwh / self.cop),
        )

    def holding_kw(self, stored_kwh: float) -> float:
        """The power that keeps so much stored."""
        return (self.base_kw + self.leak_per_h * stored_kwh) / self.cop

    def can_switch(self) -> bool:
        """Is its band wide enough for its minimum times?"""
        low_kwh, high_kwh = self._off_from_kwh(), self._on_to_kwh()
        return low_kwh <= self.capacity_kwh and high_kwh >= 0

    def _modulated(self, state: State, kw: float) -> Aim:
        """At an edge of the band it takes what holds that edge, if it cannot go back into the band."""
        low_kw = self.holding_kw(0.0) if state.stored_kwh <= 0 else 0.0
        full = state.stored_kwh >= self.capacity_kwh
        high_kw = min(self.holding_kw(self.capacity_kwh), self.max_kw) if full else self.max_kw
        aim = within(low_kw, high_kw, kw)
        return msgspec.structs.replace(aim, why=COMFORT) if aim.why and 0 <= kw <= self.max_kw else aim

    def _free(self, state: State) -> tuple[tuple[float, ...], str]:
        """Off, on or both, and why not both: minimum times, then comfort, which they are never in the way of."""
        locked_s = self._locked_s(state)
        if locked_s:
            return (self.max_kw if state.on else 0.0,), f"it cannot be switched for {locked_s:.0f} s more"
        stored = state.stored_kwh
        if state.on:
            must, may = stored >= self.capacity_kwh, stored >= self._off_from_kwh()
        else:
            must, may = stored <= 0, stored <= self._on_to_kwh()
        other_kw, same_kw = (0.0, self.max_kw) if state.on else (self.max_kw, 0.0)
        if must:
            return (other_kw,), COMFORT
        return ((0.0, self.max_kw), "") if may else ((same_kw,), COMFORT)

    def _limits(self) -> tuple[float, ...]:
        """Where something changes of itself."""
        if self.modulates:
            return 0.0, self.capacity_kwh
        return 0.0, self.capacity_kwh, self._off_from_kwh(), self._on_to_kwh()

    def _off_from_kwh(self) -> float:
        """So much must be stored to stay within the band while it is off at least."""
        return self._before(0.0, 0.0, self.min_off_s)

    def _on_to_kwh(self) -> float:
        """No more may be stored to stay within the band while it is on at least."""
        return self._before(self.capacity_kwh, self.max_kw, self.min_on_s)

    def _end_kwh(self, kw: float) -> float:
        """What would be stored in the end, if that power went on for ever."""
        return (self.cop * kw - self.base_kw) / self.leak_per_h

    def _after(self, stored_kwh: float, kw: float, span_s: float) -> float:
        end_kwh = self._end_kwh(kw)
        return end_kwh + (stored_kwh - end_kwh) * math.exp(-self.leak_per_h * span_s / HOUR_S)

    def _before(self, stored_kwh: float, kw: float, span_s: float) -> float:
        end_kwh = self._end_kwh(kw)
        return end_kwh + (stored_kwh - end_kwh) * math.exp(self.leak_per_h * span_s / HOUR_S)

    def _time_to_s(self, state: State, limit_kwh: float) -> float:
        """Seconds until it holds so much at the power of now; infinite where it never does."""
        end_kwh = self._end_kwh(state.kw)
        away, left = state.stored_kwh - end_kwh, limit_kwh - end_kwh
        if not away or not 0 < left / away < 1:
            return math.inf
        return -math.log(left / away) / self.leak_per_h * HOUR_S

    def _locked_s(self, state: State) -> float:
        """How long it may neither go on nor off."""
        if self.modulates:
            return 0.0
        return max(state.since_s + (self.min_on_s if state.on else self.min_off_s) - state.t_s, 0.0)


class Thermal(Simulated):
    """The driver `simulated-thermal`."""

    Settings = ThermalSettings

    def __init__(self, resource: ResourceId, settings: ThermalSettings, clock: Clock) -> None:
        super().__init__(resource, settings, physics(settings), clock)


def physics(settings: ThermalSettings) -> ThermalPhysics:
    """The device that `settings` describe."""
    heats = settings.outside_c <= settings.low_c
    empty_c = settings.low_c if heats else settings.high_c
    first_kwh = settings.heat_kwh_per_k * abs(settings.start_c - empty_c)
    base_kw = settings.loss_kw_per_k * abs(empty_c - settings.outside_c)
    leak_per_h = settings.loss_kw_per_k / settings.heat_kwh_per_k
    holding_kw = (base_kw + leak_per_h * first_kwh) / settings.cop
    profile_kw = settings.profile_kw or (holding_kw,)
    return ThermalPhysics(
        plan=tuple(Step(from_s=n * settings.step_h * HOUR_S, kw=kw) for n, kw in enumerate(profile_kw)),
        min_kw=0.0,
        max_kw=settings.power_kw,
        cop=settings.cop,
        modulates=settings.modulates,
        capacity_kwh=settings.heat_kwh_per_k * (settings.high_c - settings.low_c),
        first_kwh=first_kwh,
        base_kw=base_kw,
        leak_per_h=leak_per_h,
        min_on_s=settings.min_on_s,
        min_off_s=settings.min_off_s,
    )
