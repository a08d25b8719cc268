"""The thousand seeds of `make test`, in four files, so that they can run side by side."""

from __future__ import annotations

from simulation.runner import quietly

QUARTER = 250
SHARES = 5
"""Tests of each file."""

PATIENCE_S = 600
"""Machines are slow and noisy; the usual time limit is for one test, not for fifty."""


def broken(quarter: int, share: int) -> dict[int, str]:
    """What does not hold in which of the seeds; `python -m simulation --seed N` repeats one, and prints what happened."""
    size = QUARTER // SHARES
    first = quarter * QUARTER + share * size
    return {seed: why for seed in range(first, first + size) if (why := quietly(seed).result.why)}
