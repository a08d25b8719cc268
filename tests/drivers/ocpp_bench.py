"""A driver with its charge point on a loopback socket and a car at it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from types import TracebackType
from typing import Self

import msgspec

from openadr_ra.drivers.ocpp import Charger, OcppSettings
from openadr_ra.drivers.virtual_clock import VirtualClock, settle
from openadr_ra.seams import Ack, Clock, Descriptor, Measurement, Setpoint
from tests.drivers.makers import DEVICE, setpoint
from tests.drivers.ocpp_device import Device, Version

LOOPBACK = "127.0.0.1:0"
PATIENT_S = 30.0
"""No test waits so long, but a busy machine may be slow."""


def driver(clock: Clock, **changes: object) -> Charger:
    """For the first connector of CP_1, told `changes`."""
    told = {"listen": LOOPBACK, "charge_point": "CP_1", "timeout_s": PATIENT_S} | changes
    return Charger(DEVICE, msgspec.convert(told, OcppSettings), clock)


class Bench:
    """Entered it is a charger that is connected and charges a car, to be driven by its verbs."""

    def __init__(
        self,
        clock: VirtualClock,
        version: Version = "1.6",
        *,
        by_hand_kw: float | None = None,
        device: Device | None = None,
        plugs: bool = True,
        **settings: object,
    ) -> None:
        self.clock = clock
        self.charger = driver(clock, **settings)
        self.device = device or Device(clock, version)
        self.plugs = plugs
        self.by_hand_kw = by_hand_kw
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.charger)
        self._stack.push_async_callback(self.device.close)
        await self.device.connect(self.charger.port, boots=self.plugs)
        if self.plugs:
            await self.device.plug()
        if self.by_hand_kw is not None:
            # A charger shows that it does not follow once it is told to.
            await self.charger.read()
            await self.charger.apply(setpoint(2.0, sequence=0))
            await self.device.quiet()
            self.device.outlet.hand_kw = self.by_hand_kw
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def describe(self) -> Descriptor:
        return await self.charger.describe()

    async def apply(self, order: Setpoint) -> Ack:
        return await self.charger.apply(order)

    async def read(self) -> Measurement:
        return await self.charger.read()

    async def release(self, reason: str) -> Ack:
        return await self.charger.release(reason)

    async def wait(self, seconds: float) -> None:
        """Let time pass, and all that it sets going."""
        await self.clock.advance(self.clock.now() + timedelta(seconds=seconds))
        await self.device.quiet()


async def settle_all(benches: Sequence[Bench]) -> None:
    await settle()
    for bench in benches:
        await bench.device.quiet()


async def until_gone(bench: Bench) -> None:
    """The other end of a socket hears of its end in its own time."""
    async with asyncio.timeout(PATIENT_S):
        while (await bench.read()).online:
            await settle()
