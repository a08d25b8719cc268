"""How figures are measured here: variants in turn, CPU time, medians.

The machine is shared and its clock moves, so a variant is never timed alone: each round runs all of them, in turn, and what
counts is the median of the rounds. CPU time leaves out what others do meanwhile.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from time import process_time

import msgspec

ROUNDS = 15
ROUND_S = 0.03
"""CPU seconds of one variant in one round: far above the clock's resolution, short enough to take turns often."""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table. `peer` and its ratio are None where no other implementation can be measured.

    `least` and `most` are those of the rounds, of what the goal is about: of the ratio to the floor, else of `ours`.
    `done_s` is how long it took until each hundredth was done, for what goes out to many.
    """

    name: str
    unit: str
    ours: float
    floor: float | None = None
    peer: float | None = None
    ratio_to_floor: float | None = None
    ratio_to_peer: float | None = None
    least: float | None = None
    most: float | None = None
    goal: str
    met: bool
    done_s: tuple[float, ...] = ()


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """What one figure file yielded. `full`: at the size of the goals, where `make bench` measures less."""

    name: str
    about: str
    day: str
    python: str
    machine: str
    cores: int
    full: bool
    figures: tuple[Figure, ...]


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """CPU microseconds per call, over the rounds; `rounds` are all of them, in turn with those of the other variants."""

    median: float
    least: float
    most: float
    rounds: tuple[float, ...] = ()

    def over(self, other: Spread) -> Spread:
        """The ratio to `other`, round by round: what the machine did meanwhile it did to both."""
        return spread([own / its for own, its in zip(self.rounds, other.rounds, strict=True)])


def cpu_us(variants: Mapping[str, Callable[[], object]]) -> dict[str, Spread]:
    """What one call of each variant costs. All are called in every round."""
    calls = {name: _calls_a_round(call) for name, call in variants.items()}
    rounds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(ROUNDS):
        for name, call in variants.items():
            gc.collect()
            rounds[name].append(_seconds(call, calls[name]) / calls[name] * 1e6)
    return {name: spread(each) for name, each in rounds.items()}


def spread(rounds: Sequence[float]) -> Spread:
    """What the rounds of one variant come to."""
    return Spread(median=median(rounds), least=min(rounds), most=max(rounds), rounds=tuple(rounds))


def against_floor(name: str, unit: str, spreads: Mapping[str, Spread], *, most: float) -> Figure:
    """The figure of the variants `ours`, `floor` and perhaps `peer`; the goal is at most `most` times the floor."""
    ours, floor, peer = spreads["ours"], spreads["floor"], spreads.get("peer")
    ratio = ours.over(floor)
    return Figure(
        name=name,
        unit=unit,
        ours=ours.median,
        floor=floor.median,
        peer=None if peer is None else peer.median,
        ratio_to_floor=ratio.median,
        ratio_to_peer=None if peer is None else ours.over(peer).median,
        least=ratio.least,
        most=ratio.most,
        goal=f"at most {most:g} x floor",
        met=ratio.median <= most,
    )


def against_peer(name: str, unit: str, spreads: Mapping[str, Spread], *, most: float) -> Figure:
    """The figure of the variants `ours` and `peer`; the goal is at most `most` of the unit."""
    ours, peer = spreads["ours"], spreads["peer"]
    return Figure(
        name=name,
        unit=unit,
        ours=ours.median,
        peer=peer.median,
        ratio_to_peer=ours.over(peer).median,
        least=ours.least,
        most=ours.most,
        goal=f"at most {most:g} {unit}",
        met=ours.median <= most,
    )


def without_goal(name: str, unit: str, spreads: Mapping[str, Spread]) -> Figure:
    """The figure of the variants `ours`, and perhaps `floor` and `peer`, which nobody set a goal for."""
    ours, floor, peer = spreads["ours"], spreads.get("floor"), spreads.get("peer")
    return Figure(
        name=name,
        unit=unit,
        ours=ours.median,
        floor=None if floor is None else floor.median,
        peer=None if peer is None else peer.median,
        ratio_to_floor=None if floor is None else ours.over(floor).median,
        ratio_to_peer=None if peer is None else ours.over(peer).median,
        least=ours.least,
        most=ours.most,
        goal="",
        met=True,
    )


def at_most(name: str, unit: str, most: float, *, ours: float, floor: float, peer: float) -> Figure:
    """A figure with a goal in its own `unit`; floor and peer are there to compare."""
    return Figure(
        name=name,
        unit=unit,
        ours=ours,
        floor=floor,
        peer=peer,
        ratio_to_floor=ours / floor,
        ratio_to_peer=ours / peer,
        goal=f"at most {most:g} {unit}",
        met=ours <= most,
    )


def _calls_a_round(call: Callable[[], object]) -> int:
    """Calls that fill a round; the first ones warm caches up."""
    calls = 1
    while (seconds := _seconds(call, calls)) < ROUND_S / 4:
        calls *= 2
    return max(1, round(calls * ROUND_S / seconds))


def _seconds(call: Callable[[], object], calls: int) -> float:
    began = process_time()
    for _ in range(calls):
        call()
    return process_time() - began
