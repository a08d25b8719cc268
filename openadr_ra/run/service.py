"""The VTN's end of the wire: a request becomes a step of a party, the step's reply becomes bytes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from openadr_ra.errors import (
    InvalidData,
    NotRecognized,
    NotRegistered,
    OadrError,
    SettingsError,
    StoreError,
    WireError,
)
from openadr_ra.net.server import Reply, Request, busy
from openadr_ra.net.url import base_url
from openadr_ra.protocol import vtn
from openadr_ra.protocol.messages import Message
from openadr_ra.protocol.model import VenId
from openadr_ra.protocol.refusal import blank, refusal, refused_with, unreadable
from openadr_ra.protocol.step import AnyLetter, Fetched, Key, Once, Outcome, Read, Record
from openadr_ra.protocol.vtn import Heard, Party, Terms
from openadr_ra.run.admission import Admission
from openadr_ra.run.clock import Moments
from openadr_ra.run.envelope import Envelope, Opened, SignedUnusable
from openadr_ra.run.holding import Holding, Turn
from openadr_ra.run.limits import Limiter
from openadr_ra.run.row import chained
from openadr_ra.run.traffic import Exchange, Tap
from openadr_ra.run.warned import Warned
from openadr_ra.seams import Clock, Step, Store
from openadr_ra.wire import codec
from openadr_ra.wire.parse import one_line

log = logging.getLogger(__name__)


class Post(NamedTuple):
    """What was posted, by whom: the certificate of the connection, or of the signature where a proxy ended TLS.

    `signed`: it was, or the operator wants no signatures looked at. `seal`: the reply is signed, too. `once`: its nonce.
    """

    request: Request
    message: Message
    fingerprint: str | None
    signed: bool
    seal: bool
    once: Once | None = None


class Idle(NamedTuple):
    """What a poll of `party` is answered with while nothing else changes, up to `until`; `reply` is it, unsigned."""

    party: Party
    until: datetime
    said: Message
    reply: Reply


class Service:
    """Answers what VENs post. `heard` is called with a party's key after each step that changed anything.

    `secure`: the VTN has certificates, so that it posts to push VENs by TLS and to no others.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        terms: Terms,
        admission: Admission,
        limiter: Limiter,
        envelope: Envelope,
        warned: Warned,
        *,
        secure: bool,
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
        self._warned = warned
        self._secure = secure
        self._tap = tap
        self._heard = heard
        self._holding = Holding(hold_s)
        self._idle: dict[Key, Idle] = {}
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
            policy = await self._admission.policy(request.fingerprint)
            opened = await self._envelope.read(request.body, policy, request.fingerprint)
        except WireError as error:
            log.info("! refused %s %s from %s: %s", error.code, request.service, _who(request), one_line(str(error)))
            return "", Reply(status=error.status, body=codec.encode(unreadable(error)))
        except OadrError as error:
            log.info("! refused %s %s from %s: %s", error.code, request.service, _who(request), one_line(str(error)))
            return "", await self._unread(request, error)
        except StoreError as error:
            log.error("! not known: %s: %s", _who(request), error)
            return "", Reply(status=503)
        signed = opened.signer is not None
        post = Post(
            request=request,
            message=opened.message,
            fingerprint=request.fingerprint or opened.signer,
            signed=signed or policy.signing == "off",
            seal=signed and self._envelope.signs,
        )
        try:
            return await self._step(post, opened)
        except OadrError as error:
            log.info("! refused %s %s from %s: %s", error.code, post.message, _who(request), one_line(str(error)))
            return "", await self._refused(post, error)
        except StoreError as error:
            log.error("! not stored: %s from %s: %s", post.message, _who(request), error)
            return "", Reply(status=503)

    async def _unread(self, request: Request, error: OadrError) -> Reply:
        """A value that cannot be used is refused by the natural reply, too; what has no signature by a plain one."""
        if not isinstance(error, codec.Unusable) or error.said is None:
            return Reply(body=codec.encode(blank(error)))
        signer = error.signer if isinstance(error, SignedUnusable) else None
        post = Post(
            request=request,
            message=error.said,
            fingerprint=request.fingerprint or signer,
            signed=signer is not None,
            seal=signer is not None and self._envelope.signs,
        )
        return await self._refused(post, error)

    async def _refused(self, post: Post, error: OadrError) -> Reply:
        ven_id = await self._whose(post)
        reply = refusal(post.message, error, ven_id=ven_id, vtn_id=self._terms.vtn_id)
        return self._sealed(reply, post)

    async def _whose(self, post: Post) -> VenId | None:
        """The VEN that we answer, as far as it is known: some peers want its venID in a refusal, too (1.3)."""
        try:
            key = await self._admission.party(post.message, post.fingerprint)
        except (OadrError, StoreError):
            return None
        return VenId(key.partition("/")[2]) if self._admission.knows(key) else None

    def _sealed(self, reply: Message, post: Post) -> Reply:
        return Reply(body=self._envelope.seal(reply, signed=post.seal))

    async def _step(self, post: Post, opened: Opened) -> tuple[str, Reply]:
        """Who it is comes first, then whether it was said before, then what it says."""
        message = post.message
        if opened.signer not in (None, post.fingerprint):
            raise NotRegistered("the signature is not by the certificate of this connection")
        if not vtn.belongs(message, post.request.service):
            raise NotRecognized(f"{message} does not belong to {post.request.service}; post it to {message.service}")
        key = await self._admission.party(message, post.fingerprint)
        post = post._replace(once=self._envelope.take(opened))
        self.saw(key)
        ven = VenId(key.partition("/")[2])
        if vtn.is_creating(message):
            self._check_address(message)
            known = self._admission.knows(key)
            wait_s = self._limiter.registers(key, post.request.address, post.fingerprint, known=known)
            if wait_s is not None:
                await self._limiter.rest()
                return ven, busy(wait_s)
        if vtn.is_poll(message) and getattr(message, "ven_id", None) == ven:
            reply = await self._polled(key, post)
        else:
            reply = self._sealed(await self._said(key, post), post)
        if self._admission.knows(key):
            await self._warned.note(key, opened.warnings)
        return ven, reply

    def _check_address(self, message: Message) -> None:
        """Raise InvalidData if a push VEN cannot be posted to where it says. In plain HTTP anyone could answer for it."""
        address = getattr(message, "address", None)
        if getattr(message, "pull", None) is not False or not address:
            return
        try:
            url = base_url(address)
        except SettingsError as error:
            raise InvalidData(f"oadrTransportAddress: {error}") from error
        if self._secure != url.startswith("https:"):
            scheme = "https" if self._secure else "http"
            raise InvalidData(f"oadrTransportAddress {address} does not begin with {scheme}, as this VTN's own does")

    def saw(self, key: Key) -> None:
        """This party was heard of; only if there is one, for names are free to invent."""
        if self._admission.knows(key):
            self.last_seen[VenId(key.partition("/")[2])] = self._clock.now()

    async def _polled(self, key: Key, post: Post) -> Reply:
        """The reply to a poll; where the VEN prefers to wait (RFC 7240), it is held until there is something to say."""
        wait_s = self._holding.seconds(post.request.wait_s)
        if not wait_s:
            return self._ready(*await self._next(key, post), post)
        with self._holding.turn(key) as turn:
            reply = self._ready(*await self._held(key, post, turn, wait_s), post)
        return replace(reply, headers=(("Preference-Applied", f"wait={wait_s}"),))

    def _ready(self, said: Message, idle: Idle | None, post: Post) -> Reply:
        """Sealed at the last moment: a signature is good for a short time."""
        return self._sealed(said, post) if idle is None or post.seal else idle.reply

    async def _held(self, key: Key, post: Post, turn: Turn, wait_s: int) -> tuple[Message, Idle | None]:
        end = self._clock.now() + timedelta(seconds=wait_s)
        while True:
            said, idle = await self._next(key, post)
            now = self._clock.now()
            if idle is None or now >= end or not await turn.wait((min(end, idle.until) - now).total_seconds()):
                return said, idle

    async def _next(self, key: Key, post: Post) -> tuple[Message, Idle | None]:
        """What a poll brings now; if that is nothing, how long it stays so."""
        idle = self._still_idle(key, post)
        if idle is not None:
            return idle.said, idle
        said = await self._said(key, post)
        if not vtn.is_plain(said) or refused_with(said) is not None:
            return said, None
        return said, self._rest(key, said)

    def close(self) -> None:
        """From now on no poll is held, and those that are get their answers."""
        self._holding.close()

    def tell(self, key: Key) -> None:
        """There may be something for this party: whoever holds its poll looks again."""
        self._holding.tell(key)

    async def _said(self, key: Key, post: Post) -> Message:
        """What the party's step says to it."""
        outcome = await self._stepped(key, self._stepping(key, post))
        for effect in outcome.effects:
            if isinstance(effect, Read) and not outcome.replies:
                outcome = await self._stepped(key, await self._reading(effect))
        said = outcome.replies[-1]
        ven = key.partition("/")[2]
        refused = refused_with(said)
        if refused is not None:
            who, why = _who(post.request), one_line(refused.description or "")
            log.info("! refused %s %s from %s %s: %s", refused.code, post.message, ven, who, why)
        else:
            log.info("< %s %s", ven, post.message)
            log.info("> %s %s", ven, said)
        return said

    async def _stepped(self, key: Key, step: Step[Party]) -> Outcome[Party]:
        """The step's outcome, stored; but nobody is remembered for a mere question, or for a registration refused."""
        if not self._admission.knows(key):
            outcome = step(None, ())
            if outcome.state == Party(ven_id=outcome.state.ven_id):
                return outcome
        outcome = await self._store.update(key, Party, step)
        self._heard(key, outcome)
        # What the VEN says beside a held poll may have made something due.
        self.tell(key)
        self._admission.learned(key)
        self.saw(key)
        return outcome

    def _stepping(self, key: Key, post: Post) -> Step[Party]:
        def step(state: Party | None, letters: tuple[AnyLetter, ...]) -> Outcome[Party]:
            heard = Heard(message=post.message, fingerprint=post.fingerprint, terms=self._terms, signed=post.signed)
            held = Party(ven_id=VenId(key.partition("/")[2])) if state is None else state
            outcome = chained(held, vtn.receive, (*letters, heard), Moments(self._clock))
            if post.once is None:
                return outcome
            return msgspec.structs.replace(outcome, effects=(*outcome.effects, Record(once=post.once)))

        return step

    async def _reading(self, wanted: Read) -> Step[Party]:
        """The step that hands in what a report of ours is to be written from."""
        found = Fetched(tag=wanted.tag, readings=await self._store.readings(wanted.series, wanted.start, wanted.end))

        def step(state: Party | None, letters: tuple[AnyLetter, ...]) -> Outcome[Party]:
            held = Party(ven_id=VenId("")) if state is None else state
            return chained(held, vtn.receive, (*letters, found), Moments(self._clock))

        return step

    def _still_idle(self, key: Key, post: Post) -> Idle | None:
        """What was said to the last poll if nothing has changed since: no step, no store."""
        idle = self._idle.get(key)
        if idle is None:
            return None
        party = idle.party
        if self._store.peek(key, Party) is not party or self._clock.now() >= idle.until:
            del self._idle[key]
            return None
        if party.fingerprints and post.fingerprint not in party.fingerprints:
            return None
        return None if party.signs and not post.signed else idle

    def _rest(self, key: Key, said: Message) -> Idle | None:
        """Nothing was said: what is kept until something changes."""
        party = self._store.peek(key, Party)
        if party is None:
            return None
        until = vtn.quiet_until(party, self._clock.now(), self._terms)
        if until is None:
            return None
        idle = self._idle[key] = Idle(party, until, said, Reply(body=codec.encode(said)))
        return idle


def _who(request: Request) -> str:
    """The peer, for a log line."""
    return f"{request.address} {request.fingerprint or 'without certificate'}"
