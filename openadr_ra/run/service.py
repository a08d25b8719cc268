"""The VTN's end of the wire: a request becomes a step of a party, the step's reply becomes bytes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from openadr_ra.errors import NotRecognized, NotRegistered, OadrError, ResponseCode, StoreError, WireError
from openadr_ra.net.server import Reply, Request, busy
from openadr_ra.protocol import vtn
from openadr_ra.protocol.messages import Message
from openadr_ra.protocol.model import VenId
from openadr_ra.protocol.refusal import blank, refusal, refused_with
from openadr_ra.protocol.step import AnyLetter, Entry, Fetched, Key, Outcome, Read
from openadr_ra.protocol.vtn import Heard, Party, Terms
from openadr_ra.run.admission import Admission
from openadr_ra.run.clock import Moments
from openadr_ra.run.envelope import Envelope
from openadr_ra.run.limits import Limiter
from openadr_ra.run.row import chained
from openadr_ra.run.traffic import Exchange, Tap
from openadr_ra.seams import Clock, Step, Store
from openadr_ra.wire import codec
from openadr_ra.wire.lenient import InteropWarning
from openadr_ra.wire.parse import one_line

log = logging.getLogger(__name__)

WARNED = "interop warning"
"""What a journal entry about a repaired message says."""

MOST_WARNED = 10_000
"""Kinds of repair that are remembered over all VENs; beyond it nothing more is written down."""


class Post(NamedTuple):
    """What was posted, by whom: the certificate of the connection, or of the signature where a proxy ended TLS."""

    request: Request
    message: Message
    fingerprint: str | None
    signed: bool


class Service:
    """Answers what VENs post. `heard` is called with a party's key after each step that changed anything."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        terms: Terms,
        admission: Admission,
        limiter: Limiter,
        envelope: Envelope,
        *,
        tap: Tap,
        heard: Callable[[Key, Outcome[Party]], None],
        hold_s: int,
    ) -> None:
        self._store = store
        self._clock = clock
        self._terms = terms
        self._admission = admission
        self._limiter = limiter
        self._envelope = envelope
        self._tap = tap
        self._heard = heard
        self._hold_s = hold_s
        self._idle: dict[Key, tuple[Party, datetime, Reply, Message]] = {}
        self._warned: set[tuple[Key, str, str]] = set()
        self._held: dict[Key, asyncio.Event] = {}
        self.last_seen: dict[VenId, datetime] = {}

    async def answer(self, request: Request) -> Reply:
        """The reply to a post: HTTP 200 with an OpenADR payload, or a refusal of what is no OpenADR message."""
        peer, reply = await self._answer(request)
        self._tap(
            Exchange(
                peer=peer or request.address,
                service=request.service,
                request=request.body,
                reply=reply.body,
                status=reply.status,
            )
        )
        return reply

    async def _answer(self, request: Request) -> tuple[str, Reply]:
        try:
            opened = await self._envelope.open(request.body, self._admission.policy(request.fingerprint))
        except WireError as error:
            log.info("! refused %s %s from %s: %s", error.code, request.service, _who(request), one_line(str(error)))
            return "", Reply(status=error.status, body=self._refusal(error.code))
        except OadrError as error:
            log.info("! refused %s %s from %s: %s", error.code, request.service, _who(request), one_line(str(error)))
            return "", Reply(body=codec.encode(blank(error)))
        except StoreError as error:
            log.error("! not stored: a nonce from %s: %s", _who(request), error)
            return "", Reply(status=503)
        message = opened.message
        post = Post(request, message, request.fingerprint or opened.signer, opened.signer is not None)
        try:
            if opened.signer not in (None, post.fingerprint):
                raise NotRegistered("the signature is not by the certificate of this connection")
            return await self._step(post, opened.warnings)
        except OadrError as error:
            log.info("! refused %s %s from %s: %s", error.code, message, _who(request), one_line(str(error)))
            return "", self._refused(post, error)
        except StoreError as error:
            log.error("! not stored: %s from %s: %s", message, _who(request), error)
            return "", Reply(status=503)

    def _refusal(self, code: ResponseCode) -> bytes:
        """With an HTTP error goes an oadrResponse that says no more than the code: some peers read it."""
        error = NotRecognized("not an acceptable OpenADR 2.0b message")
        return codec.encode(blank(error, code))

    def _refused(self, post: Post, error: OadrError) -> Reply:
        reply = refusal(post.message, error, ven_id=None, vtn_id=self._terms.vtn_id)
        return Reply(body=self._envelope.seal(reply, signed=post.signed))

    async def _step(self, post: Post, warnings: tuple[InteropWarning, ...]) -> tuple[str, Reply]:
        request, message = post.request, post.message
        if not vtn.belongs(message, request.service):
            raise NotRecognized(f"{message} does not belong to {request.service}; post it to {message.service}")
        key = await self._admission.party(message, post.fingerprint)
        ven = VenId(key.partition("/")[2])
        self._saw(key)
        await self._warn(key, warnings)
        if vtn.is_creating(message):
            known = self._admission.knows(key)
            wait_s = self._limiter.registers(key, request.address, post.fingerprint, known=known)
            if wait_s is not None:
                await self._limiter.rest()
                return ven, busy(wait_s)
        if vtn.is_poll(message) and getattr(message, "ven_id", None) == ven:
            return ven, await self._polled(key, post)
        return ven, (await self._replied(key, post))[0]

    async def _warn(self, key: Key, warnings: tuple[InteropWarning, ...]) -> None:
        """What had to be repaired is kept for the operator, each kind once a start: a peer repeats its own way for ever."""
        new = [one for one in warnings if (key, one.repair, one.path) not in self._warned]
        if not new or not self._admission.knows(key) or len(self._warned) > MOST_WARNED:
            return
        self._warned.update((key, one.repair, one.path) for one in new)
        ven = key.partition("/")[2]
        entries = [
            Entry(
                subject=key,
                at=self._clock.now(),
                by=ven,
                what=WARNED,
                detail=f"{one.repair} at {one.path}: {one.detail}",
            )
            for one in new
        ]
        await self._store.record((), entries)

    def _saw(self, key: Key) -> None:
        """Only of a party that there is: names are free to invent."""
        if self._admission.knows(key):
            self.last_seen[VenId(key.partition("/")[2])] = self._clock.now()

    async def _polled(self, key: Key, post: Post) -> Reply:
        """The reply to a poll; where the VEN prefers to wait (RFC 7240), it is held until there is something to say."""
        wait_s = min(post.request.wait_s or 0, self._hold_s)
        end = self._clock.now() + timedelta(seconds=wait_s)
        while True:
            told = self._held.setdefault(key, asyncio.Event())
            reply = self._still_idle(key, post)
            if reply is None:
                reply, said = await self._replied(key, post)
                if not vtn.is_plain(said) or refused_with(said) is not None:
                    return reply
                self._rest(key, reply, said)
            left = (min(end, self._quiet(key)) - self._clock.now()).total_seconds()
            if left <= 0:
                break
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await told.wait()
            if self._clock.now() >= end or not self._hold_s:
                break
        if not wait_s:
            return reply
        return replace(reply, headers=(("Preference-Applied", f"wait={wait_s}"),))

    def _quiet(self, key: Key) -> datetime:
        """Until when nothing can be due by the clock alone."""
        kept = self._idle.get(key)
        return kept[1] if kept is not None else self._clock.now()

    def close(self) -> None:
        """From now on no poll is held: those that are get the reply that is ready, so that nobody waits for our end."""
        self._hold_s = 0
        for key in tuple(self._held):
            self.tell(key)

    def tell(self, key: Key) -> None:
        """There may be something for this party: whoever holds its poll looks again."""
        told = self._held.pop(key, None)
        if told is not None:
            told.set()

    async def _replied(self, key: Key, post: Post) -> tuple[Reply, Message]:
        outcome = await self._stepped(key, self._stepping(key, post))
        for effect in outcome.effects:
            if isinstance(effect, Read) and not outcome.replies:
                outcome = await self._stepped(key, await self._reading(effect))
        said = outcome.replies[-1]
        reply = Reply(body=self._envelope.seal(said, signed=post.signed))
        ven = key.partition("/")[2]
        refused = refused_with(said)
        if refused is not None:
            who, why = _who(post.request), one_line(refused.description or "")
            log.info("! refused %s %s from %s %s: %s", refused.code, post.message, ven, who, why)
        else:
            log.info("< %s %s", ven, post.message)
            log.info("> %s %s", ven, said)
        return reply, said

    async def _stepped(self, key: Key, step: Step[Party]) -> Outcome[Party]:
        """The step's outcome, stored; but nobody is remembered for a mere question, or for a registration refused."""
        if not self._admission.knows(key):
            outcome = step(None, ())
            if outcome.state == Party(ven_id=outcome.state.ven_id):
                return outcome
        outcome = await self._store.update(key, Party, step)
        self._heard(key, outcome)
        self._admission.learned(key, outcome)
        self._saw(key)
        return outcome

    def _stepping(self, key: Key, post: Post) -> Step[Party]:
        def step(state: Party | None, letters: tuple[AnyLetter, ...]) -> Outcome[Party]:
            heard = Heard(message=post.message, fingerprint=post.fingerprint, terms=self._terms, signed=post.signed)
            held = Party(ven_id=VenId(key.partition("/")[2])) if state is None else state
            return chained(held, vtn.receive, (*letters, heard), Moments(self._clock))

        return step

    async def _reading(self, wanted: Read) -> Step[Party]:
        """The step that hands in what a report of ours is to be written from."""
        found = Fetched(tag=wanted.tag, readings=await self._store.readings(wanted.series, wanted.start, wanted.end))

        def step(state: Party | None, letters: tuple[AnyLetter, ...]) -> Outcome[Party]:
            held = Party(ven_id=VenId("")) if state is None else state
            return chained(held, vtn.receive, (*letters, found), Moments(self._clock))

        return step

    def _still_idle(self, key: Key, post: Post) -> Reply | None:
        """The ready reply to a poll of a party for which nothing has changed: no step, no store."""
        kept = self._idle.get(key)
        if kept is None:
            return None
        party, until, reply, said = kept
        if self._store.peek(key, Party) is not party or self._clock.now() >= until:
            del self._idle[key]
            return None
        if party.fingerprints and post.fingerprint not in party.fingerprints:
            return None
        if post.signed:
            return Reply(body=self._envelope.seal(said, signed=True))
        return None if party.signs else reply

    def _rest(self, key: Key, reply: Reply, said: Message) -> None:
        party = self._store.peek(key, Party)
        if party is None:
            return
        until = vtn.quiet_until(party, self._clock.now(), self._terms)
        if until is not None:
            self._idle[key] = (party, until, reply, said)


def _who(request: Request) -> str:
    """The peer, for a log line."""
    return f"{request.address} {request.fingerprint or 'without certificate'}"
