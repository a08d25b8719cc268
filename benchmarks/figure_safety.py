"""Violations in random steps of simulated sites with every kind of device: of reserves, site limits, leases, ranges.

The figure is their number, which has to be 0; the goal is about 10^5 steps. See `safety` for what a step is, and what is
looked at.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator

from benchmarks.measure import Figure
from benchmarks.safety import run

DAILY_STEPS, STEPS = 20_000, 100_000


def figures() -> Iterator[Figure]:
    """A fifth of them."""
    yield from _figures(DAILY_STEPS)


def full() -> Iterator[Figure]:
    """As many as the goal is about."""
    yield from _figures(STEPS)


def _figures(steps: int) -> Iterator[Figure]:
    tally = asyncio.run(run(steps))
    print(
        f"{tally.steps:,} steps, {tally.orders:,} orders, {tally.leases_over:,} leases run out, {tally.at_reserve:,} looks"
        f" at a store at its reserve, {tally.at_limit:,} orders up to a site's limit: {tally.violations} violations",
        file=sys.stderr,
    )
    for name, count in (
        ("stores of energy below their reserve", tally.below_reserve),
        ("sites beyond their limit", tally.beyond_site),
        ("devices that follow an order after its lease", tally.after_lease),
        ("devices beyond their range", tally.beyond_range),
    ):
        yield Figure(
            name=f"{name}, in {steps:,} random steps",
            unit="violations",
            ours=float(count),
            goal="0",
            met=count == 0,
        )
