"""A gateway whose store is full: what it samples is kept more coarsely, the oldest first; what it answered is not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from openadr_ra import Ven
from openadr_ra.errors import SettingsError
from openadr_ra.protocol.debts import Debt, Update
from openadr_ra.protocol.model import ReportRequestId, SpecifierId
from openadr_ra.protocol.node import EndNode, Identity
from openadr_ra.protocol.parts import TELEMETRY_USAGE, ReportRequest
from openadr_ra.protocol.producer import MAX_BACKLOG, Producer, Span, Standing
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.step import Key
from openadr_ra.protocol.times import duration
from openadr_ra.run.forgetting import LEAST_SAMPLES
from openadr_ra.run.thinning import COARSE, FINE, RECENT, Thinning, owed_since
from openadr_ra.seams import Store
from openadr_ra.settings import from_table
from openadr_ra.store import MemoryStore, open_store
from tests.run.site import BATTERY, Watch, new_site, until

NOW = datetime(2027, 7, 1, 12, tzinfo=UTC)
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
DAY = 24 * HOUR
POINT = "live/bat-1.kw"
EVERY = 10 * SECOND
"""What these gateways sample at."""


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Either kind holds a day of samples, of which the slots and an event's intervals have been told."""
    store = await open_store("memory" if request.param == "memory" else f"sqlite:{tmp_path / 'node.db'}")
    await store.record([Reading(series=POINT, start=NOW - n * EVERY, value=1.0) for n in range(DAY // EVERY + 1)])
    await store.record(
        [Reading(series="response/E1/*.kw", start=NOW - DAY + n * SECOND, span=SECOND, value=1.0) for n in range(500)]
    )
    yield store
    await store.close()


async def gaps(store: Store) -> list[tuple[timedelta, timedelta]]:
    """Between every two samples that are there: how old they are, and how far apart, oldest first."""
    found = [one.start for one in await store.readings((POINT,), NOW - 2 * DAY, NOW + DAY)]
    return [(NOW - at, after - at) for at, after in pairwise(found)]


async def held(store: Store) -> int:
    octets = await store.octets()
    assert octets is not None
    return octets


async def bound(store: Store, most_octets: int, wanted: datetime | None = None) -> None:
    await Thinning(store, most_octets).bound(NOW, NOW - DAY, wanted)


async def test_store_that_is_small_enough_keeps_all(store: Store) -> None:
    """To the octet."""
    before = await gaps(store)
    await bound(store, await held(store))
    assert await gaps(store) == before


async def test_oldest_samples_are_thinned_first_and_no_more_than_it_takes(store: Store) -> None:
    """To one a minute; what is younger is whole."""
    full = await held(store)
    await bound(store, full * 9 // 10)
    assert await held(store) <= full * 9 // 10
    found = await gaps(store)
    apart = [apart for _, apart in found]
    assert apart == sorted(apart, reverse=True)
    # Where the one ends and the other begins there may be half a minute.
    assert apart.count(FINE) + apart.count(EVERY) >= len(apart) - 1
    assert FINE in apart
    assert found[apart.index(EVERY)][0] > DAY / 2
    assert len(await store.readings(("response/E1/*.kw",), NOW - 2 * DAY, NOW)) == 500


async def test_where_that_is_not_enough_one_is_left_for_each_half_hour_and_then_the_last_hundred(store: Store) -> None:
    """The last hour stays as it is whatever it takes, and so do responses."""
    await bound(store, 0)
    ages = [age for age, _ in await gaps(store)]
    assert len(ages) + 1 == max(LEAST_SAMPLES, RECENT // EVERY + 1)
    assert max(ages) <= RECENT
    assert len(await store.readings(("response/E1/*.kw",), NOW - 2 * DAY, NOW)) == 500


async def test_what_is_still_to_be_told_is_thinned_and_never_lost(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """One a minute stays of it; what is older goes before, and the log has a line that there is no more to go, once."""
    thinning = Thinning(store, 0)
    for _ in range(2):
        await thinning.bound(NOW, NOW - DAY, NOW - 6 * HOUR)
    owed = [(age, apart) for age, apart in await gaps(store) if age <= 6 * HOUR]
    assert {apart for age, apart in owed if age > RECENT} == {FINE}
    assert {apart for age, apart in owed if age <= RECENT} == {EVERY}
    assert max(age for age, _ in await gaps(store)) <= 6 * HOUR
    assert caplog.text.count("larger than max_mb, and holds no more samples that could go") == 1


async def test_half_hours_come_before_nothing() -> None:
    """Of ten days of minutes a store keeps half hours where they fit."""
    store = MemoryStore()
    days = 10 * DAY
    await store.record([Reading(series=POINT, start=NOW - n * MINUTE, value=1.0) for n in range(days // MINUTE + 1)])
    much = await held(store)
    await Thinning(store, much // 10).bound(NOW, NOW - days, None)
    found = await store.readings((POINT,), NOW - days, NOW)
    assert NOW - found[0].start == days
    assert found[1].start - found[0].start == COARSE
    assert await held(store) <= much // 10


def asked(sent_until: datetime, *, every: timedelta = MINUTE) -> Standing:
    request = ReportRequest(
        id=ReportRequestId("r"),
        specifier_id=SpecifierId("s"),
        report_back=duration(every),
        points=(),
    )
    return Standing(request=request, name=TELEMETRY_USAGE, sent_until=sent_until)


def node(*debts: Debt, **requests: Standing) -> EndNode:
    producer = Producer(requests={ReportRequestId(name): one for name, one in requests.items()})
    return EndNode(key=Key("node/ac"), identity=Identity(ven_name="edge"), producer=producer, debts=debts)


def test_owed_is_what_no_vtn_has_acknowledged() -> None:
    """Updates under way and those to come, at any VTN; of a long backlog what is given up is not owed."""
    span = Span(request_id=ReportRequestId("r"), start=NOW - 3 * HOUR, end=NOW - 2 * HOUR)
    debt = Debt(id="d", work=Update(standing=asked(NOW), span=span), due=NOW)
    assert owed_since((), NOW) is None
    assert owed_since((node(),), NOW) is None
    assert owed_since((node(), node(r=asked(NOW - HOUR), q=asked(NOW - MINUTE))), NOW) == NOW - HOUR
    assert owed_since((node(debt, r=asked(NOW - HOUR)),), NOW) == NOW - 3 * HOUR
    assert owed_since((node(r=asked(NOW - 300 * DAY)),), NOW) == NOW - MAX_BACKLOG * MINUTE


async def test_gateway_keeps_its_store_within_max_mb(tmp_path_factory: pytest.TempPathFactory) -> None:
    """As its settings say, from its start on."""
    site, store = new_site(tmp_path_factory), MemoryStore()
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    table = site.ven("SMALL", "https://127.0.0.1:9", BATTERY) | {"store": {"url": "memory", "max_mb": 8}}
    await store.record(
        [Reading(series="live/gone.kw", start=now - 23 * HOUR + n * SECOND, value=1.0) for n in range(40_000)]
    )
    assert await held(store) > 8_000_000
    watch = Watch()
    async with Ven(site.settings(table), store=store, tap=watch).running():

        async def small() -> bool:
            return await held(store) <= 8_000_000

        await until(small, watch.changed)
    first, second, *_, before, last = await store.readings(("live/gone.kw",), now - DAY, now)
    assert (second.start - first.start, last.start - before.start) == (MINUTE, SECOND)


def test_size_is_bounded_on_both_sides() -> None:
    """Eight MB at least, and 100 GB at most."""
    for size in (8, 100_000):
        assert from_table({"store": {"max_mb": size}}, Path("node.toml")).store.max_mb == size
    for size in (7, 100_001):
        with pytest.raises(SettingsError, match=r"store\.max_mb"):
            from_table({"store": {"max_mb": size}}, Path("node.toml"))
