"""What a device's points say: of what it is, and of how it is now. Powers in kW, load convention, from here on."""

from __future__ import annotations

from collections.abc import Iterator

from openadr_ra.drivers.sunspec.registers import Image
from openadr_ra.drivers.sunspec.settings import SunspecKind, SunspecSettings
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.shape import Value
from openadr_ra.seams import Descriptor, Energy

PV_AND_STORAGE = 82
"""DERTyp of model 120."""

STRINGS = 160
"""The model of PV strings: who has it has PV."""

FIXED_POWER, LIMITED_POWER = 1 << 1, 1 << 0
"""Bits of CtrlModes in model 702."""

INVERTERS = (103, 102, 101)

MANUAL_SHUTDOWN = 1 << 6
"""Somebody stood before it: of Evt1 in models 101 to 103, of Alrm in 701."""


class Nameplate(Value, frozen=True, kw_only=True, gc=False):
    """What the device is. Ratings are positive, like on a name plate."""

    kind: SunspecKind
    rated_kw: float
    charge_kw: float = 0.0
    discharge_kw: float = 0.0
    capacity_kwh: float | None = None
    ramp_kw_per_s: float | None = None
    heartbeat: bool = False
    """Whether it wants to hear its controller's."""


class Now(Value, frozen=True, kw_only=True, gc=False):
    """How the device is. `kw` is None where it does not say. `storage_kw`: of the battery alone, where it says so."""

    kw: float | None
    storage_kw: float | None = None
    import_kwh: float | None = None
    export_kwh: float | None = None
    soc_percent: float | None = None
    floor_percent: float = 0.0
    ceiling_percent: float = 100.0
    available_kw: float | None = None
    from_grid: bool = True
    pulse: int | None = None
    fault: str = ""
    idle: str = ""
    """Why it can give and take nothing."""
    local: str = ""
    """Why it takes no orders."""


def nameplate(image: Image, settings: SunspecSettings) -> Nameplate:
    """Settings of the device, which its installer may have lowered, go before its ratings."""
    rated_w = image.first((702, "WMax"), (121, "WMax"), (702, "WMaxRtg"), (120, "WRtg")) or 0.0
    charge_w = image.first(
        *((702, "WChaRteMax"), (702, "WChaRteMaxRtg"), (124, "WChaMax"), (120, "MaxChaRte"), (802, "WChaRteMax"))
    )
    discharge_w = image.first(
        *((702, "WDisChaRteMax"), (702, "WDisChaRteMaxRtg"), (120, "MaxDisChaRte"), (802, "WDisChaRteMax"))
    )
    kind = settings.kind or _kind(image)
    stores = kind != "pv"
    rated_kw = (rated_w or discharge_w or charge_w or 0.0) / 1000
    energy_wh = image.first((713, "WHRtg"), (802, "WHRtg"), (120, "WHRtg"))
    return Nameplate(
        kind=kind,
        rated_kw=rated_kw,
        charge_kw=min(charge_w / 1000 if charge_w is not None else rated_kw, rated_kw) if stores else 0.0,
        discharge_kw=min(discharge_w / 1000 if discharge_w is not None else rated_kw, rated_kw) if stores else 0.0,
        capacity_kwh=settings.capacity_kwh or (energy_wh / 1000 if energy_wh and stores else None),
        ramp_kw_per_s=_ramp_kw_per_s(image, rated_kw),
        heartbeat=image.raw(802, "CtrlHb") is not None,
    )


def descriptor(resource: ResourceId, plate: Nameplate, now: Now, settings: SunspecSettings) -> Descriptor:
    """The device's range, narrowed by the settings."""
    low_kw = -plate.discharge_kw if plate.kind == "battery" else -plate.rated_kw
    low_kw, high_kw = narrowed(low_kw, plate.charge_kw, settings)
    energy = None
    if plate.kind != "pv" and plate.capacity_kwh is not None:
        reserve_kwh = plate.capacity_kwh * now.floor_percent / 100
        energy = Energy(capacity_kwh=plate.capacity_kwh, reserve_kwh=reserve_kwh)
    return Descriptor(
        id=resource,
        kind="generator" if plate.kind == "pv" else "battery",
        subtype="" if plate.kind == "battery" else plate.kind,
        metering_point=settings.metering_point,
        min_kw=low_kw,
        max_kw=high_kw,
        ramp_kw_per_s=plate.ramp_kw_per_s,
        energy=energy,
    )


def unmet(resource: ResourceId, settings: SunspecSettings) -> Descriptor:
    """A device that nobody has seen yet is what its settings say, and can do no more than they say."""
    low_kw, high_kw = settings.min_kw or 0.0, settings.max_kw or 0.0
    return Descriptor(
        id=resource,
        kind="generator" if settings.kind == "pv" else "battery",
        subtype=settings.kind if settings.kind in ("pv", "hybrid") else "",
        metering_point=settings.metering_point,
        min_kw=min(low_kw, high_kw),
        max_kw=max(low_kw, high_kw),
    )


def narrowed(low_kw: float, high_kw: float, settings: SunspecSettings) -> tuple[float, float]:
    """The range less what the settings forbid."""
    ends = (-1e9 if settings.min_kw is None else settings.min_kw, 1e9 if settings.max_kw is None else settings.max_kw)
    low, high = (min(max(kw, ends[0]), ends[1]) for kw in (low_kw, high_kw))
    return 0.0 + low, 0.0 + high


def now(image: Image, plate: Nameplate, settings: SunspecSettings) -> Now:
    own_floor = max(image.first(point) or 0.0 for point in ((802, "SoCRsvMin"), (802, "SoCMin"), (124, "MinRsvPct")))
    ceilings = (image.first(point) for point in ((802, "SoCMax"), (802, "SocRsvMax")))
    available_w = image.number(122, "WAval")
    stores = plate.kind != "pv"
    return Now(
        kw=_load_kw(image.first((701, "W"), *((model, "W") for model in INVERTERS))),
        storage_kw=_storage_kw(image) if stores else None,
        import_kwh=_kwh(image.number(701, "TotWhAbs")),
        export_kwh=_kwh(image.first((701, "TotWhInj"), *((model, "WH") for model in INVERTERS))),
        soc_percent=image.first((713, "SoC"), (802, "SoC"), (124, "ChaState")) if stores else None,
        floor_percent=min(max(own_floor, settings.reserve_percent), 100.0),
        ceiling_percent=min((value for value in ceilings if value), default=100.0),
        available_kw=None if available_w is None else available_w / 1000,
        from_grid=image.raw(124, "ChaGriSet") != 0,
        pulse=image.raw(802, "Hb"),
        fault="; ".join(_faults(image)),
        idle="; ".join(_idle(image)),
        local="; ".join(_local(image)),
    )


def _kind(image: Image) -> SunspecKind:
    """Storage is where model 124 or 802 is, or 713 with an energy: a DER without storage says 0 there."""
    stores = image.has(124) or image.has(802) or bool(image.number(713, "WHRtg"))
    if not stores:
        return "pv"
    return "hybrid" if image.raw(120, "DERTyp") == PV_AND_STORAGE or image.has(STRINGS) else "battery"


def _ramp_kw_per_s(image: Image, rated_kw: float) -> float | None:
    percent = image.first((704, "WRmp"), (124, "WChaGra"), (121, "WGra"))
    return percent * rated_kw / 100 if percent and rated_kw else None


def _storage_kw(image: Image) -> float | None:
    """Model 802 leaves the sign of its power open; the charge status has it. 3: discharging, 4: charging."""
    watts, status = image.number(802, "W"), image.raw(802, "ChaSt")
    if watts is None or status is None:
        return None
    return {3: -1, 4: 1}.get(status, 0) * abs(watts) / 1000


def _load_kw(watts: float | None) -> float | None:
    """SunSpec counts what is generated as positive."""
    return None if watts is None else 0.0 - watts / 1000


def _kwh(energy_wh: float | None) -> float | None:
    return None if energy_wh is None else energy_wh / 1000


def _faults(image: Image) -> Iterator[str]:
    if image.raw(701, "InvSt") == 6 or any(image.raw(model, "St") == 7 for model in INVERTERS):
        yield "the inverter reports a fault"
    if image.raw(713, "Sta") == 2 or image.raw(802, "State") == 99:
        yield "the battery reports a fault"


def _idle(image: Image) -> Iterator[str]:
    if image.raw(701, "ConnSt") == 0 or image.raw(123, "Conn") == 0:
        yield "it is disconnected from the grid"
    if image.raw(703, "ES") == 0:
        yield "it has no permission to enter service"
    if image.raw(802, "State") == 1:
        yield "its battery is disconnected"


def _local(image: Image) -> Iterator[str]:
    if image.raw(802, "LocRemCtl") == 1:
        yield "it is in local mode"
    alarms = (image.raw(701, "Alrm"), *(image.raw(model, "Evt1") for model in INVERTERS))
    if any(alarm is not None and alarm & MANUAL_SHUTDOWN for alarm in alarms):
        yield "it was shut down by hand"
