"""A promise: what was asked, what of it each member gives, against which baseline, and which intervals it answers for."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from openadr_ra.errors import OK, DeploymentError, ResponseCode
from openadr_ra.fleet.allocate import EXACT_KW
from openadr_ra.fleet.member import Share, available
from openadr_ra.fleet.plan import Lot, Members, Plans, Settled, pieces, planned
from openadr_ra.protocol.model import OPT_IN, OPT_OUT, EventId, OptType, ResourceId
from openadr_ra.protocol.schedule import Schedule, Slot, splice
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.step import Away, Instruct, Key, Verdict
from openadr_ra.protocol.times import FOREVER, joined, shift


class FleetTerms(Value, frozen=True, kw_only=True, gc=False):
    """How a fleet promises and follows.

    min_cover: the part of each slot that must be covered for an optIn.
    settle_s: how long after its end an interval is closed; longer than the devices' read period, so that the energy
    registers are known on both sides of the edge.
    lease_s: how long a set-point holds unless renewed; several times track_every_s.
    hold_s: how far apart two readings of an energy register may be; what was between them is known all the same.
    sample_s: how long a sample of power stands for what follows it; beyond that nothing was measured. Some read periods.
    below_sample_s: the same of what VENs below report.
    correct_s: how long after its end the response of an interval may still be corrected; then it is final.
    change_kw: VTNs hear of power that moved by so much, where they asked for that; None: they cannot.
    notice_s: how long before its start a new event must have come.
    grace_s: how long after its end an interval waits for the responses of VENs below, settle_s included.
    below_every_s: VENs below are asked to stand in for others no more often than this.
    stated_s: what is stated as available can be held for so long.
    patience_s: how long too little may be left of a promise before it is opted out upward; a device may come back.
    """

    min_cover: float = 0.9
    settle_s: float = 15.0
    lease_s: float = 60.0
    track_every_s: float = 10.0
    hold_s: float = 120.0
    sample_s: float = 120.0
    below_sample_s: float = 180.0
    correct_s: float = 900.0
    change_kw: float | None = None
    notice_s: float = 0.0
    grace_s: float = 60.0
    below_every_s: float = 60.0
    patience_s: float = 900.0
    stated_s: float = 1800.0

    @property
    def grace(self) -> timedelta:
        return timedelta(seconds=max(self.grace_s, self.settle_s))

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
    asked, kw, baseline, delta, coverage, soc, final; `lacking` the members whose own value was not good. `awaited` are the
    VENs below whose responses are still to come.
    """

    start: datetime
    end: datetime
    read_at: datetime | None
    revision: int = -1
    said: tuple[float | None, ...] = ()
    lacking: tuple[ResourceId, ...] = ()
    awaited: tuple[ResourceId, ...] = ()


class Told(Value, frozen=True, kw_only=True, gc=False):
    """What a VEN below was told for a promise: its changes of power, the number of that version, and what it said to it.

    A cancelled event stays so: what is asked after it is another one, of the next `generation`.
    """

    modification: int
    slots: tuple[Slot, ...]
    generation: int = 0
    cancelled: bool = False
    opt: OptType | None = None

    @property
    def withdrawn(self) -> bool:
        """Has it opted out? That is of the event, whatever its version."""
        return self.opt == OPT_OUT


class Promise(Value, frozen=True, kw_only=True, gc=False):
    """What became of an instruction. A refused one is kept too, so that it gets the same answer again.

    `asks` is what was asked over time, as kW against the baseline; `shares` what each member gives, both with the past
    as it was. `baselines` are the declared plans of the members addressed, frozen at `frozen_at`. It is over at `until`,
    and `released` once its end node let go of it. `priority` is the event's, 0 for none; `away` are the times in which
    members were declared not available; `absolute`: it is a set-point that is held. `told` is what VENs below were told
    of it; `moved` has when shares were moved to cover what others lost, and `short_since` from when on too little was left.
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
    priority: int = 0
    away: tuple[Away, ...] = ()
    absolute: bool = False
    told: dict[ResourceId, Told] = msgspec.field(default_factory=dict)
    moved: tuple[datetime, ...] = ()
    short_since: datetime | None = None

    @property
    def addressed(self) -> tuple[ResourceId, ...]:
        """The members that the newest version of the event means."""
        return self.asks.resources or tuple(self.baselines)


def withdrawn(promise: Promise, now: datetime) -> tuple[Away, ...]:
    """The VENs below that opted out of it: they have no part in it any more."""
    return tuple(Away(resource=id, start=now, end=FOREVER) for id, version in promise.told.items() if version.withdrawn)


def barred(absolute: bool, first: tuple[Promise, ...]) -> tuple[Away, ...]:
    """The members that those with precedence leave to nobody else, and when.

    Changes of power add up; an absolute power cannot be held by members that something else moves. So of two events of
    which one or both are `absolute`, only the first has the members that it means.
    """
    return tuple(
        Away(resource=id, start=start, end=end)
        for promise in first
        if absolute or promise.absolute
        for start, end in joined((slot.start, slot.end) for slot in promise.asks.slots if promise.absolute or slot.kw)
        for id in promise.addressed
    )


def owed(promises: tuple[Promise, ...], resource: ResourceId) -> tuple[Share, ...]:
    """The shares that a member owes to these promises."""
    return tuple(share for promise in promises for share in promise.shares.get(resource, ()))


def consider(
    given: Instruct,
    held: Promise | None,
    members: Members,
    first: tuple[Promise, ...],
    terms: FleetTerms,
    now: datetime,
) -> Promise:
    """The promise that answers the instruction. `held` is what its older version was promised; those that go `first` have
    precedence (rule 18), and of the others nothing is taken into account.

    What the members could give but for the precedence of others is no reason to refuse, if something else is left.
    """
    schedule = given.schedule
    plans = _frozen(schedule, held, members)
    trouble = _trouble(schedule, held, plans, now) or _too_soon(schedule, held, terms, now)
    if trouble:
        return _refuse(given, held, terms, now, trouble, 0.0, OK if plans else DeploymentError.code)
    taken = {resource: owed(first, resource) for resource in plans}
    out = withdrawn(held, now) if held is not None and not held.released else ()
    away = given.away + barred(schedule.mode == "setpoint", first) + out
    settled = _settled(held, members, now)
    slots = pieces(schedule, taken, away, now, settled)
    lots = planned(schedule.mode, slots, plans, members, taken, away, now, settled)
    lacking = tuple(lot for lot in lots if not covered(lot, terms))
    if not lacking:
        return _accept(given, held, plans, lots, terms, now, "")
    alone = planned(schedule.mode, slots, plans, members, {}, given.away + out, now, settled)
    worst = max(lot.short_kw for lot in lots)
    for lot, without in zip(lots, alone, strict=True):
        if not covered(lot, terms) and not covered(without, terms):
            nobody = not any(available(members.get(id)) for id in plans)
            code = DeploymentError.code if nobody else OK
            return _refuse(given, held, terms, now, _too_little(lot, terms), worst, code)
    if not any(covered(lot, terms) for lot in lots if lot.wanted.kw or schedule.mode == "setpoint"):
        return _refuse(given, held, terms, now, f"{_too_little(lacking[0], terms)}; {yields(lacking, first)}", worst)
    return _accept(given, held, plans, lots, terms, now, yields(lacking, first))


def _settled(held: Promise | None, members: Members, now: datetime) -> Settled:
    """Members that must be told ahead of time, and until when that is too late for anything new."""
    until = {
        id: shift(now, timedelta(seconds=member.merit.notice_s))
        for id, member in members.items()
        if member.merit.notice_s
    }
    return Settled(until=until, shares=held.shares if held is not None and not held.released else {})


def covered(lot: Lot, terms: FleetTerms) -> bool:
    """Is enough of it covered for a promise?"""
    return lot.cover >= terms.min_cover - EXACT_KW


def yields(lacking: tuple[Lot, ...], first: tuple[Promise, ...]) -> str:
    """In words, when the event gives way, and to whom; empty where it does not."""
    if not lacking:
        return ""
    start, end = lacking[0].asked.start, lacking[-1].asked.end
    touching = [one.event_id for one in first if any(slot.start < end and slot.end > start for slot in one.asks.slots)]
    names = ", ".join(sorted(set(touching) or {one.event_id for one in first}))
    until = f" to {end:%Y-%m-%dT%H:%M:%SZ}" if end < FOREVER else " on"
    return f"gives way to {names} from {start:%Y-%m-%dT%H:%M:%SZ}{until} (rule 18)"


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


def _frozen(schedule: Schedule, held: Promise | None, members: Members) -> Plans:
    """The baselines of all members addressed: as they were frozen first, else as they are declared now."""
    known = held.baselines if held is not None else {}
    addressed = [id for id in schedule.resources if id in members] if schedule.resources else list(members)
    return {id: known.get(id, members[id].descriptor.plan) for id in addressed}


def _trouble(
    schedule: Schedule,
    held: Promise | None,
    plans: Plans,
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


def _too_soon(schedule: Schedule, held: Promise | None, terms: FleetTerms, now: datetime) -> str:
    """A new event needs its notice; what has been promised may be changed at any time."""
    if held is not None or not terms.notice_s or schedule.start - now >= timedelta(seconds=terms.notice_s):
        return ""
    ahead_s = (schedule.start - now) / timedelta(seconds=1)
    return f"it came {max(ahead_s, 0.0):.0f} s before its start; {terms.notice_s:.0f} s of notice are needed"


def _refuse(
    given: Instruct,
    held: Promise | None,
    terms: FleetTerms,
    now: datetime,
    reason: str,
    short_kw: float,
    code: ResponseCode = OK,
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
        code=code,
    )
    if held is not None:
        return replace(
            cut(held, now, terms),
            modification=given.modification,
            verdict=verdict,
            until=until,
            released=False,
            priority=given.priority,
            away=given.away,
        )
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
        priority=given.priority,
        away=given.away,
    )


def ended(promise: Promise, terms: FleetTerms, now: datetime, reason: str, short_kw: float) -> Promise:
    """The promise taken back as of `now`, for others have precedence."""
    verdict = replace(promise.verdict, opt=OPT_OUT, short_kw=short_kw, reason=reason, code=OK)
    return replace(cut(promise, now, terms), verdict=verdict, until=promise.until)


def _accept(
    given: Instruct,
    held: Promise | None,
    plans: Plans,
    plan: tuple[Lot, ...],
    terms: FleetTerms,
    now: datetime,
    reason: str,
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
            reason=reason,
        ),
        until=schedule.end,
        frozen_at=held.frozen_at if held is not None and held.baselines else now,
        asks=splice(held.asks, asks, now) if held is not None else asks,
        baselines={**old_plans, **plans},
        shares=shares,
        accounts=_accounts(schedule, held, terms, now),
        priority=given.priority,
        away=given.away,
        absolute=schedule.mode == "setpoint",
        told=held.told if held is not None else {},
        moved=held.moved if held is not None else (),
    )


def _too_little(lot: Lot, terms: FleetTerms) -> str:
    return (
        f"{lot.short_kw:.6g} kW of {abs(lot.asked.kw):.6g} kW from {lot.asked.start:%Y-%m-%dT%H:%M:%SZ} on cannot be"
        f" covered; at least {terms.min_cover:.0%} must be"
    )


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
