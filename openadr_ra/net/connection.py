"""One accepted connection: TLS by the files of the moment, and who is at the other end."""

# typing.override came with Python 3.12.
# mypy: disable-error-code="explicit-override"

from __future__ import annotations

import asyncio
import logging
import ssl
from asyncio.sslproto import SSLProtocol
from collections import Counter
from http import HTTPStatus

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from openadr_ra.net.faults import handshake_fault
from openadr_ra.net.quota import Quota, origin
from openadr_ra.net.tls import TLS_READ_BYTES, Contexts, fingerprint

log = logging.getLogger(__name__)

UNBUFFERED_BYTES = 64 * 1024
"""Up to here aiohttp's writer never waits for the peer to read."""

CLOSE_GRACE_S = 0.25
"""How long peers may take to say goodbye when we close, before they are cut off."""


class Open:
    """The open transports of a listener: how many each origin has, and closing it can wait for them.

    `reading` is what TLS connections are read through.
    """

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._transports: set[asyncio.BaseTransport] = set()
        self._origins: dict[asyncio.BaseTransport, str] = {}
        self._counts: Counter[str] = Counter()
        self.reading = bytearray(TLS_READ_BYTES)
        self._empty = asyncio.Event()
        self._empty.set()

    def take(self, transport: asyncio.BaseTransport) -> bool:
        """Add the transport of a new connection, unless the quota has no room for one from there."""
        source = address(transport)
        name = origin(source)
        if not self._quota.connects(source, self._counts[name]):
            return False
        self._origins[transport] = name
        self._counts[name] += 1
        self.add(transport)
        return True

    def add(self, transport: asyncio.BaseTransport) -> None:
        self._transports.add(transport)
        self._empty.clear()

    def discard(self, transport: asyncio.BaseTransport | None) -> None:
        if transport is not None:
            self._transports.discard(transport)
            self._uncount(self._origins.pop(transport, None))
        if not self._transports:
            self._empty.set()

    def _uncount(self, name: str | None) -> None:
        if name is not None:
            self._counts[name] -= 1
            if not self._counts[name]:
                del self._counts[name]

    async def none(self, within_s: float) -> bool:
        """Whether none is left; that is waited for, and no longer than so."""
        try:
            async with asyncio.timeout(within_s):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Returns when none is left; those that linger are cut off."""
        if not await self.none(CLOSE_GRACE_S):
            for transport in tuple(self._transports):
                _cut(transport)
            await self._empty.wait()


class Tls(SSLProtocol):
    """The TLS layer of one accepted connection, with the context of the moment it was accepted.

    `loop.create_server(ssl=…)` would bind one context to the socket for good, and read through 256 KiB.
    """

    max_size = TLS_READ_BYTES
    # asyncio's own: what OpenSSL wants sent. The type stubs do not know it.
    _outgoing: ssl.MemoryBIO

    def __init__(self, above: Connection, contexts: Contexts, open_: Open, handshake_s: int) -> None:
        loop = asyncio.get_running_loop()
        shaken: asyncio.Future[None] = loop.create_future()
        shaken.add_done_callback(self._shaken)
        super().__init__(
            loop,
            above,
            contexts.current(),
            shaken,
            server_side=True,
            ssl_handshake_timeout=handshake_s,
            ssl_shutdown_timeout=handshake_s,
        )
        if isinstance(loop, asyncio.SelectorEventLoop):
            # Such a loop hands on what it has read before it reads for anybody else; on others each has a buffer of its own.
            self._ssl_buffer = open_.reading
            self._ssl_buffer_view = memoryview(open_.reading)
        self._open = open_
        self._below: asyncio.BaseTransport | None = None
        self._address = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._below = transport
        self._address = address(transport)
        if not self._open.take(transport):
            _cut(transport)
            return
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._open.discard(self._below)
        super().connection_lost(exc)

    def _fatal_error(self, exc: BaseException, message: str = "Fatal error on transport") -> None:
        # asyncio drops the alert that says why a handshake failed, and the peer's installer would learn nothing.
        if isinstance(self._below, asyncio.WriteTransport) and (alert := self._outgoing.read()):
            self._below.write(alert)
        super()._fatal_error(exc, message)

    def _shaken(self, handshake: asyncio.Future[None]) -> None:
        if handshake.cancelled() or (error := handshake.exception()) is None:
            return
        # Load balancers and port scanners connect and go: no reason to warn.
        level = logging.WARNING if isinstance(error, ssl.SSLError) else logging.INFO
        log.log(level, "! no TLS with %s: %s", self._address, handshake_fault(error))


class Connection(web.RequestHandler):
    """One client connection; its certificate is read once, not at each request."""

    __slots__ = ("_below", "_open", "address", "certificate", "fingerprint")

    def __init__(self, http: web.Server, open_: Open, *, keepalive_s: float, linger_s: float) -> None:
        super().__init__(
            http,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=keepalive_s,
            lingering_time=linger_s,
            access_log_class=_NoAccessLog,
            # server.py refuses encoded bodies: one that blows up when unpacked is not worth what it saves.
            auto_decompress=False,
        )
        self._open = open_
        self._below: asyncio.BaseTransport | None = None
        self.address = ""
        self.certificate: bytes | None = None
        self.fingerprint: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._below = transport
        self.address = address(transport)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            # The connection below it is counted.
            self._open.add(transport)
        elif not self._open.take(transport):
            _cut(transport)
            return
        self.certificate = None if tls is None else tls.getpeercert(binary_form=True)
        self.fingerprint = None if self.certificate is None else fingerprint(self.certificate)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._open.discard(self._below)
        super().connection_lost(exc)

    @property
    def idle(self) -> bool:
        """Whether it waits for a request, of which nothing that could be answered has come."""
        return self._waiter is not None and not self._waiter.done()

    @property
    def who(self) -> str:
        """The peer, for a log line."""
        return f"{self.address} {self.fingerprint or 'without certificate'}"

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """One log line for us and a bare status for the peer, in place of a traceback for both.

        400 is what the HTTP parser refuses. Anything else came out of the code that answers: 503, so that the
        peer tries again later (9.1.5).
        """
        if status == HTTPStatus.BAD_REQUEST:
            log.warning("! refused 400 %s: %s", self.who, _parser_fault(exc))
            return _bare(HTTPStatus.BAD_REQUEST)
        log.error("! failed 503 %s %.200r: %.500r", self.who, request.path, exc)
        log.debug("the traceback of it", exc_info=exc)
        return _bare(HTTPStatus.SERVICE_UNAVAILABLE)


def _cut(transport: asyncio.BaseTransport) -> None:
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


def _bare(status: HTTPStatus) -> Octets:
    head = f"HTTP/1.1 {status} {status.phrase}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    return Octets(head.encode("ascii"), keep=False)


def _parser_fault(error: BaseException | None) -> str:
    text = str(error)
    if r"\x16\x03" in text or "HTTPS traffic" in text:
        return "it speaks TLS to a plain HTTP port; its url must say http://, or ours needs certificates"
    return f"not HTTP ({' '.join(text.split())[:120]})"


def address(transport: asyncio.BaseTransport) -> str:
    """The peer's IP address; empty if it has gone or has none."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) else ""


class Octets(web.StreamResponse):
    """A whole response, head included, that goes out in one write.

    Ready before aiohttp sees it: a sixth less CPU for a small request than with `web.Response`, and no header
    that we did not choose.
    """

    def __init__(self, octets: bytes, *, keep: bool, send_s: float = CLOSE_GRACE_S) -> None:
        super().__init__()
        self._octets = octets
        self._keep = keep
        self._send_s = send_s

    @property
    def keep_alive(self) -> bool:
        return self._keep

    async def prepare(self, request: web.BaseRequest) -> None:
        self._request = request

    async def write_eof(self, data: bytes = b"") -> None:
        """Raises ConnectionError if the peer does not read within `send_s`; then the connection is cut."""
        writer, transport = self._request.writer, self._request.transport
        if len(self._octets) < UNBUFFERED_BYTES:
            await writer.write(self._octets)
            if transport is None or not transport.get_write_buffer_size():
                return
        try:
            async with asyncio.timeout(self._send_s):
                if len(self._octets) < UNBUFFERED_BYTES:
                    await writer.drain()
                else:
                    await writer.write_eof(self._octets)
        except TimeoutError:
            if transport is not None:
                transport.abort()
            raise ConnectionAbortedError("the peer does not read its answer") from None


class _NoAccessLog(AbstractAccessLogger):
    """aiohttp's access log is off: what is said is logged in our own words by whoever answers."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Never called, since it is not enabled."""

    @property
    def enabled(self) -> bool:
        return False
