"""What came of a slot so far: the integral of the metered power against the baseline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import zip_longest
from math import fsum

from msgspec.structs import replace

from openadr_ra.protocol.report import is_bad, value
from openadr_ra.protocol.schedule import Reading, Slot, mean
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.times import shift

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


def heard(held: Delivered, at: datetime, kw: float, hold: timedelta, *, kwh: float | None = None) -> Delivered:
    """The integral moved on to a good value of `at`; one that is not newer changes nothing.

    The value before counts until then, and as measured for `hold` of that at most. `kwh` is the energy against the baseline
    since `held.at` where an energy register tells it; then all of that time is measured.
    """
    if at <= held.at:
        return held
    if kwh is not None:
        return _moved(held, at, held.kwh + kwh, kw, at - held.at)
    return _moved(held, at, held.by(at), kw, min(hold, at - held.at))


def silent(held: Delivered, at: datetime, hold: timedelta, *, lease_until: datetime | None = None) -> Delivered:
    """The integral as it stands at `at` without a newer value: the last good one is assumed.

    Not beyond `lease_until`, however: then the device is taken to be back at its baseline, unless it was heard of since.
    None: it holds for ever. This is a view of that instant; what comes later is counted from `held`.
    """
    if at <= held.at:
        return held
    until = _held_until(held.at, at, lease_until)
    kw = held.kw if until == at else 0.0
    return _moved(held, at, held.by(until), kw, min(hold, until - held.at))


def delivered(
    start: datetime,
    at: datetime,
    power: Sequence[Reading],
    *,
    register: Sequence[Reading] = (),
    plan: tuple[Slot, ...] = (),
    hold: timedelta = timedelta(minutes=2),
    size_kw: float = 0.0,
    lease_until: datetime | None = None,
) -> Delivered:
    """The integral from stored readings, delayed or partly missing; good ones alone count, in ascending order of start.

    By the energy register up to its newest reading, where it was read within `hold` about the start; from there by the
    power: a reading counts until the next one, as measured for its span, or for `hold` where it is a sample. Readings
    from before the start say what counts at first; without any, nothing is taken to be delivered until the first one.
    The last one counts until `lease_until`, see `silent`. `plan` is the baseline, in the readings' own sense.
    """
    good = tuple(reading for reading in power if reading.start <= at and not is_bad(reading.quality))
    held = _by_register(start, at, register, plan, hold)
    kwh, measured, kw = held.kwh, held.measured, 0.0
    for reading, following in zip_longest(good, good[1:]):
        since = max(reading.start, held.at)
        until = following.start if following is not None else _held_until(reading.start, at, lease_until)
        kw = reading.value - mean(plan, at, at) if until == at else 0.0
        if until <= since:
            continue
        kwh += (reading.value - mean(plan, since, until)) * hours(until - since)
        fresh = min(shift(reading.start, reading.span or hold), until)
        measured += max(fresh - since, timedelta(0))
    return Delivered(start=start, at=at, kwh=kwh, kw=kw, measured=measured, size_kw=size_kw)


def together(parts: Iterable[Delivered]) -> Delivered:
    """The sum of members in one slot, all at the same instant; what is measured of it is weighted by their size.

    Raises ValueError where there is nothing to add.
    """
    all_parts = tuple(parts)
    if not all_parts:
        raise ValueError("a sum of what members delivered needs at least one of them")
    first = all_parts[0]
    size_kw = fsum(part.size_kw for part in all_parts)
    coverage = fsum(part.coverage * (part.size_kw / size_kw if size_kw else 1 / len(all_parts)) for part in all_parts)
    return replace(
        first,
        kwh=fsum(part.kwh for part in all_parts),
        kw=fsum(part.kw for part in all_parts),
        measured=(first.at - first.start) * min(coverage, 1.0),
        size_kw=size_kw,
    )


def _moved(held: Delivered, at: datetime, kwh: float, kw: float, measured: timedelta) -> Delivered:
    return replace(held, at=at, kwh=kwh, kw=kw, measured=held.measured + measured)


def _held_until(heard_at: datetime, at: datetime, lease_until: datetime | None) -> datetime:
    """How long what was heard last counts: to the end of the lease under which it was, `at` at most."""
    if lease_until is None or lease_until < heard_at:
        return at
    return min(lease_until, at)


def _by_register(
    start: datetime, at: datetime, register: Sequence[Reading], plan: tuple[Slot, ...], hold: timedelta
) -> Delivered:
    """What the energy register tells, up to its newest good reading; nothing where it does not reach back to the start."""
    good = [reading for reading in register if reading.start <= at and not is_bad(reading.quality)]
    if not good or good[-1].start <= start:
        return beginning(start)
    until = good[-1].start
    known = value(start, until, register=good, register_hold=hold)
    if known.kw is None:
        return beginning(start)
    kwh = (known.kw - mean(plan, start, until)) * hours(until - start)
    return Delivered(start=start, at=until, kwh=kwh, measured=until - start)
