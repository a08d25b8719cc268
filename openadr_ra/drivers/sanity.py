"""What cannot be true of a device, and what a reading is worth: for the guard, and for the contract."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

import msgspec

from openadr_ra.drivers.plausible import absurd
from openadr_ra.protocol.parts import (
    COMM_FAILURE,
    GOOD,
    LAST_KNOWN,
    LOCAL_OVERRIDE,
    NO_VALUE,
    UNCERTAIN,
    LoadControlState,
    Quality,
)
from openadr_ra.protocol.report_status import figures
from openadr_ra.protocol.schedule import Slot
from openadr_ra.protocol.signals_table import DEVICE_CLASSES
from openadr_ra.seams import Ack, Descriptor, Energy, Measurement, Setpoint

MAX_SKEW = timedelta(minutes=5)
"""A device's clock may go wrong by as much; a reading from further ahead is nonsense, one from further back is stale."""

LAST_KNOWN_FOR = timedelta(minutes=3)
"""Three live periods: whoever counts on the device has noticed by then, and its last values are nobody's any more."""

ROUNDING_KW = 1e-6
"""Two figures for the same power may differ by as much."""

OUTCOMES = ("accepted", "clamped", "rejected", "stale", "unreachable")


def setpoint_faults(setpoint: Setpoint, now: datetime) -> Iterator[str]:
    """Why no device should get this order."""
    if not finite(setpoint.kw):
        yield f"{setpoint.kw} kW is no power"
    if not aware(setpoint.lease_until):
        yield "its lease ends at a time without a zone"
    elif setpoint.lease_until <= now:
        yield f"its lease ended at {setpoint.lease_until:%FT%TZ}"


def ack_faults(ack: Ack) -> Iterator[str]:
    """What no set-point can come to."""
    if ack.outcome not in OUTCOMES:
        yield f"outcome {ack.outcome!r}"
    if ack.effective_kw is not None and not finite(ack.effective_kw):
        yield f"an effective power of {ack.effective_kw} kW"


_NEVER_BELOW_0 = ("can_reduce_kwh", "can_raise_kwh", "accuracy_kw")


def reading_faults(reading: Measurement, now: datetime, descriptor: Descriptor | None = None) -> Iterator[str]:
    """What is impossible in `reading`, given who made it."""
    if not aware(reading.at):
        yield "a time without a zone"
    elif reading.at - now > MAX_SKEW:
        yield f"a reading of {reading.at:%FT%TZ}, which is still to come"
    numbers = {
        "kw": reading.kw,
        "min_kw": reading.min_kw,
        "max_kw": reading.max_kw,
        "import_kwh": reading.import_kwh or 0.0,
        "export_kwh": reading.export_kwh or 0.0,
        "soc_percent": reading.soc_percent or 0.0,
        "can_reduce_kwh": reading.can_reduce_kwh or 0.0,
        "can_raise_kwh": reading.can_raise_kwh or 0.0,
        "accuracy_kw": reading.accuracy_kw or 0.0,
    }
    wrong = [f"{name} {value}" for name, value in numbers.items() if not finite(value)]
    yield from wrong
    if wrong:
        return
    if reading.min_kw > reading.max_kw:
        yield f"min_kw {reading.min_kw:g} above max_kw {reading.max_kw:g}"
    if not 0 <= (reading.soc_percent or 0.0) <= 100:
        yield f"soc_percent {reading.soc_percent:g}"
    yield from (f"{name} below 0" for name in numbers if name in _NEVER_BELOW_0 and numbers[name] < 0)
    yield from load_faults(reading.load_control)
    if too_much := absurd(reading, descriptor):
        yield too_much


def load_faults(state: object) -> Iterator[str]:
    """What no device's control can be at; whatever a driver puts there."""
    if state is None:
        return
    if not isinstance(state, LoadControlState):
        yield f"a load_control of {state!r:.80}"
        return
    values = dict(figures(state))
    wrong = [f"load_control.{name} {value}" for name, value in values.items() if not finite(value)]
    yield from wrong
    for kind in () if wrong else {name.partition(".")[0] for name in values}:
        low, high = values.get(f"{kind}.minimum"), values.get(f"{kind}.maximum")
        if low is not None and high is not None and low > high:
            yield f"load_control.{kind}: minimum {low:g} above maximum {high:g}"


def descriptor_faults(descriptor: Descriptor) -> Iterator[str]:
    """What does not fit together in `descriptor`."""
    if not descriptor.id:
        yield "no id"
    if descriptor.device_class and descriptor.device_class not in DEVICE_CLASSES:
        yield f"device_class {descriptor.device_class!r:.80}; there are {', '.join(DEVICE_CLASSES)}"
    low_kw, high_kw = descriptor.min_kw, descriptor.max_kw
    if not (finite(low_kw) and finite(high_kw) and low_kw <= high_kw):
        yield f"a range from {low_kw} to {high_kw} kW"
        return
    powers = (*descriptor.levels_kw, *(descriptor.gap_kw or ()), *(slot.kw for slot in descriptor.plan))
    yield from (
        f"{kw} kW outside {low_kw:g} to {high_kw:g}"
        for kw in powers
        if not (finite(kw) and low_kw - ROUNDING_KW <= kw <= high_kw + ROUNDING_KW)
    )
    if any(low >= high for low, high in pairwise(descriptor.levels_kw)):
        yield "levels_kw that do not rise"
    if descriptor.gap_kw is not None and descriptor.gap_kw[0] >= descriptor.gap_kw[1]:
        yield "a gap_kw without width"
    ramp = descriptor.ramp_kw_per_s
    if ramp is not None and not (finite(ramp) and ramp > 0):
        yield f"a ramp of {ramp} kW/s"
    sizes = {
        "latency_s": descriptor.latency_s,
        "min_on_s": descriptor.min_on_s,
        "min_off_s": descriptor.min_off_s,
        "step_kw": descriptor.step_kw,
        "deadband_kw": descriptor.deadband_kw,
    }
    yield from (f"{name} {value}" for name, value in sizes.items() if not (finite(value) and value >= 0))
    yield from plan_faults(descriptor.plan)
    if descriptor.energy is not None:
        yield from energy_faults(descriptor.energy)


def plan_faults(plan: tuple[Slot, ...]) -> Iterator[str]:
    """Slots in order, each with a length, none over another."""
    if not all(aware(slot.start) and aware(slot.end) for slot in plan):
        yield "a plan with times without a zone"
    elif any(slot.end <= slot.start for slot in plan):
        yield "a slot of the plan that ends before it starts"
    elif any(later.start < earlier.end for earlier, later in pairwise(plan)):
        yield "a plan whose slots overlap"


def energy_faults(energy: Energy) -> Iterator[str]:
    if not (finite(energy.capacity_kwh) and finite(energy.reserve_kwh)):
        yield "an energy that is not finite"
    elif not 0 <= energy.reserve_kwh <= energy.capacity_kwh:
        yield f"a reserve of {energy.reserve_kwh:g} kWh of {energy.capacity_kwh:g}"
    efficiencies = (energy.charge_efficiency, energy.discharge_efficiency)
    yield from (f"an efficiency of {one}" for one in efficiencies if not (finite(one) and 0 < one <= 1))


def usable(reading: Measurement) -> bool:
    """Whether the values of `reading` are those of the device, at its time."""
    return reading.quality in (GOOD, LOCAL_OVERRIDE, UNCERTAIN)


def believed(reading: Measurement, now: datetime) -> Measurement:
    """`reading` with the quality that its age and its owner give it."""
    good = reading.quality == GOOD
    if now - reading.at > MAX_SKEW and good:
        return msgspec.structs.replace(reading, quality=LAST_KNOWN)
    at = min(reading.at, now)
    if reading.local_override and good:
        return msgspec.structs.replace(reading, at=at, quality=LOCAL_OVERRIDE)
    return msgspec.structs.replace(reading, at=at)


def last_known(last: Measurement | None, now: datetime, quality: Quality | None) -> Measurement:
    """What can be said of a device when it says nothing, or (then `quality` is known) nothing that makes sense.

    `at` stays the time at which the values were true; after `LAST_KNOWN_FOR` only the failure counts.
    """
    online = quality is not None
    if last is None:
        return Measurement(at=now, kw=0.0, min_kw=0.0, max_kw=0.0, online=online, quality=quality or NO_VALUE)
    aged = LAST_KNOWN if now - last.at <= LAST_KNOWN_FOR else COMM_FAILURE
    return msgspec.structs.replace(last, at=min(last.at, now), online=online, quality=quality or aged)


def fell(last: Measurement, reading: Measurement) -> bool:
    """Whether a register stands lower than before: a meter's never does, unless it was reset or replaced."""
    pairs = ((last.import_kwh, reading.import_kwh), (last.export_kwh, reading.export_kwh))
    return any(before is not None and after is not None and after < before for before, after in pairs)


def finite(value: object) -> bool:
    """A number that can be reckoned with; whatever else a driver puts there is none."""
    return isinstance(value, int | float) and math.isfinite(value)


def aware(when: object) -> bool:
    return isinstance(when, datetime) and when.tzinfo is not None
