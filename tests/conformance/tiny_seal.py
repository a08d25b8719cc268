"""The tiny VTN's signatures: what it holds them to, and its own."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from datetime import datetime
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from conformance import clock
from conformance.identity import Identity
from conformance.listen import Arrived
from conformance.message import NAMESPACES, Message
from conformance.play import utc
from conformance.seal import fault, sealed
from conformance.template import edited
from tests.conformance.tiny_party import Party, Refusal

WINDOW_S = 30

SealSwitch = Literal[
    "takes unsigned",
    "takes any signature",
    "takes any time",
    "takes any nonce",
    "takes any reference",
    "takes any signer",
    "takes its own shape only",
    "window of a second",
    "signs registrations only",
    "signs answers only",
    "signs no events",
    "signs another body",
    "signs with one nonce",
    "signs with an old time",
    "signs everything",
]

OF_ITSELF = {"oadrRegisterReport", "oadrDistributeEvent", "oadrCreateReport", "oadrCancelReport"}

_EXCUSED: tuple[tuple[str, SealSwitch], ...] = (
    ("there is no ReplayProtect", "takes any nonce"),
    ("no reference covers", "takes any reference"),
)
"""How a problem begins, and the flaw that does not see it."""

_PROTECT = "ds:Signature//dsp:ReplayProtect"


class Guard:
    """`able`: it has a key of its own to sign with."""

    def __init__(self, identity: Identity | None, wrong: Callable[[SealSwitch], bool]) -> None:
        self.identity, self.wrong = identity, wrong
        self.nonces: set[tuple[str, str]] = set()

    @property
    def able(self) -> bool:
        return self.identity is not None and bool(self.identity.cert)

    def sealed(self, raw: bytes) -> bytes:
        """Signed, unless it cannot."""
        if self.identity is None or not self.able or self._unsigned(Message(raw, sender="subject").kind):
            return raw
        nonce = "b25lIG5vbmNl" if self.wrong("signs with one nonce") else ""
        stamp = utc(plus_s=-3600) if self.wrong("signs with an old time") else None
        made = sealed(raw, identity=self.identity, nonce=nonce, timestamp=stamp)
        return edited(made, put={"//ds:DigestValue": "AAAA"}) if self.wrong("signs another body") else made

    def _unsigned(self, kind: str) -> bool:
        return (
            (kind != "oadrCreatedPartyRegistration" and self.wrong("signs registrations only"))
            or (kind in OF_ITSELF and self.wrong("signs answers only"))
            or (kind == "oadrDistributeEvent" and self.wrong("signs no events"))
        )

    def check(self, message: Message, arrived: Arrived, party: Party | None) -> None:
        """Raises Refusal for a signature that does not hold, and for none where one is owed (rule 514)."""
        if not message.signed:
            if party is not None and party.signs and not self.wrong("takes unsigned"):
                raise Refusal("459", "it is not signed")
            return
        if self.wrong("takes any signature"):
            return
        problem = fault(message)
        if problem and not any(problem.startswith(start) and self.wrong(flaw) for start, flaw in _EXCUSED):
            raise Refusal("459", problem)
        self._check_shape(message)
        self._check_signer(message, arrived)
        self._check_replay(message)

    def _check_shape(self, message: Message) -> None:
        root = message.root
        references = () if root is None else root.iterfind("ds:Signature/ds:SignedInfo/ds:Reference", NAMESPACES)
        if self.wrong("takes its own shape only") and any(not one.get("URI") for one in references):
            raise Refusal("459", "another shape")

    def _check_signer(self, message: Message, arrived: Arrived) -> None:
        """The signer is who holds the connection."""
        root = message.root
        text = "" if root is None else root.findtext(".//ds:X509Certificate", "", NAMESPACES)
        leaf = x509.load_der_x509_certificate(b64decode("".join(text.split())))
        if arrived.fingerprint and not self.wrong("takes any signer") and _fingerprint(leaf) != arrived.fingerprint:
            raise Refusal("459", "another one's signature")

    def _check_replay(self, message: Message) -> None:
        root = message.root
        if root is None:
            return
        stamp = root.findtext(f"{_PROTECT}/dsp:timestamp", "", NAMESPACES)
        nonce = root.findtext(f"{_PROTECT}/dsp:nonce", "", NAMESPACES)
        try:
            off_s = abs((clock.now() - datetime.fromisoformat(stamp)).total_seconds())
        except (ValueError, TypeError):
            raise Refusal("459", f"timestamp {stamp}") from None
        window_s = 1 if self.wrong("window of a second") else WINDOW_S
        if off_s > window_s and not self.wrong("takes any time"):
            raise Refusal("459", "it was signed long ago")
        if ((stamp, nonce) in self.nonces or not nonce) and not self.wrong("takes any nonce"):
            raise Refusal("459", "it was said before")
        self.nonces.add((stamp, nonce))


def _fingerprint(leaf: x509.Certificate) -> str:
    return ":".join(f"{byte:02X}" for byte in leaf.fingerprint(hashes.SHA256())[-10:])
