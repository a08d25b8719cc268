"""Which signal a VEN is offered when it does not take the first: set-points and changes become levels, for shedding only."""

from __future__ import annotations

from math import ceil

from msgspec.structs import replace

from openadr_ra.protocol.model import DELTA, LEVEL, LOAD_DISPATCH, SIMPLE
from openadr_ra.protocol.parts import Event, Interval, Signal, SignalPayload

HIGHEST_LEVEL = 3


def names(event: Event) -> tuple[str, ...]:
    """`LOAD_DISPATCH/delta` for each signal of the event."""
    return tuple(f"{signal.name}/{signal.type}" for signal in event.signals)


def instead(event: Event, refused: tuple[str, ...]) -> Event | None:
    """The event with the next signal that the VEN may take; None if nothing was refused, or nothing is left to offer.

    A change of power that is nowhere a raise becomes SIMPLE levels: SIMPLE knows only shedding, and never stands beside
    another signal, for one unknown signal refuses the whole event.
    """
    if not set(names(event)) & set(refused) or f"{SIMPLE}/{LEVEL}" in refused or len(event.signals) != 1:
        return None
    (signal,) = event.signals
    if (signal.name, signal.type) != (LOAD_DISPATCH, DELTA):
        return None
    values = [_number(interval) for interval in signal.intervals]
    if any(value > 0 for value in values) or not any(values):
        return None
    deepest = -min(values)
    intervals = tuple(
        replace(interval, payloads=(SignalPayload(value=_level(-value, deepest)),))
        for interval, value in zip(signal.intervals, values, strict=True)
    )
    simple = Signal(intervals=intervals, name=SIMPLE, type=LEVEL, id=signal.id, target=signal.target, current_value=0.0)
    return replace(event, signals=(simple,))


def _level(shed: float, deepest: float) -> float:
    """Thirds of the deepest shedding, upwards; whatever is asked for is at least level 1."""
    return float(min(max(ceil(HIGHEST_LEVEL * shed / deepest), 1), HIGHEST_LEVEL)) if shed else 0.0


def _number(interval: Interval) -> float:
    return next(
        (
            float(one.value)
            for one in interval.payloads
            if isinstance(one, SignalPayload) and isinstance(one.value, float)
        ),
        0.0,
    )
