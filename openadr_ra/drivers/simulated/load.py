"""A simulated interruptible load: circuits that may be shed, for so long at most, and then not again for a while."""

from __future__ import annotations

import math
from itertools import accumulate
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
    nearest,
    wish_kw,
)
from openadr_ra.drivers.simulated.shell import NotNegative, Positive, Simulated, SimulatedSettings
from openadr_ra.protocol.model import ResourceId
from openadr_ra.seams import Clock, Descriptor

LONG_ENOUGH = "it was interrupted for as long as it may be"


class LoadSettings(SimulatedSettings, frozen=True, kw_only=True):
    """A building of 100 kW with two circuits that may be shed, the first one first, unless told otherwise.

    An interruption lasts `longest_s` at most, whatever is shed in it; then everything is on for `recovery_s` at least.
    """

    load_kw: Positive = 100.0
    circuits_kw: Annotated[tuple[Positive, ...], Meta(min_length=1)] = (20.0, 30.0)
    longest_s: Positive = 7200.0
    recovery_s: NotNegative = 1800.0

    def __post_init__(self) -> None:
        if sum(self.circuits_kw) > self.load_kw:
            raise ValueError(f"circuits_kw add up to more than load_kw {self.load_kw:g}")


class LoadPhysics(Device, frozen=True, kw_only=True, gc=False):
    """On is whole, below it is interrupted; while it is, circuits go and come freely. A local override may last for ever."""

    levels_kw: tuple[float, ...]
    longest_s: float
    recovery_s: float

    def aim(self, state: State, kw: float) -> Aim:
        if state.override_kw is not None:
            return Aim(kw=nearest(self.levels_kw, kw))
        wanted_kw = nearest(self.levels_kw, kw)
        ahead_s = self._ahead_s(state)
        if wanted_kw < self.max_kw and state.on and ahead_s:
            return Aim(kw=self.max_kw, why=f"it may not be interrupted for {ahead_s:.0f} s more")
        if wanted_kw < self.max_kw and not state.on and not ahead_s:
            return Aim(kw=self.max_kw, why=LONG_ENOUGH)
        levels = ", ".join(f"{level:g}" for level in self.levels_kw)
        return Aim(kw=wanted_kw, why="" if wanted_kw == kw else f"it has levels of {levels} kW")

    def settle(self, state: State) -> State:
        on = self.aim(state, wish_kw(self, state)).kw >= self.max_kw
        return state if on == state.on else msgspec.structs.replace(state, on=on, since_s=state.t_s)

    def horizon_s(self, state: State, slope_kw_per_s: float) -> float:
        return self._ahead_s(state) or math.inf

    def left(self, state: State) -> Left:
        """What it can shed for the rest of an interruption; it never takes more than planned."""
        ahead_s = self._ahead_s(state)
        whole_s = 0.0 if ahead_s else self.longest_s
        rest_s = whole_s if state.on else ahead_s
        return Left(reduce_kwh=(self.max_kw - self.min_kw) * rest_s / HOUR_S, raise_kwh=0.0)

    def descriptor(self, resource: ResourceId) -> Descriptor:
        return Descriptor(
            id=resource,
            kind="consumer",
            subtype="interruptible",
            min_kw=self.min_kw,
            max_kw=self.max_kw,
            levels_kw=self.levels_kw,
            min_on_s=self.recovery_s,
        )

    def _ahead_s(self, state: State) -> float:
        """How long it must stay whole, or may stay interrupted."""
        return max(state.since_s + (self.recovery_s if state.on else self.longest_s) - state.t_s, 0.0)


class InterruptibleLoad(Simulated):
    """The driver `simulated-load`."""

    Settings = LoadSettings

    def __init__(self, resource: ResourceId, settings: LoadSettings, clock: Clock) -> None:
        super().__init__(resource, settings, physics(settings), clock)


def physics(settings: LoadSettings) -> LoadPhysics:
    """The load that `settings` describe. Before the start it was whole, long enough to be interrupted at once."""
    shed_kw = accumulate(settings.circuits_kw, initial=0.0)
    levels_kw = tuple(sorted(settings.load_kw - kw for kw in shed_kw))
    return LoadPhysics(
        plan=(Step(from_s=0.0, kw=settings.load_kw),),
        min_kw=levels_kw[0],
        max_kw=levels_kw[-1],
        levels_kw=levels_kw,
        longest_s=settings.longest_s,
        recovery_s=settings.recovery_s,
    )
