"""One run: a scene, and who holds its figure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import fsum
from typing import Literal, get_args

from benchmarks.tracking.agenda import Agenda
from benchmarks.tracking.homes import Home, Wire
from benchmarks.tracking.open_loop import OpenLoop
from benchmarks.tracking.ours import Ours
from benchmarks.tracking.plant import Unit
from benchmarks.tracking.scene import AFTER_S, EVENT_S, MINUTE_S, TOLD_S, Scene, What
from openadr_ra.drivers.simulated.physics import HOUR_S
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.shape import Value

Policy = Literal["equal", "pro-rata", "plan", "ours"]
"""Three open loops: the same for everyone, in proportion to what is rated, and as our fleet plans it; and our fleet."""

POLICIES: tuple[Policy, ...] = get_args(Policy)


class Minute(Value, frozen=True, kw_only=True):
    """A minute from `start_s` on: means of power against the plan, and of all the node's own devices together at the site;
    what was counted until its end."""

    start_s: float
    kw: float
    site_kw: float
    requests: int
    reports: int
    home_changes: int
    own_changes: int
    below_reserve: int
    asked_out: int
    off_plan: int


class Run(Value, frozen=True, kw_only=True):
    """What was seen, from the event's start on. `reports_before`: live reports until then. `journal` is of our fleet."""

    scene: Scene
    policy: Policy
    reports_before: int
    minutes: tuple[Minute, ...]
    journal: tuple[str, ...]


class Simulation:
    """Everything of one run."""

    def __init__(self, scene: Scene, policy: Policy) -> None:
        self.scene = scene
        self.policy = policy
        self.agenda = Agenda(scene.seed)
        self.wire = Wire()
        self.units: dict[ResourceId, Unit] = {one.id: Unit(one, scene) for one in scene.ones}
        self.ours = Ours(scene, self.units, self.agenda, deaf=policy == "plan") if policy in ("plan", "ours") else None
        self.above = self.ours or OpenLoop("equal" if policy == "equal" else "pro-rata", scene, self.units, self.agenda)
        # Open loops are spared the opt-outs of stores that cannot give all that is asked of them: nobody would stand in.
        answers = policy == "ours"
        self.homes = {
            id: Home(unit, scene, self.agenda, self.wire, self.above, answers=answers)
            for id, unit in self.units.items()
            if unit.one.home
        }
        self.above.starts(self.homes)

    def run(self) -> Run:
        """From before the event until everything should be let go again."""
        scene, agenda = self.scene, self.agenda
        agenda.at(TOLD_S, lambda: self.above.instructed(0))
        if scene.changed_s is not None:
            agenda.at(scene.changed_s, lambda: self.above.instructed(1))
        for each in scene.happenings:
            agenda.at(each.at_s, self._happening(each.id, each.what))
        agenda.runs_to(EVENT_S)
        reports_before = self.wire.reports
        minutes = tuple(self._watched(EVENT_S, scene.end_s + AFTER_S))
        return Run(
            scene=scene,
            policy=self.policy,
            reports_before=reports_before,
            minutes=minutes,
            journal=tuple(self.ours.journal) if self.ours is not None else (),
        )

    def _watched(self, start_s: float, end_s: float) -> Iterator[Minute]:
        held, site = self._energies(start_s)
        for number in range(round((end_s - start_s) / MINUTE_S)):
            at_s = start_s + number * MINUTE_S
            self.agenda.runs_to(at_s + MINUTE_S)
            now, now_site = self._energies(at_s + MINUTE_S)
            yield self._minute(at_s, now - held, now_site - site)
            held, site = now, now_site

    def _happening(self, id: ResourceId, what: What) -> Callable[[], None]:
        home = self.homes.get(id)
        if home is not None:
            return lambda: home.happens(what)
        return lambda: self.units[id].stops(self.agenda.now_s)

    def _energies(self, at_s: float) -> tuple[float, float]:
        """So far, kWh: of all against their plans, and of the node's own devices as such."""
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
            home_changes=sum(unit.changes for unit in units if unit.one.home),
            own_changes=sum(unit.changes for unit in units if not unit.one.home),
            below_reserve=sum(unit.below_reserve for unit in units),
            asked_out=self.wire.asked_out,
            off_plan=sum(unit.one.id != "pv" and abs(unit.state.kw - unit.one.plan_kw) > 0.01 for unit in units),
        )
