"""461: the ids are known, and what is asked of them is not on offer (reference 1.6). At both ends."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.protocol.messages import CreatedReport, CreateReport
from openadr_ra.protocol.model import (
    EnergyReal,
    ItemBase,
    PowerAttributes,
    PowerReal,
    RequestId,
    ResourceId,
    Rid,
    ScaleCode,
    SpecifierId,
    Voltage,
)
from openadr_ra.protocol.parts import DIRECT_READ, MEAN, NOT_APPLICABLE, ReadingType, ReportRequest, SpecifierPayload
from openadr_ra.protocol.report import usage_description
from openadr_ra.protocol.shape import Decimal, Token
from openadr_ra.protocol.step import Offer
from openadr_ra.protocol.ven import Wanted
from tests.protocol.wishes import asks, request, said
from tests.world import VEN1, Pair, code_of

WATTS = PowerReal(scale=ScaleCode(Token("none")))
AREA = Offer(usage=(usage_description(ResourceId("area"), "kw", "grid"),), status=(), response=())


def of(unit: ItemBase | None = None, reading_type: ReadingType = NOT_APPLICABLE, rid: str = "bat.kw") -> ReportRequest:
    """A request that says more of its point than it should (rule 321)."""
    return replace(request(), points=(SpecifierPayload(rid=Rid(rid), unit=unit, reading_type=reading_type),))


WRONG = [of(Voltage()), of(EnergyReal()), of(WATTS), of(reading_type=MEAN), request(specifier="greenbutton")]
RIGHT = [
    of(PowerReal()),
    of(PowerReal(attributes=PowerAttributes(hertz=Decimal(60.0))), DIRECT_READ),
    of(EnergyReal(), rid="bat.kwh"),
    request(),
]


def ven_answers(pair: Pair, *requests: ReportRequest) -> CreatedReport:
    pair.ven_hears(CreateReport(request_id=RequestId("cr1"), requests=requests, ven_id=VEN1))
    pair.settles()
    answer = said(pair, CreatedReport)[-1]
    assert isinstance(answer, CreatedReport)
    return answer


@pytest.mark.parametrize("bad", WRONG, ids=["voltage", "energy", "watts", "mean", "no feed was handed in"])
def test_a_ven_answers_461_to_what_it_does_not_report(pair: Pair, bad: ReportRequest) -> None:
    """And serves nothing of what came with it."""
    before = pair.node.producer.requests

    answer = ven_answers(pair, request("good"), bad)

    assert (answer.result.code, answer.result.request_id) == ("461", "cr1")
    assert pair.node.producer.requests == before


@pytest.mark.parametrize(
    "good", RIGHT, ids=["power", "of another supply, as it is read", "energy", "as rule 321 has it"]
)
def test_rule_321_at_the_ven_whoever_names_the_unit_that_is_offered_gets_it(pair: Pair, good: ReportRequest) -> None:
    assert ven_answers(pair, good).result.code == "200"


UNSERVED = [
    ("none", "area.kw", "452"),
    ("usage", "bat", "452"),
    ("status", "area", "461"),
    ("greenbutton", "area", "461"),
]


@pytest.mark.parametrize(("specifier", "rid", "code"), UNSERVED)
def test_a_vtn_answers_461_to_a_report_that_it_has_no_points_of(specifier: str, rid: str, code: str) -> None:
    """Ids that nobody knows stay 452 (R1_3190)."""
    pair = Pair()
    pair.vtn_takes(AREA)
    pair.ven_starts()
    message = CreateReport(request_id=RequestId("cr"), requests=(request("v1", rid, specifier=specifier),), ven_id=VEN1)

    reply = pair.vtn_hears(message)

    assert isinstance(reply, CreatedReport)
    assert (reply.result.code, reply.pending) == (code, ())


def test_a_vtn_answers_461_to_another_unit() -> None:
    pair = Pair()
    pair.vtn_takes(AREA)
    pair.ven_starts()
    message = CreateReport(request_id=RequestId("cr"), requests=(of(WATTS, rid="area.kw"),), ven_id=VEN1)

    assert code_of(pair.vtn_hears(message)) == "461"


def test_a_vtn_asks_no_more_for_what_was_answered_461(pair: Pair) -> None:
    """The VEN's METADATA promised what it does not have."""
    pair.node = replace(pair.node, producer=replace(pair.node.producer, status=()))
    asks(pair, request("op1", "bat", specifier="status"))
    pair.ven_polls()

    assert "op1" not in pair.party.reports.requests
    assert [code_of(each) for each in said(pair, CreatedReport)][-1] == "461"


def test_a_ven_asks_no_more_for_what_was_answered_461() -> None:
    pair = Pair()
    pair.vtn_takes(AREA)
    pair.ven_starts()
    pair.party = replace(pair.party, producer=replace(pair.party.producer, usage=()))
    pair.ven_receives(Wanted(requests=(replace(request("v1", "area.kw"), specifier_id=SpecifierId("usage")),)))
    pair.settles()

    assert pair.node.requester.requests == {}
    assert len(said(pair, CreateReport)) == 1
