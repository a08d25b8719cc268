"""OadrPoll: how often, how far, in which order, and when the VTN may answer without looking."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise, repeat

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from openadr_ra.protocol.hearing import POLL_JITTER
from openadr_ra.protocol.messages import (
    CreatedEvent,
    CreatedReport,
    CreateReport,
    DistributeEvent,
    Poll,
    RegisteredReport,
    RegisterReport,
    Response,
)
from openadr_ra.protocol.model import OPT_IN, EventId, QualifiedEventId
from openadr_ra.protocol.outbox import QUIET
from openadr_ra.protocol.parts import EventResponse, Result
from openadr_ra.protocol.requester import Requester
from openadr_ra.protocol.ven import Answered
from openadr_ra.protocol.vtn import Party, Terms, is_plain, quiet_until
from tests.world import (
    HOUR,
    METADATA,
    MINUTE,
    NOON,
    SECOND,
    SLOWNESS,
    VEN1,
    VTN1,
    Fate,
    Pair,
    in_memory,
    shed,
)

PERIOD = 10 * SECOND


def polls(pair: Pair) -> list[datetime]:
    """When the VEN has polled, each time it drained the queue counted once."""
    times = [each.at for each in pair.said if isinstance(each.request, Poll)]
    return sorted(set(times))


def test_a_ven_polls_once_a_period_and_never_sooner(pair: Pair) -> None:
    """A little later, so that a fleet does not come in step."""
    pair.clock_reaches(NOON)

    gaps = [later - sooner for sooner, later in pairwise(polls(pair))]
    assert len(gaps) > 330
    assert min(gaps) >= PERIOD
    assert max(gaps) <= PERIOD * (1 + POLL_JITTER)
    assert len({gap // timedelta(milliseconds=10) for gap in gaps}) > 30


@pytest.mark.parametrize("poll_s", [1, 30, 600])
def test_x_reg_2_at_the_ven_the_period_is_the_one_that_the_vtn_asked_for(poll_s: int) -> None:
    pair = Pair(terms=Terms(vtn_id=VTN1, poll_s=poll_s), wire=in_memory)
    pair.ven_starts()
    pair.clock_reaches(pair.now + 20 * poll_s * SECOND)

    gaps = [later - sooner for sooner, later in pairwise(polls(pair))]
    assert min(gaps) >= poll_s * SECOND
    assert len(gaps) in (18, 19, 20)


@pytest.fixture
def full() -> Pair:
    """A VEN that heard no answer since it began; all that its VTN has to say is due."""
    pair = Pair(fates=repeat("reply lost"))
    pair.vtn_publishes(shed())
    pair.ven_starts()
    pair.vtn_hears(METADATA)
    pair.now += MINUTE
    return pair


def test_rule_500_at_the_vtn_each_poll_brings_one_payload_and_events_come_first(full: Pair) -> None:
    """Nothing is repeated while the queue is drained."""
    brought = [type(full.vtn_is_polled()) for _ in range(4)]

    assert brought == [DistributeEvent, RegisterReport, CreateReport, Response]


def test_rule_500_at_the_ven_the_ven_drains_the_queue_without_delay_until_a_plain_answer(pair: Pair) -> None:
    pair.vtn_publishes(shed())
    pair.party = replace(pair.party, reports=Requester())
    pair.vtn_hears(METADATA)
    pair.now += MINUTE
    since = len(pair.said)

    pair.ven_polls()

    brought = [(each.at, type(each.reply)) for each in pair.said[since:] if isinstance(each.request, Poll)]
    assert brought == [(pair.now, DistributeEvent), (pair.now, CreateReport), (pair.now, Response)]


def test_late_and_interleaved_answers_are_taken(full: Pair) -> None:
    """A VEN may drain the queue before it answers anything (G1_4015)."""
    event, metadata, requests = (full.vtn_is_polled() for _ in range(3))
    assert isinstance(event, DistributeEvent)
    assert isinstance(metadata, RegisterReport)
    assert isinstance(requests, CreateReport)

    full.now += 5 * SECOND
    pending = tuple(each.id for each in requests.requests)
    for answer in (
        CreatedReport(result=Result(request_id=requests.request_id), pending=pending, ven_id=VEN1),
        RegisteredReport(result=Result(request_id=metadata.request_id), ven_id=VEN1),
        CreatedEvent(result=Result(), responses=(yes("E1"),), ven_id=VEN1),
    ):
        assert isinstance(full.vtn_hears(answer), Response)

    full.now += HOUR
    assert isinstance(full.vtn_is_polled(), Response)


def yes(event_id: str) -> EventResponse:
    return EventResponse(event=QualifiedEventId(event_id=EventId(event_id), modification=0), opt=OPT_IN)


def test_polls_without_an_answer_are_ever_further_apart_and_never_end(pair: Pair) -> None:
    """Never closer than the period, nor further apart than a minute."""
    pair.clock_reaches(pair.now + MINUTE)
    pair.fates = repeat("request lost")
    since = len(pair.said)
    pair.clock_reaches(NOON + HOUR)

    times = [each.at for each in pair.said[since:] if isinstance(each.request, Poll)]
    gaps = [later - sooner for sooner, later in pairwise(times)]
    assert min(gaps) >= PERIOD
    assert max(gaps) <= MINUTE
    assert min(gaps[10:]) >= MINUTE / 2
    assert times[-1] >= NOON + HOUR - MINUTE


def test_a_slow_period_is_not_polled_faster_because_the_vtn_is_away() -> None:
    pair = Pair(terms=Terms(vtn_id=VTN1, poll_s=45))
    pair.ven_starts()
    pair.fates = repeat("request lost")
    since = len(pair.said)
    pair.clock_reaches(NOON)

    times = [each.at for each in pair.said[since:] if isinstance(each.request, Poll)]
    assert min(later - sooner for sooner, later in pairwise(times)) >= 45 * SECOND


def test_polling_is_as_before_once_the_vtn_is_back(pair: Pair) -> None:
    pair.clock_reaches(pair.now + MINUTE)
    pair.fates = iter(["request lost"] * 40)
    pair.clock_reaches(NOON)
    since = len(pair.said)
    pair.clock_reaches(NOON + 10 * MINUTE)

    times = sorted({each.at for each in pair.said[since:] if isinstance(each.request, Poll)})
    gaps = [later - sooner for sooner, later in pairwise(times)]
    assert max(gaps) <= PERIOD * (1 + POLL_JITTER)


def test_an_empty_answer_to_a_poll_ends_the_draining_like_a_plain_one(pair: Pair) -> None:
    pair.ven_receives(Answered(request=Poll(ven_id=VEN1), answer=None))

    assert pair.node.poll_due >= pair.now + PERIOD


def test_a_slow_vtn_is_polled_a_period_after_its_answer(pair: Pair) -> None:
    pair.fates = repeat("slow")
    pair.clock_reaches(NOON)

    times = [each.at for each in pair.said if isinstance(each.request, Poll)]
    gaps = [later - sooner for sooner, later in pairwise(times[2:])]
    assert min(gaps) >= PERIOD
    assert max(gaps) <= PERIOD * (1 + POLL_JITTER) + 5 * SLOWNESS


def test_a_ven_wakes_no_oftener_than_it_has_something_to_do() -> None:
    """A day of polls each ten seconds, reports each minute and each half hour, and an event."""
    pair = Pair(wire=in_memory)
    pair.ven_starts()
    pair.vtn_publishes(shed(start=NOON + 5 * HOUR))
    pair.clock_reaches(NOON + 23 * HOUR)

    assert pair.node.agenda == {}
    most_polls = 24 * 360
    assert most_polls * 0.95 < pair.wakes <= most_polls + 2 * 24 * 60 + 48 + 20
    assert len(pair.said) < most_polls + 24 * (2 * 60 + 2) + 20


Stroke = tuple[str, int]
STROKES: st.SearchStrategy[list[Stroke]] = st.lists(
    st.tuples(
        st.sampled_from(["publish", "change", "cancel", "poll", "answer", "metadata", "lost reply", "wait"]),
        st.integers(0, 45),
    ),
    min_size=1,
    max_size=12,
)


def strikes(pair: Pair, strokes: list[Stroke]) -> Iterator[None]:
    """Some history of a party; a stop after each stroke."""
    for number, (what, seconds) in enumerate(strokes):
        live = [name for name, order in pair.orders.items() if not order.cancelled]
        if what == "publish":
            start = pair.now + (seconds - 20) * SECOND
            pair.vtn_publishes(shed(f"E{number}", start=start, duration=MINUTE))
        elif what == "change" and live:
            pair.vtn_changes(shed(live[0], start=pair.now + seconds * SECOND, delta_kw=float(number)))
        elif what == "cancel" and live:
            pair.vtn_cancels(live[-1])
        elif what == "poll":
            pair.ven_polls()
        elif what == "lost reply":
            pair.vtn_is_polled()
        elif what == "metadata":
            pair.party = replace(pair.party, reports=Requester())
            pair.vtn_hears(METADATA)
        elif what == "answer":
            pair.settles()
        pair.now += seconds * SECOND
        yield


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(STROKES, st.sampled_from([1, 10]))
def test_quiet_until_never_hides_something_that_is_due(strokes: list[Stroke], poll_s: int) -> None:
    """Compared with polling at each second of the next three minutes: what it says is quiet is quiet."""
    pair = Pair(wire=in_memory, terms=Terms(vtn_id=VTN1, poll_s=poll_s))
    pair.ven_starts()
    for _ in strikes(pair, strokes):
        held, now = pair.party, pair.now
        until = quiet_until(held, now, pair.terms)
        heard_at = next(when for when in seconds(pair, held, now) if when is not None)
        if until is None:
            assert heard_at == now
        else:
            assert now < until <= heard_at
        pair.party, pair.now = held, now


LOOK_AHEAD_S = 180


def seconds(pair: Pair, held: Party, now: datetime) -> Iterator[datetime | None]:
    """For each second: when it is, if a poll brings something then; and at last, after all of them."""
    for number in range(LOOK_AHEAD_S):
        pair.party, pair.now = held, now + number * SECOND
        yield None if is_plain(pair.vtn_is_polled()) else pair.now
    yield now + QUIET


def test_nothing_is_quiet_before_a_registration() -> None:
    pair = Pair()

    assert quiet_until(pair.party, pair.now, pair.terms) is None


def test_a_ven_that_owes_nothing_is_quiet_for_a_day(pair: Pair) -> None:
    assert quiet_until(pair.party, pair.now, pair.terms) == pair.now + timedelta(days=1)


@pytest.mark.parametrize("fate", ["carried", "slow", "carried twice"])
def test_a_drained_queue_stays_drained(fate: Fate) -> None:
    pair = Pair(fates=repeat(fate))
    pair.ven_starts()
    pair.clock_reaches(pair.now + 5 * MINUTE)

    assert isinstance(pair.vtn_is_polled(), Response)
