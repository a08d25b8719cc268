"""What lenient reading refuses too: what may mean two things, what would be made up, what may carry a meaning of its own."""

from __future__ import annotations

import pytest

from openadr_ra.errors import InvalidData, WireError
from openadr_ra.protocol import messages as m
from openadr_ra.protocol import model
from openadr_ra.protocol import parts as p
from openadr_ra.protocol.shape import Token
from openadr_ra.wire.lenient import decode_lenient
from tests.wire.samples import DECLARATIONS
from tests.wire.untidy import ASKING, CREATED, EVENT, NOON, POLL, WATT_HOURS, WATTS, body, offer, readings

XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


@pytest.mark.parametrize(
    ("written", "scale"),
    [
        pytest.param("kWh", "k", id="kilo said twice, or thousands of kWh"),
        pytest.param("MWh", "k", id="two scales"),
        pytest.param("mwh", "none", id="milli or mega, from one who does not mind letters"),
        pytest.param("W", "none", id="a power"),
        pytest.param("micro", "none", id="no unit"),
        pytest.param("kVAh", "none", id="another unit"),
    ],
)
def test_a_unit_that_may_be_another_is_refused(written: str, scale: str) -> None:
    """A factor of a thousand is no detail: the message is refused, by the element that is wrong."""
    spoilt = body(offer(WATT_HOURS), (">Wh<", f">{written}<"), (">none<", f">{scale}<"))

    with pytest.raises(WireError, match="itemUnits") as refused:
        decode_lenient(spoilt)

    assert refused.value.code == "454"


def test_a_description_that_names_another_unit_is_refused() -> None:
    """The element says power, the text energy: one of them is wrong."""
    with pytest.raises(WireError, match="itemDescription"):
        decode_lenient(body(offer(WATTS), (">RealPower<", ">real energy<")))


def test_an_opt_of_its_own_that_is_neither_in_nor_out_is_refused() -> None:
    """oadrCreateOpt has nothing else to say."""
    opt = m.CreateOpt(
        opt_id=model.OptId("opt-1"),
        opt=model.OPT_OUT,
        reason=model.OptReason(Token("emergency")),
        ven_id=POLL.ven_id,
        created=NOON,
        request_id=model.RequestId("asked-1"),
    )

    with pytest.raises(WireError, match="optType"):
        decode_lenient(body(opt, (">optOut<", ">none<")))


def test_a_fraction_is_refused_where_the_next_interval_starts_at_the_sum() -> None:
    """900 times half a second would be seven minutes."""
    with pytest.raises(WireError, match="duration"):
        decode_lenient(body(readings(2, starts=False), ("PT1M<", "PT59.5S<")))

    assert decode_lenient(body(readings(2, starts=False), ("PT1M<", "PT60.0S<")))[0] == readings(2, starts=False)


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-31T21:00:00+14:01",
        "2026-01-31T21:00:00+09:60",
        "0001-01-01T00:00:00+09:00",
        "2026-02-30T21:00:00+09:00",
        "2026-01-31 21:00:00+09:00",
        "20260131T210000+0900",
    ],
)
def test_a_time_that_no_clock_shows_is_refused(written: str) -> None:
    with pytest.raises(WireError, match="createdDateTime"):
        decode_lenient(body(readings(1), ("ei:createdDateTime>2026-01-31T12:00:00Z", f"ei:createdDateTime>{written}")))


@pytest.mark.parametrize(
    ("message", "changes"),
    [
        pytest.param(POLL, (("<ei:venID>ven-1</ei:venID>", ""),), id="a venID"),
        pytest.param(POLL, (("<ei:venID>ven-1</ei:venID>", "ven-1"),), id="a venID that is only text"),
        pytest.param(CREATED, (("<ei:eventID>event-1</ei:eventID>", ""),), id="an eventID"),
        pytest.param(CREATED, (("<ei:modificationNumber>3</ei:modificationNumber>", ""),), id="a modificationNumber"),
        pytest.param(
            readings(1), (("<ei:reportRequestID>report-1</ei:reportRequestID>", ""),), id="the reportRequestID of data"
        ),
        pytest.param(
            offer(None), (("<ei:reportSpecifierID>usage</ei:reportSpecifierID>", ""),), id="a reportSpecifierID"
        ),
    ],
)
def test_an_id_is_never_made_up(message: m.Message, changes: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(WireError):
        decode_lenient(body(message, *changes))


RESULT = p.Result(request_id=model.RequestId(""))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(m.RegisteredReport(result=RESULT), id="oadrRegisteredReport"),
        pytest.param(m.CreatedReport(result=RESULT), id="oadrCreatedReport"),
        pytest.param(m.UpdatedReport(result=RESULT), id="oadrUpdatedReport"),
        pytest.param(m.CanceledReport(result=RESULT), id="oadrCanceledReport"),
        pytest.param(m.CanceledPartyRegistration(result=RESULT), id="oadrCanceledPartyRegistration"),
    ],
)
def test_an_answer_that_may_come_by_itself_has_to_say_what_it_answers(answer: m.Message) -> None:
    """Only the requestID would tell which of several requests is meant."""
    with pytest.raises(WireError, match="requestID"):
        decode_lenient(body(answer, ("<pyld:requestID></pyld:requestID>", "")))


@pytest.mark.parametrize(
    ("message", "old"),
    [
        pytest.param(m.Response(result=RESULT), "", id="oadrResponse"),
        pytest.param(m.CreatedReport(result=RESULT), "", id="oadrCreatedReport"),
        pytest.param(
            m.CreatedEvent(result=RESULT, ven_id=POLL.ven_id), "", id="oadrCreatedEvent without an answer to an event"
        ),
    ],
)
def test_success_is_never_made_up(message: m.Message, old: str) -> None:
    """Without eiResponse nobody knows how it ended."""
    result = "<ei:eiResponse><ei:responseCode>200</ei:responseCode><pyld:requestID></pyld:requestID></ei:eiResponse>"

    with pytest.raises(WireError):
        decode_lenient(body(message, (result, old)))


@pytest.mark.parametrize(
    ("message", "old", "new"),
    [
        pytest.param(
            EVENT,
            "<ei:eiTarget></ei:eiTarget>",
            '<ei:eiTarget><v:floor xmlns:v="urn:v">3</v:floor></ei:eiTarget>',
            id="a narrower target: passed over, it would be everyone",
        ),
        pytest.param(
            EVENT,
            "<ei:eiTarget></ei:eiTarget>",
            f"<ei:eiTarget {DECLARATIONS}><emix:serviceArea><FeatureCollection/></emix:serviceArea></ei:eiTarget>",
            id="a map without its namespace, which nothing inside it has either",
        ),
        pytest.param(EVENT, "<ei:signalPayload>", "<ei:signalPayload><ei:factor>2</ei:factor>", id="a factor"),
        pytest.param(EVENT, "<ei:value>", '<ei:value unit="MW">', id="an attribute of a value"),
        pytest.param(readings(1), "<ei:interval>", "<ei:interval><offset>1</offset>", id="in an interval"),
        pytest.param(
            offer(WATTS), "<power:itemUnits>", "<power:times>3</power:times><power:itemUnits>", id="in a unit"
        ),
        pytest.param(
            ASKING, "<ei:reportSpecifier>", "<ei:reportSpecifier><ei:only>x</ei:only>", id="in what is asked for"
        ),
        pytest.param(
            m.QueryRegistration(request_id=model.RequestId("")),
            "</oadr:oadrQueryRegistration>",
            "<oadr:oadrVenName>ven</oadr:oadrVenName></oadr:oadrQueryRegistration>",
            id="something that OpenADR has a name for",
        ),
    ],
)
def test_what_may_carry_a_meaning_is_not_passed_over(message: m.Message, old: str, new: str) -> None:
    with pytest.raises(WireError) as refused:
        decode_lenient(body(message, (old, new)))

    assert (refused.value.code, refused.value.status) == ("454", 400)


@pytest.mark.parametrize(
    ("spoilt", "code", "reason"),
    [
        pytest.param(b"<html/>", "453", "the root is html", id="a web page"),
        pytest.param(
            b'<oadrPoll xmlns="http://openadr.org/oadr-2.0a/2012/07"><venID>v</venID></oadrPoll>',
            "453",
            "the root is .*2.0a",
            id="another profile",
        ),
        pytest.param(
            f"<oadr:oadrPayload {DECLARATIONS}><oadr:oadrSignedObject><oadr:oadrHello/></oadr:oadrSignedObject>"
            "</oadr:oadrPayload>".encode(),
            "453",
            "oadr:oadrHello is no payload",
            id="an unknown payload",
        ),
        pytest.param(body(POLL, ("<ei:venID>", "hello<ei:venID>")), "454", "text", id="text before an element"),
        pytest.param(body(POLL, ("</ei:venID>", "</ei:venID>hello")), "454", "text", id="text behind an element"),
        pytest.param(body(POLL, (">ven-1<", "><b>ven-1</b><")), "454", "ei:venID holds", id="an element in a text"),
        pytest.param(body(POLL, ('"2.0b"', '"1.0"')), "454", "schemaVersion", id="no version"),
        pytest.param(body(POLL, ("</ei:venID>", "</ei:venID><venID>w</venID>")), "454", "venID", id="two venIDs"),
        pytest.param(
            body(offer(WATTS), ("power:powerReal>", "emix:itemBase>")), "454", "emix:itemBase", id="any unit at all"
        ),
    ],
)
def test_what_cannot_be_repaired_is_refused_by_what_is_wrong(spoilt: bytes, code: str, reason: str) -> None:
    with pytest.raises(WireError, match=reason) as refused:
        decode_lenient(spoilt)

    assert (refused.value.code, refused.value.status) == (code, 400)
    assert refused.value.element in str(refused.value)
    assert refused.value.element


def test_a_type_from_a_vendor_is_none_of_ours() -> None:
    """Whatever `v:EnergyRealType` is."""
    spoilt = body(
        offer(WATT_HOURS),
        (
            "<power:energyReal>",
            f'<emix:itemBase {DECLARATIONS} {XSI} xmlns:v="urn:v" xsi:type="v:EnergyRealType">',
        ),
        ("</power:energyReal>", "</emix:itemBase>"),
    )

    with pytest.raises(WireError, match="emix:itemBase stands in"):
        decode_lenient(spoilt)


def test_an_error_of_the_values_is_the_same_as_in_strict_reading() -> None:
    with pytest.raises(InvalidData, match="not a finite number"):
        decode_lenient(body(readings(1), (">0.0<", ">INF<"), ("ei:payloadFloat>", "oadr:payloadFloat>")))
