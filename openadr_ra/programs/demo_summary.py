"""What the demo came to, for programs: `summary.json`. And whether anything is missing from it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from openadr_ra.programs.demo_messages import Written
from openadr_ra.programs.demo_sites import SITES, STANDS_FOR_S
from openadr_ra.protocol.instruction import Instruction
from openadr_ra.protocol.model import OPT_IN, EventId, OptType, VenId
from openadr_ra.run.responses import ResponseRow

EVERYONE = "*"


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the response. `resource` is `<ven>/<resource>`, `<ven>/*` for a VEN in all, `*` for the sum. kW,
    load convention; asked and delivered are changes against the baseline. null: not known."""

    event: EventId
    resource: str
    start: datetime
    duration_s: float
    asked_kw: float | None
    delivered_kw: float | None
    deviation_kw: float | None
    in_band: bool | None
    baseline_kw: float | None
    mean_kw: float | None
    coverage_percent: float | None
    quality: str
    revision: int
    final: bool


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A version of an event: what each VEN was asked, interval by interval, and what it answered before its start."""

    event: EventId
    modification: int
    start: datetime
    interval_s: float
    asked_kw: dict[VenId, tuple[float, ...]]
    opts: dict[VenId, OptType | None]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """`missing` is a sentence; empty where nothing is. `stands_for_s`: the real interval that one of the demo stands for."""

    intervals: tuple[Interval, ...]
    sums_agree: bool
    messages: int
    schema_invalid: int
    versions: tuple[Version, ...]
    interval_s: int
    stands_for_s: int = STANDS_FOR_S
    missing: str = ""


def version(order: Instruction, opts: dict[VenId, OptType | None]) -> Version:
    """`order` as it is now."""
    return Version(
        event=order.id,
        modification=order.modification,
        start=order.start,
        interval_s=order.every.total_seconds(),
        asked_kw={ven: ask.values for ven, ask in order.asks.items()},
        opts=opts,
    )


def interval(row: ResponseRow) -> Interval:
    """A row in figures to the milliwatt; beyond is the arithmetic's."""
    return Interval(
        event=row.event_id,
        resource=name(row),
        start=row.start,
        duration_s=row.duration_s,
        asked_kw=_rounded(row.asked_kw),
        delivered_kw=_rounded(row.delivered_kw),
        deviation_kw=_rounded(row.deviation_kw),
        in_band=row.in_band,
        baseline_kw=_rounded(row.baseline_kw),
        mean_kw=_rounded(row.mean_kw),
        coverage_percent=_rounded(row.coverage_percent),
        quality=row.quality,
        revision=row.revision,
        final=row.final,
    )


def name(row: ResponseRow) -> str:
    """Whose row it is."""
    return EVERYONE if row.ven == EVERYONE else f"{row.ven}/{row.resource}"


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 6) + 0.0


def missing(
    orders: Iterable[Instruction],
    rows: Iterable[ResponseRow],
    versions: Iterable[Version],
    written: Written,
    agree: bool,
) -> str:
    """One sentence: what keeps the demo from having shown what it promises. Empty if nothing does."""
    for one in versions:
        for ven, opt in one.opts.items():
            if opt != OPT_IN:
                return f"{ven} answered {opt or 'nothing'} to version {one.modification} of event {one.event}"
    lacking = tuple(_lacking(orders, rows))
    if lacking:
        return f"responses that are missing or not final: {len(lacking)}, the first is that of {lacking[0]}"
    if not agree:
        return "the responses of resources, VENs and the sum do not add up"
    if written.invalid:
        return f"{len(written.invalid)} messages are not schema-valid, the first is {written.invalid[0]}"
    if not written.messages:
        return "no message was recorded"
    return ""


def _lacking(orders: Iterable[Instruction], rows: Iterable[ResponseRow]) -> Iterable[str]:
    """Resource and interval of each response that should be there and is not."""
    known = {(row.event_id, row.start, name(row)) for row in rows if row.delivered_kw is not None and row.final}
    wanted = [
        *(f"{site.name}/{resource}" for site in SITES for resource in (*(one.id for one in site.devices), EVERYONE)),
        EVERYONE,
    ]
    for order in orders:
        for start, _ in order.spans():
            for resource in wanted:
                if (order.id, start, resource) not in known:
                    yield f"{resource} in event {order.id} from {start:%H:%M:%S} UTC on"
