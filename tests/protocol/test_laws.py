"""What holds for every state and every message."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from openadr_ra.errors import OadrError
from openadr_ra.protocol import event as events
from openadr_ra.protocol import ven, vtn
from openadr_ra.protocol.instruction import event as made_event
from openadr_ra.protocol.messages import (
    PAYLOADS,
    CancelPartyRegistration,
    CreatePartyRegistration,
    CreateReport,
    DistributeEvent,
    Message,
    Poll,
    UpdateReport,
)
from openadr_ra.protocol.model import ALWAYS, OPT_OUT
from openadr_ra.protocol.parts import Event
from openadr_ra.protocol.step import Publish, Verdict
from openadr_ra.protocol.ven import Answered
from tests.wire.strategies import values
from tests.world import (
    E1,
    HOUR,
    MINUTE,
    NOON,
    OFFER,
    SECOND,
    VEN1,
    VTN1,
    Moments,
    Pair,
    in_memory,
    over_the_wire,
    reading,
    shed,
    stored,
)

FEW = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
each_payload = pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.__name__)


def busy() -> Pair:
    """A pair in the middle of its life: an event that runs, one to come, reports on their way."""
    pair = Pair(wire=in_memory)
    pair.ven_starts()
    pair.vtn_publishes(shed("E1", start=NOON - 30 * MINUTE))
    pair.vtn_publishes(shed("E2", start=NOON + HOUR))
    pair.samples = [reading(start=NOON - HOUR + n * 10 * SECOND, value=float(n)) for n in range(720)]
    pair.clock_reaches(NOON)
    return pair


BUSY = busy()
SAID = [each.request for each in BUSY.said]


def like_busy() -> Pair:
    """A pair of its own in that state."""
    pair = Pair(wire=over_the_wire, now=BUSY.now)
    pair.party, pair.node, pair.samples = BUSY.party, BUSY.node, list(BUSY.samples)
    return pair


def named(message: Message) -> Message:
    """The message with the ids that this pair knows, so that it is not turned away at the door."""
    match message:
        case DistributeEvent():
            return replace(message, vtn_id=VTN1, result=None)
        case CreatePartyRegistration():
            return replace(message, ven_id=VEN1, registration_id=None)
        case UpdateReport(reports=reports):
            ids = list(BUSY.party.reports.requests)
            known = tuple(replace(report, request_id=ids[n % len(ids)]) for n, report in enumerate(reports))
            return replace(message, ven_id=VEN1, reports=known)
        case CreateReport(requests=requests):
            offered = tuple(replace(each, specifier_id=BUSY.party.reports.offered[0].specifier_id) for each in requests)
            return replace(message, ven_id=VEN1, requests=offered)
    return replace(message, ven_id=VEN1) if hasattr(message, "ven_id") else message


@each_payload
@FEW
@given(data=st.data())
def test_a_vtn_answers_whatever_a_ven_says(payload: type[Message], data: st.DataObject) -> None:
    """Always with one schema-valid payload, never with an exception; the state it leaves can be stored."""
    message = data.draw(values(payload))
    assert isinstance(message, Message)
    pair = like_busy()

    pair.vtn_hears(message)
    pair.vtn_hears(named(message))

    pair.vtn_is_polled()


@each_payload
@FEW
@given(data=st.data())
def test_a_ven_lives_through_whatever_a_vtn_says(payload: type[Message], data: st.DataObject) -> None:
    """What it says to it is schema-valid; it goes on to poll, to be woken, and to be stored."""
    message = data.draw(values(payload))
    assert isinstance(message, Message)
    pair = like_busy()

    for heard in (message, named(message)):
        pair.ven_hears(heard)
        due = ven.deadline(pair.node, pair.now)
        assert due is None or due > pair.now
        pair.clock_reaches(pair.now + 5 * SECOND)


@each_payload
@FEW
@given(data=st.data())
def test_a_ven_lives_through_whatever_its_messages_are_answered_with(
    payload: type[Message], data: st.DataObject
) -> None:
    answer = data.draw(st.one_of(st.none(), values(payload)))
    assert answer is None or isinstance(answer, Message)
    pair = like_busy()

    for request in {type(message): message for message in SAID}.values():
        pair.ven_receives(Answered(request=request, answer=answer))

    pair.clock_reaches(pair.now + 5 * SECOND)


@pytest.mark.parametrize("message", {type(said): said for said in SAID}.values(), ids=lambda said: type(said).__name__)
def test_a_message_that_is_heard_twice_changes_nothing(message: Message) -> None:
    """But a poll, which asks for the next payload."""
    pair = like_busy()
    pair.vtn_hears(message)
    once = pair.party
    pair.vtn_hears(message)

    assert isinstance(message, Poll) or pair.party == once


def test_mail_that_is_read_twice_changes_nothing() -> None:
    moments = Moments()
    letter = Publish(event=made_event(shed("E3"), VEN1, NOON), response_required=ALWAYS)
    party = vtn.receive(BUSY.party, letter, moments.at(NOON)).state
    assert vtn.receive(party, letter, moments.at(NOON)).state == party

    verdict = Verdict(event_id=E1, modification=0, opt=OPT_OUT)
    for mail in (verdict, OFFER):
        node = ven.receive(BUSY.node, mail, moments.at(NOON)).state
        assert ven.receive(node, mail, moments.at(NOON)).state == node


@FEW
@given(st.lists(st.sampled_from(SAID), max_size=30))
def test_old_messages_in_any_order_do_no_harm_at_the_vtn(messages: list[Message]) -> None:
    """Late, repeated, interleaved: each is answered, and its events and its registration stay what they are."""
    pair = like_busy()
    for message in messages:
        if not isinstance(message, CancelPartyRegistration):
            pair.vtn_hears(message)

    assert pair.party.registration is not None
    assert {name: item.event.modification for name, item in pair.party.events.items()} == {"E1": 0, "E2": 0}


def test_a_row_of_the_present_format_is_loaded_as_it_is() -> None:
    row: dict[str, object] = {"ven_id": "VEN1"}

    assert type(BUSY.party).upgrade(row, written=1) == row


@settings(max_examples=100)
@given(st.integers(0, 10**9), st.integers(0, 7200))
def test_a_deadline_is_later_than_the_moment_it_is_asked_at(microseconds: int, seconds: int) -> None:
    after = BUSY.now + seconds * SECOND + timedelta(microseconds=microseconds)
    due = ven.deadline(BUSY.node, after)

    assert due is not None
    assert due > after


@settings(max_examples=60)
@given(st.integers(0, 7200))
def test_waking_at_the_deadline_makes_progress(seconds: int) -> None:
    """Each wake does something or puts the next one off."""
    moments = Moments()
    node, now = BUSY.node, BUSY.now + seconds * SECOND
    for _ in range(20):
        outcome = ven.wake(node, moments.at(now))
        due = ven.deadline(outcome.state, now)
        assert due is not None
        assert outcome.effects or outcome.state != node or due > now + ven.SOON
        node, now = stored(outcome.state), due


@FEW
@given(data=st.data())
def test_an_event_that_passes_the_check_can_be_used_everywhere(data: st.DataObject) -> None:
    """Laid on the clock, sent, put in order, and forgotten."""
    item = data.draw(values(Event))
    assert isinstance(item, Event)
    try:
        events.check(item)
    except OadrError:
        return
    assert events.at(item, NOON).id == item.id
    assert events.order(iter([item, item]), NOON) == [item, item]
    assert events.listed_until(item) >= item.period.start
