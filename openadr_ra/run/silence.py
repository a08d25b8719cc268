"""A VTN that has been silent for too long: its events are followed no longer, until it is heard of again."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from openadr_ra.errors import OadrRaError
from openadr_ra.protocol.step import Key
from openadr_ra.run.fleet import FleetDesk
from openadr_ra.run.upstream import UpstreamLink
from openadr_ra.seams import Clock, Store

log = logging.getLogger(__name__)

EVERY = timedelta(seconds=5)
"""How often it is looked, at least."""

AGAIN = timedelta(milliseconds=500)
"""How often while one is out of reach: it is followed again soon after it is heard of."""

STORED_EVERY = timedelta(minutes=1)
"""How often it is stored when VTNs were heard of. As much earlier a silence may seem to have begun after a restart."""


class Silence:
    """Watches the VTNs above: `await begin()` before anything moves devices, then `run`.

    A silence goes on over restarts of ours, so that a gateway that is killed again and again does not follow for ever
    what nobody stands by any more. A VTN that was never heard of has been silent since it was first looked.
    """

    def __init__(
        self, fleet: FleetDesk, links: Mapping[Key, UpstreamLink], *, store: Store, clock: Clock, offline_s: float
    ) -> None:
        self._fleet = fleet
        self._links = links
        self._store = store
        self._clock = clock
        self._patience = timedelta(seconds=offline_s)
        self._store_every = min(self._patience / 4, STORED_EVERY)
        self._stored: dict[Key, datetime] = {}
        self._before: dict[Key, datetime] = {}
        self._silent: set[Key] = set()

    async def begin(self) -> None:
        """Learn since when it has been silent, and look at once."""
        now = self._clock.now()
        self._stored = await self._store.seen()
        # Ours may have been set back meanwhile: what is said to be heard of later was heard of now.
        self._before = {key: min(self._stored.get(key, now), now) for key in self._links}
        # Those that were out of reach before this start are so until they are heard of.
        self._silent = set((await self._fleet.state()).cut)
        await self._look()

    async def run(self) -> None:
        """Look from time to time, until cancelled."""
        while True:
            often = AGAIN if self._silent else EVERY
            await self._clock.sleep_until(self._clock.now() + min(self._patience / 4, often))
            await self._look()

    async def _look(self) -> None:
        now = self._clock.now()
        for key, link in self._links.items():
            heard_at = link.contact.heard_at
            lost = heard_at is None and key in self._silent
            last = heard_at or self._before[key]
            cut = lost or now - last > self._patience
            try:
                if cut != (key in self._silent):
                    await self._fleet.cut_off(key, cut=cut)
                    (self._silent.add if cut else self._silent.discard)(key)
                await self._note(key, last)
            except OadrRaError as error:
                log.warning("! %s: %s", key, error)

    async def _note(self, key: Key, at: datetime) -> None:
        stored = self._stored.get(key)
        if stored is None or at - stored >= self._store_every:
            await self._store.see({key: at})
            self._stored[key] = at
