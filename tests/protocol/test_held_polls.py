"""Polls that the VTN may hold: offered, taken, paced, and given up where something between does not wait."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from openadr_ra.protocol import ven
from openadr_ra.protocol.messages import CreatedPartyRegistration, CreatePartyRegistration, Message, Poll, Response
from openadr_ra.protocol.model import RequestId
from openadr_ra.protocol.pacing import next_poll, with_poll
from openadr_ra.protocol.parts import Extension, Info, Result
from openadr_ra.protocol.registration import HELD_POLLS, MAX_HOLD_S
from openadr_ra.protocol.step import Send
from openadr_ra.protocol.ven import Answered, Broken
from openadr_ra.protocol.vtn import Terms
from tests.world import IDENTITY, MINUTE, NOON, SECOND, VEN1, VTN1, Moments, Pair, distributed, event

HOLDING = Terms(vtn_id=VTN1, poll_s=10, hold_s=30)
PLAIN = Response(result=Result(), ven_id=VEN1)
MOMENTS = Moments()


@pytest.fixture
def held() -> Pair:
    """A VEN whose VTN offers to hold its polls, at the end of its bootstrap."""
    pair = Pair(terms=HOLDING)
    pair.ven_starts()
    pair.clock_reaches(pair.now + 2 * MINUTE)
    return pair


def polls(pair: Pair) -> int:
    """How long the VEN lets the poll be held that it sends now."""
    pair.now = max(pair.now, pair.node.poll_due)
    outcome = ven.wake(pair.node, MOMENTS.at(pair.now))
    pair.node = outcome.state
    (send,) = [effect for effect in outcome.effects if isinstance(effect, Send) and isinstance(effect.message, Poll)]
    return send.wait_s


def hears(pair: Pair, after: timedelta, answer: Message = PLAIN) -> None:
    """The poll that is out is answered after that time."""
    pair.now += after
    given = Answered(request=Poll(ven_id=VEN1), answer=answer)
    pair.node = ven.receive(pair.node, given, MOMENTS.at(pair.now)).state


def test_holding_is_offered_in_every_registration_and_adopted(held: Pair) -> None:
    reply = held.vtn_hears(CreatePartyRegistration(request_id=RequestId("q"), pull=True))
    assert isinstance(reply, CreatedPartyRegistration)

    assert reply.extensions == (Extension(name=HELD_POLLS, infos=(Info(key="seconds", value="30"),)),)
    assert held.node.member.hold_s == 30


def test_a_vtn_that_does_not_hold_offers_nothing_and_is_never_asked(pair: Pair) -> None:
    reply = pair.vtn_hears(CreatePartyRegistration(request_id=RequestId("q"), pull=True))
    assert isinstance(reply, CreatedPartyRegistration)

    assert reply.extensions == ()
    assert polls(pair) == 0


@pytest.mark.parametrize(
    ("extension", "hold_s"),
    [
        (Extension(name=HELD_POLLS, infos=(Info(key="seconds", value="50"),)), 50),
        (Extension(name=HELD_POLLS, infos=(Info(key="seconds", value="51"),)), MAX_HOLD_S),
        (Extension(name=HELD_POLLS, infos=(Info(key="seconds", value="9" * 400),)), MAX_HOLD_S),
        (Extension(name=HELD_POLLS, infos=(Info(key="seconds", value="-5"),)), 0),
        (Extension(name=HELD_POLLS, infos=(Info(key="seconds", value="\N{SUPERSCRIPT TWO}"),)), 0),
        (Extension(name=HELD_POLLS, infos=(Info(key="seconds", value=""),)), 0),
        (Extension(name=HELD_POLLS, infos=(Info(key="minutes", value="5"),)), 0),
        (Extension(name=HELD_POLLS), 0),
        (Extension(name="x-other", infos=(Info(key="seconds", value="30"),)), 0),
    ],
)
def test_an_offer_is_taken_for_less_than_a_minute_and_only_if_it_makes_sense(
    pair: Pair, extension: Extension, hold_s: int
) -> None:
    answer = next(each.reply for each in pair.said if isinstance(each.reply, CreatedPartyRegistration))
    given = Answered(
        request=CreatePartyRegistration(request_id=RequestId("c")), answer=replace(answer, extensions=(extension,))
    )

    pair.ven_receives(given)

    assert pair.node.member.hold_s == hold_s


def test_a_regular_poll_may_be_held_and_a_draining_one_never(held: Pair) -> None:
    assert polls(held) == 30
    hears(held, 5 * SECOND, distributed(event()))

    assert polls(held) == 0
    hears(held, timedelta(0))
    assert polls(held) == 30


def test_a_ven_that_does_not_want_it_does_not_ask_for_it() -> None:
    pair = Pair(terms=HOLDING, identity=replace(IDENTITY, hold=False))
    pair.ven_starts()

    assert polls(pair) == 0


def test_after_a_poll_without_an_answer_the_next_is_not_held(held: Pair) -> None:
    """First it must be known that the VTN is there."""
    polls(held)

    assert polls(held) == 0
    hears(held, timedelta(0))
    assert polls(held) == 30


def test_an_unanswered_held_poll_is_given_its_time(held: Pair) -> None:
    polls(held)

    assert held.node.poll_due >= held.now + 30 * SECOND


@pytest.mark.parametrize(("after", "least", "most"), [(SECOND, 9, 9), (9.6 * SECOND, 0.5, 1), (25 * SECOND, 0.5, 1)])
def test_a_held_poll_that_broke_off_is_repeated_after_its_period_and_never_at_once(
    held: Pair, after: timedelta, least: float, most: float
) -> None:
    """It is known that it brings nothing, so its time is not waited for; a VTN that is away is not hammered."""
    polls(held)
    held.now += after
    held.node = ven.receive(held.node, Broken(), MOMENTS.at(held.now)).state

    assert held.now + least * SECOND <= held.node.poll_due <= held.now + most * SECOND
    assert polls(held) == 0


def test_after_a_held_poll_the_next_goes_out_at_once(held: Pair) -> None:
    """To be held in its turn: an event finds a poll waiting for it."""
    polls(held)
    hears(held, 30 * SECOND)

    assert held.node.poll_due == held.now


@pytest.mark.parametrize(("after", "at_once"), [(15 * SECOND, True), (14.9 * SECOND, False)])
def test_a_poll_that_came_back_early_with_nothing_was_not_held(held: Pair, after: timedelta, at_once: bool) -> None:
    """Something between does not wait; then the period counts as ever."""
    polls(held)
    hears(held, after)

    assert (held.node.poll_due == held.now) is at_once
    assert at_once or held.node.poll_due >= held.now + 10 * SECOND


@given(st.lists(st.tuples(st.integers(0, 31), st.booleans()), min_size=1, max_size=40), st.sampled_from([1, 7, 10, 60]))
def test_over_any_minute_there_are_no_more_regular_polls_than_the_frequency_allows(
    answers: list[tuple[int, bool]], poll_s: int
) -> None:
    """However soon the VTN answers, and whatever it brings."""
    pair = Pair(terms=replace(HOLDING, poll_s=poll_s))
    pair.ven_starts()
    pair.now += 2 * MINUTE
    regular = []
    for seconds, brings in answers:
        pair.now = max(pair.now, pair.node.poll_due)
        if not pair.node.draining:
            regular.append(pair.now)
        polls(pair)
        hears(pair, seconds * SECOND, distributed() if brings else PLAIN)

    for end in regular:
        assert len([when for when in regular if end - MINUTE < when <= end]) <= 60 // poll_s


def test_the_pace_of_polls() -> None:
    """As many in a minute as the frequency makes; a period of more than a minute is kept as it is."""
    sent = tuple(NOON + n * SECOND for n in range(6))

    assert next_poll((), 10, NOON) == NOON
    assert next_poll(sent[:5], 10, NOON + 5 * SECOND) == NOON + 5 * SECOND
    assert next_poll(sent, 10, NOON + 5 * SECOND) == NOON + MINUTE
    assert next_poll(sent, 300, NOON + 5 * SECOND) == sent[-1] + 300 * SECOND
    assert with_poll(sent, NOON + MINUTE) == (*sent[1:], NOON + MINUTE)


def test_what_a_poll_brings_after_the_registration_has_ended_binds_nobody(held: Pair) -> None:
    """The VEN leaves while its poll is held; the event that the poll then brings was for a registration that is no more.
    Found by simulation."""
    polls(held)
    held.ven_receives(ven.Left())
    held.ven_wakes()
    assert held.node.member.phase == "ended"

    hears(held, SECOND, distributed(event(start=held.now)))

    assert held.node.agenda == {}
    assert held.node.debts == ()


def test_a_poll_that_is_answered_late_and_again_after_the_end_leaves_nothing_owed(held: Pair) -> None:
    """After a repeated poll a VEN asks for its events; not so one that has left. Found by simulation."""
    polls(held)
    held.now += MINUTE
    polls(held)
    held.ven_receives(ven.Left())
    held.ven_wakes()

    hears(held, SECOND)

    assert held.node.debts == ()
