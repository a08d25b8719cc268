"""The CSMS itself: one websocket server for all devices of a process that name the same address."""

from __future__ import annotations

import asyncio
import http
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from weakref import WeakKeyDictionary

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import InvalidHeader
from websockets.headers import parse_authorization_basic
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from openadr_ra.drivers.ocpp.link import shortened
from openadr_ra.drivers.ocpp.settings import Address, OcppSettings
from openadr_ra.drivers.ocpp.station import DIALECTS, Listens, Station
from openadr_ra.errors import SettingsError
from openadr_ra.seams import Clock

_log = logging.getLogger("openadr_ra.drivers")

LARGEST_BYTES = 1 << 18
"""Of a message. A charger's largest, reports of its configuration in 2.0.1, have some ten thousand."""

WAITING_MESSAGES = 32
"""So many of one charger are read ahead."""

CLOSE_S = 0.5
"""A charger that does not say goodbye is not waited for longer."""


class Listener:
    """A server while somebody uses it. Whoever calls it under a path that no device names is turned away."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.chain = ("", "")
        self.turn = asyncio.Lock()
        self.stations: dict[str, Station] = {}
        self._server: Server | None = None

    @property
    def port(self) -> int:
        """The port that it got."""
        if self._server is None:
            return self.address.port
        return int(next(iter(self._server.sockets)).getsockname()[1])

    async def start(self, chain: tuple[str, str]) -> None:
        """Raises SettingsError for certificates that cannot be used and for an address that cannot be had."""
        try:
            self._server = await serve(
                self._handle,
                self.address.host,
                self.address.port,
                ssl=tls(*chain) if any(chain) else None,
                subprotocols=[Subprotocol(name) for name in DIALECTS],
                process_request=self._admit,
                max_size=LARGEST_BYTES,
                max_queue=WAITING_MESSAGES,
                close_timeout=CLOSE_S,
                compression=None,
                server_header=None,
            )
        except OSError as error:
            raise SettingsError(f"cannot listen on {self.address.host}:{self.address.port}: {error}") from error
        self.chain = chain

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """None lets it in; 404 where no device has that charge point (OCPP-J 3.1), 401 for a wrong password."""
        name = named(request.path)
        station = self.stations.get(name)
        if station is None:
            _log.warning("! no device has the charge_point %r, which called", shortened(name))
            return connection.respond(http.HTTPStatus.NOT_FOUND, "unknown\n")
        if station.admits(password_of(request, name)):
            return None
        _log.warning("! %s called with a wrong password", station.name)
        refused = connection.respond(http.HTTPStatus.UNAUTHORIZED, "unauthorized\n")
        refused.headers["WWW-Authenticate"] = 'Basic realm="OCPP"'
        return refused

    async def _handle(self, connection: ServerConnection) -> None:
        request = connection.request
        station = None if request is None else self.stations.get(named(request.path))
        if station is not None:
            await station.serve(connection)


_listeners: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Address, Listener]] = WeakKeyDictionary()
"""Servers by the loop that they live in: the drivers of one process know nothing of one another."""


class Seat(NamedTuple):
    """One connector's place at its server."""

    station: Station
    listener: Listener


@asynccontextmanager
async def seated(settings: OcppSettings, connector: Listens, clock: Clock) -> AsyncIterator[Seat]:
    """Hear what the charge point tells of the connector, while inside.

    Raises SettingsError where devices that share a server or a charge point contradict one another.
    """
    # A listener without users stays in the table: whoever waits for its turn holds it already.
    known = _listeners.setdefault(asyncio.get_running_loop(), {})
    listener = known.setdefault(settings.address, Listener(settings.address))
    async with listener.turn:
        station = await _entered(listener, settings, clock)
        station.connectors[settings.connector] = connector
    try:
        yield Seat(station, listener)
    finally:
        del station.connectors[settings.connector]
        async with listener.turn:
            if not station.connectors:
                del listener.stations[station.name]
                await station.hang_up()
            if not listener.stations:
                await listener.stop()


async def _entered(listener: Listener, settings: OcppSettings, clock: Clock) -> Station:
    """The charge point of `settings`, with this connector free and the server running."""
    chain, password = (settings.tls_cert, settings.tls_key), secret(settings.password_file)
    if not listener.stations:
        await listener.start(chain)
    if listener.chain != chain:
        raise SettingsError(
            f"devices that listen on {settings.listen} differ in tls_cert or tls_key; give them the same"
        )
    station = listener.stations.setdefault(settings.charge_point, Station(settings.charge_point, password, clock))
    if station.password != password:
        raise SettingsError(f"connectors of {station.name} differ in their password; give them one password_file")
    if settings.connector in station.connectors:
        raise SettingsError(f"connector {settings.connector} of {station.name} has two devices; give it one")
    return station


def named(path: str) -> str:
    """The charge point's id: the last step of the path that it called."""
    return unquote(urlsplit(path).path.rpartition("/")[2])


def password_of(request: Request, name: str) -> bytes | None:
    """The password that `name` gives; None without one, or where another name stands before it."""
    given = request.headers.get_all("Authorization")
    if len(given) != 1:
        return None
    try:
        user, password = parse_authorization_basic(given[0])
    except (InvalidHeader, UnicodeDecodeError):
        return None
    return password.encode(errors="surrogateescape") if user == name else None


def secret(path: str) -> bytes | None:
    """The first line of a file; None without a file."""
    if not path:
        return None
    try:
        lines = Path(path).read_bytes().splitlines()
    except OSError as error:
        raise SettingsError(f"password_file {path}: {error.strerror}") from error
    if not lines or not lines[0].strip():
        raise SettingsError(f"password_file {path} is empty; its first line is the password")
    return lines[0].strip()


def tls(cert: str, key: str) -> ssl.SSLContext:
    """A server's side of security profile 2."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"tls_cert {cert} and tls_key {key} are no certificate and its key: {error}") from error
    return context
