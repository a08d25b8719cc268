"""Readings in a row: of a power that goes on much the same, and of one that does not move at all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec.structs import replace

from openadr_ra.protocol.shape import Value
from openadr_ra.seams import Descriptor, Measurement

GAP = timedelta(minutes=2)
"""Between two readings that are further apart a device may have done anything."""

STUCK_FOR = timedelta(minutes=10)
"""So long a register may stand still, or a power, although the other one says that it should not."""

AGAINST_FOR = timedelta(minutes=3)
"""So long a power may stand where it was although another one was set and taken."""

LET_GO_AFTER = timedelta(hours=1)
"""A device that does nothing is tried again so long after it was found."""

FEWEST = 10
"""Readings in a row, before they say anything."""

STEADY = 2.0
"""The largest power of a steady run over its smallest one."""

NOTICEABLE = 0.05
"""Of the largest power: a register need not notice less."""

LEAST_KW = 0.05
"""Nor less than this."""

GRAINS = 2.5
"""A register that counts in steps must have missed as many to stand still."""

DECADE = 10.0
"""Power and register may differ by less than this factor: losses, and readings taken at unlucky moments. The factor of a
wrong unit is a thousand."""

ASTRAY = 0.25
"""Of the largest power: a power that stands still may be as far from what the registers say."""

TOLERANCE = 0.1
"""Of its range a device may be off its set-point."""

TOLERANCE_KW = 0.15
"""Or by as much: powers are read in steps of 100 W."""


LONGEST_S = 1e9
"""Whatever takes longer takes for ever."""

SETTLED = timedelta(seconds=10)
"""A device may take as much longer to its set-point than its own latency and ramp."""


def settling(descriptor: Descriptor | None) -> timedelta:
    """How long a device may take to where it was told to go."""
    if descriptor is None:
        return SETTLED
    ramp = descriptor.ramp_kw_per_s
    ramping_s = (descriptor.max_kw - descriptor.min_kw) / ramp if ramp else 0.0
    return SETTLED + timedelta(seconds=min(descriptor.latency_s + ramping_s, LONGEST_S))


class Order(Value, frozen=True, kw_only=True, gc=False):
    """What a device was told and has taken: from `settled_at` on, and no longer than `until`, it is at `kw`, or as far
    towards that as `effective_kw`, which was all that it could do when it was told."""

    kw: float
    effective_kw: float
    settled_at: datetime
    until: datetime

    def holds(self, at: datetime) -> bool:
        return self.settled_at <= at < self.until

    def expected_kw(self, reading: Measurement) -> float:
        """The power nearest to the one read at which the device may be, by its own account of what it can reach."""
        low_kw, high_kw = (min(max(kw, reading.min_kw), reading.max_kw) for kw in sorted((self.kw, self.effective_kw)))
        return min(max(reading.kw, low_kw), high_kw)


class Steady(Value, frozen=True, kw_only=True, gc=False):
    """Readings in a row of one sign and much the same power: between `low_kw` and `high_kw`, both without sign. They come
    to `least_kwh` at least and `most_kwh` at most."""

    first: Measurement
    last: Measurement
    low_kw: float
    high_kw: float
    count: int = 1
    least_kwh: float = 0.0
    most_kwh: float = 0.0


class Same(Value, frozen=True, kw_only=True, gc=False):
    """Readings in a row of the very same power.

    `quiet` is the first one since nothing was to move the device, `quiet_count` how many there are since; `low_kw` and
    `high_kw` are where it should have been, `against` for how long it was elsewhere, `found_at` when that was too long.
    """

    last: Measurement
    quiet: Measurement
    quiet_count: int = 1
    order: Order | None = None
    low_kw: float = math.inf
    high_kw: float = -math.inf
    astray: bool = False
    against: timedelta = timedelta(0)
    found_at: datetime | None = None


def going_on(run: Steady | None, told: Measurement) -> Steady | None:
    """The steady run with `told`, or the one that begins with it."""
    if not told.kw or _register(told) is None:
        return None
    size_kw = abs(told.kw)
    fresh = Steady(first=told, last=told, low_kw=size_kw, high_kw=size_kw)
    if run is None or (run.last.kw > 0) != (told.kw > 0):
        return fresh
    low_kw, high_kw = min(run.low_kw, size_kw), max(run.high_kw, size_kw)
    if high_kw > STEADY * low_kw:
        return fresh
    hours = (told.at - run.last.at) / timedelta(hours=1)
    before_kw = abs(run.last.kw)
    return replace(
        run,
        last=told,
        low_kw=low_kw,
        high_kw=high_kw,
        count=run.count + 1,
        least_kwh=run.least_kwh + min(before_kw, size_kw) * hours,
        most_kwh=run.most_kwh + max(before_kw, size_kw) * hours,
    )


def steady_faults(run: Steady | None, descriptor: Descriptor, grain_kwh: float) -> Iterator[str]:
    """Where power and register cannot both be right."""
    if run is None or run.count < FEWEST or run.last.at - run.first.at < STUCK_FOR:
        return
    before_kwh, after_kwh = _register(run.first), _register(run.last)
    if before_kwh is None or after_kwh is None:
        return
    moved_kwh, largest_kw = after_kwh - before_kwh, max(abs(descriptor.min_kw), abs(descriptor.max_kw))
    grain_kwh = max(grain_kwh, 1e-6)
    hours = (run.last.at - run.first.at) / timedelta(hours=1)
    if run.low_kw >= max(NOTICEABLE * largest_kw, LEAST_KW):
        if moved_kwh <= 0 and run.least_kwh >= GRAINS * grain_kwh:
            yield f"its register stands still while it says {run.last.kw:g} kW"
        elif moved_kwh + grain_kwh < run.least_kwh / DECADE:
            yield f"its register rose by {moved_kwh:g} kWh where its power came to {run.least_kwh:g}"
    if moved_kwh > DECADE * run.most_kwh + 2 * grain_kwh + NOTICEABLE * largest_kw * hours:
        yield f"its register rose by {moved_kwh:g} kWh where its power came to {run.most_kwh:g}"


def _register(told: Measurement) -> float | None:
    """The register that counts at this power."""
    return told.import_kwh if told.kw > 0 else told.export_kwh


def staying(run: Same | None, told: Measurement, descriptor: Descriptor, order: Order | None) -> Same:
    """The run of the same power with `told`, or the one that begins with it."""
    standing = order if order is not None and told.at < order.until else None
    target_kw = standing.expected_kw(told) if standing is not None and standing.holds(told.at) else None
    astray = target_kw is not None and _astray(told.kw, target_kw, descriptor)
    # What it does while nobody tells it anything is what it should.
    right_kw = told.kw if standing is None else target_kw
    begun = Same(
        last=told,
        quiet=told,
        order=standing,
        astray=astray,
        low_kw=math.inf if right_kw is None else right_kw,
        high_kw=-math.inf if right_kw is None else right_kw,
    )
    if run is None or run.last.kw != told.kw or _is_to_be_let_go(run, told.at):
        return begun
    quiet = not _was_to_move(run, told, descriptor, standing)
    against = run.against + (told.at - run.last.at if astray and run.astray else timedelta(0))
    low_kw, high_kw = min(run.low_kw, begun.low_kw), max(run.high_kw, begun.high_kw)
    found = against >= AGAINST_FOR and high_kw - low_kw > _tolerance_kw(descriptor)
    return Same(
        last=told,
        quiet=run.quiet if quiet else told,
        quiet_count=run.quiet_count + 1 if quiet else 1,
        order=standing,
        low_kw=low_kw,
        high_kw=high_kw,
        astray=astray,
        against=against,
        found_at=run.found_at or (told.at if found else None),
    )


def _is_to_be_let_go(run: Same, at: datetime) -> bool:
    return run.found_at is not None and at - run.found_at > LET_GO_AFTER


def _was_to_move(run: Same, told: Measurement, descriptor: Descriptor, order: Order | None) -> bool:
    """Whether since the last reading something may have moved the device and brought it back."""
    ordered = _kw(run.order) != _kw(order)
    planned = any(run.last.at < slot.start <= told.at for slot in descriptor.plan)
    switching_s = min(descriptor.min_on_s, descriptor.min_off_s)
    switched = bool(descriptor.levels_kw) and switching_s < (told.at - run.last.at).total_seconds()
    return ordered or planned or switched


def _kw(order: Order | None) -> float | None:
    return None if order is None else order.kw


def _astray(kw: float, target_kw: float, descriptor: Descriptor) -> bool:
    """A battery goes where it is told. What generates or consumes may give or take less: there is no sun, or no car."""
    tolerance_kw = _tolerance_kw(descriptor)
    if descriptor.kind == "battery":
        return abs(kw - target_kw) > tolerance_kw
    beyond_kw = kw - max(target_kw, 0.0) if kw > 0 else min(target_kw, 0.0) - kw
    return beyond_kw > tolerance_kw


def _tolerance_kw(descriptor: Descriptor) -> float:
    return max(TOLERANCE * (descriptor.max_kw - descriptor.min_kw), TOLERANCE_KW)


def same_faults(run: Same, told: Measurement, descriptor: Descriptor, grain_kwh: float) -> Iterator[str]:
    """Where a power stands still and should not."""
    if descriptor.metering != "device":
        return
    if run.found_at is not None:
        yield f"its power stands at {told.kw:g} kW whatever it is told"
    length = told.at - run.quiet.at
    if run.quiet_count < FEWEST or length < STUCK_FOR:
        return
    rises = [
        after - before
        for before, after in ((run.quiet.import_kwh, told.import_kwh), (run.quiet.export_kwh, told.export_kwh))
        if before is not None and after is not None
    ]
    # Registers that all stand still are the other check's: a power of 0 may be right, and they may not count yet.
    if not any(rises):
        return
    hours = length / timedelta(hours=1)
    metered_kw = _net_kwh(run.quiet, told) / hours
    largest_kw = max(abs(descriptor.min_kw), abs(descriptor.max_kw))
    if abs(metered_kw - told.kw) > ASTRAY * largest_kw + 2 * grain_kwh / hours:
        yield f"its power stands at {told.kw:g} kW while its registers say {metered_kw:g}"


def _net_kwh(before: Measurement, after: Measurement) -> float:
    imported = (after.import_kwh or 0.0) - (before.import_kwh or 0.0)
    exported = (after.export_kwh or 0.0) - (before.export_kwh or 0.0)
    return imported - exported
