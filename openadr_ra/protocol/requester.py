"""EiReport at the end that wants reports: what the other side offers, what was asked of it, what it sends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec.structs import replace

from openadr_ra.errors import InvalidId
from openadr_ra.protocol.messages import CreateReport, Message, UpdateReport
from openadr_ra.protocol.model import ItemBase, Period, ReportRequestId, RequestId, Rid, SpecifierId, VenId
from openadr_ra.protocol.pacing import awaited
from openadr_ra.protocol.parts import (
    GOOD,
    TELEMETRY_STATUS,
    TELEMETRY_USAGE,
    X_AVAILABILITY,
    X_RESPONSE,
    Report,
    ReportName,
    ReportPayload,
    ReportRequest,
    ResourceStatus,
    SpecifierPayload,
)
from openadr_ra.protocol.report import METADATA, METADATA_REPORT, METADATA_SPECIFIER, scaled, spans
from openadr_ra.protocol.report_status import figures
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.shape import Token, Value
from openadr_ra.protocol.step import Moment
from openadr_ra.protocol.times import Duration, duration

SLOT = timedelta(minutes=30)
"""The Japanese market's slot, on :00 and :30 (architecture 4(b))."""

MAX_REVISION = 2**31 - 1
"""Of a response; a store keeps a whole number of so many bits."""

MAX_ENDING = 20
"""Cancelled requests that are remembered until the VEN confirms, and likewise an operator's one-shot requests that were
served: neither must fill the row of a VEN."""


class Wanted(Value, frozen=True, kw_only=True, gc=False):
    """How often the standing reports are wanted. `slot_s` 0: none."""

    live_s: int = 60
    slot_s: int = 1800


class Requested(Value, frozen=True, kw_only=True, gc=False):
    """A request of ours. Asked again through the poll until the other side lists or serves it.

    `standing`: every VEN is asked for it; else an operator wants it of this one. `asked_under`: the requestID of the
    message that asked for it last. `refusals`: how often that was refused, see `refused()`. `ending`: it is to be cancelled,
    but what still comes of it is taken. `came`: a report of it has come.
    """

    request: ReportRequest
    name: ReportName
    standing: bool = True
    asked_at: datetime | None = None
    asked_under: RequestId = RequestId("")
    running: bool = False
    ending: bool = False
    came: bool = False
    refusals: int = 0

    @property
    def may_be_known(self) -> bool:
        """May the other side have heard of it, though it seemed lost?"""
        return self.asked_at is not None or self.asked_under != ""

    @property
    def refused(self) -> bool:
        """Is there no use in asking for it again, until there is new METADATA?"""
        return self.refusals > 1

    @property
    def served(self) -> bool:
        """Is nothing more to come of it, as far as one knows?"""
        return self.running and not self.standing and self.request.report_back == Duration()


class Requester(Value, frozen=True, kw_only=True, gc=False):
    """What the other side offered last, and our requests by their ids. Neither dict nor tuple is changed in place."""

    offered: tuple[Report, ...] = ()
    requests: dict[ReportRequestId, Requested] = {}


def plain_name(report: Report) -> ReportName:
    """The report's name without METADATA_."""
    return ReportName(Token((report.name or TELEMETRY_USAGE).removeprefix(METADATA)))


def offered(requester: Requester, reports: tuple[Report, ...], wanted: Wanted, moment: Moment) -> Requester:
    """A new METADATA replaces the earlier one; the standing reports it allows are asked for, each once.

    Requests that it does not allow any more are ending, as are those whose points have changed: the VEN may be serving
    them as they were, so what replaces them has an id of its own.
    """
    fresh = {_key(item): item for item in _standing(reports, wanted, moment)}
    stays: list[Requested] = []
    ends: list[Requested] = []
    for item in requester.requests.values():
        allowed = _key(item) in fresh if item.standing else _is_offered(reports, item.request)
        if allowed and not item.ending:
            stays.append(replace(item, refusals=0))
        elif item.may_be_known:
            ends.append(replace(item, ending=True))
    have = {_key(item) for item in stays if item.standing}
    added = [item for key, item in fresh.items() if key not in have]
    return Requester(
        offered=reports, requests={item.request.id: item for item in (*ends[-MAX_ENDING:], *stays, *added)}
    )


def _is_offered(reports: tuple[Report, ...], request: ReportRequest) -> bool:
    """Are all of its points on offer? METADATA can always be asked for, and any point of a report that names none."""
    if request.specifier_id == METADATA_SPECIFIER:
        return True
    found = [report for report in reports if report.specifier_id == request.specifier_id]
    points = {point.rid for report in found for point in report.descriptions}
    return bool(found) and (not points or all(point.rid in points for point in request.points))


def _key(item: Requested) -> tuple[SpecifierId, Duration, tuple[SpecifierPayload, ...]]:
    return item.request.specifier_id, item.request.granularity, item.request.points


def ending(before: Requester, after: Requester) -> tuple[ReportRequestId, ...]:
    """The requests that are to be cancelled since `before`."""
    ended = {name for name, item in before.requests.items() if item.ending}
    return tuple(name for name, item in after.requests.items() if item.ending and name not in ended)


def _standing(reports: tuple[Report, ...], wanted: Wanted, moment: Moment) -> Iterator[Requested]:
    number = 0
    for report in reports:
        for granularity, back in _rates(report, wanted):
            number += 1
            yield Requested(
                request=ReportRequest(
                    id=ReportRequestId(moment.fresh("rr", number)),
                    specifier_id=report.specifier_id,
                    granularity=granularity,
                    report_back=back,
                    interval=Period(start=_aligned(moment.now, granularity)),
                    points=tuple(SpecifierPayload(rid=point.rid) for point in report.descriptions),
                ),
                name=plain_name(report),
            )


def _rates(report: Report, wanted: Wanted) -> Iterator[tuple[Duration, Duration]]:
    """(granularity, reportBackDuration) of each standing request that the offer allows."""
    match plain_name(report):
        case name if name == X_RESPONSE:
            # The producer sends a report interval whenever an event interval ends; the period is nominal.
            yield Duration(), duration(SLOT)
        case name if name in (TELEMETRY_USAGE, TELEMETRY_STATUS, X_AVAILABILITY) and report.descriptions:
            shortest, longest = _sampling(report)
            live = duration(min(max(timedelta(seconds=wanted.live_s), shortest), longest))
            yield live, live
            slot = timedelta(seconds=wanted.slot_s)
            if name == TELEMETRY_USAGE and slot and shortest <= slot <= longest and slot != live.length:
                yield duration(slot), duration(slot)


def _sampling(report: Report) -> tuple[timedelta, timedelta]:
    """The periods that every point can be sampled at; an offer that says nothing is taken to mean anything."""
    rates = [point.sampling for point in report.descriptions if point.sampling is not None]
    shortest = max((rate.minimum.length for rate in rates), default=timedelta(seconds=1))
    longest = min((rate.maximum.length for rate in rates), default=timedelta(days=1))
    return max(shortest, timedelta(seconds=1)), max(longest, shortest, timedelta(seconds=1))


def _aligned(now: datetime, granularity: Duration) -> datetime:
    """The start of the running period, on the clock: :00 and :30 for half hours."""
    step = int(granularity.length.total_seconds()) or 1
    past = int(now.timestamp()) % step
    return now.replace(microsecond=0) - timedelta(seconds=past)


def ask(requester: Requester, requests: tuple[ReportRequest, ...]) -> Requester:
    """With the operator's own requests; one of a known id replaces that one. What is not offered is left out."""
    names = {report.specifier_id: plain_name(report) for report in requester.offered}
    names[METADATA_SPECIFIER] = METADATA_REPORT
    added = {
        request.id: Requested(request=request, name=names[request.specifier_id], standing=False)
        for request in requests
        if _is_offered(requester.offered, request)
    }
    served = [name for name, item in requester.requests.items() if item.served]
    held = {name: item for name, item in requester.requests.items() if name not in served[:-MAX_ENDING]}
    return replace(requester, requests=held | added)


def ended(requester: Requester, ids: tuple[ReportRequestId, ...]) -> tuple[Requester, tuple[ReportRequestId, ...]]:
    """After an operator's order to end those requests: the other side is to be told of those that it was asked for."""
    known = {name: requester.requests[name] for name in ids if name in requester.requests}
    told = tuple(name for name, item in known.items() if (item.may_be_known or item.running) and not item.served)
    rest = {name: item for name, item in requester.requests.items() if name in told or name not in known}
    return replace(requester, requests=rest | {name: replace(known[name], ending=True) for name in told}), told


def confirmed(
    requester: Requester, ids: tuple[ReportRequestId, ...], pending: tuple[ReportRequestId, ...], *, to_follow: bool
) -> Requester:
    """The other side was told to end those requests, and answered: what it still lists goes on."""
    gone = tuple(name for name in ids if name not in pending)
    still = tuple(name for name in ids if name in pending)
    return resumed(stopped(requester, gone, to_follow=to_follow), still)


def resumed(requester: Requester, ids: tuple[ReportRequestId, ...]) -> Requester:
    """The other side goes on with those requests, though it was told to end them."""
    on = {name: replace(requester.requests[name], ending=False) for name in ids if name in requester.requests}
    return running(replace(requester, requests=requester.requests | on), ids)


def refused(requester: Requester, request_id: RequestId) -> Requester:
    """The other side refused what the message of that id asked for: an operator's wish ends with it.

    A standing request that was alone in it is not asked for again. Of several each is asked for once more, alone, for they
    were perhaps refused because of one of them.
    """
    meant = {
        name: item
        for name, item in requester.requests.items()
        if _was_meant(item, request_id) and not item.running and not item.ending
    }
    more = 2 if len(meant) == 1 else 1
    standing = {
        name: replace(item, refusals=item.refusals + more, asked_at=None, asked_under=RequestId(""))
        for name, item in meant.items()
        if item.standing
    }
    kept = {name: item for name, item in requester.requests.items() if name not in meant}
    return replace(requester, requests=kept | standing)


def _was_meant(item: Requested, request_id: RequestId) -> bool:
    """An answer that quotes no requestID is sure to mean the standing requests alone, which are asked for together."""
    return item.asked_under == request_id if request_id else item.standing and item.asked_at is not None


def anew(requester: Requester) -> Requester:
    """A new registration voids what was promised (rule 406): what was to come again and again is to be asked for anew."""
    kept = {
        name: replace(item, running=False, asked_at=None, refusals=0)
        for name, item in requester.requests.items()
        if not item.ending and (not item.running or item.request.report_back != Duration())
    }
    return replace(requester, requests=kept)


def stopped(requester: Requester, ids: tuple[ReportRequestId, ...], *, to_follow: bool = False) -> Requester:
    """Without those requests; `to_follow`: one last report of theirs is still to come, and is taken (rule 345)."""
    if not to_follow:
        return replace(requester, requests={k: v for k, v in requester.requests.items() if k not in ids})
    ends = {name: replace(item, ending=True) for name, item in requester.requests.items() if name in ids}
    return replace(requester, requests=requester.requests | ends)


def unasked(requester: Requester, now: datetime, retry: timedelta) -> tuple[ReportRequest, ...]:
    """The requests that are to be sent now: never asked, or asked `retry` ago and still not running."""
    return tuple(
        item.request
        for item in requester.requests.values()
        if not (item.running or item.ending or item.refused or awaited(item.asked_at, now, retry))
    )


def next_to_ask(requester: Requester, now: datetime, retry: timedelta) -> tuple[ReportRequest, ...]:
    """Those of `unasked` that go into one message: all standing ones, else one that was refused among others, or one of an
    operator's, whose refusal then takes no other with it."""
    names = {request.id for request in unasked(requester, now, retry)}
    together = tuple(
        item.request
        for name, item in requester.requests.items()
        if name in names and item.standing and not item.refusals
    )
    return together or unasked(requester, now, retry)[:1]


def unsent(requester: Requester, message: Message) -> Requester:
    """After `message` did not reach the other side: its requests are to be sent again."""
    if not isinstance(message, CreateReport):
        return requester
    lost = {
        request.id: replace(requester.requests[request.id], asked_at=None)
        for request in message.requests
        if request.id in requester.requests
    }
    return replace(requester, requests=requester.requests | lost)


def next_unasked(requester: Requester, after: datetime, retry: timedelta) -> datetime | None:
    """When the next repetition is due."""
    times = (
        item.asked_at + retry
        for item in requester.requests.values()
        if item.asked_at and not (item.running or item.ending or item.refused)
    )
    return min((when for when in times if when > after), default=None)


def asked(requester: Requester, requests: tuple[ReportRequest, ...], now: datetime, under: RequestId) -> Requester:
    """Those requests went out at `now`, in a message of that requestID."""
    marked = {
        request.id: replace(requester.requests[request.id], asked_at=now, asked_under=under) for request in requests
    }
    return replace(requester, requests=requester.requests | marked)


def running(requester: Requester, pending: tuple[ReportRequestId, ...]) -> Requester:
    """The other side listed these as pending."""
    marked = {name: replace(requester.requests[name], running=True) for name in pending if name in requester.requests}
    return replace(requester, requests=requester.requests | marked)


def readings(requester: Requester, message: UpdateReport, ven_id: VenId) -> tuple[Requester, tuple[Reading, ...]]:
    """The values of an update, in kW and kWh. Raises InvalidId for a request or an rID that was never asked (rule 304).

    Requests are matched by their id and points by rID alone, whatever the report calls itself and whatever the report type
    says: certified VENs register `reading`, too.
    """
    found: list[Reading] = []
    for report in message.reports:
        item = requester.requests.get(report.request_id)
        if item is None:
            raise InvalidId(f"report request {report.request_id} is unknown here (rule 304)")
        found.extend(_values(report, item, _units(requester, item.request.specifier_id), ven_id))
    served = tuple(report.request_id for report in message.reports)
    return _come(running(requester, served), served), tuple(found)


def _come(requester: Requester, ids: tuple[ReportRequestId, ...]) -> Requester:
    marked = {name: replace(requester.requests[name], came=True) for name in ids}
    return replace(requester, requests=requester.requests | marked)


def _units(requester: Requester, specifier: SpecifierId) -> dict[Rid, ItemBase | None]:
    return {
        point.rid: point.unit
        for report in requester.offered
        if report.specifier_id == specifier
        for point in report.descriptions
    }


def _values(report: Report, item: Requested, units: dict[Rid, ItemBase | None], ven_id: VenId) -> Iterator[Reading]:
    prefix = series_prefix(ven_id, item.name, report.report_id if item.name == X_RESPONSE else None)
    known = {point.rid: (f"{prefix}{point.rid}", units.get(point.rid)) for point in item.request.points}
    for start, length, interval in spans(report):
        payloads = [payload for payload in interval.payloads if isinstance(payload, ReportPayload)]
        revision = _revision(payloads) if item.name == X_RESPONSE else 0
        for payload in payloads:
            if payload.rid not in known:
                raise InvalidId(f"rID {payload.rid} was not asked for in report request {item.request.id}")
            series, unit = known[payload.rid]
            accuracy = None if payload.accuracy is None else scaled(unit, payload.accuracy)
            for suffix, number in _numbers(payload):
                yield Reading(
                    series=series + suffix,
                    start=start,
                    span=length,
                    value=scaled(unit, number),
                    quality=payload.quality or GOOD,
                    revision=revision,
                    confidence=payload.confidence,
                    accuracy=None if suffix else accuracy,
                )


def _numbers(payload: ReportPayload) -> tuple[tuple[str, float], ...]:
    value = payload.value
    if not isinstance(value, ResourceStatus):
        return (("", float(value)),)
    return (
        (".online", float(value.online)),
        (".override", float(value.manual_override)),
        *((f".{name}", number) for name, number in figures(value.load_control)),
    )


def _revision(payloads: list[ReportPayload]) -> int:
    """x-RESPONSE names the revision of its interval; elsewhere a value never changes."""
    for payload in payloads:
        if payload.rid.endswith(".revision") and isinstance(payload.value, float):
            return int(min(max(payload.value, 0), MAX_REVISION))
    return 0


def series_prefix(ven_id: VenId, name: ReportName, event_id: str | None = None) -> str:
    """`VEN1/TELEMETRY_USAGE/`, `VEN1/x-RESPONSE/<eventID>/`: what the series of a VEN's report begin with."""
    return f"{ven_id}/{name}/{event_id}/" if event_id is not None else f"{ven_id}/{name}/"
