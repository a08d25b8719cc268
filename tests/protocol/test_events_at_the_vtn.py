"""EiEvent at the VTN: what a VEN is given, when, how often, and what becomes of its answers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from openadr_ra.protocol.distribution import RETENTION
from openadr_ra.protocol.instruction import Instruction
from openadr_ra.protocol.messages import CreatedEvent, DistributeEvent, Message, RequestEvent, Response
from openadr_ra.protocol.model import (
    ALWAYS,
    CANCELLED,
    NEVER,
    OPT_IN,
    OPT_OUT,
    EventId,
    OptType,
    QualifiedEventId,
    RequestId,
)
from openadr_ra.protocol.parts import Event, EventResponse, Result
from openadr_ra.protocol.party import MIN_RETRY
from openadr_ra.protocol.step import Publish
from openadr_ra.protocol.times import Duration, write_datetime
from openadr_ra.protocol.vtn import Terms, receive
from tests.world import E1, HOUR, MINUTE, NOON, SECOND, VEN1, VTN1, Moments, Pair, code_of, event, shed

RETRY = timedelta(seconds=20)
"""Two polls of the usual ten seconds."""
INSTANT = timedelta(microseconds=1)


@pytest.fixture
def vtn(pair: Pair) -> Pair:
    """A registered VEN that says nothing of its own; only the VTN is looked at."""
    return pair


def given_out(reply: Message) -> tuple[Event, ...]:
    assert isinstance(reply, DistributeEvent)
    return tuple(item.event for item in reply.events)


def fetched(pair: Pair, limit: int | None = None) -> DistributeEvent:
    reply = pair.vtn_hears(RequestEvent(request_id=RequestId("re1"), ven_id=VEN1, reply_limit=limit))
    assert isinstance(reply, DistributeEvent)
    return reply


def answers(pair: Pair, *said: EventResponse, request_id: str = "") -> Message:
    result = Result(request_id=RequestId(request_id))
    return pair.vtn_hears(CreatedEvent(result=result, responses=said, ven_id=VEN1))


def on(
    event_id: str = "E1", modification: int = 0, opt: OptType = OPT_IN, *, code: str = "200", description: str = ""
) -> EventResponse:
    qualified = QualifiedEventId(event_id=EventId(event_id), modification=modification)
    return EventResponse(code=code, event=qualified, opt=opt, description=description or None)


def publishes(pair: Pair, item: Event) -> None:
    """An event that no operator here could have written."""
    letter = Publish(event=item, response_required=ALWAYS)
    pair.party = receive(pair.party, letter, Moments().at(pair.now)).state


def test_rule_4_at_the_vtn_a_new_event_begins_with_modification_0(vtn: Pair) -> None:
    vtn.vtn_publishes(shed())

    (sent,) = given_out(vtn.vtn_is_polled())

    assert (sent.id, sent.modification, sent.modified) == ("E1", 0, None)


def test_rule_5_at_the_vtn_a_change_and_a_cancellation_raise_the_modification_by_one_each(vtn: Pair) -> None:
    vtn.vtn_publishes(shed())
    vtn.vtn_changes(shed(delta_kw=-3.0))
    (changed,) = given_out(vtn.vtn_is_polled())
    vtn.vtn_cancels("E1")
    (cancelled,) = given_out(vtn.vtn_is_polled())

    assert (changed.modification, changed.modified, changed.status) == (1, vtn.now, "far")
    assert (cancelled.modification, cancelled.status) == (2, CANCELLED)


def test_rule_5_at_the_vtn_time_alone_raises_nothing_but_each_sending_is_a_fresh_snapshot(vtn: Pair) -> None:
    vtn.vtn_publishes(replace(shed(), ramp_up=10 * MINUTE))
    seen = []
    for vtn.now in (NOON - HOUR, NOON - MINUTE, NOON, NOON + HOUR - INSTANT):
        (item,) = fetched(vtn).events
        seen.append((item.event.status, item.event.modification, item.event.created == vtn.now))

    assert seen == [("far", 0, True), ("near", 0, True), ("active", 0, True), ("active", 0, True)]


def test_rules_40_41_at_the_vtn_a_request_is_answered_under_its_id_and_every_payload_has_one(vtn: Pair) -> None:
    """EPRI's VEN wants an oadrDistributeEvent even where there is no event."""
    empty = fetched(vtn)
    vtn.vtn_publishes(shed())
    polled = vtn.vtn_is_polled()

    assert (empty.result, empty.events) == (Result(request_id=RequestId("re1")), ())
    assert isinstance(polled, DistributeEvent)
    assert polled.result == Result()
    assert empty.request_id != polled.request_id != ""
    assert (empty.vtn_id, polled.vtn_id) == (VTN1, VTN1)


def test_rule_50_at_the_vtn_every_payload_has_all_events_that_are_not_over(vtn: Pair) -> None:
    """An omitted one would be cancelled; a poll brings all of them as soon as one has changed."""
    vtn.vtn_publishes(shed("far", start=NOON + HOUR))
    vtn.vtn_publishes(shed("active", start=NOON - 2 * HOUR, duration=4 * HOUR))
    vtn.vtn_publishes(shed("over", start=NOON - 3 * HOUR))

    assert [item.id for item in given_out(vtn.vtn_is_polled())] == ["active", "far"]
    vtn.vtn_publishes(shed("new", start=NOON + 3 * HOUR))
    assert [item.id for item in given_out(vtn.vtn_is_polled())] == ["active", "far", "new"]


def test_rule_66_at_the_vtn_an_event_is_listed_until_startafter_is_over_too_and_not_longer(vtn: Pair) -> None:
    vtn.vtn_publishes(replace(shed(), startafter=5 * MINUTE))
    last = NOON + HOUR + 5 * MINUTE

    vtn.now = last - INSTANT
    assert [item.status for item in given_out(fetched(vtn))] == ["completed"]
    vtn.now = last
    assert given_out(fetched(vtn)) == ()


def test_rule_15_at_the_vtn_a_reply_limit_cuts_from_the_end_of_the_order(vtn: Pair) -> None:
    """What was cut off has not been delivered: the next poll brings it."""
    vtn.vtn_publishes(shed("pending"))
    vtn.vtn_publishes(shed("active", start=NOON - 2 * HOUR, duration=3 * HOUR))

    assert [item.event.id for item in fetched(vtn, limit=1).events] == ["active"]
    assert fetched(vtn, limit=0).events == ()
    assert [item.id for item in given_out(vtn.vtn_is_polled())] == ["active", "pending"]
    assert [item.event.id for item in fetched(vtn, limit=9).events] == ["active", "pending"]


def test_an_event_is_delivered_again_until_it_is_acknowledged(vtn: Pair) -> None:
    """A delivery counts as lost after two polls, not sooner."""
    vtn.vtn_publishes(shed())
    given_out(vtn.vtn_is_polled())

    vtn.now += RETRY - INSTANT
    assert isinstance(vtn.vtn_is_polled(), Response)
    vtn.now += INSTANT
    assert [item.id for item in given_out(vtn.vtn_is_polled())] == ["E1"]
    assert code_of(answers(vtn, on())) == "200"
    vtn.now += 10 * RETRY
    assert isinstance(vtn.vtn_is_polled(), Response)


@pytest.mark.parametrize(("poll_s", "retry"), [(1, MIN_RETRY), (5, MIN_RETRY), (6, 12 * SECOND), (60, 120 * SECOND)])
def test_a_delivery_is_repeated_after_two_polls_but_never_sooner_than_in_ten_seconds(
    poll_s: int, retry: timedelta
) -> None:
    vtn = Pair(terms=Terms(vtn_id=VTN1, poll_s=poll_s))
    vtn.ven_starts()
    vtn.vtn_publishes(shed())
    given_out(vtn.vtn_is_polled())

    vtn.now += retry - INSTANT
    assert isinstance(vtn.vtn_is_polled(), Response)
    vtn.now += INSTANT
    assert given_out(vtn.vtn_is_polled())


def test_rule_12_at_the_vtn_an_event_that_wants_no_answer_is_delivered_once_per_version(vtn: Pair) -> None:
    vtn.vtn_publishes(replace(shed(), response_required=NEVER))
    first = vtn.vtn_is_polled()
    assert isinstance(first, DistributeEvent)
    assert [item.response_required for item in first.events] == [NEVER]

    vtn.now += 10 * RETRY
    assert isinstance(vtn.vtn_is_polled(), Response)
    vtn.vtn_changes(replace(shed(delta_kw=-1.0), response_required=NEVER))
    assert [item.modification for item in given_out(vtn.vtn_is_polled())] == [1]


def test_rule_52_at_the_vtn_a_cancelled_event_is_sent_until_it_is_acknowledged(vtn: Pair) -> None:
    """Afterwards it is not mentioned again."""
    vtn.vtn_publishes(shed())
    given_out(vtn.vtn_is_polled())
    answers(vtn, on())
    vtn.vtn_cancels("E1")

    for _ in range(3):
        assert [item.status for item in given_out(vtn.vtn_is_polled())] == [CANCELLED]
        vtn.now += RETRY
    answers(vtn, on(modification=1))
    assert given_out(fetched(vtn)) == ()


def test_rule_52_at_the_vtn_a_cancelled_event_that_wants_no_answer_is_sent_once(vtn: Pair) -> None:
    vtn.vtn_publishes(replace(shed(), response_required=NEVER))
    given_out(vtn.vtn_is_polled())
    vtn.vtn_cancels("E1")

    assert [item.status for item in given_out(vtn.vtn_is_polled())] == [CANCELLED]
    assert given_out(fetched(vtn)) == ()


def test_rule_52_at_the_vtn_a_cancellation_is_repeated_no_longer_than_the_event_would_have_run(vtn: Pair) -> None:
    vtn.vtn_publishes(shed())
    given_out(vtn.vtn_is_polled())
    vtn.vtn_cancels("E1")
    given_out(vtn.vtn_is_polled())

    vtn.now = NOON + HOUR - INSTANT
    assert given_out(vtn.vtn_is_polled())
    vtn.now = NOON + HOUR
    assert isinstance(vtn.vtn_is_polled(), Response)


def test_a_ven_never_hears_of_an_event_that_was_cancelled_before_it_asked(vtn: Pair) -> None:
    """Until a delivery took place there is nothing to take back."""
    vtn.vtn_publishes(shed())
    vtn.vtn_cancels("E1")

    assert given_out(fetched(vtn)) == ()
    assert vtn.party.events == {}


def test_rules_16_17_at_the_vtn_both_opts_are_understood_and_a_later_one_replaces_the_earlier(vtn: Pair) -> None:
    """Each is kept in the journal."""
    vtn.vtn_publishes(shed())
    given_out(vtn.vtn_is_polled())
    opts = []
    for opt, why in ((OPT_IN, ""), (OPT_OUT, "engine failed")):
        assert code_of(answers(vtn, on(opt=opt, description=why))) == "200"
        opts.append(vtn.party.events[E1].opt)

    assert opts == [OPT_IN, OPT_OUT]
    lines = [(entry.what, entry.detail, entry.by) for entry in vtn.journal if entry.subject == "event/E1"][-2:]
    assert lines == [
        ("optIn", f"modification 0, in effect from {write_datetime(NOON)}", "VEN1"),
        ("optOut", "modification 0: engine failed", "VEN1"),
    ]


def test_a_refusal_by_code_is_kept_with_the_opt(vtn: Pair) -> None:
    vtn.vtn_publishes(shed())
    given_out(vtn.vtn_is_polled())

    answers(vtn, on(opt=OPT_OUT, code="462", description="not mine"))

    assert (vtn.party.events[E1].opt, vtn.party.events[E1].code) == (OPT_OUT, "462")
    assert vtn.journal[-1].detail == "modification 0, code 462: not mine"
    assert isinstance(vtn.vtn_is_polled(), Response)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (on("E2"), "452"),
        (on("e1"), "452"),
        (on(modification=2), "452"),
        (on(modification=0), "450"),
    ],
    ids=["unknown event", "other letter case", "modification of the future", "overtaken"],
)
def test_rules_21_48_at_the_vtn_an_answer_to_what_was_not_asked_is_refused_and_changes_nothing(
    vtn: Pair, said: EventResponse, code: str
) -> None:
    """An acknowledgement that a change overtook is normal; the newer version is delivered and answered."""
    vtn.vtn_publishes(shed())
    given_out(vtn.vtn_is_polled())
    vtn.vtn_changes(shed(delta_kw=-3.0))
    before = vtn.party

    reply = answers(vtn, said)

    assert isinstance(reply, Response)
    assert reply.result.code == code
    assert vtn.party == before
    assert [item.modification for item in given_out(vtn.vtn_is_polled())] == [1]


def test_rule_25_at_the_vtn_good_answers_are_kept_beside_bad_ones(vtn: Pair) -> None:
    """The reply has the code of the first bad one."""
    vtn.vtn_publishes(shed("E1"))
    vtn.vtn_publishes(shed("E2", start=NOON + HOUR))
    given_out(vtn.vtn_is_polled())

    reply = answers(vtn, on("E1"), on("none"), on("E2", modification=7), on("E2", opt=OPT_OUT), request_id="x")

    assert isinstance(reply, Response)
    assert (reply.result.code, reply.result.request_id) == ("452", "x")
    assert {name: item.opt for name, item in vtn.party.events.items()} == {"E1": OPT_IN, "E2": OPT_OUT}


def test_an_answer_without_any_event_response_is_taken(vtn: Pair) -> None:
    """EPRI's VEN sends one after each oadrDistributeEvent."""
    assert code_of(answers(vtn)) == "200"


def test_a_ven_that_refuses_a_whole_delivery_gets_it_again(vtn: Pair) -> None:
    vtn.vtn_publishes(shed())
    given_out(vtn.vtn_is_polled())
    refused = CreatedEvent(result=Result(code="452", request_id=RequestId("x")), ven_id=VEN1)
    assert code_of(vtn.vtn_hears(refused)) == "200"

    vtn.now += RETRY

    assert given_out(vtn.vtn_is_polled())


def test_an_event_that_is_over_can_be_answered_for_an_hour(vtn: Pair) -> None:
    """Then it is forgotten."""
    vtn.vtn_publishes(shed())
    given_out(vtn.vtn_is_polled())

    vtn.now = NOON + HOUR + RETENTION
    fetched(vtn)
    assert code_of(answers(vtn, on())) == "200"
    vtn.now += INSTANT
    fetched(vtn)
    assert code_of(answers(vtn, on())) == "452"


def test_a_cancelled_event_is_forgotten_an_hour_after_its_acknowledgement(vtn: Pair) -> None:
    """Also one that would never have ended."""
    publishes(vtn, replace(event(), period=replace(event().period, duration=Duration())))
    given_out(vtn.vtn_is_polled())
    publishes(vtn, replace(event(modification=1), status=CANCELLED, period=vtn.party.events[E1].event.period))
    given_out(vtn.vtn_is_polled())
    answers(vtn, on(modification=1))

    vtn.now += RETENTION
    fetched(vtn)
    assert E1 in vtn.party.events
    vtn.now += INSTANT
    fetched(vtn)
    assert vtn.party.events == {}


@pytest.mark.parametrize("number", [0, 1], ids=["the same", "an older one"])
def test_mail_that_comes_twice_or_too_late_changes_nothing(vtn: Pair, number: int) -> None:
    publishes(vtn, event(modification=1))
    given_out(vtn.vtn_is_polled())
    before = vtn.party

    publishes(vtn, event(modification=number))

    assert vtn.party == before


def test_each_version_is_journalled_once_when_it_is_first_handed_out(vtn: Pair) -> None:
    vtn.vtn_publishes(shed())
    for _ in range(3):
        fetched(vtn)
    vtn.vtn_changes(shed(delta_kw=-1.0))
    fetched(vtn)

    sent = [(entry.what, entry.detail) for entry in vtn.journal if entry.what == "sent"]
    assert sent == [("sent", "modification 0"), ("sent", "modification 1")]


@pytest.mark.parametrize(
    ("order", "field"),
    [
        (replace(shed(), test=True), ("test", "true")),
        (replace(shed(), comment="peak"), ("comment", "peak")),
        (replace(shed(), priority=1), ("priority", 1)),
        (shed(), ("test", None)),
    ],
)
def test_what_the_operator_says_of_an_event_reaches_the_ven(
    vtn: Pair, order: Instruction, field: tuple[str, object]
) -> None:
    vtn.vtn_publishes(order)
    (sent,) = given_out(vtn.vtn_is_polled())

    assert getattr(sent, field[0]) == field[1]


def test_x_ev_2_at_the_vtn_the_target_names_the_ven_and_no_other(vtn: Pair) -> None:
    vtn.vtn_publishes(shed())
    (sent,) = given_out(vtn.vtn_is_polled())

    assert sent.target.vens == (VEN1,)


def test_rules_1_2_8_x_ev_5_at_the_vtn_the_intervals_have_uids_and_lengths_and_no_start(vtn: Pair) -> None:
    vtn.vtn_publishes(shed(delta_kw=(-1.0, -2.0, 0.0)))
    (sent,) = given_out(vtn.vtn_is_polled())
    (signal,) = sent.signals

    assert [each.uid for each in signal.intervals] == ["0", "1", "2"]
    assert [each.start for each in signal.intervals] == [None] * 3
    assert sum(each.duration.seconds for each in signal.intervals if each.duration) == sent.period.duration.seconds
