"""The SQL that reads from PostgreSQL, and that lets go of what is too old."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg

from openadr_ra.protocol.parts import Quality
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.step import Entry, Key, Mail, State
from openadr_ra.seams import Due, S
from openadr_ra.store import rows
from openadr_ra.store.postgres_link import Database
from openadr_ra.store.postgres_parts import Found
from openadr_ra.store.rows import instant, micros, span_micros

if TYPE_CHECKING:
    from openadr_ra.store.postgres_link import Connection

_ROW = "SELECT key, version, due, kind, format, body FROM states WHERE key = ANY($1::text[])"
_MAIL = "SELECT key, number, body FROM mail WHERE key = ANY($1::text[]) ORDER BY number"
_TOUCHING = """
SELECT start, span, value, quality, revision, confidence, accuracy FROM readings
WHERE series = $1 AND start >= $2 AND start < $3 AND (start >= $4 OR start + span > $4)
ORDER BY start, span
"""
_PAGE = """
SELECT start, span, value, quality, revision, confidence, accuracy FROM readings
WHERE series = (SELECT id FROM series WHERE name = $1) AND (start, span) > ($2, $3) AND start < $4
ORDER BY start, span LIMIT $5
"""
_ENTRIES = """
SELECT number, subject, at, actor, what, detail FROM journal WHERE number > $1 ORDER BY number LIMIT $2
"""
_JOURNAL = """
SELECT number, subject, at, actor, what, detail FROM journal WHERE subject = $1 AND number > $2 ORDER BY number
"""
_FORGET = """
WITH old AS (
    SELECT series, start, span FROM readings
    WHERE series = $1 AND start >= $2 AND start < $3 AND start + span <= $3
        AND ($4::bigint = 0 OR start < (SELECT start FROM readings WHERE series = $1
                                        ORDER BY start DESC LIMIT 1 OFFSET greatest($4::bigint, 1) - 1))
    ORDER BY start, span LIMIT $5
)
DELETE FROM readings USING old
WHERE readings.series = old.series AND readings.start = old.start AND readings.span = old.span
"""
_THIN = """
WITH crowded AS (
    SELECT series, start, span FROM readings AS each
    WHERE series = $1 AND start >= $2 AND start < $3 AND start + span <= $3
        AND EXISTS (SELECT 1 FROM readings WHERE series = $1
                    AND start >= each.start - each.start % $4::bigint AND start < each.start)
    ORDER BY start, span LIMIT $5
)
DELETE FROM readings USING crowded
WHERE readings.series = crowded.series AND readings.start = crowded.start AND readings.span = crowded.span
"""
_BARE = "DELETE FROM series WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM readings WHERE readings.series = series.id)"
_OVERDUE = """
WITH mine AS (
    SELECT key FROM states WHERE due <= $1 AND claimed <= $1 AND starts_with(key, $4)
    ORDER BY due, key LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE states SET claimed = $2 FROM mine WHERE states.key = mine.key RETURNING states.key, states.due
"""
_CLAIM = """
INSERT INTO duties (name, deadline) VALUES ($1, $3)
ON CONFLICT (name) DO UPDATE SET deadline = excluded.deadline WHERE duties.deadline <= $2
RETURNING name
"""
_SEE = """
INSERT INTO seen (key, at) SELECT * FROM unnest($1::text[], $2::bigint[])
ON CONFLICT (key) DO UPDATE SET at = excluded.at WHERE excluded.at > seen.at
"""


def after_all(prefix: str) -> str | None:
    """The first name that sorts after all that begin with `prefix`; None where there is no such name."""
    for place in reversed(range(len(prefix))):
        code = ord(prefix[place]) + 1
        if code <= sys.maxunicode:
            # Surrogates are no characters.
            return prefix[:place] + chr(0xE000 if code == 0xD800 else code)
    return None


class Queries:
    """What the database says. Each raises StoreError where it cannot be asked."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._qualities: dict[int, Quality] = {}

    async def found(self, keys: Sequence[Key]) -> dict[Key, Found]:
        """These rows, as far as they are there."""
        async with self._database.connection() as connection:
            return {
                Key(key): Found(version=version, due_us=due, kind=kind, format=written, body=body)
                for key, version, due, kind, written, body in await connection.fetch(_ROW, list(keys))
            }

    async def mail(self, keys: Sequence[Key]) -> dict[Key, list[tuple[int, str]]]:
        """What waits for these rows, oldest first."""
        async with self._database.connection() as connection:
            found: dict[Key, list[tuple[int, str]]] = {}
            for key, number, body in await connection.fetch(_MAIL, list(keys)):
                found.setdefault(Key(key), []).append((number, body))
            return found

    async def state(self, key: Key, kind: type[S]) -> S | None:
        return (await self.states((key,), kind)).get(key)

    async def states(self, keys: Sequence[Key], kind: type[S]) -> dict[Key, S]:
        """The states of these rows, as far as they are there."""
        return {
            key: rows.state(key, kind, found.kind, found.format, found.body)
            for key, found in (await self.found(keys)).items()
        }

    async def keys(self, prefix: str) -> tuple[Key, ...]:
        return tuple(Key(name) for name in await self._beginning("SELECT key FROM states", "key", prefix))

    async def series(self, prefix: str) -> tuple[str, ...]:
        return await self._beginning("SELECT name FROM series", "name", prefix)

    async def _beginning(self, select: str, column: str, prefix: str) -> tuple[str, ...]:
        bound = after_all(prefix)
        if bound is None:
            return tuple(
                name for (name,) in await self._fetch(f"{select} WHERE {column} >= $1 ORDER BY {column}", prefix)
            )
        query = f"{select} WHERE {column} >= $1 AND {column} < $2 ORDER BY {column}"
        return tuple(name for (name,) in await self._fetch(query, prefix, bound))

    async def next_series(self, after: str, most: int) -> tuple[str, ...]:
        query = "SELECT name FROM series WHERE name > $1 ORDER BY name LIMIT $2"
        return tuple(name for (name,) in await self._fetch(query, after, most))

    async def waiting(self) -> tuple[Key, ...]:
        return tuple(Key(key) for (key,) in await self._fetch("SELECT DISTINCT key FROM mail ORDER BY key"))

    async def due(self) -> tuple[Due, ...]:
        query = "SELECT key, due FROM states WHERE due IS NOT NULL ORDER BY due, key"
        return tuple(Due(key=Key(key), at=instant(us)) for key, us in await self._fetch(query))

    async def alias(self, alias: str) -> Key | None:
        found = await self._fetch("SELECT key FROM aliases WHERE alias = $1", alias)
        return Key(found[0][0]) if found else None

    async def readings(self, series: Sequence[str], start: datetime, end: datetime) -> tuple[Reading, ...]:
        """Readings of these series that touch [start, end), by series as asked, then start; all of the same moment."""
        if end <= start or not series:
            return ()
        names = list(dict.fromkeys(series))
        async with self._database.connection() as connection, connection.transaction(
            isolation="repeatable_read", readonly=True
        ):  # fmt: skip
            known = await connection.fetch("SELECT name, id, longest FROM series WHERE name = ANY($1::text[])", names)
            numbers = {name: (number, longest) for name, number, longest in known}
            await self._learn(connection)
            found: list[Reading] = []
            for name in names:
                if name in numbers:
                    number, longest = numbers[name]
                    start_us = micros(start)
                    bounds = (number, start_us - longest, micros(end), start_us)
                    lines = await connection.fetch(_TOUCHING, *bounds)
                    found += [self._reading(name, line) for line in lines]
            return tuple(found)

    async def page(self, series: str, after: tuple[int, int], end_us: int, most: int) -> tuple[Reading, ...]:
        """The first `most` readings of the series that begin before `end_us` and follow `after` (start, span), both in
        microseconds."""
        async with self._database.connection() as connection:
            lines = await connection.fetch(_PAGE, series, *after, end_us, most)
            if lines:
                await self._learn(connection)
            return tuple(self._reading(series, line) for line in lines)

    async def _learn(self, connection: Connection) -> None:
        (count,) = (await connection.fetch("SELECT count(*) FROM qualities"))[0]
        if count != len(self._qualities):
            self._qualities = {code: Quality(name) for code, name in await connection.fetch("SELECT * FROM qualities")}

    def _reading(self, name: str, line: asyncpg.Record) -> Reading:
        start_us, span_us, value, quality, revision, confidence, accuracy = line
        return Reading(
            series=name, start=instant(start_us), span=timedelta(microseconds=span_us), value=value,
            quality=self._qualities[quality], revision=revision, confidence=confidence, accuracy=accuracy,
        )  # fmt: skip

    async def entries(self, after: int, most: int) -> tuple[tuple[int, Entry], ...]:
        return await self._entries(_ENTRIES, after, most)

    async def journal(self, subject: str, after: int) -> tuple[tuple[int, Entry], ...]:
        return await self._entries(_JOURNAL, subject, after)

    async def _entries(self, query: str, *bounds: str | int) -> tuple[tuple[int, Entry], ...]:
        found = await self._fetch(query, *bounds)
        return tuple(
            (number, Entry(subject=subject, at=instant(at_us), by=by, what=what, detail=detail))
            for number, subject, at_us, by, what, detail in found
        )

    async def letters(self, after: int, most: int) -> tuple[tuple[int, Mail], ...]:
        query = "SELECT number, key, body FROM mail WHERE number > $1 ORDER BY number LIMIT $2"
        found = await self._fetch(query, after, most)
        return tuple((number, Mail(to=Key(key), body=rows.letter(Key(key), body))) for number, key, body in found)

    async def seen(self) -> dict[Key, datetime]:
        return {Key(key): instant(us) for key, us in await self._fetch("SELECT key, at FROM seen")}

    async def _fetch(self, query: str, *arguments: str | int) -> list[asyncpg.Record]:
        async with self._database.connection() as connection:
            return await connection.fetch(query, *arguments)


class Commands:
    """What changes the database and is no step: each is one small transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def see(self, seen: Sequence[tuple[Key, datetime]]) -> None:
        """In the order of their keys, so that two processes do not wait for one another."""
        ordered = sorted(seen)
        async with self._database.connection() as connection:
            await connection.execute(_SEE, [key for key, _ in ordered], [micros(at) for _, at in ordered])

    async def claim(self, duty: str, now: datetime, until: datetime) -> bool:
        async with self._database.connection() as connection:
            return await connection.fetchval(_CLAIM, duty, micros(now), micros(until)) is not None

    async def overdue(self, prefix: str, now: datetime, until: datetime, most: int) -> tuple[Key, ...]:
        async with self._database.connection() as connection:
            found = await connection.fetch(_OVERDUE, micros(now), micros(until), most, prefix)
        return tuple(Key(key) for key, _ in sorted(found, key=lambda line: (line[1], line[0])))

    async def remember(self, nonce: str, until: datetime, now: datetime) -> bool:
        command = (
            "INSERT INTO nonces (nonce, until) VALUES ($1, $2) "
            "ON CONFLICT (nonce) DO UPDATE SET until = excluded.until WHERE nonces.until < $3 RETURNING nonce"
        )
        async with self._database.connection() as connection:
            return await connection.fetchval(command, nonce, micros(until), micros(now)) is not None

    async def forget(self, series: Sequence[str], start: datetime, end: datetime, least: int, most: int) -> int:
        """See `Store.forget`."""

        async def forget(connection: Connection, number: int, left: int) -> str:
            done = await connection.execute(_FORGET, number, micros(start), micros(end), least, left)
            await connection.execute(_BARE, number)
            return done

        return await self._of_each(series, most, forget)

    async def thin(self, series: Sequence[str], start: datetime, end: datetime, every: timedelta, most: int) -> int:
        """See `Store.thin`. Of each series something stays."""

        async def thin(connection: Connection, number: int, left: int) -> str:
            return await connection.execute(_THIN, number, micros(start), micros(end), span_micros(every), left)

        return await self._of_each(series, most, thin)

    async def _of_each(
        self, series: Sequence[str], most: int, drop: Callable[[Connection, int, int], Awaitable[str]]
    ) -> int:
        """How many readings went that `drop` lets go of, series by series, until there are `most`."""
        left = most
        names = list(dict.fromkeys(series))
        async with self._database.connection() as connection, connection.transaction():
            known = await connection.fetch("SELECT name, id FROM series WHERE name = ANY($1::text[])", names)
            numbers: dict[str, int] = dict(map(tuple, known))
            for name in names:
                if name in numbers and left:
                    left -= int((await drop(connection, numbers[name], left)).rpartition(" ")[2])
        return most - left

    async def drop(
        self, held: Sequence[tuple[Key, State]], letters: Sequence[tuple[int, Mail]], entries: Sequence[int]
    ) -> tuple[frozenset[Key], frozenset[Key]]:
        """See `Store.drop`; the rows that are gone, and of all that were named those for which mail waits."""
        states = dict(held)
        named = list({*states, *(mail.to for _, mail in letters)})
        async with self._database.connection() as connection, connection.transaction():
            if letters:
                await connection.execute(
                    "DELETE FROM mail WHERE number = ANY($1::bigint[])", [one for one, _ in letters]
                )
            locked = await connection.fetch(f"{_ROW} ORDER BY key FOR UPDATE", sorted(states))
            mailed = {Key(key) for (key,) in await connection.fetch(
                "SELECT DISTINCT key FROM mail WHERE key = ANY($1::text[])", named
            )}  # fmt: skip
            gone = [
                Key(key)
                for key, _, _, kind, written, body in locked
                if key not in mailed and rows.state(Key(key), type(states[key]), kind, written, body) == states[key]
            ]
            await connection.execute("DELETE FROM states WHERE key = ANY($1::text[])", gone)
            await connection.execute("DELETE FROM aliases WHERE key = ANY($1::text[])", gone)
            if entries:
                await connection.execute("DELETE FROM journal WHERE number = ANY($1::bigint[])", list(entries))
        return frozenset(gone), frozenset(mailed)
