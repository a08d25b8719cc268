"""One mapping of points: between what a device says, in its own unit, sign and scale, and what we reckon with.

Pure, and the same for every carrier. A raw value is what stands in a register, in a payload or in JSON. Ours are kW in load
convention, kWh, percent and seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Generic, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Meta
from msgspec.structs import asdict

from openadr_ra.drivers.orders import SAME_KW

Raw = float | bool | str
"""What a carrier carries: a number, JSON's true and false, or a word."""

Kind = Literal["power", "energy", "percent", "time", "count", "flag"]
Unit = Literal["W", "kW", "MW", "Wh", "kWh", "MWh", "%", "fraction", "ms", "s", "min"]

UNITS: Mapping[Kind, Mapping[Unit, float]] = {
    "power": {"kW": 1.0, "W": 0.001, "MW": 1000.0},
    "energy": {"kWh": 1.0, "Wh": 0.001, "MWh": 1000.0},
    "percent": {"%": 1.0, "fraction": 100.0},
    "time": {"s": 1.0, "ms": 0.001, "min": 60.0},
    "count": {},
    "flag": {},
}
"""How much of our unit one of the device's is. Ours comes first: it is what a point has that says nothing."""

READ: Mapping[str, Kind] = {
    "power": "power",
    "import_energy": "energy",
    "export_energy": "energy",
    "soc": "percent",
    "min_power": "power",
    "max_power": "power",
    "local": "flag",
    "online": "flag",
    "alive": "count",
    "setpoint_state": "power",
    "enable_state": "flag",
}
FOLLOWED = ("setpoint_state", "enable_state")
"""What a device that nobody leads need not show."""

WRITTEN: Mapping[str, Kind] = {"lease": "time", "setpoint": "power", "heartbeat": "count", "enable": "flag"}
"""In the order in which they are written: the lease before what it is for, the power before what makes it count."""
KINDS: Mapping[str, Kind] = {**READ, **WRITTEN}

COUNTS = 32_768
"""A heartbeat begins anew here: any 16-bit register holds the numbers below."""


class Grid(NamedTuple):
    """What a place can hold: multiples of `step` (0: any number) from `low` to `high`, raw."""

    step: float
    low: float = -math.inf
    high: float = math.inf


class Point(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One value of the device, wherever it is. `scale` times raw is a value in `unit`; none: kW, kWh, % or s.

    `sign`: "load" where import and charging are positive, "generation" where they are negative. `low` and `high`, in our
    unit and load convention: what is read beyond is not believed, and nothing beyond is written. `invalid`: raw values that
    mean "not known". What is written is a multiple of `step`, raw. `on` and `off` are the raw values of a flag.
    """

    unit: Unit | None = None
    sign: Literal["load", "generation"] = "load"
    scale: Annotated[float, Meta(gt=0)] = 1.0
    low: float | None = None
    high: float | None = None
    invalid: tuple[float, ...] = ()
    step: Annotated[float, Meta(ge=0)] = 0.0
    on: Raw = 1
    off: Raw = 0

    @property
    def grid(self) -> Grid:
        return Grid(self.step)


P = TypeVar("P", bound=Point)


class Points(msgspec.Struct, Generic[P], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The points of one device: `power` and `setpoint`, and whatever else it has.

    Read: `import_energy` and `export_energy`, registers that rise for ever; `soc`; `min_power` and `max_power`, what it can
    do at this moment; `local`, somebody has it in hand; `online`; `alive`, a counter of its own that moves as long as it
    works; `setpoint_state` and `enable_state`, what it follows now. Written: `lease`, for how long the set-point holds;
    `setpoint`; `heartbeat`, a counter of ours; `enable`, its remote mode.
    """

    power: P
    setpoint: P
    import_energy: P | None = None
    export_energy: P | None = None
    soc: P | None = None
    min_power: P | None = None
    max_power: P | None = None
    local: P | None = None
    online: P | None = None
    alive: P | None = None
    setpoint_state: P | None = None
    enable_state: P | None = None
    lease: P | None = None
    heartbeat: P | None = None
    enable: P | None = None

    def __post_init__(self) -> None:
        for name, point in named(self).items():
            for fault in faults(point, KINDS[name]):
                raise ValueError(f"points.{name}: {fault}")


def named(points: Points[P]) -> Mapping[str, P]:
    """The points that there are, by name."""
    return {name: point for name, point in asdict(points).items() if point is not None}


def readable(points: Points[P]) -> Mapping[str, P]:
    """Those that are read."""
    return {name: point for name, point in named(points).items() if name in READ}


def faults(point: Point, kind: Kind) -> Iterator[str]:
    """What a point of this kind cannot be told."""
    units = UNITS[kind]
    if point.unit is not None and point.unit not in units:
        cure = f"it is one of {', '.join(units)}" if units else "it has none"
        yield f"{point.unit} is no unit of a {kind}; {cure}"
    if point.sign != "load" and kind != "power":
        yield f"a {kind} has no sign"
    if point.scale != 1 and kind in ("count", "flag"):
        yield f"a {kind} has no scale"
    if point.low is not None and point.high is not None and point.low > point.high:
        yield f"low {point.low:g} is above high {point.high:g}"
    if kind == "flag" and alike(point.on, point.off):
        yield f"on and off are both {point.on!r}"


class Sample(NamedTuple):
    """A raw value and when it was true."""

    raw: Raw
    at: datetime


def number(raw: Raw) -> float | None:
    """`raw` as a number; None for words, NaN and the infinities."""
    if isinstance(raw, str) and "_" in raw:
        return None
    try:
        found = float(raw)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def factor(point: Point, kind: Kind) -> float:
    """One step of the raw value in our unit, with our sign."""
    units = UNITS[kind]
    unit = units[point.unit] if point.unit is not None else 1.0
    return point.scale * unit * (-1 if point.sign == "generation" else 1)


def value(point: Point, kind: Kind, raw: Raw) -> float | None:
    """`raw` in our unit and sign; None where it is not to be believed."""
    found = number(raw)
    if found is None or found in point.invalid:
        return None
    ours = _clean(found * factor(point, kind))
    low, high = limits(point)
    possible = kind != "percent" or 0 <= ours <= 100
    return ours if possible and low <= ours <= high else None


def _clean(ours: float) -> float:
    """Without the noise of the arithmetic, and without minus zero."""
    return round(ours, 9) + 0.0


def limits(point: Point) -> tuple[float, float]:
    """`low` and `high`, with what none means."""
    return (-math.inf if point.low is None else point.low, math.inf if point.high is None else point.high)


def flag(point: Point, raw: Raw) -> bool | None:
    """Whether `raw` says on; None where it says neither that nor off.

    Of a register with more than two modes every other one is "not on": a device in its own automatic mode is not ours.
    """
    if alike(raw, point.on):
        return True
    if alike(raw, point.off) or number(raw) is not None:
        return False
    return None


def alike(first: Raw, second: Raw) -> bool:
    """Whether two raw values say the same: numbers by value, true being 1; words whatever their case."""
    one, other = number(first), number(second)
    if one is None or other is None:
        return str(first).strip().casefold() == str(second).strip().casefold()
    return one == other


class Written(NamedTuple):
    """What is written, and what that is in our unit and sign."""

    raw: float
    ours: float


def nearest(point: Point, kind: Kind, wanted: float, low: float, high: float) -> Written | None:
    """The value nearest to `wanted` that the point can hold and that lies in [low, high]; never beyond by rounding.

    None where it can hold no such value.
    """
    least, most = limits(point)
    low, high = max(low, least), min(high, most)
    by, grid = factor(point, kind), point.grid
    raw = min(max(min(max(wanted, low), high) / by, grid.low), grid.high)
    tried = _steps(raw, grid) if grid.step else [raw]
    fitting = [Written(one, _clean(one * by)) for one in tried if low - SAME_KW <= one * by <= high + SAME_KW]
    return min(fitting, key=lambda one: abs(one.ours - wanted), default=None)


def _steps(raw: float, grid: Grid) -> list[float]:
    """The multiples of the step that are nearest to `raw`, those that the grid holds."""
    middle = round(raw / grid.step)
    steps = (number * grid.step for number in (middle, middle - 1, middle + 1))
    return [raw for raw in steps if grid.low <= raw <= grid.high]


def resolution(point: Point, kind: Kind) -> float:
    """By so much two values that the point tells apart differ at least."""
    return abs(point.grid.step * factor(point, kind))


class Seen(NamedTuple):
    """What a device shows, in our units; None: not mapped, or not to be believed."""

    at: datetime
    kw: float | None
    import_kwh: float | None = None
    export_kwh: float | None = None
    soc_percent: float | None = None
    min_kw: float | None = None
    max_kw: float | None = None
    local: bool = False
    online: bool = True
    alive: float | None = None
    setpoint_kw: float | None = None
    parked: bool = False
    """Its set-point is the one that it has when nobody leads it."""
    enabled: bool | None = None
    lacking: tuple[str, ...] = ()
    """Points that are mapped and measure something, and say nothing that can be believed."""


def seen(points: Points[P], samples: Mapping[str, Sample], parking: Raw | None, now: datetime) -> Seen:
    """What these samples say. What is mapped as a state of being online says no until it says yes."""
    mapped = readable(points)
    figures = {
        name: value(mapped[name], READ[name], samples[name].raw)
        for name in mapped
        if READ[name] != "flag" and name in samples
    }
    flags = {name: flag(mapped[name], samples[name].raw) for name in mapped if READ[name] == "flag" and name in samples}
    state = samples.get("setpoint_state")
    parked = state is not None and parking is not None and alike(state.raw, parking)
    known = {name for name, found in (figures | flags).items() if found is not None}
    return Seen(
        at=samples["power"].at if "power" in samples else now,
        kw=figures.get("power"),
        import_kwh=figures.get("import_energy"),
        export_kwh=figures.get("export_energy"),
        soc_percent=figures.get("soc"),
        min_kw=figures.get("min_power"),
        max_kw=figures.get("max_power"),
        local=bool(flags.get("local")),
        online="online" not in mapped or flags.get("online") is True,
        alive=figures.get("alive"),
        setpoint_kw=figures.get("setpoint_state"),
        parked=parked,
        enabled=flags.get("enable_state"),
        lacking=tuple(name for name in mapped if name not in known and name not in FOLLOWED),
    )
