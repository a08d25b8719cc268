"""What the members are, and what they say: recorded, and told upward."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from openadr_ra.fleet import response
from openadr_ra.fleet.available import room, stated
from openadr_ra.fleet.holding import metered, seen
from openadr_ra.fleet.member import (
    RECENT,
    Device,
    Member,
    Merit,
    Seen,
    Word,
    finite,
    live_readings,
    load_readings,
    offer,
    status_readings,
)
from openadr_ra.fleet.noticing import changed, is_to_record, noted
from openadr_ra.fleet.promise import Promise
from openadr_ra.fleet.state import Enrolled, Fleet, Measured, Ordered
from openadr_ra.fleet.terms import FleetTerms
from openadr_ra.protocol.model import ResourceId, Rid
from openadr_ra.protocol.report import is_bad, live_series
from openadr_ra.protocol.schedule import Reading, Slot
from openadr_ra.protocol.step import Changed, Entry, Key, Mail, Outcome, Record
from openadr_ra.protocol.times import FOREVER
from openadr_ra.seams import Measurement

ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
"""When the plan of a VEN began: it says what it is, not since when."""


def enrolled(fleet: Fleet, given: Enrolled) -> Outcome[Fleet]:
    """These are the members from now on. Each VTN above hears what can be reported to it."""
    members: dict[ResourceId, Member] = {}
    for descriptor in given.descriptors:
        known = fleet.members.get(descriptor.id, Device(descriptor=descriptor))
        ven = given.vens.get(descriptor.id)
        plan = known.descriptor.plan if ven is not None else descriptor.plan
        members[descriptor.id] = replace(
            known,
            descriptor=replace(descriptor, plan=plan),
            ven=ven,
            merit=given.merits.get(descriptor.id, Merit()),
        )
    held = {id: event_id for id, event_id in fleet.given.items() if id in members}
    own = given.descriptors if given.total is None else ()
    return Outcome(
        state=replace(
            fleet, terms=given.terms, members=members, given=held, report_to=given.report_to, total=given.total
        ),
        mail=tuple(Mail(to=key, body=offer(own, _towards(key), given.total)) for key in given.report_to),
    )


def _towards(key: Key) -> ResourceId:
    """The name of the VTN above."""
    return ResourceId(key.partition("/")[2])


def measured(fleet: Fleet, given: Measured, now: datetime) -> Outcome[Fleet]:
    """The newest of each member, recorded."""
    members = dict(fleet.members)
    readings: list[Reading] = []
    fresh: dict[ResourceId, datetime] = {}
    points: list[Rid] = []
    for id, measurement in given.measurements.items():
        member = members.get(id)
        new = finite(measurement, member.last) if member is not None else None
        if member is None or new is None:
            continue
        if member.ven is not None:
            if not is_bad(new.quality) and (member.last is None or new.at != member.last.at):
                readings.append(Reading(series=live_series(id, "kw"), start=new.at, value=new.kw, quality=new.quality))
                if new.agreed:
                    # Of others their own responses are waited for, and corrections come as such.
                    fresh[id] = new.at
            members[id] = _said(member, new)
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
    if not readings and members == fleet.members:
        return Outcome(state=fleet)
    placed = seen(fleet.placed, fleet.members, members)
    promises = tuple(
        metered(_reopened(promise, fresh, fleet.terms, now), fleet.promises, members, placed, fleet.terms, now)
        for promise in fleet.promises
    )
    state = _stated(replace(fleet, members=members, promises=promises, placed=placed), readings, now)
    return Outcome(
        state=state,
        effects=(Record(readings=tuple(readings)),) if readings else (),
        mail=tuple(Mail(to=key, body=Changed(points=tuple(points))) for key in fleet.report_to if points),
    )


def _said(member: Member, new: Measurement) -> Member:
    """A VEN below as it describes itself now."""
    plan = member.descriptor.plan
    if new.plan_kw is not None:
        plan = (Slot(start=ALWAYS, end=FOREVER, kw=new.plan_kw),)
    recent = member.recent
    if not is_bad(new.quality) and (not recent or new.at > recent[-1].at):
        recent = (*recent, Seen(at=new.at, kw=new.kw))[-RECENT:]
    return replace(member, descriptor=replace(member.descriptor, plan=plan), last=new, recent=recent)


def _stated(fleet: Fleet, readings: list[Reading], now: datetime) -> Fleet:
    """With what can be given recorded, as often as it is tracked."""
    every = timedelta(seconds=fleet.terms.track_every_s)
    if fleet.stated is not None and now - fleet.stated < every:
        return fleet
    if not fleet.report_to and fleet.total is None:
        return fleet
    for key in fleet.report_to:
        readings.extend(
            stated(
                room(fleet.members, fleet.promises, key, now, timedelta(seconds=fleet.terms.stated_s)),
                _towards(key),
                now,
            )
        )
    readings.extend(_total(fleet, now))
    return replace(fleet, stated=now)


def _total(fleet: Fleet, now: datetime) -> Iterator[Reading]:
    """All members as one resource, for VTNs that are told of no other."""
    if fleet.total is None:
        return
    whole = room(fleet.members, (), Key(""), now, timedelta(0))
    yield Reading(series=live_series(fleet.total, "kw"), start=now, value=whole.kw)
    yield Reading(series=live_series(fleet.total, "online"), start=now, value=1.0)
    yield Reading(series=live_series(fleet.total, "override"), start=now, value=0.0)


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


def ordered(fleet: Fleet, given: Ordered, now: datetime) -> Outcome[Fleet]:
    """An operator's word on a member, which goes before any event; journalled."""
    member = fleet.members.get(given.resource)
    if member is None:
        return Outcome(state=fleet)
    word = None
    if given.until is not None and given.until > now:
        word = Word(kw=given.kw, until=given.until, by=given.by, reason=given.reason)
    if word is None:
        what, detail = "given back", given.reason
    else:
        what = "withdrawn" if word.kw is None else f"held at {word.kw:g} kW"
        until = f"until {word.until:%Y-%m-%dT%H:%M:%SZ}" if word.until < FOREVER else "until given back"
        detail = until + (f": {word.reason}" if word.reason else "")
    entry = Entry(subject=f"resource/{given.resource}", at=now, by=given.by, what=what, detail=detail)
    members = fleet.members | {given.resource: replace(member, word=word)}
    return Outcome(state=replace(fleet, members=members), effects=(Record(entries=(entry,)),))


def without_old_words(fleet: Fleet, now: datetime) -> Fleet:
    """Operators' words that are over are forgotten."""
    over = {
        id: replace(member, word=None)
        for id, member in fleet.members.items()
        if member.word is not None and member.word.until <= now
    }
    return replace(fleet, members=fleet.members | over) if over else fleet
