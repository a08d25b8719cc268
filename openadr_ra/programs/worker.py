"""One of several processes that serve one VTN. `programs.workers` starts it, asks how it is, and tells it to end."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

import msgspec
from msgspec.structs import replace

from openadr_ra.errors import OadrRaError, SettingsError
from openadr_ra.programs.serve import Level, Running, Started, leads, log_to_stderr, one_sided, own_process
from openadr_ra.settings import NodeSettings, read

log = logging.getLogger(__name__)

FAILURE = 1


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is to be. `line`, `vens` and `console` are open files: a socket to the supervisor, and bound ones."""

    number: int
    settings: str
    log_level: Level
    line: int
    vens: tuple[int, ...]
    console: tuple[int, ...] = ()


class Up(msgspec.Struct, frozen=True, kw_only=True, tag="up"):
    """It serves."""

    started: Started


class Fault(msgspec.Struct, frozen=True, kw_only=True, tag="fault"):
    """It cannot; `mistaken`: because of a setting."""

    sentence: str
    mistaken: bool


class State(msgspec.Struct, frozen=True, kw_only=True, tag="state"):
    """What is missing, where it was asked by this number."""

    asked: int
    missing: tuple[str, ...]


Said = Up | Fault | State
"""What a worker says to its supervisor, a line of JSON each."""


class Ask(msgspec.Struct, frozen=True, kw_only=True, tag="ask"):
    """Say what is missing."""

    number: int


class End(msgspec.Struct, frozen=True, kw_only=True, tag="end"):
    """Wait for nobody any more."""


Told = Ask | End
"""What a supervisor tells its worker. That it is to drain is told by SIGTERM, or by its own end."""


class Line:
    """The worker's end of the line. Iterating it ends when the supervisor has."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def of(cls, descriptor: int) -> Self:
        """The line over that open file."""
        return cls(*await asyncio.open_connection(sock=socket.socket(fileno=descriptor)))

    def say(self, said: Said) -> None:
        """Say it, if there is still anybody to hear it."""
        self._writer.write(msgspec.json.encode(said) + b"\n")

    async def close(self) -> None:
        """Return when what was said is on its way."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return

    async def __aiter__(self) -> AsyncIterator[Told]:
        try:
            while line := await self._reader.readline():
                yield msgspec.json.decode(line, type=Told)
        except ConnectionError:
            return


def main() -> int:
    """Be what the only argument says, an `Orders` in JSON; the exit status."""
    orders = msgspec.json.decode(sys.argv[1], type=Orders)
    log_to_stderr(orders.log_level, mark=f"#{orders.number} ")
    return asyncio.run(_work(orders))


async def _work(orders: Orders) -> int:
    line = await Line.of(orders.line)
    try:
        settings = alone(read(Path(orders.settings)), Path(orders.settings))
        own_process(settings)
        running = Running(
            settings,
            lambda started: line.say(Up(started=started)),
            leads=leads(settings, "vtn"),
            vens=_sockets(orders.vens),
            console=_sockets(orders.console),
        )
        await obey(running, line)
    except OadrRaError as error:
        line.say(Fault(sentence=str(error), mistaken=isinstance(error, SettingsError)))
        return FAILURE
    finally:
        await line.close()
    log.info("= stopped")
    return 0


def alone(settings: NodeSettings, path: Path) -> NodeSettings:
    """As one of several has them: its VTN, whose health the supervisor tells for all."""
    found = one_sided(settings, "vtn", path)
    return replace(found, downstream=found.downstream and replace(found.downstream, health=""))


def _sockets(descriptors: tuple[int, ...]) -> tuple[socket.socket, ...]:
    return tuple(socket.socket(fileno=descriptor) for descriptor in descriptors)


async def obey(running: Running, line: Line) -> None:
    """Run until SIGTERM or the supervisor's end, and then drain; until it is told to end, and then wait for nobody."""
    serving = asyncio.ensure_future(running.run())

    def drain() -> None:
        if not running.stop():
            serving.cancel()

    async def listen() -> None:
        async for told in line:
            match told:
                case Ask(number=number):
                    line.say(State(asked=number, missing=await running.missing()))
                case End():
                    serving.cancel()
        drain()

    # A second SIGTERM says nothing new: where a whole group of processes is told to stop, each gets one of its own beside.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, drain)
    listening = asyncio.ensure_future(listen())
    try:
        await serving
    except asyncio.CancelledError:
        if not serving.cancelled():
            raise
    finally:
        listening.cancel()


if __name__ == "__main__":
    sys.exit(main())
