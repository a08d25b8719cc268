"""What the VTN asks of a VEN that offers reports: the standing requests, their repetition, their end."""

from __future__ import annotations

from datetime import datetime, timedelta

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
from openadr_ra.protocol.model import ReportRequestId, RequestId, ResourceId, Rid, SpecifierId
from openadr_ra.protocol.parts import (
    HISTORY_USAGE,
    TELEMETRY_STATUS,
    TELEMETRY_USAGE,
    X_RESPONSE,
    Report,
    ReportName,
    ReportRequest,
    Result,
    SpecifierPayload,
)
from openadr_ra.protocol.report import (
    usage_description,
)
from openadr_ra.protocol.requester import MAX_ENDING, Wanted, plain_name
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.times import Duration
from openadr_ra.protocol.ven import Answered
from openadr_ra.protocol.vtn import Terms
from tests.protocol.reports import asked, offered, sampled
from tests.world import METADATA, MINUTE, NOON, OFFER, SECOND, VEN1, VTN1, Pair, code_of

INSTANT = timedelta(microseconds=1)


@pytest.fixture
def vtn() -> Pair:
    """A VEN that is registered and has not said what it can report."""
    pair = Pair()
    pair.ven_starts()
    pair.party = replace(pair.party, reports=type(pair.party.reports)(), debts=())
    return pair


def test_three_kinds_of_standing_reports_are_asked_for_in_the_answer_to_metadata(vtn: Pair) -> None:
    """Live usage and status, the half hours of the market, and the response in each event's intervals."""
    requests = asked(vtn.vtn_hears(METADATA))

    assert set(requests) == {("usage", 60), ("usage", 1800), ("status", 60), ("response", 0)}
    for (_, seconds), request in requests.items():
        assert request.report_back == Duration(seconds=seconds or 1800)
    live = requests[SpecifierId("usage"), 60]
    assert [point.rid for point in live.points] == ["bat.kw", "bat.kwh"]


def test_rule_321_x_rep_8_at_the_vtn_a_request_leaves_out_what_the_rule_forbids(vtn: Pair) -> None:
    for request in asked(vtn.vtn_hears(METADATA)).values():
        assert {(point.unit, point.reading_type) for point in request.points} == {(None, "x-notApplicable")}
        interval = request.interval
        assert interval is not None
        assert (interval.startafter, interval.notification, interval.ramp_up, interval.recovery) == (None,) * 4
        assert interval.duration == Duration()


def test_x_rep_5_at_the_vtn_request_ids_are_unique_and_not_zero(vtn: Pair) -> None:
    ids = [request.id for request in asked(vtn.vtn_hears(METADATA)).values()]

    assert len(set(ids)) == len(ids)
    assert not {"", "0"} & set(ids)


@pytest.mark.parametrize(
    ("now", "live", "slot"),
    [
        (NOON, NOON, NOON),
        (NOON + 29 * MINUTE + 59 * SECOND, NOON + 29 * MINUTE, NOON),
        (NOON + 30 * MINUTE + 1.5 * SECOND, NOON + 30 * MINUTE, NOON + 30 * MINUTE),
    ],
)
def test_standing_reports_begin_on_the_clock(vtn: Pair, now: datetime, live: datetime, slot: datetime) -> None:
    """Half hours on :00 and :30."""
    vtn.now = now
    requests = asked(vtn.vtn_hears(METADATA))

    for seconds, begins in ((60, live), (1800, slot)):
        interval = requests[SpecifierId("usage"), seconds].interval
        assert interval is not None
        assert interval.start == begins


@pytest.mark.parametrize(
    ("wanted", "shortest", "longest", "expected"),
    [
        (Wanted(), Duration(seconds=60), Duration(seconds=1800), {60, 1800}),
        (Wanted(), Duration(seconds=61), Duration(seconds=1800), {61, 1800}),
        (Wanted(), Duration(seconds=1), Duration(seconds=59), {59}),
        (Wanted(), Duration(seconds=1), Duration(seconds=1799), {60}),
        (Wanted(), Duration(seconds=1801), Duration(seconds=3600), {1801}),
        (Wanted(live_s=1800), Duration(seconds=1), Duration(seconds=1800), {1800}),
        (Wanted(live_s=10, slot_s=0), Duration(seconds=1), Duration(seconds=1800), {10}),
        (Wanted(), Duration(), Duration(), {1}),
        (Wanted(), Duration(seconds=300), Duration(seconds=300), {300}),
    ],
)
def test_x_rep_6_at_the_vtn_what_is_asked_for_is_within_what_can_be_sampled(
    vtn: Pair, wanted: Wanted, shortest: Duration, longest: Duration, expected: set[int]
) -> None:
    vtn.terms = Terms(vtn_id=VTN1, wanted=wanted)
    usage = sampled(METADATA.reports[0], shortest, longest)

    requests = asked(vtn.vtn_hears(replace(METADATA, reports=(usage,))))

    assert {seconds for _, seconds in requests} == expected


def test_an_offer_that_says_nothing_of_sampling_is_taken_to_mean_anything(vtn: Pair) -> None:
    plain = replace(
        METADATA.reports[0],
        descriptions=tuple(replace(each, sampling=None) for each in METADATA.reports[0].descriptions),
    )

    assert {seconds for _, seconds in asked(vtn.vtn_hears(replace(METADATA, reports=(plain,))))} == {60, 1800}


@pytest.mark.parametrize("name", ["METADATA_HISTORY_USAGE", "x-OTHER"])
def test_nothing_is_asked_of_reports_that_nobody_here_needs(vtn: Pair, name: str) -> None:
    other = replace(METADATA.reports[0], name=ReportName(Token(name)))
    empty = replace(METADATA.reports[1], descriptions=())

    assert asked(vtn.vtn_hears(replace(METADATA, reports=(other, empty)))) == {}


def test_a_report_without_a_name_is_usage_and_the_prefix_is_no_part_of_a_name() -> None:
    assert {plain_name(each) for each in METADATA.reports} == {
        TELEMETRY_USAGE, TELEMETRY_STATUS, HISTORY_USAGE, X_RESPONSE,
    }  # fmt: skip
    assert plain_name(replace(METADATA.reports[0], name=None)) == TELEMETRY_USAGE


def test_metadata_that_comes_twice_asks_for_nothing_twice(vtn: Pair) -> None:
    asked(vtn.vtn_hears(METADATA))
    before = vtn.party

    again = asked(vtn.vtn_hears(METADATA))

    assert again == {}
    assert vtn.party == before


def standing(pair: Pair) -> set[tuple[str, int, tuple[str, ...]]]:
    """Specifier, granularity and points of each request that is not to be cancelled."""
    return {
        (item.request.specifier_id, item.request.granularity.seconds, tuple(point.rid for point in item.request.points))
        for item in pair.party.reports.requests.values()
        if not item.ending
    }


def stopped(reply: Message) -> tuple[str, ...]:
    """The requests that an oadrCancelReport names."""
    assert isinstance(reply, CancelReport)
    assert not reply.to_follow
    return reply.report_request_ids


def test_new_metadata_replaces_the_old_as_a_whole(vtn: Pair) -> None:
    """Requests for what is not offered any more are cancelled; what is new is asked for."""
    old = asked(vtn.vtn_hears(replace(METADATA, reports=METADATA.reports[:1])))
    requests = asked(vtn.vtn_hears(replace(METADATA, reports=METADATA.reports[1:])))

    assert set(requests) == {("status", 60), ("response", 0)}
    assert {name for name, *_ in standing(vtn)} == {"status", "response"}
    assert set(stopped(vtn.vtn_is_polled())) == {request.id for request in old.values()}


def test_a_request_that_the_new_metadata_does_not_allow_is_cancelled(vtn: Pair) -> None:
    """Its rate cannot be had any more; the rate that can be had is asked for, the other goes on."""
    old = asked(vtn.vtn_hears(METADATA))
    slower = sampled(METADATA.reports[0], Duration(seconds=300), Duration(seconds=1800))

    requests = asked(vtn.vtn_hears(replace(METADATA, reports=(slower, *METADATA.reports[1:]))))

    assert set(requests) == {("usage", 300)}
    assert stopped(vtn.vtn_is_polled()) == (old[SpecifierId("usage"), 60].id,)
    assert {(name, seconds) for name, seconds, _ in standing(vtn)} == {
        ("usage", 300), ("usage", 1800), ("status", 60), ("response", 0),
    }  # fmt: skip


def test_a_request_that_nobody_was_asked_for_needs_no_cancellation(vtn: Pair) -> None:
    """One that seems not to have arrived is cancelled all the same: it may have."""
    vtn.vtn_hears(METADATA)
    lost = requester.unsent(vtn.party.reports, everything(vtn))
    unasked = {name: replace(item, asked_under=RequestId("")) for name, item in lost.requests.items()}
    for held, told in ((replace(lost, requests=unasked), Response), (lost, CancelReport)):
        vtn.party = replace(vtn.party, reports=held)
        vtn.vtn_hears(replace(METADATA, reports=()))
        assert isinstance(vtn.vtn_is_polled(), told)
    assert all(item.ending for item in vtn.party.reports.requests.values())


def everything(pair: Pair) -> CreateReport:
    requests = tuple(item.request for item in pair.party.reports.requests.values())
    return CreateReport(request_id=RequestId("cr"), requests=requests, ven_id=VEN1)


def test_what_still_comes_of_a_cancelled_request_is_taken_until_the_ven_confirms(vtn: Pair) -> None:
    """A report that was on its way is not lost."""
    old = asked(vtn.vtn_hears(METADATA))[SpecifierId("response"), 0]
    vtn.vtn_hears(replace(METADATA, reports=METADATA.reports[:3]))
    late = UpdateReport(
        request_id=RequestId("u1"),
        reports=(Report(start=NOON, request_id=old.id, specifier_id=old.specifier_id, created=NOON),),
        ven_id=VEN1,
    )
    assert code_of(vtn.vtn_hears(late)) == "200"

    cancel = vtn.vtn_is_polled()
    assert isinstance(cancel, CancelReport)
    vtn.vtn_hears(CanceledReport(result=Result(request_id=cancel.request_id), ven_id=VEN1))

    assert code_of(vtn.vtn_hears(late)) == "452"


def test_a_ven_that_never_confirms_does_not_fill_its_row(vtn: Pair) -> None:
    for number in range(30):
        name = Rid(f"bat-{number}.kw")
        points = (replace(METADATA.reports[0].descriptions[0], rid=name),)
        vtn.vtn_hears(replace(METADATA, reports=(replace(METADATA.reports[0], descriptions=points),)))

    assert len(vtn.party.reports.requests) == MAX_ENDING + 2


def test_a_point_that_is_new_is_asked_for_and_no_other_report_is_interrupted(pair: Pair) -> None:
    """A device that joins the fleet. The VEN may be serving the old request, so the new one has an id of its own."""
    before = dict(pair.node.producer.requests)
    pair.ven_receives(replace(OFFER, usage=(*OFFER.usage, usage_description(ResourceId("pv"), "kw", "m2"))))
    pair.clock_reaches(pair.now + MINUTE)

    after = pair.node.producer.requests
    assert after.keys() == pair.party.reports.requests.keys()
    assert len(after) == 4
    for name, served in after.items():
        if served.name == TELEMETRY_USAGE:
            assert [point.rid for point in served.request.points] == ["bat.kw", "bat.kwh", "pv.kw"]
        else:
            assert served.request == before[name].request
    assert all(item.running for item in pair.party.reports.requests.values())


def test_an_offer_that_has_not_changed_is_not_registered_again(pair: Pair) -> None:
    count = len(pair.said)
    pair.ven_receives(OFFER)
    pair.settles()

    assert len(pair.said) == count


def test_an_offer_that_changes_before_the_registration_waits_for_it() -> None:
    pair = Pair()
    pair.ven_receives(OFFER)
    assert pair.node.debts == ()

    pair.ven_starts(offered=None)

    assert len(offered(pair).reports) == 4


def test_requests_are_acknowledged_under_the_requestid_of_the_metadata(pair: Pair) -> None:
    """And listed as pending, so that the VTN knows them to run."""
    (created,) = [each.request for each in pair.said if isinstance(each.request, CreatedReport)]
    assert isinstance(created, CreatedReport)

    assert created.result == Result(request_id=offered(pair).request_id)
    assert set(created.pending) == set(pair.party.reports.requests)
    assert all(item.running for item in pair.party.reports.requests.values())
    assert isinstance(pair.vtn_is_polled(), Response)


def test_requests_that_were_not_acknowledged_come_with_a_poll(vtn: Pair) -> None:
    """EPRI's VEN ignores those in oadrRegisteredReport. They are repeated until the VEN lists or serves them."""
    requests = asked(vtn.vtn_hears(METADATA))
    assert isinstance(vtn.vtn_is_polled(), Response)
    vtn.now += 20 * SECOND - INSTANT
    assert isinstance(vtn.vtn_is_polled(), Response)
    vtn.now += INSTANT
    assert asked(vtn.vtn_is_polled()) == requests

    usage = requests[SpecifierId("usage"), 60]
    pending = (usage.id, ReportRequestId("another"))
    assert code_of(vtn.vtn_hears(CreatedReport(result=Result(), pending=pending, ven_id=VEN1))) == "200"
    vtn.now += 20 * SECOND
    assert set(asked(vtn.vtn_is_polled())) == {("usage", 1800), ("status", 60), ("response", 0)}


def test_a_request_that_is_served_needs_no_acknowledgement(vtn: Pair) -> None:
    requests = asked(vtn.vtn_hears(METADATA))
    report = Report(
        start=NOON,
        request_id=requests[SpecifierId("status"), 60].id,
        specifier_id=SpecifierId("status"),
        name=TELEMETRY_STATUS,
        created=NOON,
    )

    answer = vtn.vtn_hears(UpdateReport(request_id=RequestId("u1"), reports=(report,), ven_id=VEN1))

    assert answer == UpdatedReport(result=Result(request_id=RequestId("u1")), ven_id=VEN1)
    vtn.now += 20 * SECOND
    assert ("status", 60) not in asked(vtn.vtn_is_polled())


def test_a_ven_takes_requests_that_come_with_a_poll(pair: Pair) -> None:
    request = ReportRequest(
        id=ReportRequestId("rr-x"),
        specifier_id=SpecifierId("usage"),
        granularity=Duration(seconds=60),
        report_back=Duration(seconds=60),
        points=(SpecifierPayload(rid=Rid("bat.kw")),),
    )

    pair.ven_hears(CreateReport(request_id=RequestId("cr1"), requests=(request,), ven_id=VEN1))
    pair.settles()

    created = [each.request for each in pair.said if isinstance(each.request, CreatedReport)][-1]
    assert isinstance(created, CreatedReport)
    assert created.result == Result(request_id=RequestId("cr1"))
    assert set(created.pending) == {"rr-x", *pair.party.reports.requests}


def test_rule_306_at_the_ven_metadata_can_be_asked_for_and_quotes_the_request(pair: Pair) -> None:
    """oadrCreatedReport, then an oadrRegisterReport with the request's id at the payload, and 0 in its reports."""
    request = ReportRequest(
        id=ReportRequestId("rr-m"), specifier_id=SpecifierId("METADATA"), points=(SpecifierPayload(rid=Rid("0")),)
    )
    since = len(pair.said)

    pair.ven_hears(CreateReport(request_id=RequestId("cr1"), requests=(request,), ven_id=VEN1))
    pair.settles()

    said = [each.request for each in pair.said[since:]]
    assert [type(each) for each in said[:2]] == [CreatedReport, RegisterReport]
    assert code_of(said[0]) == "200"
    assert offered(pair).report_request_id == "rr-m"
    assert {report.request_id for report in offered(pair).reports} == {"0"}


def test_an_answer_to_metadata_without_requests_needs_no_acknowledgement(pair: Pair) -> None:
    since = len(pair.said)
    for answer in (None, Response(result=Result()), RegisteredReport(result=Result())):
        pair.ven_receives(Answered(request=METADATA, answer=answer))
    pair.settles()

    assert len(pair.said) == since
