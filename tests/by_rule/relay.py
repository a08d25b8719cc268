"""A wire that can be looked at: what passes between two ends over plain HTTP, byte by byte and as requests and responses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import NamedTuple


class Http(NamedTuple):
    """A request or a response: its first line, its header fields as they were spelled, and its body."""

    first: str
    fields: dict[str, str]
    body: bytes


class Exchange(NamedTuple):
    """A request and its response."""

    request: Http
    response: Http


class Relay:
    """Passes requests on to `to`, a port of this machine, and keeps what went over it. It listens on `port`."""

    def __init__(self) -> None:
        self.port = 0
        self.to = 0
        self.exchanges: list[Exchange] = []
        self._next = asyncio.Event()

    async def changed(self, within: timedelta) -> None:
        """Return when the next exchange is over, or when the time is."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self._next.wait()
        except TimeoutError:
            return

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            yield

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        further: asyncio.StreamWriter | None = None
        try:
            answers, further = await asyncio.open_connection("127.0.0.1", self.to)
            while True:
                request = await _pass(reader, further)
                self.exchanges.append(Exchange(request, await _pass(answers, writer)))
                self._next.set()
                self._next = asyncio.Event()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            if further is not None:
                further.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Http:
    """One message from the one to the other. It has to say how long it is."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines)
    body = await reader.readexactly(int(fields.get("Content-Length", "0")))
    writer.write(head + body)
    await writer.drain()
    return Http(first, fields, body)
