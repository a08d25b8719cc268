"""Posts to push VENs: one loop for each, begun when its VEN registers. A VEN that is down loses nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from openadr_ra.errors import NotRegistered, OadrRaError, StoreError, TransportError
from openadr_ra.net.client import Link
from openadr_ra.net.tls import Contexts
from openadr_ra.net.url import base_url
from openadr_ra.protocol import vtn
from openadr_ra.protocol.instruction import party
from openadr_ra.protocol.messages import Message
from openadr_ra.protocol.model import VenId
from openadr_ra.protocol.refusal import refused_with
from openadr_ra.protocol.step import Effect, Fetched, Key, Mail, Once, Read, Send
from openadr_ra.protocol.vtn import Input, Lost, Party, Pushed, Terms
from openadr_ra.run.admission import Admission
from openadr_ra.run.envelope import Envelope, Policy
from openadr_ra.run.row import Row
from openadr_ra.run.slices import slices
from openadr_ra.run.traffic import Exchange, Tap
from openadr_ra.run.warned import Warned
from openadr_ra.seams import Clock, Store

log = logging.getLogger(__name__)

STAND_IN = timedelta(seconds=5)
"""After this what another process was to post is taken to be left lying; and how often it is looked for."""

LEASE = timedelta(seconds=30)
"""For so long what was left lying is one process's."""

MOST = 100
"""Rows that are taken over at once."""


class Pushing:
    """The push VENs of a VTN. `contexts` are the VTN's certificates as a client; None for plain HTTP.

    `heard` is called with a party's key after each answer of its VEN, `tell` with the mail of each step.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        terms: Terms,
        admission: Admission,
        envelope: Envelope,
        warned: Warned,
        *,
        contexts: Contexts | None,
        tap: Tap,
        heard: Callable[[Key], None],
        tell: Callable[[tuple[Mail, ...]], None],
        group: asyncio.TaskGroup,
    ) -> None:
        self._store = store
        self._clock = clock
        self._terms = terms
        self._admission = admission
        self._envelope = envelope
        self._warned = warned
        self._contexts = contexts
        self._tap = tap
        self._heard = heard
        self._tell = tell
        self._group = group
        self._theirs: dict[Key, datetime] = {}
        self._loops: dict[Key, tuple[Row[Party, Input], asyncio.Task[None]]] = {}

    async def load(self) -> None:
        """Take up the VENs that registered for push before this start."""
        for some in slices(await self._store.keys("party/")):
            for held in await self._store.load_all(some, Party):
                self.look(party(held.ven_id), held)

    def look(self, key: Key, held: Party) -> None:
        """The party has changed: begin its loop if it is told by push now, and let a running loop look again."""
        if key not in self._loops and held.pushed:
            row: Row[Party, Input] = Row(
                key,
                Party,
                store=self._store,
                clock=self._clock,
                new=lambda: Party(ven_id=VenId(key.partition("/")[2])),
                receive=vtn.receive,
                wake=lambda state, moment: vtn.wake(state, self._terms, moment),
                tell=self._tell,
            )
            self._loops[key] = row, self._group.create_task(self._run(row))
        self.tell(key)

    def tell(self, key: Key) -> None:
        """Mail has come for this party."""
        if key in self._loops:
            self._loops[key][0].wake_up()

    def others(self, keys: Iterable[Key]) -> None:
        """Another process has posted mail to these, and sees to it; should it end before, it is ours after a while."""
        until = self._clock.now() + STAND_IN
        for key in self._loops.keys() & keys:
            self._theirs.setdefault(key, until)

    async def stand_in(self) -> None:
        """See to what other processes have left lying, until cancelled. Only one step of a deadline finds something to post,
        however many processes wake the row."""
        while True:
            now = self._clock.now()
            for key in [key for key, until in self._theirs.items() if until <= now]:
                del self._theirs[key]
                self.tell(key)
            try:
                for key in await self._store.overdue("party/", now - STAND_IN, LEASE, MOST):
                    held = await self._store.load(key, Party)
                    if held is not None:
                        self.look(key, held)
            except StoreError as error:
                log.warning("! what others left lying is not looked for: %s", error)
            await self._clock.sleep_until(now + STAND_IN)

    def close(self) -> None:
        """End all loops."""
        for _, task in self._loops.values():
            task.cancel()

    async def _run(self, row: Row[Party, Input]) -> None:
        async with _Line(self._contexts) as line:

            async def carry(effect: Effect) -> None:
                if isinstance(effect, Read):
                    found = await self._store.readings(effect.series, effect.start, effect.end)
                    for then in await row.give(Fetched(tag=effect.tag, readings=found)):
                        await carry(then)
                if isinstance(effect, Send):
                    await self._post(row, line, effect.message)

            await row.run(carry)

    async def _post(self, row: Row[Party, Input], line: _Line, message: Message) -> None:
        held = await row.state()
        if held is None or held.registration is None:
            return
        peer = row.key.partition("/")[2]
        log.info("> %s %s (push)", peer, message)
        try:
            heard, once = await self._exchange(held, line, message)
            await row.give(Pushed(message=message, answer=heard, terms=self._terms), once=once)
        except OadrRaError as error:
            log.warning("! %s: %s", peer, error)
            rejected = isinstance(error, TransportError) and not error.retry
            await row.give(Lost(message=message, rejected=rejected))
        else:
            log.info("< %s %s (push)", peer, heard if heard is not None else "an empty answer")
            self._heard(row.key)
        row.wake_up()

    async def _exchange(self, held: Party, line: _Line, message: Message) -> tuple[Message | None, Once | None]:
        """What the VEN answers (None is an empty 200), and the nonce it came with. Raises OadrRaError where that is nothing
        to go by."""
        key, policy = party(held.ven_id), self._signing(held)
        service = message.service or "EiRegisterParty"
        body = self._envelope.seal(message, signed=policy.signing == "required")
        link = await line.to(held.registration.address if held.registration is not None else "")
        answer = await link.post(service, body)
        self._tap(Exchange(peer=held.ven_id, service=service, request=body, reply=answer.body, status=200))
        if not answer.body:
            return None, None
        opened = await self._envelope.read(answer.body, policy)
        if opened.signer is not None and held.fingerprints and opened.signer not in held.fingerprints:
            raise NotRegistered(f"the answer is signed by {opened.signer}, which is no certificate of this VEN")
        once = self._envelope.take(opened)
        await self._warned.note(key, opened.warnings)
        refused = refused_with(opened.message)
        if refused is not None and refused.code == NotRegistered.code:
            # It has not taken note of its registration yet, or has forgotten it: what we said is still to be said.
            raise NotRegistered(f"it says that it is not registered: {refused.description or ''}")
        return opened.message, once

    def _signing(self, held: Party) -> Policy:
        """How we speak to this VEN: signed both ways if it registered so, unless its operator says otherwise."""
        policy = self._admission.policy_of(party(held.ven_id))
        if policy.signing == "accepted" and held.signs:
            return Policy(signing="required", lenient=policy.lenient)
        return policy


class _Line:
    """The connection to where one VEN is registered now; an async context manager."""

    def __init__(self, contexts: Contexts | None) -> None:
        self._contexts = contexts
        self._stack = AsyncExitStack()
        self._link: Link | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def to(self, address: str) -> Link:
        """The connection there; one to another place is closed. Raises SettingsError for an address of no use."""
        if self._link is not None and self._link.url == base_url(address):
            return self._link
        self._link = None
        await self._stack.aclose()
        self._link = await self._stack.enter_async_context(Link(address, ssl=self._contexts))
        return self._link
