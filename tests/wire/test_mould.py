"""What is read by its mould is what would have been read without one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openadr_ra.errors import OadrError, WireError
from openadr_ra.protocol.messages import Message, Poll, Response
from openadr_ra.protocol.model import VenId
from openadr_ra.protocol.parts import Result
from openadr_ra.wire import mould
from openadr_ra.wire.codec import decode, encode

NAMES = st.from_regex(r"[A-Za-z0-9_.:-]{1,60}", fullmatch=True)
BODY = encode(Poll(ven_id=VenId("ven-1")))
VEN = b"<ei:venID>ven-1</ei:venID>"


def meant(body: bytes) -> Message | None:
    """What `body` is decoded to; None if it is refused."""
    try:
        return decode(body)
    except (WireError, OadrError):
        return None


def is_mould(body: bytes) -> bool:
    message = meant(body)
    return message is not None and mould.split(body) is not None and mould.holds(body, message)


@pytest.mark.parametrize("message", [Poll(ven_id=VenId("")), Response(result=Result(), ven_id=VenId(""))], ids=str)
@given(own=NAMES, other=NAMES)
def test_another_ven_s_message_in_the_same_mould_is_what_decoding_makes_of_it(
    message: Message, own: str, other: str
) -> None:
    body, another = (encode(mould.filled(message, VenId(ven))) for ven in (own, other))
    parted, again = mould.split(body), mould.split(another)

    assert parted is not None
    assert again is not None
    assert parted[0] == again[0]
    assert mould.holds(body, decode(body))
    assert mould.filled(decode(body), again[1]) == decode(another)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"ven-1", b"ven&#45;1"),
        (b"ven-1", b"<![CDATA[ven-1]]>"),
        (b"ven-1", b"ven-1<!-- -->"),
        (VEN, b"<!--<ei:venID>ven-1</ei:venID>-->" + VEN),
        (VEN, b"<?p venID>ven-1<?>" + VEN),
        (b"ven-1", b"ven 1"),
        (b"ven-1", "vén-1".encode()),
        (b"ven-1", b"\n ven-1\n"),
    ],
    ids=["reference", "CDATA", "comment", "comment before", "instruction", "blank", "umlaut", "blanks round it"],
)
def test_what_is_not_plain_text_makes_no_mould(old: bytes, new: bytes) -> None:
    """Though it is read: with these, what stands in the bytes may be another text than it seems."""
    body = BODY.replace(old, new)

    assert meant(body) is not None
    assert not is_mould(body)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_makes_no_mould(encoding: str) -> None:
    """Two letters of it may be the bytes of four others."""
    body = BODY.decode().replace("UTF-8", encoding.upper()).encode(encoding)

    assert mould.split(body) is None or not mould.holds(body, Poll(ven_id=VenId("ven-1")))


def test_a_venid_that_stands_there_twice_makes_no_mould() -> None:
    twice = BODY.replace(b"<oadr:oadrPoll ", b"<oadr:oadrPoll xmlns:a='venID>' b='venID>ven-1<' ")

    assert not mould.holds(BODY.replace(VEN, VEN + VEN), Poll(ven_id=VenId("ven-1")))
    assert not mould.holds(twice, Poll(ven_id=VenId("ven-1")))


def test_what_was_read_as_another_venid_makes_no_mould() -> None:
    assert mould.holds(BODY, Poll(ven_id=VenId("ven-1")))
    assert not mould.holds(BODY, Poll(ven_id=VenId("ven-2")))


def test_a_body_is_split_up_to_a_size() -> None:
    most = BODY + b" " * (mould.MAX_BYTES - len(BODY))

    assert mould.split(most) is not None
    assert mould.split(most + b" ") is None


@given(st.data())
def test_whatever_has_the_bytes_of_a_mould_is_read_as_decoding_reads_it(data: st.DataObject) -> None:
    """Or it makes no mould: blanks, declarations, prefixes and markup anywhere, and then any other name."""
    at = data.draw(st.integers(0, len(BODY)))
    piece = data.draw(
        st.sampled_from([b"", b" ", b"\n", b"<!---->", b"<?p?>", b"&#32;", b"venID>x<", VEN, b"\0", b"]]>"])
    )
    body = BODY[:at] + piece + BODY[at:]
    message, parted = meant(body), mould.split(body)
    if message is None or parted is None or not mould.holds(body, message):
        return
    name = data.draw(NAMES)

    other = parted[0].before + name.encode() + parted[0].after

    assert mould.filled(message, VenId(name)) == decode(other)


def test_a_poll_spelt_in_another_way_has_a_mould_of_its_own() -> None:
    other = BODY.replace(b"ei:venID", b"energy:venID").replace(b"xmlns:ei=", b'xmlns:energy="URI" xmlns:ei=')
    uri = BODY.partition(b'xmlns:ei="')[2].partition(b'"')[0]
    other = other.replace(b"URI", uri).replace(b"><", b">\r\n  <").replace(b"<?xml", b" <?xml")[1:]
    parted, own = mould.split(other), mould.split(BODY)

    assert is_mould(other)
    assert parted is not None
    assert own is not None
    assert parted[0] != own[0]
    assert parted[1] == own[1]
