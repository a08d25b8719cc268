"""A simulated battery: idle by itself, charges (+) and discharges (-) on request, above its reserve."""

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
    State,
    Step,
    snapped,
    time_to,
    within,
)
from openadr_ra.drivers.simulated.shell import Fraction, Percent, Positive, Simulated, SimulatedSettings
from openadr_ra.protocol.model import ResourceId
from openadr_ra.seams import Clock, Descriptor, Energy

FULL = "it is full"
AT_RESERVE = "its reserve is reached"


class BatterySettings(SimulatedSettings, frozen=True, kw_only=True):
    """A household battery, unless told otherwise. Powers at the AC terminals."""

    power_kw: Positive = 5.0
    capacity_kwh: Positive = 10.0
    reserve_percent: Percent = 20.0
    soc_percent: Percent = 50.0
    charge_efficiency: Fraction = 0.95
    discharge_efficiency: Fraction = 0.95
    ramp_kw_per_s: Annotated[float, Meta(gt=0)] | None = None


class BatteryPhysics(Device, frozen=True, kw_only=True, gc=False):
    """Energy between the reserve and full. A local override may go below the reserve, no order may."""

    capacity_kwh: float
    reserve_kwh: float
    first_kwh: float

    def first(self) -> State:
        return State(stored_kwh=self.first_kwh)

    def aim(self, state: State, kw: float) -> Aim:
        if kw > 0 and state.stored_kwh >= self.capacity_kwh:
            return Aim(kw=0.0, why=FULL)
        if kw < 0 and state.stored_kwh <= self._floor_kwh(state):
            return Aim(kw=0.0, why=AT_RESERVE)
        return within(self.min_kw, self.max_kw, kw)

    def settle(self, state: State) -> State:
        """At a limit the power is cut, ramp or not."""
        stored = state.stored_kwh
        for limit in (self._floor_kwh(state), self.capacity_kwh):
            stored = snapped(stored, limit, self.capacity_kwh)
        state = msgspec.structs.replace(state, stored_kwh=stored)
        return msgspec.structs.replace(state, kw=self.aim(state, state.kw).kw)

    def horizon_s(self, state: State, slope_kw_per_s: float) -> float:
        rising = state.kw > 0 or (state.kw == 0 and slope_kw_per_s > 0)
        if rising:
            room_kwh = (self.capacity_kwh - state.stored_kwh) / self.charge_efficiency
            return time_to(max(room_kwh, 0.0) * HOUR_S, state.kw, slope_kw_per_s)
        room_kwh = (state.stored_kwh - self._floor_kwh(state)) * self.discharge_efficiency
        return time_to(max(room_kwh, 0.0) * HOUR_S, -state.kw, -slope_kw_per_s)

    def left(self, state: State) -> Left:
        above_kwh = max(state.stored_kwh - self.reserve_kwh, 0.0)
        return Left(
            reduce_kwh=above_kwh * self.discharge_efficiency,
            raise_kwh=(self.capacity_kwh - state.stored_kwh) / self.charge_efficiency,
        )

    def soc_percent(self, state: State) -> float | None:
        return state.stored_kwh / self.capacity_kwh * 100

    def descriptor(self, resource: ResourceId) -> Descriptor:
        return Descriptor(
            id=resource,
            kind="battery",
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

    def _floor_kwh(self, state: State) -> float:
        return self.reserve_kwh if state.override_kw is None else 0.0


class Battery(Simulated):
    """The driver `simulated-battery`."""

    Settings = BatterySettings

    def __init__(self, resource: ResourceId, settings: BatterySettings, clock: Clock) -> None:
        super().__init__(resource, settings, physics(settings), clock)


def physics(settings: BatterySettings) -> BatteryPhysics:
    """The battery that `settings` describe."""
    return BatteryPhysics(
        plan=(Step(from_s=0.0, kw=0.0),),
        min_kw=-settings.power_kw,
        max_kw=settings.power_kw,
        ramp_kw_per_s=settings.ramp_kw_per_s or math.inf,
        charge_efficiency=settings.charge_efficiency,
        discharge_efficiency=settings.discharge_efficiency,
        capacity_kwh=settings.capacity_kwh,
        reserve_kwh=settings.capacity_kwh * settings.reserve_percent / 100,
        first_kwh=settings.capacity_kwh * settings.soc_percent / 100,
    )
