"""Events without an end, and what is still needed of the samples while a response is not final."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.fleet.response import needed_since
from openadr_ra.protocol.model import OPT_IN
from openadr_ra.protocol.schedule import Schedule
from openadr_ra.protocol.times import FOREVER
from tests.fleet.world import E1, MINUTE, Plant, after, battery, schedule


def endless(kw: float) -> Schedule:
    """A set-point from noon on."""
    (slot,) = schedule(kw, mode="setpoint").slots
    return Schedule(id=E1, mode="setpoint", slots=(replace(slot, end=FOREVER),))


@pytest.mark.parametrize("plan_kw", [1.0, 400.0, 5000.0])
def test_a_set_point_without_an_end_is_held_by_a_device_of_any_size(plan_kw: float) -> None:
    """Its baseline is a mean over eight thousand years."""
    plant = Plant(battery("big", 2 * plan_kw, kwh=1e6, plan_kw=plan_kw))
    verdict = plant.instructs(endless(1.5 * plan_kw))
    plant.runs_to(after(5))

    assert verdict.opt == OPT_IN
    assert plant.setpoints("big") == [(0, 1.5 * plan_kw)]


def test_samples_are_needed_from_the_start_of_the_first_interval_whose_response_is_not_final() -> None:
    plant = Plant(battery("bat"))
    plant.instructs(schedule(-1, -1))
    hold = plant.terms.hold

    assert needed_since(plant.fleet.promises, plant.terms) == after(0) - hold
    plant.runs_to(after(29))
    assert needed_since(plant.fleet.promises, plant.terms) == after(0) - hold
    plant.runs_to(after(31))
    assert needed_since(plant.fleet.promises, plant.terms) == after(30) - hold
    plant.runs_to(after(61))
    assert needed_since(plant.fleet.promises, plant.terms) is None


def test_an_interval_that_may_be_corrected_needs_its_samples_until_it_may_not() -> None:
    """The battery was silent at its start."""
    plant = Plant(battery("bat"))
    plant.instructs(schedule(-1))
    (device,) = plant.devices.values()
    device.online = False
    plant.runs_to(after(10))
    device.online = True
    plant.runs_to(after(30) + plant.terms.correct - MINUTE)
    assert needed_since(plant.fleet.promises, plant.terms) == after(0) - plant.terms.hold

    plant.runs_to(after(30) + plant.terms.correct)
    assert needed_since(plant.fleet.promises, plant.terms) is None


def test_an_event_without_an_end_keeps_no_samples_until_it_has_one() -> None:
    plant = Plant(battery("bat"))
    plant.instructs(endless(-1))
    plant.runs_to(after(90))
    assert needed_since(plant.fleet.promises, plant.terms) is None

    plant.releases(modification=1, at=after(90))
    assert needed_since(plant.fleet.promises, plant.terms) == after(0) - plant.terms.hold
