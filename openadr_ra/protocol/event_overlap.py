"""Rule 18: for one VEN no two events of a market context run at the same time; those of several may, by priority."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from openadr_ra.errors import InvalidData
from openadr_ra.protocol.event import listed_until
from openadr_ra.protocol.instruction import Instruction
from openadr_ra.protocol.model import CANCELLED, VenId
from openadr_ra.protocol.parts import Event
from openadr_ra.protocol.times import Duration, shift, write_datetime


class Overlap(InvalidData):
    """Two events of one market context would run at the same time for one VEN (rule 18)."""


def check(order: Instruction, held: Mapping[VenId, Iterable[Event]], now: datetime) -> None:
    """Raise Overlap where `order` would run while another event of one of its VENs runs, or may still run.

    `held` are the events that each VEN has. Up to startafter later an event may begin and end (rule 30), so that belongs
    to its time; events that are over at `now` are in nobody's way.
    """
    if order.cancelled:
        return
    last = shift(order.end, order.startafter)
    for ven in order.asks:
        for other in held.get(ven, ()):
            if other.id == order.id or other.market_context != order.market_context:
                continue
            first, until = taken(other)
            if until > now and first < last and order.start < until:
                raise Overlap(_said(ven, other, until))


def taken(event: Event) -> tuple[datetime, datetime]:
    """When the event runs or may run, from and until; a cancelled one that was running ends within startafter (rule 65)."""
    if event.status != CANCELLED:
        return event.period.start, listed_until(event)
    last = listed_until(event)
    stopped = event.modified or event.period.start
    if not event.period.start <= stopped < last:
        return stopped, stopped
    return stopped, min(shift(stopped, (event.period.startafter or Duration()).length), last)


def _said(ven: VenId, other: Event, until: datetime) -> str:
    what = f"event {other.id} from {write_datetime(other.period.start)} to {write_datetime(until)}"
    if other.status == CANCELLED:
        what = f"event {other.id}, which was cancelled and ends at random until {write_datetime(until)},"
    return (
        f"VEN {ven} has {what} in the same market context {other.market_context}; choose another time or market context,"
        " or change or cancel that one (rule 18)"
    )
