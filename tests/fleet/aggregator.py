"""A fleet of VENs, by hand: each follows the newest version of its event, reports often and answers when it is told to."""

from __future__ import annotations

from datetime import datetime, timedelta

from openadr_ra.fleet.fleet import Enrolled, FleetTerms, Measured
from openadr_ra.fleet.member import Merit
from openadr_ra.protocol import event as events
from openadr_ra.protocol.model import CANCELLED, OPT_IN, OPT_OUT, EventId, OptType, ResourceId, VenId
from openadr_ra.protocol.parts import COMM_FAILURE, GOOD, X_RESPONSE, Event
from openadr_ra.protocol.report import TOTAL, Quantity, rid
from openadr_ra.protocol.requester import series_prefix
from openadr_ra.protocol.schedule import Reading, Schedule, Slot
from openadr_ra.protocol.step import (
    Effect,
    Fetched,
    Instruct,
    Mail,
    Opted,
    Outcome,
    Publish,
    Read,
    Record,
    Responded,
)
from openadr_ra.seams import Descriptor, Measurement
from tests.fleet.world import HOUR, MINUTE, NOON, OTHER, UPSTREAM, Plant


class Ven:
    """A VEN below with as much headroom both ways. `event` is the newest it was given, `factor` how much of it it does."""

    def __init__(self, name: str, kw: float = 10.0, kwh: float | None = None, notice_s: float = 0.0) -> None:
        self.name = name
        self.can_kw = kw
        self.can_kwh = kwh
        self.notice_s = notice_s
        self.events: dict[EventId, Event] = {}
        self.versions: list[Event] = []
        self.out = False
        self.silent = False
        self.factor = 1.0
        self.stranger = False
        self.answered: set[datetime] = set()

    def slots(self) -> tuple[Slot, ...]:
        """What it is asked now, by all of its events."""
        found: list[Slot] = []
        for each in self.events.values():
            asked = events.schedule(each) if each.status != CANCELLED else None
            found.extend(asked.slots if asked is not None else ())
        return tuple(found)

    def kw(self, now: datetime) -> float:
        if self.out:
            return 0.0
        return self.factor * sum(slot.kw for slot in self.slots() if slot.start <= now < slot.end)


class Aggregator(Plant):
    """The hall of a node with VENs below; what it mails to them has arrived at once."""

    def __init__(self, *vens: Ven, devices: tuple[Descriptor, ...] = (), terms: FleetTerms | None = None) -> None:
        self.vens = {ResourceId(ven.name): ven for ven in vens}
        self.withheld: list[Fetched] | None = None
        super().__init__(*devices, terms=terms, read_every=timedelta(seconds=30))

    def starts(self) -> None:
        self.enrols()
        self.measures()

    def enrols(self) -> None:
        """These are the members."""
        own = tuple(device.descriptor for device in self.devices.values())
        below = tuple(Descriptor(id=id, kind="battery", min_kw=-1e9, max_kw=1e9) for id in self.vens)
        self.gives(
            Enrolled(
                terms=self.terms,
                descriptors=(*own, *below),
                report_to=(UPSTREAM, OTHER),
                total=ResourceId("ra"),
                vens={id: VenId(id) for id in self.vens},
                merits={id: Merit(notice_s=ven.notice_s) for id, ven in self.vens.items()},
            )
        )

    def fetches(self) -> None:
        """What was wanted in the meantime comes now, as it stood when it was wanted."""
        held, self.withheld = self.withheld or [], None
        for fetched in held:
            self.gives(fetched)

    def _carry(self, effect: Effect) -> None:
        if isinstance(effect, Read) and self.withheld is not None:
            self.withheld.append(Fetched(tag=effect.tag, readings=self.find(effect)))
        else:
            super()._carry(effect)

    def measures(self) -> None:
        super().measures()
        self.gives(Measured(measurements={id: self._said(ven) for id, ven in self.vens.items()}))

    def _said(self, ven: Ven) -> Measurement:
        return Measurement(
            at=self.now.replace(second=0, microsecond=0),
            kw=ven.kw(self.now),
            min_kw=-ven.can_kw,
            max_kw=ven.can_kw,
            can_reduce_kwh=ven.can_kwh,
            can_raise_kwh=ven.can_kwh,
            plan_kw=0.0,
            agreed=ven.stranger,
            online=not ven.silent,
            quality=COMM_FAILURE if ven.silent else GOOD,
        )

    def _done(self, outcome: Outcome) -> Outcome:  # type: ignore[type-arg]  # of the one state that there is here
        done = super()._done(outcome)
        for item in outcome.mail:
            self._arrives(item)
        return done

    def _arrives(self, item: Mail) -> None:
        ven = self.vens.get(ResourceId(item.to.removeprefix("party/")))
        if ven is not None and isinstance(item.body, Publish):
            event = item.body.event
            held = ven.events.get(event.id)
            assert held is None or event.modification == held.modification + 1
            ven.events[event.id] = event
            ven.versions.append(event)

    def emergency(self, asked: Schedule) -> None:
        """An event of the highest priority comes from the VTN above."""
        self.gives(Instruct(schedule=asked, modification=0, reply_to=UPSTREAM, priority=1))

    def opts(self, name: str, opt: OptType = OPT_OUT) -> None:
        """The VEN says so of the newest version of its event."""
        ven = self.vens[ResourceId(name)]
        event = ven.versions[-1]
        ven.out = opt == OPT_OUT
        self.gives(Opted(ven=VenId(name), event_id=event.id, modification=event.modification, opt=opt))

    def answers(self, name: str, *, kw: float | None = None, revision: int = 0) -> None:
        """The VEN responds to the intervals of its event that are over; with what it did, or with another figure."""
        ven = self.vens[ResourceId(name)]
        for event_id, event in ven.events.items():
            asked = events.schedule(event)
            for slot in asked.slots if asked is not None else ():
                if slot.end > self.now:
                    continue
                delta_kw = ven.factor * slot.kw if kw is None else kw
                readings = tuple(self._response(ven, event_id, slot, delta_kw, revision))
                effect: Effect = Record(readings=readings)
                self._carry(effect)
                self.gives(Responded(ven=VenId(name), event_id=event_id, start=slot.start, end=slot.end))

    def _response(self, ven: Ven, event_id: EventId, slot: Slot, delta_kw: float, revision: int) -> list[Reading]:
        values: dict[Quantity, float] = {"kw": delta_kw, "baseline": 0.0, "coverage": 100.0}
        prefix = series_prefix(VenId(ven.name), X_RESPONSE, event_id)
        return [
            Reading(
                series=prefix + rid(TOTAL, quantity),
                start=slot.start,
                span=slot.end - slot.start,
                value=value,
                revision=revision,
            )
            for quantity, value in values.items()
        ]

    def asked(self, name: str) -> list[tuple[float, float, float]]:
        """The newest version of its event: minutes after noon from and to, and kW."""
        ven = self.vens[ResourceId(name)]
        return [((slot.start - NOON) / MINUTE, (slot.end - NOON) / MINUTE, round(slot.kw, 6)) for slot in ven.slots()]

    def told(self) -> dict[str, int]:
        """How many versions each VEN has been given."""
        return {ven.name: len(ven.versions) for ven in self.vens.values()}


__all__ = ["HOUR", "OPT_IN", "OPT_OUT", "Aggregator", "Ven"]
