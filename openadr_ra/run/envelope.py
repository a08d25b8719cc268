"""Bodies to messages and back, at either end: strict or lenient, signed or not, each nonce taken once."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from datetime import UTC, datetime, timedelta

import msgspec
from lxml.etree import _Element as Element

from openadr_ra.errors import ComplianceError, SettingsError
from openadr_ra.protocol.messages import Message
from openadr_ra.protocol.step import Once
from openadr_ra.run.decoding import apart
from openadr_ra.run.remembered import Remembered
from openadr_ra.seams import Clock
from openadr_ra.settings import Signing
from openadr_ra.wire import codec, lenient, schema, signature, signing, stencil
from openadr_ra.wire.canonical import SIGNATURE, Style
from openadr_ra.wire.lenient import InteropWarning
from openadr_ra.wire.parse import parse

NEVER = datetime.min.replace(tzinfo=UTC)

MAX_LIGHT_NONCES = 100_000
"""Those that are kept in memory only; beyond this many the oldest go, which are the first to be too old anyway."""


MAX_STENCILS = 4096
"""Peers whose repeated message is known; about 6 kB each. One beyond costs others the time to look at theirs whole again."""


REPEATED = "this was said before; each message needs a nonce of its own"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How a peer's messages are taken. Chosen by its TLS fingerprint, before anything is decoded."""

    signing: Signing = "accepted"
    lenient: bool = False


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A message, its signature (None: it has none, or none was looked at), and what had to be repaired."""

    message: Message
    signed: signature.Stamped | None = None
    warnings: tuple[InteropWarning, ...] = ()

    @property
    def signer(self) -> str | None:
        """The fingerprint of the certificate that it is signed with."""
        return self.signed.fingerprint if self.signed is not None else None


class SignedUnusable(codec.Unusable):
    """The same in a message that was signed by the certificate of `signer`."""

    def __init__(self, error: codec.Unusable, signer: str) -> None:
        super().__init__(str(error), error.said)
        self.signer = signer


class Envelope:
    """Opens what comes and seals what goes. `window`: how old, and how far ahead, a signed message may be.

    `changes_nothing` names the message that comes most often and changes no state: a poll at a VTN, the plain answer to it
    at a VEN. `in_turn`: it is one of several processes that share their store.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        signer: signing.Signer | None,
        style: Style = "id",
        window: timedelta,
        changes_nothing: str,
        in_turn: bool = False,
    ) -> None:
        self._clock = clock
        self._signer = signer
        self._style: Style = style
        self._window = window
        self._changes_nothing = changes_nothing
        self._started = clock.now()
        self._in_turn = in_turn
        self._light: dict[str, datetime] = {}
        self._stencils: OrderedDict[str, stencil.Stencil] = OrderedDict()
        self._unsigned: Remembered[Policy] = Remembered()

    @property
    def signs(self) -> bool:
        """Is there a certificate to sign with?"""
        return self._signer is not None

    async def read(self, body: bytes, policy: Policy, peer: str | None = None) -> Opened:
        """The message in `body`, as authentic as its signature says. Raises WireError for what is not acceptable, and
        ComplianceError (459) where a signature is missing. Its nonce is not remembered: the signer may be anyone.

        What `peer`, a certificate of the connection, says again and again, changing nothing, is verified by its stencil;
        what is like an unsigned message that changed nothing is not decoded again.
        """
        remembered = self._unsigned.read(body, policy)
        if remembered is not None:
            return Opened(message=remembered)
        known = self._stencils.get(peer) if peer is not None and policy.signing != "off" else None
        again = known.read(body) if known is not None else None
        if known is not None and again is not None:
            return Opened(message=known.message, signed=again)
        opened = await apart(body, lambda: _read(body, policy))
        # What changes nothing, and had not to be repaired, may be spared the next time.
        if not opened.warnings and self._is_light(opened.message):
            if opened.signed is None:
                self._unsigned.keep(body, policy, opened.message)
            elif peer is not None:
                self._keep(peer, body, opened)
        return opened

    def _keep(self, peer: str, body: bytes, opened: Opened) -> None:
        """The stencil of a message that needs no more than that."""
        if not isinstance(opened.signed, signature.Signed):
            return
        made = stencil.cut(body, opened.signed, opened.message)
        if made is not None:
            self._stencils[peer] = made
            self._stencils.move_to_end(peer)
            if len(self._stencils) > MAX_STENCILS:
                self._stencils.popitem(last=False)

    def _is_light(self, message: Message) -> bool:
        return str(message) == self._changes_nothing

    def take(self, opened: Opened) -> Once | None:
        """The nonce of a message that is fresh, to be stored with what the message changes; None if there is no need to.

        What changes nothing needs its nonce in memory only. What was signed before our start may have been taken by us
        already, and be forgotten. Raises ComplianceError (459) for that, for what is too old, and for what was said before.
        """
        if opened.signed is None:
            return None
        now = self._clock.now()
        nonce = signature.fresh(opened.signed, now, past=self._window, future=self._window)
        light = self._is_light(opened.message)
        if opened.signed.timestamp < self._earliest(opened.signed.timestamp, light=light):
            raise ComplianceError("the message was signed before this end was started; sign it anew")
        if not light:
            return Once(nonce=nonce.key, until=nonce.until, now=now)
        if not self._is_new(nonce, now):
            raise ComplianceError(REPEATED)
        return None

    def _earliest(self, stamp: datetime, *, light: bool) -> datetime:
        """The first stamp that is taken of those that are as exact as this one.

        One of whole seconds may lie before our start by its rounding alone. It is taken from the second of our start on if
        its nonce is stored, for then a repetition is known whenever it comes. Of a poll nobody remembers whether it was
        taken before the start: it is refused, and costs its sender one period in that second.

        Of several processes that are replaced in turn, a new one gets what was signed for an old one: the nonces of all are
        in one place, so nothing that was stored needs to be refused.
        """
        if self._in_turn and not light:
            return NEVER
        rounded = stamp.microsecond == 0 and not light
        return self._started.replace(microsecond=0) if rounded else self._started

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
    try:
        return Opened(message=codec.read(signed), signed=signed, warnings=repairs)
    except codec.Unusable as error:
        raise SignedUnusable(error, signed.fingerprint) from error


def _is_signed(root: Element) -> bool:
    return any(child.tag == SIGNATURE for child in root)


def _plain(root: Element, policy: Policy) -> tuple[Message, tuple[InteropWarning, ...]]:
    if policy.lenient:
        root, warnings = lenient.repair(root)
    else:
        schema.validate(root)
        warnings = ()
    return codec.read(codec.Plain(schema.signed_object(root))), warnings
