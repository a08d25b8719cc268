"""The VENs below: a battery each behind an edge gateway, which polls, answers, follows its event and reports.

Gateways are modelled by what they do on the wire and to their battery, not as whole nodes, for 450 of these would take the
time of everything else: a gateway answers as its own fleet decides (`edge`), follows what it accepted, states what it can
give (x-AVAILABILITY), and lets go when it has heard nothing for `OFFLINE_S`.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple, Protocol

from benchmarks.tracking.agenda import Agenda
from benchmarks.tracking.edge import Edge
from benchmarks.tracking.plant import Unit
from benchmarks.tracking.scene import EVENT_S, SLOT_S, Scene, Spans, What, when
from openadr_ra.protocol.model import OPT_OUT, OptType, ResourceId
from openadr_ra.seams import Measurement

POLL_S = 10.0
LIVE_S = 60.0
ANSWER_S = 1.0
OFFLINE_S = 180.0
MIN_COVER = 0.9
REQUESTS_A_VERSION = 2
"""oadrPoll answered by oadrDistributeEvent, oadrCreatedEvent answered by oadrResponse."""

STATED_H = 0.5


class Version(NamedTuple):
    """An event as its VEN is told: each interval's start, end and kW. Of a cancelled one there are none."""

    name: str
    modification: int
    slots: Spans


class Above(Protocol):
    """Who hears what VENs say."""

    def opted(self, id: ResourceId, version: Version, opt: OptType) -> None: ...

    def reported(self, id: ResourceId, stated: Measurement) -> None: ...


class Wire:
    """What went over the wire, in HTTP requests. `asked_out` are versions that ask something of who is known to
    have opted out."""

    def __init__(self) -> None:
        self.requests = 0
        self.reports = 0
        self.asked_out = 0


class Home:
    """One VEN. With `answers` it opts out of what its store cannot give; else it gives what it can."""

    def __init__(self, unit: Unit, scene: Scene, agenda: Agenda, wire: Wire, above: Above, *, answers: bool) -> None:
        self.unit = unit
        self._agenda = agenda
        self._wire = wire
        self._above = above
        self._edge = Edge(unit, MIN_COVER if answers else 0.0)
        self._chance = agenda.chance(unit.one.id)
        self._faults = scene.faults
        self._phase_s = self._chance.uniform(0, LIVE_S)
        self._poll_phase_s = self._chance.uniform(0, POLL_S)
        self._pending: Version | None = None
        self._held: Version | None = None
        self._silent = False
        self._out = False
        self._known_out = False
        agenda.at(self._phase_s, self._reports)

    def publish(self, version: Version) -> None:
        """The newest version waits for the next poll; an older one that was not fetched yet is not sent any more."""
        if self._pending is None:
            now_s = self._agenda.now_s
            polls = (now_s - self._poll_phase_s) // POLL_S + 1
            self._agenda.at(self._poll_phase_s + polls * POLL_S, self._hears)
        self._pending = version
        self._wire.asked_out += self._known_out and any(kw for *_, kw in version.slots)

    def happens(self, what: What) -> None:
        """For good."""
        now_s = self._agenda.now_s
        match what:
            case "trips":
                self.unit.stops(now_s)
            case "dies":
                self._silent = True
                self.unit.stops(now_s)
            case "is cut off":
                self._silent = True
                self._agenda.at(now_s + OFFLINE_S, lambda: self.unit.stops(self._agenda.now_s))
            case "opts out":
                self._opt_out()

    def _hears(self) -> None:
        version, self._pending = self._pending, None
        if self._silent or version is None:
            return
        now_s = self._agenda.now_s
        self._wire.requests += REQUESTS_A_VERSION
        if self._out:
            return
        self._held = version
        if not version.slots:
            self._edge.cancelled(version.name, version.modification, now_s)
            self.unit.follows(now_s, ())
            return
        opt, spans = self._edge.asked(version.name, version.modification, version.slots, now_s)
        self.unit.follows(now_s, spans)
        self._out = opt == OPT_OUT
        self._says(version, opt)

    def _opt_out(self) -> None:
        """At home somebody wants the battery for something else."""
        self.unit.stops(self._agenda.now_s)
        self._out = True
        if self._held is not None and not self._silent:
            self._wire.requests += 1
            self._says(self._held, OPT_OUT)

    def _says(self, version: Version, opt: OptType) -> None:
        self._agenda.at(self._agenda.now_s + ANSWER_S, lambda: self._is_told(version, opt))

    def _is_told(self, version: Version, opt: OptType) -> None:
        self._known_out = opt == OPT_OUT
        self._above.opted(self.unit.one.id, version, opt)

    def _reports(self) -> None:
        """x-AVAILABILITY, as it is now; it may be late, or never come."""
        self._agenda.at(self._agenda.now_s + LIVE_S, self._reports)
        missed = self._chance.random() < self._faults.missing_share
        late_s = self._chance.uniform(0, self._faults.latency_s)
        if self._silent:
            return
        self._wire.reports += 1
        if missed:
            return
        stated = self._stated(self._agenda.now_s)
        self._agenda.at(self._agenda.now_s + late_s, lambda: self._above.reported(self.unit.one.id, stated))

    def _stated(self, now_s: float) -> Measurement:
        unit = self.unit
        if unit.lost:
            return Measurement(
                at=when(now_s), kw=0.0, min_kw=0.0, max_kw=0.0, can_reduce_kwh=0.0, can_raise_kwh=0.0, plan_kw=0.0
            )
        read = unit.measures(now_s)
        rest_s = SLOT_S - (now_s - EVENT_S) % SLOT_S if now_s >= EVENT_S else STATED_H * 3600
        reduce_kwh = read.can_reduce_kwh if read.can_reduce_kwh is not None else inf
        reduce_kw = min(unit.one.rated_kw, reduce_kwh / (rest_s / 3600))
        return Measurement(
            at=read.at,
            kw=read.kw,
            min_kw=-reduce_kw,
            max_kw=read.max_kw,
            can_reduce_kwh=read.can_reduce_kwh,
            can_raise_kwh=read.can_raise_kwh,
            plan_kw=0.0,
        )


Homes = dict[ResourceId, Home]
