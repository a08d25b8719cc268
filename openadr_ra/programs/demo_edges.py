"""The demo's processes, its edge VENs among them: each ended by its own handle whatever happens to the demo."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NoReturn

import msgspec

from openadr_ra.errors import OadrRaError

END_S = 5.0
"""How long an edge may take to release its devices and close its store before it is killed."""

TAIL_LINES = 12
"""What is shown of the log of an edge that died."""


class EdgeDied(OadrRaError):
    """A process ended by itself. `tail` is the end of its log."""

    def __init__(self, message: str, *, tail: str) -> None:
        super().__init__(message)
        self.tail = tail


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """A running process, an edge VEN or another node, and where it writes what it has to say."""

    name: str
    log: Path
    process: Process


class Processes:
    """What was started, in order. Use `processes()`, which ends them."""

    def __init__(self) -> None:
        self.all: list[Edge] = []

    async def module(self, name: str, log: Path, *arguments: str) -> Edge:
        """`python -m` these arguments; all that it says goes to `log`."""
        with log.open("wb") as file:
            return await self._start(name, log, arguments, stdout=file.fileno(), stderr=STDOUT)

    async def talking(self, name: str, log: Path, *arguments: str) -> tuple[Edge, bytes]:
        """The same, and the line that it says first on stdout, empty if it ends before; only stderr goes to `log`."""
        with log.open("wb") as file:
            edge = await self._start(name, log, arguments, stdout=PIPE, stderr=file.fileno())
        return edge, await edge.process.stdout.readline() if edge.process.stdout is not None else b""

    async def _start(self, name: str, log: Path, arguments: tuple[str, ...], *, stdout: int, stderr: int) -> Edge:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *arguments,
            stdin=DEVNULL,
            stdout=stdout,
            stderr=stderr,
            # Ctrl-C is for the demo alone, which then ends its edges in order.
            start_new_session=True,
        )
        edge = Edge(name=name, log=log, process=process)
        self.all.append(edge)
        return edge


@asynccontextmanager
async def processes() -> AsyncIterator[Processes]:
    """Starts processes that run until the block is left."""
    started = Processes()
    try:
        yield started
    finally:
        await _end(started.all)


@asynccontextmanager
async def running(settings: Iterable[Path]) -> AsyncIterator[tuple[Edge, ...]]:
    """One edge VEN for each settings file, until the block is left. Logs are beside the settings, as NAME.log."""
    async with processes() as started:
        for path in settings:
            await started.module(path.stem, path.with_suffix(".log"), "openadr_ra", "ven", str(path))
        yield tuple(started.all)


async def _end(edges: Iterable[Edge]) -> None:
    """Ask each to end; kill those that have not after END_S, or at once if we are interrupted again."""
    try:
        for edge in edges:
            if edge.process.returncode is None:
                with suppress(ProcessLookupError):
                    edge.process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                for edge in edges:
                    await edge.process.wait()
    finally:
        for edge in edges:
            if edge.process.returncode is None:
                with suppress(ProcessLookupError):
                    edge.process.kill()
                await edge.process.wait()


async def death(edges: Iterable[Edge]) -> NoReturn:
    """Raise EdgeDied as soon as one of them ends."""
    waiting = {asyncio.ensure_future(edge.process.wait()): edge for edge in edges}
    try:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
    dead = waiting[done.pop()]
    raise EdgeDied(
        f"{dead.name} ended by itself with status {dead.process.returncode}; its log is {dead.log}",
        tail=_tail(dead.log),
    )


def _tail(log: Path) -> str:
    return "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-TAIL_LINES:])
