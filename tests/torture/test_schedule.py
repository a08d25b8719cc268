"""The schedule of a torture: a seed has its own, with every kind in its turn, and one fault on a target at a time."""

from __future__ import annotations

from itertools import combinations

import pytest

from torture.scene import full_scene, small_scene
from torture.schedule import KINDS, Fault, draw

SCENE = full_scene(database=True, workers=2, disks=True)


def drawn(seed: int, seconds: float = 240.0) -> tuple[Fault, ...]:
    return draw(seed, seconds, KINDS, SCENE, away_s=30.0)


def test_a_seed_has_its_schedule_again_and_another_one_another() -> None:
    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


@pytest.mark.parametrize("seed", range(20))
def test_every_kind_of_fault_has_its_turn(seed: int) -> None:
    assert {fault.kind for fault in drawn(seed, 800)} == set(KINDS)


@pytest.mark.parametrize("seed", range(20))
def test_no_target_has_two_faults_at_a_time(seed: int) -> None:
    """A fault hides no other on the same target; the line to a VEN is not the VEN."""
    for one, other in combinations(drawn(seed), 2):
        if one.target == other.target and "network" not in (one.kind, other.kind):
            assert one.at_s + one.lasts_s <= other.at_s


def test_a_scene_has_only_faults_that_it_has_a_target_for() -> None:
    kinds = {fault.kind for fault in draw(1, 600, KINDS, small_scene(disks=False), away_s=30.0)}
    assert kinds == {"kill-vtn", "kill-ven", "locked", "network", "clock"}


def test_no_kind_is_no_schedule() -> None:
    assert draw(1, 60, (), SCENE, away_s=30.0) == ()
