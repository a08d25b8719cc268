"""A push VEN: the VTN posts to it, one payload at a time, and loses nothing while it is away; the VEN never polls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise, repeat
from typing import Literal

import pytest
from msgspec.structs import replace

from openadr_ra.protocol import ven, vtn
from openadr_ra.protocol.messages import (
    CancelPartyRegistration,
    CreatedEvent,
    CreatePartyRegistration,
    CreateReport,
    DistributeEvent,
    Message,
    Poll,
    RegisterReport,
    RequestEvent,
    RequestReregistration,
    Response,
)
from openadr_ra.protocol.model import NEVER, OPT_IN, RegistrationId, RequestId, VtnId
from openadr_ra.protocol.requester import Requester
from openadr_ra.protocol.step import AnyLetter, EndRegistration, Record, Reregister, Send
from openadr_ra.protocol.ven import Called, Configured
from openadr_ra.protocol.vtn import Lost, Pushed
from tests.world import (
    E1,
    HOUR,
    IDENTITY,
    METADATA,
    MINUTE,
    NOON,
    SECOND,
    VEN1,
    Moments,
    Pair,
    code_of,
    distributed,
    shed,
    stored,
)

Post = Literal["arrives", "fails", "answer lost"]
PUSHED = replace(IDENTITY, push_address="http://ven.example:8080")
INSTANT = timedelta(microseconds=1)


class PushPair(Pair):
    """A pair whose VTN posts to its VEN. `posts`: what becomes of each post."""

    def __init__(self, posts: Iterable[Post] = ()) -> None:
        super().__init__(identity=PUSHED)
        self.posts: Iterator[Post] = iter(posts)
        self.pushed: list[tuple[datetime, Message, Message | None]] = []
        self.due: datetime | None = None
        self.moments = Moments()

    def vtn_wakes(self) -> None:
        """The VTN's clock speaks."""
        outcome = vtn.wake(self.party, self.terms, self.moments.at(self.now))
        self.party, self.due = stored(outcome.state), outcome.due
        for effect in outcome.effects:
            match effect:
                case Record():
                    self.journal.extend(effect.entries)
                case Send(message=message):
                    self.posted(message)

    def posted(self, message: Message) -> None:
        """One post of the VTN's, and what comes of it."""
        fate = next(self.posts, "arrives")
        answer: Message | None = None
        if fate != "fails":
            called = ven.receive(self.node, Called(message=message), self.moments.at(self.now))
            self.node = stored(called.state)
            for mail in called.mail:
                verdict = self.site.hears(mail.body)
                if verdict is not None:
                    self.ven_receives(verdict)
            answer = called.replies[0] if called.replies else None
        self.pushed.append((self.now, message, answer if fate == "arrives" else None))
        given = Pushed(message=message, answer=answer, terms=self.terms) if fate == "arrives" else Lost(message=message)
        outcome = vtn.receive(self.party, given, self.moments.at(self.now))
        assert outcome.replies == ()
        self.party = stored(outcome.state)

    def passes(self, length: timedelta) -> None:
        """Time passes, and each end wakes whenever it wants to."""
        end = self.now + length
        while self.now < end:
            for _ in range(20):
                self.settles()
                self.vtn_wakes()
            times = [ven.deadline(self.node, self.now), self.due, end]
            self.now = min(end, max(self.now, min(when for when in times if when is not None)) + INSTANT)

    @property
    def told(self) -> list[type[Message]]:
        return [type(message) for _, message, _ in self.pushed]


@pytest.fixture
def push() -> PushPair:
    """A push VEN that is registered, and has heard all that its VTN had to say."""
    pair = PushPair()
    pair.ven_starts()
    pair.passes(SECOND)
    return pair


def test_x_reg_1_at_the_ven_a_push_ven_registers_with_its_address(push: PushPair) -> None:
    creation = push.said[0].request
    assert isinstance(creation, CreatePartyRegistration)

    assert (creation.pull, creation.address) == (False, "http://ven.example:8080")
    assert push.party.registration is not None
    assert (push.party.registration.pull, push.party.registration.address) == (False, "http://ven.example:8080")


def test_x_poll_1_at_both_ends_a_push_ven_never_polls_and_is_refused_if_it_does(push: PushPair) -> None:
    push.passes(HOUR)

    assert not [each for each in push.said if isinstance(each.request, Poll)]
    assert code_of(push.vtn_is_polled()) == "451"


def test_rule_301_at_both_ends_the_bootstrap_is_the_same_the_other_way_round(push: PushPair) -> None:
    """The VTN's METADATA is posted and answered in the response."""
    assert push.told == [RegisterReport]
    assert [type(answer).__name__ for _, _, answer in push.pushed] == ["RegisteredReport"]
    assert push.party.debts == ()
    assert all(item.running for item in push.party.reports.requests.values())


def test_an_event_is_posted_at_once_and_answered_by_the_ven_itself(push: PushPair) -> None:
    """The VEN's answer to the post is an empty 200 (1.5); its oadrCreatedEvent is a message of its own."""
    push.vtn_publishes(shed())
    begin = push.now
    push.passes(SECOND)

    (when, message, answer) = push.pushed[-1]
    assert (when, type(message), answer) == (begin, DistributeEvent, None)
    assert [type(each.request) for each in push.said][-1] is CreatedEvent
    assert push.party.events[E1].opt == OPT_IN
    assert push.site.applied == [(NOON, -2.0), (NOON + HOUR, "release")]


def test_a_ven_that_is_away_is_tried_again_ever_more_slowly_and_loses_nothing(push: PushPair) -> None:
    push.vtn_publishes(replace(shed(start=NOON + 4 * HOUR), response_required=NEVER))
    push.posts = repeat("fails")
    count = len(push.pushed)
    # After an hour the VEN asks by itself.
    push.passes(50 * MINUTE)

    times = [when for when, *_ in push.pushed[count:]]
    gaps = [later - sooner for sooner, later in pairwise(times)]
    assert gaps[0] <= SECOND + INSTANT
    assert max(gaps) <= MINUTE + INSTANT
    assert 50 <= len(times) <= 110
    assert push.node.agenda == {}
    push.posts = iter(())
    push.passes(2 * MINUTE)
    assert list(push.node.agenda) == ["E1"]


def test_an_answer_that_was_lost_costs_one_repetition(push: PushPair) -> None:
    push.posts = iter(["answer lost"])
    push.vtn_publishes(shed())
    push.passes(10 * SECOND)

    assert push.told.count(DistributeEvent) == 2
    assert push.party.events[E1].opt == OPT_IN


@pytest.mark.parametrize("fate", ["fails", "answer lost"])
def test_each_kind_of_payload_survives_a_bad_post(push: PushPair, fate: Post) -> None:
    """Report requests, a re-registration, and the end."""
    push.party = replace(push.party, reports=Requester())
    push.vtn_hears(METADATA)
    push.now += MINUTE
    orders(push, Reregister())
    push.posts = iter([fate, fate, fate])
    push.passes(2 * MINUTE)

    assert {CreateReport, RequestReregistration} <= set(push.told)
    assert push.party.debts == ()
    assert all(item.running for item in push.party.reports.requests.values())
    orders(push, EndRegistration())
    push.posts = iter([fate])
    push.passes(MINUTE)
    assert push.party.registration is None
    assert push.node.member.phase == "ended"


def orders(pair: Pair, letter: AnyLetter) -> None:
    pair.party = vtn.receive(pair.party, letter, Moments().at(pair.now)).state


def test_while_one_post_is_out_there_is_no_second_one(push: PushPair) -> None:
    """Should the VTN die before the answer, it is told again after the retry time."""
    push.vtn_publishes(shed())
    out = vtn.wake(push.party, push.terms, Moments().at(push.now))
    assert len([effect for effect in out.effects if isinstance(effect, Send)]) == 1

    again = vtn.wake(out.state, push.terms, Moments().at(push.now + SECOND))
    assert again.effects == ()
    assert again.due == push.now + push.terms.retry
    late = vtn.wake(out.state, push.terms, Moments().at(push.now + push.terms.retry))
    assert len([effect for effect in late.effects if isinstance(effect, Send)]) == 1


def test_a_vtn_wakes_for_a_push_ven_only_when_there_is_something_to_say(push: PushPair) -> None:
    """And for a pull VEN never."""
    assert push.due is not None
    assert push.due > push.now + HOUR
    pull = Pair()
    pull.ven_starts()
    outcome = vtn.wake(pull.party, pull.terms, Moments().at(pull.now))
    assert (outcome.state, outcome.effects, outcome.due) == (pull.party, (), None)


def test_what_a_ven_answers_amiss_counts_as_no_answer(push: PushPair) -> None:
    orders(push, Reregister())
    (send,) = [e for e in vtn.wake(push.party, push.terms, Moments().at(push.now)).effects if isinstance(e, Send)]
    nonsense = DistributeEvent(request_id=RequestId("r"), vtn_id=VtnId("Vtn9"))

    outcome = vtn.receive(
        push.party, Pushed(message=send.message, answer=nonsense, terms=push.terms), Moments().at(push.now)
    )

    assert (outcome.replies, outcome.state.debts) == ((), push.party.debts)


def test_a_ven_that_becomes_a_pull_ven_polls_from_then_on(push: PushPair) -> None:
    """It tells the VTN by a re-registration with unchanged ids; nothing else begins anew."""
    member = push.node.member
    push.identity = IDENTITY
    push.ven_receives(Configured(identity=IDENTITY))
    push.settles()

    assert push.party.registration is not None
    assert push.party.registration.pull
    assert push.node.member == member
    assert [type(each.request) for each in push.said][-3:] == [CreatePartyRegistration, RequestEvent, Poll]


def calls(pair: PushPair, message: Message) -> Message | None:
    """What the VEN answers to a post in its response."""
    outcome = ven.receive(pair.node, Called(message=message), pair.moments.at(pair.now))
    pair.node = stored(outcome.state)
    return outcome.replies[0] if outcome.replies else None


def test_a_ven_that_is_not_registered_refuses_posts_with_463() -> None:
    pair = PushPair()

    refused = calls(pair, RequestReregistration(ven_id=VEN1))

    assert isinstance(refused, Response)
    assert code_of(refused) == "463"


def test_a_post_is_answered_in_its_response_and_nothing_is_owed(push: PushPair) -> None:
    debts = push.node.debts
    registration = push.node.member.registration_id
    assert registration is not None
    wrong = CancelPartyRegistration(request_id=RequestId("x"), registration_id=RegistrationId("none"))

    assert code_of(calls(push, wrong)) == "452"
    assert calls(push, distributed(vtn_id=VtnId("vtn1"))) is None
    assert len(push.node.debts) == len(debts) + 1
    end = CancelPartyRegistration(request_id=RequestId("x"), registration_id=registration, ven_id=VEN1)
    assert code_of(calls(push, end)) == "200"
    assert push.node.debts == ()


def test_rule_23_at_the_ven_what_is_nothing_a_vtn_posts_is_refused_with_451(push: PushPair) -> None:
    assert code_of(calls(push, Poll(ven_id=VEN1))) == "451"
    assert code_of(calls(push, RequestEvent(request_id=RequestId("r"), ven_id=VEN1))) == "451"
    assert push.node.agenda == {}


def test_a_pushed_event_may_be_followed_by_a_request_for_events(push: PushPair) -> None:
    """Both say the same; the VEN answers each delivery."""
    push.vtn_publishes(shed())
    push.passes(SECOND)
    push.ven_receives(Configured(identity=PUSHED))
    push.passes(SECOND)

    assert push.party.events[E1].opt == OPT_IN
    assert push.node.debts == ()


@pytest.mark.parametrize("cancelled", [False, True], ids=["an event", "its cancellation"])
def test_what_was_posted_when_the_vtn_died_is_posted_again_though_no_answer_is_wanted(
    push: PushPair, cancelled: bool
) -> None:
    """Nobody knows whether it arrived, and no oadrCreatedEvent will tell. Found by simulation."""
    push.vtn_publishes(replace(shed(), response_required=NEVER))
    if cancelled:
        push.passes(SECOND)
        push.vtn_cancels("E1")
    died = vtn.wake(push.party, push.terms, push.moments.at(push.now))
    assert [type(effect.message) for effect in died.effects if isinstance(effect, Send)] == [DistributeEvent]
    push.party = stored(died.state)

    push.passes(MINUTE)

    assert push.node.agenda[E1].event.modification == push.orders[E1].modification
    assert [type(effect) for effect in vtn.wake(push.party, push.terms, push.moments.at(push.now)).effects] == []
