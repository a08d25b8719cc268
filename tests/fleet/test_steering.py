"""Set-points: what, when, how long, and who stands in for whom."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from openadr_ra.fleet.fleet import FleetTerms
from openadr_ra.protocol.model import OPT_IN, OPT_OUT, OptType, ResourceId
from openadr_ra.protocol.schedule import Slot
from openadr_ra.protocol.step import AnyLetter, Delivered, Publish, Verdict
from openadr_ra.seams import Descriptor
from tests.fleet.world import (
    HOUR,
    MINUTE,
    NOON,
    OTHER,
    Plant,
    after,
    battery,
    genset,
    line,
    schedule,
)

A, B = ResourceId("a"), ResourceId("b")


def opts(plant: Plant) -> list[OptType]:
    """What was said upward, in order."""
    return [letter.opt for letter in plant.letters(Verdict) if isinstance(letter, Verdict)]


@pytest.mark.parametrize(
    ("device", "kw", "held"),
    [
        (battery("a", plan_kw=2), -6, -4),
        (battery("a", plan_kw=2), 6, 8),
        (line("a", 150), -150, 0),
        (genset("a", 100, 300), -120, -120),
        (replace(genset("a", 100, 300), plan=(Slot(start=NOON - HOUR, kw=-300),)), 200, -100),
        (replace(line("a", 150), plan=(Slot(start=NOON - HOUR, kw=0),)), 150, 150),
    ],
)
def test_devices_get_absolute_power_from_the_start_to_the_end_and_then_control_back(
    device: Descriptor, kw: float, held: float
) -> None:
    """Discharge, charge, a line off and on, a generator up and down: baseline and change are added once, here."""
    plant = Plant(device)
    plant.instructs(schedule(kw))

    plant.runs_to(after(40))

    assert plant.setpoints("a") == [(0, held), (30, None)]


def test_each_slot_has_its_own_power_and_a_gap_gives_control_back() -> None:
    plant = Plant(battery("a"))
    asked = schedule(-6, 4, -2)
    plant.instructs(replace(asked, slots=(asked.slots[0], asked.slots[2])))

    plant.runs_to(after(95))

    assert plant.setpoints("a") == [(0, -6), (30, None), (60, -2), (90, None)]


def test_a_set_point_is_a_lease_that_is_renewed_and_ends_with_the_promise() -> None:
    """Renewed every track_every_s; a slot's edge is no reason to let go of the device for a moment."""
    plant = Plant(battery("a"), terms=FleetTerms(track_every_s=20, lease_s=50))
    plant.instructs(schedule(-6, 4, every=MINUTE))
    plant.runs_to(after(3))

    seconds = [
        ((at - NOON) / timedelta(seconds=1), (one.lease_until - NOON) / timedelta(seconds=1), one.kw)
        for at, one in plant.applied
        if one.kw is not None
    ]
    every_20_s = [(0, 50, -6), (20, 70, -6), (40, 90, -6), (60, 110, 4), (80, 121, 4), (100, 121, 4)]
    assert [one for one in seconds if one[0] % 20 == 0] == every_20_s
    assert [one.sequence for _, one in plant.applied] == sorted({one.sequence for _, one in plant.applied})
    assert {one.event_id for _, one in plant.applied} == {"E1"}


def test_an_instruction_for_now_moves_the_devices_in_the_same_step() -> None:
    plant = Plant(battery("a"), start=after(7))

    plant.instructs(schedule(-6))

    assert plant.setpoints("a") == [(7, -6)]


def test_a_process_that_was_down_goes_on_in_the_slot_that_runs_now() -> None:
    """Old set-points are never given late; the lease ended what was held meanwhile."""
    plant = Plant(battery("a"))
    plant.instructs(schedule(-6, 4, -2))
    plant.runs_to(after(10))
    plant.sleeps_to(after(70))
    assert plant.kw("a") == 0

    plant.starts()
    plant.runs_to(after(95))

    assert plant.setpoints("a") == [(0, -6), (70, -2), (90, None)]
    # what was measured at its ends does not fill the second interval: it stays provisional for a quarter of an hour
    assert plant.delivered() == [(0, 30, 0), (30, 60, 0), (30, 60, 1), (60, 90, 0)]


def test_a_process_that_was_down_over_the_end_gives_control_back() -> None:
    plant = Plant(battery("a"))
    plant.instructs(schedule(-6))
    plant.runs_to(after(10))
    plant.sleeps_to(after(45))

    plant.starts()

    assert plant.setpoints("a") == [(0, -6), (45, None)]


def test_a_wake_that_comes_late_is_not_lost() -> None:
    """A measurement between the edge and the wake does not hide the edge."""
    plant = Plant(battery("a"))
    plant.instructs(schedule(-6))
    plant.runs_to(NOON - timedelta(seconds=5))
    plant.now = NOON + timedelta(milliseconds=3)

    plant.measures()

    assert plant.due == plant.now + timedelta(microseconds=1)


def test_the_whole_fleet_shares_in_proportion() -> None:
    plant = Plant(battery("a", 10), battery("b", 30))
    plant.instructs(schedule(-20))
    plant.runs_to(after(1))

    assert (plant.kw("a"), plant.kw("b")) == (-5, -15)


def test_members_that_are_not_moved_are_held_where_they_planned_to_be() -> None:
    """A delta of 0 holds the baseline and is no release (architecture 6)."""
    plant = Plant(battery("a", plan_kw=3), line("press", 150))
    plant.instructs(schedule(0))
    plant.runs_to(after(31))

    assert plant.setpoints("a") == [(0, 3), (30, None)]
    assert plant.setpoints("press") == [(0, 150), (30, None)]


def test_a_line_that_stops_halfway_by_its_own_plan_is_left_to_it() -> None:
    """On half of the slot is no level; as nothing is asked of it, it is told nothing."""
    plan = (Slot(start=NOON - HOUR, end=after(15), kw=150),)
    plant = Plant(battery("a"), replace(line("press", 150), plan=plan))
    plant.instructs(schedule(-5))
    plant.runs_to(after(31))

    assert plant.setpoints("press") == []
    assert plant.setpoints("a") == [(0, -5), (30, None)]


def test_level_0_is_normal_operation() -> None:
    plant = Plant(battery("a"), line("press", 150))
    plant.instructs(schedule(3, 0, 1, mode="level"))
    plant.runs_to(after(95))

    assert plant.setpoints("a") == [(0, -10), (30, None), (60, pytest.approx(-10 / 3)), (90, None)]
    assert plant.setpoints("press") == [(0, 0), (30, None), (60, 150), (90, None)]


def test_two_events_on_one_device_add_up() -> None:
    plant = Plant(battery("a", plan_kw=1))
    plant.instructs(schedule(-4, -4))
    plant.instructs(schedule(-3, start=after(15), event="E2"), reply_to=OTHER)

    plant.runs_to(after(65))

    assert plant.setpoints("a") == [(0, -3), (15, -6), (45, -3), (60, None)]


def test_a_change_takes_effect_at_once_and_leaves_the_past_alone() -> None:
    plant = Plant(battery("a"))
    plant.instructs(schedule(-6, -6))
    plant.runs_to(after(10))

    plant.instructs(schedule(-2, 4), modification=1)
    plant.runs_to(after(65))

    assert plant.setpoints("a") == [(0, -6), (10, -2), (30, 4), (60, None)]


def test_the_last_of_several_quick_changes_is_what_happens() -> None:
    plant = Plant(battery("a"))
    for modification, kw in enumerate((-1, -9, 5, -3)):
        plant.instructs(schedule(kw), modification=modification)
        plant.runs_to(plant.now + timedelta(seconds=7))

    plant.runs_to(after(31))

    assert plant.setpoints("a") == [(0, -3), (30, None)]


@pytest.mark.parametrize("minutes", [10.0, 30, 45])
def test_a_release_ends_it_there_and_then(minutes: float) -> None:
    plant = Plant(battery("a"))
    plant.instructs(schedule(-6, -6, -6))
    plant.runs_to(after(10))

    plant.releases(at=after(minutes))
    plant.releases(at=after(minutes))
    plant.runs_to(after(95))

    assert plant.setpoints("a") == [(0, -6), (minutes, None)]


def test_a_release_of_an_older_version_or_of_nothing_known_changes_nothing() -> None:
    plant = Plant(battery("a"))
    plant.instructs(schedule(-6), modification=2)

    for outcome in (plant.releases(modification=1), plant.releases("E9")):
        assert outcome.effects == ()
        assert [promise.released for promise in outcome.state.promises] == [False]


@pytest.mark.parametrize("what", ["offline", "override", "lies"])
def test_what_a_member_loses_others_take_over_at_the_next_tick(what: str) -> None:
    plant = Plant(battery("a"), battery("b"))
    plant.instructs(schedule(-8, -8))
    plant.runs_to(after(10) - timedelta(seconds=2))
    device = plant.devices[A]
    device.online, device.override, device.lies = what != "offline", what == "override", what == "lies"

    plant.runs_to(after(12))

    # the device is read, and found away, at the tick of minute 10; the next tick is ten seconds later
    assert plant.setpoints("b") == [(0, -4), (pytest.approx(10 + 1 / 6), -8)]
    assert plant.setpoints("a") == [(0, -4), (pytest.approx(10 + 1 / 6), None)]
    entry = plant.entries[-1]
    assert (entry.what, entry.detail) == ("re-allocated", "a away; b -4.000 kW; +0.000 kW uncovered")

    plant.runs_to(after(30))
    assert [entry.what for entry in plant.entries] == ["promised", "re-allocated", "re-allocated"]


def test_a_member_that_comes_back_takes_what_is_missing_and_its_part_of_later_slots() -> None:
    plant = Plant(battery("a"), battery("b"))
    plant.instructs(schedule(-16, -8))
    plant.devices[A].online = False
    plant.runs_to(after(10))
    assert plant.setpoints("b")[-1][1] == -10

    plant.devices[A].online = True
    plant.runs_to(after(40))

    assert [kw for _, kw in plant.setpoints("a")][-2:] == [-6, -4]
    assert [kw for _, kw in plant.setpoints("b")][-2:] == [-10, -4]


def test_nobody_is_moved_for_a_hundredth() -> None:
    """What is not covered from the start stays so until there is headroom worth it."""
    plant = Plant(battery("a"), battery("b", 0.1))
    plant.instructs(schedule(-10.1))
    plant.runs_to(after(5))
    plant.devices[B].online = False
    plant.runs_to(after(10))

    assert [entry.what for entry in plant.entries] == ["promised"]


def test_a_stand_in_does_not_take_what_it_owes_to_another_event() -> None:
    plant = Plant(battery("a"), battery("b"))
    plant.instructs(schedule(-8, to=("b",), event="E2"), reply_to=OTHER)
    plant.instructs(schedule(-6, to=("a", "b")))
    plant.devices[A].online = False

    plant.runs_to(after(10))

    assert plant.kw("b") == pytest.approx(-10)
    assert plant.entries[-1].detail.endswith("-4.000 kW uncovered")


def test_too_little_for_too_long_is_opted_out_upward_and_not_a_moment_sooner() -> None:
    plant = Plant(battery("a"), battery("b"), terms=FleetTerms(patience_s=900))
    plant.instructs(schedule(-12))
    plant.runs_to(after(5))
    plant.devices[A].online = False
    plant.runs_to(after(19.9))
    assert opts(plant) == [OPT_IN]

    plant.runs_to(after(20.4))

    assert opts(plant) == [OPT_IN, OPT_OUT]
    assert plant.entries[-1].what == "opted out"
    assert "only 83%" in plant.entries[-1].detail
    assert plant.kw("b") == 0


def test_whoever_comes_back_in_time_spares_the_opt_out() -> None:
    plant = Plant(battery("a"), battery("b"), terms=FleetTerms(patience_s=900))
    plant.instructs(schedule(-12))
    plant.runs_to(after(5))
    plant.devices[A].online = False
    plant.runs_to(after(19))
    plant.devices[A].online = True

    plant.runs_to(after(29))

    assert opts(plant) == [OPT_IN]
    assert plant.kw("a") + plant.kw("b") == pytest.approx(-12, abs=0.3)


def test_letters_to_others_change_nothing() -> None:
    plant = Plant(battery("a"))
    plant.instructs(schedule(-6))
    before = plant.fleet
    letters: tuple[AnyLetter, ...] = tuple(item.body for item in plant.mail if not isinstance(item.body, Publish))
    assert {type(letter) for letter in letters} >= {Verdict}

    for letter in (*letters, Delivered(event_id=before.promises[0].event_id, start=NOON, end=after(30))):
        outcome = plant.gives(letter)

        assert outcome.state == before
        assert outcome.effects == ()


def test_a_fleet_without_promises_asks_for_no_wake() -> None:
    plant = Plant(battery("a"))

    plant.runs_to(after(0))

    assert plant.due is None
    assert plant.applied == []


def test_a_device_that_left_the_fleet_is_left_alone_and_stood_in_for() -> None:
    plant = Plant(battery("a"), battery("b"))
    plant.instructs(schedule(-8))
    plant.runs_to(after(5))
    del plant.devices[B]

    plant.starts()

    assert plant.setpoints("a") == [(0, -4), (5, -8)]
    assert plant.setpoints("b") == [(0, -4)]


def test_a_generator_whose_mean_plan_is_below_its_minimum_is_left_to_it() -> None:
    """It runs at 100 kW for half of the slot; 50 kW throughout it cannot hold, and nothing is asked of it."""
    plan = (Slot(start=NOON - HOUR, end=after(15), kw=-100),)
    plant = Plant(battery("a"), replace(genset("gen", 100, 300), plan=plan))
    plant.instructs(schedule(-5, to=("a", "gen")))
    plant.runs_to(after(31))

    assert plant.setpoints("gen") == []
    assert plant.setpoints("a") == [(0, -5), (30, None)]


def test_a_plan_beyond_the_limits_is_no_set_point() -> None:
    plant = Plant(battery("a"), battery("b", 10, plan_kw=11))
    plant.instructs(schedule(5, to=("a", "b")))
    plant.runs_to(after(1))

    assert plant.setpoints("b") == []
    assert plant.setpoints("a") == [(0, 5)]
