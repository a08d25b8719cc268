"""A solar plant is held down slot by slot: by a set-point, by a change of power, and by what its site may feed in."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.fleet.fleet import FleetTerms
from openadr_ra.protocol.model import OPT_IN, OPT_OUT, ResourceId
from openadr_ra.protocol.schedule import Slot
from openadr_ra.seams import Descriptor
from tests.fleet.world import HALF_HOUR, NOON, Plant, after, battery, schedule

TERMS = FleetTerms(hold_mean=False)


def sun(*kw: float) -> tuple[Slot, ...]:
    """What it would give in each half hour from noon on."""
    return tuple(Slot(start=after(30 * n), end=after(30 * n) + HALF_HOUR, kw=-one) for n, one in enumerate(kw))


def solar(*kw: float) -> Descriptor:
    return Descriptor(id=ResourceId("pv"), kind="generator", subtype="pv", min_kw=-10, max_kw=0, plan=sun(*kw))


def kw_of(plant: Plant, slots: int) -> list[float]:
    """Its power in each half hour."""
    powers = []
    for number in range(slots):
        plant.runs_to(after(30 * number + 5))
        powers.append(plant.kw("pv"))
    return powers


def test_a_set_point_holds_a_solar_plant_down_in_each_slot() -> None:
    plant = Plant(solar(8, 8, 6, 6), start=NOON, terms=TERMS)

    assert plant.instructs(schedule(-5, -2, 0, -6, mode="setpoint")).opt == OPT_IN
    assert kw_of(plant, 4) == pytest.approx([-5.0, -2.0, 0.0, -6.0])


def test_a_change_of_power_takes_off_what_the_plant_would_give_in_each_slot() -> None:
    plant = Plant(solar(8, 8, 6, 6), start=NOON, terms=TERMS)

    assert plant.instructs(schedule(3, 8, 0, 1)).opt == OPT_IN
    assert kw_of(plant, 4) == pytest.approx([-5.0, 0.0, -6.0, -5.0])


def test_after_the_last_slot_the_sun_is_used_again() -> None:
    plant = Plant(solar(8, 8), start=NOON, terms=TERMS)
    plant.instructs(schedule(-5, mode="setpoint"))
    plant.runs_to(after(31))

    assert plant.kw("pv") == -8.0
    assert plant.setpoints("pv") == [(0, -5.0), (30, None)]


@pytest.mark.parametrize(("kw", "opt"), [(8.0, OPT_IN), (9.0, OPT_OUT)])
def test_no_more_can_be_taken_off_than_there_is(kw: float, opt: str) -> None:
    plant = Plant(solar(8), start=NOON, terms=TERMS)

    assert plant.instructs(schedule(kw)).opt == opt


def test_no_event_makes_the_site_feed_in_more_than_it_may() -> None:
    """8 kW of sun and 10 kW of connection: of 5 kW that the battery is asked 2 are left."""
    terms = replace(TERMS, export_max_kw=10.0, min_cover=0.4)
    plant = Plant(solar(8, 8), battery("bat", 5.0), start=NOON, terms=terms)
    plant.instructs(schedule(-5, to=("bat",)))

    assert plant.kw("bat") + plant.kw("pv") == pytest.approx(-10.0)
