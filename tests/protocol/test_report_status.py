"""TELEMETRY_STATUS with the whole oadrPayloadResourceStatus: how a resource is controlled, from its samples to the VTN."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openadr_ra.protocol.model import Rid
from openadr_ra.protocol.parts import (
    LAST_KNOWN,
    Interval,
    LoadControlLevel,
    LoadControlState,
    Quality,
    ReportPayload,
    ResourceStatus,
)
from openadr_ra.protocol.report_status import LOAD_SERIES, evened, figures, load_control, moved, usable
from openadr_ra.protocol.schedule import Reading
from tests.protocol.reports import START, series, updates
from tests.world import MINUTE, SECOND, Pair, reading

PREFIX = "VEN1/TELEMETRY_STATUS/bat"
SETPOINT = LoadControlLevel(minimum=-5.0, maximum=5.0, current=-3.0, normal=0.0)
CAPACITY = LoadControlLevel(minimum=0.0, maximum=1.0, current=0.5)

levels = st.none() | st.builds(
    LoadControlLevel,
    minimum=st.none() | st.floats(-100, 100),
    maximum=st.none() | st.floats(-100, 100),
    current=st.floats(-100, 100),
    normal=st.none() | st.floats(-100, 100),
)
states = st.builds(LoadControlState, capacity=levels, level_offset=levels, percent_offset=levels, setpoint=levels)


def state(**kinds: LoadControlLevel) -> LoadControlState:
    return LoadControlState(**kinds)


def at(current: float, minimum: float | None = -5.0, maximum: float | None = 5.0) -> LoadControlState:
    return state(setpoint=LoadControlLevel(minimum=minimum, maximum=maximum, current=current))


@given(said=states)
def test_a_load_control_state_survives_as_series_of_values(said: LoadControlState) -> None:
    values = dict(figures(said))

    assert values.keys() <= set(LOAD_SERIES)
    assert load_control(values) == (said if said != LoadControlState() else None)


def test_a_kind_without_a_current_value_is_none() -> None:
    assert load_control({"setpoint.minimum": 1.0, "capacity.current": 0.5}) == state(
        capacity=LoadControlLevel(current=0.5)
    )
    assert load_control({"setpoint.minimum": 1.0}) is None


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_kind_with_something_that_is_no_number_is_left_out(bad: float) -> None:
    wrong = LoadControlLevel(minimum=bad, current=1.0)

    assert usable(state(setpoint=wrong, capacity=CAPACITY)) == state(capacity=CAPACITY)
    assert usable(state(setpoint=wrong)) is None
    assert usable(state(setpoint=SETPOINT)) == state(setpoint=SETPOINT)
    assert usable(None) is None


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (at(0.0), at(0.1), False),
        (at(0.0), at(0.11), True),
        (at(100.0, None, None), at(101.0, None, None), False),
        (at(100.0, None, None), at(101.1, None, None), True),
        (at(0.0, None, None), at(0.1, None, None), True),
        (at(1.0), at(1.0, -4.0), False),
        (None, at(1.0), True),
        (at(1.0), None, True),
        (None, None, False),
        (at(1.0), state(capacity=CAPACITY), True),
    ],
    ids=["a hundredth of its range", "more", "a hundredth of itself", "more than that", "from nothing", "another limit",
         "it came", "it went", "there is none", "another kind"],
)  # fmt: skip
def test_control_has_moved_when_it_stands_elsewhere(
    before: LoadControlState | None, after: LoadControlState | None, expected: bool
) -> None:
    """By more than a hundredth of its range; limits that drift are no change."""
    assert moved(before, after) is expected


def interval(*payloads: tuple[str, LoadControlState | None]) -> Interval:
    return Interval(
        payloads=tuple(
            ReportPayload(rid=Rid(rid), value=ResourceStatus(online=True, manual_override=False, load_control=load))
            for rid, load in payloads
        )
    )


def test_x_rep_9_at_the_ven_a_kind_of_load_control_is_in_every_interval_of_a_point_or_in_none() -> None:
    """And each point by itself: a battery has no levels."""
    whole = state(setpoint=SETPOINT, capacity=CAPACITY)
    part = state(setpoint=SETPOINT)

    made = evened((interval(("line", whole), ("bat", part)), interval(("line", part), ("bat", part))))
    lost = evened((interval(("line", whole)), interval(("line", None))))

    assert made == (interval(("line", part), ("bat", part)), interval(("line", part), ("bat", part)))
    assert lost == (interval(("line", None)), interval(("line", None)))


def samples(seconds: int, current: float, quality: Quality | None = None) -> list[Reading]:
    """What is recorded of the battery at that second."""
    when = START + seconds * SECOND
    found = {
        "online": 1.0,
        "override": 0.0,
        "setpoint.minimum": -5.0,
        "setpoint.maximum": 5.0,
        "setpoint.current": current,
    }
    return [reading(f"live/bat.{name}", start=when, value=value) for name, value in found.items()]


def test_rule_510_at_the_ven_status_tells_how_the_resource_is_controlled(pair: Pair) -> None:
    """What stands at the end of each interval goes out and is kept, by kind and figure."""
    pair.samples = [one for seconds, kw in ((0, 0.0), (50, -3.0), (100, -4.0)) for one in samples(seconds, kw)]
    pair.clock_reaches(START + 2 * MINUTE + SECOND)

    sent = [report for report in updates(pair) if report.specifier_id == "status"]
    values = [payload.value for report in sent for each in report.intervals for payload in each.payloads
              if isinstance(payload, ReportPayload)]  # fmt: skip
    assert [value.load_control for value in values if isinstance(value, ResourceStatus)] == [at(-3.0), at(-4.0)]
    assert [one.value for one in series(pair, f"{PREFIX}.setpoint.current")] == [-3.0, -4.0]
    assert [one.value for one in series(pair, f"{PREFIX}.setpoint.minimum")] == [-5.0, -5.0]
    assert series(pair, f"{PREFIX}.setpoint.normal") == []
    assert [one.value for one in series(pair, f"{PREFIX}.online")] == [1.0, 1.0]


def test_the_last_known_control_of_a_silent_resource_is_told_as_no_more_than_that(pair: Pair) -> None:
    known = reading("live/bat.setpoint.current", start=START, value=-3.0)
    pair.samples = [
        reading("live/bat.online", start=START, value=0.0),
        reading("live/bat.override", start=START, value=0.0),
        Reading(series=known.series, start=known.start, span=known.span, value=known.value, quality=LAST_KNOWN),
    ]
    pair.clock_reaches(START + MINUTE + SECOND)

    (current,) = series(pair, f"{PREFIX}.setpoint.current")
    assert (current.value, current.quality) == (-3.0, LAST_KNOWN)
    assert [one.value for one in series(pair, f"{PREFIX}.online")] == [0.0]


def test_a_resource_that_says_nothing_of_its_control_is_reported_as_ever(pair: Pair) -> None:
    """Drivers of earlier days go on."""
    pair.samples = [reading("live/bat.online", start=START), reading("live/bat.override", start=START, value=0.0)]
    pair.clock_reaches(START + MINUTE + SECOND)

    (report,) = [report for report in updates(pair) if report.specifier_id == "status"]
    (payload,) = report.intervals[0].payloads
    assert isinstance(payload, ReportPayload)
    assert payload.value == ResourceStatus(online=True, manual_override=False)
