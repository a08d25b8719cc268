"""What an event came to: asked, accepted, delivered, deviation and band, per VEN, resource and interval, and in sum."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from math import fsum
from typing import NamedTuple

from msgspec.structs import replace

from openadr_ra.fleet.known import Derived, Known, Said, Source, find, together, together_quality, total
from openadr_ra.protocol.model import OPT_OUT, EventId, OptType, ResourceId, VenId
from openadr_ra.protocol.parts import NO_VALUE, Quality
from openadr_ra.protocol.report import TOTAL
from openadr_ra.protocol.schedule import Mode, Slot
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.times import FOREVER

EVERY_VEN = VenId("*")
"""Stands for all VENs of an event together."""

EXACT_KW = 1e-9
"""The edge of the band is inside it, whatever the arithmetic makes of it."""


class ResponseRow(Value, frozen=True, kw_only=True, gc=False):
    """One interval of an event, for a resource, a VEN (resource TOTAL) or all VENs (ven EVERY_VEN). None: not known.

    `asked_kw` is what was instructed: of a VEN by the event, of a resource by its VEN's own allocation. In the sum it is
    what VENs that count were asked, and `instructed_kw` what all were. `delivered_kw` is against the baseline in mode
    delta and level, else absolute, like `asked_kw`; `deviation_kw` = delivered - asked. `counted` says whether the row is
    part of the sum: a VEN that opted out is not, except in an interval it answered for by x-RESPONSE all the same, for
    then it opted out later. A VEN that has not answered counts.
    """

    event_id: EventId
    ven: VenId
    resource: ResourceId
    start: datetime
    duration_s: float
    asked_kw: float | None
    instructed_kw: float | None
    accepted: OptType | None
    counted: bool = True
    baseline_kw: float | None = None
    mean_kw: float | None = None
    delivered_kw: float | None = None
    deviation_kw: float | None = None
    in_band: bool | None = None
    coverage_percent: float | None = None
    quality: Quality = NO_VALUE
    revision: int = 0
    final: bool = False
    source: Source = "derived"


class Rules(NamedTuple):
    """How rows are judged: the mode of what was asked, and the band as a fraction of it; of `base_kw` where 0 is asked."""

    mode: Mode
    band: float
    base_kw: float | None


def response_rows(
    event_id: EventId,
    asked: Mapping[VenId, tuple[Slot, ...]],
    *,
    mode: Mode = "delta",
    opts: Mapping[VenId, OptType] | None = None,
    said: Iterable[Said] = (),
    derived: Iterable[Derived] = (),
    band: float = 0.1,
    base_kw: float | None = None,
) -> tuple[ResponseRow, ...]:
    """The rows of an event, by interval: each VEN's resources, the VEN, and last the sum of all.

    `asked` is the instruction to each VEN, kW in the sense of `mode`; at level it holds levels, and the kW that the VEN
    made of them is taken from its response. An interval cut short by a cancellation has the length of its response. An
    open-ended one has a row only once it is over. Intervals that begin together are summed.
    """
    rules = Rules(mode, band, base_kw)
    opts = opts or {}
    found = find(asked, tuple(said), tuple(derived))
    rows: list[ResponseRow] = []
    for start in sorted({slot.start for slots in asked.values() for slot in slots}):
        here = [(ven, slot) for ven, slots in asked.items() for slot in slots if slot.start == start]
        totals: list[ResponseRow] = []
        for ven, slot in here:
            known = found.get((ven, start), {})
            if slot.end == FOREVER and not known:
                continue
            mine = tuple(_of_ven(event_id, ven, slot, opts.get(ven), known, rules))
            rows += mine
            totals.append(mine[-1])
        if totals:
            rows.append(_sum(event_id, totals, rules))
    return tuple(rows)


def sums_agree(rows: Iterable[ResponseRow], tolerance_kw: float = 0.001) -> bool:
    """Whether in each interval the resources add up to their VEN, and the VENs that count to the sum.

    Mean, baseline and delivered power are compared, and between VENs and sum what was asked. What is not known adds
    nothing, on either side; the baseline of a resource without a value is no part of its VEN's.
    """
    parts: dict[tuple[VenId, datetime, bool], list[ResponseRow]] = {}
    wholes: list[tuple[ResponseRow, tuple[VenId, datetime, bool]]] = []
    for row in rows:
        if row.ven == EVERY_VEN:
            wholes.append((row, (EVERY_VEN, row.start, True)))
        elif row.resource != TOTAL:
            parts.setdefault((row.ven, row.start, False), []).append(row)
        else:
            wholes.append((row, (row.ven, row.start, False)))
            if row.counted:
                parts.setdefault((EVERY_VEN, row.start, True), []).append(row)
    return all(_agrees(whole, parts[key], tolerance_kw, with_asked=key[2]) for whole, key in wholes if key in parts)


def is_in_band(delivered_kw: float, asked_kw: float, band: float, base_kw: float | None = None) -> bool | None:
    """Whether the deviation is at most `band` of what was asked, the edge included.

    Where nothing was asked the band is that of `base_kw`; without one there is no band, and no answer.
    """
    base = asked_kw or base_kw
    if base is None:
        return None
    return abs(delivered_kw - asked_kw) <= band * abs(base) + EXACT_KW


def _of_ven(
    event_id: EventId,
    ven: VenId,
    slot: Slot,
    opt: OptType | None,
    known: dict[ResourceId, Known],
    rules: Rules,
) -> Iterator[ResponseRow]:
    """The rows of its resources, then its own."""
    whole = known.get(TOTAL) or together(tuple(known.values()))
    end = whole.end if whole is not None else slot.end
    asked_kw = slot.kw if rules.mode != "level" else (whole.asked_delta_kw if whole is not None else None)
    row = ResponseRow(
        event_id=event_id,
        ven=ven,
        resource=TOTAL,
        start=slot.start,
        duration_s=(end - slot.start) / timedelta(seconds=1),
        asked_kw=asked_kw,
        instructed_kw=asked_kw,
        accepted=opt,
        counted=opt != OPT_OUT or (whole is not None and whole.source == "x-RESPONSE"),
        revision=(whole.revision or 0) if whole is not None else 0,
        final=bool(whole.final) if whole is not None else False,
    )
    for resource in sorted(known.keys() - {TOTAL}):
        one = known[resource]
        share_kw = _share_kw(one, rules.mode)
        yield _judged(replace(row, resource=resource, asked_kw=share_kw, instructed_kw=share_kw), one, rules)
    yield _judged(row, whole, rules)


def _share_kw(one: Known, mode: Mode) -> float | None:
    """What a resource was asked by its VEN, which says it as a change, in the sense of `mode`."""
    if mode != "setpoint" or one.asked_delta_kw is None:
        return one.asked_delta_kw
    return one.asked_delta_kw + one.baseline_kw if one.baseline_kw is not None else None


def _judged(row: ResponseRow, known: Known | None, rules: Rules) -> ResponseRow:
    """The row with what is known, and how it stands to what was asked."""
    if known is None:
        return row
    delivered_kw = known.mean_kw
    if delivered_kw is not None and rules.mode != "setpoint":
        delivered_kw = delivered_kw - known.baseline_kw if known.baseline_kw is not None else None
    row = replace(
        row,
        baseline_kw=known.baseline_kw,
        mean_kw=known.mean_kw,
        delivered_kw=delivered_kw,
        coverage_percent=known.coverage_percent,
        quality=known.quality,
        source=known.source,
    )
    return _compared(row, rules) if row.counted else row


def _compared(row: ResponseRow, rules: Rules) -> ResponseRow:
    if row.delivered_kw is None or row.asked_kw is None:
        return row
    return replace(
        row,
        deviation_kw=row.delivered_kw - row.asked_kw,
        in_band=is_in_band(row.delivered_kw, row.asked_kw, rules.band, rules.base_kw),
    )


def _sum(event_id: EventId, rows: list[ResponseRow], rules: Rules) -> ResponseRow:
    """All VENs that count. Where the value of one of them is not known there is a sum, but no verdict on it."""
    mine = [row for row in rows if row.counted]
    valued = [row for row in mine if row.mean_kw is not None]
    opts = {one.accepted for one in rows}
    row = ResponseRow(
        event_id=event_id,
        ven=EVERY_VEN,
        resource=TOTAL,
        start=rows[0].start,
        duration_s=max(row.duration_s for row in mine or rows),
        asked_kw=_all(row.asked_kw for row in mine),
        instructed_kw=_all(row.instructed_kw for row in rows),
        accepted=next(iter(opts)) if len(opts) == 1 else None,
        baseline_kw=total(row.baseline_kw for row in valued),
        mean_kw=total(row.mean_kw for row in mine),
        delivered_kw=total(row.delivered_kw for row in mine),
        coverage_percent=_coverage(mine),
        quality=together_quality(row.quality for row in mine),
        revision=max((row.revision for row in mine), default=0),
        final=bool(mine) and all(row.final for row in mine),
        source="x-RESPONSE" if all(row.source == "x-RESPONSE" for row in mine) and mine else "derived",
    )
    return _compared(row, rules) if all(one.delivered_kw is not None for one in mine) else row


def _all(values: Iterable[float | None]) -> float | None:
    """The sum, if all of it is known."""
    found = list(values)
    known = [value for value in found if value is not None]
    return fsum(known) if len(known) == len(found) else None


def _coverage(rows: list[ResponseRow]) -> float | None:
    """Weighted by what each was asked; alike where nothing was."""
    if not rows:
        return None
    weights = [abs(row.asked_kw or 0.0) for row in rows]
    if fsum(weights) <= EXACT_KW:
        weights = [1.0] * len(rows)
    covered = fsum((row.coverage_percent or 0.0) * weight for row, weight in zip(rows, weights, strict=True))
    return covered / fsum(weights)


def _agrees(whole: ResponseRow, parts: list[ResponseRow], tolerance_kw: float, *, with_asked: bool) -> bool:
    valued = [part for part in parts if part.mean_kw is not None]
    pairs = [
        (whole.mean_kw, total(part.mean_kw for part in parts)),
        (whole.baseline_kw if whole.mean_kw is not None else None, total(part.baseline_kw for part in valued)),
        (whole.delivered_kw, total(part.delivered_kw for part in parts)),
    ]
    if with_asked:
        pairs.append((whole.asked_kw, _all(part.asked_kw for part in parts)))
    return all(_alike(one, other, tolerance_kw) for one, other in pairs)


def _alike(one: float | None, other: float | None, tolerance_kw: float) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= tolerance_kw + EXACT_KW
