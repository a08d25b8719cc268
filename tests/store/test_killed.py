"""Processes that end as they should not, and others that come at the same time."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from openadr_ra.errors import StoreError
from openadr_ra.protocol.step import Key
from openadr_ra.store import SqliteStore
from tests.store.check_store import MINUTE, NOON, TANK, Tank, pour, poured
from tests.store.programs import CALLERS

ROOT = Path(__file__).parent.parent.parent


@contextmanager
def running(program: str, file: Path) -> Iterator[subprocess.Popen[str]]:
    """A program of `programs.py` in a process of its own."""
    command = (sys.executable, "-m", "tests.store.programs", program, str(file))
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            yield process
        finally:
            process.kill()


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    """What it says, line by line."""
    assert process.stdout is not None
    return (line.strip() for line in process.stdout)


def acknowledged_before_the_kill(file: Path, after: int) -> list[str]:
    """Kill the load when it has said so many names; the names it had said by then."""
    with running("load", file) as process:
        said = lines(process)
        names = [next(said) for _ in range(after)]
        process.kill()
        names += said
    return names


@pytest.mark.parametrize("seed", range(4))
async def test_what_was_acknowledged_outlives_sigkill_exactly_once(tmp_path: Path, seed: int) -> None:
    """Row, mail, readings and journal of each update; and of what was not acknowledged all or nothing."""
    file = tmp_path / "node.db"
    names = acknowledged_before_the_kill(file, after=random.Random(seed).randint(1, 3000))  # noqa: S311 - no secret

    store = await SqliteStore.open(file)
    for key in await store.waiting():
        await store.update(key, Tank, pour())
    stored = [await poured(store, key) for key in await store.keys("")]
    entries = [await store.journal(f"caller/{caller}") for caller in range(CALLERS)]
    series = await store.series("")
    await store.close()

    found = Counter(name for names_of_row in stored for name in names_of_row)
    journal = Counter(line.what for lines_of_caller in entries for _, line in lines_of_caller)
    assert set(names) <= set(journal)
    assert set(found.values()) == set(journal.values()) == {1}
    assert set(found) == {name for what in journal for name in (what, f"mail {what}")}
    assert set(series) == set(journal)


async def test_store_goes_on_in_a_file_whose_program_was_killed(tmp_path: Path) -> None:
    """Several times over."""
    file = tmp_path / "node.db"
    for after in (1, 100, 200):
        acknowledged_before_the_kill(file, after)
    store = await SqliteStore.open(file)
    assert len(await store.readings(await store.series(""), NOON, NOON + MINUTE)) >= 200
    await store.close()


async def test_second_process_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    """However it ends: here by SIGKILL."""
    file = tmp_path / "node.db"
    with running("hold", file) as process:
        assert next(lines(process)) == "held"
        with pytest.raises(StoreError, match=r"node\.db is in use by another process: stop that one"):
            await SqliteStore.open(file)
    store = await SqliteStore.open(file)
    await store.update(TANK, Tank, pour("a"))
    await store.close()


async def test_second_store_in_one_process_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    """By whatever path it comes; and the lock still holds afterwards."""
    file = tmp_path / "node.db"
    other_path = tmp_path / "link.db"
    other_path.symlink_to(file)
    store = await SqliteStore.open(file)
    for path in (file, other_path):
        with pytest.raises(StoreError, match="in use by another process"):
            await SqliteStore.open(path)
    with running("hold", file) as process:
        assert list(lines(process)) == []
    await store.update(Key("tank/1"), Tank, pour("a"))
    await store.close()
    with running("hold", file) as process:
        assert next(lines(process)) == "held"
