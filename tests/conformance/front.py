"""Stands before a tiny subject and spoils connections whose first bytes it does not like: flaws below HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from tests.conformance.wrongs import Front

FIRST_BYTES = 256 * 1024
FIRST_WITHIN_S = 0.05
"""So long the first bytes are collected before they are judged."""

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
BROKEN = b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n"


@contextlib.asynccontextmanager
async def fronted(url: str, flaw: Front) -> AsyncIterator[str]:
    """The URL at which the subject is met from now on."""
    behind = urlsplit(url)
    tasks: set[asyncio.Task[None]] = set()
    spoilt = False
    free = asyncio.Event()
    free.set()

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal spoilt
        if (task := asyncio.current_task()) is not None:
            tasks.add(task)
        try:
            first = await _first(reader)
            if spoilt or re.search(flaw.on.encode(), first, re.DOTALL):
                spoilt = flaw.after
                if flaw.does == "block":
                    free.clear()
                await _spoil(flaw, reader, writer)
                free.set()
            else:
                await free.wait()
                await _through(first, reader, writer, behind.hostname or "127.0.0.1", behind.port or 80)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(met, "127.0.0.1", 0)
    try:
        yield f"{behind.scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _first(reader: asyncio.StreamReader) -> bytes:
    """What comes in the first moment."""
    found = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FIRST_WITHIN_S):
            while len(found) < FIRST_BYTES and (piece := await reader.read(FIRST_BYTES)):
                found += piece
    return found


async def _spoil(flaw: Front, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if flaw.does in ("hang", "block"):
        while await reader.read(FIRST_BYTES):
            pass
        return
    if flaw.does != "close":
        writer.write(GOOD if flaw.does == "good" else BROKEN)
        await writer.drain()


async def _through(
    first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int
) -> None:
    theirs, mine = await asyncio.open_connection(host, port)
    try:
        mine.write(first)
        await asyncio.gather(_carried(reader, mine), _carried(theirs, writer))
    finally:
        mine.close()


async def _carried(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while piece := await source.read(FIRST_BYTES):
        sink.write(piece)
        await sink.drain()
    sink.write_eof()
