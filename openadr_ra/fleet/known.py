"""What is known of an event's intervals: what VENs of ours said, and what strangers' usage shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from math import fsum
from typing import Literal, NamedTuple

from openadr_ra.protocol.model import ResourceId, VenId
from openadr_ra.protocol.parts import GOOD, NO_VALUE, UNCERTAIN, Quality
from openadr_ra.protocol.report import TOTAL, Mean, Quantity
from openadr_ra.protocol.schedule import Reading, Slot
from openadr_ra.protocol.shape import Value

Source = Literal["x-RESPONSE", "derived"]


class Said(Value, frozen=True, kw_only=True, gc=False):
    """A reading of x-RESPONSE, as a VEN of ours sent it. Of several revisions the highest counts."""

    ven: VenId
    resource: ResourceId
    quantity: Quantity
    reading: Reading


class Derived(Value, frozen=True, kw_only=True, gc=False):
    """The mean power of an interval, worked out from a stranger's usage reports; the baseline where it declared one."""

    ven: VenId
    resource: ResourceId = TOTAL
    start: datetime
    end: datetime
    mean: Mean
    baseline_kw: float | None = None
    final: bool = False


class Known(NamedTuple):
    """What is known of one resource in one interval."""

    end: datetime
    mean_kw: float | None
    baseline_kw: float | None
    asked_delta_kw: float | None
    coverage_percent: float | None
    quality: Quality
    revision: int | None
    final: bool | None
    source: Source


Found = dict[tuple[VenId, datetime], dict[ResourceId, Known]]
"""Per VEN and start of an interval."""


def find(
    asked: Mapping[VenId, tuple[Slot, ...]],
    said: tuple[Said, ...],
    derived: tuple[Derived, ...],
) -> Found:
    """What is known, with the VEN's own word before what was worked out from its usage."""
    ends = {(ven, slot.start): slot.end for ven, slots in asked.items() for slot in slots}
    found: Found = {}
    for one in derived:
        if (one.ven, one.start) in ends and one.end <= ends[one.ven, one.start]:
            found.setdefault((one.ven, one.start), {})[one.resource] = _of_derived(one)
    for (ven, start), of in _by_interval(said, ends).items():
        found[ven, start] = of
    return found


def _of_derived(one: Derived) -> Known:
    return Known(
        end=one.end,
        mean_kw=one.mean.kw,
        baseline_kw=one.baseline_kw,
        asked_delta_kw=None,
        coverage_percent=one.mean.coverage * 100,
        quality=one.mean.quality,
        revision=None,
        final=one.final,
        source="derived",
    )


def _by_interval(said: tuple[Said, ...], ends: dict[tuple[VenId, datetime], datetime]) -> Found:
    """Responses by the interval they belong to. A cancelled one is shorter than what was asked; the longest counts."""
    spans: dict[tuple[VenId, datetime], timedelta] = {}
    for one in said:
        key, span = (one.ven, one.reading.start), one.reading.span
        if key in ends and spans.get(key, timedelta(0)) < span <= ends[key] - one.reading.start:
            spans[key] = span
    newest: dict[tuple[VenId, datetime], dict[ResourceId, dict[Quantity, Reading]]] = {}
    for one in said:
        key = (one.ven, one.reading.start)
        if spans.get(key) != one.reading.span:
            continue
        of = newest.setdefault(key, {}).setdefault(one.resource, {})
        if one.quantity not in of or of[one.quantity].revision <= one.reading.revision:
            of[one.quantity] = one.reading
    return {
        key: {resource: _of_said(of, key[1] + spans[key]) for resource, of in resources.items()}
        for key, resources in newest.items()
    }


def _of_said(of: dict[Quantity, Reading], end: datetime) -> Known:
    def known(quantity: Quantity) -> float | None:
        reading = of.get(quantity)
        return reading.value if reading is not None and reading.quality != NO_VALUE else None

    kw, coverage = of.get("kw"), of.get("coverage")
    revision, final = known("revision"), known("final")
    said = kw or coverage
    return Known(
        end=end,
        mean_kw=known("kw"),
        baseline_kw=known("baseline"),
        asked_delta_kw=known("asked"),
        # A coverage of nothing is known to be nothing, whatever the quality of what it covers.
        coverage_percent=coverage.value if coverage is not None else None,
        quality=said.quality if said is not None else NO_VALUE,
        revision=int(revision) if revision is not None else max(reading.revision for reading in of.values()),
        final=final >= 0.5 if final is not None else None,
        source="x-RESPONSE",
    )


def together(parts: tuple[Known, ...]) -> Known | None:
    """A VEN of which only resources are known."""
    if not parts:
        return None
    known = [part for part in parts if part.mean_kw is not None]
    return Known(
        end=max(part.end for part in parts),
        mean_kw=total(part.mean_kw for part in known),
        baseline_kw=total(part.baseline_kw for part in known),
        asked_delta_kw=total(part.asked_delta_kw for part in parts),
        coverage_percent=fsum(part.coverage_percent or 0.0 for part in parts) / len(parts),
        quality=together_quality(part.quality for part in parts),
        revision=max(part.revision or 0 for part in parts),
        final=all(part.final for part in parts),
        source=parts[0].source,
    )


def total(values: Iterable[float | None]) -> float | None:
    """The sum of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return fsum(known) if known else None


def together_quality(qualities: Iterable[Quality]) -> Quality:
    found = set(qualities)
    if found == {GOOD}:
        return GOOD
    return UNCERTAIN if found - {NO_VALUE} else NO_VALUE
