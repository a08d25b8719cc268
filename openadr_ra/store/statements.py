"""The SQL that writes: a batch becomes rows of the tables of `schema/`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import datetime

from openadr_ra.protocol.parts import Quality
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.step import Entry, Key, Mail
from openadr_ra.store.batch import Batch, Place
from openadr_ra.store.rows import micros, span_micros, text
from openadr_ra.store.world import Row

_SAVE = """
INSERT INTO states (key, kind, format, version, due, body) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET
    kind = excluded.kind, format = excluded.format, version = excluded.version, due = excluded.due, body = excluded.body
"""
_DROP = "DELETE FROM mail WHERE number = ?"
_POST = "INSERT INTO mail (number, key, body) VALUES (?, ?, ?)"
_NAME = "INSERT INTO aliases (alias, key) VALUES (?, ?) ON CONFLICT (alias) DO UPDATE SET key = excluded.key"
_UNNAME = "DELETE FROM aliases WHERE key = ?"
_SEE = "INSERT INTO seen (key, at) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET at = max(at, excluded.at)"
_SERIES = """
INSERT INTO series (name, longest) VALUES (?, ?)
ON CONFLICT (name) DO UPDATE SET longest = max(longest, excluded.longest)
"""
_RECORD = """
INSERT INTO readings (series, start, span, value, quality, revision, confidence, accuracy) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (series, start, span) DO UPDATE SET
    value = excluded.value, quality = excluded.quality, revision = excluded.revision,
    confidence = excluded.confidence, accuracy = excluded.accuracy
WHERE excluded.revision > revision
"""
_ENTER = "INSERT INTO journal (subject, at, actor, what, detail) VALUES (?, ?, ?, ?, ?)"
_REMEMBER = "INSERT INTO nonces (nonce, until) VALUES (?, ?) ON CONFLICT (nonce) DO UPDATE SET until = excluded.until"
_FORGET = "DELETE FROM nonces WHERE until < ?"
_LOSE = "DELETE FROM states WHERE key = ?"
_STRIKE = "DELETE FROM journal WHERE number = ?"
_DROP_READING = "DELETE FROM readings WHERE series = (SELECT id FROM series WHERE name = ?) AND start = ? AND span = ?"
_DROP_SERIES = """
DELETE FROM series WHERE name = ? AND NOT EXISTS (SELECT 1 FROM readings WHERE readings.series = series.id)
"""


class Statements:
    """Writes batches through one connection. The numbers of series and qualities are learned as they are met."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._series: dict[str, tuple[int, int]] = {}
        self._qualities: dict[Quality, int] = {}

    def write(self, batch: Batch) -> None:
        """All of the batch, in one transaction. When it raises, nothing of it is in the file."""
        with ExitStack() as failed:
            failed.callback(self._undo)
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(_LOSE, ((key,) for key in batch.dropped))
            self._save(batch.rows)
            self._connection.executemany(_DROP, ((number,) for number in batch.read))
            self._post(batch.posted)
            self._connection.executemany(_UNNAME, ((key,) for key in batch.unnamed))
            self._connection.executemany(_NAME, batch.aliases.items())
            self._record(batch.readings)
            self._drop(batch.forgotten)
            self._enter(batch.entries)
            self._connection.executemany(_STRIKE, ((number,) for number in batch.struck))
            self._remember(batch.nonces, batch.newest)
            self._connection.executemany(_SEE, ((key, micros(at)) for key, at in batch.seen.items()))
            self._connection.execute("COMMIT")
            failed.pop_all()

    def _undo(self) -> None:
        # Numbers handed out in this transaction exist no more.
        self._series.clear()
        self._qualities.clear()
        # After some errors SQLite has rolled back by itself.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _save(self, rows: dict[Key, Row]) -> None:
        self._connection.executemany(_SAVE, (_row(key, row) for key, row in rows.items()))

    def _post(self, posted: dict[int, Mail]) -> None:
        # One letter to thousands is the same object in each mail; the batch keeps them all alive.
        bodies: dict[int, str] = {}
        for mail in posted.values():
            if id(mail.body) not in bodies:
                bodies[id(mail.body)] = text(mail.body)
        self._connection.executemany(
            _POST, ((number, mail.to, bodies[id(mail.body)]) for number, mail in posted.items())
        )

    def _record(self, readings: Iterable[Reading]) -> None:
        self._connection.executemany(_RECORD, [self._reading(reading) for reading in readings])

    def _drop(self, forgotten: Iterable[Place]) -> None:
        places = tuple(forgotten)
        self._connection.executemany(_DROP_READING, places)
        for name in dict.fromkeys(place.series for place in places):
            self._connection.execute(_DROP_SERIES, (name,))
            # Its number may be another's soon.
            self._series.pop(name, None)

    def _enter(self, entries: Iterable[Entry]) -> None:
        self._connection.executemany(
            _ENTER, ((entry.subject, micros(entry.at), entry.by, entry.what, entry.detail) for entry in entries)
        )

    def _remember(self, nonces: dict[str, datetime], newest: datetime) -> None:
        if not nonces:
            return
        self._connection.executemany(_REMEMBER, ((nonce, micros(until)) for nonce, until in nonces.items()))
        self._connection.execute(_FORGET, (micros(newest),))

    def _reading(self, reading: Reading) -> tuple[int | float | None, ...]:
        span_us = span_micros(reading.span)
        series = self._series_number(reading.series, span_us)
        quality = self._quality_number(reading.quality)
        sure = reading.confidence, reading.accuracy
        return series, micros(reading.start), span_us, reading.value, quality, reading.revision, *sure

    def _series_number(self, name: str, span_us: int) -> int:
        number, longest_us = self._series.get(name, (0, -1))
        if longest_us >= span_us:
            return number
        self._connection.execute(_SERIES, (name, span_us))
        find = self._connection.execute("SELECT id, longest FROM series WHERE name = ?", (name,))
        known: tuple[int, int] = find.fetchone()
        self._series[name] = known
        return known[0]

    def _quality_number(self, quality: Quality) -> int:
        number = self._qualities.get(quality)
        if number is not None:
            return number
        self._connection.execute("INSERT OR IGNORE INTO qualities (name) VALUES (?)", (quality,))
        find = self._connection.execute("SELECT code FROM qualities WHERE name = ?", (quality,))
        code: int = find.fetchone()[0]
        self._qualities[quality] = code
        return code


def _row(key: Key, row: Row) -> tuple[str, str, int, int, int | None, str]:
    due_us = None if row.due is None else micros(row.due)
    return key, type(row.state).__name__, row.state.format, row.version, due_us, text(row.state)
