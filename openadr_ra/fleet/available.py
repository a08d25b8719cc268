"""What the fleet could give now, towards each VTN above: a kW that is promised to one is not offered to another."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import fsum
from typing import NamedTuple

from openadr_ra.fleet.member import Member, available, headroom, left
from openadr_ra.fleet.plan import Members
from openadr_ra.fleet.promise import Promise, owed
from openadr_ra.protocol.model import OPT_IN, ResourceId
from openadr_ra.protocol.parts import GOOD, UNCERTAIN
from openadr_ra.protocol.report import Quantity, is_bad, live_series
from openadr_ra.protocol.schedule import Reading, Slot, mean
from openadr_ra.protocol.step import Key
from openadr_ra.protocol.times import shift

ENDLESS_H = 24.0
"""Energy of what has no store counts for so long beside that of what has one."""


class Room(NamedTuple):
    """Sums over the members that are there. Energy None: none of them runs empty."""

    kw: float
    plan_kw: float
    reduce_kw: float
    raise_kw: float
    reduce_kwh: float | None
    raise_kwh: float | None
    whole: bool
    """Is every member there?"""


def room(members: Members, promises: tuple[Promise, ...], towards: Key, now: datetime, length: timedelta) -> Room:
    """What could be given to that VTN for such a time, or to the end of what runs: from what the members do by themselves,
    less what is promised to others."""
    mine = [one for one in promises if one.reply_to == towards and one.verdict.opt == OPT_IN and not one.released]
    others = tuple(one for one in promises if one.reply_to != towards)
    span = Slot(start=now, end=_until(mine, shift(now, length), now), kw=0.0)
    there = [member for member in members.values() if available(member) and member.last is not None]
    rooms = [_of(member, others, span) for member in there]
    return Room(
        kw=fsum(one.kw for one in rooms),
        plan_kw=fsum(one.plan_kw for one in rooms),
        reduce_kw=fsum(one.reduce_kw for one in rooms),
        raise_kw=fsum(one.raise_kw for one in rooms),
        reduce_kwh=_energy([(one.reduce_kwh, one.reduce_kw) for one in rooms]),
        raise_kwh=_energy([(one.raise_kwh, one.raise_kw) for one in rooms]),
        whole=len(there) == len(members),
    )


def _until(promises: list[Promise], latest: datetime, now: datetime) -> datetime:
    running = [slot.end for one in promises if (slot := one.asks.at(now)) is not None]
    return min((*running, latest))


def _of(member: Member, others: tuple[Promise, ...], span: Slot) -> Room:
    descriptor, last = member.descriptor, member.last
    taken = owed(others, descriptor.id)
    hours = (span.end - span.start) / timedelta(hours=1)
    free = headroom(member, descriptor.plan, taken, span, hours=hours, now=span.start)
    steps = free.steps_kw
    return Room(
        kw=last.kw if last is not None and not is_bad(last.quality) else 0.0,
        plan_kw=mean(descriptor.plan, span.start, span.end),
        reduce_kw=free.reduce_kw if steps is None else _largest(-step for step in steps if -step <= free.reduce_kw),
        raise_kw=free.raise_kw if steps is None else _largest(step for step in steps if step <= free.raise_kw),
        reduce_kwh=left(last.can_reduce_kwh if last is not None else 0.0, taken, span.start, -1),
        raise_kwh=left(last.can_raise_kwh if last is not None else 0.0, taken, span.start, 1),
        whole=True,
    )


def _largest(steps: Iterator[float]) -> float:
    return max((step for step in steps if step > 0), default=0.0)


def _energy(each: list[tuple[float | None, float]]) -> float | None:
    if all(kwh is None for kwh, _ in each):
        return None
    return fsum(kw * ENDLESS_H if kwh is None else max(kwh, 0.0) for kwh, kw in each)


def stated(room: Room, name: ResourceId, at: datetime) -> Iterator[Reading]:
    """As it is recorded: the points of x-AVAILABILITY towards the VTN of that name."""
    values: dict[Quantity, float | None] = {
        "kw": room.kw,
        "baseline": room.plan_kw,
        "can_reduce": room.reduce_kw,
        "can_raise": room.raise_kw,
        "can_reduce_kwh": room.reduce_kwh,
        "can_raise_kwh": room.raise_kwh,
    }
    for quantity, value in values.items():
        if value is not None:
            yield Reading(
                series=live_series(name, quantity), start=at, value=value, quality=GOOD if room.whole else UNCERTAIN
            )
