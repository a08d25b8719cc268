"""The fleet in the hall: its row, its devices behind guards, and the VENs of the VTN below."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from openadr_ra.drivers import build
from openadr_ra.drivers.guard import Guard
from openadr_ra.errors import InvalidData, InvalidId, OadrRaError, SettingsError
from openadr_ra.fleet import fleet as fleets
from openadr_ra.fleet.classes import asset
from openadr_ra.fleet.fleet import OPERATOR, Cut, Enrolled, Fleet, FleetTerms, Measured, Ordered
from openadr_ra.fleet.member import Merit
from openadr_ra.fleet.promise import Promise
from openadr_ra.fleet.response import needed_since
from openadr_ra.protocol.agenda import FLEET
from openadr_ra.protocol.agenda_scope import Asset
from openadr_ra.protocol.model import EventId, ResourceId
from openadr_ra.protocol.node import EndNode
from openadr_ra.protocol.schedule import Schedule
from openadr_ra.protocol.step import Apply, Effect, Entry, Fetched, Instruct, Key, Mail, Read, Release
from openadr_ra.run.describing import Descriptions
from openadr_ra.run.forgetting import LEAST_SAMPLES, forget
from openadr_ra.run.merits import merit
from openadr_ra.run.row import Row
from openadr_ra.run.thinning import Thinning, owed_since
from openadr_ra.seams import Clock, DriverFactory, Setpoint, Store
from openadr_ra.settings import NodeSettings

if TYPE_CHECKING:
    from openadr_ra.run.below import Below

log = logging.getLogger(__name__)

FORGETTING = timedelta(minutes=10)
"""So often samples that are too old are let go."""

LONGEST_INTERVAL = timedelta(days=2)
"""Of an event's interval the samples stay until its response is final, but no longer: an interval may last for years."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MB = 1_000_000
"""Octets."""


class FleetDesk:
    """One fleet: `await open(...)`, then `await enrol(...)`, then the tasks of `work()`.

    `tell` is called with the mail of each step that is for somebody else.
    """

    def __init__(
        self,
        settings: NodeSettings,
        *,
        drivers: Mapping[str, DriverFactory],
        clock: Clock,
        store: Store,
        below: Below | None = None,
    ) -> None:
        self._settings = settings
        self._drivers = drivers
        self._clock = clock
        self._store = store
        self._below = below
        self._merits: dict[ResourceId, Merit] = {}
        self._report_to: tuple[Key, ...] = ()
        self._readers: list[Callable[[tuple[Mail, ...]], None]] = []
        # What VENs below reported is kept by its age alone, and would push the node's own samples out.
        self._thinning = Thinning(store, settings.store.max_mb * MB) if settings.downstream is None else None
        self.guards: dict[ResourceId, Guard] = {}
        self._described = Descriptions(self.guards, clock)
        self.row: Row[Fleet, fleets.Input] = Row(
            FLEET,
            Fleet,
            store=store,
            clock=clock,
            new=Fleet,
            receive=fleets.receive,
            wake=fleets.wake,
            tell=self._tell,
        )

    async def open(self, stack: AsyncExitStack) -> None:
        """The devices, each behind its guard. Raises SettingsError for a table that is no device."""
        for number, table in enumerate(self._settings.device):
            rest = dict(table)
            resource, driver = rest.pop("id", None), rest.pop("driver", None)
            if not isinstance(resource, str) or not isinstance(driver, str):
                raise SettingsError(f"device[{number}]: needs id and driver, both text")
            if resource in self.guards:
                raise SettingsError(f"device[{number}].id: {resource!r} is there twice; give each device its own id")
            self._merits[ResourceId(resource)] = merit(number, rest)
            made = build(driver, ResourceId(resource), rest, self._clock, extra=self._drivers)
            guard = Guard(made, self._clock, timeout_s=self._settings.fleet.driver_timeout_s)
            self.guards[ResourceId(resource)] = await stack.enter_async_context(guard)
            await self._described.first(ResourceId(resource))
        if self._below is not None:
            await self._below.load(self.guards)

    def assets(self) -> dict[ResourceId, Asset]:
        """What an event's target may mean: our devices; with VENs below, the whole fleet by the node's name, too."""
        own = dict.fromkeys(self.guards, Asset()) | {each.id: asset(each) for each in self._described.all()}
        return own if self._below is None else {ResourceId(self._settings.name): Asset()} | own

    def listen(self, reader: Callable[[tuple[Mail, ...]], None]) -> None:
        """`reader` is shown the mail of each step from now on."""
        self._readers.append(reader)

    def poke(self) -> None:
        """Mail for the fleet has come."""
        self.row.poke()

    async def enrol(self, report_to: tuple[Key, ...]) -> None:
        """These are the members; the VTNs in `report_to` hear what can be reported."""
        self._report_to = report_to
        vens = self._below.vens() if self._below is not None else {}
        below = self._below.descriptors() if self._below is not None else ()
        merits = self._below.merits() if self._below is not None else {}
        await self._carry_all(
            await self.row.give(
                Enrolled(
                    terms=self.terms(),
                    descriptors=(*self._described.all(), *below),
                    report_to=report_to,
                    total=ResourceId(self._settings.name) if self._below is not None else None,
                    vens=vens,
                    merits=self._merits | merits,
                )
            )
        )

    def work(self) -> tuple[Coroutine[None, None, None], ...]:
        """What goes on until it is cancelled."""
        tasks = [self.row.run(self._carry), self._read_for_ever(), self._forget_for_ever(), self._describe_for_ever()]
        if self._below is not None:
            tasks.append(self._hear_for_ever(self._below))
            if self._store.shared:
                tasks.append(self._below.follow())
        return tuple(tasks)

    async def state(self) -> Fleet:
        """Who is promised what."""
        return await self.row.state() or Fleet()

    @property
    def store(self) -> Store:
        """Where its row and its responses are."""
        return self._store

    async def journal(self, resource: str) -> tuple[Entry, ...]:
        """What operators said of a resource, oldest first; also of one that is there no more."""
        return tuple(entry for _, entry in await self._store.journal(f"resource/{resource}"))

    async def instruct(self, schedule: Schedule, *, priority: int = 0) -> Promise:
        """Give the fleet a schedule of the operator's own, or a newer one in place of the last under that id; the promise.
        Raises InvalidData for a schedule without intervals."""
        if not schedule.slots:
            raise InvalidData(f"event {schedule.id}: at least one interval is needed")
        held = self._promised(await self.state(), schedule.id)
        modification = held.modification + 1 if held is not None else 0
        letter = Instruct(schedule=schedule, modification=modification, reply_to=OPERATOR, priority=priority)
        await self._carry_all(await self.row.give(letter))
        promise = self._promised(await self.state(), schedule.id)
        if promise is None:
            raise InvalidId(f"event {schedule.id} was not taken up by the fleet")
        return promise

    async def release(self, event_id: str) -> None:
        """End a schedule of the operator's own now. Raises InvalidId for one that the fleet does not have."""
        held = self._promised(await self.state(), EventId(event_id))
        if held is None:
            raise InvalidId(f"the fleet has no event {event_id} of its own; `openadr-ra fleet show` lists those it has")
        letter = Release(
            event_id=held.event_id, modification=held.modification + 1, at=self._clock.now(), reply_to=OPERATOR
        )
        await self._carry_all(await self.row.give(letter))

    async def order(
        self, resource: str, kw: float | None, until: datetime | None, *, by: str = "operator", reason: str = ""
    ) -> None:
        """Until then the resource is held at `kw`, or, without one, left out of everything; `until` None takes that back.

        It goes before any event, and is journalled under `resource/<id>`. Raises InvalidId for a resource that is not ours,
        InvalidData for a VEN that is to be held at a power: it is asked by an event.
        """
        member = (await self.state()).members.get(ResourceId(resource))
        if member is None:
            raise InvalidId(f"resource {resource} is none of the fleet's; `openadr-ra fleet show` lists them")
        if kw is not None and member.ven is not None:
            raise InvalidData(
                f"{resource} is a VEN; it is asked by an event, `openadr-ra event create --to {resource}`"
            )
        word = Ordered(resource=ResourceId(resource), kw=kw, until=until, by=by, reason=reason)
        await self._carry_all(await self.row.give(word))

    async def cut_off(self, upstream: Key, *, cut: bool) -> None:
        """That VTN is out of reach for too long, or is heard of again."""
        await self._carry_all(await self.row.give(Cut(upstream=upstream, cut=cut)))

    def _promised(self, fleet: Fleet, event_id: EventId) -> Promise | None:
        return next((one for one in fleet.promises if one.event_id == event_id and one.reply_to == OPERATOR), None)

    def terms(self) -> FleetTerms:
        settings = self._settings.fleet
        return FleetTerms(
            min_cover=settings.min_cover,
            settle_s=settings.settle_s,
            lease_s=settings.lease_s,
            track_every_s=settings.track_every_s,
            # A reading may be missed, and one may be late by the driver's whole deadline.
            sample_s=2 * settings.read_every_s + settings.driver_timeout_s,
            below_sample_s=self._below.silent_s if self._below is not None else FleetTerms().below_sample_s,
            change_kw=settings.change_kw,
            notice_s=settings.notice_s,
            grace_s=settings.grace_s,
            below_every_s=settings.below_every_s,
            patience_s=settings.patience_s,
            stated_s=settings.stated_s,
            policy=settings.policy,
            hold_mean=settings.hold_mean,
            band=settings.band,
            import_max_kw=settings.import_max_kw,
            export_max_kw=settings.export_max_kw,
            follow_prices=settings.follow_prices,
            usual_price=settings.usual_price_per_kwh,
            recover=settings.recover,
            recover_kw=settings.recover_kw,
            recover_by_h=settings.recover_by_h,
        )

    def _tell(self, mail: tuple[Mail, ...]) -> None:
        if any(item.to == FLEET for item in mail):
            self.row.poke()
        for reader in self._readers:
            reader(mail)

    async def _carry_all(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            await self._carry(effect)

    async def _carry(self, effect: Effect) -> None:
        """What the fleet wants done: a set-point to a device, or readings for the value of an interval."""
        match effect:
            case Apply(resource=resource) if resource not in self.guards:
                log.warning("! %s is no device of this node any more", resource)
            case Apply(kw=None):
                await self.guards[effect.resource].release(f"event {effect.event_id} is over")
            case Apply(kw=float() | int() as kw):
                await self.guards[effect.resource].apply(
                    Setpoint(event_id=effect.event_id, sequence=effect.sequence, kw=kw, lease_until=effect.lease_until)
                )
            case Read():
                found = await self._store.readings(effect.series, effect.start, effect.end)
                await self._carry_all(await self.row.give(Fetched(tag=effect.tag, readings=found)))

    async def _read_for_ever(self) -> None:
        """Every device is read at each tick; the fleet and the reports live on it."""
        every = timedelta(seconds=self._settings.fleet.read_every_s)
        while True:
            names = tuple(self.guards)
            measured = dict(
                zip(names, await asyncio.gather(*(self.guards[name].read() for name in names)), strict=True)
            )
            self._described.heard(measured)
            if self._below is not None:
                measured |= self._below.measured()
            try:
                await self._carry_all(await self.row.give(Measured(measurements=measured)))
            except OadrRaError as error:
                log.warning("! readings not stored: %s", error)
            # On the clock's own grid: intervals begin and end there, and a register read at the edge need not be guessed.
            now = self._clock.now()
            await self._clock.sleep_until(now + every - (now - EPOCH) % every)

    async def _describe_for_ever(self) -> None:
        """Devices that are there at last, or are others than they were, are members as such."""
        while True:
            await self._described.changed()
            try:
                await self.enrol(self._report_to)
            except OadrRaError as error:
                log.warning("! the fleet's members are not stored: %s", error)

    async def _hear_for_ever(self, below: Below) -> None:
        """VENs below come and go."""
        while True:
            await below.changed()
            try:
                await self.enrol(self._report_to)
            except OadrRaError as error:
                log.warning("! the fleet's members are not stored: %s", error)

    async def _forget_for_ever(self) -> None:
        """What is older than is to be kept goes, so that a gateway's store does not grow for ever (rule 510)."""
        while True:
            now = self._clock.now()
            try:
                since = await self._kept_since(now)
                await forget(self._store, await self._store.series("live/"), since, LEAST_SAMPLES)
                if self._thinning is not None:
                    await self._thinning.bound(now, since, await self._wanted_since(now))
            except OadrRaError as error:
                log.warning("! old samples not forgotten: %s", error)
            await self._clock.sleep_until(now + FORGETTING)

    async def _wanted_since(self, now: datetime) -> datetime | None:
        """From when on samples are still to be told of to VTNs above, or to make a response final."""
        fleet = await self.state()
        needed = needed_since(fleet.promises, fleet.terms)
        nodes = [await self._store.load(key, EndNode) for key in await self._store.keys("node/")]
        owed = owed_since((node for node in nodes if node is not None), now)
        return min((at for at in (needed, owed) if at is not None), default=None)

    async def _kept_since(self, now: datetime) -> datetime:
        since = now - timedelta(hours=self._settings.fleet.keep_samples_h)
        fleet = await self.state()
        needed = needed_since(fleet.promises, fleet.terms)
        return since if needed is None else min(since, max(needed, now - LONGEST_INTERVAL))
