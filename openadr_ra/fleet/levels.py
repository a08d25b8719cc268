"""SIMPLE levels where the operator said what a member does at each of them."""

from __future__ import annotations

from msgspec.structs import replace

from openadr_ra.fleet.allocate import Headroom
from openadr_ra.fleet.member import Member


def at_level(member: Member, offer: Headroom, base_kw: float, level: float) -> Headroom:
    """The offer bound to the change that the member's own action at that level is, as far as it can be given: to a power,
    or to a part of what it does by itself. Without such an action, and at level 0, the offer as it is."""
    merit, number = member.merit, int(level) - 1
    if number < 0:
        return offer
    if number < len(merit.at_levels_kw):
        wanted_kw = merit.at_levels_kw[number] - base_kw
    elif number < len(merit.at_levels_part):
        wanted_kw = (merit.at_levels_part[number] - 1) * base_kw
    else:
        return offer
    held_kw = min(max(wanted_kw, -offer.reduce_kw), offer.raise_kw)
    return replace(offer, held_kw=_nearest(offer, held_kw), fixed=True)


def _nearest(offer: Headroom, kw: float) -> float:
    """The change that the member can hold which is nearest to `kw`."""
    if offer.steps_kw is not None:
        able = [step for step in (0.0, *offer.steps_kw) if -offer.reduce_kw <= step <= offer.raise_kw]
        return min(able, key=lambda step: abs(step - kw), default=0.0)
    gap = offer.gap_kw
    if gap is not None and gap[0] < kw < gap[1]:
        able = [edge for edge in gap if -offer.reduce_kw <= edge <= offer.raise_kw]
        return min(able, key=lambda edge: abs(edge - kw), default=0.0)
    return kw
