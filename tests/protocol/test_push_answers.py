"""What may come back with a post to a push VEN, and what that changes at the VTN."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.protocol import vtn
from openadr_ra.protocol.messages import (
    CanceledPartyRegistration,
    CancelPartyRegistration,
    CreatedEvent,
    CreatedReport,
    CreatePartyRegistration,
    CreateReport,
    DistributeEvent,
    Message,
    Poll,
    RegisterReport,
    RequestEvent,
    Response,
)
from openadr_ra.protocol.model import (
    OPT_OUT,
    QualifiedEventId,
    RegistrationId,
    ReportRequestId,
    RequestId,
    Rid,
    SpecifierId,
)
from openadr_ra.protocol.parts import EventResponse, ReportRequest, Result, SpecifierPayload
from openadr_ra.protocol.times import Duration
from openadr_ra.protocol.vtn import Lost, Pushed
from tests.duplex import PUSHED, Duplex
from tests.world import E1, VEN1, VTN1, Moments, distributed, event, shed

ASKED = ReportRequest(
    id=ReportRequestId("op1"),
    specifier_id=SpecifierId("usage"),
    granularity=Duration(seconds=60),
    report_back=Duration(seconds=60),
    points=(SpecifierPayload(rid=Rid("bat.kw")),),
)


@pytest.fixture
def pair() -> Duplex:
    """A push VEN that is registered and has nothing left to say, nor has its VTN."""
    pair = Duplex(identity=PUSHED)
    pair.ven_starts()
    return pair


def answered(pair: Duplex, message: Message, answer: Message | None) -> None:
    """The VTN's post brought this back."""
    came = Pushed(message=message, answer=answer, terms=pair.terms)
    pair.party = vtn.receive(pair.party, came, Moments().at(pair.now)).state


def test_a_ven_that_answers_an_event_in_the_http_response_is_understood(pair: Duplex) -> None:
    """Some do, though an empty answer is what the profile has."""
    pair.site.silent = True
    pair.vtn_publishes(shed())
    said = EventResponse(event=QualifiedEventId(event_id=E1, modification=0), opt=OPT_OUT)

    answered(pair, distributed(event()), CreatedEvent(result=Result(), responses=(said,), ven_id=VEN1))

    assert pair.party.events[E1].opt == OPT_OUT


@pytest.mark.parametrize(
    "answer",
    [
        CreatePartyRegistration(request_id=RequestId("c"), ven_id=VEN1, pull=True),
        CancelPartyRegistration(request_id=RequestId("c"), registration_id=RegistrationId("REG"), ven_id=VEN1),
        RegisterReport(request_id=RequestId("c"), ven_id=VEN1),
        RequestEvent(request_id=RequestId("c"), ven_id=VEN1),
        Poll(ven_id=VEN1),
        DistributeEvent(request_id=RequestId("c"), vtn_id=VTN1),
        Response(result=Result(code="451"), ven_id=VEN1),
        CanceledPartyRegistration(result=Result(), ven_id=VEN1),
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_what_is_no_answer_to_a_post_changes_nothing(pair: Duplex, answer: Message) -> None:
    """A request in an HTTP response could not be answered: what it asks for would be known to one end only."""
    pair.vtn_publishes(shed())
    pair.settles()
    assert pair.party.registration is not None
    if isinstance(answer, CancelPartyRegistration):
        answer = replace(answer, registration_id=pair.party.registration.id)
    before = pair.party

    answered(pair, distributed(event()), answer)

    assert pair.party == before


def test_an_answer_that_comes_when_the_registration_is_gone_changes_nothing(pair: Duplex) -> None:
    cancel = CancelPartyRegistration(
        request_id=RequestId("c"), registration_id=pair.node.member.registration_id or RegistrationId(""), ven_id=VEN1
    )
    pair.vtn_hears(cancel)
    before = pair.party

    answered(pair, CreateReport(request_id=RequestId("cr"), requests=(ASKED,)), CreatedReport(result=Result()))
    pair.party = vtn.receive(pair.party, Lost(message=distributed(event())), Moments().at(pair.now)).state

    assert replace(pair.party, push_tries=0, push_due=None) == before
    assert vtn.wake(pair.party, pair.terms, Moments().at(pair.now)).due is None
