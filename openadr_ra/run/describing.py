"""What the node's devices are: a device that was off, or did not know itself, is described again once it is there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta

from openadr_ra.drivers.guard import Guard
from openadr_ra.protocol.model import ResourceId
from openadr_ra.seams import Clock, Descriptor, Measurement

log = logging.getLogger(__name__)

AGAIN_S = 60.0
"""So often a device is asked what it is, as long as that is not known."""


class Descriptions:
    """The descriptions of the devices behind `guards`, in their order. `heard` is told of each round of readings."""

    def __init__(self, guards: Mapping[ResourceId, Guard], clock: Clock) -> None:
        self._guards = guards
        self._clock = clock
        self._known: dict[ResourceId, Descriptor] = {}
        self._away: set[ResourceId] = set()
        self._back: set[ResourceId] = set()
        self._poked = asyncio.Event()

    def all(self) -> tuple[Descriptor, ...]:
        """Those that are known."""
        return tuple(self._known[name] for name in self._guards if name in self._known)

    async def first(self, resource: ResourceId) -> None:
        """Ask a device at the start; whatever it says is asked again when it has been read for the first time."""
        described = await self._guards[resource].describe()
        self._away.add(resource)
        if described is None:
            log.warning("! %s cannot be described; it takes part as soon as it can", resource)
        else:
            self._known[resource] = described

    def heard(self, measured: Mapping[ResourceId, Measurement]) -> None:
        """Devices that can be reached again may be others than before."""
        for resource in self._guards.keys() & measured.keys():
            if not measured[resource].online:
                self._away.add(resource)
            elif resource in self._away:
                self._away.discard(resource)
                self._back.add(resource)
                self._poked.set()

    async def changed(self) -> None:
        """Return once a device is described otherwise than before, or for the first time."""
        while True:
            await self._due()
            asked, self._back = self._back | self._unknown(), set()
            found = await asyncio.gather(*(self._described(resource) for resource in asked))
            if any(found):
                return

    def _unknown(self) -> set[ResourceId]:
        """Not described, or without a range."""
        return {
            name for name in self._guards if (known := self._known.get(name)) is None or known.min_kw == known.max_kw
        }

    async def _described(self, resource: ResourceId) -> bool:
        described = await self._guards[resource].describe()
        if described is None or described == self._known.get(resource):
            return False
        log.info("= %s is described %s", resource, "anew" if resource in self._known else "at last")
        self._known[resource] = described
        return True

    async def _due(self) -> None:
        """Until a device is back, or a minute while one is unknown."""
        if not self._unknown():
            await self._poked.wait()
        else:
            poked = asyncio.ensure_future(self._poked.wait())
            until = self._clock.now() + timedelta(seconds=AGAIN_S)
            slept = asyncio.ensure_future(self._clock.sleep_until(until))
            try:
                await asyncio.wait((poked, slept), return_when=asyncio.FIRST_COMPLETED)
            finally:
                poked.cancel()
                slept.cancel()
        self._poked.clear()
