"""Bodies to messages and back, at either end: strict or lenient, signed or not, each nonce taken once."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

import msgspec
from lxml.etree import _Element as Element

from openadr_ra.errors import ComplianceError, SettingsError
from openadr_ra.protocol.messages import Message
from openadr_ra.run.decoding import apart
from openadr_ra.seams import Clock, Store
from openadr_ra.settings import Signing
from openadr_ra.wire import codec, lenient, schema, signature, signing
from openadr_ra.wire.canonical import SIGNATURE, Style
from openadr_ra.wire.lenient import InteropWarning
from openadr_ra.wire.parse import parse

MAX_POLL_NONCES = 100_000
"""Nonces of polls are kept in memory only; beyond this many the oldest go, which are the first to be too old anyway."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How a peer's messages are taken. Chosen by its TLS fingerprint, before anything is decoded."""

    signing: Signing = "accepted"
    lenient: bool = False


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A message, who signed it (None: nobody), and what had to be repaired."""

    message: Message
    signer: str | None = None
    warnings: tuple[InteropWarning, ...] = ()


class Envelope:
    """Opens what comes and seals what goes. `window`: how old, and how far ahead, a signed message may be."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        signer: signing.Signer | None,
        style: Style = "id",
        window: timedelta,
    ) -> None:
        self._store = store
        self._clock = clock
        self._signer = signer
        self._style: Style = style
        self._window = window
        self._started = clock.now()
        self._polls: dict[str, datetime] = {}

    async def open(self, body: bytes, policy: Policy) -> Opened:
        """The message in `body`. Raises WireError for what is not acceptable, OadrError for what is understood and
        refused: 459 where a signature is missing, too old, or was seen before.
        """
        opened, signed = await apart(body, lambda: _read(body, policy))
        if signed is not None:
            await self._take_once(signed, opened.message)
        return opened

    async def _take_once(self, signed: signature.Signed, message: Message) -> None:
        """A poll changes nothing, so its nonce needs only memory. What was signed before our start may have been taken by
        us already, and be forgotten: it is refused.
        """
        now = self._clock.now()
        nonce = signature.fresh(signed, now, past=self._window, future=self._window)
        if signed.timestamp < self._started:
            raise ComplianceError("the message was signed before this end was started; sign it anew")
        if str(message) == "Poll":
            if nonce.key in self._polls:
                raise ComplianceError("the message was sent before; each needs a nonce of its own")
            self._polls[nonce.key] = nonce.until
            self._forget(now)
        elif not await self._store.remember(nonce.key, nonce.until, now):
            raise ComplianceError("the message was sent before; each needs a nonce of its own")

    def _forget(self, now: datetime) -> None:
        """Let go of what is too old to be sent again; they stand in the order they came."""
        while self._polls:
            oldest = next(iter(self._polls))
            if self._polls[oldest] > now and len(self._polls) <= MAX_POLL_NONCES:
                return
            del self._polls[oldest]

    def seal(self, message: Message, *, signed: bool) -> bytes:
        """The bytes that go out. Raises SettingsError if they are to be signed and there is no certificate."""
        if not signed:
            return codec.encode(message)
        if self._signer is None:
            raise SettingsError("a signature is asked for; set cert and key")
        nonce = secrets.token_urlsafe(18)
        return signing.sign(message, self._signer, now=self._clock.now(), nonce=nonce, style=self._style)


def _read(body: bytes, policy: Policy) -> tuple[Opened, signature.Signed | None]:
    root = parse(body)
    if policy.signing == "off" or not _is_signed(root):
        if policy.signing == "required":
            raise ComplianceError("a signature is required")
        message, warnings = _plain(root, policy)
        return Opened(message=message, warnings=warnings), None
    if not policy.lenient:
        schema.validate(root)
    signed = signature.verify(root, lenient=policy.lenient)
    repairs: tuple[InteropWarning, ...] = ()
    if policy.lenient:
        signed, repairs = lenient.repaired(signed)
    return Opened(message=codec.read(signed), signer=signed.fingerprint, warnings=repairs), signed


def _is_signed(root: Element) -> bool:
    return any(child.tag == SIGNATURE for child in root)


def _plain(root: Element, policy: Policy) -> tuple[Message, tuple[InteropWarning, ...]]:
    if policy.lenient:
        root, warnings = lenient.repair(root)
    else:
        schema.validate(root)
        warnings = ()
    return codec.read(codec.Plain(schema.signed_object(root))), warnings
