"""What is answered for, interval by interval."""

from __future__ import annotations

import math
from datetime import timedelta
from math import fsum

import pytest
from msgspec.structs import replace

from openadr_ra.fleet.fleet import FleetTerms, Measured
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.parts import GOOD, NO_VALUE, UNCERTAIN
from openadr_ra.protocol.report import RESPONSE_QUANTITIES
from openadr_ra.protocol.schedule import Slot
from openadr_ra.protocol.step import Delivered, Fetched
from tests.fleet.world import (
    E1,
    HOUR,
    MINUTE,
    NOON,
    OTHER,
    UPSTREAM,
    Plant,
    after,
    battery,
    line,
    schedule,
)

A, B = ResourceId("a"), ResourceId("b")


def test_each_interval_is_answered_for_when_its_last_samples_are_in() -> None:
    plant = Plant(battery("a", plan_kw=2), line("b", 150))
    plant.instructs(schedule(-6, -3))
    plant.runs_to(after(30) + plant.terms.settle - timedelta(seconds=1))
    assert plant.delivered() == []

    plant.runs_to(after(62))

    assert plant.delivered() == [(0, 30, 0), (30, 60, 0)]
    assert {item.to for item in plant.mail} == {UPSTREAM}
    said = {quantity: plant.value(quantity) for quantity in RESPONSE_QUANTITIES}
    assert said == pytest.approx(
        {
            "asked": -6,
            "kw": 146,
            "baseline": 152,
            "delta": -6,
            "coverage": 100,
            "soc": 50,
            "frozen": 600,
            "revision": 0,
            "final": 1,
        }
    )
    assert plant.value("delta", after(30)) == pytest.approx(-3)
    assert plant.value("frozen", after(30)) == 2400


def test_a_response_has_the_interval_of_the_event() -> None:
    plant = Plant(battery("a"))
    plant.instructs(schedule(-6, every=timedelta(seconds=10)))
    plant.runs_to(after(1))

    reading = plant.response("delta")

    assert reading is not None
    assert (reading.start, reading.span, reading.quality) == (NOON, timedelta(seconds=10), GOOD)


def test_the_sum_upward_is_the_sum_of_the_members() -> None:
    names = ("a", "b", "c")
    plant = Plant(
        battery("a", 1 / 3),
        battery("b", 0.1),
        battery("c", 7, plan_kw=0.7),
        terms=FleetTerms(hold_mean=False),
    )
    for name, noise in zip(names, (0.01, -0.003, 0.3), strict=True):
        plant.devices[ResourceId(name)].noise_kw = noise
    plant.instructs(schedule(-math.pi))
    plant.runs_to(after(31))

    for quantity in ("kw", "baseline", "delta"):
        parts = [plant.value(quantity, resource=name) for name in names]
        assert plant.value(quantity) == fsum(part for part in parts if part is not None)
    assert plant.value("delta") == pytest.approx(-math.pi + 0.307)
    asked = [plant.value("asked", resource=name) for name in names]
    assert fsum(part for part in asked if part is not None) == pytest.approx(-math.pi)


def test_revision_and_finality_are_said_once_of_all_together() -> None:
    plant = Plant(battery("a"))
    plant.instructs(schedule(-6))
    plant.runs_to(after(31))

    said = {reading.series for reading in plant.readings.values() if reading.series.startswith("response/")}

    assert {series for series in said if series.endswith((".revision", ".final"))} == {
        "response/E1/*.revision",
        "response/E1/*.final",
    }


def test_a_member_without_a_value_is_missing_and_not_zero() -> None:
    """The sum is of those that have one, its quality says so, and the coverage falls by the member's size."""
    plant = Plant(battery("a", 10), battery("b", 30, plan_kw=5))
    plant.instructs(schedule(-8))
    plant.runs_to(NOON - 5 * MINUTE)
    plant.devices[B].online = False
    plant.runs_to(after(31))

    assert plant.response("kw", resource="b") is None
    assert plant.response("delta", resource="b") is None
    coverage = plant.response("coverage", resource="b")
    assert coverage is not None
    assert (coverage.value, coverage.quality) == (0, NO_VALUE)
    whole = plant.response("kw")
    assert whole is not None
    assert whole.value == pytest.approx(-8)
    assert whole.quality == UNCERTAIN
    assert plant.value("coverage") == pytest.approx(25)
    assert plant.value("delta") == pytest.approx(-8)
    assert plant.value("final") == 0


def test_an_interval_of_which_nothing_is_known_says_so() -> None:
    plant = Plant(battery("a"), terms=FleetTerms(patience_s=3600))
    plant.instructs(schedule(-6))
    plant.runs_to(NOON - 5 * MINUTE)
    plant.devices[A].online = False
    plant.runs_to(after(31))

    assert plant.delivered() == [(0, 30, 0)]
    assert plant.value("kw") is None
    assert plant.value("asked") == -6
    coverage = plant.response("coverage")
    assert coverage is not None
    assert (coverage.value, coverage.quality) == (0, NO_VALUE)


def test_what_stays_incomplete_is_final_after_a_quarter_of_an_hour() -> None:
    plant = Plant(battery("a"), battery("b"))
    plant.instructs(schedule(-8))
    plant.runs_to(NOON - 5 * MINUTE)
    plant.devices[B].online = False
    plant.runs_to(after(45) - timedelta(seconds=1))
    assert plant.delivered() == [(0, 30, 0)]

    plant.runs_to(after(45))

    assert plant.delivered() == [(0, 30, 0), (0, 30, 1)]
    assert (plant.value("revision"), plant.value("final")) == (1, 1)


def test_samples_that_come_late_correct_the_response_once() -> None:
    """A gateway that was cut off sends what it measured, with its true times (4(b): corrections with a revision)."""
    plant = Plant(battery("a"), battery("b"))
    plant.instructs(schedule(-8))
    plant.runs_to(NOON - 5 * MINUTE)
    template = plant.devices[B].measures(plant.now)
    plant.devices[B].online = False
    plant.runs_to(after(32))
    assert plant.value("coverage") == pytest.approx(50)

    for number in range(32):
        late = replace(template, at=after(number - 1), kw=-1.5, import_kwh=None, export_kwh=None)
        plant.gives(Measured(measurements={B: late}))
    plant.runs_to(after(33))

    assert plant.delivered() == [(0, 30, 0), (0, 30, 1)]
    assert plant.value("kw", resource="b") == pytest.approx(-1.5)
    assert plant.value("delta") == pytest.approx(-9.5)
    assert (plant.value("coverage"), plant.value("revision"), plant.value("final")) == (100, 1, 1)
    reading = plant.response("kw")
    assert reading is not None
    assert (reading.revision, reading.quality) == (1, GOOD)


def test_samples_that_change_nothing_correct_nothing() -> None:
    plant = Plant(battery("a"))
    plant.instructs(schedule(-6))
    plant.runs_to(after(31))
    reads = len(plant.reads)
    late = replace(plant.devices[A].measures(plant.now), at=after(29.99))

    plant.gives(Measured(measurements={A: replace(late, import_kwh=None, export_kwh=None, kw=-6)}))
    plant.runs_to(after(33))

    assert len(plant.reads) == reads + 1
    assert plant.delivered() == [(0, 30, 0)]


def test_readings_that_come_twice_are_answered_for_once() -> None:
    plant = Plant(battery("a"))
    plant.instructs(schedule(-6))
    plant.runs_to(after(31))
    (read,) = plant.reads

    outcome = plant.gives(Fetched(tag=read.tag, readings=plant.find(read)))

    assert (outcome.effects, outcome.mail) == ((), ())
    assert plant.gives(Fetched(tag="close nothing known", readings=())).effects == ()


def test_readings_that_never_come_are_fetched_again() -> None:
    """The process may have died between the step and its effect."""
    plant = Plant(battery("a"))
    plant.instructs(schedule(-6))
    plant.runs_to(after(30) + timedelta(seconds=10))
    lost = plant.fleet
    plant.runs_to(after(30) + timedelta(seconds=20))
    assert plant.delivered() == [(0, 30, 0)]
    plant.mail.clear()

    plant.fleet = lost
    plant.sleeps_to(after(32))
    plant.starts()
    plant.runs_to(after(33))

    assert plant.delivered() == [(0, 30, 0)]


def test_a_cancelled_running_slot_is_answered_for_up_to_the_cancellation() -> None:
    plant = Plant(battery("a"))
    plant.instructs(schedule(-6, -6, -6))
    plant.runs_to(after(40))

    plant.releases(modification=1)
    plant.runs_to(after(95))

    assert plant.delivered() == [(0, 30, 0), (30, 40, 0)]
    assert plant.value("delta", after(30)) == pytest.approx(-6)


def test_an_event_cancelled_before_its_start_owes_no_response() -> None:
    plant = Plant(battery("a"))
    plant.instructs(schedule(-6))

    plant.releases(modification=1)
    plant.runs_to(after(40))

    assert (plant.delivered(), plant.applied) == ([], [])


def test_an_open_ended_event_is_answered_for_when_it_ends() -> None:
    plant = Plant(battery("a"))
    asked = schedule(-6)
    endless = Slot(start=NOON, kw=-6)
    plant.instructs(replace(asked, slots=(endless,)))
    plant.runs_to(after(50))
    assert plant.delivered() == []

    plant.releases(modification=1)
    plant.runs_to(after(51))

    assert plant.delivered() == [(0, 50, 0)]


def test_a_change_that_keeps_the_intervals_keeps_their_answers() -> None:
    """The interval under way is answered for as the event now has it; asked is what was asked over time."""
    plant = Plant(battery("a"))
    plant.instructs(schedule(-6, -6, -6))
    plant.runs_to(after(40))

    plant.instructs(schedule(-6, -3, -3), modification=1)
    plant.runs_to(after(95))

    assert plant.delivered() == [(0, 30, 0), (30, 60, 0), (60, 90, 0)]
    assert plant.value("asked", after(30)) == pytest.approx(-4)
    assert plant.value("delta", after(30)) == pytest.approx(-4)
    assert plant.value("delta", after(60)) == pytest.approx(-3)


def test_a_change_that_splits_the_interval_under_way_is_answered_for_in_its_parts() -> None:
    """The new version reaches the fleet eight seconds after the cut that it names."""
    plant = Plant(battery("a"))
    plant.instructs(schedule(-6, -6))
    plant.runs_to(after(40) + timedelta(seconds=8))
    old = schedule(-6, -6).slots
    cut = after(40)
    split = (old[0], replace(old[1], end=cut), Slot(start=cut, end=after(60), kw=-2))

    plant.instructs(replace(schedule(0), slots=split), modification=1)
    plant.runs_to(after(95))

    assert plant.delivered() == [(0, 30, 0), (30, 40, 0), (40, 60, 0)]
    assert plant.value("delta", after(30)) == pytest.approx(-6)
    assert plant.value("delta", cut) == pytest.approx(-2 - 4 * 8 / 1200)


def test_an_event_that_is_moved_answers_for_what_it_did_before() -> None:
    plant = Plant(battery("a"))
    plant.instructs(schedule(-6))
    plant.runs_to(after(10))

    plant.instructs(schedule(-6, start=after(60)), modification=1)
    plant.runs_to(after(95))

    assert plant.delivered() == [(0, 10, 0), (60, 90, 0)]
    assert plant.setpoints("a") == [(0, -6), (10, None), (60, -6), (90, None)]


def test_the_baseline_is_the_plan_as_it_was_when_first_accepted() -> None:
    """A plan declared later, even before a change of the event, does not move it."""
    plant = Plant(battery("a", plan_kw=2))
    plant.instructs(schedule(-3))
    plant.devices[A].descriptor = battery("a", plan_kw=9)
    plant.starts()
    plant.runs_to(NOON - MINUTE)

    plant.instructs(schedule(-5), modification=1)
    plant.runs_to(after(31))

    assert plant.setpoints("a") == [(0, -3), (30, None)]
    assert plant.value("baseline") == 2
    assert plant.value("delta") == pytest.approx(-5)
    assert plant.value("frozen") == 600


def test_an_instruction_that_comes_after_the_start_says_how_late_its_baseline_is() -> None:
    plant = Plant(battery("a"), start=after(10))
    plant.instructs(schedule(-6))
    plant.runs_to(after(31))

    assert plant.value("frozen") == -600
    assert plant.value("asked") == pytest.approx(-4)


def test_a_baseline_that_moves_within_the_interval_counts_with_its_mean() -> None:
    """The device holds one power for the slot; its mean is the mean baseline and the change."""
    plan = (Slot(start=NOON - HOUR, end=after(10), kw=6), Slot(start=after(10), end=after(30), kw=0))
    plant = Plant(replace(battery("a"), plan=plan))
    plant.instructs(schedule(-5))
    plant.runs_to(after(31))

    assert plant.setpoints("a") == [(0, -3), (30, None)]
    assert plant.value("baseline") == pytest.approx(2)
    assert plant.value("delta") == pytest.approx(-5)


def test_only_those_addressed_are_answered_for() -> None:
    plant = Plant(battery("a"), battery("b", plan_kw=3))
    plant.instructs(schedule(-6, to=("a",)))
    plant.runs_to(after(31))

    assert plant.value("baseline", resource="b") is None
    assert plant.value("baseline") == 0


def test_each_upstream_hears_of_its_own_event() -> None:
    plant = Plant(battery("a"), battery("b"))
    plant.instructs(schedule(-6, to=("a",)))
    plant.instructs(schedule(4, to=("b",), event="E2"), reply_to=OTHER)
    plant.runs_to(after(31))

    heard = [(item.to, item.body.event_id) for item in plant.mail if isinstance(item.body, Delivered)]
    assert heard == [(UPSTREAM, E1), (OTHER, "E2")]
    assert plant.value("delta") == pytest.approx(-6)
    assert plant.value("delta", event="E2") == pytest.approx(4)


def test_a_read_period_beyond_the_settling_time_makes_it_provisional_first() -> None:
    """The register after the edge comes a minute later: then the value is final."""
    plant = Plant(battery("a"), read_every=MINUTE, terms=FleetTerms(settle_s=5))
    plant.read_at = NOON - MINUTE / 2
    plant.instructs(schedule(-6))

    plant.runs_to(after(32))

    assert plant.delivered()[0] == (0, 30, 0)
    assert plant.value("final") == 1
    assert plant.value("delta") == pytest.approx(-6, abs=0.11)


def test_who_had_a_share_is_answered_for_after_the_event_went_to_another() -> None:
    plant = Plant(battery("a"), battery("b"))
    plant.instructs(schedule(-6, -6, to=("a",)))
    plant.runs_to(after(15))

    plant.instructs(schedule(-6, -6, to=("b",)), modification=1)
    plant.runs_to(after(65))

    assert plant.value("delta", resource="a") == pytest.approx(-3)
    assert plant.value("delta", resource="b") == pytest.approx(-3)
    assert plant.value("delta") == pytest.approx(-6)
    assert plant.value("delta", after(30), resource="a") is None
    assert plant.value("delta", after(30)) == pytest.approx(-6)
