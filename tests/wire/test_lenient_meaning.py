"""Repairs that choose: which unit, which length, which answers; and what a warning may say."""

from __future__ import annotations

import pytest

from openadr_ra.protocol import messages as m
from openadr_ra.protocol import model
from openadr_ra.protocol import parts as p
from openadr_ra.protocol.shape import Decimal, Token
from openadr_ra.wire.lenient import decode_lenient
from tests.wire.untidy import ASKING, CREATED, EVENT, KILOWATT_HOURS, POLL, WATT_HOURS, WATTS, body, offer, readings

RESULT = p.Result(request_id=model.RequestId(""))


@pytest.mark.parametrize(
    ("written", "scale", "means"),
    [
        ("kWh", "", KILOWATT_HOURS),
        ("kWh", "none", KILOWATT_HOURS),
        ("KWh", "none", KILOWATT_HOURS),
        ("kwh", "none", KILOWATT_HOURS),
        ("KWH", "none", KILOWATT_HOURS),
        ("MWh", "none", model.EnergyReal(scale=model.ScaleCode(Token("M")))),
        ("mWh", "none", model.EnergyReal(scale=model.ScaleCode(Token("m")))),
        ("WH", "none", WATT_HOURS),
        ("WH", "k", KILOWATT_HOURS),
    ],
)
def test_a_unit_with_a_prefix_is_the_unit_with_that_scale(written: str, scale: str, means: model.EnergyReal) -> None:
    """A number in it means the same as before, to the last power of ten."""
    given = "" if not scale else f"<scale:siScaleCode>{scale}</scale:siScaleCode>"
    spoilt = body(offer(WATT_HOURS), (">Wh<", f">{written}<"), ("<scale:siScaleCode>none</scale:siScaleCode>", given))

    message, warnings = decode_lenient(spoilt)

    assert message == offer(means)
    assert next(warning.repair for warning in warnings) == "unit-prefix"


@pytest.mark.parametrize("written", ["kW", "KW", "kJ/s"])
def test_a_power_with_a_prefix_is_the_unit_with_that_scale(written: str) -> None:
    means = model.PowerReal(units=Token("J/s" if "J" in written else "W"), scale=model.KILO)

    message, _ = decode_lenient(body(offer(WATTS), (">W<", f">{written}<")))

    assert message == offer(means)


def test_a_power_without_its_supply_is_read_with_a_supply_that_is_not_known() -> None:
    """power:powerAttributes changes no value; zeros stand for what the peer did not say."""
    supply = (
        "<power:powerAttributes><power:hertz>50.0</power:hertz><power:voltage>200.0</power:voltage><power:ac>true</power:ac>"
        "</power:powerAttributes>"
    )

    message, warnings = decode_lenient(body(offer(WATTS), (supply, "")))

    unknown = model.PowerAttributes(hertz=Decimal(0.0), voltage=Decimal(0.0))
    assert message == offer(model.PowerReal(scale=model.NO_SCALE, attributes=unknown))
    assert [(each.repair, each.detail) for each in warnings] == [
        ("power-attributes", "power:powerAttributes were missing; 0 Hz and 0 V stand for not known")
    ]


@pytest.mark.parametrize("said", ["none", "", "OPTIN", "optin", "optIn optIn", "yes", "x-optIn"])
def test_an_answer_that_is_neither_in_nor_out_leaves_its_event_unanswered(said: str) -> None:
    """Never taken for an optIn, however near it comes; the other answers of the message stand."""
    message, warnings = decode_lenient(body(CREATED, (">optIn<", f">{said}<")))

    assert isinstance(message, m.CreatedEvent)
    assert message.responses == CREATED.responses[:1]
    assert [(each.repair, each.detail) for each in warnings] == [
        ("unknown-opt", f"the answer with optType {said or 'missing'} is passed over")
    ]


def test_an_answer_without_an_opt_leaves_its_event_unanswered_also_with_a_code_and_as_the_only_one() -> None:
    spoilt = body(
        CREATED,
        ("<ei:optType>optOut</ei:optType>", ""),
        ("<ei:optType>optIn</ei:optType>", ""),
        ("<ei:eventResponse><ei:responseCode>200", "<ei:eventResponse><ei:responseCode>460"),
    )

    message, warnings = decode_lenient(spoilt)

    assert message == m.CreatedEvent(result=CREATED.result, responses=(), ven_id=CREATED.ven_id)
    assert [(each.repair, each.count) for each in warnings] == [("unknown-opt", 2)]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("PT10.0S", 10),
        ("PT1.4S", 1),
        ("PT1.5S", 2),
        ("PT59.9S", 60),
        pytest.param("PT0.1S", 1, id="never to zero, which means once"),
        ("PT0.0S", 0),
        ("PT1M0.2S", 60),
        ("-PT1.5S", -2),
    ],
)
def test_a_fraction_of_a_second_is_rounded_to_the_nearest(written: str, seconds: int) -> None:
    message, _ = decode_lenient(body(ASKING, ("PT15M<", f"{written}<")))

    assert isinstance(message, m.CreateReport)
    assert message.requests[0].report_back.seconds == seconds


def test_a_fraction_is_rounded_in_an_interval_that_says_when_it_starts() -> None:
    message, warnings = decode_lenient(body(readings(2), ("PT1M<", "PT59.5S<")))

    assert message == readings(2)
    assert [each.count for each in warnings] == [2]


def test_the_furthest_offset_on_the_map_is_read() -> None:
    message, _ = decode_lenient(
        body(readings(1), ("dDateTime>2026-01-31T12:00:00Z", "dDateTime>2026-02-01T02:00:00+14:00"))
    )

    assert message == readings(1)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(m.Response(result=RESULT), id="oadrResponse"),
        pytest.param(m.CreatedOpt(result=RESULT, opt_id=model.OptId("opt-1")), id="oadrCreatedOpt"),
        pytest.param(m.CanceledOpt(result=RESULT), id="oadrCanceledOpt"),
        pytest.param(
            m.CreatedPartyRegistration(result=RESULT, vtn_id=model.VtnId("VTN-1"), profiles=m.PROFILES),
            id="oadrCreatedPartyRegistration",
        ),
    ],
)
def test_an_answer_that_is_always_a_reply_may_leave_out_what_it_answers(answer: m.Message) -> None:
    message, warnings = decode_lenient(body(answer, ("<pyld:requestID></pyld:requestID>", "")))

    assert message == answer
    assert [warning.repair for warning in warnings] == ["request-id"]


def test_spaces_in_an_id_are_part_of_the_id() -> None:
    message, _ = decode_lenient(body(POLL, ("ven-1", " ven 1 "), (" ei:schemaVersion", " schemaVersion")))

    assert message == m.Poll(ven_id=model.VenId(" ven 1 "))


def test_warnings_name_neither_ids_nor_values() -> None:
    """They go to listings and logs. What they quote is what was read in another way."""
    spoilt = body(
        readings(2),
        ("ei:", "oadr:"),
        ("<oadr:venID>ven-1</oadr:venID>", ""),
        (
            "<pyld:requestID>asked-1</pyld:requestID>",
            "<pyld:requestID>asked-1</pyld:requestID><oadr:venID>ven-1</oadr:venID>",
        ),
        ("<xcal:uid><xcal:text>0</xcal:text></xcal:uid>", ""),
    )

    _, warnings = decode_lenient(spoilt)

    told = " ".join(f"{warning.path} {warning.detail}" for warning in warnings)
    assert len(warnings) > 5
    assert not any(secret in told for secret in ("ven-1", "asked-1", "report-1", "meter-1", "0.0", "1.0"))


def test_a_number_may_stand_two_elements_too_high() -> None:
    """Each of the two is put back, and said."""
    spoilt = body(
        EVENT, ("<ei:currentValue><ei:payloadFloat><ei:value>0.0</ei:value></ei:payloadFloat>", "<ei:currentValue>0.0")
    )

    message, warnings = decode_lenient(spoilt)

    assert message == EVENT
    assert [(each.repair, each.detail) for each in warnings] == [
        ("nested-value", "text read as ei:payloadFloat"),
        ("nested-value", "text read as ei:value"),
    ]
