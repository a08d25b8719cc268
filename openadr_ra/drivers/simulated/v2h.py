"""A simulated V2H charger: a car that comes and goes, and while it is plugged in charges (+) and discharges (-) on request.

At each departure it has what it needs, whatever was asked; see `ev`. On the way it uses some, and comes back with less.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated

import msgspec
from msgspec import Meta

from openadr_ra.drivers.simulated.ev import EvPhysics
from openadr_ra.drivers.simulated.physics import HOUR_S, Aim, Device, Left, Missing, State, Step
from openadr_ra.drivers.simulated.shell import (
    Fraction,
    NotNegative,
    Percent,
    Positive,
    Simulated,
    SimulatedSettings,
)
from openadr_ra.protocol.model import ResourceId
from openadr_ra.seams import Clock, Descriptor


class V2hSettings(SimulatedSettings, frozen=True, kw_only=True):
    """A commuter's car over two working days, unless told otherwise. Hours count from the start, in simulated time.

    It is plugged in from each of `arrives_h` to the same of `departs_h`, at first with `soc_percent`. By itself the charger
    gives it `plan_kw` until it has `need_percent`, which it has at each departure; until it is back it uses `trip_kwh`.
    """

    power_kw: Positive = 6.0
    discharge_kw: Positive = 6.0
    plan_kw: Positive = 3.0
    battery_kwh: Positive = 40.0
    soc_percent: Percent = 50.0
    reserve_percent: Percent = 30.0
    need_percent: Percent = 80.0
    trip_kwh: NotNegative = 10.0
    arrives_h: Annotated[tuple[NotNegative, ...], Meta(min_length=1)] = (0.0, 22.0, 46.0)
    departs_h: Annotated[tuple[Positive, ...], Meta(min_length=1)] = (12.0, 36.0, 60.0)
    charge_efficiency: Fraction = 0.95
    discharge_efficiency: Fraction = 0.95
    ramp_kw_per_s: Annotated[float, Meta(gt=0)] | None = None

    def __post_init__(self) -> None:
        if self.plan_kw > self.power_kw:
            raise ValueError(f"plan_kw {self.plan_kw:g} is more than power_kw {self.power_kw:g}")
        if len(self.arrives_h) != len(self.departs_h):
            raise ValueError("arrives_h and departs_h are not of the same number")
        edges = [hour for stay in zip(self.arrives_h, self.departs_h, strict=True) for hour in stay]
        if any(later <= before for before, later in pairwise(edges)):
            raise ValueError("arrives_h and departs_h do not follow one another")
        if self.trip_kwh > self.battery_kwh * self.need_percent / 100:
            raise ValueError(f"trip_kwh {self.trip_kwh:g} is more than need_percent of the battery")
        for arrives_h, departs_h, first_kwh in _planned(self):
            if first_kwh + self.plan_kw * self.charge_efficiency * (departs_h - arrives_h) < _target_kwh(self):
                raise ValueError(f"plan_kw {self.plan_kw:g} does not give need_percent by hour {departs_h:g}")


class V2hPhysics(Device, frozen=True, kw_only=True, gc=False):
    """One stay after the other; `on` is plugged in, and what a trip takes is gone when the car is back."""

    stays: tuple[EvPhysics, ...]
    trip_kwh: float
    capacity_kwh: float
    reserve_kwh: float
    first_kwh: float

    def first(self) -> State:
        here = self.stays[0].arrives_s <= 0
        state = State(stored_kwh=self.first_kwh, on=here)
        return msgspec.structs.replace(state, kw=self.own_kw(state))

    def own_kw(self, state: State) -> float:
        return self._stay(state).own_kw(state)

    def aim(self, state: State, kw: float) -> Aim:
        return self._stay(state).aim(state, kw)

    def settle(self, state: State) -> State:
        """The first arrival is no return: nothing was used on the way."""
        stay = self._stay(state)
        here = stay.arrives_s <= state.t_s < stay.departs_s
        if here and not state.on and stay is not self.stays[0]:
            state = msgspec.structs.replace(state, stored_kwh=max(state.stored_kwh - self.trip_kwh, 0.0))
        return stay.settle(msgspec.structs.replace(state, on=here))

    def horizon_s(self, state: State, slope_kw_per_s: float) -> float:
        return self._stay(state).horizon_s(state, slope_kw_per_s)

    def left(self, state: State) -> Left:
        return self._stay(state).left(state)

    def missing(self, state: State) -> Missing | None:
        return self._stay(state).missing(state)

    def soc_percent(self, state: State) -> float | None:
        return self._stay(state).soc_percent(state)

    def descriptor(self, resource: ResourceId) -> Descriptor:
        return self.stays[0].descriptor(resource)

    def _stay(self, state: State) -> EvPhysics:
        """The stay that runs or comes next; after the last one that."""
        return next((stay for stay in self.stays if state.t_s < stay.departs_s), self.stays[-1])


class V2h(Simulated):
    """The driver `simulated-v2h`."""

    Settings = V2hSettings

    def __init__(self, resource: ResourceId, settings: V2hSettings, clock: Clock) -> None:
        super().__init__(resource, settings, physics(settings), clock)


def physics(settings: V2hSettings) -> V2hPhysics:
    """The stays that `settings` describe."""
    plan = tuple(_steps(settings))
    capacity_kwh = settings.battery_kwh
    reserve_kwh = capacity_kwh * settings.reserve_percent / 100
    ramp_kw_per_s = settings.ramp_kw_per_s or math.inf
    stays = tuple(
        EvPhysics(
            plan=plan,
            min_kw=-settings.discharge_kw,
            max_kw=settings.power_kw,
            ramp_kw_per_s=ramp_kw_per_s,
            charge_efficiency=settings.charge_efficiency,
            discharge_efficiency=settings.discharge_efficiency,
            capacity_kwh=capacity_kwh,
            reserve_kwh=reserve_kwh,
            first_kwh=first_kwh,
            target_kwh=_target_kwh(settings),
            charging_kw=settings.plan_kw,
            arrives_s=arrives_h * HOUR_S,
            departs_s=departs_h * HOUR_S,
        )
        for arrives_h, departs_h, first_kwh in _planned(settings)
    )
    return V2hPhysics(
        plan=plan,
        min_kw=-settings.discharge_kw,
        max_kw=settings.power_kw,
        ramp_kw_per_s=ramp_kw_per_s,
        charge_efficiency=settings.charge_efficiency,
        discharge_efficiency=settings.discharge_efficiency,
        stays=stays,
        trip_kwh=settings.trip_kwh,
        capacity_kwh=capacity_kwh,
        reserve_kwh=reserve_kwh,
        first_kwh=capacity_kwh * settings.soc_percent / 100,
    )


def _target_kwh(settings: V2hSettings) -> float:
    return settings.battery_kwh * settings.need_percent / 100


def _planned(settings: V2hSettings) -> Iterator[tuple[float, float, float]]:
    """Each stay, from hour to hour, and what is in the battery as it begins, if every stay before went as planned."""
    first_kwh = settings.battery_kwh * settings.soc_percent / 100
    for arrives_h, departs_h in zip(settings.arrives_h, settings.departs_h, strict=True):
        yield arrives_h, departs_h, first_kwh
        first_kwh = max(first_kwh, _target_kwh(settings)) - settings.trip_kwh


def _steps(settings: V2hSettings) -> Iterator[Step]:
    """The declared plan: charging from each arrival until the need is met."""
    if settings.arrives_h[0] > 0:
        yield Step(from_s=0.0, kw=0.0)
    for arrives_h, _, first_kwh in _planned(settings):
        missing_kwh = max(_target_kwh(settings) - first_kwh, 0.0)
        if missing_kwh:
            yield Step(from_s=arrives_h * HOUR_S, kw=settings.plan_kw)
        charging_h = missing_kwh / settings.charge_efficiency / settings.plan_kw
        yield Step(from_s=(arrives_h + charging_h) * HOUR_S, kw=0.0)
