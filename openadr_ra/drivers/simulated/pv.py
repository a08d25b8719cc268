"""A simulated PV plant: generates (-) what the sun gives; a set-point is a limit to that."""

from __future__ import annotations

import math
from typing import Annotated

from msgspec import Meta

from openadr_ra.drivers.simulated.physics import (
    HOUR_S,
    Aim,
    Device,
    Left,
    State,
    Step,
    plan_kw,
    plan_kwh,
    within,
)
from openadr_ra.drivers.simulated.shell import NotNegative, Positive, Simulated, SimulatedSettings
from openadr_ra.protocol.model import ResourceId
from openadr_ra.seams import Clock, Descriptor


class PvSettings(SimulatedSettings, frozen=True, kw_only=True):
    """A plant on a roof under a steady sun, unless told otherwise. Outputs are positive here: what a name plate says.

    `profile_kw` is the output declared and given, a value each `step_h` hours from the start; the last one stays.
    """

    rated_kw: Positive = 5.0
    profile_kw: Annotated[tuple[NotNegative, ...], Meta(min_length=1)] = (3.0,)
    step_h: Positive = 0.5

    def __post_init__(self) -> None:
        if max(self.profile_kw) > self.rated_kw:
            raise ValueError(f"profile_kw goes beyond rated_kw {self.rated_kw:g}")


class PvPhysics(Device, frozen=True, kw_only=True, gc=False):
    """Anything from nothing to what the sun gives, at once."""

    def aim(self, state: State, kw: float) -> Aim:
        return within(plan_kw(self.plan, state.t_s), 0.0, kw)

    def left(self, state: State) -> Left:
        """All that is planned can be curtailed; the sun gives no more."""
        return Left(reduce_kwh=0.0, raise_kwh=-plan_kwh(self.plan, state.t_s, math.inf))

    def descriptor(self, resource: ResourceId) -> Descriptor:
        return Descriptor(id=resource, kind="generator", subtype="pv", min_kw=self.min_kw, max_kw=self.max_kw)


class Pv(Simulated):
    """The driver `simulated-pv`."""

    Settings = PvSettings

    def __init__(self, resource: ResourceId, settings: PvSettings, clock: Clock) -> None:
        super().__init__(resource, settings, physics(settings), clock)


def physics(settings: PvSettings) -> PvPhysics:
    """The plant that `settings` describe."""
    steps = enumerate(settings.profile_kw)
    return PvPhysics(
        plan=tuple(Step(from_s=n * settings.step_h * HOUR_S, kw=0.0 - kw) for n, kw in steps),
        min_kw=-settings.rated_kw,
        max_kw=0.0,
    )
