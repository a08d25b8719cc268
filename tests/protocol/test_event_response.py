"""x-RESPONSE: the response in each event interval, with the event's own interval and id."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from openadr_ra.protocol.messages import UpdateReport
from openadr_ra.protocol.model import RequestId, Rid, SpecifierId
from openadr_ra.protocol.parts import (
    ReportPayload,
)
from openadr_ra.protocol.requester import MAX_REVISION
from openadr_ra.protocol.step import Delivered
from openadr_ra.protocol.times import Duration
from tests.protocol.reports import request_of, series, stranger, updates
from tests.world import E1, MINUTE, NOON, VEN1, Pair, reading

RESPONSE = "VEN1/x-RESPONSE/E1/bat"
SPAN = (NOON, NOON + 30 * MINUTE)


def delivers(pair: Pair, *, delta: float = -2.0, revision: int = 0) -> None:
    """The fleet closes the first half hour of E1."""
    start, end = SPAN
    figures = {"kw": 4.0, "delta": delta, "coverage": 98.0, "revision": float(revision)}
    pair.samples = [one for one in pair.samples if not one.series.startswith("response/E1/")]
    pair.samples += [
        reading(f"response/E1/bat.{name}", start=start, span=end - start, value=number)
        for name, number in figures.items()
    ]
    pair.ven_receives(Delivered(event_id=E1, start=start, end=end, revision=revision))


def test_the_response_has_the_events_interval_and_the_events_id(pair: Pair) -> None:
    """One report interval with the event interval's dtstart and duration, at its end."""
    pair.clock_reaches(SPAN[1])
    count = len(updates(pair))
    delivers(pair)
    pair.settles()

    (report,) = updates(pair)[count:]
    assert (report.name, report.report_id, report.request_id) == ("x-RESPONSE", "E1", request_of(pair, "response", 0))
    (interval,) = report.intervals
    assert (interval.start, interval.duration) == (NOON, Duration(seconds=1800))
    assert {name.removeprefix(RESPONSE): one.value for (name, *_), one in pair.recorded.items() if RESPONSE in name} == {
        ".kw": 4.0, ".delta": -2.0, ".coverage": 98.0, ".revision": 0.0,
    }  # fmt: skip
    assert {(one.start, one.span) for one in pair.recorded.values() if RESPONSE in one.series} == {(NOON, 30 * MINUTE)}


def test_a_later_revision_replaces_the_response_and_an_older_one_does_not(pair: Pair) -> None:
    pair.clock_reaches(SPAN[1])
    delivers(pair)
    pair.settles()
    first = next(each.request for each in pair.said[::-1] if isinstance(each.request, UpdateReport))
    delivers(pair, delta=-1.5, revision=1)
    pair.settles()

    (delta,) = series(pair, f"{RESPONSE}.delta")
    assert (delta.value, delta.revision) == (-1.5, 1)
    pair.vtn_hears(first)
    assert [one.value for one in series(pair, f"{RESPONSE}.delta")] == [-1.5]


def test_a_response_waits_for_a_vtn_that_is_away(pair: Pair) -> None:
    """However many intervals end meanwhile."""
    pair.clock_reaches(SPAN[1])
    pair.fates = iter(["request lost"] * 30)
    for number in range(5):
        start, end = NOON + number * 30 * MINUTE, NOON + (number + 1) * 30 * MINUTE
        pair.samples.append(reading("response/E1/bat.kw", start=start, span=end - start, value=float(number)))
        pair.ven_receives(Delivered(event_id=E1, start=start, end=end))
    pair.clock_reaches(SPAN[1] + 20 * MINUTE)

    assert [one.value for one in series(pair, f"{RESPONSE}.kw")] == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_a_response_without_figures_is_not_sent(pair: Pair) -> None:
    """Nor is it owed for ever."""
    pair.clock_reaches(SPAN[1])
    count = len(updates(pair))

    pair.ven_receives(Delivered(event_id=E1, start=SPAN[0], end=SPAN[1]))
    pair.settles()

    assert len(updates(pair)) == count
    assert pair.node.debts == ()


def test_a_response_that_nobody_asked_for_is_not_owed() -> None:
    pair = Pair()
    pair.ven_starts(offered=None)

    delivers(pair)

    assert pair.node.debts == ()


def test_a_response_of_an_interval_that_was_cut_short_keeps_its_start(pair: Pair) -> None:
    """The schema has no fractions of a second in durations."""
    pair.clock_reaches(SPAN[1])
    end = NOON + 10 * MINUTE + 400 * timedelta(milliseconds=1)
    pair.samples.append(reading("response/E1/bat.kw", start=NOON, span=end - NOON, value=4.0))
    pair.ven_receives(Delivered(event_id=E1, start=NOON, end=end))
    pair.settles()

    assert [(one.start, one.span) for one in series(pair, f"{RESPONSE}.kw")] == [(NOON, 10 * MINUTE)]


def test_a_response_report_without_the_events_id_is_kept_by_its_name(pair: Pair) -> None:
    report = replace(
        stranger(request_of(pair, "response", 0), ReportPayload(rid=Rid("bat.kw"), value=1.0)),
        specifier_id=SpecifierId("response"),
    )

    pair.vtn_hears(UpdateReport(request_id=RequestId("u"), reports=(report,), ven_id=VEN1))

    assert [name for name, *_ in pair.recorded] == ["VEN1/x-RESPONSE/bat.kw"]


@pytest.mark.parametrize(("said", "revision"), [(2.0, 2), (2.9, 2), (-1.0, 0), (1e300, MAX_REVISION)])
def test_a_revision_is_a_whole_number_from_zero_to_what_a_store_can_keep(
    pair: Pair, said: float, revision: int
) -> None:
    report = stranger(
        request_of(pair, "response", 0),
        ReportPayload(rid=Rid("bat.kw"), value=1.0),
        ReportPayload(rid=Rid("bat.revision"), value=said),
    )
    pair.vtn_hears(UpdateReport(request_id=RequestId("u"), reports=(report,), ven_id=VEN1))

    assert {one.revision for one in pair.recorded.values()} == {revision}
