"""One run: a scene, and who holds its figure."""

from __future__ import annotations

from collections.abc import Callable
from math import fsum

from benchmarks.tracking.agenda import Agenda
from benchmarks.tracking.homes import Home, Wire
from benchmarks.tracking.open_loop import OpenLoop
from benchmarks.tracking.ours import Ours
from benchmarks.tracking.plant import Unit
from benchmarks.tracking.scene import AFTER_S, EVENT_S, MINUTE_S, SITE_KW, TOLD_S, Scene
from openadr_ra.drivers.simulated.physics import HOUR_S
from openadr_ra.fleet.fleet import FleetTerms
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.shape import Value

POLICIES = ("equal", "pro-rata", "ours")


class Minute(Value, frozen=True, kw_only=True):
    """A minute from `start_s` on: means of power against the plan, and of all the node's own devices together at the site;
    what was counted until its end."""

    start_s: float
    kw: float
    site_kw: float
    requests: int
    reports: int
    changes: int
    below_reserve: int
    asked_out: int
    off_plan: int


class Run(Value, frozen=True, kw_only=True):
    scene: Scene
    policy: str
    minutes: tuple[Minute, ...]
    journal: tuple[str, ...]


class Simulation:
    def __init__(self, scene: Scene, policy: str, terms: FleetTerms | None = None) -> None:
        self.scene = scene
        self.policy = policy
        self.agenda = Agenda(scene.seed)
        self.wire = Wire()
        self.units: dict[ResourceId, Unit] = {one.id: Unit(one, scene) for one in scene.ones}
        self.ours = Ours(scene, self.units, self.agenda, terms) if policy == "ours" else None
        self.above = self.ours or OpenLoop("equal" if policy == "equal" else "pro-rata", scene, self.units, self.agenda)
        answers = policy == "ours"
        self.homes = {
            id: Home(unit, scene, self.agenda, self.wire, self.above, answers=answers)
            for id, unit in self.units.items()
            if unit.one.home
        }
        self.above.starts(self.homes)

    def run(self) -> Run:
        scene, agenda = self.scene, self.agenda
        agenda.at(TOLD_S, lambda: self.above.instructed(0))
        if scene.changed_s is not None:
            agenda.at(scene.changed_s, lambda: self.above.instructed(1))
        for each in scene.happenings:
            agenda.at(each.at_s, self._happening(each.id, each.what))
        minutes: list[Minute] = []
        agenda.runs_to(EVENT_S)
        held, site = self._energies(EVENT_S)
        at_s = EVENT_S
        while at_s < scene.end_s + AFTER_S:
            agenda.runs_to(at_s + MINUTE_S)
            now, now_site = self._energies(at_s + MINUTE_S)
            minutes.append(self._minute(at_s, now - held, now_site - site))
            held, site = now, now_site
            at_s += MINUTE_S
        return Run(
            scene=scene,
            policy=self.policy,
            minutes=tuple(minutes),
            journal=tuple(self.ours.journal) if self.ours is not None else (),
        )

    def _happening(self, id: ResourceId, what: str) -> Callable[[], None]:
        home = self.homes.get(id)
        if home is not None:
            return lambda: home.happens(what)
        return lambda: self.units[id].stops(self.agenda.now_s)

    def _energies(self, at_s: float) -> tuple[float, float]:
        for unit in self.units.values():
            unit.looked_at(at_s)
        delta = fsum(unit.delivered_kwh() for unit in self.units.values())
        own = [unit for unit in self.units.values() if not unit.one.home]
        return delta, fsum(unit.state.import_kwh - unit.state.export_kwh for unit in own)

    def _minute(self, start_s: float, kwh: float, site_kwh: float) -> Minute:
        units = self.units.values()
        hours = MINUTE_S / HOUR_S
        return Minute(
            start_s=start_s,
            kw=kwh / hours,
            site_kw=site_kwh / hours,
            requests=self.wire.requests,
            reports=self.wire.reports,
            changes=sum(unit.changes for unit in units),
            below_reserve=sum(unit.below_reserve for unit in units),
            asked_out=self.wire.asked_out,
            off_plan=sum(unit.one.id != "pv" and abs(unit.state.kw - unit.one.plan_kw) > 0.01 for unit in units),
        )
