"""The one clock, and the moments that steps are given."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime

from openadr_ra.protocol.step import Moment
from openadr_ra.seams import Clock

LONGEST_SLEEP_S = 60.0
"""Sleeps are cut to this, so that a step of the system's clock is noticed within a minute."""

SET_BACK_S = 1.0
"""By less the system's clock is only adjusted."""


class SystemClock:
    """The machine's clock, UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep_until(self, when: datetime) -> None:
        loop = asyncio.get_running_loop()
        began, began_s = self.now(), loop.time()
        while (left := (when - self.now()).total_seconds()) > 0:
            await asyncio.sleep(min(left, LONGEST_SLEEP_S))
            if loop.time() - began_s - (self.now() - began).total_seconds() > SET_BACK_S:
                return


class Moments:
    """Moments of one step: the same now, ids of their own."""

    def __init__(self, clock: Clock) -> None:
        self._now = clock.now()
        self._token = secrets.token_hex(5)
        self._count = 0

    def next(self) -> Moment:
        self._count += 1
        return Moment(now=self._now, token=f"{self._token}{self._count:02x}")
