"""Lengths that no calendar holds: refused for the event that has them, and for no other."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.protocol.model import OPT_IN, OPT_OUT
from openadr_ra.protocol.parts import Baseline, Event
from openadr_ra.protocol.times import MAX_DURATION_S, Duration
from tests.protocol.events import hears
from tests.world import NOON, Pair, event

AGES = Duration(seconds=MAX_DURATION_S)
"""Four centuries, the longest that is read."""

COUNT = 7000
"""Some eight thousand of them fit into one message."""


def in_signal(item: Event) -> Event:
    (signal,) = item.signals
    interval = replace(signal.intervals[0], duration=AGES, uid=None)
    return replace(item, signals=(replace(signal, intervals=(interval,) * COUNT),))


def in_baseline(item: Event) -> Event:
    interval = replace(item.signals[0].intervals[0], duration=AGES, uid=None)
    baseline = Baseline(start=NOON, duration=AGES, intervals=(interval,) * COUNT, id="b", name="b")
    return replace(item, baseline=baseline)


@pytest.mark.parametrize("bad", [in_signal(event("bad")), in_baseline(event("bad"))], ids=["signal", "baseline"])
def test_rule_19_at_the_ven_intervals_that_leave_the_calendar_spoil_no_other_event(pair: Pair, bad: Event) -> None:
    assert hears(pair, bad, event("good")) == [("bad", 0, "459", OPT_OUT), ("good", 0, "200", OPT_IN)]
