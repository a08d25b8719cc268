"""Who stands in for others: as few members as can, for each that changes is a message, and what holds is left alone."""

from __future__ import annotations

from collections.abc import Sequence

from openadr_ra.fleet.allocate import EXACT_KW, PRO_RATA, Allocation, Headroom, Policy, Site, allocate

TRIES = 16
"""How many more members than the largest that would be enough are tried, for the sake of steps, gaps and sites."""


def fewest(
    missing_kw: float, offers: Sequence[Headroom], policy: Policy = PRO_RATA, sites: Sequence[Site] = ()
) -> Allocation:
    """The power shared out among the fewest that cover it, the largest headroom first; the rest has no share.

    `offers` are changes from where members stand now; who is fixed is left alone. Where steps, gaps or sites stand in the
    way of the largest, the next ones are added, until as much is covered as all of them could.
    """
    free = [one for one in offers if not one.fixed and _size(one, missing_kw) > EXACT_KW]
    free.sort(key=lambda one: (-_size(one, missing_kw), one.id))
    best = allocate(missing_kw, free, policy, sites)
    count = _needed(abs(missing_kw), [_size(one, missing_kw) for one in free])
    for more in range(count, min(count + TRIES, len(free))):
        few = allocate(missing_kw, free[:more], policy, sites)
        if abs(few.uncovered_kw) <= abs(best.uncovered_kw) + EXACT_KW:
            best = few
            break
    shares = {id: kw for id, kw in best.shares.items() if abs(kw) > EXACT_KW}
    return Allocation(shares=shares, uncovered_kw=best.uncovered_kw)


def _needed(wanted: float, sizes: Sequence[float]) -> int:
    """How many of the sizes add up to what is wanted; all of them where they do not."""
    total = 0.0
    for count, size in enumerate(sizes, start=1):
        total += size
        if total >= wanted - EXACT_KW:
            return count
    return len(sizes)


def _size(one: Headroom, direction: float) -> float:
    """The most that it can be moved in that direction."""
    most = one.reduce_kw if direction < 0 else one.raise_kw
    if one.steps_kw is None:
        return most
    sign = -1 if direction < 0 else 1
    return max((sign * step for step in one.steps_kw if 0 < sign * step <= most + EXACT_KW), default=0.0)
