"""A simulated production line: runs on one of a few levels, and switches only so often."""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
from msgspec import Meta

from openadr_ra.drivers.simulated.physics import (
    LONG_AGO_S,
    Aim,
    Device,
    Left,
    State,
    Step,
    nearest,
    wish_kw,
)
from openadr_ra.drivers.simulated.shell import NotNegative, Simulated, SimulatedSettings
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.parts import LoadControlLevel, LoadControlState
from openadr_ra.seams import Clock, Descriptor


class LineSettings(SimulatedSettings, frozen=True, kw_only=True):
    """A line of 150 kW that is on or off, unless told otherwise. `plan_kw` is the level it runs on by itself."""

    levels_kw: Annotated[tuple[NotNegative, ...], Meta(min_length=2)] = (0.0, 150.0)
    plan_kw: NotNegative = 150.0
    min_on_s: NotNegative = 900.0
    min_off_s: NotNegative = 600.0

    def __post_init__(self) -> None:
        if any(low >= high for low, high in zip(self.levels_kw, self.levels_kw[1:], strict=False)):
            raise ValueError("levels_kw do not rise")
        if self.plan_kw not in self.levels_kw:
            raise ValueError(f"plan_kw {self.plan_kw:g} is none of levels_kw")


class LinePhysics(Device, frozen=True, kw_only=True, gc=False):
    """On above 0 kW. Between levels above 0 it changes freely."""

    levels_kw: tuple[float, ...]
    min_on_s: float
    min_off_s: float

    def first(self) -> State:
        own_kw = self.own_kw(State())
        return State(kw=own_kw, on=own_kw > 0, since_s=LONG_AGO_S)

    def aim(self, state: State, kw: float) -> Aim:
        wait_s = self._locked_s(state)
        free = tuple(level for level in self.levels_kw if not wait_s or (level > 0) == state.on)
        level_kw = nearest(free, kw)
        if level_kw == kw:
            return Aim(kw=kw)
        if nearest(self.levels_kw, kw) != level_kw:
            return Aim(kw=level_kw, why=f"it cannot be switched for {wait_s:.0f} s more")
        return Aim(kw=level_kw, why=f"it has levels of {', '.join(f'{level:g}' for level in free)} kW now")

    def settle(self, state: State) -> State:
        on = self.aim(state, wish_kw(self, state)).kw > 0
        return state if on == state.on else msgspec.structs.replace(state, on=on, since_s=state.t_s)

    def horizon_s(self, state: State, slope_kw_per_s: float) -> float:
        return self._locked_s(state) or math.inf

    def left(self, state: State) -> Left:
        """A line can stand or run for as long as one likes."""
        own_kw = self.own_kw(state)
        return Left(
            reduce_kwh=math.inf if own_kw > self.min_kw else 0.0,
            raise_kwh=math.inf if own_kw < self.max_kw else 0.0,
        )

    def descriptor(self, resource: ResourceId) -> Descriptor:
        return Descriptor(
            id=resource,
            kind="consumer",
            subtype="line",
            min_kw=self.min_kw,
            max_kw=self.max_kw,
            levels_kw=self.levels_kw,
            min_on_s=self.min_on_s,
            min_off_s=self.min_off_s,
        )

    def load_control(self, setpoint: LoadControlLevel) -> LoadControlState:
        """By levels, too: so many above or below the one that it runs on by itself."""
        steps = [self._step(kw) for kw in (setpoint.minimum, setpoint.maximum, setpoint.current, setpoint.normal)]
        minimum, maximum, current, normal = (step - steps[-1] for step in steps)
        offset = LoadControlLevel(minimum=minimum, maximum=maximum, current=current, normal=normal)
        return msgspec.structs.replace(super().load_control(setpoint), level_offset=offset)

    def _step(self, kw: float | None) -> float:
        return float(self.levels_kw.index(nearest(self.levels_kw, kw or 0.0)))

    def _locked_s(self, state: State) -> float:
        """How long it may neither go on nor off."""
        return max(state.since_s + (self.min_on_s if state.on else self.min_off_s) - state.t_s, 0.0)


class Line(Simulated):
    """The driver `simulated-line`."""

    Settings = LineSettings

    def __init__(self, resource: ResourceId, settings: LineSettings, clock: Clock) -> None:
        super().__init__(resource, settings, physics(settings), clock)


def physics(settings: LineSettings) -> LinePhysics:
    """The line that `settings` describe."""
    return LinePhysics(
        plan=(Step(from_s=0.0, kw=settings.plan_kw),),
        min_kw=settings.levels_kw[0],
        max_kw=settings.levels_kw[-1],
        levels_kw=settings.levels_kw,
        min_on_s=settings.min_on_s,
        min_off_s=settings.min_off_s,
    )
