"""Reports that the VTN produces: offered to the VEN, asked for by it, brought by its polls."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.protocol.messages import (
    CanceledReport,
    CancelReport,
    CreatedReport,
    CreateReport,
    RegisterReport,
    Response,
    UpdatedReport,
    UpdateReport,
)
from openadr_ra.protocol.model import Period, ReportRequestId, RequestId, ResourceId, Rid, SpecifierId
from openadr_ra.protocol.parts import ReportRequest, Result, SpecifierPayload
from openadr_ra.protocol.report import usage_description
from openadr_ra.protocol.step import Fetched, Offer
from openadr_ra.protocol.times import Duration, duration
from openadr_ra.protocol.ven import Wanted
from openadr_ra.protocol.vtn import receive
from tests.world import HOUR, MINUTE, NOON, SECOND, VEN1, Moments, Pair, code_of, reading

START = NOON - HOUR
AREA = Offer(usage=(usage_description(ResourceId("area"), "kw", "grid"),), status=(), response=())
LOAD = ReportRequest(
    id=ReportRequestId("v1"),
    specifier_id=SpecifierId("usage"),
    granularity=Duration(seconds=60),
    report_back=Duration(seconds=60),
    interval=Period(start=START),
    points=(SpecifierPayload(rid=Rid("area.kw")),),
)
SERIES = "Vtn1/TELEMETRY_USAGE/area.kw"


@pytest.fixture
def offering() -> Pair:
    """A VTN that measures its area, and a VEN that has been told so."""
    pair = Pair()
    pair.vtn_takes(AREA)
    pair.ven_starts()
    pair.vtn_samples = [reading("live/area.kw", start=START + n * 10 * SECOND, value=50.0) for n in range(720)]
    return pair


def asks(pair: Pair, *requests: ReportRequest) -> CreatedReport:
    reply = pair.vtn_hears(CreateReport(request_id=RequestId("cr"), requests=requests, ven_id=VEN1))
    assert isinstance(reply, CreatedReport)
    return reply


def test_what_the_vtn_offers_is_in_its_metadata(offering: Pair) -> None:
    (metadata,) = [each.reply for each in offering.said if isinstance(each.reply, RegisterReport)]
    assert isinstance(metadata, RegisterReport)

    assert [point.rid for report in metadata.reports for point in report.descriptions] == ["area.kw", "area.kw"]
    assert {report.specifier_id for report in metadata.reports} == {"usage", "history"}


def test_what_a_registered_ven_is_offered_later_it_is_told_at_once(pair: Pair) -> None:
    pair.vtn_takes(AREA)
    pair.vtn_takes(AREA)

    metadata = pair.vtn_is_polled()

    assert isinstance(metadata, RegisterReport)
    assert metadata.reports
    assert isinstance(pair.vtn_is_polled(), Response)


def test_a_report_that_the_ven_asked_for_comes_with_its_polls(offering: Pair) -> None:
    """Period by period, kept under the VTN's name."""
    offering.ven_receives(Wanted(requests=(LOAD,)))
    offering.clock_reaches(START + 3 * MINUTE + 15 * SECOND)

    found = sorted(offering.of_the_vtn, key=lambda one: one.start)
    assert [(one.series, one.start, one.span, one.value) for one in found] == [
        (SERIES, START + n * MINUTE, MINUTE, 50.0) for n in range(3)
    ]
    assert offering.party.debts == ()


def test_rule_33_x_rep_5_at_the_vtn_an_id_that_is_in_use_for_another_request_is_refused(offering: Pair) -> None:
    """It goes on as it was; the same request is answered again."""
    asks(offering, LOAD)
    served = offering.party.producer.requests

    assert asks(offering, replace(LOAD, report_back=Duration(seconds=120))).result.code == "459"
    assert offering.party.producer.requests == served
    again = asks(offering, LOAD)
    assert (again.result.code, again.pending) == ("200", ("v1",))


def test_a_report_that_is_not_acknowledged_is_told_again_and_the_next_ones_wait(offering: Pair) -> None:
    asks(offering, LOAD)
    offering.now = START + 5 * MINUTE
    first = offering.vtn_is_polled()
    assert isinstance(first, UpdateReport)
    assert isinstance(offering.vtn_is_polled(), Response)

    offering.now += 20 * SECOND
    again = offering.vtn_is_polled()

    assert isinstance(again, UpdateReport)
    assert again.request_id == first.request_id
    assert [replace(report, created=NOON) for report in again.reports] == [
        replace(report, created=NOON) for report in first.reports
    ]
    offering.vtn_hears(UpdatedReport(result=Result(request_id=again.request_id), ven_id=VEN1))
    following = offering.vtn_is_polled()
    assert isinstance(following, UpdateReport)
    assert following.reports[0].start == START + MINUTE


@pytest.mark.parametrize(
    "bad",
    [
        replace(LOAD, specifier_id=SpecifierId("none")),
        replace(LOAD, points=(SpecifierPayload(rid=Rid("area.kwh")),)),
        replace(LOAD, id=ReportRequestId("0")),
    ],
    ids=["specifier", "rID", "id 0"],
)
def test_what_the_vtn_does_not_offer_is_answered_452(offering: Pair, bad: ReportRequest) -> None:
    before = offering.party

    assert asks(offering, bad).result.code == "452"
    assert offering.party == before


def test_a_report_that_the_ven_cancels_comes_no_more(offering: Pair) -> None:
    assert asks(offering, LOAD).pending == ("v1",)
    offering.now = START + 90 * SECOND
    cancel = CancelReport(request_id=RequestId("x"), report_request_ids=(LOAD.id,), ven_id=VEN1)

    reply = offering.vtn_hears(cancel)

    assert reply == CanceledReport(result=Result(request_id=RequestId("x")), ven_id=VEN1)
    assert isinstance(offering.vtn_is_polled(), Response)
    assert code_of(offering.vtn_hears(cancel)) == "452"


def test_rule_345_at_the_vtn_with_report_to_follow_one_last_report_comes(offering: Pair) -> None:
    asks(offering, LOAD)
    offering.now = START + 40 * SECOND
    cancel = CancelReport(request_id=RequestId("x"), report_request_ids=(LOAD.id,), to_follow=True, ven_id=VEN1)
    assert code_of(offering.vtn_hears(cancel)) == "200"

    last = offering.vtn_is_polled()

    assert isinstance(last, UpdateReport)
    assert (last.reports[0].start, last.reports[0].duration) == (START, duration(40 * SECOND))


def test_x_rep_10_at_the_vtn_the_ven_may_cancel_with_its_acknowledgement(offering: Pair) -> None:
    asks(offering, LOAD)
    offering.now = START + MINUTE
    update = offering.vtn_is_polled()
    assert isinstance(update, UpdateReport)
    cancel = CancelReport(request_id=RequestId("x"), report_request_ids=(LOAD.id, ReportRequestId("none")), ven_id=VEN1)

    offering.vtn_hears(UpdatedReport(result=Result(request_id=update.request_id), cancel=cancel, ven_id=VEN1))

    offering.now += HOUR
    assert isinstance(offering.vtn_is_polled(), Response)


def test_readings_that_no_report_waits_for_are_no_reply(offering: Pair) -> None:
    outcome = receive(offering.party, Fetched(tag="data-none", readings=()), Moments().at(offering.now))

    assert [type(reply) for reply in outcome.replies] == [Response]
    assert outcome.state == offering.party
