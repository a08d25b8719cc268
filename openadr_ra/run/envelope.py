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

MAX_LIGHT_NONCES = 100_000
"""Those that are kept in memory only; beyond this many the oldest go, which are the first to be too old anyway."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How a peer's messages are taken. Chosen by its TLS fingerprint, before anything is decoded."""

    signing: Signing = "accepted"
    lenient: bool = False


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A message, its signature (None: it has none, or none was looked at), and what had to be repaired."""

    message: Message
    signed: signature.Signed | None = None
    warnings: tuple[InteropWarning, ...] = ()

    @property
    def signer(self) -> str | None:
        """The fingerprint of the certificate that it is signed with."""
        return self.signed.fingerprint if self.signed is not None else None


class Envelope:
    """Opens what comes and seals what goes. `window`: how old, and how far ahead, a signed message may be.

    `changes_nothing` names the message that comes most often and changes no state: a poll at a VTN, the plain answer to it
    at a VEN.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        signer: signing.Signer | None,
        style: Style = "id",
        window: timedelta,
        changes_nothing: str,
    ) -> None:
        self._store = store
        self._clock = clock
        self._signer = signer
        self._style: Style = style
        self._window = window
        self._changes_nothing = changes_nothing
        self._started = clock.now()
        self._light: dict[str, datetime] = {}

    @property
    def signs(self) -> bool:
        """Is there a certificate to sign with?"""
        return self._signer is not None

    async def open(self, body: bytes, policy: Policy) -> Opened:
        """`read`, then `take`: for whoever need not ask first who it is."""
        opened = await self.read(body, policy)
        await self.take(opened)
        return opened

    async def read(self, body: bytes, policy: Policy) -> Opened:
        """The message in `body`, as authentic as its signature says. Raises WireError for what is not acceptable, and
        ComplianceError (459) where a signature is missing. Nothing is remembered: the signer may be anyone.
        """
        return await apart(body, lambda: _read(body, policy))

    async def take(self, opened: Opened) -> None:
        """Return once for each signed message, while it is fresh; else raise ComplianceError (459).

        What changes nothing needs its nonce in memory only. What was signed before our start may have been taken by us
        already, and be forgotten: it is refused.
        """
        if opened.signed is None:
            return
        now = self._clock.now()
        nonce = signature.fresh(opened.signed, now, past=self._window, future=self._window)
        if opened.signed.timestamp < self._started:
            raise ComplianceError("the message was signed before this end was started; sign it anew")
        light = str(opened.message) == self._changes_nothing
        if not (self._is_new(nonce, now) if light else await self._store.remember(nonce.key, nonce.until, now)):
            raise ComplianceError("the message was sent before; each needs a nonce of its own")

    def _is_new(self, nonce: signature.Nonce, now: datetime) -> bool:
        if nonce.key in self._light:
            return False
        self._light[nonce.key] = nonce.until
        self._forget(now)
        return True

    def _forget(self, now: datetime) -> None:
        """Let go of what is too old to be sent again; they stand in the order they came."""
        while self._light:
            oldest = next(iter(self._light))
            if self._light[oldest] > now and len(self._light) <= MAX_LIGHT_NONCES:
                return
            del self._light[oldest]

    def seal(self, message: Message, *, signed: bool) -> bytes:
        """The bytes that go out. Raises SettingsError if they are to be signed and there is no certificate."""
        if not signed:
            return codec.encode(message)
        if self._signer is None:
            raise SettingsError("a signature is asked for; set cert and key")
        nonce = secrets.token_urlsafe(18)
        return signing.sign(message, self._signer, now=self._clock.now(), nonce=nonce, style=self._style)


def _read(body: bytes, policy: Policy) -> Opened:
    root = parse(body)
    if policy.signing == "off" or not _is_signed(root):
        if policy.signing == "required":
            raise ComplianceError("a signature is required")
        message, warnings = _plain(root, policy)
        return Opened(message=message, warnings=warnings)
    if not policy.lenient:
        schema.validate(root)
    signed = signature.verify(root, lenient=policy.lenient)
    repairs: tuple[InteropWarning, ...] = ()
    if policy.lenient:
        signed, repairs = lenient.repaired(signed)
    return Opened(message=codec.read(signed), signed=signed, warnings=repairs)


def _is_signed(root: Element) -> bool:
    return any(child.tag == SIGNATURE for child in root)


def _plain(root: Element, policy: Policy) -> tuple[Message, tuple[InteropWarning, ...]]:
    if policy.lenient:
        root, warnings = lenient.repair(root)
    else:
        schema.validate(root)
        warnings = ()
    return codec.read(codec.Plain(schema.signed_object(root))), warnings
