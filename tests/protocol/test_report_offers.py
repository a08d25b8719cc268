"""What each end offers to report: METADATA, both ways."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from openadr_ra.protocol.messages import (
    RegisteredReport,
    RegisterReport,
    Response,
)
from openadr_ra.protocol.model import EnergyReal, PowerReal
from openadr_ra.protocol.parts import (
    Result,
)
from openadr_ra.protocol.party import Debt, Metadata
from openadr_ra.protocol.report import (
    DESCRIBED,
    TOTAL,
    response_descriptions,
    rid,
    status_description,
    usage_description,
)
from tests.protocol.reports import offered
from tests.world import BAT, DAY, HOUR, NOON, SECOND, VEN1, Pair

INSTANT = timedelta(microseconds=1)


def test_x_rep_2_x_rep_4_at_the_ven_metadata_has_usage_and_status_and_no_data(pair: Pair) -> None:
    reports = {report.specifier_id: report for report in offered(pair).reports}

    assert {name: report.name for name, report in reports.items()} == {
        "usage": "METADATA_TELEMETRY_USAGE",
        "status": "METADATA_TELEMETRY_STATUS",
        "history": "METADATA_HISTORY_USAGE",
        "response": "x-RESPONSE",
    }
    for report in reports.values():
        assert (report.start, report.intervals, report.report_id) == (None, (), None)
        assert report.created == NOON - HOUR


def test_rule_311_at_the_ven_the_requestid_of_metadata_is_zero_and_that_of_the_message_absent(pair: Pair) -> None:
    assert {report.request_id for report in offered(pair).reports} == {"0"}
    assert offered(pair).report_request_id is None


def test_rule_312_x_rep_3_at_the_ven_no_sampling_period_is_longer_than_what_is_buffered(pair: Pair) -> None:
    for report in offered(pair).reports:
        assert report.duration is not None
        assert report.duration.length == DAY
        for point in report.descriptions:
            assert point.sampling is not None
            assert point.sampling.minimum.length <= point.sampling.maximum.length <= DAY


def test_rule_331_at_the_ven_usage_and_status_are_described_exactly_so() -> None:
    power, energy = usage_description(BAT, "kw", "m1"), usage_description(BAT, "kwh", "")
    status = status_description(BAT, "m1")

    assert (power.type, power.unit, power.reading_type) == ("usage", PowerReal(), "Direct Read")
    assert (energy.type, energy.unit, energy.reading_type) == ("usage", EnergyReal(), "Direct Read")
    assert (status.type, status.unit, status.reading_type) == ("x-resourceStatus", None, "x-notApplicable")
    assert (power.rid, energy.rid, status.rid) == ("bat.kw", "bat.kwh", "bat")
    assert power.source is not None
    assert (power.source.resources, power.source.meters) == (("bat",), ("m1",))
    assert energy.source is not None
    assert energy.source.meters == ()


def test_x_rep_1_at_the_ven_every_quantity_of_a_response_has_an_rid_and_a_description_of_its_own() -> None:
    made = response_descriptions(BAT, "m1", DESCRIBED)

    assert [point.rid for point in made] == [rid(BAT, quantity) for quantity in DESCRIBED]
    assert len({point.type for point in made}) == len(made)


def test_the_sum_of_all_resources_names_none() -> None:
    (point,) = response_descriptions(TOTAL, "", ("kw",))

    assert point.rid == "*.kw"
    assert point.source is not None
    assert (point.source.resources, point.source.meters) == ((), ())


def test_rule_301_at_the_ven_a_ven_without_anything_to_report_registers_so() -> None:
    pair = Pair()
    pair.ven_starts(offered=None)

    assert offered(pair).reports == ()
    assert pair.party.reports.requests == {}


def test_rule_301_at_the_vtn_the_vtn_registers_its_metadata_too_once(pair: Pair) -> None:
    """It has no reports of its own, but it says so; the VEN acknowledges."""
    brought = [each.reply for each in pair.said if isinstance(each.reply, RegisterReport)]
    acknowledged = [each.request for each in pair.said if isinstance(each.request, RegisteredReport)]

    assert [each.reports for each in brought] == [()]
    assert [each.result for each in acknowledged] == [Result(request_id=brought[0].request_id)]
    pair.clock_reaches(NOON)
    assert len([each for each in pair.said if isinstance(each.reply, RegisterReport)]) == 1


def test_rule_301_at_the_vtn_the_vtns_metadata_is_sent_again_until_it_is_acknowledged() -> None:
    pair = Pair()
    pair.ven_starts()
    pair.party = replace(pair.party, debts=(Debt(id="md-1", work=Metadata()),))

    assert isinstance(pair.vtn_is_polled(), RegisterReport)
    pair.now += 20 * SECOND - INSTANT
    assert isinstance(pair.vtn_is_polled(), Response)
    pair.now += INSTANT
    assert isinstance(pair.vtn_is_polled(), RegisterReport)
    pair.vtn_hears(RegisteredReport(result=Result(), ven_id=VEN1))
    pair.now += HOUR
    assert isinstance(pair.vtn_is_polled(), Response)
