"""Keeps a process running as a service manager does, and kills it when it is told to."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from torture.leash import leashed
from torture.ledger import Alive

ROOT = Path(__file__).parents[1]

AGAIN_S = 1.0
"""The pause before a process that ended by itself is started again."""

UP = (b"running\n", b"openadr-ra node ")
"""A node says one of these once it serves."""

STOP_S = 30.0
"""For a process to end when it is told to."""


class Keeper:
    """One process and those that take its place. `ended` is called with each life that is over."""

    def __init__(
        self, name: str, command: tuple[str, ...], log: Path, env: Mapping[str, str], ended: Callable[[Alive], None]
    ) -> None:
        self.name = name
        self.starts = 0
        self._command = command
        self._log = log
        self._env = env
        self._ended = ended
        self._process: asyncio.subprocess.Process | None = None
        self._began_s = 0.0
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._gone = asyncio.Event()
        self._gone.set()
        self._expected = False

    @property
    def pid(self) -> int | None:
        """Of the process as it is now; None while there is none."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def keep(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await self._wanted.wait()
                await self._live()
                if not self._expected:
                    await asyncio.sleep(AGAIN_S)
        finally:
            if self._process is not None and self._process.returncode is None:
                self._process.kill()
                await self._process.wait()

    async def _live(self) -> None:
        self._expected = False
        with self._log.open("ab") as log:
            before = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                *leashed(*self._command), cwd=ROOT, env={**os.environ, **self._env}, stdout=log, stderr=log
            )
        self.starts += 1
        self._began_s = time.monotonic()
        self._gone.clear()
        try:
            await self._process.wait()
        finally:
            self._gone.set()
            self._ended(
                Alive(
                    name=self.name,
                    began_s=self._began_s,
                    ended_s=time.monotonic(),
                    killed=self._expected,
                    served=self._said_up(before),
                )
            )

    def _said_up(self, since: int) -> bool:
        with self._log.open("rb") as log:
            log.seek(since)
            said = log.read()
        return any(mark in said for mark in UP)

    async def kill(self) -> None:
        """SIGKILL, and none in its place until `let`; returns when it is gone."""
        self._wanted.clear()
        self._expected = True
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        await self._gone.wait()

    def let(self) -> None:
        """Run again."""
        self._wanted.set()

    async def stop(self) -> bool:
        """SIGTERM; whether it ended in time by that. None takes its place."""
        self._wanted.clear()
        self._expected = True
        process = self._process
        if process is None or process.returncode is not None:
            return True
        process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await self._gone.wait()
        except TimeoutError:
            process.kill()
            await self._gone.wait()
            return False
        return True
