"""Which of its ranges each member takes: lines on or off, generators running or not, before the rest is shared out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import fsum, inf
from typing import NamedTuple

from msgspec.structs import replace

from openadr_ra.fleet.allocate_fill import Box, Group, held_to_cap, spread
from openadr_ra.fleet.allocate_ranges import EXACT_KW, NONE, Offer, Range, each_multiple, highest, is_plain, sums
from openadr_ra.protocol.model import ResourceId

MAX_SEARCHED = 4_000
"""Members with more than one range, up to which the best choice is searched where the first guess falls short."""

MAX_LOOKED_UP = 8
"""Members of one site with more than one range, up to which the guess looks up what they can come to under its limit."""

MAX_OPTIONS = 2_000
"""What all of them together can choose from, up to which multiples of a step are tried one by one in the search."""

MAX_RANGES = 256
WORK = 8_000
"""Ranges that a sum may be kept in during the search, and the same times all options: what bounds its time."""


class Bundle(NamedTuple):
    """Members whose sum may not be above `cap`."""

    cap: float
    offers: Sequence[Offer]


class Choice(NamedTuple):
    """The range that each member with several takes, and what it would have given if it could give anything."""

    ranges: dict[ResourceId, Range]
    wishes: dict[ResourceId, float]


Asked = tuple[int, Offer]
"""A member, after the number of its bundle."""


def guess(wanted: float, bundles: Sequence[Bundle], *, discrete_first: bool) -> Choice:
    """One member after the other takes the range that it would like best, if the others can still make up the sum.

    With `discrete_first` those that know single powers only come first, the largest before all, and like to give all they
    can. The others like the range of what would be theirs if all could give anything, or what lies below it. They
    decide in the reverse order of being asked, so that what is asked first makes up the sum. The result is never above
    `wanted`, and never above a cap.
    """
    ledger = _Ledger(wanted, bundles)
    ranges: dict[ResourceId, Range] = {}
    wishes: dict[ResourceId, float] = {}
    first, then = _stages(bundles, discrete_first)
    for stage in (first, then):
        if stage is then and then:
            shares = spread(wanted, boxes(bundles, ranges, heed_steps=False))
            wishes |= {offer.id: _held_or(offer, shares[offer.id]) for _, offer in then}
        else:
            wishes |= {offer.id: _held_or(offer, offer.most) for _, offer in stage}
        for number, offer in stage:
            ranges[offer.id] = ledger.take(number, offer, liked(offer.ranges, wishes[offer.id]))
    return Choice(ranges, wishes)


def search(
    wanted: float, more_than: float, bundles: Sequence[Bundle], wishes: Mapping[ResourceId, float]
) -> dict[ResourceId, Range] | None:
    """The ranges with which least of `wanted` stays uncovered; of equally good ones, those that the members like. None where
    nothing is found that comes to more than `more_than`.

    Whether the others can make up the sum is not guessed here: it is looked up in all sums that they can come to.
    Members with a step stand in the result with single powers, where there are not too many of those.
    """
    order = [_searched(bundle) for bundle in bundles]
    options = _options(order)
    most = max(8, min(MAX_RANGES, WORK // max(1, sum(map(len, options.values())))))
    inner = [_suffixes([options[one.id] for one in each.moving], each.plain, each.cap, most) for each in order]
    if fsum(tails[0][-1][1] for tails in inner) <= more_than + EXACT_KW:
        return None
    outer = _suffixes([tails[0] for tails in inner], 0.0, wanted, most)
    best = highest(wanted, outer[0], (NONE,))
    if best <= more_than + EXACT_KW:
        return None
    ranges: dict[ResourceId, Range] = {}
    done = NONE
    for number, each in enumerate(order):
        own = NONE
        for place, offer in enumerate(each.moving):
            rest, later = inner[number][place + 1], outer[number + 1]
            chosen, least_short = NONE, inf
            for option in _by_liking(options[offer.id], offer.step, wishes[offer.id]):
                mine = sums((_plus(own, option),), rest, each.cap, most)
                short = best - highest(best, [_plus(done, one) for one in mine], later)
                if short < least_short - EXACT_KW:
                    chosen, least_short = option, short
                if short <= EXACT_KW:
                    break
            ranges[offer.id] = chosen
            own = _plus(own, chosen)
        done = _plus(done, (own[0], min(own[1] + each.plain, each.cap)))
    return ranges


def _options(order: Sequence[_Searched]) -> dict[ResourceId, tuple[Range, ...]]:
    options = {offer.id: each_multiple(offer) for each in order for offer in each.moving}
    if sum(map(len, options.values())) <= MAX_OPTIONS:
        return options
    return {offer.id: offer.ranges for each in order for offer in each.moving}


def boxes(bundles: Sequence[Bundle], ranges: Mapping[ResourceId, Range], *, heed_steps: bool = True) -> list[Group]:
    """The bundles with the chosen ranges; what has not chosen can give anything up to its most."""
    return [Group(bundle.cap, [_box(offer, ranges, heed_steps) for offer in bundle.offers]) for bundle in bundles]


def held(bundle: Bundle) -> Sequence[Offer]:
    """The offers of a bundle in which there is nothing to choose, made so small that its cap needs no more thought."""
    offers = bundle.offers
    if fsum([offer.most for offer in offers]) <= bundle.cap:
        return offers
    (group,) = boxes((bundle,), {})
    highs = (box.high for box in held_to_cap(group))
    return [replace(offer, ranges=((0.0, high),)) for offer, high in zip(offers, highs, strict=True)]


def liked(options: Sequence[Range], wish: float) -> Iterator[Range]:
    """The options in the order in which a member likes them: what holds the wish, what is below it, what is above."""
    above = [low > wish + EXACT_KW for low, _ in options].count(True)
    split = len(options) - above
    yield from reversed(options[:split])
    yield from options[split:]


def _box(offer: Offer, ranges: Mapping[ResourceId, Range], heed_steps: bool) -> Box:
    low, high = ranges.get(offer.id) or (0.0, offer.most)
    return Box(offer.id, low, high, offer.weight, offer.tier, offer.step if heed_steps else 0.0)


def _stages(bundles: Sequence[Bundle], discrete_first: bool) -> tuple[list[Asked], list[Asked]]:
    moving = [(number, offer) for number, each in enumerate(bundles) for offer in each.offers if len(offer.ranges) > 1]
    moving.sort(key=lambda asked: (asked[1].tier, -asked[1].most, asked[1].id))
    # Who has no weight is asked last, also of the discrete ones.
    first = [asked for asked in moving if discrete_first and asked[1].is_discrete and not asked[1].tier[1]]
    taken = {offer.id for _, offer in first}
    return first, [asked for asked in reversed(moving) if asked[1].id not in taken]


def _held_or(offer: Offer, wish: float) -> float:
    return wish if offer.held is None else offer.held


class _Ledger:
    """What was taken of each bundle, and the most that each, and all, can still come to.

    Of a small bundle with a cap that is looked up, for under it two lines may not fit where one does.
    """

    def __init__(self, wanted: float, bundles: Sequence[Bundle]) -> None:
        self._wanted = wanted
        self._caps = [bundle.cap for bundle in bundles]
        self._open = [_looked_up(bundle) for bundle in bundles]
        self._own = [
            (0.0, fsum(offer.most for offer in bundle.offers if offer.id not in asked))
            for bundle, asked in zip(bundles, self._open, strict=True)
        ]
        self._tops = [self._top(number, own) for number, own in enumerate(self._own)]
        self._low = 0.0
        self._high = fsum(self._tops)

    def take(self, number: int, offer: Offer, options: Iterator[Range]) -> Range:
        """The first of the options after which the sum can still be made up, or the one that spoils it least."""
        counted = self._open[number].pop(offer.id, None) is None
        before = self._own[number]
        others = (before[0], before[1] - offer.most) if counted else before
        best, best_own, best_top, least_short = NONE, before, -inf, inf
        for option in options:
            own = _plus(others, option)
            if self._low + option[0] > self._wanted + EXACT_KW or own[0] > self._caps[number] + EXACT_KW:
                continue
            top = self._top(number, own)
            short = max(self._wanted - (self._high - self._tops[number] + top), 0.0)
            if short < least_short - EXACT_KW:
                best, best_own, best_top, least_short = option, own, top, short
            if short <= EXACT_KW:
                break
        self._high += best_top - self._tops[number]
        self._low += best[0]
        self._own[number], self._tops[number] = best_own, best_top
        return best

    def _top(self, number: int, own: Range) -> float:
        cap, asked = self._caps[number], self._open[number]
        ranges: Sequence[Range] = ((own[0], min(own[1], cap)),)
        for offer in asked.values():
            ranges = sums(ranges, offer.ranges, cap, MAX_RANGES)
        return ranges[-1][1]


def _looked_up(bundle: Bundle) -> dict[ResourceId, Offer]:
    moving = {} if bundle.cap == inf else {each.id: each for each in bundle.offers if len(each.ranges) > 1}
    return moving if len(moving) <= MAX_LOOKED_UP else {}


class _Searched(NamedTuple):
    cap: float
    plain: float
    moving: list[Offer]


def _searched(bundle: Bundle) -> _Searched:
    moving = [offer for offer in bundle.offers if not is_plain(offer)]
    moving.sort(key=lambda offer: (not offer.is_discrete, -offer.most, offer.id))
    plain = fsum(offer.most for offer in bundle.offers if is_plain(offer))
    return _Searched(bundle.cap, min(plain, bundle.cap), moving)


def _suffixes(parts: Sequence[Sequence[Range]], plain: float, cap: float, most_ranges: int) -> list[tuple[Range, ...]]:
    """What the parts from each place on can come to, with `plain` beside them; the last is `plain` alone."""
    tails: list[tuple[Range, ...]] = [((0.0, min(plain, cap)),)]
    for part in reversed(parts):
        tails.append(sums(part, tails[-1], cap, most_ranges))
    tails.reverse()
    return tails


def _by_liking(options: Sequence[Range], step: float, wish: float) -> Iterable[Range]:
    if step <= 0:
        return liked(options, wish)
    return sorted(options, key=lambda option: (max(option[0] - wish, wish - option[1], 0.0), option))


def _plus(one: Range, other: Range) -> Range:
    return one[0] + other[0], one[1] + other[1]
