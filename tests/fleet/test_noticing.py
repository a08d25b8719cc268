"""What the VTNs above hear of without waiting, and what is recorded of a device's control."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from msgspec.structs import replace

from openadr_ra.fleet.fleet import Enrolled, Measured
from openadr_ra.protocol.model import ResourceId, Rid
from openadr_ra.protocol.parts import COMM_FAILURE, LAST_KNOWN, LoadControlLevel, LoadControlState
from openadr_ra.protocol.step import Changed
from openadr_ra.seams import Measurement
from tests.fleet.world import NOON, UPSTREAM, Plant, battery

A = ResourceId("a")
SECOND = timedelta(seconds=1)


def control(current: float, minimum: float = -5.0) -> LoadControlState:
    return LoadControlState(setpoint=LoadControlLevel(minimum=minimum, maximum=5.0, current=current))


def plant(change_kw: float | None = None) -> Plant:
    """One battery, measured once."""
    made = Plant(battery("a"))
    made.now = NOON
    terms = replace(made.fleet.terms, change_kw=change_kw)
    made.gives(Enrolled(terms=terms, descriptors=(made.fleet.members[A].descriptor,), report_to=(UPSTREAM,)))
    made.gives(Measured(measurements={A: replace(made.devices[A].measures(NOON), at=NOON, kw=0.0)}))
    return made


def measured(made: Plant, seconds: int, **changes: object) -> Measurement:
    return replace(made.devices[A].measures(made.now), at=NOON + seconds * SECOND, **{"kw": 0.0, **changes})


def points(made: Plant, seconds: int, **changes: object) -> list[Rid]:
    """What the VTNs are told has changed with that measurement."""
    before = len(made.letters(Changed))
    made.now = NOON + seconds * SECOND
    made.gives(Measured(measurements={A: measured(made, seconds, **changes)}))
    return [point for one in made.letters(Changed)[before:] if isinstance(one, Changed) for point in one.points]


def test_nothing_is_a_change_the_first_time() -> None:
    assert plant().letters(Changed) == []


def test_a_device_that_goes_comes_or_is_taken_in_hand_has_changed() -> None:
    made = plant()

    assert points(made, 1) == []
    assert points(made, 2, local_override=True) == ["a"]
    assert points(made, 3, local_override=True) == []
    assert points(made, 4) == ["a"]
    assert points(made, 5, online=False, quality=COMM_FAILURE) == ["a"]


def test_a_control_that_creeps_is_a_change_once_it_has_come_far() -> None:
    """A hundredth of ten kilowatts, against what was told last."""
    made = plant()

    assert points(made, 1, load_control=control(0.0)) == ["a"]
    assert points(made, 2, load_control=control(0.08)) == []
    assert points(made, 3, load_control=control(0.16)) == ["a"]
    assert points(made, 4, load_control=control(0.08)) == []
    assert points(made, 5, load_control=control(0.16, minimum=-3.0)) == []


@pytest.mark.parametrize(("change_kw", "kw", "expected"), [(0.5, 0.49, []), (0.5, 0.5, ["a.kw"]), (None, 5.0, [])])
def test_power_is_a_change_from_so_many_kw_on(change_kw: float | None, kw: float, expected: list[str]) -> None:
    assert points(plant(change_kw), 1, kw=kw) == expected


def test_power_that_creeps_is_told_against_what_was_told_last() -> None:
    made = plant(0.5)

    assert [points(made, seconds, kw=0.2 * seconds) for seconds in range(1, 6)] == [[], [], ["a.kw"], [], []]
    assert points(made, 6, kw=1.2) == ["a.kw"]


def test_power_of_a_device_that_is_silent_is_no_change() -> None:
    assert points(plant(0.5), 1, kw=3.0, quality=LAST_KNOWN) == []


def test_what_was_told_outlives_a_restart() -> None:
    made = plant()
    made.gives(Enrolled(terms=made.fleet.terms, descriptors=(made.fleet.members[A].descriptor,), report_to=(UPSTREAM,)))

    assert points(made, 1, local_override=True) == ["a"]


def starts(made: Plant, name: str) -> list[float]:
    """Seconds after noon at which that series has a value."""
    return sorted((key[1] - NOON) / SECOND for key in made.readings if key[0] == f"live/a.{name}")


def test_control_is_recorded_when_it_changes_and_each_minute() -> None:
    """And not with every reading: it has up to sixteen values."""
    made = plant()
    for seconds in range(1, 131):
        current = 0.0 if seconds < 70 else 1.0
        points(made, seconds, load_control=control(current))

    assert starts(made, "setpoint.current") == [1, 60, 70, 120]
    assert starts(made, "setpoint.minimum") == [1, 60, 70, 120]
    assert starts(made, "setpoint.normal") == []
    assert made.readings["live/a.setpoint.current", NOON + 70 * SECOND, timedelta(0)].value == 1.0


def test_the_last_known_control_of_a_silent_device_is_recorded_as_such() -> None:
    made = plant()
    points(made, 1, load_control=control(1.0))
    silent = replace(measured(made, 1, load_control=control(1.0)), online=False, quality=LAST_KNOWN)
    made.now = NOON + 5 * SECOND
    made.gives(Measured(measurements={A: silent}))

    assert made.readings["live/a.setpoint.current", made.now, timedelta(0)].quality == LAST_KNOWN


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_control_that_is_no_number_never_enters(bad: float) -> None:
    made = plant()

    assert points(made, 1, load_control=control(bad)) == []
    assert starts(made, "setpoint.current") == []
