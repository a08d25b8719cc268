"""Whatever becomes of a signed message on its way, it is the same message or none."""

from __future__ import annotations

import warnings

from cryptography.utils import CryptographyDeprecationWarning
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from openadr_ra.errors import OadrError, WireError
from openadr_ra.wire import schema
from openadr_ra.wire.codec import read
from openadr_ra.wire.names import clark
from openadr_ra.wire.parse import parse
from openadr_ra.wire.signature import verify
from tests.wire.sealing import POLL, received


def test_no_flipped_bit_makes_another_message(by_id: bytes, by_document: bytes) -> None:
    """Each byte of a signed message in turn."""
    for body in (by_id, by_document):
        for place in range(len(body)):
            assert_the_same_or_refused(body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :], body)


@settings(max_examples=400)
@given(data=st.data())
def test_no_changed_byte_makes_another_message(by_id: bytes, by_document: bytes, data: st.DataObject) -> None:
    body = data.draw(st.sampled_from([by_id, by_document]))
    place = data.draw(st.integers(0, len(body) - 1))
    instead = data.draw(st.binary(max_size=2))

    assert_the_same_or_refused(body[:place] + instead + body[place + 1 :], body)


def assert_the_same_or_refused(altered: bytes, original: bytes) -> None:
    """What is accepted is the original in every respect but the certificate, which the caller compares."""
    expected = received(original)
    try:
        with warnings.catch_warnings():
            # A damaged certificate may be one that cryptography only warns of.
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            warnings.simplefilter("ignore", UserWarning)
            signed = received(altered)
    except (WireError, OadrError):
        return
    assert read(signed) == POLL
    assert (signed.timestamp, signed.nonce) == (expected.timestamp, expected.nonce)
    assert (signed.certificate == expected.certificate) == (signed.fingerprint == expected.fingerprint)


@settings(max_examples=300)
@given(data=st.data())
def test_no_arrangement_of_elements_raises_anything_but_a_refusal(
    by_id: bytes, by_document: bytes, data: st.DataObject
) -> None:
    """Also before the schema has looked at them, as for lenient peers."""
    root = parse(data.draw(st.sampled_from([by_id, by_document])))
    for _ in range(data.draw(st.integers(1, 3))):
        element = data.draw(st.sampled_from(list(root.iter("*"))))
        match data.draw(st.sampled_from(["fill", "drop", "double", "move", "strip"])):
            case "fill":
                element.text = data.draw(st.sampled_from(["", " ", "x", "AAAA", "電力"]))
            case "drop" if (parent := element.getparent()) is not None:
                parent.remove(element)
            case "double" if element is not root:
                element.addnext(etree.fromstring(etree.tostring(element)))
            case "move":
                target = data.draw(st.sampled_from(list(root.iter("*"))))
                if element not in (target, *target.iterancestors()):
                    target.append(element)
            case "strip":
                element.attrib.clear()
    body = etree.tostring(root)

    try:
        signed = verify(parse(body), lenient=data.draw(st.booleans()))
    except WireError:
        return
    assert signed.element.tag == schema.SIGNED_OBJECT
    assert signed.element[0].findtext(clark("ei:venID")) == "ven-1"
