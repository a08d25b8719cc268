"""A fleet of pull VENs in one process, as cheap as can be: bytes made beforehand, sockets, and one epoll.

Each holds a poll open. What an event brings it answers by optIn, and then polls anew.
"""

from __future__ import annotations

import re
import resource
import select
import socket
import ssl
from collections.abc import Iterable, Sequence
from functools import cache
from time import monotonic

from benchmarks.load_client import accepting
from benchmarks.poll_client import PATH, READ_BYTES, TIMEOUT_S
from openadr_ra.protocol.messages import Poll
from openadr_ra.protocol.model import VenId
from openadr_ra.wire.codec import encode

HOLD_S = 50
PATIENCE_S = 120.0

_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n")


class Pull:
    """One VEN on its connection. `done` is when the VTN acknowledged its answer."""

    __slots__ = ("_accept", "_came", "_poll", "done", "socket")

    def __init__(self, ven: VenId, connected: socket.socket) -> None:
        self.socket = connected
        self.done = 0.0
        self._came = b""
        self._poll = _post("OadrPoll", encode(Poll(ven_id=ven)), f"Prefer: wait={HOLD_S}\r\n")
        self._accept = accepting(ven)

    def poll(self) -> None:
        self.socket.sendall(self._poll)

    def hear(self) -> bool:
        """Take what came, and say what follows: was the answer to an event acknowledged by it?"""
        try:
            self._came += self.socket.recv(READ_BYTES)
        except ssl.SSLWantReadError:
            return False
        came, self._came = self._came, b""
        end = came.find(b"\r\n\r\n")
        length = _LENGTH.search(came, 0, end + 2) if end >= 0 else None
        if length is None or len(came) < end + 4 + int(length[1]):
            self._came = came
            return False
        assert came.startswith(b"HTTP/1.1 200 "), came
        if b"oadrDistributeEvent" in came:
            self.socket.sendall(_post("EiEvent", self._accept(came)))
            return False
        assert b"responseCode>200<" in came, came
        self.poll()
        # The only other plain response ends a poll that was held in vain.
        if self.done or b"Preference-Applied" in came:
            return False
        self.done = monotonic()
        return True


def _post(service: str, body: bytes, header: str = "") -> bytes:
    return b"%b%d\r\n\r\n%b" % (_head(service, header), len(body), body)


@cache
def _head(service: str, header: str) -> bytes:
    head = f"POST {PATH}/{service} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/xml\r\n{header}"
    return head.encode() + b"Content-Length: "


class Fleet:
    """All of them, connected, each with a poll under way."""

    def __init__(self, port: int, vens: Sequence[VenId], tls: Iterable[ssl.SSLContext | None]) -> None:
        room_for(len(vens))
        self._epoll = select.epoll()
        self._vens: dict[int, Pull] = {}
        for ven, context in zip(vens, tls, strict=False):
            connected = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if context is not None:
                connected = context.wrap_socket(connected, server_hostname="127.0.0.1")
            pull = self._vens[connected.fileno()] = Pull(ven, connected)
            pull.poll()
            connected.setblocking(False)
            self._epoll.register(connected.fileno(), select.EPOLLIN)

    def close(self) -> None:
        self._epoll.close()
        for ven in self._vens.values():
            ven.socket.close()

    def answered(self) -> list[float]:
        """Wait until all have answered an event: when each was acknowledged, by the monotonic clock."""
        left = len(self._vens)
        end = monotonic() + PATIENCE_S
        while left:
            assert monotonic() < end, f"{left} of {len(self._vens)} VENs got no acknowledgement"
            left -= sum(self._vens[fileno].hear() for fileno, _ in self._epoll.poll(1.0))
        return sorted(ven.done for ven in self._vens.values())


def room_for(sockets: int) -> None:
    """Let this process, and those that it starts, open so many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = sockets + 1000
    assert hard == resource.RLIM_INFINITY or hard >= need, f"{need} open files are needed; `ulimit -Hn` says {hard}"
    if soft != resource.RLIM_INFINITY and soft < need:
        resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard))
