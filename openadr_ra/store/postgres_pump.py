"""One batch after another: jobs become parts of rows, parts become one transaction, and only who lost steps again."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple, TypeVar

from openadr_ra.errors import StoreError
from openadr_ra.protocol.step import Key
from openadr_ra.seams import Told
from openadr_ra.store.jobs import MAX_BATCH, Job, raised
from openadr_ra.store.postgres_link import Database, InTheWay, Refused
from openadr_ra.store.postgres_news import News
from openadr_ra.store.postgres_parts import Found, Loaded, Lost, Part, Writing
from openadr_ra.store.postgres_reading import Queries
from openadr_ra.store.world import Row

T = TypeVar("T")

log = logging.getLogger(__name__)

MOST_ROWS = 200_000
"""Rows that are kept in memory; those that came first make room."""

MOST_TRIES = 50
"""So often a batch that others were in the way of is tried again."""


class Item(NamedTuple):
    """A job and the row that it steps, if it steps one."""

    key: Key | None
    job: Job


class Turn(NamedTuple):
    """Whoever waits for `come` works until it has `done`."""

    come: asyncio.Event
    done: asyncio.Event


class Pump:
    """Does what it is given in order, and keeps in memory what is known of rows. `who` this process is for the others."""

    def __init__(self, database: Database, who: str) -> None:
        self.rows: dict[Key, Row] = {}
        self.mailed: set[Key] = set()
        self.aliases: dict[str, Key] = {}
        self.namings = 0
        """Counts what may have given other rows a known alias."""
        self.newest = datetime.min.replace(tzinfo=UTC)
        """The latest time that anyone named."""
        self.commits = 0
        self.watchers: list[Told] = []
        self._database = database
        self._queries = Queries(database)
        self._writing = Writing(who)
        self._news = News(database, who, told=self._hear, lost=self._doubt)
        # What others changed while a batch was under way; None: nobody knows.
        self._meanwhile: set[Key] | None = set()
        # Rows that were read before: who reads them again does so because others change them.
        self._met: set[Key] = set()
        self._queue: deque[Item | Turn] = deque()
        self._queued = asyncio.Event()
        self._closed = False
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Work from now on. Raises StoreError."""
        await self._news.open()
        self._task = asyncio.create_task(self._work(), name="openadr-ra store")

    async def close(self) -> None:
        """Do what is queued, and then nothing any more."""
        if self._closed:
            return
        self._closed = True
        self._queued.set()
        if self._task is not None:
            await self._task
        await self._news.close()
        self.rows.clear()

    @property
    def knows(self) -> bool:
        """Whether what is in memory can be gone by: news of what others change come."""
        return self._news.come and not self._closed

    def put(self, key: Key | None, job: Job) -> None:
        """Do the job, which steps that row, if it steps one. Raises StoreError when it is closed."""
        self._put(Item(key, job))

    async def in_turn(self, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` does, after all that was asked for before it and before all that is asked for later."""
        turn, done = asyncio.Event(), asyncio.Event()
        self._put(Turn(turn, done))
        try:
            await turn.wait()
            return await work()
        finally:
            done.set()

    def _put(self, item: Item | Turn) -> None:
        if self._closed:
            raise StoreError(f"{self._database.name} has been closed; open it again")
        self._queue.append(item)
        self._queued.set()

    async def _work(self) -> None:
        """Do what is queued, batch after batch, until it is closed and nothing is queued."""
        while not (self._closed and not self._queue):
            await self._queued.wait()
            parts: dict[Key | None, Part] = {}
            for _ in range(MAX_BATCH):
                match self._queue[0] if self._queue else None:
                    case Item(key, job):
                        parts.setdefault(key, Part(key)).jobs.append(job)
                        self._queue.popleft()
                    case _:
                        break
            if parts:
                await self._settled(list(parts.values()))
            match self._queue[0] if self._queue else None:
                case Turn(come, done):
                    self._queue.popleft()
                    come.set()
                    await done.wait()
            if not self._queue and not self._closed:
                self._queued.clear()

    async def _settled(self, parts: list[Part]) -> None:
        """The parts are stored, or their callers know why not."""
        left = list(parts)
        try:
            await self._do(left)
        except Exception as error:
            self._doubt_rows(left)
            if len(left) > 1 and (isinstance(error, Refused) or not isinstance(error, StoreError)):
                # One of them wants to store a value that cannot be stored: the others shall not suffer for it.
                for part in left:
                    await self._settled([part])
            else:
                _fail(left, self._database.refusal(error))

    async def _do(self, left: list[Part]) -> None:
        """Step and store until none is `left`. Raises StoreError for a database that is away."""
        stepping, fresh = list(left), frozenset[Key | None]()
        for _ in range(MOST_TRIES):
            self._meanwhile = set() if self._news.come else None
            await self._step(stepping, fresh)
            fresh = await self._stored(left)
            if not left:
                return
            stepping = [part for part in left if part.key in fresh]
        raise StoreError(f"database {self._database.name}: others change the same rows all the time; try again")

    async def _stored(self, left: list[Part]) -> frozenset[Key | None]:
        """Store them, and take out of `left` those that are; the keys of those that have lost, and have to step again."""
        try:
            lost = await self._store(left)
        except Lost as error:
            # The others go on as they are.
            return error.keys
        except InTheWay as error:
            log.info("= store: once more: %s", error)
            self._writing.forget()
            return frozenset()
        self._keep([part for part in left if part.key not in lost])
        left[:] = [part for part in left if part.key in lost]
        return lost

    async def _step(self, parts: Sequence[Part], fresh: frozenset[Key | None]) -> None:
        """Run the steps on the rows as they are in memory, or, where they are not or are `fresh`, in the database."""
        for key in fresh:
            if key is not None:
                self.rows.pop(key, None)
        known = self.rows if self._news.come else {}
        keys = [part.key for part in parts if part.key is not None]
        absent = [key for key in keys if key not in known]
        asked = [key for key in keys if key not in known or key in self.mailed]
        self.mailed.difference_update(asked)
        found: dict[Key, Found] = {}
        letters: dict[Key, list[tuple[int, str]]] = {}
        with ExitStack() as failed:
            failed.callback(self.mailed.update, asked)
            # The row first: mail that another reads afterwards moves the version of the row, so that we lose. The other
            # way round we might meet a letter, and then the row that has it in it.
            if absent:
                found = await self._queries.found(absent)
            if asked:
                letters = await self._queries.mail(asked)
            failed.pop_all()
        for part in parts:
            key = part.key
            if key is None:
                part.step(Loaded(None, None, []), fresh=True)
            else:
                source = Loaded(known.get(key), found.get(key), letters.get(key, []), stays=key not in self._met)
                part.step(source, fresh=key not in known)
        self._met.update(absent)

    async def _store(self, parts: Sequence[Part]) -> frozenset[Key | None]:
        """The parts that have to step again, for what they store nothing by is no longer so. Raises Lost, and more."""
        for part in parts:
            self.newest = max(self.newest, part.batch.newest)
        if not any(part.batch for part in parts):
            if all(part.fresh for part in parts):
                return frozenset()
            async with self._database.connection() as connection:
                return await self._writing.stale(connection, parts)
        async with self._database.connection() as connection:
            await self._writing.store(connection, parts)
        self.commits += 1
        return frozenset()

    def _keep(self, parts: Sequence[Part]) -> None:
        """They are stored: that is how their rows are now, and their callers hear of it."""
        for part in parts:
            batch = part.batch
            for key, row in part.rows().items():
                # Another may have been faster than the news of our own success.
                if self._meanwhile is None or key in self._meanwhile:
                    self.rows.pop(key, None)
                else:
                    self.rows[key] = row
            self.mailed.update(mail.to for mail in batch.posted.values())
            if part.key is not None and part.has_mail and not batch.read:
                # Its steps raised, so that it waits still.
                self.mailed.add(part.key)
            if batch.aliases:
                self.namings += 1
                self.aliases.update(batch.aliases)
        self._make_room()
        for part in parts:
            for job in part.jobs:
                job.deliver()

    def _make_room(self) -> None:
        if len(self._met) > 2 * MOST_ROWS:
            self._met.clear()
        while len(self.rows) > MOST_ROWS:
            del self.rows[next(iter(self.rows))]

    def _doubt_rows(self, parts: Sequence[Part]) -> None:
        """Whether they were stored is not known: what they may have read is looked for again."""
        for part in parts:
            if part.key is not None:
                self.rows.pop(part.key, None)
                self.mailed.add(part.key)
        self._writing.forget()

    def _hear(self, rows: Sequence[Key], mailed: Sequence[Key], names: bool) -> None:
        """Others have stepped these rows, and posted mail to those."""
        for key in rows:
            self.rows.pop(key, None)
        self.mailed.update(mailed)
        if self._meanwhile is not None:
            self._meanwhile.update(rows)
        if names:
            self.aliases.clear()
            self.namings += 1
        keys = frozenset(rows) | frozenset(mailed)
        for told in self.watchers:
            told(keys, names)

    def _doubt(self) -> None:
        """The news have stopped: nothing in memory is sure."""
        self.rows.clear()
        self.aliases.clear()
        self.namings += 1
        self._meanwhile = None
        for told in self.watchers:
            told(frozenset(), True)


def _fail(parts: Sequence[Part], error: BaseException) -> None:
    for part in parts:
        for job in part.jobs:
            job.fail(error)
            # A caller that was cancelled, or whose loop has ended, does not wait any more.
            with suppress(RuntimeError):
                raised(partial(job.deliver))
