"""While a slot runs: the set-points of now, and when they are to be renewed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import fsum
from typing import NamedTuple

from openadr_ra.fleet.member import Member, Share, available, snapped
from openadr_ra.fleet.plan import Members
from openadr_ra.fleet.promise import Promise
from openadr_ra.fleet.terms import FleetTerms
from openadr_ra.protocol.model import EventId, ResourceId
from openadr_ra.protocol.step import Apply
from openadr_ra.protocol.times import FOREVER, shift

LEASE_MARGIN = timedelta(seconds=1)
"""How much longer than its shares a lease runs, so that at their end it is the fleet that lets go, and not the lease: the
next event may begin at that very instant."""


BY_HAND = EventId("operator")
"""Stands for the event where a set-point is an operator's own."""


class Held(NamedTuple):
    """The power a member is to hold now, the event it is held for first, and until when."""

    event_id: EventId
    kw: float
    until: datetime


def set_points(
    promises: tuple[Promise, ...], members: Members, terms: FleetTerms, now: datetime
) -> Iterator[tuple[ResourceId, Held]]:
    """What each member is to hold at `now`: its baseline and the shares of all events that run, in absolute kW, and what is
    to be made up for.

    Members that are away, or cannot hold what no event moves them from, are left to themselves. The lease ends just
    after the shares, not with the slot: a device must not be let go for the moment between two slots.
    """
    corrections = {id: kw for promise in promises for id, kw in promise.corrected.items()}
    lease = shift(now, timedelta(seconds=terms.lease_s))
    for id, member in members.items():
        ordered = _ordered(member, lease)
        if ordered is not None:
            yield id, ordered
        if member.ven is not None or not available(member):
            continue
        running = [
            (promise.event_id, share, _without_gap(shares, share))
            for promise in promises
            if (shares := promise.shares.get(id)) and (share := _running(shares, now)) is not None
        ]
        if not running:
            continue
        kw = running[0][1].base_kw + fsum(share.delta_kw for _, share, _ in running) + corrections.get(id, 0.0)
        held = snapped(member.descriptor, kw)
        if held is not None:
            until = shift(max(until for _, _, until in running), LEASE_MARGIN)
            yield id, Held(running[0][0], held, min(lease, until))


def _ordered(member: Member, lease: datetime) -> Held | None:
    """An operator's word goes before any event."""
    word = member.word
    if word is None or word.kw is None or member.ven is not None:
        return None
    held = min(max(word.kw, member.descriptor.min_kw), member.descriptor.max_kw)
    return Held(BY_HAND, held, min(lease, word.until))


def give(id: ResourceId, held: Held, sequence: int) -> Apply:
    """The set-point as it goes to the device."""
    return Apply(resource=id, event_id=held.event_id, sequence=sequence, kw=held.kw, lease_until=held.until)


def give_back(id: ResourceId, event_id: EventId, sequence: int, now: datetime) -> Apply:
    """Control returns to the device."""
    return Apply(resource=id, event_id=event_id, sequence=sequence, kw=None, lease_until=now)


def _running(shares: tuple[Share, ...], now: datetime) -> Share | None:
    return next((share for share in shares if share.start <= now < share.end), None)


def _without_gap(shares: tuple[Share, ...], share: Share) -> datetime:
    """The end of the unbroken run of shares that begins with `share`."""
    until = share.end
    for following in shares:
        if following.start == until:
            until = following.end
    return until


def next_edge(promise: Promise, after: datetime, track_every_s: float) -> datetime | None:
    """When the set-points of the promise may change or are to be renewed, strictly later than `after`."""
    edges = [edge for edge in promise.asks.edges() if edge > after]
    slot = promise.asks.at(after)
    if slot is not None:
        every = timedelta(seconds=track_every_s)
        edges.append(shift(slot.start, ((after - slot.start) // every + 1) * every))
    return min((edge for edge in edges if edge < FOREVER), default=None)
