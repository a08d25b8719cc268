"""A plant whose batteries hold what was put into them."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from openadr_ra.fleet.fleet import FleetTerms
from openadr_ra.fleet.recover import RECOVERY
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.step import Apply
from openadr_ra.seams import Descriptor, Measurement
from tests.fleet.world import NOON, Device, Plant, after, schedule

TERMS = FleetTerms(recover=True, recover_kw=4.0)

SETTLED = 30.25
"""Minutes after noon at which half an hour's slot has been measured to its end."""


class Store(Device):
    """Without losses. What it was told counts until its lease ends, also while it is out of reach."""

    def __init__(self, descriptor: Descriptor, first_kwh: float) -> None:
        super().__init__(descriptor)
        self.told: Apply | None = None
        self._first_kwh = first_kwh
        self._zero_kwh = super().measures(NOON).import_kwh or 0.0

    def obeys(self, setpoint: Apply) -> None:
        super().obeys(setpoint)
        if self.online:
            self.told = setpoint

    def measures(self, now: datetime) -> Measurement:
        found = super().measures(now)
        capacity_kwh = self.descriptor.energy.capacity_kwh if self.descriptor.energy is not None else 0.0
        kwh = self._first_kwh + (found.import_kwh or 0.0) - self._zero_kwh
        return replace(
            found,
            soc_percent=kwh / capacity_kwh * 100,
            can_reduce_kwh=max(kwh, 0.0),
            can_raise_kwh=max(capacity_kwh - kwh, 0.0),
        )

    def held_kw(self, now: datetime) -> float:
        """What it was told, or else its plan."""
        plan_kw = next((slot.kw for slot in self.descriptor.plan if slot.start <= now < slot.end), 0.0)
        if self.override or self.told is None or self.told.kw is None or now >= self.told.lease_until:
            return plan_kw
        return self.told.kw


class Yard(Plant):
    """The batteries of a plant are half full at first."""

    def __init__(
        self, *descriptors: Descriptor, terms: FleetTerms = TERMS, read_every: timedelta = timedelta(seconds=10)
    ) -> None:
        super().__init__(*descriptors, terms=terms, read_every=read_every)
        self.stores: dict[str, Store] = {}
        for one in descriptors:
            if one.energy is not None:
                self.stores[one.id] = Store(one, one.energy.capacity_kwh / 2)
        self.devices |= {ResourceId(name): store for name, store in self.stores.items()}
        self.measures()

    def soc(self, name: str) -> float:
        """Percent, as it is now."""
        store = self.stores[name]
        store.runs_to(self.now)
        return store.measures(self.now).soc_percent or 0.0

    def recovering(self) -> set[str]:
        """Who holds a set-point to be brought back."""
        return {id for id, event_id in self.fleet.given.items() if event_id == RECOVERY}

    def journal(self, name: str) -> list[tuple[str, str]]:
        return [(one.what, one.detail) for one in self.entries if one.subject == f"resource/{name}"]


def used(*descriptors: Descriptor, kw: float = -6.0, terms: FleetTerms = TERMS) -> Yard:
    """After half an hour at that power."""
    yard = Yard(*descriptors, terms=terms)
    yard.instructs(schedule(kw))
    yard.runs_to(after(30))
    return yard
