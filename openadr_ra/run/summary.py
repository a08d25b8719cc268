"""What operators see of a VEN: its registration, its events, its reports, and when it is available."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from openadr_ra.protocol import opt
from openadr_ra.protocol.model import EventId, OptId, OptType, Period, ReportRequestId, ResourceId, VenId
from openadr_ra.protocol.opt import Opt, Opts
from openadr_ra.protocol.times import shift
from openadr_ra.run.wanted import state

if TYPE_CHECKING:
    from openadr_ra.protocol.party import Party

Transport = Literal["pull", "push"]
"""Does it ask, or is it posted to?"""


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """From when until when; no end: for good."""

    start: datetime
    end: datetime | None


Spans = Iterable[tuple[datetime, datetime | None]]
"""The same, as an embedding program says it."""


class Availability(msgspec.Struct, frozen=True, kw_only=True):
    """What a VEN said by oadrCreateOpt: in these spans it is available (`optIn`) or not, or, without spans, whether it
    follows one event in that modification.

    With `resources` or `device_classes` it speaks of these alone, with a `market_context` of that alone.
    """

    id: OptId
    opt: OptType
    spans: tuple[Span, ...]
    event_id: EventId | None
    modification: int | None
    resources: tuple[ResourceId, ...]
    device_classes: tuple[str, ...]
    market_context: str
    reason: str
    said: datetime


class OwnAvailability(Availability, frozen=True, kw_only=True):
    """What this VEN declared at the VTN `upstream`; `told` once that has acknowledged it."""

    upstream: str
    told: bool


class VenSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A VEN at a glance. `transport`: None without a registration. `signs`: it registered for signed messages.

    `opts` by event; `unacknowledged`: events it has not answered. `refused_signals`: it answered them with 460, and is
    offered others. `reports_running` come again and again; `reports_unanswered` were asked for in vain so far.
    """

    ven_id: VenId
    name: str
    registered: bool
    transport: Transport | None
    report_only: bool
    signs: bool
    last_seen: datetime | None
    fingerprints: tuple[str, ...]
    opts: dict[EventId, OptType | None]
    unacknowledged: tuple[EventId, ...]
    refused_signals: tuple[str, ...]
    availability: tuple[Availability, ...]
    reports_running: tuple[ReportRequestId, ...]
    reports_unanswered: tuple[ReportRequestId, ...]


def summary(held: Party, seen: datetime | None, now: datetime) -> VenSummary:
    """The VEN as it stands at `now`; `seen` is when it was last heard of."""
    states = {name: state(item) for name, item in held.reports.requests.items()}
    return VenSummary(
        ven_id=held.ven_id,
        name=held.name,
        registered=held.registration is not None,
        transport=None if held.registration is None else "push" if held.pushed else "pull",
        report_only=held.report_only,
        signs=held.signs,
        last_seen=seen,
        fingerprints=held.fingerprints,
        opts={name: item.opt for name, item in held.events.items()},
        unacknowledged=tuple(name for name, item in held.events.items() if item.unanswered),
        refused_signals=held.refused_signals,
        availability=availability(opt.forget(held.opts, now, held.events)),
        reports_running=tuple(name for name, stands in states.items() if stands == "running"),
        reports_unanswered=tuple(name for name, stands in states.items() if stands == "unanswered"),
    )


def availability(opts: Opts) -> tuple[Availability, ...]:
    """What was declared, in the order in which it was."""
    return tuple(_availability(item) for item in opts.values())


def _availability(item: Opt) -> Availability:
    return Availability(
        id=item.id,
        opt=item.opt,
        spans=tuple(_span(period) for period in item.periods),
        event_id=item.event.event_id if item.event is not None else None,
        modification=item.event.modification if item.event is not None else None,
        resources=item.target.resources,
        device_classes=item.device_class.device_classes if item.device_class is not None else (),
        market_context=item.market_context or "",
        reason=item.reason,
        said=item.created,
    )


def _span(period: Period) -> Span:
    length = period.duration.length
    return Span(start=period.start, end=shift(period.start, length) if length else None)
