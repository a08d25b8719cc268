"""A VEN's end of the wire towards one VTN: what its end node wants said is posted, what comes back is its next input."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import msgspec

from openadr_ra.errors import OK, OadrError, OadrRaError, ResponseCode, SettingsError, TransportError, WireError
from openadr_ra.net.client import Answer, Bounds, Link
from openadr_ra.net.tls import Contexts, client_contexts
from openadr_ra.net.url import base_url
from openadr_ra.protocol import registration, ven
from openadr_ra.protocol.agenda import Known
from openadr_ra.protocol.agenda_scope import Asset
from openadr_ra.protocol.messages import Message
from openadr_ra.protocol.model import OPT_OUT, MarketContext, OptType, RequestId, ResourceId, VenId
from openadr_ra.protocol.node import EndNode, Identity
from openadr_ra.protocol.parts import Event
from openadr_ra.protocol.producer import Rates
from openadr_ra.protocol.registration import Offering
from openadr_ra.protocol.signals_table import full, pair
from openadr_ra.protocol.step import Effect, Key, Mail, Read, Send
from openadr_ra.protocol.ven import Answered, Broken, Called, Configured, Input, Opinion, Rejected
from openadr_ra.run import contact
from openadr_ra.run.clock import Moments
from openadr_ra.run.feeds import fetched
from openadr_ra.run.office import Received, post_office
from openadr_ra.run.row import Row
from openadr_ra.run.traffic import Exchange, Tap
from openadr_ra.seams import Clock, Store
from openadr_ra.settings import Upstream
from openadr_ra.wire.parse import one_line

log = logging.getLogger(__name__)

SIDE_KEEPALIVE_S = 15.0
"""How long the connection beside a held poll is kept when nothing goes over it."""

MAX_SKEW = timedelta(seconds=2)
"""Beyond it intervals begin visibly at the wrong time, and signed messages are refused as too old."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What an embedding program answers to an event; `opt` None leaves it to the fleet."""

    opt: OptType | None = None
    code: ResponseCode = OK
    description: str = ""


Handler = Callable[[Event], Choice | None] | Callable[[Event], Awaitable[Choice | None]]
"""Asked about each new version of an event. A plain function runs in a thread and may block."""


def contexts(settings: Upstream) -> Contexts | None:
    """The TLS of an upstream; None where it is plain HTTP. Raises SettingsError where url and files do not fit."""
    secure = base_url(settings.url).startswith("https:")
    files = {"cert": settings.cert, "key": settings.key, "ca": settings.ca}
    for name, file in files.items():
        if secure and not file:
            raise SettingsError(f"upstream {settings.name!r}: {name}: is missing; {settings.url} needs TLS")
        if file and not secure:
            raise SettingsError(
                f"upstream {settings.name!r}: {name}: is set, yet {settings.url} is plain; write https:// or drop it"
            )
    if not secure:
        return None
    return client_contexts(
        (Path(settings.cert), Path(settings.key)), Path(settings.ca), check_hostname=settings.check_hostname
    )


class UpstreamLink:
    """The loop of one end node: `async with connected()`, then `run`."""

    def __init__(
        self,
        settings: Upstream,
        assets: Mapping[ResourceId, Asset],
        *,
        name: str,
        store: Store,
        clock: Clock,
        tell: Callable[[tuple[Mail, ...]], None],
        tap: Tap,
        on_event: Handler | None,
        rates: Rates,
        side_keepalive_s: float = SIDE_KEEPALIVE_S,
    ) -> None:
        self.name = settings.name
        self.contact = contact.Contact()
        self._settings = settings
        self._store = store
        self._clock = clock
        self._tap = tap
        self._on_event = on_event
        self._skew_told = False
        self._consulting = asyncio.Lock()
        self._held_poll: asyncio.Task[None] | None = None
        self._group: asyncio.TaskGroup | None = None
        self._post_office = post_office(settings, clock)
        self.identity = Identity(
            ven_name=settings.ven_name or name,
            preassigned=VenId(settings.ven_id) if settings.ven_id else None,
            resources=tuple(assets),
            assets=dict(assets),
            groups=settings.groups,
            parties=settings.parties,
            nodes=settings.nodes,
            signals=tuple(full(*pair(name)) for name in settings.signals),
            market_contexts=tuple(msgspec.convert(text, MarketContext) for text in settings.market_contexts),
            rates=msgspec.structs.replace(rates, shortest_s=settings.shortest_report_s),
            consult=on_event is not None,
            report_only=settings.report_only,
            xml_signature=settings.xml_signature,
            one_point_per_interval=settings.one_point_per_interval,
            push_address=settings.push_url,
            hold=settings.hold_polls,
        )
        key = Key(f"node/{settings.name}")
        self.contexts = contexts(settings)
        self.link = Link(settings.url, ssl=self.contexts)
        # While a poll is held the rest needs a connection of its own, which is not kept for long.
        self._side_link = Link(settings.url, ssl=self.contexts, bounds=Bounds(keepalive_s=side_keepalive_s))
        self.row: Row[EndNode, Input] = Row(
            key,
            EndNode,
            store=store,
            clock=clock,
            new=lambda: EndNode(key=key, identity=self.identity),
            receive=ven.receive,
            wake=ven.wake,
            tell=tell,
        )

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """With its connections, and the server that a push VEN is. Raises SettingsError if it cannot listen."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.link)
            await stack.enter_async_context(self._side_link)
            if self._settings.push_url:
                # A pull VEN does not carry a server in memory.
                from openadr_ra.run.called import listening

                await stack.enter_async_context(listening(self._settings, self._post_office, self._called))
            yield

    async def run(self) -> None:
        """Register, poll, answer and report until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                await self._carry_all(await self.row.give(Configured(identity=self.identity)))
                await self._consult()
                await self.row.run(self._carry)
            finally:
                # The server of a push VEN ends after this, and may be called until then.
                self._group = None

    async def _called(self, received: Received, service: str) -> Message | None:
        """What the VTN posted to that service of ours, and the reply to it."""
        log.info("< %s %s (push)", self._settings.name, received.message)
        self.contact = contact.heard(self.contact, self._clock.now(), answered=False)
        given = Called(message=received.message, service=service)
        replies, effects = await self.row.ask(given, once=received.once)
        await self._carry_all(effects)
        self._start(self._beside(self._consult))
        return replies[0] if replies else None

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None] | None:
        """A task beside the loop; None where the loop is ending, and nothing more is begun."""
        try:
            if self._group is not None:
                return self._group.create_task(work)
        except RuntimeError:
            log.debug("= %s is stopping", self._settings.name)
        work.close()
        return None

    async def state(self) -> EndNode:
        """What this VEN knows of itself towards the VTN."""
        return await self.row.state() or EndNode(key=self.row.key, identity=self.identity)

    async def order(self, given: Input) -> None:
        """What people here want of this VTN, or say to it. Raises what the end node finds wrong with it."""
        await self._carry_all(await self.row.give(given))

    async def _carry(self, effect: Effect) -> None:
        await self._carry_all((effect,))

    async def _carry_all(self, effects: Iterable[Effect]) -> None:
        work = deque(effects)
        while work:
            match work.popleft():
                case Send(message=message, wait_s=wait_s) if wait_s and self._group is not None:
                    hold = partial(self._hold, message, wait_s)
                    self._held_poll = self._start(self._beside(hold))
                case Send(message=message):
                    work.extend(await self._post(message))
                case Read() as read:
                    work.extend(await self.row.give(await fetched(self._store, read)))

    async def _beside(self, work: Callable[[], Awaitable[None]]) -> None:
        """Work beside the row's loop, which outlives its failure as the loop does: the VTN's word was silence."""
        try:
            await work()
        except OadrRaError as error:
            log.warning("! %s: %s", self._settings.name, error)
        except Exception:
            log.exception("! %s", self._settings.name)

    async def _hold(self, poll: Message, wait_s: int) -> None:
        """A poll that the VTN may answer late; meanwhile everything else goes its way."""
        headers = (("Prefer", f"wait={wait_s}"),)
        effects = await self._exchange(poll, "OadrPoll", self.link, headers)
        await self._carry_all(await self.row.give(Broken()) if effects is None else effects)

    def _free_link(self) -> Link:
        held = self._held_poll is not None and not self._held_poll.done()
        return self._side_link if held else self.link

    async def _post(self, message: Message) -> tuple[Effect, ...]:
        """Post and hand in what came back. A post that fails is silence: the end node tries again by itself."""
        if message.service is None:
            # An oadrResponse goes where the registration lives (reference 1.5).
            return await self._exchange(message, "EiRegisterParty", self._free_link()) or ()
        return await self._exchange(message, message.service, self._free_link()) or ()

    async def _exchange(
        self, message: Message, service: str, link: Link, headers: tuple[tuple[str, str], ...] = ()
    ) -> tuple[Effect, ...] | None:
        """What follows from the answer; None where there was none that could be used."""
        try:
            _, effects = await self._answered(message, service, link, headers)
        except TransportError as error:
            return await self._failed(message, error)
        except (WireError, OadrError) as error:
            log.warning("! %s answered %s with something unusable: %s", self._settings.name, message, error)
            return None
        await self._consult()
        return effects

    async def query(self) -> Offering:
        """What the VTN says of itself when it is asked, once and now; that changes nothing at either end.

        Raises TransportError where it does not answer, WireError or OadrError for an answer that is no use.
        """
        question = registration.question(RequestId(Moments(self._clock).next().fresh("query")))
        heard, effects = await self._answered(question, "EiRegisterParty", self._free_link())
        await self._carry_all(effects)
        return registration.offering(heard)

    async def _answered(
        self, message: Message, service: str, link: Link, headers: tuple[tuple[str, str], ...] = ()
    ) -> tuple[Message | None, tuple[Effect, ...]]:
        """What came back, once the end node has heard it, and what follows from it. Raises as `query` does."""
        body = self._post_office.seal(message)
        log.info("> %s %s", self._settings.name, message)
        try:
            answer = await link.post(service, body, headers=headers)
        except TransportError as error:
            self._saw(service, body, error.body, error.status or 0)
            self.contact = contact.failed(self.contact, self._clock.now(), str(error))
            raise
        self._saw(service, body, answer.body, 200)
        # Before it is opened: of a clock that is off a signature says no more than that it is too old.
        self._check_clock(answer)
        try:
            # A VTN has nothing to say to an oadrResponse: its answer may be empty.
            heard, once = await self._post_office.open(answer.body) if answer.body else (None, None)
            effects = await self.row.give(Answered(request=message, answer=heard), once=once)
        except (WireError, OadrError) as error:
            self.contact = contact.failed(self.contact, self._clock.now(), f"{message}: {error}")
            raise
        self.contact = contact.heard(self.contact, self._clock.now())
        log.info("< %s %s", self._settings.name, heard if heard is not None else "an empty answer")
        return heard, effects

    async def _failed(self, message: Message, error: TransportError) -> tuple[Effect, ...] | None:
        """No answer: the end node tries again by itself, unless the VTN said that this is no use (9.1.5)."""
        if error.retry:
            log.warning("! %s: %s", self._settings.name, error)
            return None
        log.warning("! %s turned %s away: %s", self._settings.name, message, error)
        return await self.row.give(Rejected(request=message, why=one_line(str(error))))

    def _saw(self, service: str, request: bytes, reply: bytes, status: int) -> None:
        self._tap(Exchange(peer=self._settings.name, service=service, request=request, reply=reply, status=status))

    def _check_clock(self, answer: Answer) -> None:
        """The Date header has whole seconds; half of one is added, and one more is for the network."""
        if answer.date is None:
            return
        skew = self._clock.now() - answer.date - timedelta(seconds=0.5)
        if abs(skew) <= MAX_SKEW:
            self._skew_told = False
        elif not self._skew_told:
            self._skew_told = True
            log.warning(
                "! our clock is %+.1f s off that of %s; events will begin at the wrong time: check NTP",
                skew.total_seconds(),
                self._settings.name,
            )

    async def _consult(self) -> None:
        """Ask the embedding program about events it has not been asked about."""
        async with self._consulting:
            await self._consult_each()

    async def _consult_each(self) -> None:
        if self._on_event is None:
            return
        state = await self.row.state()
        for known in ven.unconsulted(state) if state is not None else ():
            choice = await self._ask(self._on_event, known)
            await self.row.give(
                Opinion(
                    event_id=known.event.id,
                    modification=known.event.modification,
                    opt=choice.opt,
                    code=choice.code,
                    description=choice.description,
                )
            )

    async def _ask(self, handler: Handler, known: Known) -> Choice:
        """If it raises, this event is opted out and the rest go on."""
        try:
            if inspect.iscoroutinefunction(handler):
                answer = await handler(known.event)
            else:
                answer = await asyncio.to_thread(handler, known.event)
        except Exception:
            log.exception("! the handler failed on event %s, which is opted out", known.event.id)
            return Choice(opt=OPT_OUT, description="the handler failed")
        return answer if isinstance(answer, Choice) else Choice()
