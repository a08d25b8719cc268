"""The devices of a scene, moved by the physics of the simulated drivers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import timedelta
from random import Random

from msgspec.structs import replace

from benchmarks.tracking.scene import ORIGIN, One, Scene, when
from openadr_ra.drivers.simulated.physics import HOUR_S, Order, State, advance, order, wish_kw
from openadr_ra.protocol.parts import COMM_FAILURE
from openadr_ra.protocol.schedule import Slot
from openadr_ra.protocol.times import FOREVER
from openadr_ra.seams import Descriptor, Measurement

SAME_KW = 0.01
"""A set-point that differs by less is the same one."""

SOC_TOLERANCE = 1e-6


class Unit:
    """A device, and what it was told. It has its own noise: what is measured of it is not what it does."""

    def __init__(self, one: One, scene: Scene) -> None:
        self.one = one
        self.state = one.physics.first()
        self.descriptor = described(one)
        self.lost = False
        self.changes = 0
        self.below_reserve = False
        self._watched = False
        self._told_kw: float | None = None
        self._last: Measurement | None = None
        self._noise = Random(f"{scene.seed}/{one.id}")  # noqa: S311 - it must be the same in each run
        self._noise_kw = scene.faults.noise_share * one.rated_kw

    def at(self, at_s: float) -> State:
        """Its state at that instant, not before the last one asked for."""
        self.state = advance(self.one.physics, self.state, at_s - self.state.t_s)
        energy = self.descriptor.energy
        if energy is not None and self.state.stored_kwh < energy.reserve_kwh - SOC_TOLERANCE:
            self.below_reserve = True
        return self.state

    def told(self, at_s: float, kw: float | None, until_s: float = math.inf) -> None:
        """From now on, after its latency, it shall run at `kw`; None: as it would by itself."""
        if self.lost:
            return
        if not _same(kw, self._told_kw):
            self.changes += 1
            self._told_kw = kw
        self._orders(at_s, Order(from_s=at_s + self.one.latency_s, until_s=until_s, kw=kw))

    def follows(self, at_s: float, slots: Iterable[tuple[float, float, float]]) -> None:
        """From now on these, each from, until and kW; then as it would by itself."""
        if self.lost:
            return
        ahead = [(max(start_s, at_s + self.one.latency_s), end_s, kw) for start_s, end_s, kw in slots if end_s > at_s]
        self._orders(at_s, Order(from_s=at_s + self.one.latency_s, until_s=math.inf, kw=None))
        for start_s, end_s, kw in ahead:
            self._orders(at_s, Order(from_s=start_s, until_s=end_s, kw=kw))
        self._watched = True

    def stops(self, at_s: float) -> None:
        """It does as it would by itself, whatever it is told."""
        self._orders(at_s, Order(from_s=at_s, until_s=math.inf, kw=None))
        self.lost = True

    def looked_at(self, at_s: float) -> State:
        """Its state at that instant. Of what follows a plan, changes of set-points are counted by looking at it."""
        state = self.at(at_s)
        kw = wish_kw(self.one.physics, state)
        if self._watched and not _same(kw, self._told_kw):
            self.changes += 1
            self._told_kw = kw
        return state

    def delivered_kwh(self) -> float:
        """Its energy so far, against its plan."""
        state = self.state
        return state.import_kwh - state.export_kwh - self.one.plan_kw * state.t_s / HOUR_S

    def left_kwh(self) -> float:
        """What it can still be reduced by; infinite where that has no end."""
        return self.one.physics.left(self.state).reduce_kwh

    def measures(self, at_s: float) -> Measurement:
        """As a driver reads it; one that is lost cannot be reached."""
        if self.lost and self._last is not None:
            return replace(self._last, online=False, quality=COMM_FAILURE)
        state, physics = self.at(at_s), self.one.physics
        left = physics.left(state)
        self._last = Measurement(
            at=when(at_s),
            kw=state.kw + self._noise.gauss(0.0, self._noise_kw),
            min_kw=physics.aim(state, physics.min_kw).kw,
            max_kw=physics.aim(state, physics.max_kw).kw,
            soc_percent=physics.soc_percent(state),
            can_reduce_kwh=left.reduce_kwh if math.isfinite(left.reduce_kwh) else None,
            can_raise_kwh=left.raise_kwh if math.isfinite(left.raise_kwh) else None,
        )
        return self._last

    def _orders(self, at_s: float, new: Order) -> None:
        self.state = advance(self.one.physics, order(self.at(at_s), new), 0.0)


def described(one: One) -> Descriptor:
    """With its plan laid on the clock."""
    plain = one.physics.descriptor(one.id)
    plan = (Slot(start=ORIGIN - timedelta(days=1), end=FOREVER, kw=one.plan_kw),)
    return replace(plain, plan=plan, latency_s=plain.latency_s + one.latency_s)


def _same(kw: float | None, other: float | None) -> bool:
    if kw is None or other is None:
        return kw is other
    return abs(kw - other) < SAME_KW
