"""How a VEN opens and seals its messages: plainly, or signed or leniently where its settings say so."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple, Protocol

from openadr_ra.errors import NotRegistered, SettingsError
from openadr_ra.net.tls import normal_fingerprint
from openadr_ra.protocol.messages import Message
from openadr_ra.protocol.step import Once
from openadr_ra.run.decoding import decoded
from openadr_ra.seams import Clock
from openadr_ra.settings import Upstream
from openadr_ra.wire import codec

log = logging.getLogger(__name__)


class Received(NamedTuple):
    """A message, and the nonce that is to be stored with its effect; None where there is none, or no need to."""

    message: Message
    once: Once | None = None


class PostOffice(Protocol):
    """Bytes to messages and back."""

    async def open(self, body: bytes) -> Received: ...

    def seal(self, message: Message) -> bytes: ...


class Plain:
    """Unsigned and strict."""

    async def open(self, body: bytes) -> Received:
        return Received(await decoded(body))

    def seal(self, message: Message) -> bytes:
        return codec.encode(message)


def post_office(settings: Upstream, clock: Clock) -> PostOffice:
    """What the settings ask for. A plain VEN carries neither signatures nor repairs in memory."""
    if not settings.xml_signature and not settings.lenient:
        return Plain()
    return _Sealing(settings, clock)


class _Sealing:
    """Signed both ways, or lenient, or both. A signature must be by one of the VTN's certificates that are set."""

    def __init__(self, settings: Upstream, clock: Clock) -> None:
        from openadr_ra.run.envelope import Envelope, Policy
        from openadr_ra.wire.signing import load_signer

        self._name = settings.name
        self._signs = settings.xml_signature
        self._vtn = {normal_fingerprint(text) for text in settings.vtn_fingerprints}
        if self._signs and not (self._vtn and settings.cert):
            raise SettingsError(
                f"upstream {settings.name!r}: xml_signature needs cert, key and vtn_fingerprints;"
                " `openadr-ra certs fingerprint FILE` tells that of a certificate"
            )
        self._envelope = Envelope(
            clock,
            signer=load_signer(Path(settings.cert), Path(settings.key)) if self._signs else None,
            style=settings.signature_style,
            window=timedelta(seconds=settings.signature_window_s),
            changes_nothing="Response",
        )
        self._policy = Policy(signing="required" if self._signs else "off", lenient=settings.lenient)
        self._warned: set[str] = set()

    async def open(self, body: bytes) -> Received:
        opened = await self._envelope.read(body, self._policy)
        if self._signs and opened.signer not in self._vtn:
            raise NotRegistered(f"the signature is by {opened.signer}, which is none of vtn_fingerprints")
        for warning in opened.warnings:
            if warning.repair not in self._warned:
                self._warned.add(warning.repair)
                log.warning("! %s needed a repair: %s at %s", self._name, warning.repair, warning.path)
        return Received(opened.message, self._envelope.take(opened))

    def seal(self, message: Message) -> bytes:
        return self._envelope.seal(message, signed=self._signs)
