"""How much protocol the simulation plays: VEN-hours per CPU second, over seeds as `make simulate` has them.

Without messages as bytes, which would measure the codec. Idle polls are folded, see simulation/README.md.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from time import process_time

from benchmarks.measure import Figure
from simulation.scenario import run

SEEDS = 100
LEAST = 500.0


def figures() -> Iterator[Figure]:
    logging.disable(logging.CRITICAL)
    counts: Counter[str] = Counter()
    began = process_time()
    for seed in range(SEEDS):
        counts.update(run(seed, kind="protocol", wired=0).counts)
    rate = counts["VEN seconds"] / 3600 / (process_time() - began)
    logging.disable(logging.NOTSET)
    yield Figure(
        name="simulation: VEN-hours of protocol per CPU second",
        unit="VEN-hours",
        ours=rate,
        goal=f"at least {LEAST:g}",
        met=rate >= LEAST,
    )
