"""Promises below that are withdrawn: which members no longer give what they were asked, and who stands in for them, when.

The tier above moves only when a promise below is withdrawn, and then as few members as it can: what holds is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from math import fsum
from typing import Literal

from openadr_ra.fleet.allocate import EXACT_KW, Allocation, Headroom, Site, allocate
from openadr_ra.fleet.hold import band
from openadr_ra.fleet.metered import hours
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.times import shift

Cause = Literal["opted out", "silent", "unable", "astray"]
"""opted out: it said so; silent: no live report for some periods; unable: it states less than it was asked;
astray: a stranger, who states nothing, and whose power is out of the band for some periods."""


class MoveTerms(Value, frozen=True, kw_only=True, gc=False):
    """When a promise counts as withdrawn, and how often others are asked to stand in.

    live_s: the period of live reports; patience: how many of them may be missing, or astray, before that counts.
    band: how far a stranger's power may be from what it was asked, as a part of that; worth: how much less than it was
    asked a member may state, as a part of that, before it counts.
    apart_s, most: how far apart re-allocations are, and how many there are in a slot. poll_s, ramp_s: until members have
    heard of one, and until they have followed; nearer than both to its end a slot is left alone.
    """

    live_s: float = 60.0
    patience: int = 3
    band: float = 0.1
    worth: float = 0.01
    apart_s: float = 300.0
    most: int = 3
    poll_s: float = 10.0
    ramp_s: float = 60.0

    @property
    def lead(self) -> timedelta:
        """Poll and ramp."""
        return timedelta(seconds=self.poll_s + self.ramp_s)

    @property
    def silence(self) -> timedelta:
        return timedelta(seconds=self.live_s * self.patience)


class Kept(Value, frozen=True, kw_only=True, gc=False):
    """What a tier knows of a member and its part in the slot that runs. `asked_kw` is signed, against the baseline.

    `heard_at` is when the newest live report was about, None before the first one since it was `asked_at`. `able_kw` is how
    far from its baseline the member says that it can be, in the direction asked, as a magnitude; None: it says nothing.
    `recent_kw` are its powers against the baseline in the last live periods, oldest first, from when it should have followed
    on; None: not measured. `lease_until`: the last set-point holds without it until then. A `stranger` is no end of ours.
    """

    id: ResourceId
    asked_kw: float
    asked_at: datetime
    opted_out: bool = False
    heard_at: datetime | None = None
    able_kw: float | None = None
    recent_kw: tuple[float | None, ...] = ()
    lease_until: datetime | None = None
    stranger: bool = False


class Withdrawn(Value, frozen=True, kw_only=True, gc=False):
    """A promise that does not hold. From `since` on, the member gives `left_kw` of what it was asked; signed.

    `since` is later than now where a silent member still holds its last set-point.
    """

    id: ResourceId
    cause: Cause
    since: datetime
    lost_kw: float
    left_kw: float = 0.0


def withdrawn(members: Iterable[Kept], terms: MoveTerms, now: datetime) -> tuple[Withdrawn, ...]:
    """The members whose promise no longer holds, each for the first cause of `Cause` that is there."""
    found = (_withdrawn(member, terms, now) for member in members if abs(member.asked_kw) > EXACT_KW)
    return tuple(one for one in found if one is not None)


def missing_kwh(lost: Iterable[Withdrawn], now: datetime, end: datetime) -> float:
    """The energy that they will be short of at the slot's `end`, signed like what was asked."""
    return fsum(one.lost_kw * hours(max(end - max(one.since, now), timedelta(0))) for one in lost)


def next_move(
    start: datetime, end: datetime, moved_at: Sequence[datetime], terms: MoveTerms, now: datetime
) -> datetime | None:
    """When the slot from `start` to `end` may be re-allocated, `now` or later; None: not any more.

    `moved_at` are the re-allocations so far, those of the slots before among them: they count for the distance alone.
    """
    if sum(start <= at < end for at in moved_at) >= terms.most:
        return None
    free = [shift(at, timedelta(seconds=terms.apart_s)) for at in moved_at]
    due = max((now, start, *free))
    return due if due <= end - terms.lead else None


def may_move(start: datetime, end: datetime, moved_at: Sequence[datetime], terms: MoveTerms, now: datetime) -> bool:
    """May the slot be re-allocated at this very instant?"""
    return next_move(start, end, moved_at, terms, now) == now


def stand_ins(
    energy_kwh: float,
    offers: Sequence[Headroom],
    end: datetime,
    terms: MoveTerms,
    now: datetime,
    sites: Sequence[Site] = (),
) -> Allocation:
    """Who makes up for that energy until `end`, and by which change of power: as few members as can, the largest first.

    The power is what brings the energy in the time that is left once they have heard and half of the ramp is over. Those
    that are not needed have no share. What nobody can give is `uncovered_kw`. When it is too late nobody is asked.
    """
    left_h = hours(end - now - timedelta(seconds=terms.poll_s + terms.ramp_s / 2))
    if left_h <= 0 or not energy_kwh:
        return Allocation(shares={})
    return fewest(energy_kwh / left_h, offers, sites)


TRIES = 16
"""How many more members than the largest that would be enough are tried, for the sake of steps, gaps and sites."""


def fewest(missing_kw: float, offers: Sequence[Headroom], sites: Sequence[Site] = ()) -> Allocation:
    """The power shared out among the fewest that cover it, the largest headroom first; the rest has no share.

    `offers` are changes from where members stand now; who is fixed is left alone. Where steps, gaps or sites stand in the
    way of the largest, the next ones are added, until as much is covered as all of them could.
    """
    free = [one for one in offers if not one.fixed and _size(one, missing_kw) > EXACT_KW]
    free.sort(key=lambda one: (-_size(one, missing_kw), one.id))
    best = allocate(missing_kw, free, sites=sites)
    count = _needed(abs(missing_kw), [_size(one, missing_kw) for one in free])
    for more in range(count, min(count + TRIES, len(free))):
        few = allocate(missing_kw, free[:more], sites=sites)
        if abs(few.uncovered_kw) <= abs(best.uncovered_kw) + EXACT_KW:
            best = few
            break
    shares = {id: kw for id, kw in best.shares.items() if abs(kw) > EXACT_KW}
    return Allocation(shares=shares, uncovered_kw=best.uncovered_kw)


def _needed(wanted: float, sizes: Sequence[float]) -> int:
    """How many of the sizes add up to what is wanted; all of them where they do not."""
    total = 0.0
    for count, size in enumerate(sizes, start=1):
        total += size
        if total >= wanted - EXACT_KW:
            return count
    return len(sizes)


def _size(one: Headroom, direction: float) -> float:
    """The most that it can be moved in that direction."""
    most = one.reduce_kw if direction < 0 else one.raise_kw
    if one.steps_kw is None:
        return most
    sign = -1 if direction < 0 else 1
    return max((sign * step for step in one.steps_kw if 0 < sign * step <= most + EXACT_KW), default=0.0)


def _withdrawn(member: Kept, terms: MoveTerms, now: datetime) -> Withdrawn | None:
    if member.opted_out:
        return _lost(member, "opted out", now, 0.0)
    if now - max(member.heard_at or member.asked_at, member.asked_at) > terms.silence:
        return _lost(member, "silent", max(now, member.lease_until or now), 0.0)
    sign = -1 if member.asked_kw < 0 else 1
    if member.able_kw is not None and member.able_kw < abs(member.asked_kw) * (1 - terms.worth) - EXACT_KW:
        return _lost(member, "unable", now, sign * max(member.able_kw, 0.0))
    measured = [kw for kw in member.recent_kw if kw is not None][-terms.patience :]
    held = band(member.asked_kw, terms.band)
    if member.stranger and len(measured) == terms.patience and not any(held.holds(kw) for kw in measured):
        return _lost(member, "astray", now, fsum(measured) / len(measured))
    return None


def _lost(member: Kept, cause: Cause, since: datetime, left_kw: float) -> Withdrawn:
    return Withdrawn(id=member.id, cause=cause, since=since, lost_kw=member.asked_kw - left_kw, left_kw=left_kw)
