"""The demo's edge VENs: a process each, ended by its own handle whatever happens to the demo."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, STDOUT, Process
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
    """An edge VEN ended by itself. `tail` is the end of its log."""

    def __init__(self, message: str, *, tail: str) -> None:
        super().__init__(message)
        self.tail = tail


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """A running edge VEN, and where it writes what it has to say."""

    name: str
    log: Path
    process: Process


@asynccontextmanager
async def running(settings: Iterable[Path]) -> AsyncIterator[tuple[Edge, ...]]:
    """One process for each settings file, until the block is left. Logs are beside the settings, as NAME.log."""
    edges: list[Edge] = []
    try:
        for path in settings:
            edges.append(await _start(path))  # noqa: PERF401 - those started must be known if the next one fails
        yield tuple(edges)
    finally:
        await _end(edges)


async def _start(settings: Path) -> Edge:
    log = settings.with_suffix(".log")
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "openadr_ra",
            "ven",
            str(settings),
            stdin=DEVNULL,
            stdout=file,
            stderr=STDOUT,
            # Ctrl-C is for the demo alone, which then ends its edges in order.
            start_new_session=True,
        )
    return Edge(name=settings.stem, log=log, process=process)


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
