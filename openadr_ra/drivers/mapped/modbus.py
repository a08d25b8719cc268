"""Points in Modbus registers over TCP: the driver `mapped-modbus`."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Annotated, Self

from msgspec import Meta
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from openadr_ra.drivers.mapped.carrier import Refused, Unreached
from openadr_ra.drivers.mapped.declared import MappedSettings, writes
from openadr_ra.drivers.mapped.driver import Mapped
from openadr_ra.drivers.mapped.mapping import Points, Raw, Sample, number
from openadr_ra.drivers.mapped.registers import Register, Span, decode, encode, overlapping, spans
from openadr_ra.errors import SettingsError
from openadr_ra.protocol.model import ResourceId
from openadr_ra.seams import Clock

# It would say at each attempt what the guard says once.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

REASONS: Mapping[int, str] = {
    1: "illegal function",
    2: "illegal address",
    3: "illegal value",
    4: "device failure",
    5: "acknowledged only",
    6: "device busy",
    10: "the gateway has no path to it",
    11: "it does not answer its gateway",
}
SILENT = (10, 11)
"""Not the device says so but the gateway before it."""


class ModbusSettings(MappedSettings, frozen=True, kw_only=True):
    """A device that speaks Modbus TCP, or one behind a gateway that does."""

    host: str
    port: Annotated[int, Meta(ge=1, le=65_535)] = 502
    unit_id: Annotated[int, Meta(ge=0, le=255)] = 1
    points: Points[Register]


class ModbusCarrier:
    """One connection, made when it is needed. What failed or was cancelled ends it: a late answer must not be taken for
    that to another question."""

    def __init__(self, settings: ModbusSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._client: AsyncModbusTcpClient | None = None
        self._line = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def line(self) -> int:
        return self._line

    async def read(self, points: Mapping[str, Register]) -> Mapping[str, Sample]:
        """Neighbours in one request; where that is refused, each by itself."""
        found: dict[str, Sample] = {}
        for span in spans(points.items()):
            words = await self._words(span)
            if words is not None:
                found |= self._samples(span, points, words)
            elif len(span.names) > 1:
                for name in span.names:
                    (alone,) = spans([(name, points[name])])
                    words = await self._words(alone)
                    found |= {} if words is None else self._samples(alone, points, words)
        return found

    async def write(self, values: Sequence[tuple[Register, Raw]], lease_s: float) -> None:
        """A register keeps what is written for ever: only a point for the lease, or a heartbeat, ends it."""
        for point, raw in values:
            figure = number(raw)
            if figure is None:
                raise Refused(f"{point.table} {point.address} cannot hold {raw!r}")
            words = encode(point, figure)
            async with _Whole(self) as client:
                answer = await self._wrote(client, point, words)
            if answer.isError():
                raise _refusal(point.table, point.address, answer)

    async def _wrote(self, client: AsyncModbusTcpClient, point: Register, words: tuple[int, ...]) -> ModbusPDU:
        unit = self._settings.unit_id
        match point.bits, words:
            case True, (bit,):
                return await client.write_coil(point.address, bool(bit), device_id=unit)
            case False, (word,):
                return await client.write_register(point.address, word, device_id=unit)
            case _:
                return await client.write_registers(point.address, list(words), device_id=unit)

    async def _words(self, span: Span) -> Sequence[int] | None:
        """What stands there; None where the device refuses."""
        async with _Whole(self) as client:
            answer = await self._asked(client, span)
        if not answer.isError():
            return [int(bit) for bit in answer.bits] if span.table in ("coil", "discrete") else answer.registers
        if answer.exception_code in SILENT:
            raise Unreached(str(_refusal(span.table, span.address, answer)))
        return None

    async def _asked(self, client: AsyncModbusTcpClient, span: Span) -> ModbusPDU:
        unit = self._settings.unit_id
        match span.table:
            case "holding":
                return await client.read_holding_registers(span.address, count=span.size, device_id=unit)
            case "input":
                return await client.read_input_registers(span.address, count=span.size, device_id=unit)
            case "coil":
                return await client.read_coils(span.address, count=span.size, device_id=unit)
            case "discrete":
                return await client.read_discrete_inputs(span.address, count=span.size, device_id=unit)

    def _samples(self, span: Span, points: Mapping[str, Register], words: Sequence[int]) -> Mapping[str, Sample]:
        now = self._clock.now()
        return {name: Sample(raw, now) for name, raw in _decoded(span, points, words)}

    async def connected(self) -> AsyncModbusTcpClient:
        """The connection that there is, or a new one. Raises Unreached."""
        if self._client is not None and self._client.connected:
            return self._client
        self.close()
        self._line += 1
        # Its deadlines and its second attempts are not wanted: whoever asks has a deadline, and asks again.
        client = AsyncModbusTcpClient(
            self._settings.host,
            port=self._settings.port,
            timeout=self._settings.timeout_s,
            retries=0,
            reconnect_delay=0,
        )
        self._client = client
        if not await client.connect():
            raise Unreached(f"no connection to {self._settings.host}:{self._settings.port}")
        return client

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


class _Whole:
    """A question with its answer; whatever comes between ends the connection, and what pymodbus says of it is Unreached."""

    def __init__(self, carrier: ModbusCarrier) -> None:
        self._carrier = carrier

    async def __aenter__(self) -> AsyncModbusTcpClient:
        try:
            return await self._carrier.connected()
        except ModbusException as error:
            raise Unreached(str(error)) from error

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        self._carrier.close()
        if isinstance(error, ModbusException):
            raise Unreached(str(error)) from error


def _decoded(span: Span, points: Mapping[str, Register], words: Sequence[int]) -> Iterator[tuple[str, float]]:
    """Too short an answer says nothing of the points at its end."""
    for name in span.names:
        point = points[name]
        own = words[point.address - span.address :][: point.size]
        if len(own) == point.size:
            yield name, decode(point, own)


def _refusal(table: str, address: int, answer: ModbusPDU) -> Refused:
    code = answer.exception_code
    return Refused(f"{table} {address}: {REASONS.get(code, 'refused')} (Modbus exception {code})")


class MappedModbus(Mapped[Register]):
    """The driver `mapped-modbus`."""

    Settings = ModbusSettings

    def __init__(self, resource: ResourceId, settings: ModbusSettings, clock: Clock) -> None:
        for fault in _faults(settings):
            raise SettingsError(f'device "{resource}": {fault}')
        super().__init__(resource, settings, settings.points, ModbusCarrier(settings, clock), clock)


def _faults(settings: ModbusSettings) -> Iterator[str]:
    """What cannot be written where it is to be written."""
    written = dict(writes(settings.points))
    for name, point in written.items():
        if not point.writable:
            where = f"bit {point.bit} of {point.table}" if point.bit is not None else point.table
            yield f"points.{name}: {where} {point.address} cannot be written"
    if (both := overlapping(written.values())) is not None:
        yield f"points: two values are written to addresses {both[0]} and {both[1]}, of which one lies in the other"
    raws: list[tuple[str, Register, Raw | None]] = [("release_value", settings.points.setpoint, settings.release_value)]
    enable = settings.points.enable
    if enable is not None:
        raws += [("points.enable.on", enable, enable.on), ("points.enable.off", enable, enable.off)]
    for name, point, raw in raws:
        figure = 0.0 if raw is None else number(raw)
        if figure is None or not point.grid.low <= figure <= point.grid.high:
            yield f"{name}: {raw!r} does not fit {point.table} {point.address}"
