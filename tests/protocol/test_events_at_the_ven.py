"""EiEvent at the VEN: what it takes, what it drops, what it refuses, and what it says to each."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from openadr_ra.protocol.agenda import RETENTION, SKEW, Scope, hear
from openadr_ra.protocol.event import listed_until
from openadr_ra.protocol.messages import CreatedEvent, DistributeEvent, RequestEvent, Response
from openadr_ra.protocol.model import (
    CANCELLED,
    COMPLETED,
    NEVER,
    OPT_IN,
    EventId,
    MarketContext,
    RequestId,
    ResourceId,
    SignalName,
    Target,
    VenId,
    VtnId,
)
from openadr_ra.protocol.parts import Event, EventResponse, Result
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.times import FOREVER, Duration
from openadr_ra.protocol.ven import Answered
from tests.world import (
    E1,
    HOUR,
    IDENTITY,
    MINUTE,
    NOON,
    RELEASE,
    VEN1,
    Pair,
    distributed,
    event,
    in_memory,
    shed,
)

INSTANT = timedelta(microseconds=1)
TEN_MINUTES = Duration(seconds=600)


@pytest.fixture
def ven(pair: Pair) -> Pair:
    """A registered VEN; its VTN says what the test says."""
    return pair


def said(pair: Pair) -> list[CreatedEvent]:
    """The VEN's oadrCreatedEvents."""
    return [each.request for each in pair.said if isinstance(each.request, CreatedEvent)]


def answered(pair: Pair) -> list[tuple[str, int, str, str]]:
    """eventID, modificationNumber, code and opt of each answer that is owed now, as it is said."""
    count = len(said(pair))
    pair.settles()
    return [
        (r.event.event_id, r.event.modification, r.code, r.opt) for each in said(pair)[count:] for r in each.responses
    ]


def hears(pair: Pair, *events: Event) -> list[tuple[str, int, str, str]]:
    """What the VEN answers to these events."""
    pair.ven_hears(distributed(*events))
    return answered(pair)


def period(item: Event, **changes: Duration | datetime | None) -> Event:
    return replace(item, period=replace(item.period, **changes))


def stronger(item: Event, modification: int = 1) -> Event:
    """A later version, two hours long."""
    return event(item.id, start=item.period.start, duration=2 * HOUR, modification=modification)


RUNNING = event(start=NOON - 90 * MINUTE, duration=3 * HOUR)
"""Half an hour into it."""
BAD = replace(event("bad"), signals=(replace(event().signals[0], name=SignalName(Token("x-OURS"))),))
UNUSABLE = period(event("unusable"), duration=Duration(months=1))


def test_rule_56_an_unknown_event_is_taken(ven: Pair) -> None:
    assert hears(ven, event()) == [("E1", 0, "200", "optIn")]
    assert ven.site.applied == [(NOON, -2.0), (NOON + HOUR, RELEASE)]


def test_an_unknown_event_is_taken_in_any_version(ven: Pair) -> None:
    """A VEN that was away sees only the newest."""
    assert hears(ven, event(modification=7)) == [("E1", 7, "200", "optIn")]


def test_rule_57_a_higher_modification_replaces_the_event(ven: Pair) -> None:
    hears(ven, event())

    assert hears(ven, stronger(event())) == [("E1", 1, "200", "optIn")]
    assert ven.site.applied == [(NOON, -2.0), (NOON + 2 * HOUR, RELEASE)]


def test_rules_12_62_an_unchanged_event_is_answered_again_and_asks_nobody(ven: Pair) -> None:
    hears(ven, event())
    promised = dict(ven.site.promised)
    ven.site.refused = {"E1": "would be refused by now"}

    assert hears(ven, event()) == [("E1", 0, "200", "optIn")]
    assert ven.site.promised == promised


def test_rule_58_a_lower_modification_is_answered_450_and_the_held_version_stays(ven: Pair) -> None:
    hears(ven, stronger(event(), 5))

    assert hears(ven, event(modification=3)) == [("E1", 3, "450", "optIn")]
    assert ven.node.agenda[E1].event.modification == 5


def test_rule_58_a_cancelled_version_stays_cancelled(ven: Pair) -> None:
    hears(ven, replace(event(modification=5), status=CANCELLED))

    assert hears(ven, event(modification=3)) == [("E1", 3, "450", "optIn")]
    assert ven.site.applied == []


def test_rule_58_nothing_is_said_of_a_lower_modification_that_wants_no_answer(ven: Pair) -> None:
    hears(ven, event(modification=5))

    ven.ven_hears(distributed(event(modification=3), required=NEVER))

    assert answered(ven) == []
    assert ven.node.agenda[E1].event.modification == 5


def test_rules_36_59_a_cancelled_event_ends_at_once_and_is_confirmed(ven: Pair) -> None:
    hears(ven, RUNNING)

    assert hears(ven, replace(RUNNING, modification=1, status=CANCELLED)) == [("E1", 1, "200", "optIn")]
    assert ven.site.applied == [(RUNNING.period.start, -2.0), (ven.now, RELEASE)]


def test_an_event_that_is_cancelled_without_a_new_number_is_cancelled_all_the_same(ven: Pair) -> None:
    """Rule 5 wants one, but what stops a load is believed."""
    hears(ven, RUNNING)

    assert hears(ven, replace(RUNNING, status=CANCELLED)) == [("E1", 0, "200", "optIn")]
    assert ven.site.applied[-1] == (ven.now, RELEASE)
    assert hears(ven, replace(RUNNING, status=CANCELLED)) == [("E1", 0, "200", "optIn")]


def test_rules_21_60_an_unknown_cancelled_event_is_only_acknowledged(ven: Pair) -> None:
    assert hears(ven, replace(event(), status=CANCELLED)) == [("E1", 0, "200", "optIn")]

    ven.ven_hears(distributed(replace(event("E2"), status=CANCELLED), required=NEVER))
    assert answered(ven) == []
    assert ven.site.applied == []


def test_rule_61_a_missing_event_is_cancelled_silently(ven: Pair) -> None:
    hears(ven, RUNNING, event("E2"))

    assert hears(ven, event("E2")) == [("E2", 0, "200", "optIn")]
    assert list(ven.node.agenda) == ["E2"]
    assert ven.site.applied[:2] == [(RUNNING.period.start, -2.0), (ven.now, RELEASE)]


def test_rule_61_an_empty_delivery_cancels_everything(ven: Pair) -> None:
    hears(ven, event(), event("E2"))

    assert hears(ven) == []
    assert ven.node.agenda == {}
    assert ven.site.applied == []


def test_rule_61_does_not_hold_where_the_ven_asked_for_a_limited_reply(ven: Pair) -> None:
    """The tail was merely cut off."""
    hears(ven, event(), event("E2"))

    ven.ven_fetches(distributed(event()), reply_limit=1)
    assert list(ven.node.agenda) == ["E1", "E2"]
    ven.ven_fetches(distributed(event()))
    assert list(ven.node.agenda) == ["E1"]


def test_a_refused_request_for_events_cancels_none(ven: Pair) -> None:
    """An answer with a code has no events because it has none to give."""
    hears(ven, event())
    refused = replace(distributed(), result=Result(code="454", request_id=RequestId("re1")))

    ven.ven_fetches(refused)

    assert list(ven.node.agenda) == ["E1"]


@pytest.mark.parametrize(("early", "ended"), [(SKEW, True), (SKEW + INSTANT, False)])
def test_rule_66_an_event_that_vanishes_as_it_ends_is_over_not_cancelled(
    ven: Pair, early: timedelta, ended: bool
) -> None:
    """The VTN's clock may be a little ahead; the last interval would be cut short."""
    hears(ven, RUNNING)
    ven.clock_reaches(NOON + 90 * MINUTE - early)

    ven.ven_hears(distributed())

    end = NOON + 90 * MINUTE
    assert ven.site.applied[-1] == ((end if ended else end - early), RELEASE)


def test_rule_66_an_early_completed_does_not_stop_an_event(ven: Pair) -> None:
    hears(ven, RUNNING)

    hears(ven, replace(RUNNING, status=COMPLETED))

    assert ven.site.applied[-1] == (RUNNING.period.start + 3 * HOUR, RELEASE)


def test_an_event_that_is_over_is_acknowledged_and_nobody_is_asked(ven: Pair) -> None:
    past = event(start=NOON - 2 * HOUR)

    assert hears(ven, past) == [("E1", 0, "200", "optIn")]
    assert ven.site.applied == []


def test_a_change_that_asks_for_no_power_any_more_releases_what_was_promised(ven: Pair) -> None:
    hears(ven, RUNNING)

    hears(ven, replace(RUNNING, modification=1, test="true"))

    assert ven.site.applied[-1] == (ven.now, RELEASE)


def test_rule_6_a_test_event_is_acknowledged_and_not_acted_on(ven: Pair) -> None:
    assert hears(ven, replace(event(), test="true")) == [("E1", 0, "200", "optIn")]
    assert ven.site.applied == []


def test_rules_19_33_one_bad_event_never_spoils_the_others(ven: Pair) -> None:
    """Each has its own code; the message as a whole is fine."""
    foreign = replace(event("foreign"), target=Target(vens=(VenId("VEN2"),)))

    assert hears(ven, event("E1"), BAD, UNUSABLE, foreign, event("E2", start=NOON + HOUR)) == [
        ("E1", 0, "200", "optIn"),
        ("bad", 0, "460", "optOut"),
        ("unusable", 0, "454", "optOut"),
        ("foreign", 0, "462", "optOut"),
        ("E2", 0, "200", "optIn"),
    ]
    assert said(ven)[-1].result == Result()


@pytest.mark.parametrize("bad", [BAD, UNUSABLE], ids=["460", "454"])
def test_rule_19_a_bad_event_spoils_no_later_delivery_either(ven: Pair, bad: Event) -> None:
    """It is repeated, changed, cancelled and left out like any other."""
    hears(ven, bad)
    assert hears(ven, bad, event())[0][2:] == (ven.node.agenda[bad.id].code, "optOut")
    assert hears(ven, replace(bad, modification=1), event())[0][1:3] == (1, ven.node.agenda[bad.id].code)
    assert hears(ven, replace(bad, modification=2, status=CANCELLED), event())[0] == (bad.id, 2, "200", "optIn")
    hears(ven, replace(bad, id=EventId("next")), event())

    assert hears(ven, event()) == [("E1", 0, "200", "optIn")]
    assert list(ven.node.agenda) == ["E1"]


def test_a_change_for_the_worse_releases_what_was_promised(ven: Pair) -> None:
    hears(ven, RUNNING)

    unknown = (replace(RUNNING.signals[0], name=SignalName(Token("x-OURS"))),)

    assert hears(ven, replace(RUNNING, modification=1, signals=unknown)) == [("E1", 1, "460", "optOut")]
    assert ven.site.applied[-1] == (ven.now, RELEASE)


def test_a_change_for_the_better_is_taken(ven: Pair) -> None:
    hears(ven, replace(BAD, id=E1))

    assert hears(ven, event(modification=1)) == [("E1", 1, "200", "optIn")]


def test_rule_21_a_vtnid_in_another_letter_case_spoils_the_whole_message(ven: Pair) -> None:
    """Rule 35: an oadrCreatedEvent with the error and without event responses; nothing is taken and nothing cancelled."""
    hears(ven, event())

    ven.ven_hears(distributed(event("E2"), vtn_id=VtnId("vtn1"), request_id="ev9"))
    ven.settles()

    refusal = said(ven)[-1]
    assert (refusal.result.code, refusal.result.request_id) == ("452", "ev9")
    assert refusal.responses == ()
    assert list(ven.node.agenda) == ["E1"]


def test_a_refusal_of_a_whole_message_answers_no_event(ven: Pair) -> None:
    """What is owed beside it is said, too."""
    ven.ven_hears(distributed(event()))
    ven.ven_hears(distributed(vtn_id=VtnId("vtn1")))
    ven.settles()

    assert sorted(each.result.code for each in said(ven)) == ["200", "452"]
    assert ven.node.debts == ()


SCOPE = replace(
    IDENTITY,
    resources=(ResourceId("bat"), ResourceId("pv")),
    groups=("north",),
    parties=("acme",),
    market_contexts=(MarketContext(Token("http://market.example/a")),),
)


@pytest.mark.parametrize(
    ("target", "code"),
    [
        (Target(), "200"),
        (Target(vens=(VEN1,)), "200"),
        (Target(vens=(VenId("ven1"),)), "462"),
        (Target(resources=(ResourceId("pv"),)), "200"),
        (Target(resources=(ResourceId("PV"),)), "462"),
        (Target(groups=("south", "north")), "200"),
        (Target(groups=("south",)), "462"),
        (Target(parties=("acme",)), "200"),
        (Target(parties=("other",)), "462"),
        (Target(vens=(VenId("VEN2"),), groups=("north",)), "200"),
        (Target(vens=(VenId("VEN2"),), resources=(ResourceId("ev"),), groups=("south",), parties=("other",)), "462"),
    ],
)
def test_rule_22_an_empty_target_means_me_and_several_criteria_are_or_ed(target: Target, code: str) -> None:
    ven = Pair(identity=SCOPE)
    ven.ven_starts()
    item = replace(event(), target=target, market_context=SCOPE.market_contexts[0])

    assert hears(ven, item) == [("E1", 0, code, "optIn" if code == "200" else "optOut")]


def test_rule_48_an_unknown_market_context_is_answered_462() -> None:
    """Where the VEN names none it takes any."""
    strict, open_minded = Pair(identity=SCOPE), Pair()
    for each in (strict, open_minded):
        each.ven_starts()

    assert hears(strict, event()) == [("E1", 0, "462", "optOut")]
    assert hears(open_minded, event()) == [("E1", 0, "200", "optIn")]


def test_rule_12_nothing_is_said_of_an_event_that_wants_no_answer(ven: Pair) -> None:
    """It is followed all the same."""
    ven.ven_hears(distributed(event(), required=NEVER))

    assert answered(ven) == []
    assert ven.site.applied[0] == (NOON, -2.0)


def test_rule_12_a_version_that_wants_an_answer_later_gets_it(ven: Pair) -> None:
    ven.ven_hears(distributed(event(), required=NEVER))
    answered(ven)

    assert hears(ven, event()) == [("E1", 0, "200", "optIn")]
    ven.ven_hears(distributed(event(), required=NEVER))
    assert answered(ven) == []


def test_rules_41_42_each_answer_quotes_the_delivery_and_the_message_quotes_nothing(ven: Pair) -> None:
    ven.ven_hears(distributed(event(), request_id="first"))
    ven.ven_hears(distributed(event(), event("E2"), request_id="second"))
    ven.settles()

    (message,) = said(ven)
    assert message.result == Result()
    assert {r.request_id for r in message.responses} == {"second"}
    assert message.ven_id == VEN1


def test_rule_43_a_requestid_that_was_used_before_means_nothing(ven: Pair) -> None:
    for item in (event(), stronger(event())):
        ven.ven_hears(distributed(item, request_id="same"))
        assert answered(ven) == [("E1", item.modification, "200", "optIn")]


def test_rule_47_an_open_ended_event_runs_until_it_is_cancelled(ven: Pair) -> None:
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


def test_rule_30_the_start_is_within_startafter_and_kept_over_modifications(ven: Pair) -> None:
    """Unless startafter itself changes."""
    spread = period(event(), startafter=TEN_MINUTES)
    hears(ven, spread)
    begins = ven.site.promised[E1].start
    assert NOON <= begins <= NOON + 10 * MINUTE

    hears(ven, period(stronger(event()), startafter=TEN_MINUTES))
    assert (ven.site.promised[E1].start, ven.site.promised[E1].end) == (begins, begins + 2 * HOUR)
    hears(ven, period(stronger(event(), 2), startafter=None))
    assert ven.site.promised[E1].start == NOON


def test_rule_30_the_starts_of_a_fleet_spread_over_the_whole_of_startafter() -> None:
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
def test_rule_30_an_offset_is_never_beyond_startafter(startafter: int, dice: int) -> None:
    item = period(event(), startafter=Duration(seconds=startafter))
    found = hear(
        {}, distributed(item), NOON - HOUR, Scope(ven_id=VEN1), consult=False, limited=False, dice=dice / 2**32
    )

    assert 0 <= found.agenda[E1].offset_s <= startafter


def spread_and_running(ven: Pair) -> datetime:
    """A running event whose start was put off; when that was."""
    hears(ven, period(RUNNING, startafter=TEN_MINUTES))
    ven.clock_reaches(NOON)
    assert ven.node.agenda[E1].offset_s > 0
    return ven.site.promised[E1].start


@pytest.mark.parametrize("explicit", [True, False], ids=["explicit", "implied"])
def test_rule_65_a_running_event_with_startafter_ends_a_random_time_after_its_cancellation(
    ven: Pair, explicit: bool
) -> None:
    spread_and_running(ven)
    gone = replace(period(RUNNING, startafter=TEN_MINUTES), modification=1, status=CANCELLED)

    ven.ven_hears(distributed(gone) if explicit else distributed())

    released, what = ven.site.applied[-1]
    assert what == RELEASE
    assert NOON < released <= NOON + 10 * MINUTE


def test_rule_65_an_event_that_has_not_started_ends_at_once(ven: Pair) -> None:
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


def test_rule_53_a_reply_without_a_body_is_an_acknowledgement(ven: Pair) -> None:
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
