"""What is done to the nodes. Each fault ends with what it was done to as it had been."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from pathlib import Path

import psutil

from torture.keeper import Keeper
from torture.ledger import Done
from torture.line import Fate, Line
from torture.postgres import Postgres
from torture.schedule import NETWORK, Fault, Kind, Left
from torture.site import Site

FAKETIME = (
    Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"),
    Path("/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1"),
    Path("/usr/lib/faketime/libfaketimeMT.so.1"),
)
"""Where Debian's package libfaketime has it."""

DISK_BYTES = 24 * 1024 * 1024
"""Of a small disk: enough for a run's store, and filled in a moment."""

PIECE_BYTES = 64 * 1024


def faketime() -> Path | None:
    """The library that steps the clock of a process; None where it is not installed."""
    return next((path for path in FAKETIME if path.exists()), None)


def clock_of(site: Site, name: str) -> dict[str, str]:
    """The environment of a process whose clock can be stepped. The monotonic clock stays as it is, as it does when NTP or a
    person steps a machine's."""
    library = faketime()
    if library is None:
        return {}
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(site.clock(name)),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_RESET": "1",
        "NO_FAKE_STAT": "1",
    }


def may_mount() -> bool:
    """Whether this process may mount a disk, in a name space that ends with it."""
    return "TORTURE_MAY_MOUNT" in os.environ


def left_out(*, postgres: str | None) -> tuple[Left, ...]:
    """What cannot be had on this machine. `postgres`: why there is no such server, None where there is."""
    found: list[Left] = []
    if not may_mount():
        found.append(
            Left(kind="disk-full", why="a small disk cannot be mounted: this user or this system does not allow it")
        )
    if faketime() is None:
        found.append(Left(kind="clock", why="libfaketime is not installed (Debian: apt-get install libfaketime)"))
    if postgres is not None:
        kinds: tuple[Kind, ...] = ("kill-database", "database-away", "kill-worker")
        found.extend(Left(kind=kind, why=postgres) for kind in kinds)
    return tuple(found)


def mount(folder: Path) -> None:
    """A small disk there, until this process's name space ends."""
    options = f"size={DISK_BYTES},mode=0700"
    subprocess.run(("mount", "-t", "tmpfs", "-o", options, "torture", folder), check=True)  # noqa: S607


class Tormentor:
    """Carries faults out, and tells `noted` of each that is over."""

    def __init__(
        self,
        site: Site,
        keepers: Mapping[str, Keeper],
        lines: Mapping[str, tuple[Line, ...]],
        servers: Mapping[str, Postgres],
        noted: Callable[[Done], None],
        say: Callable[[str], None],
    ) -> None:
        self._site = site
        self._keepers = keepers
        self._lines = lines
        self._servers = servers
        self._noted = noted
        self._say = say

    async def suffer(self, schedule: tuple[Fault, ...]) -> None:
        """The whole schedule; returns when its last fault is over."""
        began_s = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for fault in schedule:
                await asyncio.sleep(max(began_s + fault.at_s - time.monotonic(), 0.0))
                group.create_task(self._carry(fault))

    async def _carry(self, fault: Fault) -> None:
        self._say(fault.line())
        began_s = time.monotonic()
        async with self._in_force(fault):
            await asyncio.sleep(fault.lasts_s)
        done = Done(
            kind=fault.kind,
            target=fault.target,
            what=fault.how,
            began_s=began_s,
            ended_s=time.monotonic(),
            vens=self._vens(fault.target),
        )
        self._noted(done)

    def _vens(self, target: str) -> tuple[str, ...]:
        """Whose traffic it may have stopped."""
        for cell in self._site.scene.cells:
            if target in (cell.vtn, f"{cell.name}-database"):
                return tuple(ven.name for ven in cell.vens)
        return (target,)

    def _in_force(self, fault: Fault) -> AbstractAsyncContextManager[None]:
        target = fault.target
        match fault.kind:
            case "kill-vtn" | "kill-ven":
                return killed(self._keepers[target])
            case "kill-worker":
                return without_a_worker(self._keepers[target])
            case "kill-database":
                return self._servers[target].killed()
            case "database-away":
                return self._servers[target].away()
            case "locked":
                return locked(self._site.disk(target) / "node.db")
            case "disk-full":
                return full(self._site.disk(target))
            case "network":
                return failing(self._lines[target], fate(fault.how))
            case "clock":
                return stepped(self._site.clock(target), fault.how)


def fate(how: str) -> Fate:
    """The fate of that name."""
    known: dict[str, Fate] = dict(zip(NETWORK, ("refuse", "silent", "cut", "delay", "one-way"), strict=True))
    return known[how]


@asynccontextmanager
async def killed(keeper: Keeper) -> AsyncIterator[None]:
    """SIGKILL, and afterwards a new start."""
    await keeper.kill()
    try:
        yield
    finally:
        keeper.let()


@asynccontextmanager
async def without_a_worker(keeper: Keeper) -> AsyncIterator[None]:
    """SIGKILL to one of a VTN's workers; whoever leads them has to start another."""
    if keeper.pid is not None:
        workers = psutil.Process(keeper.pid).children(recursive=True)
        if workers:
            with suppress(psutil.NoSuchProcess):
                workers[0].kill()
    yield


@asynccontextmanager
async def locked(file: Path) -> AsyncIterator[None]:
    """Another program has begun to write to the store and does not end."""
    other = await asyncio.to_thread(_begun, file)
    try:
        yield
    finally:
        if other is not None:
            await asyncio.to_thread(other.close)


def _begun(file: Path) -> sqlite3.Connection | None:
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=2)
    try:
        other.execute("BEGIN IMMEDIATE")
    except sqlite3.Error:
        other.close()
        return None
    return other


@asynccontextmanager
async def full(disk: Path) -> AsyncIterator[None]:
    """No room on that disk, nor in the write-ahead log of the store on it."""
    ballast = disk / "ballast"
    await asyncio.to_thread(_fill, disk / "node.db", ballast)
    try:
        yield
    finally:
        await asyncio.to_thread(ballast.unlink)


def _fill(store: Path, ballast: Path) -> None:
    with suppress(sqlite3.Error), closing(sqlite3.connect(store, timeout=2)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file = os.open(ballast, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for size in (PIECE_BYTES, 4096, 1):
            while _more(file, size):
                pass
    finally:
        os.close(file)


def _more(file: int, size: int) -> bool:
    """Whether there was room for so many bytes."""
    try:
        return os.write(file, bytes(size)) == size
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False


@asynccontextmanager
async def failing(lines: tuple[Line, ...], how: Fate) -> AsyncIterator[None]:
    """All lines between a VEN and its VTN fail like that."""
    for line in lines:
        await line.suffer(how)
    try:
        yield
    finally:
        for line in lines:
            await line.mend()


@asynccontextmanager
async def stepped(clock: Path, how: str) -> AsyncIterator[None]:
    """The clock is off by that, and then right again: two steps."""
    _set(clock, how)
    try:
        yield
    finally:
        _set(clock, "+0")


def _set(clock: Path, offset: str) -> None:
    # Whoever reads it finds the old text or the new one.
    beside = clock.with_suffix(".new")
    beside.write_text(f"{offset}\n")
    beside.replace(clock)
