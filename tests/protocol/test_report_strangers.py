"""What certified VENs register and send that ours does not, and METADATA that changes while it is on its way."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.protocol.messages import CreatedReport, RegisteredReport, RegisterReport, UpdateReport
from openadr_ra.protocol.model import PowerReal, ReportRequestId, RequestId, ResourceId, Rid, ScaleCode, SpecifierId
from openadr_ra.protocol.parts import (
    DIRECT_READ,
    GOOD,
    Interval,
    LoadControlLevel,
    LoadControlState,
    ReadingType,
    Report,
    ReportDescription,
    ReportName,
    ReportPayload,
    ReportType,
    ResourceStatus,
    Result,
    SamplingRate,
)
from openadr_ra.protocol.report import usage_description
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.step import Offer
from openadr_ra.protocol.times import Duration
from tests.protocol.reports import asked, offered, series
from tests.protocol.wishes import asks, request
from tests.world import HOUR, MINUTE, NOON, OFFER, VEN1, Fate, Pair, code_of

MINUTELY = SamplingRate(minimum=Duration(seconds=60), maximum=Duration(seconds=60), on_change=True)
NOBODY = ReportRequestId("rr-nobody")
AREA = Offer(usage=(usage_description(ResourceId("area"), "kw", "grid"),), status=(), response=())


def metadata(name: str, point: ReportDescription) -> RegisterReport:
    """One report of a stranger's with one point."""
    report = Report(
        duration=Duration(seconds=3600),
        descriptions=(point,),
        request_id=ReportRequestId("0"),
        specifier_id=SpecifierId("s1"),
        name=ReportName(Token(name)),
        created=NOON,
    )
    return RegisterReport(request_id=RequestId("md9"), reports=(report,), ven_id=VEN1)


def update(
    request: ReportRequestId, name: str | None, *payloads: ReportPayload, length: int | None = 60
) -> UpdateReport:
    interval = Interval(start=NOON, duration=None if length is None else Duration(seconds=length), payloads=payloads)
    report = Report(
        start=NOON,
        intervals=(interval,),
        request_id=request,
        specifier_id=SpecifierId("s1"),
        name=None if name is None else ReportName(Token(name)),
        created=NOON,
    )
    return UpdateReport(request_id=RequestId("u9"), reports=(report,), ven_id=VEN1)


@pytest.mark.parametrize("kind", ["reading", "usage", "demand", "avgDemand", "x-own"])
@pytest.mark.parametrize("reading_type", ["Direct Read", "Mean", "x-notApplicable", "x-own"])
@pytest.mark.parametrize("sampling", [None, MINUTELY], ids=["no sampling rate", "on change"])
def test_points_are_matched_by_rid_whatever_is_said_of_them(
    pair: Pair, kind: str, reading_type: str, sampling: SamplingRate | None
) -> None:
    """Without an itemBase the values are taken as they are."""
    point = ReportDescription(
        rid=Rid("r1"), type=ReportType(Token(kind)), reading_type=ReadingType(Token(reading_type)), sampling=sampling
    )
    request = asked(pair.vtn_hears(metadata("METADATA_TELEMETRY_USAGE", point)))[SpecifierId("s1"), 60].id
    payload = ReportPayload(rid=Rid("r1"), confidence=95, accuracy=0.5, value=1500.0)

    assert code_of(pair.vtn_hears(update(request, "TELEMETRY_USAGE", payload))) == "200"
    (one,) = series(pair, "VEN1/TELEMETRY_USAGE/r1")
    assert (one.value, one.quality, one.confidence, one.accuracy) == (1500.0, GOOD, 95, 0.5)


def test_accuracy_is_in_the_unit_of_its_value(pair: Pair) -> None:
    """Both are kept in kW, whatever they were said in; and nothing is made up for who says neither."""
    watts = replace(
        usage_description(ResourceId("bat"), "kw", "m1"), rid=Rid("r1"), unit=PowerReal(scale=ScaleCode(Token("none")))
    )
    request = asked(pair.vtn_hears(metadata("METADATA_TELEMETRY_USAGE", watts)))[SpecifierId("s1"), 60].id
    sure = ReportPayload(rid=Rid("r1"), confidence=0, accuracy=25.0, value=1500.0)
    bare = ReportPayload(rid=Rid("r1"), value=1500.0)
    pair.vtn_hears(update(request, "TELEMETRY_USAGE", sure))
    (told,) = series(pair, "VEN1/TELEMETRY_USAGE/r1")
    assert (told.value, told.confidence, told.accuracy) == (1.5, 0, 0.025)

    pair.recorded.clear()
    pair.vtn_hears(update(request, "TELEMETRY_USAGE", bare))
    (told,) = series(pair, "VEN1/TELEMETRY_USAGE/r1")
    assert (told.value, told.confidence, told.accuracy) == (1.5, None, None)


@pytest.mark.parametrize("name", ["TELEMETRY_USAGE", "HISTORY_USAGE", "METADATA_TELEMETRY_USAGE", "x-own", None])
def test_a_report_is_told_by_its_request_however_it_is_called(pair: Pair, name: str | None) -> None:
    point = ReportDescription(
        rid=Rid("r1"), type=ReportType(Token("usage")), reading_type=DIRECT_READ, sampling=MINUTELY
    )
    reply = pair.vtn_hears(metadata("METADATA_TELEMETRY_USAGE", point))
    request = asked(reply)[SpecifierId("s1"), 60].id

    assert code_of(pair.vtn_hears(update(request, name, ReportPayload(rid=Rid("r1"), value=1.0)))) == "200"
    assert len(series(pair, "VEN1/TELEMETRY_USAGE/r1")) == 1


def test_a_report_of_a_stranger_s_own_is_asked_for_and_taken_under_its_own_name(pair: Pair) -> None:
    """The same x- name in METADATA and data; nobody asks for it before the operator does."""
    gas = ReportDescription(rid=Rid("m3"), type=ReportType(Token("x-gas")), reading_type=DIRECT_READ)
    assert asked(pair.vtn_hears(metadata("x-GAS", gas))) == {}
    asks(pair, request("gas", "m3", specifier="s1"))
    pair.vtn_is_polled()
    pair.vtn_hears(CreatedReport(result=Result(), pending=(ReportRequestId("gas"),), ven_id=VEN1))

    reply = pair.vtn_hears(update(ReportRequestId("gas"), "x-GAS", ReportPayload(rid=Rid("m3"), value=7.0)))

    assert code_of(reply) == "200"
    assert [one.value for one in series(pair, "VEN1/x-GAS/m3")] == [7.0]


def test_several_reports_of_several_points_come_in_one_message(pair: Pair) -> None:
    """Each under the request that it quotes, and each value under its rID; one unknown request refuses them all."""
    points = tuple(usage_description(ResourceId(name), "kw", "m1") for name in ("a", "b"))
    offered = metadata("METADATA_TELEMETRY_USAGE", points[0])
    both = replace(offered, reports=(replace(offered.reports[0], descriptions=points),))
    requests = asked(pair.vtn_hears(both))
    live, slot = (requests[SpecifierId("s1"), seconds].id for seconds in (60, 1800))
    payloads = tuple(ReportPayload(rid=point.rid, value=float(number)) for number, point in enumerate(points, 1))
    first, second = update(live, "TELEMETRY_USAGE", *payloads), update(slot, None, payloads[1], length=1800)
    message = replace(first, reports=(*first.reports, *second.reports))

    strange = update(NOBODY, None, payloads[0])
    assert code_of(pair.vtn_hears(replace(message, reports=(*message.reports, *strange.reports)))) == "452"
    assert pair.recorded == {}
    assert code_of(pair.vtn_hears(message)) == "200"
    found = {name: [(one.value, one.span) for one in series(pair, f"VEN1/TELEMETRY_USAGE/{name}.kw")] for name in "ab"}
    assert found == {"a": [(1.0, MINUTE)], "b": [(2.0, MINUTE), (2.0, 30 * MINUTE)]}


def test_a_stranger_s_status_on_change_is_taken_whenever_it_comes(pair: Pair) -> None:
    """A sample without a length, with any kinds of control."""
    point = ReportDescription(
        rid=Rid("r1"), type=ReportType(Token("x-resourceStatus")), reading_type=DIRECT_READ, sampling=MINUTELY
    )
    reply = pair.vtn_hears(metadata("METADATA_TELEMETRY_STATUS", point))
    request = asked(reply)[SpecifierId("s1"), 60].id
    control = LoadControlState(percent_offset=LoadControlLevel(current=-20.0))
    status = ResourceStatus(online=True, manual_override=False, load_control=control)

    pair.vtn_hears(update(request, "TELEMETRY_STATUS", ReportPayload(rid=Rid("r1"), value=status), length=None))

    (offset,) = series(pair, "VEN1/TELEMETRY_STATUS/r1.percent_offset.current")
    assert (offset.value, offset.span, offset.start) == (-20.0, 0 * MINUTE, NOON)


def test_metadata_that_changes_while_it_is_on_its_way_to_the_vtn_is_told_again() -> None:
    """The reply to the old one does not pay for the new one."""
    pair = Pair()
    pair.ven_starts()
    wider = replace(OFFER, usage=(*OFFER.usage, usage_description(ResourceId("pv"), "kw", "m2")))
    fates: list[Fate] = ["request lost"]
    pair.fates = iter(fates)
    pair.ven_receives(replace(OFFER, usage=OFFER.usage[:1]))
    pair.settles()
    pair.ven_receives(wider)
    pair.settles()

    assert [point.rid for point in offered(pair).reports[0].descriptions] == ["bat.kw", "bat.kwh", "pv.kw"]
    pair.clock_reaches(pair.now + HOUR)
    assert pair.party.reports.offered == offered(pair).reports


def test_metadata_that_changes_while_it_is_on_its_way_to_the_ven_is_told_again(pair: Pair) -> None:
    pair.vtn_takes(AREA)
    first = pair.vtn_is_polled()
    assert isinstance(first, RegisterReport)
    pair.vtn_takes(Offer(usage=(), status=(), response=()))
    pair.vtn_hears(RegisteredReport(result=Result(request_id=first.request_id), ven_id=VEN1))

    second = pair.vtn_is_polled()
    assert isinstance(second, RegisterReport)
    assert (first.reports != (), second.reports) == (True, ())
