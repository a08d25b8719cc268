"""May an instruction be promised? The answer is by capability, at once."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from openadr_ra.errors import OK, DeploymentError, ResponseCode
from openadr_ra.fleet.member import Member, available
from openadr_ra.fleet.plan import Lot, Members, Plans, Settled, pieces, planned
from openadr_ra.fleet.promise import Account, Promise, barred, before, covered, cut, fresh_account, owed, withdrawn
from openadr_ra.fleet.terms import FleetTerms
from openadr_ra.protocol.model import OPT_IN, OPT_OUT
from openadr_ra.protocol.schedule import Schedule, splice
from openadr_ra.protocol.step import Instruct, Verdict
from openadr_ra.protocol.times import FOREVER, shift


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
    lots = planned(schedule.mode, slots, plans, members, taken, away, now, terms, settled)
    lacking = tuple(lot for lot in lots if not covered(lot, terms))
    if not lacking:
        return _accept(given, held, plans, lots, terms, now, "")
    # A kW that is promised to one VTN is not offered to another, unless that one's event is the more important.
    foreign = tuple(one for one in first if one.reply_to != given.reply_to and one.priority == given.priority)
    theirs = {resource: owed(foreign, resource) for resource in plans}
    bars = given.away + barred(schedule.mode == "setpoint", foreign) + out
    alone = planned(schedule.mode, slots, plans, members, theirs, bars, now, terms, settled)
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


def yields(lacking: tuple[Lot, ...], first: tuple[Promise, ...]) -> str:
    """In words, when the event gives way, and to whom; empty where it does not."""
    if not lacking:
        return ""
    start, end = lacking[0].asked.start, lacking[-1].asked.end
    touching = [one.event_id for one in first if any(slot.start < end and slot.end > start for slot in one.asks.slots)]
    names = ", ".join(sorted(set(touching) or {one.event_id for one in first}))
    until = f" to {end:%Y-%m-%dT%H:%M:%SZ}" if end < FOREVER else " on"
    return f"gives way to {names} from {start:%Y-%m-%dT%H:%M:%SZ}{until} (rule 18)"


def _frozen(schedule: Schedule, held: Promise | None, members: Members) -> Plans:
    """The baselines of all members addressed: as they were frozen first, else as they are declared now."""
    known = held.baselines if held is not None else {}
    addressed = [id for id in schedule.resources if id in members] if schedule.resources else list(members)
    return {id: known.get(id, members[id].descriptor.plan) for id in addressed if id in known or _is_known(members[id])}


def _is_known(member: Member) -> bool:
    """A VEN that has not reported yet has no baseline to be frozen, and no part."""
    return member.ven is None or member.last is not None


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


def _accounts(schedule: Schedule, held: Promise | None, terms: FleetTerms, now: datetime) -> tuple[Account, ...]:
    """The event's own intervals, and what its older versions closed or began before and it names no more."""
    old = {(account.start, account.end): account for account in held.accounts} if held is not None else {}
    named = {(slot.start, slot.end) for slot in schedule.slots}
    accounts = [old.get((start, end)) or fresh_account(start, end, terms) for start, end in named]
    until = min(now, schedule.start)
    for span, account in old.items():
        if span in named:
            continue
        if account.revision >= 0 or account.end <= until:
            accounts.append(account)
        elif account.start < until:
            accounts.append(fresh_account(account.start, until, terms))
    return tuple(sorted(accounts, key=lambda account: (account.start, account.end)))
