"""Where physics allows a slot to be in its band: what somebody could do who knew from the start what will go wrong, and
could move every device at once.

Minute by minute what is needed, the lower edge of the band, is taken first from devices that are about to be lost, then from
those that could go on for longest: no other order leaves more for later. Lines, generators and cars count as if they could
be set to any power. What PV does is known, too.
"""

from __future__ import annotations

from math import inf

from benchmarks.tracking.plant import Unit
from benchmarks.tracking.scene import EVENT_S, MINUTE_S, SLOT_S, Scene

BAND = 0.1
HOUR_MINUTES = 60
ENOUGH_KW = 1e-6


class Store:
    """What a device can still give: `kw` at most until `lost_s`, and `kwh` in all."""

    def __init__(self, kw: float, kwh: float, lost_s: float) -> None:
        self.kw = kw
        self.kwh = kwh
        self.lost_s = lost_s

    def order(self) -> tuple[float, float]:
        return self.lost_s, -self.kwh / self.kw

    def gives(self, most_kw: float, at_s: float) -> float:
        """For a minute; what it gives is gone."""
        if at_s >= self.lost_s:
            return 0.0
        kw = min(most_kw, self.kw, self.kwh * HOUR_MINUTES)
        self.kwh -= kw / HOUR_MINUTES
        return kw


def feasible(scene: Scene) -> tuple[bool, ...]:
    """Of each slot: could its mean have been in the band?"""
    lost = {each.id: each.at_s for each in scene.happenings}
    stores: list[Store] = []
    sun = None
    for one in scene.ones:
        unit = Unit(one, scene)
        unit.at(EVENT_S)
        if one.rated_kw:
            stores.append(Store(one.rated_kw, unit.left_kwh(), lost.get(one.id, inf)))
        else:
            sun = unit
    return tuple(_reaches(scene, stores, sun, number) for number in range(len(scene.asked_kw)))


def _reaches(scene: Scene, stores: list[Store], sun: Unit | None, number: int) -> bool:
    start_s = EVENT_S + number * SLOT_S
    missing_kw = 0.0
    for minute in range(round(SLOT_S / MINUTE_S)):
        at_s = start_s + minute * MINUTE_S
        wanted_kw = -(1 - BAND) * scene.target_kw(at_s, at_s + MINUTE_S)
        if sun is not None:
            wanted_kw += sun.at(at_s).kw - sun.one.plan_kw
        for store in sorted(stores, key=Store.order):
            if wanted_kw <= ENOUGH_KW:
                break
            wanted_kw -= store.gives(wanted_kw, at_s)
        missing_kw += wanted_kw
    return missing_kw <= ENOUGH_KW
