"""The driver `echonet` keeps the contract of drivers against real nodes: simulated devices behind real frames on UDP."""

from __future__ import annotations

from typing import Self

import pytest

from openadr_ra.drivers import check_driver
from openadr_ra.drivers.echonet import Echonet
from openadr_ra.drivers.echonet.simulated import Node
from openadr_ra.drivers.echonet.simulated_devices import SimulatedDevice
from openadr_ra.seams import Ack, Clock, Descriptor, Measurement, Setpoint
from tests.drivers.echonet_site import HASTY_S, PATIENT_S, address, echonet, simulated_device


class WithNode:
    """A driver and the node of its device, which live by one clock."""

    def __init__(self, driver: Echonet, node: Node | None) -> None:
        self._driver = driver
        self._node = node

    async def __aenter__(self) -> Self:
        if self._node is not None:
            await self._node.__aenter__()
        await self._driver.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._driver.__aexit__(None, None, None)
        if self._node is not None:
            await self._node.__aexit__(None, None, None)

    async def describe(self) -> Descriptor:
        return await self._driver.describe()

    async def apply(self, setpoint: Setpoint) -> Ack:
        return await self._driver.apply(setpoint)

    async def read(self) -> Measurement:
        return await self._driver.read()

    async def release(self, reason: str) -> Ack:
        return await self._driver.release(reason)


def plugged(clock: Clock, device: SimulatedDevice, kind: str, **settings: object) -> WithNode:
    host = address()
    return WithNode(echonet(clock, host, kind=kind, **settings), Node(host, (device,), clock))


def by_hand(clock: Clock, kind: str) -> WithNode:
    device = simulated_device(kind, clock)
    device.by_hand(-1.0)
    return plugged(clock, device, kind)


COMMON = ("describes", "reads", "envelope", "clamps", "sign")
LAST = ("lease", "order", "release", "unreachable", "override")


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("battery", (*COMMON, "reserve", *LAST)),
        ("v2h", (*COMMON, "reserve", *LAST)),
        ("pv", (*COMMON, *LAST)),
    ],
)
async def test_the_echonet_driver_keeps_every_promise_that_its_device_lets_it_show(
    kind: str, shown: tuple[str, ...]
) -> None:
    """All of them; PV stores nothing and has no reserve."""
    found = await check_driver(
        lambda clock: plugged(clock, simulated_device(kind, clock), kind),
        unreachable=lambda clock: WithNode(echonet(clock, address(), kind=kind, timeout_s=HASTY_S), None),
        overridden=lambda clock: by_hand(clock, kind),
        deadline_s=2 * PATIENT_S,
    )

    assert found == shown
