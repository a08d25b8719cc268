"""The worker processes of one VTN: started, started again when they die, replaced one by one, sent home."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from datetime import timedelta
from typing import Self

import msgspec

from openadr_ra.errors import OadrRaError, SettingsError, StoreError
from openadr_ra.net import listening
from openadr_ra.programs.health import Readiness
from openadr_ra.programs.serve import Level, Started
from openadr_ra.programs.worker import Ask, End, Fault, Orders, Said, State, Told, Up
from openadr_ra.run.unwrapped import unwrapped
from openadr_ra.seams import Clock

log = logging.getLogger(__name__)

STEADY = timedelta(seconds=10)
"""A worker that lived for less has died at once."""

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=1), timedelta(seconds=30)
"""Whoever dies at once a second time is started again after the first, and then after twice as long each time."""

ANSWER_S = 3.0
"""How long a worker may take to say how it is; its store has two of them."""

Command = Callable[[Orders], Sequence[str]]


def of_this_program(orders: Orders) -> Sequence[str]:
    """The command that makes a worker. `-P`: nothing is imported from whatever folder we were started in."""
    return (sys.executable, "-P", "-m", "openadr_ra.programs.worker", msgspec.json.encode(orders).decode())


class Worker:
    """One worker process, as its supervisor sees it."""

    def __init__(
        self, number: int, process: Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.number = number
        self._process = process
        self._reader = reader
        self._writer = writer
        self._asked = 0
        self._asking = asyncio.Lock()

    @classmethod
    async def start(cls, orders: Orders, command: Command) -> Self:
        """A process with these orders; the line to it is put in."""
        ours, theirs = socket.socketpair()
        # First, so that nothing is awaited between having a process and giving it away.
        reader, writer = await asyncio.open_connection(sock=ours)
        with theirs, ExitStack() as undo:
            undo.callback(writer.close)
            line = theirs.fileno()
            process = await asyncio.create_subprocess_exec(
                *command(msgspec.structs.replace(orders, line=line)),
                stdin=DEVNULL,
                stdout=DEVNULL,
                pass_fds=(line, *orders.vens, *orders.console),
                # What a terminal sends to all in front of it is for the supervisor.
                process_group=0,
            )
            undo.pop_all()
        return cls(orders.number, process, reader, writer)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ready(self) -> Started | Fault | None:
        """Once it serves, or says why it cannot; None if it ended without a word."""
        match await self._hears():
            case Up(started=started):
                return started
            case Fault() as fault:
                return fault
            case _:
                return None

    async def missing(self) -> tuple[str, ...]:
        """What it says that keeps it from serving."""
        async with self._asking:
            self._asked += 1
            self._tells(Ask(number=self._asked))
            with suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_S):
                    while (said := await self._hears()) is not None:
                        # An answer that came too late for the one who asked is not for the next.
                        if isinstance(said, State) and said.asked == self._asked:
                            return said.missing
        return ("it does not answer",)

    def drain(self) -> None:
        """Tell it to serve who is there, and then to end."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def end(self) -> None:
        """Tell it to wait for nobody any more."""
        self._tells(End())

    def kill(self) -> None:
        """It ends, and nothing is under way that could be lost."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def gone(self) -> int:
        """Its exit status, once it has one; that of a signal is negative."""
        status = await self._process.wait()
        self._writer.close()
        return status

    async def _hears(self) -> Said | None:
        try:
            line = await self._reader.readline()
        except ConnectionError:
            return None
        return msgspec.json.decode(line, type=Said) if line else None

    def _tells(self, told: Told) -> None:
        self._writer.write(msgspec.json.encode(told) + b"\n")


class Slot:
    """The place of one worker after the other. Its sockets stay open between them, so that whoever waits there is served."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.lock = asyncio.Lock()
        self.worker: Worker | None = None
        self.vens: listening.Sockets = ()
        self.console: listening.Sockets = ()

    def close(self) -> None:
        """Nobody is sent here any more."""
        listening.close((*self.vens, *self.console))
        self.vens = self.console = ()


class Crew:
    """As many workers as there are to be. `vens` and `console` are bound, shared, and never listen: they keep the ports."""

    def __init__(
        self,
        count: int,
        settings: str,
        log_level: Level,
        *,
        vens: listening.Sockets,
        console: listening.Sockets,
        clock: Clock,
        patience_s: float,
        command: Command = of_this_program,
    ) -> None:
        self._orders = Orders(number=0, settings=settings, log_level=log_level, line=0, vens=())
        self._vens = vens
        self._console = console
        self._clock = clock
        self._patience_s = patience_s
        self._command = command
        self._slots = tuple(Slot(number) for number in range(1, count + 1))
        self._leaving: set[Worker] = set()

    async def muster(self) -> Started:
        """Start all, and return when they are ready. Raises what one of them says is wrong.

        The first goes ahead: what is made at a first start is made by one.
        """
        first, *others = self._slots
        started = await self._fill(first)
        async with unwrapped(), asyncio.TaskGroup() as group:
            for slot in others:
                group.create_task(self._fill(slot))
        return started

    async def _fill(self, slot: Slot) -> Started:
        async with slot.lock:
            worker, said = await self._begin(slot)
            slot.worker = worker
        match said:
            case Started():
                return said
            case Fault(mistaken=True):
                raise SettingsError(said.sentence)
            case Fault():
                raise StoreError(said.sentence)
            case None:
                raise OadrRaError(f"worker {slot.number} does not start; its log above says why")

    async def _begin(self, slot: Slot) -> tuple[Worker | None, Started | Fault | None]:
        """A worker that is ready, or none and what it said."""
        try:
            worker = await self._start(slot)
        except OSError as error:
            log.error("! worker %d: no process can be made: %s", slot.number, error)
            return None, None
        try:
            said = await worker.ready()
            if isinstance(said, Started):
                log.info("= worker %d serves in process %d", slot.number, worker.pid)
                return worker, said
            await worker.gone()
        except asyncio.CancelledError:
            worker.kill()
            await worker.gone()
            raise
        return None, said

    async def _start(self, slot: Slot) -> Worker:
        if not slot.vens:
            slot.vens, slot.console = listening.beside(self._vens), listening.beside(self._console)
        orders = msgspec.structs.replace(
            self._orders,
            number=slot.number,
            vens=tuple(one.fileno() for one in slot.vens),
            console=tuple(one.fileno() for one in slot.console),
        )
        return await Worker.start(orders, self._command)

    async def keep(self) -> None:
        """See to it until cancelled that there is a worker in each place."""
        async with asyncio.TaskGroup() as group:
            for slot in self._slots:
                group.create_task(self._keep(slot))

    async def _keep(self, slot: Slot) -> None:
        deaths = 0
        while True:
            began = self._clock.now()
            status = await self._watch(slot)
            deaths = 1 if self._clock.now() - began >= STEADY else deaths + 1
            pause = pause_after(deaths)
            if pause:
                # Whoever comes in the meantime is sent to the others.
                slot.close()
            log.error("! worker %d %s; another begins %s", slot.number, ended(status), _when(pause))
            await self._clock.sleep_until(self._clock.now() + pause)

    async def _watch(self, slot: Slot) -> int | None:
        """Have a worker there, and return when it has died and nobody has taken its place: its exit status, or None if there
        was none to begin with."""
        async with slot.lock:
            if slot.worker is None:
                slot.worker, said = await self._begin(slot)
                if isinstance(said, Fault):
                    log.error("! worker %d: %s", slot.number, said.sentence)
        while (worker := slot.worker) is not None:
            status = await worker.gone()
            if slot.worker is worker:
                slot.worker = None
                return status
        return None

    async def renew(self) -> None:
        """Replace them one after the other: each goes on until the next one is ready, and drains then."""
        for slot in self._slots:
            async with slot.lock:
                old = slot.worker
                if old is None:
                    # It has just died, and whoever takes its place is new.
                    continue
                new, said = await self._begin(slot)
                if new is None:
                    why = said.sentence if isinstance(said, Fault) else "it ended"
                    log.error("! the new worker %d cannot serve, so those there are stay: %s", slot.number, why)
                    return
                slot.worker = new
                self._leaving.add(old)
            old.drain()
            await self._see_off(old)
            self._leaving.discard(old)
            log.info("= worker %d is replaced", slot.number)
        log.info("= all workers are replaced")

    async def readiness(self) -> Readiness:
        """Ready while at least one of them is: the kernel sends nobody to the others, or they answer before they end."""
        found = await asyncio.gather(*(self._missing(slot) for slot in self._slots))
        missing = tuple(sentence for sentences in found for sentence in sentences)
        return Readiness(ready=not all(found), missing=missing)

    async def _missing(self, slot: Slot) -> tuple[str, ...]:
        worker = slot.worker
        if worker is None:
            return (f"worker {slot.number}: it is starting",)
        return tuple(f"worker {slot.number}: {sentence}" for sentence in await worker.missing())

    def end(self) -> None:
        """Nobody waits for anything any more."""
        for worker in self._there():
            worker.end()

    async def dismiss(self) -> None:
        """Send all home, and return when they have gone."""
        listening.close((*self._vens, *self._console))
        for slot in self._slots:
            slot.close()
        for worker in self._there():
            worker.drain()
        await asyncio.gather(*(self._see_off(worker) for worker in self._there()))

    def _there(self) -> tuple[Worker, ...]:
        return (*(slot.worker for slot in self._slots if slot.worker is not None), *self._leaving)

    async def _see_off(self, worker: Worker) -> None:
        try:
            async with asyncio.timeout(self._patience_s):
                await worker.gone()
        except TimeoutError:
            log.error("! worker %d does not end and is killed", worker.number)
            worker.kill()
            await worker.gone()


def pause_after(deaths: int) -> timedelta:
    """How long to wait after so many deaths at once, one after the other; the first may be an accident."""
    if deaths < 2:
        return timedelta(0)
    # Beyond the longest the exponent says nothing any more.
    return min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(deaths - 2, 10)))


def ended(status: int | None) -> str:
    """What became of a process with that exit status, in words."""
    if status is None:
        return "did not start"
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def _when(pause: timedelta) -> str:
    return f"in {pause.total_seconds():g} s" if pause else "at once"
