"""ECHONET nodes for tests: each at a loopback address of its own, for UDP port 3610 of an address has one owner."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, closing
from typing import Self

from openadr_ra.drivers import VirtualClock
from openadr_ra.drivers.echonet import Echonet, EchonetSettings
from openadr_ra.drivers.echonet.link import PORT
from openadr_ra.drivers.echonet.simulated import Node
from openadr_ra.drivers.echonet.simulated_devices import SimulatedBattery, SimulatedDevice, SimulatedPv, SimulatedV2h
from openadr_ra.drivers.simulated.battery import BatterySettings
from openadr_ra.drivers.simulated.ev import EvSettings
from openadr_ra.drivers.simulated.pv import PvSettings
from openadr_ra.seams import Ack, Clock, Measurement
from tests.drivers.counterparts import absent
from tests.drivers.makers import DEVICE, after, setpoint

PATIENT_S = 30.0
"""For an answer that comes: a slow machine is no failure."""

HASTY_S = 0.3
"""For an answer that does not come."""

SOON_S = 1.0
"""For answers of which some come and some do not."""

NOTHING: Mapping[str, object] = {}


def _candidates() -> Iterator[str]:
    """Addresses of this process, without end. Others that run at the same time have other numbers."""
    number = os.getpid() % (254 * 256)
    while True:
        yield from (f"127.{1 + number // 256}.{number % 256}.{host}" for host in range(1, 255))


_addresses = _candidates()


def address() -> str:
    """A loopback address on which nobody has port 3610 now."""
    found = next((one for _, one in zip(range(254), _addresses, strict=False) if is_free(one)), None)
    return found or absent(
        "UDP port 3610 of many loopback addresses", "other programs have them, or the system has one"
    )


def is_free(host: str) -> bool:
    """Is there such an address, and does nobody have its port 3610?"""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.bind((host, PORT))
        except OSError:
            return False
        return True


def echonet(clock: Clock, host: str, **settings: object) -> Echonet:
    """A driver for the device at `host`, from an address of its own unless told."""
    told = {"host": host, "local_address": address(), "timeout_s": PATIENT_S} | settings
    return Echonet(DEVICE, EchonetSettings(**told), clock)  # type: ignore[arg-type]  # a test names what it is about


def stay(**changes: object) -> EvSettings:
    """A vehicle that stays for good and wants nothing."""
    told = {"discharge_kw": 6.0, "plan_kw": 0.0, "need_kwh": 0.0, "departs_after_h": None} | changes
    return EvSettings(**told)  # type: ignore[arg-type]  # as above


def simulated_device(kind: str, clock: Clock) -> SimulatedDevice:
    match kind:
        case "battery":
            return SimulatedBattery(clock)
        case "v2h":
            return SimulatedV2h(clock, stay())
        case _:
            return SimulatedPv(clock)


class Site:
    """A node with one device and the driver for it, all by one clock. Entered, node and driver are up."""

    def __init__(self, clock: VirtualClock, device: SimulatedDevice, **settings: object) -> None:
        self.clock = clock
        self.node = Node(address(), (device,), clock)
        self.driver = echonet(clock, self.node.address, **settings)
        self._stack = AsyncExitStack()
        self._sequence = 0

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.node)
        await self._stack.enter_async_context(self.driver)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def apply(self, kw: float) -> Ack:
        """Order `kw`, as the newest set-point."""
        self._sequence += 1
        return await self.driver.apply(setpoint(kw, sequence=self._sequence))

    async def reach(self, seconds: float) -> Measurement:
        """What the driver reads `seconds` after the start."""
        await self.clock.advance(after(seconds))
        return await self.driver.read()


class BatterySite(Site):
    def __init__(self, *, step_w: int = 1, battery: Mapping[str, object] = NOTHING, **settings: object) -> None:
        clock = VirtualClock()
        told = BatterySettings(**battery)  # type: ignore[arg-type]  # a test names what it is about
        self.device = SimulatedBattery(clock, told, step_w=step_w)
        super().__init__(clock, self.device, **settings)


class V2hSite(Site):
    def __init__(self, *, vehicle: Mapping[str, object] = NOTHING, **settings: object) -> None:
        clock = VirtualClock()
        self.device = SimulatedV2h(clock, stay(**vehicle))
        super().__init__(clock, self.device, kind="v2h", **settings)


class PvSite(Site):
    def __init__(self, *, plant: Mapping[str, object] = NOTHING, **settings: object) -> None:
        clock = VirtualClock()
        told = PvSettings(**plant)  # type: ignore[arg-type]  # as above
        self.device = SimulatedPv(clock, told)
        super().__init__(clock, self.device, kind="pv", **settings)
