"""When a VEN, or some resources of it, are available: its own word, said to its VTNs by oadrCreateOpt."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from math import ceil

import msgspec

from openadr_ra.errors import InvalidData, InvalidId
from openadr_ra.protocol import opt as opts
from openadr_ra.protocol.debts import Declare
from openadr_ra.protocol.model import (
    EventId,
    MarketContext,
    OptId,
    OptReason,
    OptType,
    Period,
    QualifiedEventId,
    ResourceId,
    Target,
)
from openadr_ra.protocol.node import EndNode
from openadr_ra.protocol.opt import SCHEDULED, Opt
from openadr_ra.protocol.shape import Token
from openadr_ra.run.summary import OwnAvailability, Spans, availability

PARTICIPATING = OptReason(Token("participating"))
"""Why an event is opted in to or out of, where nobody says more."""

_REASON = re.compile(
    "economic|emergency|mustRun|notParticipating|outageRunStatus|overrideStatus|participating|x-.+", re.ASCII
)


def own(state: EndNode, upstream: str) -> tuple[OwnAvailability, ...]:
    """All that stands declared at one VTN."""
    untold = {debt.work.opt_id for debt in state.debts if isinstance(debt.work, Declare)}
    return tuple(
        OwnAvailability(**msgspec.structs.asdict(item), upstream=upstream, told=item.id not in untold)
        for item in availability(state.opts)
    )


def schedule(
    name: OptId,
    opt: OptType,
    spans: Spans,
    *,
    resources: Iterable[str],
    market_context: str,
    reason: str,
    now: datetime,
) -> Opt:
    """The opt for these spans. Raises InvalidData for spans that cannot be, and for a reason that OpenADR does not know."""
    periods = tuple(_period(start, end) for start, end in spans)
    if not periods:
        raise InvalidData("spans: say from when until when")
    return Opt(
        id=name,
        opt=opt,
        reason=_reason(reason),
        created=now,
        market_context=MarketContext(Token(market_context)) if market_context else None,
        periods=periods,
        target=Target(resources=tuple(ResourceId(one) for one in resources)),
    )


def qualified(name: OptId, opt: OptType, event: QualifiedEventId, *, reason: str, now: datetime) -> Opt:
    """The opt for one event in one version. Raises InvalidData for a reason that OpenADR does not know."""
    return Opt(id=name, opt=opt, reason=_reason(reason or PARTICIPATING), created=now, event=event)


def standing(state: EndNode, event_id: EventId) -> tuple[OptId, ...]:
    """Our opts for that event."""
    return tuple(item.id for item in state.opts.values() if item.event is not None and item.event.event_id == event_id)


def check_resources(known: Iterable[ResourceId], resources: Iterable[str]) -> None:
    """Raise InvalidId for a resource that is not among those that are known."""
    there = tuple(known)
    for name in resources:
        if name not in there:
            raise InvalidId(f"resource {name} is none of ours; they are {', '.join(there) or 'none'}")


def _period(start: datetime, end: datetime | None) -> Period:
    """In whole seconds, from the last one before `start`, and no shorter than was said."""
    if start.tzinfo is None or (end is not None and end.tzinfo is None):
        raise InvalidData("spans: a time has no time zone; use aware datetimes")
    begin = start.astimezone(UTC).replace(microsecond=0)
    if end is None:
        return Period(start=begin)
    if end <= start:
        raise InvalidData(f"spans: {end.isoformat()} is not after {start.isoformat()}")
    return opts.period(begin, timedelta(seconds=ceil((end - begin).total_seconds())))


def check_reason(text: str) -> None:
    """Raise InvalidData for a reason that OpenADR does not know; none is none."""
    if text:
        _reason(text)


def _reason(text: str) -> OptReason:
    if text != SCHEDULED and not _REASON.fullmatch(text):
        raise InvalidData(f"reason: {text!r:.60} is none that OpenADR knows; one of your own begins with x-")
    return OptReason(Token(text))
