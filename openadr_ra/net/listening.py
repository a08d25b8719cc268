"""The sockets that a server listens on: bound before there is a server, and shared by several processes."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from collections.abc import Sequence

from openadr_ra.errors import SettingsError

Sockets = Sequence[socket.socket]
"""One for each address that a host stands for, all of one port."""


async def bound(host: str, port: int, *, shared: bool = False) -> tuple[socket.socket, ...]:
    """Sockets that do not listen yet; port 0 takes a free one.

    `shared`: others of the same user may be bound there beside them (`beside`), and the kernel spreads connections over
    those that listen. Whoever listens there already is noticed all the same. Raises SettingsError.
    """
    if shared and not hasattr(socket, "SO_REUSEPORT"):
        raise SettingsError("this system cannot share a port between processes (SO_REUSEPORT); run one worker")
    made: list[socket.socket] = []
    try:
        for family, address in await _addresses(host, port):
            # Port 0 is chosen once: a name that stands for two addresses has one port.
            chosen = made[0].getsockname()[1] if made else address[1]
            made.append(_socket(family, (address[0], chosen, *address[2:]), shared=shared))
    except OSError as error:
        close(made)
        raise SettingsError(listen_fault(error, host, port)) from error
    return tuple(made)


def beside(sockets: Sockets) -> tuple[socket.socket, ...]:
    """As many more on the same addresses and port; those given were bound to be shared."""
    return tuple(_bind(one.family, one.getsockname(), shared=True) for one in sockets)


def close(sockets: Sockets) -> None:
    """What waits in the queue of the last one that is closed is reset."""
    for one in sockets:
        one.close()


async def _addresses(host: str, port: int) -> list[tuple[int, tuple[object, ...]]]:
    found = await asyncio.get_running_loop().getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    return list(dict.fromkeys((family, tuple(address)) for family, _, _, _, address in found))


def _socket(family: int, address: tuple[object, ...], *, shared: bool) -> socket.socket:
    if shared and address[1]:
        # The kernel would let a second program of this user join in unnoticed.
        _bind(family, address, shared=False).close()
    return _bind(family, address, shared=shared)


def _bind(family: int, address: tuple[object, ...], *, shared: bool) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            # There it would mean that two may have the port at once.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.setblocking(False)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def listen_fault(error: OSError, host: str, port: int) -> str:
    """Why nobody can listen there, and the cure."""
    where = f"cannot listen on {host} port {port}"
    if isinstance(error, socket.gaierror):
        return f"{where}: the host cannot be resolved; use an address of this machine"
    match error.errno:
        case errno.EADDRINUSE:
            return f"{where}: it is in use; stop the other program or choose another port"
        case errno.EADDRNOTAVAIL:
            return f"{where}: this machine has no such address; 0.0.0.0 means all of them"
        case errno.EACCES | errno.EPERM:
            return f"{where}: not permitted; ports below 1024 need a privilege, choose a higher one"
        case _:
            return f"{where}: {error.strerror or error}"
