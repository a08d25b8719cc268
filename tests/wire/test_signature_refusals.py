"""What no signature is: each departure from the one profile is refused, also under a value that is right."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from openadr_ra.net.ca import KeyKind
from openadr_ra.wire.canonical import C14N, ENVELOPED
from openadr_ra.wire.codec import encode
from openadr_ra.wire.signing import Signer, sign
from tests.wire.sealing import (
    ANOTHER_VERSION,
    NONCE,
    NOON,
    POLL,
    UNKNOWN_CURVE,
    certificate_of,
    changed,
    received,
    refusal,
    sealed,
    with_certificate,
)

DSIG = "http://www.w3.org/2000/09/xmldsig#"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"

MESSAGE_REFERENCE = '<ds:Reference URI="#oadrSignedObject">.*?</ds:Reference>'
PROOF_REFERENCE = '<ds:Reference URI="#replayProtect">.*?</ds:Reference>'
TRANSFORM = '<ds:Transform Algorithm="[^"]*"></ds:Transform>'
MESSAGE = "<oadr:oadrSignedObject .*</oadr:oadrSignedObject>"
SIGNATURE = "<ds:Signature .*</ds:Signature>"
REPLAY_PROTECT = "<dsp:ReplayProtect>.*</dsp:ReplayProtect>"
PROPERTY = "<ds:SignatureProperty .*</ds:SignatureProperty>"

FORGED = (
    '<oadr:oadrSignedObject oadr:Id="{}"><oadr:oadrPoll ei:schemaVersion="2.0b"><ei:venID>forged</ei:venID>'
    "</oadr:oadrPoll></oadr:oadrSignedObject>"
)


def transform(*algorithms: str) -> str:
    return "".join(f'<ds:Transform Algorithm="{each}"/>' for each in algorithms)


@pytest.mark.parametrize(
    ("pattern", "by", "reason"),
    [
        pytest.param(f"({PROOF_REFERENCE})", r"\1\1", "SignedInfo holds", id="a reference more"),
        pytest.param(MESSAGE_REFERENCE, "", "SignedInfo holds", id="none to the message"),
        pytest.param(PROOF_REFERENCE, "", "SignedInfo holds", id="none to ReplayProtect"),
        pytest.param('URI="#oadrSignedObject"', 'URI="#replayProtect"', "not where it", id="ReplayProtect twice"),
        pytest.param('URI="#replayProtect"', 'URI="#oadrSignedObject"', "not where it", id="the message twice"),
        pytest.param('URI="#oadrSignedObject"', 'URI="#signature"', "not where it", id="the signature"),
        pytest.param(' URI="#oadrSignedObject"', "", "no URI", id="no URI"),
        pytest.param('URI="#oadrSignedObject"', 'URI="#"', "not where it", id="an empty id"),
        pytest.param('URI="#oadrSignedObject"', 'URI="oadrSignedObject"', "not where it", id="a file"),
        pytest.param('URI="#oadrSignedObject"', 'URI="http://ven/x#oadrSignedObject"', "not where it", id="a URL"),
        pytest.param('URI="#oadrSignedObject"', 'URI="#xpointer(/)"', "not where it", id="a pointer"),
        pytest.param(
            'URI="#oadrSignedObject"',
            "URI=\"#xpointer(id('oadrSignedObject'))\"",
            "not where it",
            id="a pointer to the id",
        ),
        pytest.param(' oadr:Id="oadrSignedObject"', "", "not where it", id="a message without id"),
        pytest.param('URI="#oadrSignedObject"', 'URI=""', "transforms", id="the document with the signature in it"),
    ],
)
def test_rule_514_at_both_ends_the_references_are_one_to_the_message_and_one_to_replay_protect(
    pattern: str, by: str, reason: str, by_id: bytes, signers: dict[KeyKind, Signer]
) -> None:
    assert reason in refusal(sealed(changed(by_id, pattern, by), signers["ec"].key))


@pytest.mark.parametrize(
    "transforms",
    [
        pytest.param("<ds:Transform Algorithm='http://www.w3.org/TR/1999/REC-xpath-19991116'/>", id="XPath"),
        pytest.param(transform("http://www.w3.org/2002/06/xmldsig-filter2"), id="XPath filter"),
        pytest.param(transform("http://www.w3.org/TR/1999/REC-xslt-19991116"), id="XSLT"),
        pytest.param(transform(f"{DSIG}base64"), id="base64"),
        pytest.param(transform("http://www.w3.org/2001/10/xml-exc-c14n#"), id="exclusive"),
        pytest.param(transform("http://www.w3.org/2006/12/xml-c14n11"), id="1.1"),
        pytest.param(transform(f"{C14N}#WithComments"), id="with comments"),
        pytest.param(transform(C14N, C14N), id="twice"),
        pytest.param(transform(ENVELOPED, ENVELOPED, C14N), id="the signature twice"),
        pytest.param(transform(C14N, ENVELOPED), id="out of order"),
        pytest.param("<ds:Transform/>", id="without a name"),
    ],
)
def test_no_transforms_but_those_of_the_profile(
    transforms: str, by_id: bytes, by_document: bytes, signers: dict[KeyKind, Signer]
) -> None:
    for body in (by_id, by_document):
        other = changed(body, "<ds:Transforms>.*?</ds:Transforms>", f"<ds:Transforms>{transforms}</ds:Transforms>")

        assert "transforms" in refusal(sealed(other, signers["ec"].key))


def test_an_enveloped_signature_is_no_transform_of_a_part(by_id: bytes, signers: dict[KeyKind, Signer]) -> None:
    other = changed(by_id, TRANSFORM, transform(ENVELOPED, C14N))

    assert "transforms" in refusal(sealed(other, signers["ec"].key))


@pytest.mark.parametrize(
    ("pattern", "by", "reason"),
    [
        pytest.param(
            f'Method Algorithm="{C14N}"',
            'Method Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"',
            "canonicalisation",
            id="exclusive canonicalisation",
        ),
        pytest.param(f'Method Algorithm="{C14N}"', "Method", "canonicalisation", id="none named"),
        pytest.param("ecdsa-sha256", "ecdsa-sha1", "the key takes", id="ECDSA with SHA-1"),
        pytest.param("ecdsa-sha256", "ecdsa-sha512", "the key takes", id="another digest than the profile's"),
        pytest.param("ecdsa-sha256", "rsa-sha256", "the key takes", id="an RSA method with an EC key"),
        pytest.param("ecdsa-sha256", "hmac-sha256", "the key takes", id="a method with a shared secret"),
        pytest.param(f"{MORE}ecdsa-sha256", "", "the key takes", id="no method"),
        pytest.param("xmlenc#sha256", "xmlenc#sha512", "a digest is", id="another digest"),
        pytest.param("http://www.w3.org/2001/04/xmlenc#sha256", f"{DSIG}sha1", "a digest is", id="a digest with SHA-1"),
        pytest.param(
            "</ds:SignatureMethod>",
            "<ds:HMACOutputLength>1</ds:HMACOutputLength></ds:SignatureMethod>",
            "parameters",
            id="a method with parameters",
        ),
        pytest.param("</ds:CanonicalizationMethod>", r"<ei:x/>\g<0>", "parameters", id="canonicalisation with them"),
        pytest.param("</ds:DigestMethod>", r"<ei:x/>\g<0>", "parameters", id="a digest with them"),
        pytest.param("</ds:Transform>", r"<ds:XPath>1</ds:XPath>\g<0>", "parameters", id="a transform with them"),
    ],
)
def test_there_is_one_algorithm_of_each_kind(
    pattern: str, by: str, reason: str, by_id: bytes, signers: dict[KeyKind, Signer]
) -> None:
    assert reason in refusal(sealed(changed(by_id, pattern, by), signers["ec"].key))


def test_the_method_follows_the_key_and_not_the_message(signers: dict[KeyKind, Signer]) -> None:
    body = sign(POLL, signers["rsa"], now=NOON, nonce=NONCE)

    for method in (f"{MORE}ecdsa-sha256", f"{DSIG}rsa-sha1", f"{MORE}rsa-sha512"):
        assert "the key takes" in refusal(sealed(changed(body, f"{MORE}rsa-sha256", method), signers["rsa"].key))


@pytest.mark.parametrize(
    ("pattern", "by"),
    [
        pytest.param("<ds:KeyInfo>", '<ds:KeyInfo Id="{}">', id="in the signature"),
        pytest.param("<oadr:oadrPoll", '<oadr:oadrPoll id="{}"', id="in the message"),
        pytest.param("<oadr:oadrPoll", '<oadr:oadrPoll xml:id="{}"', id="in the message, by XML's own attribute"),
        pytest.param("<oadr:oadrPayload", '<oadr:oadrPayload ID="{}"', id="on the root"),
        pytest.param(' oadr:Id="oadrSignedObject"', r'\g<0> Id="{}"', id="on the same element"),
    ],
)
@pytest.mark.parametrize("name", ["oadrSignedObject", "replayProtect"])
def test_an_id_that_a_reference_names_stands_at_one_element(
    name: str, pattern: str, by: str, by_id: bytes, signers: dict[KeyKind, Signer]
) -> None:
    twice = sealed(changed(by_id, pattern, by.format(name)), signers["ec"].key)

    assert "more than one element" in refusal(twice, lenient=True)


def test_two_elements_round_replay_protect_with_one_id_are_refused(
    by_id: bytes, signers: dict[KeyKind, Signer]
) -> None:
    twice = changed(by_id, "<ds:SignatureProperties>", '<ds:SignatureProperties Id="replayProtect">')

    assert "more than one element" in refusal(sealed(twice, signers["ec"].key))


@pytest.mark.parametrize(
    ("pattern", "by"),
    [
        pytest.param(f"({MESSAGE})", FORGED.format("x") + r"\1", id="a second message before"),
        pytest.param(f"({MESSAGE})", r"\1" + FORGED.format("x"), id="a second message behind"),
        pytest.param(f"({SIGNATURE})", FORGED.format("x") + r"\1", id="a second message in front"),
        pytest.param(f"({SIGNATURE})({MESSAGE})", r"\2\1", id="the signature behind"),
        pytest.param(f"({SIGNATURE})", r"\1\1", id="two signatures"),
        pytest.param(f"({SIGNATURE})", r"\1<ei:x/>", id="something else between"),
        pytest.param(f"({SIGNATURE})", r"<ei:x>\1</ei:x>", id="the signature inside something"),
        pytest.param(f"({MESSAGE})", r"<ei:x>\1</ei:x>", id="the message inside something"),
        pytest.param(f"({SIGNATURE})(<oadr:oadrSignedObject [^>]*>)", r"\2\1", id="the signature inside the message"),
        pytest.param(SIGNATURE, "", id="no signature"),
        pytest.param(MESSAGE, "", id="no message"),
        pytest.param("oadr:oadrPayload", "oadr:oadrPayloads", id="another root"),
    ],
)
def test_signature_and_message_have_their_places(pattern: str, by: str, by_id: bytes, by_document: bytes) -> None:
    for body in (by_id, changed(by_document, "<oadr:oadrSignedObject", '<oadr:oadrSignedObject oadr:Id="y"')):
        moved = changed(body, pattern, by)
        moved = moved.replace(b"</oadr:oadrPayload>", b"</oadr:oadrPayloads>") if "Payloads" in by else moved

        assert re.search("holds|the root is", refusal(moved))


@pytest.mark.parametrize("name", ["oadrSignedObject", "other"])
@pytest.mark.parametrize("where", ["<ds:Object>{}</ds:Object></ds:Signature>", None])
def test_a_signed_message_that_is_put_aside_for_a_forged_one_is_refused(
    where: str | None, name: str, by_id: bytes
) -> None:
    """Signature wrapping: what was signed stays in the document, something else takes its place."""
    (original,) = re.findall(MESSAGE, by_id.decode(), re.DOTALL)
    forged = changed(by_id, MESSAGE, FORGED.format(name))
    if where is None:
        wrapped = changed(forged, "</oadr:oadrPoll>", f"<ei:x>{original}</ei:x></oadr:oadrPoll>")
    else:
        wrapped = changed(forged, "</ds:Signature>", where.format(original))

    for lenient in (False, True):
        assert re.search("holds|more than one|not where", refusal(wrapped, lenient=lenient))


@pytest.mark.parametrize(
    ("pattern", "by", "reason"),
    [
        pytest.param("<dsp:nonce>.*</dsp:nonce>", "", "ReplayProtect holds", id="no nonce"),
        pytest.param("<dsp:timestamp>.*</dsp:timestamp>", "", "ReplayProtect holds", id="no timestamp"),
        pytest.param(f">{NONCE}<", "> <", "nonce", id="an empty nonce"),
        pytest.param(f">{NONCE}<", f"><ei:x>{NONCE}</ei:x><", "inside its values", id="a nonce inside something"),
        pytest.param("2026-01-31T12:00:00Z", "noon", "timestamp", id="no time"),
        pytest.param("2026-01-31T12:00:00Z", "", "timestamp", id="an empty time"),
        pytest.param("2026-01-31T12:00:00Z", "2026-01-31T21:00:00+09:00", "not in UTC", id="a local time"),
        pytest.param("2026-01-31T12:00:00Z", "20260-01-31T12:00:00Z", "timestamp", id="a far year"),
        pytest.param(f"({REPLAY_PROTECT})", r"\1\1", "SignatureProperty holds", id="two of them"),
        pytest.param(f"({PROPERTY})", r"\1\1", "SignatureProperties holds", id="two properties"),
        pytest.param(REPLAY_PROTECT, "", "SignatureProperty holds", id="none"),
        pytest.param("(<ds:Object .*</ds:Object>)", r"\1<ds:Object/>", "Signature holds", id="another object"),
        pytest.param("<ds:Object .*</ds:Object>", "", "Signature holds", id="no object"),
        pytest.param(f"<ds:Object .*({REPLAY_PROTECT}).*</ds:Object>", r"\1", "Signature holds", id="without holders"),
    ],
)
def test_replay_protect_has_its_place_and_both_its_values(
    pattern: str, by: str, reason: str, by_id: bytes, signers: dict[KeyKind, Signer]
) -> None:
    assert reason in refusal(sealed(changed(by_id, pattern, by), signers["ec"].key))


@pytest.mark.parametrize(
    ("pattern", "by", "reason"),
    [
        pytest.param("<ds:KeyInfo>.*</ds:KeyInfo>", "", "Signature holds", id="none"),
        pytest.param("<ds:X509Certificate>.*</ds:X509Certificate>", "", "no X509Certificate", id="no certificate"),
        pytest.param("X509Certificate>[^<]*<", "X509Certificate><", "cannot be used", id="an empty one"),
        pytest.param("X509Certificate>[^<]*<", "X509Certificate>ÄÖ<", "base64", id="one that is not ASCII"),
        pytest.param("X509Certificate>[^<]*<", "X509Certificate>abc<", "base64", id="one that is not base64"),
        pytest.param("X509Certificate>[^<]*<", "X509Certificate>AAAA<", "cannot be used", id="one that is none"),
        pytest.param("X509Certificate>[^<]*<", f"X509Certificate>{'A' * 1_000_000}<", "characters", id="a huge one"),
        pytest.param("SignatureValue>[^<]*<", "SignatureValue><", "its value is not", id="no value"),
        pytest.param("SignatureValue>[^<]*<", "SignatureValue>!<", "base64", id="a value that is not base64"),
        pytest.param("SignatureValue>[^<]*<", "SignatureValue>AAAA<", "its value is not", id="a short value"),
        pytest.param(
            "SignatureValue>[^<]*<", f"SignatureValue>{'A' * 86}==<", "its value is not", id="a value of zeros"
        ),
        pytest.param("SignatureValue>(.)", r"SignatureValue>AAAA\1", "its value is not", id="a long value"),
    ],
)
def test_certificate_and_value_are_there_and_fit(pattern: str, by: str, reason: str, by_id: bytes) -> None:
    assert reason in refusal(changed(by_id, pattern, by))


def test_an_empty_id_names_nothing(by_id: bytes, signers: dict[KeyKind, Signer]) -> None:
    empty = by_id.replace(b'"#oadrSignedObject"', b'"#"').replace(b'Id="oadrSignedObject"', b'Id=""')

    assert "not where it belongs" in refusal(sealed(empty, signers["ec"].key), lenient=True)


def test_an_ec_value_has_the_length_of_its_curve(by_id: bytes) -> None:
    """A number with a zero before it is another text for the same value."""
    (value,) = (b64decode(text) for text in re.findall(b"SignatureValue>([^<]+)<", by_id))
    longer = b64encode(value[:32] + b"\0" + value[32:]).decode()

    assert "its value is not" in refusal(changed(by_id, "SignatureValue>[^<]*<", f"SignatureValue>{longer}<"))


@pytest.mark.parametrize(("was", "becomes"), [ANOTHER_VERSION, UNKNOWN_CURVE], ids=["version", "curve"])
def test_a_certificate_that_the_library_does_not_know_is_refused(
    was: bytes, becomes: bytes, by_id: bytes, signers: dict[KeyKind, Signer]
) -> None:
    odd = signers["ec"].certified.certificate.replace(was, becomes)

    assert "cannot be used" in refusal(with_certificate(by_id, odd))


@pytest.mark.parametrize("at", ["oadr:oadrPayload", "ds:Signature", "ds:Object", "ds:SignatureProperties"])
def test_what_canonical_xml_would_hand_down_is_refused(
    at: str, by_id: bytes, by_document: bytes, signers: dict[KeyKind, Signer]
) -> None:
    """xml:lang on an element goes over to a part of it that is digested by itself, for some."""
    for body in (by_id, by_document):
        other = sealed(changed(body, f"<{at}(?=[ >])", f'<{at} xml:lang="en"'), signers["ec"].key)

        assert "xml: attribute" in refusal(other)


def test_a_namespace_that_has_no_canonical_form_is_refused(by_id: bytes) -> None:
    assert "no canonical form" in refusal(changed(by_id, "<ei:venID", '<ei:venID xmlns:rel="../relative"'))


@pytest.mark.parametrize(
    ("pattern", "by", "reason"),
    [
        pytest.param("ven-1", "ven-2", "digest of #oadrSignedObject", id="the message"),
        pytest.param("12:00:00Z", "12:00:01Z", "digest of #replayProtect", id="the timestamp"),
        pytest.param(NONCE, f"{NONCE}0", "digest of #replayProtect", id="the nonce"),
        pytest.param("DigestValue>....", "DigestValue>AAAA", "its value is not", id="a digest"),
        pytest.param("SignatureValue>....", "SignatureValue>AAAA", "its value is not", id="the value"),
        pytest.param(' xmlns:ei="', ' xmlns:more="urn:x" xmlns:ei="', "its value is not", id="a namespace more"),
    ],
)
def test_what_is_changed_on_the_way_is_refused(pattern: str, by: str, reason: str, by_id: bytes) -> None:
    assert reason in refusal(changed(by_id, pattern, by))


def test_another_s_certificate_in_the_place_of_the_signer_s_is_refused(
    by_id: bytes, signers: dict[KeyKind, Signer]
) -> None:
    same_kind = certificate_of(ec.generate_private_key(ec.SECP256R1()).public_key())

    assert "its value is not" in refusal(with_certificate(by_id, same_kind))
    assert "the key takes" in refusal(with_certificate(by_id, signers["rsa"].certified.certificate))


def test_another_certificate_of_the_same_key_is_another_signer(by_id: bytes, signers: dict[KeyKind, Signer]) -> None:
    """KeyInfo is not signed, so the certificate is for the caller to compare; it cannot pass for the party's."""
    ours = signers["ec"]
    swapped = with_certificate(by_id, certificate_of(ours.certified.key))

    assert received(swapped).fingerprint != ours.fingerprint


def test_an_unsigned_message_is_not_signed() -> None:
    assert "oadrPayload holds oadr:oadrSignedObject" in refusal(encode(POLL))
