"""Slots that run, for tests of how their mean is held."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from openadr_ra.fleet.hold import HoldTerms, Pace, Reach, band
from openadr_ra.fleet.metered import Delivered, beginning, heard, hours
from openadr_ra.protocol.schedule import Slot

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HALF_HOUR = timedelta(minutes=30)
PLENTY = Reach(reduce_kw=10_000, raise_kw=10_000)
NOTHING = Reach(reduce_kw=0, raise_kw=0)
TERMS = HoldTerms()
SIGNS = (1, -1)


def after(minutes: float) -> datetime:
    """So many minutes after noon."""
    return NOON + minutes * MINUTE


def came(*pieces: tuple[float, float], size_kw: float = 0.0) -> Delivered:
    """So many minutes of so much power, from noon on; the last power goes on."""
    held = beginning(NOON, kw=pieces[0][1], size_kw=size_kw)
    for minutes, kw in pieces:
        held = replace(held, kw=kw)
        held = heard(held, held.at + minutes * MINUTE, kw, HALF_HOUR)
    return held


def running(kw: float, delivered: Delivered) -> Pace:
    return Pace(start=NOON, end=after(30), asks=(Slot(start=NOON, end=after(30), kw=kw),), delivered=delivered)


def raised(kw: float, by_kw: float) -> Reach:
    """More of what is asked can be had, in its own direction, and all of it can be had less."""
    return Reach(reduce_kw=by_kw, raise_kw=abs(kw)) if kw < 0 else Reach(reduce_kw=abs(kw), raise_kw=by_kw)


def ends(kw: float, delivered: Delivered, at_kw: float) -> float:
    """The mean of the slot, if the rest has that power."""
    return hours(HALF_HOUR) ** -1 * replace(delivered, kw=at_kw).by(after(30))


def is_ok(kw: float, mean_kw: float) -> bool:
    return band(kw, TERMS.band).holds(mean_kw)
