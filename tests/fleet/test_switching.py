"""Minimum on and off times hold from slot to slot, over changes, and for whoever stands in."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.seams import Descriptor
from tests.fleet.world import MINUTE, Plant, after, battery, genset, line, schedule


def slow_line(name: str, kw: float, *, on_min: float = 0.0, off_min: float = 0.0) -> Descriptor:
    return replace(line(name, kw), min_on_s=60 * on_min, min_off_s=60 * off_min)


@pytest.mark.parametrize(("off_min", "second"), [(30.0, None), (30.1, 0.0)])
def test_a_line_that_was_switched_off_stays_off_for_its_time(off_min: float, second: float | None) -> None:
    """The second half hour asks for nothing that needs it; the battery charges instead."""
    plant = Plant(slow_line("line", 6.0, off_min=off_min), battery("bat"))
    plant.instructs(schedule(-6, -1))
    plant.runs_to(after(35))

    assert plant.kw("line") == (6.0 if second is None else second)
    assert plant.kw("line") - 6.0 + plant.kw("bat") == pytest.approx(-1)


def test_a_change_of_mind_does_not_switch_a_line_on_too_soon() -> None:
    plant = Plant(slow_line("line", 6.0, off_min=20), battery("bat"))
    plant.instructs(schedule(-6))
    plant.runs_to(after(5))
    plant.instructs(schedule(-2), modification=1)
    plant.runs_to(after(19))

    assert plant.kw("line") == 0
    assert plant.kw("bat") == pytest.approx(4, abs=0.1)


def test_a_generator_that_was_started_runs_for_its_time() -> None:
    plant = Plant(replace(genset("gen", 3.0, 10.0), min_on_s=40 * 60), battery("bat"))
    plant.instructs(schedule(-18, -2))
    plant.runs_to(after(35))

    assert plant.kw("gen") < 0
    assert plant.kw("gen") + plant.kw("bat") == pytest.approx(-2, abs=0.1)


def test_who_was_switched_just_before_does_not_stand_in() -> None:
    """The line came on again a minute before noon, as its plan has it: it must stay on for ten minutes."""
    plant = Plant(slow_line("line", 6.0, on_min=10), battery("bat"))
    plant.instructs(schedule(-6, start=after(-5), every=4 * MINUTE, to=("line",), event="E0"))
    plant.instructs(schedule(-6, to=("line", "bat")))
    plant.runs_to(after(2))

    assert plant.kw("line") == 6.0
    assert plant.kw("bat") == pytest.approx(-6)


def test_a_slot_taken_back_while_the_one_before_runs_counts_what_the_line_gives_once() -> None:
    """The line must stay off for its time into the next slot: that is -6 kW there, and the battery makes up for it."""
    plant = Plant(slow_line("line", 6.0, off_min=45), battery("bat", 20))
    plant.instructs(schedule(-6, -6, to=("line", "bat")))
    plant.runs_to(after(20))
    plant.instructs(schedule(-6, 0, to=("line", "bat")), modification=1)
    plant.runs_to(after(35))

    assert plant.kw("line") == 0
    assert plant.kw("bat") == pytest.approx(6)
