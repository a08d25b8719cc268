"""What the jobs of a batch make of each row, and the one transaction that stores all of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from openadr_ra.protocol.parts import Quality
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.step import Key, Mail, State
from openadr_ra.protocol.times import FOREVER
from openadr_ra.store import rows
from openadr_ra.store.batch import Batch
from openadr_ra.store.jobs import Job
from openadr_ra.store.postgres_hints import hints
from openadr_ra.store.postgres_link import NAME
from openadr_ra.store.rows import instant, micros, span_micros, text
from openadr_ra.store.world import Row, Waiting, World

if TYPE_CHECKING:
    from openadr_ra.store.postgres_link import Connection

OWN_NUMBERS = 1 << 62
"""Mail of a batch that is not stored yet is numbered from here; the database gives it its number."""

FORGET_EVERY = timedelta(minutes=1)
EXPIRED = timedelta(hours=1)
"""Hosts' clocks differ by less."""


_LOCK = "SELECT key, version FROM states WHERE key = ANY($1::text[]) ORDER BY key FOR UPDATE"
_VERSIONS = "SELECT key, version FROM states WHERE key = ANY($1::text[])"
_REMEMBER = """
INSERT INTO nonces (nonce, until) SELECT * FROM unnest($1::text[], $2::bigint[])
ON CONFLICT (nonce) DO UPDATE SET until = excluded.until WHERE nonces.until < $3
RETURNING nonce
"""
_FORGET = """
DELETE FROM nonces
WHERE nonce IN (SELECT nonce FROM nonces WHERE until < $1 ORDER BY until LIMIT 10000 FOR UPDATE SKIP LOCKED)
"""
_NEW = """
INSERT INTO states (key, kind, format, version, due, body)
SELECT * FROM unnest($1::text[], $2::text[], $3::integer[], $4::bigint[], $5::bigint[], $6::text[])
ON CONFLICT (key) DO NOTHING RETURNING key
"""
_SAVE = """
UPDATE states SET kind = new.kind, format = new.format, version = new.version, due = new.due, body = new.body, claimed = 0
FROM unnest($1::text[], $2::text[], $3::integer[], $4::bigint[], $5::bigint[], $6::text[])
    AS new (key, kind, format, version, due, body)
WHERE states.key = new.key
"""
_READ = "DELETE FROM mail WHERE number = ANY($1::bigint[])"
_POST = """
INSERT INTO mail (key, body) SELECT letter.key, body.body
FROM unnest($1::text[], $2::integer[]) WITH ORDINALITY AS letter (key, body, place)
JOIN unnest($3::text[]) WITH ORDINALITY AS body (body, place) ON body.place = letter.body
ORDER BY letter.place
"""
_NAME = """
INSERT INTO aliases (alias, key) SELECT * FROM unnest($1::text[], $2::text[])
ON CONFLICT (alias) DO UPDATE SET key = excluded.key
"""
_ENTER = """
INSERT INTO journal (subject, at, actor, what, detail)
SELECT subject, at, actor, what, detail
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[])
    WITH ORDINALITY AS entry (subject, at, actor, what, detail, place)
ORDER BY place
"""
_SERIES = """
INSERT INTO series (name, longest) SELECT * FROM unnest($1::text[], $2::bigint[])
ON CONFLICT (name) DO UPDATE SET longest = greatest(series.longest, excluded.longest)
RETURNING name, id, longest
"""
_QUALITIES = "INSERT INTO qualities (name) SELECT unnest($1::text[]) ON CONFLICT (name) DO NOTHING"
_RECORD = """
INSERT INTO readings (series, start, span, value, quality, revision, confidence, accuracy)
SELECT * FROM unnest($1::integer[], $2::bigint[], $3::bigint[], $4::float8[], $5::smallint[], $6::bigint[],
    $7::integer[], $8::float8[])
ON CONFLICT (series, start, span) DO UPDATE SET
    value = excluded.value, quality = excluded.quality, revision = excluded.revision,
    confidence = excluded.confidence, accuracy = excluded.accuracy
WHERE excluded.revision > readings.revision
"""


class Lost(Exception):
    """Others were faster with these rows: nothing is stored, and only these are to be stepped again."""

    def __init__(self, keys: frozenset[Key | None]) -> None:
        super().__init__(f"{len(keys)} rows have changed meanwhile")
        self.keys = keys


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A row as the database has it."""

    version: int
    due_us: int | None
    kind: str
    format: int
    body: str


class Loaded:
    """The source of the world of one row. `stays`: others will seldom change it, so that it stays in memory once read."""

    def __init__(
        self, known: Row | None, found: Found | None, letters: list[tuple[int, str]], *, stays: bool = False
    ) -> None:
        self._known = known
        self._found = found
        self._letters = letters
        self._stays = stays

    @property
    def version(self) -> int | None:
        """That of the row; None where there is none."""
        if self._known is not None:
            return self._known.version
        return None if self._found is None else self._found.version

    @property
    def has_mail(self) -> bool:
        return bool(self._letters)

    def row(self, key: Key, kind: type[State]) -> Row | None:
        if self._known is None and self._found is not None:
            found = self._found
            due = None if found.due_us is None else instant(found.due_us)
            state = rows.state(key, kind, found.kind, found.format, found.body, stays=self._stays)
            self._known = Row(state=state, version=found.version, due=due)
        return self._known

    def mail(self, key: Key) -> list[Waiting]:
        return [Waiting(number=number, body=rows.letter(key, body)) for number, body in self._letters]


class Part:
    """The jobs of a batch that step one row, or none, and what they made."""

    def __init__(self, key: Key | None) -> None:
        self.key = key
        self.jobs: list[Job] = []
        self.said: set[str] = set()
        """Nonces that are known to be known."""
        self.version: int | None = None
        self.fresh = False
        self.has_mail = False
        self.batch: Batch

    def step(self, source: Loaded, *, fresh: bool) -> None:
        """Do the jobs on the row as it was found. `fresh`: it was found for them, not before."""
        unread = [self.key] if self.key is not None and source.has_mail else []
        self._world = world = World(source, unread, number=OWN_NUMBERS)
        world.admit(dict.fromkeys(self.said, FOREVER), world.newest)
        self.version, self.fresh, self.has_mail = source.version, fresh, source.has_mail
        self.batch = Batch(world)
        for job in self.jobs:
            job.run(self.batch)
        self._count()

    def rows(self) -> dict[Key, Row]:
        """Those that it leaves in memory once it is stored: the row as it is then."""
        return {**self._world.rows, **self.batch.rows}

    def _count(self) -> None:
        """Mail that was read moves the version even where it changes nothing: who else has read it has lost."""
        if not self.batch.read or self.key is None or self.key in self.batch.rows:
            return
        row = self._world.rows.get(self.key)
        if row is not None:
            self.batch.rows[self.key] = msgspec.structs.replace(row, version=row.version + 1)


class Writing:
    """Stores batches of parts. The numbers of series and qualities are learned as they are met."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._forgotten = datetime.min.replace(tzinfo=UTC)
        self._series: dict[str, tuple[int, int]] = {}
        self._qualities: dict[Quality, int] = {}

    def forget(self) -> None:
        """The numbers may be others' by now."""
        self._series.clear()
        self._qualities.clear()

    async def stale(self, connection: Connection, parts: Sequence[Part]) -> frozenset[Key | None]:
        """Of parts that store nothing: those that were made of what is no longer so."""
        old = {part.key: part.version for part in parts if part.key is not None and not part.fresh}
        if not old:
            return frozenset()
        found = {Key(key): version for key, version in await connection.fetch(_VERSIONS, list(old))}
        return frozenset(key for key, version in old.items() if found.get(key) != version)

    async def store(self, connection: Connection, parts: Sequence[Part]) -> None:
        """All of the parts in one transaction. Raises Lost, and then nothing of it is stored."""
        series: dict[str, tuple[int, int]] = {}
        with ExitStack() as failed:
            # What was numbered in a transaction that failed exists no more.
            failed.callback(self._qualities.clear)
            await self._store(connection, parts, series)
            failed.pop_all()
        self._series.update(series)

    async def _store(self, connection: Connection, parts: Sequence[Part], series: dict[str, tuple[int, int]]) -> None:
        async with connection.transaction():
            await self._hold(connection, parts)
            await self._remember(connection, parts)
            await self._save(connection, parts)
            batches = [part.batch for part in parts]
            await self._read(connection, parts)
            await self._post(connection, [mail for batch in batches for mail in batch.posted.values()])
            if names := sorted({alias: key for batch in batches for alias, key in batch.aliases.items()}.items()):
                await connection.execute(_NAME, *_columns(names, 2))
            await self._record(connection, [one for batch in batches for one in batch.readings], series)
            await self._enter(connection, batches)
            if told := hints(self._who, batches):
                await connection.executemany(f"SELECT pg_notify('{NAME}', $1)", [(hint,) for hint in told])

    async def _hold(self, connection: Connection, parts: Sequence[Part]) -> None:
        keys = [part.key for part in parts if part.key is not None]
        if not keys:
            return
        found = {Key(key): version for key, version in await connection.fetch(_LOCK, keys)}
        lost = frozenset(part.key for part in parts if part.key is not None and found.get(part.key) != part.version)
        if lost:
            raise Lost(lost)

    async def _remember(self, connection: Connection, parts: Sequence[Part]) -> None:
        said: dict[str, int] = {}
        twice: set[Key | None] = set()
        for part in parts:
            # Two rows of this very batch may have been given one nonce.
            again = said.keys() & part.batch.nonces.keys()
            if again:
                part.said |= again
                twice.add(part.key)
            said |= {nonce: micros(until) for nonce, until in part.batch.nonces.items()}
        if twice:
            raise Lost(frozenset(twice))
        if not said:
            return
        newest = max(part.batch.newest for part in parts)
        ordered = sorted(said.items())
        new = {nonce for (nonce,) in await connection.fetch(_REMEMBER, *_columns(ordered, 2), micros(newest))}
        known = said.keys() - new
        if not known:
            await self._forget(connection, newest)
            return
        lost = [part for part in parts if not known.isdisjoint(part.batch.nonces)]
        for part in lost:
            part.said |= known & part.batch.nonces.keys()
        raise Lost(frozenset(part.key for part in lost))

    async def _forget(self, connection: Connection, newest: datetime) -> None:
        """Once a minute let go of nonces that expired long before, by the clock of any host."""
        if newest < self._forgotten + FORGET_EVERY:
            return
        self._forgotten = newest
        await connection.execute(_FORGET, micros(newest - EXPIRED))

    async def _save(self, connection: Connection, parts: Sequence[Part]) -> None:
        new = [part for part in parts if part.version is None and part.key is not None and part.batch.rows]
        if new:
            made = sorted(_row(key, row) for part in new for key, row in part.batch.rows.items())
            stored = {Key(key) for (key,) in await connection.fetch(_NEW, *_columns(made, 6))}
            lost = frozenset(part.key for part in new if part.key not in stored)
            if lost:
                raise Lost(lost)
        old = [part for part in parts if part.version is not None]
        if changed := [_row(key, row) for part in old for key, row in part.batch.rows.items()]:
            await connection.execute(_SAVE, *_columns(changed, 6))

    async def _read(self, connection: Connection, parts: Sequence[Part]) -> None:
        read = [number for part in parts for number in part.batch.read]
        if not read:
            return
        done = await connection.execute(_READ, read)
        if int(done.rpartition(" ")[2]) != len(read):
            # Some of it was dropped meanwhile by who lets go of what is too old.
            raise Lost(frozenset(part.key for part in parts if part.batch.read))

    async def _post(self, connection: Connection, posted: Sequence[Mail]) -> None:
        if not posted:
            return
        # One letter to thousands is the same object in each mail, and goes over once.
        places: dict[int, int] = {}
        bodies: list[str] = []
        for mail in posted:
            if id(mail.body) not in places:
                bodies.append(text(mail.body))
                places[id(mail.body)] = len(bodies)
        await connection.execute(
            _POST, [mail.to for mail in posted], [places[id(mail.body)] for mail in posted], bodies
        )

    async def _enter(self, connection: Connection, batches: Sequence[Batch]) -> None:
        entries = [entry for batch in batches for entry in batch.entries]
        if entries:
            lines = [(entry.subject, micros(entry.at), entry.by, entry.what, entry.detail) for entry in entries]
            await connection.execute(_ENTER, *_columns(lines, 5))

    async def _record(
        self, connection: Connection, readings: Sequence[Reading], learned: dict[str, tuple[int, int]]
    ) -> None:
        if not readings:
            return
        longest: dict[str, int] = {}
        for reading in readings:
            longest[reading.series] = max(longest.get(reading.series, 0), span_micros(reading.span))
        new = sorted((name, us) for name, us in longest.items() if self._series.get(name, (0, -1))[1] < us)
        if new:
            found = await connection.fetch(_SERIES, *_columns(new, 2))
            learned.update({name: (number, us) for name, number, us in found})
        await self._learn(connection, {reading.quality for reading in readings})
        numbers = self._series | learned if learned else self._series
        lines = sorted(
            (
                numbers[name][0], start_us, span_us, one.value, self._qualities[one.quality],
                one.revision, one.confidence, one.accuracy,
            )
            for (name, start_us, span_us), one in _newest(readings).items()
        )  # fmt: skip
        await connection.execute(_RECORD, *_columns(lines, 8))

    async def _learn(self, connection: Connection, qualities: set[Quality]) -> None:
        if qualities <= self._qualities.keys():
            return
        await connection.execute(_QUALITIES, sorted(qualities - self._qualities.keys()))
        self._qualities = {Quality(name): code for code, name in await connection.fetch("SELECT * FROM qualities")}


def _newest(readings: Iterable[Reading]) -> Mapping[tuple[str, int, int], Reading]:
    """By place; of several the first of the highest revision, as if they had come one after another."""
    found: dict[tuple[str, int, int], Reading] = {}
    for reading in readings:
        place = reading.series, micros(reading.start), span_micros(reading.span)
        known = found.get(place)
        if known is None or known.revision < reading.revision:
            found[place] = reading
    return found


def _row(key: Key, row: Row) -> tuple[str, str, int, int, int | None, str]:
    due_us = None if row.due is None else micros(row.due)
    return key, type(row.state).__name__, row.state.format, row.version, due_us, text(row.state)


def _columns(lines: Sequence[tuple[object, ...]], count: int) -> list[list[object]]:
    """What `unnest` takes."""
    return [[line[column] for line in lines] for column in range(count)]
