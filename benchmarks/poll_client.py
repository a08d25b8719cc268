"""The client of the poll figure: as cheap as can be, so that the server is never the one that waits."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable

from openadr_ra.protocol.messages import (
    CreatedPartyRegistration,
    CreatePartyRegistration,
    Message,
    Poll,
    RegisteredReport,
    RegisterReport,
    Response,
)
from openadr_ra.protocol.model import RequestId, VenId
from openadr_ra.protocol.parts import Result
from openadr_ra.wire.codec import decode, encode

PATH = "/OpenADR2/Simple/2.0b"

READ_BYTES = 65536
TIMEOUT_S = 10.0

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Lane:
    """One connection, kept alive. What is sent is answered in order; a body follows its head in the same packet.

    With `tls` it shows a certificate, and takes up the `session` of a former one; `seal` makes messages into bytes.
    """

    def __init__(
        self,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        session: ssl.SSLSession | None = None,
        seal: Callable[[Message], bytes] = encode,
    ) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname="127.0.0.1", session=session)
        self._seal = seal

    @property
    def session(self) -> ssl.SSLSession | None:
        """What another connection may take up; there once an answer has come."""
        return self._socket.session if isinstance(self._socket, ssl.SSLSocket) else None

    @property
    def resumed(self) -> bool:
        """Whether it has taken up the session that it was given."""
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.session_reused is True

    def close(self) -> None:
        self._socket.close()

    def send(self, service: str, body: bytes, header: str = "") -> None:
        head = (
            f"POST {PATH}/{service} HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}"
            f"Content-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + body)

    def receive(self) -> bytes:
        """The body of the next answer, which has to have status 200."""
        came = self._socket.recv(READ_BYTES)
        while (end := came.find(b"\r\n\r\n")) < 0:
            came += self._socket.recv(READ_BYTES)
        found = _LENGTH.search(came, 0, end + 2)
        assert came.startswith(b"HTTP/1.1 200 "), came
        assert found is not None, came
        while len(came) < end + 4 + int(found[1]):
            came += self._socket.recv(READ_BYTES)
        return came[end + 4 :]

    def post(self, message: Message, service: str) -> Message:
        self.send(service, self._seal(message))
        return decode(self.receive())


def register(lane: Lane, name: str) -> VenId:
    """Register a VEN that has no reports to offer, and poll until there is nothing more to say to it."""
    asked = CreatePartyRegistration(request_id=RequestId("register-1"), ven_name=name, pull=True)
    answer = lane.post(asked, "EiRegisterParty")
    assert isinstance(answer, CreatedPartyRegistration), answer
    assert answer.ven_id is not None
    while not isinstance(said := lane.post(Poll(ven_id=answer.ven_id), "OadrPoll"), Response):
        assert isinstance(said, RegisterReport), said
        taken = RegisteredReport(result=Result(request_id=said.request_id), ven_id=answer.ven_id)
        lane.post(taken, "EiReport")
    return answer.ven_id
