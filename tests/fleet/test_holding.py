"""A tier holds its own promise: own devices make up for what is metered to be missing, or too much, in the running slot."""

from __future__ import annotations

import pytest

from openadr_ra.fleet.fleet import FleetTerms
from openadr_ra.protocol.model import ResourceId
from tests.fleet.aggregator import Aggregator, Ven
from tests.fleet.world import Plant, after, battery, line, schedule

A, B = ResourceId("a"), ResourceId("b")


def delta(plant: Plant) -> float:
    found = plant.value("delta")
    assert found is not None
    return found


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("stray_kw", [1.5, -1.5])
def test_what_one_device_misses_the_others_make_up_for(sign: float, stray_kw: float) -> None:
    """It does a quarter less, or more, than it is told; then the mean of the slot is what was asked all the same."""
    plant = Plant(battery("a"), battery("b"))
    plant.devices[A].noise_kw = stray_kw
    plant.instructs(schedule(sign * 12))
    plant.runs_to(after(31))

    assert delta(plant) == pytest.approx(sign * 12, abs=0.25)


def test_without_it_the_mean_is_what_the_devices_make_of_their_set_points() -> None:
    plant = Plant(battery("a"), battery("b"), terms=FleetTerms(hold_mean=False))
    plant.devices[A].noise_kw = 1.5
    plant.instructs(schedule(-12))
    plant.runs_to(after(31))

    assert delta(plant) == pytest.approx(-10.5)


def test_a_device_that_does_as_it_is_told_is_told_nothing_new() -> None:
    plant = Plant(battery("a"), battery("b"))
    plant.instructs(schedule(-12, 6))
    plant.runs_to(after(65))

    assert plant.setpoints("a") == [(0, -6), (30, 3), (60, None)]


def test_a_correction_ends_with_its_slot() -> None:
    """Nothing winds up: the next slot begins with what it asks."""
    plant = Plant(battery("a"), battery("b"))
    plant.devices[A].noise_kw = 1.0
    plant.instructs(schedule(-12, -12))
    plant.runs_to(after(29))
    plant.devices[A].noise_kw = 0.0
    plant.runs_to(after(30))

    assert plant.setpoints("b")[-1] == (30, -6)


def test_lines_are_not_switched_for_a_correction() -> None:
    plant = Plant(battery("a"), line("line", 6.0))
    plant.devices[A].noise_kw = 1.0
    plant.instructs(schedule(-12))
    plant.runs_to(after(31))

    assert plant.setpoints("line") == [(0, 0), (30, None)]
    assert delta(plant) == pytest.approx(-12, abs=0.25)


def test_devices_of_an_aggregator_make_up_for_its_vens_without_a_message() -> None:
    ra = Aggregator(Ven("v1"), devices=(battery("bat"),))
    ra.vens[ResourceId("v1")].factor = 0.8
    ra.instructs(schedule(-10))
    ra.runs_to(after(28))

    assert ra.told() == {"v1": 1}
    assert ra.kw("bat") < -5.9


def test_what_vens_have_not_had_the_time_to_report_is_not_made_up_for() -> None:
    """They report each minute: right after the start the newest report is of before it."""
    ra = Aggregator(Ven("v1"), devices=(battery("bat"),))
    ra.instructs(schedule(-10))
    ra.runs_to(after(0.9))

    assert ra.kw("bat") == -5


def test_a_correction_keeps_to_the_site_s_limit() -> None:
    ven = Ven("v1", 100.0)
    ra = Aggregator(ven, devices=(battery("own", 100, kwh=1000),), terms=FleetTerms(export_max_kw=30))
    ra.instructs(schedule(-100))
    ra.runs_to(after(3))
    ven.factor = 0.85
    ra.runs_to(after(15))

    own = [kw for _, kw in ra.setpoints("own") if kw is not None]
    assert min(own) == pytest.approx(-30)


def test_a_device_out_of_reach_may_still_be_where_it_was_and_counts_so_at_the_site() -> None:
    """It fed in 10 of the 30 kW that the site may; the others stand in for it with no more than the rest."""
    plant = Plant(battery("a", 20), battery("b", 40), terms=FleetTerms(export_max_kw=30))
    plant.instructs(schedule(-30))
    plant.runs_to(after(5))
    was_kw = plant.kw("a")
    plant.devices[A].online = False
    plant.runs_to(after(6))

    assert was_kw == pytest.approx(-10)
    assert plant.kw("b") == pytest.approx(-20)
