"""Other flaws that are noticed, and that none is seen where there is none."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.protocol.node import EndNode
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.step import Outcome, Read, State
from simulation.timeline import HOUR, MINUTE, done
from tests.simulation.plants import Played, at_the_ven, broken, usual


def test_a_meter_that_is_read_wrongly_is_noticed() -> None:
    """The value of a slot is checked, too, and not only its time."""
    made = Played()
    reading = made.link.ven.reading
    assert reading is not None

    def wrong(read: Read) -> None:
        samples = tuple(Reading(series=series, start=read.start, value=77.0) for series in read.series)
        halves = tuple(Reading(series=series, start=read.start + 2 * MINUTE, value=77.0) for series in read.series)
        done(made.link.ven.node.store.record((*samples, *halves)))
        reading(read)

    made.link.ven.reading = wrong

    assert broken(lambda: usual(made)) == "every slot asked for is stored exactly once with its true time"


def test_a_row_that_wants_to_be_woken_for_ever_is_noticed() -> None:
    def alter(before: State | None, outcome: Outcome[State]) -> Outcome[State]:
        return replace(outcome, due=outcome.due and outcome.due - HOUR) if isinstance(before, EndNode) else outcome

    assert at_the_ven(alter) == "time goes on"


@pytest.mark.parametrize("kind", ["protocol", "fleet"])
def test_without_a_flaw_all_invariants_hold(kind: str) -> None:
    made = Played("fleet") if kind == "fleet" else Played()

    assert broken(lambda: usual(made)) == ""
