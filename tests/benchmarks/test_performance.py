"""docs/performance.md says what docs/performance.json says, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec.structs import replace

from benchmarks.measure import Figure, Section, against_floor, against_peer, spread
from benchmarks.performance import DATA, DOCS, PAGE, kept, page, section, write

SLOW = Figure(
    name="slow", unit="ms CPU", ours=2.0, floor=1.0, ratio_to_floor=2.0, goal="at most 1.5 x floor", met=False
)
FAST = Figure(name="fast", unit="ms CPU", ours=1.0, peer=4.0, ratio_to_peer=0.25, goal="at most 1.5 ms CPU", met=True)


def measured(name: str, *figures: Figure) -> Section:
    return replace(section("poll", figures, full=False), name=name)


def test_the_performance_page_is_drawn_from_the_committed_figures() -> None:
    """`python -m benchmarks.performance` draws it anew where only its words have changed."""
    assert (DOCS / PAGE).read_text("utf-8") == page(kept())
    pictures = re.findall(r"\]\(([^)]*\.png)\)", page(kept()))
    assert pictures
    assert [name for name in pictures if not (DOCS / name).exists()] == []


def test_each_performance_figure_stands_there_with_its_command() -> None:
    drawn = page(kept())

    for one in kept():
        assert f"`python -m benchmarks {one.name}" in drawn
        assert all(f"| {figure.name} |" in drawn for figure in one.figures), one.name


def test_a_goal_that_was_missed_says_so() -> None:
    """A miss is a miss, however small."""
    drawn = page((measured("poll", SLOW, FAST),))

    assert "1 of 2 goals are met." in drawn
    assert "Missed: slow." in drawn
    assert drawn.count("**NO**") == 2, "in the table, and where it is explained"


def test_what_was_measured_anew_replaces_what_stood_there(tmp_path: Path) -> None:
    write((measured("poll", SLOW), measured("report", FAST)), tmp_path)
    write((measured("poll", replace(SLOW, met=True)),), tmp_path)

    found = {one.name: one.figures for one in kept(tmp_path)}
    assert found == {"poll": (replace(SLOW, met=True),), "report": (FAST,)}
    assert (tmp_path / PAGE).read_text("utf-8") == page(kept(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "performance-cpu.png", "performance-ratios.png", DATA, PAGE
    ]  # fmt: skip


def test_ratios_are_those_of_each_round_with_its_own_floor() -> None:
    """What slows the machine down slows both."""
    figure = against_floor("poll", "us CPU", {"ours": spread([3, 30, 4]), "floor": spread([2, 20, 2])}, most=1.5)

    assert (figure.least, figure.ratio_to_floor, figure.most) == (1.5, 1.5, 2.0)
    assert figure.met
    assert (figure.ours, figure.floor) == (4, 2)


def test_a_goal_in_a_unit_is_held_against_the_median_of_the_rounds() -> None:
    figure = against_peer("report", "ms CPU", {"ours": spread([1, 2, 9]), "peer": spread([10, 10, 10])}, most=2.0)

    assert (figure.least, figure.ours, figure.most) == (1, 2, 9)
    assert figure.ratio_to_peer == 0.2
    assert figure.met
    assert not against_peer("report", "ms CPU", {"ours": spread([2.1]), "peer": spread([10])}, most=2.0).met
