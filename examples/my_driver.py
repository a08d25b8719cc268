"""A driver of one's own: a boiler behind a relay. Its verbs are plain functions: the guard calls them in a thread.

[[device]]
id = "boiler"
driver = "examples.my_driver:Boiler"
rated_kw = 3.0
"""

from __future__ import annotations

from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.schedule import Slot
from openadr_ra.seams import Ack, Clock, Descriptor, DriverSettings, Measurement, Setpoint


class Boiler:
    class Settings(DriverSettings, frozen=True, kw_only=True):
        rated_kw: float = 2.0

    def __init__(self, resource: ResourceId, settings: Settings, clock: Clock) -> None:
        self.resource = resource
        self.rated_kw = settings.rated_kw
        self.clock = clock
        self.born = clock.now()
        self.sequence = -1
        self.relay = False  # here a real driver would have its relay board

    def describe(self) -> Descriptor:
        levels = (0.0, self.rated_kw)
        plan = (Slot(start=self.born, kw=0.0),)  # by itself it is off
        return Descriptor(
            id=self.resource, kind="consumer", min_kw=0.0, max_kw=self.rated_kw, levels_kw=levels, plan=plan
        )

    def apply(self, setpoint: Setpoint) -> Ack:
        if setpoint.sequence < self.sequence:
            return Ack(outcome="stale")
        self.sequence, self.relay = setpoint.sequence, setpoint.kw > self.rated_kw / 2
        kw = self.rated_kw * self.relay
        return Ack(outcome="accepted" if kw == setpoint.kw else "clamped", effective_kw=kw)

    def read(self) -> Measurement:
        kw = self.rated_kw * self.relay
        return Measurement(at=self.clock.now(), kw=kw, min_kw=0.0, max_kw=self.rated_kw)

    def release(self, reason: str) -> Ack:
        self.relay = False
        return Ack(outcome="accepted", effective_kw=0.0)
