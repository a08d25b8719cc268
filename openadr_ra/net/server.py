"""Answers posts: the services of a VTN, or those of a push VEN, over HTTP or mutual TLS."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from aiohttp import StreamReader, hdrs, web

from openadr_ra.errors import SettingsError
from openadr_ra.net import drain
from openadr_ra.net.connection import Connection, Octets, Open, Tls
from openadr_ra.net.drain import Doors
from openadr_ra.net.listening import Sockets, bound, listen_fault
from openadr_ra.net.proxy import FORWARDED_FOR, Client, Malformed, Proxies, Spared
from openadr_ra.net.quota import UNLIMITED, Quota
from openadr_ra.net.tls import Contexts
from openadr_ra.net.url import PATH_PREFIX, SERVICES

log = logging.getLogger(__name__)

XML = "application/xml"
_LENIENT_TYPES = ("", XML, "text/xml")
_UTF_8 = ("utf-8", "utf8")
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})", re.IGNORECASE | re.ASCII)

UNDER_WAY_S = 1.0
"""What requests under way have at least when a server closes."""

DATE_S = 0.25
"""How old the Date header may be; VENs measure their clock skew by it, and warn above 2 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one peer may cost. Each is a setting."""

    max_body_bytes: int = 4 * 1024 * 1024
    body_s: float = 60.0
    """For the whole body: a full report over a slow mobile link must fit."""
    send_s: float = 60.0
    """For the peer to take our answer."""
    linger_s: float = 2.0
    """How long the rest of a refused body is still taken, so that the peer gets to read the refusal."""
    handshake_s: int = 15
    keepalive_s: float = 120.0
    """Above the poll period: a TLS handshake costs as much as 12 to 18 requests."""
    drain_s: float = 5.0
    """For requests under way when the server closes; and when it drains, for each connection to bring its next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A post that was received whole. `certificate` is DER; without TLS, or if none was shown, it is None."""

    service: str
    body: bytes
    content_type: str
    """Lower case without parameters; empty if the peer sent none."""
    charset: str | None
    certificate: bytes | None
    fingerprint: str | None
    address: str
    wait_s: int | None
    """From `Prefer: wait=N` (RFC 7240), else None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What goes back; Content-Length and Date are added."""

    status: int = 200
    body: bytes = b""
    content_type: str = XML
    headers: tuple[tuple[str, str], ...] = ()


def busy(wait_s: int) -> Reply:
    """503: nothing is wrong with the request, and the peer may send it again in `wait_s`."""
    return Reply(status=HTTPStatus.SERVICE_UNAVAILABLE, headers=((hdrs.RETRY_AFTER, str(wait_s)),))


Answerer = Callable[[Request], Awaitable[Reply]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Where a server listens. `url` includes the path prefix; a wildcard host is called localhost."""

    port: int
    url: str
    drain: Callable[[], Coroutine[None, None, None]]
    """Stop without losing a request: nobody new comes in, each connection closes with its next answer, and those that bring
    no request for `drain_s` close then. Returns when none is left, or when those under way have had `drain_s` more."""


@asynccontextmanager
async def serve(
    answer: Answerer,
    *,
    host: str,
    port: int,
    ssl: Contexts | None = None,
    prefix: str = PATH_PREFIX,
    services: Collection[str] = SERVICES,
    strict: bool = False,
    limits: Limits = Limits(),
    quota: Quota = UNLIMITED,
    proxies: Proxies | None = None,
    sockets: Sockets = (),
) -> AsyncIterator[Listener]:
    """Answers posts to `prefix` + service with `answer` until the block is left; port 0 takes a free one.

    An exception out of `answer` becomes 503 with one log line. `strict` takes only `application/xml`.
    Whatever goes beyond `quota` gets 503 with Retry-After; a connection beyond it is cut. With `proxies` whoever has no
    certificate gets 403. `sockets` are bound to `host` already, maybe shared with others, and are closed in the end.
    Raises SettingsError if it cannot listen there.
    """
    path = f"/{prefix.strip('/')}/"
    routes = {path + service: service for service in services}
    site = _Site(answer, routes, limits, quota, proxies, strict=strict)
    http = web.Server(site.handle)
    opened = Open(quota if proxies is None else Spared(quota, proxies))

    def accept() -> asyncio.BaseProtocol:
        connection = Connection(http, opened, keepalive_s=limits.keepalive_s, linger_s=limits.linger_s)
        return connection if ssl is None else Tls(connection, ssl, opened, limits.handshake_s)

    doors = Doors(sockets or await bound(host, port), accept)
    chosen = doors.port
    try:
        await doors.open()
    except OSError as error:
        doors.close()
        raise SettingsError(listen_fault(error, host, chosen)) from error

    async def drained() -> None:
        site.closing = True
        await drain.drain(doors, http, opened, limits.drain_s)

    try:
        yield Listener(port=chosen, url=_url("http" if ssl is None else "https", host, chosen, path), drain=drained)
    finally:
        doors.close()
        http.pre_shutdown()
        await http.shutdown(max(limits.drain_s, UNDER_WAY_S))
        await opened.close()


def _url(scheme: str, host: str, port: int, path: str) -> str:
    name = "localhost" if host in ("", "0.0.0.0", "::") else host  # noqa: S104 - read, not bound
    return f"{scheme}://{f'[{name}]' if ':' in name else name}:{port}{path.rstrip('/')}"


class _Refusal(Exception):
    """An answer below OpenADR: a bare status for the peer, the reason for our log."""

    def __init__(self, status: HTTPStatus, why: str, *, keep: bool = True, header: bytes = b"") -> None:
        super().__init__(why)
        self.status = status
        self.keep = keep
        self.header = header


class _Excess(Exception):
    """More than the quota allows; the peer may come again in `wait_s`."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"come again in {wait_s} s")
        self.wait_s = wait_s


class _Site:
    """From an HTTP request to an answer and back."""

    def __init__(
        self,
        answer: Answerer,
        routes: dict[str, str],
        limits: Limits,
        quota: Quota,
        proxies: Proxies | None,
        *,
        strict: bool,
    ) -> None:
        self.closing = False
        """Whether each connection closes with its next answer."""
        self._answer = answer
        self._routes = routes
        self._limits = limits
        self._quota = quota
        self._proxies = proxies
        self._types = (XML,) if strict else _LENIENT_TYPES
        self._loop = asyncio.get_running_loop()
        self._date = b""
        self._date_until = 0.0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        if not isinstance(connection, Connection):
            raise TypeError(f"{type(connection)} was not accepted by serve()")
        client: Client = connection
        try:
            if self._proxies is not None:
                client = self._behind(self._proxies, request, connection)
            received = await self._receive(request, client)
        except _Refusal as refusal:
            log.warning("! refused %d %s %.200r: %s", refusal.status, client.who, request.path, refusal)
            return self._write(request, Reply(status=refusal.status), refusal.header, keep=refusal.keep)
        except _Excess as excess:
            await self._quota.rest()
            return self._write(request, busy(excess.wait_s), keep=request.content.is_eof())
        return self._write(request, await self._answer(received))

    def _behind(self, proxies: Proxies, request: web.BaseRequest, connection: Connection) -> Client:
        """Without TLS of our own nothing but a certificate tells who it is, and whoever has none could be anybody."""
        headers = request.headers
        try:
            client = proxies.client(connection, headers.getall(proxies.header, ()), headers.getall(FORWARDED_FOR, ()))
        except Malformed as error:
            raise _Refusal(HTTPStatus.BAD_REQUEST, f"behind a proxy: {error}") from error
        if client.fingerprint is None:
            raise _Refusal(HTTPStatus.FORBIDDEN, "no client certificate")
        return client

    async def _receive(self, request: web.BaseRequest, client: Client) -> Request:
        # Bytes are counted as they come, so that what lies here unfinished is bounded too.
        here = request.content.total_bytes
        if (wait_s := self._quota.asks(client.address, client.fingerprint, here)) is not None:
            raise _Excess(wait_s)
        headers = request.headers
        service = self._routes.get(request.raw_path) or self._routes.get(request.path)
        if service is None:
            raise _Refusal(HTTPStatus.NOT_FOUND, "no such service")
        if request.method != hdrs.METH_POST:
            raise _Refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"{request.method}, not POST", header=b"Allow: POST\r\n")
        declared = headers.get(hdrs.CONTENT_TYPE, "")
        content_type, charset = _media(declared)
        if content_type not in self._types or (charset is not None and charset not in _UTF_8):
            raise _Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Type {declared!r:.80}")
        if headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
            raise _Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "an encoded body")
        return Request(
            service=service,
            body=await self._body(request, client, here),
            content_type=content_type,
            charset=charset,
            certificate=client.certificate,
            fingerprint=client.fingerprint,
            address=client.address,
            wait_s=_wait_s(headers.getall("Prefer")) if "Prefer" in headers else None,
        )

    async def _body(self, request: web.BaseRequest, client: Client, here: int) -> bytes:
        stream, most = request.content, self._limits.max_body_bytes
        if stream.is_eof():
            # The usual case: a small body came in one piece with its head.
            body = stream.read_nowait()
            if len(body) > most:
                raise _too_large(most)
            return body
        if (request.content_length or 0) > most:
            raise _too_large(most)
        try:
            async with asyncio.timeout(self._limits.body_s):
                if expected := request.headers.get(hdrs.EXPECT):
                    await _go_on(request, expected)
                return await self._read(stream, most, client, here)
        except TimeoutError:
            why = f"the body did not come within {self._limits.body_s:g} s"
            raise _Refusal(HTTPStatus.REQUEST_TIMEOUT, why, keep=False) from None
        except (web.RequestPayloadError, ConnectionError) as error:
            why = f"the body broke off ({' '.join(str(error).split())})"
            raise _Refusal(HTTPStatus.BAD_REQUEST, why, keep=False) from error

    async def _read(self, stream: StreamReader, most: int, client: Client, counted: int) -> bytes:
        body = bytearray()
        while piece := await stream.readany():
            body += piece
            if len(body) > most:
                raise _too_large(most)
            more, counted = len(body) - counted, max(counted, len(body))
            if more > 0 and (wait_s := self._quota.brings(client.address, client.fingerprint, more)) is not None:
                raise _Excess(wait_s)
        return bytes(body)

    def _write(
        self, request: web.BaseRequest, reply: Reply, header: bytes = b"", *, keep: bool = True
    ) -> web.StreamResponse:
        keep = keep and request.keep_alive and not self.closing
        if not keep:
            header += b"Connection: close\r\n"
        elif request.version.minor == 0:
            header += b"Connection: keep-alive\r\n"
        for name, value in reply.headers:
            header += _line(name, value)
        body = reply.body
        head = _head(reply.status, reply.content_type)
        octets = b"%b%d\r\nDate: %b\r\n%b\r\n%b" % (head, len(body), self._now(), header, body)
        return Octets(octets, keep=keep, send_s=self._limits.send_s)

    def _now(self) -> bytes:
        time = self._loop.time()
        if time >= self._date_until:
            self._date = formatdate(usegmt=True).encode("ascii")
            self._date_until = time + DATE_S
        return self._date


async def _go_on(request: web.BaseRequest, expect: str) -> None:
    if expect.lower() != "100-continue":
        raise _Refusal(HTTPStatus.EXPECTATION_FAILED, f"Expect: {expect!r:.80}", keep=False)
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    # The answer itself has not begun.
    request.writer.output_size = 0


def _too_large(most: int) -> _Refusal:
    return _Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body of more than {most} bytes", keep=False)


@lru_cache(maxsize=64)
def _media(header: str) -> tuple[str, str | None]:
    """Type and charset of a Content-Type header, both lower case."""
    content_type, *parameters = header.lower().split(";")
    named = (parameter.partition("=") for parameter in parameters)
    charset = next((value.strip(' "') for name, _, value in named if name.strip() == "charset"), None)
    return content_type.strip(), charset


def _wait_s(preferences: list[str]) -> int | None:
    found = _WAIT.search(",".join(preferences))
    return int(found[1]) if found else None


@lru_cache(maxsize=64)
def _head(status: int, content_type: str) -> bytes:
    """The first lines of a response, up to the figure of its Content-Length."""
    phrase = HTTPStatus(status).phrase
    return f"HTTP/1.1 {status} {phrase}\r\nContent-Type: {content_type}\r\nContent-Length: ".encode("ascii")


@lru_cache(maxsize=64)
def _line(name: str, value: str) -> bytes:
    if any(ord(character) < 32 or ord(character) == 127 for character in name + value):
        raise ValueError(f"a control character in the header {name!r}")
    return f"{name}: {value}\r\n".encode("latin-1")
