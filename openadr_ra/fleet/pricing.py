"""The fleet's row and prices: tariffs come and go, and members that follow them get their set-points of now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec.structs import replace

from openadr_ra.fleet.follow import Course, Prices, courses, follows, held_kwh, point_kw
from openadr_ra.fleet.promise import Promise
from openadr_ra.fleet.state import BY_FLEET, Fleet
from openadr_ra.fleet.tariff import Tariff, ranked, tariff
from openadr_ra.fleet.track import Held
from openadr_ra.protocol.model import OPT_IN, EventId, ResourceId
from openadr_ra.protocol.step import Entry, Instruct, Key, Mail, Outcome, Record, Release, Verdict
from openadr_ra.protocol.times import FOREVER, shift


def told(fleet: Fleet, given: Instruct, now: datetime) -> Outcome[Fleet]:
    """With the prices of the event known. To know them is to follow them: it is always opted in."""
    new = tariff(given)
    held = next((one for one in fleet.tariffs if (one.event_id, one.reply_to) == (new.event_id, new.reply_to)), None)
    if held is not None and held.modification > new.modification:
        new = held
    verdict = Verdict(event_id=new.event_id, modification=new.modification, opt=OPT_IN)
    answer = Mail(to=given.reply_to, body=verdict)
    if new == held:
        return Outcome(state=fleet, mail=(answer,))
    entry = Entry(
        subject=f"event/{new.event_id}",
        at=now,
        by=BY_FLEET,
        what="prices known",
        detail=f"modification {new.modification}",
    )
    rest = without(fleet, new.event_id, new.reply_to)
    return Outcome(
        state=replace(rest, tariffs=(*rest.tariffs, new)), effects=(Record(entries=(entry,)),), mail=(answer,)
    )


def without(fleet: Fleet, event_id: EventId, reply_to: Key) -> Fleet:
    """Without the prices of that event."""
    kept = tuple(one for one in fleet.tariffs if (one.event_id, one.reply_to) != (event_id, reply_to))
    return replace(fleet, tariffs=kept) if len(kept) < len(fleet.tariffs) else fleet


def ended(fleet: Fleet, given: Release) -> Fleet:
    """With the prices of that event over at the time given; those of a newer version stay."""
    kept: list[Tariff] = []
    for one in fleet.tariffs:
        if (one.event_id, one.reply_to) != (given.event_id, given.reply_to) or given.modification < one.modification:
            kept.append(one)
            continue
        slots = tuple(replace(slot, end=min(slot.end, given.at)) for slot in one.slots if slot.start < given.at)
        kept.extend([replace(one, slots=slots)] if slots else [])
    return replace(fleet, tariffs=tuple(kept)) if tuple(kept) != fleet.tariffs else fleet


def without_old(fleet: Fleet, now: datetime) -> Fleet:
    """Without prices that are over."""
    kept = tuple(one for one in fleet.tariffs if one.until > now)
    return replace(fleet, tariffs=kept) if len(kept) < len(fleet.tariffs) else fleet


def edges(fleet: Fleet, since: datetime) -> Iterator[datetime]:
    """When prices want the fleet to act, later than `since`: at their own edges, when a member is to change its power, and
    as often as it is tracked as long as anybody follows them."""
    every = timedelta(seconds=fleet.terms.track_every_s)
    following = any(follows(member, fleet.terms) for member in fleet.members.values())
    for one in fleet.tariffs:
        start = one.slots[0].start
        if following:
            yield shift(start, ((since - start) // every + 1) * every)
        yield from (edge for slot in one.slots for edge in (slot.start, slot.end) if since < edge < FOREVER)
    if fleet.turn is not None and fleet.turn > since:
        yield fleet.turn


class Followed(NamedTuple):
    """The fleet, and the set-points that prices give, for members that no event and no operator holds."""

    fleet: Fleet
    points: dict[ResourceId, Held]


def followed(fleet: Fleet, promises: tuple[Promise, ...], held: dict[ResourceId, Held], now: datetime) -> Followed:
    """The members that prices lead now. `promises` go before them, and what is `held` is so by whatever goes before them."""
    if not fleet.tariffs:
        cleared = replace(fleet, anchors={}, turn=None) if fleet.anchors or fleet.turn is not None else fleet
        return Followed(cleared, {})
    tariffs = ranked(tuple(one for one in fleet.tariffs if one.reply_to not in fleet.cut))
    anchors = _anchored(fleet)
    given = Prices(tariffs, promises, anchors, fleet.terms)
    found = courses(given, fleet.members, now)
    lease = shift(now, timedelta(seconds=fleet.terms.lease_s))
    points = {
        id: Held(course.event_id, kw, lease)
        for id, course in found.items()
        if id not in held and (kw := point_kw(fleet.members[id].descriptor, course, now)) is not None
    }
    return Followed(replace(fleet, anchors=anchors, turn=_turn(found, now)), points)


def _anchored(fleet: Fleet) -> dict[ResourceId, float]:
    """How much each store held when it began to follow; of one that is out of sight for a while, as it was."""
    anchors = {id: kwh for id, kwh in fleet.anchors.items() if id in fleet.members}
    for id, member in fleet.members.items():
        kwh = held_kwh(member)
        if id not in anchors and kwh is not None and follows(member, fleet.terms):
            anchors[id] = kwh
    return anchors


def _turn(found: dict[ResourceId, Course], now: datetime) -> datetime | None:
    ends = (slot.end for course in found.values() if (slot := course.at(now)) is not None)
    return min(ends, default=None)
