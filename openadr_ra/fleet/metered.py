"""What came of a slot so far: the integral of the metered power against the baseline."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from openadr_ra.protocol.shape import Value

_HOUR = timedelta(hours=1)


def hours(span: timedelta) -> float:
    """The span as a number of hours."""
    return span / _HOUR


class Delivered(Value, frozen=True, kw_only=True, gc=False):
    """Energy against the baseline from `start` to `at`, and the power against it that counts from then on; signed.

    `measured` is how much of that time was measured; in the rest the last good value was assumed. `size_kw` is by how much
    a power that is not measured may be off at most, such as what its member was asked for.
    """

    start: datetime
    at: datetime
    kwh: float = 0.0
    kw: float = 0.0
    measured: timedelta = timedelta(0)
    size_kw: float = 0.0

    @property
    def coverage(self) -> float:
        """The part of the time so far that was measured, 0 to 1; 1 where no time has gone by."""
        return self.measured / (self.at - self.start) if self.at > self.start else 1.0

    @property
    def doubt_kwh(self) -> float:
        """By how much the energy may be off at most, for want of measurements."""
        return self.size_kw * hours(self.at - self.start - self.measured)

    def by(self, when: datetime) -> float:
        """The energy at `when`, kWh, if the power stays as it is."""
        return self.kwh + self.kw * hours(when - self.at)


def beginning(start: datetime, *, kw: float = 0.0, size_kw: float = 0.0) -> Delivered:
    """A slot that begins: nothing came of it yet, whatever came of the one before. `kw` is the last good power."""
    return Delivered(start=start, at=start, kw=kw, size_kw=size_kw)


def heard(held: Delivered, at: datetime, kw: float, hold: timedelta) -> Delivered:
    """The integral moved on to a good value of `at`; one that is not newer changes nothing.

    The value before counts until then, and as measured for `hold` of that at most.
    """
    if at <= held.at:
        return held
    return replace(held, at=at, kwh=held.by(at), kw=kw, measured=held.measured + min(hold, at - held.at))
