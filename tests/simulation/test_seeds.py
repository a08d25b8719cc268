"""A thousand random schedules of orders and faults: all invariants hold."""

from __future__ import annotations

import pytest

from simulation.runner import quietly

SHARES = 20
"""So many tests share the seeds, so that they can run side by side."""

SEEDS = 1000


@pytest.mark.timeout(600)
@pytest.mark.parametrize("share", range(SHARES))
def test_all_invariants_hold_in_a_thousand_random_schedules(share: int) -> None:
    """What failed is repeated, and explained, by `python -m simulation --seed N`."""
    failed = {seed: result.why for seed in range(share, SEEDS, SHARES) if (result := quietly(seed).result).broken}

    assert failed == {}
