"""A node's fleet and its devices: what `run/fleet.py` does with them, without a loop. Devices live on when their node dies;
then their leases are what ends their set-points."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from openadr_ra.fleet import fleet as fleets
from openadr_ra.fleet.fleet import Cut, Enrolled, Fleet, FleetTerms, Measured
from openadr_ra.protocol.agenda import FLEET
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.parts import COMM_FAILURE, GOOD
from openadr_ra.protocol.schedule import Slot
from openadr_ra.protocol.step import Apply, Effect, Fetched, Key, Read
from openadr_ra.run.below import Below
from openadr_ra.seams import Descriptor, Measurement
from simulation.node import Node, Resume, Row
from simulation.stage import Stage, Told
from simulation.timeline import HOUR, MINUTE, SECOND, START, done

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Device:
    """A battery that does what it is told until its lease is over, by its own watch; its plan is to stand still. `deaf`: it
    takes orders and keeps to no lease, as no device may."""

    def __init__(self, name: str, stage: Stage, kw: float) -> None:
        self.name = ResourceId(name)
        self.online = True
        self.deaf = False
        self._stage = stage
        self._kw = kw
        self._held: Apply | None = None
        self._until = START
        self._register_kwh = 0.0
        self._at = START

    def descriptor(self) -> Descriptor:
        plan = (Slot(start=START - HOUR, kw=0.0),)
        return Descriptor(id=self.name, kind="battery", min_kw=-self._kw, max_kw=self._kw, plan=plan)

    def obeys(self, order: Apply, lease: timedelta) -> None:
        """Take a set-point for so long, or None: be free."""
        if not self.online or (self._held is not None and order.sequence < self._held.sequence):
            return
        self._run()
        self._held = order
        self._until = self._stage.timeline.now + lease

    def kw(self) -> float:
        """Its power now."""
        self._run()
        return self._kw_at(self._stage.timeline.now)

    def holding(self) -> timedelta | None:
        """How much later than its lease it still holds a set-point; None while all is well."""
        late = self._stage.timeline.now - self._until
        return late if late > timedelta(0) and self._kw_at(self._stage.timeline.now) != 0 else None

    def measured(self, at: datetime) -> Measurement:
        """What it says of itself, with the time of the node that asks."""
        quality = GOOD if self.online else COMM_FAILURE
        return Measurement(
            at=at,
            kw=self.kw(),
            min_kw=-self._kw,
            max_kw=self._kw,
            import_kwh=max(self._register_kwh, 0.0),
            export_kwh=max(-self._register_kwh, 0.0),
            online=self.online,
            quality=quality,
        )

    def _kw_at(self, now: datetime) -> float:
        held = self._held
        if held is None or held.kw is None or (now >= self._until and not self.deaf):
            return 0.0
        return held.kw

    def _run(self) -> None:
        """Its registers stand at the present; a lease that ended meanwhile counts to its end."""
        now = self._stage.timeline.now
        end = now if self.deaf else max(min(now, self._until), self._at)
        held_kw = self._held.kw if self._held is not None and self._held.kw is not None else 0.0
        self._register_kwh += held_kw * ((end - self._at) / HOUR)
        self._at = now


class FleetSide:
    """The fleet of a node. With VENs below it is, for VTNs above, one resource of the node's name."""

    def __init__(
        self,
        node: Node,
        devices: tuple[Device, ...],
        report_to: tuple[Key, ...],
        *,
        terms: FleetTerms,
        read_every: timedelta,
        heard_at: Callable[[], datetime],
        offline: timedelta,
        below: Callable[[], Below] | None = None,
    ) -> None:
        self.node = node
        self.devices = {device.name: device for device in devices}
        self.terms = terms
        self.below: Below | None = None
        self._report_to = report_to
        self._read_every = read_every
        self._heard_at = heard_at
        self._offline = offline
        self._below = below
        self.row = self._made()
        node.starters.append(self._started)

    def _made(self) -> Row[Fleet, fleets.Input]:
        return Row(self.node, FLEET, Fleet, new=Fleet, receive=fleets.receive, wake=fleets.wake, carry=self._carry)

    def _started(self) -> None:
        self.row = self._made()
        self.node.tellers.append(lambda mail: self.row.poke() if any(item.to == FLEET for item in mail) else None)
        self.below = self._below() if self._below is not None else None
        if self.below is not None:
            done(self.below.load(self.devices))
        self.enrol()
        self.node.soon(self._read)
        self.node.soon(self._watch, MINUTE)

    def enrol(self) -> None:
        """These are the members."""
        below = self.below
        own = tuple(device.descriptor() for device in self.devices.values())
        self.row.order(
            Enrolled(
                terms=self.terms,
                descriptors=(*own, *(below.descriptors() if below is not None else ())),
                report_to=self._report_to,
                total=ResourceId(self.node.name) if below is not None else None,
                vens=below.vens() if below is not None else {},
                merits=below.merits() if below is not None else {},
            )
        )

    def state(self) -> Fleet:
        """Who is promised what."""
        return self.row.state() or Fleet()

    def _read(self) -> None:
        """Every device is read on the clock's own grid."""
        now = self.node.clock.now()
        self.node.at(now + self._read_every - (now - EPOCH) % self._read_every, self._read)
        measured = {name: device.measured(now) for name, device in self.devices.items()}
        for device in self.devices.values():
            self._looks_at(device)
        if self.below is not None:
            measured |= self.below.measured()
        self.row.order(Measured(measurements=measured))

    def _looks_at(self, device: Device) -> None:
        late = device.holding()
        if late is not None:
            self.node.stage.watcher.saw_drift(self.node.name, device.name, late)

    def _watch(self) -> None:
        """Events of a VTN that has not been heard of for too long are followed no longer, until it is again."""
        self.node.soon(self._watch, 15 * SECOND)
        silent = self.node.stage.timeline.now - self._heard_at() > self._offline
        held = self.state()
        for key in self._report_to:
            if silent != (key in held.cut):
                self.row.order(Cut(upstream=key, cut=silent))

    def _carry(self, effect: Effect, resume: Resume) -> None:
        match effect:
            case Apply(resource=resource):
                device = self.devices.get(resource)
                if device is not None:
                    self._looks_at(device)
                    self.node.stage.watcher.saw_order(Told(self.node.name, effect, self.node.clock))
                    self.node.stage.counts["set-points"] += 1
                    device.obeys(effect, effect.lease_until - self.node.clock.now())
                resume(())
            case Read():
                found = done(self.node.store.readings(effect.series, effect.start, effect.end))
                resume(self.row.give(Fetched(tag=effect.tag, readings=found)))
            case _:
                resume(())
