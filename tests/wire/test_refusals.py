"""What is no OpenADR message: refused with a code and a sentence, and never with anything but our own errors."""

from __future__ import annotations

import socket
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from openadr_ra.errors import InvalidData, OadrError, WireError
from openadr_ra.protocol.messages import Poll
from openadr_ra.protocol.model import VenId
from openadr_ra.wire import schema
from openadr_ra.wire.codec import Plain, decode, encode_checked, read
from openadr_ra.wire.parse import MAX_BODY_BYTES, MAX_DEPTH, parse
from tests.wire.samples import DECLARATIONS, envelope, poll, report

CAPTURES = [file.read_bytes() for file in sorted((Path(__file__).parent / "captures").rglob("*.xml"))]

POLL = '<oadr:oadrPoll ei:schemaVersion="2.0b"><ei:venID>v</ei:venID></oadr:oadrPoll>'

BOMB = (
    '<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">'
    + "".join(
        f'<!ENTITY {name} "{"&" + inner + ";"}{("&" + inner + ";") * 9}">'
        for inner, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]>"
)


def refusal(body: bytes) -> WireError:
    with pytest.raises(WireError) as refused:
        decode(body)
    error = refused.value
    assert "\n" not in str(error)
    assert len(str(error)) < 300
    return error


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"  \n", id="white space"),
        pytest.param(b'{"ven_id": "v"}', id="JSON"),
        pytest.param(b"<oadr:oadrPayload>", id="an undeclared prefix"),
        pytest.param(poll()[:-1], id="cut off"),
        pytest.param(poll() + poll(), id="two documents"),
        pytest.param(poll("\x00"), id="a zero byte"),
        pytest.param(poll("&#0;"), id="a zero character"),
        pytest.param(poll("&undefined;"), id="an undefined entity"),
        pytest.param(poll().replace(b"ven-1", b"\xff\xfe"), id="bytes that are not UTF-8"),
        pytest.param(poll().replace(b"ven-1", b"\xed\xa0\x80"), id="a lone surrogate"),
        pytest.param(
            b'<?xml version="1.0" encoding="UTF-8"?>' + poll().decode().encode("utf-16"), id="a wrong declaration"
        ),
    ],
)
def test_what_is_not_xml_is_not_recognized(body: bytes) -> None:
    error = refusal(body)

    assert (error.code, error.status) == ("453", 400)
    assert "not XML" in str(error)


@pytest.mark.parametrize(
    "declaration",
    [
        pytest.param("<!DOCTYPE oadrPayload>", id="an empty one"),
        pytest.param('<!DOCTYPE oadrPayload SYSTEM "other.dtd">', id="an external one"),
        pytest.param('<!DOCTYPE p [<!ENTITY x "v">]>', id="an unused entity"),
        pytest.param('<!DOCTYPE p [<!ATTLIST p a CDATA "v">]>', id="a default attribute"),
    ],
)
def test_a_document_type_declaration_is_refused_whatever_is_in_it(declaration: str) -> None:
    error = refusal(declaration.encode() + poll())

    assert (error.code, error.status) == ("453", 400)
    assert "document type" in str(error)


def test_entities_are_neither_expanded_nor_fetched_from_the_disk(tmp_path: Path) -> None:
    """A file that were read would be a broken DTD, and the refusal another one."""
    secret = tmp_path / "secret"
    secret.write_text("do not tell")

    for declared in (
        f'<!DOCTYPE p SYSTEM "{secret.as_uri()}">',
        f'<!DOCTYPE p [<!ENTITY % x SYSTEM "{secret.as_uri()}"> %x;]>',
        f'<!DOCTYPE p [<!ENTITY x SYSTEM "{secret.as_uri()}">]>',
    ):
        assert "document type" in str(refusal(declared.encode() + poll()))


def test_nothing_is_fetched_over_the_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        for declared in (
            f'<!DOCTYPE p SYSTEM "{url}">',
            f'<!DOCTYPE p [<!ENTITY % x SYSTEM "{url}"> %x;]>',
            f'<!DOCTYPE p [<!ENTITY x SYSTEM "{url}">]>',
        ):
            refusal(declared.encode() + poll("&x;" if "ENTITY x" in declared else "v"))

        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize("where", ["text", "attribute"])
def test_a_bomb_of_entities_does_not_go_off(where: str) -> None:
    body = poll("&i;") if where == "text" else envelope(POLL.replace("2.0b", "&i;"))

    assert refusal(BOMB.encode() + body).code == "453"


def test_a_body_of_the_largest_size_is_read_and_one_byte_more_is_too_large() -> None:
    body = poll()
    padded = body + b"\n" * (MAX_BODY_BYTES - len(body))

    assert decode(padded) == decode(body)
    error = refusal(padded + b"\n")
    assert error.status == 413
    assert str(MAX_BODY_BYTES) in str(error)


def test_elements_may_nest_to_the_limit_and_no_deeper() -> None:
    """Each limit is the caller's; the default leaves room for what OpenADR nests."""
    deepest = b"<a>" * MAX_DEPTH + b"</a>" * MAX_DEPTH

    assert parse(deepest).tag == "a"
    assert parse(b"<a><b/></a>", max_depth=2).tag == "a"
    with pytest.raises(WireError, match="deep"):
        parse(b"<a>" + deepest + b"</a>")
    with pytest.raises(WireError, match="deep"):
        parse(b"<a><b/></a>", max_depth=1)
    with pytest.raises(WireError):
        parse(b"<a>" * 100_000 + b"</a>" * 100_000)


def test_depth_inside_an_element_that_may_hold_anything_is_bounded_too() -> None:
    """xcal:components takes any content, so the schema alone would not stop it."""
    deep = "<x>" * MAX_DEPTH + "</x>" * MAX_DEPTH

    with pytest.raises(WireError, match="deep"):
        decode(envelope(f"<xcal:components>{deep}</xcal:components>"))


@pytest.mark.parametrize(
    ("body", "named"),
    [
        pytest.param(b"<html/>", "html", id="another root"),
        pytest.param(
            f"<oadr:oadrSignedObject {DECLARATIONS}>{POLL}</oadr:oadrSignedObject>".encode(),
            "oadrSignedObject",
            id="no oadrPayload",
        ),
        pytest.param(POLL.replace("Poll ", f"Poll {DECLARATIONS} ", 1).encode(), "oadrPoll", id="a bare payload"),
        pytest.param(
            f"<oadrPayload {DECLARATIONS}><oadr:oadrSignedObject/></oadrPayload>".encode(),
            "oadrPayload",
            id="no namespace",
        ),
        pytest.param(poll().replace(b"2012/07", b"2010/01"), "oadrPayload", id="another namespace"),
        pytest.param(envelope("<oadr:oadrBid/>"), "oadr:oadrBid", id="an unknown payload"),
        pytest.param(envelope("<ei:eiEvent/>"), "ei:eiEvent", id="an element that is no payload"),
    ],
)
def test_an_unknown_root_or_payload_is_not_recognized(body: bytes, named: str) -> None:
    error = refusal(body)

    assert (error.code, error.status) == ("453", 400)
    assert named in str(error)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        pytest.param(envelope(POLL + POLL), "oadr:oadrPoll", id="two payloads"),
        pytest.param(envelope(""), "oadr:oadrSignedObject", id="no payload"),
        pytest.param(envelope("<oadr:oadrPoll/>"), "oadr:oadrPoll", id="a missing element"),
        pytest.param(poll("v</ei:venID><ei:venID>w"), "ei:venID", id="an element twice"),
        pytest.param(envelope(POLL.replace("ei:schema", "schema")), "schemaVersion", id="an unprefixed attribute"),
        pytest.param(envelope(POLL.replace("2.0b", "3.0")), "schemaVersion", id="an unknown version"),
        pytest.param(envelope(f"stray{POLL}"), "oadr:oadrSignedObject", id="stray text"),
        pytest.param(report(value="ten"), "ei:value", id="a number that is none"),
        pytest.param(report(value=""), "ei:value", id="an empty number"),
        pytest.param(report(confidence="101"), "ei:confidence", id="a number out of range"),
        pytest.param(report(start="2026-01-01T00:00:00+09:00"), "xcal:date-time", id="a time with an offset"),
        pytest.param(report(start="2026-02-30T00:00:00Z"), "xcal:date-time", id="a day that is none"),
        pytest.param(report(duration="PT1.5S"), "xcal:duration", id="a fraction of a second"),
        pytest.param(report(duration="P5W"), "xcal:duration", id="weeks with a P"),
        pytest.param(report(quality="Good"), "oadr:oadrDataQuality", id="a word outside an enumeration"),
        pytest.param(report(quality="x-"), "oadr:oadrDataQuality", id="an extension without a name"),
    ],
)
def test_what_the_schema_forbids_is_invalid_data_and_the_element_is_named(body: bytes, named: str) -> None:
    error = refusal(body)

    assert (error.code, error.status) == ("454", 400)
    assert named in str(error)


@pytest.mark.parametrize("encoding", ["UTF-7", "UTF-32", "shift_jis", "EUC-JP", "IBM037"])
def test_an_encoding_that_is_not_one_of_ours_is_refused(encoding: str) -> None:
    """One that the parser cannot read is not XML to us either."""
    codec = {"UTF-7": "ascii", "IBM037": "cp037"}.get(encoding, encoding)
    body = (f'<?xml version="1.0" encoding="{encoding}"?>' + poll().decode()).encode(codec)

    assert refusal(body).code == "453"


@pytest.mark.parametrize(
    ("encoding", "codec"),
    [
        ("UTF-8", "utf-8"),
        ("UTF-8", "utf-8-sig"),
        ("UTF-16", "utf-16"),
        ("ISO-8859-1", "latin-1"),
        ("US-ASCII", "ascii"),
    ],
)
def test_the_encodings_of_xml_are_read(encoding: str, codec: str) -> None:
    letter = "v" if encoding == "US-ASCII" else "é"
    body = (f'<?xml version="1.0" encoding="{encoding}"?>' + poll(letter).decode()).encode(codec)

    assert decode(body) == Poll(ven_id=VenId(letter))


def test_a_refusal_for_the_log_is_one_printable_line_whatever_a_peer_wrote() -> None:
    error = refusal(report(quality="Good&#10;forged line &#x1F4A3; \u202e \u0085" + "x" * 5000))

    assert str(error).isprintable()


def test_a_schema_location_in_a_message_is_not_followed(tmp_path: Path) -> None:
    missing = (tmp_path / "other.xsd").as_uri()
    located = DECLARATIONS + (
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        f' xsi:schemaLocation="http://openadr.org/oadr-2.0b/2012/07 {missing}"'
    )

    assert decode(envelope(POLL, located)) == Poll(ven_id=VenId("v"))


def test_only_what_is_in_the_verified_element_is_read() -> None:
    """A signature covers one oadrSignedObject; what stands elsewhere in the document does not count."""
    signed = schema.signed_object(parse(poll("signed")))
    signed.addnext(schema.signed_object(parse(poll("forged"))))

    assert read(Plain(signed)) == Poll(ven_id=VenId("signed"))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A recorded message with some bytes replaced, removed or repeated."""
    body = bytearray(draw(st.sampled_from(CAPTURES)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body) - 1))
        end = min(len(body), at + draw(st.integers(0, 12)))
        body[at:end] = draw(
            st.one_of(
                st.binary(max_size=4),
                st.sampled_from(
                    [b"", b"<", b">", b"&amp;", b"\r", b"<!---->", b"<?p?>", b"1e", b"INF", b"-", b"P", b"9" * 40]
                ),
                st.just(bytes(body[at:end] * 2)),
            )
        )
    return bytes(body)


ODD_TEXTS = (
    "", " ", "-", "1e", "1e400", "NaN", "-INF", "9" * 400, "0" * 5000, "x-", "x-a", "P", "PT", "5W", "P1Y", "P9999Y", "true",
    "2026-01-01T24:00:00", "9999-12-31T24:00:00Z", "-0001-01-01T00:00:00", "2026-01-01T00:00:00.1234567891Z", "\u3000",
)  # fmt: skip


@st.composite
def rearranged(draw: st.DrawFn) -> bytes:
    """A recorded message with some elements emptied, filled with something odd, dropped, doubled or moved."""
    root = etree.fromstring(draw(st.sampled_from(CAPTURES)))
    for _ in range(draw(st.integers(1, 3))):
        element = draw(st.sampled_from(list(root.iter("*"))))
        match draw(st.sampled_from(["fill", "fill", "fill", "drop", "double", "move"])):
            case "fill":
                element.text = draw(st.sampled_from(ODD_TEXTS))
            case "drop" if (parent := element.getparent()) is not None:
                parent.remove(element)
            case "double" if element is not root:
                element.addnext(deepcopy(element))
            case _:
                draw(st.sampled_from(list(root.iter("*")))).append(deepcopy(element))
    return etree.tostring(root)


@settings(max_examples=1000)
@given(st.one_of(mutated(), rearranged(), st.binary(max_size=200)))
def test_no_bytes_raise_anything_but_our_errors(body: bytes) -> None:
    """And what is accepted means the same after we said it again."""
    try:
        message = decode(body)
    except (WireError, OadrError):
        return

    assert decode(encode_checked(message)) == message


def test_an_abstract_unit_with_a_concrete_type_is_invalid_data() -> None:
    """Schema-valid, and nothing that OpenADR 2.0b names: refused, and not read as the element behind it."""
    typed = (
        '<power:powerItem xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="power:PowerRealType">'
        "<power:itemDescription>RealPower</power:itemDescription><power:itemUnits>W</power:itemUnits>"
        "<scale:siScaleCode>k</scale:siScaleCode><power:powerAttributes><power:hertz>50</power:hertz>"
        "<power:voltage>200</power:voltage><power:ac>true</power:ac></power:powerAttributes></power:powerItem>"
    )
    body = envelope(
        "<oadr:oadrCreateReport><pyld:requestID>r</pyld:requestID><oadr:oadrReportRequest>"
        "<ei:reportRequestID>q</ei:reportRequestID><ei:reportSpecifier><ei:reportSpecifierID>s</ei:reportSpecifierID>"
        "<xcal:granularity><xcal:duration>PT0S</xcal:duration></xcal:granularity>"
        "<ei:reportBackDuration><xcal:duration>PT0S</xcal:duration></ei:reportBackDuration>"
        f"<ei:specifierPayload><ei:rID>p</ei:rID>{typed}<ei:readingType>x-notApplicable</ei:readingType>"
        "</ei:specifierPayload></ei:reportSpecifier></oadr:oadrReportRequest></oadr:oadrCreateReport>"
    )
    schema.validate(parse(body))

    with pytest.raises(InvalidData, match="power:powerItem"):
        decode(body)
