"""VENs below as their aggregator hears of them: who is silent, and since when that counts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from openadr_ra.drivers import VirtualClock
from openadr_ra.protocol.instruction import party
from openadr_ra.protocol.model import RegistrationId, ResourceId, VenId
from openadr_ra.protocol.registration import Registration
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.step import AnyLetter, Outcome
from openadr_ra.protocol.vtn import Party
from openadr_ra.run.below import Below
from openadr_ra.settings import Downstream
from openadr_ra.store import MemoryStore

VEN = VenId("edge")
LIVE_S = 60
DOWN = Downstream(live_s=LIVE_S, silent_reports=3)


async def stored(clock: VirtualClock) -> MemoryStore:
    """A VEN that is registered, and said a minute ago that it can reduce by 5 kW."""
    store, now = MemoryStore(), clock.now()
    held = Party(ven_id=VEN, registration=Registration(id=RegistrationId("r"), at=now))

    def step(state: Party | None, letters: tuple[AnyLetter, ...]) -> Outcome[Party]:
        return Outcome(state=held)

    await store.update(party(VEN), Party, step)
    await store.record(
        [Reading(series=f"{VEN}/x-AVAILABILITY/ra.can_reduce", start=now - timedelta(seconds=LIVE_S), value=5.0)]
    )
    return store


@pytest.mark.parametrize("down_s", [0.0, 600.0])
async def test_a_ven_is_not_silent_for_the_time_that_its_aggregator_was_down(down_s: float) -> None:
    """Nobody could report then; from the start on the usual time counts."""
    clock = VirtualClock()
    store = await stored(clock)
    await clock.advance(clock.now() + timedelta(seconds=down_s))
    below = Below(DOWN, store, clock)
    await below.load(())

    there = below.measured()[ResourceId(VEN)]
    began = clock.now()
    heard = max(there.at, began)
    await clock.advance(heard + timedelta(seconds=3.5 * LIVE_S))
    still = below.measured()
    await clock.advance(heard + timedelta(seconds=3.5 * LIVE_S + 1))
    gone = below.measured()[ResourceId(VEN)]

    assert (there.online, there.min_kw) == (True, -5.0)
    assert still == {}
    assert not gone.online
