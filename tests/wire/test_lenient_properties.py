"""The laws of lenient reading: nothing where nothing is wrong, back to the original where that is plain, no accidents."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from lxml.etree import _Element as Element

from openadr_ra.errors import OadrError, WireError
from openadr_ra.protocol import messages as m
from openadr_ra.protocol.shape import NAMESPACES
from openadr_ra.wire import schema
from openadr_ra.wire.codec import Plain, decode, encode, encode_checked, read
from openadr_ra.wire.lenient import (
    MAX_DETAIL_CHARACTERS,
    decode_lenient,
    mend,
    repair,
    repaired,
)
from openadr_ra.wire.names import clark
from openadr_ra.wire.parse import parse
from openadr_ra.wire.signature import verify
from openadr_ra.wire.signing import Signer, sign
from openadr_ra.wire.values import escape, escape_attribute
from tests.wire.sealing import NONCE, NOON, changed, sealed
from tests.wire.strategies import values
from tests.wire.untidy import CREATED, EVENT, POLL, body, offer, readings, spoil

CAPTURES = [file.read_bytes() for file in sorted((Path(__file__).parent / "captures").rglob("*.xml"))]

EI = NAMESPACES["ei"]
OPAQUE = frozenset(map(clark, ("gml:FeatureCollection", "atom:feed")))
VALUES = frozenset(map(clark, ("ei:signalPayload", "oadr:oadrReportPayload", "oadr:oadrGBPayload")))

generous = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@st.composite
def messages(draw: st.DrawFn) -> m.Message:
    message = draw(values(draw(st.sampled_from(m.PAYLOADS))))
    assert isinstance(message, m.Message)
    return message


def open_elements(root: Element) -> list[Element]:
    """The elements of `root` that are not inside one that we carry without looking."""
    return [
        each
        for each in root.iter("*")
        if each.tag not in OPAQUE and not OPAQUE & {up.tag for up in each.iterancestors()}
    ]


@generous
@given(messages())
def test_what_is_in_order_is_not_touched(message: m.Message) -> None:
    """Also where the schema is not asked first: the same tree, the same bytes, no word."""
    root = parse(encode(message))
    before = etree.tostring(root)

    assert mend(root) == (root, ())
    assert repair(root) == (root, ())
    assert etree.tostring(root) == before


@generous
@given(messages(), st.data())
def test_shuffled_children_come_back_to_their_places(message: m.Message, data: st.DataObject) -> None:
    """Those of one name, and the values of an interval, keep their order among one another: nothing else says it."""
    text = shuffled(parse(encode(message)), data)

    assert decode_lenient(text.encode())[0] == message


def shuffled(element: Element, data: st.DataObject) -> str:
    """`element` as text. lxml, when it moves an element, may give it another prefix, which opaque elements keep."""
    if element.tag in OPAQUE:
        return etree.tostring(element, with_tail=False).decode()
    alike: dict[str, list[Element]] = {}
    for child in element:
        alike.setdefault("value" if child.tag in VALUES else str(child.tag), []).append(child)
    turns = [name for name, children in alike.items() for _ in children]
    order = data.draw(st.permutations(turns)) if len(alike) > 1 else turns
    name = etree.QName(element)
    attributes = "".join(
        f' ei:{etree.QName(key).localname}="{escape_attribute(str(value))}"' for key, value in element.items()
    )
    inside = "".join(shuffled(alike[turn].pop(0), data) for turn in order) or escape(element.text or "")
    return f'<x:{name.localname} xmlns:x="{name.namespace}" xmlns:ei="{EI}"{attributes}>{inside}</x:{name.localname}>'


@generous
@given(messages(), st.data())
def test_names_in_no_namespace_or_in_another_of_openadr_s_come_back_to_theirs(
    message: m.Message, data: st.DataObject
) -> None:
    root = parse(encode(message))
    uris = st.sampled_from([*sorted(NAMESPACES.values()), ""])
    all_alike = data.draw(st.none() | uris)
    for each in open_elements(root):
        uri = data.draw(uris) if all_alike is None else all_alike
        name = etree.QName(each).localname
        each.tag = f"{{{uri}}}{name}" if uri else name
        version = each.get(clark("ei:schemaVersion"))
        if version is not None:
            del each.attrib[clark("ei:schemaVersion")]
            each.set("schemaVersion", version)

    assert decode_lenient(etree.tostring(root))[0] == message


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A message of ours or a recorded one, with up to four things wrong with it."""
    root = etree.fromstring(
        draw(st.sampled_from([*CAPTURES, body(CREATED), body(EVENT), body(offer(None)), body(readings(3))]))
    )
    for _ in range(draw(st.integers(1, 4))):
        root = spoil(draw, root)
    return etree.tostring(root)


@settings(max_examples=1000, suppress_health_check=[HealthCheck.too_slow])
@given(spoilt() | st.binary(max_size=100))
def test_whatever_is_wrong_nothing_but_our_errors_is_raised_and_nothing_made_up(text: bytes) -> None:
    """What is read is schema-valid, needs no second repair, and has no optIn that was not there."""
    try:
        message, warnings = decode_lenient(text)
    except (WireError, OadrError):
        return

    assert decode(encode_checked(message)) == message
    assert all(len(warning.detail) <= MAX_DETAIL_CHARACTERS for warning in warnings)
    opts = [each.text or "" for each in etree.fromstring(text).iter("{*}optType")]
    assert encode(message).count(b"<ei:optType>optIn<") <= [opt.strip() for opt in opts].count("optIn")


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(spoilt())
def test_a_repair_leaves_the_original_alone_and_needs_no_second(text: bytes) -> None:
    root = parse(text)
    before = etree.tostring(root)
    try:
        copy, warnings = repair(root)
    except (WireError, OadrError):
        copy, warnings = root, ()

    assert etree.tostring(root) == before
    assert (copy is root) == (not warnings)
    if warnings:
        assert mend(copy) == (copy, ())


def test_only_what_was_verified_is_read_however_much_is_repaired(signers: dict[str, Signer]) -> None:
    """A payload that stands beside the verified element, or is slipped into the tree, has no way into the copy."""
    text = changed(sign(POLL, signers["ec"], now=NOON, nonce=NONCE), " ei:schemaVersion", " schemaVersion")
    signed = verify(parse(sealed(text, signers["ec"].key)), lenient=True)
    forged = parse(body(m.Poll(ven_id=CREATED.ven_id), ("ven-1", "forged")))
    root = signed.element.getroottree().getroot()
    root.append(forged[0])
    root.insert(0, parse(body(m.Poll(ven_id=CREATED.ven_id), ("ven-1", "forged")))[0][0])

    ready, warnings = repaired(signed)

    assert read(ready) == POLL
    assert read(Plain(signed.element)) == POLL
    assert [warning.repair for warning in warnings] == ["attribute-name"]


def test_a_repaired_message_is_schema_valid_with_every_prefix_on_its_root() -> None:
    copy, _ = repair(parse(b"<oadrPoll><venID>ven-1</venID></oadrPoll>"))

    schema.validate(copy)
    assert b"xmlns" not in etree.tostring(copy).partition(b"><")[2]
