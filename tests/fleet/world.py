"""A plant that does what it is told: devices, a clock, a store and a fleet between them, all of it virtual."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from msgspec.structs import replace

from openadr_ra.fleet.fleet import Enrolled, Fleet, FleetTerms, Input, Measured, receive, wake
from openadr_ra.protocol.model import EventId, ResourceId
from openadr_ra.protocol.parts import COMM_FAILURE, DEVICE_FAILURE, GOOD
from openadr_ra.protocol.report import TOTAL, Quantity, response_series
from openadr_ra.protocol.schedule import Mode, Reading, Schedule, Slot
from openadr_ra.protocol.step import (
    AnyLetter,
    Apply,
    Delivered,
    Effect,
    Entry,
    Fetched,
    Instruct,
    Key,
    Mail,
    Moment,
    Outcome,
    Read,
    Record,
    Release,
    Send,
    Verdict,
)
from openadr_ra.seams import Descriptor, Energy, Measurement

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HALF_HOUR = timedelta(minutes=30)
HOUR = timedelta(hours=1)
UPSTREAM = Key("node/ac")
OTHER = Key("node/other")
E1 = EventId("E1")


def after(minutes: float) -> datetime:
    """So many minutes after noon."""
    return NOON + minutes * MINUTE


def battery(name: str, kw: float = 10.0, *, kwh: float = 100.0, plan_kw: float = 0.0) -> Descriptor:
    """Charges and discharges with `kw`."""
    return Descriptor(
        id=ResourceId(name),
        kind="battery",
        min_kw=-kw,
        max_kw=kw,
        energy=Energy(capacity_kwh=kwh),
        plan=constant(plan_kw),
    )


def line(name: str, kw: float) -> Descriptor:
    """On or off; its plan is to be on."""
    return Descriptor(id=ResourceId(name), kind="consumer", min_kw=0, max_kw=kw, levels_kw=(0, kw), plan=constant(kw))


def genset(name: str, least_kw: float, most_kw: float) -> Descriptor:
    """Stands still, or gives `least_kw` to `most_kw`."""
    return Descriptor(
        id=ResourceId(name),
        kind="generator",
        min_kw=-most_kw,
        max_kw=0,
        gap_kw=(-least_kw, 0),
        plan=constant(0),
    )


def constant(kw: float) -> tuple[Slot, ...]:
    return (Slot(start=NOON - 24 * HOUR, kw=kw),)


def schedule(
    *kw: float,
    start: datetime = NOON,
    every: timedelta = HALF_HOUR,
    mode: Mode = "delta",
    to: tuple[str, ...] = (),
    event: str = "E1",
) -> Schedule:
    """One slot after the other."""
    slots = tuple(
        Slot(start=start + number * every, end=start + (number + 1) * every, kw=one) for number, one in enumerate(kw)
    )
    return Schedule(id=EventId(event), mode=mode, slots=slots, resources=tuple(map(ResourceId, to)))


class Device:
    """Follows its set-point while the lease lasts, else its plan; the register counts."""

    def __init__(self, descriptor: Descriptor) -> None:
        self.descriptor = descriptor
        self.online = True
        self.override = False
        self.lies = False
        self.noise_kw = 0.0
        self._setpoint: Apply | None = None
        self._register_kwh = 1000.0
        self._at: datetime | None = None
        self._last: Measurement | None = None

    def obeys(self, setpoint: Apply) -> None:
        if self.online:
            assert self._setpoint is None or setpoint.sequence > self._setpoint.sequence
            self._setpoint = setpoint

    def runs_to(self, now: datetime) -> None:
        if self._at is not None:
            self._register_kwh += self._kw(self._at) * ((now - self._at) / HOUR)
        self._at = now

    def measures(self, now: datetime) -> Measurement:
        if not self.online and self._last is not None:
            return replace(self._last, online=False, quality=COMM_FAILURE)
        self._last = Measurement(
            at=now,
            kw=self._kw(now),
            min_kw=self.descriptor.min_kw,
            max_kw=self.descriptor.max_kw,
            import_kwh=self._register_kwh,
            export_kwh=0.0,
            soc_percent=50.0 if self.descriptor.energy else None,
            can_reduce_kwh=self.descriptor.energy.capacity_kwh if self.descriptor.energy else None,
            can_raise_kwh=self.descriptor.energy.capacity_kwh if self.descriptor.energy else None,
            local_override=self.override,
            quality=DEVICE_FAILURE if self.lies else GOOD,
        )
        return self._last

    def _kw(self, now: datetime) -> float:
        plan_kw = next((slot.kw for slot in self.descriptor.plan if slot.start <= now < slot.end), 0.0)
        held = self._setpoint
        if self.override or held is None or held.kw is None or now >= held.lease_until:
            return plan_kw
        return held.kw + self.noise_kw


class Plant:
    """The hall, by hand: `fleet` is stored as JSON between any two steps, effects are carried out at once."""

    def __init__(
        self,
        *descriptors: Descriptor,
        start: datetime = NOON - 10 * MINUTE,
        terms: FleetTerms | None = None,
        read_every: timedelta = timedelta(seconds=10),
    ) -> None:
        self.now = start
        self.terms = terms or FleetTerms()
        self.devices = {descriptor.id: Device(descriptor) for descriptor in descriptors}
        self.fleet = Fleet()
        self.due: datetime | None = None
        self.steps = 0
        self.applied: list[tuple[datetime, Apply]] = []
        self.mail: list[Mail] = []
        self.entries: list[Entry] = []
        self.readings: dict[tuple[str, datetime, timedelta], Reading] = {}
        self.reads: list[Read] = []
        self.read_every = read_every
        self.read_at = start
        self.awake = True
        self.starts()

    def starts(self) -> None:
        """The node starts, or starts again."""
        descriptors = tuple(device.descriptor for device in self.devices.values())
        self.gives(Enrolled(terms=self.terms, descriptors=descriptors, report_to=(UPSTREAM,)))
        self.measures()

    def gives(self, given: Input) -> Outcome[Fleet]:
        return self._done(receive(self.fleet, given, self._moment()))

    def instructs(self, asked: Schedule, modification: int = 0, reply_to: Key = UPSTREAM) -> Verdict:
        """What the fleet answers at once."""
        outcome = self.gives(Instruct(schedule=asked, modification=modification, reply_to=reply_to))
        (verdict,) = (item.body for item in outcome.mail if isinstance(item.body, Verdict))
        return verdict

    def releases(self, event: str = "E1", modification: int = 0, at: datetime | None = None) -> Outcome[Fleet]:
        return self.gives(
            Release(event_id=EventId(event), modification=modification, at=at or self.now, reply_to=UPSTREAM)
        )

    def measures(self) -> None:
        for device in self.devices.values():
            device.runs_to(self.now)
        self.gives(Measured(measurements={id: one.measures(self.now) for id, one in self.devices.items()}))

    def runs_to(self, when: datetime) -> None:
        """The clock goes on; devices are read, deadlines kept."""
        while True:
            due = self.due if self.awake and self.due is not None else when + HOUR
            self.now = max(min(due, self.read_at, when), self.now)
            for device in self.devices.values():
                device.runs_to(self.now)
            if due <= self.now:
                self._done(wake(self.fleet, self._moment()))
            elif self.read_at <= self.now:
                self.read_at += self.read_every
                if self.awake:
                    self.measures()
            else:
                return

    def sleeps_to(self, when: datetime) -> None:
        """The process is down; the devices are not."""
        self.awake = False
        self.runs_to(when)
        self.awake = True

    def kw(self, name: str) -> float:
        """What the device does now."""
        device = self.devices[ResourceId(name)]
        device.runs_to(self.now)
        return device.measures(self.now).kw

    def setpoints(self, name: str) -> list[tuple[float, float | None]]:
        """Minutes after noon and kW of each set-point that differs from the one before."""
        changes: list[tuple[float, float | None]] = []
        for at, one in self.applied:
            if one.resource == name and (not changes or changes[-1][1] != one.kw):
                changes.append(((at - NOON) / MINUTE, one.kw))
        return changes

    def letters(self, *kinds: type[AnyLetter]) -> list[AnyLetter]:
        return [item.body for item in self.mail if isinstance(item.body, kinds)]

    def delivered(self) -> list[tuple[float, float, int]]:
        """Start and end in minutes after noon, and revision."""
        return [
            ((one.start - NOON) / MINUTE, (one.end - NOON) / MINUTE, one.revision)
            for one in self.letters(Delivered)
            if isinstance(one, Delivered)
        ]

    def response(
        self, quantity: Quantity, start: datetime = NOON, resource: str = TOTAL, event: str = "E1"
    ) -> Reading | None:
        """The newest reading of that quantity whose interval begins at `start`."""
        series = response_series(EventId(event), ResourceId(resource), quantity)
        return next((one for key, one in self.readings.items() if key[0] == series and key[1] == start), None)

    def value(
        self, quantity: Quantity, start: datetime = NOON, resource: str = TOTAL, event: str = "E1"
    ) -> float | None:
        reading = self.response(quantity, start, resource, event)
        return reading.value if reading is not None else None

    def _moment(self) -> Moment:
        self.steps += 1
        return Moment(now=self.now, token=f"{self.steps}")

    def _done(self, outcome: Outcome[Fleet]) -> Outcome[Fleet]:
        assert outcome.due is None or outcome.due > self.now
        self.fleet = msgspec.json.decode(msgspec.json.encode(outcome.state), type=Fleet)
        assert self.fleet == outcome.state
        self.due = outcome.due
        self.mail.extend(outcome.mail)
        for effect in outcome.effects:
            self._carry(effect)
        return outcome

    def _carry(self, effect: Effect) -> None:
        match effect:
            case Apply():
                self.applied.append((self.now, effect))
                self.devices[effect.resource].obeys(effect)
            case Read():
                self.reads.append(effect)
                self.gives(Fetched(tag=effect.tag, readings=self.find(effect)))
            case Record():
                self.entries.extend(effect.entries)
                for reading in effect.readings:
                    key = (reading.series, reading.start, reading.span)
                    if key not in self.readings or self.readings[key].revision < reading.revision:
                        self.readings[key] = reading
            case Send():
                raise AssertionError("a fleet says nothing to peers")

    def find(self, read: Read) -> tuple[Reading, ...]:
        """What the store has for it."""
        return tuple(
            sorted(
                (
                    one
                    for one in self.readings.values()
                    if one.series in read.series and read.start <= one.start < read.end
                ),
                key=lambda one: (read.series.index(one.series), one.start),
            )
        )
