"""A store that lasts as long as its process: for tests, for simulation, and for nodes that may forget."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from heapq import nsmallest
from itertools import islice
from typing import TypeVar

from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.step import Entry, Key, Mail, Outcome, State
from openadr_ra.seams import Due, S, Step
from openadr_ra.store.alone import Alone
from openadr_ra.store.batch import Batch, held
from openadr_ra.store.rows import micros, span_micros
from openadr_ra.store.world import Nowhere, World

T = TypeVar("T")

READING_OCTETS = 300
"""What a reading takes, about, with its time and its place in the order. The rest of a store is little beside them."""


class MemoryStore(Alone):
    """Every call is done when it returns and never suspends: the same calls give the same results, always."""

    def __init__(self) -> None:
        super().__init__()
        self._world = World(Nowhere())
        self._aliases: dict[str, Key] = {}
        self._series: dict[str, _Series] = {}
        self._journal: dict[str, dict[int, Entry]] = {}
        self._lines: list[tuple[int, str]] = []
        self._entries = 0
        self._seen: dict[Key, datetime] = {}

    async def update(self, key: Key, kind: type[S], step: Step[S]) -> Outcome[S]:
        return self._commit(lambda batch: batch.update(key, kind, step))

    async def load(self, key: Key, kind: type[S]) -> S | None:
        row = self._world.row(key, kind)
        return None if row is None else held(key, row.state, kind)

    async def load_all(self, keys: Sequence[Key], kind: type[S]) -> tuple[S, ...]:
        found = [await self.load(key, kind) for key in keys]
        return tuple(state for state in found if state is not None)

    def peek(self, key: Key, kind: type[S]) -> S | None:
        state = self._world.idle(key)
        return state if isinstance(state, kind) else None

    async def keys(self, prefix: str) -> tuple[Key, ...]:
        return tuple(sorted(key for key in self._world.rows if key.startswith(prefix)))

    async def post(self, mail: Sequence[Mail]) -> None:
        self._commit(lambda batch: batch.post(mail))

    async def waiting(self) -> tuple[Key, ...]:
        return tuple(self._world.mailed())

    async def due(self) -> tuple[Due, ...]:
        dues = [Due(key=key, at=row.due) for key, row in self._world.rows.items() if row.due is not None]
        return tuple(sorted(dues, key=lambda due: (due.at, due.key)))

    async def resolve(self, alias: str) -> Key | None:
        return self._aliases.get(alias)

    async def record(self, readings: Sequence[Reading], entries: Sequence[Entry] = ()) -> None:
        self._commit(lambda batch: batch.record(readings, entries))

    async def readings(self, series: Sequence[str], start: datetime, end: datetime) -> tuple[Reading, ...]:
        asked = [self._series[name] for name in dict.fromkeys(series) if name in self._series]
        return tuple(reading for each in asked for reading in each.touching(micros(start), micros(end)))

    async def forget(self, series: Sequence[str], start: datetime, end: datetime, least: int, most: int) -> int:
        left = most
        for name in dict.fromkeys(series):
            if name in self._series and left:
                left -= self._series[name].drop(micros(start), micros(end), least, left)
                if self._series[name].is_empty:
                    del self._series[name]
        return most - left

    async def thin(self, series: Sequence[str], start: datetime, end: datetime, every: timedelta, most: int) -> int:
        left = most
        for name in dict.fromkeys(series):
            if name in self._series and left:
                left -= self._series[name].thin(micros(start), micros(end), span_micros(every), left)
        return most - left

    async def octets(self) -> int | None:
        return READING_OCTETS * sum(len(each) for each in self._series.values())

    async def series(self, prefix: str) -> tuple[str, ...]:
        return tuple(sorted(name for name in self._series if name.startswith(prefix)))

    async def next_series(self, after: str, most: int) -> tuple[str, ...]:
        return tuple(nsmallest(most, (name for name in self._series if name > after)))

    async def journal(self, subject: str, after: int = 0) -> tuple[tuple[int, Entry], ...]:
        return tuple(line for line in self._journal.get(subject, {}).items() if line[0] > after)

    async def entries(self, after: int, most: int) -> tuple[tuple[int, Entry], ...]:
        first = bisect_left(self._lines, after + 1, key=lambda line: line[0])
        lines = self._lines[first : first + most]
        return tuple((number, self._journal[subject][number]) for number, subject in lines)

    async def letters(self, after: int, most: int) -> tuple[tuple[int, Mail], ...]:
        found = (
            (letter.number, Mail(to=key, body=letter.body))
            for key in self._world.mailed()
            for letter in self._world.waiting(key)
            if letter.number > after
        )
        return tuple(sorted(found, key=lambda one: one[0])[:most])

    async def drop(
        self,
        *,
        rows: Sequence[tuple[Key, State]] = (),
        letters: Sequence[tuple[int, Mail]] = (),
        entries: Sequence[int] = (),
    ) -> None:
        self._commit(lambda batch: batch.drop(rows, letters, entries))

    async def remember(self, nonce: str, until: datetime, now: datetime) -> bool:
        return self._commit(lambda batch: batch.remember(nonce, until, now))

    async def see(self, seen: Mapping[Key, datetime]) -> None:
        self._commit(lambda batch: batch.see(seen))

    async def seen(self) -> dict[Key, datetime]:
        return dict(self._seen)

    async def close(self) -> None:
        """Nothing to let go of."""

    def _commit(self, work: Callable[[Batch], T]) -> T:
        batch = Batch(self._world)
        result = work(batch)
        batch.settle()
        if batch.unnamed:
            self._aliases = {alias: key for alias, key in self._aliases.items() if key not in batch.unnamed}
        self._aliases.update(batch.aliases)
        for key, at in batch.seen.items():
            self._seen[key] = max(at, self._seen.get(key, at))
        for reading in batch.readings:
            self._series.setdefault(reading.series, _Series()).add(reading)
        for entry in batch.entries:
            self._entries += 1
            self._journal.setdefault(entry.subject, {})[self._entries] = entry
            self._lines.append((self._entries, entry.subject))
        if batch.struck:
            self._strike(frozenset(batch.struck))
        return result

    def _strike(self, numbers: frozenset[int]) -> None:
        last = bisect_left(self._lines, max(numbers) + 1, key=lambda line: line[0])
        for number, subject in self._lines[:last]:
            if number in numbers:
                del self._journal[subject][number]
                if not self._journal[subject]:
                    del self._journal[subject]
        self._lines[:last] = [line for line in self._lines[:last] if line[0] not in numbers]


class _Series:
    """The readings of one series, ordered by start and span, both in microseconds."""

    def __init__(self) -> None:
        self._places: list[tuple[int, int]] = []
        self._readings: dict[tuple[int, int], Reading] = {}
        self._longest_us = 0

    def add(self, reading: Reading) -> None:
        """Keep the reading unless one of its span and of no lower revision is there."""
        place = micros(reading.start), span_micros(reading.span)
        known = self._readings.get(place)
        if known is not None and known.revision >= reading.revision:
            return
        if known is None:
            insort(self._places, place)
            self._longest_us = max(self._longest_us, place[1])
        self._readings[place] = reading

    @property
    def is_empty(self) -> bool:
        return not self._places

    def drop(self, start_us: int, end_us: int, least: int, most: int) -> int:
        """Forget the oldest `most` of those within, but for those that begin no earlier than the newest `least`; how many
        went."""
        if len(self._places) < least:
            return 0
        last_us = min(self._places[-least][0], end_us) if least else end_us
        first = bisect_left(self._places, (start_us, 0))
        old = islice(self._places, first, bisect_left(self._places, (last_us, 0)))
        return self._lose(tuple(islice((place for place in old if sum(place) <= end_us), most)))

    def thin(self, start_us: int, end_us: int, every_us: int, most: int) -> int:
        """Forget the oldest `most` of those within, but for the first that begins in each span; how many went."""
        first, last = (bisect_left(self._places, (at_us, 0)) for at_us in (start_us, end_us))
        crowded = (
            place
            for place in islice(self._places, first, last)
            if sum(place) <= end_us
            and self._places[bisect_left(self._places, (place[0] - place[0] % every_us, 0))][0] < place[0]
        )
        return self._lose(tuple(islice(crowded, most)))

    def _lose(self, gone: tuple[tuple[int, int], ...]) -> int:
        """Forget these, which are in order."""
        for place in gone:
            del self._readings[place]
        if gone:
            first, last = bisect_left(self._places, gone[0]), bisect_left(self._places, gone[-1]) + 1
            self._places[first:last] = [place for place in self._places[first:last] if place in self._readings]
        return len(gone)

    def __len__(self) -> int:
        return len(self._places)

    def touching(self, start_us: int, end_us: int) -> Iterator[Reading]:
        """Readings whose span overlaps [start, end), and samples inside it."""
        if end_us <= start_us:
            return
        first = bisect_left(self._places, (start_us - self._longest_us, 0))
        last = bisect_left(self._places, (end_us, 0))
        for place in self._places[first:last]:
            if place[0] >= start_us or place[0] + place[1] > start_us:
                yield self._readings[place]
