"""A push VEN of a few lines: it says what it is told to say, and keeps what is posted to it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from openadr_ra.net.server import Reply, Request, serve
from openadr_ra.net.tls import server_contexts
from openadr_ra.programs.certs import Issued
from openadr_ra.protocol.messages import (
    CanceledReport,
    CancelReport,
    CreatedReport,
    CreatePartyRegistration,
    CreateReport,
    DistributeEvent,
    Message,
    RegisteredReport,
    RegisterReport,
    Response,
)
from openadr_ra.protocol.model import RequestId, VenId
from openadr_ra.protocol.parts import Result
from openadr_ra.protocol.refusal import requested
from openadr_ra.wire.codec import decode, encode
from tests.run.peer import Peer, peer
from tests.run.site import Site

M = TypeVar("M", bound=Message)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class PushPeer:
    """Its address is `url`; it is only there within `listening`. `answer` makes the reply to what was posted."""

    def __init__(self, site: Site, vtn: str, ven_id: str, answer: Callable[[Message], bytes] | None = None) -> None:
        self.shown: Issued = site.issue(ven_id)
        self.ven_id = VenId(ven_id)
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.vtn: Peer = peer(site, vtn, self.shown)
        self.posted: list[tuple[str, Message]] = []
        self.answer = answer or plainly
        self._trust = Path(site.trust)
        self._told = asyncio.Event()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        tls = server_contexts(((Path(self.shown.certificate), Path(self.shown.key)),), self._trust)
        async with serve(self._answer, host="127.0.0.1", port=self.port, ssl=tls):
            yield

    async def _answer(self, request: Request) -> Reply:
        message = decode(request.body)
        reply = self.answer(message)
        self.posted.append((request.service, message))
        self._told.set()
        self._told = asyncio.Event()
        return Reply(body=reply)

    async def changed(self, within: timedelta) -> None:
        """Return when anything is posted, or when the time is over."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self._told.wait()
        except TimeoutError:
            return

    async def register(self, address: str = "") -> Message:
        """For push to `address`, else to where it listens."""
        return await self.vtn.say(self.creation(address))

    def creation(self, address: str = "") -> CreatePartyRegistration:
        return CreatePartyRegistration(
            request_id=RequestId("r1"),
            ven_id=self.ven_id,
            ven_name=self.ven_id,
            pull=False,
            address=address or self.url,
        )

    def told(self, kind: type[M]) -> tuple[M, ...]:
        """All of that kind that was posted to it."""
        return tuple(message for _, message in self.posted if isinstance(message, kind))


def plainly(message: Message) -> bytes:
    """What a VEN answers in the response to a post, which is nothing to an event (1.5)."""
    result = Result(request_id=requested(message))
    match message:
        case DistributeEvent():
            return b""
        case RegisterReport():
            return encode(RegisteredReport(result=result))
        case CreateReport():
            return encode(CreatedReport(result=result, pending=tuple(each.id for each in message.requests)))
        case CancelReport():
            return encode(CanceledReport(result=result))
    return encode(Response(result=result))
