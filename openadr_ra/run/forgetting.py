"""Readings that are too old go in small slices, so that nobody who wants to store something waits for long."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from openadr_ra.seams import Store

SLICE = 200
"""Readings, rows, letters or journal entries that go in one transaction: a few milliseconds of the thread that writes."""

NAMES = 100
"""Series that are looked at in one go."""

LEAST_SAMPLES = 100
"""Of each point that a fleet samples these stay, however old they are (rule 510)."""

PAUSE_S = 0.01
"""After each slice, so that others come to store theirs."""


EVER = datetime(1970, 1, 1, tzinfo=UTC)
"""Nothing was measured earlier."""


async def forget(store: Store, series: Sequence[str], before: datetime, least: int, *, since: datetime = EVER) -> int:
    """Drop all readings of these series that ended before then, but for the newest `least` of each, and for those that
    began before `since`; how many went."""
    count = 0
    for first in range(0, len(series), NAMES):
        names = series[first : first + NAMES]
        gone = SLICE
        while gone == SLICE:
            gone = await store.forget(names, since, before, least, SLICE)
            count += gone
            if gone:
                await asyncio.sleep(PAUSE_S)
    return count
