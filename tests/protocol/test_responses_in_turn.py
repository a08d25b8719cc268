"""Responses that a VTN has not heard: each owed once, said a few at a time, and none of them lost."""

from __future__ import annotations

from datetime import datetime

import pytest

from openadr_ra.protocol.debts import Update
from openadr_ra.protocol.debts_turn import AT_A_TIME, in_turn
from openadr_ra.protocol.messages import UpdateReport
from openadr_ra.protocol.step import Delivered
from tests.protocol.reports import series
from tests.world import E1, HOUR, MINUTE, NOON, SECOND, Pair, reading

RESPONSE = "VEN1/x-RESPONSE/E1/bat.kw"


def ends(pair: Pair, number: int, *, kw: float = 1.0, revision: int = 0) -> None:
    """An interval of E1 is over: the figure that stands for it, and that it is to be told."""
    start = interval(number)
    made = reading("response/E1/bat.kw", start=start, span=MINUTE, value=kw)
    pair.samples = [one for one in pair.samples if (one.series, one.start) != (made.series, made.start)] + [made]
    pair.ven_receives(Delivered(event_id=E1, start=start, end=start + MINUTE, revision=revision))


def interval(number: int) -> datetime:
    return NOON + number * MINUTE


def owed(pair: Pair) -> list[datetime]:
    return [
        debt.work.span.start
        for debt in pair.node.debts
        if isinstance(debt.work, Update) and debt.work.event_id is not None
    ]


def posts(pair: Pair, since: int) -> int:
    return sum(isinstance(each.request, UpdateReport) for each in pair.said[since:])


@pytest.mark.parametrize("count", [AT_A_TIME, AT_A_TIME + 1, 10 * AT_A_TIME])
def test_a_vtn_that_is_away_is_called_for_a_few_of_them_and_has_all_when_it_is_back(pair: Pair, count: int) -> None:
    pair.clock_reaches(NOON + 2 * HOUR)
    pair.fates = iter(["request lost"] * 10_000)
    for number in range(count):
        ends(pair, number, kw=float(number))
    pair.settles()
    since = len(pair.said)
    pair.clock_reaches(pair.now + 10 * MINUTE)
    # Live and half-hourly usage and status beside them: one each is under way at any time.
    assert posts(pair, since) <= (AT_A_TIME + 3) * 20
    assert owed(pair) == [interval(number) for number in range(count)]

    pair.fates = iter(())
    pair.clock_reaches(pair.now + 2 * MINUTE)

    assert [(one.start, one.value) for one in series(pair, RESPONSE)] == [
        (interval(number), float(number)) for number in range(count)
    ]
    assert owed(pair) == []


def test_only_the_first_few_have_their_turn(pair: Pair) -> None:
    for number in range(AT_A_TIME + 2):
        ends(pair, number)

    waiting = {debt.id for debt in pair.node.debts} - {debt.id for debt in in_turn(pair.node)}
    assert len(waiting) == 2
    assert waiting == {debt.id for debt in pair.node.debts[-2:]}


def test_an_interval_is_owed_once_whatever_becomes_of_its_figures(pair: Pair) -> None:
    """The final value takes the place of the provisional one: so nothing is owed beyond the event's intervals."""
    pair.clock_reaches(NOON + 2 * HOUR)
    for revision in range(50):
        ends(pair, 0, kw=float(revision), revision=revision)
    assert owed(pair) == [interval(0)]
    since = len(pair.said)
    pair.settles()

    assert posts(pair, since) == 1
    assert [one.value for one in series(pair, RESPONSE)] == [49.0]


def test_a_figure_that_changes_while_the_earlier_one_travels_is_told_after_it(pair: Pair) -> None:
    """Its acknowledgement is not one of the newer figure."""
    pair.clock_reaches(NOON + 2 * HOUR)
    pair.fates = iter(["reply lost"])
    ends(pair, 0, kw=1.0)
    pair.settles()
    (sent,) = (debt for debt in pair.node.debts if isinstance(debt.work, Update) and debt.work.event_id)
    assert sent.tries == 1

    ends(pair, 0, kw=2.0, revision=1)
    (anew,) = (debt for debt in pair.node.debts if isinstance(debt.work, Update) and debt.work.event_id)
    assert (anew.tries, anew.id != sent.id) == (0, True)
    pair.clock_reaches(pair.now + SECOND)
    assert owed(pair) == []
