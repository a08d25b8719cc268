"""The VENs of the VTN below: members that are told by an event, ahead of time, what devices are told by set-points.

Each has an event of its own for a promise, under one name, and its own versions of it: who is not concerned by a change
hears nothing of it. What ran of it stays as it was sent, and the running interval is split where the power changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from msgspec.structs import replace

from openadr_ra.fleet.allocate import EXACT_KW
from openadr_ra.fleet.member import Share
from openadr_ra.fleet.plan import Members
from openadr_ra.fleet.promise import Promise, Told
from openadr_ra.protocol import instruction
from openadr_ra.protocol.agenda import FLEET
from openadr_ra.protocol.instruction import Ask, Instruction
from openadr_ra.protocol.model import ALWAYS, OPT_IN, EventId, ResourceId, VenId
from openadr_ra.protocol.schedule import Slot
from openadr_ra.protocol.step import Mail, Opted, Publish
from openadr_ra.protocol.times import FOREVER

LONGEST = timedelta(days=365)
"""What an open end is taken for where it is not the only interval: of several, none can be without end (rule 47)."""


def name(promise: Promise, generation: int = 0) -> EventId:
    """What the promise's event is called below: events of several VTNs above may have one name."""
    node, slash, upstream = promise.reply_to.partition("/")
    named = f"{promise.event_id}.{upstream}" if slash and node == "node" else promise.event_id
    return EventId(f"{named}-{generation + 1}" if generation else named)


def names(promise: Promise, id: ResourceId) -> tuple[EventId, ...]:
    """All that the events of that VEN for the promise have been called."""
    held = promise.told.get(id)
    return tuple(name(promise, number) for number in range(held.generation + 1)) if held is not None else ()


def has_been(promise: Promise, ven: ResourceId, event_id: EventId) -> bool:
    """Is it an event of that VEN for the promise, or was it?"""
    return event_id in names(promise, ven)


def means(promise: Promise, ven: ResourceId, event_id: EventId) -> bool:
    """Is it the newest event of that VEN for the promise?"""
    held = promise.told.get(ven)
    return held is not None and name(promise, held.generation) == event_id


def answered(promise: Promise, given: Opted, id: ResourceId) -> Promise | None:
    """With what the VEN says now of its newest version; None where that is nothing new."""
    held = promise.told[id]
    if given.modification != held.modification or held.opt == given.opt:
        return None
    return replace(promise, told=promise.told | {id: replace(held, opt=given.opt)})


def told(promise: Promise, members: Members, now: datetime, *, cut: bool) -> tuple[Promise, tuple[Mail, ...]]:
    """Each VEN that has a part in it gets its newest version; those whose part is as it was get nothing. `cut`: whoever
    asked for it is out of reach, and it is not followed for now."""
    versions: dict[ResourceId, Told] = {}
    mail: list[Mail] = []
    for id in {**promise.shares, **promise.told}:
        member = members.get(id)
        if member is None or member.ven is None:
            continue
        newer = _newer(promise, id, now, over=cut or promise.released or promise.verdict.opt != OPT_IN)
        if newer is not None:
            versions[id] = newer
            mail.append(_mail(promise, id, member.ven, newer, now))
    if not versions:
        return promise, ()
    return replace(promise, told=promise.told | versions), tuple(mail)


def _newer(promise: Promise, id: ResourceId, now: datetime, *, over: bool) -> Told | None:
    """The version that the VEN is to have, if it is not the one that it has."""
    held = promise.told.get(id)
    if held is None or held.cancelled:
        wanted = () if over else tuple(slot for slot in _wanted(promise, id, None) if slot.end > now)
        moved = any(abs(slot.kw) > EXACT_KW for slot in wanted)
        generation = held.generation + 1 if held is not None else 0
        return Told(modification=0, slots=wanted, generation=generation) if moved else None
    if held.slots[-1].end <= now or held.withdrawn:
        # What is over is no matter any more; who has opted out is asked no more, unless it takes that back.
        return None
    wanted = _wanted(promise, id, held.slots[0].start)
    if over or not wanted or wanted[-1].end <= now:
        return replace(held, modification=held.modification + 1, cancelled=True)
    if wanted == held.slots:
        return None
    return replace(held, modification=held.modification + 1, slots=wanted)


def _wanted(promise: Promise, id: ResourceId, begun: datetime | None) -> tuple[Slot, ...]:
    """The intervals of the VEN's event, in whole seconds, from where it begins, or began."""
    edges = {account.start for account in promise.accounts}
    slots: list[Slot] = []
    for slot in _without_gaps(promise.shares.get(id, ()), begun):
        same = slots and abs(slots[-1].kw - slot.kw) <= EXACT_KW and slot.start not in edges
        if same:
            slots[-1] = replace(slots[-1], end=slot.end)
        elif slots or begun is not None or abs(slot.kw) > EXACT_KW:
            slots.append(slot)
    return tuple(slots)


def _without_gaps(shares: Iterable[Share], begun: datetime | None) -> Iterator[Slot]:
    """The shares with nothing between them left out; where there is none, nothing is asked."""
    at = begun
    for share in shares:
        start, end = _second(share.start), _second(share.end)
        if at is not None and start > at:
            yield Slot(start=at, end=start, kw=0.0)
        start = max(start, at) if at is not None else start
        if end > start:
            yield Slot(start=start, end=end, kw=share.delta_kw)
            at = end


def _second(when: datetime) -> datetime:
    return when.replace(microsecond=0) if when < FOREVER else FOREVER


def _mail(promise: Promise, id: ResourceId, ven: VenId, version: Told, now: datetime) -> Mail:
    bases = {share.start: share.base_kw for share in promise.shares.get(id, ())}
    slots = version.slots
    baseline = tuple(bases.get(slot.start, 0.0) for slot in slots) if slots[0].start in bases else ()
    order = Instruction(
        id=name(promise, version.generation),
        start=slots[0].start,
        every=timedelta(0),
        lengths=_lengths(slots),
        asks={ven: Ask(values=tuple(slot.kw for slot in slots), baseline_kw=baseline)},
        modification=version.modification,
        modified=now if version.modification else None,
        cancelled=version.cancelled,
        priority=promise.priority or None,
        created=now,
    )
    return Mail(
        to=instruction.party(ven),
        body=Publish(
            event=instruction.event(order, ven, now),
            response_required=ALWAYS,
            baseline_kw=baseline,
            reply_to=FLEET,
        ),
    )


def _lengths(slots: tuple[Slot, ...]) -> tuple[timedelta, ...]:
    if slots[-1].end < FOREVER:
        return tuple(slot.end - slot.start for slot in slots)
    if len(slots) == 1:
        return (timedelta(0),)
    return (*(slot.end - slot.start for slot in slots[:-1]), LONGEST)
