"""Whole VENs as a load on a VTN: they register, offer reports, and send bytes that were made before the clock runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from benchmarks.poll_client import Lane
from openadr_ra.protocol.messages import (
    OADR_POLL,
    CreatedEvent,
    CreatedPartyRegistration,
    CreatedReport,
    CreatePartyRegistration,
    Message,
    Poll,
    RegisteredReport,
    RegisterReport,
    Response,
    UpdateReport,
)
from openadr_ra.protocol.model import (
    OPT_IN,
    EventId,
    PowerReal,
    QualifiedEventId,
    ReportRequestId,
    RequestId,
    Rid,
    SpecifierId,
    VenId,
)
from openadr_ra.protocol.parts import (
    DIRECT_READ,
    GOOD,
    TELEMETRY_USAGE,
    EventResponse,
    Interval,
    Report,
    ReportDescription,
    ReportName,
    ReportPayload,
    ReportType,
    Result,
    SamplingRate,
)
from openadr_ra.protocol.report import METADATA
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.times import duration
from openadr_ra.wire.codec import encode

MINUTE = timedelta(minutes=1)
SLOT = timedelta(minutes=30)
LIVE = SpecifierId("live")

Posts = Sequence[tuple[Lane, bytes]]


class Joined(NamedTuple):
    """A registered VEN, and the request for its minutes; empty where it offered none."""

    ven: VenId
    request: ReportRequestId


def join(name: str, reports: tuple[Report, ...], say: Callable[[Message], Message]) -> Joined:
    """Register a VEN with its METADATA, and hear all that there is to say to it; `say` returns what the VTN answers."""
    asked = CreatePartyRegistration(request_id=RequestId("register-1"), ven_name=name, pull=True)
    answer = say(asked)
    assert isinstance(answer, CreatedPartyRegistration), answer
    assert answer.ven_id is not None
    ven = answer.ven_id
    taken = say(RegisterReport(request_id=RequestId("metadata-1"), reports=reports, ven_id=ven))
    assert isinstance(taken, RegisteredReport), taken
    requests = tuple(one.id for one in taken.requests)
    if requests:
        say(CreatedReport(result=Result(request_id=taken.result.request_id), pending=requests, ven_id=ven))
    while not isinstance(said := say(Poll(ven_id=ven)), Response):
        assert isinstance(said, RegisterReport), said
        say(RegisteredReport(result=Result(request_id=said.request_id), ven_id=ven))
    live = next((one.id for one in taken.requests if one.granularity == duration(MINUTE)), ReportRequestId(""))
    return Joined(ven, live)


def over(lane: Lane) -> Callable[[Message], Message]:
    """Says it there, to the service that it belongs to."""
    return lambda message: lane.post(message, message.service or OADR_POLL)


def metadata(rids: int) -> Report:
    """Power of `rids` points, every minute or half hour."""
    return Report(
        duration=duration(timedelta(hours=1)),
        descriptions=tuple(
            ReportDescription(
                rid=rid(number),
                type=ReportType(Token("usage")),
                unit=PowerReal(),
                reading_type=DIRECT_READ,
                sampling=SamplingRate(minimum=duration(MINUTE), maximum=duration(SLOT)),
            )
            for number in range(rids)
        ),
        request_id=ReportRequestId("0"),
        specifier_id=LIVE,
        name=ReportName(Token(METADATA + TELEMETRY_USAGE)),
        created=datetime.now(UTC),
    )


def rid(number: int) -> Rid:
    return Rid(f"meter-{number}")


def update(
    ven: VenId, request: ReportRequestId, start: datetime, *, rids: int, intervals: int, together: bool
) -> bytes:
    """An oadrUpdateReport of minutes from `start`; `together`: the values of a minute stand in one interval."""
    minutes = (start + number * MINUTE for number in range(intervals))
    report = Report(
        start=start,
        intervals=tuple(one for minute in minutes for one in _minute(minute, rids, together=together)),
        request_id=request,
        specifier_id=LIVE,
        name=TELEMETRY_USAGE,
        created=start + intervals * MINUTE,
    )
    return encode(UpdateReport(request_id=RequestId("update-1"), reports=(report,), ven_id=ven))


def _minute(minute: datetime, rids: int, *, together: bool) -> Iterator[Interval]:
    values = tuple(ReportPayload(rid=rid(number), value=_kw(number, minute), quality=GOOD) for number in range(rids))
    for payloads in (values,) if together else ((value,) for value in values):
        yield Interval(start=minute, duration=duration(MINUTE), payloads=payloads)


def _kw(number: int, minute: datetime) -> float:
    """With as many digits as a meter has."""
    return round(1000 + 37.5 * number - 1.125 * (minute.timestamp() // 60 % 100), 3)


_EVENT_ID = re.compile(rb"eventID>([^<]+)<")
_REQUEST_ID = re.compile(rb">([^<>]+)</[^<>]*requestID><ei:vtnID>")

GOOD_CODE = b"responseCode>200<"


def post_all(service: str, posts: Posts, at_once: int, good: bytes = GOOD_CODE) -> tuple[bytes, ...]:
    """Post all of them, `at_once` at a time, each over a connection of its own; the answers, which hold `good`.

    The last answer is waited for first, then all others are there: to wake us for each would cost the server.
    """
    found: list[bytes] = []
    for first in range(0, len(posts), at_once):
        batch = posts[first : first + at_once]
        for lane, body in batch:
            lane.send(service, body)
        found += reversed([lane.receive() for lane, _ in reversed(batch)])
    assert all(good in answer for answer in found), found
    return tuple(found)


def accepting(ven: VenId) -> Callable[[bytes], bytes]:
    """Makes the oadrCreatedEvent that opts in, of an oadrDistributeEvent with one event."""
    response = EventResponse(
        request_id=RequestId("@1@"), event=QualifiedEventId(event_id=EventId("@2@"), modification=0), opt=OPT_IN
    )
    body = encode(CreatedEvent(result=Result(), responses=(response,), ven_id=ven))
    before, _, rest = body.partition(b"@1@")
    between, _, after = rest.partition(b"@2@")
    assert after, "the requestID comes before the eventID"

    def answer(distributed: bytes) -> bytes:
        event, request = _EVENT_ID.search(distributed), _REQUEST_ID.search(distributed)
        assert event is not None, distributed
        assert request is not None, distributed
        return b"%b%b%b%b%b" % (before, request[1], between, event[1], after)

    return answer
