"""An edge gateway with a driver of its own: a genset behind a relay. Run it where its settings are, edge.toml."""

import asyncio

from openadr_ra import Ack, Clock, Descriptor, DriverSettings, Measurement, ResourceId, Setpoint, Ven


class Genset:
    Settings = DriverSettings  # it has none of its own

    def __init__(self, resource: ResourceId, settings: DriverSettings, clock: Clock) -> None:
        self.resource, self.clock, self.kw = resource, clock, 0.0  # a real one would have its relay board here

    def describe(self) -> Descriptor:
        return Descriptor(id=self.resource, kind="generator", min_kw=-3.0, max_kw=0.0, levels_kw=(-3.0, 0.0))

    def apply(self, setpoint: Setpoint) -> Ack:
        self.kw = -3.0 if setpoint.kw < -1.5 else 0.0  # the guard round it sees to order, leases and deadlines
        return Ack(outcome="accepted" if self.kw == setpoint.kw else "clamped", effective_kw=self.kw)

    def read(self) -> Measurement:
        return Measurement(at=self.clock.now(), kw=self.kw, min_kw=-3.0, max_kw=0.0)

    def release(self, reason: str) -> Ack:
        self.kw = 0.0
        return Ack(outcome="accepted", effective_kw=self.kw)


asyncio.run(Ven.from_toml("edge.toml", drivers={"genset": Genset}).run())
