"""EiOpt, both ends: availability schedules, and opts that qualify one event (section 5)."""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import datetime, timedelta

from msgspec.structs import replace

from openadr_ra.errors import ComplianceError, InvalidData, InvalidId
from openadr_ra.protocol.messages import CancelOpt, CreateOpt
from openadr_ra.protocol.model import (
    EventId,
    MarketContext,
    OptId,
    OptReason,
    OptType,
    Period,
    QualifiedEventId,
    RequestId,
    ResourceId,
    Target,
    VenId,
)
from openadr_ra.protocol.shape import Token, Value
from openadr_ra.protocol.times import FOREVER, Duration, shift

SCHEDULED = OptReason(Token("x-schedule"))

MAX_OPTS = 1000
"""Schedules one VEN may keep; more are refused, so that it cannot fill the store."""


class Opt(Value, frozen=True, kw_only=True, gc=False):
    """One oadrCreateOpt as it is kept: a schedule (`periods`), or the opt for one event (`event`)."""

    id: OptId
    opt: OptType
    reason: OptReason
    created: datetime
    market_context: MarketContext | None = None
    periods: tuple[Period, ...] = ()
    event: QualifiedEventId | None = None
    target: Target = Target()
    device_class: Target | None = None


Opts = dict[OptId, Opt]
"""Never changed in place."""


def check(message: CreateOpt, resources: Iterable[ResourceId]) -> None:
    """Raise what is wrong with the message: ids 452, values 454, contradictions 459.

    `resources` are those the VEN has told of; none at all: it has told of none, and any may be named.
    """
    check_form(message)
    known = set(resources)
    foreign = [name for name in message.target.resources if known and name not in known]
    if foreign:
        raise InvalidId(f"resource {foreign[0]} is not one of this VEN's")
    others = [name for name in message.target.vens if name != message.ven_id]
    if others:
        raise InvalidId(f"a VEN opts for itself alone, not for {others[0]}")


def check_form(message: CreateOpt) -> None:
    """Raise what is wrong with the message whoever says it and whatever is known of him."""
    if not message.opt_id:
        raise InvalidId("an opt needs an optID (X-OPT-1)")
    if message.event is not None and (message.availability or message.market_context is not None):
        raise ComplianceError("an opt for one event has neither vavailability nor marketContext (X-OPT-2)")
    if message.event is None and not message.availability:
        raise ComplianceError("an opt without an event needs vavailability (X-OPT-2)")
    for period in message.availability:
        if (period.startafter, period.notification, period.ramp_up, period.recovery) != (None, None, None, None):
            raise ComplianceError("an available span has only dtstart and duration (X-OPT-3)")
        if period.duration.length < timedelta(0):
            raise InvalidData("an available span cannot be shorter than nothing")


def create(opts: Opts, message: CreateOpt) -> Opts:
    """With the opt; one of the same optID is replaced (P0_7040). Call `check` first."""
    if len(opts) >= MAX_OPTS and message.opt_id not in opts:
        raise InvalidData(f"{MAX_OPTS} opts are kept already; cancel some")
    made = Opt(
        id=message.opt_id,
        opt=message.opt,
        reason=message.reason,
        created=message.created,
        market_context=message.market_context,
        periods=message.availability,
        event=message.event,
        target=message.target,
        device_class=message.device_class,
    )
    return without(opts, made.id) | {made.id: made}


def without(opts: Opts, opt_id: OptId) -> Opts:
    """The others."""
    return {name: item for name, item in opts.items() if name != opt_id}


def cancel(opts: Opts, opt_id: OptId) -> Opts:
    """Without that opt. Raises InvalidId for one that is not kept (X-OPT-4)."""
    if opt_id not in opts:
        raise InvalidId(f"optID {opt_id} is unknown here")
    return without(opts, opt_id)


def forget(opts: Opts, now: datetime, events: Container[EventId]) -> Opts:
    """Without the schedules that are over, and without the opts for any but `events`, those that are known still."""
    kept = {name: item for name, item in opts.items() if _stands(item, now, events)}
    return opts if len(kept) == len(opts) else kept


def _stands(item: Opt, now: datetime, events: Container[EventId]) -> bool:
    return item.event.event_id in events if item.event is not None else _end(item) > now


def _end(item: Opt) -> datetime:
    return max((_span(period)[1] for period in item.periods), default=FOREVER)


def _span(period: Period) -> tuple[datetime, datetime]:
    """A span's start and end; a zero duration has no end."""
    length = period.duration.length
    return period.start, shift(period.start, length) if length else FOREVER


def spoken(
    opts: Opts,
    start: datetime,
    end: datetime,
    *,
    resource: ResourceId | None = None,
    classes: Iterable[str] = (),
    market_context: MarketContext | None = None,
) -> OptType | None:
    """What the schedules say of [start, end), for the whole VEN or for one resource; None where they are silent.

    The newest schedule that touches the time decides; of equally old ones, as after a new registration, the last one
    declared. One for another market context, for other resources or for other device classes than the resource's own
    `classes` says nothing.
    """
    own = frozenset(classes)
    speaking = [
        item
        for item in opts.values()
        if item.event is None
        and _concerns(item, resource, own, market_context)
        and any(first < end and last > start for first, last in map(_span, item.periods))
    ]
    newest = max(reversed(speaking), key=lambda item: item.created, default=None)
    return newest.opt if newest is not None else None


def edges(opts: Opts) -> frozenset[datetime]:
    """Every instant at which what the schedules say may change."""
    return frozenset(
        edge for item in opts.values() if item.event is None for each in item.periods for edge in _span(each)
    )


def ends(opts: Opts) -> frozenset[datetime]:
    """When what the schedules say ends."""
    spans = (_span(each) for item in opts.values() if item.event is None for each in item.periods)
    return frozenset(end for _, end in spans if end < FOREVER)


def _concerns(
    item: Opt, resource: ResourceId | None, classes: frozenset[str], market_context: MarketContext | None
) -> bool:
    if item.market_context is not None and market_context not in (None, item.market_context):
        return False
    # One for a device class says something of some devices; only their own VEN knows which these are.
    named = item.device_class.device_classes if item.device_class is not None else ()
    if item.device_class not in (None, Target()) and (resource is None or not classes & set(named)):
        return False
    if replace(item.target, vens=()) == Target():
        return True
    return resource is not None and resource in item.target.resources


def message(item: Opt, *, request_id: RequestId, ven_id: VenId, now: datetime) -> CreateOpt:
    """The opt as it is sent; createdDateTime is the time of sending."""
    return CreateOpt(
        opt_id=item.id,
        opt=item.opt,
        reason=item.reason,
        market_context=item.market_context,
        ven_id=ven_id,
        availability=item.periods,
        created=now,
        request_id=request_id,
        event=item.event,
        target=item.target,
        device_class=item.device_class,
    )


def withdrawal(opt_id: OptId, *, request_id: RequestId, ven_id: VenId) -> CancelOpt:
    """oadrCancelOpt."""
    return CancelOpt(request_id=request_id, opt_id=opt_id, ven_id=ven_id)


def period(start: datetime, length: timedelta) -> Period:
    """A span of availability; whole seconds."""
    return Period(start=start, duration=Duration(seconds=round(length.total_seconds())))
