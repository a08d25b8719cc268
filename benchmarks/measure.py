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
    """One line of the table. `peer` and its ratio are None where no other implementation can be measured."""

    name: str
    unit: str
    ours: float
    floor: float | None = None
    peer: float | None = None
    ratio_to_floor: float | None = None
    ratio_to_peer: float | None = None
    goal: str
    met: bool


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """CPU microseconds per call, over the rounds."""

    median: float
    least: float
    most: float


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
    return Spread(median=median(rounds), least=min(rounds), most=max(rounds))


def against_floor(name: str, unit: str, spreads: Mapping[str, Spread], *, most: float) -> Figure:
    """The figure of the variants `ours`, `floor` and perhaps `peer`; the goal is at most `most` times the floor."""
    ours, floor = spreads["ours"].median, spreads["floor"].median
    peer = spreads["peer"].median if "peer" in spreads else None
    return Figure(
        name=name,
        unit=unit,
        ours=ours,
        floor=floor,
        peer=peer,
        ratio_to_floor=ours / floor,
        ratio_to_peer=None if peer is None else ours / peer,
        goal=f"at most {most:g} x floor",
        met=ours <= most * floor,
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
