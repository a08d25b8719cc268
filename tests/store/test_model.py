"""The file and the memory: whatever is done to both, both say the same."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, TypeVar

import asyncpg
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from openadr_ra.errors import InvalidId, OadrRaError
from openadr_ra.protocol.parts import COMM_FAILURE, GOOD
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.step import AnyLetter, Entry, Key, Mail, Outcome, Record
from openadr_ra.seams import Step, Store
from openadr_ra.store import MemoryStore, SqliteStore
from openadr_ra.store.postgres import PostgresStore
from tests.postgres import Server
from tests.store.check_store import MINUTE, NOON, Tank, letter, words

T = TypeVar("T")

KEYS = tuple(Key(name) for name in ("tank/1", "tank/2", "fleet", "tank/\U00010400"))
SERIES = ("ven-1/power", "ven-1/energy", "ven-10/power")
SUBJECTS = ("event/1", "event/2")
ALIASES = ("alias-1", "alias-2")

keys = st.sampled_from(KEYS)
series = st.sampled_from(SERIES)
minutes = st.integers(-3, 6).map(lambda count: NOON + count * MINUTE)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
mails = st.lists(st.builds(lambda to, text: Mail(to=to, body=letter(text)), keys, texts), max_size=3).map(tuple)
readings = st.lists(
    st.builds(
        lambda name, start, span, value, quality, revision: Reading(
            series=name, start=start, span=span * MINUTE, value=value, quality=quality, revision=revision
        ),
        series,
        minutes,
        st.integers(0, 4),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from((GOOD, COMM_FAILURE)),
        st.integers(0, 2),
    ),
    max_size=4,
).map(tuple)
entries = st.lists(
    st.builds(
        lambda subject, at, what: Entry(subject=subject, at=at, by="test", what=what),
        st.sampled_from(SUBJECTS),
        minutes,
        texts,
    ),
    max_size=2,
).map(tuple)
records = st.builds(
    lambda found, lines, names: Record(readings=found, entries=lines, aliases=names),
    readings,
    entries,
    st.lists(st.sampled_from(ALIASES), max_size=2).map(tuple),
)


def stepped(pour: str, post: tuple[Mail, ...], record: Record, due: datetime | None, *, burst: bool) -> Step[Tank]:
    """A step that pours in what its mail says and `pour`, and does all the rest; or raises at the end."""

    def step(tank: Tank | None, letters: tuple[AnyLetter, ...]) -> Outcome[Tank]:
        held = tank or Tank()
        added = (*words(letters), *((pour,) if pour else ()))
        if burst:
            raise InvalidId(f"{len(held.poured)} {added}")
        return Outcome(state=Tank(poured=held.poured + added), mail=post, effects=(record,), due=due)

    return step


steps = st.builds(
    stepped, texts, mails, records, st.none() | minutes, burst=st.sampled_from((False, False, False, True))
)


class SameStore(RuleBasedStateMachine):
    """A file that is closed and opened again at any time, beside a memory that never is."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.runner = asyncio.Runner()
        self.memory = MemoryStore()
        self.now = NOON
        self.file = self.opened()

    def opened(self) -> Store:
        return self.runner.run(SqliteStore.open(Path(self.folder) / "node.db"))

    def teardown(self) -> None:
        self.runner.run(self.file.close())
        self.runner.close()
        shutil.rmtree(self.folder)

    def both(self, ask: Callable[[Store], Awaitable[T]]) -> T | str:
        """What both stores answer, or how both refuse."""

        async def answer(store: Store) -> T | str:
            try:
                return await ask(store)
            except OadrRaError as error:
                return f"{type(error).__name__}: {error}"

        ours, theirs = (self.runner.run(answer(store)) for store in (self.memory, self.file))
        assert ours == theirs
        return ours

    @rule(key=keys, step=steps)
    def update(self, key: Key, step: Step[Tank]) -> None:
        self.both(lambda store: store.update(key, Tank, step))

    @rule(pairs=st.lists(st.tuples(keys, steps), max_size=6))
    def update_many_at_once(self, pairs: list[tuple[Key, Step[Tank]]]) -> None:
        async def all_of_them(store: Store) -> tuple[str, ...]:
            asked = (store.update(key, Tank, step) for key, step in pairs)
            return tuple(repr(done) for done in await asyncio.gather(*asked, return_exceptions=True))

        self.both(all_of_them)

    @rule(post=mails)
    def post(self, post: tuple[Mail, ...]) -> None:
        self.both(lambda store: store.post(post))

    @rule(found=readings, lines=entries)
    def record(self, found: tuple[Reading, ...], lines: tuple[Entry, ...]) -> None:
        self.both(lambda store: store.record(found, lines))

    @rule(names=st.lists(series), start=minutes, end=minutes, least=st.integers(0, 3), most=st.integers(1, 4))
    def forget(self, names: list[str], start: datetime, end: datetime, least: int, most: int) -> None:
        self.both(lambda store: store.forget(names, start, end, least, most))

    @rule(dropped=st.lists(keys, max_size=2), after=st.integers(0, 3), most=st.integers(0, 3), late=mails)
    def drop(self, dropped: list[Key], after: int, most: int, late: tuple[Mail, ...]) -> None:
        """As it was seen, while something else comes."""

        async def drop(store: Store) -> tuple[object, ...]:
            held = [(key, await store.load(key, Tank)) for key in dropped]
            letters, entries = await store.letters(after, most), await store.entries(after, most)
            rows = [(key, tank) for key, tank in held if tank is not None]
            numbers = [number for number, _ in entries]
            await asyncio.gather(store.post(late), store.drop(rows=rows, letters=letters, entries=numbers))
            return held, letters, entries

        self.both(drop)

    @rule(nonce=st.sampled_from("abc"), passed=st.integers(0, 2), wait=st.integers(0, 3))
    def remember(self, nonce: str, passed: int, wait: int) -> None:
        self.now += passed * MINUTE
        self.both(lambda store: store.remember(nonce, self.now + wait * MINUTE, self.now))

    @rule()
    def open_again(self) -> None:
        self.runner.run(self.file.close())
        self.file = self.opened()

    @rule(asked=st.lists(series), start=minutes, length=st.integers(0, 5 * 60_000_000))
    def look_at_readings(self, asked: list[str], start: datetime, length: int) -> None:
        end = start + timedelta(microseconds=length)
        self.both(lambda store: store.readings(asked, start, end))

    @rule(prefix=st.sampled_from(("", "tank/", "fleet", "ven-1", "ven-1/")), after=st.integers(0, 5))
    def look_at_names(self, prefix: str, after: int) -> None:
        async def look(store: Store) -> tuple[object, ...]:
            lines = [await store.journal(subject, after) for subject in SUBJECTS]
            aliases = [await store.resolve(alias) for alias in ALIASES]
            return await store.keys(prefix), await store.series(prefix), lines, aliases

        self.both(look)

    @invariant()
    def rows_and_mail_are_the_same(self) -> None:
        async def look(store: Store) -> tuple[object, ...]:
            return await store.waiting(), await store.due(), [await store.load(key, Tank) for key in KEYS]

        self.both(look)

    @invariant()
    def what_can_be_seen_without_asking_is_true(self) -> None:
        for key in KEYS:
            seen = self.file.peek(key, Tank)
            assert seen is None or seen == self.memory.peek(key, Tank)


TestSameStore = SameStore.TestCase
TestSameStore.settings = settings(max_examples=30, stateful_step_count=20)


class SamePostgres(SameStore):
    """A database in place of the file. What is asked for at once is not in one order there, so it is asked in turn."""

    url: ClassVar[str]

    def opened(self) -> Store:
        return self.runner.run(PostgresStore.open(self.url))

    @initialize()
    def empty(self) -> None:
        async def empty() -> None:
            await self.file.close()
            database = await asyncpg.connect(self.url)
            await database.execute(
                "TRUNCATE states, mail, aliases, series, qualities, readings, journal, nonces, seen RESTART IDENTITY"
            )
            await database.close()

        self.runner.run(empty())
        self.file = self.opened()

    @rule(pairs=st.lists(st.tuples(keys, steps), max_size=6))
    def update_many_at_once(self, pairs: list[tuple[Key, Step[Tank]]]) -> None:
        for key, step in pairs:
            self.update(key, step)


def test_a_database_says_what_the_memory_says(postgres: Server) -> None:
    SamePostgres.url = postgres.database()
    run_state_machine_as_test(SamePostgres, settings=settings(max_examples=15, stateful_step_count=15))
