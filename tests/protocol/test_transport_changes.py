"""A VEN that is told in another way than before, or elsewhere: push, pull, another address."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.protocol.messages import DistributeEvent, Message, Poll
from tests.duplex import PUSHED, Duplex
from tests.world import E1, IDENTITY, MINUTE, code_of, shed


@pytest.fixture
def push() -> Duplex:
    """A push VEN that is registered and has nothing left to say, nor has its VTN."""
    push = Duplex(identity=PUSHED)
    push.ven_starts()
    return push


def posted(push: Duplex, since: int = 0) -> list[type[Message]]:
    return [type(each.request) for each in push.pushes[since:]]


def test_a_ven_that_goes_from_push_to_pull_and_back_is_told_where_it_listens(push: Duplex) -> None:
    """Its registration keeps its ids, for only its transport data have changed (section 4)."""
    member, since = push.node.member, len(push.pushes)
    push.vtn_publishes(shed())
    push.settles()

    push.restarts(IDENTITY)
    push.clock_reaches(push.now + MINUTE)
    assert push.party.registration is not None
    assert (push.party.pushed, push.party.registration.address) == (False, "")
    push.vtn_changes(shed(delta_kw=-1.0))
    push.ven_polls()
    assert push.node.agenda[E1].event.modification == 1
    assert posted(push, since) == [DistributeEvent]

    push.restarts(PUSHED)
    push.settles()
    polls = len(push.polls_sent)
    push.vtn_changes(shed(delta_kw=-3.0))
    push.clock_reaches(push.now + MINUTE)
    assert push.node.agenda[E1].event.modification == 2
    assert posted(push, since) == [DistributeEvent, DistributeEvent]
    assert len(push.polls_sent) == polls
    assert replace(push.node.member, poll_s=0) == replace(member, poll_s=0)


def test_a_ven_that_has_become_a_pull_ven_polls_only_when_its_vtn_knows(push: Duplex) -> None:
    """Until then a poll would be one of a push VEN (X-POLL-1)."""
    push.fates = iter(["request lost"] * 4)
    push.restarts(IDENTITY)
    push.clock_reaches(push.now + 2 * MINUTE)

    polls = [each for each in push.said if isinstance(each.request, Poll)]
    assert len(polls) > 5
    assert {code_of(each.reply) for each in polls} <= {"200", None}
    assert not push.party.pushed


def test_a_ven_that_moves_to_another_address_is_posted_to_there(push: Duplex) -> None:
    push.down = True
    push.vtn_publishes(shed())
    push.settles()
    push.down = False
    push.restarts(replace(PUSHED, push_address="https://elsewhere.example"))
    push.settles()

    assert push.party.registration is not None
    assert push.party.registration.address == "https://elsewhere.example"
    assert E1 in push.node.agenda
