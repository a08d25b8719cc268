"""What is older than it is to be kept goes; what is not over keeps what it needs."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from openadr_ra import Node, Ven, Vtn, dispatch
from openadr_ra.errors import SettingsError
from openadr_ra.fleet.fleet import Fleet
from openadr_ra.protocol.agenda import FLEET
from openadr_ra.protocol.instruction import Instruction, event, key, party
from openadr_ra.protocol.model import OPT_IN, EventId, SpecifierId, VenId
from openadr_ra.protocol.parts import X_RESPONSE, Report
from openadr_ra.protocol.party import Party
from openadr_ra.protocol.producer import NO_REQUEST
from openadr_ra.protocol.requester import Requester
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.step import (
    AnyLetter,
    EndRegistration,
    Entry,
    Key,
    Mail,
    Outcome,
    Publish,
    Reregister,
    Shelve,
    State,
    Verdict,
)
from openadr_ra.protocol.times import FOREVER
from openadr_ra.run.forgetting import LEAST_SAMPLES
from openadr_ra.run.retention import BEFORE, LATE, MARK_EVERY, Retention, between
from openadr_ra.seams import Store
from openadr_ra.settings import NodeSettings, StoreSettings, from_table
from openadr_ra.store import SqliteStore, open_store
from tests.run.site import BATTERY, Site, new_site
from tests.run.test_samples_kept import promised

NOW = datetime(2027, 7, 1, 12, tzinfo=UTC)
DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)
KEPT, KEPT_READINGS = 30 * DAY, 5 * DAY
"""What the nodes of these tests keep."""

SETTINGS = NodeSettings(store=StoreSettings(keep_days=30, keep_readings_days=5))
VEN = VenId("V1")


class Calendar:
    """A clock that shows what it is set to."""

    def __init__(self) -> None:
        self.today = NOW

    def now(self) -> datetime:
        return self.today

    async def sleep_until(self, when: datetime) -> None:
        raise AssertionError("nobody waits here")


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Either kind: the one must not keep what the other lets go."""
    store = await open_store("memory" if request.param == "memory" else f"sqlite:{tmp_path / 'node.db'}")
    yield store
    await store.close()


@pytest.fixture
def retention(store: Store, calendar: Calendar) -> Retention:
    return Retention(store, calendar, SETTINGS)


def order(name: str, start: datetime, length: timedelta = HOUR) -> Instruction:
    return replace(dispatch(start=start, every=length, delta_kw={VEN: (-2.0,)}), id=EventId(name), created=start)


async def put(store: Store, name: str, state: State) -> None:
    """A row as it is."""

    def step(held: State | None, letters: tuple[AnyLetter, ...]) -> Outcome[State]:
        return Outcome(state=state)

    await store.update(Key(name), type(state), step)


async def left(store: Store, *series: str) -> list[datetime]:
    """When the readings began that are still there."""
    names = series or await store.series("")
    return [one.start for one in await store.readings(names, NOW - 1000 * DAY, NOW + DAY)]


async def test_events_that_are_over_go_with_all_that_was_said_of_them(store: Store, retention: Retention) -> None:
    """On both sides of the limit; those of VENs and those of the node's own fleet, and their journal."""
    over, kept = NOW - KEPT - HOUR - SECOND, NOW - KEPT - HOUR
    for name, start in (("old", over), ("young", kept)):
        for prefix, source in (("event/", f"V1/x-RESPONSE/{name}"), ("own/", f"response/own-{name}")):
            held = order(name if prefix == "event/" else f"own-{name}", start)
            await put(store, f"{prefix}{held.id}", held)
            await store.record(
                (Reading(series=f"{source}/*.kw", start=start, span=HOUR, value=1.0),),
                (Entry(subject=key(held.id), at=over, by="V1", what="optIn"),),
            )
    await retention.sweep()

    assert await store.keys("event/") + await store.keys("own/") == ("event/young", "own/own-young")
    assert await store.series("") == ("V1/x-RESPONSE/young/*.kw", "response/own-young/*.kw")
    assert [entry.subject for _, entry in await store.entries(0, 10)] == ["event/young", "event/own-young"]


async def test_rows_that_cannot_be_read_stay_and_keep_no_other(
    tmp_path: Path, calendar: Calendar, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither an event nor a VEN: what was said of that event stays too, and the log names them."""
    file, over = tmp_path / "node.db", NOW - KEPT - DAY
    store = await SqliteStore.open(file)
    for name in ("E1", "E2"):
        await put(store, f"event/{name}", order(name, over))
    await put(store, "event/E3", order("E3", NOW - 15 * DAY))
    await put(store, "party/V1", Party(ven_id=VEN))
    at = {"E1": over, "E2": over, "usage": NOW - 15 * DAY}
    names = {"E1": "response/E1/*.kw", "E2": "response/E2/*.kw", "usage": "V1/TELEMETRY_USAGE/bat.kw"}
    await store.record([Reading(series=names[one], start=start, span=HOUR, value=1.0) for one, start in at.items()])
    await store.close()
    with closing(sqlite3.connect(file)) as other, other:
        other.execute("UPDATE states SET body = '{' WHERE key IN ('event/E1', 'party/V1')")

    store = await SqliteStore.open(file)
    await Retention(store, calendar, SETTINGS).sweep()
    assert await store.keys("event/") == ("event/E1", "event/E3")
    assert await store.series("") == (names["usage"], names["E1"])
    await store.close()
    for name in ("event/E1", "party/V1"):
        assert f"row {name} cannot be read" in caplog.text


async def test_event_without_end_stays_until_it_is_cancelled_and_that_is_long_ago(
    store: Store, retention: Retention, calendar: Calendar
) -> None:
    """And so does one that is cancelled ahead of its time, whose VENs may still be told of it."""
    began = NOW - 300 * DAY
    endless, ahead = order("E1", began, timedelta(0)), order("E2", NOW + 60 * DAY)
    assert endless.end == FOREVER
    await put(store, "event/E1", endless)
    await put(store, "event/E2", replace(ahead, cancelled=True, modified=NOW - 90 * DAY))
    await store.record((), (Entry(subject="event/E1", at=began, by="V1", what="optIn"),))
    await retention.sweep()
    assert (await store.keys("event/"), len(await store.entries(0, 10))) == (("event/E1", "event/E2"), 1)

    await put(store, "event/E1", replace(endless, cancelled=True, modified=NOW))
    calendar.today = NOW + KEPT
    await retention.sweep()
    assert await store.keys("event/") == ("event/E1", "event/E2")
    calendar.today += SECOND
    await retention.sweep()
    assert (await store.keys("event/"), await store.entries(0, 10)) == (("event/E2",), ())


async def test_what_vens_reported_goes_sooner(store: Store, retention: Retention) -> None:
    """On both sides of the limit, and of it a series by name when nothing is left."""
    limit = NOW - KEPT_READINGS - BEFORE
    await store.record(
        [
            Reading(series="V1/TELEMETRY_USAGE/bat.kw", start=limit - HOUR, span=HOUR, value=1.0),
            Reading(series="V1/TELEMETRY_USAGE/bat.kw", start=NOW - KEPT_READINGS, value=1.0),
            Reading(series="V1/TELEMETRY_USAGE/bat.kw", start=NOW - KEPT_READINGS - SECOND, value=1.0),
            Reading(series="V2/TELEMETRY_USAGE/bat.kw", start=NOW - 40 * DAY, value=1.0),
        ]
    )
    await retention.sweep()
    assert await left(store) == [NOW - KEPT_READINGS]
    assert await store.series("") == ("V1/TELEMETRY_USAGE/bat.kw",)


@pytest.mark.parametrize(("over", "stays"), [(LATE - SECOND, True), (LATE, False)])
async def test_what_was_reported_during_an_event_stays_while_its_response_may_change(
    store: Store, retention: Retention, over: timedelta, stays: bool
) -> None:
    """Whichever VEN reported it: who has a part in an event may change while it runs."""
    end = NOW - over
    start = end - 20 * DAY
    await put(store, "event/E1", order("E1", start, 20 * DAY))
    series = "V2/TELEMETRY_USAGE/bat.kw"
    edges = (start - BEFORE - SECOND, start - BEFORE, end)
    await store.record([Reading(series=series, start=at, value=1.0) for at in edges])
    await retention.sweep()
    assert await left(store) == (list(edges[1:]) if stays else [end])


async def test_what_a_stranger_did_during_its_events_stays_as_long_as_they(
    store: Store, retention: Retention, calendar: Calendar
) -> None:
    """Its response is derived from that; what lies between goes, and nothing stays of a VEN that says its response, or of
    one that had no part in the event."""
    start = NOW - 15 * DAY
    made = dispatch(start=start, every=HOUR, delta_kw={"V1": (-2.0,), "OURS": (-2.0,)})
    await put(store, "event/E1", replace(made, id=EventId("E1")))
    offered = Report(request_id=NO_REQUEST, specifier_id=SpecifierId("s"), name=X_RESPONSE, created=NOW)
    await put(store, party(VenId("OURS")), Party(ven_id=VenId("OURS"), reports=Requester(offered=(offered,))))
    edges = (start - BEFORE - SECOND, start - BEFORE, start + HOUR + BEFORE - SECOND, start + HOUR + BEFORE, NOW)
    names = [f"{ven}/TELEMETRY_USAGE/meter" for ven in ("V1", "OURS", "V2")]
    names.append("V1/TELEMETRY_STATUS/meter.online")
    await store.record([Reading(series=name, start=at, value=1.0) for name in names for at in edges])

    async def found() -> list[list[datetime]]:
        return [await left(store, name) for name in names]

    await retention.sweep()
    assert await found() == [[*edges[1:3], NOW], [NOW], [NOW], [NOW]]
    calendar.today = NOW + KEPT_READINGS + 2 * BEFORE
    await store.record([Reading(series=names[0], start=NOW - 2 * HOUR, span=HOUR, value=1.0)])
    await retention.sweep()
    assert await found() == [list(edges[1:3]), [], [], []]
    calendar.today = start + HOUR + KEPT + 2 * BEFORE
    await retention.sweep()
    assert (await store.keys("event/"), await store.series("")) == ((), ())


def test_between_events_is_what_none_of_them_covers() -> None:
    """Whether they touch, overlap, hold one another, or reach out on either side."""
    hours = [NOW + number * HOUR for number in range(10)]

    def spans(*pairs: tuple[int, int]) -> list[tuple[datetime, datetime]]:
        return [(hours[begins], hours[ends]) for begins, ends in pairs]

    assert list(between([], hours[2], hours[8])) == spans((2, 8))
    assert list(between(spans((5, 6), (3, 4)), hours[2], hours[8])) == spans((2, 3), (4, 5), (6, 8))
    assert list(between(spans((0, 3), (3, 4), (7, 9)), hours[2], hours[8])) == spans((4, 7))
    assert list(between(spans((3, 7), (4, 5), (6, 8)), hours[2], hours[8])) == spans((2, 3))
    assert list(between(spans((0, 1), (8, 9)), hours[2], hours[8])) == spans((2, 8))
    assert list(between(spans((0, 9)), hours[2], hours[8])) == []
    assert list(between([], hours[8], hours[2])) == []


async def test_samples_of_a_fleet_stay_as_long_as_it_is_to_keep_them(store: Store, calendar: Calendar) -> None:
    """At a VTN without devices they are the values of its own reports; of each the newest stay (rule 510)."""
    ages = range(LEAST_SAMPLES + 50)
    await store.record([Reading(series="live/meter.kw", start=NOW - 40 * DAY - age * HOUR, value=1.0) for age in ages])
    await Retention(store, calendar, SETTINGS).sweep()
    assert len(await left(store)) == LEAST_SAMPLES
    longer = keeping(keep_samples_h=8760)
    await store.record([Reading(series="live/meter.kw", start=NOW - 300 * DAY, value=1.0)])
    await Retention(store, calendar, longer).sweep()
    assert len(await left(store)) == LEAST_SAMPLES + 1


def keeping(keep_samples_h: int) -> NodeSettings:
    return replace(SETTINGS, fleet=replace(SETTINGS.fleet, keep_samples_h=keep_samples_h))


async def test_response_that_is_promised_stays(store: Store, retention: Retention) -> None:
    """However old its event's first interval is: the fleet has still to answer for it, here and as its VENs know it."""
    began = NOW - 200 * DAY
    await put(store, FLEET, Fleet(promises=(promised(began, NOW + DAY),)))
    names = ("response/E1/*.kw", "response/E1/site/1.kw", "response/E10/*.kw", "V1/TELEMETRY_USAGE/bat.kw")
    await store.record([Reading(series=name, start=began, span=HOUR, value=1.0) for name in names])
    await store.record(
        (), [Entry(subject=f"event/{name}", at=began, by="fleet", what="promised") for name in ("E1", "E10")]
    )
    await retention.sweep()
    assert await store.series("") == (names[3], names[0], names[1])
    assert [entry.subject for _, entry in await store.entries(0, 10)] == ["event/E1"]


async def test_journal_goes_entry_by_entry_in_slices(store: Store, retention: Retention) -> None:
    """On both sides of the limit, more than fit into one slice, whatever they are about."""
    ages = [KEPT + DAY] * 1000 + [KEPT + SECOND, KEPT] + [DAY] * 300
    await store.record((), [Entry(subject="party/V1", at=NOW - age, by="V1", what="registered") for age in ages])
    await retention.sweep()
    kept = await store.entries(0, 1000)
    assert [NOW - entry.at for _, entry in kept] == ages[1001:]


async def test_letters_that_nobody_comes_for_go(store: Store, retention: Retention, calendar: Calendar) -> None:
    """Counted from when they were first seen to wait; letters that came later stay."""
    feed = Shelve(feeds=(), at=NOW)
    await store.post((Mail(to=Key("party/GONE"), body=Reregister()), Mail(to=Key("greenbutton/V1/1"), body=feed)))
    await retention.sweep()
    calendar.today = NOW + MARK_EVERY
    await store.post((Mail(to=Key("party/GONE"), body=Reregister()),))
    await retention.sweep()
    calendar.today = NOW + KEPT - SECOND
    await retention.sweep()
    assert len(await store.letters(0, 10)) == 3
    calendar.today = NOW + KEPT
    await retention.sweep()
    assert [mail.to for _, mail in await store.letters(0, 10)] == ["party/GONE"]
    calendar.today = NOW + KEPT + MARK_EVERY
    await retention.sweep()
    assert await store.letters(0, 10) == ()


async def test_letters_that_something_still_needs_stay(store: Store, calendar: Calendar) -> None:
    """An event that is not over, the end of a registration, and whatever this node reads itself once it is up again."""
    up = NodeSettings(store=SETTINGS.store, upstream=())
    open_ended, over = order("E1", NOW, timedelta(0)), order("E2", NOW - DAY)
    verdict = Verdict(event_id=EventId("E3"), modification=0, opt=OPT_IN)
    letters = (
        Mail(to=Key("party/V1"), body=publish(open_ended)),
        Mail(to=Key("party/V1"), body=publish(over)),
        Mail(to=Key("party/V1"), body=publish(replace(open_ended, id=EventId("E4"), cancelled=True))),
        Mail(to=Key("party/V1"), body=EndRegistration()),
        Mail(to=FLEET, body=verdict),
        Mail(to=Key("node/gone"), body=verdict),
    )
    await store.post(letters)
    retention = Retention(store, calendar, up)
    await retention.sweep()
    calendar.today = NOW + 2 * KEPT
    await retention.sweep()
    assert [mail for _, mail in await store.letters(0, 10)] == [letters[0], letters[3], letters[4]]


def publish(held: Instruction) -> Publish:
    return Publish(event=event(held, VEN, NOW), response_required=held.response_required)


async def test_sweep_of_much_lets_others_come_between(tmp_path: Path, calendar: Calendar) -> None:
    """Somebody who stores one value after the other during it stores many, each in a commit of its own."""
    store = await SqliteStore.open(tmp_path / "node.db")
    names = [f"V{number}/TELEMETRY_USAGE/bat.kw" for number in range(50)]
    starts = [NOW - 100 * DAY + number * HOUR for number in range(100)]
    await store.record([Reading(series=name, start=start, value=1.0) for name in names for start in starts])
    sweeping = asyncio.ensure_future(Retention(store, calendar, SETTINGS).sweep())
    between = 0
    while not sweeping.done():
        await store.record((Reading(series="V0/TELEMETRY_USAGE/now.kw", start=NOW + between * SECOND, value=1.0),))
        between += 1
    await sweeping
    assert await store.series("") == ("V0/TELEMETRY_USAGE/now.kw",)
    assert between > len(names) * len(starts) / 200
    await store.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


@pytest.mark.parametrize("kind", [Node, Vtn, Ven])
async def test_every_node_sees_to_its_store(site: Site, kind: type[Node | Vtn | Ven]) -> None:
    """From its start on, whichever side it has."""
    name = kind.__name__
    table = site.ven(name, "https://127.0.0.1:9", BATTERY) if kind is Ven else site.vtn(name)
    settings = site.settings(table)
    file = Path(settings.store.url.removeprefix("sqlite:"))
    long_ago = datetime.now(UTC) - 500 * DAY
    store = await SqliteStore.open(file)
    await store.record(
        (Reading(series="response/E1/*.kw", start=long_ago, span=HOUR, value=1.0),),
        (Entry(subject="event/E1", at=long_ago, by="fleet", what="promised"),),
    )
    await put(store, "own/E1", order("E1", long_ago))
    await store.close()

    async with kind(settings).running():
        while await asyncio.to_thread(what_is_left, file) != (0, 0, 0):
            pass


def what_is_left(file: Path) -> tuple[int, int, int]:
    """Of the old event: its row, its journal and its response, as another program sees the file."""
    find = """
        SELECT (SELECT count(*) FROM states WHERE key = 'own/E1'),
            (SELECT count(*) FROM journal WHERE subject = 'event/E1'),
            (SELECT count(*) FROM series WHERE name LIKE 'response/%')
    """
    with closing(sqlite3.connect(file)) as other:
        found: tuple[int, int, int] = other.execute(find).fetchone()
    return found


def test_keeping_is_bounded_on_both_sides() -> None:
    """A week and two days at least, a hundred years at most."""
    for name, least in (("keep_days", 7), ("keep_readings_days", 2)):
        for days in (least, 36_500):
            assert getattr(from_table({"store": {name: days}}, Path("node.toml")).store, name) == days
        for days in (least - 1, 36_501):
            with pytest.raises(SettingsError, match=rf"store\.{name}"):
                from_table({"store": {name: days}}, Path("node.toml"))
