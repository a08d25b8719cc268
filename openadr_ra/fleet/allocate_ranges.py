"""Where members can stand, as ranges of kW, and what the sums of several can come to. Magnitudes, in one direction."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from math import ceil, floor

from msgspec import Struct

from openadr_ra.protocol.model import ResourceId

EXACT_KW = 1e-9
"""Below it a difference is the arithmetic's, not the plant's."""

Range = tuple[float, float]
"""All powers from the first to the second; a single one where they are equal."""

NONE: Range = (0.0, 0.0)

MAX_POINTS = 64
"""Multiples of a step that are tried one by one; of more of them their range is taken, and the rest left to chance."""


class Offer(Struct, frozen=True, gc=False):
    """A member seen in one direction. `ranges` rise, do not touch, and the first begins at 0: to give nothing is allowed.

    `weight` is its part of a sum that is shared in proportion; `step`, where above 0, divides whatever it gives; `held` is
    what it gives now, where that is worth to be kept.
    """

    id: ResourceId
    ranges: tuple[Range, ...]
    weight: float
    tier: tuple[float, bool]
    is_discrete: bool = False
    step: float = 0.0
    held: float | None = None

    @property
    def most(self) -> float:
        """The largest of its powers."""
        return self.ranges[-1][1]


def is_plain(offer: Offer) -> bool:
    """Whether it can give anything up to its most."""
    return len(offer.ranges) == 1 and offer.step <= 0


def without(ranges: Iterable[Range], gap: Range) -> tuple[Range, ...]:
    """What is left of `ranges` outside the open `gap`; its edges stay."""
    below, above = gap
    if above <= below:
        return tuple(ranges)
    parts = (part for low, high in ranges for part in ((low, min(high, below)), (max(low, above), high)))
    return tuple((low, high) for low, high in parts if low <= high)


def multiples(ranges: Iterable[Range], step: float) -> tuple[Range, ...]:
    """`ranges` drawn in to multiples of `step`; those that hold none are left out."""
    drawn = (
        (ceil(max(low - EXACT_KW, 0.0) / step) * step, floor((high + EXACT_KW) / step) * step) for low, high in ranges
    )
    return tuple((low, high) for low, high in drawn if low <= high)


def each_multiple(offer: Offer) -> tuple[Range, ...]:
    """The offer's ranges, taken apart into single powers where it moves in steps and there are not too many."""
    if offer.step <= 0:
        return offer.ranges
    counts = [(round(low / offer.step), round(high / offer.step)) for low, high in offer.ranges]
    if sum(last - first + 1 for first, last in counts) > MAX_POINTS:
        return offer.ranges
    return tuple(
        (number * offer.step, number * offer.step) for first, last in counts for number in range(first, last + 1)
    )


def nearest(offer: Offer, wanted: float) -> float:
    """The power nearest to `wanted` that the member can give; of two as near, the larger."""
    return min((_within(each, wanted, offer.step) for each in offer.ranges), key=lambda kw: (abs(kw - wanted), -kw))


def _within(each: Range, wanted: float, step: float) -> float:
    low, high = each
    if step <= 0 or low == high:
        return min(max(wanted, low), high)
    return min(max(floor(wanted / step + 0.5) * step, low), high)


def sums(one: Sequence[Range], other: Sequence[Range], cap: float, most_ranges: int) -> tuple[Range, ...]:
    """All sums of a power of `one` and a power of `other`, up to `cap`.

    Of more than `most_ranges` some are left out, never the first and the last: what is in the result can be reached.
    """
    found: list[Range] = []
    for low, high in sorted((a + c, min(b + d, cap)) for a, b in one for c, d in other if a + c <= cap + EXACT_KW):
        if found and low <= found[-1][1] + EXACT_KW:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, max(low, high)))
    if len(found) > most_ranges:
        every = -(-(len(found) - 1) // (most_ranges - 1))
        found = [*found[:-1:every], found[-1]]
    return tuple(found)


def highest(wanted: float, one: Sequence[Range], other: Sequence[Range]) -> float:
    """The largest sum of a power of `one` and a power of `other` that is not above `wanted`; -1 if there is none."""
    best = -1.0
    for low, high in one:
        index = bisect_right(other, wanted - low + EXACT_KW, key=_low) - 1
        if index >= 0:
            best = max(best, min(wanted, high + other[index][1]))
    return best


def _low(each: Range) -> float:
    return each[0]
