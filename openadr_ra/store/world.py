"""Rows, mail and nonces as they were last committed, as far as they are in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from heapq import heappop, heappush
from typing import Protocol

import msgspec

from openadr_ra.protocol.step import AnyLetter, Key, State


class Row(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A row as it stands. `version` counts its changes, from 1."""

    state: State
    version: int
    due: datetime | None


class Waiting(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A letter that no step has read yet. Numbers ascend in the order of posting."""

    number: int
    body: AnyLetter


class Source(Protocol):
    """Where a world finds what it does not hold yet."""

    def row(self, key: Key, kind: type[State]) -> Row | None:
        """The row, which is a `kind`; None where there is none."""
        ...

    def mail(self, key: Key) -> list[Waiting]:
        """What waits for `key`, oldest first."""
        ...


class Nowhere:
    """The source of a world that holds everything."""

    def row(self, key: Key, kind: type[State]) -> Row | None:
        return None

    def mail(self, key: Key) -> list[Waiting]:
        return []


class World:
    """A row or mail that was met once stays in memory; nonces are there until they expire.

    `unread` names the keys whose mail is still with the source, `number` is that of the last letter ever posted.
    """

    def __init__(self, source: Source, unread: Iterable[Key] = (), number: int = 0) -> None:
        self.number = number
        self.newest = datetime.min.replace(tzinfo=UTC)
        self.rows: dict[Key, Row] = {}
        self.nonces: dict[str, datetime] = {}
        self._source = source
        self._unread = set(unread)
        self._mail: dict[Key, list[Waiting]] = {}
        self._expiry: list[tuple[datetime, str]] = []

    def row(self, key: Key, kind: type[State]) -> Row | None:
        """The row, None where there is none."""
        row = self.rows.get(key) or self._source.row(key, kind)
        if row is not None:
            self.rows[key] = row
        return row

    def waiting(self, key: Key) -> Sequence[Waiting]:
        """The letters that wait for `key`, oldest first."""
        if key in self._unread:
            # What was posted since comes with it.
            self._mail[key] = self._source.mail(key)
            self._unread.discard(key)
        return self._mail.get(key, ())

    def mailed(self) -> list[Key]:
        """The keys for which letters wait, sorted."""
        return sorted(self._unread | self._mail.keys())

    def idle(self, key: Key) -> State | None:
        """The row's state if it is in memory and no letter waits for it."""
        row = self.rows.get(key)
        return None if row is None or key in self._mail or key in self._unread else row.state

    def keep(self, rows: dict[Key, Row]) -> None:
        """These rows have been committed."""
        self.rows.update(rows)

    def lose(self, keys: Iterable[Key]) -> None:
        """These rows are gone."""
        for key in keys:
            self.rows.pop(key, None)

    def deliver(self, read: Iterable[Key], added: dict[Key, list[Waiting]]) -> None:
        """What waited for the keys `read` is gone; what is `added` waits."""
        for key in read:
            self._mail.pop(key, None)
        for key, letters in added.items():
            self._mail.setdefault(key, []).extend(letters)

    def admit(self, nonces: dict[str, datetime], newest: datetime) -> None:
        """Know these nonces from now on, and forget those that expired before `newest`."""
        self.newest = newest
        for nonce, until in nonces.items():
            self.nonces[nonce] = until
            heappush(self._expiry, (until, nonce))
        while self._expiry and self._expiry[0][0] < newest:
            until, nonce = heappop(self._expiry)
            if self.nonces.get(nonce) == until:
                del self.nonces[nonce]
