"""A store's file as others than its node see it: read only, while the node runs or not. Read, copied, and checked."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from openadr_ra.errors import StoreError
from openadr_ra.protocol.step import Key, State
from openadr_ra.store.database import BUSY_S, create, newest_schema, plainly, schema_of, sentence
from openadr_ra.store.findings import MOST_FAULTS, Checked, Size, Unread, letter_fault, row_fault
from openadr_ra.store.queries import Queries

TABLES = {
    "states": 1, "mail": 1, "aliases": 1, "series": 1, "qualities": 1, "readings": 1, "journal": 1, "nonces": 1, "seen": 3,
}  # fmt: skip
"""Each with the schema that brought it."""


class Look(NamedTuple):
    """A file that is only read. Between two statements its node may write."""

    path: Path
    connection: sqlite3.Connection
    schema: int


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """A backup: one file, whole by itself."""

    file: str
    octets: int
    schema: int


@contextmanager
def looking(path: Path) -> Iterator[Look]:
    """The file, opened for reading alone. Raises StoreError where it is not there, not ours, or of a newer program."""
    if not path.is_file():
        raise StoreError(f"{path} is no file; name the store's file, or the settings of its node")
    with plainly(path), closing(_opened(path)) as connection:
        yield Look(path, connection, schema_of(path, connection))


def _opened(path: Path) -> sqlite3.Connection:
    # By its address, since only so it can be opened for reading alone.
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_S, isolation_level=None)


@contextmanager
def reading(path: Path) -> Iterator[Queries]:
    """What the file says to whoever asks. Raises StoreError, also for an older schema, in which much was different."""
    with looking(path) as look:
        if look.schema < newest_schema():
            raise StoreError(
                f"{path} is of an older openadr-ra (schema {look.schema}); start its node once, which updates it"
            )
        yield Queries(look.path, look.connection)


def backup(source: Path, target: Path) -> Copied:
    """Copy a store as it is at one moment. Its node may run, and goes on writing meanwhile.

    `target` is there when it is whole and on the disk, else not at all. Raises StoreError, also where it exists already.
    """
    if target.exists():
        raise StoreError(f"{target} exists already; name another file, or remove it")
    part = target.with_name(f"{target.name}.part")
    with looking(source) as look, plainly(target), ExitStack() as failed:
        if part.exists():
            raise StoreError(f"{part} is there: a backup is under way or was cut off; if none is, remove that file")
        create(part)
        failed.callback(part.unlink)
        with closing(sqlite3.connect(part, isolation_level=None)) as copy:
            # A transaction first: to a copy that meets a lock the module would come back for ever, without a word.
            with plainly(source):
                look.connection.execute("BEGIN")
                look.connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            look.connection.backup(copy)
            # One file: what a store that is in use has beside it, a copy need not have.
            copy.execute("PRAGMA journal_mode = DELETE")
            if copy.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise StoreError(f"{source} is damaged, and so is its copy; `openadr-ra db check` says more")
        _sync(part)
        part.rename(target)
        failed.pop_all()
        _sync(target.parent)
    return Copied(file=str(target), octets=target.stat().st_size, schema=look.schema)


def _sync(path: Path) -> None:
    """What was written there survives a loss of power. Not every system can say so of a folder."""
    if path.is_dir() and os.name != "posix":
        return
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def check(path: Path, kinds: Mapping[str, type[State]]) -> Checked:
    """Look at all of a file, as it is at one moment. `kinds` are the states that rows may hold, by name.

    Raises StoreError only where the file cannot be opened at all; what is wrong with it is in the result.
    """
    with looking(path) as look:
        with plainly(path):
            look.connection.execute("BEGIN")
        faults: list[str] = []
        for finding in (_integrity, partial(_undecoded, kinds=kinds), _unreadable_mail, _strangers):
            faults += islice(_told(look, finding), MOST_FAULTS)
        unread: list[Unread] = []
        tables: list[Size] = []
        faults += _told(look, partial(_counted, unread=unread, tables=tables))
        return Checked(
            file=str(path),
            octets=sum(each.stat().st_size for each in (path, _log(path)) if each.exists()),
            schema=look.schema,
            newest_schema=newest_schema(),
            faults=tuple(dict.fromkeys(faults)),
            unread=tuple(unread),
            tables=tuple(tables),
        )


def _log(path: Path) -> Path:
    """The write-ahead log beside a file that is in use."""
    return path.with_name(f"{path.name}-wal")


def _told(look: Look, finding: Callable[[Look], Iterator[str]]) -> Iterator[str]:
    """What is found, and in the end that no more could be read."""
    try:
        yield from finding(look)
    except sqlite3.Error as error:
        yield str(sentence(look.path, error))


def _integrity(look: Look) -> Iterator[str]:
    for (line,) in look.connection.execute(f"PRAGMA integrity_check({MOST_FAULTS})"):
        if line != "ok":
            yield f"{look.path} is damaged: {line}"


def _undecoded(look: Look, kinds: Mapping[str, type[State]]) -> Iterator[str]:
    for key, name, written, body in look.connection.execute("SELECT key, kind, format, body FROM states ORDER BY key"):
        if fault := row_fault(key, name, written, body, kinds):
            yield fault


def _unreadable_mail(look: Look) -> Iterator[str]:
    for number, key, body in look.connection.execute("SELECT number, key, body FROM mail ORDER BY number"):
        if fault := letter_fault(number, key, body):
            yield fault


def _strangers(look: Look) -> Iterator[str]:
    """Readings that lead nowhere."""
    for column, table, name in (("series", "series", "id"), ("quality", "qualities", "code")):
        find = f"SELECT count(*) FROM readings WHERE {column} NOT IN (SELECT {name} FROM {table})"  # noqa: S608 - of ours
        (count,) = look.connection.execute(find).fetchone()
        if count:
            yield f"{count} readings have a {column} that does not exist"


def _counted(look: Look, unread: list[Unread], tables: list[Size]) -> Iterator[str]:
    """No faults of its own: letters that wait go into `unread`, sizes into `tables`."""
    find = "SELECT key, count(*), key IN (SELECT key FROM states) FROM mail GROUP BY key ORDER BY key"
    for key, letters, has_row in look.connection.execute(find):
        unread.append(Unread(key=Key(key), letters=letters, has_row=bool(has_row)))
    octets = _octets(look)
    for table in (name for name, since in TABLES.items() if since <= look.schema):
        (count,) = look.connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - one of ours
        tables.append(Size(table=table, rows=count, octets=None if octets is None else octets.get(table, 0)))
    yield from ()


def _octets(look: Look) -> dict[str, int] | None:
    """By table, with its indexes; None where SQLite was built without that."""
    find = """
        SELECT schema.tbl_name, sum(stat.pgsize) FROM dbstat AS stat, sqlite_schema AS schema
        WHERE schema.name = stat.name GROUP BY schema.tbl_name
    """
    try:
        return dict(look.connection.execute(find).fetchall())
    except sqlite3.OperationalError:
        return None
