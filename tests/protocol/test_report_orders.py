"""Report requests of a VTN's operator: asked, refused, stopped, and what METADATA is told on request."""

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
    RegisteredReport,
    RegisterReport,
    Response,
    UpdateReport,
)
from openadr_ra.protocol.model import Period, ReportRequestId, RequestId, ResourceId
from openadr_ra.protocol.parts import Result
from openadr_ra.protocol.party import Stop
from openadr_ra.protocol.producer import MAX_BACKLOG, Rates
from openadr_ra.protocol.report import usage_description
from openadr_ra.protocol.requester import MAX_ENDING
from openadr_ra.protocol.step import AskReports
from openadr_ra.protocol.times import Duration
from tests.duplex import PUSHED, Duplex
from tests.protocol.wishes import NONE, asks, capabilities, replies, request, said, stops
from tests.world import DAY, HOUR, IDENTITY, METADATA, MINUTE, NOON, OFFER, SECOND, VEN1, Pair, code_of

START = NOON - HOUR
WIDER = replace(OFFER, usage=(*OFFER.usage, usage_description(ResourceId("pv"), "kw", "m2")))


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


def test_rule_345_at_the_ven_the_last_report_goes_no_further_back_than_any_other(pair: Pair) -> None:
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
    """One, two, one; asked by post, so that each answer comes at once."""
    pair = Duplex(identity=PUSHED)
    pair.ven_starts()
    pair.node = replace(pair.node, producer=replace(pair.node.producer, requests={}))
    lists = []
    for message in (
        CreateReport(request_id=RequestId("c1"), requests=(request(),), ven_id=VEN1),
        CreateReport(request_id=RequestId("c2"), requests=(capabilities(back=MINUTE),), ven_id=VEN1),
        CancelReport(request_id=RequestId("x1"), report_request_ids=(ReportRequestId("op1"),), ven_id=VEN1),
    ):
        reply = pair.ven_is_called(message)
        assert isinstance(reply, CreatedReport | CanceledReport)
        lists.append(reply.pending)

    assert lists == [("op1",), ("op1", "m1"), ("m1",)]


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
