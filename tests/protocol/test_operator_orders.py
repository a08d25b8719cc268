"""What a VTN's operator orders of one VEN besides events: reports, re-registration, the end."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.protocol import delivery, producer, vtn
from openadr_ra.protocol.messages import (
    CanceledPartyRegistration,
    CanceledReport,
    CancelOpt,
    CancelPartyRegistration,
    CancelReport,
    CreatedEvent,
    CreatedReport,
    CreatePartyRegistration,
    CreateReport,
    DistributeEvent,
    RegisteredReport,
    RegisterReport,
    RequestEvent,
    RequestReregistration,
    Response,
    UpdateReport,
)
from openadr_ra.protocol.model import OptId, Period, ReportRequestId, RequestId, Rid, SpecifierId
from openadr_ra.protocol.parts import HISTORY_USAGE, Report, ReportRequest, Result, SpecifierPayload
from openadr_ra.protocol.producer import Producer
from openadr_ra.protocol.step import AnyLetter, AskReports, EndRegistration, Fetched, Reregister, StopReports
from openadr_ra.protocol.times import Duration, duration
from openadr_ra.protocol.ven import Wanted
from openadr_ra.protocol.vtn import quiet_until
from tests.world import DAY, HOUR, IDENTITY, MINUTE, NOON, OFFER, SECOND, VEN1, Moments, Pair, code_of, reading, shed

START = NOON - HOUR
HISTORY = ReportRequest(
    id=ReportRequestId("h1"),
    specifier_id=SpecifierId("history"),
    interval=Period(start=START - 30 * MINUTE, duration=Duration(seconds=1800)),
    points=(SpecifierPayload(rid=Rid("bat.kw")),),
)
CAPABILITIES = ReportRequest(
    id=ReportRequestId("m1"), specifier_id=SpecifierId("METADATA"), points=(SpecifierPayload(rid=Rid("0")),)
)


def orders(pair: Pair, letter: AnyLetter) -> None:
    pair.party = vtn.receive(pair.party, letter, Moments().at(pair.now)).state


def measures(pair: Pair) -> None:
    """A constant 6 kW for hours around START."""
    pair.samples = [reading(start=START - 2 * HOUR + n * 30 * SECOND, value=6.0) for n in range(600)]


def live_request(pair: Pair) -> ReportRequestId:
    """The id of the standing request for usage by the minute."""
    return next(
        name for name, item in pair.party.reports.requests.items() if item.request.granularity == Duration(seconds=60)
    )


def test_history_is_served_from_what_was_stored(pair: Pair) -> None:
    """As many intervals as the buffer has, no less than a minute each; once."""
    measures(pair)
    orders(pair, AskReports(requests=(HISTORY,)))
    pair.ven_polls()
    pair.clock_reaches(pair.now + HOUR)

    found = [one for one in pair.recorded.values() if one.series == f"VEN1/{HISTORY_USAGE}/bat.kw"]
    assert [(one.start, one.span, one.value) for one in sorted(found, key=lambda one: one.start)] == [
        (START - 30 * MINUTE + n * MINUTE, MINUTE, 6.0) for n in range(30)
    ]
    assert HISTORY.id not in pair.node.producer.requests


def test_a_history_can_be_as_coarse_as_asked_for(pair: Pair) -> None:
    measures(pair)
    orders(pair, AskReports(requests=(replace(HISTORY, granularity=duration(15 * MINUTE)),)))
    pair.ven_polls()

    spans = {(one.start, one.span) for one in pair.recorded.values() if HISTORY_USAGE in one.series}
    assert spans == {(START - 30 * MINUTE, 15 * MINUTE), (START - 15 * MINUTE, 15 * MINUTE)}


@pytest.mark.parametrize(("granularity", "seconds"), [(0, 60), (60, 60), (58, 58), (57, 58), (1, 58), (3600, 3600)])
def test_a_day_of_history_is_told_in_minutes_and_never_in_more_than_1500_intervals(
    granularity: int, seconds: int
) -> None:
    """Whatever is asked for: a day in seconds would be some ten megabytes."""
    points = (SpecifierPayload(rid=Rid("bat.kw")),)
    day = Period(start=NOON - DAY, duration=duration(DAY))
    request = replace(HISTORY, granularity=Duration(seconds=granularity), interval=day, points=points)
    made = producer.create(producer.offer(Producer(), OFFER), (request,), NOON)
    _, (span,) = producer.due(made, NOON)

    report = delivery.written(made.requests[request.id], span, None, Fetched(tag="h", readings=()), NOON)

    assert report is not None
    assert len(report.intervals) == -(-86_400 // seconds) <= delivery.MOST_INTERVALS
    assert {each.duration for each in report.intervals[:-1]} == {Duration(seconds=seconds)}
    assert report.duration == Duration(seconds=86_400)


def test_what_the_ven_does_not_offer_is_not_asked_for(pair: Pair) -> None:
    orders(pair, AskReports(requests=(replace(HISTORY, specifier_id=SpecifierId("greenbutton")),)))

    assert isinstance(pair.vtn_is_polled(), Response)


def test_rule_306_at_both_ends_capabilities_can_be_asked_for_and_asking_ends_nothing(pair: Pair) -> None:
    before = set(pair.party.reports.requests)
    count = len([each for each in pair.said if isinstance(each.request, RegisterReport)])
    orders(pair, AskReports(requests=(CAPABILITIES,)))
    pair.ven_polls()
    pair.clock_reaches(pair.now + 5 * MINUTE)

    metadata = [each.request for each in pair.said if isinstance(each.request, RegisterReport)][count:]
    assert [each.report_request_id for each in metadata] == ["m1"]
    assert set(pair.party.reports.requests) == {*before, "m1"}
    assert not any(item.ending for item in pair.party.reports.requests.values())
    assert pair.party.debts == ()


def test_capabilities_come_at_once_and_then_once_a_period(pair: Pair) -> None:
    """The harness asks for them each minute."""
    orders(pair, AskReports(requests=(replace(CAPABILITIES, report_back=duration(MINUTE)),)))
    pair.ven_polls()
    since = len(pair.said)
    begin = pair.now
    pair.clock_reaches(begin + 3 * MINUTE)

    times = [each.at - begin for each in pair.said[since:] if isinstance(each.request, RegisterReport)]
    assert times == [MINUTE, 2 * MINUTE, 3 * MINUTE]
    assert ReportRequestId("m1") in pair.node.producer.requests


def test_capabilities_are_told_once_after_a_gap_however_long(pair: Pair) -> None:
    """Nobody wants to know what could be reported an hour ago."""
    orders(pair, AskReports(requests=(replace(CAPABILITIES, report_back=duration(MINUTE)),)))
    pair.ven_polls()
    pair.fates = iter(["request lost"] * 400)
    pair.clock_reaches(pair.now + HOUR)
    pair.fates = iter(())
    since = len(pair.said)
    pair.clock_reaches(pair.now + 90 * SECOND)

    told = [each for each in pair.said[since:] if isinstance(each.request, RegisterReport)]
    assert 1 <= len(told) <= 3


def test_a_report_that_is_stopped_is_sent_no_more(pair: Pair) -> None:
    live = live_request(pair)
    orders(pair, StopReports(ids=(live,)))
    pair.ven_polls()

    assert live not in pair.node.producer.requests
    assert live not in pair.party.reports.requests
    cancels = [each.reply for each in pair.said if isinstance(each.reply, CancelReport)]
    assert [(each.report_request_ids, each.to_follow) for each in cancels] == [((live,), False)]


def test_rule_345_at_both_ends_with_report_to_follow_one_last_report_comes_and_is_taken(pair: Pair) -> None:
    """About what was collected since the last update."""
    measures(pair)
    live = live_request(pair)
    pair.clock_reaches(START + 90 * SECOND)
    count = len(pair.said)
    orders(pair, StopReports(ids=(live,), to_follow=True))
    pair.ven_polls()
    pair.clock_reaches(pair.now + 5 * MINUTE)

    last = [
        (report, each.reply)
        for each in pair.said[count:]
        if isinstance(each.request, UpdateReport)
        for report in each.request.reports
        if report.request_id == live
    ]
    assert [(report.start, code_of(reply)) for report, reply in last] == [(START + MINUTE, "200")]
    assert live not in pair.node.producer.requests


def test_an_unknown_report_is_not_stopped(pair: Pair) -> None:
    orders(pair, StopReports(ids=(ReportRequestId("none"),)))

    assert isinstance(pair.vtn_is_polled(), Response)


def test_a_cancellation_is_repeated_until_it_is_confirmed(pair: Pair) -> None:
    orders(pair, StopReports(ids=(live_request(pair),)))
    assert isinstance(pair.vtn_is_polled(), CancelReport)
    assert isinstance(pair.vtn_is_polled(), Response)
    pair.now += 20 * SECOND
    assert isinstance(pair.vtn_is_polled(), CancelReport)


def test_a_re_registration_is_asked_for_until_it_takes_place(pair: Pair) -> None:
    """The acknowledgement alone is enough, too."""
    orders(pair, Reregister())
    orders(pair, Reregister())
    assert isinstance(pair.vtn_is_polled(), RequestReregistration)
    assert isinstance(pair.vtn_is_polled(), Response)
    pair.now += 20 * SECOND
    member, count = (
        pair.node.member,
        len([each for each in pair.said if isinstance(each.request, CreatePartyRegistration)]),
    )
    pair.ven_polls()

    creations = [each for each in pair.said if isinstance(each.request, CreatePartyRegistration)]
    assert len(creations) == count + 1
    assert pair.node.member == member
    assert pair.party.debts == ()


def test_a_registration_that_the_operator_ends_is_over_when_the_ven_confirms(pair: Pair) -> None:
    pair.vtn_publishes(shed())
    pair.ven_polls()
    orders(pair, EndRegistration())
    pair.ven_polls()

    assert pair.party.registration is None
    assert (pair.party.events, pair.party.reports.requests, pair.party.debts) == ({}, {}, ())
    assert pair.node.member.phase == "ended"
    assert pair.site.applied == []
    assert pair.journal[-1].what == "registration cancelled"


def test_an_end_that_is_not_confirmed_is_ordered_again(pair: Pair) -> None:
    orders(pair, EndRegistration())
    first = pair.vtn_is_polled()
    pair.now += 20 * SECOND

    assert isinstance(first, CancelPartyRegistration)
    assert pair.party.registration is not None
    assert first.registration_id == pair.party.registration.id
    assert isinstance(pair.vtn_is_polled(), CancelPartyRegistration)


def test_a_ven_that_is_not_registered_needs_no_end() -> None:
    pair = Pair()
    orders(pair, EndRegistration())

    assert pair.party.debts == ()


def test_a_confirmation_that_nobody_asked_for_ends_nothing(pair: Pair) -> None:
    """EPRI's VEN does not send one, others send it unasked."""
    before = pair.party
    reply = pair.vtn_hears(CanceledPartyRegistration(result=Result(), ven_id=VEN1))

    assert isinstance(reply, Response)
    assert pair.party == before


def test_a_ven_may_ask_the_vtn_for_its_capabilities(pair: Pair) -> None:
    """The VTN offers no data, but it says so, with the request's id."""
    pair.ven_receives(Wanted(requests=(CAPABILITIES,)))
    pair.clock_reaches(pair.now + MINUTE)

    (asked,) = [each for each in pair.said if isinstance(each.request, CreateReport)]
    assert isinstance(asked.reply, CreatedReport)
    assert asked.reply.pending == ("m1",)
    told = [each.reply for each in pair.said if isinstance(each.reply, RegisterReport)]
    assert [each.report_request_id for each in told] == [None, "m1"]
    assert len([each for each in pair.said if isinstance(each.request, RegisteredReport)]) == 2
    assert pair.node.debts == ()


def test_other_reports_of_the_vtn_are_answered_452_and_not_asked_for_again(pair: Pair) -> None:
    offered = Report(
        descriptions=(), request_id=ReportRequestId("0"), specifier_id=SpecifierId("vtn"), created=pair.now
    )
    pair.ven_hears(RegisterReport(request_id=RequestId("md"), reports=(offered,), ven_id=VEN1))
    pair.ven_receives(Wanted(requests=(replace(HISTORY, specifier_id=SpecifierId("vtn")),)))
    pair.clock_reaches(pair.now + MINUTE)

    asked = [each for each in pair.said if isinstance(each.request, CreateReport)]
    assert [code_of(each.reply) for each in asked] == ["452"]
    assert pair.node.requester.requests == {}
    assert pair.node.debts == ()


def test_a_cancellation_of_a_report_that_the_vtn_does_not_send_is_answered_452(pair: Pair) -> None:
    cancel = CancelReport(request_id=RequestId("x"), report_request_ids=(ReportRequestId("none"),), ven_id=VEN1)

    assert code_of(pair.vtn_hears(cancel)) == "452"


def test_a_confirmation_of_another_cancellation_stops_nothing(pair: Pair) -> None:
    orders(pair, StopReports(ids=(live_request(pair),)))
    pair.vtn_is_polled()
    before = pair.party

    pair.vtn_hears(CanceledReport(result=Result(request_id=RequestId("another")), ven_id=VEN1))

    assert pair.party == before


def test_what_the_ven_still_lists_is_not_stopped(pair: Pair) -> None:
    live = live_request(pair)
    orders(pair, StopReports(ids=(live,)))
    cancel = pair.vtn_is_polled()
    assert isinstance(cancel, CancelReport)

    pair.vtn_hears(CanceledReport(result=Result(request_id=cancel.request_id), pending=(live,), ven_id=VEN1))

    assert live in pair.party.reports.requests
    assert pair.party.debts == ()


@pytest.fixture
def report_only() -> Pair:
    """A VEN that reports and takes no events."""
    pair = Pair(identity=replace(IDENTITY, report_only=True))
    pair.vtn_publishes(shed())
    pair.ven_starts()
    return pair


def test_a_report_only_ven_registers_so_and_neither_asks_for_events_nor_hears_of_them(report_only: Pair) -> None:
    report_only.fates = iter(["request lost"])
    report_only.clock_reaches(START + MINUTE)
    report_only.ven_starts(offered=None)

    assert report_only.party.report_only
    said = {type(each.request) for each in report_only.said}
    assert RequestEvent not in said
    assert CreatedEvent not in said
    assert not [each for each in report_only.said if isinstance(each.reply, DistributeEvent)]
    assert [each for each in report_only.said if isinstance(each.request, RegisterReport)]


def test_a_report_only_ven_is_quiet_though_there_are_events(report_only: Pair) -> None:
    until = quiet_until(report_only.party, report_only.now, report_only.terms)

    assert until == report_only.now + DAY


def test_a_report_only_ven_that_uses_events_or_opts_is_answered_451(report_only: Pair) -> None:
    for message in (
        RequestEvent(request_id=RequestId("r"), ven_id=VEN1),
        CreatedEvent(result=Result(), ven_id=VEN1),
        CancelOpt(request_id=RequestId("r"), opt_id=OptId("o"), ven_id=VEN1),
    ):
        assert code_of(report_only.vtn_hears(message)) == "451"
