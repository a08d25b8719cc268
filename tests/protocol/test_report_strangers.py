"""What certified VENs register and send that ours does not, and METADATA that changes while it is on its way."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.protocol.messages import RegisteredReport, RegisterReport, UpdateReport
from openadr_ra.protocol.model import ReportRequestId, RequestId, ResourceId, Rid, SpecifierId
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
from tests.world import HOUR, MINUTE, NOON, OFFER, VEN1, Fate, Pair, code_of

MINUTELY = SamplingRate(minimum=Duration(seconds=60), maximum=Duration(seconds=60), on_change=True)
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
    assert [(one.value, one.quality) for one in series(pair, "VEN1/TELEMETRY_USAGE/r1")] == [(1500.0, GOOD)]


@pytest.mark.parametrize("name", ["TELEMETRY_USAGE", "METADATA_TELEMETRY_USAGE", None])
def test_a_report_is_told_by_its_request_however_it_is_called(pair: Pair, name: str | None) -> None:
    point = ReportDescription(
        rid=Rid("r1"), type=ReportType(Token("usage")), reading_type=DIRECT_READ, sampling=MINUTELY
    )
    reply = pair.vtn_hears(metadata("METADATA_TELEMETRY_USAGE", point))
    request = asked(reply)[SpecifierId("s1"), 60].id

    assert code_of(pair.vtn_hears(update(request, name, ReportPayload(rid=Rid("r1"), value=1.0)))) == "200"
    assert len(series(pair, "VEN1/TELEMETRY_USAGE/r1")) == 1


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
