"""A battery that goes on whoever drives it: it listens on a socket, and a driver in whatever process talks to it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import msgspec

from openadr_ra.drivers.simulated import Battery
from openadr_ra.drivers.simulated.battery import BatterySettings
from openadr_ra.protocol.model import ResourceId
from openadr_ra.run.clock import SystemClock
from openadr_ra.seams import Ack, Clock, Descriptor, DriverSettings, Measurement, Setpoint
from tests.run.site import Table


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What a driver says to the device, a line of JSON."""

    verb: str
    setpoint: Setpoint | None = None
    reason: str = ""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What the device was told: a power for an event, or None and why."""

    at: datetime
    kw: float | None
    event_id: str = ""
    why: str = ""


class Device:
    """The battery and what it was told. `table` is its [[device]] table."""

    def __init__(self, name: str, battery: Battery) -> None:
        self.orders: list[Order] = []
        self.table: Table = {}
        self._name = name
        self._battery = battery
        self._told = asyncio.Event()

    def listens(self, port: int) -> None:
        self.table = {"id": self._name, "driver": "tests.run.device:Remote", "port": port}

    async def changed(self, within: timedelta) -> None:
        """Return at the next order, or when the time is over."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self._told.wait()
        except TimeoutError:
            return

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One call, one answer."""
        try:
            line = await reader.readline()
            if line:
                writer.write(msgspec.json.encode(await self._answer(msgspec.json.decode(line, type=Call))))
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _answer(self, call: Call) -> Ack | Descriptor | Measurement:
        match call.verb:
            case "describe":
                return await self._battery.describe()
            case "apply" if call.setpoint is not None:
                self._note(Order(at=datetime.now(UTC), kw=call.setpoint.kw, event_id=call.setpoint.event_id))
                return await self._battery.apply(call.setpoint)
            case "release":
                self._note(Order(at=datetime.now(UTC), kw=None, why=call.reason))
                return await self._battery.release(call.reason)
        return await self._battery.read()

    def _note(self, order: Order) -> None:
        self.orders.append(order)
        self._told.set()
        self._told = asyncio.Event()


@asynccontextmanager
async def device(name: str = "bat-1") -> AsyncIterator[Device]:
    """A battery of 5 kW on a port of its own."""
    clock = SystemClock()
    made = Device(name, Battery(ResourceId(name), BatterySettings(), clock))
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    async with server:
        made.listens(server.sockets[0].getsockname()[1])
        yield made


class Remote:
    """The driver of such a device, as an integrator might write it: plain functions that block."""

    class Settings(DriverSettings, frozen=True, kw_only=True):
        port: int

    def __init__(self, resource: ResourceId, settings: Settings, clock: Clock) -> None:
        self._port = settings.port

    def describe(self) -> Descriptor:
        return msgspec.json.decode(self._ask(Call(verb="describe")), type=Descriptor)

    def apply(self, setpoint: Setpoint) -> Ack:
        return msgspec.json.decode(self._ask(Call(verb="apply", setpoint=setpoint)), type=Ack)

    def read(self) -> Measurement:
        return msgspec.json.decode(self._ask(Call(verb="read")), type=Measurement)

    def release(self, reason: str) -> Ack:
        return msgspec.json.decode(self._ask(Call(verb="release", reason=reason)), type=Ack)

    def _ask(self, call: Call) -> bytes:
        with socket.create_connection(("127.0.0.1", self._port), timeout=5) as link:
            link.sendall(msgspec.json.encode(call) + b"\n")
            with link.makefile("rb") as answer:
                return answer.read()
