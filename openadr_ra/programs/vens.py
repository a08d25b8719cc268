"""What the ven commands ask and show: VENs at a glance, their reports and history, and a VEN's own availability."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Literal

import msgspec

from openadr_ra.console.client import Client
from openadr_ra.errors import SettingsError
from openadr_ra.programs.spelling import span, when
from openadr_ra.programs.tables import NOTHING, clock, day, moment, number, printable, table, yes, zone
from openadr_ra.protocol.parts import GOOD
from openadr_ra.run.clock import SystemClock
from openadr_ra.run.orders import Entry
from openadr_ra.run.ven_orders import (
    AskedReport,
    Availability,
    Declaration,
    Declared,
    History,
    HistoryOrder,
    OfferedReport,
    Ordered,
    OwnAvailability,
    ReportOrder,
    Reports,
    Sample,
    Span,
    VenSummary,
)

_SHOWN = 2
"""Declarations of a VEN in a list; `--json` has all of them."""

_SHOWN_POINTS = 3


class ReportWish(msgspec.Struct, frozen=True, kw_only=True):
    """The options of `ven reports --ask` as they were written; None was not."""

    point: tuple[str, ...] = ()
    granularity: str | None = None
    back: str | None = None
    start: str | None = None
    duration: str | None = None
    on_change: bool = False


class When(msgspec.Struct, frozen=True, kw_only=True):
    """The options of `ven available` and `ven unavailable` as they were written; None was not."""

    start: str
    end: str | None = None
    resource: tuple[str, ...] = ()
    market_context: str
    reason: str
    upstream: str | None = None
    id: str | None = None


def orders(
    client: Client, ven_id: str, ask: str | None, stop: tuple[str, ...], wish: Mapping[str, object], *, last: bool
) -> Iterator[Ordered]:
    """Ask the VEN for that report, or end those requests, one after the other; nothing where neither is said.

    Raises SettingsError for what is misspelt or does not go together.
    """
    order = report_wish(ask, stop, wish, last=last)
    if order is not None:
        yield client.ask(ven_id, order)
    for request in stop:
        yield client.stop(ven_id, request, to_follow=last)


def report_wish(
    ask: str | None, stop: tuple[str, ...], wish: Mapping[str, object], *, last: bool
) -> ReportOrder | None:
    """The report that is asked for. Raises SettingsError for what is misspelt or does not go together."""
    said = msgspec.convert(wish, ReportWish)
    if ask is not None and stop:
        raise SettingsError("--ask and --stop exclude one another; give one of them")
    if ask is None and said != ReportWish():
        raise SettingsError("--point, --granularity, --back, --on-change, --start and --duration belong to --ask")
    if last and not stop:
        raise SettingsError("--last belongs to --stop")
    return None if ask is None else _order(ask, said)


def _order(name: str, said: ReportWish) -> ReportOrder:
    return ReportOrder(
        name=name,
        points=said.point,
        granularity_s=_seconds(said.granularity),
        back_s=_seconds(said.back),
        start=None if said.start is None else when(said.start, SystemClock().now()),
        duration_s=_seconds(said.duration),
        on_change=said.on_change,
    )


def history(client: Client, ven_id: str, start: str, end: str, points: tuple[str, ...], within: str) -> History:
    """What the VEN has kept, after waiting so long at most. Raises SettingsError for what is misspelt."""
    now = SystemClock().now()
    order = HistoryOrder(start=when(start, now), end=when(end, now), points=points)
    return client.history(ven_id, order, _seconds(within))


def declare(client: Client, opt: Literal["optIn", "optOut"], said: Mapping[str, object]) -> Declared:
    """Declare it. Raises SettingsError for what is misspelt."""
    wish, now = msgspec.convert(said, When), SystemClock().now()
    start = when(wish.start, now)
    return client.declare(
        Declaration(
            opt=opt,
            spans=(Span(start=start, end=None if wish.end is None else _end(wish.end, start, now)),),
            resources=wish.resource,
            market_context=wish.market_context,
            upstream=wish.upstream,
            reason=wish.reason,
            id=wish.id,
        )
    )


def _end(text: str, start: datetime, now: datetime) -> datetime:
    end = when(text, now)
    if end <= start:
        raise SettingsError(f"--to {text} is not after --from; leave it out for good")
    return end


def _seconds(text: str | None) -> int:
    return 0 if text is None else int(span(text).total_seconds())


def ven_list(vens: Iterable[VenSummary]) -> str:
    """One line a VEN."""
    found = tuple(vens)
    if not found:
        return "no VEN is known yet; `openadr-ra ven enrol ID FINGERPRINT` admits one"
    seen = next((ven.last_seen for ven in found if ven.last_seen is not None), None)
    heads = (
        "VEN", "name", "registered", "transport", f"last seen ({zone(seen)})" if seen else "last seen", "opt 受託",
        "unacknowledged 未応答", "availability 稼働可否",
    )  # fmt: skip
    rows = (
        (
            ven.ven_id,
            ven.name or NOTHING,
            yes(ven.registered),
            _transport(ven),
            moment(ven.last_seen),
            ", ".join(f"{event} {opt}" for event, opt in ven.opts.items() if opt is not None) or NOTHING,
            ", ".join(ven.unacknowledged) or NOTHING,
            _briefly(ven.availability),
        )
        for ven in found
    )
    return table(heads, rows)


def _transport(ven: VenSummary) -> str:
    if ven.transport is None:
        return NOTHING
    words = [ven.transport, *(["signed"] if ven.signs else []), *(["report-only"] if ven.report_only else [])]
    return ", ".join(words)


def _briefly(said: tuple[Availability, ...]) -> str:
    """The schedules; opts for events are in a column of their own."""
    schedules = [item for item in said if item.event_id is None]
    shown = [
        f"{item.opt} {', '.join(map(_span, item.spans[:_SHOWN]))}{_more(item.spans)}"
        + (f" ({', '.join(item.resources)})" if item.resources else "")
        for item in schedules[:_SHOWN]
    ]
    return "; ".join(shown) + _more(schedules) or NOTHING


def _more(things: list[Availability] | tuple[Span, ...]) -> str:
    return f" and {len(things) - _SHOWN} more" if len(things) > _SHOWN else ""


def _span(span: Span) -> str:
    if span.end is None:
        return f"from {moment(span.start)}"
    if day(span.start) == day(span.end):
        return f"{day(span.start)} {clock(span.start, span.end)}"
    return f"{moment(span.start)} to {moment(span.end)}"


def warnings_text(ven_id: str, entries: Iterable[Entry]) -> str:
    """One line a kind of repair."""
    found = tuple(entries)
    if not found:
        return f"nothing in the messages of {printable(ven_id)} had to be repaired"
    return table((f"at ({zone(found[0].at)})", "repair"), ((moment(entry.at), entry.detail) for entry in found))


def ordered_text(ordered: Ordered) -> str:
    """One line after an order."""
    ids = f" {', '.join(ordered.ids)}" if ordered.ids else ""
    return printable(f"{ordered.ven_id} is told: {ordered.ordered}{ids}")


def reports_text(ven_id: str, reports: Reports) -> str:
    """What is on offer, a line a point; and what was asked for, a line a request."""
    if not reports.offered and not reports.asked:
        return f"{printable(ven_id)} offers no reports; a VEN tells what it has once it is registered"
    offered = table(
        ("report", "point", "resource", "unit", "every", "kept for"), map(_offered, _points(reports.offered))
    )
    asked = table(("request", "report", "points", "every", "sent every", "from", "state"), map(_asked, reports.asked))
    return f"{offered}\n\n{asked}"


def _points(offered: Iterable[OfferedReport]) -> list[tuple[OfferedReport, int]]:
    return [(report, index) for report in offered for index in range(len(report.points))]


def _offered(which: tuple[OfferedReport, int]) -> tuple[str, ...]:
    report, index = which
    point = report.points[index]
    return (
        report.name,
        point.point,
        ", ".join(point.resources) or NOTHING,
        point.unit or NOTHING,
        (" to ".join(point.every) if point.every is not None else NOTHING) + (", on change" if point.on_change else ""),
        report.kept_for or NOTHING,
    )


def _asked(request: AskedReport) -> tuple[str, ...]:
    names = ", ".join(request.points) if len(request.points) <= _SHOWN_POINTS else f"{len(request.points)} points"
    return (
        request.id,
        request.name,
        names or NOTHING,
        request.granularity,
        request.back,
        moment(request.start),
        f"{request.state}{', standing' if request.standing else ''}",
    )


def history_text(history: History) -> str:
    """One line an interval, one column a point."""
    if not history.came:
        return f"{history.ven_id} has sent no history yet; ask again, or see `openadr-ra ven reports {history.ven_id}`"
    if not history.points:
        return f"{history.ven_id} has kept nothing of that time"
    return samples_text(history.points)


def samples_text(points: Mapping[str, Iterable[Sample]]) -> str:
    """One line an interval, one column a point; there is at least one of each."""
    names = sorted(points)
    by_time: dict[tuple[datetime, float], dict[str, Sample]] = {}
    for name in names:
        for sample in points[name]:
            by_time.setdefault((sample.start, sample.duration_s), {})[name] = sample
    first = min(by_time)[0]
    return table(
        (f"from ({zone(first)})", "s", *names),
        (
            (moment(start), f"{length_s:g}", *(_value(there.get(name)) for name in names))
            for (start, length_s), there in sorted(by_time.items())
        ),
        right=range(1, len(names) + 2),
    )


def _value(sample: Sample | None) -> str:
    if sample is None:
        return NOTHING
    doubt = "" if sample.quality == GOOD else f" {sample.quality.removeprefix('Quality ')}"
    spread = "" if sample.accuracy is None else f" ±{sample.accuracy:g}"
    sure = "" if sample.confidence in (None, 100) else f" ({sample.confidence} %)"
    return number(sample.value, 3) + spread + sure + doubt


def availability_text(said: Iterable[OwnAvailability]) -> str:
    """One line a declaration and VTN."""
    found = tuple(said)
    if not found:
        return "nothing is declared; `openadr-ra ven unavailable --help` says how"
    return table(
        ("id", "opt", "when", "resources", "market context", "reason", "VTN", "told"),
        (
            (
                item.id,
                item.opt,
                f"event {item.event_id}" if item.event_id is not None else ", ".join(map(_span, item.spans)),
                ", ".join(item.resources) or "all",
                item.market_context or "all",
                item.reason,
                item.upstream,
                yes(item.told),
            )
            for item in found
        ),
    )
