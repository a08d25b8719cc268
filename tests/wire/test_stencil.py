"""What a stencil reads is what would have been read without it; whatever else comes is left to that."""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from openadr_ra.errors import OadrError, WireError
from openadr_ra.net.ca import KeyKind
from openadr_ra.protocol.messages import Message, Poll, Response
from openadr_ra.protocol.model import VenId
from openadr_ra.protocol.parts import Result
from openadr_ra.wire.canonical import Style, canonical
from openadr_ra.wire.codec import read
from openadr_ra.wire.keys import signature_value
from openadr_ra.wire.lenient import repaired
from openadr_ra.wire.names import clark
from openadr_ra.wire.parse import parse
from openadr_ra.wire.signature import Outline, outline, verify
from openadr_ra.wire.signing import Signer, sign
from openadr_ra.wire.stencil import MAX_KEPT_BYTES, Again, Stencil, cut
from tests.wire.sealing import NONCE, NOON, POLL, certificate_of, changed, received, sealed, with_certificate

SIGNED = Path(__file__).parent / "xmldsig"
LATER = NOON + timedelta(seconds=10)
ANOTHER = NONCE[::-1]


def stencil(body: bytes) -> Stencil | None:
    """What is kept of a body that was verified whole."""
    signed = received(body)
    return cut(body, signed, read(signed))


def outline_of(body: bytes) -> Outline:
    said = outline(received(body))
    assert said is not None
    return said


def kept(body: bytes) -> Stencil:
    found = stencil(body)
    assert found is not None
    return found


def whole(body: bytes) -> tuple[Message, str, object, str] | None:
    """What comes of `body` without a stencil."""
    try:
        signed = received(body)
        return read(signed), signed.fingerprint, signed.timestamp, signed.nonce
    except (WireError, OadrError):
        return None


def by_stencil(held: Stencil, body: bytes) -> tuple[Message, str, object, str] | None:
    again = held.read(body)
    return None if again is None else (held.message, again.fingerprint, again.timestamp, again.nonce)


@pytest.mark.parametrize("style", ["id", "enveloped"])
@pytest.mark.parametrize("message", [POLL, Response(result=Result(), ven_id=VenId("ven-1"))], ids=["poll", "response"])
def test_the_same_message_is_verified_again_without_xml(signer: Signer, style: Style, message: Message) -> None:
    """With another stamp and another nonce, by either kind of key and in either shape."""
    held = kept(sign(message, signer, now=NOON, nonce=NONCE, style=style))

    again = held.read(sign(message, signer, now=LATER, nonce=ANOTHER, style=style))

    assert held.message == message
    assert again == Again(fingerprint=signer.fingerprint, timestamp=LATER, nonce=ANOTHER)


@pytest.mark.parametrize("name", ["openleadr-poll-signed-ec", "openleadr-poll-signed-rsa"])
def test_a_poll_of_openleadr_s_is_its_own_stencil(name: str) -> None:
    body = (SIGNED / f"{name}.xml").read_bytes()

    assert by_stencil(kept(body), body) == whole(body)


def test_another_message_or_another_signer_is_not_the_same(signers: Mapping[KeyKind, Signer], by_id: bytes) -> None:
    held, ec = kept(by_id), signers["ec"]

    for other in (
        sign(Poll(ven_id=VenId("ven-2")), ec, now=LATER, nonce=ANOTHER),
        sign(POLL, ec, now=LATER, nonce=ANOTHER, style="enveloped"),
        sign(POLL, ec, now=LATER, nonce=ANOTHER + "0"),
        sign(POLL, signers["rsa"], now=LATER, nonce=ANOTHER),
        b"",
        by_id + b" ",
    ):
        assert held.read(other) is None


TEXTS = {
    "stamp": ("<dsp:timestamp>2026-", "<dsp:timestamp>2025-"),
    "no stamp": ("<dsp:timestamp>2026-01-31", "<dsp:timestamp>2026-02-31"),
    "markup in the stamp": ("<dsp:timestamp>2026-01-31T12:00", "<dsp:timestamp><!-- 2026-01-31 "),
    "nonce": ("<dsp:nonce>5", "<dsp:nonce>6"),
    "blank in the nonce": ("<dsp:nonce>5", "<dsp:nonce> "),
    "markup in the nonce": ("<dsp:nonce>5f2c0e0b", "<dsp:nonce>&#x61;12"),
    "value": ("(<ds:SignatureValue>).", r"\1_"),
    "another value": ("(<ds:SignatureValue>)..", r"\1ab"),
    "digest": ("(.{10})(</ds:DigestValue></ds:Reference></ds:SignedInfo>)", r"AAAAAAAAA=\2"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_what_was_changed_in_one_of_the_four_texts_is_left_to_who_looks_at_it_whole(by_id: bytes, name: str) -> None:
    """And is refused there."""
    body = changed(by_id, *TEXTS[name])
    assert len(body) == len(by_id)

    assert kept(by_id).read(body) is None
    assert whole(body) is None


@pytest.mark.parametrize(
    ("pattern", "by"),
    [
        (f"<dsp:nonce>{NONCE}", f"<dsp:nonce>{NONCE[:-1]}&#x{ord(NONCE[-1]):x};"),
        (f"<dsp:nonce>{NONCE}", f"<dsp:nonce>{NONCE[:-3]}<!-- -->{NONCE[-3:]}"),
        (f"<dsp:nonce>{NONCE}", f"<dsp:nonce><![CDATA[{NONCE}]]>"),
        ("<oadr:oadrSignedObject", "<?pi ?><oadr:oadrSignedObject"),
    ],
)
def test_bytes_that_are_not_their_own_text_have_no_stencil(by_id: bytes, pattern: str, by: str) -> None:
    """It could be cut in the wrong places."""
    body = changed(by_id, pattern, by)
    assert whole(body) == whole(by_id)

    assert stencil(body) is None


def test_a_nonce_that_reads_the_same_elsewhere_has_no_stencil(signers: Mapping[KeyKind, Signer]) -> None:
    """In XML a line ends one way, however it ends in the bytes; and an umlaut has other bytes than in UTF-8."""
    named = sign(Poll(ven_id=VenId("ven 1")), signers["ec"], now=NOON, nonce=NONCE)
    lines = sealed(named.replace(b">ven 1<", b">ven\n1<"), signers["ec"].key)
    crlf = put(b"ven\r\n1", lines, signers["ec"])
    assert (crlf.count(b">ven\n1<"), received(crlf).nonce) == (1, "ven\n1")
    two = sealed(named.replace(b">ven 1<", ">Ã©<".encode()), signers["ec"].key)
    latin = b'<?xml version="1.0" encoding="iso-8859-1"?>' + etree.tostring(
        etree.fromstring(two), encoding="unicode"
    ).encode("latin-1")
    umlaut = put("é".encode("latin-1"), latin, signers["ec"])
    assert (umlaut.count(">é<".encode()), received(umlaut).nonce) == (1, "é")

    assert stencil(crlf) is None
    assert stencil(umlaut) is None


def test_texts_in_utf_16_that_are_others_in_ascii_have_no_stencil(by_id: bytes) -> None:
    """Behind the certificate, where nothing is signed, stand letters whose bytes spell the four texts once more."""
    said = outline_of(by_id)
    spelt = "".join(f">{text}<" for text in (said.digest, said.value, said.timestamp, said.nonce)).encode()
    letters = (spelt + b" " * (len(spelt) % 2)).decode("utf-16-le")
    subject = f"<ds:X509SubjectName>{letters}</ds:X509SubjectName></ds:X509Data>"
    body = by_id.decode().replace("</ds:X509Data>", subject).encode("utf-16")
    assert spelt in body
    assert whole(body) == whole(by_id)

    assert stencil(body) is None


@pytest.mark.parametrize(
    "start", ['<?xml version="1.0" encoding="iso-8859-1"?>', "\n", "\ufeff<?xml version='1.0'?>", "\ufeff"]
)
def test_a_poll_that_begins_otherwise_is_its_own_stencil_or_none(by_id: bytes, start: str) -> None:
    """Declared to be in another encoding in which ASCII is ASCII, or in none, or with a byte order mark."""
    declared = by_id.index(b"?>") + 2
    body = start.encode() + by_id[declared:]
    assert whole(body) == whole(by_id)

    held = stencil(body)

    assert held is None or by_stencil(held, body) == whole(by_id)
    assert held is None or held.read(by_id) is None
    assert kept(by_id).read(body) is None


def test_base64_in_another_spelling_is_left_to_who_looks_at_it_whole(by_id: bytes) -> None:
    """Its spare bits say nothing, and the schema wants them to be zero."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    value = outline_of(by_id).value
    assert value.endswith("==")
    odd = value[:-3] + letters[letters.index(value[-3]) + 1] + "=="
    body = by_id.replace(value.encode(), odd.encode())
    assert b64decode(odd) == b64decode(value)

    assert kept(by_id).read(body) is None
    assert whole(body) is None


@pytest.mark.parametrize(
    ("pattern", "by"),
    [
        ("<ds:KeyInfo>", '<ds:KeyInfo x="1">'),
        ("<ds:X509Data>", "<x/><ds:X509Data>"),
        (r"(<ds:Signature .*</ds:Signature>)(.*)(</oadr:oadrPayload>)", r"\2\1\3"),
    ],
)
def test_a_lenient_ven_s_signature_that_the_schema_would_refuse_has_no_stencil(
    by_id: bytes, pattern: str, by: str
) -> None:
    """It is verified, and what it covers is read in a copy in which the signature is not; that is no reason to refuse it."""
    body = changed(by_id, pattern, by)
    signed, _ = repaired(received(body, lenient=True))

    assert read(signed) == POLL
    assert cut(body, signed, POLL) is None


def test_what_would_take_much_memory_has_no_stencil(by_id: bytes) -> None:
    """A certificate of the connection keeps one, whoever it belongs to; the limit is what is kept."""
    said = outline_of(by_id)
    room = MAX_KEPT_BYTES - len(by_id) - len(said.info) - len(said.proof)

    def padded(by: int) -> bytes:
        return by_id.replace(b"</ds:X509Data>", b" " * by + b"</ds:X509Data>")

    assert by_stencil(kept(padded(room)), padded(room)) == whole(by_id)
    assert whole(padded(room + 1)) == whole(by_id)
    assert stencil(padded(room + 1)) is None


REWRITTEN = {
    "attributes in another order": ("<ds:Object Id=", "<ds:Object  Id="),
    "the other quotes": ('<ds:Object Id="replayProtect"', "<ds:Object Id='replayProtect'"),
    "an empty element cut short": ("></ds:DigestMethod>", "/>"),
    "CR LF between attributes": ("<ds:Object Id=", "<ds:Object\r\nId="),
    "a prefix declared again": (
        "<dsp:nonce>",
        '<dsp:nonce xmlns:dsp="http://openadr.org/oadr-2.0b/2012/07/xmldsig-properties">',
    ),
    "another declaration in front": ('encoding="UTF-8"', "encoding='utf-8'"),
    "white space behind": ("$", "\n"),
}


@pytest.mark.parametrize("name", REWRITTEN)
def test_other_bytes_of_the_same_message_are_left_to_who_looks_at_it_whole(by_id: bytes, name: str) -> None:
    body = changed(by_id, *REWRITTEN[name])

    assert kept(by_id).read(body) is None
    assert whole(body) == whole(by_id)


SMUGGLED = (
    "\0",
    '"',
    "'",
    "<",
    ">",
    "&",
    "\x7f",
    "\r",
    "\n",
    "\t",
    "]",
    "]]>",
    "/>",
    "<a/>",
    "<![CDATA[",
    "&lt;",
    '" xmlns="urn:x',
    "\ufeff",
)


@pytest.mark.parametrize("markup", SMUGGLED)
def test_no_hole_takes_what_xml_gives_a_meaning_to(by_id: bytes, markup: str) -> None:
    """In the place of as many bytes of each of the four texts, at its start, in its middle and at its end."""
    held, octets = kept(by_id), markup.encode()
    for text in outline_of(by_id)[2:]:
        assert isinstance(text, str)
        was = text.encode()
        for place in (0, (len(was) - len(octets)) // 2, len(was) - len(octets)):
            spoilt = was[:place] + octets + was[place + len(octets) :]
            assert held.read(by_id.replace(b">%b<" % was, b">%b<" % spoilt)) is None


def test_texts_of_another_message_are_not_taken_in_part(signers: Mapping[KeyKind, Signer], by_id: bytes) -> None:
    """Digest, value, stamp and nonce belong together: none of them goes with those of another message of that signer."""
    held, ec = kept(by_id), signers["ec"]
    other = sign(POLL, ec, now=LATER, nonce=ANOTHER)
    pairs = [
        (f">{one}<".encode(), f">{two}<".encode())
        for one, two in zip(outline_of(by_id)[2:], outline_of(other)[2:], strict=True)
    ]
    for chosen in product((False, True), repeat=len(pairs)):
        body = by_id
        for (was, by), takes in zip(pairs, chosen, strict=True):
            body = body.replace(was, by) if takes else body
        assert (held.read(body) is not None) == (body in (by_id, other)) == (whole(body) is not None)


def test_a_certificate_that_is_exchanged_makes_another_message(signers: Mapping[KeyKind, Signer], by_id: bytes) -> None:
    """Even one of the same length, for the same key."""
    public = signers["ec"].key.public_key()
    body = with_certificate(by_id, certificate_of(public))

    assert kept(by_id).read(body) is None
    assert received(body).fingerprint != received(by_id).fingerprint


def test_a_text_that_stands_in_two_places_has_no_stencil(signers: Mapping[KeyKind, Signer]) -> None:
    assert stencil(sign(POLL, signers["ec"], now=NOON, nonce="ven-1")) is None


def test_a_java_client_s_poll_has_none() -> None:
    """Its base64 has references to carriage returns in it."""
    body = (SIGNED / "avob-poll-signed-rsa.xml").read_bytes()

    assert cut(body, verify(parse(body), lenient=True), POLL) is None


def test_no_flipped_bit_is_read_by_the_stencil_as_anything_else(by_id: bytes, by_document: bytes) -> None:
    """Each byte of a signed message in turn, with the stencil of the message as it was."""
    for body in (by_id, by_document):
        held = kept(body)
        for place in range(len(body)):
            spoilt = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
            assert held.read(spoilt) is None or by_stencil(held, spoilt) == whole(spoilt)


def put(nonce: bytes, body: bytes, signer: Signer) -> bytes:
    """`body` with that nonce, whatever it does to the XML; with a digest and a value that are right, if there are any."""
    body = re.sub(rb"(<dsp:nonce>)[^<]*", lambda found: found[1] + nonce, body)
    try:
        proof = etree.fromstring(body).find(f".//{clark('ds:Object')}")
        assert proof is not None
        digest = b64encode(hashlib.sha256(canonical(proof)).digest())
        body = re.sub(rb"[^>]*(</ds:DigestValue></ds:Reference></ds:SignedInfo>)", rb"%b\1" % digest, body)
        info = etree.fromstring(body).find(f".//{clark('ds:SignedInfo')}")
        assert info is not None
    except etree.XMLSyntaxError:
        return body
    value = b64encode(signature_value(signer.key, canonical(info)))
    return re.sub(rb"(<ds:SignatureValue>)[^<]*", rb"\g<1>%b" % value, body)


def test_a_nonce_that_its_signer_put_in_is_read_by_the_stencil(signers: Mapping[KeyKind, Signer], by_id: bytes) -> None:
    body = put(ANOTHER.encode(), by_id, signers["ec"])

    assert by_stencil(kept(by_id), body) == whole(body) == (POLL, signers["ec"].fingerprint, NOON, ANOTHER)


@given(data=st.data())
def test_whatever_a_signer_puts_in_is_read_as_without_a_stencil_or_not_at_all(
    signers: Mapping[KeyKind, Signer], by_id: bytes, data: st.DataObject
) -> None:
    held = kept(by_id)
    text = data.draw(st.text("<>&;! \t\r\nabc05f+/=._:-é", min_size=len(NONCE), max_size=len(NONCE)))
    nonce = text.encode()[: len(NONCE)]
    body = put(nonce, by_id, signers["ec"])

    read_by_it = by_stencil(held, body)

    assert read_by_it is None or read_by_it == whole(body)
    if re.fullmatch(rb"[A-Za-z0-9+/=._:-]+", nonce):
        assert read_by_it is not None
