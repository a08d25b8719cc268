"""A simulated wind turbine: generates (-) what the wind gives, which its seed decides; a set-point is a limit to that."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
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

CUT_IN, RATED, CUT_OUT = 3.0, 12.0, 25.0
"""Metres per second: below the first and from the last on it stands; between the first two it gives by the third power."""

KEPT_PER_HOUR = 0.8
"""How much of a gust or a lull is left of it an hour later."""


class WindSettings(SimulatedSettings, frozen=True, kw_only=True):
    """A turbine in a fresh wind, unless told otherwise. Outputs are positive here: what a name plate says.

    The wind begins at its mean and goes its own way about it by `gusts_m_per_s`, a value each `step_h` hours, `steps` of
    them; the last one stays. What is declared is the forecast: what comes, but for an error whose standard deviation is
    `error_part` of it. The same `seed` has the same wind and the same errors.
    """

    rated_kw: Positive = 100.0
    mean_m_per_s: NotNegative = 8.0
    gusts_m_per_s: NotNegative = 2.0
    step_h: Positive = 0.5
    steps: Annotated[int, Meta(ge=1, le=1000)] = 96
    error_part: NotNegative = 0.0


class WindPhysics(Device, frozen=True, kw_only=True, gc=False):
    """Anything from nothing to what the wind gives, at once; `given` is that, `plan` what was forecast of it."""

    given: tuple[Step, ...]

    def own_kw(self, state: State) -> float:
        return plan_kw(self.given, state.t_s)

    def aim(self, state: State, kw: float) -> Aim:
        return within(self.own_kw(state), 0.0, kw)

    def horizon_s(self, state: State, slope_kw_per_s: float) -> float:
        return min((step.from_s - state.t_s for step in self.given if step.from_s > state.t_s), default=math.inf)

    def left(self, state: State) -> Left:
        """All that is forecast can be curtailed; the wind gives no more."""
        return Left(reduce_kwh=0.0, raise_kwh=-plan_kwh(self.plan, state.t_s, math.inf))

    def descriptor(self, resource: ResourceId) -> Descriptor:
        return Descriptor(id=resource, kind="generator", subtype="wind", min_kw=self.min_kw, max_kw=self.max_kw)


class Wind(Simulated):
    """The driver `simulated-wind`."""

    Settings = WindSettings

    def __init__(self, resource: ResourceId, settings: WindSettings, clock: Clock) -> None:
        super().__init__(resource, settings, physics(settings), clock)


def physics(settings: WindSettings) -> WindPhysics:
    """The turbine that `settings` describe, and its wind."""
    outputs_kw = [output_kw(settings.rated_kw, speed) for speed in _speeds(settings)]
    # Not a secret, and it must be the same in each run.
    errors = random.Random(f"{settings.seed}/forecast")  # noqa: S311
    forecast_kw = [
        min(max(kw * (1 + errors.gauss(0.0, settings.error_part)), 0.0), settings.rated_kw) for kw in outputs_kw
    ]
    return WindPhysics(
        plan=_steps(forecast_kw, settings.step_h),
        given=_steps(outputs_kw, settings.step_h),
        min_kw=-settings.rated_kw,
        max_kw=0.0,
    )


def output_kw(rated_kw: float, speed_m_per_s: float) -> float:
    """What a turbine gives in such a wind."""
    if not CUT_IN <= speed_m_per_s < CUT_OUT:
        return 0.0
    part = (speed_m_per_s**3 - CUT_IN**3) / (RATED**3 - CUT_IN**3)
    return rated_kw * min(part, 1.0)


def _speeds(settings: WindSettings) -> Iterator[float]:
    """The wind in each step: about its mean, to which it returns."""
    chance = random.Random(f"{settings.seed}/wind")  # noqa: S311
    kept = KEPT_PER_HOUR**settings.step_h
    away = 0.0
    for _ in range(settings.steps):
        yield max(settings.mean_m_per_s + away, 0.0)
        away = kept * away + chance.gauss(0.0, settings.gusts_m_per_s * math.sqrt(1 - kept**2))


def _steps(outputs_kw: list[float], step_h: float) -> tuple[Step, ...]:
    return tuple(Step(from_s=n * step_h * HOUR_S, kw=0.0 - kw) for n, kw in enumerate(outputs_kw))
