"""Piecewise constant power over time, and measured values with their spans."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

from openadr_ra.protocol.model import EventId, ResourceId
from openadr_ra.protocol.parts import GOOD, Quality
from openadr_ra.protocol.shape import Opaque, Value
from openadr_ra.protocol.times import FOREVER

Mode = Literal["delta", "setpoint", "level", "price"]
"""`delta`: kW against the baseline. `setpoint`: absolute kW at the measuring point. Load convention both.
`level`: a SIMPLE level in place of kW. `price`: what a kWh costs in place of kW, in the event's currency."""


class Slot(Value, frozen=True, kw_only=True, gc=False):
    """Constant power from `start` to `end`; an open-ended slot ends at FOREVER."""

    start: datetime
    end: datetime = FOREVER
    kw: float


class Schedule(Value, frozen=True, kw_only=True, gc=False):
    """Slots in order, not overlapping. `resources` empty means the whole fleet."""

    id: EventId
    mode: Mode = "delta"
    slots: tuple[Slot, ...] = ()
    resources: tuple[ResourceId, ...] = ()

    @property
    def start(self) -> datetime:
        return self.slots[0].start

    @property
    def end(self) -> datetime:
        return self.slots[-1].end

    def at(self, when: datetime) -> Slot | None:
        """The slot that runs at `when`; its start is inside, its end is not."""
        return next((slot for slot in self.slots if slot.start <= when < slot.end), None)

    def mean(self, start: datetime, end: datetime) -> float:
        """Mean kW over the span, 0 where no slot runs."""
        return mean(self.slots, start, end)

    def edges(self) -> Iterator[datetime]:
        """Every instant at which the power asked for may change, in order."""
        for slot in self.slots:
            yield slot.start
            if slot.end != FOREVER:
                yield slot.end


def mean(slots: tuple[Slot, ...], start: datetime, end: datetime) -> float:
    """Time-weighted mean kW of `slots` over the span; uncovered time counts as 0."""
    if end <= start:
        return next((slot.kw for slot in slots if slot.start <= start < slot.end), 0.0)
    # The length as a number first: timedelta rounds a product to microseconds, and overflows at 340 kW for ever.
    total = sum(
        slot.kw * ((min(slot.end, end) - max(slot.start, start)) / timedelta(seconds=1))
        for slot in slots
        if slot.start < end and slot.end > start
    )
    return total / ((end - start) / timedelta(seconds=1))


def splice(old: Schedule, new: Schedule, at: datetime) -> Schedule:
    """`new`, with what ran of `old` before `at` kept: the past does not change."""
    kept = tuple(_until(slot, at) for slot in old.slots if slot.start < at)
    coming = tuple(_since(slot, at) for slot in new.slots if slot.end > at)
    return Schedule(id=new.id, mode=new.mode, slots=kept + coming, resources=new.resources)


def _until(slot: Slot, at: datetime) -> Slot:
    return slot if slot.end <= at else Slot(start=slot.start, end=at, kw=slot.kw)


def _since(slot: Slot, at: datetime) -> Slot:
    return slot if slot.start >= at else Slot(start=at, end=slot.end, kw=slot.kw)


class Reading(Value, frozen=True, kw_only=True, gc=False):
    """A value over [start, start + span); span zero is a sample. A later `revision` of the same span replaces it.

    `series` names whose value it is: `<owner>/<quantity>`, see `report.py`. Power in kW, energy registers in kWh,
    state of charge in percent. `confidence` in percent and `accuracy`, in the value's unit, are what its source said of it.
    """

    series: str
    start: datetime
    span: timedelta = timedelta(0)
    value: float
    quality: Quality = GOOD
    revision: int = 0
    confidence: int | None = None
    accuracy: float | None = None


class Feed(Value, frozen=True, kw_only=True, gc=False):
    """A Green Button feed (atom, with what ESPI has in it) and the time that it is about; carried, not understood."""

    start: datetime
    span: timedelta
    text: Opaque
