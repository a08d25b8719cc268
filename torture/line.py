"""A line between a VEN and its VTN that can fail: a TCP proxy of our own."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Literal

Fate = Literal["", "refuse", "silent", "cut", "delay", "one-way"]

CUT_AFTER_BYTES = 700
"""So much of a request gets through before it breaks: the head, and some of the body."""

LATE_S = 1.5
"""Every piece is so late, either way."""

CHUNK_BYTES = 65536


class Line:
    """Listens on `port` and goes on to `target_port`, both of this machine. What a fate has swallowed is never sent again:
    a connection that it caught stays broken, and whoever is at its ends has to find that out."""

    def __init__(self, port: int, target_port: int) -> None:
        self._port = port
        self._target_port = target_port
        self._fate: Fate = ""
        self._server: asyncio.Server | None = None
        self._through: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port, reuse_address=True)

    async def close(self) -> None:
        """Listen no more, and break what there is."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in tuple(self._through):
            writer.transport.abort()

    async def suffer(self, fate: Fate) -> None:
        """Fail like that from now on."""
        self._fate = fate
        if fate == "refuse":
            await self.close()

    async def mend(self) -> None:
        """Carry everything again."""
        self._fate = ""
        if self._server is None:
            await self.open()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        ends = writer, far_writer
        self._through.update(ends)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, far_writer, asks=True))
                group.create_task(self._pump(far_reader, writer, asks=False))
        finally:
            for end in ends:
                end.transport.abort()
            self._through.difference_update(ends)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, asks: bool) -> None:
        swallowing = False
        with suppress(OSError):
            while piece := await source.read(CHUNK_BYTES):
                match self._fate:
                    case "silent":
                        swallowing = True
                    case "one-way":
                        swallowing = swallowing or not asks
                    case "cut" if asks:
                        sink.write(piece[:CUT_AFTER_BYTES])
                        await sink.drain()
                        break
                    case "delay":
                        await asyncio.sleep(LATE_S)
                    case _:
                        pass
                if not swallowing:
                    sink.write(piece)
                    await sink.drain()
        # An end of either side ends both: HTTP needs no half-closed connections.
        for end in tuple(self._through):
            if end is sink:
                end.transport.close()
