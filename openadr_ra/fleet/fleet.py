"""Fleet: promises for the members it has, moves them while its promises run, and answers for what came of it.

The edges of intervals live here and nowhere else: `wake` at each of them, and every `track_every_s` between.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from openadr_ra.fleet import response
from openadr_ra.fleet.member import Device, Member, finite, live_readings, load_readings, offer, status_readings
from openadr_ra.fleet.noticing import changed, is_to_record, noted
from openadr_ra.fleet.precedence import above, ranked, yielded
from openadr_ra.fleet.promise import Account, FleetTerms, Promise, consider, cut
from openadr_ra.fleet.track import give, give_back, next_edge, reallot, set_points
from openadr_ra.protocol.model import OPT_IN, EventId, ResourceId, Rid
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.step import (
    AnyLetter,
    Changed,
    Delivered,
    Effect,
    Entry,
    Fetched,
    Instruct,
    Key,
    Mail,
    Moment,
    Outcome,
    Record,
    Release,
    State,
)
from openadr_ra.protocol.times import FOREVER, shift
from openadr_ra.seams import Descriptor, Measurement

_BY = "fleet"

ASK_AGAIN = timedelta(seconds=30)
"""Readings that did not come by then are fetched once more: the effect may have died with its process."""

_INSTANT = timedelta(microseconds=1)


class Fleet(State, frozen=True, kw_only=True, gc=False):
    """Who was promised what, for whom. `given` names the event each device holds a set-point for.

    `sequence` is that of the last set-point to anyone; `steered` when set-points were last given.
    """

    terms: FleetTerms = FleetTerms()
    members: dict[ResourceId, Member] = msgspec.field(default_factory=dict)
    promises: tuple[Promise, ...] = ()
    given: dict[ResourceId, EventId] = msgspec.field(default_factory=dict)
    sequence: int = 0
    steered: datetime | None = None
    report_to: tuple[Key, ...] = ()


class Enrolled(Value, frozen=True, kw_only=True, gc=False):
    """An input, at each start: these are the devices. What they offer is mailed to `report_to`; promises are kept."""

    terms: FleetTerms
    descriptors: tuple[Descriptor, ...]
    report_to: tuple[Key, ...]


class Measured(Value, frozen=True, kw_only=True, gc=False):
    """An input: what devices do now."""

    measurements: dict[ResourceId, Measurement]


Input = Enrolled | Measured | Fetched | AnyLetter


def receive(fleet: Fleet, given: Input, moment: Moment) -> Outcome[Fleet]:
    """The fleet after an input. Set-points that it changes go out at once. Letters to others change nothing."""
    now = moment.now
    match given:
        case Enrolled():
            outcome = _steered(_enrolled(fleet, given), now)
        case Measured():
            outcome = _measured(fleet, given, now)
        case Fetched():
            outcome = _fetched(fleet, given, now)
        case Instruct():
            outcome = _instructed(fleet, given, now)
        case Release():
            outcome = _released(fleet, given, now)
        case _:
            # Letters to others: nothing here changes.
            outcome = Outcome(state=fleet)
    return outcome.with_due(deadline(outcome.state, now))


def wake(fleet: Fleet, moment: Moment) -> Outcome[Fleet]:
    """Set-points of this moment, whatever was missed before; intervals to close; promises that are over forgotten."""
    now = moment.now
    outcome = _steered(_closing(Outcome(state=_without_finished(fleet, now)), now), now)
    return outcome.with_due(deadline(outcome.state, now))


def deadline(fleet: Fleet, after: datetime) -> datetime | None:
    """When to be woken next; what is overdue already, an instant after `after`. None: nothing is to come."""
    since = fleet.steered or after
    edges = (next_edge(promise, since, fleet.terms.track_every_s) for promise in fleet.promises)
    soonest = min(
        (when for when in (*edges, *_reads(fleet), *_ends(fleet)) if when is not None and when < FOREVER),
        default=None,
    )
    return max(soonest, after + _INSTANT) if soonest is not None else None


def _reads(fleet: Fleet) -> Iterator[datetime | None]:
    for promise in fleet.promises:
        for account in promise.accounts:
            yield account.read_at


def _ends(fleet: Fleet) -> Iterator[datetime | None]:
    return (_forgotten_at(promise, fleet.terms) for promise in fleet.promises)


def _forgotten_at(promise: Promise, terms: FleetTerms) -> datetime | None:
    """When nothing of the promise is wanted any more; None while a response is not final."""
    if any(account.read_at is not None for account in promise.accounts):
        return None
    return shift(promise.until, terms.correct)


def _enrolled(fleet: Fleet, given: Enrolled) -> Outcome[Fleet]:
    members: dict[ResourceId, Member] = {}
    for descriptor in given.descriptors:
        known = fleet.members.get(descriptor.id)
        members[descriptor.id] = (
            replace(known, descriptor=descriptor) if known is not None else Device(descriptor=descriptor)
        )
    held = {id: event_id for id, event_id in fleet.given.items() if id in members}
    body = offer(given.descriptors)
    return Outcome(
        state=replace(fleet, terms=given.terms, members=members, given=held, report_to=given.report_to),
        mail=tuple(Mail(to=key, body=body) for key in given.report_to),
    )


def _measured(fleet: Fleet, given: Measured, now: datetime) -> Outcome[Fleet]:
    members = dict(fleet.members)
    readings: list[Reading] = []
    fresh: dict[ResourceId, datetime] = {}
    points: list[Rid] = []
    for id, measurement in given.measurements.items():
        member = members.get(id)
        new = finite(measurement, member.last) if member is not None else None
        if member is None or new is None:
            continue
        if member.last is None or new.at != member.last.at:
            readings.extend(live_readings(id, new))
            fresh[id] = new.at
        if member.last is None or new.at >= member.last.at:
            # The values last known of a silent device come with the time they were true at; its silence is of now.
            at = new.at if id in fresh else now
            readings.extend(status_readings(id, new, at))
            if is_to_record(member.last, new, at):
                readings.extend(load_readings(id, new, at))
            points.extend(changed(member, new, fleet.terms.change_kw))
            members[id] = replace(member, last=new, noted=noted(member, new, fleet.terms.change_kw))
    if not readings:
        return Outcome(state=fleet)
    promises = tuple(_reopened(promise, fresh, fleet.terms, now) for promise in fleet.promises)
    return Outcome(
        state=replace(fleet, members=members, promises=promises),
        effects=(Record(readings=tuple(readings)),),
        mail=tuple(Mail(to=key, body=Changed(points=tuple(points))) for key in fleet.report_to if points),
    )


def _reopened(promise: Promise, fresh: dict[ResourceId, datetime], terms: FleetTerms, now: datetime) -> Promise:
    """With the intervals to be read again on which late samples have come in."""
    soon = now + terms.settle
    accounts = tuple(
        replace(account, read_at=min(account.read_at or FOREVER, soon))
        if any(response.is_late(account, id, when, terms) for id, when in fresh.items() if id in promise.baselines)
        else account
        for account in promise.accounts
    )
    return replace(promise, accounts=accounts) if accounts != promise.accounts else promise


def _instructed(fleet: Fleet, given: Instruct, now: datetime) -> Outcome[Fleet]:
    """What was answered is answered the same again; after a release everything is asked anew."""
    held = _find(fleet, given.schedule.id, given.reply_to)
    if held is not None and not held.released and _is_answered(given, held):
        return Outcome(state=fleet, mail=(Mail(to=given.reply_to, body=held.verdict),))
    first = above(given.priority, given.schedule, held, fleet.promises, now)
    promise = consider(given, held, fleet.members, first, fleet.terms, now)
    state = _put(fleet, held, promise)
    accepted = promise.verdict.opt == OPT_IN
    entry = Entry(
        subject=f"event/{promise.event_id}",
        at=now,
        by=_BY,
        what="promised" if accepted else "refused",
        detail=f"modification {promise.modification}"
        + (f": {promise.verdict.reason}" if promise.verdict.reason else ""),
    )
    answer = Mail(to=given.reply_to, body=promise.verdict)
    return _steered(Outcome(state=state, effects=(Record(entries=(entry,)),), mail=(answer,)), now)


def _is_answered(given: Instruct, held: Promise) -> bool:
    """A version is asked about anew only when who is away has changed."""
    if given.modification == held.modification:
        return given.away == held.away
    return given.modification < held.modification


def _released(fleet: Fleet, given: Release, now: datetime) -> Outcome[Fleet]:
    """A promise that is over, or was given anew since, stays as it is."""
    held = _find(fleet, given.event_id, given.reply_to)
    if held is None or given.modification < held.modification:
        return Outcome(state=fleet)
    ended = replace(cut(held, given.at, fleet.terms), modification=given.modification, released=True)
    if ended == held:
        return Outcome(state=fleet)
    entry = Entry(
        subject=f"event/{held.event_id}", at=now, by=_BY, what="released", detail=f"as of {given.at:%Y-%m-%dT%H:%M:%SZ}"
    )
    return _steered(Outcome(state=_put(fleet, held, ended), effects=(Record(entries=(entry,)),)), now)


def _find(fleet: Fleet, event_id: EventId, reply_to: Key) -> Promise | None:
    return next((one for one in fleet.promises if one.event_id == event_id and one.reply_to == reply_to), None)


def _put(fleet: Fleet, old: Promise | None, new: Promise) -> Fleet:
    if old is None:
        return replace(fleet, promises=(*fleet.promises, new))
    return replace(fleet, promises=tuple(new if one is old else one for one in fleet.promises))


def _steered(outcome: Outcome[Fleet], now: datetime) -> Outcome[Fleet]:
    """With what is missing given to others, and each device its set-point of `now` or its freedom."""
    fleet = outcome.state
    if not fleet.promises and not fleet.given:
        return outcome
    fleet, entries, mail = _reallotted(fleet, now)
    held = dict(set_points(ranked(fleet.promises), fleet.members, fleet.terms, now))
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
    state = replace(fleet, given=given, sequence=sequence, steered=now if fleet.promises else None)
    return msgspec.structs.replace(
        outcome, state=state, effects=(*outcome.effects, *effects), mail=(*outcome.mail, *mail)
    )


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
            entries.append(_noted(promise, now, "opted out" if squeezed.lost else "gives way", squeezed.detail))
        if squeezed is not None and squeezed.lost:
            mail.append(Mail(to=promise.reply_to, body=promise.verdict))
        shifted = reallot(promise, fleet.members, first, now)
        if shifted is not None:
            promise = shifted.promise
            entries.append(_noted(promise, now, "re-allocated", shifted.detail))
        if promise is not held:
            fleet = _put(fleet, held, promise)
        first = (*first, promise)
    return fleet, tuple(entries), tuple(mail)


def _noted(promise: Promise, now: datetime, what: str, detail: str) -> Entry:
    return Entry(subject=f"event/{promise.event_id}", at=now, by=_BY, what=what, detail=detail)


def _closing(outcome: Outcome[Fleet], now: datetime) -> Outcome[Fleet]:
    """With the readings wanted by now asked for."""
    fleet = outcome.state
    reads: list[Effect] = []
    promises: list[Promise] = []
    for promise in fleet.promises:
        accounts: list[Account] = []
        for account in promise.accounts:
            if account.read_at is not None and account.read_at <= now:
                reads.append(response.read(promise, account, fleet.terms))
                account = replace(account, read_at=now + ASK_AGAIN)
            accounts.append(account)
        promises.append(replace(promise, accounts=tuple(accounts)))
    if not reads:
        return outcome
    state = replace(fleet, promises=tuple(promises))
    return msgspec.structs.replace(outcome, state=state, effects=(*outcome.effects, *reads))


def _fetched(fleet: Fleet, given: Fetched, now: datetime) -> Outcome[Fleet]:
    for promise in fleet.promises:
        for account in promise.accounts:
            if response.tag(promise, account) == given.tag:
                return _closed(fleet, promise, account, given.readings, now)
    return Outcome(state=fleet)


def _closed(
    fleet: Fleet, promise: Promise, account: Account, found: tuple[Reading, ...], now: datetime
) -> Outcome[Fleet]:
    """With the interval's response said, if it is not what was said before."""
    terms = fleet.terms
    of = response.figures(promise, account, found, terms)
    together = response.total(promise, account, of, fleet.members)
    lacking = response.lacking(of)
    final_at = shift(account.end, terms.correct)
    final = not lacking or now >= final_at
    said = response.said(together, final)
    told = said == account.said
    revision = account.revision if told else account.revision + 1
    done = replace(account, read_at=None if final else final_at, revision=revision, said=said, lacking=lacking)
    accounts = tuple(done if one is account else one for one in promise.accounts)
    state = _put(fleet, promise, replace(promise, accounts=accounts))
    if told:
        return Outcome(state=state)
    readings = tuple(response.readings(promise, account, of, together, revision, final))
    letter = Delivered(event_id=promise.event_id, start=account.start, end=account.end, revision=revision)
    return Outcome(
        state=state,
        effects=(Record(readings=readings),),
        mail=(Mail(to=promise.reply_to, body=letter),),
    )


def _without_finished(fleet: Fleet, now: datetime) -> Fleet:
    """Promises are forgotten once every interval is answered for and can no longer be corrected."""
    kept = tuple(
        promise for promise in fleet.promises if (end := _forgotten_at(promise, fleet.terms)) is None or end > now
    )
    return replace(fleet, promises=kept) if len(kept) < len(fleet.promises) else fleet


__all__ = [
    "Enrolled",
    "Fleet",
    "FleetTerms",
    "Input",
    "Measured",
    "deadline",
    "receive",
    "wake",
]
