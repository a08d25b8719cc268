"""Reports as they are sent and as they arrive: spans, values, repetition, and what becomes of a wrong one."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from msgspec.structs import replace

from openadr_ra.protocol import delivery
from openadr_ra.protocol.messages import UpdatedReport, UpdateReport
from openadr_ra.protocol.model import PowerReal, ReportRequestId, RequestId, Rid, ScaleCode, SpecifierId
from openadr_ra.protocol.parts import (
    COMM_FAILURE,
    GOOD,
    NO_VALUE,
    TELEMETRY_USAGE,
    UNCERTAIN,
    GreenButtonPayload,
    Interval,
    Quality,
    Report,
    ReportPayload,
    ResourceStatus,
)
from openadr_ra.protocol.report import value
from openadr_ra.protocol.shape import Opaque, Token
from openadr_ra.protocol.step import Fetched
from openadr_ra.protocol.times import Duration
from tests.protocol.reports import START, request_of, series, stranger, updates
from tests.world import HOUR, METADATA, MINUTE, NOON, SECOND, VEN1, Pair, code_of, in_memory, reading

LIVE = "VEN1/TELEMETRY_USAGE/bat.kw"
REGISTER = "VEN1/TELEMETRY_USAGE/bat.kwh"


def measures(pair: Pair, length: timedelta, kw: float = 6.0, *, start: datetime = START) -> None:
    """Samples of the battery each ten seconds: constant power, a register that follows it, online."""
    for number in range(length // (10 * SECOND) + 1):
        when = start + number * 10 * SECOND
        register = 100.0 + kw * ((when - START) / HOUR)
        pair.samples += [
            reading("live/bat.kw", start=when, value=kw),
            reading("live/bat.kwh", start=when, value=register),
            reading("live/bat.online", start=when, value=1.0),
            reading("live/bat.override", start=when, value=0.0),
        ]


def test_live_usage_comes_each_minute_about_that_minute(pair: Pair) -> None:
    """On the clock, without a gap, without an overlap."""
    measures(pair, 10 * MINUTE)
    pair.clock_reaches(START + 5 * MINUTE + 5 * SECOND)

    minutes = series(pair, LIVE)
    assert [(one.start, one.span) for one in minutes] == [(START + n * MINUTE, MINUTE) for n in range(5)]
    assert {(one.value, one.quality) for one in minutes} == {(6.0, GOOD)}


def test_the_half_hours_come_on_the_half_hour(pair: Pair) -> None:
    measures(pair, HOUR)
    pair.clock_reaches(START + HOUR + SECOND)

    slots = [one for one in series(pair, LIVE) if one.span == 30 * MINUTE]
    assert [(one.start, one.value) for one in slots] == [(START, 6.0), (START + 30 * MINUTE, 6.0)]


def test_rule_510_at_the_ven_status_tells_online_and_override(pair: Pair) -> None:
    measures(pair, 2 * MINUTE)
    taken_over = START + 90 * SECOND
    pair.samples = [
        replace(one, value=1.0) if one.series == "live/bat.override" and one.start >= taken_over else one
        for one in pair.samples
    ]
    pair.clock_reaches(START + 2 * MINUTE + SECOND)

    prefix = "VEN1/TELEMETRY_STATUS/bat"
    assert [one.value for one in series(pair, f"{prefix}.online")] == [1.0, 1.0]
    assert [one.value for one in series(pair, f"{prefix}.override")] == [0.0, 1.0]


@pytest.mark.parametrize("heard", [False, True], ids=["never heard", "lost"])
def test_a_resource_that_is_not_heard_of_is_offline(pair: Pair, heard: bool) -> None:
    if heard:
        lost = replace(reading("live/bat.online", start=START, value=1.0), quality=COMM_FAILURE)
        pair.samples.append(lost)
    pair.clock_reaches(START + MINUTE)

    (status,) = [report for report in updates(pair) if report.specifier_id == "status"]
    (payload,) = status.intervals[0].payloads
    assert isinstance(payload, ReportPayload)
    assert payload.value == ResourceStatus(online=False, manual_override=False)
    assert payload.quality == COMM_FAILURE


def test_x_rep_9_at_the_ven_an_update_has_its_time_its_name_and_its_request_and_no_descriptions(pair: Pair) -> None:
    measures(pair, MINUTE)
    pair.clock_reaches(START + MINUTE)

    (usage,) = [report for report in updates(pair) if report.specifier_id == "usage"]
    assert (usage.name, usage.descriptions, usage.report_id) == (TELEMETRY_USAGE, (), None)
    assert usage.request_id == request_of(pair, "usage", 60)
    assert (usage.start, usage.duration, usage.created) == (START, Duration(seconds=60), pair.now)
    (interval,) = usage.intervals
    assert (interval.start, interval.duration, interval.uid) == (START, Duration(seconds=60), "0")
    assert [payload.rid for payload in interval.payloads if isinstance(payload, ReportPayload)] == ["bat.kw", "bat.kwh"]


def test_the_register_is_reported_as_it_stood_at_dtstart(pair: Pair) -> None:
    """In the report of the minute and in that of the half hour alike, so that differences of it are right."""
    measures(pair, HOUR + MINUTE)
    pair.clock_reaches(START + HOUR + MINUTE + SECOND)

    register = series(pair, REGISTER)
    assert {one.start: one.value for one in register} == pytest.approx(
        {START + n * MINUTE: 100.0 + n / 10 for n in range(61)}
    )
    mean = value(START, START + HOUR, register=register)
    assert mean.kw == pytest.approx(6.0)


def test_a_register_that_was_read_long_ago_is_reported_as_it_was_last(pair: Pair) -> None:
    pair.samples.append(reading("live/bat.kwh", start=START - 20 * SECOND, value=99.0))
    pair.clock_reaches(START + MINUTE)

    assert [one.value for one in series(pair, REGISTER)] == [99.0]


def test_a_register_that_was_not_read_is_no_zero(pair: Pair) -> None:
    """Each point that was asked for is in each interval, for some requesters count them; this one has no value."""
    pair.samples.append(reading("live/bat.kwh", start=START + 20 * SECOND, value=99.0))
    pair.clock_reaches(START + MINUTE)

    assert [(one.value, one.quality) for one in series(pair, REGISTER)] == [(0.0, NO_VALUE)]
    assert value(START, START + MINUTE, register=series(pair, REGISTER)).kw is None


@pytest.mark.parametrize(
    ("last", "number", "confidence", "quality"),
    [
        (None, 0.0, 0, NO_VALUE),
        (-120 * SECOND, 3.0, 0, COMM_FAILURE),
        (-90 * SECOND, 3.0, 50, UNCERTAIN),
        (timedelta(0), 3.0, 100, GOOD),
    ],
    ids=["never", "too long ago", "covers half of it", "covers all of it"],
)
def test_power_that_was_not_measured_is_no_zero(
    pair: Pair, last: timedelta | None, number: float, confidence: int, quality: Quality
) -> None:
    """The last value is sent as the last value, with a confidence of nothing; a sample counts for two minutes."""
    if last is not None:
        pair.samples.append(reading(start=START + MINUTE + last, value=3.0))
    pair.clock_reaches(START + 2 * MINUTE)

    found = {one.start: one for one in series(pair, LIVE)}[START + MINUTE]
    assert (found.value, found.quality) == (number, quality)
    payload = [report for report in updates(pair) if report.specifier_id == "usage"][-1].intervals[0].payloads[0]
    assert isinstance(payload, ReportPayload)
    assert payload.confidence == confidence


@pytest.mark.parametrize(
    ("known", "said"), [((None, None), None), ((0.5, None), 0.5), ((0.25, 0.5), 0.5)], ids=["never", "once", "twice"]
)
def test_a_mean_is_as_accurate_as_the_worst_of_its_samples(
    pair: Pair, known: tuple[float | None, float | None], said: float | None
) -> None:
    """Where a device says how far its power may be off; and it arrives so."""
    for number, accuracy in enumerate(known):
        sample = reading(start=START + MINUTE + number * 30 * SECOND, value=3.0)
        pair.samples.append(replace(sample, accuracy=accuracy))
    pair.clock_reaches(START + 2 * MINUTE)

    assert {one.start: one.accuracy for one in series(pair, LIVE)}[START + MINUTE] == said


def test_an_update_that_is_lost_is_sent_again_until_it_is_heard(pair: Pair) -> None:
    """The same period, once more; later ones wait for it and are not lost."""
    measures(pair, 5 * MINUTE)
    pair.clock_reaches(START + MINUTE - SECOND)
    pair.fates = iter(["request lost"] * 20)
    pair.clock_reaches(START + 5 * MINUTE)

    minutes = [one for one in series(pair, LIVE) if one.span == MINUTE]
    assert [one.start for one in minutes] == [START + n * MINUTE for n in range(5)]


def test_an_update_that_is_heard_twice_changes_nothing(pair: Pair) -> None:
    measures(pair, MINUTE)
    pair.clock_reaches(START + MINUTE)
    again = next(each.request for each in pair.said if isinstance(each.request, UpdateReport))
    before = (pair.party, dict(pair.recorded))

    assert code_of(pair.vtn_hears(again)) == "200"

    assert (pair.party, pair.recorded) == before


def test_while_the_vtn_is_away_one_update_of_each_request_is_owed_not_all_of_them() -> None:
    """What grows meanwhile is the gap, not the row."""
    pair = Pair(wire=in_memory)
    pair.ven_starts()
    pair.fates = iter(["request lost"] * 100_000)
    most = 0
    while pair.now < NOON + 2 * HOUR:
        pair.clock_reaches(pair.now + MINUTE)
        most = max(most, len(pair.node.debts))

    assert most == 3


def test_an_absent_vtn_is_not_hammered_with_what_is_owed() -> None:
    pair = Pair(wire=in_memory)
    pair.ven_starts()
    pair.clock_reaches(START + 10 * MINUTE)
    since = len(pair.said)
    pair.fates = iter(["request lost"] * 100_000)
    pair.clock_reaches(START + HOUR + 10 * MINUTE)

    assert 60 * 3 < len(pair.said) - since < 60 * 8


def test_a_gap_is_made_up_for_when_the_vtn_is_back(pair: Pair) -> None:
    measures(pair, 20 * MINUTE)
    pair.clock_reaches(START + 5 * MINUTE)
    pair.fates = iter(["request lost"] * 60)
    pair.clock_reaches(START + 20 * MINUTE)

    minutes = [one for one in series(pair, LIVE) if one.span == MINUTE]
    assert [one.start for one in minutes] == [START + n * MINUTE for n in range(20)]


def test_a_gap_is_made_up_for_by_two_days_of_half_hours_at_most() -> None:
    """Or 96 minutes of minutes: older ones are left to a history report. The grid is kept."""
    pair = Pair(wire=in_memory)
    pair.ven_starts()
    pair.clock_reaches(START + MINUTE)
    since = len(updates(pair))
    pair.now = NOON + 3 * HOUR + 30 * SECOND
    pair.settles()

    starts = [
        report.start
        for report in updates(pair)[since:]
        if report.start is not None and report.duration == Duration(seconds=60) and report.specifier_id == "usage"
    ]
    assert len(starts) == 96
    assert starts[-1] == NOON + 3 * HOUR - MINUTE
    assert {later - sooner for sooner, later in pairwise(starts)} == {MINUTE}


@pytest.mark.parametrize("wrong", ["request", "rid"])
def test_rule_304_at_the_vtn_an_update_that_nobody_asked_for_is_answered_452(pair: Pair, wrong: str) -> None:
    """Nothing of it is kept, whatever else is in it."""
    good = stranger(request_of(pair, "usage", 60), ReportPayload(rid=Rid("bat.kw"), value=1.0))
    bad = {
        "request": stranger(ReportRequestId("rr-none"), ReportPayload(rid=Rid("bat.kw"), value=1.0)),
        "rid": stranger(request_of(pair, "usage", 60), ReportPayload(rid=Rid("BAT.kw"), value=1.0)),
    }[wrong]
    before = pair.party

    reply = pair.vtn_hears(UpdateReport(request_id=RequestId("u1"), reports=(good, bad), ven_id=VEN1))

    assert isinstance(reply, UpdatedReport)
    assert (reply.result.code, reply.result.request_id) == ("452", "u1")
    assert pair.recorded == {}
    assert pair.party == before


def test_rule_314_at_the_vtn_values_without_a_time_of_their_own_have_that_of_the_report(pair: Pair) -> None:
    """Several points in one interval, several reports in one message: what certified VENs send."""
    usage = stranger(
        request_of(pair, "usage", 60),
        ReportPayload(rid=Rid("bat.kw"), value=1.5),
        ReportPayload(rid=Rid("bat.kwh"), value=7.0, quality=UNCERTAIN),
    )
    online = ReportPayload(rid=Rid("bat"), value=ResourceStatus(online=True, manual_override=True))
    status = replace(stranger(request_of(pair, "status", 60), online), specifier_id=SpecifierId("status"))

    pair.vtn_hears(UpdateReport(request_id=RequestId("u1"), reports=(usage, status), ven_id=VEN1))

    assert {(one.series, one.start, one.span, one.value, one.quality) for one in pair.recorded.values()} == {
        (LIVE, NOON, MINUTE, 1.5, GOOD),
        (REGISTER, NOON, MINUTE, 7.0, UNCERTAIN),
        ("VEN1/TELEMETRY_STATUS/bat.online", NOON, MINUTE, 1.0, GOOD),
        ("VEN1/TELEMETRY_STATUS/bat.override", NOON, MINUTE, 1.0, GOOD),
    }


def test_values_are_in_kw_whatever_unit_the_metadata_gave(pair: Pair) -> None:
    """And a point that the METADATA does not describe any more is taken as it is."""
    watts = replace(METADATA.reports[0].descriptions[0], unit=PowerReal(scale=ScaleCode(Token("none"))))
    pair.vtn_hears(replace(METADATA, reports=(replace(METADATA.reports[0], descriptions=(watts,)),)))
    report = stranger(request_of(pair, "usage", 60), ReportPayload(rid=Rid("bat.kw"), value=1500.0))

    pair.vtn_hears(UpdateReport(request_id=RequestId("u1"), reports=(report,), ven_id=VEN1))
    assert [one.value for one in pair.recorded.values()] == [1.5]

    pair.party = replace(pair.party, reports=replace(pair.party.reports, offered=()))
    pair.vtn_hears(
        UpdateReport(request_id=RequestId("u2"), reports=(replace(report, start=NOON + MINUTE),), ven_id=VEN1)
    )
    assert [one.value for one in series(pair, LIVE)] == [1.5, 1500.0]


def test_what_is_no_value_of_a_point_is_passed_over() -> None:
    feed = Opaque('<atom:feed xmlns:atom="http://www.w3.org/2005/Atom"/>')
    pair = Pair(wire=in_memory)
    pair.ven_starts()
    report = stranger(request_of(pair, "usage", 60), GreenButtonPayload(feed=feed))

    assert code_of(pair.vtn_hears(UpdateReport(request_id=RequestId("u"), reports=(report,), ven_id=VEN1))) == "200"
    assert pair.recorded == {}


def test_a_ven_whose_update_is_disowned_drops_the_request(pair: Pair) -> None:
    """A VTN that lost its requests gets no data it has no use for."""
    gone = request_of(pair, "usage", 60)
    requests = {name: item for name, item in pair.party.reports.requests.items() if name != gone}
    pair.party = replace(pair.party, reports=replace(pair.party.reports, requests=requests))

    pair.clock_reaches(START + 3 * MINUTE)

    assert gone not in pair.node.producer.requests
    assert len(pair.node.producer.requests) == 3
    assert [report.request_id for report in updates(pair)].count(gone) == 1


def test_readings_that_nobody_waits_for_are_ignored(pair: Pair) -> None:
    before = pair.node
    pair.ven_receives(Fetched(tag="update-none", readings=()))

    assert pair.node == before


def test_a_report_can_be_split_into_one_point_per_interval() -> None:
    """Same values, same times; the intervals stand beside one another, so the report has no duration of its own."""
    payloads = tuple(ReportPayload(rid=Rid(name), value=value) for name, value in (("a", 1.0), ("b", 2.0)))
    whole = Report(
        start=NOON,
        duration=Duration(seconds=60),
        intervals=(Interval(start=NOON, duration=Duration(seconds=60), uid="0", payloads=payloads),),
        request_id=ReportRequestId("rr"),
        specifier_id=SpecifierId("usage"),
        created=NOON,
    )

    parted = delivery.split(whole)

    assert [(each.start, each.uid, each.payloads) for each in parted.intervals] == [
        (NOON, "0", payloads[:1]),
        (NOON, "1", payloads[1:]),
    ]
    assert (parted.duration, parted.start) == (None, NOON)
