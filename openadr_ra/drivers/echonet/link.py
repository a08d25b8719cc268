"""One UDP socket for all the ECHONET devices of a program: port 3610 of an address has one owner.

ECHONET Lite answers to port 3610, wherever a question came from, so each of many drivers cannot have a port of its own.
Frames of whom nobody asked are dropped; so is what is no frame.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple
from weakref import WeakKeyDictionary

from openadr_ra.drivers.echonet.frame import (
    CONTROLLER,
    LARGEST_TID,
    Eoj,
    Frame,
    FrameError,
    Property,
    Service,
    read,
    write,
)

_log = logging.getLogger("openadr_ra.drivers")

PORT = 3610

RESEND_S = 1.0
"""UDP loses: a question is asked again after so long, under the same number, so that either answer counts."""

ANSWERS = {
    Service.GET: (Service.GET_RES, Service.GET_SNA),
    Service.SETC: (Service.SET_RES, Service.SETC_SNA),
}


class _Question(NamedTuple):
    target: Eoj
    service: Service
    answer: asyncio.Future[Frame]


class Link(asyncio.DatagramProtocol):
    """The controller's end. Opened when first needed and again whenever it was lost."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._asked: dict[tuple[str, int], _Question] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._opening = asyncio.Lock()
        self._transport: asyncio.DatagramTransport | None = None
        self._closed = asyncio.Event()
        self._tid = 0
        self.users = 0

    async def ask(self, host: str, target: Eoj, service: Service, properties: tuple[Property, ...]) -> Frame:
        """The answer of `target` at `host`; it is asked until it answers, so the caller sets the time limit.

        Small nodes take one question at a time, so those to one host wait for one another.
        Raises OSError where the port cannot be had.
        """
        async with self._turns.setdefault(host, asyncio.Lock()):
            tid = self._next_tid()
            question = _Question(target, service, asyncio.get_running_loop().create_future())
            frame = Frame(tid=tid, source=CONTROLLER, target=target, service=service, properties=properties)
            self._asked[host, tid] = question
            try:
                while not question.answer.done():
                    (await self._open()).sendto(write(frame), (host, PORT))
                    await asyncio.wait({question.answer}, timeout=RESEND_S)
            finally:
                del self._asked[host, tid]
            return question.answer.result()

    async def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            await self._closed.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._closed.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._closed.set()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        host = addr[0]
        try:
            frame = read(data)
        except FrameError as error:
            _log.debug("! %s says what is no ECHONET Lite: %s", host, error)
            return
        if frame.service is Service.INFC and host in self._turns:
            self._confirm(host, frame)
        question = self._asked.get((host, frame.tid))
        if question is None or question.answer.done():
            return
        if frame.source == question.target and frame.service in ANSWERS[question.service]:
            question.answer.set_result(frame)

    def error_received(self, exc: Exception) -> None:
        """A frame could not be sent; whoever waits for its answer notices."""
        _log.debug("! ECHONET Lite: %s", exc)

    async def _open(self) -> asyncio.DatagramTransport:
        async with self._opening:
            if self._transport is None:
                loop = asyncio.get_running_loop()
                self._transport, _ = await loop.create_datagram_endpoint(lambda: self, (self._address, PORT))
            return self._transport

    def _confirm(self, host: str, frame: Frame) -> None:
        """A node that wants its notice confirmed says it again and again until it is."""
        if self._transport is not None:
            heard = tuple(Property(epc=one.epc) for one in frame.properties)
            answer = Frame(
                tid=frame.tid,
                source=frame.target,
                target=frame.source,
                service=Service.INFC_RES,
                properties=heard,
            )
            self._transport.sendto(write(answer), (host, PORT))

    def _next_tid(self) -> int:
        self._tid = self._tid % LARGEST_TID + 1
        return self._tid


_links: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Link]] = WeakKeyDictionary()


@asynccontextmanager
async def shared(address: str) -> AsyncIterator[Link]:
    """The link of this event loop at the local `address`; the last to leave closes it."""
    links = _links.setdefault(asyncio.get_running_loop(), {})
    link = links.setdefault(address, Link(address))
    link.users += 1
    try:
        yield link
    finally:
        link.users -= 1
        if not link.users:
            del links[address]
            await link.close()
