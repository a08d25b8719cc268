"""When a VEN reads its devices."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openadr_ra.drivers.simulated import Battery
from openadr_ra.drivers.simulated.battery import BatterySettings
from openadr_ra.drivers.virtual_clock import VirtualClock
from openadr_ra.protocol.model import ResourceId
from openadr_ra.run.ven import Ven
from openadr_ra.seams import Clock, Measurement
from openadr_ra.settings import from_table
from openadr_ra.store import MemoryStore

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Watched(Battery):
    """A battery that notes when it was read."""

    def __init__(self, resource: ResourceId, settings: BatterySettings, clock: Clock) -> None:
        super().__init__(resource, settings, clock)
        self._noted = clock
        self.read_at: list[datetime] = []

    async def read(self) -> Measurement:
        self.read_at.append(self._noted.now())
        return await super().read()


@pytest.mark.parametrize("every_s", [0.25, 1.0, 2.0])
async def test_devices_are_read_at_once_and_then_on_the_clocks_grid(tmp_path: Path, every_s: float) -> None:
    """Intervals begin and end on the grid, so that the energy register is known at their edges."""
    begun = datetime(2026, 1, 1, 3, 0, 0, 300_000, tzinfo=UTC)
    clock = VirtualClock(begun)
    made: list[Watched] = []

    class Mine(Watched):
        def __init__(self, resource: ResourceId, settings: BatterySettings, clock: Clock) -> None:
            super().__init__(resource, settings, clock)
            made.append(self)

    table = {
        "fleet": {"read_every_s": every_s},
        "upstream": [{"url": "http://127.0.0.1:9/OpenADR2/Simple/2.0b"}],
        "device": [{"id": "bat-1", "driver": "mine"}],
    }
    settings = from_table(table, tmp_path / "edge.toml")
    async with Ven(settings, drivers={"mine": Mine}, clock=clock, store=MemoryStore()).running():
        await clock.advance(begun + timedelta(seconds=6))

    first, *rest = made[0].read_at
    assert first == begun
    assert len(rest) == 6 // every_s
    assert not any((when - EPOCH) % timedelta(seconds=every_s) for when in rest)
