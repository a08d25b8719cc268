"""Signed messages changed and sealed again, so that a refusal is for what was changed and not for a broken seal.

Digests and signatures are made here once more, with nothing of what is tested.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from copy import deepcopy
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from lxml import etree
from lxml.etree import _Element as Element

from openadr_ra.errors import WireError
from openadr_ra.protocol.messages import Message, Poll
from openadr_ra.protocol.model import VenId
from openadr_ra.wire import schema
from openadr_ra.wire.codec import read
from openadr_ra.wire.names import clark
from openadr_ra.wire.parse import parse
from openadr_ra.wire.signature import Signed, verify

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NONCE = "5f2c0e0b9a6d4f7e"
POLL = Poll(ven_id=VenId("ven-1"))

UNKNOWN_CURVE = (bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d030106"))
"""In DER, the name of P-256 and one that no library has."""

ANOTHER_VERSION = (bytes.fromhex("a003020102"), bytes.fromhex("a003020107"))
"""In DER, the version of an X.509 certificate as it is and as it never was."""


def received(body: bytes, *, lenient: bool = False) -> Signed:
    """What comes of `body` at the receiving end: parsed, held against the schema if strict, verified."""
    root = parse(body)
    if not lenient:
        schema.validate(root)
    return verify(root, lenient=lenient)


def accepted(body: bytes, *, lenient: bool = False) -> Message:
    """The message of a signed `body`."""
    return read(received(body, lenient=lenient))


def refusal(body: bytes, *, lenient: bool = False) -> str:
    """Why `body` is refused by the signature, whatever the schema may say to it."""
    with pytest.raises(WireError) as refused:
        verify(parse(body), lenient=lenient)
    error = refused.value
    assert (error.status, error.code) == (400, "459")
    assert "\n" not in str(error)
    assert len(str(error)) < 500
    return str(error)


def changed(body: bytes, pattern: str, by: str) -> bytes:
    """`body` with the first match of `pattern` replaced."""
    text, count = re.subn(pattern, by, body.decode(), count=1, flags=re.DOTALL)
    assert count, f"there is no {pattern}"
    return text.encode()


def certificate_of(key: CertificatePublicKeyTypes) -> bytes:
    """A certificate (DER) of `key`, from a CA that nobody asks for here."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ven")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key, x509.random_serial_number(), now, now + timedelta(days=1))
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.DER)


def with_certificate(body: bytes, certificate: bytes) -> bytes:
    """`body` with another certificate in its KeyInfo."""
    return changed(
        body,
        "<ds:X509Certificate>.*</ds:X509Certificate>",
        f"<ds:X509Certificate>{b64encode(certificate).decode()}</ds:X509Certificate>",
    )


def sealed(body: bytes, key: PrivateKey) -> bytes:
    """`body` with digests and a signature value that are right, under whatever name of method it has."""
    root = etree.fromstring(body)
    signature = next(root.iter(clark("ds:Signature")))
    for reference in root.iter(clark("ds:Reference")):
        covered = _covered(root, signature, reference.get("URI"))
        digest = reference.find(clark("ds:DigestValue"))
        if covered is not None and digest is not None:
            digest.text = b64encode(hashlib.sha256(covered).digest()).decode()
    info, value = signature.find(clark("ds:SignedInfo")), signature.find(clark("ds:SignatureValue"))
    assert info is not None
    assert value is not None
    value.text = b64encode(_raw(key, _canonical(info))).decode()
    return etree.tostring(root)


def _covered(root: Element, signature: Element, uri: str | None) -> bytes | None:
    if uri == "":
        copy = deepcopy(root)
        hole = copy[root.index(signature)]
        # The text behind an element goes with it, and is not part of it.
        before = hole.getprevious()
        if before is None:
            copy.text = (copy.text or "") + (hole.tail or "")
        else:
            before.tail = (before.tail or "") + (hole.tail or "")
        copy.remove(hole)
        return _canonical(copy)
    found = next((each for each in root.iter("*") if uri in {f"#{value!s}" for value in each.attrib.values()}), None)
    return None if found is None else _canonical(found)


def _canonical(element: Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=False, with_comments=False)


def _raw(key: PrivateKey, octets: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(octets, padding.PKCS1v15(), hashes.SHA256())
    r, s = decode_dss_signature(key.sign(octets, ec.ECDSA(hashes.SHA256())))
    half = (key.key_size + 7) // 8
    return r.to_bytes(half) + s.to_bytes(half)
