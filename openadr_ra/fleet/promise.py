"""A promise: what was asked, what of it each member gives, against which baseline, and which intervals it answers for."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import fsum
from typing import NamedTuple

from msgspec.structs import replace

from openadr_ra.fleet.allocate import EXACT_KW, Allocation, Headroom, allocate, by_level
from openadr_ra.fleet.member import Member, Share, available, headroom
from openadr_ra.protocol.model import OPT_IN, OPT_OUT, EventId, ResourceId
from openadr_ra.protocol.schedule import Schedule, Slot, mean, splice
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.step import Instruct, Key, Verdict
from openadr_ra.protocol.times import FOREVER, shift

OPEN_ENDED = timedelta(hours=1)
"""How long an open-ended slot is taken to last when its energy is planned; nobody knows better."""


class FleetTerms(Value, frozen=True, kw_only=True, gc=False):
    """How a fleet promises and follows.

    min_cover: the part of each slot that must be covered for an optIn.
    settle_s: how long after its end an interval is closed; longer than the devices' read period, so that the energy
    registers are known on both sides of the edge.
    lease_s: how long a set-point holds unless renewed; several times track_every_s.
    hold_s: how far apart two readings of an energy register may be; what was between them is known all the same.
    sample_s: how long a sample of power stands for what follows it; beyond that nothing was measured. Some read periods.
    correct_s: how long after its end the response of an interval may still be corrected; then it is final.
    """

    min_cover: float = 0.9
    settle_s: float = 15.0
    lease_s: float = 60.0
    track_every_s: float = 10.0
    hold_s: float = 120.0
    sample_s: float = 120.0
    correct_s: float = 900.0

    @property
    def settle(self) -> timedelta:
        return timedelta(seconds=self.settle_s)

    @property
    def hold(self) -> timedelta:
        return timedelta(seconds=self.hold_s)

    @property
    def correct(self) -> timedelta:
        return timedelta(seconds=self.correct_s)


class Account(Value, frozen=True, kw_only=True, gc=False):
    """An interval that is answered for. `read_at` is when its readings are wanted next; None: the response is final.

    `revision` is the last one said, -1 before the first; `said` its figures of all members together, in the order
    asked, kw, baseline, delta, coverage, soc, final; `lacking` the members whose own value was not good.
    """

    start: datetime
    end: datetime
    read_at: datetime | None
    revision: int = -1
    said: tuple[float | None, ...] = ()
    lacking: tuple[ResourceId, ...] = ()


class Promise(Value, frozen=True, kw_only=True, gc=False):
    """What became of an instruction. A refused one is kept too, so that it gets the same answer again.

    `asks` is what was asked over time, as kW against the baseline; `shares` what each member gives, both with the past
    as it was. `baselines` are the declared plans of the members addressed, frozen at `frozen_at`. It is over at `until`,
    and `released` once its end node let go of it.
    """

    event_id: EventId
    modification: int
    reply_to: Key
    verdict: Verdict
    until: datetime
    frozen_at: datetime
    asks: Schedule
    baselines: dict[ResourceId, tuple[Slot, ...]]
    shares: dict[ResourceId, tuple[Share, ...]]
    accounts: tuple[Account, ...] = ()
    released: bool = False


Members = dict[ResourceId, Member]
Taken = dict[ResourceId, tuple[Share, ...]]


def taken_by(promises: tuple[Promise, ...], resource: ResourceId) -> tuple[Share, ...]:
    """The shares that a member owes to these promises."""
    return tuple(share for promise in promises for share in promise.shares.get(resource, ()))


def consider(
    given: Instruct,
    held: Promise | None,
    members: Members,
    others: tuple[Promise, ...],
    terms: FleetTerms,
    now: datetime,
) -> Promise:
    """The promise that answers the instruction. `held` is what its older version was promised, `others` all else."""
    schedule = given.schedule
    plans = _frozen(schedule, held, members)
    trouble = _trouble(schedule, held, plans, now)
    if trouble:
        return _refuse(given, held, terms, now, trouble, 0.0)
    taken = {resource: taken_by(others, resource) for resource in plans}
    plan = _plan(schedule, plans, {id: members[id] for id in plans if id in members}, taken, now)
    for lot in plan:
        if lot.cover < terms.min_cover - EXACT_KW:
            return _refuse(given, held, terms, now, _too_little(lot, terms), max(lot.short_kw for lot in plan))
    return _accept(given, held, plans, plan, terms, now)


def cut(promise: Promise, at: datetime, terms: FleetTerms) -> Promise:
    """The promise ended at `at`: the running interval closes as [start, at), later ones are not answered for."""
    slots = tuple(replace(slot, end=min(slot.end, at)) for slot in promise.asks.slots if slot.start < at)
    return replace(
        promise,
        until=min(promise.until, at),
        asks=replace(promise.asks, slots=slots),
        shares={resource: before(shares, at) for resource, shares in promise.shares.items()},
        accounts=tuple(
            account if account.end <= at or account.revision >= 0 else _account(account.start, at, terms)
            for account in promise.accounts
            if account.start < at or account.revision >= 0
        ),
    )


def _frozen(schedule: Schedule, held: Promise | None, members: Members) -> dict[ResourceId, tuple[Slot, ...]]:
    """The baselines of all members addressed: as they were frozen first, else as they are declared now."""
    known = held.baselines if held is not None else {}
    addressed = [id for id in schedule.resources if id in members] if schedule.resources else list(members)
    return {id: known.get(id, members[id].descriptor.plan) for id in addressed}


def _trouble(
    schedule: Schedule,
    held: Promise | None,
    plans: dict[ResourceId, tuple[Slot, ...]],
    now: datetime,
) -> str:
    if not schedule.slots:
        return "the schedule has no interval"
    if not plans:
        named = ", ".join(schedule.resources)
        return f"none of the resources is here: {named}" if named else "the fleet has no member"
    if schedule.end <= now and (held is None or not held.accounts):
        return f"the schedule was over at {schedule.end:%Y-%m-%dT%H:%M:%SZ}"
    return ""


def _refuse(
    given: Instruct, held: Promise | None, terms: FleetTerms, now: datetime, reason: str, short_kw: float
) -> Promise:
    schedule = given.schedule
    until = schedule.end if schedule.slots else now
    if held is not None and held.verdict.opt == OPT_IN:
        reason += f"; what was promised to modification {held.modification} ends now"
    verdict = Verdict(
        event_id=schedule.id,
        modification=given.modification,
        opt=OPT_OUT,
        short_kw=short_kw,
        reason=reason,
    )
    if held is not None:
        ended = cut(held, now, terms)
        return replace(ended, modification=given.modification, verdict=verdict, until=until)
    return Promise(
        event_id=schedule.id,
        modification=given.modification,
        reply_to=given.reply_to,
        verdict=verdict,
        until=until,
        frozen_at=now,
        asks=Schedule(id=schedule.id),
        baselines={},
        shares={},
    )


def _accept(
    given: Instruct,
    held: Promise | None,
    plans: dict[ResourceId, tuple[Slot, ...]],
    plan: tuple[_Lot, ...],
    terms: FleetTerms,
    now: datetime,
) -> Promise:
    """The past as it was, from now on as planned. Members that are no longer addressed keep their past."""
    schedule = given.schedule
    asks = Schedule(id=schedule.id, slots=tuple(lot.asked for lot in plan), resources=schedule.resources)
    past = held.shares if held is not None else {}
    shares = {
        id: before(past.get(id, ()), now) + tuple(lot.shares[id] for lot in plan if id in lot.shares)
        for id in {**past, **plans}
    }
    old_plans = held.baselines if held is not None else {}
    return Promise(
        event_id=schedule.id,
        modification=given.modification,
        reply_to=given.reply_to,
        verdict=Verdict(
            event_id=schedule.id,
            modification=given.modification,
            opt=OPT_IN,
            short_kw=max((lot.short_kw for lot in plan), default=0.0),
        ),
        until=schedule.end,
        frozen_at=held.frozen_at if held is not None and held.baselines else now,
        asks=splice(held.asks, asks, now) if held is not None else asks,
        baselines={**old_plans, **plans},
        shares=shares,
        accounts=_accounts(schedule, held, terms, now),
    )


def _too_little(lot: _Lot, terms: FleetTerms) -> str:
    return (
        f"{lot.short_kw:.6g} kW of {abs(lot.asked.kw):.6g} kW from {lot.asked.start:%Y-%m-%dT%H:%M:%SZ} on cannot be"
        f" covered; at least {terms.min_cover:.0%} must be"
    )


class _Lot(NamedTuple):
    """One slot shared out. `cover` is the part of what is asked that somebody takes."""

    asked: Slot
    shares: dict[ResourceId, Share]
    short_kw: float
    cover: float


def _plan(
    schedule: Schedule,
    plans: dict[ResourceId, tuple[Slot, ...]],
    members: Members,
    taken: Taken,
    now: datetime,
) -> tuple[_Lot, ...]:
    """The slots not yet over, one after the other: what one uses of a member's energy the next no longer has."""
    slots = [
        replace(slot, start=max(slot.start, now), kw=_target(schedule, slot, plans, now))
        for slot in schedule.slots
        if slot.end > now
    ]
    lots: list[_Lot] = []
    for index, slot in enumerate(slots):
        hours = _hours(tuple(slots[index:]))
        offers = tuple(
            headroom(member, plans[id], taken[id], slot, hours=hours, now=now)
            for id, member in members.items()
            if available(member)
        )
        lot = _lot(schedule, slot, offers, plans)
        lots.append(lot)
        taken = {id: (*shares, lot.shares[id]) if id in lot.shares else shares for id, shares in taken.items()}
    return tuple(lots)


def _target(schedule: Schedule, slot: Slot, plans: dict[ResourceId, tuple[Slot, ...]], now: datetime) -> float:
    """The slot's kW against the baselines; a level stays a level. Members that are away count with their plan."""
    if schedule.mode != "setpoint":
        return slot.kw
    return slot.kw - fsum(mean(plan, max(slot.start, now), slot.end) for plan in plans.values())


def _hours(slots: tuple[Slot, ...]) -> float:
    """How long the first slot's power would last on all that these still ask in its direction.

    With constant power that is the length of the rest; a smaller slot ahead leaves more energy to this one.
    """
    first = slots[0]
    if first.kw == 0:
        return length_h(first)
    return fsum(slot.kw / first.kw * length_h(slot) for slot in slots if slot.kw * first.kw > 0)


def length_h(slot: Slot) -> float:
    """Hours that the slot's energy is planned for."""
    length = slot.end - slot.start if slot.end < FOREVER else OPEN_ENDED
    return length / timedelta(hours=1)


def _lot(
    schedule: Schedule,
    slot: Slot,
    offers: tuple[Headroom, ...],
    plans: dict[ResourceId, tuple[Slot, ...]],
) -> _Lot:
    if schedule.mode == "level" and slot.kw == 0:
        # Level 0 is normal operation: nobody is told anything.
        return _Lot(slot, {}, 0.0, 1.0)
    if schedule.mode == "level":
        allocation = by_level(slot.kw, offers)
        asked = replace(slot, kw=fsum(allocation.shares.values()))
        cover = 1.0 if any(offer.reduce_kw > 0 for offer in offers) else 0.0
    else:
        allocation = allocate(slot.kw, offers)
        asked = slot
        cover = 1.0 - abs(allocation.uncovered_kw / slot.kw) if slot.kw else 1.0
    return _Lot(asked, _shares(asked, allocation, plans), abs(allocation.uncovered_kw), cover)


def _shares(slot: Slot, allocation: Allocation, plans: dict[ResourceId, tuple[Slot, ...]]) -> dict[ResourceId, Share]:
    return {
        id: Share(start=slot.start, end=slot.end, base_kw=mean(plans[id], slot.start, slot.end), delta_kw=delta_kw)
        for id, delta_kw in allocation.shares.items()
    }


def before(shares: tuple[Share, ...], at: datetime) -> tuple[Share, ...]:
    """What of the shares lies before `at`."""
    return tuple(replace(share, end=min(share.end, at)) for share in shares if share.start < at)


def _accounts(schedule: Schedule, held: Promise | None, terms: FleetTerms, now: datetime) -> tuple[Account, ...]:
    """The event's own intervals, and what its older versions closed or began before and it names no more."""
    old = {(account.start, account.end): account for account in held.accounts} if held is not None else {}
    named = {(slot.start, slot.end) for slot in schedule.slots}
    accounts = [old.get((start, end)) or _account(start, end, terms) for start, end in named]
    until = min(now, schedule.start)
    for span, account in old.items():
        if span in named:
            continue
        if account.revision >= 0 or account.end <= until:
            accounts.append(account)
        elif account.start < until:
            accounts.append(_account(account.start, until, terms))
    return tuple(sorted(accounts, key=lambda account: (account.start, account.end)))


def _account(start: datetime, end: datetime, terms: FleetTerms) -> Account:
    return Account(start=start, end=end, read_at=shift(end, terms.settle))
