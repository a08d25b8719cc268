"""What a VEN hears of events in these tests, and what it answers."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from openadr_ra.protocol.messages import CreatedEvent
from openadr_ra.protocol.model import (
    SignalName,
)
from openadr_ra.protocol.parts import Event
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.times import Duration
from tests.world import (
    HOUR,
    MINUTE,
    NOON,
    Pair,
    distributed,
    event,
)

INSTANT = timedelta(microseconds=1)
TEN_MINUTES = Duration(seconds=600)


def said(pair: Pair) -> list[CreatedEvent]:
    """The VEN's oadrCreatedEvents."""
    return [each.request for each in pair.said if isinstance(each.request, CreatedEvent)]


def answered(pair: Pair) -> list[tuple[str, int, str, str]]:
    """eventID, modificationNumber, code and opt of each answer that is owed now, as it is said."""
    count = len(said(pair))
    pair.settles()
    return [
        (r.event.event_id, r.event.modification, r.code, r.opt) for each in said(pair)[count:] for r in each.responses
    ]


def hears(pair: Pair, *events: Event) -> list[tuple[str, int, str, str]]:
    """What the VEN answers to these events."""
    pair.ven_hears(distributed(*events))
    return answered(pair)


def period(item: Event, **changes: Duration | datetime | None) -> Event:
    return replace(item, period=replace(item.period, **changes))


def stronger(item: Event, modification: int = 1) -> Event:
    """A later version, two hours long."""
    return event(item.id, start=item.period.start, duration=2 * HOUR, modification=modification)


RUNNING = event(start=NOON - 90 * MINUTE, duration=3 * HOUR)
"""Half an hour into it."""
BAD = replace(event("bad"), signals=(replace(event().signals[0], name=SignalName(Token("x-OURS"))),))
UNUSABLE = period(event("unusable"), duration=Duration(months=1))
