"""Reports that somebody wants of the other side: what is on offer there, what was asked for, and what came."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Literal

import msgspec
from msgspec.structs import replace

from openadr_ra.errors import InvalidData, InvalidId
from openadr_ra.protocol.model import EnergyReal, ItemBase, Period, PowerReal, ReportRequestId, ResourceId, Rid
from openadr_ra.protocol.parts import (
    HISTORY_GREENBUTTON,
    HISTORY_USAGE,
    TELEMETRY_USAGE,
    Report,
    ReportDescription,
    ReportRequest,
    SpecifierPayload,
)
from openadr_ra.protocol.report import METADATA_SPECIFIER
from openadr_ra.protocol.report_status import STATUS_SERIES
from openadr_ra.protocol.requester import Requested, Requester, plain_name
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.times import duration, write_duration
from openadr_ra.seams import Store

METADATA = "METADATA"
"""The name under which the offers themselves are asked for (rule 306)."""

_NO_POINT = (SpecifierPayload(rid=Rid("0")),)
"""The schema wants a point in every request, in one for METADATA, too."""

_PASTS = (HISTORY_USAGE, HISTORY_GREENBUTTON)

Chosen = tuple[Report, tuple[ReportDescription, ...]]

HEARTBEAT = timedelta(minutes=30)
"""So often a report on change comes at least, where nobody says more."""


class WantedReport(msgspec.Struct, frozen=True, kw_only=True):
    """A report by its name in the other side's METADATA, without `METADATA_`; `METADATA` itself is what there is on offer.

    No `points`: all that the report has. With `back` zero it comes once, else every `back` from `start` on, for `duration`;
    zero: until it is stopped. A HISTORY report is of the past `duration` from `start` on; zero: until now. Values are
    sampled every `granularity`; zero: as the other side has them. No `start`: now.

    With `on_change` a value comes when it changes, too, and not only every `back` (zero: half an hour, or what is offered);
    without `points` those that are offered so.
    """

    name: str = TELEMETRY_USAGE
    points: tuple[str, ...] = ()
    granularity: timedelta = timedelta(0)
    back: timedelta = timedelta(0)
    start: datetime | None = None
    duration: timedelta = timedelta(0)
    on_change: bool = False


class OfferedPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A point of a report. `unit` is that of the values as they are kept here; `every` the shortest and longest period.

    `on_change`: it can be told when it changes.
    """

    point: Rid
    resources: tuple[ResourceId, ...]
    unit: str | None
    every: tuple[str, str] | None
    on_change: bool = False


class OfferedReport(msgspec.Struct, frozen=True, kw_only=True):
    """A report on offer; `kept_for` is how much of the past it can draw on. Periods as in xs:duration, like `PT30M`."""

    name: str
    kept_for: str | None
    points: tuple[OfferedPoint, ...]


RequestState = Literal["unanswered", "running", "served", "refused", "ending"]


class AskedReport(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a report. `standing`: every VEN is asked for it.

    `unanswered` until the other side lists or serves it, then `running`; `served` once it has come, if it comes once;
    `refused` where it would not, until it tells anew what it offers.
    `ending` is one that was stopped, or is no longer on offer, until the other side has confirmed it.
    """

    id: ReportRequestId
    name: str
    points: tuple[Rid, ...]
    granularity: str
    back: str
    start: datetime | None
    duration: str | None
    standing: bool
    state: RequestState


class Reports(msgspec.Struct, frozen=True, kw_only=True):
    """What is on offer, and what was asked for."""

    offered: tuple[OfferedReport, ...]
    asked: tuple[AskedReport, ...]


def reports(held: Requester) -> Reports:
    """All that is known of the other side's reports."""
    return Reports(
        offered=tuple(_offer(report) for report in held.offered),
        asked=tuple(_asked(item) for item in held.requests.values()),
    )


def state(item: Requested) -> RequestState:
    """How far a request is, see `AskedReport`."""
    if item.ending:
        return "ending"
    if item.came and item.served:
        return "served"
    if item.running:
        return "running"
    return "refused" if item.refused else "unanswered"


def requests(wanted: Iterable[WantedReport], held: Requester, now: datetime) -> tuple[ReportRequest, ...]:
    """The requests for what is wanted: one for each report of that name which has some of the points.

    Raises InvalidId for what is not on offer, InvalidData for times that cannot be.
    """
    return tuple(request for each in wanted for request in _requests(each, held, now))


def _requests(wanted: WantedReport, held: Requester, now: datetime) -> Iterator[ReportRequest]:
    _check_times(wanted)
    start = (wanted.start or now).astimezone(UTC).replace(microsecond=0)
    period = Period(start=start, duration=duration(_whole(wanted.duration)))
    anytime = wanted.name == HISTORY_GREENBUTTON and wanted.start is None
    request = ReportRequest(
        id=_fresh(),
        specifier_id=METADATA_SPECIFIER,
        granularity=duration(wanted.granularity),
        report_back=duration(wanted.back),
        interval=None if anytime else period,
        points=_NO_POINT,
    )
    if wanted.name == METADATA:
        yield request
        return
    for report, points in _parted(_chosen(wanted, held)):
        _check_rate(wanted, points)
        yield replace(
            request,
            id=_fresh(),
            specifier_id=report.specifier_id,
            report_back=duration(_heartbeat(wanted, points)),
            points=tuple(SpecifierPayload(rid=point.rid) for point in points),
        )


def _parted(chosen: list[Chosen]) -> Iterator[Chosen]:
    """A Green Button feed does not say which point it is of, so each point is asked for by itself."""
    for report, points in chosen:
        if plain_name(report) == HISTORY_GREENBUTTON:
            yield from ((report, (point,)) for point in points)
        else:
            yield report, points


def _fresh() -> ReportRequestId:
    return ReportRequestId(f"rr-{secrets.token_hex(6)}")


def _check_times(wanted: WantedReport) -> None:
    if wanted.start is not None and wanted.start.tzinfo is None:
        raise InvalidData("start has no time zone; use an aware datetime")
    for name in ("granularity", "back", "duration"):
        if getattr(wanted, name) < timedelta(0):
            raise InvalidData(f"{name}: cannot be less than nothing")
    if wanted.name in _PASTS and (wanted.granularity or wanted.back or wanted.on_change):
        raise InvalidData(
            f"{wanted.name} comes once and as it was kept: leave granularity, back and on_change out (3.3)"
        )
    if wanted.on_change and wanted.granularity:
        raise InvalidData("granularity: what is told on change is not sampled; leave it out, or on_change")


def _chosen(wanted: WantedReport, held: Requester) -> list[Chosen]:
    """The reports of that name, each with those of its points that are wanted."""
    named = [report for report in held.offered if plain_name(report) == wanted.name and report.descriptions]
    if not named:
        there = ", ".join(dict.fromkeys(plain_name(report) for report in held.offered if report.descriptions))
        raise InvalidId(f"{wanted.name} is not on offer there; what is: {there or 'nothing yet'}")
    known = {point.rid for report in named for point in report.descriptions}
    for name in wanted.points:
        if name not in known:
            raise InvalidId(f"{wanted.name} has no point {name}; it has {', '.join(sorted(known))}")
    chosen = [(report, tuple(point for point in report.descriptions if _is_meant(wanted, point))) for report in named]
    found = [(report, points) for report, points in chosen if points]
    lacking = [point.rid for _, points in found for point in points if wanted.on_change and not _on_change(point)]
    if lacking or not found:
        which = lacking[0] if lacking else wanted.name
        raise InvalidData(f"on_change: {which} is not told on change there; ask for it by granularity and back")
    return found


def _is_meant(wanted: WantedReport, point: ReportDescription) -> bool:
    if wanted.points:
        return point.rid in wanted.points
    return not wanted.on_change or _on_change(point)


def _on_change(point: ReportDescription) -> bool:
    return point.sampling is not None and point.sampling.on_change


def _heartbeat(wanted: WantedReport, points: tuple[ReportDescription, ...]) -> timedelta:
    """How often it is sent; on change so often at least, that one hears that the other side is there."""
    if not wanted.on_change or wanted.back:
        return wanted.back
    longest = (point.sampling.maximum.length for point in points if point.sampling is not None)
    return min((HEARTBEAT, *(each for each in longest if each)))


def _check_rate(wanted: WantedReport, points: tuple[ReportDescription, ...]) -> None:
    """X-REP-6: what is sampled more slowly cannot be had at this granularity."""
    for point in points:
        shortest = point.sampling.minimum.length if point.sampling is not None else timedelta(0)
        if timedelta(0) < wanted.granularity < shortest:
            raise InvalidData(
                f"granularity: {point.rid} is sampled every {shortest.total_seconds():g} s at most; ask for no less"
            )


def _whole(length: timedelta) -> timedelta:
    """In whole seconds, and no shorter: a span on the wire has no fractions."""
    return timedelta(seconds=ceil(length.total_seconds()))


def points_of(held: Requester, name: str) -> tuple[Rid, ...]:
    """The points that are on offer under that name."""
    return tuple(point.rid for report in held.offered if plain_name(report) == name for point in report.descriptions)


def _offer(report: Report) -> OfferedReport:
    return OfferedReport(
        name=plain_name(report),
        kept_for=write_duration(report.duration) if report.duration is not None else None,
        points=tuple(_point(point) for point in report.descriptions),
    )


def _point(point: ReportDescription) -> OfferedPoint:
    rate = point.sampling
    return OfferedPoint(
        point=point.rid,
        resources=point.source.resources if point.source is not None else (),
        unit=unit_name(point.unit),
        every=(write_duration(rate.minimum), write_duration(rate.maximum)) if rate is not None else None,
        on_change=_on_change(point),
    )


def unit_name(unit: ItemBase | None) -> str | None:
    """What values of that unit are in as they are kept here."""
    match unit:
        case PowerReal():
            return "kW"
        case EnergyReal():
            return "kWh"
    return getattr(unit, "units", None)


def _asked(item: Requested) -> AskedReport:
    request = item.request
    return AskedReport(
        id=request.id,
        name=item.name,
        points=tuple(point.rid for point in request.points if item.name != METADATA),
        granularity=write_duration(request.granularity),
        back=write_duration(request.report_back),
        start=request.interval.start if request.interval is not None else None,
        duration=write_duration(request.interval.duration) if request.interval is not None else None,
        standing=item.standing,
        state=state(item),
    )


Readings = dict[str, tuple[Reading, ...]]
"""By point, those of TELEMETRY_STATUS by point and one of `STATUS_SERIES`, like `.online`; each in order of start."""


async def readings(
    store: Store, source: str, name: str, points: Iterable[str], start: datetime, end: datetime
) -> Readings:
    """What came of that report of `source` and touches [start, end), of all points or of those that are named."""
    prefix = f"{source}/{name}/"
    asked = frozenset(each for point in points for each in (point, *(f"{point}.{one}" for one in STATUS_SERIES)))
    found = [one.removeprefix(prefix) for one in await store.series(prefix)]
    there = [one for one in found if not asked or one in asked]
    kept: dict[str, list[Reading]] = {one: [] for one in there}
    for reading in await store.readings([prefix + one for one in there], start, end):
        kept[reading.series.removeprefix(prefix)].append(reading)
    return {one: tuple(each) for one, each in kept.items() if each}
