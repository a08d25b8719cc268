"""What the tests run in a process of its own, to be killed there: `python -m tests.run.programs`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec

from openadr_ra import OPT_IN, ResponseRow, Ven, Vtn, dispatch
from openadr_ra.settings import NodeSettings, from_table

ROOT = Path(__file__).parents[2]
T = TypeVar("T")


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What a VTN in a child is to instruct."""

    start: datetime
    every_s: float
    asks: dict[str, tuple[float, ...]]


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of a child."""

    url: str = ""
    event: str = ""
    row: ResponseRow | None = None


def say(said: Said) -> None:
    """One line to the parent, at once and in one piece."""
    os.write(sys.stdout.fileno(), msgspec.json.encode(said) + b"\n")


async def vtn(settings: NodeSettings) -> None:
    """Publish what the parent says, and tell of each opt-in and each response."""
    async with Vtn(settings).running() as running:
        say(Said(url=running.url))
        line = await asyncio.to_thread(sys.stdin.readline)
        task = msgspec.json.decode(line, type=Task)
        order = dispatch(start=task.start, every=timedelta(seconds=task.every_s), delta_kw=task.asks)
        event = await running.publish(order)
        while set((await running.opts(event, within=timedelta(seconds=1))).values()) != {OPT_IN}:
            pass
        say(Said(event=event))
        async for row in running.response(event):
            say(Said(row=row))


async def ven(settings: NodeSettings) -> None:
    """Serve until killed."""
    async with Ven(settings).running():
        say(Said())
        await asyncio.Event().wait()


async def standby(settings: NodeSettings) -> None:
    """The same, begun when the parent says so: all that takes long has been done before."""
    await asyncio.to_thread(sys.stdin.readline)
    await ven(settings)


class Child:
    """A program in a process of its own, as its parent sees it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def said(self) -> Said:
        """Its next line. Raises AssertionError if it ended instead."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "the child ended"
        return msgspec.json.decode(line, type=Said)

    def tell(self, task: Task) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(task) + b"\n")

    def begin(self) -> None:
        """It has stood by for long enough."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")

    def strike(self) -> None:
        """SIGKILL, at this very moment."""
        if self._process.returncode is None:
            self._process.kill()

    async def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        self.strike()
        await self._process.communicate()


@asynccontextmanager
async def child(program: str, file: Path) -> AsyncIterator[Child]:
    """`program` with the settings in `file`; killed at the end at the latest."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.run.programs", program, str(file),
        cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    made = Child(process)
    try:
        yield made
    finally:
        await made.kill()


PROGRAMS = {"vtn": vtn, "ven": ven, "standby": standby}


if __name__ == "__main__":
    _path = Path(sys.argv[2])
    asyncio.run(
        PROGRAMS[sys.argv[1]](from_table(msgspec.json.decode(_path.read_bytes(), type=dict[str, object]), _path))
    )
