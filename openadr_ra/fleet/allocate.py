"""One kW figure to one per member: what is on or off first, the rest by proportion or by price, to the last watt."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum, inf
from typing import Final, Literal

from openadr_ra.errors import SettingsError
from openadr_ra.fleet import allocate_ranges
from openadr_ra.fleet.allocate_choice import MAX_SEARCHED, Bundle, boxes, guess, held, search
from openadr_ra.fleet.allocate_fill import spread
from openadr_ra.fleet.allocate_ranges import NONE, Offer, Range, is_plain, multiples, nearest, without
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.shape import Value

EXACT_KW: Final = allocate_ranges.EXACT_KW

Policy = Literal["pro-rata", "merit-order"]
"""Who gives how much: each in proportion to headroom times weight, or the cheapest first, equal prices in proportion."""

PRO_RATA: Final = "pro-rata"
MERIT_ORDER: Final = "merit-order"


class Headroom(Value, frozen=True, kw_only=True, gc=False):
    """How far a member can be moved from where it stands, and sustain it: magnitudes in kW, never negative.

    Reserves of energy and power are not in it: whoever states it has taken them off. A member may always stay where it
    stands. Else it changes

    - by one of `steps_kw` (signed), where these are given;
    - by nothing within `gap_kw`, an open range (signed) that cannot be held, such as below a generator's minimum output;
    - by no less than `least_kw`, a deadband;
    - by a multiple of `step_kw`, where that is above 0 and there are no `steps_kw`.

    `weight` scales its share, 0 asks it last; `price` is what a kWh of it costs. `held_kw` is the change it gives already
    (signed): where the sum allows, a member that is on or off stays so. If it is `fixed`, as a line is within its minimum
    on or off time, it gives exactly that, whatever its headroom, or nothing where it holds none.
    """

    id: ResourceId
    reduce_kw: float = 0.0
    raise_kw: float = 0.0
    steps_kw: tuple[float, ...] | None = None
    gap_kw: tuple[float, float] | None = None
    weight: float = 1.0
    price: float = 0.0
    least_kw: float = 0.0
    step_kw: float = 0.0
    held_kw: float | None = None
    fixed: bool = False


class Site(Value, frozen=True, kw_only=True, gc=False):
    """Members behind one connection, and how far its power may move before a limit: of export, or of contract and import.

    The magnitudes are of the sum of its members' changes; None: no limit. Members that are not there do not count.
    """

    id: str
    members: tuple[ResourceId, ...]
    reduce_kw: float | None = None
    raise_kw: float | None = None


class Allocation(Value, frozen=True, kw_only=True, gc=False):
    """The change of each member, and what nobody could take: sum of shares + uncovered = target, to EXACT_KW.

    All shares and the uncovered part have the target's sign, unless members are fixed: then that of what these leave.
    """

    shares: dict[ResourceId, float]
    uncovered_kw: float = 0.0


def sustainable(power_kw: float, energy_kwh: float | None, hours: float) -> float:
    """The power that lasts: no more than `power_kw`, and than `energy_kwh` gives for `hours`. Never negative."""
    if energy_kwh is None or hours <= 0:
        return max(power_kw, 0.0)
    return max(min(power_kw, energy_kwh / hours), 0.0)


def allocate(
    target_delta_kw: float, members: Sequence[Headroom], policy: Policy = PRO_RATA, sites: Sequence[Site] = ()
) -> Allocation:
    """Share the target out over `members`, each within its headroom and each site within its limits.

    Pro rata, members of single powers are committed as far as they fit, the largest first; the rest is shared in proportion
    to headroom times weight, whoever is at a limit aside. In merit order the cheapest comes first whatever it is. The sum
    goes before both: who would spoil it is passed over, and who is needed for it is taken, as far as that can be found in
    bounded time. The order of `members` means nothing.

    Where fixed members alone break a site's limit, the others of that site add nothing to it. Raises SettingsError if a
    member belongs to two sites.
    """
    fixed = {member.id: (member.held_kw or 0.0) + 0.0 for member in members if member.fixed}
    left = target_delta_kw - fsum(fixed.values())
    sign = -1.0 if left < 0 else 1.0
    bundles = _bundles(sign, members, policy, sites, fixed)
    magnitudes = _magnitudes(abs(left), bundles, policy)
    shares = {member.id: fixed[member.id] if member.fixed else sign * magnitudes[member.id] + 0.0 for member in members}
    uncovered = target_delta_kw - fsum(shares.values())
    return Allocation(shares=shares, uncovered_kw=uncovered if abs(uncovered) > EXACT_KW else 0.0)


def by_level(level: float, members: Sequence[Headroom], sites: Sequence[Site] = ()) -> Allocation:
    """SIMPLE 0..3: each member gives level/3 of what it can reduce; one that cannot give just that, the nearest.

    Where that is above a site's limit, its members share what it may give pro rata. A level asks no definite power, so
    nothing is ever uncovered.
    """
    shares = {
        member.id: (member.held_kw or 0.0) + 0.0 if member.fixed else _of_level(level, _offer(member, -1.0, PRO_RATA))
        for member in members
    }
    fixed = {member.id: shares[member.id] for member in members if member.fixed}
    for site in sites:
        free = [member for member in members if member.id in site.members and not member.fixed]
        cap = _cap(site, -1.0, fixed)
        if -fsum(shares[member.id] for member in free) > cap + EXACT_KW:
            shares |= allocate(-cap, free).shares if cap > EXACT_KW else {member.id: 0.0 for member in free}
    return Allocation(shares=shares)


def _of_level(level: float, offer: Offer) -> float:
    return -nearest(offer, offer.most * level / 3) + 0.0


def _magnitudes(wanted: float, bundles: Sequence[Bundle], policy: Policy) -> dict[ResourceId, float]:
    choice = guess(wanted, bundles, discrete_first=policy == PRO_RATA)
    shares = spread(wanted, boxes(bundles, choice.ranges))
    missing = wanted - fsum(shares.values())
    if missing <= EXACT_KW:
        return shares
    moving = sum(not is_plain(offer) for bundle in bundles for offer in bundle.offers)
    better = search(wanted, wanted - missing, bundles, shares | choice.wishes) if moving <= MAX_SEARCHED else None
    return shares if better is None else spread(wanted, boxes(bundles, better))


def _bundles(
    sign: float,
    members: Sequence[Headroom],
    policy: Policy,
    sites: Sequence[Site],
    fixed: dict[ResourceId, float],
) -> list[Bundle]:
    """The offers of those who are free, by site, in an order that does not depend on that of `members`."""
    site_of = _site_of(sites)
    at: dict[str | None, list[Offer]] = {None: []}
    for member in sorted(members, key=lambda member: member.id):
        if not member.fixed:
            at.setdefault(site_of.get(member.id), []).append(_offer(member, sign, policy))
    open_, capped = at.pop(None), []
    for site in sorted(sites, key=lambda site: site.id):
        bundle = Bundle(_cap(site, sign, fixed), at.get(site.id, ()))
        if all(is_plain(offer) for offer in bundle.offers):
            open_ += held(bundle)
        else:
            capped.append(bundle)
    return [Bundle(inf, open_), *capped]


def _site_of(sites: Sequence[Site]) -> dict[ResourceId, str]:
    site_of: dict[ResourceId, str] = {}
    for site in sites:
        for id in site.members:
            if site_of.setdefault(id, site.id) != site.id:
                raise SettingsError(f"{id} is a member of two sites, {site_of[id]} and {site.id}; leave it in one")
    return site_of


def _cap(site: Site, sign: float, fixed: dict[ResourceId, float]) -> float:
    limit_kw = site.reduce_kw if sign < 0 else site.raise_kw
    if limit_kw is None:
        return inf
    return max(limit_kw - sign * fsum(fixed[id] for id in set(site.members) if id in fixed), 0.0)


def _offer(member: Headroom, sign: float, policy: Policy) -> Offer:
    ranges = _ranges(member, sign)
    most = ranges[-1][1]
    weight = most * member.weight
    is_last = not weight > 0
    return Offer(
        member.id,
        ranges,
        most if is_last else weight,
        (member.price if policy == MERIT_ORDER else 0.0, is_last),
        member.steps_kw is not None,
        0.0 if member.steps_kw is not None else max(member.step_kw, 0.0),
        None if member.held_kw is None else max(sign * member.held_kw, 0.0),
    )


def _ranges(member: Headroom, sign: float) -> tuple[Range, ...]:
    most = max(member.reduce_kw if sign < 0 else member.raise_kw, 0.0)
    if member.steps_kw is not None:
        steps = {sign * step for step in member.steps_kw if 0 < sign * step <= most + EXACT_KW}
        return (NONE, *((step, step) for step in sorted(steps) if step >= member.least_kw - EXACT_KW))
    ranges: tuple[Range, ...] = ((0.0, most),)
    if member.gap_kw is not None:
        below, above = sorted(sign * edge for edge in member.gap_kw)
        ranges = without(ranges, (below, above))
    if member.least_kw > 0:
        ranges = without(ranges, (0.0, member.least_kw))
    if member.step_kw > 0:
        ranges = multiples(ranges, member.step_kw)
    return ranges if ranges and ranges[0][0] == 0 else (NONE, *ranges)
