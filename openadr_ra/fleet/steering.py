"""Each device its set-point of now, each VEN below its event, and what is missing given to others first."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec.structs import replace

from openadr_ra.fleet import below
from openadr_ra.fleet.cover import judged, reallot
from openadr_ra.fleet.holding import corrected, metered
from openadr_ra.fleet.precedence import ranked, yielded
from openadr_ra.fleet.pricing import followed
from openadr_ra.fleet.promise import Placed, Promise
from openadr_ra.fleet.recover import Note, recovered
from openadr_ra.fleet.state import BY_FLEET, Fleet, noted, put
from openadr_ra.fleet.track import give, give_back, set_points
from openadr_ra.protocol.step import Effect, Entry, Mail, Outcome, Record


def steered(outcome: Outcome[Fleet], now: datetime) -> Outcome[Fleet]:
    """With what is missing given to others, and each member its part of now or its freedom."""
    fleet = outcome.state
    idle = not (fleet.promises or fleet.given or fleet.stores or fleet.tariffs)
    if idle and all(member.word is None for member in fleet.members.values()):
        return outcome
    fleet, entries, mail = _reallotted(fleet, now)
    fleet, told = _told(fleet, now)
    fleet = _corrected(fleet, now)
    first = tuple(promise for promise in ranked(fleet.promises) if promise.reply_to not in fleet.cut)
    held = dict(set_points(first, fleet.members, fleet.terms, now))
    fleet, points = followed(fleet, first, held, now)
    held |= points
    back = recovered(fleet.stores, fleet.promises, fleet.members, held, fleet.terms, now)
    held |= back.points
    entries += tuple(_said(note, now) for note in back.notes)
    effects: list[Effect] = [Record(entries=entries)] if entries else []
    sequence = fleet.sequence
    for id, point in held.items():
        sequence += 1
        effects.append(give(id, point, sequence))
    for id, event_id in fleet.given.items():
        if id not in held:
            sequence += 1
            effects.append(give_back(id, event_id, sequence, now))
    given = {id: point.event_id for id, point in held.items()}
    placed = {id: _placed(fleet.placed.get(id), point.kw, now) for id, point in held.items()}
    # An operator's word is renewed as set-points are, promises or not.
    renewed = now if fleet.promises or fleet.tariffs or held or back.stores else None
    state = replace(fleet, given=given, placed=placed, sequence=sequence, steered=renewed, stores=back.stores)
    return msgspec.structs.replace(
        outcome, state=state, effects=(*outcome.effects, *effects), mail=(*outcome.mail, *mail, *told)
    )


def _said(note: Note, now: datetime) -> Entry:
    return Entry(subject=f"resource/{note.resource}", at=now, by=BY_FLEET, what=note.what, detail=note.detail)


def _corrected(fleet: Fleet, now: datetime) -> Fleet:
    """With the devices of the node's own moved for the mean of the running slots."""
    if not fleet.terms.hold_mean:
        return fleet
    seen = tuple(metered(one, fleet.promises, fleet.members, fleet.placed, fleet.terms, now) for one in fleet.promises)
    found = corrected(seen, fleet.members, fleet.terms, now)
    promises = tuple(
        promise if promise.corrected == found.get(number, {}) else replace(promise, corrected=found.get(number, {}))
        for number, promise in enumerate(seen)
    )
    return replace(fleet, promises=promises)


def _placed(held: Placed | None, kw: float, now: datetime) -> Placed:
    """The set-point, since when it is that."""
    if held is None:
        return Placed(kw=kw, at=now)
    return held if held.kw == kw else replace(held, kw=kw, at=now)


def _told(fleet: Fleet, now: datetime) -> tuple[Fleet, tuple[Mail, ...]]:
    """With the VENs below told of what changed for them."""
    if all(member.ven is None for member in fleet.members.values()):
        return fleet, ()
    mail: list[Mail] = []
    for held in fleet.promises:
        promise, letters = below.told(held, fleet.members, now, cut=held.reply_to in fleet.cut)
        if letters:
            fleet = put(fleet, held, promise)
            mail.extend(letters)
    return fleet, tuple(mail)


def _reallotted(fleet: Fleet, now: datetime) -> tuple[Fleet, tuple[Entry, ...], tuple[Mail, ...]]:
    """Promises one after the other, those with precedence first: each keeps what these leave it, and fills its gaps."""
    entries: list[Entry] = []
    mail: list[Mail] = []
    first: tuple[Promise, ...] = ()
    for held in ranked(fleet.promises):
        promise = held
        squeezed = yielded(promise, fleet.members, first, fleet.terms, now)
        if squeezed is not None:
            promise = squeezed.promise
            entries.append(noted(promise, now, "opted out" if squeezed.lost else "gives way", squeezed.detail))
        shifted = reallot(promise, fleet.members, first, fleet.terms, now)
        if shifted is not None:
            promise = shifted.promise
            entries.append(noted(promise, now, "re-allocated", shifted.detail))
        said = judged(promise, fleet.terms, now)
        if said is not None:
            promise = said.promise
        if said is not None and said.lost:
            entries.append(noted(promise, now, "opted out", said.detail))
        if (squeezed is not None and squeezed.lost) or (said is not None and said.lost):
            mail.append(Mail(to=promise.reply_to, body=promise.verdict))
        if promise is not held:
            fleet = put(fleet, held, promise)
        first = (*first, promise)
    return fleet, tuple(entries), tuple(mail)
