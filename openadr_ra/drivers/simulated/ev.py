"""A simulated EV charger: charges as planned until the car has what it needs, and will have it at departure.

The need is a hard constraint: once only full power can still meet it, the charger charges whatever it was asked to do.
"""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
from msgspec import Meta

from openadr_ra.drivers.simulated.physics import (
    HOUR_S,
    Aim,
    Device,
    Left,
    Missing,
    State,
    Step,
    plan_kwh,
    snapped,
    time_to,
    within,
)
from openadr_ra.drivers.simulated.shell import (
    Fraction,
    NotNegative,
    Percent,
    Positive,
    Simulated,
    SimulatedSettings,
)
from openadr_ra.protocol.model import ResourceId
from openadr_ra.seams import Clock, Descriptor, Energy

NO_CAR = "no car is plugged in"
MUST_CHARGE = "the car could not have its charge by departure"


class EvSettings(SimulatedSettings, frozen=True, kw_only=True):
    """One car's stay at a home charger, unless told otherwise. Hours count from the start, in simulated time.

    The car comes with `soc_percent`, needs `need_kwh` more in its battery and leaves after `departs_after_h` (None:
    never). By itself the charger gives it `plan_kw` until it has that. A `discharge_kw` above 0 makes it a V2H charger.
    """

    power_kw: Positive = 6.0
    discharge_kw: NotNegative = 0.0
    plan_kw: NotNegative = 3.0
    battery_kwh: Positive = 40.0
    soc_percent: Percent = 40.0
    reserve_percent: Percent = 20.0
    need_kwh: NotNegative = 16.0
    arrives_after_h: NotNegative = 0.0
    departs_after_h: Positive | None = 10.0
    charge_efficiency: Fraction = 0.95
    discharge_efficiency: Fraction = 0.95
    ramp_kw_per_s: Annotated[float, Meta(gt=0)] | None = None

    def __post_init__(self) -> None:
        if self.plan_kw > self.power_kw:
            raise ValueError(f"plan_kw {self.plan_kw:g} is more than power_kw {self.power_kw:g}")
        if self.need_kwh > self.battery_kwh * (1 - self.soc_percent / 100):
            raise ValueError(f"need_kwh {self.need_kwh:g} does not fit into the battery beside its soc_percent")
        stay_h = math.inf if self.departs_after_h is None else self.departs_after_h - self.arrives_after_h
        if stay_h <= 0:
            raise ValueError("departs_after_h is not after arrives_after_h")
        planned_kwh = self.plan_kw * self.charge_efficiency * stay_h if self.plan_kw else 0.0
        if planned_kwh < self.need_kwh:
            raise ValueError(f"plan_kw {self.plan_kw:g} does not give need_kwh {self.need_kwh:g} by departure")


class EvPhysics(Device, frozen=True, kw_only=True, gc=False):
    """A battery that is here from `arrives_s` until `departs_s` and has to hold `target_kwh` by then."""

    capacity_kwh: float
    reserve_kwh: float
    first_kwh: float
    target_kwh: float
    charging_kw: float
    arrives_s: float
    departs_s: float

    def first(self) -> State:
        state = State(stored_kwh=self.first_kwh)
        return msgspec.structs.replace(state, kw=self.own_kw(state))

    def own_kw(self, state: State) -> float:
        return self.charging_kw if self._here(state) and state.stored_kwh < self.target_kwh else 0.0

    def aim(self, state: State, kw: float) -> Aim:
        if not self._here(state):
            return Aim(kw=0.0, why=NO_CAR)
        low_kw = self.min_kw if state.stored_kwh > self.reserve_kwh else 0.0
        high_kw = self.max_kw if state.stored_kwh < self.capacity_kwh else 0.0
        if self._slack_kwh(state) <= self._rounding_kwh():
            low_kw = high_kw if state.stored_kwh < self.target_kwh else 0.0
            if kw < low_kw:
                return Aim(kw=low_kw, why=MUST_CHARGE)
        return within(low_kw, high_kw, kw)

    def settle(self, state: State) -> State:
        """At a limit of the battery, and when the car leaves, power is cut; a must to charge goes by the ramp."""
        stored = state.stored_kwh
        for limit in (self.reserve_kwh, self.target_kwh, self.capacity_kwh):
            stored = snapped(stored, limit, self.capacity_kwh)
        empty = state.kw < 0 and stored <= self.reserve_kwh
        full = state.kw > 0 and stored >= self.capacity_kwh
        kw = 0.0 if empty or full or not self._here(state) else state.kw
        return msgspec.structs.replace(state, stored_kwh=stored, kw=kw)

    def horizon_s(self, state: State, slope_kw_per_s: float) -> float:
        stay = [edge - state.t_s for edge in (self.arrives_s, self.departs_s) if edge > state.t_s]
        if not self._here(state):
            return min(stay, default=math.inf)
        rate, slope = self._storing(state, slope_kw_per_s)
        limits = (self.reserve_kwh, self.target_kwh, self.capacity_kwh)
        if rate > 0 or (rate == 0 and slope > 0):
            ahead = [limit - state.stored_kwh for limit in limits if limit > state.stored_kwh]
        else:
            ahead = [state.stored_kwh - limit for limit in limits if limit < state.stored_kwh]
            rate, slope = -rate, -slope
        met = [time_to(room * HOUR_S, rate, slope) for room in ahead]
        return min([*stay, *met, self._slack_s(state, slope_kw_per_s)])

    def left(self, state: State) -> Left:
        """Less than planned until it must charge at full power; more than planned until it is full."""
        if not self._here(state):
            return Left(reduce_kwh=0.0, raise_kwh=0.0)
        planned_kwh = plan_kwh(self.plan, state.t_s, self.departs_s)
        room_kwh = (self.capacity_kwh - state.stored_kwh) / self.charge_efficiency
        stay_kwh = self.max_kw * (self.departs_s - state.t_s) / HOUR_S
        return Left(reduce_kwh=self._reducible_kwh(state), raise_kwh=max(min(room_kwh, stay_kwh) - planned_kwh, 0.0))

    def soc_percent(self, state: State) -> float | None:
        return state.stored_kwh / self.capacity_kwh * 100 if self._here(state) else None

    def missing(self, state: State) -> Missing | None:
        if not self._here(state):
            return None
        beyond_kwh = state.stored_kwh - max(self.target_kwh, self.reserve_kwh) if self.min_kw < 0 else 0.0
        return Missing(
            kwh=max(self.target_kwh - state.stored_kwh, 0.0) / self.charge_efficiency,
            by_s=self.departs_s,
            spare_kwh=max(beyond_kwh, 0.0) * self.discharge_efficiency,
        )

    def descriptor(self, resource: ResourceId) -> Descriptor:
        return Descriptor(
            id=resource,
            kind="battery" if self.min_kw < 0 else "consumer",
            subtype="ev",
            min_kw=self.min_kw,
            max_kw=self.max_kw,
            ramp_kw_per_s=None if math.isinf(self.ramp_kw_per_s) else self.ramp_kw_per_s,
            energy=Energy(
                capacity_kwh=self.capacity_kwh,
                reserve_kwh=self.reserve_kwh,
                charge_efficiency=self.charge_efficiency,
                discharge_efficiency=self.discharge_efficiency,
            ),
        )

    def _here(self, state: State) -> bool:
        return self.arrives_s <= state.t_s < self.departs_s

    def _rounding_kwh(self) -> float:
        return self.capacity_kwh * 1e-8

    def _slack_kwh(self, state: State) -> float:
        """What the stay could still charge beyond what is missing, should it have to ramp up from its lowest power."""
        ramp_s = (self.max_kw - self.min_kw) / self.ramp_kw_per_s
        possible_kwh = self.charge_efficiency * self.max_kw * (self.departs_s - state.t_s - ramp_s) / HOUR_S
        lost_kwh = self.min_kw**2 / self.ramp_kw_per_s / 2 / self.discharge_efficiency / HOUR_S
        return possible_kwh - lost_kwh - max(self.target_kwh - state.stored_kwh, 0.0)

    def _slack_s(self, state: State, slope_kw_per_s: float) -> float:
        """Seconds until there is no slack any more, at the earliest: time takes it, charging gives it back."""
        slack_kwh = self._slack_kwh(state)
        if slack_kwh <= self._rounding_kwh() or math.isinf(slack_kwh):
            return math.inf
        rate, slope = self._storing(state, slope_kw_per_s)
        full_rate = self.charge_efficiency * self.max_kw
        return time_to(slack_kwh * HOUR_S, max(full_rate - rate, 0.0), -slope)

    def _storing(self, state: State, slope_kw_per_s: float) -> tuple[float, float]:
        """What enters the battery, in kW, and how fast that changes; one sign until the next bend."""
        charging = state.kw > 0 or (state.kw == 0 and slope_kw_per_s > 0)
        factor = self.charge_efficiency if charging else 1 / self.discharge_efficiency
        return state.kw * factor, slope_kw_per_s * factor

    def _reducible_kwh(self, state: State) -> float:
        """The plan's energy until it must charge, and what it discharges before."""
        slack_kwh = max(self._slack_kwh(state), 0.0)
        above_kwh = max(state.stored_kwh - self.reserve_kwh, 0.0) if self.min_kw < 0 else 0.0
        full_rate, empty_rate = self.charge_efficiency * self.max_kw, -self.min_kw / self.discharge_efficiency
        discharging_h = min(above_kwh / empty_rate, slack_kwh / (full_rate + empty_rate)) if above_kwh else 0.0
        waiting_h = (slack_kwh - discharging_h * (full_rate + empty_rate)) / full_rate
        until_s = min(state.t_s + (discharging_h + waiting_h) * HOUR_S, self.departs_s)
        return plan_kwh(self.plan, state.t_s, until_s) - self.min_kw * discharging_h


class EvCharger(Simulated):
    """The driver `simulated-ev`."""

    Settings = EvSettings

    def __init__(self, resource: ResourceId, settings: EvSettings, clock: Clock) -> None:
        super().__init__(resource, settings, physics(settings), clock)


def physics(settings: EvSettings) -> EvPhysics:
    """The stay that `settings` describe."""
    first_kwh = settings.battery_kwh * settings.soc_percent / 100
    arrives_s = settings.arrives_after_h * HOUR_S
    steps = [Step(from_s=0.0, kw=0.0)] if arrives_s else []
    charging_s = 0.0
    if settings.need_kwh:
        charging_s = settings.need_kwh / settings.charge_efficiency / settings.plan_kw * HOUR_S
        steps.append(Step(from_s=arrives_s, kw=settings.plan_kw))
    steps.append(Step(from_s=arrives_s + charging_s, kw=0.0))
    return EvPhysics(
        plan=tuple(steps),
        min_kw=0.0 - settings.discharge_kw,
        max_kw=settings.power_kw,
        ramp_kw_per_s=settings.ramp_kw_per_s or math.inf,
        charge_efficiency=settings.charge_efficiency,
        discharge_efficiency=settings.discharge_efficiency,
        capacity_kwh=settings.battery_kwh,
        reserve_kwh=settings.battery_kwh * settings.reserve_percent / 100,
        first_kwh=first_kwh,
        target_kwh=first_kwh + settings.need_kwh,
        charging_kw=settings.plan_kw,
        arrives_s=arrives_s,
        departs_s=math.inf if settings.departs_after_h is None else settings.departs_after_h * HOUR_S,
    )
