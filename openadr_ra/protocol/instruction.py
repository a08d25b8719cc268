"""What an operator instructs: a row of its own at the VTN, from which each VEN's event is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import repeat
from math import isfinite

from msgspec.structs import replace

from openadr_ra.errors import InvalidData, InvalidId, SignalNotSupported
from openadr_ra.protocol import signals_table as table
from openadr_ra.protocol.model import (
    ALWAYS,
    CANCELLED,
    DELTA,
    FAR,
    LOAD_DISPATCH,
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
from openadr_ra.protocol.parts import Baseline, Event, Interval, Signal, SignalPayload
from openadr_ra.protocol.schedule import Slot
from openadr_ra.protocol.shape import Token, Value
from openadr_ra.protocol.step import Entry, Key, Mail, Outcome, Publish, Record, State
from openadr_ra.protocol.times import FOREVER, duration, shift

DEFAULT_CONTEXT = MarketContext(Token("http://openadr-ra.invalid/dispatch"))
"""Where an operator names no market context; 2.0b wants one in every event."""


class Ask(Value, frozen=True, kw_only=True, gc=False):
    """What is asked of one VEN: a value per interval; kW for dispatches, else in the signal's unit.

    `baseline_kw`: what this VEN does in each interval without the event, where somebody knows.
    """

    values: tuple[float, ...]
    resources: tuple[ResourceId, ...] = ()
    baseline_kw: tuple[float, ...] = ()


class Beside(Value, frozen=True, kw_only=True, gc=False):
    """Another signal in the same event, in the same intervals; the same values for every VEN.

    `unit` None is the usual one of such a signal; `device_classes` are those it is aimed at, all where there are none.
    """

    signal: SignalName
    kind: SignalType
    values: tuple[float, ...]
    unit: ItemBase | None = None
    device_classes: tuple[str, ...] = ()


class Instruction(State, frozen=True, kw_only=True, gc=False):
    """An event as its operator sees it. Intervals follow one another from `start`, each `every` long; where that is
    zero, the one interval lasts until it is cancelled (rule 47). Where they differ in length, `lengths` has each of them.

    `signal` and `kind` are OpenADR's signalName and signalType, `unit` and `device_classes` as in `Beside`. Power in kW,
    load convention. With a `baseline`, which is its name, each VEN is told the baseline that its `Ask` has.
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
    unit: ItemBase | None = None
    device_classes: tuple[str, ...] = ()
    beside: tuple[Beside, ...] = ()
    baseline: str = ""
    lengths: tuple[timedelta, ...] = ()

    @property
    def count(self) -> int:
        return max((len(ask.values) for ask in self.asks.values()), default=0)

    @property
    def end(self) -> datetime:
        """FOREVER for an open-ended one."""
        return shift(self.start, self.whole) if all(self.steps) else FOREVER

    @property
    def steps(self) -> tuple[timedelta, ...]:
        """The length of each interval; zero: without end."""
        return self.lengths or (self.every,) * self.count

    @property
    def whole(self) -> timedelta:
        """All intervals together; zero: without end."""
        return sum(self.steps, timedelta(0))

    def spans(self) -> Iterator[tuple[datetime, datetime]]:
        """Start and end of each interval."""
        start = self.start
        for length in self.steps:
            end = shift(start, length) if length else FOREVER
            yield start, end
            start = end

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
    """Raise InvalidData for what cannot be sent: no VEN, no interval, lengths that differ or are no whole seconds, signals
    that do not exist (X-EV-9), values that are no numbers or none of the signal's, and unknown device classes (X-EV-10)."""
    named = f"event {instruction.id}"
    # Both look at every VEN: once for all of them.
    count, steps = instruction.count, instruction.steps
    if not instruction.asks:
        raise InvalidData(f"{named} addresses no VEN; name at least one")
    if count == 0 or any(len(ask.values) != count for ask in instruction.asks.values()):
        raise InvalidData(f"{named}: every VEN needs the same number of intervals, at least one")
    if len(steps) != count:
        raise InvalidData(f"{named}: as many lengths as intervals are needed")
    if min(steps) < timedelta(0) or (not all(steps) and count > 1):
        raise InvalidData(f"{named}: an interval must be longer than zero, unless it is the only one and has no end")
    if instruction.startafter < timedelta(0):
        raise InvalidData(f"{named}: startafter must not be negative")
    for length in (*steps, instruction.startafter):
        duration(length)
    for signal in _signals(instruction):
        _check_signal(instruction, signal)
    for ask in instruction.asks.values():
        _check_numbers(instruction, ask.values, ask.baseline_kw)
        table.check_values(instruction.signal, instruction.kind, ask.values)
        if ask.baseline_kw and len(ask.baseline_kw) != count:
            raise InvalidData(f"{named}: a baseline needs a figure for each interval")
        if instruction.baseline and not ask.baseline_kw:
            raise InvalidData(f"{named}: the baseline of every VEN is needed, or none is told")


def _signals(instruction: Instruction) -> tuple[Beside, ...]:
    """All signals of the event; the first has no values, for they are each VEN's own."""
    own = Beside(
        signal=instruction.signal,
        kind=instruction.kind,
        values=(),
        unit=instruction.unit,
        device_classes=instruction.device_classes,
    )
    return own, *instruction.beside


def _check_signal(instruction: Instruction, signal: Beside) -> None:
    named = f"event {instruction.id}"
    table.pair(f"{signal.signal}/{signal.kind}")
    try:
        table.check(signal.signal, signal.kind, _unit(instruction, signal))
    except SignalNotSupported as error:
        raise InvalidData(f"{named}: {error}") from error
    for name in signal.device_classes:
        if name not in table.DEVICE_CLASSES:
            raise InvalidData(f"{named}: {name} is no device class; there are {', '.join(table.DEVICE_CLASSES)}")
    if signal in instruction.beside:
        if len(signal.values) != instruction.count:
            raise InvalidData(f"{named}: {signal.signal}/{signal.kind} needs a value for each interval")
        _check_numbers(instruction, signal.values)
        table.check_values(signal.signal, signal.kind, signal.values)


def _check_numbers(instruction: Instruction, *series: tuple[float, ...]) -> None:
    if not all(isfinite(value) for values in series for value in values):
        raise InvalidData(f"event {instruction.id}: a value is not a number")


def event(instruction: Instruction, ven: VenId, now: datetime) -> Event:
    """The event as that VEN gets it; status and createdDateTime are renewed at each sending."""
    return _addressed(_common(instruction, now), instruction, ven)


def _common(instruction: Instruction, now: datetime) -> Event:
    """What all VENs get; the intervals of its first signal, its baseline and its target are each VEN's own."""
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
            duration=duration(instruction.whole),
            startafter=duration(instruction.startafter) if instruction.startafter else None,
            notification=duration(instruction.notification),
            ramp_up=duration(instruction.ramp_up) if instruction.ramp_up else None,
        ),
        signals=tuple(
            Signal(
                intervals=_intervals(instruction, signal.values),
                target=Target(device_classes=signal.device_classes) if signal.device_classes else None,
                name=signal.signal,
                type=signal.kind,
                id=str(number),
                unit=_unit(instruction, signal),
                current_value=0.0,
            )
            for number, signal in enumerate(_signals(instruction), 1)
        ),
        target=Target(),
    )


def _addressed(common: Event, instruction: Instruction, ven: VenId) -> Event:
    ask = instruction.asks[ven]
    own, *beside = common.signals
    return replace(
        common,
        signals=(replace(own, intervals=_intervals(instruction, ask.values)), *beside),
        baseline=_baseline(instruction, ask) if instruction.baseline else None,
        target=Target(vens=(ven,), resources=ask.resources),
    )


def _intervals(instruction: Instruction, values: tuple[float, ...]) -> tuple[Interval, ...]:
    steps = instruction.lengths or repeat(instruction.every)
    return tuple(
        Interval(duration=duration(length), uid=str(number), payloads=(SignalPayload(value=float(value)),))
        for number, (length, value) in enumerate(zip(steps, values, strict=False))
    )


def _baseline(instruction: Instruction, ask: Ask) -> Baseline:
    return Baseline(
        start=instruction.start,
        duration=duration(instruction.whole),
        intervals=_intervals(instruction, ask.baseline_kw),
        id="1",
        resources=ask.resources,
        name=instruction.baseline,
        unit=PowerReal(attributes=instruction.attributes),
    )


def _unit(instruction: Instruction, signal: Beside) -> ItemBase | None:
    if signal.unit is not None:
        return signal.unit
    return table.usual_unit(
        signal.signal, signal.kind, currency=instruction.currency, attributes=instruction.attributes
    )


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
    mail = _mail(withdrawn, gone, now)
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
        mail=_mail(item, item.asks, now),
        effects=(Record(entries=(entry,)),),
    )


def _mail(item: Instruction, vens: Iterable[VenId], now: datetime) -> tuple[Mail, ...]:
    """To each of these VENs its event. What they have in common is made once, for there may be many thousands."""
    common = _common(item, now)
    return tuple(
        Mail(
            to=party(ven),
            body=Publish(
                event=_addressed(common, item, ven),
                response_required=item.response_required,
                baseline_kw=item.asks[ven].baseline_kw,
            ),
        )
        for ven in vens
    )
