"""Set-points, readings and drivers for tests, with defaults for what a test is not about."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from openadr_ra.drivers import VirtualClock, build
from openadr_ra.drivers.simulated.shell import Simulated
from openadr_ra.drivers.virtual_clock import START
from openadr_ra.protocol.model import EventId, ResourceId
from openadr_ra.seams import Clock, Descriptor, Measurement, Need, Setpoint

DEVICE = ResourceId("device-1")
MINUTE_S = 60.0
HOUR_S = 3600.0
DAY_S = 24 * HOUR_S

KINDS = (
    "simulated-battery",
    "simulated-ev",
    "simulated-generator",
    "simulated-line",
    "simulated-load",
    "simulated-pv",
    "simulated-thermal",
    "simulated-v2h",
    "simulated-wind",
)


def after(seconds: float) -> datetime:
    """So long after the start of a virtual clock."""
    return START + timedelta(seconds=seconds)


def setpoint(kw: float = -1.0, *, sequence: int = 1, until_s: float = DAY_S, event: str = "event-1") -> Setpoint:
    return Setpoint(event_id=EventId(event), sequence=sequence, kw=kw, lease_until=after(until_s))


def descriptor(**changes: object) -> Descriptor:
    made = Descriptor(id=DEVICE, kind="battery", min_kw=-5.0, max_kw=5.0)
    return msgspec.structs.replace(made, **changes)


def reading(**changes: object) -> Measurement:
    made = Measurement(at=START, kw=-1.0, min_kw=-5.0, max_kw=5.0)
    return msgspec.structs.replace(made, **changes)


def stated(need: Need | None) -> tuple[float, float, float]:
    """A need: kWh, seconds after the start of the clock until when, kWh to spare."""
    assert need is not None
    return need.kwh, (need.by - START).total_seconds(), need.spare_kwh


def simulated(kind: str, clock: Clock, settings: Mapping[str, object] | None = None) -> Simulated:
    """A device of `kind`, told `settings`, made as a node makes it."""
    made = build(kind, DEVICE, settings or {}, clock)
    assert isinstance(made, Simulated)
    return made


class Site:
    """One simulated device and the clock it lives by."""

    def __init__(self, kind: str, **settings: object) -> None:
        self.clock = VirtualClock()
        self.device = simulated(kind, self.clock, settings)

    async def reach(self, seconds: float) -> Measurement:
        """The device `seconds` after the start."""
        await self.clock.advance(after(seconds))
        return await self.device.read()

    async def kw(self, seconds: float) -> float:
        return (await self.reach(seconds)).kw
