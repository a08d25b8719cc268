"""How much protocol the simulation plays: VEN-hours per CPU second, over seeds as `make simulate` has them.

Without messages as bytes, which would measure the codec. Of polls that bring nothing only the last in a row is made, see
simulation/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import process_time

from benchmarks.measure import Figure, spread
from simulation.runner import silence
from simulation.scenario import run

ROUNDS = 5
SEEDS = 40
"""Of each round; the same in all, so that only the machine makes a difference."""

LEAST = 500.0


def figures() -> Iterator[Figure]:
    with silence():
        rates = spread([_hours_per_cpu_s() for _ in range(ROUNDS)])
    yield Figure(
        name="simulation: VEN-hours of protocol per CPU second",
        unit="VEN-hours",
        ours=rates.median,
        least=rates.least,
        most=rates.most,
        goal=f"at least {LEAST:g}",
        met=rates.median >= LEAST,
    )


def _hours_per_cpu_s() -> float:
    began = process_time()
    seconds = sum(run(seed, kind="protocol", wired=0).counts["VEN seconds"] for seed in range(SEEDS))
    return seconds / 3600 / (process_time() - began)
