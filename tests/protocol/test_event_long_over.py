"""EiEvent at the VEN: events that were over long before they came, and an eventID that comes twice in one message."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from openadr_ra.protocol.agenda import ANSWERABLE, RETENTION
from openadr_ra.protocol.model import ALWAYS, CANCELLED, NEVER, OPT_IN, OPT_OUT, ResponseRequired
from openadr_ra.protocol.parts import Event
from openadr_ra.protocol.ven import Opinion
from tests.protocol.events import INSTANT, answered, hears, said, stronger
from tests.world import DAY, E1, HOUR, IDENTITY, MINUTE, NOON, Pair, distributed, event

OVER = event(start=NOON - 4 * DAY)
"""More than an hour ago, and more than a day ago."""


@pytest.fixture
def ven(pair: Pair) -> Pair:
    """A registered VEN; its VTN says what the test says."""
    return pair


@pytest.fixture
def asking() -> Pair:
    """A VEN whose embedding program is asked about each event."""
    pair = Pair(identity=replace(IDENTITY, consult=True))
    pair.ven_starts()
    return pair


def lost(pair: Pair) -> None:
    """Until further notice nothing reaches the VTN."""
    pair.fates = iter(["request lost"] * 10_000)


@pytest.mark.parametrize("item", [OVER, replace(OVER, status=CANCELLED)])
def test_rule_12_at_the_ven_an_event_that_was_over_long_before_it_came_is_answered(ven: Pair, item: Event) -> None:
    """And moves nothing."""
    assert hears(ven, item) == [("E1", 0, "200", OPT_IN)]
    assert ven.node.agenda[E1].answered == 0
    assert ven.site.applied == []


def test_rule_12_at_the_ven_it_is_answered_as_often_as_it_comes(ven: Pair) -> None:
    hears(ven, OVER)
    ven.now += RETENTION + HOUR

    assert hears(ven, OVER) == [("E1", 0, "200", OPT_IN)]


def test_rule_12_at_the_ven_a_program_has_its_word_on_it(asking: Pair) -> None:
    """However long it takes, within bounds."""
    assert hears(asking, OVER) == []
    asking.now += RETENTION + INSTANT
    asking.ven_wakes()

    asking.ven_receives(Opinion(event_id=E1, modification=0, opt=OPT_OUT))
    assert answered(asking) == [("E1", 0, "200", OPT_OUT)]


def test_an_answer_outlasts_an_outage_that_is_longer_than_the_event_is_remembered(ven: Pair) -> None:
    ven.ven_hears(distributed(OVER))
    lost(ven)
    ven.clock_reaches(ven.now + 2 * RETENTION)
    tries = len(said(ven))
    ven.fates = iter([])
    ven.clock_reaches(ven.now + HOUR)

    assert tries > 1
    assert ven.node.debts == ()
    assert [one.event.event_id for one in said(ven)[-1].responses] == ["E1"]


@pytest.mark.parametrize(("required", "kept"), [(ALWAYS, ANSWERABLE), (NEVER, RETENTION)])
def test_an_event_that_nobody_decides_on_is_forgotten_all_the_same(
    asking: Pair, required: ResponseRequired, kept: timedelta
) -> None:
    """One that wants no answer sooner."""
    asking.ven_hears(distributed(OVER, required=required))
    asking.now += kept
    asking.ven_wakes()
    assert list(asking.node.agenda) == ["E1"]

    asking.now += INSTANT
    asking.ven_wakes()
    assert asking.node.agenda == {}


def test_an_answered_one_is_forgotten_an_hour_after_it_came_last(ven: Pair) -> None:
    hears(ven, OVER)
    ven.now += HOUR - MINUTE
    hears(ven, OVER)
    last = ven.now
    ven.now = last + RETENTION
    ven.ven_wakes()
    assert list(ven.node.agenda) == ["E1"]

    ven.now += INSTANT
    ven.ven_wakes()
    assert ven.node.agenda == {}


TWICE = "eventID E1 is in this oadrDistributeEvent more than once"


def test_rules_19_33_x_ev_1_at_the_ven_an_eventid_that_comes_twice_is_refused_and_spoils_no_other(ven: Pair) -> None:
    """Each of them by its own modificationNumber."""
    found = hears(ven, event(), event("E2"), stronger(event()))

    assert sorted(found) == [("E1", 0, "459", OPT_OUT), ("E1", 1, "459", OPT_OUT), ("E2", 0, "200", OPT_IN)]
    assert list(ven.node.agenda) == ["E2"]
    assert {one.description for one in said(ven)[-1].responses if one.code == "459"} == {TWICE}
    assert ven.node.debts == ()


@pytest.mark.parametrize("number", [0, 1])
def test_x_ev_1_at_the_ven_what_is_held_of_an_event_that_comes_twice_stays(ven: Pair, number: int) -> None:
    """A plain repetition that comes twice, too; and then it goes on as ever."""
    hears(ven, event())
    before = ven.node.agenda, dict(ven.site.promised)
    again = replace(stronger(event()), modification=number)

    assert hears(ven, again, again) == [("E1", number, "459", OPT_OUT)] * 2
    assert (ven.node.agenda, dict(ven.site.promised)) == before
    assert hears(ven, stronger(event())) == [("E1", 1, "200", OPT_IN)]


def test_x_ev_1_at_the_ven_nothing_is_said_of_one_that_wants_no_answer(ven: Pair) -> None:
    ven.ven_hears(distributed(event(), event(), required=NEVER))

    assert answered(ven) == []
    assert ven.node.agenda == {}
