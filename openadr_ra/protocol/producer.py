"""EiReport at the end that has the values: what it offers, what was asked of it, when which span is due."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from msgspec.structs import replace

from openadr_ra.errors import ComplianceError, InvalidData, InvalidId, ReportNotSupported
from openadr_ra.protocol import report_feeds
from openadr_ra.protocol.messages import RegisterReport
from openadr_ra.protocol.model import ItemBase, ReportRequestId, RequestId, Rid, SpecifierId, VenId
from openadr_ra.protocol.parts import (
    HISTORY_GREENBUTTON,
    HISTORY_USAGE,
    NOT_APPLICABLE,
    TELEMETRY_STATUS,
    TELEMETRY_USAGE,
    X_AVAILABILITY,
    X_RESPONSE,
    Report,
    ReportDescription,
    ReportName,
    ReportRequest,
    SamplingRate,
    SpecifierPayload,
)
from openadr_ra.protocol.report import METADATA, METADATA_REPORT, METADATA_SPECIFIER
from openadr_ra.protocol.report_feeds import FeedPoint
from openadr_ra.protocol.shape import Token, Value
from openadr_ra.protocol.step import Offer
from openadr_ra.protocol.times import FOREVER, Duration, duration, shift

NO_REQUEST = ReportRequestId("0")
"""What METADATA carries as its reports' request id (rule 311)."""

LONGEST_PERIOD = timedelta(minutes=30)
"""No sampling period may be longer than what is kept (rule 312); no node keeps less than an hour."""

MAX_BACKLOG = 96
"""Periods that are made up for after a gap; two days of half hours. Older ones are left to a history report."""


MAX_STANDING = 1000
"""Requests that are served at a time for one peer; more are refused, so that it cannot fill the store."""


class Rates(Value, frozen=True, kw_only=True, gc=False):
    """How fast this node samples, for how long it keeps that, and whether it tells of a change of status, and of power,
    when it happens.
    """

    shortest_s: int = 1
    kept_s: int = 86_400
    status_on_change: bool = False
    power_on_change: bool = False

    def on_change(self, name: ReportName, point: Rid) -> bool:
        """Is that point of that report told on change?"""
        if name == TELEMETRY_USAGE:
            return self.power_on_change and point.endswith(".kw")
        return self.status_on_change and name == TELEMETRY_STATUS


ANY_RATE = Rates()


class Standing(Value, frozen=True, kw_only=True, gc=False):
    """A request being served. `sent_until` is the end of the last span that became an update.

    Served on change it has two times more: when the next change is to be told, and when the last one was.
    """

    request: ReportRequest
    name: ReportName
    sent_until: datetime
    until: datetime = FOREVER
    change_due: datetime | None = None
    change_told: datetime | None = None

    @property
    def back(self) -> timedelta:
        return self.request.report_back.length

    @property
    def rids(self) -> tuple[Rid, ...]:
        return tuple(point.rid for point in self.request.points)


class Producer(Value, frozen=True, kw_only=True, gc=False):
    """The data points on offer by report name, and the requests being served by their ids."""

    usage: tuple[ReportDescription, ...] = ()
    status: tuple[ReportDescription, ...] = ()
    response: tuple[ReportDescription, ...] = ()
    availability: tuple[ReportDescription, ...] = ()
    feeds: tuple[FeedPoint, ...] = ()
    requests: dict[ReportRequestId, Standing] = {}


def offer(producer: Producer, letter: Offer) -> Producer:
    """The same requests over the new points."""
    return replace(
        producer,
        usage=letter.usage,
        status=letter.status,
        response=letter.response,
        availability=letter.availability,
    )


_SPECIFIERS: tuple[tuple[SpecifierId, ReportName], ...] = (
    (SpecifierId("usage"), TELEMETRY_USAGE),
    (SpecifierId("status"), TELEMETRY_STATUS),
    (SpecifierId("history"), HISTORY_USAGE),
    (SpecifierId("greenbutton"), HISTORY_GREENBUTTON),
    (SpecifierId("response"), X_RESPONSE),
    (SpecifierId("availability"), X_AVAILABILITY),
)

_SAMPLED = (TELEMETRY_USAGE, TELEMETRY_STATUS)


def _points(producer: Producer, name: ReportName) -> tuple[ReportDescription, ...]:
    return {
        TELEMETRY_USAGE: producer.usage,
        TELEMETRY_STATUS: producer.status,
        HISTORY_USAGE: producer.usage,
        HISTORY_GREENBUTTON: tuple(each.description for each in producer.feeds),
        X_RESPONSE: producer.response,
        X_AVAILABILITY: producer.availability,
    }[name]


def metadata(
    producer: Producer, rates: Rates, now: datetime, *, request_id: RequestId, ven_id: VenId,
    asked_by: ReportRequestId | None = None,
) -> RegisterReport:  # fmt: skip
    """All that can be reported, as oadrRegisterReport. `asked_by`: the request for METADATA that this answers."""
    reports = tuple(
        _offered(specifier, name, points, rates, now)
        for specifier, name in _SPECIFIERS
        if (points := _points(producer, name))
    )
    return RegisterReport(request_id=request_id, reports=reports, ven_id=ven_id, report_request_id=asked_by)


def _offered(
    specifier: SpecifierId,
    name: ReportName,
    points: tuple[ReportDescription, ...],
    rates: Rates,
    now: datetime,
) -> Report:
    standard = not name.startswith("x-")
    shortest = Duration(seconds=rates.shortest_s if standard else 0)
    sampling = SamplingRate(minimum=shortest, maximum=duration(LONGEST_PERIOD))
    return Report(
        duration=duration(timedelta(seconds=rates.kept_s)),
        descriptions=tuple(
            # A feed is not sampled: it is as it was handed in.
            point
            if name == HISTORY_GREENBUTTON
            else replace(point, sampling=replace(sampling, on_change=rates.on_change(name, point.rid)))
            for point in points
        ),
        request_id=NO_REQUEST,
        specifier_id=specifier,
        # The schema has no METADATA_ form of an x- name.
        name=ReportName(Token(METADATA + name)) if standard else name,
        created=now,
    )


def create(producer: Producer, requests: tuple[ReportRequest, ...], now: datetime, rates: Rates = ANY_RATE) -> Producer:
    """All of the requests, or none: InvalidId for what was never offered, InvalidData for rates that cannot be had, for
    more than are served at a time, and for a period longer than samples are kept, ComplianceError for an id that is in use
    for another request (X-REP-5).

    The same request once more begins anew.
    """
    served = dict(producer.requests)
    for request in requests:
        made, held = _standing(producer, request, rates, now), served.get(request.id)
        if held is not None and held.request != request:
            raise ComplianceError(f"reportRequestID {request.id} is in use for another request; cancel that first")
        served[request.id] = made
    if len(served) > MAX_STANDING:
        raise InvalidData(f"{MAX_STANDING} report requests are served at a time; cancel some")
    return replace(producer, requests=served)


def _standing(producer: Producer, request: ReportRequest, rates: Rates, now: datetime) -> Standing:
    if request.id in ("", NO_REQUEST):
        raise InvalidId(f"reportRequestID {request.id!r} cannot be served")
    name = _asked_for(producer, request)
    lengths = (request.granularity, request.report_back, *((request.interval.duration,) if request.interval else ()))
    if any(each.length < timedelta(0) for each in lengths):
        raise InvalidData(f"report request {request.id} has a negative period")
    if timedelta(0) < request.granularity.length < timedelta(seconds=rates.shortest_s) and name in _SAMPLED:
        raise InvalidData(f"report request {request.id}: granularity is below oadrMinPeriod {rates.shortest_s} s (3.3)")
    if request.report_back.length > timedelta(seconds=rates.kept_s) and name in _SAMPLED:
        raise InvalidData(
            f"report request {request.id}: samples are kept for {rates.kept_s} s, no longer; send for them more often"
        )
    begin = request.interval.start if request.interval else now
    length = request.interval.duration.length if request.interval else timedelta(0)
    until = shift(begin, length) if length else FOREVER
    if name == HISTORY_USAGE and not request.report_back.length:
        # History is of what has been: a span that runs is told as far as it goes, not waited for.
        until = min(until, max(begin, now))
    if name == HISTORY_GREENBUTTON:
        rids = {point.rid for point in request.points}
        report_feeds.check((each for each in producer.feeds if each.description.rid in rids), request.interval)
        return Standing(request=_once(request), name=name, sent_until=now)
    if name == METADATA_REPORT:
        # Capabilities are told at dtstart, or at once if that is past, and then every reportBackDuration.
        first, back = max(begin, now), request.report_back.length
        return Standing(
            request=request, name=name, sent_until=shift(first, -back), until=max(until, first) if back else FOREVER
        )
    oldest = now - timedelta(seconds=rates.kept_s)
    return Standing(request=request, name=name, sent_until=min(max(begin, oldest), until), until=until)


def _once(request: ReportRequest) -> ReportRequest:
    """A feed is told once and at once (3.3)."""
    if request.granularity.length or request.report_back.length:
        raise InvalidData(f"report request {request.id}: of feeds granularity and reportBackDuration are zero (3.3)")
    return request


def _asked_for(producer: Producer, request: ReportRequest) -> ReportName:
    """The report that is asked for.

    Raises InvalidId for a specifier or an rID that is not known here, ReportNotSupported where they are known and what is
    asked of them is not on offer: the report has no points, or they come in another unit or reading type.
    """
    if request.specifier_id == METADATA_SPECIFIER:
        return METADATA_REPORT
    name = dict(_SPECIFIERS).get(request.specifier_id)
    points = _points(producer, name) if name is not None else ()
    if name is None:
        raise InvalidId(f"reportSpecifierID {request.specifier_id} is not offered here")
    if not points:
        raise ReportNotSupported(f"{name} is not offered here, for there are no points of it")
    offered = {point.rid: point for point in points}
    unknown = {point.rid for point in request.points} - offered.keys()
    if unknown:
        raise InvalidId(f"rID {min(unknown)} is not offered in {request.specifier_id}")
    for asked in request.points:
        _check_kind(asked, offered[asked.rid])
    return name


def _check_kind(asked: SpecifierPayload, offered: ReportDescription) -> None:
    """Rule 321 leaves the unit out and the reading type open. Whoever names one all the same gets it or nothing."""
    if asked.unit is not None and _unit(asked.unit) != _unit(offered.unit):
        raise ReportNotSupported(f"rID {asked.rid} is not offered in that unit; leave itemBase out (rule 321)")
    if asked.reading_type not in (NOT_APPLICABLE, offered.reading_type):
        raise ReportNotSupported(f"rID {asked.rid} is not offered as {asked.reading_type}, only {offered.reading_type}")


def _unit(unit: ItemBase | None) -> tuple[str, str, str]:
    """What makes two units the same: not how they are described."""
    return type(unit).__name__, getattr(unit, "units", ""), getattr(unit, "scale", "")


def last_spans(
    producer: Producer, ids: tuple[ReportRequestId, ...], now: datetime
) -> tuple[tuple[Standing, Span], ...]:
    """What was collected since the last update of each of these periodic requests."""
    return tuple(
        (standing, Span(request_id=name, start=max(standing.sent_until, _floor(standing, now)), end=now))
        for name in ids
        if (standing := producer.requests.get(name)) is not None
        and standing.back
        and standing.name in _SAMPLED
        and standing.sent_until < now
    )


def cancel(producer: Producer, ids: tuple[ReportRequestId, ...]) -> Producer:
    """Without those requests. Raises InvalidId for one that is not served."""
    unknown = [name for name in ids if name not in producer.requests]
    if unknown:
        raise InvalidId(f"report request {unknown[0]} is unknown here")
    return replace(producer, requests={k: v for k, v in producer.requests.items() if k not in ids})


def pending(producer: Producer) -> tuple[ReportRequestId, ...]:
    """What oadrPendingReports lists."""
    return tuple(producer.requests)


class Span(Value, frozen=True, kw_only=True, gc=False):
    """A piece of time that one update of a request is about."""

    request_id: ReportRequestId
    start: datetime
    end: datetime


def due(producer: Producer, now: datetime, busy: Collection[ReportRequestId] = ()) -> tuple[Producer, tuple[Span, ...]]:
    """The next span that has ended of each periodic or one-shot request; of `busy` requests none, for the one before is
    still to be acknowledged. A request is over with its last span.

    x-RESPONSE has none: the fleet says when an interval of an event is over.
    """
    spans: list[Span] = []
    requests = dict(producer.requests)
    for name, standing in _timed(producer, busy):
        span = _next(standing, now)
        if span is None and standing.change_due is not None and standing.change_due <= now:
            spans.append(Span(request_id=name, start=now, end=now))
            requests[name] = replace(standing, change_due=None, change_told=now)
        if span is None:
            continue
        if span.end > span.start or not standing.back:
            spans.append(span)
        if standing.back and span.end < standing.until:
            requests[name] = replace(standing, sent_until=span.end)
        else:
            del requests[name]
    return (producer if requests == producer.requests else replace(producer, requests=requests)), tuple(spans)


def _timed(producer: Producer, busy: Collection[ReportRequestId]) -> Iterator[tuple[ReportRequestId, Standing]]:
    for name, standing in producer.requests.items():
        if standing.name != X_RESPONSE and name not in busy:
            yield name, standing


def _next(standing: Standing, now: datetime) -> Span | None:
    """The span after the last one, once it has ended; the last of all may be shorter, and after a gap some are left out."""
    if now < _ends(standing):
        return None
    start = max(standing.sent_until, _floor(standing, now)) if standing.back else standing.sent_until
    end = min(shift(start, standing.back) if standing.back else now, standing.until)
    return Span(request_id=standing.request.id, start=start, end=end)


def _ends(standing: Standing) -> datetime:
    """When the next span ends. A one-shot without an end is due at its start."""
    if standing.back:
        return min(shift(standing.sent_until, standing.back), standing.until)
    return standing.until if standing.until < FOREVER else standing.sent_until


def _floor(standing: Standing, now: datetime) -> datetime:
    """Where the backlog begins, on the request's own grid. Only the newest METADATA is of interest."""
    missed = (min(now, standing.until) - standing.sent_until) // standing.back
    most = 1 if standing.name == METADATA_REPORT else MAX_BACKLOG
    return standing.sent_until + max(missed - most, 0) * standing.back


def owed_since(producer: Producer, now: datetime) -> datetime | None:
    """From when on there are samples that no update has been about; of a long backlog without its oldest, see `due`."""
    starts = (
        max(standing.sent_until, _floor(standing, now)) if standing.back else standing.sent_until
        for standing in producer.requests.values()
        if standing.name not in (X_RESPONSE, METADATA_REPORT)
    )
    return min(starts, default=None)


def next_due(producer: Producer, busy: Collection[ReportRequestId] = ()) -> datetime | None:
    """When `due` has something to hand out."""
    times = ((_ends(standing), standing.change_due) for _, standing in _timed(producer, busy))
    return min((when for pair in times for when in pair if when is not None), default=None)


def changed(producer: Producer, points: tuple[Rid, ...], now: datetime, rates: Rates) -> Producer:
    """A change of those points is to be told at once to whoever asked for that: see `_is_told`.

    No sooner than oadrMinPeriod after the last report of the request: what changes meanwhile is told together.
    """
    shortest = timedelta(seconds=rates.shortest_s)
    requests = dict(producer.requests)
    for name, standing in producer.requests.items():
        if standing.change_due is None and standing.sent_until <= now < standing.until:
            told = max(standing.sent_until, standing.change_told or standing.sent_until)
            if any(_is_told(standing, point, rates) for point in points):
                requests[name] = replace(standing, change_due=max(now, shift(told, shortest)))
    return replace(producer, requests=requests)


def _is_told(standing: Standing, point: Rid, rates: Rates) -> bool:
    """Is a change of `point` told to this request: periodic, of granularity 0, and of a point that has oadrOnChange?"""
    every_change = standing.back and not standing.request.granularity.length
    return bool(every_change) and point in standing.rids and rates.on_change(standing.name, point)
