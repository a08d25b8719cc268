"""Points in MQTT topics: the driver `mapped-mqtt`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import socket
import ssl
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Annotated, Literal, NamedTuple, Self

import aiomqtt
from msgspec import Meta
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from openadr_ra.drivers.mapped.carrier import Unreached, end
from openadr_ra.drivers.mapped.declared import MappedSettings, writes
from openadr_ra.drivers.mapped.documents import Field, Json, bodies, parsed, picked
from openadr_ra.drivers.mapped.driver import Mapped
from openadr_ra.drivers.mapped.mapping import Points, Raw, Sample, readable
from openadr_ra.drivers.mapped.secrets import secret, trusting
from openadr_ra.drivers.orders import Positive
from openadr_ra.errors import SettingsError
from openadr_ra.protocol.model import ResourceId
from openadr_ra.seams import Clock

_log = logging.getLogger("openadr_ra.drivers")

AGAIN_S = 2.0
"""The pause before a broker that did not answer is tried again."""

MAX_WAITING = 1000
"""Messages that came and were not looked at yet: more than that is not a device but a flood."""

AT_ONCE = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
"""Messages are small, and each waits for the one before it to be acknowledged."""

ONLINE, OFFLINE = b"online", b"offline"


class MqttSettings(MappedSettings, frozen=True, kw_only=True):
    """A device behind a broker. With `ca`, or with `tls`, the connection is encrypted.

    A power older than `stale_s` counts no more. The broker keeps our session for `session_s` while we are away. On
    `status_topic` we say whether we are there, retained; when we are lost the broker says so for us. With version "5" a
    set-point ends in the broker when its lease does.
    """

    host: str
    port: Annotated[int, Meta(ge=1, le=65_535)] = 1883
    username: str = ""
    password_file: str = ""
    tls: bool = False
    ca: str = ""
    version: Literal["5", "3.1.1"] = "5"
    client_id: str = ""
    session_s: Annotated[int, Meta(ge=0, le=86_400)] = 3600
    keepalive_s: Annotated[int, Meta(ge=1, le=3600)] = 15
    status_topic: str = ""
    retain: bool = False
    stale_s: Positive = 60.0
    points: Points[Field]


class Said(NamedTuple):
    """What came last on a topic. `dated`: it was said when it came, and not at some time before."""

    document: Json
    at: datetime
    dated: bool


class MqttCarrier:
    """Listens to what the points' topics say, and remembers it; reconnects by itself and takes its session up again."""

    def __init__(self, resource: ResourceId, settings: MqttSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._id = settings.client_id or f"openadr-ra-{resource}"
        self._tls: ssl.SSLContext | None = trusting(settings.ca) if settings.tls or settings.ca else None
        if settings.password_file:
            secret(settings.password_file, "password_file")
        mapped = readable(settings.points)
        self._topics = tuple(dict.fromkeys(field.at for field in mapped.values()))
        self._said: dict[str, Said] = {}
        self._client: aiomqtt.Client | None = None
        self._ready = asyncio.Event()
        self._patient = True
        self._why = "not connected yet"
        self._line = 0
        self._group: asyncio.TaskGroup | None = None
        self._life: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._group = await asyncio.TaskGroup().__aenter__()
        self._life = self._group.create_task(self._live())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._life is not None:
            await end(self._life, self._settings.timeout_s)
        if self._group is not None:
            await self._group.__aexit__(None, None, None)
            self._group = None

    @property
    def line(self) -> int:
        return self._line

    async def read(self, points: Mapping[str, Field]) -> Mapping[str, Sample]:
        """What was said last. A new connection is given the time to say everything once."""
        if self._patient:
            self._patient = False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.timeout_s / 2):
                    await self._ready.wait()
        if self._client is None:
            raise Unreached(self._why)
        self._check_power(points)
        found: dict[str, Sample] = {}
        for name, field in points.items():
            said = self._said.get(field.at)
            raw = picked(said.document, field.path) if said is not None else None
            if said is not None and raw is not None:
                found[name] = Sample(raw, said.at)
        return found

    def _check_power(self, points: Mapping[str, Field]) -> None:
        """Raises Unreached where nobody knows what the power is now, or when it was what is said."""
        said = self._said.get(points["power"].at)
        if said is None:
            raise Unreached(f"nothing was said on {points['power'].at}")
        silent_s = (self._clock.now() - said.at).total_seconds()
        if silent_s > self._settings.stale_s:
            raise Unreached(f"nothing was said on {points['power'].at} for {silent_s:.0f} s")
        # Retained by the broker, or kept for us: of such a word only a device that is online is still certain.
        if not said.dated and "online" not in points:
            raise Unreached(f"what is retained on {points['power'].at} may be old")

    async def write(self, values: Sequence[tuple[Field, Raw]], lease_s: float) -> None:
        client = self._client
        if client is None:
            raise Unreached(self._why)
        for topic, body in bodies(values).items():
            try:
                await client.publish(
                    topic, body, qos=1, retain=self._settings.retain, properties=self._expiring(lease_s)
                )
            except aiomqtt.MqttError as error:
                raise Unreached(f"not published on {topic}: {error}") from error

    def _expiring(self, lease_s: float) -> Properties | None:
        """A device that comes back later must not get an order whose time is over."""
        if self._settings.version != "5":
            return None
        return _properties(PacketTypes.PUBLISH, MessageExpiryInterval=max(math.ceil(lease_s), 1))

    # --- the connection -------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        """For ever: connect, listen until the connection ends, try again."""
        while True:
            try:
                await self._listen()
            except (aiomqtt.MqttError, SettingsError, OSError) as error:
                self._why = f"{self._settings.host}:{self._settings.port}: {error}"
            finally:
                self._client, self._patient = None, False
                self._ready.clear()
                self._said.clear()
            await self._clock.sleep_until(self._clock.now() + timedelta(seconds=AGAIN_S))

    async def _listen(self) -> None:
        async with self._connection() as client:
            try:
                if self._settings.status_topic:
                    await client.publish(self._settings.status_topic, ONLINE, qos=1, retain=True)
                await client.subscribe([(topic, 1) for topic in self._topics])
                # What was kept for us comes before the answer to this, and nobody knows how old it is.
                kept = len(client.messages)
                self._line += 1
                self._client, self._patient = client, True
                async for message in client.messages:
                    self._hear(message, dated=kept <= 0 and not message.retain)
                    kept -= 1
            except asyncio.CancelledError:
                await self._say_goodbye(client)
                raise

    async def _say_goodbye(self, client: aiomqtt.Client) -> None:
        """A connection that is closed has no last will: what that would say is said here."""
        if self._settings.status_topic:
            try:
                await client.publish(
                    self._settings.status_topic, OFFLINE, qos=1, retain=True, timeout=self._settings.timeout_s
                )
            except aiomqtt.MqttError as error:
                _log.warning("! %s: not signed off: %s", self._id, error)

    def _hear(self, message: aiomqtt.Message, *, dated: bool) -> None:
        topic = message.topic.value
        if topic not in self._topics:
            return
        try:
            document = parsed(message.payload)
        except ValueError:
            document = None
        self._said[topic] = Said(document, self._clock.now(), dated)
        if set(self._topics) == self._said.keys():
            self._ready.set()

    def _connection(self) -> aiomqtt.Client:
        settings = self._settings
        modern = settings.version == "5"
        session = _properties(PacketTypes.CONNECT, SessionExpiryInterval=settings.session_s) if modern else None
        return aiomqtt.Client(
            settings.host,
            settings.port,
            username=settings.username or None,
            password=secret(settings.password_file, "password_file") if settings.password_file else None,
            logger=_log.getChild("mqtt"),
            identifier=self._id,
            protocol=aiomqtt.ProtocolVersion.V5 if modern else aiomqtt.ProtocolVersion.V311,
            will=aiomqtt.Will(settings.status_topic, OFFLINE, 1, True) if settings.status_topic else None,
            clean_session=None if modern else False,
            clean_start=False if modern else 3,
            properties=session,
            timeout=settings.timeout_s,
            keepalive=settings.keepalive_s,
            max_queued_incoming_messages=MAX_WAITING,
            tls_context=self._tls,
            socket_options=AT_ONCE,
        )


def _properties(packet: int, **values: int) -> Properties:
    found = Properties(packet)  # type: ignore[no-untyped-call]  # paho has types, but not here
    for name, value in values.items():
        setattr(found, name, value)
    return found


class MappedMqtt(Mapped[Field]):
    """The driver `mapped-mqtt`."""

    Settings = MqttSettings

    def __init__(self, resource: ResourceId, settings: MqttSettings, clock: Clock) -> None:
        try:
            bodies((field, 0) for _, field in writes(settings.points))
            carrier = MqttCarrier(resource, settings, clock)
        except (SettingsError, ValueError) as error:
            raise SettingsError(f'device "{resource}": {error}') from error
        for fault in _faults(settings):
            raise SettingsError(f'device "{resource}": {fault}')
        super().__init__(resource, settings, settings.points, carrier, clock)


def _faults(settings: MqttSettings) -> tuple[str, ...]:
    topics = [field.at for field in (*readable(settings.points).values(), *(one for _, one in writes(settings.points)))]
    wild = [topic for topic in (*topics, settings.status_topic) if "+" in topic or "#" in topic]
    found = [f"{topic!r}: a point has one topic, without wildcards" for topic in wild]
    if settings.retain and settings.version != "5":
        found.append('retain needs version "5": else an order of long ago would wait for the device')
    return tuple(found)
