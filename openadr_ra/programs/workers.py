"""What `openadr-ra vtn node.toml --workers N` does: supervises N processes that serve one VTN on one port."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from msgspec.structs import replace

from openadr_ra.errors import SettingsError
from openadr_ra.net import listening
from openadr_ra.programs.crew import Command, Crew, of_this_program
from openadr_ra.programs.health import Readiness, answering
from openadr_ra.programs.serve import Level, Started, one_sided, shown_unready
from openadr_ra.run.clock import SystemClock
from openadr_ra.run.files import raise_limit
from openadr_ra.run.places import host_port
from openadr_ra.run.unwrapped import unwrapped
from openadr_ra.settings import Downstream, NodeSettings, read

log = logging.getLogger(__name__)

PATIENCE_S = 30.0
"""A worker that has not ended so long after its drain must have is killed."""


def main(path: Path, count: int, *, log_level: Level, say: Callable[[Started], None]) -> None:
    """Be the VTN of `path` in `count` processes until SIGTERM or SIGINT; `say` is told once all of them serve.

    SIGHUP replaces them one by one, with the settings as they are then, but for the addresses where it listens.
    Raises SettingsError, which names the file, and what a worker says is wrong.
    """
    settings = one_sided(read(path), "vtn", path)
    if not settings.store.shared:
        raise SettingsError(f'{path}: store.url: several workers need [store] url = "postgresql://…"')
    raise_limit()
    try:
        asyncio.run(supervise(settings, path.resolve(), count, log_level, say))
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error


async def supervise(
    settings: NodeSettings,
    path: Path,
    count: int,
    log_level: Level,
    say: Callable[[Started], None],
    *,
    command: Command = of_this_program,
) -> None:
    """Serve until told to stop, and drain; a second signal does not wait for that. `command` makes a worker."""
    down = settings.downstream
    if down is None:
        raise SettingsError("downstream: is missing; a VTN needs this table, see README")
    vens = await listening.bound(*host_port(down.listen, "downstream.listen"), shared=True)
    console: listening.Sockets = ()
    if settings.console is not None:
        console = await listening.bound(*host_port(settings.console.listen, "console.listen"), shared=True)
    crew = Crew(
        count,
        str(path),
        log_level,
        vens=vens,
        console=console,
        clock=SystemClock(),
        patience_s=2 * down.drain_s + PATIENCE_S,
        command=command,
    )
    await _Supervisor(crew, down, lambda started: say(replace(started, workers=count))).run()
    log.info("= stopped")


class _Supervisor:
    """Hears signals, tells of the health of all, and leaves the rest to the crew."""

    def __init__(self, crew: Crew, down: Downstream, say: Callable[[Started], None]) -> None:
        self._crew = crew
        self._down = down
        self._say = say
        self._clock = SystemClock()
        self._all_up = False
        self._stopping = asyncio.Event()
        self._renewing = asyncio.Event()

    async def run(self) -> None:
        """Return when all have gone, whoever sent them."""
        async with AsyncExitStack() as stack:
            health = None
            if self._down.health:
                health = await stack.enter_async_context(answering(self._down.health, self._readiness))
            working = asyncio.ensure_future(self._work(health))
            self._hear(working)
            try:
                await working
            except asyncio.CancelledError:
                if not working.cancelled():
                    raise
            finally:
                await self._crew.dismiss()

    def _hear(self, working: asyncio.Future[None]) -> None:
        def stop(name: str) -> None:
            at_once = self._stopping.is_set()
            log.info("= %s: stopping%s", name, " at once" if at_once else "")
            self._stopping.set()
            if at_once:
                self._crew.end()
            if at_once or not self._all_up:
                working.cancel()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop, number.name)
        loop.add_signal_handler(signal.SIGHUP, self._renewing.set)

    async def _work(self, health: str | None) -> None:
        started = await self._crew.muster()
        self._all_up = True
        self._say(replace(started, health=health))
        async with unwrapped(), asyncio.TaskGroup() as group:
            keeping = [group.create_task(work) for work in (self._crew.keep(), self._renew())]
            await self._stopping.wait()
            if health is not None:
                await shown_unready(self._clock, self._down.drain_s)
            for task in keeping:
                task.cancel()

    async def _renew(self) -> None:
        """One rolling restart after the other: who asks during one wants another."""
        while True:
            await self._renewing.wait()
            self._renewing.clear()
            log.info("= SIGHUP: the workers are replaced, one by one")
            await self._crew.renew()

    async def _readiness(self) -> Readiness:
        if self._stopping.is_set():
            return Readiness(ready=False, missing=("the VTN is about to stop",))
        found = await self._crew.readiness()
        return found if self._all_up else replace(found, ready=False)
