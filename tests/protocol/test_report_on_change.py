"""Reports on change: what is told without waiting for the period, to whom, and how often."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from openadr_ra.protocol import producer
from openadr_ra.protocol.model import Period, Rid
from openadr_ra.protocol.parts import Report, ReportRequest
from openadr_ra.protocol.producer import Producer, Rates
from openadr_ra.protocol.step import Changed
from openadr_ra.protocol.times import duration
from tests.protocol.reports import offered, series, updates
from tests.protocol.wishes import NONE, asks, request
from tests.world import HOUR, IDENTITY, MINUTE, NOON, OFFER, SECOND, Fate, Pair, reading

START = NOON - HOUR
RATES = Rates(shortest_s=10, status_on_change=True, power_on_change=True)
STATUS = request("on", "bat", specifier="status", granularity=NONE, back=10 * MINUTE)
POWER = request("on", "bat.kw", granularity=NONE, back=10 * MINUTE)
CHANGED = Changed(points=(Rid("bat"), Rid("bat.kw")))


def telling(rates: Rates = RATES) -> Pair:
    """A VEN that tells of changes, and its VTN."""
    pair = Pair(identity=replace(IDENTITY, rates=rates))
    pair.ven_starts()
    return pair


def on_change(pair: Pair, request: ReportRequest = STATUS) -> None:
    """The VTN asks, and the VEN serves it."""
    asks(pair, request)
    pair.ven_polls()
    assert request.id in pair.node.producer.requests


def told(pair: Pair) -> list[Report]:
    return [report for report in updates(pair) if report.request_id == "on"]


def changes(pair: Pair, kw: float, letter: Changed = CHANGED) -> None:
    """Somebody switches the battery, by hand."""
    pair.samples += [
        reading("live/bat.online", start=pair.now),
        reading("live/bat.override", start=pair.now),
        reading("live/bat.kw", start=pair.now, value=kw),
    ]
    pair.ven_receives(letter)
    pair.settles()


def flags(pair: Pair) -> dict[str, set[bool]]:
    """oadrOnChange by specifier and point."""
    return {
        f"{report.specifier_id}/{point.rid}": {point.sampling.on_change}
        for report in offered(pair).reports
        for point in report.descriptions
        if point.sampling is not None and report.specifier_id != "response"
    }


def test_metadata_says_what_is_told_on_change() -> None:
    """Status always; power where the node says which change of it is one. An energy register always moves."""
    quiet = telling(Rates(status_on_change=True))

    assert flags(telling()) == {
        "usage/bat.kw": {True}, "usage/bat.kwh": {False}, "status/bat": {True},
        "history/bat.kw": {False}, "history/bat.kwh": {False},
    }  # fmt: skip
    assert flags(quiet)["usage/bat.kw"] == {False}
    assert flags(quiet)["status/bat"] == {True}


def test_a_change_is_told_at_once_and_the_period_goes_on() -> None:
    pair = telling()
    on_change(pair)
    asked = pair.node.producer.requests[STATUS.id].sent_until
    pair.clock_reaches(asked + 3 * MINUTE)
    changes(pair, 1.0)

    (report,) = told(pair)
    assert (report.start, report.duration, len(report.intervals)) == (pair.now, duration(NONE), 1)
    assert [one.span for one in series(pair, "VEN1/TELEMETRY_STATUS/bat.override") if one.start == pair.now] == [NONE]
    pair.clock_reaches(asked + 10 * MINUTE)
    assert [(each.start, each.duration) for each in told(pair)[1:]] == [(asked, duration(10 * MINUTE))]


def test_changes_are_told_no_faster_than_the_shortest_period_and_then_together() -> None:
    pair = telling()
    on_change(pair, POWER)
    pair.clock_reaches(pair.now + MINUTE)
    first = pair.now
    for kw in (1.0, 2.0, 3.0):
        changes(pair, kw)
        pair.clock_reaches(pair.now + 2 * SECOND)
    pair.clock_reaches(first + 10 * SECOND - timedelta(milliseconds=1))
    before = len(told(pair))
    pair.clock_reaches(first + 10 * SECOND)

    assert before == 1
    assert [report.start for report in told(pair)] == [first, first + 10 * SECOND]
    values = {one.start: one.value for one in series(pair, "VEN1/TELEMETRY_USAGE/bat.kw") if not one.span}
    assert values == {first: 1.0, first + 10 * SECOND: 3.0}


@pytest.mark.parametrize(
    ("asked", "letter", "rates"),
    [
        (replace(STATUS, granularity=duration(MINUTE)), CHANGED, RATES),
        (STATUS, Changed(points=(Rid("bat.kw"),)), RATES),
        (POWER, Changed(points=(Rid("bat.kw"),)), replace(RATES, power_on_change=False)),
        (replace(STATUS, interval=Period(start=NOON)), CHANGED, RATES),
        (replace(POWER, points=(replace(POWER.points[0], rid=Rid("bat.kwh")),)), CHANGED, RATES),
    ],
    ids=["sampled", "another point", "not offered so", "not begun", "a register"],
)
def test_what_was_not_asked_for_on_change_waits_for_its_period(
    asked: ReportRequest, letter: Changed, rates: Rates
) -> None:
    pair = telling(rates)
    on_change(pair, asked)
    pair.clock_reaches(pair.now + MINUTE)
    before = len(told(pair))
    changes(pair, 1.0, letter)

    assert len(told(pair)) == before


def test_a_request_that_is_over_hears_of_no_change() -> None:
    made = producer.create(producer.offer(Producer(), OFFER), (replace(STATUS, interval=Period(
        start=START, duration=duration(HOUR))),), START, RATES)  # fmt: skip

    assert producer.changed(made, CHANGED.points, NOON - SECOND, RATES) != made
    assert producer.changed(made, CHANGED.points, NOON, RATES) == made


def test_changes_while_the_vtn_is_away_are_told_as_one_when_it_is_back() -> None:
    """The first of them is owed, the rest waits: nothing piles up."""
    pair = telling()
    on_change(pair)
    pair.clock_reaches(pair.now + MINUTE)
    lost: list[Fate] = ["request lost"] * 4
    pair.fates = iter(lost)
    first = pair.now
    for kw in (1.0, 2.0, 3.0):
        changes(pair, kw)
        pair.clock_reaches(pair.now + SECOND)
    pair.clock_reaches(first + 5 * MINUTE)

    starts = [one.start for one in series(pair, "VEN1/TELEMETRY_STATUS/bat.online") if not one.span]
    assert starts[0] == first
    assert len(starts) == 2
    assert starts[1] >= first + 10 * SECOND


def test_new_rates_are_told_after_a_start() -> None:
    """A program that was updated, or a setting that was changed, offers more than before."""
    pair = telling(Rates())
    assert flags(pair)["status/bat"] == {False}
    pair.identity = replace(pair.identity, rates=RATES)
    pair.ven_starts(offered=None)

    assert flags(pair)["status/bat"] == {True}


def test_a_change_survives_a_crash_between_the_letter_and_its_report() -> None:
    """It stands in the row, and goes out after the start."""
    pair = telling()
    on_change(pair)
    pair.clock_reaches(pair.now + MINUTE)
    pair.samples.append(reading("live/bat.online", start=pair.now))
    pair.ven_receives(CHANGED)
    pair.ven_starts(offered=None)

    assert [report.duration for report in told(pair)] == [duration(NONE)]
