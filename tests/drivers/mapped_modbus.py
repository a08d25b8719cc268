"""The battery behind registers: pymodbus's own server, in its maker's units, signs and word orders.

Generation is positive there, powers are in W and 10 W, the low word of a power comes first.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Self

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from openadr_ra.drivers import VirtualClock, build
from openadr_ra.drivers.mapped.modbus import MappedModbus
from openadr_ra.seams import Clock
from tests.drivers.makers import DEVICE
from tests.drivers.mapped_plant import CAPACITY_KWH, RATED_KW, RESERVE_PERCENT, Plant

INPUTS, HOLDINGS = 16, 8
LOCAL = 1
READ_HOLDING, READ_INPUT, WRITE_ONE = 3, 4, 6
PATIENCE_S = 20.0
"""So long a slow machine may take for an answer."""

NOBODY = -32_768
"""The set-point of a battery that nobody leads."""


class Registers:
    """A Modbus server for one plant. Each request is answered by `action`, from the plant as it is at that moment."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.raw_setpoint = NOBODY
        self.port = 0
        self.gate = asyncio.Event()
        self.gate.set()
        """Closed, no request is answered before it opens."""
        self.refused: dict[tuple[int, int], ExcCodes] = {}
        """By function code and address: what is answered instead."""
        self.holes: set[int] = set()
        """Input registers that it does not have."""
        self.asked: list[tuple[int, int, int]] = []
        self.writes: list[tuple[int, int]] = []
        self.forced: dict[int, int] = {}
        """Input registers that lie."""
        self.server: ModbusTcpServer | None = None

    async def __aenter__(self) -> Self:
        await self.plug()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.unplug()

    async def plug(self) -> None:
        """Listen; the second time where it was."""
        empty: list[SimData] = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
        device = SimDevice(
            id=1,
            simdata=(
                empty,
                [SimData(0, values=[False] * 16, datatype=DataType.BITS)],
                [SimData(0, values=[0] * HOLDINGS, datatype=DataType.REGISTERS)],
                [SimData(0, values=[0] * INPUTS, datatype=DataType.REGISTERS)],
            ),
            action=self.action,
        )
        self.server = ModbusTcpServer(device, address=("127.0.0.1", self.port))
        await self.server.serve_forever(background=True)
        listening: object = self.server.transport
        assert isinstance(listening, asyncio.Server)
        self.port = listening.sockets[0].getsockname()[1]

    async def unplug(self) -> None:
        """Connections break, and nobody listens."""
        if self.server is not None:
            await self.server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus has types, but not here
            self.server = None

    def restart(self) -> None:
        self.plant.restart()
        self.raw_setpoint = NOBODY

    async def action(
        self,
        code: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """One request: `values` are what it writes."""
        self.asked.append((code, address, count))
        await self.gate.wait()
        if (code, address) in self.refused:
            return self.refused[code, address]
        if code == READ_INPUT and self.holes.intersection(range(address, address + count)):
            return ExcCodes.ILLEGAL_ADDRESS
        if values is not None:
            for offset, one in enumerate(values):
                self._written(address + offset, int(one))
        fresh = self._inputs() if code == READ_INPUT else self._holdings()
        registers[: len(fresh)] = fresh
        return None

    def _written(self, address: int, word: int) -> None:
        self.writes.append((address, word))
        plant = self.plant
        match address:
            case 0:
                self.raw_setpoint = _signed(word)
                plant.set_kw(0.0 if self.raw_setpoint == NOBODY else -self.raw_setpoint / 100)
            case 1:
                plant.set_remote(word == 3)
            case 2:
                plant.set_timer(word)
            case 3:
                plant.heartbeat = word

    def _holdings(self) -> list[int]:
        plant = self.plant
        return [*struct.unpack(">H", struct.pack(">h", self.raw_setpoint)), 3 if plant.remote else 1, 0, 0, 0, 0, 0, 0]

    def _inputs(self) -> list[int]:
        plant = self.plant
        plant.counter = (plant.counter + 1) % 65_536
        kw = plant.kw
        status = LOCAL if plant.by_hand_kw is not None else 0
        words = [
            *reversed(_words(">i", round(-kw * 1000))),
            *_words(">I", round(plant.import_kwh * 1000)),
            *_words(">I", round(plant.export_kwh * 1000)),
            round(plant.soc_percent * 10),
            status,
            plant.counter,
            0,
            *_words(">f", plant.min_kw),
            *_words(">f", plant.max_kw),
        ]
        return [self.forced.get(address, word) for address, word in enumerate(words)]


def _words(form: str, number: float) -> list[int]:
    return list(struct.unpack(">2H", struct.pack(form, number)))


def _signed(word: int) -> int:
    return word - 65_536 if word > 32_767 else word


def settings(port: int, **changes: object) -> dict[str, object]:
    """What such a battery's [[device]] says."""
    found: dict[str, object] = {
        "host": "127.0.0.1",
        "port": port,
        "timeout_s": PATIENCE_S,
        "kind": "battery",
        "min_kw": -RATED_KW,
        "max_kw": RATED_KW,
        "capacity_kwh": CAPACITY_KWH,
        "reserve_percent": RESERVE_PERCENT,
        "plan_kw": 0.0,
        "release_value": NOBODY,
        "points": points(),
    }
    return found | changes


def points(**changes: object) -> dict[str, object]:
    """Its points; None leaves one out."""
    setpoint = {"address": 0, "type": "int16", "unit": "W", "scale": 10, "sign": "generation"}
    found: dict[str, object] = {
        "power": {
            "table": "input",
            "address": 0,
            "type": "int32",
            "word_order": "little",
            "unit": "W",
            "sign": "generation",
        },
        "import_energy": {"table": "input", "address": 2, "type": "uint32", "unit": "Wh"},
        "export_energy": {"table": "input", "address": 4, "type": "uint32", "unit": "Wh"},
        "soc": {"table": "input", "address": 6, "type": "uint16", "scale": 0.1, "invalid": [65535]},
        "local": {"table": "input", "address": 7, "type": "uint16", "bit": 0},
        "alive": {"table": "input", "address": 8, "type": "uint16"},
        "min_power": {"table": "input", "address": 10, "type": "float32"},
        "max_power": {"table": "input", "address": 12, "type": "float32"},
        "setpoint": setpoint,
        "setpoint_state": setpoint | {"invalid": [NOBODY]},
        "enable": {"address": 1, "type": "uint16", "on": 3, "off": 1},
        "enable_state": {"address": 1, "type": "uint16", "on": 3, "off": 1},
        "lease": {"address": 2, "type": "uint16"},
    }
    return {name: point for name, point in (found | changes).items() if point is not None}


def driver(clock: Clock, port: int, **changes: object) -> MappedModbus:
    made = build("mapped-modbus", DEVICE, settings(port, **changes), clock)
    assert isinstance(made, MappedModbus)
    return made


class Bay:
    """A battery behind registers, its driver, and the clock that both live by."""

    def __init__(self, registers: Registers, driver: MappedModbus, clock: VirtualClock) -> None:
        self.registers = registers
        self.plant = registers.plant
        self.driver = driver
        self.clock = clock

    async def wait(self, seconds: float) -> None:
        await self.clock.advance(self.clock.now() + timedelta(seconds=seconds))


@asynccontextmanager
async def bay(**changes: object) -> AsyncIterator[Bay]:
    """A driver at its battery."""
    clock = VirtualClock()
    async with Registers(Plant(clock)) as registers, driver(clock, registers.port, **changes) as made:
        yield Bay(registers, made, clock)
