"""Every payload has its prescribed answer, also when the answer is no (reference 1.3, 1.6)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from openadr_ra.errors import InvalidData, NotAllowed, NotRecognized, OadrError, WireError
from openadr_ra.protocol import vtn
from openadr_ra.protocol.messages import (
    PAYLOADS,
    PROFILES,
    CanceledOpt,
    CanceledPartyRegistration,
    CanceledReport,
    CancelOpt,
    CancelPartyRegistration,
    CancelReport,
    CreatedEvent,
    CreatedOpt,
    CreatedPartyRegistration,
    CreatedReport,
    CreateOpt,
    CreatePartyRegistration,
    CreateReport,
    DistributeEvent,
    Message,
    Poll,
    QueryRegistration,
    RegisteredReport,
    RegisterReport,
    RequestEvent,
    RequestReregistration,
    Response,
    UpdatedReport,
    UpdateReport,
)
from openadr_ra.protocol.model import (
    ALWAYS,
    OPT_IN,
    EventId,
    OptId,
    OptReason,
    RegistrationId,
    ReportRequestId,
    RequestId,
    Rid,
    SpecifierId,
)
from openadr_ra.protocol.parts import ReportRequest, Result, SpecifierPayload
from openadr_ra.protocol.refusal import blank, refusal, refused_with, requested, unreadable
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.step import Delivered, Publish
from tests.world import NOON, VEN1, VTN1, Moments, Pair, code_of, distributed, event, over_the_wire

OK = Result(request_id=RequestId("r1"))
ASKED = ReportRequest(
    id=ReportRequestId("rr1"), specifier_id=SpecifierId("usage"), points=(SpecifierPayload(rid=Rid("bat.kw")),)
)
R1, NOW = RequestId("r1"), datetime(2026, 6, 1, 12, tzinfo=UTC)

SAID: tuple[tuple[Message, type[Message]], ...] = (
    (Poll(ven_id=VEN1), Response),
    (RequestEvent(request_id=R1, ven_id=VEN1), DistributeEvent),
    (DistributeEvent(request_id=R1, vtn_id=VTN1), Response),
    (CreatedEvent(result=OK, ven_id=VEN1), Response),
    (Response(result=OK, ven_id=VEN1), Response),
    (QueryRegistration(request_id=R1), CreatedPartyRegistration),
    (CreatePartyRegistration(request_id=R1, pull=True), CreatedPartyRegistration),
    (CreatedPartyRegistration(result=OK, vtn_id=VTN1, profiles=PROFILES), Response),
    (
        CancelPartyRegistration(request_id=R1, registration_id=RegistrationId("reg"), ven_id=VEN1),
        CanceledPartyRegistration,
    ),
    (CanceledPartyRegistration(result=OK, ven_id=VEN1), Response),
    (RequestReregistration(ven_id=VEN1), Response),
    (RegisterReport(request_id=R1, ven_id=VEN1), RegisteredReport),
    (RegisteredReport(result=OK, ven_id=VEN1), Response),
    (CreateReport(request_id=R1, requests=(ASKED,), ven_id=VEN1), CreatedReport),
    (CreatedReport(result=OK, ven_id=VEN1), Response),
    (UpdateReport(request_id=R1, ven_id=VEN1), UpdatedReport),
    (UpdatedReport(result=OK, ven_id=VEN1), Response),
    (CancelReport(request_id=R1, report_request_ids=(ReportRequestId("rr1"),), ven_id=VEN1), CanceledReport),
    (CanceledReport(result=OK, ven_id=VEN1), Response),
    (
        CreateOpt(
            opt_id=OptId("o1"), opt=OPT_IN, reason=OptReason(Token("economic")), ven_id=VEN1, created=NOW, request_id=R1
        ),
        CreatedOpt,
    ),
    (CreatedOpt(result=OK, opt_id=OptId("o1")), Response),
    (CancelOpt(request_id=R1, opt_id=OptId("o1"), ven_id=VEN1), CanceledOpt),
    (CanceledOpt(result=OK, opt_id=OptId("o1")), Response),
)
"""Each payload and the kind of its answer."""

FROM_A_VEN = (
    Poll, RequestEvent, CreatedEvent, Response, QueryRegistration, CreatePartyRegistration, CancelPartyRegistration,
    CanceledPartyRegistration, RegisterReport, RegisteredReport, CreateReport, CreatedReport, UpdateReport,
    UpdatedReport, CancelReport, CanceledReport, CreateOpt, CancelOpt,
)  # fmt: skip
"""What a VTN takes; the rest is a VTN's own to say."""

each_payload = pytest.mark.parametrize(("message", "kind"), SAID, ids=[type(said).__name__ for said, _ in SAID])


def test_the_table_of_answers_has_every_payload() -> None:
    assert {type(message) for message, _ in SAID} == set(PAYLOADS)


@each_payload
def test_a_refusal_is_the_natural_answer_with_the_code_and_the_requestid(message: Message, kind: type[Message]) -> None:
    """And it is schema-valid."""
    error = NotRecognized("x" * 300)

    reply = over_the_wire(refusal(message, error, ven_id=VEN1, vtn_id=VTN1))

    assert isinstance(reply, kind)
    result = getattr(reply, "result", None)
    assert isinstance(result, Result)
    assert (result.code, result.request_id, result.description) == ("453", requested(message), "x" * 250)


@each_payload
def test_x_act_1_at_the_vtn_without_a_registration_everything_else_is_answered_463(
    message: Message, kind: type[Message]
) -> None:
    pair = Pair()
    before = pair.party

    reply = pair.vtn_hears(message)

    assert isinstance(reply, kind)
    registering = isinstance(message, QueryRegistration | CreatePartyRegistration)
    assert code_of(reply) == ("200" if registering else "463")
    assert (pair.party == before) == (not isinstance(message, CreatePartyRegistration))


@each_payload
def test_rule_23_at_the_vtn_what_is_nothing_a_ven_says_is_answered_451(
    pair: Pair, message: Message, kind: type[Message]
) -> None:
    before = pair.party

    reply = pair.vtn_hears(message)

    assert isinstance(reply, kind)
    if not isinstance(message, FROM_A_VEN):
        assert code_of(reply) == "451"
        assert pair.party == before


@each_payload
def test_a_foreign_certificate_is_answered_463_and_changes_nothing(
    pair: Pair, message: Message, kind: type[Message]
) -> None:
    before = pair.party
    pair.fingerprint = "FF:FF:FF:FF:FF:FF:FF:FF:FF:FF"

    reply = pair.vtn_hears(message)

    assert isinstance(reply, kind)
    assert code_of(reply) == "463"
    assert pair.party == before


@each_payload
def test_what_is_nothing_a_vtn_says_changes_nothing_at_the_ven(
    pair: Pair, message: Message, kind: type[Message]
) -> None:
    """It is answered 451 where a VEN has a payload to answer with (rule 23)."""
    said, before = len(pair.said), (pair.node.agenda, pair.node.member, pair.node.producer)
    pair.ven_hears(message)
    pair.settles()

    if isinstance(message, VTN_SAYS):
        return
    assert (pair.node.agenda, pair.node.member, pair.node.producer) == before
    refusals = [each.request for each in pair.said[said:] if code_of(each.request) == "451"]
    assert [type(each) for each in refusals] == ([kind] if kind in VEN_ANSWERS else [])


VTN_SAYS = (
    DistributeEvent, Response, CancelPartyRegistration, RequestReregistration, RegisterReport, CreateReport, CancelReport,
    UpdateReport,
)  # fmt: skip
VEN_ANSWERS = (Response, RegisteredReport, CreatedReport, CanceledReport, UpdatedReport, CanceledPartyRegistration)


def test_something_unreadable_is_refused_without_a_requestid() -> None:
    reply = over_the_wire(blank(NotRecognized("what is this")))

    assert isinstance(reply, Response)
    assert (reply.result.code, reply.result.request_id) == ("453", "")


@pytest.mark.parametrize(("element", "said"), [("ei:venID", ": see ei:venID"), ("", "")])
def test_rule_33_at_both_ends_what_cannot_be_read_is_answered_with_the_element_that_is_wrong(
    element: str, said: str
) -> None:
    """And with nothing else of the reason, which is for our own log."""
    reply = unreadable(WireError("of our own", code=InvalidData.code, element=element))

    assert over_the_wire(reply) == Response(
        result=Result(code="454", description=f"not an acceptable OpenADR 2.0b message{said}")
    )


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [error.code for error in OadrError.__subclasses__()]

    assert sorted(codes) == ["450", "451", "452", "453", "454", "459", "460", "461", "462", "463", "469"]


def test_a_party_takes_no_letter_for_a_node() -> None:
    pair = Pair()

    with pytest.raises(NotAllowed):
        vtn.receive(pair.party, Delivered(event_id=EventId("E1"), start=NOON, end=NOON), Moments().at(pair.now))


def test_an_end_node_takes_no_event_from_an_operator(pair: Pair) -> None:
    with pytest.raises(NotAllowed):
        pair.ven_receives(Publish(event=event(), response_required=ALWAYS))


def test_a_refusal_is_told_from_an_acceptance() -> None:
    refused = Result(code="452")

    assert refused_with(Response(result=refused)) == refused
    assert refused_with(Response(result=Result())) is None
    assert refused_with(Poll(ven_id=VEN1)) is None


def test_the_log_says_what_a_message_is_and_how_much_of_it() -> None:
    assert str(Poll(ven_id=VEN1)) == "Poll"
    assert str(distributed(event(), event("E2"))) == "DistributeEvent 2 events"
