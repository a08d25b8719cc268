"""A gateway's store within its size: live samples are thinned, the oldest first; slot and response values never are."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from openadr_ra.protocol import producer
from openadr_ra.protocol.debts import Update
from openadr_ra.protocol.node import EndNode
from openadr_ra.run.forgetting import EVER, LEAST_SAMPLES, PAUSE_S, SLICE, forget
from openadr_ra.seams import Store

log = logging.getLogger(__name__)

FINE = timedelta(minutes=1)
"""First one sample a minute is left: as fine as history is told, and as the usual report asks."""

COARSE = timedelta(minutes=30)
"""Then one for each half-hour slot."""

RECENT = timedelta(hours=1)
"""Samples that are younger stay as they are: what runs now is led and answered for by them."""

STEPS = 24
"""The time that samples are kept for is gone through in so many steps, and no further than it takes."""


class Thinning:
    """Keeps what `store` holds within `most_octets`."""

    def __init__(self, store: Store, most_octets: int) -> None:
        self._store = store
        self._most_octets = most_octets
        self._done: dict[timedelta, datetime] = {FINE: EVER, COARSE: EVER}
        self._told = False

    async def bound(self, now: datetime, since: datetime, wanted: datetime | None) -> None:
        """If the store is too large by `now`, thin the samples that are kept from `since` on, and as a last resort let go
        of them. What is `wanted` from then on, for what is still to be said to a VTN, is thinned once, and stays."""
        if not await self._is_too_large():
            self._told = False
            return
        recent = now - RECENT
        free = recent if wanted is None else min(recent, wanted)
        names = await self._store.series("live/")
        count = 0
        for every in (FINE, COARSE):
            count += await self._thin(names, every, since, free)
        for before in _edges(since, free):
            if not await self._is_too_large():
                break
            count += await forget(self._store, names, before, LEAST_SAMPLES)
        count += await self._thin(names, FINE, since, recent)
        if count:
            log.info("= the store was larger than max_mb: %d old samples have been let go", count)
        await self._warn()

    async def _warn(self) -> None:
        if await self._is_too_large() and not self._told:
            self._told = True
            log.warning("! the store is larger than max_mb, and holds no more samples that could go: give it more room")

    async def _is_too_large(self) -> bool:
        held = await self._store.octets()
        return held is not None and held > self._most_octets

    async def _thin(self, names: Sequence[str], every: timedelta, since: datetime, until: datetime) -> int:
        """Of samples before `until` one in `every` stays; step by step until the store is small enough; how many went."""
        count = 0
        for end in _edges(max(since, self._done[every]), until):
            if not await self._is_too_large():
                break
            gone = SLICE
            while gone == SLICE:
                gone = await self._store.thin(names, self._done[every], end, every, SLICE)
                count += gone
                if gone:
                    await asyncio.sleep(PAUSE_S)
            self._done[every] = end
        return count


def _edges(start: datetime, end: datetime) -> Iterator[datetime]:
    """The ends of the steps from one to the other; none where there is no time between them."""
    step = max((end - start) / STEPS, FINE)
    while start < end:
        start = min(start + step, end)
        yield start


def owed_since(nodes: Iterable[EndNode], now: datetime) -> datetime | None:
    """From when on samples are still to be told to VTNs: in updates that are not acknowledged, and in those to come."""
    owed: list[datetime] = []
    for node in nodes:
        owed += (debt.work.span.start for debt in node.debts if isinstance(debt.work, Update))
        since = producer.owed_since(node.producer, now)
        owed += () if since is None else (since,)
    return min(owed, default=None)
