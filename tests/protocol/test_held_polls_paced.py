"""Held polls between both ends: a VTN that waits with its answer, a line that does not, and how often a VEN may poll."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from openadr_ra.protocol.messages import CreatedPartyRegistration, Poll, Response
from openadr_ra.protocol.model import OPT_IN
from openadr_ra.protocol.vtn import Terms
from tests.duplex import PUSHED, Duplex
from tests.world import E1, HOUR, IDENTITY, MINUTE, NOON, SECOND, VTN1, Fate, Pair, in_memory, shed

HOLDING = Terms(vtn_id=VTN1, poll_s=10, hold_s=30)


@pytest.fixture
def held() -> Duplex:
    """A pull VEN whose polls are held, at rest."""
    pair = Duplex(terms=HOLDING)
    pair.ven_starts()
    pair.clock_reaches(pair.now + 2 * MINUTE)
    return pair


def times(pair: Duplex) -> list[datetime]:
    return [at for at, _ in pair.polls_sent]


def test_an_event_is_heard_of_within_a_second_by_a_ven_that_lets_its_polls_be_held(held: Duplex) -> None:
    """As long as there are fewer events than regular polls."""
    for number in range(60):
        held.clock_reaches(held.now + 11 * SECOND)
        begin = held.now
        held.vtn_publishes(shed(f"E{number}", start=NOON + HOUR))
        held.clock_reaches(begin + SECOND)
        assert held.party.events[shed(f"E{number}").id].opt == OPT_IN


def test_at_rest_one_held_poll_follows_the_other(held: Duplex) -> None:
    since = len(held.polls_sent)
    held.clock_reaches(held.now + 10 * MINUTE)

    gaps = [later - sooner for sooner, later in pairwise(times(held)[since:])]
    assert {wait for _, wait in held.polls_sent[since:]} == {30}
    assert set(gaps) == {30 * SECOND}


def test_a_ven_whose_vtn_offers_nothing_never_asks_to_wait() -> None:
    """The offer is the extension of its registration, and nothing else."""
    pair = Duplex()
    pair.ven_starts()
    pair.vtn_publishes(shed())
    pair.clock_reaches(NOON)

    assert {wait for _, wait in pair.polls_sent} == {0}
    (created,) = [each.reply for each in pair.said if isinstance(each.reply, CreatedPartyRegistration)]
    assert created.extensions == ()


def test_an_offer_that_ends_with_a_re_registration_is_no_longer_taken(held: Duplex) -> None:
    held.terms = replace(HOLDING, hold_s=0)
    held.restarts(replace(IDENTITY, ven_name="another"))
    held.clock_reaches(held.now + MINUTE)
    since = len(held.polls_sent)
    held.clock_reaches(held.now + 5 * MINUTE)

    assert {wait for _, wait in held.polls_sent[since:]} == {0}
    assert min(b - a for a, b in pairwise(times(held)[since:])) >= 10 * SECOND


def test_a_push_ven_holds_nothing() -> None:
    pair = Duplex(terms=HOLDING, identity=PUSHED)
    pair.ven_starts()
    pair.clock_reaches(NOON)

    assert pair.polls_sent == []


def test_something_between_that_does_not_wait_brings_the_period_back() -> None:
    """Early and empty answers: a proxy that ignores the preference, or a VTN that has changed its mind."""
    pair = Pair(terms=HOLDING)
    pair.ven_starts()
    since = len(pair.said)
    pair.clock_reaches(pair.now + 10 * MINUTE)

    polls = [each.at for each in pair.said[since:] if isinstance(each.request, Poll)]
    assert min(later - sooner for sooner, later in pairwise(polls)) >= 10 * SECOND
    assert 55 <= len(polls) <= 60


def test_early_and_empty_answers_after_a_burst_do_not_make_the_ven_poll_more(held: Duplex) -> None:
    """Six events in six seconds have used up the minute's polls."""
    begin = held.now
    for number in range(6):
        held.vtn_publishes(shed(f"E{number}", start=NOON + HOUR))
        held.clock_reaches(held.now + SECOND)
    held.patient = False
    held.clock_reaches(begin + MINUTE - SECOND)

    assert most(held, payloads(held)) <= 6


def payloads(pair: Duplex) -> list[datetime]:
    """When the VEN was given something with a poll."""
    return [
        each.at
        for each in pair.said
        if isinstance(each.request, Poll) and each.reply is not None and not isinstance(each.reply, Response)
    ]


def most(pair: Duplex, brought: list[datetime]) -> int:
    """The most polls of any minute, those that followed a payload not counted."""
    worst = 0
    for begin in times(pair):
        inside = [at for at in times(pair) if begin <= at < begin + MINUTE]
        paid = [at for at in brought if begin <= at < begin + MINUTE]
        worst = max(worst, len(inside) - len(paid))
    return worst


Stroke = tuple[str, int]
STROKES: st.SearchStrategy[list[Stroke]] = st.lists(
    st.tuples(
        st.sampled_from(["publish", "change", "wait", "wait", "restart", "patient", "impatient"]),
        st.integers(0, 70),
    ),
    max_size=25,
)
FATES: tuple[Fate, ...] = ("carried", "carried", "carried", *get_args(Fate))


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(STROKES, st.lists(st.sampled_from(FATES), max_size=80), st.sampled_from([1, 7, 10, 25, 60, 90]))
def test_over_any_minute_a_ven_sends_as_many_polls_as_the_frequency_makes_and_one_for_each_payload(
    strokes: list[Stroke], fates: list[Fate], poll_s: int
) -> None:
    """Whatever is published, however the line is, and however often either end begins anew."""
    pair = Duplex(terms=replace(HOLDING, poll_s=poll_s), fates=fates, wire=in_memory)
    pair.ven_starts()
    for number, (what, seconds) in enumerate(strokes):
        if what == "publish":
            pair.vtn_publishes(shed(f"E{number}", start=NOON + 9 * HOUR))
        elif what == "change" and E1 in pair.orders:
            pair.vtn_changes(shed(start=NOON + 9 * HOUR, delta_kw=float(number)))
        elif what == "restart":
            pair.restarts()
        elif what in ("patient", "impatient"):
            pair.patient = what == "patient"
        pair.clock_reaches(pair.now + seconds * SECOND)

    assert most(pair, payloads(pair)) <= max(60 // poll_s, 1)
