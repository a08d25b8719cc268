"""A fleet as its operator sees it: who is there, what each could give, what holds it, and what was promised."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import fsum
from typing import Literal

import msgspec

from openadr_ra.fleet.allocate import EXACT_KW
from openadr_ra.fleet.available import room
from openadr_ra.fleet.fleet import Fleet
from openadr_ra.fleet.member import Member, Share, Word, available
from openadr_ra.fleet.precedence import ranked
from openadr_ra.fleet.promise import Promise
from openadr_ra.fleet.state import OPERATOR
from openadr_ra.protocol.model import OPT_IN, EventId, ResourceId
from openadr_ra.protocol.parts import Quality
from openadr_ra.protocol.report import is_bad
from openadr_ra.protocol.schedule import Slot, mean
from openadr_ra.protocol.step import Key
from openadr_ra.protocol.times import FOREVER

NOBODY = Key("")
"""Whoever asks what is free beside all promises is none of those who have one."""

PromiseState = Literal["promised", "short", "refused", "released", "over"]
"""`short`: something of what is still to come is not covered. `refused`: also what was taken back later."""


class PromisedSlot(msgspec.Struct, frozen=True, kw_only=True):
    """An interval of a promise: kW against the baseline that are asked, that members cover, and how much is missing.
    `end` None: it has none."""

    start: datetime
    end: datetime | None
    asked_kw: float
    covered_kw: float
    short_kw: float


class PromiseView(msgspec.Struct, frozen=True, kw_only=True):
    """What a fleet promised for an event; `asked_by` is the VTN above, or `operator`. `priority` 0 is none.

    `short_kw`: the most that is missing in what is still to come; of a refused one, what would have been.
    """

    event_id: EventId
    modification: int
    asked_by: str
    state: PromiseState
    reason: str
    priority: int
    short_kw: float
    slots: tuple[PromisedSlot, ...]


class WordView(msgspec.Struct, frozen=True, kw_only=True):
    """An operator's word: the member is held at `kw`, or (None) left out of everything. `until` None: until taken back."""

    kw: float | None
    until: datetime | None
    by: str
    reason: str


class MemberView(msgspec.Struct, frozen=True, kw_only=True):
    """A member at a glance; power in load convention, in kW. None: not known; of energy: none of it runs empty.

    `online`: it is heard of, and what it says is good; `available`: it can be counted on, too. `baseline_kw` is its plan of
    now. `can_…`: what it could give beside all promises. `held_kw` is what it is to hold now, for `events`, or by the
    operator's `word`; `asked_kw` is the part of it that is against its baseline. `local_override`: somebody on the spot
    has taken it.
    """

    id: ResourceId
    what: Literal["device", "VEN"]
    kind: str
    online: bool
    available: bool
    local_override: bool
    measured_at: datetime | None
    quality: Quality | None
    kw: float | None
    baseline_kw: float
    soc_percent: float | None
    can_reduce_kw: float
    can_raise_kw: float
    can_reduce_kwh: float | None
    can_raise_kwh: float | None
    held_kw: float | None
    asked_kw: float
    events: tuple[EventId, ...]
    word: WordView | None
    notice_s: float
    price_per_kwh: float
    weight: float


class FleetTotal(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over the members: `kw` of those that are online, the rest of those that are available."""

    members: int
    available: int
    kw: float
    can_reduce_kw: float
    can_raise_kw: float
    can_reduce_kwh: float | None
    can_raise_kwh: float | None
    asked_kw: float


class FleetView(msgspec.Struct, frozen=True, kw_only=True):
    """The fleet of the node of that name, as it stands at `at`; promises with precedence first."""

    name: str
    at: datetime
    members: tuple[MemberView, ...]
    total: FleetTotal
    promises: tuple[PromiseView, ...]


def fleet_view(name: str, fleet: Fleet, now: datetime) -> FleetView:
    """The fleet as it stands at `now`."""
    followed = tuple(promise for promise in ranked(fleet.promises) if promise.reply_to not in fleet.cut)
    members = tuple(_member(fleet, id, member, followed, now) for id, member in fleet.members.items())
    return FleetView(
        name=name,
        at=now,
        members=members,
        total=_total(fleet, members, now),
        promises=tuple(promise_view(promise, now) for promise in ranked(fleet.promises)),
    )


def promise_view(promise: Promise, now: datetime) -> PromiseView:
    """The promise as it stands at `now`."""
    slots = tuple(_slot(promise, start, end, now) for start, end in intervals(promise))
    ahead = [slot.short_kw for slot in slots if slot.end is None or slot.end > now]
    refused = promise.verdict.opt != OPT_IN
    return PromiseView(
        event_id=promise.event_id,
        modification=promise.modification,
        asked_by=_asked_by(promise.reply_to),
        state=_state(promise, max(ahead, default=0.0), now),
        reason=promise.verdict.reason,
        priority=promise.priority,
        short_kw=promise.verdict.short_kw if refused else max(ahead, default=0.0),
        slots=slots,
    )


def shares(promise: Promise, now: datetime) -> dict[ResourceId, tuple[float, ...]]:
    """What each member gives in each interval of the promise, kW against its baseline."""
    spans = tuple(intervals(promise))
    return {
        id: tuple(_given(each, start, end, now) for start, end in spans) for id, each in promise.shares.items() if each
    }


def intervals(promise: Promise) -> Iterator[tuple[datetime, datetime]]:
    """The intervals that it answers for, else what it asks piece by piece; an open one ends at FOREVER."""
    found = promise.accounts or promise.asks.slots
    return ((each.start, each.end) for each in found)


def asked_kw(promise: Promise, start: datetime, end: datetime, now: datetime) -> float:
    """What is asked in that time on average, against the baseline; of an open interval what is asked now."""
    return mean(promise.asks.slots, *_known(start, end, now))


def _known(start: datetime, end: datetime, now: datetime) -> tuple[datetime, datetime]:
    """An open interval has no mean: what is at its latest known instant stands for it."""
    if end < FOREVER:
        return start, end
    return max(start, now), max(start, now)


def _slot(promise: Promise, start: datetime, end: datetime, now: datetime) -> PromisedSlot:
    asked = asked_kw(promise, start, end, now)
    covered = fsum(_given(each, start, end, now) for each in promise.shares.values())
    missing = asked - covered
    return PromisedSlot(
        start=start,
        end=end if end < FOREVER else None,
        asked_kw=asked,
        covered_kw=covered,
        short_kw=abs(missing) if abs(missing) > EXACT_KW and missing * asked >= 0 else 0.0,
    )


def _given(each: tuple[Share, ...], start: datetime, end: datetime, now: datetime) -> float:
    slots = tuple(Slot(start=share.start, end=share.end, kw=share.delta_kw) for share in each)
    return mean(slots, *_known(start, end, now))


def _asked_by(reply_to: Key) -> str:
    """`operator`, or the name of the VTN above."""
    return str(reply_to) if reply_to == OPERATOR else reply_to.partition("/")[2]


def _state(promise: Promise, short_kw: float, now: datetime) -> PromiseState:
    if promise.verdict.opt != OPT_IN:
        return "refused"
    if promise.released:
        return "released"
    if promise.until <= now:
        return "over"
    return "short" if short_kw > 0 else "promised"


def _member(fleet: Fleet, id: ResourceId, member: Member, followed: tuple[Promise, ...], now: datetime) -> MemberView:
    last, descriptor, merit = member.last, member.descriptor, member.merit
    free = room({id: member}, fleet.promises, NOBODY, now, timedelta(seconds=fleet.terms.stated_s))
    there = available(member)
    running = {
        promise.event_id: share
        for promise in followed
        if there and (share := _running(promise.shares.get(id, ()), now)) is not None
    }
    return MemberView(
        id=id,
        what="device" if member.ven is None else "VEN",
        kind=descriptor.subtype or descriptor.kind,
        online=last is not None and last.online and not is_bad(last.quality),
        available=there,
        local_override=last is not None and last.local_override,
        measured_at=last.at if last is not None else None,
        quality=last.quality if last is not None else None,
        kw=last.kw if last is not None else None,
        baseline_kw=mean(descriptor.plan, now, now),
        soc_percent=last.soc_percent if last is not None else None,
        can_reduce_kw=free.reduce_kw,
        can_raise_kw=free.raise_kw,
        can_reduce_kwh=free.reduce_kwh,
        can_raise_kwh=free.raise_kwh,
        held_kw=_held_kw(fleet, id, tuple(running.values())),
        asked_kw=fsum(share.delta_kw for share in running.values()),
        events=tuple(running),
        word=_word(member.word),
        notice_s=merit.notice_s,
        price_per_kwh=merit.price_per_kwh,
        weight=merit.weight,
    )


def _running(each: tuple[Share, ...], now: datetime) -> Share | None:
    return next((share for share in each if share.start <= now < share.end), None)


def _held_kw(fleet: Fleet, id: ResourceId, running: tuple[Share, ...]) -> float | None:
    """A device holds its set-point; a VEN is asked by an event, which comes to this at its measuring point."""
    if fleet.members[id].ven is None:
        return fleet.placed[id].kw if id in fleet.given and id in fleet.placed else None
    return running[0].base_kw + fsum(share.delta_kw for share in running) if running else None


def _word(word: Word | None) -> WordView | None:
    if word is None:
        return None
    return WordView(kw=word.kw, until=word.until if word.until < FOREVER else None, by=word.by, reason=word.reason)


def _total(fleet: Fleet, members: tuple[MemberView, ...], now: datetime) -> FleetTotal:
    whole = room(fleet.members, fleet.promises, NOBODY, now, timedelta(seconds=fleet.terms.stated_s))
    return FleetTotal(
        members=len(members),
        available=sum(one.available for one in members),
        kw=fsum(one.kw for one in members if one.online and one.kw is not None),
        can_reduce_kw=whole.reduce_kw,
        can_raise_kw=whole.raise_kw,
        can_reduce_kwh=whole.reduce_kwh,
        can_raise_kwh=whole.raise_kwh,
        asked_kw=fsum(one.asked_kw for one in members),
    )
