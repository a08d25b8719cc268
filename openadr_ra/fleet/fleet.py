"""Fleet: promises for the members it has, moves them while its promises run, and answers for what came of it.

The edges of intervals live here and nowhere else: `wake` at each of them, and every `track_every_s` between.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec.structs import replace

from openadr_ra.fleet import below, pricing
from openadr_ra.fleet.answering import closing, fetched, responded
from openadr_ra.fleet.consider import consider
from openadr_ra.fleet.measuring import enrolled, measured, ordered, without_old_words
from openadr_ra.fleet.precedence import above
from openadr_ra.fleet.promise import Promise, cut
from openadr_ra.fleet.state import (
    BY_FLEET,
    OPERATOR,
    Cut,
    Enrolled,
    Fleet,
    Input,
    Measured,
    Ordered,
    find,
    noted,
    put,
    sent,
)
from openadr_ra.fleet.steering import steered
from openadr_ra.fleet.terms import FleetTerms
from openadr_ra.fleet.track import next_edge
from openadr_ra.protocol.model import OPT_IN, OPT_OUT, ResourceId
from openadr_ra.protocol.step import (
    Entry,
    Fetched,
    Instruct,
    Mail,
    Moment,
    Opted,
    Outcome,
    Record,
    Release,
    Responded,
)
from openadr_ra.protocol.times import FOREVER, shift

_INSTANT = timedelta(microseconds=1)


def receive(fleet: Fleet, given: Input, moment: Moment) -> Outcome[Fleet]:
    """The fleet after an input. What it changes goes out at once, to devices and to VENs below. Letters to others change
    nothing."""
    outcome = sent(_received(fleet, given, moment.now))
    return outcome.with_due(deadline(outcome.state, moment.now))


def _received(fleet: Fleet, given: Input, now: datetime) -> Outcome[Fleet]:
    match given:
        case Enrolled():
            return steered(enrolled(fleet, given), now)
        case Measured():
            return measured(fleet, given, now)
        case Fetched():
            return fetched(fleet, given, now)
        case Instruct():
            return _instructed(fleet, given, now)
        case Release():
            return _released(fleet, given, now)
        case Opted():
            return _opted(fleet, given, now)
        case Responded():
            return responded(fleet, given, now)
        case Ordered():
            return steered(ordered(fleet, given, now), now)
        case Cut():
            return _cut_off(fleet, given, now)
    return Outcome(state=fleet)


def wake(fleet: Fleet, moment: Moment) -> Outcome[Fleet]:
    """Set-points of this moment, whatever was missed before; intervals to close; promises that are over forgotten."""
    now = moment.now
    fleet = pricing.without_old(without_old_words(_without_finished(fleet, now), now), now)
    outcome = sent(steered(closing(Outcome(state=fleet), now), now))
    return outcome.with_due(deadline(outcome.state, now))


def deadline(fleet: Fleet, after: datetime) -> datetime | None:
    """When to be woken next; what is overdue already, an instant after `after`. None: nothing is to come."""
    # By a clock that was set back they were given later than now.
    since = min(fleet.steered or after, after)
    edges = (next_edge(promise, since, fleet.terms.track_every_s) for promise in fleet.promises)
    soonest = min(
        (
            when
            for when in (
                *edges,
                *_reads(fleet),
                *_ends(fleet),
                *_words(fleet, since),
                *_stores(fleet, since),
                *pricing.edges(fleet, since),
            )
            if when is not None and when < FOREVER
        ),
        default=None,
    )
    return max(soonest, after + _INSTANT) if soonest is not None else None


def _reads(fleet: Fleet) -> Iterator[datetime | None]:
    for promise in fleet.promises:
        for account in promise.accounts:
            yield account.read_at


def _ends(fleet: Fleet) -> Iterator[datetime | None]:
    return (_forgotten_at(promise, fleet.terms) for promise in fleet.promises)


def _words(fleet: Fleet, since: datetime) -> Iterator[datetime]:
    """When an operator's word is over, or the set-point that it is has to be renewed."""
    for member in fleet.members.values():
        if member.word is not None:
            yield min(member.word.until, shift(since, timedelta(seconds=fleet.terms.track_every_s)))


def _stores(fleet: Fleet, since: datetime) -> Iterator[datetime]:
    """While a store is to be brought back it is looked after as set-points are."""
    if fleet.stores:
        yield shift(since, timedelta(seconds=fleet.terms.track_every_s))


def _forgotten_at(promise: Promise, terms: FleetTerms) -> datetime | None:
    """When nothing of the promise is wanted any more; None while a response is not final."""
    if any(account.read_at is not None for account in promise.accounts):
        return None
    return shift(promise.until, terms.correct)


def _instructed(fleet: Fleet, given: Instruct, now: datetime) -> Outcome[Fleet]:
    """What was answered is answered the same again; after a release everything is asked anew."""
    if fleet.total is not None and fleet.total in given.schedule.resources:
        given = replace(given, schedule=replace(given.schedule, resources=()))
    held = find(fleet, given.schedule.id, given.reply_to)
    if given.schedule.mode == "price":
        return _priced(fleet, given, held, now)
    fleet = pricing.without(fleet, given.schedule.id, given.reply_to)
    if held is not None and not held.released and _is_answered(given, held):
        return Outcome(state=fleet, mail=(Mail(to=given.reply_to, body=held.verdict),))
    first = above(given.priority, given.schedule, held, fleet.promises, now)
    promise = consider(given, held, fleet.members, first, fleet.terms, now)
    state = put(fleet, held, promise)
    accepted = promise.verdict.opt == OPT_IN
    entry = Entry(
        subject=f"event/{promise.event_id}",
        at=now,
        by=BY_FLEET,
        what="promised" if accepted else "refused",
        detail=f"modification {promise.modification}"
        + (f": {promise.verdict.reason}" if promise.verdict.reason else ""),
    )
    answer = Mail(to=given.reply_to, body=promise.verdict)
    return steered(Outcome(state=state, effects=(Record(entries=(entry,)),), mail=(answer,)), now)


def _priced(fleet: Fleet, given: Instruct, held: Promise | None, now: datetime) -> Outcome[Fleet]:
    """An event that asked for power before, and has only prices now, asks for none any more."""
    if held is not None and given.modification > held.modification:
        ended = replace(cut(held, now, fleet.terms), modification=given.modification, released=True)
        fleet = put(fleet, held, ended)
    return steered(pricing.told(fleet, given, now), now)


def _is_answered(given: Instruct, held: Promise) -> bool:
    """A version is asked about anew only when who is away has changed."""
    if given.modification == held.modification:
        return given.away == held.away
    return given.modification < held.modification


def _released(fleet: Fleet, given: Release, now: datetime) -> Outcome[Fleet]:
    """A promise that is over, or was given anew since, stays as it is."""
    held = find(fleet, given.event_id, given.reply_to)
    bare = pricing.without_old(pricing.ended(fleet, given), now)
    if bare is not fleet:
        return steered(Outcome(state=bare), now)
    if held is None or given.modification < held.modification:
        return Outcome(state=fleet)
    ended = replace(cut(held, given.at, fleet.terms), modification=given.modification, released=True)
    if ended == held:
        return Outcome(state=fleet)
    entry = Entry(
        subject=f"event/{held.event_id}",
        at=now,
        by=BY_FLEET,
        what="released",
        detail=f"as of {given.at:%Y-%m-%dT%H:%M:%SZ}",
    )
    return steered(Outcome(state=put(fleet, held, ended), effects=(Record(entries=(entry,)),)), now)


def _opted(fleet: Fleet, given: Opted, now: datetime) -> Outcome[Fleet]:
    """What a VEN below says of its event. Who opts out of it has no part in it any more, until it takes that back."""
    id = ResourceId(given.ven)
    held = next((one for one in fleet.promises if below.means(one, id, given.event_id)), None)
    promise = below.answered(held, given, id) if held is not None else None
    if held is None or promise is None:
        return Outcome(state=fleet)
    outcome = Outcome(state=put(fleet, held, promise))
    if OPT_OUT not in (given.opt, held.told[id].opt):
        return outcome
    what = f"{given.ven} opted out" if given.opt == OPT_OUT else f"{given.ven} is back"
    entry = noted(promise, now, what, given.code if given.opt == OPT_OUT else "")
    return steered(replace(outcome, effects=(Record(entries=(entry,)),)), now)


def _cut_off(fleet: Fleet, given: Cut, now: datetime) -> Outcome[Fleet]:
    """Events of a VTN that is out of reach are followed no longer; when it is heard of again they go on."""
    rest = tuple(key for key in fleet.cut if key != given.upstream)
    cuts = (*rest, given.upstream) if given.cut else rest
    if cuts == fleet.cut:
        return Outcome(state=fleet)
    what = "out of reach: its events are not followed" if given.cut else "heard of again"
    entry = Entry(subject=given.upstream, at=now, by=BY_FLEET, what=what)
    return steered(Outcome(state=replace(fleet, cut=cuts), effects=(Record(entries=(entry,)),)), now)


def _without_finished(fleet: Fleet, now: datetime) -> Fleet:
    """Promises are forgotten once every interval is answered for and can no longer be corrected."""
    kept = tuple(
        promise for promise in fleet.promises if (end := _forgotten_at(promise, fleet.terms)) is None or end > now
    )
    return replace(fleet, promises=kept) if len(kept) < len(fleet.promises) else fleet


__all__ = [
    "OPERATOR",
    "Cut",
    "Enrolled",
    "Fleet",
    "FleetTerms",
    "Input",
    "Measured",
    "Ordered",
    "deadline",
    "receive",
    "wake",
]
