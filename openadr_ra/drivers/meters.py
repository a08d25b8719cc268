"""Energy registers behind a guard: they rise for ever, whatever the meter does."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from openadr_ra.protocol.shape import Value
from openadr_ra.seams import Measurement

ABSURD = 10.0
"""Times the largest power of a device that is metered by itself: beyond, its unit is wrong or its meter broken."""

CADENCE = timedelta(minutes=30)
"""A register may be counted up as rarely, by what came together meanwhile: meters of half-hours are."""

GRAINS_KWH = (1.0, 0.1, 0.01, 0.001)
"""The steps in which registers count, coarsest first."""

JITTER_KWH = 0.001
"""A register that falls by less has not fallen."""

BREAKS_WITHIN = timedelta(minutes=10)
"""A meter is replaced or reset once. A second break so soon after the first is a meter that cannot be believed."""


class Register(Value, frozen=True, kw_only=True, gc=False):
    """A register as the device says it, and by how much what is passed on differs from that.

    `moved_at` is when it was last seen to move, or the earliest time at which it may have; `grain_kwh` is the step in which
    it counts, as far as its values tell.
    """

    kwh: float
    moved_at: datetime
    grain_kwh: float
    offset_kwh: float = 0.0

    @property
    def passed_kwh(self) -> float:
        return self.kwh + self.offset_kwh


class Meter(Value, frozen=True, kw_only=True, gc=False):
    """Both registers of a device; None: it has not said that one yet. `breaks` are when they fell or leapt, the last two."""

    imported: Register | None = None
    exported: Register | None = None
    breaks: tuple[datetime, ...] = ()


class Metered(Value, frozen=True, kw_only=True, gc=False):
    """A reading with registers that only rise. `broke` is what they did, `again` whether they had done so just before."""

    meter: Meter
    reading: Measurement
    broke: str = ""
    again: bool = False


def metered(meter: Meter, reading: Measurement, largest_kw: float | None) -> Metered:
    """`reading` as it goes on from what was read before. A register that fell, or leapt further than `largest_kw` for all
    that time would explain, is left out once and goes on from where it was; without a `largest_kw` none leaps."""
    imported, import_broke = _on(meter.imported, reading.import_kwh, reading.at, largest_kw)
    exported, export_broke = _on(meter.exported, reading.export_kwh, reading.at, largest_kw)
    broke = "; ".join(
        f"its {name} register {what}" for name, what in (("import", import_broke), ("export", export_broke)) if what
    )
    again = bool(broke and meter.breaks and reading.at - meter.breaks[-1] <= BREAKS_WITHIN)
    passed = replace(
        reading,
        import_kwh=None if import_broke or reading.import_kwh is None or imported is None else imported.passed_kwh,
        export_kwh=None if export_broke or reading.export_kwh is None or exported is None else exported.passed_kwh,
    )
    breaks = (*meter.breaks[-1:], reading.at) if broke else meter.breaks
    return Metered(
        meter=Meter(imported=imported, exported=exported, breaks=breaks), reading=passed, broke=broke, again=again
    )


def _on(
    register: Register | None, kwh: float | None, at: datetime, largest_kw: float | None
) -> tuple[Register | None, str]:
    if kwh is None:
        return register, ""
    if register is None:
        return Register(kwh=kwh, moved_at=at - CADENCE, grain_kwh=grain(kwh)), ""
    rise_kwh = kwh - register.kwh
    if -JITTER_KWH < rise_kwh <= 0.0:
        return register, ""
    new = replace(register, kwh=kwh, moved_at=at, grain_kwh=min(register.grain_kwh, grain(kwh)))
    fault = ""
    if rise_kwh < 0:
        fault = f"fell from {register.kwh:g} to {kwh:g} kWh"
    elif largest_kw is not None:
        since_h = max((at - register.moved_at) / timedelta(hours=1), 0.0)
        if rise_kwh > ABSURD * largest_kw * since_h + 2 * max(register.grain_kwh, new.grain_kwh):
            fault = f"leapt from {register.kwh:g} to {kwh:g} kWh"
    if fault:
        new = replace(new, offset_kwh=register.passed_kwh - kwh)
    return new, fault


def grain(kwh: float) -> float:
    """The coarsest step of which `kwh` is a multiple; the finest where it is none."""
    for step in GRAINS_KWH:
        if abs(kwh / step - round(kwh / step)) < 1e-6:
            return step
    return GRAINS_KWH[-1]
