"""Ven: a fleet of devices that answers to the VTNs above it."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Self

from openadr_ra.drivers.guard import Guard
from openadr_ra.errors import InvalidId, SettingsError
from openadr_ra.fleet.fleet import Fleet
from openadr_ra.protocol.agenda import FLEET
from openadr_ra.protocol.model import EventId, OptId, OptType, QualifiedEventId, ResourceId
from openadr_ra.protocol.node import EndNode
from openadr_ra.protocol.opt import SCHEDULED
from openadr_ra.protocol.producer import Rates
from openadr_ra.protocol.step import Key, Mail
from openadr_ra.protocol.ven import Chosen, Declared, Left, Renewed, Retracted
from openadr_ra.run import availability as available
from openadr_ra.run.above import UpstreamOffer, UpstreamSummary, upstream_offer, upstream_summary
from openadr_ra.run.clock import SystemClock
from openadr_ra.run.expiry import warn_of_expiry
from openadr_ra.run.fleet import FleetDesk
from openadr_ra.run.retention import bounded
from openadr_ra.run.silence import Silence
from openadr_ra.run.summary import OwnAvailability, Spans
from openadr_ra.run.traffic import Tap, no_tap
from openadr_ra.run.unwrapped import unwrapped
from openadr_ra.run.upstream import Handler, UpstreamLink
from openadr_ra.run.ven_reports import ReportDesk
from openadr_ra.seams import Clock, DriverFactory, Store
from openadr_ra.settings import NodeSettings, read
from openadr_ra.store import open_store

log = logging.getLogger(__name__)


class Ven(ReportDesk):
    """A VEN on its store. Use `async with ven.running():`, or `await ven.run()`.

    `drivers` are an embedding program's own, by the name that `[[device]] driver` uses; `on_event` is asked about each
    event and may answer with a `Choice`. `fleet` is the node's own, where it has VENs below, too; else the VEN has one.
    """

    def __init__(
        self,
        settings: NodeSettings,
        *,
        drivers: Mapping[str, DriverFactory] | None = None,
        on_event: Handler | None = None,
        clock: Clock | None = None,
        store: Store | None = None,
        tap: Tap = no_tap,
        fleet: FleetDesk | None = None,
    ) -> None:
        if not settings.upstream:
            raise SettingsError("upstream: a VEN needs at least one [[upstream]] table; see README")
        self._settings = settings
        self._drivers = drivers or {}
        self._on_event = on_event
        self._clock = clock or SystemClock()
        self._shared = store
        self._store = store
        self._tap = tap
        self._guards: dict[ResourceId, Guard] = {}
        self._links: dict[Key, UpstreamLink] = {}
        self._given_fleet = fleet
        self._fleet: FleetDesk | None = fleet

    @classmethod
    def from_toml(
        cls,
        path: str | Path,
        *,
        drivers: Mapping[str, DriverFactory] | None = None,
        on_event: Handler | None = None,
        tap: Tap = no_tap,
    ) -> Self:
        """The VEN that a settings file describes. Raises SettingsError."""
        return cls(read(Path(path)), drivers=drivers, on_event=on_event, tap=tap)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Register and serve events until the block is left; then every device gets its own plan back."""
        async with unwrapped(), AsyncExitStack() as stack:
            self._links = {}
            if self._shared is None:
                self._store = await open_store(self._settings.store.url)
                stack.push_async_callback(self._store.close)
                await stack.enter_async_context(bounded(self._store, self._clock, self._settings))
            fleet = await self._fleet_of(stack)
            self._fleet, self._guards = fleet, fleet.guards
            for settings in self._settings.upstream:
                link = UpstreamLink(
                    settings,
                    fleet.assets(),
                    name=self._settings.name,
                    store=self.store,
                    clock=self._clock,
                    tell=self._tell,
                    tap=self._tap,
                    on_event=self._on_event,
                    rates=self._rates(),
                )
                self._links[link.row.key] = link
                await stack.enter_async_context(link.connected())
            fleet.listen(self._tell_links)
            offline_s = self._settings.fleet.offline_s
            silence = Silence(fleet, self._links, store=self.store, clock=self._clock, offline_s=offline_s)
            await silence.begin()
            await fleet.enrol(tuple(self._links))
            await self._offer_feeds()
            group = await stack.enter_async_context(asyncio.TaskGroup())
            tasks = [group.create_task(silence.run())]
            if self._given_fleet is None:
                tasks += [group.create_task(work) for work in fleet.work()]
            for link in self._links.values():
                tasks += [group.create_task(link.run()), group.create_task(warn_of_expiry(link.contexts, self._clock))]
            for task in tasks:
                stack.callback(task.cancel)
            yield self

    async def _fleet_of(self, stack: AsyncExitStack) -> FleetDesk:
        """The node's, or one of our own with the devices of the settings."""
        if self._given_fleet is not None:
            return self._given_fleet
        fleet = FleetDesk(self._settings, drivers=self._drivers, clock=self._clock, store=self.store)
        await fleet.open(stack)
        return fleet

    async def run(self) -> None:
        """Serve until cancelled."""
        async with self.running():
            await asyncio.Event().wait()

    @property
    def store(self) -> Store:
        if self._store is None:
            raise RuntimeError("the VEN is not running; use `async with ven.running()`")
        return self._store

    async def opt(self, event_id: str, opt: OptType | None, *, by: str = "operator") -> None:
        """The operator's own word on an event, at every upstream that knows it; None takes it back."""
        for link, state in await self._at(None):
            if available.standing(state, EventId(event_id)):
                # What oadrCreateOpt said stands against any other word (rule 206).
                await self._qualify(link, state, EventId(event_id), opt, "")
            else:
                await link.order(Chosen(event_id=EventId(event_id), opt=opt, by=by))

    async def opt_event(
        self, event_id: str, opt: OptType | None, *, reason: str = "", upstream: str | None = None
    ) -> None:
        """The same by oadrCreateOpt, where the event has been answered already or wants no answer; else the word is the
        answer, and the reason its description. Without a reason it is `participating`.

        At every upstream that knows the event, or at the one of that name. Raises InvalidId if none does, InvalidData for a
        reason that OpenADR does not know.
        """
        name = EventId(event_id)
        available.check_reason(reason)
        knowing = [(link, state) for link, state in await self._at(upstream) if name in state.agenda]
        if not knowing:
            raise InvalidId(f"event {event_id} is unknown here: no upstream has sent it, or it is long over")
        for link, state in knowing:
            await self._qualify(link, state, name, opt, reason)

    async def _qualify(
        self, link: UpstreamLink, state: EndNode, event_id: EventId, opt: OptType | None, reason: str
    ) -> None:
        known = state.agenda.get(event_id)
        said = available.standing(state, event_id)
        if opt is None and said:
            for name in said:
                await link.order(Retracted(opt_id=name))
        elif opt is None or known is None or known.unanswered:
            await link.order(Chosen(event_id=event_id, opt=opt, by="operator", reason=reason))
        else:
            event = QualifiedEventId(event_id=event_id, modification=known.event.modification)
            name = said[0] if said else _fresh()
            made = available.qualified(name, opt, event, reason=reason, now=self._clock.now())
            await link.order(Declared(opt=made))

    async def declare(
        self,
        opt: OptType,
        spans: Spans,
        *,
        resources: Iterable[str] = (),
        market_context: str = "",
        reason: str = SCHEDULED,
        opt_id: str | None = None,
        upstream: str | None = None,
    ) -> OptId:
        """Say when this VEN is available (OPT_IN) or not (OPT_OUT), or only some resources of it; the name by which that
        can be taken back, or be replaced by saying it anew.

        Events that overlap a time when the whole VEN is not available are opted out, known ones too, and decided again once
        that time is over or was taken back; resources that are not available have no part in events. Said to every
        upstream, or to the one of that name. Raises InvalidData for spans that cannot be, InvalidId for a resource that is
        not ours, NotAllowed for a report-only VEN.
        """
        named = tuple(resources)
        available.check_resources(self._guards, named)
        name = OptId(opt_id) if opt_id else _fresh()
        made = available.schedule(
            name, opt, spans, resources=named, market_context=market_context, reason=reason, now=self._clock.now()
        )
        for link, _ in await self._at(upstream):
            await link.order(Declared(opt=made))
        return name

    async def retract(self, opt_id: str) -> None:
        """Take back what was declared under that name, wherever it was. Raises InvalidId if it was nowhere."""
        name = OptId(opt_id)
        holding = [link for link, state in await self._at(None) if name in state.opts]
        if not holding:
            raise InvalidId(f"nothing is declared as {opt_id}; `openadr-ra ven availability` shows what is")
        for link in holding:
            await link.order(Retracted(opt_id=name))

    async def availability(self) -> tuple[OwnAvailability, ...]:
        """What stands declared, at each upstream in turn."""
        return tuple(item for link, state in await self._at(None) for item in available.own(state, link.name))

    async def leave(self, *, upstream: str | None = None) -> None:
        """End the registration with every upstream, or with the one of that name; until `reregister` or the next start."""
        for link, _ in await self._at(upstream):
            await link.order(Left())

    async def query(self, *, upstream: str | None = None) -> tuple[UpstreamOffer, ...]:
        """What every upstream, or the one of that name, says of itself and of our registration when it is asked now; that
        registers nothing, and no attempt but the one is made.

        Raises InvalidId for a name that there is not, TransportError for a VTN that does not answer, WireError or OadrError
        for an answer that is no use.
        """
        return tuple([upstream_offer(await link.query(), link.name) for link, _ in await self._at(upstream)])

    async def reregister(self, *, upstream: str | None = None) -> None:
        """Register again with every upstream, or with the one of that name: under the ids that there are, so that nothing
        else begins anew; from the beginning where the registration has ended. Raises NotAllowed while it is being ended.
        """
        for link, _ in await self._at(upstream):
            await link.order(Renewed())

    async def _at(self, upstream: str | None) -> tuple[tuple[UpstreamLink, EndNode], ...]:
        """Every upstream, or the one of that name, with what this VEN is towards it."""
        links = [link for link in self._links.values() if upstream in (None, link.name)]
        if not links:
            there = ", ".join(link.name for link in self._links.values())
            raise InvalidId(f"there is no upstream {upstream!r}; there is {there or 'none: the VEN is not running'}")
        return tuple([(link, await link.state()) for link in links])

    async def upstreams(self) -> tuple[UpstreamSummary, ...]:
        """How this VEN stands with each VTN above it."""
        now = self._clock.now()
        return tuple(upstream_summary(state, link.name, link.contact, now) for link, state in await self._at(None))

    async def upstream(self, name: str = "upstream") -> EndNode | None:
        """What this VEN knows of itself towards that VTN."""
        return await self.store.load(Key(f"node/{name}"), EndNode)

    @property
    def desk(self) -> FleetDesk:
        """The fleet that answers for it."""
        if self._fleet is None:
            raise RuntimeError("the VEN is not running; use `async with ven.running()`")
        return self._fleet

    async def fleet(self) -> Fleet | None:
        """Who is promised what."""
        return await self.store.load(FLEET, Fleet)

    def _rates(self) -> Rates:
        settings = self._settings.fleet
        return Rates(
            status_on_change=True,
            power_on_change=settings.change_kw is not None,
            kept_s=settings.keep_samples_h * 3600,
        )

    def _tell(self, mail: tuple[Mail, ...]) -> None:
        """Rows of this process look at their mail at once."""
        if self._fleet is not None and any(item.to == FLEET for item in mail):
            self._fleet.poke()
        self._tell_links(mail)

    def _tell_links(self, mail: tuple[Mail, ...]) -> None:
        for item in mail:
            if item.to in self._links:
                self._links[item.to].row.poke()


def _fresh() -> OptId:
    return OptId(f"opt-{secrets.token_hex(6)}")
