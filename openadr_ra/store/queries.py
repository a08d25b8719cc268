"""The SQL that reads: one connection, one thread at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice, takewhile
from pathlib import Path

from openadr_ra.protocol.parts import Quality
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.step import Entry, Key, Mail, State
from openadr_ra.seams import Due, S
from openadr_ra.store import rows
from openadr_ra.store.batch import Place
from openadr_ra.store.database import plainly, pragma
from openadr_ra.store.rows import instant, micros, span_micros
from openadr_ra.store.world import Row, Waiting, World

TOUCHING = """
SELECT start, span, value, quality, revision, confidence, accuracy FROM readings
WHERE series = ? AND start >= ? AND start < ? AND (start >= ? OR start + span > ?)
ORDER BY start, span
"""
"""Bounded on both sides by the primary key: a reading that touches began no earlier than its series' longest span ago."""


PAGE = """
SELECT start, span, value, quality, revision, confidence, accuracy FROM readings
WHERE series = ? AND start >= ? AND start < ? AND (start > ? OR span > ?)
ORDER BY start, span LIMIT ?
"""
"""What follows a reading of that start and span."""

_WITHIN = """
SELECT start, span FROM readings
WHERE series = :series AND start >= :start AND start < :end AND start + span <= :end
    AND (:least = 0 OR start < (SELECT start FROM readings WHERE series = :series
                                ORDER BY start DESC LIMIT 1 OFFSET :least - 1))
ORDER BY start, span
"""
"""Where there are no more than `least`, there is no start to compare with, and nothing is found."""


_CROWDED = """
SELECT start, span FROM readings AS each
WHERE series = :series AND start >= :start AND start < :end AND start + span <= :end
    AND EXISTS (SELECT 1 FROM readings WHERE series = each.series
                AND start >= each.start - each.start % :every AND start < each.start)
ORDER BY start, span
"""
"""Instants before 1970 have a negative remainder; nothing was measured then."""


class Queries:
    """What the file says. Raises StoreError where it cannot be read."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._qualities: dict[int, Quality] = {}

    def world(self) -> World:
        """What the writer knows when it begins: all nonces, whose mail is unread, the last number given to mail."""
        with plainly(self._path):
            unread = [Key(key) for (key,) in self._connection.execute("SELECT DISTINCT key FROM mail")]
            given = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'mail'").fetchone()
            world = World(self, unread, number=given[0] if given else 0)
            nonces = self._connection.execute("SELECT nonce, until FROM nonces")
            world.admit({nonce: instant(us) for nonce, us in nonces}, world.newest)
        return world

    def row(self, key: Key, kind: type[State]) -> Row | None:
        """The row, read as a `kind`."""
        with plainly(self._path):
            find = "SELECT version, due, kind, format, body FROM states WHERE key = ?"
            found = self._connection.execute(find, (key,)).fetchone()
        if found is None:
            return None
        version, due_us, name, written, body = found
        due = None if due_us is None else instant(due_us)
        return Row(state=rows.state(key, kind, name, written, body, stays=True), version=version, due=due)

    def state(self, key: Key, kind: type[S]) -> S | None:
        """The state of the row, read as a `kind`."""
        with plainly(self._path):
            find = "SELECT kind, format, body FROM states WHERE key = ?"
            found = self._connection.execute(find, (key,)).fetchone()
        return None if found is None else rows.state(key, kind, *found)

    def mail(self, key: Key) -> list[Waiting]:
        """What waits for `key`, oldest first."""
        with plainly(self._path):
            find = "SELECT number, body FROM mail WHERE key = ? ORDER BY number"
            found = self._connection.execute(find, (key,)).fetchall()
        return [Waiting(number=number, body=rows.letter(key, body)) for number, body in found]

    def keys(self, prefix: str) -> tuple[Key, ...]:
        """Keys of rows that begin with `prefix`, sorted."""
        return tuple(Key(key) for key in self._beginning("SELECT key FROM states WHERE key >= ? ORDER BY key", prefix))

    def series(self, prefix: str) -> tuple[str, ...]:
        """Names of series that begin with `prefix`, sorted."""
        return tuple(self._beginning("SELECT name FROM series WHERE name >= ? ORDER BY name", prefix))

    def next_series(self, after: str, most: int) -> tuple[str, ...]:
        """The first `most` names of series that follow `after`."""
        with plainly(self._path):
            find = "SELECT name FROM series WHERE name > ? ORDER BY name LIMIT ?"
            return tuple(name for (name,) in self._connection.execute(find, (after, most)))

    def waiting(self) -> tuple[Key, ...]:
        """Keys for which mail waits, sorted."""
        with plainly(self._path):
            find = self._connection.execute("SELECT DISTINCT key FROM mail ORDER BY key")
            return tuple(Key(key) for (key,) in find)

    def due(self) -> tuple[Due, ...]:
        """All rows with a deadline, soonest first."""
        with plainly(self._path):
            find = self._connection.execute("SELECT key, due FROM states WHERE due IS NOT NULL ORDER BY due, key")
            return tuple(Due(key=Key(key), at=instant(due_us)) for key, due_us in find)

    def alias(self, alias: str) -> Key | None:
        """The row that recorded this alias last."""
        with plainly(self._path):
            found = self._connection.execute("SELECT key FROM aliases WHERE alias = ?", (alias,)).fetchone()
        return None if found is None else Key(found[0])

    def seen(self) -> dict[Key, datetime]:
        """When each was heard of last."""
        with plainly(self._path):
            return {Key(key): instant(us) for key, us in self._connection.execute("SELECT key, at FROM seen")}

    def readings(self, series: Sequence[str], start: datetime, end: datetime) -> tuple[Reading, ...]:
        """Readings of these series that touch [start, end), by series as asked, then start."""
        if end <= start:
            return ()
        with plainly(self._path):
            # One transaction, so that all series are of the same moment.
            self._connection.execute("BEGIN")
            try:
                return tuple(
                    reading
                    for name in dict.fromkeys(series)
                    for reading in self._touching(name, micros(start), micros(end))
                )
            finally:
                self._connection.execute("ROLLBACK")

    def page(self, series: str, after: tuple[int, int], end_us: int, most: int) -> tuple[Reading, ...]:
        """The first `most` readings of the series that begin before `end_us` and follow `after` (start, span), both in
        microseconds."""
        with plainly(self._path):
            known = self._connection.execute("SELECT id FROM series WHERE name = ?", (series,)).fetchone()
            if known is None:
                return ()
            start_us, span_us = after
            bounds = (known[0], start_us, end_us, start_us, span_us, most)
            return tuple(self._readings(series, self._connection.execute(PAGE, bounds)))

    def within(self, series: Sequence[str], start: datetime, end: datetime, least: int, most: int) -> tuple[Place, ...]:
        """The first `most` of the readings that `Store.forget` means."""
        with plainly(self._path):
            return tuple(islice(self._within(series, micros(start), micros(end), least), most))

    def crowded(
        self, series: Sequence[str], start: datetime, end: datetime, every: timedelta, most: int
    ) -> tuple[Place, ...]:
        """The first `most` of the readings that `Store.thin` means."""
        with plainly(self._path):
            return tuple(islice(self._crowded(series, micros(start), micros(end), span_micros(every)), most))

    def _crowded(self, series: Sequence[str], start_us: int, end_us: int, every_us: int) -> Iterator[Place]:
        for name in dict.fromkeys(series):
            known = self._connection.execute("SELECT id FROM series WHERE name = ?", (name,)).fetchone()
            if known is not None:
                bounds = {"series": known[0], "start": start_us, "end": end_us, "every": every_us}
                for began_us, span_us in self._connection.execute(_CROWDED, bounds):
                    yield Place(name, began_us, span_us)

    def octets(self) -> int:
        """How much of the file is in use."""
        with plainly(self._path):
            pages = pragma(self._connection, "page_count") - pragma(self._connection, "freelist_count")
            return pages * pragma(self._connection, "page_size")

    def _within(self, series: Sequence[str], start_us: int, end_us: int, least: int) -> Iterator[Place]:
        for name in dict.fromkeys(series):
            known = self._connection.execute("SELECT id FROM series WHERE name = ?", (name,)).fetchone()
            if known is not None:
                bounds = {"series": known[0], "start": start_us, "end": end_us, "least": least}
                for began_us, span_us in self._connection.execute(_WITHIN, bounds):
                    yield Place(name, began_us, span_us)

    def entries(self, after: int, most: int) -> tuple[tuple[int, Entry], ...]:
        """The first `most` entries numbered above `after`."""
        with plainly(self._path):
            find = (
                "SELECT number, subject, at, actor, what, detail FROM journal WHERE number > ? ORDER BY number LIMIT ?"
            )
            return tuple(
                (number, Entry(subject=subject, at=instant(at_us), by=by, what=what, detail=detail))
                for number, subject, at_us, by, what, detail in self._connection.execute(find, (after, most))
            )

    def letters(self, after: int, most: int) -> tuple[tuple[int, Mail], ...]:
        """The first `most` letters numbered above `after`."""
        with plainly(self._path):
            find = "SELECT number, key, body FROM mail WHERE number > ? ORDER BY number LIMIT ?"
            found = self._connection.execute(find, (after, most)).fetchall()
        return tuple((number, Mail(to=Key(key), body=rows.letter(Key(key), body))) for number, key, body in found)

    def journal(self, subject: str, after: int) -> tuple[tuple[int, Entry], ...]:
        """Entries about `subject` numbered above `after`, in order."""
        with plainly(self._path):
            find = (
                "SELECT number, at, actor, what, detail FROM journal WHERE subject = ? AND number > ? ORDER BY number"
            )
            return tuple(
                (number, Entry(subject=subject, at=instant(at_us), by=by, what=what, detail=detail))
                for number, at_us, by, what, detail in self._connection.execute(find, (subject, after))
            )

    def _beginning(self, select: str, prefix: str) -> list[str]:
        # The cursor is read only as far as the names go on beginning so.
        with plainly(self._path):
            names = (name for (name,) in self._connection.execute(select, (prefix,)))
            return list(takewhile(lambda name: name.startswith(prefix), names))

    def _touching(self, name: str, start_us: int, end_us: int) -> Iterator[Reading]:
        known = self._connection.execute("SELECT id, longest FROM series WHERE name = ?", (name,)).fetchone()
        if known is None:
            return
        number, longest_us = known
        bounds = (number, start_us - longest_us, end_us, start_us, start_us)
        yield from self._readings(name, self._connection.execute(TOUCHING, bounds))

    def _readings(self, name: str, found: sqlite3.Cursor) -> Iterator[Reading]:
        for began_us, span_us, value, quality, revision, confidence, accuracy in found:
            yield Reading(
                series=name,
                start=instant(began_us),
                span=timedelta(microseconds=span_us),
                value=value,
                quality=self._quality(quality),
                revision=revision,
                confidence=confidence,
                accuracy=accuracy,
            )

    def _quality(self, code: int) -> Quality:
        if code not in self._qualities:
            find = self._connection.execute("SELECT code, name FROM qualities")
            self._qualities = {code: Quality(name) for code, name in find}
        return self._qualities[code]
