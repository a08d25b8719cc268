"""Posts to push VENs: one loop for each, begun when its VEN registers. A VEN that is down loses nothing."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack

from openadr_ra.errors import OadrRaError, TransportError
from openadr_ra.net.client import Link
from openadr_ra.net.tls import Contexts
from openadr_ra.protocol import vtn
from openadr_ra.protocol.messages import Message
from openadr_ra.protocol.model import VenId
from openadr_ra.protocol.step import Effect, Fetched, Key, Read, Send
from openadr_ra.protocol.vtn import Input, Lost, Party, Pushed, Terms
from openadr_ra.run.envelope import Envelope, Policy
from openadr_ra.run.row import Row
from openadr_ra.run.traffic import Exchange, Tap
from openadr_ra.seams import Clock, Store

log = logging.getLogger(__name__)


_POLICIES = {False: Policy(signing="accepted"), True: Policy(signing="required")}
"""By whether the VEN registered for signed messages."""


class Pushing:
    """The push VENs of a VTN. `contexts` are the VTN's certificates as a client; None for plain HTTP."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        terms: Terms,
        envelope: Envelope,
        *,
        contexts: Contexts | None,
        tap: Tap,
        group: asyncio.TaskGroup,
    ) -> None:
        self._store = store
        self._clock = clock
        self._terms = terms
        self._envelope = envelope
        self._contexts = contexts
        self._tap = tap
        self._group = group
        self._loops: dict[Key, tuple[Row[Party, Input], asyncio.Task[None]]] = {}

    async def load(self) -> None:
        """Take up the VENs that registered for push before this start."""
        for key in await self._store.keys("party/"):
            held = await self._store.load(key, Party)
            if held is not None:
                self.look(key, held)

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
                tell=lambda mail: None,
            )
            self._loops[key] = row, self._group.create_task(self._run(row))
        self.tell(key)

    def tell(self, key: Key) -> None:
        """Mail has come for this party."""
        if key in self._loops:
            self._loops[key][0].wake_up()

    def close(self) -> None:
        """End all loops."""
        for _, task in self._loops.values():
            task.cancel()

    async def _run(self, row: Row[Party, Input]) -> None:
        async with AsyncExitStack() as stack:
            links: dict[str, Link] = {}

            async def carry(effect: Effect) -> None:
                if isinstance(effect, Read):
                    found = await self._store.readings(effect.series, effect.start, effect.end)
                    for then in await row.give(Fetched(tag=effect.tag, readings=found)):
                        await carry(then)
                if isinstance(effect, Send):
                    link = await self._link(row, links, stack)
                    if link is not None:
                        await self._post(row, link, effect.message)

            await row.run(carry)

    async def _link(self, row: Row[Party, Input], links: dict[str, Link], stack: AsyncExitStack) -> Link | None:
        """The connection to where the VEN is registered now."""
        held = await row.state()
        address = held.registration.address if held is not None and held.registration is not None else ""
        if not address:
            return None
        if address not in links:
            secure = self._contexts if address.startswith("https") else None
            links[address] = await stack.enter_async_context(Link(address, ssl=secure))
        return links[address]

    async def _post(self, row: Row[Party, Input], link: Link, message: Message) -> None:
        service = message.service or "EiRegisterParty"
        held = await row.state()
        signs = held is not None and held.signs
        body = self._envelope.seal(message, signed=signs)
        peer = row.key.partition("/")[2]
        log.info("> %s %s (push)", peer, message)
        try:
            answer = await link.post(service, body)
            heard = (await self._envelope.open(answer.body, _POLICIES[signs])).message if answer.body else None
        except (TransportError, OadrRaError) as error:
            log.warning("! %s: %s", peer, error)
            await row.give(Lost(message=message))
            row.wake_up()
            return
        self._tap(Exchange(peer=peer, service=service, request=body, reply=answer.body, status=200))
        log.info("< %s %s (push)", peer, heard if heard is not None else "an empty answer")
        await row.give(Pushed(message=message, answer=heard, terms=self._terms))
        row.wake_up()
