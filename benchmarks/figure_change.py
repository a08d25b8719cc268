"""A changed instruction on its way from a coordinator to 450 devices: AC, RA and 90 gateways with five batteries each.

All of them run in one process, over plain HTTP on loopback, with held polls; the time is from the operator's order until the
last of the devices has its new set-point.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from statistics import median

from benchmarks.measure import Figure
from openadr_ra.drivers.simulated import Battery
from openadr_ra.drivers.simulated.battery import BatterySettings
from openadr_ra.protocol.model import OPT_IN, EventId, ResourceId
from openadr_ra.protocol.schedule import Schedule, Slot
from openadr_ra.run.clock import SystemClock
from openadr_ra.run.fleet import FleetDesk
from openadr_ra.run.node import Node
from openadr_ra.seams import Ack, Clock, Setpoint
from openadr_ra.settings import from_table
from openadr_ra.store import MemoryStore

GATEWAYS, EACH = 90, 5
DEVICES = GATEWAYS * EACH
MOST_S = 5.0
CHANGES_KW = (-1.0, -2.0, -1.5, 0.5, -0.5)
"""What each device is asked for in turn; the first is the instruction itself."""

PATIENCE_S = 120.0
START_S = 3.0

Table = dict[str, object]


class Board:
    """When each device was told its newest power; whoever waits hears when the last one was."""

    def __init__(self) -> None:
        self.wanted_kw = 0.0
        self.told: set[str] = set()
        self.done = asyncio.Event()
        self.at = 0.0

    def wants(self, kw: float) -> None:
        self.wanted_kw, self.told = kw, set()
        self.done.clear()

    def hears(self, device: str, kw: float) -> None:
        if abs(kw - self.wanted_kw) < 0.2 and device not in self.told:
            self.told.add(device)
            self.at = time.perf_counter()
            if len(self.told) == DEVICES:
                self.done.set()


def figures() -> Iterator[Figure]:
    seconds = asyncio.run(_changes())
    for name, ours in (("median", median(seconds)), ("slowest", max(seconds))):
        yield Figure(
            name=f"a change from AC to the last of {DEVICES} devices, {name} of {len(seconds)}",
            unit="s wall",
            ours=ours,
            goal=f"at most {MOST_S:g} s",
            met=ours <= MOST_S,
        )


async def _changes() -> list[float]:
    board = Board()

    class Told(Battery):
        """A battery that says what it was told."""

        def __init__(self, resource: ResourceId, settings: BatterySettings, clock: Clock) -> None:
            super().__init__(resource, settings, clock)
            self._name = resource

        async def apply(self, setpoint: Setpoint) -> Ack:
            board.hears(self._name, setpoint.kw)
            return await super().apply(setpoint)

    async with AsyncExitStack() as stack:
        ac = await _node(stack, {"name": "ac", "downstream": _down("ac")})
        ra = await _node(stack, {"name": "ra", "upstream": [_up(ac, "ra")], "downstream": _down("ra")})
        for number in range(GATEWAYS):
            devices = [{"id": f"b-{number}-{index}", "driver": "told"} for index in range(EACH)]
            table: Table = {"name": f"g-{number}", "upstream": [_up(ra, f"g-{number}")], "device": devices}
            node = Node(
                from_table(table | {"fleet": FLEET}, Path("n.toml")), drivers={"told": Told}, store=MemoryStore()
            )
            await stack.enter_async_context(node.running())
        desk = ac.fleet
        assert desk is not None
        await _known(desk)
        return [seconds async for seconds in _timed(desk, board)]


FLEET: Table = {"read_every_s": 5, "track_every_s": 10, "settle_s": 6, "hold_mean": False, "stated_s": 60}


def _down(name: str) -> Table:
    return {"listen": "127.0.0.1:0", "vtn_id": name, "admit": "ca", "live_s": 5, "slot_s": 0, "silent_reports": 20}


def _up(node: Node, ven: str) -> Table:
    assert node.vtn is not None
    return {"url": node.vtn.url, "name": node.settings.name, "ven_id": ven}


async def _node(stack: AsyncExitStack, table: Table) -> Node:
    node = Node(from_table({"fleet": FLEET} | table, Path("n.toml")), store=MemoryStore())
    return await stack.enter_async_context(node.running())


async def _known(desk: FleetDesk) -> None:
    """Wait until the coordinator knows that all of the devices are there."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            last = member.last if (member := (await desk.state()).members.get(ResourceId("ra"))) is not None else None
            if last is not None and -last.min_kw >= 4.9 * DEVICES:
                return
            await asyncio.sleep(0.2)


async def _timed(desk: FleetDesk, board: Board) -> AsyncIterator[float]:
    """Seconds from each order to the last device; the first one, with which the slot begins, is not counted."""
    start = SystemClock().now().replace(microsecond=0) + timedelta(seconds=START_S)
    for number, kw in enumerate(CHANGES_KW):
        board.wants(kw)
        slot = Slot(start=start, end=start + timedelta(minutes=30), kw=kw * DEVICES)
        ordered = time.perf_counter()
        promise = await desk.instruct(Schedule(id=EventId("change"), slots=(slot,)))
        assert promise.verdict.opt == OPT_IN, promise.verdict
        async with asyncio.timeout(PATIENCE_S):
            await board.done.wait()
        if number:
            yield board.at - ordered
        # The next order finds everybody at rest.
        await asyncio.sleep(3)
