"""Report requests by people: asked, refused, stopped and asked again, by the VTN of its VEN and the other way round."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from openadr_ra.protocol import requester
from openadr_ra.protocol.messages import (
    CanceledReport,
    CancelReport,
    CreatedReport,
    CreateReport,
    Message,
    RegisteredReport,
    RegisterReport,
    Response,
    UpdatedReport,
    UpdateReport,
)
from openadr_ra.protocol.model import Period, ReportRequestId, RequestId, ResourceId, Rid, SpecifierId
from openadr_ra.protocol.parts import ReportRequest, Result, SpecifierPayload
from openadr_ra.protocol.party import Stop
from openadr_ra.protocol.producer import MAX_BACKLOG, Rates
from openadr_ra.protocol.report import usage_description
from openadr_ra.protocol.requester import MAX_ENDING
from openadr_ra.protocol.step import AskReports, StopReports
from openadr_ra.protocol.times import Duration, duration
from openadr_ra.protocol.ven import Answered, Wanted
from openadr_ra.protocol.vtn import Party
from tests.duplex import PUSHED, Duplex
from tests.world import DAY, HOUR, IDENTITY, METADATA, MINUTE, NOON, OFFER, SECOND, VEN1, Pair, code_of, reading

START = NOON - HOUR
WIDER = replace(OFFER, usage=(*OFFER.usage, usage_description(ResourceId("pv"), "kw", "m2")))
NONE = timedelta(0)


def request(
    id: str = "op1", rid: str = "bat.kw", *, specifier: str = "usage", granularity: timedelta = MINUTE,
    back: timedelta = MINUTE, interval: Period | None = None,
) -> ReportRequest:  # fmt: skip
    return ReportRequest(
        id=ReportRequestId(id),
        specifier_id=SpecifierId(specifier),
        granularity=duration(granularity),
        report_back=duration(back),
        interval=interval,
        points=(SpecifierPayload(rid=Rid(rid)),),
    )


def capabilities(id: str = "m1", back: timedelta = NONE, interval: Period | None = None) -> ReportRequest:
    return request(id, "0", specifier="METADATA", granularity=NONE, back=back, interval=interval)


def asks(pair: Pair, *requests: ReportRequest) -> None:
    pair.vtn_takes(AskReports(requests=requests))


def stops(pair: Pair, *ids: str, to_follow: bool = False) -> None:
    pair.vtn_takes(StopReports(ids=tuple(ReportRequestId(name) for name in ids), to_follow=to_follow))


def replies(pair: Pair, kind: type[Message], since: int = 0) -> list[Message]:
    """What the VTN said of that kind with a poll."""
    return [each.reply for each in pair.said[since:] if isinstance(each.reply, kind)]


def said(pair: Pair, kind: type[Message], since: int = 0) -> list[Message]:
    return [each.request for each in pair.said[since:] if isinstance(each.request, kind)]


def by_operator(pair: Pair) -> set[str]:
    """The requests of the operator's that the VTN keeps."""
    return {name for name, item in pair.party.reports.requests.items() if not item.standing}


@pytest.fixture
def slow() -> Pair:
    """A VEN that samples once in ten seconds."""
    pair = Pair(identity=replace(IDENTITY, rates=Rates(shortest_s=10)))
    pair.ven_starts()
    return pair


def test_a_request_that_the_ven_refuses_is_not_asked_for_again_and_again(slow: Pair) -> None:
    """Its operator finds it gone; what it was told beside goes on."""
    asks(slow, request("fast", granularity=SECOND), request("good"))
    slow.clock_reaches(slow.now + 5 * MINUTE)

    created = [
        (each.request_id, [one.id for one in each.requests])
        for each in replies(slow, CreateReport)
        if isinstance(each, CreateReport)
    ]
    assert [ids for _, ids in created] == [["fast"], ["good"]]
    assert by_operator(slow) == {"good"}
    assert "good" in slow.node.producer.requests


def test_a_refused_request_takes_no_standing_one_with_it(slow: Pair) -> None:
    """After a new METADATA all standing requests are asked for, whatever an operator wants besides."""
    slow.vtn_takes(AskReports(requests=(request("fast", granularity=SECOND),)))
    slow.ven_receives(WIDER)
    slow.clock_reaches(slow.now + MINUTE)

    assert all(item.running for item in slow.party.reports.requests.values())
    standing = {name for name, item in slow.party.reports.requests.items() if item.standing}
    assert standing <= slow.node.producer.requests.keys()


def test_a_refusal_that_names_no_request_is_followed_by_another_attempt(pair: Pair) -> None:
    """Which of the requests it is about cannot be known."""
    asks(pair, request())
    assert isinstance(pair.vtn_is_polled(), CreateReport)
    pair.vtn_hears(CreatedReport(result=Result(code="454"), ven_id=VEN1))

    assert by_operator(pair) == {"op1"}
    pair.now += 20 * SECOND
    assert isinstance(pair.vtn_is_polled(), CreateReport)


def test_a_refusal_of_what_runs_already_stops_nothing(pair: Pair) -> None:
    """A late repetition may be refused for another reason than the first."""
    asks(pair, request())
    created = pair.vtn_is_polled()
    assert isinstance(created, CreateReport)
    for code, pending in (("200", (ReportRequestId("op1"),)), ("454", ())):
        result = Result(code=code, request_id=created.request_id)
        pair.vtn_hears(CreatedReport(result=result, pending=pending, ven_id=VEN1))

    assert by_operator(pair) == {"op1"}


def test_a_point_that_is_not_offered_is_not_asked_for(pair: Pair) -> None:
    asks(pair, request("a", "pv.kw"), request("b", specifier="Usage"))

    assert isinstance(pair.vtn_is_polled(), Response)
    assert by_operator(pair) == set()


def test_a_request_whose_point_is_no_longer_offered_is_cancelled(pair: Pair) -> None:
    pair.ven_receives(WIDER)
    pair.settles()
    asks(pair, request("a", "pv.kw"), request("b"))
    pair.ven_polls()
    pair.ven_receives(OFFER)
    pair.clock_reaches(pair.now + MINUTE)

    assert by_operator(pair) == {"b"}
    assert "a" not in pair.node.producer.requests


def test_what_was_never_asked_for_needs_no_cancellation(pair: Pair) -> None:
    asks(pair, request())
    stops(pair, "op1")

    assert isinstance(pair.vtn_is_polled(), Response)
    assert by_operator(pair) == set()


def test_what_is_to_be_stopped_is_not_asked_for_meanwhile(pair: Pair) -> None:
    """Else it would begin anew after its cancellation."""
    asks(pair, request())
    assert isinstance(pair.vtn_is_polled(), CreateReport)
    stops(pair, "op1")
    assert isinstance(pair.vtn_is_polled(), CancelReport)
    pair.now += 19 * SECOND
    assert isinstance(pair.vtn_is_polled(), Response)
    pair.now += SECOND

    assert [type(pair.vtn_is_polled()) for _ in range(2)] == [CancelReport, Response]


def test_one_that_the_ven_does_not_know_does_not_keep_the_others_running(pair: Pair) -> None:
    """A VEN refuses the whole cancellation with 452; each is then told by itself."""
    asks(pair, request("a"), request("b"), capabilities("c", back=HOUR))
    pair.clock_reaches(pair.now + MINUTE)
    served = {name: item for name, item in pair.node.producer.requests.items() if name != "b"}
    pair.node = replace(pair.node, producer=replace(pair.node.producer, requests=served))
    since = len(pair.said)
    stops(pair, "a", "b", "c")
    pair.clock_reaches(pair.now + MINUTE)

    told = [each.report_request_ids for each in replies(pair, CancelReport, since) if isinstance(each, CancelReport)]
    assert told == [("a", "b", "c"), ("a",), ("b",), ("c",)]
    assert by_operator(pair) == set()
    assert not {"a", "b", "c"} & pair.node.producer.requests.keys()
    assert pair.party.debts == ()


def test_a_confirmation_without_a_requestid_ends_what_was_told_first(pair: Pair) -> None:
    asks(pair, request())
    pair.ven_polls()
    stops(pair, "op1")
    pair.vtn_is_polled()

    pair.vtn_hears(CanceledReport(result=Result(), ven_id=VEN1))

    assert by_operator(pair) == set()
    assert pair.party.debts == ()


def test_a_request_that_was_served_once_needs_no_cancellation(pair: Pair) -> None:
    asks(pair, request(granularity=NONE, back=NONE))
    pair.ven_polls()
    assert by_operator(pair) == {"op1"}
    stops(pair, "op1")

    assert isinstance(pair.vtn_is_polled(), Response)
    assert by_operator(pair) == set()


@pytest.mark.parametrize(("count", "kept"), [(MAX_ENDING, MAX_ENDING + 1), (MAX_ENDING + 1, MAX_ENDING + 1)])
def test_of_the_requests_that_were_served_only_the_newest_are_remembered(pair: Pair, count: int, kept: int) -> None:
    """A history each day must not fill the row in a year. One whose report comes twice is still known."""
    for number in range(count):
        asks(pair, request(f"h{number}", granularity=NONE, back=NONE))
        pair.ven_polls()
    asks(pair, request("last"))

    assert len(by_operator(pair)) == kept
    assert f"h{count - 1}" in by_operator(pair)


def test_metadata_that_quotes_a_request_nobody_made_is_taken_and_ends_there(pair: Pair) -> None:
    """It would come for ever."""
    quoting = replace(METADATA, report_request_id=ReportRequestId("whose"))
    reply = pair.vtn_hears(quoting)
    assert isinstance(reply, RegisteredReport)
    assert code_of(reply) == "200"

    told = pair.vtn_is_polled()
    assert isinstance(told, CancelReport)
    assert told.report_request_ids == ("whose",)


@pytest.mark.parametrize("id", [None, "", "0"])
def test_metadata_that_quotes_no_request_ends_nothing(pair: Pair, id: str | None) -> None:
    """Some write the 0 of its reports at the message, too (rule 311)."""
    pair.vtn_hears(replace(METADATA, report_request_id=id))

    assert isinstance(pair.vtn_is_polled(), Response)


def test_a_ven_that_never_confirms_is_not_owed_ever_more_cancellations(pair: Pair) -> None:
    for number in range(2 * MAX_ENDING):
        pair.vtn_hears(replace(METADATA, report_request_id=ReportRequestId(f"whose{number}")))

    assert len([debt for debt in pair.party.debts if isinstance(debt.work, Stop)]) == MAX_ENDING


def test_rule_345_the_last_report_goes_no_further_back_than_any_other(pair: Pair) -> None:
    """A VTN that was away for days is told the newest of it; older spans are history."""
    asks(pair, request())
    pair.ven_polls()
    pair.fates = iter(["request lost"] * 20_000)
    pair.clock_reaches(pair.now + 3 * HOUR)
    pair.fates = iter(())
    since = len(pair.said)
    stops(pair, "op1", to_follow=True)
    pair.clock_reaches(pair.now + 2 * MINUTE)

    last = [
        report
        for message in said(pair, UpdateReport, since)
        if isinstance(message, UpdateReport)
        for report in message.reports
        if report.request_id == "op1"
    ][-1]
    assert len(last.intervals) <= MAX_BACKLOG + 1
    assert all(code_of(each.reply) == "200" for each in pair.said[since:] if isinstance(each.request, UpdateReport))


def test_r1_3170_the_pending_list_counts_every_periodic_request_and_metadata_too() -> None:
    """One, two, one."""
    pair = Pair()
    pair.ven_starts()
    pair.node = replace(pair.node, producer=replace(pair.node.producer, requests={}))
    pair.party = replace(pair.party, reports=requester.ask(pair.party.reports, (capabilities(),)))
    for message in (
        CreateReport(request_id=RequestId("c1"), requests=(request(),), ven_id=VEN1),
        CreateReport(request_id=RequestId("c2"), requests=(capabilities(back=MINUTE),), ven_id=VEN1),
        CancelReport(request_id=RequestId("x1"), report_request_ids=(ReportRequestId("op1"),), ven_id=VEN1),
    ):
        pair.ven_hears(message)
        pair.settles()

    lists = [each for each in said(pair, CreatedReport) if isinstance(each, CreatedReport)][-2:]
    assert [each.pending for each in lists] == [("op1",), ("op1", "m1")]
    canceled = next(each for each in said(pair, CanceledReport) if isinstance(each, CanceledReport))
    assert canceled.pending == ("m1",)


def test_r1_3090_two_requests_for_metadata_are_served_side_by_side(pair: Pair) -> None:
    """Each with its own id at the message, and 0 in the reports."""
    since = len(pair.said)
    asks(pair, capabilities("a", back=MINUTE), capabilities("b", back=MINUTE))
    pair.clock_reaches(pair.now + 100 * SECOND)

    told = [each for each in said(pair, RegisterReport, since) if isinstance(each, RegisterReport)]
    assert sorted(each.report_request_id or "" for each in told) == ["a", "a", "b", "b"]
    assert {report.request_id for each in told for report in each.reports} == {"0"}


@pytest.mark.parametrize(
    ("back", "interval", "expected"),
    [
        (NONE, None, [0]),
        (NONE, Period(start=START + 10 * MINUTE), [10]),
        (NONE, Period(start=START, duration=Duration(seconds=3600)), [0]),
        (NONE, Period(start=START - DAY), [0]),
        (MINUTE, Period(start=START + 2 * MINUTE, duration=Duration(seconds=120)), [2, 3, 4]),
        (MINUTE, Period(start=START - DAY, duration=Duration(seconds=60)), [0]),
    ],
    ids=["at once", "later", "a span", "long ago", "for two minutes", "a span that is over"],
)  # fmt: skip
def test_metadata_is_told_when_and_as_long_as_it_was_asked_for(
    pair: Pair, back: timedelta, interval: Period | None, expected: list[int]
) -> None:
    """Minutes after the request. Capabilities are of the moment: a span that is asked for is not waited for."""
    since = len(pair.said)
    asked = CreateReport(request_id=RequestId("c"), requests=(capabilities(back=back, interval=interval),), ven_id=VEN1)
    pair.party = replace(pair.party, reports=requester.ask(pair.party.reports, asked.requests))
    pair.ven_hears(asked)
    pair.clock_reaches(START + 15 * MINUTE)

    at = [(each.at - START) // MINUTE for each in pair.said[since:] if isinstance(each.request, RegisterReport)]
    assert at == expected
    assert ReportRequestId("m1") not in pair.node.producer.requests


# The VEN asks.


@pytest.fixture
def tariff() -> Pair:
    """A VTN that has something to report, and its VEN."""
    pair = Pair()
    pair.ven_starts()
    pair.vtn_takes(replace(OFFER, status=(), response=()))
    pair.ven_polls()
    pair.vtn_samples = [reading(start=START + n * 10 * SECOND, value=3.0) for n in range(-90, 720)]
    return pair


def test_several_wishes_at_once_are_asked_for_once(tariff: Pair) -> None:
    """And nothing is asked for when there is nothing to ask."""
    for wish in (request("a"), request("b"), request("c", specifier="unknown")):
        tariff.ven_receives(Wanted(requests=(wish,)))
    tariff.ven_receives(Wanted(requests=()))
    tariff.clock_reaches(tariff.now + MINUTE)

    asked = [each for each in said(tariff, CreateReport) if isinstance(each, CreateReport)]
    assert [[one.id for one in each.requests] for each in asked] == [["a", "b"]]
    assert set(tariff.party.producer.requests) == {"a", "b"}


def test_what_is_wanted_while_another_wish_is_on_its_way_is_asked_for_next(tariff: Pair) -> None:
    tariff.fates = iter(["reply lost"])
    tariff.ven_receives(Wanted(requests=(request("a"),)))
    tariff.settles()
    (first,) = said(tariff, CreateReport)
    tariff.ven_receives(Wanted(requests=(request("b"),)))
    tariff.ven_receives(Answered(request=first, answer=CreatedReport(result=Result(), pending=(ReportRequestId("a"),))))
    tariff.clock_reaches(tariff.now + MINUTE)

    assert set(tariff.party.producer.requests) == {"a", "b"}
    assert tariff.node.debts == ()


def test_a_refused_wish_is_dropped_and_the_rest_is_asked_for(tariff: Pair) -> None:
    tariff.fates = iter(["request lost"])
    tariff.ven_receives(Wanted(requests=(request("a"),)))
    tariff.settles()
    (first,) = said(tariff, CreateReport)
    tariff.ven_receives(Wanted(requests=(request("b"),)))
    tariff.ven_receives(Answered(request=first, answer=CreatedReport(result=Result(code="452"))))
    tariff.clock_reaches(tariff.now + MINUTE)

    assert set(tariff.party.producer.requests) == {"b"}
    assert set(tariff.node.requester.requests) == {"b"}


def test_a_wish_that_was_refused_before_it_could_be_repeated_is_not_said_again(tariff: Pair) -> None:
    """An oadrCreateReport without a request would be no valid message."""
    tariff.fates = iter(["request lost", "request lost"])
    tariff.ven_receives(Wanted(requests=(request("a"),)))
    tariff.settles()
    (first,) = said(tariff, CreateReport)
    late = CreateReport(request_id=RequestId("another"), requests=(request("a"),), ven_id=VEN1)
    tariff.ven_receives(Answered(request=late, answer=CreatedReport(result=Result(code="452"))))
    tariff.clock_reaches(tariff.now + 2 * MINUTE)

    assert said(tariff, CreateReport) == [first]
    assert tariff.node.debts == ()


def test_rule_406_what_was_to_come_again_and_again_is_asked_for_anew_after_a_new_registration(tariff: Pair) -> None:
    """One-shot requests that were promised are not: they may have been served."""
    tariff.ven_receives(Wanted(requests=(request("a"), capabilities("m"))))
    tariff.clock_reaches(tariff.now + MINUTE)
    tariff.party = Party(ven_id=VEN1, producer=replace(tariff.party.producer, requests={}))
    since = len(tariff.said)
    tariff.clock_reaches(tariff.now + 2 * MINUTE)

    asked = [each for each in said(tariff, CreateReport, since) if isinstance(each, CreateReport)]
    assert [[one.id for one in each.requests] for each in asked] == [["a"]]
    assert set(tariff.party.producer.requests) == {"a"}


def test_a_report_that_the_ven_does_not_know_is_sent_no_more(tariff: Pair) -> None:
    """452 to an update ends it, whichever end sends it."""
    tariff.ven_receives(Wanted(requests=(request("a"),)))
    tariff.settles()
    tariff.node = replace(tariff.node, requester=replace(tariff.node.requester, requests={}))
    tariff.clock_reaches(tariff.now + 5 * MINUTE)

    refused = [each for each in said(tariff, UpdatedReport) if code_of(each) == "452"]
    assert len(refused) == 1
    assert tariff.party.producer.requests == {}


def test_what_the_vtn_reports_is_kept_under_its_name(tariff: Pair) -> None:
    tariff.ven_receives(Wanted(requests=(request("a"),)))
    tariff.clock_reaches(tariff.now + 5 * MINUTE)

    assert {(one.series, one.value) for one in tariff.of_the_vtn} == {("Vtn1/TELEMETRY_USAGE/bat.kw", 3.0)}
    assert len(tariff.of_the_vtn) >= 4


def test_a_report_of_the_past_that_nobody_can_serve_does_not_keep_the_vtn_awake() -> None:
    """A push VEN asks for a span before all that is kept: nothing is sent, and nobody is woken for it."""
    pair = Duplex(identity=PUSHED)
    pair.ven_starts()
    pair.vtn_takes(replace(OFFER, status=(), response=()))
    pair.settles()
    past = Period(start=START - 3 * DAY, duration=Duration(seconds=3600))
    pair.ven_receives(Wanted(requests=(request("a", interval=past),)))
    wakes = pair.vtn_wakes
    pair.clock_reaches(pair.now + HOUR)

    assert pair.party.producer.requests == {}
    assert pair.vtn_wakes - wakes < 2 * 60 * 10


# History.


@pytest.fixture
def measured(pair: Pair) -> Pair:
    """Two hours of 6 kW, and a register that nobody read."""
    pair.samples = [reading(start=START - 2 * HOUR + n * 30 * SECOND, value=6.0) for n in range(360)]
    return pair


def history(pair: Pair, interval: Period | None, *, rids: tuple[str, ...] = ("bat.kw", "bat.kwh")) -> UpdateReport:
    """The one update that comes of a request for history, within a poll's time."""
    asked = request("h", specifier="history", granularity=NONE, back=NONE, interval=interval)
    asks(pair, replace(asked, points=tuple(SpecifierPayload(rid=Rid(name)) for name in rids)))
    since = len(pair.said)
    pair.ven_polls()
    (update,) = [
        each
        for each in said(pair, UpdateReport, since)
        if isinstance(each, UpdateReport) and each.reports[0].request_id == "h"
    ]
    assert ReportRequestId("h") not in pair.node.producer.requests
    return update


@pytest.mark.parametrize(
    ("interval", "count"),
    [
        (Period(start=START), 1),
        (Period(start=START, duration=Duration(seconds=3600)), 1),
        (Period(start=START - 30 * MINUTE), 31),
        (Period(start=START - 30 * MINUTE, duration=Duration(seconds=3600)), 31),
        (Period(start=START - 30 * MINUTE, duration=Duration(seconds=1800)), 30),
        (None, 1),
    ],
    ids=["now", "now, for an hour", "since half an hour", "an hour that runs", "half an hour", "no interval"],
)
def test_r1_3130_history_is_told_at_once_as_far_as_it_goes(measured: Pair, interval: Period | None, count: int) -> None:
    """Every point that was asked for is in every interval, measured or not."""
    (report,) = history(measured, interval).reports

    assert (report.name, report.request_id, report.specifier_id) == ("HISTORY_USAGE", "h", "history")
    assert report.start == (interval.start if interval else report.start)
    assert len(report.intervals) == count
    for number, each in enumerate(report.intervals):
        assert {one.rid for one in each.payloads if hasattr(one, "rid")} == {"bat.kw", "bat.kwh"}
        assert each.uid == str(number)
        assert each.start is not None
        assert each.duration is not None


def test_r1_3140_history_of_one_point_has_that_point_alone(measured: Pair) -> None:
    (report,) = history(measured, Period(start=START - 30 * MINUTE), rids=("bat.kwh",)).reports

    assert {one.rid for each in report.intervals for one in each.payloads if hasattr(one, "rid")} == {"bat.kwh"}
