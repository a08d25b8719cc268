"""A tier holds its own promise: while a slot runs, what was metered of it, and by how much own devices make up for the rest.

Only devices of the node's own are moved: that costs no message. Members are moved from the shares that they have, which stay
as they are; with the slot the correction is over, so nothing winds up from one slot to the next.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from math import fsum

from msgspec.structs import replace

from openadr_ra.fleet.allocate import EXACT_KW, Headroom, allocate
from openadr_ra.fleet.hold import HoldTerms, Pace, Reach, aim
from openadr_ra.fleet.member import Member, Share, available, headroom
from openadr_ra.fleet.metered import beginning, heard, hours
from openadr_ra.fleet.plan import Members, length_h, sites
from openadr_ra.fleet.promise import Account, Placed, Promise, owed
from openadr_ra.fleet.terms import FleetTerms
from openadr_ra.protocol.model import OPT_IN, ResourceId
from openadr_ra.protocol.report import is_bad
from openadr_ra.protocol.schedule import Slot, mean
from openadr_ra.protocol.times import FOREVER, shift

WORTH = 0.02
"""A correction of less than this part of what is asked is the measurement's, and not worth a set-point."""

QUIET = 20
"""This part of a slot, its last, is left alone: what is ordered then comes too late, and makes the power swing (6.2)."""

FAR_KW = 1e9
"""No limit."""

Corrections = dict[ResourceId, float]
"""By how much own devices are moved from their shares; kW."""


def metered(
    promise: Promise,
    promises: tuple[Promise, ...],
    members: Members,
    placed: dict[ResourceId, Placed],
    terms: FleetTerms,
    now: datetime,
) -> Promise:
    """With what its members do now added to what came of the running interval. What several of the `promises` ask of one
    member cannot be told apart: it counts as it was asked."""
    account = _running(promise, now)
    if account is None or not terms.hold_mean:
        return promise if promise.pace is None else replace(promise, pace=None, corrected={})
    if promise.pace is None or promise.pace.start != account.start:
        promise = replace(promise, pace=None, corrected={})
    others = tuple(
        other for other in promises if (other.event_id, other.reply_to) != (promise.event_id, promise.reply_to)
    )
    parts = [
        _part(promise, id, members.get(id), placed.get(id), owed(others, id), terms, now) for id in promise.baselines
    ]
    kw = fsum(parts)
    held = promise.pace
    if held is None:
        # What was not seen of it counts as it was promised.
        done_kwh = mean(_promised(promise, account), account.start, now) * hours(now - account.start)
        begun = replace(beginning(account.start, kw=kw), at=now, kwh=done_kwh)
        return replace(promise, pace=begun)
    # What was changed at this very instant counts from it on.
    moved = heard(held, now, kw, timedelta(seconds=terms.sample_s))
    return replace(promise, pace=replace(moved, kw=kw) if now == held.at else moved)


def _running(promise: Promise, now: datetime) -> Account | None:
    if promise.verdict.opt != OPT_IN or promise.released:
        return None
    return next((one for one in promise.accounts if one.start <= now < one.end and one.end < FOREVER), None)


def _part(
    promise: Promise,
    id: ResourceId,
    member: Member | None,
    placed: Placed | None,
    beside: tuple[Share, ...],
    terms: FleetTerms,
    now: datetime,
) -> float:
    """What the member does against its baseline for the promise. What cannot be seen yet, for it was asked too short a time
    ago, and what cannot be told from what it does for others, counts as it was asked; who is away gives nothing."""
    share = _at(promise.shares.get(id, ()), now)
    if share is None or member is None or member.last is None:
        return 0.0
    asked_kw = share.delta_kw + promise.corrected.get(id, 0.0)
    others = _at(beside, now)
    if others is not None and others.delta_kw:
        return asked_kw
    if not member.last.online or is_bad(member.last.quality):
        return 0.0
    if not available(member):
        return member.last.kw - share.base_kw
    return asked_kw + _astray(share.base_kw + asked_kw, member, share, placed, terms)


def _astray(wanted_kw: float, member: Member, share: Share, placed: Placed | None, terms: FleetTerms) -> float:
    """How far the member is from what it was asked, as far as its newest reading in this share tells. A device that was
    asked anew since is taken to stray as it did; a VEN must have had the time to report."""
    if member.last is None:
        return 0.0
    if member.ven is not None:
        late = member.last.at <= shift(share.start, timedelta(seconds=terms.below_sample_s / 3))
        return 0.0 if late else member.last.kw - wanted_kw
    if placed is None or placed.seen_at is None or placed.seen_at < share.start:
        return 0.0
    return placed.astray_kw


def seen(placed: dict[ResourceId, Placed], before: Members, members: Members) -> dict[ResourceId, Placed]:
    """With what the newest readings tell of each device, against the set-point that it had when it was read."""
    found = dict(placed)
    for id, held in placed.items():
        member, old = members.get(id), before.get(id)
        if member is None or member.last is None or old is None or not available(member):
            continue
        step_kw = held.kw - (old.last.kw if old.last is not None else held.kw)
        if member.last.at >= shift(held.at, _dead(member, step_kw)):
            found[id] = replace(held, astray_kw=member.last.kw - held.kw, seen_at=member.last.at)
    return found


def _at(shares: Iterable[Share], now: datetime) -> Share | None:
    return next((share for share in shares if share.start <= now < share.end), None)


def corrected(
    promises: tuple[Promise, ...],
    members: Members,
    terms: FleetTerms,
    now: datetime,
) -> dict[int, Corrections]:
    """By the place of each promise, how its own devices are moved now. None of one that shares members with another that
    runs: what is metered of these cannot be told apart.
    """
    found: dict[int, Corrections] = {}
    running = [one for one in promises if _running(one, now) is not None]
    for number, promise in enumerate(promises):
        account = _running(promise, now)
        alone = all(one is promise or not set(one.baselines) & set(promise.baselines) for one in running)
        if account is not None and promise.pace is not None and alone:
            found[number] = _corrected(promise, account, promises, members, terms, now)
    return found


def _corrected(
    promise: Promise,
    account: Account,
    promises: tuple[Promise, ...],
    members: Members,
    terms: FleetTerms,
    now: datetime,
) -> Corrections:
    slot = promise.asks.at(now)
    pace = promise.pace
    promised = _promised(promise, account)
    if slot is None or not slot.kw or pace is None or not promised:
        return {}
    rest = replace(slot, start=now)
    offers = _movable(promise, promises, members, rest)
    limits = sites(members, {id: owed(promises, id) for id in members}, rest, terms)
    before = fsum(promise.corrected.values())
    most = Reach(
        reduce_kw=min(fsum(one.reduce_kw for one in offers), *(_or_far(one.reduce_kw) for one in limits), FAR_KW),
        raise_kw=min(fsum(one.raise_kw for one in offers), *(_or_far(one.raise_kw) for one in limits), FAR_KW),
    )
    reach = Reach(reduce_kw=max(most.reduce_kw + before, 0.0), raise_kw=max(most.raise_kw - before, 0.0))
    view = Pace(start=account.start, end=account.end, asks=promised, delivered=pace)
    change_kw = aim(view, reach, _terms(promise, account, members, terms), now).change_kw
    if abs(change_kw) < WORTH * abs(slot.kw):
        return {id: kw for id, kw in promise.corrected.items() if any(one.id == id for one in offers)}
    shares = allocate(before + change_kw, offers, terms.policy, limits).shares
    return {id: kw for id, kw in shares.items() if abs(kw) > EXACT_KW}


def _promised(promise: Promise, account: Account) -> tuple[Slot, ...]:
    """What the members' shares come to over the interval. What could not be promised, or was left to an event with
    precedence, is not made up for: it was said."""
    steps: dict[datetime, float] = {}
    for shares in promise.shares.values():
        for share in shares:
            if share.start < account.end and share.end > account.start and share.delta_kw:
                start, end = max(share.start, account.start), min(share.end, account.end)
                steps[start] = steps.get(start, 0.0) + share.delta_kw
                steps[end] = steps.get(end, 0.0) - share.delta_kw
    edges, kw = sorted({*steps, account.start, account.end}), 0.0
    slots: list[Slot] = []
    for start, end in pairwise(edges):
        kw += steps.get(start, 0.0)
        slots.append(Slot(start=start, end=end, kw=kw))
    return tuple(slots)


def _or_far(kw: float | None) -> float:
    return FAR_KW if kw is None else kw


def _movable(promise: Promise, promises: tuple[Promise, ...], members: Members, rest: Slot) -> tuple[Headroom, ...]:
    """Own devices that can be set to any power, with what they can still do beside what they owe."""
    return tuple(
        headroom(member, promise.baselines[id], owed(promises, id), rest, hours=length_h(rest), now=rest.start)
        for id in promise.addressed
        if (member := members.get(id)) is not None
        and member.ven is None
        and available(member)
        and not member.descriptor.levels_kw
        and member.descriptor.gap_kw is None
    )


def _dead(member: Member, change_kw: float) -> timedelta:
    """How long after an order the device may not be there yet."""
    ramp = member.descriptor.ramp_kw_per_s
    ramping_s = abs(change_kw) / ramp if ramp else 0.0
    return timedelta(seconds=member.descriptor.latency_s + ramping_s)


def _terms(promise: Promise, account: Account, members: Members, terms: FleetTerms) -> HoldTerms:
    """Own devices hear at once; the last moments are left alone, for a set-point given then comes too late."""
    latency_s = max(
        (member.descriptor.latency_s for id in promise.addressed if (member := members.get(id)) is not None),
        default=0.0,
    )
    quiet_s = max((account.end - account.start).total_seconds() / QUIET, 2 * terms.track_every_s)
    return HoldTerms(band=terms.band, quiet_s=quiet_s, latency_s=latency_s)
