"""A VTN that has lost its memory posts nothing to its push VENs: they ask, once an hour, whether it knows them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.errors import ResponseCode
from openadr_ra.protocol.messages import CreatePartyRegistration, DistributeEvent, Message, Poll, RequestEvent
from openadr_ra.protocol.model import RequestId
from openadr_ra.protocol.parts import Result
from openadr_ra.protocol.ven import Answered
from openadr_ra.protocol.vtn import Party
from tests.duplex import PUSHED, Duplex
from tests.world import HOUR, IDENTITY, MINUTE, NOON, VEN1, VTN1, Fate, Pair, code_of, shed


def of_kind(pair: Pair, kind: type[Message], since: int = 0) -> list[Message]:
    return [each.request for each in pair.said[since:] if isinstance(each.request, kind)]


@pytest.fixture
def pair() -> Duplex:
    made = Duplex(identity=PUSHED)
    made.ven_starts()
    return made


def test_a_push_ven_asks_once_an_hour_and_not_more_often(pair: Duplex) -> None:
    since = len(pair.said)
    pair.clock_reaches(pair.now + 10 * HOUR)

    assert 10 <= len(of_kind(pair, RequestEvent, since)) <= 11
    assert of_kind(pair, CreatePartyRegistration, since) == []


def test_a_pull_ven_asks_with_its_polls_alone() -> None:
    pair = Pair()
    pair.ven_starts()
    since = len(pair.said)
    pair.clock_reaches(pair.now + 3 * HOUR)

    assert of_kind(pair, RequestEvent, since) == []
    assert len(of_kind(pair, Poll, since)) > 900


def test_a_push_ven_whose_vtn_has_forgotten_it_registers_again_by_itself(pair: Duplex) -> None:
    """And events arrive again."""
    pair.party = Party(ven_id=VEN1)
    assert code_of(pair.vtn_hears(RequestEvent(request_id=RequestId("x"), ven_id=VEN1))) == "463"
    pair.clock_reaches(pair.now + HOUR + MINUTE)

    assert pair.party.registration is not None
    assert pair.node.member.registration_id == pair.party.registration.id
    pair.vtn_publishes(shed(start=NOON + 4 * HOUR))
    pair.settles()
    assert set(pair.node.agenda) == set(pair.orders)


@pytest.mark.parametrize(
    ("code", "phase"), [("463", "new"), ("452", "new"), ("451", "registered"), ("200", "registered")]
)
def test_a_vtn_that_says_it_does_not_know_the_ven_is_registered_with_anew(pair: Duplex, code: str, phase: str) -> None:
    """Nothing but the venID is named in oadrRequestEvent, so 452 can mean nothing else."""
    result = Result(code=ResponseCode(code))
    answer = DistributeEvent(result=result, request_id=RequestId("e1"), vtn_id=VTN1)
    pair.ven_receives(Answered(request=RequestEvent(request_id=RequestId("e1"), ven_id=VEN1), answer=answer))

    assert pair.node.member.phase == phase


@pytest.mark.parametrize("fate", ["request lost", "reply lost"])
def test_the_question_is_repeated_until_it_is_answered(pair: Duplex, fate: Fate) -> None:
    pair.party = Party(ven_id=VEN1)
    pair.fates = iter([fate] * 5)
    pair.clock_reaches(pair.now + HOUR + 2 * MINUTE)

    assert pair.party.registration is not None


def test_a_push_ven_without_events_asks_by_registering_again_under_the_same_ids() -> None:
    pair = Duplex(identity=replace(PUSHED, report_only=True))
    pair.ven_starts()
    held, since = pair.node.member.registration_id, len(pair.said)
    pair.clock_reaches(pair.now + 2 * HOUR + MINUTE)

    asked = of_kind(pair, CreatePartyRegistration, since)
    assert len(asked) == 2
    assert of_kind(pair, RequestEvent) == []
    assert pair.node.member.registration_id == held
    pair.party = Party(ven_id=VEN1)
    pair.clock_reaches(pair.now + HOUR + 2 * MINUTE)
    assert pair.party.registration is not None
    assert pair.node.member.registration_id == pair.party.registration.id


def test_a_ven_that_becomes_a_push_ven_begins_to_ask() -> None:
    pair = Duplex(identity=IDENTITY)
    pair.ven_starts()
    pair.restarts(PUSHED)
    pair.clock_reaches(pair.now + MINUTE)
    since = len(pair.said)
    pair.clock_reaches(pair.now + 2 * HOUR)

    assert len(of_kind(pair, RequestEvent, since)) == 2
