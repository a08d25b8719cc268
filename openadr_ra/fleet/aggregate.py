"""What an event came to: asked, accepted, delivered, deviation and band, per VEN, resource and interval, and in sum."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from math import fsum
from typing import Literal, NamedTuple

from openadr_ra.protocol.model import OPT_OUT, EventId, OptType, ResourceId, VenId
from openadr_ra.protocol.parts import GOOD, NO_VALUE, UNCERTAIN, Quality
from openadr_ra.protocol.report import TOTAL, Mean, Quantity
from openadr_ra.protocol.schedule import Mode, Reading, Slot
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.times import FOREVER

EVERY_VEN = VenId("*")
"""Stands for all VENs of an event together."""

EXACT_KW = 1e-9
"""The edge of the band is inside it, whatever the arithmetic makes of it."""

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


class _Figures(NamedTuple):
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


_Found = dict[tuple[VenId, datetime], dict[ResourceId, _Figures]]
"""Per VEN and start of an interval."""


def response_rows(
    event_id: EventId,
    asked: dict[VenId, tuple[Slot, ...]],
    *,
    mode: Mode = "delta",
    opts: dict[VenId, OptType] | None = None,
    said: Iterable[Said] = (),
    derived: Iterable[Derived] = (),
    band: float = 0.1,
    base_kw: float | None = None,
) -> tuple[ResponseRow, ...]:
    """The rows of an event, by interval: each VEN's resources, the VEN, and last the sum of all.

    `asked` is the instruction to each VEN, kW in the sense of `mode`; at level it holds levels, and the kW that the VEN
    made of them is taken from its response. An interval cut short by a cancellation has the length of its response. An
    open-ended one has a row only once it is over.
    """
    rules = Rules(mode, band, base_kw)
    opts = opts or {}
    found = _found(event_id, asked, tuple(said), tuple(derived))
    rows: list[ResponseRow] = []
    for start, end in sorted({(slot.start, slot.end) for slots in asked.values() for slot in slots}):
        here = [
            (ven, slot)
            for ven, slots in asked.items()
            for slot in slots
            if (slot.start, slot.end) == (start, end)
        ]
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
    return all(
        _agrees(whole, parts[key], tolerance_kw, with_asked=key[2]) for whole, key in wholes if key in parts
    )


def is_in_band(delivered_kw: float, asked_kw: float, band: float, base_kw: float | None = None) -> bool | None:
    """Whether the deviation is at most `band` of what was asked, the edge included.

    Where nothing was asked the band is that of `base_kw`; without one there is no band, and no answer.
    """
    base = asked_kw if asked_kw else base_kw
    if base is None:
        return None
    return abs(delivered_kw - asked_kw) <= band * abs(base) + EXACT_KW
