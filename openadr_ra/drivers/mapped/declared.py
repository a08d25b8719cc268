"""What the settings of a mapped device say of it, and what does not fit together in them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from openadr_ra.drivers.mapped.mapping import P, Points, Raw, named
from openadr_ra.drivers.orders import DeviceSettings, Held, NotNegative, Percent, Positive, within
from openadr_ra.drivers.sanity import descriptor_faults
from openadr_ra.errors import SettingsError
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.schedule import Slot
from openadr_ra.seams import Descriptor, Energy

Fraction = Annotated[float, Meta(gt=0, le=1)]

FULL_PERCENT = 100.0


class MappedSettings(DeviceSettings, frozen=True, kw_only=True):
    """What every mapped device is told. A mapping says nothing of what the device is, so that stands here.

    `release_value`: the raw set-point of a device that nobody leads. A device that does not get its set-point again shows
    it within `echo_s`. What somebody else did to it counts for `override_s`, unless it is undone before.
    """

    kind: Literal["battery", "generator", "consumer"]
    subtype: str = ""
    metering: Literal["device", "pcc"] = "device"
    min_kw: float
    max_kw: float
    levels_kw: tuple[float, ...] = ()
    gap_kw: tuple[float, ...] = ()
    capacity_kwh: Positive | None = None
    reserve_percent: Percent = 20.0
    charge_efficiency: Fraction = 0.95
    discharge_efficiency: Fraction = 0.95
    ramp_kw_per_s: Positive | None = None
    latency_s: NotNegative = 0.0
    min_on_s: NotNegative = 0.0
    min_off_s: NotNegative = 0.0
    plan_kw: float | None = None
    failsafe: Literal["release", "hold"] = "release"
    release_value: Raw | None = None
    heartbeat_s: Positive = 10.0
    alive_s: Positive = 60.0
    echo_s: Positive = 5.0
    override_s: Positive = 1800.0

    def __post_init__(self) -> None:
        if len(self.gap_kw) not in (0, 2):
            raise ValueError("gap_kw is two powers, the lower one first")


def descriptor(resource: ResourceId, settings: MappedSettings, born: datetime) -> Descriptor:
    """The device as its settings describe it. Raises SettingsError for what does not fit together."""
    gap = settings.gap_kw
    found = Descriptor(
        id=resource,
        kind=settings.kind,
        subtype=settings.subtype,
        metering=settings.metering,
        metering_point=settings.metering_point,
        min_kw=settings.min_kw,
        max_kw=settings.max_kw,
        gap_kw=(gap[0], gap[1]) if gap else None,
        levels_kw=settings.levels_kw,
        ramp_kw_per_s=settings.ramp_kw_per_s,
        latency_s=settings.latency_s,
        min_on_s=settings.min_on_s,
        min_off_s=settings.min_off_s,
        energy=_energy(settings),
        plan=() if settings.plan_kw is None else (Slot(start=born, kw=settings.plan_kw),),
        failsafe=settings.failsafe,
    )
    for fault in descriptor_faults(found):
        raise SettingsError(f'device "{resource}": {fault}')
    return found


def _energy(settings: MappedSettings) -> Energy | None:
    if settings.capacity_kwh is None:
        return None
    return Energy(
        capacity_kwh=settings.capacity_kwh,
        reserve_kwh=settings.capacity_kwh * settings.reserve_percent / 100,
        charge_efficiency=settings.charge_efficiency,
        discharge_efficiency=settings.discharge_efficiency,
    )


def check(resource: ResourceId, settings: MappedSettings, points: Points[P]) -> None:
    """Raises SettingsError for points that do not fit the other settings."""
    for fault in _faults(settings, points):
        raise SettingsError(f'device "{resource}": {fault}')


def _faults(settings: MappedSettings, points: Points[P]) -> Iterator[str]:
    if points.enable is None and settings.release_value is None:
        yield "nothing gives it back control; it needs points.enable or a release_value"
    if settings.capacity_kwh is not None and points.soc is None:
        yield "points.soc is missing: without it nobody sees to the reserve of capacity_kwh"
    for name in ("lease", "heartbeat"):
        if settings.failsafe == "hold" and name in named(points):
            yield f'failsafe is "hold", but points.{name} ends each set-point'


def writes(points: Points[P]) -> Iterator[tuple[str, P]]:
    """The points that are written, by their names in the settings."""
    mapped = named(points)
    yield from ((name, mapped[name]) for name in ("lease", "setpoint", "heartbeat", "enable") if name in mapped)


def possible(declared: Descriptor, kw: float, low_kw: float, high_kw: float) -> Held:
    """The power nearest to `kw` that the device can stay at, between what it can do now."""
    held = within(kw, low_kw, high_kw)
    levels = [level for level in declared.levels_kw if low_kw <= level <= high_kw]
    if declared.levels_kw:
        nearest_kw = min(levels or declared.levels_kw, key=lambda level: abs(level - held.kw))
        return held if nearest_kw == held.kw else Held(nearest_kw, f"it runs at {_listed(declared.levels_kw)} kW")
    gap = declared.gap_kw
    if gap is not None and gap[0] < held.kw < gap[1]:
        edges = [edge for edge in gap if low_kw <= edge <= high_kw] or list(gap)
        nearest_kw = min(edges, key=lambda edge: abs(edge - held.kw))
        return Held(nearest_kw, f"it cannot stay between {gap[0]:g} and {gap[1]:g} kW")
    return held


def _listed(levels: tuple[float, ...]) -> str:
    return ", ".join(f"{level:g}" for level in levels)


def reach(declared: Descriptor, low_kw: float | None, high_kw: float | None, soc: float | None) -> tuple[float, float]:
    """The powers that can be reached now: those declared, as far as the device and its state of charge allow."""
    low, high = declared.min_kw, declared.max_kw
    low = min(max(low, low_kw), high) if low_kw is not None else low
    high = max(min(high, high_kw), low) if high_kw is not None else high
    energy = declared.energy
    if energy is None:
        return low, high
    # Nobody knows what is left: then nothing is taken.
    if soc is None or soc / 100 * energy.capacity_kwh <= energy.reserve_kwh:
        low, high = max(low, 0.0), max(high, 0.0)
    if soc is not None and soc >= FULL_PERCENT:
        low, high = min(low, 0.0), min(high, 0.0)
    return low, high


def left_kwh(energy: Energy | None, soc: float | None) -> tuple[float | None, float | None]:
    """What can still be given and taken at the terminals, above the reserve and below full; None: unlimited or not known."""
    if energy is None or soc is None:
        return None, None
    stored = soc / 100 * energy.capacity_kwh
    give = max(stored - energy.reserve_kwh, 0.0) * energy.discharge_efficiency
    return give, (energy.capacity_kwh - stored) / energy.charge_efficiency
