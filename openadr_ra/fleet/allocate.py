"""One kW figure to one per member: discrete members first, the rest in proportion to what each can sustain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import product
from math import fsum
from typing import NamedTuple

from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.shape import Value

EXACT_KW = 1e-9
"""Below it a difference is the arithmetic's, not the plant's."""

MAX_TRIES = 2_000
"""Combinations of discrete members times members with a gap, up to which every one is tried where the first guess
falls short; beyond that it would take longer than the guess is worth."""


class Headroom(Value, frozen=True, kw_only=True, gc=False):
    """How far a member can be moved from where it stands, and sustain it: magnitudes in kW, never negative.

    `steps_kw`, where given, are the only changes possible besides none (signed). `gap_kw` is an open range of changes
    (signed) that cannot be held, such as what would leave a generator below its minimum output.
    """

    id: ResourceId
    reduce_kw: float = 0.0
    raise_kw: float = 0.0
    steps_kw: tuple[float, ...] | None = None
    gap_kw: tuple[float, float] | None = None


class Allocation(Value, frozen=True, kw_only=True, gc=False):
    """The change of each member, and what nobody could take: sum of shares + uncovered = target, to EXACT_KW.

    All shares and the uncovered part have the target's sign.
    """

    shares: dict[ResourceId, float]
    uncovered_kw: float = 0.0


class _Offer(NamedTuple):
    """A member seen in one direction; magnitudes. On, it gives [least, most]; off, at most `below`."""

    id: ResourceId
    most: float
    steps: tuple[float, ...] | None = None
    least: float = 0.0
    below: float = 0.0


class _Box(NamedTuple):
    id: ResourceId
    low: float
    high: float
    weight: float


def sustainable(power_kw: float, energy_kwh: float | None, hours: float) -> float:
    """The power that lasts: no more than `power_kw`, and than `energy_kwh` gives for `hours`. Never negative."""
    if energy_kwh is None or hours <= 0:
        return max(power_kw, 0.0)
    return max(min(power_kw, energy_kwh / hours), 0.0)


def allocate(target_delta_kw: float, members: Sequence[Headroom]) -> Allocation:
    """Share the target out: discrete members as far as they fit, then in proportion to headroom, capped by it.

    Where the largest discrete members first leave a part uncovered, other choices among them are tried.
    """
    sign = -1.0 if target_delta_kw < 0 else 1.0
    wanted = abs(target_delta_kw)
    offers = tuple(_offer(member, sign) for member in members)
    discrete = tuple(offer for offer in offers if offer.steps is not None)
    gapped = tuple(offer for offer in offers if offer.steps is None and offer.least > 0)
    plain = tuple(offer for offer in offers if offer.steps is None and offer.least == 0)
    committed = _commit(wanted, discrete, gapped, fsum(offer.most for offer in plain))
    rest = max(wanted - fsum(committed.values()), 0.0)
    magnitudes = committed | _fill(rest, _boxes(rest, plain, gapped))
    shares = {member.id: sign * magnitudes[member.id] + 0.0 for member in members}
    uncovered = target_delta_kw - fsum(shares.values())
    return Allocation(shares=shares, uncovered_kw=uncovered if abs(uncovered) > EXACT_KW else 0.0)


def by_level(level: float, members: Sequence[Headroom]) -> Allocation:
    """SIMPLE 0..3: each member gives level/3 of what it can reduce; a discrete one, or one with a gap, the nearest.

    A level asks no definite power, so nothing is ever uncovered.
    """
    offers = (_offer(member, -1.0) for member in members)
    return Allocation(shares={offer.id: -_nearest(offer, offer.most * level / 3) + 0.0 for offer in offers})


def _nearest(offer: _Offer, wanted: float) -> float:
    if offer.steps is not None:
        return min((0.0, *offer.steps), key=lambda step: (abs(step - wanted), -step))
    if not offer.below < wanted < offer.least:
        return wanted
    return offer.least if offer.least - wanted <= wanted - offer.below else offer.below


def _offer(member: Headroom, sign: float) -> _Offer:
    most = max(member.reduce_kw if sign < 0 else member.raise_kw, 0.0)
    if member.steps_kw is not None:
        steps = sorted(sign * step for step in member.steps_kw if 0 < sign * step <= most + EXACT_KW)
        return _Offer(member.id, steps[-1] if steps else 0.0, tuple(steps))
    if member.gap_kw is None:
        return _Offer(member.id, most)
    below, least = sorted(sign * edge for edge in member.gap_kw)
    if least <= 0 or most <= below:
        return _Offer(member.id, most)
    if most < least:
        return _Offer(member.id, max(below, 0.0))
    return _Offer(member.id, most, least=least, below=max(below, 0.0))


def _commit(
    wanted: float, discrete: tuple[_Offer, ...], gapped: tuple[_Offer, ...], plain_kw: float
) -> dict[ResourceId, float]:
    """What each discrete member gives."""
    guess = _largest_first(wanted, discrete)

    def uncovered(committed: dict[ResourceId, float]) -> float:
        rest = wanted - fsum(committed.values())
        return max(rest - plain_kw - _capacity(gapped, _running(rest, plain_kw, gapped)), 0.0)

    if uncovered(guess) <= EXACT_KW:
        return guess
    return min(
        (guess, *_others(wanted, discrete, gapped)),
        key=lambda committed: (round(uncovered(committed), 9), -fsum(committed.values())),
    )


def _largest_first(wanted: float, discrete: tuple[_Offer, ...]) -> dict[ResourceId, float]:
    committed = {offer.id: 0.0 for offer in discrete}
    left = wanted
    for offer in sorted(discrete, key=lambda offer: (-offer.most, offer.id)):
        step = max((step for step in offer.steps or () if step <= left + EXACT_KW), default=0.0)
        committed[offer.id] = step
        left -= step
    return committed


def _others(
    wanted: float, discrete: tuple[_Offer, ...], gapped: tuple[_Offer, ...]
) -> Iterator[dict[ResourceId, float]]:
    """Other commitments that do not overshoot: all of them, or none at all where there are too many to try."""
    choices = [(0.0, *(offer.steps or ())) for offer in discrete]
    tries = reduce(lambda count, choice: min(count * len(choice), MAX_TRIES + 1), choices, 1)
    if tries * (1 + len(gapped)) > MAX_TRIES:
        choices = [(0.0,) for _ in discrete]
    for steps in product(*choices):
        if fsum(steps) <= wanted + EXACT_KW:
            yield {offer.id: step for offer, step in zip(discrete, steps, strict=True)}


def _running(wanted: float, plain_kw: float, gapped: tuple[_Offer, ...]) -> frozenset[ResourceId]:
    """Which members with a gap run above it: those whose proportional share does, and more while they are needed."""
    total = plain_kw + fsum(offer.most for offer in gapped)
    level = min(wanted / total, 1.0) if total > 0 else 0.0
    running = {offer.id for offer in gapped if level * offer.most >= offer.least}
    least = fsum(offer.least for offer in gapped if offer.id in running)
    capacity = plain_kw + _capacity(gapped, frozenset(running))
    for offer in sorted(gapped, key=lambda offer: (-offer.most, offer.id)):
        if capacity >= wanted:
            break
        if offer.id not in running and least + offer.least <= wanted + EXACT_KW:
            running.add(offer.id)
            least += offer.least
            capacity += offer.most - offer.below
    return frozenset(running)


def _capacity(gapped: tuple[_Offer, ...], running: frozenset[ResourceId]) -> float:
    return fsum(offer.most if offer.id in running else offer.below for offer in gapped)


def _boxes(wanted: float, plain: tuple[_Offer, ...], gapped: tuple[_Offer, ...]) -> list[_Box]:
    running = _running(wanted, fsum(offer.most for offer in plain), gapped)
    boxes = [_Box(offer.id, 0.0, offer.most, offer.most) for offer in plain]
    for offer in gapped:
        on = offer.id in running
        boxes.append(_Box(offer.id, offer.least if on else 0.0, offer.most if on else offer.below, offer.most))
    return boxes


def _fill(wanted: float, boxes: list[_Box]) -> dict[ResourceId, float]:
    """Water-filling: level x weight for each, held within its box, at the level where the sum is what is wanted."""
    if wanted >= fsum(box.high for box in boxes):
        return {box.id: box.high for box in boxes}
    level = _level(wanted, boxes)
    shares = {box.id: min(max(level * box.weight, box.low), box.high) for box in boxes}
    residual = wanted - fsum(shares.values())
    for box in sorted(boxes, key=lambda box: -shares[box.id]):
        if box.low <= shares[box.id] + residual <= box.high:
            shares[box.id] += residual
            break
    return shares


def _level(wanted: float, boxes: list[_Box]) -> float:
    """Where the rising sum of the boxes meets `wanted`; its slope changes where a box starts and stops to rise."""
    bends = sorted(
        bend
        for box in boxes
        if box.weight > 0
        for bend in ((box.low / box.weight, box.weight), (box.high / box.weight, -box.weight))
    )
    total, slope, at = fsum(box.low for box in boxes), 0.0, 0.0
    for bend, change in bends:
        reached = total + slope * (bend - at)
        if slope > 0 and reached >= wanted:
            return at + (wanted - total) / slope
        total, at, slope = reached, bend, slope + change
    return at
