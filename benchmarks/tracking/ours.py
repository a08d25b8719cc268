"""Ours: the row of an aggregator's fleet, `openadr_ra.fleet.fleet`, moved as the hall moves it, message by message."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import inf

from msgspec.structs import replace

from benchmarks.tracking.agenda import Agenda
from benchmarks.tracking.homes import Homes, Version
from benchmarks.tracking.plant import Unit
from benchmarks.tracking.scene import EVENT_S, MINUTE_S, SLOT_S, TOLD_S, Scene, since, when
from openadr_ra.fleet.fleet import Enrolled, Fleet, FleetTerms, Input, Measured, receive, wake
from openadr_ra.protocol import event as events
from openadr_ra.protocol.model import CANCELLED, EventId, OptType, ResourceId, VenId
from openadr_ra.protocol.parts import COMM_FAILURE, Event
from openadr_ra.protocol.schedule import Schedule, Slot
from openadr_ra.protocol.step import (
    Apply,
    Effect,
    Fetched,
    Instruct,
    Key,
    Mail,
    Moment,
    Opted,
    Outcome,
    Publish,
    Read,
    Record,
    Verdict,
)
from openadr_ra.seams import Descriptor, Measurement

READ_S = 10.0
SILENT_S = 180.0
"""Three live reports."""

FAR_KW = 1e9
ABOVE = Key("node/ac")
EVENT = EventId("E1")


class Ours:
    """The aggregator. What its fleet wants is carried out at once; what it mails to a VEN waits for that VEN's poll.

    One that is `deaf` hears nothing more once its event has come: what is left is the plan.
    """

    def __init__(self, scene: Scene, units: dict[ResourceId, Unit], agenda: Agenda, *, deaf: bool = False) -> None:
        self.fleet = Fleet()
        self.verdicts: list[Verdict] = []
        self.journal: list[str] = []
        self._scene = scene
        self._units = units
        self._own = {id: unit for id, unit in units.items() if not unit.one.home}
        self._homes: Homes = {}
        self._agenda = agenda
        self._terms = deaf_terms(scene) if deaf else terms_of(scene)
        self._deaf = deaf
        self._heard: dict[ResourceId, Measurement] = {}
        self._fresh: dict[ResourceId, Measurement] = {}
        self._silent: set[ResourceId] = set()
        self._due: datetime | None = None
        self._steps = 0

    def starts(self, homes: Homes) -> None:
        """The VENs are registered, and heard of by and by."""
        self._homes = homes
        below = tuple(Descriptor(id=id, kind="battery", subtype="ven", min_kw=-FAR_KW, max_kw=FAR_KW) for id in homes)
        self._gives(
            Enrolled(
                terms=self._terms,
                descriptors=(*(unit.descriptor for unit in self._own.values()), *below),
                # Nobody above asks what could be given: to state it every ten seconds would take a quarter of the time.
                report_to=(),
                vens={id: VenId(id) for id in homes},
            )
        )
        self._reads()

    def instructed(self, modification: int) -> None:
        """The event, or its newer version, comes from above."""
        asked = self._scene.kw_by_slot(self._agenda.now_s)
        slots = tuple(
            Slot(start=when(EVENT_S + number * SLOT_S), end=when(EVENT_S + (number + 1) * SLOT_S), kw=kw)
            for number, kw in enumerate(asked)
        )
        schedule = Schedule(id=EVENT, mode="delta", slots=slots)
        self._gives(Instruct(schedule=schedule, modification=modification, reply_to=ABOVE))

    def opted(self, id: ResourceId, version: Version, opt: OptType) -> None:
        if self._deaf:
            return
        self._gives(Opted(ven=VenId(id), event_id=EventId(version.name), modification=version.modification, opt=opt))

    def reported(self, id: ResourceId, stated: Measurement) -> None:
        held = self._heard.get(id)
        if held is None or stated.at >= held.at:
            self._heard[id] = self._fresh[id] = stated
            self._silent.discard(id)

    def _reads(self) -> None:
        """Every device, and what VENs reported since the last time."""
        now_s = self._agenda.now_s
        if self._deaf and now_s >= TOLD_S:
            return
        self._agenda.at(now_s + READ_S, self._reads)
        found = {id: unit.measures(now_s) for id, unit in self._own.items()} | self._fresh
        self._fresh = {}
        for id, stated in self._heard.items():
            if id not in self._silent and when(now_s) - stated.at > timedelta(seconds=SILENT_S):
                self._silent.add(id)
                found[id] = replace(stated, online=False, quality=COMM_FAILURE)
        self._gives(Measured(measurements=found))

    def _gives(self, given: Input) -> None:
        self._done(receive(self.fleet, given, self._moment()))

    def _wakes(self, due: datetime) -> None:
        if due == self._due:
            self._done(wake(self.fleet, self._moment()))

    def _moment(self) -> Moment:
        self._steps += 1
        return Moment(now=when(self._agenda.now_s), token=f"{self._steps}")

    def _done(self, outcome: Outcome[Fleet]) -> None:
        self.fleet = outcome.state
        due = outcome.due
        if due != self._due and due is not None:
            self._agenda.at(since(due), lambda: self._wakes(due))
        self._due = due
        for item in outcome.mail:
            self._posts(item)
        for effect in outcome.effects:
            self._carries(effect)

    def _posts(self, item: Mail) -> None:
        match item.body:
            case Verdict() as verdict:
                self.verdicts.append(verdict)
            case Publish(event=event):
                self._homes[ResourceId(item.to.removeprefix("party/"))].publish(version(event))
            case _:
                pass

    def _carries(self, effect: Effect) -> None:
        now_s = self._agenda.now_s
        match effect:
            case Apply(kw=kw, lease_until=until):
                until_s = since(until) if kw is not None else inf
                self._own[effect.resource].told(now_s, kw, until_s)
            case Read(tag=tag):
                # What was delivered is judged by the devices' registers, so responses may stay empty.
                self._gives(Fetched(tag=tag, readings=()))
            case Record(entries=entries):
                self.journal.extend(
                    f"{(now_s - EVENT_S) / MINUTE_S:7.2f} min {entry.what}: {entry.detail}" for entry in entries
                )
            case _:
                raise AssertionError("a fleet says nothing to peers")


def terms_of(scene: Scene) -> FleetTerms:
    """A node's own settings where it has VENs below, with devices read every `READ_S` and a limit of its site."""
    return FleetTerms(
        lease_s=30.0,
        settle_s=15.0,
        sample_s=2 * READ_S + 5.0,
        below_sample_s=SILENT_S,
        export_max_kw=scene.site_kw,
    )


def deaf_terms(scene: Scene) -> FleetTerms:
    """Set-points are given at the edges of intervals and renewed as seldom as can be; nothing is made up for."""
    return replace(terms_of(scene), hold_mean=False, track_every_s=SLOT_S, lease_s=2 * SLOT_S)


def version(event: Event) -> Version:
    """The event as its VEN reads it."""
    asked = events.schedule(event) if event.status != CANCELLED else None
    slots = asked.slots if asked is not None else ()
    return Version(
        event.id,
        event.modification,
        tuple((since(slot.start), since(slot.end), slot.kw) for slot in slots),
    )
