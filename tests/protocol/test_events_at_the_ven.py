"""EiEvent at the VEN: what it takes, what it drops, and what it refuses."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from openadr_ra.protocol.agenda import SKEW
from openadr_ra.protocol.model import (
    CANCELLED,
    COMPLETED,
    NEVER,
    EventId,
    MarketContext,
    RequestId,
    ResourceId,
    SignalName,
    Target,
    VenId,
    VtnId,
)
from openadr_ra.protocol.parts import Event, Result
from openadr_ra.protocol.shape import Token
from tests.protocol.events import BAD, INSTANT, RUNNING, UNUSABLE, answered, hears, said, stronger
from tests.site import RELEASE
from tests.world import (
    E1,
    HOUR,
    IDENTITY,
    MINUTE,
    NOON,
    VEN1,
    Pair,
    distributed,
    event,
)


@pytest.fixture
def ven(pair: Pair) -> Pair:
    """A registered VEN; its VTN says what the test says."""
    return pair


def test_rule_56_at_the_ven_an_unknown_event_is_taken(ven: Pair) -> None:
    assert hears(ven, event()) == [("E1", 0, "200", "optIn")]
    assert ven.site.applied == [(NOON, -2.0), (NOON + HOUR, RELEASE)]


def test_an_unknown_event_is_taken_in_any_version(ven: Pair) -> None:
    """A VEN that was away sees only the newest."""
    assert hears(ven, event(modification=7)) == [("E1", 7, "200", "optIn")]


def test_rule_57_at_the_ven_a_higher_modification_replaces_the_event(ven: Pair) -> None:
    hears(ven, event())

    assert hears(ven, stronger(event())) == [("E1", 1, "200", "optIn")]
    assert ven.site.applied == [(NOON, -2.0), (NOON + 2 * HOUR, RELEASE)]


def test_rules_12_62_at_the_ven_an_unchanged_event_is_answered_again_and_asks_nobody(ven: Pair) -> None:
    hears(ven, event())
    promised = dict(ven.site.promised)
    ven.site.refused = {"E1": "would be refused by now"}

    assert hears(ven, event()) == [("E1", 0, "200", "optIn")]
    assert ven.site.promised == promised


def test_rule_58_at_the_ven_a_lower_modification_is_answered_450_and_the_held_version_stays(ven: Pair) -> None:
    hears(ven, stronger(event(), 5))

    assert hears(ven, event(modification=3)) == [("E1", 3, "450", "optIn")]
    assert ven.node.agenda[E1].event.modification == 5


def test_rule_58_at_the_ven_a_cancelled_version_stays_cancelled(ven: Pair) -> None:
    hears(ven, replace(event(modification=5), status=CANCELLED))

    assert hears(ven, event(modification=3)) == [("E1", 3, "450", "optIn")]
    assert ven.site.applied == []


def test_rule_58_at_the_ven_nothing_is_said_of_a_lower_modification_that_wants_no_answer(ven: Pair) -> None:
    hears(ven, event(modification=5))

    ven.ven_hears(distributed(event(modification=3), required=NEVER))

    assert answered(ven) == []
    assert ven.node.agenda[E1].event.modification == 5


def test_rules_36_59_at_the_ven_a_cancelled_event_ends_at_once_and_is_confirmed(ven: Pair) -> None:
    hears(ven, RUNNING)

    assert hears(ven, replace(RUNNING, modification=1, status=CANCELLED)) == [("E1", 1, "200", "optIn")]
    assert ven.site.applied == [(RUNNING.period.start, -2.0), (ven.now, RELEASE)]


def test_an_event_that_is_cancelled_without_a_new_number_is_cancelled_all_the_same(ven: Pair) -> None:
    """Rule 5 wants one, but what stops a load is believed."""
    hears(ven, RUNNING)

    assert hears(ven, replace(RUNNING, status=CANCELLED)) == [("E1", 0, "200", "optIn")]
    assert ven.site.applied[-1] == (ven.now, RELEASE)
    assert hears(ven, replace(RUNNING, status=CANCELLED)) == [("E1", 0, "200", "optIn")]


def test_rules_21_60_at_the_ven_an_unknown_cancelled_event_is_only_acknowledged(ven: Pair) -> None:
    assert hears(ven, replace(event(), status=CANCELLED)) == [("E1", 0, "200", "optIn")]

    ven.ven_hears(distributed(replace(event("E2"), status=CANCELLED), required=NEVER))
    assert answered(ven) == []
    assert ven.site.applied == []


def test_rule_61_at_the_ven_a_missing_event_is_cancelled_silently(ven: Pair) -> None:
    hears(ven, RUNNING, event("E2"))

    assert hears(ven, event("E2")) == [("E2", 0, "200", "optIn")]
    assert list(ven.node.agenda) == ["E2"]
    assert ven.site.applied[:2] == [(RUNNING.period.start, -2.0), (ven.now, RELEASE)]


def test_rule_61_at_the_ven_an_empty_delivery_cancels_everything(ven: Pair) -> None:
    hears(ven, event(), event("E2"))

    assert hears(ven) == []
    assert ven.node.agenda == {}
    assert ven.site.applied == []


def test_rule_61_at_the_ven_does_not_hold_where_the_ven_asked_for_a_limited_reply(ven: Pair) -> None:
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
def test_rule_66_at_the_ven_an_event_that_vanishes_as_it_ends_is_over_not_cancelled(
    ven: Pair, early: timedelta, ended: bool
) -> None:
    """The VTN's clock may be a little ahead; the last interval would be cut short."""
    hears(ven, RUNNING)
    ven.clock_reaches(NOON + 90 * MINUTE - early)

    ven.ven_hears(distributed())

    end = NOON + 90 * MINUTE
    assert ven.site.applied[-1] == ((end if ended else end - early), RELEASE)


def test_rule_66_at_the_ven_an_early_completed_does_not_stop_an_event(ven: Pair) -> None:
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


def test_rule_6_at_the_ven_a_test_event_is_acknowledged_and_not_acted_on(ven: Pair) -> None:
    assert hears(ven, replace(event(), test="true")) == [("E1", 0, "200", "optIn")]
    assert ven.site.applied == []


def test_rules_19_33_at_the_ven_one_bad_event_never_spoils_the_others(ven: Pair) -> None:
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
def test_rule_19_at_the_ven_a_bad_event_spoils_no_later_delivery_either(ven: Pair, bad: Event) -> None:
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


def test_rules_21_35_at_the_ven_a_vtnid_in_another_letter_case_spoils_the_whole_message(ven: Pair) -> None:
    """Rule 35: an oadrCreatedEvent with the error and without event responses; nothing is taken and nothing cancelled."""
    hears(ven, event())

    ven.ven_hears(distributed(event("E2"), vtn_id=VtnId("vtn1"), request_id="ev9"))
    ven.settles()

    refusal = said(ven)[-1]
    assert (refusal.result.code, refusal.result.request_id) == ("452", "ev9")
    assert refusal.responses == ()
    assert list(ven.node.agenda) == ["E1"]


def test_rule_35_at_the_ven_a_refusal_of_a_whole_message_answers_no_event(ven: Pair) -> None:
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
def test_rule_22_at_the_ven_an_empty_target_means_me_and_several_criteria_are_or_ed(target: Target, code: str) -> None:
    ven = Pair(identity=SCOPE)
    ven.ven_starts()
    item = replace(event(), target=target, market_context=SCOPE.market_contexts[0])

    assert hears(ven, item) == [("E1", 0, code, "optIn" if code == "200" else "optOut")]


def test_rule_48_at_the_ven_an_unknown_market_context_is_answered_462() -> None:
    """Where the VEN names none it takes any."""
    strict, open_minded = Pair(identity=SCOPE), Pair()
    for each in (strict, open_minded):
        each.ven_starts()

    assert hears(strict, event()) == [("E1", 0, "462", "optOut")]
    assert hears(open_minded, event()) == [("E1", 0, "200", "optIn")]
