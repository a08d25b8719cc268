"""Points in the JSON of a customer's energy management system: the driver `mapped-http`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

import aiohttp
from msgspec import Meta

from openadr_ra.drivers.mapped.carrier import Refused, Unreached
from openadr_ra.drivers.mapped.declared import MappedSettings, writes
from openadr_ra.drivers.mapped.documents import Field, Json, bodies, parsed, picked
from openadr_ra.drivers.mapped.driver import Mapped
from openadr_ra.drivers.mapped.mapping import Points, Raw, Sample
from openadr_ra.drivers.mapped.secrets import secret, trusting
from openadr_ra.errors import SettingsError
from openadr_ra.protocol.model import ResourceId
from openadr_ra.seams import Clock

_log = logging.getLogger("openadr_ra.drivers")

MAX_BODY_BYTES = 1024 * 1024
"""A state is some hundred bytes; a server that sends without end must not fill the gateway's memory."""

LATER = (408, 425, 429)
"""Of the refusals those that only say: not now."""


class HttpSettings(MappedSettings, frozen=True, kw_only=True):
    """An EMS that says its state to GET and takes set-points by `method`, both as JSON. All its paths begin with `url`.

    `token_file` holds its bearer token, read anew for each request, so that it can be replaced. `ca`: PEM.
    """

    url: Annotated[str, Meta(pattern="^https?://")]
    token_file: str = ""
    ca: str = ""
    method: Literal["PUT", "POST", "PATCH"] = "PUT"
    points: Points[Field]


class HttpCarrier:
    """One GET for each address that points are at, one PUT for each that is written. Redirects are not followed: the token
    is for this server."""

    def __init__(self, settings: HttpSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._tls = trusting(settings.ca)
        self._session: aiohttp.ClientSession | None = None
        if settings.token_file:
            secret(settings.token_file, "token_file")

    async def __aenter__(self) -> Self:
        # Whoever asks has a deadline of its own.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=2), timeout=aiohttp.ClientTimeout(total=None)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def line(self) -> int:
        """Always the same: whether there was an interruption, failed requests say."""
        return 0

    async def read(self, points: Mapping[str, Field]) -> Mapping[str, Sample]:
        found: dict[str, Sample] = {}
        for at in dict.fromkeys(field.at for field in points.values()):
            document = await self._get(at)
            now = self._clock.now()
            for name, field in points.items():
                raw = picked(document, field.path) if field.at == at else None
                if raw is not None:
                    found[name] = Sample(raw, now)
        return found

    async def write(self, values: Sequence[tuple[Field, Raw]], lease_s: float) -> None:
        """A server keeps what is written: only a point for the lease, or a heartbeat, ends it."""
        for at, body in bodies(values).items():
            status, _ = await self._ask(self._settings.method, at, body)
            if status >= 500 or status in LATER or 300 <= status < 400:
                raise Unreached(f"{self._settings.method} {at}: HTTP {status}")
            if status >= 400:
                raise Refused(f"{self._settings.method} {at}: HTTP {status}")

    async def _get(self, at: str) -> Json:
        status, body = await self._ask("GET", at, None)
        if status != 200:
            raise Unreached(f"GET {at}: HTTP {status}")
        try:
            return parsed(body)
        except ValueError as error:
            raise Unreached(f"GET {at}: no JSON") from error

    async def _ask(self, method: str, at: str, body: bytes | None) -> tuple[int, bytes]:
        """Status and body of the answer. Raises Unreached; its text holds no header and no body."""
        if self._session is None:
            raise Unreached("the driver was not entered")
        url = f"{self._settings.url.rstrip('/')}/{at.lstrip('/')}"
        try:
            async with self._session.request(
                method, url, data=body, headers=self._headers(body), allow_redirects=False
            ) as response:
                return response.status, await _bounded(response, f"{method} {at}")
        except SettingsError as error:
            raise Unreached(str(error)) from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unreached(f"{method} {at}: {type(error).__name__}: {error}") from error

    def _headers(self, body: bytes | None) -> Mapping[str, str]:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self._settings.token_file:
            headers["Authorization"] = f"Bearer {secret(self._settings.token_file, 'token_file')}"
        return headers


async def _bounded(response: aiohttp.ClientResponse, what: str) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise Unreached(f"{what}: its answer is larger than {MAX_BODY_BYTES} bytes")
    return bytes(body)


class MappedHttp(Mapped[Field]):
    """The driver `mapped-http`."""

    Settings = HttpSettings

    def __init__(self, resource: ResourceId, settings: HttpSettings, clock: Clock) -> None:
        parts = urlsplit(settings.url)
        if not parts.hostname or parts.username is not None or parts.query or parts.fragment:
            raise SettingsError(
                f'device "{resource}": url has to be https://host:port/path; a token goes to token_file'
            )
        try:
            bodies((field, 0) for _, field in writes(settings.points))
            carrier = HttpCarrier(settings, clock)
        except (SettingsError, ValueError) as error:
            raise SettingsError(f'device "{resource}": {error}') from error
        if settings.token_file and parts.scheme == "http":
            _log.warning("! %s: its token goes over the network in the clear, use https", resource)
        super().__init__(resource, settings, settings.points, carrier, clock)
