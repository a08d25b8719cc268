"""The store in a SQLite file: what is durable, what is shared, who waits for whom."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest

from openadr_ra.errors import InvalidData, SettingsError, StoreError
from openadr_ra.protocol.parts import Quality
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.step import AnyLetter, Key, Outcome, Record
from openadr_ra.seams import Due, Step, Store
from openadr_ra.store import SqliteStore, open_store
from openadr_ra.store.queries import TOUCHING
from openadr_ra.store.sqlite import SLICE
from tests.store.check_drop import DropContract
from tests.store.check_store import (
    HALF_HOUR,
    MINUTE,
    NOON,
    OTHER,
    TANK,
    THIRD,
    AloneContract,
    Contract,
    Tank,
    entry,
    letter,
    mail,
    pour,
    poured,
    reading,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "node.db"


@pytest.fixture
async def store(file: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(file)
    yield store
    await store.close()


class TestSqliteStore(Contract, DropContract, AloneContract):
    """Passes the contract."""

    @pytest.fixture
    async def store(self, file: Path) -> AsyncIterator[Store]:
        store = await open_store(f"sqlite:{file}")
        yield store
        await store.close()


ODD = Quality(Token("x-odd"))


def watch(file: Path, query: str, awaited: str) -> None:
    """Return when the file has `awaited` as its answer to the query."""
    with closing(sqlite3.connect(file)) as other:
        while other.execute(query).fetchone() != (awaited,):
            pass


def modes(folder: Path) -> dict[str, str]:
    """The permissions of all files in the folder."""
    return {path.name: oct(path.stat().st_mode & 0o777) for path in folder.iterdir()}


def held_up(until: Event, started: Event) -> Step[Tank]:
    """A step that keeps the writer busy."""

    def step(tank: Tank | None, letters: tuple[AnyLetter, ...]) -> Outcome[Tank]:
        started.set()
        until.wait()
        return Outcome(state=Tank(poured=("late",)))

    return step


def same(tank: Tank | None, letters: tuple[AnyLetter, ...]) -> Outcome[Tank]:
    """A step that leaves an equal row behind, built anew."""
    return Outcome(state=Tank(poured=() if tank is None else (*tank.poured,)))


@pytest.mark.parametrize("slashes", ["", "//"])
async def test_url_names_the_file(file: Path, slashes: str) -> None:
    """With or without the slashes of an empty authority."""
    await (await open_store(f"sqlite:{slashes}{file}")).close()
    assert await asyncio.to_thread(file.exists)


@pytest.mark.parametrize("url", ["", "sqlite", "sqlite:", "sqlite://", "mysql://localhost", "memory:x"])
async def test_unknown_url_is_refused(url: str) -> None:
    """The words say what may be written instead."""
    with pytest.raises(SettingsError, match='use "memory", "sqlite:FILE" or "postgresql:'):
        await open_store(url)


@pytest.mark.parametrize("begun", ["", "PRAGMA journal_mode = WAL"])
async def test_file_whose_making_was_interrupted_is_made(file: Path, begun: str) -> None:
    """A process that dies in its first moments leaves nothing in the way of the next."""
    with closing(sqlite3.connect(file)) as other:
        other.execute(begun)
    store = await SqliteStore.open(file)
    await store.update(TANK, Tank, pour("a"))
    await store.close()


async def test_everything_is_there_when_the_file_is_opened_again(file: Path) -> None:
    """Rows and their deadlines, mail, aliases, readings, the journal, nonces."""
    store = await SqliteStore.open(file)
    records = Record(readings=(reading(7),), entries=(entry(),), aliases=("fingerprint",))
    await store.update(TANK, Tank, pour("a", effects=(records,), due=NOON))
    await store.post((*mail(OTHER, "1"), *mail(TANK, "b")))
    await store.remember("n", NOON + MINUTE, NOON)
    await store.remember("expired", NOON, NOON)
    await store.close()

    store = await SqliteStore.open(file)
    assert await store.load(TANK, Tank) == Tank(poured=("a",))
    assert store.peek(TANK, Tank) is None
    assert await store.due() == (Due(key=TANK, at=NOON),)
    assert await store.resolve("fingerprint") == TANK
    assert await store.readings(["ven-1/power"], NOON, NOON + MINUTE) == (reading(7),)
    assert await store.journal("event/1") == ((1, entry()),)
    assert not await store.remember("n", NOON + MINUTE, NOON)
    assert await store.remember("expired", NOON + HALF_HOUR, NOON + MINUTE)
    assert await store.waiting() == (TANK, OTHER)
    await store.post(mail(OTHER, "2"))
    await asyncio.gather(*(store.update(key, Tank, pour()) for key in (TANK, OTHER)))
    assert (await poured(store), await poured(store, OTHER)) == (("a", "b"), ("1", "2"))
    assert await store.waiting() == ()
    await store.close()


async def test_readings_longer_than_any_since_reopening_are_found(file: Path) -> None:
    """How far back a search begins outlives the process."""
    store = await SqliteStore.open(file)
    await store.record((reading(1, span=HALF_HOUR),))
    await store.close()
    store = await SqliteStore.open(file)
    await store.record((reading(2, start=NOON + MINUTE, span=MINUTE),))
    found = await store.readings(["ven-1/power"], NOON + 2 * MINUTE, NOON + 3 * MINUTE)
    assert [each.value for each in found] == [1]
    await store.close()


async def test_alias_that_moves_while_it_is_looked_up_is_found_where_it_is(file: Path) -> None:
    """An answer that was under way does not outlast the change."""
    store = await SqliteStore.open(file)
    named = pour(effects=(Record(aliases=("fingerprint",)),))
    await store.update(TANK, Tank, named)
    await store.close()
    store = await SqliteStore.open(file)
    asked = asyncio.ensure_future(store.resolve("fingerprint"))
    moved = asyncio.ensure_future(store.update(OTHER, Tank, named))
    await asyncio.sleep(0)
    # Keep the loop until both threads are done, so that it hears of both at once.
    watch(file, "SELECT key FROM aliases", OTHER)
    assert await asked in (TANK, OTHER)
    await moved
    assert await store.resolve("fingerprint") == OTHER
    await store.close()


async def test_expired_nonces_leave_the_file(store: SqliteStore, file: Path) -> None:
    """It does not grow with every message for ever."""
    for number in range(20):
        now = NOON + number * MINUTE
        assert await store.remember(f"{number}", now + 2 * MINUTE, now)
    with closing(sqlite3.connect(file)) as other:
        assert other.execute("SELECT nonce FROM nonces ORDER BY until").fetchall() == [("17",), ("18",), ("19",)]


async def test_mail_read_before_is_not_read_after_reopening(file: Path) -> None:
    """Nor does a number come again for another letter."""
    store = await SqliteStore.open(file)
    await store.post(mail(TANK, "1"))
    await store.update(TANK, Tank, pour())
    await store.close()

    store = await SqliteStore.open(file)
    assert await store.waiting() == ()
    await store.post(mail(TANK, "2"))
    await store.update(TANK, Tank, pour())
    assert await poured(store) == ("1", "2")
    await store.close()


async def test_results_come_in_slices_with_the_loop_free_between(store: SqliteStore) -> None:
    """Those of one commit, too: each may set off work in the loop. They come in the order of asking."""
    turns, done = 0, list[tuple[int, int]]()

    async def call(number: int) -> None:
        await store.update(Key(f"tank/{number}"), Tank, pour("a"))
        done.append((number, turns))

    calls = [asyncio.ensure_future(call(number)) for number in range(10 * SLICE + 1)]
    while len(done) < len(calls):
        turns += 1
        await asyncio.sleep(0)
    assert [number for number, _ in done] == list(range(len(calls)))
    assert max(Counter(turn for _, turn in done).values()) <= SLICE


async def test_a_thousand_concurrent_updates_share_few_commits(store: SqliteStore) -> None:
    """What waits at the same time is made durable at the same time."""
    before = store.commits
    keys = [Key(f"ven/{number}") for number in range(1000)]
    await asyncio.gather(*(store.update(key, Tank, pour("a")) for key in keys))
    assert await store.keys("ven/") == tuple(sorted(keys))
    assert store.commits - before <= 10


async def test_an_update_that_changes_nothing_writes_nothing(store: SqliteStore) -> None:
    """Equal state, equal deadline, no mail either way, nothing to record."""
    await store.update(TANK, Tank, same)
    before = store.commits
    await store.update(TANK, Tank, same)
    await store.update(TANK, Tank, lambda tank, letters: Outcome(state=tank or Tank(), effects=(Record(),)))
    assert store.commits == before
    await store.update(TANK, Tank, lambda tank, letters: Outcome(state=tank or Tank(), due=NOON))
    assert store.commits == before + 1


async def test_the_loop_goes_on_while_the_writer_works(store: SqliteStore) -> None:
    """And reads of what was committed do not wait for it."""
    await store.update(TANK, Tank, pour("a"))
    release, started = Event(), Event()
    slow = asyncio.ensure_future(store.update(OTHER, Tank, held_up(release, started)))
    await asyncio.to_thread(started.wait)
    assert await poured(store) == ("a",)
    assert await store.keys("") == (TANK,)
    assert store.peek(TANK, Tank) == Tank(poured=("a",))
    release.set()
    await slow
    assert await store.keys("") == (TANK, OTHER)


async def test_many_callers_during_a_slow_commit_share_the_next(store: SqliteStore) -> None:
    """The chain goes on over the edge of a batch."""
    release, started = Event(), Event()
    slow = asyncio.ensure_future(store.update(TANK, Tank, held_up(release, started)))
    await asyncio.to_thread(started.wait)
    others = [asyncio.ensure_future(store.update(TANK, Tank, pour(str(n)))) for n in range(50)]
    await asyncio.sleep(0)
    before = store.commits
    release.set()
    await asyncio.gather(slow, *others)
    assert await poured(store) == ("late", *(str(n) for n in range(50)))
    assert store.commits == before + 2


async def test_cancelled_update_is_done_all_the_same(store: SqliteStore) -> None:
    """The step had been handed over; its mail and its journal are with it."""
    release, started = Event(), Event()
    slow = asyncio.ensure_future(store.update(OTHER, Tank, held_up(release, started)))
    await asyncio.to_thread(started.wait)
    step = pour("a", post=mail(THIRD, "b"), effects=(Record(entries=(entry(),)),))
    cancelled = asyncio.ensure_future(store.update(TANK, Tank, step))
    await asyncio.sleep(0)
    cancelled.cancel()
    release.set()
    await slow
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    await store.update(TANK, Tank, pour("c"))
    assert await poured(store) == ("a", "c")
    assert await store.waiting() == (THIRD,)
    assert len(await store.journal("event/1")) == 1


async def test_closing_does_first_what_was_asked(file: Path) -> None:
    """Everybody who waits gets an answer; whoever comes later is refused."""
    store = await SqliteStore.open(file)
    asked = [asyncio.ensure_future(store.update(TANK, Tank, pour(str(n)))) for n in range(2000)]
    await asyncio.sleep(0)
    await asyncio.gather(store.close(), store.close())
    assert len([await each for each in asked]) == 2000
    with pytest.raises(StoreError, match="has been closed"):
        await store.update(TANK, Tank, pour("late"))
    with pytest.raises(StoreError, match="has been closed"):
        await store.load(TANK, Tank)

    store = await SqliteStore.open(file)
    assert await poured(store) == tuple(str(n) for n in range(2000))
    await store.close()


def test_a_program_that_forgets_to_close_ends_all_the_same(file: Path) -> None:
    """What was acknowledged is there."""

    async def forget() -> None:
        store = await SqliteStore.open(file)
        await store.update(TANK, Tank, pour("a"))

    asyncio.run(forget())
    with closing(sqlite3.connect(file)) as other:
        assert other.execute("SELECT key FROM states").fetchall() == [(TANK,)]


@pytest.mark.parametrize("level", [float("nan"), float("inf")])
async def test_a_state_that_could_not_be_read_again_is_refused(store: SqliteStore, level: float) -> None:
    """JSON has no such number; the updates that share its commit are unharmed."""
    done = await asyncio.gather(
        store.update(OTHER, Tank, pour("before")),
        store.update(TANK, Tank, lambda tank, letters: Outcome(state=Tank(level=level))),
        store.update(OTHER, Tank, pour("after")),
        return_exceptions=True,
    )
    assert [type(each) for each in done] == [Outcome, InvalidData, Outcome]
    assert await store.load(TANK, Tank) is None
    assert store.peek(TANK, Tank) is None
    assert await poured(store, OTHER) == ("before", "after")


async def test_a_word_like_null_is_no_reason_to_refuse(store: SqliteStore) -> None:
    """Only numbers that are none get lost in JSON."""
    await store.update(TANK, Tank, pour("null", ":null"))
    assert await poured(store) == ("null", ":null")


async def test_what_cannot_be_stored_harms_its_caller_alone(store: SqliteStore) -> None:
    """Half a character in a name, a number beyond 64 bits: refused, and the same batch's others are stored."""
    done = await asyncio.gather(
        store.update(TANK, Tank, pour("a")),
        store.record((reading(series="\ud800"),)),
        store.update(TANK, Tank, pour("b")),
        store.record((reading(revision=2**63, quality=ODD),)),
        store.post(mail(OTHER, "\ud800")),
        store.record((reading(revision=2**63 - 1, quality=ODD),)),
        return_exceptions=True,
    )
    assert [type(each) for each in done] == [Outcome, StoreError, Outcome, StoreError, StoreError, type(None)]
    assert await poured(store) == ("a", "b")
    assert await store.series("") == ("ven-1/power",)
    kept = (reading(revision=2**63 - 1, quality=ODD),)
    assert await store.readings(["ven-1/power"], NOON, NOON + MINUTE) == kept
    assert await store.waiting() == ()


async def test_one_letter_to_thousands_is_one_commit(store: SqliteStore) -> None:
    """Publishing to a whole fleet is one bulk insert."""
    before = store.commits
    event = letter("shed")
    await store.post([each for n in range(3000) for each in mail(Key(f"ven/{n}"), "shed")])
    assert store.commits == before + 1
    assert len(await store.waiting()) == 3000
    read: list[AnyLetter] = []

    def step(tank: Tank | None, letters: tuple[AnyLetter, ...]) -> Outcome[Tank]:
        read.extend(letters)
        return Outcome(state=Tank())

    await asyncio.gather(*(store.update(key, Tank, step) for key in await store.waiting()))
    assert read == [event] * 3000


async def test_readings_are_found_by_the_primary_key_alone(store: SqliteStore, file: Path) -> None:
    """Both ends of the search are bounded: what lies long before or after is never looked at."""
    await store.record((reading(), reading(start=NOON + MINUTE)))
    with closing(sqlite3.connect(file)) as other:
        plan = other.execute(f"EXPLAIN QUERY PLAN {TOUCHING}", (1, 0, 1, 0, 0)).fetchall()
    assert [line[-1] for line in plan] == ["SEARCH readings USING PRIMARY KEY (series=? AND start>? AND start<?)"]


async def test_files_are_for_their_owner_alone(store: SqliteStore, tmp_path: Path) -> None:
    """The database, its log, its shared memory, its lock."""
    await store.update(TANK, Tank, pour("a"))
    assert await asyncio.to_thread(modes, tmp_path) == dict.fromkeys(
        ("node.db", "node.db-wal", "node.db-shm", "node.db-lock"), "0o600"
    )
