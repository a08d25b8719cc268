"""Whether what a device says from one reading to the next can be true, given what it is and what it was told.

Each reading is judged against those before it: `judged()` is pure, and what it remembers is a `Track`. The limits leave
room for readings in coarse steps, for noise, for registers that are counted up late and for a car that was swapped.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec.structs import replace

from openadr_ra.drivers.meters import ABSURD, Meter, metered
from openadr_ra.drivers.runs import (
    GAP,
    Order,
    Same,
    Steady,
    going_on,
    same_faults,
    staying,
    steady_faults,
)
from openadr_ra.protocol.parts import DEVICE_FAILURE, GOOD, LOCAL_OVERRIDE, UNCERTAIN
from openadr_ra.protocol.shape import Value
from openadr_ra.seams import Descriptor, Measurement

RECOVERY = timedelta(minutes=5)
"""A device that lied is believed again when all that it says was plausible for so long."""

SOC_LATE = timedelta(minutes=5)
"""A state of charge may be as late."""

SOC_MARGIN = 1.5
"""Times what the largest power does to the state of charge: capacities are not known better."""

SOC_COARSE = 2.0
"""Percent: of two states of charge in whole percent each may be wrong by one."""

VEHICLES = ("ev", "v2h")
"""Subtypes whose store may be another one at the next reading."""

THOUSAND = (500.0, 2000.0)
"""A power that is so many times too small is one in another unit."""

VARIED = 1.5
"""The larger of two set-points over the smaller one, for a ratio to be no coincidence."""


class Track(Value, frozen=True, kw_only=True, gc=False):
    """What is remembered of a device: its registers, its last reading, how it went on since, and until when it is doubted.

    `small` are the lowest and the highest set-point that it answered with a thousandth.
    """

    meter: Meter = Meter()
    last: Measurement | None = None
    steady: Steady | None = None
    same: Same | None = None
    small: tuple[float, float] | None = None
    doubted_until: datetime | None = None
    why: str = ""


def judged(
    track: Track, reading: Measurement, descriptor: Descriptor | None, order: Order | None
) -> tuple[Track, Measurement]:
    """What is known with `reading`, and the reading with registers that only rise and the quality it deserves.

    `order` is what the device was told and has taken. While it is doubted its readings are a `DEVICE_FAILURE`; once its
    registers broke the reading is uncertain. One that the driver itself does not call good is no evidence.
    """
    own = descriptor is not None and descriptor.metering == "device"
    largest_kw = max(abs(descriptor.min_kw), abs(descriptor.max_kw)) if descriptor is not None and own else None
    found = metered(track.meter, reading, largest_kw)
    told = replace(reading, import_kwh=found.reading.import_kwh, export_kwh=found.reading.export_kwh)
    if found.broke and told.quality == GOOD:
        told = replace(told, quality=UNCERTAIN)
    track = replace(track, meter=found.meter)
    if reading.quality not in (GOOD, UNCERTAIN, LOCAL_OVERRIDE) or descriptor is None:
        return replace(track, steady=None, same=None, small=None), _marked(track, told)
    if track.last is not None and reading.at <= track.last.at:
        return _doubted(track, told, found.broke if found.again else "")
    track, faults = _noted(track, told, descriptor, order)
    if found.again:
        faults = (found.broke, *faults)
    return _doubted(track, told, "; ".join(faults))


def doubted(track: Track, at: datetime, why: str) -> Track:
    """Not to be believed until `RECOVERY` after `at`."""
    until = at + RECOVERY
    return replace(track, doubted_until=max(until, track.doubted_until or until), why=why)


def _doubted(track: Track, told: Measurement, why: str) -> tuple[Track, Measurement]:
    if why:
        track = doubted(track, told.at, why)
    elif track.doubted_until is not None and told.at >= track.doubted_until:
        track = replace(track, doubted_until=None, why="")
    return track, _marked(track, told)


def _marked(track: Track, told: Measurement) -> Measurement:
    believable = track.doubted_until is None or told.quality not in (GOOD, UNCERTAIN, LOCAL_OVERRIDE)
    return told if believable else replace(told, quality=DEVICE_FAILURE)


def _noted(
    track: Track, told: Measurement, descriptor: Descriptor, order: Order | None
) -> tuple[Track, tuple[str, ...]]:
    """With one more reading, and what cannot be true in it."""
    last = track.last
    if told.local_override or last is None or told.at - last.at > GAP:
        # Somebody else moves it, or it may have done anything meanwhile.
        jumped = tuple(_soc_faults(last, told, descriptor)) if last is not None else ()
        alone = not told.local_override
        return replace(
            track,
            last=told,
            steady=going_on(None, told) if alone else None,
            same=staying(None, told, descriptor, order) if alone else None,
            small=None,
        ), jumped
    steady = going_on(track.steady, told)
    same = staying(track.same, told, descriptor, order)
    small, unit = _small(track.small, told, descriptor, order)
    faults = (
        *_soc_faults(last, told, descriptor),
        *steady_faults(steady, descriptor, _grain_kwh(track.meter)),
        *same_faults(same, told, descriptor, _grain_kwh(track.meter)),
        *unit,
    )
    return replace(track, last=told, steady=steady, same=same, small=small), faults


def _grain_kwh(meter: Meter) -> float:
    """The step in which its registers count: one meter has both."""
    return min((each.grain_kwh for each in (meter.imported, meter.exported) if each is not None), default=0.0)


def _soc_faults(last: Measurement, told: Measurement, descriptor: Descriptor) -> Iterator[str]:
    """A state of charge goes no further than the largest power takes it. That of a thing whose store may be another one, or
    which leaks by itself like heat, is not judged."""
    energy = descriptor.energy
    if descriptor.kind != "battery" or descriptor.subtype in VEHICLES or energy is None or not energy.capacity_kwh:
        return
    if last.soc_percent is None or told.soc_percent is None or descriptor.metering != "device":
        return
    span_h = (told.at - last.at + SOC_LATE) / timedelta(hours=1)
    # Behind one inverter PV charges a battery with what never passes its terminals.
    margin = 2 * SOC_MARGIN if descriptor.subtype == "hybrid" else SOC_MARGIN
    most_kw = max(abs(descriptor.min_kw), abs(descriptor.max_kw), abs(told.kw)) / energy.discharge_efficiency
    most = margin * most_kw * span_h / energy.capacity_kwh * 100 + SOC_COARSE
    if abs(told.soc_percent - last.soc_percent) > most:
        yield f"its state of charge jumped from {last.soc_percent:g} to {told.soc_percent:g} %"


def _small(
    small: tuple[float, float] | None, told: Measurement, descriptor: Descriptor, order: Order | None
) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """A battery that answers two different set-points with a thousandth of each says its power in another unit."""
    if descriptor.kind != "battery" or descriptor.metering != "device" or order is None or not order.holds(told.at):
        return small, ()
    target_kw = order.expected_kw(told)
    if not told.kw or abs(target_kw) < 0.1 * max(abs(descriptor.min_kw), abs(descriptor.max_kw)):
        return small, ()
    if not THOUSAND[0] <= target_kw / told.kw <= THOUSAND[1]:
        return None, ()
    low, high = small or (abs(target_kw), abs(target_kw))
    low, high = min(low, abs(target_kw)), max(high, abs(target_kw))
    if high < VARIED * low:
        return (low, high), ()
    return (low, high), (f"it says {told.kw:g} kW where it was set to {target_kw:g}: is that in MW?",)


def absurd(reading: Measurement, descriptor: Descriptor | None) -> str:
    """Why the power of `reading` cannot be that of the device, whatever came before; empty if it can."""
    if descriptor is None or descriptor.metering != "device":
        return ""
    largest_kw = max(abs(descriptor.min_kw), abs(descriptor.max_kw))
    if abs(reading.kw) <= ABSURD * largest_kw:
        return ""
    return f"{reading.kw:g} kW of a device that has {largest_kw:g}; is that in W?"
