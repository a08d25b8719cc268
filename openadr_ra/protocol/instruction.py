"""What an operator instructs: a row of its own at the VTN, from which each VEN's event is written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec.structs import replace

from openadr_ra.errors import InvalidData, InvalidId
from openadr_ra.protocol.event import MAX_LEVEL
from openadr_ra.protocol.model import (
    ALWAYS,
    CANCELLED,
    DELTA,
    ELECTRICITY_PRICE,
    FAR,
    LEVEL,
    LOAD_DISPATCH,
    PRICE,
    SETPOINT,
    SIMPLE,
    CurrencyPerKwh,
    EventId,
    ItemBase,
    MarketContext,
    Period,
    PowerAttributes,
    PowerReal,
    ResourceId,
    ResponseRequired,
    SignalName,
    SignalType,
    Target,
    VenId,
)
from openadr_ra.protocol.parts import Event, Interval, Signal, SignalPayload
from openadr_ra.protocol.schedule import Slot
from openadr_ra.protocol.shape import Token, Value
from openadr_ra.protocol.step import Entry, Key, Mail, Outcome, Publish, Record, State
from openadr_ra.protocol.times import duration, shift

DEFAULT_CONTEXT = MarketContext(Token("http://openadr-ra.invalid/dispatch"))
"""Where an operator names no market context; 2.0b wants one in every event."""


class Ask(Value, frozen=True, kw_only=True, gc=False):
    """What is asked of one VEN: a value per interval; kW for dispatches, else in the signal's unit."""

    values: tuple[float, ...]
    resources: tuple[ResourceId, ...] = ()


class Instruction(State, frozen=True, kw_only=True, gc=False):
    """An event as its operator sees it. Intervals follow one another from `start`, each `every` long.

    `signal` and `kind` are OpenADR's signalName and signalType. Power in kW, load convention.
    """

    id: EventId
    start: datetime
    every: timedelta
    asks: dict[VenId, Ask]
    signal: SignalName = LOAD_DISPATCH
    kind: SignalType = DELTA
    modification: int = 0
    modified: datetime | None = None
    cancelled: bool = False
    market_context: MarketContext = DEFAULT_CONTEXT
    priority: int | None = None
    response_required: ResponseRequired = ALWAYS
    startafter: timedelta = timedelta(0)
    notification: timedelta = timedelta(0)
    ramp_up: timedelta = timedelta(0)
    test: bool = False
    comment: str = ""
    currency: str = "JPY"
    attributes: PowerAttributes = PowerAttributes()
    created: datetime | None = None

    @property
    def count(self) -> int:
        return max((len(ask.values) for ask in self.asks.values()), default=0)

    @property
    def end(self) -> datetime:
        return shift(self.start, self.every * self.count)

    def spans(self) -> Iterator[tuple[datetime, datetime]]:
        """Start and end of each interval."""
        for number in range(self.count):
            yield shift(self.start, self.every * number), shift(self.start, self.every * (number + 1))

    def slots(self, ven: VenId) -> tuple[Slot, ...]:
        """What is asked of one VEN, interval by interval."""
        return tuple(
            Slot(start=start, end=end, kw=value)
            for (start, end), value in zip(self.spans(), self.asks[ven].values, strict=True)
        )


def key(event_id: EventId) -> Key:
    """The row of an instruction."""
    return Key(f"event/{event_id}")


def party(ven_id: VenId) -> Key:
    """The row of the VTN's knowledge of a VEN."""
    return Key(f"party/{ven_id}")


def check(instruction: Instruction) -> None:
    """Raise InvalidData for what cannot be sent: no VEN, no interval, lengths that differ or are no whole seconds, and
    values that are no numbers or no levels."""
    if not instruction.asks:
        raise InvalidData(f"event {instruction.id} addresses no VEN; name at least one")
    if instruction.count == 0 or any(len(ask.values) != instruction.count for ask in instruction.asks.values()):
        raise InvalidData(f"event {instruction.id}: every VEN needs the same number of intervals, at least one")
    if instruction.every <= timedelta(0):
        raise InvalidData(f"event {instruction.id}: an interval must be longer than zero")
    if instruction.startafter < timedelta(0):
        raise InvalidData(f"event {instruction.id}: startafter must not be negative")
    duration(instruction.every), duration(instruction.startafter)
    if any(value != value or abs(value) == float("inf") for ask in instruction.asks.values() for value in ask.values):
        raise InvalidData(f"event {instruction.id}: a value is not a number")
    if instruction.signal == SIMPLE:
        _check_levels(instruction)


def _check_levels(instruction: Instruction) -> None:
    for ask in instruction.asks.values():
        for value in ask.values:
            if value not in range(MAX_LEVEL + 1):
                raise InvalidData(f"event {instruction.id}: level {value:g} is none of 0..{MAX_LEVEL} (rule 9)")


def event(instruction: Instruction, ven: VenId, now: datetime) -> Event:
    """The event as that VEN gets it; status and createdDateTime are renewed at each sending."""
    ask = instruction.asks[ven]
    every = duration(instruction.every)
    signal = Signal(
        intervals=tuple(
            Interval(duration=every, uid=str(number), payloads=(SignalPayload(value=float(value)),))
            for number, value in enumerate(ask.values)
        ),
        name=instruction.signal,
        type=instruction.kind,
        id="1",
        unit=_unit(instruction),
        current_value=0.0,
    )
    return Event(
        id=instruction.id,
        modification=instruction.modification,
        modified=instruction.modified,
        priority=instruction.priority,
        market_context=instruction.market_context,
        created=now,
        status=CANCELLED if instruction.cancelled else FAR,
        test="true" if instruction.test else None,
        comment=instruction.comment or None,
        period=Period(
            start=instruction.start,
            duration=duration(instruction.every * instruction.count),
            startafter=duration(instruction.startafter) if instruction.startafter else None,
            notification=duration(instruction.notification),
            ramp_up=duration(instruction.ramp_up) if instruction.ramp_up else None,
        ),
        signals=(signal,),
        target=Target(vens=(ven,), resources=ask.resources),
    )


def _unit(instruction: Instruction) -> ItemBase | None:
    match instruction.signal, instruction.kind:
        case (name, kind) if name == LOAD_DISPATCH and kind in (DELTA, SETPOINT):
            return PowerReal(attributes=instruction.attributes)
        case (name, kind) if name == ELECTRICITY_PRICE and kind == PRICE:
            return CurrencyPerKwh(units=Token(instruction.currency))
        case (name, kind) if name == SIMPLE and kind == LEVEL:
            return None
    raise InvalidData(f"signal {instruction.signal}/{instruction.kind} cannot be published")


def publish(held: Instruction | None, new: Instruction, now: datetime, by: str) -> Outcome[Instruction]:
    """A new event, given to each of its VENs."""
    if held is not None:
        raise InvalidId(f"event {new.id} exists already; change it, or choose another id")
    check(new)
    return _out(replace(new, created=now), now, by, "published", gone=())


def change(
    held: Instruction | None, event_id: EventId, edit: Instruction, now: datetime, by: str
) -> Outcome[Instruction]:
    """The next version: what `edit` says, under the number that follows (rule 5). VENs it leaves out are told to stop."""
    old = _known(held, event_id)
    if old.cancelled:
        raise InvalidData(f"event {event_id} is cancelled and cannot be changed; publish a new one")
    newer = replace(
        edit,
        id=event_id,
        modification=old.modification + 1,
        modified=now,
        created=old.created,
    )
    check(newer)
    gone = tuple(ven for ven in old.asks if ven not in newer.asks)
    withdrawn = replace(old, modification=newer.modification, modified=now, cancelled=True)
    mail = tuple(_mail(withdrawn, ven, now) for ven in gone)
    outcome = _out(newer, now, by, "changed", gone=gone)
    return replace(outcome, mail=outcome.mail + mail)


def cancel(held: Instruction | None, event_id: EventId, now: datetime, by: str) -> Outcome[Instruction]:
    """Cancelled, with the number that follows (2.5). Cancelling twice changes nothing."""
    old = _known(held, event_id)
    if old.cancelled:
        return Outcome(state=old)
    gone = replace(old, modification=old.modification + 1, modified=now, cancelled=True)
    return _out(gone, now, by, "cancelled", gone=())


def _known(held: Instruction | None, event_id: EventId) -> Instruction:
    if held is None:
        raise InvalidId(f"event {event_id} is unknown; `openadr-ra event list` shows those there are")
    return held


def _out(item: Instruction, now: datetime, by: str, what: str, gone: tuple[VenId, ...]) -> Outcome[Instruction]:
    detail = f"modification {item.modification}"
    if gone:
        detail += ", withdrawn from " + ", ".join(gone)
    entry = Entry(subject=key(item.id), at=now, by=by, what=what, detail=detail)
    return Outcome(
        state=item,
        mail=tuple(_mail(item, ven, now) for ven in item.asks),
        effects=(Record(entries=(entry,)),),
    )


def _mail(item: Instruction, ven: VenId, now: datetime) -> Mail:
    return Mail(
        to=party(ven),
        body=Publish(event=event(item, ven, now), response_required=item.response_required),
    )
