"""A sum shared out over boxes: in proportion to their weights, tier after tier, no group above its cap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor, fsum, inf
from operator import itemgetter
from typing import NamedTuple

from msgspec import Struct

from openadr_ra.fleet.allocate_ranges import EXACT_KW
from openadr_ra.protocol.model import ResourceId

Shares = Mapping[ResourceId, float]


class Box(Struct, frozen=True, gc=False):
    """A member with its choices made: it gives from `low` to `high`, in multiples of `step` where that is above 0."""

    id: ResourceId
    low: float
    high: float
    weight: float
    tier: tuple[float, bool]
    step: float = 0.0


class Group(NamedTuple):
    """Boxes that together may give no more than `cap`."""

    cap: float
    boxes: Sequence[Box]


def spread(wanted: float, groups: Sequence[Group]) -> dict[ResourceId, float]:
    """What each gives, summing to `wanted` as nearly as the boxes and caps allow.

    Tiers are filled in their order. Within one, each gives its weight times a level that is the same for all, but those who
    are held by their box, or by their group's cap, which its own members share in the same way. Before steps are heeded,
    more wanted is less for nobody.
    """
    shares = _fill(wanted, [box for group in groups for box in held_to_cap(group)])
    if not any(box.step > 0 and box.low < box.high for group in groups for box in group.boxes):
        return shares
    settled = _with_steps(wanted, groups, shares)
    return _fill(wanted, [box for group in settled for box in held_to_cap(group)])


def held_to_cap(group: Group) -> Sequence[Box]:
    """The group's boxes, made smaller by its cap.

    What a member gives rises with the level, so the shares that make the cap full are the most that each ever gives.
    """
    boxes = group.boxes
    if group.cap == inf or fsum([box.high for box in boxes]) <= group.cap:
        return boxes
    most = _fill(group.cap, boxes)
    return [Box(box.id, box.low, max(most[box.id], box.low), box.weight, box.tier, box.step) for box in boxes]


def _fill(wanted: float, boxes: Sequence[Box]) -> dict[ResourceId, float]:
    """The tiers one after the other; a later one's lows come before an earlier one's rise."""
    shares: dict[ResourceId, float] = {}
    tiers: dict[tuple[float, bool], list[Box]] = {}
    for box in boxes:
        if box.low == box.high:
            shares[box.id] = box.low
        else:
            tiers.setdefault(box.tier, []).append(box)
    left = wanted - fsum([box.low for box in boxes])
    for tier in sorted(tiers):
        left -= _fill_tier(left, tiers[tier], shares)
    return _exact(wanted, boxes, shares)


def _fill_tier(left: float, boxes: Sequence[Box], shares: dict[ResourceId, float]) -> float:
    """Put what each of the tier gives into `shares`, and say by how much that is more than their lows."""
    if len(boxes) == 1:
        (box,) = boxes
        rise = box.high - box.low
        shares[box.id] = box.high if left >= rise else box.low + max(left, 0.0)
        return min(max(left, 0.0), rise)
    lows = fsum([box.low for box in boxes])
    rise = fsum([box.high for box in boxes]) - lows
    if left >= rise:
        shares.update((box.id, box.high) for box in boxes)
        return rise
    if left <= 0:
        shares.update((box.id, box.low) for box in boxes)
        return 0.0
    level = _level(lows + left, boxes)
    for box in boxes:
        share = level * box.weight
        shares[box.id] = box.low if share < box.low else min(share, box.high)
    return left


def _level(wanted: float, boxes: Sequence[Box]) -> float:
    """Where the rising sum of the boxes meets `wanted`; its slope changes where a box starts and stops to rise."""
    weights = fsum([box.weight for box in boxes])
    level = wanted / weights if weights > 0 else inf
    if all(box.low <= level * box.weight <= box.high for box in boxes):
        return level
    bends = [(box.high / box.weight, -box.weight) for box in boxes if box.weight > 0]
    bends += [(box.low / box.weight, box.weight) for box in boxes if box.weight > 0 and box.low > 0]
    bends.sort(key=itemgetter(0))
    slope = fsum([box.weight for box in boxes if box.low <= 0])
    total, at = fsum([box.low for box in boxes]), 0.0
    for bend, change in bends:
        reached = total + slope * (bend - at)
        if slope > 0 and reached >= wanted:
            return at + (wanted - total) / slope
        total, at, slope = reached, bend, slope + change
    return at


def _exact(wanted: float, boxes: Sequence[Box], shares: dict[ResourceId, float]) -> dict[ResourceId, float]:
    """`shares` with what rounding left over put on the largest that has room for it."""
    rest = wanted - fsum(shares.values())
    if rest == 0:
        return shares
    able = [box.id for box in boxes if box.low <= shares[box.id] + rest <= box.high]
    if able:
        shares[max(able, key=shares.__getitem__)] += rest
    return shares


def _with_steps(wanted: float, groups: Sequence[Group], shares: Shares) -> list[Group]:
    """The groups, their members with a step at a multiple of it: the one below their share, or above where it is needed."""
    settled = [Group(group.cap, [_stepped_down(box, shares[box.id]) for box in group.boxes]) for group in groups]
    lows = [fsum([box.low for box in group.boxes]) for group in settled]
    highs = [fsum([box.high for box in group.boxes]) for group in settled]
    given = fsum(lows)
    short = wanted - fsum(min(group.cap, high) for group, high in zip(settled, highs, strict=True))
    spare = [
        (box, number, place)
        for number, group in enumerate(groups)
        for place, box in enumerate(group.boxes)
        if box.step > 0 and settled[number].boxes[place].low + box.step <= box.high + EXACT_KW
    ]
    raised: dict[ResourceId, float] = {}
    # Who lost most by being rounded down is the first to be raised.
    for box, number, place in sorted(spare, key=lambda each: (each[0].tier, _loss(each[0], shares), each[0].id)):
        if short <= EXACT_KW:
            break
        cap, low, step = groups[number].cap, settled[number].boxes[place].low, box.step
        gain = min(cap, highs[number] + step) - min(cap, highs[number])
        if gain <= EXACT_KW or given + step > wanted + EXACT_KW or lows[number] + step > cap + EXACT_KW:
            continue
        raised[box.id] = (round(low / step) + 1) * step
        given, short = given + step, short - gain
        lows[number], highs[number] = lows[number] + step, highs[number] + step
    return [
        Group(group.cap, [_at(box, raised[box.id]) if box.id in raised else box for box in group.boxes])
        for group in settled
    ]


def _stepped_down(box: Box, share: float) -> Box:
    return box if box.step <= 0 else _at(box, max(floor((share + EXACT_KW) / box.step) * box.step, box.low))


def _at(box: Box, kw: float) -> Box:
    return Box(box.id, kw, kw, box.weight, box.tier, box.step)


def _loss(box: Box, shares: Shares) -> float:
    return -(shares[box.id] % box.step)
