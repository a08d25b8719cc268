"""EiEvent: what is true of an event, at either end. What each end keeps of events is in `distribution` and `agenda`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec.structs import replace

from openadr_ra.errors import ComplianceError, InvalidData, SignalNotSupported
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
)
from openadr_ra.protocol.parts import Event, Interval, Signal, SignalPayload
from openadr_ra.protocol.schedule import Mode, Schedule, Slot
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.times import FOREVER, Duration, shift

LOWEST_PRIORITY = 9999
"""What an absent priority counts as; 0 means none in the newer schema."""

MAX_LEVEL = 3
"""SIMPLE: 0 normal, 1 moderate, 2 high, 3 special (rule 9)."""


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


def check(event: Event) -> None:
    """Raise what is wrong with the event in itself: 454 for unusable values, 459 for contradictions, 460 for signals."""
    length = event.period.duration.length
    if length < timedelta(0) or _startafter(event) < timedelta(0):
        raise InvalidData(f"event {event.id} has a negative duration")
    _ramp(event)
    names = [signal.id for signal in event.signals]
    if len(set(names)) < len(names):
        raise ComplianceError(f"event {event.id} uses a signalID twice")
    for signal in event.signals:
        _check_signal(signal, event, length)


def _check_signal(signal: Signal, event: Event, length: timedelta) -> None:
    uids = [interval.uid for interval in signal.intervals]
    if any(uid is not None for uid in uids) and uids != [str(n) for n in range(len(uids))]:
        raise ComplianceError(f"the interval uids of signal {signal.id} are not 0..{len(uids) - 1} (rule 2)")
    lengths = [(interval.duration or Duration()).length for interval in signal.intervals]
    total = sum(lengths, timedelta(0))
    if total != length:
        raise ComplianceError(
            f"the intervals of signal {signal.id} add up to {total}, event {event.id} lasts {length} (rule 8)"
        )
    if (length and min(lengths) <= timedelta(0)) or (not length and len(lengths) != 1):
        raise ComplianceError(f"signal {signal.id} has an interval that never runs (rule 8)")
    if (str(signal.name).upper(), signal.type) not in SUPPORTED:
        raise SignalNotSupported(f"signal {signal.name}/{signal.type} is not supported (rule 109)")
    _check_unit(signal)
    for _, value in laid(signal, event):
        if signal.type == LEVEL and value not in range(MAX_LEVEL + 1):
            raise InvalidData(f"SIMPLE level {value} is none of 0..{MAX_LEVEL} (rule 9)")


def _check_unit(signal: Signal) -> None:
    wanted = SUPPORTED[Token(signal.name.upper()), signal.type]
    if wanted is not None and not isinstance(signal.unit, wanted):
        got = type(signal.unit).__name__ if signal.unit else "no unit"
        raise SignalNotSupported(f"{signal.name}/{signal.type} needs {wanted.__name__}, got {got} (2.9)")


SUPPORTED: dict[tuple[str, Token], type[PowerReal | CurrencyPerKwh] | None] = {
    (SIMPLE, LEVEL): None,
    (LOAD_DISPATCH, SETPOINT): PowerReal,
    (LOAD_DISPATCH, DELTA): PowerReal,
    (ELECTRICITY_PRICE, PRICE): CurrencyPerKwh,
}
"""Signals that we take, with their unit (rule 510 and 2.9)."""

_STEERING: tuple[tuple[str, Token, Mode], ...] = (
    (LOAD_DISPATCH, SETPOINT, "setpoint"),
    (LOAD_DISPATCH, DELTA, "delta"),
    (SIMPLE, LEVEL, "level"),
)


def schedule(event: Event, offset: timedelta = timedelta(0)) -> Schedule | None:
    """The power that the event asks for, from its most exact signal, `offset` later (rule 30); None if it asks for none.

    Power in kW whatever the signal's scale. A `level` schedule holds the level in place of kW. Call `check` first.
    """
    for name, kind, mode in _STEERING:
        for signal in event.signals:
            if signal.name.upper() == name and signal.type == kind:
                return Schedule(
                    id=event.id,
                    mode=mode,
                    slots=tuple(
                        Slot(start=shift(start, offset), end=shift(stop, offset), kw=value * _kilo(signal))
                        for (start, stop), value in laid(signal, event)
                    ),
                    resources=event.target.resources,
                )
    return None


def _kilo(signal: Signal) -> float:
    return SCALES[signal.unit.scale] / 1000 if isinstance(signal.unit, PowerReal) else 1.0
