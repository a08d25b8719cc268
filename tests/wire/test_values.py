"""What the XSD allows and Python dislikes is decided, not lucky."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from openadr_ra.errors import InvalidData, WireError
from openadr_ra.protocol.messages import CreateOpt, DistributeEvent, Message, Poll, UpdatedReport, UpdateReport
from openadr_ra.protocol.parts import Interval, ReportPayload
from openadr_ra.protocol.times import MAX_DURATION_CHARACTERS, Duration
from openadr_ra.wire.codec import Unusable, decode, encode_checked
from tests.wire.samples import envelope, poll, report


def interval(body: bytes) -> Interval:
    message = decode(body)
    assert isinstance(message, UpdateReport)
    assert decode(encode_checked(message)) == message
    return message.reports[0].intervals[0]


def point(body: bytes) -> ReportPayload:
    payload = interval(body).payloads[0]
    assert isinstance(payload, ReportPayload)
    return payload


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-01-31T09:30:00Z", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31T09:30:00", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        (" 2026-01-31T09:30:00Z\n", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31T09:30:00.5Z", datetime(2026, 1, 31, 9, 30, 0, 500_000, tzinfo=UTC)),
        ("2026-01-31T09:30:00.123456789Z", datetime(2026, 1, 31, 9, 30, 0, 123_456, tzinfo=UTC)),
        ("2026-01-31T09:30:00.999999999Z", datetime(2026, 1, 31, 9, 30, 0, 999_999, tzinfo=UTC)),
        ("2026-01-31T24:00:00Z", datetime(2026, 2, 1, tzinfo=UTC)),
        ("2026-12-31T24:00:00.000", datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_in_utc_and_to_the_microsecond(text: str, meant: datetime) -> None:
    """Rule 1: all times are UTC; a fraction is cut, not rounded; 24:00 is the next day."""
    assert interval(report(start=text)).start == meant


@pytest.mark.parametrize("text", ["-2026-01-31T09:30:00Z", "9999-12-31T24:00:00Z"])
def test_a_time_outside_the_calendar_is_invalid_data(text: str) -> None:
    with pytest.raises(InvalidData, match="date-time"):
        decode(report(start=text))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("PT30M", Duration(seconds=1800)),
        ("P1DT2H3M4S", Duration(seconds=93_784)),
        ("P1D2H", Duration(seconds=93_600)),
        ("-PT5M", Duration(seconds=-300)),
        ("+PT5M", Duration(seconds=300)),
        ("P1M", Duration(months=1)),
        ("P1Y", Duration(months=12)),
        ("P1Y2M3DT4S", Duration(months=14, seconds=259_204)),
        ("P", Duration()),
        ("PT", Duration()),
        ("5W", Duration(seconds=3_024_000)),
        ("PT0000000000000001S", Duration(seconds=1)),
        ("P400Y", Duration(months=4800)),
    ],
)
def test_a_duration_keeps_its_months_and_its_seconds_apart(text: str, meant: Duration) -> None:
    """A month has no length in seconds; zero has many spellings; a week has no P in the schema's pattern."""
    assert interval(report(duration=text)).duration == meant


@pytest.mark.parametrize("text", ["P401Y", "P146401D", "PT99999999999999S", "999999999999W"])
def test_a_duration_of_more_than_400_years_is_invalid_data(text: str) -> None:
    with pytest.raises(InvalidData, match="400 years"):
        decode(report(duration=text))


def test_a_duration_may_be_spelled_with_zeros_up_to_a_length() -> None:
    longest = "PT" + "1S".zfill(MAX_DURATION_CHARACTERS - 2)

    assert interval(report(duration=longest)).duration == Duration(seconds=1)
    with pytest.raises(InvalidData, match="duration"):
        decode(report(duration=longest.replace("PT", "PT0")))


@pytest.mark.parametrize("text", ["NaN", "INF", "-INF", "1e400", "-1e400", "1" * 400])
def test_a_number_that_is_not_finite_is_invalid_data(text: str) -> None:
    """Nothing non-finite enters a state; the schema would let it."""
    with pytest.raises(InvalidData, match="ei:value"):
        decode(report(value=text))


def test_of_a_message_with_a_value_that_cannot_be_used_the_kind_and_the_ids_are_known() -> None:
    """So that it gets the reply that it waits for. Of what it lists nothing is read."""
    body = report(value="NaN")
    with pytest.raises(Unusable) as refused:
        decode(body)

    whole = decode(report())
    assert isinstance(whole, UpdateReport)
    assert refused.value.said == replace(whole, reports=())
    assert refused.value.code == "454"


def test_nothing_is_known_of_a_message_whose_own_fields_cannot_be_used() -> None:
    created = "<ei:createdDateTime>9999-12-31T24:00:00Z</ei:createdDateTime>"
    body = envelope(
        "<oadr:oadrCreateOpt><ei:optID>o</ei:optID><ei:optType>optIn</ei:optType><ei:optReason>economic</ei:optReason>"
        f"<ei:venID>v</ei:venID>{created}<pyld:requestID/><ei:eiTarget/></oadr:oadrCreateOpt>"
    )
    with pytest.raises(Unusable, match="9999") as refused:
        decode(body)

    assert refused.value.said is None


@pytest.mark.parametrize("text", ["1e", "2.5E"])
def test_a_number_that_only_the_validator_can_read_is_invalid_data(text: str) -> None:
    """libxml2 takes an exponent without digits."""
    with pytest.raises(InvalidData, match="number"):
        decode(report(value=text))


@pytest.mark.parametrize(
    ("text", "meant"), [(" 1.5\n", 1.5), ("+.5", 0.5), ("1.", 1.0), ("-0", 0.0), ("1E3", 1000.0), ("1e-400", 0.0)]
)
def test_a_number_is_read_in_each_of_its_spellings(text: str, meant: float) -> None:
    assert point(report(value=text)).value == meant


@pytest.mark.parametrize(("text", "meant"), [("7", 7), (" 007 ", 7), ("+7", 7), ("-0", 0), ("0" * 4000 + "7", 7)])
def test_an_integer_is_read_in_each_of_its_spellings(text: str, meant: int) -> None:
    assert point(report(confidence=text)).confidence == meant


def test_an_integer_with_more_zeros_than_python_counts_is_invalid_data() -> None:
    with pytest.raises(InvalidData, match="number"):
        decode(report(confidence="0" * 5000 + "7"))


def test_the_largest_modification_number_is_read_and_the_next_refused() -> None:
    """xs:unsignedInt has 32 bits."""
    body = (
        "<oadr:oadrCreateOpt><ei:optID>o</ei:optID><ei:optType>optIn</ei:optType><ei:optReason>economic</ei:optReason>"
        "<ei:venID>v</ei:venID><ei:createdDateTime>2026-01-01T00:00:00Z</ei:createdDateTime><pyld:requestID/>"
        "<ei:qualifiedEventID><ei:eventID>e</ei:eventID><ei:modificationNumber>{}</ei:modificationNumber>"
        "</ei:qualifiedEventID><ei:eiTarget/></oadr:oadrCreateOpt>"
    )
    message = decode(envelope(body.format(2**32 - 1)))

    assert isinstance(message, CreateOpt)
    assert message.event is not None
    assert message.event.modification == 2**32 - 1
    with pytest.raises(WireError, match="ei:modificationNumber"):
        decode(envelope(body.format(2**32)))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (" Quality   Good -\n\tNon Specific ", "Quality Good - Non Specific"),
        ("x-our own  word", "x-our own word"),
        ("x-電力\u3000計", "x-電力\u3000計"),
        ("x-&amp;&lt;", "x-&<"),
        ("x-" + "long " * 40, ("x-" + "long " * 40).strip()),
    ],
)
def test_white_space_in_a_word_is_collapsed_and_nothing_else_is_touched(text: str, meant: str) -> None:
    assert point(report(quality=text)).quality == meant


@pytest.mark.parametrize(
    ("xml", "text"),
    [
        ("", ""),
        (" a  b ", " a  b "),
        ("line\nline\ttab", "line\nline\ttab"),
        ("line\r\nline", "line\nline"),
        ("line&#13;&#10;line", "line\r\nline"),
        ("a<!-- no -->b", "ab"),
        ("a<?no?>b", "ab"),
        ("<![CDATA[<&>]]>]]&gt;", "<&>]]>"),
        ("a<![CDATA[b]]>c", "abc"),
        ("&#x65E5;本 &#x1F50B;", "日本 🔋"),
        ("0012", "0012"),
        ("1e5", "1e5"),
        ("true", "true"),
        ("VEN_a", "VEN_a"),
    ],
)
def test_an_id_is_text_and_stays_as_it_is(xml: str, text: str) -> None:
    """Ids are text always, however much they look like numbers, and case-sensitive; comments are no part of them."""
    message = decode(poll(xml))

    assert isinstance(message, Poll)
    assert message.ven_id == text
    assert decode(encode_checked(message)) == message


def test_comments_and_processing_instructions_between_elements_change_nothing() -> None:
    noisy = report().replace(b"><", b"><!-- > --><?a b?>\n  <")

    assert decode(noisy) == decode(report())


def default_namespaces() -> bytes:
    return (
        b'<oadrPayload xmlns="http://openadr.org/oadr-2.0b/2012/07"><oadrSignedObject>'
        b'<oadrPoll xmlns:e="http://docs.oasis-open.org/ns/energyinterop/201110" e:schemaVersion="2.0b">'
        b'<venID xmlns="http://docs.oasis-open.org/ns/energyinterop/201110">ven-1</venID>'
        b"</oadrPoll></oadrSignedObject></oadrPayload>"
    )


def one_prefix_for_two_namespaces() -> bytes:
    return (
        b'<p:oadrPayload xmlns:p="http://openadr.org/oadr-2.0b/2012/07"><p:oadrSignedObject>'
        b'<p:oadrPoll xmlns:q="http://docs.oasis-open.org/ns/energyinterop/201110" q:schemaVersion="2.0b">'
        b'<p:venID xmlns:p="http://docs.oasis-open.org/ns/energyinterop/201110">ven-1</p:venID>'
        b"</p:oadrPoll></p:oadrSignedObject></p:oadrPayload>"
    )


@pytest.mark.parametrize("body", [default_namespaces(), one_prefix_for_two_namespaces()])
def test_prefixes_mean_nothing(body: bytes) -> None:
    assert decode(body) == decode(poll())


@pytest.mark.parametrize(("version", "meant"), [("2.0a", "2.0a"), (" 2.0b ", "2.0b"), ("x-later", "x-later")])
def test_the_version_of_a_message_is_kept(version: str, meant: str) -> None:
    assert decode(poll().replace(b'"2.0b"', f'"{version}"'.encode())).schema_version == meant


def test_a_message_without_a_version_is_taken_for_2_0b() -> None:
    assert decode(poll().replace(b' ei:schemaVersion="2.0b"', b"")) == decode(poll())


def event(properties: str = "", components: str = "<xcal:components/>", target: str = "<ei:eiTarget/>") -> bytes:
    return envelope(
        "<oadr:oadrDistributeEvent><pyld:requestID/><ei:vtnID>V</ei:vtnID><oadr:oadrEvent><ei:eiEvent><ei:eventDescriptor>"
        "<ei:eventID>e</ei:eventID><ei:modificationNumber>0</ei:modificationNumber><ei:eiMarketContext><emix:marketContext/>"
        "</ei:eiMarketContext><ei:createdDateTime>2026-01-01T00:00:00Z</ei:createdDateTime>"
        "<ei:eventStatus>far</ei:eventStatus></ei:eventDescriptor><ei:eiActivePeriod><xcal:properties><xcal:dtstart>"
        "<xcal:date-time>2026-01-01T00:00:00Z</xcal:date-time></xcal:dtstart><xcal:duration><xcal:duration>PT1H"
        f"</xcal:duration></xcal:duration>{properties}</xcal:properties>{components}</ei:eiActivePeriod><ei:eiEventSignals>"
        "<ei:eiEventSignal><strm:intervals><ei:interval><ei:signalPayload><ei:payloadFloat><ei:value>1</ei:value>"
        "</ei:payloadFloat></ei:signalPayload></ei:interval></strm:intervals><ei:signalName>SIMPLE</ei:signalName>"
        "<ei:signalType>level</ei:signalType><ei:signalID>s</ei:signalID></ei:eiEventSignal></ei:eiEventSignals>"
        f"{target}</ei:eiEvent><oadr:oadrResponseRequired>always</oadr:oadrResponseRequired></oadr:oadrEvent>"
        "</oadr:oadrDistributeEvent>"
    )


def only_event(body: bytes) -> DistributeEvent:
    message: Message = decode(body)
    assert isinstance(message, DistributeEvent)
    assert decode(encode_checked(message)) == message
    return message


def test_a_tolerance_may_be_there_and_say_nothing() -> None:
    silent = only_event(event("<xcal:tolerance><xcal:tolerate/></xcal:tolerance>"))
    five = only_event(
        event("<xcal:tolerance><xcal:tolerate><xcal:startafter>PT5M</xcal:startafter></xcal:tolerate></xcal:tolerance>")
    )

    assert silent.events[0].event.period.startafter is None
    assert five.events[0].event.period.startafter == Duration(seconds=300)


@pytest.mark.parametrize(
    "components",
    [
        '<xcal:components xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/>',
        "<xcal:components> \n </xcal:components>",
        "<xcal:components>words<ei:eiTarget><ei:venID>w</ei:venID></ei:eiTarget><other><x/></other></xcal:components>",
    ],
)
def test_what_stands_in_the_components_of_an_event_is_no_part_of_it(components: str) -> None:
    """The schema lets anything stand there, even elements that would mean something behind it."""
    assert only_event(event(components=components)) == only_event(event())


def test_a_ven_id_in_a_piggy_backed_cancellation_is_not_that_of_the_message() -> None:
    """oadrCancelReport and oadrUpdatedReport around it both end in an optional venID."""
    body = (
        "<oadr:oadrUpdatedReport><ei:eiResponse><ei:responseCode>200</ei:responseCode><pyld:requestID/></ei:eiResponse>"
        "<oadr:oadrCancelReport><pyld:requestID>c</pyld:requestID><ei:reportRequestID>1</ei:reportRequestID>"
        "<pyld:reportToFollow>1</pyld:reportToFollow>{}</oadr:oadrCancelReport>{}</oadr:oadrUpdatedReport>"
    )
    ven_id = "<ei:venID>{}</ei:venID>"
    pairs = {(inner, outer) for inner in (None, "inner") for outer in (None, "outer")}

    for inner, outer in pairs:
        message = decode(
            envelope(body.format(*("" if each is None else ven_id.format(each) for each in (inner, outer))))
        )
        assert isinstance(message, UpdatedReport)
        assert message.cancel is not None
        assert (message.cancel.ven_id, message.ven_id) == (inner, outer)
