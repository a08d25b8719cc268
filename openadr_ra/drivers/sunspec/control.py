"""The ways in which a SunSpec device takes a power, best first: 704 WSet, 124 rates, a limit of 704 or 123.

Each way knows its points. Its reversion timer is set to the lease, so that the device lets go by itself; last of all it is
enabled. Powers in kW, load convention; SunSpec's own sign, output positive, is met here and in `facts` only.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, Protocol

from openadr_ra.drivers.sunspec.facts import FIXED_POWER, LIMITED_POWER, Nameplate
from openadr_ra.drivers.sunspec.registers import Image, Write
from openadr_ra.protocol.shape import Value

CHARGE, DISCHARGE = 1, 2
"""Bits of StorCtl_Mod."""

WATTS, PERCENT_OF_MAX = 1, 0
"""WSetMod."""


Holds = Literal["device", "storage", "limit"]
"""Whose power an order is: the device's, that of the battery behind it, or the most that the device may give."""


class Order(NamedTuple):
    """What a way's points tell the device to do. `raw` tells one order from another; `leased`: it ends by itself; None
    where the device has no timer."""

    raw: tuple[int, ...]
    kw: float
    leased: bool | None


class Move(NamedTuple):
    """What to write, and what comes of it: the power, and each `raw` that an order may have afterwards."""

    writes: tuple[Write, ...]
    raws: frozenset[tuple[int, ...]]
    kw: float


class Way(Protocol):
    @property
    def holds(self) -> Holds: ...

    def order(self, image: Image) -> Order | None:
        """What the device is told now; None: nothing, it is its own master."""
        ...

    def move(self, image: Image, kw: float, lease_s: float) -> Move: ...

    def let_go(self, image: Image) -> tuple[Write, ...]:
        """Back to its own devices."""
        ...


class FixedPower(Value, frozen=True, kw_only=True, gc=False):
    """704: WSet in watts, or WSetPct where the device knows only that."""

    rated_kw: float

    @property
    def holds(self) -> Holds:
        return "device"

    def order(self, image: Image) -> Order | None:
        if image.raw(704, "WSetEna") != 1:
            return None
        mode = self._mode(image) if image.raw(704, "WSetMod") is None else image.raw(704, "WSetMod")
        name = "WSet" if mode == WATTS else "WSetPct"
        value = image.number(704, name) or 0.0
        output_kw = value / 1000 if mode == WATTS else value * self.rated_kw / 100
        raw = (mode or 0, image.raw(704, name) or 0)
        return Order(raw, 0.0 - output_kw, leased(image, 704, "WSetRvrtTms"))

    def move(self, image: Image, kw: float, lease_s: float) -> Move:
        mode = self._mode(image)
        name = "WSet" if mode == WATTS else "WSetPct"
        value = -kw * 1000 if mode == WATTS else -kw / self.rated_kw * 100
        wanted = Write(704, name, value)
        writes = (
            Write(704, "WSetMod", mode),
            wanted,
            Write(704, f"{name}Rvrt", 0),
            # What follows the order is no other order: the device goes its own way.
            Write(704, "WSetEnaRvrt", 0),
            Write(704, "WSetRvrtTms", timer_s(lease_s)),
            Write(704, "WSetEna", 1),
        )
        step_kw = image.step(704, name) * (0.001 if mode == WATTS else self.rated_kw / 100)
        raw = image.rounded(wanted)
        # A device without WSetEnaRvrt is left at 0 when the timer ends.
        return Move(writes, frozenset({(mode, raw), (mode, 0)}), 0.0 - raw * step_kw)

    def let_go(self, image: Image) -> tuple[Write, ...]:
        return (Write(704, "WSetEna", 0),)

    def _mode(self, image: Image) -> int:
        return PERCENT_OF_MAX if image.raw(704, "WSet") is None else WATTS


class StorageRates(Value, frozen=True, kw_only=True, gc=False):
    """124: InWRte and OutWRte, percent of the highest charging and discharging power.

    Signed, the two are the ends of a band of powers, and an order is a band without width: to charge at 40 % InWRte is
    40 and OutWRte, the least it charges, -40. Plain, only the rate that is meant is set, and only its bit.
    """

    charge_kw: float
    discharge_kw: float
    signed: bool = True

    @property
    def holds(self) -> Holds:
        return "storage"

    def order(self, image: Image) -> Order | None:
        mode = image.raw(124, "StorCtl_Mod")
        if not mode:
            return None
        charge, discharge = image.number(124, "InWRte") or 0.0, image.number(124, "OutWRte") or 0.0
        charges = charge > 0 and bool(mode & CHARGE)
        kw = charge * self.charge_kw / 100 if charges else 0.0 - max(discharge, 0.0) * self.discharge_kw / 100
        raw = (image.raw(124, "InWRte") or 0, image.raw(124, "OutWRte") or 0)
        return Order(raw, kw, leased(image, 124, "InOutWRte_RvrtTms"))

    def move(self, image: Image, kw: float, lease_s: float) -> Move:
        charge, discharge, mode = self._rates(kw)
        rates = (Write(124, "OutWRte", discharge), Write(124, "InWRte", charge))
        writes = (
            *rates,
            Write(124, "InOutWRte_RvrtTms", timer_s(lease_s)),
            Write(124, "StorCtl_Mod", mode),
        )
        out, into = (image.rounded(rate) for rate in rates)
        percent = image.step(124, "InWRte") * max(into if kw > 0 else out, 0)
        held_kw = percent * self.charge_kw / 100 if kw > 0 else 0.0 - percent * self.discharge_kw / 100
        return Move(writes, frozenset({(into, out)}), held_kw)

    def let_go(self, image: Image) -> tuple[Write, ...]:
        return (Write(124, "StorCtl_Mod", 0), Write(124, "OutWRte", 100), Write(124, "InWRte", 100))

    def _rates(self, kw: float) -> tuple[float, float, int]:
        """InWRte, OutWRte and StorCtl_Mod for a power of the battery."""
        charge = kw / self.charge_kw * 100 if self.charge_kw else 0.0
        discharge = -kw / self.discharge_kw * 100 if self.discharge_kw else 0.0
        if self.signed or not kw:
            return charge, discharge, CHARGE | DISCHARGE
        return (charge, 0.0, CHARGE) if kw > 0 else (0.0, discharge, DISCHARGE)


class OutputLimit(Value, frozen=True, kw_only=True, gc=False):
    """704 or 123: WMaxLimPct, percent of the highest output. Whatever is generated, it is no more than that."""

    model: Literal[704, 123]
    rated_kw: float

    @property
    def holds(self) -> Holds:
        return "limit"

    def order(self, image: Image) -> Order | None:
        if image.raw(self.model, self._enabled) != 1:
            return None
        percent = image.number(self.model, "WMaxLimPct")
        if percent is None:
            return None
        raw = (image.raw(self.model, "WMaxLimPct") or 0,)
        return Order(raw, 0.0 - percent * self.rated_kw / 100, leased(image, self.model, self._timer))

    def move(self, image: Image, kw: float, lease_s: float) -> Move:
        wanted = Write(self.model, "WMaxLimPct", -kw / self.rated_kw * 100)
        writes = [wanted]
        if self.model == 704:
            writes += [Write(704, "WMaxLimPctRvrt", 100), Write(704, "WMaxLimPctEnaRvrt", 0)]
        writes += [Write(self.model, self._timer, timer_s(lease_s)), Write(self.model, self._enabled, 1)]
        raw = image.rounded(wanted)
        held_kw = 0.0 - raw * image.step(self.model, "WMaxLimPct") * self.rated_kw / 100
        return Move(tuple(writes), frozenset({(raw,)}), held_kw)

    def let_go(self, image: Image) -> tuple[Write, ...]:
        return (Write(self.model, self._enabled, 0), Write(self.model, "WMaxLimPct", 100))

    @property
    def _enabled(self) -> str:
        return "WMaxLimPctEna" if self.model == 704 else "WMaxLim_Ena"

    @property
    def _timer(self) -> str:
        return "WMaxLimPctRvrtTms" if self.model == 704 else "WMaxLimPct_RvrtTms"


def best_way(image: Image, plate: Nameplate, *, signed: bool) -> Way | None:
    """The best way that the device has; None: it can only be watched."""
    if not plate.rated_kw:
        return None
    modes = image.raw(702, "CtrlModes")
    fixed = modes is None or bool(modes & FIXED_POWER)
    sets = image.raw(704, "WSet") is not None or image.raw(704, "WSetPct") is not None
    if plate.kind != "pv" and fixed and sets and image.raw(704, "WSetEna") is not None:
        return FixedPower(rated_kw=plate.rated_kw)
    if plate.kind != "pv" and image.raw(124, "StorCtl_Mod") is not None:
        return StorageRates(charge_kw=plate.charge_kw, discharge_kw=plate.discharge_kw, signed=signed)
    return output_limit(image, plate)


def output_limit(image: Image, plate: Nameplate) -> OutputLimit | None:
    """The limit that the device knows beside whatever else moves it."""
    modes = image.raw(702, "CtrlModes")
    limited = modes is None or bool(modes & LIMITED_POWER)
    if limited and image.raw(704, "WMaxLimPct") is not None and image.raw(704, "WMaxLimPctEna") is not None:
        return OutputLimit(model=704, rated_kw=plate.rated_kw)
    if image.raw(123, "WMaxLimPct") is not None and image.raw(123, "WMaxLim_Ena") is not None:
        return OutputLimit(model=123, rated_kw=plate.rated_kw)
    return None


def leased(image: Image, model: int, timer: str) -> bool | None:
    """Whether a reversion timer was set; None where there is none."""
    seconds = image.raw(model, timer)
    return None if seconds is None else seconds > 0


def timer_s(lease_s: float) -> int:
    """No shorter than the lease, and never 0, which is for ever. What a register cannot hold is cut there."""
    return max(math.ceil(lease_s), 1)
