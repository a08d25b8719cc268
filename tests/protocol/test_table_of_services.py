"""The column of the table that is about services, and which cells the table leaves empty."""

from __future__ import annotations

import pytest

from openadr_ra.protocol.messages import (
    SERVICES,
    DistributeEvent,
    Message,
    QueryRegistration,
    Response,
)
from openadr_ra.protocol.refusal import requested
from openadr_ra.protocol.ven import Called, receive
from tests.duplex import PUSHED, Duplex
from tests.protocol.answers import AT_THE_VEN, AT_THE_VTN, BY_KIND, EMPTY, NEVER, VALID, Row
from tests.world import Moments, code_of, over_the_wire


@pytest.mark.parametrize("table", [AT_THE_VTN, AT_THE_VEN], ids=["VTN", "VEN"])
def test_every_payload_has_an_answer_wherever_one_can_be_due(table: dict[type[Message], Row]) -> None:
    """Whatever may be said here is accepted, and what may not is 451. All that names somebody or something may name a wrong
    one; oadrQueryRegistration alone names nothing. To whoever is not registered everything has an answer.
    """
    for kind, row in table.items():
        assert row.unregistered is not NEVER, kind
        assert row.accepted is not NEVER or row.unsupported[0] == (Response, "451"), kind
        assert (row.unknown[0] is NEVER) == (kind is QueryRegistration), kind


@pytest.mark.parametrize("message", VALID, ids=lambda message: type(message).__name__)
@pytest.mark.parametrize("phase", ["registered", "new"])
def test_a_push_ven_answers_453_by_its_natural_reply_to_what_comes_to_a_wrong_service(
    message: Message, phase: str
) -> None:
    """Whoever it is from, and be the VEN registered or not; nothing of it is taken. Answers have no service of their own."""
    pair = Duplex(identity=PUSHED)
    if phase == "registered":
        pair.ven_starts()
    own = type(message).service
    before = pair.node
    natural = AT_THE_VEN[type(message)].accepted
    for service in SERVICES:
        outcome = receive(pair.node, Called(message=message, service=service), Moments().at(pair.now))
        codes = [code_of(over_the_wire(reply)) for reply in outcome.replies]
        if own in (None, service):
            assert "453" not in codes
            continue
        assert codes == ["453"]
        (reply,) = outcome.replies
        assert type(reply) is (Response if natural in (NEVER, EMPTY) or natural is None else natural[0])
        result = getattr(reply, "result", None)
        assert result is not None
        assert result.request_id == requested(message)
        assert outcome.state == before


def test_an_event_that_comes_to_a_wrong_service_is_not_taken() -> None:
    """Its empty 200 would say that it was."""
    pair = Duplex(identity=PUSHED)
    pair.ven_starts()
    given = Called(message=BY_KIND[DistributeEvent], service="EiReport")

    outcome = receive(pair.node, given, Moments().at(pair.now))

    assert outcome.state.agenda == {}
    assert outcome.mail == ()
    assert [code_of(reply) for reply in outcome.replies] == ["453"]
