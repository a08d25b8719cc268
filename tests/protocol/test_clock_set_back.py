"""A machine's clock is set back, as by NTP after a start with a wrong one: nobody waits until it is that late again."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import chain, repeat

import pytest

from openadr_ra.protocol.messages import DistributeEvent, Poll
from openadr_ra.protocol.model import OPT_IN, Period, ReportRequestId, SpecifierId
from openadr_ra.protocol.pacing import awaited
from openadr_ra.protocol.parts import TELEMETRY_USAGE, ReportRequest
from openadr_ra.protocol.producer import Producer, Standing
from openadr_ra.protocol.producer_clock import earlier
from openadr_ra.protocol.times import duration
from tests.world import HOUR, MINUTE, NOON, SECOND, Pair, shed

BACK = 5 * MINUTE


def test_a_ven_polls_on_when_its_clock_was_set_back(pair: Pair) -> None:
    """Both clocks are; a poll that seems to have been sent in five minutes is none to wait for."""
    pair.clock_reaches(NOON)
    pair.now = NOON - BACK
    said = len(pair.said)
    pair.clock_reaches(NOON - BACK + MINUTE)

    assert sum(isinstance(each.request, Poll) for each in pair.said[said:]) >= 5


def test_what_was_to_be_tried_again_is_tried_again_by_the_earlier_clock() -> None:
    """An answer that did not get through before the clock was set back gets through soon after."""
    pair = Pair(fates=chain(repeat("carried", 40), repeat("request lost", 30), repeat("carried")))
    pair.ven_starts()
    while len(pair.said) < 40:
        pair.clock_reaches(pair.now + SECOND)
    pair.vtn_publishes(shed(start=NOON + 6 * HOUR, duration=HOUR, delta_kw=-2.0))
    while len(pair.said) < 70:
        pair.clock_reaches(pair.now + SECOND)
    pair.now -= BACK
    pair.clock_reaches(pair.now + 2 * MINUTE)

    (given,) = pair.party.events.values()
    assert given.opt == OPT_IN
    assert not given.unanswered


def test_an_event_whose_delivery_was_lost_is_given_again_by_the_earlier_clock(pair: Pair) -> None:
    """The VTN's clock was set back since it gave it."""
    pair.clock_reaches(NOON)
    pair.vtn_publishes(shed(start=NOON + 6 * HOUR, duration=HOUR, delta_kw=-2.0))
    assert isinstance(pair.vtn_is_polled(), DistributeEvent)
    assert not isinstance(pair.vtn_is_polled(), DistributeEvent)

    pair.now -= BACK
    assert isinstance(pair.vtn_is_polled(), DistributeEvent)


RETRY = 10 * SECOND


@pytest.mark.parametrize(
    ("since", "waits"),
    [(RETRY - SECOND, True), (RETRY, False), (SECOND - RETRY, True), (-RETRY, False), (-BACK, False)],
)
def test_an_answer_is_awaited_for_its_time_and_clocks_may_differ_by_as_much(since: timedelta, waits: bool) -> None:
    sent_at: datetime = NOON
    assert awaited(sent_at, sent_at + since, RETRY) == waits


def test_what_was_never_sent_is_not_awaited() -> None:
    assert not awaited(None, NOON, RETRY)


def standing(sent_until: datetime, start: datetime | None = None) -> Standing:
    """A request for what happens in each minute, from then on if it says so."""
    minute, interval = duration(MINUTE), None if start is None else Period(start=start)
    request = ReportRequest(
        id=ReportRequestId("live"),
        specifier_id=SpecifierId("usage"),
        granularity=minute,
        report_back=minute,
        interval=interval,
        points=(),
    )
    return Standing(request=request, name=TELEMETRY_USAGE, sent_until=sent_until)


@pytest.mark.parametrize(
    ("sent_until", "start", "then"),
    [
        (NOON + SECOND, None, NOON + SECOND),
        (NOON + BACK, None, NOON),
        (NOON + BACK + 20 * SECOND, None, NOON - 40 * SECOND),
        (NOON + BACK, NOON + BACK, NOON + BACK),
        (NOON + BACK, NOON - HOUR, NOON),
        (NOON + BACK, NOON + 2 * MINUTE, NOON + 2 * MINUTE),
    ],
    ids=["on time", "ahead", "on its own grid", "not begun", "begun before", "begins yet"],
)
def test_a_live_report_goes_on_with_the_span_that_runs_by_the_earlier_clock(
    sent_until: datetime, start: datetime | None, then: datetime
) -> None:
    producer = Producer(requests={ReportRequestId("live"): standing(sent_until, start)})

    (found,) = earlier(producer, NOON, SECOND).requests.values()

    assert found.sent_until == then
