"""Others verify what we sign, and we verify what others sign: xmlsec, signxml, and openleadr on top of that."""

from __future__ import annotations

import importlib
import re
from datetime import UTC, datetime
from pathlib import Path
from ssl import DER_cert_to_PEM_cert
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from lxml.etree import _Element as Element

from openadr_ra.net.ca import KEY_KINDS, KeyKind
from openadr_ra.net.tls import Chain
from openadr_ra.protocol.messages import PAYLOADS, Message, Poll, UpdateReport
from openadr_ra.protocol.model import ReportRequestId, RequestId, SpecifierId, VenId
from openadr_ra.protocol.parts import GreenButtonPayload, Interval, Report
from openadr_ra.protocol.shape import NAMESPACES
from openadr_ra.wire import schema
from openadr_ra.wire.canonical import C14N, ID, Style
from openadr_ra.wire.codec import decode, encode
from openadr_ra.wire.names import clark
from openadr_ra.wire.parse import parse
from openadr_ra.wire.signing import Signer, sign
from tests.wire.samples import FEED
from tests.wire.sealing import NONCE, NOON, POLL, accepted, received
from tests.wire.strategies import values

STYLES: tuple[Style, ...] = ("id", "enveloped")
CAPTURES = Path(__file__).parent / "captures/accepted"

WITH_A_FEED = UpdateReport(
    request_id=RequestId('r & "s" <t>\r\n\t'),
    reports=(
        Report(
            intervals=(Interval(payloads=(GreenButtonPayload(feed=FEED),)),),
            request_id=ReportRequestId("電力 🔋"),
            specifier_id=SpecifierId("s"),
            created=NOON,
        ),
    ),
)
RECORDED = ("anl-CreateOpt", "epri-RegisterReport", "openleadr-DistributeEvent")
MESSAGES = {
    "poll": POLL,
    "feed": WITH_A_FEED,
    **{name: decode((CAPTURES / f"{name}.xml").read_bytes()) for name in RECORDED},
}


@pytest.fixture(scope="module")
def xmlsec() -> ModuleType:
    """The XML Security Library: canonical XML and signatures in C."""
    module: ModuleType = importlib.import_module("xmlsec")
    return module


@pytest.fixture(scope="module")
def signxml() -> ModuleType:
    module: ModuleType = importlib.import_module("signxml")
    return module


@pytest.fixture(scope="module")
def openleadr() -> ModuleType:
    """Its module for messages."""
    module: ModuleType = importlib.import_module("openleadr.messaging")
    return module


def of_xmlsec(xmlsec: ModuleType, body: bytes) -> Element:
    """The signature in `body`, with the ids known to xmlsec that its references name."""
    root = parse(body)
    xmlsec.tree.add_ids(root, ["Id"])
    return root[0]


def certificate(signer: Signer) -> str:
    return DER_cert_to_PEM_cert(signer.certified.certificate)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_xmlsec_verifies_what_we_sign(message: Message, style: Style, signer: Signer, xmlsec: ModuleType) -> None:
    body = sign(message, signer, now=NOON, nonce=NONCE, style=style)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(certificate(signer), xmlsec.constants.KeyDataFormatCertPem)

    context.verify(of_xmlsec(xmlsec, body))
    with pytest.raises(xmlsec.Error):
        context.verify(of_xmlsec(xmlsec, body.replace(NONCE.encode(), b"another")))


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_xmlsec_verifies_whatever_we_sign(
    signers: dict[KeyKind, Signer], xmlsec: ModuleType, data: st.DataObject
) -> None:
    message = data.draw(values(data.draw(st.sampled_from(PAYLOADS))))
    assert isinstance(message, Message)
    body = sign(message, signers["ec"], now=NOON, nonce=NONCE, style=data.draw(st.sampled_from(STYLES)))
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(certificate(signers["ec"]), xmlsec.constants.KeyDataFormatCertPem)

    context.verify(of_xmlsec(xmlsec, body))


@pytest.mark.parametrize("kind", KEY_KINDS)
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_what_xmlsec_signs_we_verify(
    message: Message,
    style: Style,
    kind: KeyKind,
    signers: dict[KeyKind, Signer],
    chains: dict[KeyKind, Chain],
    xmlsec: ModuleType,
) -> None:
    """It fills in the digests and the value of a signature that has none."""
    ours = sign(message, signers[kind], now=NOON, nonce=NONCE, style=style).decode()
    empty = re.sub("(<ds:DigestValue>|<ds:SignatureValue>)[^<]*", r"\1", ours)
    signature = of_xmlsec(xmlsec, empty.encode())
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_file(str(chains[kind][1]), xmlsec.constants.KeyDataFormatPem)

    context.sign(signature)

    body = etree.tostring(signature.getroottree())
    assert accepted(body) == message
    assert received(body).fingerprint == signers[kind].fingerprint


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_signxml_verifies_what_we_sign(message: Message, style: Style, signer: Signer, signxml: ModuleType) -> None:
    body = sign(message, signer, now=NOON, nonce=NONCE, style=style)

    of_message, of_proof = signxml.XMLVerifier().verify(body, x509_cert=certificate(signer), expect_references=2)

    covered = "oadr:oadrSignedObject" if style == "id" else "oadr:oadrPayload"
    assert of_message.signed_xml.tag == clark(covered)
    assert of_proof.signed_xml.findtext(f".//{clark('dsp:nonce')}") == NONCE


@pytest.mark.parametrize("kind", KEY_KINDS)
@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_what_signxml_signs_we_verify(
    message: Message,
    kind: KeyKind,
    signers: dict[KeyKind, Signer],
    chains: dict[KeyKind, Chain],
    signxml: ModuleType,
) -> None:
    """Detached, the only way in which it covers properties."""
    part = schema.signed_object(etree.fromstring(encode(message)))
    part.set(ID, "object")
    part = etree.fromstring(etree.tostring(part))
    signing = signxml.XMLSigner(
        method=signxml.methods.detached,
        signature_algorithm="rsa-sha256" if kind == "rsa" else "ecdsa-sha256",
        c14n_algorithm=C14N,
    )
    signing.namespaces = {"ds": NAMESPACES["ds"], "oadr": NAMESPACES["oadr"]}
    proof = etree.Element(clark("dsp:ReplayProtect"), nsmap={"dsp": NAMESPACES["dsp"]})
    etree.SubElement(proof, clark("dsp:timestamp")).text = "2026-01-31T12:00:00Z"
    etree.SubElement(proof, clark("dsp:nonce")).text = NONCE
    certificate, key = (file.read_text("ascii") for file in chains[kind])

    signature = signing.sign(part, key=key, cert=certificate, reference_uri="#object", signature_properties=proof)

    parts = (etree.tostring(signature).decode(), etree.tostring(part).decode())
    body = '<oadr:oadrPayload xmlns:oadr="{}">\n{}{}</oadr:oadrPayload>'.format(NAMESPACES["oadr"], *parts).encode()
    assert accepted(body) == message
    assert received(body).fingerprint == signers[kind].fingerprint


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("kind", KEY_KINDS)
def test_openleadr_takes_what_we_sign_once(
    style: Style, kind: KeyKind, signers: dict[KeyKind, Signer], openleadr: ModuleType
) -> None:
    body = sign(POLL, signers[kind], now=datetime.now(UTC), nonce=f"{kind}-{style}", style=style)
    tree = openleadr.validate_xml_schema(body)

    openleadr.validate_xml_signature(tree, signers[kind].fingerprint)
    with pytest.raises(ValueError, match="already used"):
        openleadr.validate_xml_signature(tree, signers[kind].fingerprint)
    assert openleadr.parse_message(body) == ("oadrPoll", {"ven_id": "ven-1"})


@pytest.mark.parametrize("kind", KEY_KINDS)
def test_what_openleadr_signs_we_verify(
    kind: KeyKind, signers: dict[KeyKind, Signer], chains: dict[KeyKind, Chain], openleadr: ModuleType
) -> None:
    certificate, key = (file.read_text("ascii") for file in chains[kind])

    body = openleadr.create_message("oadrPoll", cert=certificate, key=key.encode(), ven_id="ven-2").encode()

    assert accepted(body) == Poll(ven_id=VenId("ven-2"))
    assert received(body).fingerprint == signers[kind].fingerprint
