"""What we write: escaped by construction, and refused where XML or the schema cannot say it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from lxml import etree

from openadr_ra.errors import InvalidData
from openadr_ra.protocol.messages import CancelReport, CreatePartyRegistration, Poll, Response, UpdateReport
from openadr_ra.protocol.model import ReportRequestId, RequestId, Rid, SpecifierId, VenId
from openadr_ra.protocol.parts import Interval, Report, ReportPayload, Result
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.times import Duration
from openadr_ra.wire.codec import decode, encode, encode_checked

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def update(*, value: float = 1.0, created: datetime = NOON, duration: Duration | None = None) -> UpdateReport:
    """A report of one value."""
    payload = ReportPayload(rid=Rid("p"), value=value)
    report = Report(
        intervals=(Interval(duration=duration, payloads=(payload,)),),
        request_id=ReportRequestId("q"),
        specifier_id=SpecifierId("s"),
        created=created,
    )
    return UpdateReport(request_id=RequestId("r"), reports=(report,))


@pytest.mark.parametrize(
    "text", ["&", "<", ">", '"', "'", "]]>", "\r", "\r\n", "\t", "&amp;", "<!--", "日本🔋", "\x7f\x85"]
)
def test_any_text_that_xml_can_hold_comes_back_as_it_went(text: str) -> None:
    message = Poll(ven_id=VenId(text))

    assert decode(encode_checked(message)) == message


@pytest.mark.parametrize("text", ["&x;", '"', "<", "a\nb\tc"])
def test_any_text_can_stand_in_an_attribute(text: str) -> None:
    """White space collapses there, since a version is a word."""
    body = encode(Poll(ven_id=VenId("v"), schema_version=Token(f"x-{text}")))

    assert decode(body).schema_version == " ".join(f"x-{text}".split())


@pytest.mark.parametrize("character", ["\x00", "\x08", "\x0b", "\x1f", "\ud800", "\ufffe", "\uffff"])
def test_a_character_that_xml_does_not_have_is_refused_and_named(character: str) -> None:
    with pytest.raises(InvalidData, match=f"U\\+{ord(character):04X}"):
        encode(Poll(ven_id=VenId(f"v{character}")))
    with pytest.raises(InvalidData, match=f"U\\+{ord(character):04X}"):
        encode(Poll(ven_id=VenId("v"), schema_version=Token(f"x-{character}")))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_not_sent(value: float) -> None:
    with pytest.raises(InvalidData, match="finite"):
        encode(update(value=value))


@pytest.mark.parametrize(("value", "text"), [(1.5, "1.5"), (7, "7.0"), (1e16, "1e+16"), (-0.1, "-0.1")])
def test_a_number_is_written_so_that_it_reads_back_exactly(value: float, text: str) -> None:
    assert f"<ei:value>{text}</ei:value>".encode() in encode_checked(update(value=value))


def test_a_time_is_written_in_utc() -> None:
    """Rule 1."""
    japan = timezone(timedelta(hours=9))

    body = encode_checked(update(created=datetime(2026, 1, 31, 21, tzinfo=japan)))

    assert b"<ei:createdDateTime>2026-01-31T12:00:00Z</ei:createdDateTime>" in body


def test_a_time_with_a_fraction_is_written_to_the_microsecond() -> None:
    body = encode_checked(update(created=NOON + timedelta(microseconds=5)))

    assert b"2026-01-31T12:00:00.000005Z" in body


@pytest.mark.parametrize(
    "when",
    [datetime(2026, 1, 31, 12), datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9)))],  # noqa: DTZ001 - the naive one is the case
)
def test_a_time_that_has_no_utc_is_refused(when: datetime) -> None:
    with pytest.raises(InvalidData):
        encode(update(created=when))


def test_a_duration_of_two_signs_is_refused() -> None:
    with pytest.raises(InvalidData, match="two signs"):
        encode(update(duration=Duration(months=1, seconds=-1)))


def test_none_is_left_out_and_an_empty_text_is_not() -> None:
    result = Result(request_id=RequestId(""))

    assert b"venID" not in encode_checked(Response(result=result))
    assert b"<ei:venID></ei:venID>" in encode_checked(Response(result=result, ven_id=VenId("")))


@pytest.mark.parametrize(
    "message",
    [
        CancelReport(request_id=RequestId("r"), report_request_ids=()),
        Response(result=Result(code="20")),
        CreatePartyRegistration(request_id=RequestId("r"), profile=Token("3.0")),
    ],
)
def test_what_the_schema_does_not_take_is_refused_by_the_checked_encoder(message: Response) -> None:
    """The plain encoder trusts the types; publishing does not."""
    encode(message)

    with pytest.raises(InvalidData, match=f"{message.xml} would be refused"):
        encode_checked(message)


def test_rule_509_at_both_ends_a_payload_says_its_version() -> None:
    """Rule 509, though the schema has it optional."""
    assert b'<oadr:oadrPoll ei:schemaVersion="2.0b">' in encode(Poll(ven_id=VenId("v")))


def test_the_body_is_one_utf8_document_that_any_parser_reads() -> None:
    body = encode(Poll(ven_id=VenId("電力")))

    assert body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n')
    assert etree.fromstring(body).findtext(".//{*}venID") == "電力"
