"""The body of an update, written when it is sent, from readings: samples become the intervals that were asked for."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from math import ceil

from msgspec.structs import replace

from openadr_ra.protocol import report_feeds
from openadr_ra.protocol.model import EventId, ResourceId, Rid
from openadr_ra.protocol.parts import (
    COMM_FAILURE,
    GOOD,
    HISTORY_GREENBUTTON,
    HISTORY_USAGE,
    NO_VALUE,
    TELEMETRY_STATUS,
    X_AVAILABILITY,
    X_RESPONSE,
    Interval,
    Quality,
    Report,
    ReportPayload,
    ResourceStatus,
)
from openadr_ra.protocol.producer import Span, Standing
from openadr_ra.protocol.report import is_bad, live_series, register_at, value
from openadr_ra.protocol.report_status import LOAD_SERIES, STATUS_SERIES, evened, load_control
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.step import Fetched, Key
from openadr_ra.protocol.times import Duration, duration

FINEST_HISTORY = timedelta(minutes=1)
MOST_INTERVALS = 1500
"""A day in minutes fits into one report; finer ones of longer spans are told more coarsely."""

MARGIN = timedelta(minutes=2)
"""How far outside a span samples are looked for, so that its edges can be interpolated."""


def wanted(standing: Standing, event_id: EventId | None) -> tuple[str, ...]:
    """The series that an update of this request is written from."""
    if standing.name == HISTORY_GREENBUTTON:
        return ()
    if standing.name == X_RESPONSE:
        return tuple(f"response/{event_id}/{point}" for point in standing.rids)
    if standing.name == TELEMETRY_STATUS:
        return tuple(f"live/{point}.{one}" for point in standing.rids for one in STATUS_SERIES)
    return tuple(f"live/{point}" for point in standing.rids)


def shelves(standing: Standing) -> tuple[Key, ...]:
    """The feeds of ours that an update of this request is written from."""
    if standing.name != HISTORY_GREENBUTTON:
        return ()
    return tuple(report_feeds.shelf(report_feeds.OWN, point) for point in standing.rids)


def written(
    standing: Standing,
    span: Span,
    event_id: EventId | None,
    given: Fetched,
    now: datetime,
) -> Report | None:
    """The report on `span`; None where there is nothing to say: no figure of that interval of the event, no feed."""
    by_series: dict[str, list[Reading]] = {}
    for reading in given.readings:
        by_series.setdefault(reading.series, []).append(reading)
    if standing.name == X_RESPONSE:
        intervals = tuple(_response(standing, span, event_id, by_series))
    elif standing.name == HISTORY_GREENBUTTON:
        intervals = tuple(report_feeds.intervals(standing.request.interval, given.feeds))
    else:
        intervals = tuple(_sampled(standing, span, by_series))
        intervals = evened(intervals) if standing.name == TELEMETRY_STATUS else intervals
    if not intervals:
        return None
    return Report(
        start=intervals[0].start,
        duration=_together(standing, intervals),
        intervals=intervals,
        report_id=event_id,
        request_id=standing.request.id,
        specifier_id=standing.request.specifier_id,
        name=standing.name,
        created=now,
    )


def _together(standing: Standing, intervals: tuple[Interval, ...]) -> Duration | None:
    """What the intervals add up to; feeds stand beside one another, and do not."""
    if standing.name == HISTORY_GREENBUTTON and len(intervals) > 1:
        return None
    lengths = (each.duration.length for each in intervals if each.duration is not None)
    return duration(sum(lengths, timedelta(0)))


def split(report: Report) -> Report:
    """The same values with one point in each interval, for a requester that cannot read several.

    The intervals of one time then stand beside one another, so they do not add up to a duration of the report: it has none.
    """
    each = (replace(interval, payloads=(one,)) for interval in report.intervals for one in interval.payloads)
    intervals = tuple(replace(interval, uid=str(number)) for number, interval in enumerate(each))
    return replace(report, duration=None, intervals=intervals)


def _response(
    standing: Standing, span: Span, event_id: EventId | None, by_series: dict[str, list[Reading]]
) -> Iterator[Interval]:
    """One report interval with the event interval's dtstart and duration."""
    payloads = [
        ReportPayload(rid=point, value=reading.value, quality=reading.quality)
        for point in standing.rids
        for reading in by_series.get(f"response/{event_id}/{point}", ())
        if reading.start == span.start and reading.start + reading.span == span.end
    ]
    if payloads:
        yield Interval(start=span.start, duration=duration(_whole(span.end - span.start)), payloads=tuple(payloads))


def _whole(length: timedelta) -> timedelta:
    """The schema has no fractions of a second; an interval that was cut short by a cancellation may have them."""
    return timedelta(seconds=round(length.total_seconds()))


def _sampled(standing: Standing, span: Span, by_series: dict[str, list[Reading]]) -> Iterator[Interval]:
    step = _step(standing, span)
    for uid, start in enumerate(_starts(span, step)):
        end = min(start + step, span.end) if step else span.end
        # Every point that was asked for is in every interval: some requesters count them.
        payloads = tuple(_point(standing, point, start, end, by_series) for point in standing.rids)
        yield Interval(start=start, duration=duration(_whole(end - start)), uid=str(uid), payloads=payloads)


def _step(standing: Standing, span: Span) -> timedelta:
    """The granularity, or what is as near to it as the number of intervals allows.

    Granularity zero: a whole period at once; of history as fine as its intervals can be counted (3.3).
    """
    length = span.end - span.start
    asked = standing.request.granularity.length or (FINEST_HISTORY if standing.name == HISTORY_USAGE else length)
    return max(asked, timedelta(seconds=ceil(length / timedelta(seconds=MOST_INTERVALS))))


def _starts(span: Span, step: timedelta) -> Iterable[datetime]:
    start = span.start
    yield start
    while step and start + step < span.end:
        start += step
        yield start


def _point(
    standing: Standing, point: Rid, start: datetime, end: datetime, by_series: dict[str, list[Reading]]
) -> ReportPayload:
    if standing.name == TELEMETRY_STATUS:
        return _status(point, end, by_series)
    series = by_series.get(f"live/{point}", [])
    if standing.name == X_AVAILABILITY:
        return _newest(point, end, series)
    if point.endswith(".kwh"):
        return _register(point, start, series)
    near = _around(series, start, end)
    mean = value(start, end, power=near)
    if mean.kw is None:
        last = _last(series, end)
        number, quality = (last.value, COMM_FAILURE) if last is not None else (0.0, NO_VALUE)
        return ReportPayload(rid=point, confidence=0, value=number, quality=quality)
    confidence = round(100 * mean.coverage)
    return ReportPayload(
        rid=point, confidence=confidence, accuracy=_accuracy(near), value=mean.kw, quality=mean.quality
    )


def _accuracy(samples: Sequence[Reading]) -> float | None:
    """A mean is no more accurate than the worst of its samples, for they may all be wrong in one direction."""
    return max((each.accuracy for each in samples if each.accuracy is not None), default=None)


def _register(point: Rid, start: datetime, series: list[Reading]) -> ReportPayload:
    """The register at the interval's dtstart: what is said of one instant must not depend on the interval's length."""
    near = [each for each in _around(series, start, start) if not is_bad(each.quality)]
    number = register_at(start, near, MARGIN)
    if number is not None:
        return ReportPayload(rid=point, value=number, quality=GOOD)
    last = _last(series, start)
    number, quality = (last.value, last.quality) if last is not None else (0.0, NO_VALUE)
    return ReportPayload(rid=point, value=number, quality=quality)


def _newest(point: Rid, end: datetime, series: list[Reading]) -> ReportPayload:
    """What could be given is told as it is, not as it was on average."""
    last = _last(series, end)
    if last is None:
        return ReportPayload(rid=point, value=0.0, quality=NO_VALUE)
    return ReportPayload(rid=point, value=last.value, quality=last.quality)


def _status(point: Rid, end: datetime, by_series: dict[str, list[Reading]]) -> ReportPayload:
    online = _last(by_series.get(live_series(ResourceId(point), "online"), []), end)
    override = _last(by_series.get(live_series(ResourceId(point), "override"), []), end)
    known = online is not None and not is_bad(online.quality)
    load = {
        name: last
        for name in LOAD_SERIES
        if (last := _last(by_series.get(f"live/{point}.{name}", []), end)) is not None
    }
    # Of a device that is silent its last known state is told, and that it is no more than that.
    doubts = [last.quality for last in load.values() if is_bad(last.quality)]
    quality: Quality = (doubts[0] if doubts else GOOD) if known else COMM_FAILURE
    status = ResourceStatus(
        online=bool(online.value) if known and online is not None else False,
        manual_override=bool(override.value) if override is not None else False,
        load_control=load_control({name: last.value for name, last in load.items()}),
    )
    return ReportPayload(rid=point, value=status, quality=quality)


def _around(series: Sequence[Reading], start: datetime, end: datetime) -> Sequence[Reading]:
    """The samples that can count between `start` and `end`."""
    first = bisect_left(series, start - MARGIN, key=lambda each: each.start)
    return series[first : bisect_right(series, end + MARGIN, key=lambda each: each.start)]


def _last(series: Sequence[Reading], end: datetime) -> Reading | None:
    count = bisect_right(series, end, key=lambda each: each.start)
    return series[count - 1] if count else None
