"""Stands before a tiny subject and spoils connections whose first bytes it does not like: flaws below HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

from tests.conformance.wrongs import Front

FIRST_BYTES = 256 * 1024
FIRST_WITHIN_S = 0.05
"""So long the first bytes are collected before they are judged."""
PIECE = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"

ENDLESS = {"drip": (b"HTTP/1.1 200 OK\r\n", b"X-More: 1\r\n"), "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n")}
"""How an answer begins, and how it never ends."""

_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\n"
SAID = {
    "500": b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n",
    "good": _OK + b"Content-Length: 0\r\n\r\n",
    "close": b"",
    "garbage": b"\x00\xff\xfe this is no HTTP \r\n\r\n" * 3,
    "negative": _OK + b"Content-Length: -7\r\n\r\n<oadr/>",
}
"""What is answered at once, before the connection ends."""


@contextlib.asynccontextmanager
async def fronted(url: str, flaw: Front) -> AsyncIterator[str]:
    """The URL at which the subject is met from now on."""
    door = _Door(url, flaw)
    server = await asyncio.start_server(door.met, "127.0.0.1", 0)
    try:
        yield f"{door.behind.scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in door.tasks:
            task.cancel()
        await asyncio.gather(*door.tasks, return_exceptions=True)


class _Door:
    """Who comes is let through, or not."""

    def __init__(self, url: str, flaw: Front) -> None:
        self.behind, self.flaw = urlsplit(url), flaw
        self.tasks: set[asyncio.Task[None]] = set()
        self.spoilt = False
        self.free = asyncio.Event()
        self.free.set()

    async def met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            self.tasks.add(task)
        try:
            first = await _first(reader)
            if self.spoilt or self.flaw.meets(first):
                self.spoilt = self.flaw.after
                await self._spoil(reader, writer)
            else:
                await self.free.wait()
                await self._through(first, reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _spoil(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.flaw.does == "block":
            with self._held():
                await _until_gone(reader)
            return
        if self.flaw.does in SAID:
            writer.write(SAID[self.flaw.does])
            await writer.drain()
            return
        await _talk(self.flaw.does, writer)
        await _until_gone(reader)

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """Nobody else is served."""
        self.free.clear()
        try:
            yield
        finally:
            self.free.set()

    async def _through(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, mine = await asyncio.open_connection(self.behind.hostname, self.behind.port)
        try:
            mine.write(first)
            await asyncio.gather(_carried(reader, mine), _carried(theirs, writer))
        finally:
            mine.close()


async def _first(reader: asyncio.StreamReader) -> bytes:
    """What comes in the first moment."""
    found = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FIRST_WITHIN_S):
            while len(found) < FIRST_BYTES and (piece := await reader.read(FIRST_BYTES)):
                found += piece
    return found


async def _until_gone(reader: asyncio.StreamReader) -> None:
    while await reader.read(FIRST_BYTES):
        pass


async def _talk(how: str, writer: asyncio.StreamWriter) -> None:
    """Say something that has no end, or promise more than is said; `hang`: nothing."""
    if how == "lie":
        writer.write(_OK + b"Content-Length: 100000\r\n\r\n<oadr")
        await writer.drain()
    elif how == "flood":
        writer.write(_OK + b"Transfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(PIECE)
            await writer.drain()
    elif how in ENDLESS:
        first, more = ENDLESS[how]
        writer.write(first)
        while True:
            writer.write(more)
            await writer.drain()
            await asyncio.sleep(0)


async def _carried(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while piece := await source.read(FIRST_BYTES):
        sink.write(piece)
        await sink.drain()
    sink.write_eof()
