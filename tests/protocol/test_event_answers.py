"""EiEvent at the VEN: when events begin and end, and what is said to each until it is heard."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from openadr_ra.protocol.agenda import RETENTION, hear
from openadr_ra.protocol.agenda_scope import Scope
from openadr_ra.protocol.event import listed_until
from openadr_ra.protocol.messages import CreatedEvent, DistributeEvent, RequestEvent, Response
from openadr_ra.protocol.model import (
    CANCELLED,
    NEVER,
    OPT_IN,
    EventId,
    RequestId,
)
from openadr_ra.protocol.parts import EventResponse, Result
from openadr_ra.protocol.times import FOREVER, Duration
from openadr_ra.protocol.ven import Answered
from tests.protocol.events import BAD, INSTANT, RUNNING, TEN_MINUTES, answered, hears, period, said, stronger
from tests.site import RELEASE
from tests.world import (
    BAT,
    E1,
    HOUR,
    MINUTE,
    NOON,
    VEN1,
    Pair,
    distributed,
    event,
    in_memory,
    shed,
)


@pytest.fixture
def ven(pair: Pair) -> Pair:
    """A registered VEN; its VTN says what the test says."""
    return pair


def test_rule_12_at_the_ven_nothing_is_said_of_an_event_that_wants_no_answer(ven: Pair) -> None:
    """It is followed all the same."""
    ven.ven_hears(distributed(event(), required=NEVER))

    assert answered(ven) == []
    assert ven.site.applied[0] == (NOON, -2.0)


def test_rule_12_at_the_ven_a_version_that_wants_an_answer_later_gets_it(ven: Pair) -> None:
    ven.ven_hears(distributed(event(), required=NEVER))
    answered(ven)

    assert hears(ven, event()) == [("E1", 0, "200", "optIn")]
    ven.ven_hears(distributed(event(), required=NEVER))
    assert answered(ven) == []


def test_rule_42_at_the_ven_each_answer_quotes_the_delivery_and_the_message_quotes_nothing(ven: Pair) -> None:
    ven.ven_hears(distributed(event(), request_id="first"))
    ven.ven_hears(distributed(event(), event("E2"), request_id="second"))
    ven.settles()

    (message,) = said(ven)
    assert message.result == Result()
    assert {r.request_id for r in message.responses} == {"second"}
    assert message.ven_id == VEN1


def test_rule_43_at_the_ven_a_requestid_that_was_used_before_means_nothing(ven: Pair) -> None:
    for item in (event(), stronger(event())):
        ven.ven_hears(distributed(item, request_id="same"))
        assert answered(ven) == [("E1", item.modification, "200", "optIn")]


def test_rule_47_at_the_ven_an_open_ended_event_runs_until_it_is_cancelled(ven: Pair) -> None:
    zero = Duration()
    signal = event().signals[0]
    endless = replace(
        period(RUNNING, duration=zero),
        signals=(replace(signal, intervals=(replace(signal.intervals[0], duration=zero),)),),
    )
    hears(ven, endless)
    assert ven.site.promised[E1].end == FOREVER

    hears(ven, replace(endless, modification=1, status=CANCELLED))
    assert ven.site.applied == [(RUNNING.period.start, -2.0), (ven.now, RELEASE)]


def test_rule_30_at_the_ven_the_start_is_within_startafter_and_kept_over_modifications(ven: Pair) -> None:
    """Unless startafter itself changes."""
    spread = period(event(), startafter=TEN_MINUTES)
    hears(ven, spread)
    begins = ven.site.promised[E1].start
    assert NOON <= begins <= NOON + 10 * MINUTE

    hears(ven, period(stronger(event()), startafter=TEN_MINUTES))
    assert (ven.site.promised[E1].start, ven.site.promised[E1].end) == (begins, begins + 2 * HOUR)
    hears(ven, period(stronger(event(), 2), startafter=None))
    assert ven.site.promised[E1].start == NOON


def test_rule_30_at_the_ven_the_starts_of_a_fleet_spread_over_the_whole_of_startafter() -> None:
    offsets = []
    ven = Pair(wire=in_memory)
    ven.ven_starts()
    for number in range(200):
        hears(ven, period(event(f"E{number}"), startafter=TEN_MINUTES))
        offsets.append(ven.node.agenda[EventId(f"E{number}")].offset_s)

    assert min(offsets) < 30
    assert max(offsets) > 570
    assert max(offsets) <= 600
    assert 250 < sum(offsets) / len(offsets) < 350


@given(st.integers(0, 3600), st.integers(0, 2**32 - 1))
def test_rule_30_at_the_ven_an_offset_is_never_beyond_startafter(startafter: int, dice: int) -> None:
    item = period(event(), startafter=Duration(seconds=startafter))
    scope = Scope(ven_id=VEN1, resources=(BAT,))
    found = hear({}, distributed(item), NOON - HOUR, scope, consult=False, limited=False, dice=dice / 2**32)

    assert found.agenda[E1].code == "200"
    assert 0 <= found.agenda[E1].offset_s <= startafter


def spread_and_running(ven: Pair) -> datetime:
    """A running event whose start was put off; when that was."""
    hears(ven, period(RUNNING, startafter=TEN_MINUTES))
    ven.clock_reaches(NOON)
    assert ven.node.agenda[E1].offset_s > 0
    return ven.site.promised[E1].start


@pytest.mark.parametrize("explicit", [True, False], ids=["explicit", "implied"])
def test_rule_65_at_the_ven_a_running_event_with_startafter_ends_a_random_time_after_its_cancellation(
    ven: Pair, explicit: bool
) -> None:
    spread_and_running(ven)
    gone = replace(period(RUNNING, startafter=TEN_MINUTES), modification=1, status=CANCELLED)

    ven.ven_hears(distributed(gone) if explicit else distributed())

    released, what = ven.site.applied[-1]
    assert what == RELEASE
    assert NOON < released <= NOON + 10 * MINUTE


def test_rule_65_at_the_ven_an_event_that_has_not_started_ends_at_once(ven: Pair) -> None:
    late = period(event(), startafter=TEN_MINUTES)
    hears(ven, late)
    assert ven.node.agenda[E1].offset_s > 0

    hears(ven, replace(late, modification=1, status=CANCELLED))

    assert ven.site.applied == []


def test_an_event_is_forgotten_an_hour_after_it_is_over(ven: Pair) -> None:
    """A repetition until then is no new event."""
    hears(ven, event())
    ven.now = listed_until(event()) + RETENTION

    ven.ven_wakes()
    assert list(ven.node.agenda) == ["E1"]
    ven.now += INSTANT
    ven.ven_wakes()
    assert ven.node.agenda == {}


def test_a_delivery_that_comes_twice_changes_nothing_but_what_is_owed(ven: Pair) -> None:
    message = distributed(event(), BAD, replace(event("gone"), status=CANCELLED))
    ven.ven_hears(message)
    once, promised = ven.node.agenda, dict(ven.site.promised)

    ven.ven_hears(message)

    assert (ven.node.agenda, ven.site.promised) == (once, promised)


def test_an_answer_that_is_lost_is_said_again_until_it_is_heard(ven: Pair) -> None:
    ven.vtn_publishes(shed())
    ven.fates = iter(["carried", "request lost", "reply lost", "reply lost"])
    ven.clock_reaches(ven.now + MINUTE)

    assert len([each for each in said(ven) if each.responses]) >= 2
    assert ven.node.debts == ()
    assert ven.node.agenda[E1].answered == 0


def test_an_answer_that_was_overtaken_while_the_vtn_was_away_is_not_said_empty(ven: Pair) -> None:
    """Rule 35: no oadrCreatedEvent without event responses, but one with an error."""
    ven.fates = iter(["request lost"])
    ven.ven_hears(distributed(event()))
    ven.settles()
    ven.site.silent = True
    ven.ven_hears(distributed(stronger(event())))

    ven.clock_reaches(ven.now + MINUTE)

    assert all(each.responses for each in said(ven))
    assert ven.node.debts == ()


def test_both_bad_and_good_answers_get_there_if_some_are_lost(ven: Pair) -> None:
    """An answer of its own is owed to each overtaken version, whatever else is said meanwhile."""
    hears(ven, event(modification=5))
    ven.fates = iter(["request lost"])
    ven.ven_hears(distributed(event(modification=3)))
    ven.settles()
    ven.ven_hears(distributed(event(modification=6)))
    ven.clock_reaches(ven.now + MINUTE)

    heard = [r for each in ven.said if each.reply for r in responses(each.request)]
    assert {(r.event.modification, r.code) for r in heard[1:]} == {(3, "450"), (6, "200")}


def responses(message: object) -> tuple[EventResponse, ...]:
    return message.responses if isinstance(message, CreatedEvent) else ()


def test_a_reply_without_a_body_is_an_acknowledgement(ven: Pair) -> None:
    ven.fates = iter(["request lost"])
    ven.ven_hears(distributed(event()))
    ven.settles()
    (message,) = said(ven)

    ven.ven_receives(Answered(request=message, answer=None))

    assert ven.node.agenda[E1].answered == 0
    assert ven.node.debts == ()


def test_after_a_start_events_are_asked_for_because_a_delivery_may_have_been_lost(ven: Pair) -> None:
    """Not every VTN sends one again."""
    count = len(ven.said)
    ven.ven_starts(offered=None)

    assert isinstance(ven.said[count].request, RequestEvent)
    assert isinstance(ven.said[count].reply, DistributeEvent)


def test_after_a_poll_without_an_answer_events_are_asked_for(ven: Pair) -> None:
    """The VTN may have counted the delivery as done, as it does with an event that wants no answer."""
    ven.vtn_publishes(replace(shed(), response_required=NEVER))
    ven.fates = iter(["reply lost"])

    ven.clock_reaches(ven.now + MINUTE)

    assert list(ven.node.agenda) == ["E1"]
    assert [type(each.request) for each in ven.said].count(RequestEvent) == 2
    assert ven.site.applied == [(NOON, -2.0), (NOON + HOUR, RELEASE)]


def test_a_plain_answer_to_a_request_for_events_changes_nothing(ven: Pair) -> None:
    hears(ven, event())
    request = RequestEvent(request_id=RequestId("re1"), ven_id=VEN1)

    for answer in (None, Response(result=Result())):
        ven.ven_receives(Answered(request=request, answer=answer))

    assert list(ven.node.agenda) == ["E1"]
    assert ven.node.agenda[E1].opt == OPT_IN
