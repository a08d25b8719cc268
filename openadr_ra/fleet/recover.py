"""After the last slot: stores of the node's own are brought back to the state of charge that they had before the promise.

That is work of the baseline: it is in no promise, moves no baseline, and an event takes its place at once. It begins when a
slot has been measured to its end, and is over, ramp included, before the next one begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import fsum, inf
from typing import NamedTuple

from msgspec.structs import replace

from openadr_ra.fleet.allocate import EXACT_KW, sustainable
from openadr_ra.fleet.member import Member, Share, available, left
from openadr_ra.fleet.plan import Members
from openadr_ra.fleet.promise import Promise, owed
from openadr_ra.fleet.terms import FleetTerms
from openadr_ra.fleet.track import Held
from openadr_ra.protocol.model import EventId, ResourceId
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.times import FOREVER, shift
from openadr_ra.seams import Descriptor

RECOVERY = EventId("recovery")
"""Stands for the event where a set-point brings a store back."""

BY_ITSELF = frozenset({"ev", "v2h", "thermal"})
"""Subtypes of stores that somebody has to use: these see to it themselves that there is enough in them."""

NEAR_PERCENT = 0.1
"""A state of charge this near to the one before is that one; meters tell no finer."""

_HOUR = timedelta(hours=1)

Span = tuple[datetime, datetime]


class Owed(Value, frozen=True, kw_only=True, gc=False):
    """A store that a promise used: the state of charge it had before, and when it is `over` with the promises.

    `sign` is the way back, 1 to charge it; 0: not known yet. `since` is when recovery began. `kw` is the set-point last
    given for it, which a device out of reach may hold until it is no longer `leased`.
    """

    soc_percent: float
    over: datetime
    sign: int = 0
    since: datetime | None = None
    kw: float = 0.0
    leased: datetime | None = None


Stores = dict[ResourceId, Owed]
Points = dict[ResourceId, Held]


class Note(NamedTuple):
    """What the journal is told of a store."""

    resource: ResourceId
    what: str
    detail: str


class Recovered(NamedTuple):
    """What is still owed to stores, the set-points that bring them back, and what began or ended."""

    stores: Stores
    points: Points
    notes: tuple[Note, ...]


class _Way(NamedTuple):
    """How far a store may be moved now: signed kW, and until when nothing else is asked."""

    kw: float
    until: datetime


def recovered(
    stores: Stores, promises: tuple[Promise, ...], members: Members, held: Points, terms: FleetTerms, now: datetime
) -> Recovered:
    """The stores that promises use, remembered; those that no promise uses any more, brought back as far as limits allow.

    `held` are the set-points of events and operators, which go first. An operator's word on a store and a local override
    end its recovery for good; one that is out of reach is waited for until `recover_by_h` are over.
    """
    used = _used(stores, promises, members, now) if terms.recover else stores
    asked = _asked(promises)
    kept: Stores = {}
    notes: list[Note] = []
    ways: dict[ResourceId, _Way] = {}
    for id, debt in used.items():
        member = members.get(id)
        until = _free_until(member, promises, asked, terms, now) if member is not None and id not in held else None
        debt = _with_sign(debt, member) if until is not None else debt
        why = _end(debt, member, until, terms, now)
        if why is not None:
            notes.extend([Note(id, "recovery ended", why)] if debt.since is not None else [])
            continue
        kept[id] = debt
        if member is not None and until is not None:
            ways[id] = _Way(_able(debt, member, owed(promises, id), terms, now), until)
    points = dict(_points(ways, kept, members, held, terms, now))
    for id, point in points.items():
        if kept[id].since is None:
            notes.append(Note(id, "recovery begins", _from_to(kept[id], members[id])))
        kept[id] = replace(kept[id], since=kept[id].since or now, kw=point.kw, leased=point.until)
    return Recovered(kept, points, tuple(notes))


def is_store(member: Member) -> bool:
    """Is it a device of the node's own that stores energy for nobody but the fleet, and can hold any power?"""
    descriptor = member.descriptor
    return (
        member.ven is None
        and descriptor.kind == "battery"
        and descriptor.energy is not None
        and descriptor.subtype not in BY_ITSELF
        and not descriptor.levels_kw
        and descriptor.gap_kw is None
    )


def _used(stores: Stores, promises: tuple[Promise, ...], members: Members, now: datetime) -> Stores:
    """With the stores that promises move now, as they were when that began; what promises no longer use is over."""
    found = dict(stores)
    for id, member in members.items():
        debt = found.get(id)
        if debt is None and not is_store(member):
            continue
        end = _moved_until(id, promises, now)
        if end is None:
            if debt is not None and debt.over > now:
                found[id] = replace(debt, over=now)
        elif debt is not None:
            found[id] = replace(debt, over=end, sign=0)
        elif available(member) and member.last is not None and member.last.soc_percent is not None:
            found[id] = Owed(soc_percent=member.last.soc_percent, over=end)
    return found


def _moved_until(id: ResourceId, promises: tuple[Promise, ...], now: datetime) -> datetime | None:
    """The end of what the promises that move it now ask of it; None: none of them does."""
    ends: list[datetime] = []
    for promise in promises:
        shares = promise.shares.get(id, ())
        share = next((share for share in shares if share.start <= now < share.end), None)
        if share is not None and abs(share.delta_kw + promise.corrected.get(id, 0.0)) > EXACT_KW:
            ends.append(shares[-1].end)
    return max(ends, default=None)


def _asked(promises: tuple[Promise, ...]) -> tuple[Span, ...]:
    """When the fleet is asked for anything, whoever of it gives that."""
    return tuple((slot.start, slot.end) for promise in promises for slot in promise.asks.slots if slot.kw)


def _free_until(
    member: Member, promises: tuple[Promise, ...], asked: tuple[Span, ...], terms: FleetTerms, now: datetime
) -> datetime | None:
    """When the store must be back at its baseline for what is asked next; None: it is not free now, or not for long enough
    to be stopped in time. From its first share to its last it belongs to the promise, pauses included."""
    descriptor = member.descriptor
    size_kw = max(abs(descriptor.min_kw), abs(descriptor.max_kw))
    stopping_s = descriptor.latency_s + (size_kw / descriptor.ramp_kw_per_s if descriptor.ramp_kw_per_s else 0.0)
    every = timedelta(seconds=terms.track_every_s)
    until = FOREVER
    for start, end in (*asked, *_spans(member, promises)):
        if shift(end, terms.settle) <= now:
            continue
        stop = shift(start, -timedelta(seconds=stopping_s))
        if shift(stop, -every) < now:
            return None
        until = min(until, stop)
    return until


def _spans(member: Member, promises: tuple[Promise, ...]) -> Iterator[Span]:
    for promise in promises:
        shares = promise.shares.get(member.descriptor.id, ())
        if shares:
            yield shares[0].start, shares[-1].end


def _with_sign(debt: Owed, member: Member | None) -> Owed:
    """With the way back, once the store is done with promises. It stays: what its plan does beyond that is its own."""
    away = _away_percent(debt, member)
    if debt.sign or away is None or abs(away) <= NEAR_PERCENT:
        return debt
    return replace(debt, sign=1 if away > 0 else -1)


def _away_percent(debt: Owed, member: Member | None) -> float | None:
    """How much is missing in it; None: not known."""
    if member is None or not available(member) or member.last is None or member.last.soc_percent is None:
        return None
    return debt.soc_percent - member.last.soc_percent


def _end(debt: Owed, member: Member | None, until: datetime | None, terms: FleetTerms, now: datetime) -> str | None:
    """Why nothing is owed to the store any more; None: something is."""
    if member is None or not is_store(member):
        return "it is no store of this node any more"
    if not terms.recover:
        return "the settings no longer ask for it"
    if member.word is not None:
        return "an operator's word"
    if member.last is not None and member.last.local_override:
        return "local override"
    if until is None:
        return None
    away = _away_percent(debt, member)
    if away is not None and debt.sign * away <= NEAR_PERCENT:
        return f"back at {debt.soc_percent:.3g} %"
    if shift(debt.over, terms.recover_by) <= now:
        return f"not back at {debt.soc_percent:.3g} % in time"
    return None


def _from_to(debt: Owed, member: Member) -> str:
    soc = member.last.soc_percent if member.last is not None else None
    return f"to {debt.soc_percent:.3g} %" if soc is None else f"from {soc:.3g} % to {debt.soc_percent:.3g} %"


def _able(debt: Owed, member: Member, taken: tuple[Share, ...], terms: FleetTerms, now: datetime) -> float:
    """How much it may be moved, signed: to where it was and no further, and with the room or energy left alone that its
    shares to come need, even if nobody renews the set-point. What it was moved since it was read counts as done."""
    last, descriptor = member.last, member.descriptor
    away, lease = _away_percent(debt, member), timedelta(seconds=terms.lease_s)
    if last is None or away is None or _is_planned(descriptor, now, shift(now, lease)):
        return 0.0
    if debt.sign > 0:
        power_kw, free_kwh = min(descriptor.max_kw, last.max_kw), left(last.can_raise_kwh, taken, now, 1)
    else:
        power_kw, free_kwh = -max(descriptor.min_kw, last.min_kw), left(last.can_reduce_kwh, taken, now, -1)
    unseen = min(now, debt.leased or last.at) - last.at
    done_kwh = max(debt.sign * debt.kw, 0.0) * max(unseen / _HOUR, 0.0)
    free_kwh = None if free_kwh is None else free_kwh - done_kwh
    rest_kwh = _energy_kwh(descriptor, debt.sign * away, debt.sign) - done_kwh
    power_kw = sustainable(power_kw, free_kwh, lease / _HOUR)
    return debt.sign * sustainable(power_kw, rest_kwh, terms.track_every_s / 3600)


def _energy_kwh(descriptor: Descriptor, percent: float, sign: int) -> float:
    """What so much of the store comes to at its measuring point."""
    energy = descriptor.energy
    if energy is None:
        return 0.0
    stored_kwh = percent / 100 * energy.capacity_kwh
    return stored_kwh / energy.charge_efficiency if sign > 0 else stored_kwh * energy.discharge_efficiency


def _is_planned(descriptor: Descriptor, start: datetime, end: datetime) -> bool:
    """Does its own plan move it? Then it is left to that."""
    return any(abs(slot.kw) > EXACT_KW for slot in descriptor.plan if slot.start < end and slot.end > start)


def _points(
    ways: dict[ResourceId, _Way], stores: Stores, members: Members, held: Points, terms: FleetTerms, now: datetime
) -> Iterator[tuple[ResourceId, Held]]:
    """Each its part of what may be drawn together, and of what may be fed in."""
    lease = shift(now, timedelta(seconds=terms.lease_s))
    for sign, limit_kw in ((1, terms.import_max_kw), (-1, terms.export_max_kw)):
        wanted = {id: way.kw for id, way in ways.items() if sign * way.kw > EXACT_KW}
        if not wanted:
            continue
        rest = (member for id, member in members.items() if member.ven is None and id not in wanted)
        most_kw = fsum(_most(sign, member, stores, held, lease, now) for member in rest)
        room_kw = _room(limit_kw, terms.recover_kw, most_kw)
        part = min(room_kw / fsum(map(abs, wanted.values())), 1.0)
        for id, kw in wanted.items():
            if abs(kw * part) > EXACT_KW:
                until = min(lease, ways[id].until, shift(stores[id].over, terms.recover_by))
                yield id, Held(RECOVERY, kw * part, until)


def _room(limit_kw: float | None, recover_kw: float | None, most_kw: float) -> float:
    """How much recovery may move in all. Where no limit is known no more than what the others give it."""
    if limit_kw is None and recover_kw is not None:
        return recover_kw
    own_kw = inf if recover_kw is None else recover_kw
    return max(min((limit_kw or 0.0) - most_kw, own_kw), 0.0)


def _most(sign: int, member: Member, stores: Stores, held: Points, lease: datetime, now: datetime) -> float:
    """The most that a device may do in that direction while the lease runs, as far as can be known; signed by it."""
    id = member.descriptor.id
    return max(_powers(sign, member, stores.get(id), held.get(id), lease, now), default=0.0)


def _powers(
    sign: int, member: Member, debt: Owed | None, point: Held | None, lease: datetime, now: datetime
) -> Iterator[float]:
    """What it is metered at, plans, and is told or was told last. A store out of reach for longer than a lease is back
    at its plan."""
    plan = tuple(slot for slot in member.descriptor.plan if slot.start < lease and slot.end > now)
    yield from (sign * slot.kw for slot in plan)
    if not plan:
        yield 0.0
    if member.last is not None and (not is_store(member) or member.last.at > now - (lease - now)):
        yield sign * member.last.kw
    if point is not None:
        yield sign * point.kw
    if debt is not None and debt.leased is not None and debt.leased > now and not available(member):
        yield sign * debt.kw
