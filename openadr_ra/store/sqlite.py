"""The durable store of one process: a SQLite file, one thread that writes, one that reads."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self, TypeVar

from openadr_ra.errors import StoreError
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.step import Entry, Key, Mail, Outcome, State
from openadr_ra.seams import Due, S, Step
from openadr_ra.store.alone import Alone
from openadr_ra.store.batch import Batch
from openadr_ra.store.database import Database, open_database
from openadr_ra.store.jobs import Job
from openadr_ra.store.queries import Queries
from openadr_ra.store.rows import learn
from openadr_ra.store.world import World
from openadr_ra.store.writer import Committed, Writer

T = TypeVar("T")

SLICE = 64
"""Results that are handed out in one go of the loop: a VTN makes a message of each, a quarter of a millisecond."""


class SqliteStore(Alone):
    """Belongs to the event loop that opened it. Callers that wait at the same time share a commit.

    A row that was once stepped stays in memory. What a cancelled caller had asked for is done all the same.
    """

    def __init__(self, database: Database, world: World) -> None:
        """Use `open`."""
        super().__init__()
        self._database = database
        self._queries = Queries(database.path, database.reader)
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="openadr-ra store reader")
        self._writer = Writer(database, world, self._settle)
        self._loop = asyncio.get_running_loop()
        self._idle: dict[Key, State] = {}
        self._aliases: dict[str, Key] = {}
        self._namings = 0
        self._closing: asyncio.Future[None] | None = None
        self._done: deque[Job] = deque()
        self._delivering = False

    @classmethod
    async def open(cls, path: Path) -> Self:
        """The store in that file, made where there is none. Raises StoreError where it cannot be used."""
        learn()
        database, world = await asyncio.to_thread(_open, path)
        return cls(database, world)

    @property
    def commits(self) -> int:
        """Transactions committed since the store was opened."""
        return self._writer.commits

    async def update(self, key: Key, kind: type[S], step: Step[S]) -> Outcome[S]:
        return await self._write(lambda batch: batch.update(key, kind, step))

    async def load(self, key: Key, kind: type[S]) -> S | None:
        known = self.peek(key, kind)
        return known if known is not None else await self._read(lambda: self._queries.state(key, kind))

    async def load_all(self, keys: Sequence[Key], kind: type[S]) -> tuple[S, ...]:
        known = {key: self.peek(key, kind) for key in keys}
        asked = [key for key, state in known.items() if state is None]
        if asked:
            known |= await self._read(lambda: {key: self._queries.state(key, kind) for key in asked})
        return tuple(state for state in known.values() if state is not None)

    def peek(self, key: Key, kind: type[S]) -> S | None:
        state = self._idle.get(key)
        return state if isinstance(state, kind) else None

    async def keys(self, prefix: str) -> tuple[Key, ...]:
        return await self._read(lambda: self._queries.keys(prefix))

    async def post(self, mail: Sequence[Mail]) -> None:
        await self._write(lambda batch: batch.post(mail))

    async def waiting(self) -> tuple[Key, ...]:
        return await self._read(self._queries.waiting)

    async def due(self) -> tuple[Due, ...]:
        return await self._read(self._queries.due)

    async def resolve(self, alias: str) -> Key | None:
        if alias in self._aliases:
            return self._aliases[alias]
        namings = self._namings
        key = await self._read(lambda: self._queries.alias(alias))
        # A name given while the answer was under way may be a newer one for this alias.
        if key is not None and namings == self._namings:
            self._aliases[alias] = key
        return key

    async def record(self, readings: Sequence[Reading], entries: Sequence[Entry] = ()) -> None:
        await self._write(lambda batch: batch.record(readings, entries))

    async def readings(self, series: Sequence[str], start: datetime, end: datetime) -> tuple[Reading, ...]:
        return await self._read(lambda: self._queries.readings(series, start, end))

    async def forget(self, series: Sequence[str], start: datetime, end: datetime, least: int, most: int) -> int:
        found = await self._read(lambda: self._queries.within(series, start, end, least, most))
        if found:
            await self._write(lambda batch: batch.forgotten.extend(found))
        return len(found)

    async def thin(self, series: Sequence[str], start: datetime, end: datetime, every: timedelta, most: int) -> int:
        found = await self._read(lambda: self._queries.crowded(series, start, end, every, most))
        if found:
            await self._write(lambda batch: batch.forgotten.extend(found))
        return len(found)

    async def octets(self) -> int | None:
        return await self._read(self._queries.octets)

    async def series(self, prefix: str) -> tuple[str, ...]:
        return await self._read(lambda: self._queries.series(prefix))

    async def next_series(self, after: str, most: int) -> tuple[str, ...]:
        return await self._read(lambda: self._queries.next_series(after, most))

    async def journal(self, subject: str, after: int = 0) -> tuple[tuple[int, Entry], ...]:
        return await self._read(lambda: self._queries.journal(subject, after))

    async def entries(self, after: int, most: int) -> tuple[tuple[int, Entry], ...]:
        return await self._read(lambda: self._queries.entries(after, most))

    async def letters(self, after: int, most: int) -> tuple[tuple[int, Mail], ...]:
        return await self._read(lambda: self._queries.letters(after, most))

    async def drop(
        self,
        *,
        rows: Sequence[tuple[Key, State]] = (),
        letters: Sequence[tuple[int, Mail]] = (),
        entries: Sequence[int] = (),
    ) -> None:
        await self._write(lambda batch: batch.drop(rows, letters, entries))

    async def remember(self, nonce: str, until: datetime, now: datetime) -> bool:
        return await self._write(lambda batch: batch.remember(nonce, until, now))

    async def see(self, seen: Mapping[Key, datetime]) -> None:
        if seen:
            await self._write(lambda batch: batch.see(seen))

    async def seen(self) -> dict[Key, datetime]:
        return await self._read(self._queries.seen)

    async def close(self) -> None:
        """Commit what is queued and let go of the file. Whatever is asked afterwards raises StoreError."""
        if self._closing is None:
            self._closing = self._loop.run_in_executor(None, self._shut)
        await asyncio.shield(self._closing)
        self._idle.clear()
        self._aliases.clear()

    async def _write(self, work: Callable[[Batch], T]) -> T:
        self._refuse_when_closed()
        result: asyncio.Future[T] = self._loop.create_future()
        self._writer.submit(Job(work, result))
        return await result

    async def _read(self, work: Callable[[], T]) -> T:
        self._refuse_when_closed()
        return await self._loop.run_in_executor(self._reader, work)

    def _refuse_when_closed(self) -> None:
        if self._closing is not None:
            raise StoreError(f"{self._database.path} has been closed; open it again")

    def _settle(self, committed: Committed) -> None:
        for key, state in committed.idle.items():
            if state is None:
                self._idle.pop(key, None)
            else:
                self._idle[key] = state
        if committed.unnamed:
            self._aliases = {alias: key for alias, key in self._aliases.items() if key not in committed.unnamed}
        if committed.aliases or committed.unnamed:
            self._namings += 1
            self._aliases.update(committed.aliases)
        self._done.extend(committed.jobs)
        if not self._delivering:
            self._deliver()

    def _deliver(self) -> None:
        """Results in the order of the jobs. Whoever gets one goes on at once, so that many keep the loop for long."""
        for _ in range(min(SLICE, len(self._done))):
            self._done.popleft().deliver()
        self._delivering = bool(self._done)
        if self._delivering:
            self._loop.call_soon(self._deliver)

    def _shut(self) -> None:
        self._writer.stop()
        self._reader.shutdown()
        self._database.close()


def _open(path: Path) -> tuple[Database, World]:
    database = open_database(path)
    try:
        return database, Queries(database.path, database.writer).world()
    except StoreError:
        database.close()
        raise
