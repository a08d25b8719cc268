"""What is asked, shared out among members over time: piece by piece, with what is owed elsewhere left alone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from math import fsum
from typing import NamedTuple

from msgspec.structs import replace

from openadr_ra.fleet.allocate import Allocation, Headroom, Policy, Site, allocate, by_level
from openadr_ra.fleet.levels import at_level
from openadr_ra.fleet.member import Member, Share, available, headroom, standing
from openadr_ra.fleet.switching import pinned
from openadr_ra.fleet.terms import FleetTerms
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.schedule import Mode, Schedule, Slot, mean
from openadr_ra.protocol.step import Away
from openadr_ra.protocol.times import FOREVER

OPEN_ENDED = timedelta(hours=1)
"""How long an open-ended slot is taken to last when its energy is planned; nobody knows better."""

Members = dict[ResourceId, Member]
Taken = dict[ResourceId, tuple[Share, ...]]
Plans = dict[ResourceId, tuple[Slot, ...]]
"""Declared baselines."""


class Settled(NamedTuple):
    """What cannot be changed any more: until then a member that must be told ahead of time keeps the shares that it has."""

    until: dict[ResourceId, datetime] = {}
    shares: Taken = {}

    def share_kw(self, id: ResourceId, span: Slot) -> float | None:
        """The change that it keeps in that span; None where it is free."""
        if span.start >= self.until.get(id, span.start):
            return None
        held = (share.delta_kw for share in self.shares.get(id, ()) if share.start <= span.start < share.end)
        return next(held, 0.0)


FREE = Settled()


class Lot(NamedTuple):
    """A piece of time shared out. `wanted` is what is asked in it, in the schedule's own sense; `asked` the same as kW
    against the baseline; `cover` the part of it that somebody takes."""

    wanted: Slot
    asked: Slot
    shares: dict[ResourceId, Share]
    short_kw: float
    cover: float


def pieces(
    schedule: Schedule, taken: Taken, away: tuple[Away, ...], now: datetime, settled: Settled = FREE
) -> tuple[Slot, ...]:
    """The slots not yet over, cut wherever what members owe elsewhere, who is away, or what is settled changes."""
    edges = {edge for shares in taken.values() for share in shares for edge in (share.start, share.end)}
    edges |= {edge for each in away for edge in (each.start, each.end)}
    for id, until in settled.until.items():
        edges |= {until, *(edge for share in settled.shares.get(id, ()) for edge in (share.start, share.end))}
    found: list[Slot] = []
    for slot in schedule.slots:
        start = max(slot.start, now)
        for edge in sorted(edge for edge in edges if start < edge < slot.end):
            found.append(replace(slot, start=start, end=edge))
            start = edge
        if start < slot.end:
            found.append(replace(slot, start=start))
    return tuple(found)


def planned(
    mode: Mode,
    slots: tuple[Slot, ...],
    plans: Plans,
    members: Members,
    taken: Taken,
    away: tuple[Away, ...],
    now: datetime,
    terms: FleetTerms,
    settled: Settled = FREE,
) -> tuple[Lot, ...]:
    """The pieces shared out, one after the other: what one uses of a member's energy the next no longer has."""
    targets = tuple(replace(slot, kw=_target(mode, slot, plans)) for slot in slots)
    lots: list[Lot] = []
    for index, (wanted, slot) in enumerate(zip(slots, targets, strict=True)):
        hours = _hours(targets[index:])
        kept = {id: kw for id in plans if (kw := _kept(id, members, plans, taken, settled, slot, now)) is not None}
        offers = tuple(
            headroom(member, plans[id], taken.get(id, ()), slot, hours=hours, now=now)
            for id, member in members.items()
            if id in plans and id not in kept and available(member) and not is_away(id, slot, away)
        )
        if mode == "level":
            offers = tuple(
                at_level(members[one.id], one, mean(plans[one.id], slot.start, slot.end), slot.kw) for one in offers
            )
        shared = Sharing(terms.policy, sites(members, taken, slot, terms))
        lot = _lot(mode, wanted, slot, offers, plans, kept, shared)
        lots.append(lot)
        taken = taken | {id: (*taken.get(id, ()), share) for id, share in lot.shares.items()}
    return tuple(lots)


def _kept(
    id: ResourceId, members: Members, plans: Plans, taken: Taken, settled: Settled, slot: Slot, now: datetime
) -> float | None:
    """The share that a member has in the slot whatever is asked: it would hear too late, or was switched just before."""
    told = settled.share_kw(id, slot)
    member = members.get(id)
    if told is not None or member is None or not available(member):
        return told
    # What it had before counts until now; from now on what it has is among those taken.
    ran = tuple(replace(share, end=min(share.end, now)) for share in settled.shares.get(id, ()) if share.start < now)
    return pinned(member.descriptor, plans[id], (*ran, *taken.get(id, ())), slot.start)


class Sharing(NamedTuple):
    """By which rule power is shared, and within which limits."""

    policy: Policy
    sites: tuple[Site, ...]


def sites(members: Members, taken: Taken, span: Slot, terms: FleetTerms) -> tuple[Site, ...]:
    """How far the node's own devices may be moved together in that span: from what they do by themselves and for others, to
    what their site may draw and feed in."""
    if terms.import_max_kw is None and terms.export_max_kw is None:
        return ()
    own = {id: member for id, member in members.items() if member.ven is None}
    each = [_standing(member, taken.get(id, ()), span) for id, member in own.items()]
    low_kw, high_kw = fsum(low for low, _ in each), fsum(high for _, high in each)
    return (
        Site(
            id="own",
            members=tuple(own),
            reduce_kw=None if terms.export_max_kw is None else max(low_kw + terms.export_max_kw, 0.0),
            raise_kw=None if terms.import_max_kw is None else max(terms.import_max_kw - high_kw, 0.0),
        ),
    )


def _standing(member: Member, taken: tuple[Share, ...], span: Slot) -> tuple[float, float]:
    """The lowest and the highest power that the device may have in the span; one out of reach may still be where it was."""
    low, high = standing(mean(member.descriptor.plan, span.start, span.end), taken, span)
    if member.last is None or member.last.online:
        return low, high
    return min(low, member.last.kw), max(high, member.last.kw)


def is_away(resource: ResourceId, span: Slot, away: Iterable[Away]) -> bool:
    """Was the member declared not available in any part of that time?"""
    return any(each.resource == resource and each.start < span.end and each.end > span.start for each in away)


def _target(mode: Mode, slot: Slot, plans: Plans) -> float:
    """The slot's kW against the baselines; a level stays a level. Members that are away count with their plan."""
    if mode != "setpoint":
        return slot.kw
    return slot.kw - fsum(mean(plan, slot.start, slot.end) for plan in plans.values())


def _hours(slots: tuple[Slot, ...]) -> float:
    """How long the first slot's power would last on all that these still ask in its direction.

    With constant power that is the length of the rest; a smaller slot ahead leaves more energy to this one.
    """
    first = slots[0]
    if first.kw == 0:
        return length_h(first)
    return fsum(slot.kw / first.kw * length_h(slot) for slot in slots if slot.kw * first.kw > 0)


def length_h(slot: Slot) -> float:
    """Hours that the slot's energy is planned for."""
    length = slot.end - slot.start if slot.end < FOREVER else OPEN_ENDED
    return length / timedelta(hours=1)


def _lot(
    mode: Mode,
    wanted: Slot,
    slot: Slot,
    offers: tuple[Headroom, ...],
    plans: Plans,
    kept: dict[ResourceId, float],
    shared: Sharing,
) -> Lot:
    if mode == "level" and slot.kw == 0:
        # Level 0 is normal operation: nobody is told anything.
        return Lot(wanted, slot, {}, 0.0, 1.0)
    if mode == "level":
        allocation = by_level(slot.kw, offers, shared.sites)
        asked = replace(slot, kw=fsum(allocation.shares.values()))
        cover = 1.0 if any(offer.reduce_kw > 0 for offer in offers) else 0.0
    else:
        rest = allocate(slot.kw - fsum(kept.values()), offers, shared.policy, shared.sites)
        allocation = Allocation(shares=rest.shares | kept, uncovered_kw=rest.uncovered_kw)
        asked = slot
        cover = 1.0 - abs(allocation.uncovered_kw / slot.kw) if slot.kw else 1.0
    return Lot(wanted, asked, _shares(asked, allocation, plans), abs(allocation.uncovered_kw), cover)


def _shares(slot: Slot, allocation: Allocation, plans: Plans) -> dict[ResourceId, Share]:
    return {
        id: Share(start=slot.start, end=slot.end, base_kw=mean(plans[id], slot.start, slot.end), delta_kw=delta_kw)
        for id, delta_kw in allocation.shares.items()
    }
