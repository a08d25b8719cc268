"""Rule 18: of events that overlap the one of higher priority is followed, of equal ones the one that became active first.

A fleet has room for several at once as long as its members can give what all of them ask. Where they cannot, the event with
precedence gets what it asks, and the others what is left of them; afterwards they go on.
"""

from __future__ import annotations

from datetime import datetime
from math import fsum
from typing import NamedTuple

from msgspec.structs import replace

from openadr_ra.fleet.allocate import EXACT_KW, Headroom
from openadr_ra.fleet.consider import yields
from openadr_ra.fleet.member import Share, available, headroom
from openadr_ra.fleet.plan import Members, Taken, is_away, length_h, pieces, planned
from openadr_ra.fleet.promise import Promise, barred, before, covered, ended, owed
from openadr_ra.fleet.terms import FleetTerms
from openadr_ra.protocol.event import LOWEST_PRIORITY
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.schedule import Schedule, Slot, splice
from openadr_ra.protocol.step import Away
from openadr_ra.protocol.times import FOREVER

WORTH = 0.01
"""A loss of energy of less than this part of a share is the measurement's, not another event's."""


def rank(priority: int, began: datetime) -> tuple[int, datetime]:
    """What goes first sorts first: 1 before 2 before none, the earlier start before the later."""
    return (priority or LOWEST_PRIORITY, began)


def ranked(promises: tuple[Promise, ...]) -> tuple[Promise, ...]:
    """Those with precedence first; of equal ones in the order in which they were promised."""
    return tuple(sorted(promises, key=lambda promise: rank(promise.priority, _began(promise))))


def _began(promise: Promise) -> datetime:
    return promise.asks.slots[0].start if promise.asks.slots else FOREVER


def above(
    priority: int, schedule: Schedule, held: Promise | None, promises: tuple[Promise, ...], now: datetime
) -> tuple[Promise, ...]:
    """The promises that have precedence over such an event; `held` is what its older version was promised."""
    if not schedule.slots:
        return ()
    began = schedule.start
    if held is not None and _began(held) < now:
        # What has become active does not become so anew by being changed.
        began = min(_began(held), began)
    mine = rank(priority, began)
    seen = False
    found: list[Promise] = []
    for promise in promises:
        if promise is held:
            seen = True
            continue
        theirs = rank(promise.priority, _began(promise))
        if theirs < mine or (theirs == mine and not seen):
            found.append(promise)
    return tuple(found)


class Yielded(NamedTuple):
    """A promise after others took what they have precedence for, and what that came to in words. `lost`: nothing is left."""

    promise: Promise
    detail: str
    lost: bool


def yielded(
    promise: Promise, members: Members, first: tuple[Promise, ...], terms: FleetTerms, now: datetime
) -> Yielded | None:
    """What the promise keeps beside those that go `first`; None where they leave it what it has."""
    plans = {id: plan for id, plan in promise.baselines.items() if id in promise.addressed}
    taken = {id: shares for id in plans if (shares := owed(first, id))}
    bars = barred(promise.absolute, first)
    if not _is_barred(promise, bars, now) and not any(_is_squeezed(promise, id, members, taken, now) for id in taken):
        return None
    asks, away = promise.asks, promise.away + bars
    slots = pieces(asks, taken, away, now)
    lots = planned("delta", slots, plans, members, taken, away, now, terms)
    names = ", ".join(sorted({one.event_id for one in first if set(one.addressed) & set(plans)}))
    asking = [lot for lot in lots if lot.asked.kw]
    if asking and not any(covered(lot, terms) for lot in asking):
        reason = f"nothing is left of it beside {names} (rule 18)"
        return Yielded(ended(promise, terms, now, reason, max(lot.short_kw for lot in lots)), reason, True)
    kept = replace(
        promise,
        asks=splice(asks, replace(asks, slots=tuple(lot.asked for lot in lots)), now),
        shares={
            id: before(promise.shares.get(id, ()), now) + tuple(lot.shares[id] for lot in lots if id in lot.shares)
            for id in {**promise.shares, **plans}
        },
    )
    return Yielded(
        kept, yields(tuple(lot for lot in lots if not covered(lot, terms)), first) or f"moved by {names}", False
    )


def _is_barred(promise: Promise, bars: tuple[Away, ...], now: datetime) -> bool:
    """Has it a share yet to run of a member that belongs to another event alone?"""
    return any(
        is_away(id, Slot(start=max(share.start, now), end=share.end, kw=0.0), bars)
        for id, shares in promise.shares.items()
        for share in shares
        if share.end > now and share.delta_kw
    )


def _is_squeezed(promise: Promise, id: ResourceId, members: Members, taken: Taken, now: datetime) -> bool:
    """Does what a member owes to others keep it from a share that it could give without them?"""
    member = members.get(id)
    if member is None or not available(member):
        return False
    ahead = tuple(share for share in promise.shares.get(id, ()) if share.end > now and share.delta_kw)
    for number, share in enumerate(ahead):
        span = Slot(start=max(share.start, now), end=share.end, kw=share.delta_kw)
        # Power must be exact, or the sum is none that the device can hold; of energy only so much is known.
        for hours, slack in ((0.0, EXACT_KW), (_hours(span, ahead[number + 1 :]), WORTH * abs(share.delta_kw))):
            beside, alone = (
                _able(headroom(member, promise.baselines[id], owes, span, hours=hours, now=now), share.delta_kw)
                for owes in (taken[id], ())
            )
            if beside < alone - slack:
                return True
    return False


def _hours(span: Slot, later: tuple[Share, ...]) -> float:
    """How long the power of `span` would last on all that the member has still to give in its direction."""
    rest = (
        share.delta_kw / span.kw * length_h(Slot(start=share.start, end=share.end, kw=share.delta_kw))
        for share in later
        if share.delta_kw * span.kw > 0
    )
    return length_h(span) + fsum(rest)


def _able(room: Headroom, delta_kw: float) -> float:
    """How much of a change there is room for."""
    if room.steps_kw is not None and not any(abs(step - delta_kw) <= EXACT_KW for step in room.steps_kw):
        return 0.0
    if room.gap_kw is not None and room.gap_kw[0] + EXACT_KW < delta_kw < room.gap_kw[1] - EXACT_KW:
        return 0.0
    return min(abs(delta_kw), room.reduce_kw if delta_kw < 0 else room.raise_kw)
