"""What updates do to rows, mail and nonces: the same in every store, whatever keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import isfinite
from typing import NamedTuple

from openadr_ra.errors import ComplianceError, InvalidData, StoreError
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.step import Entry, Key, Mail, Outcome, Record, State
from openadr_ra.seams import S, Step
from openadr_ra.store.world import Row, Waiting, World


class Place(NamedTuple):
    """Where a reading stands: there is one of each series, start and span, both in microseconds."""

    series: str
    start_us: int
    span_us: int


class Batch:
    """Updates done one after another, each on what the ones before it left. The world hears of nothing until `settle`.

    An update that raises leaves no trace in the batch.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._number = world.number
        self.newest = world.newest
        """The latest time that anyone named."""
        self.touched: set[Key] = set()
        """Keys that were stepped or got mail."""
        self.rows: dict[Key, Row] = {}
        """Rows that changed, as the batch leaves them."""
        self.read: list[int] = []
        """Numbers of older letters that have been read."""
        self.posted: dict[int, Mail] = {}
        """Mail that no step of this batch has read, by number."""
        self.readings: list[Reading] = []
        self.forgotten: list[Place] = []
        """Readings that are to go, after what this batch records."""
        self.entries: list[Entry] = []
        self.struck: list[int] = []
        """Numbers of journal entries that are to go."""
        self.dropped: set[Key] = set()
        """Rows that are gone, as the batch leaves them."""
        self.aliases: dict[str, Key] = {}
        self.unnamed: set[Key] = set()
        """Rows whose older aliases are gone: all but those in `aliases`."""
        self.nonces: dict[str, datetime] = {}
        self.seen: dict[Key, datetime] = {}
        """When these were heard of last, unless that is known to be later."""
        self._emptied: set[Key] = set()
        self._added: dict[Key, list[Waiting]] = {}

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        tables = (
            self.rows,
            self.read,
            self.posted,
            self.readings,
            self.forgotten,
            self.entries,
            self.struck,
            self.dropped,
            self.aliases,
            self.nonces,
            self.seen,
        )
        return any(tables)

    def update(self, key: Key, kind: type[S], step: Step[S]) -> Outcome[S]:
        """Run the step on the row and its mail. What it raises is raised here."""
        row = self._row(key, kind)
        letters = self._waiting(key)
        state = None if row is None else held(key, row.state, kind)
        outcome = step(state, tuple(letter.body for letter in letters))
        records = [effect for effect in outcome.effects if isinstance(effect, Record)]
        for record in records:
            check(record.readings)
            if record.once is not None and not self._is_new(record.once.nonce, record.once.now):
                raise ComplianceError("this was said before; each message needs a nonce of its own")
        # Nothing raises from here on.
        self._read(key, letters)
        self._save(key, row, outcome)
        self.post(outcome.mail)
        for record in records:
            self.readings.extend(record.readings)
            self.entries.extend(record.entries)
            self.aliases.update(dict.fromkeys(record.aliases, key))
            if record.once is not None:
                self.nonces[record.once.nonce] = record.once.until
        return outcome

    def post(self, mail: Sequence[Mail]) -> None:
        """Put each mail at the end of what waits for its row."""
        for each in mail:
            self._number += 1
            self.touched.add(each.to)
            self.posted[self._number] = each
            self._added.setdefault(each.to, []).append(Waiting(number=self._number, body=each.body))

    def record(self, readings: Sequence[Reading], entries: Sequence[Entry]) -> None:
        """Readings and journal entries that belong to no row. Raises InvalidData, see `check`."""
        check(readings)
        self.readings.extend(readings)
        self.entries.extend(entries)

    def drop(
        self, rows: Sequence[tuple[Key, State]], letters: Sequence[tuple[int, Mail]], entries: Sequence[int]
    ) -> None:
        """Let go of what is still as it was seen, see `Store.drop`. Mail first: it is what may keep a row."""
        numbers: dict[Key, set[int]] = {}
        for number, mail in letters:
            numbers.setdefault(mail.to, set()).add(number)
        for key, gone in numbers.items():
            self._tear(key, gone)
        for key, state in rows:
            row = self._row(key, type(state))
            if row is not None and row.state == state and not self._waiting(key):
                self.rows.pop(key, None)
                self.dropped.add(key)
                self.touched.add(key)
                self._unname(key)
        self.struck.extend(entries)

    def _unname(self, key: Key) -> None:
        self.unnamed.add(key)
        self.aliases = {alias: named for alias, named in self.aliases.items() if named != key}

    def see(self, seen: Mapping[Key, datetime]) -> None:
        """When these were heard of last."""
        for key, at in seen.items():
            self.seen[key] = max(at, self.seen.get(key, at))

    def _tear(self, key: Key, gone: set[int]) -> None:
        letters = self._waiting(key)
        self._read(key, [letter for letter in letters if letter.number in gone])
        self._emptied.add(key)
        left = [letter for letter in letters if letter.number not in gone]
        if left:
            self._added[key] = left

    def remember(self, nonce: str, until: datetime, now: datetime) -> bool:
        """Whether the nonce is new; it is so again once it has expired."""
        if not self._is_new(nonce, now):
            return False
        self.nonces[nonce] = until
        return True

    def _is_new(self, nonce: str, now: datetime) -> bool:
        self.newest = max(self.newest, now)
        known = self.nonces.get(nonce) or self._world.nonces.get(nonce)
        return known is None or known < self.newest

    def settle(self) -> None:
        """All of it is durable: make it the state of the world."""
        self._world.number = self._number
        self._world.keep(self.rows)
        self._world.lose(self.dropped)
        self._world.deliver(self._emptied, self._added)
        self._world.admit(self.nonces, self.newest)

    def _row(self, key: Key, kind: type[State]) -> Row | None:
        if key in self.dropped:
            return None
        return self.rows.get(key) or self._world.row(key, kind)

    def _waiting(self, key: Key) -> list[Waiting]:
        older = () if key in self._emptied else self._world.waiting(key)
        return [*older, *self._added.get(key, ())]

    def _read(self, key: Key, letters: list[Waiting]) -> None:
        self.touched.add(key)
        if not letters:
            return
        for letter in letters:
            if self.posted.pop(letter.number, None) is None:
                self.read.append(letter.number)
        self._emptied.add(key)
        self._added.pop(key, None)

    def _save(self, key: Key, row: Row | None, outcome: Outcome[S]) -> None:
        if row is not None and row.due == outcome.due and _same(row.state, outcome.state):
            return
        version = 1 if row is None else row.version + 1
        self.rows[key] = Row(state=outcome.state, version=version, due=outcome.due)
        self.dropped.discard(key)


def held(key: Key, state: State, kind: type[S]) -> S:
    """`state`, known to be a `kind`. Raises StoreError if the row is another's."""
    if not isinstance(state, kind):
        raise StoreError(f"row {key} holds a {type(state).__name__}, not a {kind.__name__}")
    return state


def check(readings: Sequence[Reading]) -> None:
    """Raises InvalidData for a value that is no finite number and for a span that runs backwards."""
    for reading in readings:
        for value in (reading.value, reading.accuracy or 0.0):
            if not isfinite(value):
                raise InvalidData(f"{reading.series} at {reading.start} is {value}, which is no value to store")
        if reading.span < timedelta(0):
            raise InvalidData(f"{reading.series} at {reading.start} has a span that ends before it starts")


def _same(old: State, new: State) -> bool:
    return new is old or new == old
