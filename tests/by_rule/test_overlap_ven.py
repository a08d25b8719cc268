"""Events that overlap at a VEN: in XML to its end node, and from there to a fleet that has one battery."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from openadr_ra.protocol.model import EventId, MarketContext
from openadr_ra.protocol.parts import Event
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.step import AnyLetter, Instruct, Release, Verdict
from tests.fleet.world import NOON, Plant, battery
from tests.protocol.events import hears
from tests.site import Site
from tests.world import HOUR, MINUTE, Pair, event


class Battery(Site):
    """A fleet of one battery that gives 2 kW at most, all of which one event asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.plant = Plant(battery("bat", 2.0), start=NOON - HOUR)

    def hears(self, letter: AnyLetter) -> Verdict | None:
        assert isinstance(letter, Instruct | Release)
        mail = self.plant.gives(letter).mail
        name = letter.schedule.id if isinstance(letter, Instruct) else letter.event_id
        return next((each.body for each in mail if isinstance(each.body, Verdict) and each.body.event_id == name), None)


@pytest.fixture
def ven() -> Pair:
    """A VEN of one battery, an hour before noon."""
    pair = Pair(now=NOON - HOUR)
    pair.site = Battery()
    pair.ven_starts()
    return pair


def asked(name: str, when: tuple[datetime, timedelta], priority: int | None, *, market: str) -> Event:
    """2 kW less, from then on for so long."""
    context = MarketContext(Token(f"http://market.example/{market}"))
    return replace(
        event(name, start=when[0], duration=when[1]), id=EventId(name), priority=priority, market_context=context
    )


WITHIN = (NOON + 15 * MINUTE, 30 * MINUTE)
"""Start and length of an event that the first one covers wholly."""


@pytest.mark.parametrize(
    ("first", "second", "when", "opt"),
    [
        (2, 1, WITHIN, "optIn"),
        (1, 2, WITHIN, "optOut"),
        (None, 9, WITHIN, "optIn"),
        (9, None, WITHIN, "optOut"),
        (0, 9, WITHIN, "optIn"),
        (5, 5, WITHIN, "optOut"),
        (5, 5, (NOON - 15 * MINUTE, 30 * MINUTE), "optIn"),
        (1, 2, (NOON + HOUR, HOUR), "optIn"),
    ],
    ids=[
        "more important", "less important", "any before none", "none after any", "0 is none", "equal and later",
        "equal and earlier", "one after the other",
    ],
)  # fmt: skip
def test_rule_18_at_the_ven_of_two_events_that_overlap_priority_decides_and_then_the_earlier_start(
    ven: Pair, first: int | None, second: int | None, when: tuple[datetime, timedelta], opt: str
) -> None:
    """The first one took all that there is. Whether the other can be followed is a matter of their ranks."""
    one = asked("E1", (NOON, HOUR), first, market="a")
    assert hears(ven, one) == [("E1", 0, "200", "optIn")]

    answers = hears(ven, one, asked("E2", when, second, market="b"))

    assert ("E2", 0, "200", opt) in answers
