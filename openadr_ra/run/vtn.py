"""Vtn: the VTN server and all that its operator can ask of it. Everything is asked by event id, so it outlives us."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Self

import msgspec
from msgspec.structs import replace

from openadr_ra.errors import InvalidId, SettingsError
from openadr_ra.net.listening import Sockets
from openadr_ra.net.tls import normal_fingerprint
from openadr_ra.protocol import event_overlap
from openadr_ra.protocol import instruction as instructions
from openadr_ra.protocol.distribution_version import revision_of
from openadr_ra.protocol.instruction import Instruction, party
from openadr_ra.protocol.model import EventId, OptType, VenId, VtnId
from openadr_ra.protocol.requester import Wanted
from openadr_ra.protocol.step import AnyLetter, Key, Mail, Outcome, Record
from openadr_ra.protocol.times import shift
from openadr_ra.protocol.vtn import Party, Terms
from openadr_ra.run import announcing
from openadr_ra.run.admission import Admission
from openadr_ra.run.clock import SystemClock
from openadr_ra.run.envelope import Envelope, Policy
from openadr_ra.run.expiry import warn_of_expiry
from openadr_ra.run.files import warn_of_limit
from openadr_ra.run.limits import Limiter
from openadr_ra.run.pushing import Pushing
from openadr_ra.run.reception import Reception
from openadr_ra.run.responses import ResponseRow, rows
from openadr_ra.run.retention import bounded
from openadr_ra.run.seen import Seen
from openadr_ra.run.service import Service
from openadr_ra.run.slices import Telling, sliced, slices
from openadr_ra.run.traffic import Tap, no_tap
from openadr_ra.run.unwrapped import unwrapped
from openadr_ra.run.vens import VenDesk
from openadr_ra.run.versions import EventVersion, versions
from openadr_ra.run.warned import Warned
from openadr_ra.seams import Clock, Store
from openadr_ra.settings import Downstream, NodeSettings, read
from openadr_ra.store import open_store
from openadr_ra.wire.signing import load_signer

log = logging.getLogger(__name__)

Listening = Callable[[tuple[Key, Outcome[Party]] | None, tuple[Mail, ...]], None]
"""Shown a party's key and what a message of its VEN made of it, if it was one, and the mail that followed."""


class Vtn(VenDesk):
    """A VTN on its store. Use `async with vtn.running():`, or `await vtn.run()`."""

    def __init__(
        self,
        settings: NodeSettings,
        *,
        clock: Clock | None = None,
        store: Store | None = None,
        tap: Tap = no_tap,
        sockets: Sockets = (),
    ) -> None:
        """`sockets` are bound to the port that VENs come to, where several processes share it."""
        if settings.downstream is None:
            raise SettingsError("downstream: a VTN needs this table; see README")
        self._settings = settings
        self._down: Downstream = settings.downstream
        self._clock = clock or SystemClock()
        self._limiter = Limiter(self._down.limits, self._clock)
        self._reception = Reception(self._down, self._limiter, sockets)
        self._shared = store
        self._tap = tap
        self._store: Store | None = store
        self._service: Service | None = None
        self._admission: Admission | None = None
        self._pushing: Pushing | None = None
        self._changed = asyncio.Event()
        self._telling = Telling(self._tell)
        self._hinting = Telling(self._hint)
        self._listeners: list[Listening] = []

    @classmethod
    def from_toml(cls, path: str | Path, *, tap: Tap = no_tap) -> Self:
        """The VTN that a settings file describes. Raises SettingsError."""
        return cls(read(Path(path)), tap=tap)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Listen and serve until the block is left."""
        async with unwrapped(), AsyncExitStack() as stack:
            if self._shared is None:
                self._store = await open_store(self._settings.store.url)
                stack.push_async_callback(self._store.close)
                await stack.enter_async_context(bounded(self._store, self._clock, self._settings))
            store = self.store
            self._admission = await self._admitting()
            envelope, warned = self._envelope(), Warned(store, self._clock)
            self._service = Service(
                store,
                self._clock,
                self._terms(),
                self._admission,
                self._limiter,
                envelope,
                warned,
                secure=bool(self._down.client_ca),
                tap=self._tap,
                heard=self._heard,
                hold_s=self._down.hold_s,
            )
            seen = Seen(store, self._clock, self._service.last_seen)
            await stack.enter_async_context(seen.kept())
            contexts = self._reception.contexts()
            warn_of_limit(len(await store.keys("party/")))
            await stack.enter_async_context(self._reception.open(self._service.answer, contexts))
            stack.callback(self._service.close)
            group = await stack.enter_async_context(asyncio.TaskGroup())
            for work in (warn_of_expiry(contexts, self._clock), self._telling.run(), self._hinting.run(), seen.run()):
                stack.callback(group.create_task(work).cancel)
            self._pushing = Pushing(
                store,
                self._clock,
                self._terms(),
                self._admission,
                envelope,
                warned,
                contexts=self._reception.as_client(),
                tap=self._tap,
                heard=self._answered,
                tell=self._letters,
                group=group,
            )
            store.watch(self._others)
            await self._pushing.load()
            stack.callback(self._pushing.close)
            if store.shared:
                stack.callback(group.create_task(self._pushing.stand_in()).cancel)
            log.info("= VTN %s listens on %s", self._down.vtn_id, self.url)
            yield self

    async def _admitting(self) -> Admission:
        """Who may come, and how what they send is taken."""
        down = self._down
        prints = {ven.id: [normal_fingerprint(text) for text in ven.fingerprints] for ven in down.ven}
        policies = {
            party(VenId(ven.id)): Policy(
                signing=ven.signature or down.signature, lenient=down.lenient if ven.lenient is None else ven.lenient
            )
            for ven in down.ven
            if ven.signature is not None or ven.lenient is not None
        }
        usual = Policy(signing=down.signature, lenient=down.lenient)
        if not down.chains and any(each.signing == "required" for each in (usual, *policies.values())):
            raise SettingsError("downstream.signature: required, yet there is nothing to sign with; set cert and key")
        admission = Admission(self.store, self._clock, down.admit, policy=usual, policies=policies)
        await admission.load()
        for ven in down.ven:
            await admission.enrol(VenId(ven.id), prints[ven.id], by="settings")
        return admission

    def _envelope(self) -> Envelope:
        """Signs with the first of our certificates."""
        chains = self._down.chains
        signer = load_signer(Path(chains[0][0]), Path(chains[0][1])) if chains else None
        window = timedelta(seconds=self._down.signature_window_s)
        return Envelope(self._clock, signer=signer, window=window, changes_nothing="Poll", in_turn=self.store.shared)

    async def run(self) -> None:
        """Serve until cancelled."""
        async with self.running():
            await asyncio.Event().wait()

    @property
    def store(self) -> Store:
        if self._store is None:
            raise RuntimeError("the VTN is not running; use `async with vtn.running()`")
        return self._store

    @property
    def url(self) -> str:
        """Where VENs reach it; known once it runs."""
        return self._reception.url

    async def drain(self) -> None:
        """Before the end, that no request be lost: nobody new is let in, held polls get their answers, and whoever asks over
        an open connection gets one. It is closed with that, or after `drain_s`."""
        if self._service is not None:
            self._service.close()
        await self._reception.drain()

    async def missing(self) -> tuple[str, ...]:
        """What keeps it from serving VENs, a sentence each; empty while it can."""
        return await self._reception.missing(self._store)

    def _terms(self) -> Terms:
        down = self._down
        return Terms(
            vtn_id=VtnId(down.vtn_id),
            poll_s=down.poll_s,
            hold_s=down.hold_s,
            service_info=announcing.service_info(down.announce),
            extensions=announcing.extensions(down.announce),
            wanted=Wanted(live_s=down.live_s, slot_s=down.slot_s),
        )

    def listen(self, listener: Listening) -> None:
        """`listener` is called after each step of a party."""
        self._listeners.append(listener)

    def posted(self, mail: tuple[Mail, ...]) -> None:
        """A row of this process posted mail: VENs that it is for are told at once."""
        self._posted(item.to for item in mail)

    def _letters(self, mail: tuple[Mail, ...]) -> None:
        """Mail of a step that no message of a VEN made."""
        for listener in self._listeners:
            listener(None, mail)

    def _heard(self, key: Key, outcome: Outcome[Party]) -> None:
        for listener in self._listeners:
            listener((key, outcome), outcome.mail)
        if self._pushing is not None:
            self._pushing.look(key, outcome.state)
        if any(isinstance(effect, Record) for effect in outcome.effects):
            self._stir()

    def _others(self, keys: frozenset[Key], names: bool) -> None:
        """Other processes have stepped these rows, or posted mail to them; to push VENs they post themselves."""
        self._hinting.tell(keys)
        if self._pushing is not None:
            self._pushing.others(keys)
        self._stir()

    def _answered(self, key: Key) -> None:
        """A push VEN has answered a post."""
        if self._service is not None:
            self._service.saw(key)
        self._stir()

    def _stir(self) -> None:
        """Whoever waits for something to change looks again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self, within: timedelta) -> None:
        """Return when anything was recorded, or when the time is over."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self._changed.wait()
        except TimeoutError:
            return

    async def publish(self, order: Instruction, *, by: str = "operator") -> EventId:
        """Give the event to its VENs; durable on return.

        Raises InvalidId for a VEN that is not enrolled, Overlap if one of them has another event at that time in the same
        market context (rule 18).
        """
        event_id = order.id or EventId(f"ev-{secrets.token_hex(5)}")
        named = replace(order, id=event_id)
        now = self._clock.now()
        await self._instruct(named, lambda held: instructions.publish(held, named, now, by))
        return event_id

    async def change(self, event_id: str, order: Instruction, *, by: str = "operator") -> None:
        """Replace what the event asks for; its VENs are told and answer anew. Raises as `publish` does."""
        now, name = self._clock.now(), EventId(event_id)
        named = replace(order, id=name)
        await self._instruct(named, lambda held: instructions.change(held, name, order, now, by))

    async def cancel(self, event_id: str, *, by: str = "operator") -> None:
        """Withdraw the event from all of its VENs."""
        now, name = self._clock.now(), EventId(event_id)
        await self._step(name, lambda held: instructions.cancel(held, name, now, by))

    async def _instruct(self, order: Instruction, step: Callable[[Instruction | None], Outcome[Instruction]]) -> None:
        """Steps the event if its VENs are free then. One order after the other: between looking and posting none may come,
        from no process."""

        async def instruct() -> None:
            await self._check_vens(order)
            taken = await self._events_of(order.asks)

            def checked(held: Instruction | None) -> Outcome[Instruction]:
                outcome = step(held)
                event_overlap.check(outcome.state, taken, self._clock.now())
                return outcome

            await self._step(order.id, checked)

        await self.store.exclusive("instructing", instruct)

    async def _step(self, event_id: EventId, step: Callable[[Instruction | None], Outcome[Instruction]]) -> None:
        def stepped(state: Instruction | None, letters: tuple[AnyLetter, ...]) -> Outcome[Instruction]:
            return step(state)

        outcome = await self.store.update(instructions.key(event_id), Instruction, stepped)
        self._posted(item.to for item in outcome.mail)
        self._stir()

    def _posted(self, keys: Iterable[Key]) -> None:
        """Mail waits for these parties: their held polls and their pushes are not to wait for it."""
        self._telling.tell(keys)

    def _hint(self, key: Key) -> None:
        if self._service is not None:
            self._service.tell(key)

    def _tell(self, key: Key) -> None:
        self._hint(key)
        if self._pushing is not None:
            self._pushing.tell(key)

    async def _check_vens(self, order: Instruction) -> None:
        known = set(await self.store.keys("party/"))
        async for ven in sliced(order.asks):
            if party(ven) not in known:
                raise InvalidId(f"VEN {ven} is unknown here; `openadr-ra ven list` shows those there are")

    async def event(self, event_id: str) -> Instruction:
        """The event as instructed last. Raises InvalidId for an unknown one."""
        held = await self.store.load(instructions.key(EventId(event_id)), Instruction)
        if held is None:
            raise InvalidId(f"event {event_id} is unknown; `openadr-ra event list` shows those there are")
        return held

    async def events(self) -> tuple[Instruction, ...]:
        """All events, soonest first."""
        found = [await self.store.load(key, Instruction) for key in await self.store.keys("event/")]
        return tuple(sorted((item for item in found if item is not None), key=lambda item: (item.start, item.id)))

    async def opts(self, event_id: str, *, within: timedelta = timedelta(0)) -> dict[VenId, OptType | None]:
        """Each VEN's opt for the newest version; waits up to `within` for those that have not answered."""
        end = self._clock.now() + within
        while True:
            found = await self._opts(await self.event(event_id))
            left = end - self._clock.now()
            if left <= timedelta(0) or None not in found.values():
                return found
            await self.changed(min(left, timedelta(seconds=1)))

    async def _opts(self, order: Instruction) -> dict[VenId, OptType | None]:
        found: dict[VenId, OptType | None] = {}
        forgotten: set[str] = set()
        for some in slices(order.asks):
            held = {one.ven_id: one for one in await self.store.load_all([party(ven) for ven in some], Party)}
            for ven in some:
                given = held[ven].events.get(order.id) if ven in held else None
                current = given is not None and given.revision == order.modification and not given.unanswered
                found[ven] = given.opt if given is not None and current else None
                if given is None:
                    forgotten.add(ven)
            await asyncio.sleep(0)
        return found | await self._journalled(order, forgotten) if forgotten else found

    async def _journalled(self, order: Instruction, vens: set[str]) -> dict[VenId, OptType | None]:
        """What these VENs said last of that very version: a party forgets an event some time after its end, the journal
        does not."""
        return {
            VenId(entry.by): msgspec.convert(entry.what, OptType)
            for entry in await self.journal(instructions.key(order.id))
            if entry.what in ("optIn", "optOut")
            and entry.by in vens
            and revision_of(entry.detail) == order.modification
        }

    async def versions(self, event_id: str) -> tuple[EventVersion, ...]:
        """When each version of the event was sent to each VEN, received, answered and in effect."""
        return versions(await self.journal(instructions.key((await self.event(event_id)).id)))

    async def report(self, event_id: str) -> tuple[ResponseRow, ...]:
        """Asked, accepted, delivered, deviation, in band or not: per VEN, resource and interval, and in sum."""
        order = await self.event(event_id)
        opts = await self.opts(event_id)
        return await rows(self.store, order, opts, band=self._down.band, now=self._clock.now())

    async def response(self, event_id: str, *, grace: timedelta = timedelta(seconds=90)) -> AsyncIterator[ResponseRow]:
        """Each row of `report` as it becomes known, the sum of an interval last; ends with the event, `grace` after it."""
        given: set[ResponseRow] = set()
        while True:
            order = await self.event(event_id)
            found = await self.report(event_id)
            for row in found:
                if row.delivered_kw is not None and row not in given:
                    given.add(row)
                    yield row
            complete = all(row.delivered_kw is not None and row.final for row in found) and bool(found)
            if complete or self._clock.now() > shift(order.end, grace):
                return
            await self.changed(timedelta(seconds=1))
