"""A simulated generator: starts (-) and stops on request, in its own time. Generation is negative power.

Between standstill and its minimum output lies a gap where it cannot stay; it passes through on its ramp.
"""

from __future__ import annotations

import math

import msgspec

from openadr_ra.drivers.simulated.physics import (
    Aim,
    Device,
    Left,
    State,
    Step,
    wish_kw,
)
from openadr_ra.drivers.simulated.shell import NotNegative, Positive, Simulated, SimulatedSettings
from openadr_ra.protocol.model import ResourceId
from openadr_ra.seams import Clock, Descriptor


class GeneratorSettings(SimulatedSettings, frozen=True, kw_only=True):
    """An emergency set of 300 kW, unless told otherwise. Outputs are positive here: what a name plate says.

    `base_kw` is what it delivers by itself: 0, or at least `minimum_kw`.
    """

    rated_kw: Positive = 300.0
    minimum_kw: NotNegative = 100.0
    base_kw: NotNegative = 0.0
    start_up_s: NotNegative = 60.0
    ramp_kw_per_min: Positive = 60.0
    min_run_s: NotNegative = 600.0
    min_off_s: NotNegative = 300.0

    def __post_init__(self) -> None:
        if self.minimum_kw > self.rated_kw:
            raise ValueError(f"minimum_kw {self.minimum_kw:g} is more than rated_kw {self.rated_kw:g}")
        if self.base_kw and not self.minimum_kw <= self.base_kw <= self.rated_kw:
            raise ValueError(f"base_kw {self.base_kw:g} is neither 0 nor from minimum_kw to rated_kw")


class GeneratorPhysics(Device, frozen=True, kw_only=True, gc=False):
    """Off, starting until `since_s`, or running: then at least at `minimum_kw`, and not stopped before its time."""

    minimum_kw: float
    start_up_s: float
    min_run_s: float
    min_off_s: float

    def first(self) -> State:
        state = State()
        own_kw = self.own_kw(state)
        return msgspec.structs.replace(state, kw=own_kw, on=own_kw < 0)

    def aim(self, state: State, kw: float) -> Aim:
        running_kw = self._steady_kw(kw)
        wait_s = self._locked_s(state)
        if state.on and not running_kw and wait_s:
            return Aim(kw=-self.minimum_kw, why=f"it has to run for {wait_s:.0f} s more")
        if not state.on and running_kw and wait_s:
            return Aim(kw=0.0, why=f"it has to stand for {wait_s:.0f} s more")
        if running_kw == kw:
            return Aim(kw=kw)
        return Aim(kw=running_kw, why=f"it gives 0 or {self.minimum_kw:g} to {-self.min_kw:g} kW")

    def target_kw(self, state: State, kw: float) -> float:
        return self.aim(state, kw).kw if state.on and state.t_s >= state.since_s else 0.0

    def settle(self, state: State) -> State:
        wished_kw = self.aim(state, wish_kw(self, state)).kw
        if not state.on and wished_kw:
            return msgspec.structs.replace(state, on=True, since_s=state.t_s + self.start_up_s)
        if state.on and not wished_kw and not state.kw and not self._locked_s(state):
            return msgspec.structs.replace(state, on=False, since_s=state.t_s)
        return state

    def horizon_s(self, state: State, slope_kw_per_s: float) -> float:
        starting_s = state.since_s - state.t_s
        return starting_s if starting_s > 0 else self._locked_s(state) or math.inf

    def left(self, state: State) -> Left:
        """Fuel does not run out; less than nothing it cannot generate."""
        own_kw = self.own_kw(state)
        return Left(reduce_kwh=math.inf if own_kw > self.min_kw else 0.0, raise_kwh=math.inf if own_kw < 0 else 0.0)

    def descriptor(self, resource: ResourceId) -> Descriptor:
        """Its latency holds the start-up: nobody shall count on it earlier."""
        return Descriptor(
            id=resource,
            kind="generator",
            subtype="genset",
            min_kw=self.min_kw,
            max_kw=self.max_kw,
            gap_kw=(-self.minimum_kw, 0.0) if self.minimum_kw else None,
            ramp_kw_per_s=self.ramp_kw_per_s,
            latency_s=self.start_up_s,
            min_on_s=self.min_run_s,
            min_off_s=self.min_off_s,
        )

    def _steady_kw(self, kw: float) -> float:
        """The power nearest to `kw` at which it can stay."""
        if kw < -self.minimum_kw:
            return max(kw, self.min_kw)
        return -self.minimum_kw if kw < -self.minimum_kw / 2 else 0.0

    def _locked_s(self, state: State) -> float:
        """How long it may neither stop nor start; a start-up can be broken off."""
        if state.on and state.t_s < state.since_s:
            return 0.0
        return max(state.since_s + (self.min_run_s if state.on else self.min_off_s) - state.t_s, 0.0)


class Generator(Simulated):
    """The driver `simulated-generator`."""

    Settings = GeneratorSettings

    def __init__(self, resource: ResourceId, settings: GeneratorSettings, clock: Clock) -> None:
        super().__init__(resource, settings, physics(settings), clock)


def physics(settings: GeneratorSettings) -> GeneratorPhysics:
    """The generator that `settings` describe."""
    return GeneratorPhysics(
        plan=(Step(from_s=0.0, kw=0.0 - settings.base_kw),),
        min_kw=-settings.rated_kw,
        max_kw=0.0,
        ramp_kw_per_s=settings.ramp_kw_per_min / 60,
        minimum_kw=settings.minimum_kw,
        start_up_s=settings.start_up_s,
        min_run_s=settings.min_run_s,
        min_off_s=settings.min_off_s,
    )
