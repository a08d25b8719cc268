"""Processes on one database that end as they should not, and a database that does."""

from __future__ import annotations

import asyncio
import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread

import pytest

from openadr_ra.store.postgres import PostgresStore
from tests.postgres import Server
from tests.store.check_store import MINUTE, NOON, Tank, pour
from tests.store.test_killed import running


class Sharer:
    """A process that works on the database without end, and what it was promised."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.promised: list[str] = []
        self.refused: list[str] = []
        self._reader = Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            (self.refused if line.startswith("!") else self.promised).append(line.strip())

    def until(self, count: int) -> None:
        """Return when it has been promised so much."""
        while len(self.promised) < count:
            assert self.process.poll() is None, "it ended by itself"
            self._reader.join(0.01)

    def kill(self) -> None:
        self.process.kill()
        self._reader.join()


@contextmanager
def sharers(folder: Path, url: str) -> Iterator[tuple[Sharer, Sharer]]:
    """Two of them, on the same rows."""
    with ExitStack() as stack:
        made: list[Sharer] = []
        for who in "ab":
            file = folder / who
            file.write_text(f"{url} {who}", "utf-8")
            made.append(Sharer(stack.enter_context(running("share", file))))
            stack.callback(made[-1].kill)
        yield made[0], made[1]


async def stored(url: str) -> tuple[Counter[str], Counter[str]]:
    """What has been poured into all rows once all mail has been read, and the readings that came with it."""
    store = await PostgresStore.open(url)
    for key in await store.waiting():
        await store.update(key, Tank, pour())
    poured: Counter[str] = Counter()
    for key in await store.keys("tank/"):
        row = await store.load(key, Tank)
        assert row is not None
        poured.update(row.poured)
    names = [name for name in poured if not name.startswith("mail ")]
    readings = Counter(one.series for one in await store.readings(names, NOON - MINUTE, NOON + 600_000 * MINUTE))
    await store.close()
    return poured, readings


async def check(url: str, promised: list[str]) -> None:
    """All that was promised is there exactly once, and its letter; of what was not, all or nothing."""
    poured, readings = await stored(url)
    assert [name for name in promised if poured[name] != 1] == []
    assert [name for name in promised if poured[f"mail {name}"] != 1] == []
    assert [name for name, count in poured.items() if count != 1] == []
    names = {name for name in poured if not name.startswith("mail ")}
    assert {f"mail {name}" for name in names} == poured.keys() - names
    assert readings.keys() == names


@pytest.mark.parametrize("seed", range(2))
async def test_what_was_acknowledged_outlives_a_process_of_several_exactly_once(
    tmp_path: Path, postgres: Server, seed: int
) -> None:
    """The other goes on with the rows of the one that was killed."""
    url, chance = postgres.database(), random.Random(seed)  # noqa: S311 - no secret
    with sharers(tmp_path, url) as (one, other):
        await asyncio.to_thread(one.until, chance.randint(50, 800))
        one.kill()
        await asyncio.to_thread(other.until, len(other.promised) + 300)
        other.kill()
        promised = one.promised + other.promised
    await check(url, promised)


async def test_what_was_acknowledged_outlives_sigkill_of_the_database_exactly_once(
    tmp_path: Path, postgres: Server
) -> None:
    """The processes stay, say that it cannot be reached, and go on when it is back."""
    url = postgres.database()
    with sharers(tmp_path, url) as (one, other):
        await asyncio.to_thread(one.until, 300)
        postgres.kill()
        await asyncio.to_thread(postgres.start)
        for sharer in (one, other):
            await asyncio.to_thread(sharer.until, len(sharer.promised) + 300)
            sharer.kill()
        promised = one.promised + other.promised
        assert any("cannot be reached" in line for line in one.refused + other.refused)
    await check(url, promised)
