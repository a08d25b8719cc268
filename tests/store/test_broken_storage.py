"""Files that are locked, damaged, not allowed or full: a clear sentence, and nothing acknowledged that was not stored."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from openadr_ra.errors import StoreError
from openadr_ra.protocol.step import Key, Outcome
from openadr_ra.store import SqliteStore
from openadr_ra.store.database import BUSY_S
from tests.store.check_store import NOON, OTHER, TANK, Tank, mail, pour, poured, reading

ROOT = Path(__file__).parent.parent.parent


def output(*command: str | Path) -> list[str]:
    """The lines that the command says."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=50)
    return done.stdout.splitlines()


def program(name: str, file: Path, *rest: str) -> list[str]:
    """What a program of `programs.py` says, run in a process of its own."""
    return output(sys.executable, "-m", "tests.store.programs", name, file, *rest)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that anybody can enter, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


async def test_file_that_another_program_writes_is_refused_until_it_is_done(tmp_path: Path) -> None:
    """All that share the batch hear of it, their rows stay as they were, and afterwards it goes on."""
    file = tmp_path / "node.db"
    store = await SqliteStore.open(file)
    await store.update(TANK, Tank, pour("a"))
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        # They share the wait too: one by one it would take five times as long.
        async with asyncio.timeout(4 * BUSY_S):
            done = await asyncio.gather(
                store.update(TANK, Tank, pour("lost")),
                store.update(OTHER, Tank, pour("lost")),
                store.post(mail(OTHER, "lost")),
                store.record((reading(),)),
                store.remember("n", NOON, NOON),
                return_exceptions=True,
            )
        assert store.peek(TANK, Tank) == Tank(poured=("a",))
        assert await poured(store) == ("a",)
    assert len({id(error) for error in done}) == 5
    for error in done:
        assert isinstance(error, StoreError)
        assert str(error).startswith(f"{file} is locked by another program; close that program or wait")
    assert await store.remember("n", NOON, NOON)
    await store.record((reading(),))
    await store.update(TANK, Tank, pour("b"))
    assert await poured(store) == ("a", "b")
    assert await store.waiting() == ()
    assert await store.keys("") == (TANK,)
    await store.close()


async def test_file_that_another_program_keeps_is_refused_at_the_start(tmp_path: Path) -> None:
    """An editor left open shows at once, not at the first event."""
    file = tmp_path / "node.db"
    await (await SqliteStore.open(file)).close()
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match=r"node\.db is locked by another program"):
            await SqliteStore.open(file)
    await (await SqliteStore.open(file)).close()


async def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """Whatever it is, it is not overwritten."""
    file = tmp_path / "letter.txt"
    await asyncio.to_thread(file.write_bytes, b"Dear Sir or Madam, " * 500)
    with pytest.raises(StoreError, match="is no SQLite database or is damaged; restore it from a backup"):
        await SqliteStore.open(file)
    assert await asyncio.to_thread(file.read_bytes) == b"Dear Sir or Madam, " * 500


async def test_file_that_is_damaged_is_refused_where_it_matters(tmp_path: Path) -> None:
    """A step and a look on what cannot be read say so; the steps beside them are done."""
    file = tmp_path / "node.db"
    store = await SqliteStore.open(file)
    for number in range(2000):
        await store.update(Key(f"tank/{number}"), Tank, pour("x" * 200))
    await store.close()
    await asyncio.to_thread(damage, file)

    store = await SqliteStore.open(file)
    keys = [Key(f"tank/{number}") for number in range(2000)]
    looks = await asyncio.gather(*(store.load(key, Tank) for key in keys), return_exceptions=True)
    steps = await asyncio.gather(*(store.update(key, Tank, keep) for key in keys), return_exceptions=True)
    await store.close()
    for done in (looks, steps):
        refused = [str(each) for each in done if isinstance(each, StoreError)]
        assert 0 < len(refused) < 2000
        assert {error.split(" (")[0] for error in refused} == {f"{file} is damaged; restore it from a backup"}


def keep(tank: Tank | None, letters: object) -> Outcome[Tank]:
    """A step that changes nothing."""
    return Outcome(state=tank or Tank())


def damage(file: Path) -> None:
    """Overwrite a page in the middle of the file, one that holds rows."""
    content = bytearray(file.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = b"\xff" * 4096
    file.write_bytes(content)


async def test_file_in_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    """The folder is not made: a misspelt path shall not begin a new life."""
    with pytest.raises(StoreError, match=r"nowhere/node\.db cannot be used \(No such file or directory\); name"):
        await SqliteStore.open(tmp_path / "nowhere" / "node.db")


async def test_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "node.db").mkdir()
    with pytest.raises(StoreError, match=r"node\.db cannot be opened; its directory must exist"):
        await SqliteStore.open(tmp_path / "node.db")


def test_file_that_may_not_be_written_is_refused_at_the_start(public_folder: Path) -> None:
    """Also where reading it would be allowed."""
    file = public_folder / "node.db"
    asyncio.run(make(file))
    public_folder.chmod(0o777)
    for path in public_folder.iterdir():
        path.chmod(0o444 if path == file else 0o666)
    said = program("start-as-nobody", file)
    assert [line.split(" (")[0] for line in said] == [
        f"{file} cannot be written; make the file and its directory writable for this user"
    ]


def test_folder_that_may_not_be_written_is_refused_at_the_start(public_folder: Path) -> None:
    public_folder.chmod(0o555)
    file = public_folder / "node.db"
    assert program("start-as-nobody", file) == [
        f"{file} cannot be used (Permission denied); name a file in a writable directory"
    ]
    public_folder.chmod(0o755)


async def make(file: Path) -> None:
    """A file with one row."""
    store = await SqliteStore.open(file)
    await store.update(TANK, Tank, pour("a"))
    await store.close()


def test_file_that_may_not_grow_refuses_and_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    """A limit of the system on the size of files; when it is lifted the same store goes on."""
    sentence, kept, afterwards = program("fill", tmp_path / "node.db", "400000")
    assert sentence.split(" (")[0] == (
        f"{tmp_path / 'node.db'} could not be read or written by the disk; check the disk and its free space"
    )
    assert (kept, afterwards) == ("True", "stored afterwards")


def test_full_disk_refuses_and_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    """A real file system of 2 MB in a name space of its own; with some space freed the same store goes on."""
    script = """
        mount -t tmpfs -o size=2m none "$1" && dd if=/dev/zero of="$1/ballast" bs=64k count=8 status=none &&
        exec "$2" -m tests.store.programs fill "$1/node.db"
    """
    enter = ("unshare", "--map-root-user", "--mount")
    if subprocess.run((*enter, "true"), capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody make a name space; the size limit above tests the same code")
    sentence, kept, afterwards = output(*enter, "sh", "-c", script, "sh", tmp_path, sys.executable)
    assert sentence.split(" (")[0] == (f"{tmp_path / 'node.db'} cannot grow because the disk is full; free some space")
    assert (kept, afterwards) == ("True", "stored afterwards")
