"""EiReport: series and their names, the value of an interval, and the timing rules both ends share."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Literal

from openadr_ra.errors import InvalidData
from openadr_ra.protocol.model import (
    SCALES,
    CustomUnit,
    EnergyReal,
    EventId,
    ItemBase,
    PowerReal,
    ResourceId,
    Rid,
    SpecifierId,
    Target,
)
from openadr_ra.protocol.parts import (
    DIRECT_READ,
    GOOD,
    MEAN,
    NO_VALUE,
    NOT_APPLICABLE,
    UNCERTAIN,
    Interval,
    Quality,
    ReadingType,
    Report,
    ReportDescription,
    ReportName,
    ReportType,
)
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.shape import Token, Value
from openadr_ra.protocol.times import Duration, shift

Quantity = Literal[
    "kw",
    "kwh",
    "soc",
    "online",
    "override",
    "asked",
    "baseline",
    "delta",
    "coverage",
    "frozen",
    "revision",
    "final",
    "can_reduce",
    "can_raise",
    "can_reduce_kwh",
    "can_raise_kwh",
]
"""What a series of a resource holds.

Live: kw (power), kwh (net energy register: imported less exported, rises and falls), soc (percent), online and override
(0 or 1). Of an event's interval: asked, baseline, kw (mean), delta (kW against the baseline); coverage (percent of the
interval that was measured); soc at its end; frozen (seconds from the baseline's freezing to the interval's start);
revision (of the response) and final (1, or 0 while provisional).

Of a whole VEN, towards one VTN, now: kw, baseline (its plan), can_reduce and can_raise (kW from the baseline that it can
hold, less what is promised to other VTNs), can_reduce_kwh and can_raise_kwh (for how long; absent: without end).
"""

TOTAL = ResourceId("*")
"""Stands for all resources of a VEN together."""

METADATA = "METADATA_"
"""What the name of an offer has before the report's own."""

METADATA_SPECIFIER = SpecifierId("METADATA")
"""The reportSpecifierID that asks for capabilities (rule 306)."""

METADATA_REPORT = ReportName(Token("METADATA"))
"""What a request for capabilities is kept as; no report has this name."""

RESPONSE_QUANTITIES: tuple[Quantity, ...] = (
    "asked", "kw", "baseline", "delta", "coverage", "soc", "frozen", "revision", "final",
)  # fmt: skip

AVAILABILITY_QUANTITIES: tuple[Quantity, ...] = (
    "kw", "baseline", "can_reduce", "can_raise", "can_reduce_kwh", "can_raise_kwh",
)  # fmt: skip


def rid(resource: ResourceId, quantity: Quantity) -> Rid:
    """`bat-1.kw`: the rID of a quantity of a resource."""
    return Rid(f"{resource}.{quantity}")


def live_series(resource: ResourceId, quantity: Quantity) -> str:
    """Where an edge keeps what it measures: `live/bat-1.kw`."""
    return f"live/{rid(resource, quantity)}"


def response_series(event_id: EventId, resource: ResourceId, quantity: Quantity) -> str:
    """Where an edge keeps the response to an event, a reading per event interval: `response/E1/bat-1.delta`."""
    return f"response/{event_id}/{rid(resource, quantity)}"


class Mean(Value, frozen=True, kw_only=True, gc=False):
    """Mean kW of an interval; `coverage` is the measured fraction of it. `kw` None: nothing was measured."""

    kw: float | None
    coverage: float
    quality: Quality


def value(
    start: datetime,
    end: datetime,
    *,
    power: Sequence[Reading] = (),
    register: Sequence[Reading] = (),
    hold: timedelta = timedelta(minutes=2),
    register_hold: timedelta = timedelta(minutes=2),
) -> Mean:
    """The mean power over [start, end), from the best there is (architecture 4(b)).

    A good power reading of that very span; else the difference of the energy register, where it was read within
    `register_hold` about both edges; else the time-weighted mean of power readings, a sample counting until the next
    one, for `hold` at most.
    An instant (`end` is `start`) has the power that counts then. All readings in ascending order of start.
    """
    for reading in power:
        if reading.start == start and reading.span == end - start and not is_bad(reading.quality):
            return Mean(kw=reading.value, coverage=1.0, quality=reading.quality)
    by_register = _register_mean(start, end, register, register_hold)
    if by_register is not None:
        return by_register
    return _weighted_mean(start, end, power, hold)


def _register_mean(start: datetime, end: datetime, register: Sequence[Reading], hold: timedelta) -> Mean | None:
    good = [reading for reading in register if not is_bad(reading.quality)]
    first, last = register_at(start, good, hold), register_at(end, good, hold)
    if first is None or last is None or end <= start:
        return None
    return Mean(kw=(last - first) / ((end - start) / timedelta(hours=1)), coverage=1.0, quality=GOOD)


def register_at(when: datetime, register: Sequence[Reading], hold: timedelta) -> float | None:
    """The register at `when`, between its two neighbours; None if they are more than `hold` apart.

    A register is read at an instant: with or without a span, a reading is the value at its start.
    """
    index = bisect_right(register, when, key=lambda reading: reading.start)
    before = register[index - 1] if index else None
    if before is not None and before.start == when:
        return before.value
    after = register[index] if index < len(register) else None
    if before is None or after is None or after.start - before.start > hold:
        return None
    share = (when - before.start) / (after.start - before.start)
    return before.value + share * (after.value - before.value)


def _weighted_mean(start: datetime, end: datetime, power: Sequence[Reading], hold: timedelta) -> Mean:
    total, covered = 0.0, timedelta(0)
    quality = GOOD
    for reading, until in _covers(power, hold):
        if is_bad(reading.quality):
            continue
        if end == start and reading.start <= start < until:
            return Mean(kw=reading.value, coverage=1.0, quality=reading.quality)
        held = min(until, end) - max(reading.start, start)
        if held <= timedelta(0):
            continue
        total += reading.value * (held / timedelta(seconds=1))
        covered += held
        quality = reading.quality if reading.quality != GOOD else quality
    if not covered:
        return Mean(kw=None, coverage=0.0, quality=NO_VALUE)
    coverage = covered / (end - start)
    return Mean(
        kw=total / (covered / timedelta(seconds=1)),
        coverage=coverage,
        quality=quality if coverage > 0.99 else UNCERTAIN,
    )


def _covers(power: Sequence[Reading], hold: timedelta) -> Iterator[tuple[Reading, datetime]]:
    """Each reading and the time until which it counts; of those with one start the most detailed."""
    finest = {reading.start: reading for reading in sorted(power, key=lambda each: each.span or hold, reverse=True)}
    readings = sorted(finest.values(), key=lambda each: each.start)
    for reading, following in zip_longest(readings, readings[1:]):
        until = shift(reading.start, reading.span or hold)
        yield reading, until if following is None else min(until, following.start)


def is_bad(quality: Quality) -> bool:
    """A value that must not be counted."""
    return quality.startswith(("Quality Bad", "No Quality"))


def spans(report: Report) -> Iterator[tuple[datetime, timedelta, Interval]]:
    """Each interval of a report with the start and length that it has or inherits (3.4, rule 314).

    An interval without dtstart begins where its predecessor ended, the first one at the report's dtstart; one without
    duration is a sample, or lasts as long as the report if it is the only one. Raises InvalidData if no start is known, or
    if one lasts less than no time.
    """
    start, length = report.start, timedelta(0)
    stated: Duration | None = None
    whole = _only(report) or Duration()
    for interval in report.intervals:
        start = interval.start or (start and shift(start, length))
        if start is None:
            raise InvalidData(
                f"report {report.specifier_id}: an interval has no dtstart, nor has the report (rule 314)"
            )
        if stated is not (lasts := interval.duration or whole):
            stated, length = lasts, lasts.length
        if length < timedelta(0):
            raise InvalidData(f"report {report.specifier_id}: an interval has a negative duration")
        yield start, length, interval


def _only(report: Report) -> Duration | None:
    return report.duration if len(report.intervals) == 1 else None


def scaled(unit: ItemBase | None, value: float) -> float:
    """`value` in kW or kWh where `unit` is a real power or energy, as it is otherwise."""
    if isinstance(unit, PowerReal | EnergyReal):
        return value * SCALES[unit.scale] / 1000
    return value


_PERCENT = CustomUnit(description="percent", units="percent")
_SECONDS = CustomUnit(description="seconds", units="s")

DESCRIBED: dict[Quantity, tuple[str, ItemBase | None, ReadingType]] = {
    "kw": ("avgDemand", PowerReal(), MEAN),
    "asked": ("deltaSetPoint", PowerReal(), NOT_APPLICABLE),
    "baseline": ("baseline", PowerReal(), ReadingType(Token("x-declaredPlan"))),
    "delta": ("deltaDemand", PowerReal(), MEAN),
    "coverage": ("x-coverage", _PERCENT, NOT_APPLICABLE),
    "soc": ("x-stateOfCharge", _PERCENT, DIRECT_READ),
    "frozen": ("x-baselineFrozenBeforeStart", _SECONDS, NOT_APPLICABLE),
    "revision": ("x-revision", None, NOT_APPLICABLE),
    "final": ("x-final", None, NOT_APPLICABLE),
    "can_reduce": ("x-canReduce", PowerReal(), NOT_APPLICABLE),
    "can_raise": ("x-canRaise", PowerReal(), NOT_APPLICABLE),
    "can_reduce_kwh": ("x-canReduceEnergy", EnergyReal(), NOT_APPLICABLE),
    "can_raise_kwh": ("x-canRaiseEnergy", EnergyReal(), NOT_APPLICABLE),
}
"""Report type, unit and reading type of each quantity of x-RESPONSE and x-AVAILABILITY. The reading type of the baseline
names its method."""


def usage_description(resource: ResourceId, quantity: Literal["kw", "kwh"], meter: str) -> ReportDescription:
    """A point of TELEMETRY_USAGE or HISTORY_USAGE, exactly as rule 331 has it."""
    return ReportDescription(
        rid=rid(resource, quantity),
        source=_source(resource, meter),
        type=ReportType(Token("usage")),
        unit=PowerReal() if quantity == "kw" else EnergyReal(),
        reading_type=DIRECT_READ,
    )


def status_description(resource: ResourceId, meter: str) -> ReportDescription:
    """The point of TELEMETRY_STATUS (rule 331); its rID is the resource's id."""
    return ReportDescription(
        rid=Rid(resource),
        source=_source(resource, meter),
        type=ReportType(Token("x-resourceStatus")),
        reading_type=NOT_APPLICABLE,
    )


def availability_descriptions(towards: str) -> tuple[ReportDescription, ...]:
    """The points of x-AVAILABILITY: they are of the whole VEN, towards the VTN of that name."""
    return _described(ResourceId(towards), _source(TOTAL, ""), AVAILABILITY_QUANTITIES)


def response_descriptions(
    resource: ResourceId, meter: str, quantities: Iterable[Quantity]
) -> tuple[ReportDescription, ...]:
    """The points of x-RESPONSE for one resource."""
    return _described(resource, _source(resource, meter), quantities)


def _described(resource: ResourceId, source: Target, quantities: Iterable[Quantity]) -> tuple[ReportDescription, ...]:
    return tuple(
        ReportDescription(
            rid=rid(resource, quantity),
            source=source,
            type=ReportType(Token(DESCRIBED[quantity][0])),
            unit=DESCRIBED[quantity][1],
            reading_type=DESCRIBED[quantity][2],
        )
        for quantity in quantities
    )


def _source(resource: ResourceId, meter: str) -> Target:
    resources = () if resource == TOTAL else (resource,)
    return Target(meters=(meter,) if meter else (), resources=resources)
