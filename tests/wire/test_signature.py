"""What is signed: exactly one element, by the holder of one certificate, at one time. Rule 514."""

from __future__ import annotations

import math
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from openadr_ra.errors import WireError
from openadr_ra.net import tls
from openadr_ra.net.ca import KeyKind
from openadr_ra.protocol.messages import Poll
from openadr_ra.protocol.model import VenId
from openadr_ra.wire import schema, signature
from openadr_ra.wire.canonical import Style
from openadr_ra.wire.keys import MAX_RSA_BITS
from openadr_ra.wire.parse import parse
from openadr_ra.wire.signature import (
    MAX_ATTRIBUTES,
    MAX_CANONICAL_STEPS,
    MAX_CERTIFICATE_CHARACTERS,
    MAX_NONCE_CHARACTERS,
    verify,
)
from openadr_ra.wire.signing import Signer, sign
from tests.wire.sealing import (
    NONCE,
    NOON,
    POLL,
    PrivateKey,
    accepted,
    certificate_of,
    changed,
    received,
    refusal,
    sealed,
    with_certificate,
)

HERE = Path(__file__).parent / "xmldsig"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A poll that another implementation signed."""

    name: str
    certificate: str
    ven_id: str
    timestamp: datetime
    nonce: str
    last: bool = False

    def body(self) -> bytes:
        return (HERE / self.name).read_bytes()


RECORDED = (
    Recorded(
        name="openleadr-poll-signed-rsa.xml",
        certificate="ven-rsa.crt",
        ven_id="ven_id_ol",
        timestamp=datetime(2026, 11, 21, 18, 32, 7, 965619, UTC),
        nonce="81564d009d3a41c1add71748c67fcfb5",
    ),
    Recorded(
        name="openleadr-poll-signed-ec.xml",
        certificate="ven-ec.crt",
        ven_id="ven_id_ol",
        timestamp=datetime(2026, 11, 21, 18, 32, 8, 5308, UTC),
        nonce="be5d86896a82408a83e68a82cf813f6e",
    ),
    Recorded(
        name="avob-poll-signed-rsa.xml",
        certificate="ven-rsa.crt",
        ven_id="ven_id_avob",
        timestamp=datetime(2026, 11, 21, 18, 33, 1, 66000, UTC),
        nonce="e673e8c8-0b83-4661-83bd-989e49339f0d",
        last=True,
    ),
)


def rsa_key(bits: int) -> Callable[[], PrivateKey]:
    return partial(rsa.generate_private_key, 65537, bits)


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded.name)
def test_a_poll_that_a_peer_signed_is_verified_and_read(recorded: Recorded) -> None:
    der = x509.load_pem_x509_certificate((HERE / recorded.certificate).read_bytes()).public_bytes(Encoding.DER)

    signed = received(recorded.body(), lenient=recorded.last)

    assert (signed.certificate, signed.fingerprint) == (der, tls.fingerprint(der))
    assert (signed.timestamp, signed.nonce) == (recorded.timestamp, recorded.nonce)
    assert accepted(recorded.body(), lenient=recorded.last) == Poll(ven_id=VenId(recorded.ven_id))


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded.name)
@pytest.mark.parametrize(
    ("pattern", "by"), [("ven_id_", "ven_id-"), ("timestamp>2026", "timestamp>2027"), ("nonce>.", "nonce>x")]
)
def test_a_poll_that_a_peer_signed_is_refused_once_it_is_changed(recorded: Recorded, pattern: str, by: str) -> None:
    assert "digest" in refusal(changed(recorded.body(), pattern, by), lenient=recorded.last)


@pytest.mark.parametrize("style", ["id", "enveloped"])
def test_what_we_sign_is_schema_valid_and_verified_and_read(signer: Signer, style: Style) -> None:
    body = sign(POLL, signer, now=NOON, nonce=NONCE, style=style)

    signed = received(body)

    assert (signed.timestamp, signed.nonce) == (NOON, NONCE)
    assert (signed.certificate, signed.fingerprint) == (signer.certified.certificate, signer.fingerprint)
    assert accepted(body) == POLL


def test_the_element_that_is_returned_is_the_one_in_the_document(by_id: bytes, by_document: bytes) -> None:
    """And the document is as it was: a reader may go on with it."""
    for body in (by_id, by_document):
        root = parse(body)
        before = etree.tostring(root)

        assert verify(root).element is schema.signed_object(root)
        assert etree.tostring(root) == before


@pytest.mark.parametrize("style", ["id", "enveloped"])
def test_white_space_between_the_parts_is_covered_by_the_document_alone(
    style: Style, signers: dict[KeyKind, Signer]
) -> None:
    """The signature leaves the text round it where it is."""
    body = sign(POLL, signers["ec"], now=NOON, nonce=NONCE, style=style)
    spaced = body.replace(b"><ds:Signature ", b">\n <ds:Signature ").replace(b"</ds:Signature>", b"</ds:Signature>\n  ")

    if style == "enveloped":
        assert "digest of the document" in refusal(spaced)
    else:
        assert accepted(spaced) == POLL
    assert accepted(sealed(spaced, signers["ec"].key)) == POLL


def test_a_signature_behind_the_message_is_taken_leniently_and_not_else(by_id: bytes, by_document: bytes) -> None:
    """The schema has it first."""
    for body in (by_id, by_document):
        moved = changed(
            body, "(<ds:Signature .*</ds:Signature>)(<oadr:oadrSignedObject.*</oadr:oadrSignedObject>)", r"\2\1"
        )

        assert accepted(moved, lenient=True) == POLL
        assert accepted(body, lenient=True) == POLL
        assert "oadr:oadrPayload holds oadr:oadrSignedObject ds:Signature" in refusal(moved)


def test_an_unprefixed_id_is_taken_leniently_and_not_else(by_id: bytes, signers: dict[KeyKind, Signer]) -> None:
    body = sealed(changed(by_id, "oadr:Id=", "Id="), signers["ec"].key)

    assert accepted(body, lenient=True) == POLL
    assert "not where it belongs" in refusal(body)


@pytest.mark.parametrize("holder", ["ds:Object", "ds:SignatureProperties", "ds:SignatureProperty"])
def test_replay_protect_may_be_covered_through_any_element_round_it(
    holder: str, by_id: bytes, signers: dict[KeyKind, Signer]
) -> None:
    body = changed(by_id, ' Id="replayProtect"', "")
    body = changed(body, f"<{holder}(?=[ >])", f'<{holder} Id="replayProtect"')

    assert accepted(sealed(body, signers["ec"].key)) == POLL


def test_references_may_stand_in_either_order(by_id: bytes, by_document: bytes, signers: dict[KeyKind, Signer]) -> None:
    for body in (by_id, by_document):
        swapped = changed(body, "(<ds:Reference .*</ds:Reference>)(<ds:Reference .*</ds:Reference>)", r"\2\1")

        assert accepted(sealed(swapped, signers["ec"].key)) == POLL


def test_canonicalisation_need_not_be_named_as_a_transform(
    by_id: bytes, by_document: bytes, signers: dict[KeyKind, Signer]
) -> None:
    """It is what XML Signature does without one."""
    unnamed = changed(by_id, "<ds:Transforms>.*?</ds:Transforms>", "")
    enveloped = changed(by_document, '<ds:Transform Algorithm="[^"]*c14n[^"]*"></ds:Transform>', "")

    for body in (unnamed, enveloped):
        assert accepted(sealed(body, signers["ec"].key)) == POLL


def test_comments_inside_a_value_neither_hide_nor_cut_any_of_it(by_id: bytes, by_document: bytes) -> None:
    """Canonical XML leaves them out, so anyone can add them: the value has to be read as a whole."""
    for body in (by_id, by_document):
        commented = body.replace(b"ven-1", b"ve<!-- one -->n-<!-- two -->1").replace(
            NONCE[:4].encode(), NONCE[:2].encode() + b"<!---->" + NONCE[2:4].encode()
        )

        assert accepted(commented) == POLL
        assert received(commented).nonce == NONCE


def test_the_first_certificate_is_the_signer_s_and_its_chain_may_follow(
    by_id: bytes, signers: dict[KeyKind, Signer]
) -> None:
    other = f"<ds:X509Certificate>{b64encode(signers['rsa'].certified.certificate).decode()}</ds:X509Certificate>"
    behind = changed(by_id, "</ds:X509Certificate>", f"</ds:X509Certificate>{other}")
    before = changed(by_id, "<ds:X509Certificate>", f"{other}<ds:X509Certificate>")

    assert received(behind).fingerprint == signers["ec"].fingerprint
    assert "the key takes" in refusal(before)


def test_no_key_but_the_certificate_s_is_looked_at(by_id: bytes) -> None:
    """Java stacks send a KeyValue too."""
    named = changed(by_id, "<ds:KeyInfo>", "<ds:KeyInfo><ds:KeyName>anything</ds:KeyName>")

    assert accepted(named) == POLL


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        pytest.param(partial(ec.generate_private_key, ec.SECP256R1()), None, id="P-256"),
        pytest.param(partial(ec.generate_private_key, ec.SECP384R1()), None, id="P-384"),
        pytest.param(partial(ec.generate_private_key, ec.SECP521R1()), "secp521r1", id="P-521"),
        pytest.param(partial(ec.generate_private_key, ec.SECP224R1()), "secp224r1", id="P-224"),
        pytest.param(partial(ec.generate_private_key, ec.SECP256K1()), "secp256k1", id="another curve of 256 bits"),
        pytest.param(rsa_key(2048), None, id="RSA 2048"),
        pytest.param(rsa_key(2047), "2047 bits", id="RSA 2047"),
        pytest.param(rsa_key(1024), "1024 bits", id="RSA 1024"),
    ],
)
def test_a_key_is_strong_enough_or_refused(
    key: Callable[[], PrivateKey], reason: str | None, signers: dict[KeyKind, Signer]
) -> None:
    private = key()
    kind: KeyKind = "rsa" if isinstance(private, rsa.RSAPrivateKey) else "ec"
    body = sign(POLL, signers[kind], now=NOON, nonce=NONCE)
    body = sealed(with_certificate(body, certificate_of(private.public_key())), private)

    if reason is None:
        assert accepted(body) == POLL
    else:
        assert reason in refusal(body)


@pytest.mark.parametrize(("bits", "reason"), [(MAX_RSA_BITS, "its value is not"), (MAX_RSA_BITS + 1, "bits")])
def test_an_rsa_key_has_4096_bits_at_most(bits: int, reason: str, signers: dict[KeyKind, Signer]) -> None:
    """Nobody has the private key of this number, so the shorter one is not refused before the value is looked at."""
    key = rsa.RSAPublicNumbers(e=65537, n=2 ** (bits - 1) + 1).public_key()
    body = sign(POLL, signers["rsa"], now=NOON, nonce=NONCE)

    assert reason in refusal(with_certificate(body, certificate_of(key)))


def test_a_key_that_is_neither_rsa_nor_ec_is_refused(by_id: bytes) -> None:
    key = ed25519.Ed25519PrivateKey.generate().public_key()

    assert "neither RSA nor EC" in refusal(with_certificate(by_id, certificate_of(key)))


def test_a_certificate_has_room_to_the_limit_and_no_further(by_id: bytes) -> None:
    used = len(re.findall(b"X509Certificate>([^<]*)<", by_id)[0])
    padded = changed(
        by_id, "</ds:X509Certificate>", "\n" * (MAX_CERTIFICATE_CHARACTERS - used) + "</ds:X509Certificate>"
    )

    assert accepted(padded) == POLL
    assert str(MAX_CERTIFICATE_CHARACTERS) in refusal(
        changed(padded, "</ds:X509Certificate>", "\n</ds:X509Certificate>")
    )


def test_a_nonce_has_room_to_the_limit_and_no_further(by_id: bytes, signers: dict[KeyKind, Signer]) -> None:
    for length, fits in ((1, True), (MAX_NONCE_CHARACTERS, True), (MAX_NONCE_CHARACTERS + 1, False), (0, False)):
        body = sealed(changed(by_id, f">{NONCE}<", f">{'n' * length}<"), signers["ec"].key)

        if fits:
            assert received(body).nonce == "n" * length
        else:
            assert "nonce" in refusal(body)


def test_an_element_has_attributes_to_the_limit_and_no_more(by_id: bytes, signers: dict[KeyKind, Signer]) -> None:
    """Before anything is canonicalised, which takes the square of their number."""
    for count, fits in ((MAX_ATTRIBUTES, True), (MAX_ATTRIBUTES + 1, False)):
        attributes = " ".join(f'a{each}=""' for each in range(count))
        body = sealed(changed(by_id, "<ei:venID", f"<ei:venID {attributes}"), signers["ec"].key)

        if fits:
            assert accepted(body, lenient=True) == POLL
        else:
            assert "attributes" in refusal(body)


def test_namespaces_and_elements_may_be_many_but_not_both(by_id: bytes, signers: dict[KeyKind, Signer]) -> None:
    """Before anything is canonicalised, which looks through all namespaces for each of them at each element."""
    declared = len(parse(by_id).nsmap)
    elements = sum(1 for _ in parse(by_id).iter("*"))
    in_scope = 1000
    most = MAX_CANONICAL_STEPS // in_scope**2
    more = "".join(f' xmlns:n{each}="urn:n:{each}"' for each in range(in_scope - declared))
    body = changed(by_id, "<oadr:oadrPayload", f"<oadr:oadrPayload{more}")
    full = changed(body, "</ei:venID>", f"{'<ei:x/>' * (most - elements)}</ei:venID>")

    assert verify(parse(sealed(full, signers["ec"].key))).nonce == NONCE
    assert "too many elements" in refusal(changed(full, "</ei:venID>", "<ei:x/></ei:venID>"))
    assert "too many elements" in refusal(changed(full, "<ei:x/>", '<ei:x xmlns:one="urn:one"/>'))
    beyond = "".join(f' xmlns:n{each}="urn:n"' for each in range(math.isqrt(MAX_CANONICAL_STEPS) + 1))
    assert "too many elements" in refusal(changed(by_id, "<ei:venID", f"<ei:venID{beyond}"))


def test_namespaces_that_are_not_in_scope_together_do_not_add_up(by_id: bytes, signers: dict[KeyKind, Signer]) -> None:
    """As in a feed whose entries declare their own each."""
    entries = "".join(f'<ei:x xmlns:n{each}="urn:n:{each}"/>' for each in range(1000))
    body = changed(by_id, "</ei:venID>", f"{entries}</ei:venID>")

    assert verify(parse(sealed(body, signers["ec"].key))).nonce == NONCE


def test_the_schema_alone_says_what_may_stand_in_the_message(by_id: bytes, signers: dict[KeyKind, Signer]) -> None:
    """Verifying is no validating: that comes before, for strict peers."""
    body = sealed(changed(by_id, "<ei:venID>ven-1</ei:venID>", "<ei:venID/><ei:venID/>"), signers["ec"].key)

    assert verify(parse(body)).nonce == NONCE
    with pytest.raises(WireError, match="ei:venID"):
        received(body)


def test_what_is_signed_is_made_by_the_verifier_and_by_nobody_else() -> None:
    """Whoever holds a `Signed` knows that it was verified."""
    package = Path(signature.__file__).parents[1]
    makers = [path.name for path in package.rglob("*.py") if re.search(r"\bSigned\(", path.read_text("utf-8"))]

    assert makers == ["signature.py"]
