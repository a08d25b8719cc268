"""Sampled values of a charger as kW, kWh and percent. A value that makes no sense is left out."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import timedelta
from typing import NamedTuple

from openadr_ra.drivers.ocpp.facts import Metered, Sample
from openadr_ra.protocol.shape import Value

PERCENT = ("Percent", "%", "")

POWER, EXPORT, REGISTER = "Power.Active.Import", "Power.Active.Export", "Energy.Active.Import.Register"

SHORTEST = timedelta(seconds=5)
"""Over less time the steps of a register, 1 Wh or 10 Wh, say nothing of power."""

REGISTER_STEP_KWH = 0.001


class Meter(Value, frozen=True, kw_only=True, gc=False):
    """What one set of samples comes to; None: not told."""

    kw: float | None = None
    import_kwh: float | None = None
    soc_percent: float | None = None


class Mean(NamedTuple):
    kw: float
    accuracy_kw: float


def metered(samples: tuple[Sample, ...], *, voltage_v: float) -> Meter:
    """Power from active power, else from currents and voltages (`voltage_v` where no voltage is told)."""
    sound = tuple(one for one in samples if math.isfinite(one.value))
    import_kw, export_kw = (_total(sound, measurand, {"kW": 1.0, "W": 1e-3, "": 1e-3}) for measurand in (POWER, EXPORT))
    if import_kw is not None or export_kw is not None:
        kw: float | None = (import_kw or 0.0) - (export_kw or 0.0)
    else:
        kw = _from_currents(sound, voltage_v)
    register_kwh = _total(sound, REGISTER, {"kWh": 1.0, "Wh": 1e-3, "": 1e-3})
    charges = (one.value for one in sound if one.measurand == "SoC" and one.unit in PERCENT)
    return Meter(
        kw=kw if kw is not None and math.isfinite(kw) else None,
        import_kwh=register_kwh if register_kwh is not None and 0 <= register_kwh < math.inf else None,
        soc_percent=next((value for value in charges if 0 <= value <= 100), None),
    )


def mean_of(before: Metered, before_kwh: float, after: Metered, after_kwh: float) -> Mean | None:
    """Mean power between two readings of the register; None where they are too near to one another, or it fell."""
    span = after.at - before.at
    if span < SHORTEST or after_kwh < before_kwh:
        return None
    hours = span / timedelta(hours=1)
    return Mean((after_kwh - before_kwh) / hours, REGISTER_STEP_KWH / hours)


def _total(samples: tuple[Sample, ...], measurand: str, units: dict[str, float]) -> float | None:
    """The value of all phases together: as it is told, else the sum of what is told of each."""
    found = _of(samples, measurand, units)
    for one in found:
        if not one.phase:
            return one.value * units[one.unit]
    phases = _by_phase(found)
    return sum(value * units[unit] for value, unit in phases.values()) if phases else None


def _from_currents(samples: tuple[Sample, ...], voltage_v: float) -> float | None:
    currents = _by_phase(_of(samples, "Current.Import", ("A", "")))
    if not currents:
        return None
    voltages = {phase: value for phase, (value, _) in _by_phase(_of(samples, "Voltage", ("V", ""))).items()}
    usual_v = sum(voltages.values()) / len(voltages) if voltages else voltage_v
    return sum(amps * voltages.get(phase, usual_v) for phase, (amps, _) in currents.items()) / 1000


def _of(samples: tuple[Sample, ...], measurand: str, units: Iterable[str]) -> tuple[Sample, ...]:
    """Those of `measurand` at the outlet; of another place only where nothing is told of the outlet."""
    known = tuple(units)
    found = tuple(one for one in samples if one.measurand == measurand and one.unit in known)
    return tuple(one for one in found if one.location in ("", "Outlet")) or found


def _by_phase(samples: tuple[Sample, ...]) -> dict[str, tuple[float, str]]:
    """Values of L1, L2, L3, or of the one conductor that is told of without a name; neutral is none of them."""
    named = {one.phase.partition("-")[0]: (one.value, one.unit) for one in samples if "-L" not in one.phase}
    lines = {phase: value for phase, value in named.items() if phase in ("L1", "L2", "L3")}
    return lines or {phase: value for phase, value in named.items() if not phase}
