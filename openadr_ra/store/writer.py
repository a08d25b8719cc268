"""The one thread that writes: it does all that is queued as one batch and commits it once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Thread

import msgspec

from openadr_ra.errors import OadrRaError, StoreError
from openadr_ra.protocol.step import Key, State
from openadr_ra.store.batch import Batch
from openadr_ra.store.database import Database, sentence
from openadr_ra.store.jobs import MAX_BATCH, Job, raised
from openadr_ra.store.statements import Statements
from openadr_ra.store.world import World


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch. `idle`: the states that may be seen without asking from now on, None where asking is due.
    `unnamed`: rows whose other aliases are gone."""

    idle: dict[Key, State | None]
    aliases: dict[str, Key]
    unnamed: Set[Key]
    jobs: Sequence[Job]


class Writer:
    """Owns the writing connection; `told` is called in the loop once for each batch."""

    def __init__(self, database: Database, world: World, told: Callable[[Committed], None]) -> None:
        self.commits = 0
        self._database = database
        self._told = told
        self._loop = asyncio.get_running_loop()
        self._statements = Statements(database.writer)
        self._world = world
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._open = True
        # A daemon: a program that forgets to close must still end; what was committed is safe.
        self._thread = Thread(target=self._run, name="openadr-ra store", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue the job for the next batch."""
        self._queue.put(job)

    def stop(self) -> None:
        """Do what is queued, then end; blocks until then."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while jobs := self._take():
            self._do(jobs)

    def _take(self) -> list[Job]:
        """All that is queued, at least one; none when it is time to end."""
        jobs: list[Job] = []
        while self._open and len(jobs) < MAX_BATCH and not (jobs and self._queue.empty()):
            job = self._queue.get()
            if job is None:
                self._open = False
            else:
                jobs.append(job)
        return jobs

    def _do(self, jobs: list[Job]) -> None:
        batch = Batch(self._world)
        for job in jobs:
            job.run(batch)
        error = raised(partial(self._commit, batch))
        if error is None:
            batch.settle()
            idle = {key: self._world.idle(key) for key in batch.touched}
            self._tell(Committed(idle=idle, aliases=batch.aliases, unnamed=batch.unnamed, jobs=jobs))
        elif len(jobs) > 1 and not _is_storage(error):
            # One of them wants to store a value that cannot be stored: the others shall not suffer for it.
            for job in jobs:
                self._do([job])
        else:
            for job in jobs:
                job.fail(self._refusal(error))
            self._tell(Committed(idle={}, aliases={}, unnamed=frozenset(), jobs=jobs))

    def _commit(self, batch: Batch) -> None:
        if batch:
            self._statements.write(batch)
            self.commits += 1

    def _tell(self, committed: Committed) -> None:
        # The loop is closed when a program ends without closing its store: then nobody waits.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._told, committed)

    def _refusal(self, error: BaseException) -> OadrRaError:
        match error:
            case OadrRaError():
                return error
            case sqlite3.Error():
                refusal = sentence(self._database.path, error)
            case _:
                refusal = StoreError(f"this cannot be stored: {error}")
        refusal.__cause__ = error
        return refusal


def _is_storage(error: BaseException) -> bool:
    """Whether the file is to blame, not a value: then trying again one by one would fail as often."""
    return isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError
