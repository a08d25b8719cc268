"""The store that several processes share: a PostgreSQL database. Rows have versions, and only who lost steps again."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from typing import Self, TypeVar

import asyncpg

from openadr_ra.errors import StoreError
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.step import Entry, Key, Mail, Outcome, State
from openadr_ra.seams import Due, S, Step, Told
from openadr_ra.store.batch import Batch, check, held
from openadr_ra.store.jobs import Job
from openadr_ra.store.postgres_link import Database
from openadr_ra.store.postgres_pump import Pump
from openadr_ra.store.postgres_reading import Commands, Queries

T = TypeVar("T")

log = logging.getLogger(__name__)

MOST_ROWS = 200_000
"""Rows that are kept in memory; those that came first make room."""

MOST_TRIES = 50
"""So often a batch that others were in the way of is tried again."""


class PostgresStore:
    """Belongs to the event loop that opened it. Callers that wait at the same time share a transaction.

    What a cancelled caller had asked for is done all the same. While no news come from the other processes nothing is taken
    from memory.
    """

    def __init__(self, database: Database) -> None:
        """Use `open`."""
        self._database = database
        self._queries = Queries(database)
        self._commands = Commands(database)
        self._pump = Pump(database, secrets.token_hex(4))
        self._locks: dict[str, asyncio.Lock] = {}

    @classmethod
    async def open(cls, url: str) -> Self:
        """The store in that database. Raises StoreError where it cannot be used."""
        database = Database(url)
        await database.open()
        made = cls(database)
        try:
            await made._pump.open()
        except StoreError:
            await database.close()
            raise
        return made

    @property
    def commits(self) -> int:
        """Transactions that stored something since the store was opened."""
        return self._pump.commits

    @property
    def shared(self) -> bool:
        return True

    def watch(self, told: Told) -> None:
        self._pump.watchers.append(told)

    async def exclusive(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        """One connection waits for other processes, however many of ours wait here."""
        async with self._locks.setdefault(name, asyncio.Lock()), self._database.connection() as connection:
            await connection.execute("SELECT pg_advisory_lock(hashtextextended($1, 1))", name)
            try:
                return await work()
            finally:
                # A connection that is gone holds no lock.
                with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                    await connection.execute("SELECT pg_advisory_unlock(hashtextextended($1, 1))", name)

    async def overdue(self, prefix: str, now: datetime, lease: timedelta, most: int) -> tuple[Key, ...]:
        return await self._commands.overdue(prefix, now, now + lease, most)

    async def claim(self, duty: str, now: datetime, until: datetime) -> bool:
        return await self._commands.claim(duty, now, until)

    async def update(self, key: Key, kind: type[S], step: Step[S]) -> Outcome[S]:
        return await self._submit(key, lambda batch: batch.update(key, kind, step))

    async def load(self, key: Key, kind: type[S]) -> S | None:
        row = self._pump.rows.get(key) if self._pump.knows else None
        return held(key, row.state, kind) if row is not None else await self._queries.state(key, kind)

    async def load_all(self, keys: Sequence[Key], kind: type[S]) -> tuple[S, ...]:
        rows = self._pump.rows if self._pump.knows else {}
        known = {key: held(key, rows[key].state, kind) if key in rows else None for key in keys}
        asked = [key for key, state in known.items() if state is None]
        if asked:
            known |= await self._queries.states(asked, kind)
        return tuple(state for state in known.values() if state is not None)

    def peek(self, key: Key, kind: type[S]) -> S | None:
        row = self._pump.rows.get(key) if self._pump.knows and key not in self._pump.mailed else None
        return row.state if row is not None and isinstance(row.state, kind) else None

    async def keys(self, prefix: str) -> tuple[Key, ...]:
        return await self._queries.keys(prefix)

    async def post(self, mail: Sequence[Mail]) -> None:
        await self._submit(None, lambda batch: batch.post(mail))

    async def waiting(self) -> tuple[Key, ...]:
        return await self._queries.waiting()

    async def due(self) -> tuple[Due, ...]:
        return await self._queries.due()

    async def resolve(self, alias: str) -> Key | None:
        if self._pump.knows and alias in self._pump.aliases:
            return self._pump.aliases[alias]
        namings = self._pump.namings
        key = await self._queries.alias(alias)
        # A name given while the answer was under way may be a newer one for this alias.
        if key is not None and namings == self._pump.namings and self._pump.knows:
            self._pump.aliases[alias] = key
        return key

    async def record(self, readings: Sequence[Reading], entries: Sequence[Entry] = ()) -> None:
        check(readings)
        await self._submit(None, lambda batch: batch.record(readings, entries))

    async def readings(self, series: Sequence[str], start: datetime, end: datetime) -> tuple[Reading, ...]:
        return await self._queries.readings(series, start, end)

    async def forget(self, series: Sequence[str], start: datetime, end: datetime, least: int, most: int) -> int:
        return await self._pump.in_turn(lambda: self._commands.forget(series, start, end, least, most))

    async def thin(self, series: Sequence[str], start: datetime, end: datetime, every: timedelta, most: int) -> int:
        return await self._pump.in_turn(lambda: self._commands.thin(series, start, end, every, most))

    async def octets(self) -> int | None:
        """Others may have tables in that database; whoever runs it sees to its size."""
        return None

    async def series(self, prefix: str) -> tuple[str, ...]:
        return await self._queries.series(prefix)

    async def next_series(self, after: str, most: int) -> tuple[str, ...]:
        return await self._queries.next_series(after, most)

    async def journal(self, subject: str, after: int = 0) -> tuple[tuple[int, Entry], ...]:
        return await self._queries.journal(subject, after)

    async def entries(self, after: int, most: int) -> tuple[tuple[int, Entry], ...]:
        return await self._queries.entries(after, most)

    async def letters(self, after: int, most: int) -> tuple[tuple[int, Mail], ...]:
        return await self._queries.letters(after, most)

    async def drop(
        self,
        *,
        rows: Sequence[tuple[Key, State]] = (),
        letters: Sequence[tuple[int, Mail]] = (),
        entries: Sequence[int] = (),
    ) -> None:
        named = {key for key, _ in rows} | {mail.to for _, mail in letters}

        async def work() -> None:
            before = named & self._pump.mailed
            with ExitStack() as failed:
                failed.callback(self._pump.mailed.update, before)
                # News of mail may come meanwhile.
                self._pump.mailed -= named
                gone, mailed = await self._commands.drop(rows, letters, entries)
                failed.pop_all()
            self._pump.mailed |= mailed
            for key in gone:
                self._pump.rows.pop(key, None)
            if gone:
                self._pump.aliases.clear()
                self._pump.namings += 1

        await self._pump.in_turn(work)

    async def remember(self, nonce: str, until: datetime, now: datetime) -> bool:
        self._pump.newest = max(self._pump.newest, now)
        return await self._commands.remember(nonce, until, self._pump.newest)

    async def see(self, seen: Mapping[Key, datetime]) -> None:
        if seen:
            await self._commands.see(tuple(seen.items()))

    async def seen(self) -> dict[Key, datetime]:
        return await self._queries.seen()

    async def close(self) -> None:
        """Commit what is queued and let go of the database. Whatever is asked afterwards raises StoreError."""
        await self._pump.close()
        await self._database.close()

    async def _submit(self, key: Key | None, work: Callable[[Batch], T]) -> T:
        result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._pump.put(key, Job(work, result))
        return await result
