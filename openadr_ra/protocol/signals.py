"""Which signal a VEN is offered when it does not take the first: a change of power becomes a set-point where the VEN's
baseline is known, and either becomes levels, for shedding only."""

from __future__ import annotations

from math import ceil

from msgspec.structs import replace

from openadr_ra.protocol.model import DELTA, KILO, LEVEL, LOAD_DISPATCH, SETPOINT, SIMPLE, PowerReal, SignalType
from openadr_ra.protocol.parts import Event, Interval, Signal, SignalPayload
from openadr_ra.protocol.signals_table import MAX_LEVEL

DIGITS = 9
"""Of a kW; what comes after is the arithmetic's."""


def names(event: Event) -> tuple[str, ...]:
    """`LOAD_DISPATCH/delta` for each signal of the event."""
    return tuple(f"{signal.name}/{signal.type}" for signal in event.signals)


def instead(event: Event, refused: tuple[str, ...], baseline_kw: tuple[float, ...] = ()) -> Event | None:
    """The event with the next signal that the VEN may take; None if nothing was refused, or nothing is left to offer.

    `baseline_kw` is what the VEN does in each interval without the event, where that is known: a change of power on it is
    a set-point. A change that is nowhere a raise becomes SIMPLE levels: SIMPLE knows only shedding, and never stands beside
    another signal, for one unknown signal refuses the whole event.
    """
    if len(event.signals) != 1 or not set(names(event)) & set(refused):
        return None
    (signal,) = event.signals
    if signal.name != LOAD_DISPATCH or signal.type not in (DELTA, SETPOINT) or not isinstance(signal.unit, PowerReal):
        return None
    known = len(baseline_kw) == len(signal.intervals) and signal.unit.scale == KILO
    values = [_number(interval) for interval in signal.intervals]
    if signal.type == DELTA and known and _name(SETPOINT) not in refused:
        absolute = [round(base + value, DIGITS) for base, value in zip(baseline_kw, values, strict=True)]
        return replace(event, signals=(replace(_with(signal, absolute), type=SETPOINT),))
    if f"{SIMPLE}/{LEVEL}" in refused or (signal.type == SETPOINT and not known):
        return None
    if signal.type == SETPOINT:
        values = [round(value - base, DIGITS) for base, value in zip(baseline_kw, values, strict=True)]
    return _as_levels(event, signal, values)


def _as_levels(event: Event, signal: Signal, deltas: list[float]) -> Event | None:
    deepest = -min(deltas, default=0.0)
    if deepest <= 0 or max(deltas) > 0:
        return None
    levels = _with(signal, [_level(-delta, deepest) for delta in deltas])
    return replace(event, signals=(replace(levels, name=SIMPLE, type=LEVEL, unit=None),))


def _with(signal: Signal, values: list[float]) -> Signal:
    intervals = tuple(
        replace(interval, payloads=(SignalPayload(value=value),))
        for interval, value in zip(signal.intervals, values, strict=True)
    )
    return replace(signal, intervals=intervals, current_value=0.0)


def _name(kind: SignalType) -> str:
    return f"{LOAD_DISPATCH}/{kind}"


def _level(shed: float, deepest: float) -> float:
    """Thirds of the deepest shedding, upwards; whatever is asked for is at least level 1."""
    return float(min(max(ceil(MAX_LEVEL * shed / deepest), 1), MAX_LEVEL)) if shed else 0.0


def _number(interval: Interval) -> float:
    return next(
        (
            float(one.value)
            for one in interval.payloads
            if isinstance(one, SignalPayload) and isinstance(one.value, float)
        ),
        0.0,
    )
