"""EiEvent: what is true of an event, at either end. What each end keeps of events is in `distribution` and `agenda`."""

from __future__ import annotations

from collections.abc import Container, Iterator
from datetime import datetime, timedelta

from msgspec.structs import replace

from openadr_ra.errors import ComplianceError, InvalidData, SignalNotSupported
from openadr_ra.protocol import signals_table as table
from openadr_ra.protocol.model import (
    ACTIVE,
    CANCELLED,
    COMPLETED,
    DELTA,
    ELECTRICITY_PRICE,
    FAR,
    LEVEL,
    LOAD_DISPATCH,
    NEAR,
    PRICE,
    SCALES,
    SETPOINT,
    SIMPLE,
    CurrencyPerKwh,
    EventStatus,
    PowerReal,
    Target,
)
from openadr_ra.protocol.parts import Baseline, Event, Interval, Signal, SignalPayload
from openadr_ra.protocol.schedule import Mode, Schedule, Slot
from openadr_ra.protocol.times import FOREVER, Duration, shift

LOWEST_PRIORITY = 9999
"""What an absent priority counts as; 0 means none in the newer schema."""


def status(event: Event, now: datetime) -> EventStatus:
    """Where `event` stands at `now`.

    `near` begins `x-eiRampUp` before the start; without a ramp-up an event is never near. A zero duration never
    completes. At the instant the period ends the event is completed. Reference 2.2.
    """
    if event.status == CANCELLED:
        return CANCELLED
    if now < event.period.start:
        return NEAR if now >= shift(event.period.start, -_ramp(event)) else FAR
    return ACTIVE if now < end(event) else COMPLETED


def end(event: Event) -> datetime:
    """When the event's period is over; FOREVER for an open-ended one (rule 47)."""
    length = event.period.duration.length
    return shift(event.period.start, length) if length else FOREVER


def listed_until(event: Event) -> datetime:
    """How long the VTN keeps the event in its payloads: dtstart + duration + startafter (rule 66)."""
    return shift(end(event), _startafter(event))


def listed_until_or_never(event: Event) -> datetime:
    """`listed_until` of an event that may never have been checked: one with unusable lengths is over at its start."""
    try:
        return listed_until(event)
    except InvalidData:
        return event.period.start


def _startafter(event: Event) -> timedelta:
    return (event.period.startafter or Duration()).length


def _ramp(event: Event) -> timedelta:
    return max((event.period.ramp_up or Duration()).length, timedelta(0))


def is_test(event: Event) -> bool:
    """Any text but `false` makes it a test (rule 6); absent or empty is real."""
    return (event.test or "false").strip().lower() != "false"


def at(event: Event, now: datetime) -> Event:
    """The event as it is sent at `now`: status, createdDateTime and every currentValue are of this moment (rule 5)."""
    stands = status(event, now)
    signals = tuple(
        replace(signal, current_value=_current(signal, event, now) if stands == ACTIVE else 0.0)
        for signal in event.signals
    )
    return replace(event, status=stands, created=now, signals=signals)


def _current(signal: Signal, event: Event, now: datetime) -> float:
    return next((value for slot, value in laid(signal, event) if slot[0] <= now < slot[1]), 0.0)


def laid(signal: Signal, event: Event) -> Iterator[tuple[tuple[datetime, datetime], float]]:
    """The signal laid on the clock: (start, end) and value of each interval, in order, without gaps.

    The one interval of an open-ended event lasts for ever. Raises InvalidData for an interval without a number.
    """
    start = event.period.start
    for interval in signal.intervals:
        length = (interval.duration or Duration()).length
        stop = shift(start, length) if length else end(event)
        yield (start, stop), _value(interval)
        start = stop


def _value(interval: Interval) -> float:
    for payload in interval.payloads:
        if isinstance(payload, SignalPayload) and isinstance(payload.value, float):
            return payload.value
    raise InvalidData(f"signal interval {interval.uid} carries no number")


def order(events: Iterator[Event], now: datetime) -> list[Event]:
    """Active first, then pending, then completed (rule 15); a cancelled one where its time would put it."""
    return sorted(events, key=lambda event: _rank(event, now))


def _rank(event: Event, now: datetime) -> tuple[int, float, float]:
    by_time = status(replace(event, status=FAR), now)
    start = event.period.start.timestamp()
    priority = event.priority or LOWEST_PRIORITY
    if by_time == ACTIVE:
        return (0, priority, start)
    return (1 if by_time in (FAR, NEAR) else 2, start, priority)


def check(event: Event, taken: Container[str] = table.USUAL) -> None:
    """Raise what is wrong with the event in itself: 454 for unusable values, 459 for contradictions, 460 for signals.

    `taken` are the signals that this VEN takes, as `NAME/TYPE`.
    """
    length = event.period.duration.length
    if length < timedelta(0) or _startafter(event) < timedelta(0):
        raise InvalidData(f"event {event.id} has a negative duration")
    _ramp(event)
    names = [signal.id for signal in event.signals]
    if len(set(names)) < len(names):
        raise ComplianceError(f"event {event.id} uses a signalID twice (X-EV-6)")
    for signal in event.signals:
        _check_signal(signal, event, length, taken)
    if event.baseline is not None:
        _check_baseline(event.baseline)


def _check_signal(signal: Signal, event: Event, length: timedelta, taken: Container[str]) -> None:
    lengths = _checked_intervals(signal.intervals, event.period.start, f"signal {signal.id}")
    total = _added(lengths, f"signal {signal.id}")
    if total != length:
        raise ComplianceError(
            f"the intervals of signal {signal.id} add up to {total}, event {event.id} lasts {length} (rule 8)"
        )
    if (length and min(lengths) <= timedelta(0)) or (not length and len(lengths) != 1):
        raise ComplianceError(f"signal {signal.id} has an interval that never runs (rule 8)")
    _check_target(signal)
    table.check(signal.name, signal.type, signal.unit)
    if table.full(signal.name, signal.type) not in taken:
        raise SignalNotSupported(f"signal {signal.name}/{signal.type} is not taken here (rule 109)")
    table.check_values(signal.name, signal.type, (value for _, value in laid(signal, event)))


def _checked_intervals(intervals: tuple[Interval, ...], start: datetime, owner: str) -> list[timedelta]:
    """The length of each. Raises ComplianceError for wrong uids, for more than one value, and for a start that is not
    where the lengths before put it (X-EV-5: none should be there; many a VTN says what is known anyway)."""
    uids = [interval.uid for interval in intervals]
    if any(uid is not None for uid in uids) and uids != [str(n) for n in range(len(uids))]:
        raise ComplianceError(f"the interval uids of {owner} are not 0..{len(uids) - 1} (rule 2)")
    lengths = [(interval.duration or Duration()).length for interval in intervals]
    for interval, length in zip(intervals, lengths, strict=True):
        if len(interval.payloads) != 1:
            raise ComplianceError(f"an interval of {owner} has {len(interval.payloads)} values instead of one (X-EV-7)")
        if interval.start is not None and interval.start != start:
            raise ComplianceError(f"an interval of {owner} starts elsewhere than after those before it (X-EV-5)")
        start = shift(start, length)
    return lengths


def _added(lengths: list[timedelta], owner: str) -> timedelta:
    try:
        return sum(lengths, timedelta(0))
    except OverflowError as error:
        raise ComplianceError(f"the intervals of {owner} leave the calendar (rule 8)") from error


def _check_target(signal: Signal) -> None:
    """X-EV-10: a signal is aimed at device classes, and at nothing else."""
    if signal.target is None:
        return
    for name in signal.target.device_classes:
        if name not in table.DEVICE_CLASSES:
            raise ComplianceError(f"{name} of signal {signal.id} is no device class (X-EV-10)")
    if replace(signal.target, device_classes=()) != Target():
        raise ComplianceError(f"signal {signal.id} is aimed at something else than device classes (X-EV-10)")


def _check_baseline(baseline: Baseline) -> None:
    owner = f"baseline {baseline.id}"
    total = _added(_checked_intervals(baseline.intervals, baseline.start, owner), owner)
    if total != baseline.duration.length:
        raise ComplianceError(
            f"the intervals of {owner} add up to {total}, it lasts {baseline.duration.length} (X-EV-8)"
        )
    for interval in baseline.intervals:
        _value(interval)


STEERING: dict[tuple[str, str], Mode] = {
    (LOAD_DISPATCH, SETPOINT): "setpoint",
    (LOAD_DISPATCH, DELTA): "delta",
    (SIMPLE, LEVEL): "level",
}
"""What moves devices, the most exact first."""


PRICING: dict[tuple[str, str], Mode] = {(ELECTRICITY_PRICE, PRICE): "price", (table.ENERGY_PRICE, PRICE): "price"}
"""What devices may be led by that nothing else moves: prices that say all by themselves."""


def schedule(event: Event, offset: timedelta = timedelta(0)) -> Schedule | None:
    """The power that the event asks for, from its most exact signal, `offset` later (rule 30); where it asks for none, the
    prices that it tells; else None.

    Power in kW and prices per kWh whatever the signal's scale; a schedule of levels or prices holds these in place of kW.
    Call `check` first.
    """
    signals = steering(event) or pricing(event)
    if not signals:
        return None
    signal = signals[0]
    return Schedule(
        id=event.id,
        mode=(STEERING | PRICING)[table.canonical(signal.name), signal.type],
        slots=tuple(
            Slot(start=shift(start, offset), end=shift(stop, offset), kw=value * _scale(signal))
            for (start, stop), value in laid(signal, event)
        ),
        resources=event.target.resources,
    )


def steering(event: Event) -> tuple[Signal, ...]:
    """The signals that move devices here, the most exact first.

    Real power and levels; what multiplies, reactive power and whatever else there is has a meaning for a program only.
    """
    kinds = list(STEERING)
    found = [one for one in event.signals if _moves(one)]
    return tuple(sorted(found, key=lambda one: kinds.index((table.canonical(one.name), one.type))))


def pricing(event: Event) -> tuple[Signal, ...]:
    """The signals that tell what a kWh costs. Relative prices would need the tariff that they are relative to."""
    kinds = list(PRICING)
    found = [one for one in event.signals if (one.name, one.type) in PRICING]
    return tuple(sorted(found, key=lambda one: kinds.index((one.name, one.type))))


def _moves(signal: Signal) -> bool:
    known = (table.canonical(signal.name), signal.type) in STEERING
    return known and (signal.unit is None or isinstance(signal.unit, PowerReal))


def _scale(signal: Signal) -> float:
    match signal.unit:
        case PowerReal(scale=scale):
            return SCALES[scale] / 1000
        case CurrencyPerKwh(scale=scale):
            return SCALES[scale]
    return 1.0
