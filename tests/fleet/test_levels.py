"""SIMPLE levels where each resource has an action of its own for each of them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.fleet.fleet import Enrolled, FleetTerms
from openadr_ra.fleet.member import Merit
from openadr_ra.protocol.model import OPT_IN, ResourceId
from openadr_ra.seams import Descriptor
from tests.fleet.world import NOON, UPSTREAM, Plant, after, battery, constant, genset, line, schedule

TERMS = FleetTerms(hold_mean=False)


def load(name: str = "load", kw: float = 6.0) -> Descriptor:
    """Any power up to that; its plan is all of it."""
    return Descriptor(id=ResourceId(name), kind="consumer", min_kw=0, max_kw=kw, plan=constant(kw))


def plant(*descriptors: Descriptor, terms: FleetTerms = TERMS, **merits: Merit) -> Plant:
    made = Plant(*descriptors, start=NOON, terms=terms)
    made.gives(
        Enrolled(
            terms=terms,
            descriptors=descriptors,
            report_to=(UPSTREAM,),
            merits={ResourceId(name): merit for name, merit in merits.items()},
        )
    )
    return made


def kw_at(made: Plant, name: str, *levels: float) -> list[float]:
    """What the resource does at each of the levels, half an hour each."""
    assert made.instructs(schedule(*levels, mode="level")).opt == OPT_IN
    powers = []
    for number in range(len(levels)):
        made.runs_to(after(30 * number + 5))
        powers.append(made.kw(name))
    return powers


def test_without_an_action_of_its_own_a_resource_sheds_in_proportion() -> None:
    assert kw_at(plant(load()), "load", 0, 1, 2, 3) == pytest.approx([6.0, 4.0, 2.0, 0.0])


def test_a_resource_goes_to_the_power_of_each_level() -> None:
    made = plant(load(), load=Merit(at_levels_kw=(5.0, 4.5, 0.0)))

    assert kw_at(made, "load", 0, 1, 2, 3) == pytest.approx([6.0, 5.0, 4.5, 0.0])


def test_a_resource_goes_to_a_part_of_what_it_does_by_itself() -> None:
    made = plant(load(), load=Merit(at_levels_part=(0.9, 0.5, 0.0)))

    assert kw_at(made, "load", 1, 2, 3, 0) == pytest.approx([5.4, 3.0, 0.0, 6.0])


def test_a_battery_discharges_at_the_levels_at_which_it_is_to() -> None:
    made = plant(battery("bat", 5.0), bat=Merit(at_levels_kw=(0.0, -2.0, -5.0)))

    assert kw_at(made, "bat", 1, 2, 3) == pytest.approx([0.0, -2.0, -5.0])


def test_others_keep_their_proportion_beside_a_resource_with_actions() -> None:
    made = plant(load("a"), load("b"), a=Merit(at_levels_kw=(6.0, 6.0, 0.0)))
    assert kw_at(made, "a", 2) == pytest.approx([6.0])

    assert made.kw("b") == pytest.approx(2.0)


def test_an_action_that_a_line_does_not_have_is_the_nearest_level_that_it_has() -> None:
    made = plant(line("line", 10.0), line=Merit(at_levels_kw=(8.0, 3.0, 0.0)))

    assert kw_at(made, "line", 1, 2) == pytest.approx([10.0, 0.0])


def test_an_action_within_the_gap_of_a_generator_is_the_nearer_of_its_edges() -> None:
    made = plant(genset("gen", 40.0, 100.0), gen=Merit(at_levels_kw=(-10.0, -30.0, -100.0)))

    assert kw_at(made, "gen", 1, 2, 3) == pytest.approx([0.0, -40.0, -100.0])


def test_an_action_beyond_the_device_is_its_limit() -> None:
    made = plant(battery("bat", 5.0), bat=Merit(at_levels_kw=(-1.0, -4.0, -50.0)))

    assert kw_at(made, "bat", 3) == pytest.approx([-5.0])


def test_actions_leave_instructions_in_kw_alone() -> None:
    made = plant(load(), load=Merit(at_levels_kw=(5.0, 4.5, 0.0)))
    made.instructs(schedule(-1.0))

    assert made.kw("load") == pytest.approx(5.0)


def test_what_the_site_may_feed_in_holds_for_actions_too() -> None:
    """Others shed no further once a member's own action has used the room up."""
    terms = replace(TERMS, export_max_kw=2.0)
    made = plant(battery("bat", 5.0), battery("other", 5.0), terms=terms, bat=Merit(at_levels_kw=(0.0, 0.0, -2.0)))
    made.instructs(schedule(3, mode="level"))

    assert made.kw("bat") + made.kw("other") == pytest.approx(-2.0)
