"""A VEN of a few lines that signs what it is told to say, and checks the signature of what comes back."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from openadr_ra.net.ca import KeyKind
from openadr_ra.programs.certs import Issued
from openadr_ra.protocol.messages import CreatePartyRegistration, Message, Poll
from openadr_ra.protocol.model import RequestId, VenId
from openadr_ra.run.clock import SystemClock
from openadr_ra.wire.canonical import Style
from openadr_ra.wire.codec import read
from openadr_ra.wire.signing import Signer, load_signer, sign
from tests.run.peer import Answer, Peer, peer
from tests.run.site import Site
from tests.wire.sealing import received


class Adjusted(SystemClock):
    """A clock that can be put forward, and keeps good time otherwise."""

    def __init__(self) -> None:
        self.by = timedelta()

    def now(self) -> datetime:
        return super().now() + self.by


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A reply: who signed it (None: nobody), and what it says."""

    signer: str | None
    message: Message


class SignedPeer(msgspec.Struct, frozen=True, kw_only=True):
    """Posts what its certificate signed, over a connection with the same certificate."""

    ven_id: VenId
    shown: Issued
    signer: Signer
    plain: Peer

    @property
    def fingerprint(self) -> str:
        return self.shown.fingerprint

    def sealed(
        self,
        message: Message,
        *,
        at: datetime | None = None,
        by: Signer | None = None,
        nonce: str = "",
        style: Style = "id",
    ) -> bytes:
        """`message` with a nonce of its own, stamped now, unless told otherwise."""
        return sign(
            message,
            by or self.signer,
            now=at or datetime.now(UTC),
            nonce=nonce or secrets.token_urlsafe(12),
            style=style,
        )

    async def post(self, message: Message, body: bytes) -> Answer:
        """`body`, to where `message` belongs."""
        return await self.plain.post(message.service or "EiRegisterParty", body)

    async def say(self, message: Message, body: bytes | None = None) -> Said:
        """The reply to `message`, signed, or to `body` in its place; it comes with 200."""
        answer = await self.post(message, body if body is not None else self.sealed(message))
        assert answer.status == 200
        return opened(answer)

    async def register(self, *, signs: bool = True) -> Said:
        """With oadrXmlSignature, as `signs` says, in a message that is signed."""
        return await self.say(self.creation(signs=signs))

    def creation(self, *, signs: bool = True) -> CreatePartyRegistration:
        return CreatePartyRegistration(
            request_id=RequestId("r1"), ven_id=self.ven_id, ven_name=self.ven_id, pull=True, xml_signature=signs
        )

    @property
    def poll(self) -> Poll:
        return Poll(ven_id=self.ven_id)


def opened(answer: Answer) -> Said:
    """A reply, schema-valid; its signature, if it has one, is as strict as ours."""
    if b"Signature" not in answer.body:
        return Said(signer=None, message=answer.message)
    signed = received(answer.body)
    return Said(signer=signed.fingerprint, message=read(signed))


def signed_peer(site: Site, url: str, ven_id: str, shown: Issued | None = None, *, key: KeyKind = "ec") -> SignedPeer:
    """A VEN of that venID, with a certificate of its own unless one is given; shown, too, where the VTN speaks TLS."""
    own = shown or site.issue(ven_id, key=key)
    signer = load_signer(Path(own.certificate), Path(own.key))
    spoken = peer(site, url, own) if url.startswith("https:") else Peer(url=url)
    return SignedPeer(ven_id=VenId(ven_id), shown=own, signer=signer, plain=spoken)
