"""HISTORY_USAGE: the past, at once, whole (R1_3130, R1_3140)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.protocol.messages import (
    UpdateReport,
)
from openadr_ra.protocol.model import Period, ReportRequestId, Rid
from openadr_ra.protocol.parts import SpecifierPayload
from openadr_ra.protocol.times import Duration
from tests.protocol.wishes import NONE, asks, request, said
from tests.world import HOUR, MINUTE, NOON, SECOND, Pair, reading

START = NOON - HOUR


@pytest.fixture
def measured(pair: Pair) -> Pair:
    """Two hours of 6 kW, and a register that nobody read."""
    pair.samples = [reading(start=START - 2 * HOUR + n * 30 * SECOND, value=6.0) for n in range(360)]
    return pair


def history(pair: Pair, interval: Period | None, *, rids: tuple[str, ...] = ("bat.kw", "bat.kwh")) -> UpdateReport:
    """The one update that comes of a request for history, within a poll's time."""
    asked = request("h", specifier="history", granularity=NONE, back=NONE, interval=interval)
    asks(pair, replace(asked, points=tuple(SpecifierPayload(rid=Rid(name)) for name in rids)))
    since = len(pair.said)
    pair.ven_polls()
    (update,) = [
        each
        for each in said(pair, UpdateReport, since)
        if isinstance(each, UpdateReport) and each.reports[0].request_id == "h"
    ]
    assert ReportRequestId("h") not in pair.node.producer.requests
    return update


@pytest.mark.parametrize(
    ("interval", "count"),
    [
        (Period(start=START), 1),
        (Period(start=START, duration=Duration(seconds=3600)), 1),
        (Period(start=START - 30 * MINUTE), 31),
        (Period(start=START - 30 * MINUTE, duration=Duration(seconds=3600)), 31),
        (Period(start=START - 30 * MINUTE, duration=Duration(seconds=1800)), 30),
        (None, 1),
    ],
    ids=["now", "now, for an hour", "since half an hour", "an hour that runs", "half an hour", "no interval"],
)
def test_r1_3130_history_is_told_at_once_as_far_as_it_goes(measured: Pair, interval: Period | None, count: int) -> None:
    """Every point that was asked for is in every interval, measured or not."""
    (report,) = history(measured, interval).reports

    assert (report.name, report.request_id, report.specifier_id) == ("HISTORY_USAGE", "h", "history")
    assert report.start == (interval.start if interval else report.start)
    assert len(report.intervals) == count
    for number, each in enumerate(report.intervals):
        assert {one.rid for one in each.payloads if hasattr(one, "rid")} == {"bat.kw", "bat.kwh"}
        assert each.uid == str(number)
        assert each.start is not None
        assert each.duration is not None


def test_r1_3140_history_of_one_point_has_that_point_alone(measured: Pair) -> None:
    (report,) = history(measured, Period(start=START - 30 * MINUTE), rids=("bat.kwh",)).reports

    assert {one.rid for each in report.intervals for one in each.payloads if hasattr(one, "rid")} == {"bat.kwh"}
