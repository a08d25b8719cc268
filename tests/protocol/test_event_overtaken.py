"""A version of an event that is over before its VEN was told of it."""

from __future__ import annotations

import pytest

from openadr_ra.protocol.messages import Response
from tests.world import E1, HOUR, NOON, Pair, shed


@pytest.mark.parametrize("cancelled", [False, True], ids=["over by then", "cancelled, too"])
def test_a_version_that_was_over_before_its_ven_heard_of_it_is_told_once(pair: Pair, cancelled: bool) -> None:
    """Else the VEN would go on with the version that it has, which may be still to come. Found by simulation."""
    pair.vtn_publishes(shed(start=NOON + HOUR))
    pair.ven_polls()
    pair.vtn_changes(shed(start=pair.now - HOUR, duration=HOUR / 2))
    if cancelled:
        pair.vtn_cancels("E1")

    pair.ven_polls()

    assert pair.node.agenda[E1].event.modification == pair.orders[E1].modification
    assert pair.site.applied == []
    assert not pair.party.events[E1].unanswered
    assert isinstance(pair.vtn_is_polled(), Response)


def test_a_version_that_is_over_is_not_told_to_a_ven_that_never_had_the_event(pair: Pair) -> None:
    pair.vtn_publishes(shed(start=NOON + HOUR))
    pair.vtn_changes(shed(start=pair.now - HOUR, duration=HOUR / 2))

    assert isinstance(pair.vtn_is_polled(), Response)
