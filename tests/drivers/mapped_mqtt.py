"""The battery behind a real broker: Debian's mosquitto, on a port of its own, in a process of its own."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Self

import aiomqtt

from openadr_ra.drivers import VirtualClock, build
from openadr_ra.drivers.mapped.mqtt import MappedMqtt
from openadr_ra.drivers.virtual_clock import settle
from openadr_ra.protocol.parts import GOOD
from openadr_ra.seams import Clock, Measurement
from tests.drivers.counterparts import need_program
from tests.drivers.makers import DEVICE
from tests.drivers.mapped_plant import CAPACITY_KWH, RATED_KW, RESERVE_PERCENT, Plant

PATIENCE_S = 30.0
"""By then a broker on a slow machine has started."""

SMALL_KWH = 0.1
"""A battery that is emptied in a few of its messages."""


PORTS = (20_000, 32_000)


class Broker:
    """mosquitto, with the files it needs in `folder`."""

    def __init__(self, folder: Path, *, lines: tuple[str, ...] = ("allow_anonymous true",)) -> None:
        self.folder = folder
        self.lines = lines
        self.port = 0
        self.process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        # It cannot choose a port by itself. Ports below those that the system gives away are free more often than not.
        for _ in range(20):
            self.port = PORTS[0] + secrets.randbelow(PORTS[1] - PORTS[0])
            with suppress(ConnectionError):
                await self.start()
                return self
        raise ConnectionError("mosquitto found no port")

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Run, on the same port as before; its log says when it does."""
        program = need_program("mosquitto", "mosquitto")
        config, log = self.folder / "mosquitto.conf", self.folder / "mosquitto.log"
        # Started by root it would become another user, who may not read the folder.
        text = (f"listener {self.port} 127.0.0.1", "user root", "persistence false", "set_tcp_nodelay true")
        config.write_text("\n".join((*text, f"log_dest file {log}", *self.lines)) + "\n")
        log.write_text("")
        self.process = await asyncio.create_subprocess_exec(
            program, "-c", str(config), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(PATIENCE_S):
            while self.process.returncode is None:
                if re.search(r"mosquitto version \S+ running", log.read_text()):
                    return
                await turn()
        raise ConnectionError("mosquitto ended: " + log.read_text())

    async def stop(self, *, kill: bool = False) -> None:
        if self.process is not None:
            if self.process.returncode is None:
                self.process.kill() if kill else self.process.terminate()
            await self.process.wait()
            self.process = None


async def turn() -> None:
    """Let the loop look at its sockets, without burning a core."""
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(0.005, event.set)
    await event.wait()


class Device:
    """The battery's own MQTT client: says its state, retained, after each command and at each instant of its clock."""

    def __init__(self, plant: Plant, port: int, *, name: str = "bat") -> None:
        self.plant = plant
        self.port = port
        self.name = name
        self.heard: list[tuple[str, str]] = []
        self.speaking = asyncio.Lock()
        self.stack = AsyncExitStack()
        self.client: aiomqtt.Client | None = None
        self.echo = asyncio.Queue[str]()
        self.marks = 0
        self.retains = True
        self.listening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.plug()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.unplug()

    async def plug(self) -> None:
        client = aiomqtt.Client(
            "127.0.0.1",
            self.port,
            will=aiomqtt.Will(f"{self.name}/online", "offline", 1, True),
            timeout=PATIENCE_S,
            socket_options=((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),),
        )
        self.client = await self.stack.enter_async_context(client)
        await client.subscribe([(f"{self.name}/cmd/#", 1), (f"{self.name}/mark", 1)])
        self.listening = asyncio.create_task(self.listen(client))
        await client.publish(f"{self.name}/online", "online", qos=1, retain=True)
        await self.say()

    async def unplug(self, *, politely: bool = True) -> None:
        """Sign off; or be cut off, and the broker says so."""
        if self.client is not None:
            if politely:
                await self.client.publish(f"{self.name}/online", "offline", qos=1, retain=True)
            self.client = None
        while self.listening is not None and not self.listening.done():
            # Until Python 3.12 a wait_for that ends at this very moment forgets that it was cancelled.
            self.listening.cancel()
            await asyncio.wait({self.listening}, timeout=1)
        stack, self.stack = self.stack, AsyncExitStack()
        with suppress(aiomqtt.MqttError):
            await stack.aclose()

    async def listen(self, client: aiomqtt.Client) -> None:
        with suppress(aiomqtt.MqttError):
            async for message in client.messages:
                topic, text = message.topic.value, bytes(message.payload).decode()
                if topic == f"{self.name}/mark":
                    self.echo.put_nowait(text)
                    continue
                self.heard.append((topic, text))
                self.obey(topic, text)
                await self.say()

    def obey(self, topic: str, text: str) -> None:
        match topic.removeprefix(f"{self.name}/cmd/"):
            case "power":
                order = json.loads(text)
                self.plant.set_kw(order["kw"])
                self.plant.set_timer(order["s"])
            case "mode":
                self.plant.set_remote(text == "REMOTE")

    async def say(self, body: str | None = None) -> None:
        """State now, or something else."""
        plant = self.plant
        async with self.speaking:
            client = self.client
            if client is None:
                return
            state = {
                "kw": plant.kw,
                "in": plant.import_kwh,
                "out": plant.export_kwh,
                "follows": plant.setpoint_kw,
                "local": plant.by_hand_kw is not None,
            }
            with suppress(aiomqtt.MqttError):
                text = json.dumps(state) if body is None else body
                await client.publish(f"{self.name}/state", text, qos=1, retain=self.retains)
                await client.publish(f"{self.name}/soc", f"{plant.soc_percent:.2f}", qos=1, retain=self.retains)
                mode = "REMOTE" if plant.remote else "AUTO"
                await client.publish(f"{self.name}/mode", mode, qos=1, retain=self.retains)

    async def settled(self) -> None:
        """All that was sent has come, and the state of this instant is said: a mark goes the way of the commands."""
        if self.client is None:
            await settle()
            return
        self.marks += 1
        await self.client.publish(f"{self.name}/mark", str(self.marks), qos=1)
        while await self.echo.get() != str(self.marks):
            pass
        await self.say()
        await settle()


def settings(port: int, *, name: str = "bat", **changes: object) -> dict[str, object]:
    """What such a battery's [[device]] says."""
    found: dict[str, object] = {
        "host": "127.0.0.1",
        "port": port,
        "client_id": f"gateway-{name}",
        "timeout_s": PATIENCE_S,
        "kind": "battery",
        "min_kw": -RATED_KW,
        "max_kw": RATED_KW,
        "capacity_kwh": CAPACITY_KWH,
        "reserve_percent": RESERVE_PERCENT,
        "plan_kw": 0.0,
        "points": points(name),
    }
    return found | changes


def points(name: str = "bat", **changes: object) -> dict[str, object]:
    """Its points; None leaves one out."""
    state, command = f"{name}/state", f"{name}/cmd/power"
    mode = {"on": "REMOTE", "off": "AUTO"}
    found: dict[str, object] = {
        "power": {"at": state, "path": "kw"},
        "import_energy": {"at": state, "path": "in"},
        "export_energy": {"at": state, "path": "out"},
        "soc": {"at": f"{name}/soc"},
        "local": {"at": state, "path": "local", "on": True, "off": False},
        "online": {"at": f"{name}/online", "on": "online", "off": "offline"},
        "setpoint": {"at": command, "path": "kw"},
        "lease": {"at": command, "path": "s", "step": 1},
        "setpoint_state": {"at": state, "path": "follows"},
        "enable": {"at": f"{name}/cmd/mode"} | mode,
        "enable_state": {"at": f"{name}/mode"} | mode,
    }
    return {key: point for key, point in (found | changes).items() if point is not None}


def driver(clock: Clock, port: int, name: str = "bat", /, **changes: object) -> MappedMqtt:
    made = build("mapped-mqtt", DEVICE, settings(port, name=name, **changes), clock)
    assert isinstance(made, MappedMqtt)
    return made


class Bay:
    """A battery behind a broker, its driver, and the clock that both live by."""

    def __init__(self, broker: Broker, device: Device, driver: MappedMqtt, clock: VirtualClock) -> None:
        self.broker = broker
        self.device = device
        self.plant = device.plant
        self.driver = driver
        self.clock = clock

    async def wait(self, seconds: float) -> None:
        await self.clock.advance(self.clock.now() + timedelta(seconds=seconds))

    async def until_good(self) -> Measurement:
        """What it reads as soon as it reads anything: connections take real time, and another try some of the clock's."""
        async with asyncio.timeout(PATIENCE_S):
            while (found := await self.driver.read()).quality != GOOD:
                await turn()
                await self.clock.advance(self.clock.now() + timedelta(seconds=1))
        return found


@asynccontextmanager
async def bay(broker: Broker, **changes: object) -> AsyncIterator[Bay]:
    """A driver and its battery at a broker; an instant of the clock is over when all that was said then has come."""

    async def settled() -> None:
        await device.settled()

    clock = VirtualClock(settle=settled)
    device = Device(Plant(clock), broker.port)
    async with device, driver(clock, broker.port, **changes) as made:
        yield Bay(broker, device, made, clock)


class Yard:
    """A battery of its own for each driver that a check makes."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.stack = AsyncExitStack()
        self.plugging: asyncio.Task[Device] | None = None
        self.number = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stack.aclose()

    def driver(self, clock: Clock, by_hand_kw: float | None = None) -> MappedMqtt:
        self.number += 1
        device = Device(Plant(clock, capacity_kwh=SMALL_KWH), self.broker.port, name=f"bat-{self.number}")
        device.plant.by_hand_kw = by_hand_kw
        self.plugging = asyncio.create_task(self.stack.enter_async_context(device))
        return driver(clock, self.broker.port, device.name, capacity_kwh=SMALL_KWH)

    def gone(self, clock: Clock) -> MappedMqtt:
        """A driver whose battery was never there."""
        self.number, self.plugging = self.number + 1, None
        return driver(clock, self.broker.port, f"bat-{self.number}", timeout_s=0.2)

    async def settled(self) -> None:
        if self.plugging is None:
            await settle()
        else:
            await (await self.plugging).settled()
