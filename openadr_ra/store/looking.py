"""A store as others than its node see it, by its url: read only, while the node runs or not. Read, copied, and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from openadr_ra.errors import SettingsError
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.step import Entry, Key, State
from openadr_ra.seams import S
from openadr_ra.store import sqlite_looking
from openadr_ra.store.extras import needing_asyncpg
from openadr_ra.store.findings import Checked
from openadr_ra.store.sqlite_looking import Copied


class Reader(Protocol):
    """What a store says, as it is at the moment of each question. See `Store` for what the questions mean."""

    def state(self, key: Key, kind: type[S]) -> S | None: ...

    def keys(self, prefix: str) -> tuple[Key, ...]: ...

    def series(self, prefix: str) -> tuple[str, ...]: ...

    def next_series(self, after: str, most: int) -> tuple[str, ...]: ...

    def readings(self, series: Sequence[str], start: datetime, end: datetime) -> tuple[Reading, ...]: ...

    def page(self, series: str, after: tuple[int, int], end_us: int, most: int) -> tuple[Reading, ...]:
        """The first `most` readings of the series that begin before `end_us` and follow `after` (start, span), both in
        microseconds."""
        ...

    def journal(self, subject: str, after: int) -> tuple[tuple[int, Entry], ...]: ...

    def entries(self, after: int, most: int) -> tuple[tuple[int, Entry], ...]: ...


def is_database(url: str) -> bool:
    """Is it PostgreSQL's, and not that of a file?"""
    return url.startswith(("postgresql:", "postgres:"))


def reading(url: str) -> AbstractContextManager[Reader]:
    """What the store says, in a thread without a loop.

    Entering it raises StoreError for a store that is not there, not ours, of a newer program or of an older schema.
    Raises SettingsError for a url that is none.
    """
    if not is_database(url):
        return sqlite_looking.reading(_file(url))
    with needing_asyncpg():
        from openadr_ra.store import postgres_looking
    return postgres_looking.reading(url)


def check(url: str, kinds: Mapping[str, type[State]]) -> Checked:
    """Look at all of a store, in a thread without a loop. `kinds` are the states that rows may hold, by name.

    Raises as `reading` does where it cannot be looked at, but for an older schema; what is wrong with it is in the result.
    """
    if not is_database(url):
        return sqlite_looking.check(_file(url), kinds)
    with needing_asyncpg():
        from openadr_ra.store import postgres_looking
    return postgres_looking.check(url, kinds)


def backup(url: str, target: Path) -> Copied:
    """Copy a store as it is at one moment to a new file. Raises as `reading` does, and SettingsError for a database."""
    if is_database(url):
        raise SettingsError(
            "the store is a PostgreSQL database; back it up as its provider does, or with "
            "pg_dump --format=custom --file=FILE DATABASE"
        )
    return sqlite_looking.backup(_file(url), target)


def _file(url: str) -> Path:
    return Path(url.partition(":")[2].removeprefix("//"))
