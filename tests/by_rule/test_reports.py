"""EiReport at whichever end asks and whichever end serves: what is asked for, and what a wrong request is answered with."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from openadr_ra.errors import InvalidData
from openadr_ra.protocol.messages import CreateReport, RegisterReport
from openadr_ra.protocol.model import ReportRequestId, RequestId
from openadr_ra.protocol.parts import HISTORY_USAGE, NOT_APPLICABLE, TELEMETRY_USAGE, ReportRequest
from openadr_ra.protocol.report import METADATA_SPECIFIER
from openadr_ra.protocol.requester import Requester
from openadr_ra.protocol.step import AskReports, Offer
from openadr_ra.protocol.times import Duration
from openadr_ra.run.wanted import WantedReport, requests
from tests.by_rule.session import one, said, texts
from tests.duplex import PUSHED, Duplex
from tests.protocol.answers import request
from tests.protocol.reports import sampled
from tests.world import HOUR, METADATA, MINUTE, NOON, OFFER, SECOND, VEN1, Pair, code_of, reading

OFFERED = Requester(
    offered=tuple(sampled(each, Duration(seconds=60), Duration(seconds=1800)) for each in METADATA.reports)
)
"""What the other side has, once a minute at most."""


def asked(wanted: WantedReport) -> tuple[ReportRequest, ...]:
    """The requests that either end makes of what its operator wants."""
    return requests((wanted,), OFFERED, NOON)


@pytest.mark.parametrize(
    ("granularity", "back", "allowed"),
    [
        (timedelta(0), timedelta(0), True),
        (MINUTE, timedelta(0), False),
        (SECOND, timedelta(0), False),
        (timedelta(0), MINUTE, False),
    ],
    ids=["as it was kept", "in minutes", "in seconds", "again and again"],
)
def test_x_rep_7_at_both_ends_history_is_asked_for_as_it_was_kept_and_not_otherwise(
    granularity: timedelta, back: timedelta, allowed: bool
) -> None:
    wanted = WantedReport(name=HISTORY_USAGE, granularity=granularity, back=back, start=NOON - 2 * HOUR, duration=HOUR)
    if not allowed:
        with pytest.raises(InvalidData):
            asked(wanted)
        return

    (made,) = asked(wanted)
    assert (made.granularity, made.report_back) == (Duration(), Duration())


@pytest.mark.parametrize(("seconds", "allowed"), [(0, True), (59, False), (60, True), (61, True)])
def test_x_rep_6_at_both_ends_nothing_is_asked_for_faster_than_it_is_sampled(seconds: int, allowed: bool) -> None:
    wanted = WantedReport(name=TELEMETRY_USAGE, granularity=seconds * SECOND, back=2 * MINUTE)
    if not allowed:
        with pytest.raises(InvalidData, match="granularity"):
            asked(wanted)
        return

    assert {each.granularity for each in asked(wanted)} == {Duration(seconds=seconds)}


def test_rule_321_x_rep_8_at_both_ends_an_order_becomes_a_request_without_what_is_forbidden() -> None:
    for each in asked(WantedReport(name=TELEMETRY_USAGE, back=MINUTE, start=NOON, duration=HOUR)):
        assert {(point.unit, point.reading_type) for point in each.points} == {(None, NOT_APPLICABLE)}
        period = each.interval
        assert period is not None
        assert (period.startafter, period.notification, period.ramp_up, period.recovery) == (None,) * 4


@pytest.fixture
def both() -> Duplex:
    """A VTN and a push VEN that offer each other their usage."""
    pair = Duplex(identity=PUSHED)
    pair.vtn_takes(Offer(usage=OFFER.usage, status=(), response=()))
    pair.ven_starts()
    return pair


WRONG = [
    pytest.param(replace(request(), id=ReportRequestId("")), id="no id"),
    pytest.param(replace(request(), id=ReportRequestId("0")), id="id 0"),
    pytest.param(request(specifier="USAGE"), id="specifier"),
    pytest.param(request("BAT.kw"), id="rID"),
]


@pytest.mark.parametrize("bad", WRONG)
def test_rules_21_33_x_rep_5_at_the_vtn_a_request_with_a_wrong_id_is_answered_452(
    both: Duplex, bad: ReportRequest
) -> None:
    """Whatever is right in the same message; nothing of it is served."""
    message = CreateReport(request_id=RequestId("cr"), requests=(request(), bad), ven_id=VEN1)

    assert code_of(both.vtn_hears(message)) == "452"
    assert both.party.producer.requests == {}
    assert code_of(both.vtn_hears(replace(message, requests=(request(),)))) == "200"


@pytest.mark.parametrize("bad", WRONG)
def test_rules_21_33_x_rep_5_at_the_ven_a_request_with_a_wrong_id_is_answered_452(
    both: Duplex, bad: ReportRequest
) -> None:
    before = dict(both.node.producer.requests)
    message = CreateReport(request_id=RequestId("cr"), requests=(request(), bad), ven_id=VEN1)

    assert code_of(both.ven_is_called(message)) == "452"
    assert both.node.producer.requests == before
    assert code_of(both.ven_is_called(replace(message, requests=(request(),)))) == "200"


def test_rules_306_311_at_the_vtn_a_request_for_metadata_is_answered_by_it_under_the_requests_id(both: Duplex) -> None:
    """0 in its reports, the request's id in the message."""
    capabilities = replace(
        request("0"), specifier_id=METADATA_SPECIFIER, granularity=Duration(), report_back=Duration()
    )
    assert (
        code_of(both.vtn_hears(CreateReport(request_id=RequestId("cr"), requests=(capabilities,), ven_id=VEN1)))
        == "200"
    )
    since = len(both.pushes)
    both.clock_reaches(both.now + MINUTE)

    (sent,) = [each.request for each in both.pushes[since:] if isinstance(each.request, RegisterReport)]
    (message,) = said(both.now, sent).find("//oadr:oadrRegisterReport")
    assert one(message, "ei:reportRequestID") == "rr1"
    assert set(texts(message, "oadr:oadrReport/ei:reportRequestID")) == {"0"}


def test_rule_301_at_both_ends_metadata_is_registered_after_every_new_registration_and_empty_if_there_is_none() -> None:
    pair = Pair()
    pair.ven_starts(offered=None)
    for _ in range(2):
        ours = [each.request for each in pair.said if isinstance(each.request, RegisterReport)]
        theirs = [each.reply for each in pair.said if isinstance(each.reply, RegisterReport)]
        assert ours
        assert theirs
        assert {each.reports for each in (*ours, *theirs)} == {()}
        pair.said.clear()
        pair.party = replace(pair.party, registration=None)
        pair.clock_reaches(pair.now + 2 * MINUTE)


def test_rule_510_at_the_ven_a_hundred_values_of_the_past_are_told_at_once(both: Duplex) -> None:
    """One a minute, of a link that was down or of a VTN that asks late; each with its own value."""
    both.samples = [reading(start=NOON - 3 * HOUR + n * MINUTE, value=float(n)) for n in range(100)]
    wanted = WantedReport(name=HISTORY_USAGE, points=("bat.kw",), start=NOON - 3 * HOUR, duration=100 * MINUTE)
    both.vtn_takes(AskReports(requests=requests((wanted,), both.party.reports, both.now)))
    both.clock_reaches(both.now + MINUTE)

    found = sorted(one.value for one in both.recorded.values() if HISTORY_USAGE in one.series)
    assert found == [float(n) for n in range(100)]


def test_rule_510_at_both_ends_metadata_is_offered_and_by_the_ven_usage_and_status(both: Duplex) -> None:
    ours = [each.request for each in both.said if isinstance(each.request, RegisterReport)]
    theirs = [each.request for each in both.pushes if isinstance(each.request, RegisterReport)]

    assert len(theirs) == 1
    names = {str(report.name) for message in ours for report in message.reports}
    assert {"METADATA_TELEMETRY_USAGE", "METADATA_TELEMETRY_STATUS"} <= names
