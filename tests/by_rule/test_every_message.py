"""What holds for the XML of every message that either end sends, over all that they ever say to each other."""

from __future__ import annotations

import re
from collections import Counter

from lxml import etree

from openadr_ra.protocol.messages import PAYLOADS
from openadr_ra.protocol.shape import NAMESPACES
from openadr_ra.protocol.times import write_datetime
from tests.by_rule.session import Heard, elements, one, sessions, texts

UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def test_the_ends_say_all_that_each_of_them_ever_says(heard: Heard) -> None:
    """But for oadrQueryRegistration, which our VEN has no need of. Of the events one is aimed at devices that it lacks."""
    names = {each.xml.removeprefix("oadr:") for each in PAYLOADS}

    assert names - heard.vtn.kinds() - heard.ven.kinds() == {"oadrQueryRegistration"}
    assert {code.text for code in heard.vtn.find("//ei:responseCode")} == {"200"}
    assert {code.text for code in heard.ven.find("//ei:eiResponse/ei:responseCode")} == {"200"}
    assert {code.text for code in heard.ven.find("//ei:eventResponse/ei:responseCode")} <= {"200", "462"}


def test_rule_1_at_both_ends_every_date_time_is_utc_and_ends_in_z(heard: Heard) -> None:
    for end in heard:
        times = end.find("//xcal:date-time | //ei:createdDateTime | //ei:modificationDateTime")

        assert all(UTC_TIME.fullmatch(each.text or "") for each in times)


def test_rule_1_at_both_ends_there_is_no_time_beside_those(heard: Heard) -> None:
    """Whatever looks like one is in an element that is known to hold one."""
    known = {"date-time", "createdDateTime", "modificationDateTime"}
    for end in heard:
        found = (each for each in end.find("//*") if re.match(r"\d{4}-\d\d-\d\dT", each.text or ""))

        assert {etree.QName(each).localname for each in found} <= known


def test_rule_45_at_both_ends_no_message_has_a_schema_location(heard: Heard) -> None:
    for end in heard:
        assert end.messages
        assert not any(b"schemaLocation" in each.body or b"XMLSchema-instance" in each.body for each in end.messages)


def test_rule_509_at_both_ends_every_payload_has_the_schema_version(heard: Heard) -> None:
    name = f"{{{NAMESPACES['ei']}}}schemaVersion"
    for end in heard:
        payloads = end.find("/oadr:oadrPayload/oadr:oadrSignedObject/*")

        assert len(payloads) == len(end.messages)
        assert {each.get(name) for each in payloads} == {"2.0b"}


def test_rule_506_at_both_ends_the_profile_is_2_0b(heard: Heard) -> None:
    assert {each.text for each in heard.ven.find("//oadr:oadrProfileName")} == {"2.0b"}
    assert {each.text for each in heard.vtn.find("//oadr:oadrProfileName")} == {"2.0b"}


def test_rule_23_at_both_ends_only_the_ven_asks_for_events(heard: Heard) -> None:
    assert "oadrRequestEvent" in heard.ven.kinds()
    assert "oadrRequestEvent" not in heard.vtn.kinds()


def test_rule_311_at_both_ends_the_requestid_of_a_report_in_metadata_is_zero(heard: Heard) -> None:
    for end in heard:
        metadata = end.find("//oadr:oadrRegisterReport/oadr:oadrReport")

        assert {one(each, "ei:reportRequestID") for each in metadata} == {"0"}


def test_rule_311_at_both_ends_the_message_names_the_request_that_it_answers(heard: Heard) -> None:
    """At a registration it names none; METADATA was asked for once, of each end in each session."""
    for end in heard:
        messages = end.find("//oadr:oadrRegisterReport")
        quoted = Counter(len(texts(each, "ei:reportRequestID")) for each in messages)

        assert set(quoted) == {0, 1}


def test_rule_312_x_rep_3_at_both_ends_metadata_says_what_is_buffered_and_sampled(heard: Heard) -> None:
    for end in heard:
        for report in end.find("//oadr:oadrRegisterReport/oadr:oadrReport"):
            assert one(report, "xcal:duration/xcal:duration") == "P1D"
            points = elements(report, "oadr:oadrReportDescription")
            assert len(texts(report, ".//oadr:oadrSamplingRate/oadr:oadrMinPeriod")) == len(points) > 0
            assert set(texts(report, ".//oadr:oadrMaxPeriod")) == {"PT30M"}


USAGE = ("usage", ("powerReal", "energyReal"), "Direct Read")
STANDARD = {
    "METADATA_TELEMETRY_USAGE": USAGE,
    "METADATA_HISTORY_USAGE": USAGE,
    "METADATA_TELEMETRY_STATUS": ("x-resourceStatus", (None,), "x-notApplicable"),
}


def test_rule_331_at_both_ends_standard_reports_are_described_as_the_rule_has_it(heard: Heard) -> None:
    for end in heard:
        names = set()
        for report in end.find("//oadr:oadrRegisterReport/oadr:oadrReport[not(starts-with(ei:reportName, 'x-'))]"):
            kind, units, reading = STANDARD[one(report, "ei:reportName")]
            names.add(one(report, "ei:reportName"))
            for point in elements(report, "oadr:oadrReportDescription"):
                unit = next((each for each in elements(point, "*") if elements(each, "power:itemUnits")), None)
                assert (one(point, "ei:reportType"), one(point, "ei:readingType")) == (kind, reading)
                assert (etree.QName(unit).localname if unit is not None else None) in units
        assert names == set(STANDARD)


def test_x_rep_1_at_both_ends_specifiers_and_rids_are_unique(heard: Heard) -> None:
    for end in heard:
        for message in end.find("//oadr:oadrRegisterReport[oadr:oadrReport]"):
            specifiers = texts(message, "oadr:oadrReport/ei:reportSpecifierID")
            assert len(set(specifiers)) == len(specifiers) > 1
            for report in elements(message, "oadr:oadrReport"):
                rids = texts(report, "oadr:oadrReportDescription/ei:rID")
                assert len(set(rids)) == len(rids) > 0


def test_x_rep_2_at_the_ven_metadata_has_usage_and_status(heard: Heard) -> None:
    for message in heard.ven.find("//oadr:oadrRegisterReport[oadr:oadrReport]"):
        names = texts(message, "oadr:oadrReport/ei:reportName")

        assert {"METADATA_TELEMETRY_USAGE", "METADATA_TELEMETRY_STATUS"} <= set(names)


def test_x_rep_4_at_both_ends_metadata_has_no_data(heard: Heard) -> None:
    for end in heard:
        for report in end.find("//oadr:oadrRegisterReport/oadr:oadrReport"):
            assert elements(report, "xcal:dtstart | strm:intervals | ei:eiReportID") == ()


def test_x_ev_3_at_both_ends_metadata_is_created_when_it_is_sent(heard: Heard) -> None:
    for end in heard:
        for said in end.messages:
            for report in said.find("//oadr:oadrRegisterReport/oadr:oadrReport"):
                assert one(report, "ei:createdDateTime") == write_datetime(said.at)


def test_rule_321_x_rep_8_at_both_ends_a_request_leaves_out_what_the_rule_forbids(heard: Heard) -> None:
    for end in heard:
        for request in end.find("//oadr:oadrReportRequest/ei:reportSpecifier"):
            forbidden = "xcal:tolerance | ei:x-eiNotification | ei:x-eiRampUp | ei:x-eiRecovery"
            assert elements(request, ".//xcal:properties") != ()
            assert elements(request, f".//xcal:properties/*[self::{forbidden.replace(' | ', ' or self::')}]") == ()
            assert {etree.QName(each).localname for each in elements(request, "ei:specifierPayload/*")} == {
                "rID", "readingType",
            }  # fmt: skip
            assert set(texts(request, "ei:specifierPayload/ei:readingType")) == {"x-notApplicable"}


def test_x_rep_5_at_both_ends_a_request_id_is_unique_and_not_zero() -> None:
    for end in (end for heard in sessions() for end in heard):
        ids = [each.text for each in end.find("//oadr:oadrReportRequest/ei:reportRequestID")]

        assert len(ids) > 2
        assert not {"", "0"} & set(ids)
        assert len(set(ids)) == len(ids)


def test_x_rep_7_at_both_ends_history_is_asked_for_as_it_was_kept(heard: Heard) -> None:
    for end in heard:
        for request in end.find("//oadr:oadrReportRequest/ei:reportSpecifier[ei:reportSpecifierID='history']"):
            assert one(request, "xcal:granularity/xcal:duration") == "PT0S"
            assert one(request, "ei:reportBackDuration/xcal:duration") == "PT0S"


def test_x_rep_9_at_both_ends_an_update_has_its_time_its_name_and_values(heard: Heard) -> None:
    for end in heard:
        for report in end.find("//oadr:oadrUpdateReport/oadr:oadrReport"):
            assert one(report, "xcal:dtstart/xcal:date-time")
            assert elements(report, "strm:intervals/ei:interval") != ()
            assert elements(report, "oadr:oadrReportDescription") == ()
            assert not one(report, "ei:reportName").startswith("METADATA")
            assert one(report, "ei:reportSpecifierID") != "METADATA"


def test_rule_304_at_both_ends_an_update_names_a_request_of_the_other_end(heard: Heard) -> None:
    for end, other in ((heard.vtn, heard.ven), (heard.ven, heard.vtn)):
        asked = {each.text for each in other.find("//oadr:oadrReportRequest/ei:reportRequestID")}
        served = {each.text for each in end.find("//oadr:oadrUpdateReport/oadr:oadrReport/ei:reportRequestID")}

        assert served <= asked


def test_rules_314_342_at_both_ends_the_times_of_a_report_agree(heard: Heard) -> None:
    """All intervals have a start and a length, the first starts as its report does, and uids count from 0."""
    for end in heard:
        for report in end.find("//oadr:oadrUpdateReport/oadr:oadrReport"):
            count = len(elements(report, "strm:intervals/ei:interval"))
            starts = texts(report, "strm:intervals/ei:interval/xcal:dtstart/xcal:date-time")
            assert len(starts) == count
            assert starts[0] == one(report, "xcal:dtstart/xcal:date-time")
            assert len(texts(report, "strm:intervals/ei:interval/xcal:duration")) in (0, count)
            assert texts(report, "strm:intervals/ei:interval/xcal:uid/xcal:text") == tuple(map(str, range(count)))
