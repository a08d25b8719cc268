"""Report requests at the VEN: what it serves, from when until when, what it refuses, and how they end."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from openadr_ra.protocol import producer
from openadr_ra.protocol.messages import (
    CanceledReport,
    CancelReport,
    CreatedReport,
    CreateReport,
    Message,
    UpdatedReport,
    UpdateReport,
)
from openadr_ra.protocol.model import Period, ReportRequestId, RequestId, Rid, SpecifierId
from openadr_ra.protocol.parts import TELEMETRY_USAGE, Report, ReportRequest, Result, SpecifierPayload
from openadr_ra.protocol.producer import MAX_BACKLOG, Producer, Rates
from openadr_ra.protocol.requester import Requested
from openadr_ra.protocol.times import Duration, duration
from openadr_ra.protocol.ven import Answered
from tests.world import DAY, HOUR, IDENTITY, MINUTE, NOON, OFFER, SECOND, VEN1, Pair, reading

START = NOON - HOUR
INSTANT = timedelta(microseconds=1)
NONE = timedelta(0)


@pytest.fixture
def ven() -> Pair:
    """A registered VEN of which nothing is asked yet."""
    pair = Pair()
    pair.ven_starts()
    pair.node = replace(pair.node, producer=replace(pair.node.producer, requests={}))
    return pair


def request(
    id: str = "rr1",
    *,
    back: timedelta = MINUTE,
    granularity: timedelta | None = None,
    start: datetime | None = START,
    length: timedelta = NONE,
    rids: tuple[str, ...] = ("bat.kw",),
    specifier: str = "usage",
) -> ReportRequest:
    interval = Period(start=start, duration=Duration(seconds=length // SECOND)) if start is not None else None
    return ReportRequest(
        id=ReportRequestId(id),
        specifier_id=SpecifierId(specifier),
        granularity=duration(back if granularity is None else granularity),
        report_back=duration(back),
        interval=interval,
        points=tuple(SpecifierPayload(rid=Rid(name)) for name in rids),
    )


def asks(pair: Pair, *requests: ReportRequest) -> CreatedReport:
    """What the VEN answers to oadrCreateReport."""
    pair.ven_hears(CreateReport(request_id=RequestId("cr1"), requests=requests, ven_id=VEN1))
    pair.settles()
    answer = [each.request for each in pair.said if isinstance(each.request, CreatedReport)][-1]
    assert isinstance(answer, CreatedReport)
    return answer


def spans(pair: Pair, id: str = "rr1") -> list[tuple[timedelta, timedelta]]:
    """Begin (after START) and length of each interval that was sent for the request."""
    messages = [each.request for each in pair.said if isinstance(each.request, UpdateReport)]
    reports = [report for message in messages for report in message.reports if report.request_id == id]
    return [
        (each.start - START, each.duration.length)
        for report in reports
        for each in report.intervals
        if each.start is not None and each.duration is not None
    ]


@pytest.fixture
def deaf(ven: Pair) -> Pair:
    """A VEN whose updates nobody acknowledges with 452: the VTN knows the requests that the test makes."""
    ven.samples = [reading(start=START - HOUR + n * 30 * SECOND, value=float(n)) for n in range(480)]
    return ven


def serve(pair: Pair, *requests: ReportRequest) -> None:
    """The VTN asks, and knows what it asked."""
    known = {each.id: Requested(request=each, name=TELEMETRY_USAGE, running=True) for each in requests}
    pair.party = replace(pair.party, reports=replace(pair.party.reports, requests=known))
    asks(pair, *requests)


def test_a_periodic_report_covers_one_period_after_the_other(deaf: Pair) -> None:
    serve(deaf, request())
    deaf.clock_reaches(START + 3 * MINUTE)

    assert spans(deaf) == [(n * MINUTE, MINUTE) for n in range(3)]


def test_an_update_has_as_many_intervals_as_the_granularity_makes_of_its_period(deaf: Pair) -> None:
    """The harness asks for two minutes' worth of minutes."""
    serve(deaf, request(back=2 * MINUTE, granularity=MINUTE))
    deaf.clock_reaches(START + 4 * MINUTE)

    assert spans(deaf) == [(n * MINUTE, MINUTE) for n in range(4)]
    assert len([each for each in deaf.said if isinstance(each.request, UpdateReport)]) == 2


def test_a_granularity_that_does_not_divide_the_period_leaves_a_shorter_interval(deaf: Pair) -> None:
    serve(deaf, request(back=100 * SECOND, granularity=MINUTE))
    deaf.clock_reaches(START + 100 * SECOND)

    assert spans(deaf) == [(NONE, MINUTE), (MINUTE, 40 * SECOND)]


@pytest.mark.parametrize("granularity", [NONE, HOUR], ids=["zero", "above the period"])
def test_without_a_finer_granularity_an_update_is_one_interval(deaf: Pair, granularity: timedelta) -> None:
    serve(deaf, request(back=2 * MINUTE, granularity=granularity))
    deaf.clock_reaches(START + 2 * MINUTE)

    assert spans(deaf) == [(NONE, 2 * MINUTE)]


def test_a_report_starts_at_its_dtstart(deaf: Pair) -> None:
    serve(deaf, request(start=START + 10 * MINUTE))
    deaf.clock_reaches(START + 11 * MINUTE - INSTANT)
    assert spans(deaf) == []

    deaf.clock_reaches(START + 12 * MINUTE)
    assert spans(deaf) == [(10 * MINUTE, MINUTE), (11 * MINUTE, MINUTE)]


def test_a_dtstart_in_the_past_is_made_up_for(deaf: Pair) -> None:
    serve(deaf, request(start=START - 3 * MINUTE))

    assert spans(deaf) == [(-n * MINUTE, MINUTE) for n in (3, 2, 1)]


def test_a_report_without_an_interval_starts_now(deaf: Pair) -> None:
    serve(deaf, request(start=None))
    deaf.clock_reaches(START + 2 * MINUTE)

    assert spans(deaf) == [(NONE, MINUTE), (MINUTE, MINUTE)]


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (2 * MINUTE, [(NONE, MINUTE), (MINUTE, MINUTE)]),
        (90 * SECOND, [(NONE, MINUTE), (MINUTE, 30 * SECOND)]),
        (20 * SECOND, [(NONE, 20 * SECOND)]),
    ],
)
def test_a_report_with_an_end_is_over_with_its_last_period(
    deaf: Pair, length: timedelta, expected: list[tuple[timedelta, timedelta]]
) -> None:
    """Which may be shorter than the others."""
    serve(deaf, request(length=length))
    deaf.clock_reaches(START + 10 * MINUTE)

    assert spans(deaf) == expected
    assert deaf.node.producer.requests == {}


def test_a_report_whose_whole_time_passed_while_nobody_was_here_is_served_as_far_as_it_goes_back(deaf: Pair) -> None:
    serve(deaf, request(length=200 * MINUTE))
    deaf.now = START + 5 * HOUR
    deaf.settles()

    sent = spans(deaf)
    assert len(sent) == MAX_BACKLOG
    assert sent[-1] == (199 * MINUTE, MINUTE)
    assert deaf.node.producer.requests == {}


@pytest.mark.parametrize(
    ("start", "length", "at", "expected"),
    [
        (None, NONE, START, (NONE, NONE)),
        (START, NONE, START, (NONE, NONE)),
        (START - 30 * MINUTE, 30 * MINUTE, START, (-30 * MINUTE, 30 * MINUTE)),
        (START - 30 * MINUTE, NONE, START, (-30 * MINUTE, 30 * MINUTE)),
        (START + 10 * MINUTE, NONE, START + 10 * MINUTE, (10 * MINUTE, NONE)),
        (START, 30 * MINUTE, START + 30 * MINUTE, (NONE, 30 * MINUTE)),
        (START + 10 * MINUTE, 5 * MINUTE, START + 15 * MINUTE, (10 * MINUTE, 5 * MINUTE)),
        (START - 10 * MINUTE, 20 * MINUTE, START + 10 * MINUTE, (-10 * MINUTE, 20 * MINUTE)),
    ],
    ids=["no interval", "now", "the past half hour", "since then", "later", "the coming half hour", "a later span",
         "a span that runs"],
)  # fmt: skip
def test_a_one_shot_report_is_sent_once_when_its_span_is_over(
    deaf: Pair, start: datetime | None, length: timedelta, at: datetime, expected: tuple[timedelta, timedelta]
) -> None:
    """Without a length it is about its dtstart, or about all since then."""
    serve(deaf, request(back=NONE, start=start, length=length))
    if at > START:
        deaf.clock_reaches(at - INSTANT)
        assert spans(deaf) == []
    deaf.clock_reaches(at)
    deaf.clock_reaches(at + HOUR)

    assert spans(deaf) == [expected]
    assert deaf.node.producer.requests == {}


def test_a_one_shot_report_of_this_moment_has_the_sample_that_counts_now(deaf: Pair) -> None:
    serve(deaf, request(back=NONE))

    (value,) = [one for one in deaf.recorded.values() if one.start == START]
    assert (value.value, value.quality, value.span) == (120.0, "Quality Good - Non Specific", NONE)


@pytest.mark.parametrize(
    ("start", "length", "begin"),
    [
        (START - DAY, HOUR, -DAY),
        (START - DAY - MINUTE, HOUR, -DAY),
        (START - 2 * DAY, HOUR, -47 * HOUR),
    ],
)
def test_no_report_goes_back_further_than_what_is_buffered(
    ven: Pair, start: datetime, length: timedelta, begin: timedelta
) -> None:
    """And none goes on for longer than was asked."""
    made = producer.create(ven.node.producer, (request(back=NONE, start=start, length=length),), START)

    (standing,) = made.requests.values()
    assert (standing.sent_until - START, standing.until) == (begin, start + length)


def test_a_periodic_report_that_lies_wholly_before_what_is_buffered_is_over_at_once(ven: Pair) -> None:
    asks(ven, request(start=START - 3 * DAY, length=HOUR))
    ven.clock_reaches(START + MINUTE)

    assert ven.node.producer.requests == {}
    assert spans(ven) == []


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (request(""), "452"),
        (request("0"), "452"),
        (request(specifier="Green Button"), "452"),
        (request(specifier="Usage"), "452"),
        (request(rids=("bat.kw", "pv.kw")), "452"),
        (request(rids=("BAT.kw",)), "452"),
        (request(granularity=-MINUTE), "454"),
        (request(back=-MINUTE), "454"),
        (request(length=-MINUTE), "454"),
        (replace(request(), granularity=Duration(months=1)), "454"),
        (replace(request(), report_back=Duration(months=1)), "454"),
        (replace(request(), interval=Period(start=START, duration=Duration(months=1))), "454"),
    ],
    ids=["no id", "id 0", "unknown specifier", "other letter case", "unknown rID", "rID in capitals",
         "negative granularity", "negative period", "negative length", "granularity of a month", "period of a month",
         "length of a month"],
)  # fmt: skip
def test_a_request_that_cannot_be_served_is_refused_with_all_that_came_with_it(
    ven: Pair, bad: ReportRequest, code: str
) -> None:
    """The harness wants 452 for an unknown specifier or rID, exactly."""
    asks(ven, request("before"))

    answer = asks(ven, request("good"), bad)

    assert (answer.result.code, answer.result.request_id) == (code, "cr1")
    assert answer.pending == ("before",)
    assert list(ven.node.producer.requests) == ["before"]


@pytest.mark.parametrize(("seconds", "code"), [(0, "200"), (9, "454"), (10, "200")])
def test_x_rep_6_at_the_ven_a_granularity_below_the_shortest_period_is_refused(seconds: int, code: str) -> None:
    """Zero leaves it to the VEN."""
    ven = Pair(identity=replace(IDENTITY, rates=Rates(shortest_s=10)))
    ven.ven_starts()

    assert asks(ven, request(granularity=seconds * SECOND)).result.code == code


def test_the_pending_list_has_the_new_request_and_not_the_cancelled_one(ven: Pair) -> None:
    """As the harness counts: one, two, one (R1_3170)."""
    assert asks(ven, request("rr1")).pending == ("rr1",)
    assert asks(ven, request("rr2")).pending == ("rr1", "rr2")
    assert cancels(ven, "rr1").pending == ("rr2",)


def cancels(pair: Pair, *ids: str) -> CanceledReport:
    message = CancelReport(
        request_id=RequestId("x1"), report_request_ids=tuple(ReportRequestId(name) for name in ids), ven_id=VEN1
    )
    pair.ven_hears(message)
    pair.settles()
    answer = [each.request for each in pair.said if isinstance(each.request, CanceledReport)][-1]
    assert isinstance(answer, CanceledReport)
    return answer


def test_a_cancelled_report_is_sent_no_more(deaf: Pair) -> None:
    serve(deaf, request(), request("rr2"))
    deaf.clock_reaches(START + MINUTE)

    answer = cancels(deaf, "rr1")
    deaf.clock_reaches(START + 3 * MINUTE)

    assert answer.result == Result(request_id=RequestId("x1"))
    assert (len(spans(deaf)), len(spans(deaf, "rr2"))) == (1, 3)


def test_a_cancellation_of_an_unknown_request_is_answered_452_and_cancels_none(ven: Pair) -> None:
    asks(ven, request())

    answer = cancels(ven, "rr1", "rr9")

    assert (answer.result.code, answer.result.request_id) == ("452", "x1")
    assert list(ven.node.producer.requests) == ["rr1"]


def test_x_rep_10_at_the_ven_a_piggy_backed_cancellation_ends_what_the_update_was_about_and_nothing_else(
    ven: Pair,
) -> None:
    """oadrUpdatedReport may carry an oadrCancelReport for the requests whose data it acknowledges."""
    asks(ven, request(), request("rr2"))
    update = UpdateReport(request_id=RequestId("u1"), reports=(about("rr1"),), ven_id=VEN1)
    cancel = CancelReport(
        request_id=RequestId("x1"), report_request_ids=(ReportRequestId("rr1"), ReportRequestId("rr2")), ven_id=VEN1
    )

    ven.ven_receives(Answered(request=update, answer=UpdatedReport(result=Result(), cancel=cancel)))

    assert list(ven.node.producer.requests) == ["rr2"]


@pytest.mark.parametrize(("code", "left"), [("200", ["rr1"]), ("452", []), ("454", ["rr1"])])
def test_only_an_unknown_request_is_dropped_when_an_update_is_refused(ven: Pair, code: str, left: list[str]) -> None:
    asks(ven, request())
    update = UpdateReport(request_id=RequestId("u1"), reports=(about("rr1"), about("rr9")), ven_id=VEN1)
    answer: Message = UpdatedReport(result=Result(code=code))

    ven.ven_receives(Answered(request=update, answer=answer))

    assert list(ven.node.producer.requests) == left


def about(id: str) -> Report:

    return Report(request_id=ReportRequestId(id), specifier_id=SpecifierId("usage"), created=START)


def test_a_producer_is_asked_when_something_is_due_and_then_it_is() -> None:
    """`next_due` is the first moment at which `due` hands out anything."""
    empty = producer.offer(Producer(), OFFER)
    assert producer.next_due(empty) is None
    made = producer.create(empty, (request(back=5 * MINUTE), request("rr2", back=MINUTE, length=90 * SECOND)), START)
    now = START
    while (due := producer.next_due(made)) is not None and due < START + HOUR:
        assert producer.due(made, due - INSTANT) == (made, ())
        made, spans = producer.due(made, due)
        assert spans
        now = due

    assert now == START + 55 * MINUTE


def test_a_busy_request_hands_out_nothing() -> None:
    made = producer.create(producer.offer(Producer(), OFFER), (request(),), START)
    busy = (ReportRequestId("rr1"),)

    assert producer.next_due(made, busy) is None
    assert producer.due(made, NOON, busy) == (made, ())
