"""Files that other versions of the program wrote."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import ClassVar

import pytest

from openadr_ra.errors import StoreError
from openadr_ra.protocol.step import AnyLetter, Key, Outcome, State
from openadr_ra.seams import Due
from openadr_ra.store import SqliteStore
from tests.store.check_store import MINUTE, NOON, entry, letter, mail, reading

BOILER = Key("boiler/1")


class Boiler(State, frozen=True, kw_only=True, gc=False):
    """Format 1 called the limit `kw` and knew no name; the file in `files/` is of its time."""

    format: ClassVar[int] = 2
    name: str = "unnamed"
    limit_kw: float
    since: datetime
    stages: dict[int, float]

    @classmethod
    def upgrade(cls, row: dict[str, object], written: int) -> dict[str, object]:
        assert written == 1
        return {"limit_kw": row["kw"], "since": row["since"], "stages": row["stages"]}


UPGRADED = Boiler(limit_kw=3.5, since=NOON, stages={1: 1.5, 2: 2.0})


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    """The file of format 1."""
    file = tmp_path / "old.db"
    script = (Path(__file__).parent / "files" / "format-1.sql").read_text("utf-8")
    with closing(sqlite3.connect(file)) as database:
        database.executescript(script)
    return file


def edit(file: Path, statement: str) -> None:
    """Do to the file what another program did."""
    with closing(sqlite3.connect(file)) as database, database:
        database.execute(statement)


def stored(file: Path) -> tuple[int, int, str]:
    """Format, version and body of the boiler's row."""
    with closing(sqlite3.connect(file)) as database:
        found: tuple[int, int, str] = database.execute("SELECT format, version, body FROM states").fetchone()
    return found


def touch(boiler: Boiler | None, letters: tuple[AnyLetter, ...]) -> Outcome[Boiler]:
    """A step that changes nothing."""
    assert boiler is not None
    return Outcome(state=boiler, due=NOON + MINUTE)


async def test_row_of_an_older_format_is_read_upgraded(old_file: Path) -> None:
    """By a look and by a step; it stays as written until it changes, then it is of the new format."""
    seen: list[tuple[Boiler | None, tuple[AnyLetter, ...]]] = []

    def close(boiler: Boiler | None, letters: tuple[AnyLetter, ...]) -> Outcome[Boiler]:
        seen.append((boiler, letters))
        return Outcome(state=Boiler(name="closed", limit_kw=0.0, since=NOON, stages={}))

    store = await SqliteStore.open(old_file)
    assert await store.load(BOILER, Boiler) == UPGRADED
    await store.update(BOILER, Boiler, close)
    await store.close()

    assert seen == [(UPGRADED, (letter("on"),))]
    assert stored(old_file)[:2] == (2, 2)


async def test_row_of_an_older_format_stays_as_it_is_until_it_changes(old_file: Path) -> None:
    """Reading a file does not rewrite it."""
    before = stored(old_file)
    store = await SqliteStore.open(old_file)
    await store.update(BOILER, Boiler, touch)
    assert store.peek(BOILER, Boiler) == UPGRADED
    await store.close()
    assert stored(old_file) == before


async def test_everything_else_of_an_old_file_is_read(old_file: Path) -> None:
    """Deadlines, aliases, readings, the journal, mail, nonces: as schema 1 has them."""
    store = await SqliteStore.open(old_file)
    assert await store.due() == (Due(key=BOILER, at=NOON + MINUTE),)
    assert await store.resolve("fingerprint") == BOILER
    assert await store.readings(["ven-1/power"], NOON, NOON + MINUTE) == (reading(2.25),)
    assert await store.journal("event/1") == ((1, entry()),)
    assert await store.waiting() == (BOILER,)
    assert not await store.remember("nonce", NOON + MINUTE, NOON)
    await store.close()


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("format", "3", r"row boiler/1 was written by a newer openadr-ra \(Boiler format 3, .* up to 2\)"),
        ("kind", "'Kettle'", "row boiler/1 holds a Kettle, not a Boiler"),
        ("body", "'{}'", "row boiler/1 cannot be read as Boiler"),
        ("body", "'[]'", "row boiler/1 cannot be read as Boiler"),
        ("body", "'{'", "row boiler/1 cannot be read as Boiler"),
        ("body", '\'{"kw": 1.0, "since": "noon", "stages": {}}\'', "row boiler/1 cannot be read as Boiler"),
    ],
)
async def test_row_that_cannot_be_read_is_refused(old_file: Path, column: str, value: str, sentence: str) -> None:
    """By a look and by a step, in plain words, and the file stays as it is."""
    edit(old_file, f"UPDATE states SET {column} = {value}")  # noqa: S608 - the values are those above
    before = stored(old_file)
    store = await SqliteStore.open(old_file)
    with pytest.raises(StoreError, match=sentence):
        await store.load(BOILER, Boiler)
    with pytest.raises(StoreError, match=sentence):
        await store.update(BOILER, Boiler, touch)
    await store.close()
    assert stored(old_file) == before


async def test_mail_that_cannot_be_read_is_refused(old_file: Path) -> None:
    """Its row cannot be stepped without it; others can."""
    edit(old_file, """UPDATE mail SET body = '{"_": "Telegram"}'""")
    store = await SqliteStore.open(old_file)
    with pytest.raises(StoreError, match="mail for boiler/1 cannot be read"):
        await store.update(BOILER, Boiler, touch)
    await store.update(Key("boiler/2"), Boiler, lambda boiler, letters: Outcome(state=UPGRADED))
    await store.post(mail(BOILER, "more"))
    assert store.peek(BOILER, Boiler) is None
    assert await store.waiting() == (BOILER,)
    await store.close()


async def test_file_of_a_newer_schema_is_refused(old_file: Path) -> None:
    """It says which, and what to do; the file is not touched."""
    edit(old_file, "PRAGMA user_version = 9999")
    before = await asyncio.to_thread(old_file.read_bytes)
    with pytest.raises(StoreError, match=r"written by a newer openadr-ra \(schema 9999, .*update the program"):
        await SqliteStore.open(old_file)
    assert await asyncio.to_thread(old_file.read_bytes) == before
    edit(old_file, "PRAGMA user_version = 1")
    await (await SqliteStore.open(old_file)).close()


async def test_file_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Not even its journal mode is changed."""
    file = tmp_path / "music.db"
    edit(file, "CREATE TABLE songs (name TEXT)")
    before = file.read_bytes()
    with pytest.raises(StoreError, match=r"music\.db is another program's database; name another file"):
        await SqliteStore.open(file)
    assert file.read_bytes() == before
