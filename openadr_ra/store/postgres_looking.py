"""A PostgreSQL store as others than its node see it: read only, while the node runs or not. Read, and checked.

Each question is a short transaction of its own, so that the database can clear up behind those who write meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice

import asyncpg

from openadr_ra.errors import StoreError
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.step import Entry, Key, State
from openadr_ra.seams import S
from openadr_ra.store.findings import MOST_FAULTS, Checked, Size, Unread, letter_fault, row_fault
from openadr_ra.store.postgres_link import Database, Refused, newest_schema
from openadr_ra.store.postgres_reading import Queries

TABLES = ("states", "mail", "aliases", "series", "qualities", "readings", "journal", "nonces", "seen", "duties")

PAGE = 200
"""Rows that are in memory at once: some are of tens of kilobytes."""

_ROWS = "SELECT key, kind, format, body FROM states WHERE key > $1 ORDER BY key LIMIT $2"
_LETTERS = "SELECT number, key, body FROM mail WHERE number > $1 ORDER BY number LIMIT $2"
_STRANGERS = "SELECT count(*) FROM readings WHERE quality NOT IN (SELECT code FROM qualities)"
_UNREAD = """
SELECT key, count(*), EXISTS (SELECT FROM states WHERE states.key = mail.key) FROM mail GROUP BY key ORDER BY key
"""


class Reader:
    """What the database says to whoever has no loop: it waits for each answer."""

    def __init__(self, queries: Queries, runner: asyncio.Runner) -> None:
        self._queries = queries
        self._runner = runner

    def state(self, key: Key, kind: type[S]) -> S | None:
        return self._runner.run(self._queries.state(key, kind))

    def keys(self, prefix: str) -> tuple[Key, ...]:
        return self._runner.run(self._queries.keys(prefix))

    def series(self, prefix: str) -> tuple[str, ...]:
        return self._runner.run(self._queries.series(prefix))

    def next_series(self, after: str, most: int) -> tuple[str, ...]:
        return self._runner.run(self._queries.next_series(after, most))

    def readings(self, series: Sequence[str], start: datetime, end: datetime) -> tuple[Reading, ...]:
        return self._runner.run(self._queries.readings(series, start, end))

    def page(self, series: str, after: tuple[int, int], end_us: int, most: int) -> tuple[Reading, ...]:
        return self._runner.run(self._queries.page(series, after, end_us, most))

    def journal(self, subject: str, after: int) -> tuple[tuple[int, Entry], ...]:
        return self._runner.run(self._queries.journal(subject, after))

    def entries(self, after: int, most: int) -> tuple[tuple[int, Entry], ...]:
        return self._runner.run(self._queries.entries(after, most))


@contextmanager
def reading(url: str) -> Iterator[Reader]:
    """What the database says to whoever asks, in a thread without a loop. Raises StoreError, also for an older schema, and
    SettingsError for what is no url."""
    database = Database(url)
    with asyncio.Runner() as runner:
        schema = runner.run(database.look())
        try:
            if schema < newest_schema():
                raise StoreError(
                    f"database {database.name} is of an older openadr-ra (schema {schema}); start its node once, which "
                    "updates it"
                )
            yield Reader(Queries(database), runner)
        finally:
            runner.run(database.close())


def check(url: str, kinds: Mapping[str, type[State]]) -> Checked:
    """Look at all rows and letters, page by page, in a thread without a loop. `kinds` are the states that rows may hold, by
    name.

    Raises StoreError where the database cannot be asked at all; what is wrong with it is in the result. Its pages are the
    server's to check. Raises SettingsError for what is no url.
    """
    return asyncio.run(_checked(Database(url), kinds))


async def _checked(database: Database, kinds: Mapping[str, type[State]]) -> Checked:
    schema = await database.look()
    try:
        look = _Check(database, kinds)
        for part in (look.rows, look.letters, look.readings, look.waiting, look.sizes):
            await part()
        return Checked(
            file=database.name,
            octets=look.octets,
            schema=schema,
            newest_schema=newest_schema(),
            faults=tuple(dict.fromkeys(look.faults)),
            unread=tuple(look.unread),
            tables=tuple(look.tables),
        )
    finally:
        await database.close()


class _Check:
    """What has been found so far, and what there is to look at. Each part raises StoreError for a database that is away."""

    def __init__(self, database: Database, kinds: Mapping[str, type[State]]) -> None:
        self.faults: list[str] = []
        self.unread: list[Unread] = []
        self.tables: list[Size] = []
        self.octets = 0
        self._database = database
        self._kinds = kinds

    async def rows(self) -> None:
        """Those that cannot be read."""
        after, room = "", len(self.faults) + MOST_FAULTS
        while len(self.faults) < room and (page := await self._asked(_ROWS, after, PAGE)):
            after = page[-1]["key"]
            told = (row_fault(key, name, written, body, self._kinds) for key, name, written, body in page)
            self.faults += islice(filter(None, told), room - len(self.faults))

    async def letters(self) -> None:
        """The same."""
        after, room = 0, len(self.faults) + MOST_FAULTS
        while len(self.faults) < room and (page := await self._asked(_LETTERS, after, PAGE)):
            after = page[-1]["number"]
            told = (letter_fault(number, key, body) for number, key, body in page)
            self.faults += islice(filter(None, told), room - len(self.faults))

    async def readings(self) -> None:
        """Those whose quality leads nowhere; that their series are there the database itself sees to."""
        for (count,) in await self._asked(_STRANGERS):
            if count:
                self.faults.append(f"{count} readings have a quality that does not exist")

    async def waiting(self) -> None:
        """For whom letters wait."""
        for key, letters, has_row in await self._asked(_UNREAD):
            self.unread.append(Unread(key=Key(key), letters=letters, has_row=has_row))

    async def sizes(self) -> None:
        """Of each table, and with `octets` of the whole database."""
        for table in TABLES:
            query = f"SELECT (SELECT count(*) FROM {table}), pg_total_relation_size('{table}'::regclass)"  # noqa: S608 - ours
            for rows, octets in await self._asked(query):
                self.tables.append(Size(table=table, rows=rows, octets=octets))
        for (octets,) in await self._asked("SELECT pg_database_size(current_database())"):
            self.octets = octets

    async def _asked(self, query: str, *arguments: str | int) -> list[asyncpg.Record]:
        """What is answered; nothing, and a fault, where it cannot be said."""
        try:
            async with self._database.connection() as connection:
                return await connection.fetch(query, *arguments)
        except Refused as error:
            self.faults.append(str(error))
            return []
