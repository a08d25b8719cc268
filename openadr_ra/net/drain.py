"""How a server ends without losing a request: nobody new comes, and each connection closes with its next answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence

from aiohttp import web

from openadr_ra.net.connection import Connection, Open
from openadr_ra.net.listening import Sockets

BACKLOG = 1024
"""Connections the kernel may hold for us: after a restart a whole fleet comes back within seconds."""


class Doors:
    """The listening sockets of one server, and those who come in by them."""

    def __init__(self, sockets: Sockets, accept: Callable[[], asyncio.BaseProtocol]) -> None:
        self._sockets = tuple(sockets)
        self._accept = accept
        self._servers: list[asyncio.Server] = []

    @property
    def port(self) -> int:
        """That of all of them."""
        return int(self._sockets[0].getsockname()[1])

    async def open(self) -> None:
        """Listen. Raises OSError."""
        loop = asyncio.get_running_loop()
        for one in self._sockets:
            self._servers.append(await loop.create_server(self._accept, sock=one, backlog=BACKLOG))

    def close(self) -> None:
        """Nobody comes in any more; who waits in front of the last door of a port is turned away."""
        for server in self._servers:
            server.close()
        for one in self._sockets:
            one.close()

    async def let_in(self) -> None:
        """Take in who waits in front of the doors, and close them."""
        loop = asyncio.get_running_loop()
        for one in self._sockets:
            loop.remove_reader(one)
        # What asyncio accepted just now is lost if its server closes before it has a transport.
        await _turns()
        waiting = [conn for one in self._sockets for conn in _queued(one)]
        self.close()
        await asyncio.gather(
            *(loop.connect_accepted_socket(self._accept, conn) for conn in waiting), return_exceptions=True
        )


def _queued(listening: socket.socket) -> Sequence[socket.socket]:
    found: list[socket.socket] = []
    while len(found) < BACKLOG:
        try:
            conn, _ = listening.accept()
        except ConnectionAbortedError:
            continue
        except OSError:
            # Usually that nobody waits any more; or the process may open no more files.
            break
        conn.setblocking(False)
        found.append(conn)
    return found


async def _turns() -> None:
    """Two turns of the loop: in one an accepted connection gets its transport, in the next its protocol hears of it."""
    loop = asyncio.get_running_loop()
    for _ in range(2):
        turned = loop.create_future()
        loop.call_soon(turned.set_result, None)
        await turned


async def drain(doors: Doors, http: web.Server, opened: Open, grace_s: float) -> None:
    """Return when no connection is left.

    Each is closed by its next answer. One that brings no request for `grace_s` is closed then; a client that sends in that
    very moment meets a closed connection, as it may at the end of any idle time. Requests under way have `grace_s` more.
    """
    await doors.let_in()
    if await opened.none(grace_s):
        return
    for connection in tuple(http.connections):
        if isinstance(connection, Connection) and connection.idle:
            connection.force_close()
    await opened.none(grace_s)
