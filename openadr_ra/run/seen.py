"""When each VEN was heard of last: that moves with every message, so it is in memory, and stored once a minute."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from openadr_ra.errors import OadrRaError
from openadr_ra.protocol.instruction import party
from openadr_ra.protocol.model import VenId
from openadr_ra.seams import Clock, Store

log = logging.getLogger(__name__)

EVERY = timedelta(minutes=1)
"""So often what has changed is stored: as much of it is lost with the process."""


class Seen:
    """Keeps `at` as the store does; whoever hears of a VEN writes it there."""

    def __init__(self, store: Store, clock: Clock, at: dict[VenId, datetime]) -> None:
        self._store = store
        self._clock = clock
        self._at = at
        self._stored = datetime.min.replace(tzinfo=UTC)

    async def learn(self) -> None:
        """What was stored before this start, or since by other processes; what we know to be newer stays."""
        for key, at in (await self._store.seen()).items():
            kind, _, ven = key.partition("/")
            if kind == "party":
                self._at[VenId(ven)] = max(at, self._at.get(VenId(ven), at))

    async def store(self) -> None:
        """All that is new since the last time."""
        # What is heard of while this is stored belongs to the next time.
        since, self._stored = self._stored, self._clock.now()
        try:
            await self._store.see({party(ven): at for ven, at in self._at.items() if at >= since})
        except OadrRaError as error:
            self._stored = since
            log.warning("! when VENs were heard of is not stored: %s", error)

    async def run(self) -> None:
        """Store it from time to time, until cancelled."""
        while True:
            await self._clock.sleep_until(self._clock.now() + EVERY)
            await self.store()
            if self._store.shared:
                await self.learn()

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """It is known from before in the block, and stored when it is left."""
        await self.learn()
        self._stored = self._clock.now()
        try:
            yield
        finally:
            await self.store()
