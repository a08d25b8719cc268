"""Posts to one peer: a VEN to its VTN, a VTN to a push VEN."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import TracebackType
from typing import Self

import aiohttp
import msgspec
from aiohttp import hdrs

from openadr_ra.errors import SettingsError, TransportError
from openadr_ra.net.faults import link_fault
from openadr_ra.net.tls import Contexts
from openadr_ra.net.url import base_url, host_and_port

ERROR_BODY_BYTES = 4096
"""How much of the body of an error status is kept: enough for a sentence, or the head of a proxy's page."""

STREAMED_BYTES = 1024 * 1024
"""aiohttp warns when it is given a larger body as bytes."""

MAX_CONNECTIONS = 4
"""To one peer: a held poll, what goes on meanwhile, and some air."""


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What one post may cost. Each is a setting."""

    max_answer_bytes: int = 4 * 1024 * 1024
    connect_s: float = 15.0
    answer_s: float = 60.0
    """From the first attempt to connect to the last byte of the answer."""
    keepalive_s: float = 90.0
    """Above the poll period, to spare handshakes; below the server's, lest a post meet a closing one."""


NORMAL = Bounds()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer with status 200; its body may be empty. `date` is what the peer's clock said, in UTC.

    Header names are found in any case.
    """

    body: bytes
    date: datetime | None
    headers: Mapping[str, str]


class Link:
    """Posts to one peer over connections that are kept open; an async context manager.

    `url` may be any spelling that `base_url` takes; `ssl` belongs to https and to nothing else.
    Raises SettingsError if the two do not fit.
    """

    def __init__(self, url: str, *, ssl: Contexts | None = None, bounds: Bounds = NORMAL) -> None:
        self.url = base_url(url)
        secure = self.url.startswith("https:")
        if secure and ssl is None:
            raise SettingsError(f"{self.url} needs TLS: set cert, key and ca")
        if not secure and ssl is not None:
            raise SettingsError(f"{self.url} is plain, yet certificates are set; write https:// or drop them")
        self._ssl = ssl
        self._bounds = bounds
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        bounds = self._bounds
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=bounds.keepalive_s),
            timeout=aiohttp.ClientTimeout(total=bounds.answer_s, sock_connect=bounds.connect_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={hdrs.CONTENT_TYPE: "application/xml", hdrs.USER_AGENT: "openadr-ra"},
            skip_auto_headers=(hdrs.ACCEPT_ENCODING,),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post(self, service: str, body: bytes, *, headers: Iterable[tuple[str, str]] = ()) -> Answer:
        """The peer's answer to `body` at `service`.

        Raises TransportError for any status but 200 and for whatever else fails; its message names the cure.
        9.1.5: 404, 406, 501 and other 4xx are not worth a retry, 500, 503 and other 5xx are, after a pause; and so are 408
        and 429, which say that it was not the right moment (RFC 9110, RFC 6585).
        """
        if self._session is None:
            raise RuntimeError("a Link is an async context manager; enter it first")
        try:
            async with self._session.post(
                f"{self.url}/{service}",
                data=body if len(body) < STREAMED_BYTES else io.BytesIO(body),
                headers=tuple(headers),
                ssl=True if self._ssl is None else self._ssl.current(),
                allow_redirects=False,
            ) as response:
                return await self._answer(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            fault = link_fault(error, *host_and_port(self.url))
            raise TransportError(f"{service}: {fault}") from error

    async def _answer(self, response: aiohttp.ClientResponse) -> Answer:
        if response.status != HTTPStatus.OK:
            raise _refused(response, await _read(response, ERROR_BODY_BYTES))
        most = self._bounds.max_answer_bytes
        body = await _read(response, most + 1)
        if len(body) > most:
            raise TransportError(
                f"{response.url} answered with over {most} bytes; if that is right raise max_answer_bytes",
                status=response.status,
                retry=False,
            )
        return Answer(body=body, date=_date(response.headers.get(hdrs.DATE)), headers=response.headers)


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The body, or its first `most` bytes if it is longer."""
    body = bytearray()
    while len(body) < most and (piece := await response.content.read(most - len(body))):
        body += piece
    return bytes(body)


def _refused(response: aiohttp.ClientResponse, body: bytes) -> TransportError:
    status = response.status
    what = f"{response.url} answered {status} {response.reason or ''}".rstrip()
    match status:
        case 404:
            cure = "check the path of the url; OpenADR 2.0a peers have another"
        case 401 | 403:
            cure = "the peer denies access; is our certificate's fingerprint registered there?"
        case 413:
            cure = "the peer takes no message of this size"
        case 415:
            cure = "the peer does not take application/xml; is there an OpenADR 2.0b service behind this url?"
        case _ if 300 <= status < 400:
            cure = f"it has moved to {response.headers.get(hdrs.LOCATION, 'an unknown place')}; correct the url"
        case 408 | 429:
            cure = "it is busy; the next attempt may come through"
        case _ if status >= 500 and status != 501:
            cure = "it has a problem of its own; its log says which"
        case _:
            cure = "is there an OpenADR 2.0b service behind this url?"
    retry = (status >= 500 and status != 501) or status in (408, 429)
    return TransportError(f"{what}: {cure}", status=status, retry=retry, body=body)


def _date(text: str | None) -> datetime | None:
    """An HTTP date in UTC, or None if there is none that can be read."""
    try:
        date = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    # RFC 5322 reads "-0000" as UTC from a machine that does not know its zone, and Python as naive.
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
