"""Share of slots in band on the reference fleet with its faults, beside open loops in the same run; requests per slot.

See `tracking` for what is simulated, docs/tracking.md for what comes of many more events. The sketch that the requests are
held against is one slot with its event's coming and one re-allocation: 1,803.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from benchmarks.measure import Figure
from benchmarks.tracking.__main__ import events
from benchmarks.tracking.measures import SlotFigures, Summary, slots, summary
from benchmarks.tracking.report import table
from benchmarks.tracking.run import POLICIES, Policy

DAILY_SEEDS, SEEDS = range(1, 2), range(1, 3)
SLOTS = 4
OPEN_LOOPS: tuple[Policy, ...] = ("equal", "pro-rata", "plan")
LEAST_SHARE = 0.99
MOST_REQUESTS = 1803


def figures() -> Iterator[Figure]:
    """One event."""
    yield from _figures(DAILY_SEEDS)


def full() -> Iterator[Figure]:
    """Two."""
    yield from _figures(SEEDS)


def _figures(seeds: range) -> Iterator[Figure]:
    found: list[SlotFigures] = []
    for run in events(seeds, SLOTS):
        found += slots(run)
    by = {policy: summary(policy, found) for policy in POLICIES}
    print(table(list(by.values())), file=sys.stderr)
    ours = by["ours"]
    for policy in OPEN_LOOPS:
        yield share(f"feasible slots in band, beside open loop {policy}", ours, by[policy])
    yield Figure(
        name="requests about events in one slot, at most, 450 VENs",
        unit="requests",
        ours=float(ours.most_requests),
        peer=float(by["pro-rata"].most_requests),
        goal=f"at most {MOST_REQUESTS:,}",
        met=ours.most_requests <= MOST_REQUESTS,
    )
    yield Figure(
        name="reserve, site, lease and opt-out violations while tracking",
        unit="violations",
        ours=float(ours.violations),
        peer=float(by["pro-rata"].violations),
        goal="0",
        met=ours.violations == 0,
    )


def share(name: str, ours: Summary, other: Summary) -> Figure:
    """In the column of peers is the open loop."""
    return Figure(
        name=f"{name} ({ours.feasible} slots)",
        unit="%",
        ours=100 * ours.share,
        peer=100 * other.share,
        goal=f"at least {LEAST_SHARE:.0%}",
        met=ours.share >= LEAST_SHARE,
    )
