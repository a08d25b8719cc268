"""The SQLite file: made, locked against other processes, brought to the present schema; its errors in plain words."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from openadr_ra.errors import StoreError

BUSY_S = 1.0
"""How long to wait for another program that holds the file, a backup or an editor, before the update is refused."""

WAL_LIMIT_BYTES = 64 * 1024 * 1024
"""The write-ahead log is cut to this after a burst, so that it does not stay on a small device's disk."""

_APPLICATION_ID = 0x4F414452

_SENTENCES = {
    sqlite3.SQLITE_BUSY: "is locked by another program; close that program or wait until it is done",
    sqlite3.SQLITE_LOCKED: "is locked by another program; close that program or wait until it is done",
    sqlite3.SQLITE_READONLY: "cannot be written; make the file and its directory writable for this user",
    sqlite3.SQLITE_PERM: "cannot be written; make the file and its directory writable for this user",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; its directory must exist and be writable for this user",
    sqlite3.SQLITE_FULL: "cannot grow because the disk is full; free some space",
    sqlite3.SQLITE_IOERR: "could not be read or written by the disk; check the disk and its free space",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore it from a backup",
    sqlite3.SQLITE_NOTADB: "is no SQLite database or is damaged; restore it from a backup or name another file",
}


class Database(NamedTuple):
    """One file and the connections to it: one that writes, one that only reads, one that keeps other processes out."""

    path: Path
    writer: sqlite3.Connection
    reader: sqlite3.Connection
    lock: sqlite3.Connection

    def close(self) -> None:
        """Let go of the file; the lock goes last."""
        self.reader.close()
        self.writer.close()
        self.lock.close()


def open_database(path: Path) -> Database:
    """The file, created with mode 0600 where it does not exist, at the newest schema.

    Raises StoreError if another process has it, if a newer program wrote it, if it is another program's, or if it
    cannot be used.
    """
    path = path.resolve()
    with ExitStack() as opened, plainly(path):
        lock = opened.enter_context(closing(_lock(path)))
        create(path)
        writer = opened.enter_context(closing(_connect(path)))
        if pragma(writer, "schema_version") != 0:
            schema_of(path, writer)
        _claim(path, writer)
        _upgrade(path, writer)
        reader = opened.enter_context(closing(_connect(path)))
        reader.execute("PRAGMA query_only = 1")
        opened.pop_all()
    return Database(path, writer, reader, lock)


@contextmanager
def plainly(path: Path) -> Iterator[None]:
    """Raises StoreError with a sentence and a cure for what SQLite or the system raises inside."""
    try:
        yield
    except sqlite3.Error as error:
        raise sentence(path, error) from error
    except OSError as error:
        raise StoreError(f"{path} cannot be used ({error.strerror}); name a file in a writable directory") from error


def sentence(path: Path, error: sqlite3.Error) -> StoreError:
    """What `error` means for whoever runs the program."""
    # The low byte is the primary code; errors of the module itself, like a value it cannot bind, have none.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    return StoreError(f"{path} {_SENTENCES.get(code, 'could not be used')} ({error})")


def _lock(path: Path) -> sqlite3.Connection:
    """A lock that the system takes back when this process ends, however it ends.

    Each process keeps rows in memory, so two on one file would overwrite one another. The lock is on an empty SQLite
    file of its own: SQLite's locks work alike on all systems, and readers and backups of the data are not shut out.
    """
    beside = path.with_name(f"{path.name}-lock")
    create(beside)
    lock = sqlite3.connect(beside, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        lock.execute("PRAGMA journal_mode = MEMORY")
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        lock.close()
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        raise StoreError(f"{path} is in use by another process: stop that one, or name another file") from error
    return lock


def create(path: Path) -> None:
    """The file is there; a new one is for its owner alone."""
    # Never an open of a file that exists: closing it would drop the locks this process has on it by POSIX's rules.
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return


def _connect(path: Path) -> sqlite3.Connection:
    # Opened in one thread, used in another, never in two at a time.
    return sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)


def _claim(path: Path, writer: sqlite3.Connection) -> None:
    if writer.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
        raise StoreError(f"{path} lies on a file system that cannot share memory; name a file on a local disk")
    writer.execute("PRAGMA synchronous = FULL")
    # macOS alone keeps a plain fsync in the drive's cache; elsewhere this says nothing.
    writer.execute("PRAGMA fullfsync = 1")
    writer.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
    # SQLite opens what it may not write as read-only and says so at the first write only.
    writer.execute("BEGIN IMMEDIATE")
    writer.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    writer.execute("ROLLBACK")


def _upgrade(path: Path, writer: sqlite3.Connection) -> None:
    """Apply each schema script that the file has not seen, in a transaction of its own."""
    version = pragma(writer, "user_version")
    for number, name in enumerate(_scripts()[version:], version + 1):
        script = (_SCHEMA / name).read_text(encoding="utf-8")
        writer.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")


_SCHEMA = Path(__file__).with_name("schema")


def _scripts() -> tuple[str, ...]:
    names = (file.name for file in _SCHEMA.iterdir())
    return tuple(sorted(name for name in names if name.endswith(".sql")))


def newest_schema() -> int:
    """The schema that this program writes."""
    return len(_scripts())


def schema_of(path: Path, connection: sqlite3.Connection) -> int:
    """The schema of a file of ours. Raises StoreError for another program's, and for one that a newer program wrote."""
    if pragma(connection, "application_id") != _APPLICATION_ID:
        raise StoreError(f"{path} is another program's database; name another file")
    version, newest = pragma(connection, "user_version"), newest_schema()
    if version > newest:
        raise StoreError(
            f"{path} was written by a newer openadr-ra (schema {version}, this one knows {newest}): "
            "update the program, or restore the backup made before the update"
        )
    return version


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """The number that a pragma says."""
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)
