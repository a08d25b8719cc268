"""What an operator's console takes and gives: an order becomes an instruction, an instruction a view."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from openadr_ra.errors import (
    InvalidData,
    InvalidId,
    NotRegistered,
    OadrRaError,
    SettingsError,
    StoreError,
    TransportError,
)
from openadr_ra.fleet.aggregate import ResponseRow
from openadr_ra.protocol import event as events
from openadr_ra.protocol import instruction as instructions
from openadr_ra.protocol import signals_table as table
from openadr_ra.protocol.event_overlap import Overlap
from openadr_ra.protocol.instruction import Instruction
from openadr_ra.protocol.makers import beside, dispatch, level, price, signal
from openadr_ra.protocol.model import (
    ALWAYS,
    DELTA,
    ELECTRICITY_PRICE,
    LEVEL,
    LOAD_DISPATCH,
    PRICE,
    SETPOINT,
    SIMPLE,
    EventId,
    EventStatus,
    OptType,
    ResourceId,
    ResponseRequired,
    VenId,
)
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.step import Entry
from openadr_ra.run.fleet_view import PromiseView
from openadr_ra.run.order import MAX_CONTEXT_CHARACTERS, MAX_EVERY_S, Context, Kind, Order, Other, VenName
from openadr_ra.run.versions import EventVersion, versions

# The console is built on the hall alone, so what it has to tell apart is handed on from here.
__all__ = [
    "MAX_EVERY_S",
    "Context",
    "Enrolled",
    "Enrolment",
    "Entry",
    "EventDetail",
    "EventId",
    "EventVersion",
    "EventView",
    "InvalidData",
    "InvalidId",
    "Kind",
    "NotRegistered",
    "OadrRaError",
    "Order",
    "Other",
    "Overlap",
    "OwnOpt",
    "PromiseView",
    "Report",
    "Row",
    "SettingsError",
    "StoreError",
    "TransportError",
    "VenId",
    "VenName",
    "changed",
    "chosen",
    "detail",
    "full",
    "instruction",
    "report",
    "view",
]

MAX_FINGERPRINTS = 16
"""Two are enough while a certificate is renewed; the rest is air."""

LEVELS = (0.0, 1.0, 2.0, 3.0)

_KINDS: dict[str, Kind] = {
    table.full(LOAD_DISPATCH, DELTA): "delta",
    table.full(LOAD_DISPATCH, SETPOINT): "setpoint",
    table.full(ELECTRICITY_PRICE, PRICE): "price",
    table.full(SIMPLE, LEVEL): "level",
}


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """An event as it stands: what was ordered last, under which modification, and its status at this moment. `promise` is
    what the node's fleet promised, where the event is for it and not long over."""

    id: EventId
    modification: int
    status: EventStatus
    end: datetime
    created: datetime | None
    modified: datetime | None
    order: Order
    promise: PromiseView | None = None


class EventDetail(EventView, frozen=True, kw_only=True):
    """An event with each VEN's opt for the newest modification (None: not answered yet), and what happened to it; of that,
    `versions` has when each version was sent, received, answered and in effect.

    Of an event for the node's fleet `opts` are the fleet's own and those of the VENs below that have a part in it, and
    `shares` what each member gives in each interval of the promise: kW against its baseline."""

    opts: dict[VenId, OptType | None]
    journal: tuple[Entry, ...]
    versions: tuple[EventVersion, ...] = ()
    shares: dict[ResourceId, tuple[float, ...]] = {}


class Enrolment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The certificates that a VEN may come with: 20 hex digits each, in any spelling."""

    fingerprints: Annotated[tuple[str, ...], Meta(min_length=1, max_length=MAX_FINGERPRINTS)]


class Enrolled(msgspec.Struct, frozen=True, kw_only=True):
    """What a VEN may come with from now on."""

    ven_id: VenId
    fingerprints: tuple[str, ...]


class OwnOpt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A VEN's operator on an event from above; None takes an earlier word back.

    With a `reason` it is said by oadrCreateOpt, which has one, if the event has been answered already or wants no answer;
    else the reason goes with the answer. With `upstream` the same, and to the VTN of that name alone.
    """

    opt: Literal["optIn", "optOut"] | None
    reason: Annotated[str, Meta(max_length=MAX_CONTEXT_CHARACTERS, pattern="^[!-~]*\\Z")] = ""
    upstream: str | None = None


class Row(ResponseRow, frozen=True, kw_only=True, gc=False, omit_defaults=False):
    """A row of the response with every field written, for programs that are not ours: what is not known is null."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The response to an event. `band` is the fraction of what was asked that the response may deviate."""

    event_id: EventId
    band: float
    rows: tuple[Row, ...]


def instruction(order: Order) -> Instruction:
    """A new instruction. Raises InvalidData for a start outside the calendar and for a level that is none."""
    try:
        made = _made(order, order.start.astimezone(UTC), timedelta(seconds=order.every_s))
    except OverflowError as error:
        raise InvalidData(f"start: {order.start.isoformat()} is outside the calendar") from error
    usual = replace(
        made,
        id=EventId(order.id or ""),
        asks={ven: replace(ask, baseline_kw=tuple(order.baselines.get(ven, ()))) for ven, ask in made.asks.items()},
        priority=order.priority,
        comment=order.comment,
        test=order.test,
        currency=order.currency,
        device_classes=order.device_classes,
    )
    return _detailed(usual, order)


def changed(held: Instruction, order: Order) -> Instruction:
    """`held` with what `order` says; what it does not say stays as it was. Raises as `instruction` does."""
    new = instruction(order)
    asks = {
        ven: replace(ask, resources=held.asks[ven].resources if ven in held.asks else ())
        for ven, ask in new.asks.items()
    }
    newer = replace(
        held,
        start=new.start,
        every=new.every,
        asks=asks,
        signal=new.signal,
        kind=new.kind,
        market_context=new.market_context,
        priority=new.priority,
        comment=new.comment,
        test=new.test,
        currency=new.currency,
        unit=new.unit,
        device_classes=new.device_classes,
    )
    return _detailed(newer, order)


def view(held: Instruction, now: datetime) -> EventView:
    """`held` as its operator sees it at `now`."""
    return EventView(
        id=held.id,
        modification=held.modification,
        status=_status(held, now),
        end=held.end,
        created=held.created,
        modified=held.modified,
        order=_order(held),
    )


def detail(
    held: Instruction, now: datetime, opts: dict[VenId, OptType | None], journal: tuple[Entry, ...]
) -> EventDetail:
    """`view` with what its VENs said."""
    shown = msgspec.structs.asdict(view(held, now))
    return EventDetail(**shown, opts=opts, journal=journal, versions=versions(journal))


def report(event_id: EventId, rows: Iterable[ResponseRow], *, band: float) -> Report:
    """The rows of an event with the band that they were judged by."""
    return Report(event_id=event_id, band=band, rows=tuple(full(row) for row in rows))


def full(row: ResponseRow) -> Row:
    """`row` with every field written."""
    return Row(**msgspec.structs.asdict(row))


def chosen(word: OwnOpt) -> OptType | None:
    """The opt as the VEN takes it."""
    return None if word.opt is None else OptType(Token(word.opt))


def _made(order: Order, start: datetime, every: timedelta) -> Instruction:
    context = order.market_context
    match order.kind:
        case "delta":
            return dispatch(start=start, every=every, delta_kw=order.asks, market_context=context)
        case "setpoint":
            return dispatch(start=start, every=every, setpoint_kw=order.asks, market_context=context)
        case "price":
            return price(start=start, every=every, per_kwh=order.asks, market_context=context)
        case "level":
            _check_levels(order)
            return level(start=start, every=every, levels=order.asks, market_context=context)
        case "signal":
            return signal(
                order.signal,
                start=start,
                every=every,
                values=order.asks,
                unit=order.unit,
                currency=order.currency,
                market_context=context,
            )


def _detailed(made: Instruction, order: Order) -> Instruction:
    """`made` with what few orders say; what this one does not say stays as it is."""
    detailed = replace(
        made,
        startafter=_length(order.startafter_s, made.startafter),
        notification=_length(order.notification_s, made.notification),
        ramp_up=_length(order.ramp_up_s, made.ramp_up),
        baseline=made.baseline if order.baseline is None else order.baseline,
    )
    if order.response_required is not None:
        detailed = replace(detailed, response_required=ResponseRequired(Token(order.response_required)))
    if order.resources is not None:
        named = {ven: tuple(ResourceId(name) for name in names) for ven, names in order.resources.items()}
        asks = {ven: replace(ask, resources=named.get(ven, ())) for ven, ask in made.asks.items()}
        detailed = replace(detailed, asks=asks)
    if order.others is not None:
        detailed = replace(detailed, beside=())
        for one in order.others:
            detailed = beside(detailed, one.signal, one.values, unit=one.unit, device_classes=one.device_classes)
    return detailed


def _length(said_s: int | None, held: timedelta) -> timedelta:
    return held if said_s is None else timedelta(seconds=said_s)


def _check_levels(order: Order) -> None:
    for ven, values in order.asks.items():
        for value in values:
            if value not in LEVELS:
                raise InvalidData(f"asks.{ven}: {value:g} is no level; SIMPLE has 0, 1, 2 and 3")


def _status(held: Instruction, now: datetime) -> EventStatus:
    ven = next(iter(held.asks))
    return events.status(instructions.event(held, ven, now), now)


def _order(held: Instruction) -> Order:
    context = "" if held.market_context == instructions.DEFAULT_CONTEXT else held.market_context
    name = table.full(held.signal, held.kind)
    # In another unit than the usual one it is no dispatch that people know by its short name.
    kind = _KINDS.get(name, "signal") if held.unit is None else "signal"
    return Order(
        start=held.start,
        every_s=int(held.every.total_seconds()),
        asks={ven: ask.values for ven, ask in held.asks.items()},
        kind=kind,
        signal=name if kind == "signal" else "",
        unit=table.spelled(held.unit),
        baselines={ven: ask.baseline_kw for ven, ask in held.asks.items() if ask.baseline_kw},
        device_classes=held.device_classes,
        currency=held.currency,
        market_context=context,
        priority=held.priority,
        comment=held.comment,
        test=held.test,
        startafter_s=_seconds(held.startafter),
        notification_s=_seconds(held.notification),
        ramp_up_s=_seconds(held.ramp_up),
        response_required=None if held.response_required == ALWAYS else "never",
        resources={ven: ask.resources for ven, ask in held.asks.items() if ask.resources} or None,
        others=tuple(
            Other(
                signal=table.full(one.signal, one.kind),
                values=one.values,
                unit=table.spelled(one.unit),
                device_classes=one.device_classes,
            )
            for one in held.beside
        )
        or None,
        baseline=held.baseline or None,
    )


def _seconds(length: timedelta) -> int | None:
    return int(length.total_seconds()) or None
