"""oadrLoadControlState as series of values, and back: what TELEMETRY_STATUS says beside online and override."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite

from msgspec.structs import replace

from openadr_ra.protocol.model import Rid
from openadr_ra.protocol.parts import (
    GreenButtonPayload,
    Interval,
    LoadControlLevel,
    LoadControlState,
    ReportPayload,
    ResourceStatus,
    SignalPayload,
)

Said = SignalPayload | ReportPayload | GreenButtonPayload

_KINDS = ("capacity", "level_offset", "percent_offset", "setpoint")
_FIGURES = ("minimum", "maximum", "current", "normal")

LOAD_SERIES: tuple[str, ...] = tuple(f"{kind}.{figure}" for kind in _KINDS for figure in _FIGURES)
"""`setpoint.current` and the like: what the series of a resource's load control are called."""

STATUS_SERIES: tuple[str, ...] = ("online", "override", *LOAD_SERIES)
"""All series that a point of TELEMETRY_STATUS becomes; its rID stands before them."""

SMALL = 0.01
"""Of its range. What moves by less is the same: a headroom that drains is not worth a message each second."""


def levels(state: LoadControlState | None) -> Iterator[tuple[str, LoadControlLevel]]:
    """The kinds of load control that `state` speaks of."""
    found = (state.capacity, state.level_offset, state.percent_offset, state.setpoint) if state is not None else ()
    return ((kind, level) for kind, level in zip(_KINDS, found, strict=False) if level is not None)


def figures(state: LoadControlState | None) -> Iterator[tuple[str, float]]:
    """Each value of `state` under its name in `LOAD_SERIES`."""
    for kind, level in levels(state):
        values = (level.minimum, level.maximum, level.current, level.normal)
        yield from (
            (f"{kind}.{figure}", value) for figure, value in zip(_FIGURES, values, strict=True) if value is not None
        )


def load_control(found: Mapping[str, float]) -> LoadControlState | None:
    """The state that those values make; a kind without `current` is none, and without any kind there is no state."""
    made = [_level(kind, found) for kind in _KINDS]
    capacity, level_offset, percent_offset, setpoint = made
    if not any(made):
        return None
    return LoadControlState(
        capacity=capacity, level_offset=level_offset, percent_offset=percent_offset, setpoint=setpoint
    )


def _level(kind: str, found: Mapping[str, float]) -> LoadControlLevel | None:
    current = found.get(f"{kind}.current")
    if current is None:
        return None
    return LoadControlLevel(
        minimum=found.get(f"{kind}.minimum"),
        maximum=found.get(f"{kind}.maximum"),
        current=current,
        normal=found.get(f"{kind}.normal"),
    )


def usable(state: LoadControlState | None) -> LoadControlState | None:
    """`state` without the kinds in which there is something that is no number."""
    if state is None or all(isfinite(value) for _, value in figures(state)):
        return state
    wrong = {name.partition(".")[0] for name, value in figures(state) if not isfinite(value)}
    return load_control({name: value for name, value in figures(state) if name.partition(".")[0] not in wrong})


def moved(before: LoadControlState | None, after: LoadControlState | None) -> bool:
    """Is something controlled otherwise than before: a kind more or less, or one that now stands elsewhere?"""
    old, new = dict(levels(before)), dict(levels(after))
    return old.keys() != new.keys() or any(_is_elsewhere(old[kind], level) for kind, level in new.items())


def _is_elsewhere(old: LoadControlLevel, new: LoadControlLevel) -> bool:
    known = new.minimum is not None and new.maximum is not None
    width = abs((new.maximum or 0.0) - (new.minimum or 0.0)) if known else abs(old.current)
    return abs(new.current - old.current) > SMALL * width


def evened(intervals: tuple[Interval, ...]) -> tuple[Interval, ...]:
    """With each kind of load control in all intervals of a point, or in none of them (3.4).

    Interpretation of the specification: this binds each point by itself, for a battery has other kinds than a line.
    """
    common: dict[Rid, frozenset[str]] = {}
    for payload, status in _statuses(intervals):
        kinds = frozenset(kind for kind, _ in levels(status.load_control))
        common[payload.rid] = common.get(payload.rid, kinds) & kinds
    return tuple(
        replace(interval, payloads=tuple(_with_only(payload, common) for payload in interval.payloads))
        for interval in intervals
    )


def _statuses(intervals: tuple[Interval, ...]) -> Iterator[tuple[ReportPayload, ResourceStatus]]:
    for interval in intervals:
        for payload in interval.payloads:
            if isinstance(payload, ReportPayload) and isinstance(payload.value, ResourceStatus):
                yield payload, payload.value


def _with_only(payload: Said, common: Mapping[Rid, frozenset[str]]) -> Said:
    if not isinstance(payload, ReportPayload) or not isinstance(payload.value, ResourceStatus):
        return payload
    said = payload.value.load_control
    kept = {name: value for name, value in figures(said) if name.partition(".")[0] in common[payload.rid]}
    return replace(payload, value=replace(payload.value, load_control=load_control(kept)))
