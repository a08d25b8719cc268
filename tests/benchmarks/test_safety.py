"""Simulated sites with every kind of device, moved at random: `make bench` does the same fifty times as long."""

from __future__ import annotations

from importlib.metadata import entry_points

from benchmarks.safety import MAKERS, run
from openadr_ra.drivers.discovery import GROUP

STEPS = 2_000


async def test_no_order_breaks_a_reserve_a_site_s_limit_a_lease_or_a_range() -> None:
    """And it is tried: stores get to their reserves and sites to their limits, leases run out, hands are laid on devices."""
    tally = await run(STEPS)

    assert tally.steps == STEPS
    assert (tally.below_reserve, tally.beyond_site, tally.after_lease, tally.beyond_range) == (0, 0, 0, 0)
    assert min(tally.orders, tally.leases_over) > STEPS / 4
    assert min(tally.at_reserve, tally.by_hand, tally.at_limit) > 0


async def test_the_same_seed_makes_the_same_steps() -> None:
    assert await run(100, seed=7) == await run(100, seed=7) != await run(100, seed=8)


def test_every_simulated_kind_takes_part() -> None:
    installed = {name for name in entry_points(group=GROUP).names if name.startswith("simulated-")}

    assert {kind for kind, _ in MAKERS} == installed
