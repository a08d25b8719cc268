"""Samples that are older than they are to be kept, and still wanted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from openadr_ra import Ven
from openadr_ra.fleet.fleet import Fleet
from openadr_ra.fleet.promise import Account, Promise
from openadr_ra.protocol.agenda import FLEET
from openadr_ra.protocol.model import OPT_IN, EventId
from openadr_ra.protocol.schedule import Reading, Schedule
from openadr_ra.protocol.step import AnyLetter, Key, Outcome, Verdict
from openadr_ra.store import MemoryStore
from tests.run.site import BATTERY, Watch, new_site, until

HOUR = timedelta(hours=1)


def promised(start: datetime, end: datetime) -> Promise:
    """An event whose one interval is still to be answered for."""
    event = EventId("E1")
    return Promise(
        event_id=event,
        modification=0,
        reply_to=Key("node/upstream"),
        verdict=Verdict(event_id=event, modification=0, opt=OPT_IN),
        until=end,
        frozen_at=start,
        asks=Schedule(id=event),
        baselines={},
        shares={},
        accounts=(Account(start=start, end=end, read_at=end),),
    )


@pytest.mark.parametrize(("ago_h", "kept_h"), [(3, 3), (60, 48)], ids=["its start", "two days at most"])
async def test_samples_of_an_event_interval_stay_until_its_response_is_final(
    tmp_path_factory: pytest.TempPathFactory, ago_h: int, kept_h: int
) -> None:
    """Though they are kept for one hour otherwise."""
    site = new_site(tmp_path_factory)
    store = MemoryStore()
    now = datetime.now(UTC)
    started = now - ago_h * HOUR
    minutes = [
        Reading(series="live/away.kw", start=now - number * HOUR / 60, value=1.0) for number in range(4200, 0, -1)
    ]
    await store.record(minutes)

    def step(state: Fleet | None, letters: tuple[AnyLetter, ...]) -> Outcome[Fleet]:
        return Outcome(state=Fleet(promises=(promised(started, now + HOUR),)))

    await store.update(FLEET, Fleet, step)
    table = site.ven("KEPT", "https://127.0.0.1:9", BATTERY) | {"fleet": {"keep_samples_h": 1}}
    watch = Watch()
    async with Ven(site.settings(table), store=store, tap=watch).running():

        async def pruned() -> bool:
            kept = await store.readings(("live/away.kw",), now - 100 * HOUR, now)
            return (now - kept[0].start) / HOUR < kept_h + 0.1

        await until(pruned, watch.changed)
        kept = await store.readings(("live/away.kw",), now - 100 * HOUR, now)

    assert (now - kept[0].start) / HOUR > kept_h - 1
