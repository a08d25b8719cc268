"""A clock that stands still until it is told to go on: the contract's, and any test's."""

from __future__ import annotations

import asyncio
import heapq
import types
from collections.abc import Awaitable, Callable, Generator
from datetime import UTC, datetime
from itertools import count

Settle = Callable[[], Awaitable[None]]
"""Waits until all that the last instant set going has come to rest."""

START = datetime(2026, 1, 1, tzinfo=UTC)

TURNS = 64
"""How often the loop goes round before an instant counts as over: the longest chain of awaits that follows at once."""


async def settle() -> None:
    """Let every task run until it waits for something, as long as that is not the outside world."""
    for _ in range(TURNS):
        await _turn()


class VirtualClock:
    """A `Clock` for tests: time passes only in `advance`, and each sleeper wakes at its very instant, in order.

    `settle` is awaited at each instant. A driver that talks to a real socket needs one that waits for its traffic.
    """

    def __init__(self, start: datetime = START, settle: Settle = settle) -> None:
        self._now = start
        self._settle = settle
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._numbers = count()

    def now(self) -> datetime:
        return self._now

    async def sleep_until(self, when: datetime) -> None:
        if when <= self._now:
            await _turn()
            return
        awoken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (when, next(self._numbers), awoken))
        await awoken

    def next(self) -> datetime | None:
        """When the next sleeper wants to wake."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    async def advance(self, to: datetime) -> None:
        """Go on to `to`; a clock that stands there already only settles."""
        await self._settle()
        while (instant := self.next()) is not None and instant <= to:
            self._now = max(self._now, instant)
            while (due := self.next()) is not None and due <= self._now:
                heapq.heappop(self._sleepers)[2].set_result(None)
            await self._settle()
        self._now = max(self._now, to)
        await self._settle()


@types.coroutine
def _turn() -> Generator[None, None, None]:
    """One round of the event loop."""
    yield
