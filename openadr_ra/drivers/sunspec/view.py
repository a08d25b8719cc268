"""One look at a device: what it does, who has told it to, and where it could go from there."""

from __future__ import annotations

from msgspec.structs import replace

from openadr_ra.drivers.sunspec.control import Order, Way, output_limit
from openadr_ra.drivers.sunspec.facts import Nameplate, Now, narrowed
from openadr_ra.drivers.sunspec.registers import Image
from openadr_ra.drivers.sunspec.settings import SunspecSettings
from openadr_ra.protocol.shape import Value

Mine = frozenset[tuple[int, ...]]
"""What our orders look like in the registers."""


class View(Value, frozen=True, kw_only=True):
    """`order` is what the device is told, by us or (`foreign`) by somebody else. Powers in kW, load convention.

    `sun_kw`, positive, is what a hybrid's PV gives; `free_kw`, positive, what a PV plant gave when nobody held it back.
    """

    image: Image
    plate: Nameplate
    now: Now
    way: Way | None
    order: Order | None
    foreign: bool
    low_kw: float
    high_kw: float
    sun_kw: float = 0.0
    free_kw: float = 0.0

    @property
    def order_kw(self) -> float:
        """What the device is told to do at its terminals, as far as that can be said; 0 without an order."""
        if self.order is None:
            return 0.0
        told = self.order.kw - (self.sun_kw if self.way is not None and self.way.holds == "storage" else 0.0)
        return 0.0 + told

    @property
    def local(self) -> str:
        """Why the device is somebody else's; empty where it is ours to move."""
        if self.foreign:
            return self.now.local or f"another controller holds it at {self.order_kw:g} kW"
        return self.now.local

    @property
    def idle(self) -> str:
        """Why it cannot be moved, whoever asks."""
        if self.way is None:
            return "it has no control that is known here: model 704, 124 or 123"
        return self.now.fault or self.now.idle


def view(
    image: Image,
    plate: Nameplate,
    now: Now,
    way: Way | None,
    mine: Mine | None,
    free_kw: float,
    settings: SunspecSettings,
) -> View:
    """`mine`: our orders; None before the first. Then one that ends by itself, or cannot, is taken for ours from before a
    restart; one that could end by itself and will not is somebody's standing order."""
    order = way.order(image) if way is not None else None
    foreign = order is not None and (order.leased is False if mine is None else order.raw not in mine)
    kw = now.kw or 0.0
    seen = View(
        image=image,
        plate=plate,
        now=now,
        way=way,
        order=order,
        foreign=foreign,
        low_kw=kw,
        high_kw=kw,
        sun_kw=_sun_kw(plate, now, way, None if foreign else order),
        free_kw=max(-kw, 0.0 if order is None else free_kw),
    )
    if seen.local or seen.idle:
        return seen
    low_kw, high_kw = _pv_reach(seen) if plate.kind == "pv" else _storage_reach(seen)
    low_kw, high_kw = narrowed(low_kw, high_kw, settings)
    return replace(seen, low_kw=low_kw, high_kw=high_kw)


def _sun_kw(plate: Nameplate, now: Now, way: Way | None, order: Order | None) -> float:
    """What leaves a hybrid less what its battery gives: as it says itself, else as it was told.

    What is known of neither counts as the battery's, but for one that is empty.
    """
    if plate.kind != "hybrid" or now.kw is None:
        return 0.0
    if now.storage_kw is not None:
        return max(now.storage_kw - now.kw, 0.0)
    if way is not None and way.holds == "storage":
        return max((order.kw if order is not None else 0.0) - now.kw, 0.0)
    empty = now.soc_percent is not None and now.soc_percent <= now.floor_percent
    return max(-now.kw, 0.0) if empty else 0.0


def _pv_reach(seen: View) -> tuple[float, float]:
    """Nothing, to what the sun gives; under a limit that is not known, but it was there before."""
    available_kw = seen.free_kw if seen.now.available_kw is None else seen.now.available_kw
    return -min(available_kw, seen.plate.rated_kw), 0.0


def _storage_reach(seen: View) -> tuple[float, float]:
    """As far as charge and PV allow; no further than a limit to its output that somebody has set beside."""
    now, plate = seen.now, seen.plate
    soc = now.soc_percent
    give_kw = plate.discharge_kw if soc is None or soc > now.floor_percent else 0.0
    take_kw = plate.charge_kw if soc is None or soc < now.ceiling_percent else 0.0
    low_kw = -min(seen.sun_kw + give_kw, plate.rated_kw)
    high_kw = take_kw - seen.sun_kw
    if not now.from_grid:
        high_kw = min(high_kw, 0.0)
    if seen.way is not None and seen.way.holds == "device":
        # It can hold its own PV back.
        high_kw = max(high_kw, 0.0)
    limit = output_limit(seen.image, plate)
    capped = limit.order(seen.image) if limit is not None and limit != seen.way else None
    if capped is not None:
        low_kw = max(low_kw, capped.kw)
    return min(low_kw, high_kw), high_kw
