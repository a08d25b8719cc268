"""Clients that keep their connections and ask all the time, and never try anything twice."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.net.peers import POLL, post

HOST = "127.0.0.1"
CLOSES = b"\r\nConnection: close\r\n"
LENGTH = re.compile(rb"Content-Length: (\d+)")


@dataclass
class Client:
    """Posts one after the other over one connection, until it is told that it closes; then over the next."""

    port: int
    path: str = POLL
    body: bytes = b"<poll/>"
    fresh: bool = False
    """Takes a new connection each time."""
    answered: list[bytes] = field(default_factory=list)
    told: asyncio.Event = field(default_factory=asyncio.Event)
    _reader: asyncio.StreamReader | None = None
    _writer: asyncio.StreamWriter | None = None

    async def ask(self) -> bytes:
        """The head of the answer. Raises what the network does: nothing is tried again."""
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(HOST, self.port)
        self._writer.write(post(self.body, path=self.path))
        said = await self._reader.readuntil(b"\r\n\r\n")
        await self._reader.readexactly(int(LENGTH.findall(said)[0]))
        self.answered.append(said)
        self.told.set()
        if CLOSES in said or self.fresh:
            self.leave()
        return said

    def leave(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def keep_asking(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            assert (await self.ask()).startswith(b"HTTP/1.1 200 ")
        self.leave()


@asynccontextmanager
async def crowd(*clients: Client) -> AsyncIterator[list[Client]]:
    """These keep asking while the block runs. An error of any one is raised."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(client.keep_asking(stop))
        yield list(clients)
        stop.set()


async def more(clients: list[Client]) -> None:
    """Return when each has been answered again, and once more."""
    for _ in range(2):
        for client in clients:
            client.told.clear()
        for client in clients:
            await client.told.wait()
