"""What every driver of a real device does with a set-point: turn away what is late or no order, keep to its limits."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, NamedTuple

from msgspec import Meta
from msgspec.structs import replace

from openadr_ra.protocol.parts import COMM_FAILURE, NO_VALUE
from openadr_ra.seams import Ack, Clock, DriverSettings, Measurement, Setpoint

Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Percent = Annotated[float, Meta(ge=0, le=100)]

SAME_KW = 1e-6
"""Powers this near to one another are one; the rest is rounding."""


class DeviceSettings(DriverSettings, frozen=True, kw_only=True):
    """What every driver of a real device can be told.

    `min_kw` and `max_kw` narrow what the device says of itself, load convention; None: as the device says. `timeout_s`: how
    long an answer of the device may take; it must be shorter than the node's `driver_timeout_s`.
    """

    min_kw: float | None = None
    max_kw: float | None = None
    timeout_s: Positive = 2.0
    metering_point: str = ""


class Held(NamedTuple):
    """A power within the limits, and why it is not the one that was asked for; empty where it is."""

    kw: float
    why: str = ""


def within(kw: float, low_kw: float, high_kw: float) -> Held:
    """The nearest power in [low, high]."""
    held_kw = min(max(kw, low_kw), high_kw)
    if abs(held_kw - kw) <= SAME_KW:
        return Held(held_kw)
    return Held(held_kw, f"its limits are {low_kw:g} to {high_kw:g} kW")


def answer(asked_kw: float, held: Held) -> Ack:
    """`accepted`, or `clamped` and why."""
    clamped = abs(asked_kw - held.kw) > SAME_KW
    return Ack(outcome="clamped" if clamped else "accepted", effective_kw=held.kw, reason=held.why)


class Orders:
    """The set-point that was taken last. One owner: an older one than that is stale, whoever sends it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.held: Setpoint | None = None
        self._newest: int | None = None

    def turned_away(self, setpoint: Setpoint) -> Ack | None:
        """The answer to a set-point that is no order, or an old one; None takes it."""
        if not math.isfinite(setpoint.kw) or setpoint.lease_until <= self._clock.now():
            return Ack(outcome="rejected", reason=f"{setpoint.kw} kW until {setpoint.lease_until} is no order")
        if self._newest is not None and setpoint.sequence < self._newest:
            return Ack(outcome="stale", reason=f"set-point {self._newest} is newer")
        self._newest, self.held = setpoint.sequence, setpoint
        return None

    def let_go(self) -> None:
        """The device is its own master; what is older than the last set-point stays stale."""
        self.held = None

    @property
    def lease_s(self) -> float:
        """Seconds that are left of the lease; 0 without one."""
        if self.held is None:
            return 0.0
        return max((self.held.lease_until - self._clock.now()).total_seconds(), 0.0)


def unreachable(why: str) -> Ack:
    return Ack(outcome="unreachable", reason=why)


def silent(last: Measurement | None, now: datetime) -> Measurement:
    """The reading of a device that does not answer: what is known last, with the time it was true at, marked."""
    if last is None:
        return Measurement(at=now, kw=0.0, min_kw=0.0, max_kw=0.0, online=False, quality=NO_VALUE)
    return replace(last, online=False, quality=COMM_FAILURE)
