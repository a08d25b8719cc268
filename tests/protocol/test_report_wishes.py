"""Reports of the VTN's own: what a VEN wants of them, how it asks, and what it does with them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.protocol.messages import (
    CreatedReport,
    CreateReport,
    UpdatedReport,
)
from openadr_ra.protocol.model import Period, ReportRequestId, RequestId
from openadr_ra.protocol.parts import Result
from openadr_ra.protocol.times import Duration
from openadr_ra.protocol.ven import Answered, Wanted
from openadr_ra.protocol.vtn import Party
from tests.duplex import PUSHED, Duplex
from tests.protocol.wishes import capabilities, request, said
from tests.world import DAY, HOUR, MINUTE, NOON, OFFER, SECOND, VEN1, Pair, code_of, reading

START = NOON - HOUR


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


def test_rule_406_at_the_ven_what_was_to_come_again_and_again_is_asked_for_anew_after_a_new_registration(
    tariff: Pair,
) -> None:
    """One-shot requests that were promised are not: they may have been served."""
    tariff.ven_receives(Wanted(requests=(request("a"), capabilities("m"))))
    tariff.clock_reaches(tariff.now + MINUTE)
    tariff.party = Party(ven_id=VEN1, producer=replace(tariff.party.producer, requests={}))
    since = len(tariff.said)
    tariff.clock_reaches(tariff.now + 2 * MINUTE)

    asked = [each for each in said(tariff, CreateReport, since) if isinstance(each, CreateReport)]
    assert [[one.id for one in each.requests] for each in asked] == [["a"]]
    assert set(tariff.party.producer.requests) == {"a"}


def test_rule_304_at_the_ven_a_report_that_it_does_not_know_is_answered_452_and_sent_no_more(tariff: Pair) -> None:
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
