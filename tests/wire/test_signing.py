"""What we sign: schema-valid, the same message when read, and refused where it could not be."""

from __future__ import annotations

import re
from base64 import b64encode
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from ssl import DER_cert_to_PEM_cert, PEM_cert_to_DER_cert

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openadr_ra.errors import InvalidData, SettingsError
from openadr_ra.net import tls
from openadr_ra.net.ca import KeyKind
from openadr_ra.net.tls import Chain
from openadr_ra.protocol.messages import PAYLOADS, Message, Poll, UpdateReport
from openadr_ra.protocol.model import ReportRequestId, RequestId, SpecifierId, VenId
from openadr_ra.protocol.parts import GreenButtonPayload, Interval, Report
from openadr_ra.protocol.shape import Opaque
from openadr_ra.wire.canonical import Style
from openadr_ra.wire.codec import decode, encode, read
from openadr_ra.wire.parse import MAX_BODY_BYTES, MAX_DEPTH
from openadr_ra.wire.signing import Signer, load_signer, sign
from tests.wire.sealing import (
    ANOTHER_VERSION,
    NONCE,
    NOON,
    POLL,
    UNKNOWN_CURVE,
    PrivateKey,
    accepted,
    certificate_of,
    received,
)
from tests.wire.strategies import values

STYLES: tuple[Style, ...] = ("id", "enveloped")


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_rule_514_at_both_ends_any_message_is_signed_so_that_it_is_verified_and_the_same(
    signers: dict[KeyKind, Signer], data: st.DataObject
) -> None:
    message = data.draw(values(data.draw(st.sampled_from(PAYLOADS))))
    assert isinstance(message, Message)
    when = data.draw(st.datetimes(timezones=st.just(UTC)))

    body = sign(message, signers["ec"], now=when, nonce=NONCE, style=data.draw(st.sampled_from(STYLES)))

    signed = received(body)
    assert read(signed) == message
    assert (signed.timestamp, signed.nonce) == (when, NONCE)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    "file", sorted((Path(__file__).parent / "captures/accepted").glob("*.xml")), ids=lambda file: file.stem
)
def test_a_peer_s_message_can_be_signed_by_us(file: Path, style: Style, signers: dict[KeyKind, Signer]) -> None:
    message = decode(file.read_bytes())

    assert accepted(sign(message, signers["ec"], now=NOON, nonce=NONCE, style=style)) == message


@pytest.mark.parametrize("style", STYLES)
def test_signature_first_and_every_namespace_on_the_root(style: Style, signer: Signer) -> None:
    body = sign(POLL, signer, now=NOON, nonce=NONCE, style=style).decode()
    root, _, rest = body.partition("><")

    assert rest.startswith('ds:Signature Id="signature">')
    assert {*re.findall(r"xmlns:(\w+)=", root)} == {"oadr", "ei", "ds", "dsp"}
    assert "xmlns" not in rest
    assert ('oadr:Id="oadrSignedObject"' in rest) == (style == "id")


def test_the_signed_message_is_said_as_it_is_said_unsigned(by_id: bytes, by_document: bytes) -> None:
    (plain,) = re.findall(b"<oadr:oadrPoll .*</oadr:oadrPoll>", encode(POLL))

    assert by_id.count(plain) == by_document.count(plain) == 1


def test_another_time_zone_is_said_in_utc(signers: dict[KeyKind, Signer]) -> None:
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))

    body = sign(POLL, signers["ec"], now=tokyo, nonce=NONCE)

    assert b"<dsp:timestamp>2026-01-31T12:00:00Z</dsp:timestamp>" in body


@pytest.mark.parametrize(
    ("nonce", "fits"),
    [
        ("0", True),
        ("aZ09+/=._:-", True),
        ("n" * 128, True),
        ("n" * 129, False),
        ("", False),
        (" ", False),
        ("a<b", False),
        ("a\n", False),
        ("ä", False),
    ],
)
def test_a_nonce_is_plain_and_short(nonce: str, fits: bool, signers: dict[KeyKind, Signer]) -> None:
    """So it stands the same in every form of the document."""
    if fits:
        assert received(sign(POLL, signers["ec"], now=NOON, nonce=nonce)).nonce == nonce
    else:
        with pytest.raises(InvalidData, match="nonce"):
            sign(POLL, signers["ec"], now=NOON, nonce=nonce)


def test_what_cannot_be_said_is_not_signed(signers: dict[KeyKind, Signer]) -> None:
    deep = "<a>" * (MAX_DEPTH - 3) + "</a>" * (MAX_DEPTH - 3)
    feed = Opaque(f'<feed xmlns="http://www.w3.org/2005/Atom">{deep}</feed>')
    payload = GreenButtonPayload(feed=feed)
    report = Report(
        intervals=(Interval(payloads=(payload,)),),
        request_id=ReportRequestId("q"),
        specifier_id=SpecifierId("s"),
        created=NOON,
    )

    with pytest.raises(InvalidData, match="U\\+0000"):
        sign(Poll(ven_id=VenId("\0")), signers["ec"], now=NOON, nonce=NONCE)
    with pytest.raises(InvalidData, match="no time zone"):
        sign(POLL, signers["ec"], now=datetime(2026, 1, 31), nonce=NONCE)  # noqa: DTZ001 - that is what is refused
    with pytest.raises(InvalidData, match="cannot be signed"):
        sign(UpdateReport(request_id=RequestId("r"), reports=(report,)), signers["ec"], now=NOON, nonce=NONCE)


def test_a_message_of_any_size_is_signed(signers: dict[KeyKind, Signer]) -> None:
    """How much a receiver takes is its own affair."""
    long = Poll(ven_id=VenId("v" * MAX_BODY_BYTES))

    assert len(sign(long, signers["ec"], now=NOON, nonce=NONCE)) > MAX_BODY_BYTES


def test_a_signer_has_the_certificate_of_its_files(
    chains: dict[KeyKind, Chain], signers: dict[KeyKind, Signer]
) -> None:
    for kind, (file, _) in chains.items():
        own = tls.read_certificates(file)[0].public_bytes(Encoding.DER)

        assert signers[kind].certified.certificate == own
        assert signers[kind].fingerprint == tls.fingerprint(own)


def test_the_first_certificate_of_a_file_is_the_signer_s(
    chains: dict[KeyKind, Chain], signers: dict[KeyKind, Signer], tmp_path: Path
) -> None:
    certificate, key = chains["ec"]
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.read_bytes() + chains["rsa"][0].read_bytes())

    assert load_signer(both, key).fingerprint == signers["ec"].fingerprint


def test_a_signer_does_not_show_its_key(signer: Signer, chains: dict[KeyKind, Chain]) -> None:
    secrets = {line for _, key in chains.values() for line in key.read_text("ascii").splitlines() if "-" not in line}

    assert not [line for line in secrets if line in repr(signer)]


def test_files_that_do_not_serve_are_named_with_the_cure(chains: dict[KeyKind, Chain], tmp_path: Path) -> None:
    certificate, key = chains["ec"]
    nothing, text, locked, other, weak, version, curve = (
        tmp_path / name for name in ("nothing", "text", "locked", "other", "weak", "version", "curve")
    )
    text.write_text("no PEM")
    locked.write_bytes(pem(loaded(key), passphrase=b"secret"))
    other.write_bytes(pem(ed25519.Ed25519PrivateKey.generate()))
    weak_key = ec.generate_private_key(ec.SECP224R1())
    version.write_text(DER_cert_to_PEM_cert(PEM_cert_to_DER_cert(certificate.read_text()).replace(*ANOTHER_VERSION)))
    odd = loaded(key).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()).replace(*UNKNOWN_CURVE)
    curve.write_text(f"-----BEGIN PRIVATE KEY-----\n{b64encode(odd).decode()}\n-----END PRIVATE KEY-----\n")
    weak.write_text(DER_cert_to_PEM_cert(certificate_of(weak_key.public_key())))

    for files, reason in (
        ((nothing, key), "cannot read .*nothing"),
        ((certificate, nothing), "cannot read .*nothing"),
        ((text, key), "text holds no certificate"),
        ((key, key), "holds no certificate"),
        ((weak, key), "weak .*P-256 or P-384"),
        ((version, key), "version holds no certificate"),
        ((certificate, curve), "curve holds no private key"),
        ((certificate, text), "text holds no private key"),
        ((certificate, certificate), "holds no private key"),
        ((certificate, locked), "encrypted; .*openssl"),
        ((certificate, other), "neither RSA nor EC"),
        ((certificate, chains["rsa"][1]), "does not belong to"),
    ):
        with pytest.raises(SettingsError, match=reason):
            load_signer(*files)


def loaded(file: Path) -> PrivateKey:
    key = load_pem_private_key(file.read_bytes(), None)
    assert isinstance(key, PrivateKey)
    return key


def pem(key: PrivateKey | ed25519.Ed25519PrivateKey, *, passphrase: bytes | None = None) -> bytes:
    protection = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
