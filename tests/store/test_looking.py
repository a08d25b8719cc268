"""A store's file as others than its node see it: copied while the node writes, and checked."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from openadr_ra.errors import StoreError
from openadr_ra.protocol.step import Key
from openadr_ra.store import SqliteStore
from openadr_ra.store.database import newest_schema
from openadr_ra.store.findings import Unread
from openadr_ra.store.sqlite_looking import backup, check, looking
from tests.store.check_store import MINUTE, NOON, OTHER, TANK, Tank, Valve, entry, mail, pour, poured, reading
from tests.store.test_broken_storage import damage

KINDS = {"Tank": Tank}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "node.db"


async def filled(file: Path) -> None:
    """One of everything, committed and let go of."""
    store = await SqliteStore.open(file)
    await store.update(TANK, Tank, pour("a"))
    await store.post((*mail(TANK, "1", "2"), *mail(OTHER, "3")))
    await store.record((reading(), reading(start=NOON + MINUTE)), (entry(),))
    await store.close()


def edit(file: Path, statement: str) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        database.execute(statement)


async def test_backup_of_a_store_in_use_is_whole_as_of_one_moment(file: Path, tmp_path: Path) -> None:
    """While many write: in each pair both or neither, all that was acknowledged before it began; and the store goes on."""
    store = await SqliteStore.open(file)
    await asyncio.gather(*(store.update(Key(f"before/{n}"), Tank, pour("x" * 500)) for n in range(500)))
    done = asyncio.Event()
    written = 0

    async def write() -> None:
        nonlocal written
        while not done.is_set():
            name = f"pair/{written}"
            await store.update(Key(name), Tank, pour("x" * 500, post=mail(Key(f"reader/{written}"), name)))
            written += 1

    writing = asyncio.ensure_future(write())
    copied = await asyncio.to_thread(backup, file, tmp_path / "copy.db")
    done.set()
    await writing
    await store.close()

    assert (copied.file, copied.schema) == (str(tmp_path / "copy.db"), newest_schema())
    assert copied.octets == (await asyncio.to_thread((tmp_path / "copy.db").stat)).st_size
    copy = await SqliteStore.open(tmp_path / "copy.db")
    assert len(await copy.keys("before/")) == 500
    pairs, letters = await copy.keys("pair/"), await copy.waiting()
    assert sorted(key.partition("/")[2] for key in pairs) == sorted(key.partition("/")[2] for key in letters)
    assert len(pairs) <= written
    await copy.close()
    assert check(tmp_path / "copy.db", KINDS).faults == ()


async def test_backup_is_one_file_for_its_owner_alone(file: Path, tmp_path: Path) -> None:
    """Nothing else is left beside it."""
    await filled(file)
    (tmp_path / "away").mkdir()
    backup(file, tmp_path / "away" / "copy.db")
    (copy,) = await asyncio.to_thread(lambda: list((tmp_path / "away").iterdir()))
    assert oct(copy.stat().st_mode & 0o777) == "0o600"


async def test_backup_never_overwrites(file: Path, tmp_path: Path) -> None:
    """Neither a file, nor what another backup is writing."""
    await filled(file)
    with pytest.raises(StoreError, match=r"node\.db exists already; name another file"):
        backup(file, file)
    await asyncio.to_thread((tmp_path / "copy.db.part").touch)
    with pytest.raises(StoreError, match=r"copy\.db\.part is there: a backup is under way"):
        backup(file, tmp_path / "copy.db")


async def test_backup_that_fails_leaves_nothing(file: Path, tmp_path: Path) -> None:
    """Of a damaged store, of a store that somebody keeps, into a folder that there is not."""
    store = await SqliteStore.open(file)
    await asyncio.gather(*(store.update(Key(f"tank/{n}"), Tank, pour("x" * 200)) for n in range(2000)))
    await store.close()
    with pytest.raises(StoreError, match=r"copy\.db\.part cannot be used|No such file"):
        backup(file, tmp_path / "nowhere" / "copy.db")
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        other.execute("PRAGMA user_version = 2")
        with pytest.raises(StoreError, match=r"node\.db is locked by another program"):
            backup(file, tmp_path / "copy.db")
        other.execute("ROLLBACK")
    await asyncio.to_thread(damage, file)
    with pytest.raises(StoreError, match=r"is damaged"):
        backup(file, tmp_path / "copy.db")
    assert [each.name for each in await asyncio.to_thread(lambda: list(tmp_path.glob("copy*")))] == []


async def test_backup_to_a_disk_that_is_full_leaves_nothing(file: Path, tmp_path: Path) -> None:
    """Here a limit of the system on the size of files; it says which file could not be written."""
    store = await SqliteStore.open(file)
    await asyncio.gather(*(store.update(Key(f"tank/{n}"), Tank, pour("x" * 2000)) for n in range(500)))
    await store.close()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    try:
        with pytest.raises(StoreError, match=r"copy\.db could not be read or written by the disk"):
            backup(file, tmp_path / "copy.db")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [each.name for each in await asyncio.to_thread(lambda: list(tmp_path.glob("copy*")))] == []


@pytest.mark.parametrize("command", ["looking", "check", "backup"])
async def test_file_that_is_not_ours_is_refused(file: Path, tmp_path: Path, command: str) -> None:
    """One that is not there, another program's, a newer program's."""

    def ask(path: Path) -> None:
        match command:
            case "looking":
                with looking(path):
                    pass
            case "check":
                check(path, KINDS)
            case _:
                backup(path, tmp_path / "copy.db")

    with pytest.raises(StoreError, match=r"node\.db is no file; name the store's file"):
        ask(file)
    edit(file, "CREATE TABLE songs (name TEXT)")
    with pytest.raises(StoreError, match=r"node\.db is another program's database"):
        ask(file)
    await asyncio.to_thread(file.unlink)
    await filled(file)
    edit(file, f"PRAGMA user_version = {newest_schema() + 1}")
    with pytest.raises(StoreError, match=r"written by a newer openadr-ra \(schema .*update the program"):
        ask(file)
    await asyncio.to_thread(file.write_bytes, b"Dear Sir or Madam, " * 500)
    with pytest.raises(StoreError, match="is no SQLite database or is damaged"):
        ask(file)


async def test_check_of_a_sound_file_says_how_much_is_in_it(file: Path) -> None:
    """And whose mail nobody has read, with or without a row for it."""
    await filled(file)
    found = check(file, KINDS)
    assert (found.faults, found.schema) == ((), found.newest_schema)
    assert found.unread == (
        Unread(key=TANK, letters=2, has_row=True),
        Unread(key=OTHER, letters=1, has_row=False),
    )
    rows = {size.table: size.rows for size in found.tables}
    assert rows == {
        "states": 1, "mail": 3, "aliases": 0, "series": 1, "qualities": 1, "readings": 2, "journal": 1, "nonces": 0,
        "seen": 0,
    }  # fmt: skip
    assert all(size.octets is None or size.octets >= 4096 for size in found.tables)


async def test_check_does_not_disturb_a_node(file: Path) -> None:
    """It runs while the store is open, and sees what was committed."""
    store = await SqliteStore.open(file)
    await store.update(TANK, Tank, pour("a"))
    assert check(file, KINDS).faults == ()
    await store.update(TANK, Tank, pour("b"))
    assert await poured(store) == ("a", "b")
    await store.close()


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE states SET body = '{'", "row tank/1 cannot be read as Tank"),
        ("UPDATE states SET format = 7", "row tank/1 was written by a newer openadr-ra"),
        ("UPDATE states SET kind = 'Kettle'", "row tank/1 holds a Kettle, of which this program knows nothing"),
        ("UPDATE mail SET body = '[]' WHERE number = 2", "letter 2: mail for tank/1 cannot be read"),
        ("DELETE FROM qualities", "2 readings have a quality that does not exist"),
        ("DELETE FROM series", "2 readings have a series that does not exist"),
    ],
)
async def test_check_names_what_cannot_be_read(file: Path, statement: str, fault: str) -> None:
    """Each by itself; all the rest is looked at, too."""
    await filled(file)
    edit(file, statement)
    (told,) = check(file, KINDS | {"Valve": Valve}).faults
    assert told.startswith(fault)


async def test_check_of_a_damaged_file_says_so(file: Path) -> None:
    """Without end or traceback, whatever part of it can still be read."""
    store = await SqliteStore.open(file)
    await asyncio.gather(*(store.update(Key(f"tank/{n}"), Tank, pour("x" * 200)) for n in range(2000)))
    await store.close()
    await asyncio.to_thread(damage, file)
    faults = check(file, KINDS).faults
    assert 0 < len(faults) <= 500
    assert all("damaged" in fault for fault in faults)
