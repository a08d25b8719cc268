"""While a slot runs: the set-points of now, and a share that somebody lost given to others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import fsum
from typing import NamedTuple

from msgspec.structs import replace

from openadr_ra.fleet.allocate import EXACT_KW, allocate
from openadr_ra.fleet.member import Share, available, headroom, snapped
from openadr_ra.fleet.plan import Members, is_away, length_h
from openadr_ra.fleet.promise import FleetTerms, Promise, barred, before, owed
from openadr_ra.protocol.model import EventId, ResourceId
from openadr_ra.protocol.schedule import Slot, mean
from openadr_ra.protocol.step import Apply
from openadr_ra.protocol.times import FOREVER, shift

WORTH = 0.01
"""A change of less than this part of what is asked is not worth new set-points."""


LEASE_MARGIN = timedelta(seconds=1)
"""How much longer than its shares a lease runs, so that at their end it is the fleet that lets go, and not the lease: the
next event may begin at that very instant."""


class Held(NamedTuple):
    """The power a member is to hold now, the event it is held for first, and until when."""

    event_id: EventId
    kw: float
    until: datetime


def set_points(
    promises: tuple[Promise, ...], members: Members, terms: FleetTerms, now: datetime
) -> Iterator[tuple[ResourceId, Held]]:
    """What each member is to hold at `now`: its baseline and the shares of all events that run, in absolute kW.

    Members that are away, or cannot hold what no event moves them from, are left to themselves. The lease ends just
    after the shares, not with the slot: a device must not be let go for the moment between two slots.
    """
    lease = shift(now, timedelta(seconds=terms.lease_s))
    for id, member in members.items():
        if not available(member):
            continue
        running = [
            (promise.event_id, share, _without_gap(shares, share))
            for promise in promises
            if (shares := promise.shares.get(id)) and (share := _running(shares, now)) is not None
        ]
        if not running:
            continue
        kw = running[0][1].base_kw + fsum(share.delta_kw for _, share, _ in running)
        held = snapped(member.descriptor, kw)
        if held is not None:
            until = shift(max(until for _, _, until in running), LEASE_MARGIN)
            yield id, Held(running[0][0], held, min(lease, until))


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


class Shift(NamedTuple):
    """A promise shared out anew, and what changed, in words."""

    promise: Promise
    detail: str


def reallot(promise: Promise, members: Members, others: tuple[Promise, ...], now: datetime) -> Shift | None:
    """What is missing in the running slot, given to members with headroom beside what they owe to the `others`, which have
    precedence; None where nothing can or need change.

    It is missing because members are away, or because it was never covered. Shares that hold are not touched, so that
    few members change. A member that comes back takes part again.
    """
    slot = promise.asks.at(now)
    if slot is None or slot.kw == 0:
        return None
    shares = {id: share for id, all in promise.shares.items() if (share := _running(all, now)) is not None}
    lost = tuple(id for id, share in shares.items() if share.delta_kw and not available(members.get(id)))
    kept = fsum(share.delta_kw for id, share in shares.items() if id not in lost)
    missing = slot.kw - kept
    worth = abs(slot.kw) * WORTH
    if abs(missing) < worth or missing * slot.kw < 0:
        return None
    rest = replace(slot, start=now)
    away = promise.away + barred(promise.absolute, others)
    bases = {
        id: shares[id].base_kw if id in shares else mean(plan, now, slot.end)
        for id, plan in promise.baselines.items()
        if not is_away(id, rest, away)
    }
    extra = _extra(bases, members, (promise, *others), rest, missing)
    placed = fsum(extra.values())
    if not lost and abs(placed) < worth:
        return None
    delta_kw = dict.fromkeys(lost, 0.0) | {
        id: kw + (shares[id].delta_kw if id in shares else 0.0) for id, kw in extra.items()
    }
    changed = {
        id: _spliced(
            promise.shares.get(id, ()),
            Share(start=now, end=slot.end, base_kw=bases[id] if id in bases else shares[id].base_kw, delta_kw=kw),
        )
        for id, kw in delta_kw.items()
    }
    return Shift(replace(promise, shares=promise.shares | changed), _words(lost, extra, missing - placed))


def _extra(
    bases: dict[ResourceId, float],
    members: Members,
    promises: tuple[Promise, ...],
    rest: Slot,
    missing: float,
) -> dict[ResourceId, float]:
    """What the members that are there can add to what they already owe."""
    offers = [
        headroom(member, (replace(rest, kw=base_kw),), owed(promises, id), rest, hours=length_h(rest), now=rest.start)
        for id, base_kw in bases.items()
        if (member := members.get(id)) is not None and available(member)
    ]
    return {id: kw for id, kw in allocate(missing, offers).shares.items() if abs(kw) > EXACT_KW}


def _spliced(shares: tuple[Share, ...], new: Share) -> tuple[Share, ...]:
    return (*before(shares, new.start), new, *(share for share in shares if share.start >= new.end))


def _words(lost: tuple[ResourceId, ...], extra: dict[ResourceId, float], uncovered_kw: float) -> str:
    away = f"{', '.join(lost)} away; " if lost else ""
    added = ", ".join(f"{id} {kw:+.3f} kW" for id, kw in extra.items()) or "nobody can stand in"
    return f"{away}{added}; {uncovered_kw:+.3f} kW uncovered"
