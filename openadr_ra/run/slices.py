"""What concerns thousands of parties is done in slices: between two of them everything else in the loop has its turn."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from openadr_ra.protocol.step import Key

T = TypeVar("T")

SLICE = 64
"""Parties in one go. With what a poll costs that is let go because of it, a quarter of a millisecond, a slice keeps the
loop for less than 20 ms."""


def slices(items: Iterable[T]) -> Iterator[tuple[T, ...]]:
    """The items in order, in tuples of `SLICE`."""
    rest = iter(items)
    while some := tuple(islice(rest, SLICE)):
        yield some


async def sliced(items: Iterable[T]) -> AsyncIterator[T]:
    """The items in order, the loop let go of after each slice."""
    for some in slices(items):
        for item in some:
            yield item
        await asyncio.sleep(0)


class Telling:
    """Tells parties, slice by slice, that there may be something for them: `run` goes on until it is cancelled."""

    def __init__(self, tell: Callable[[Key], None]) -> None:
        self._tell = tell
        self._keys: deque[Key] = deque()
        self._more = asyncio.Event()

    def tell(self, keys: Iterable[Key]) -> None:
        """These are told soon, in order, also if whoever says so goes away."""
        self._keys.extend(keys)
        self._more.set()

    async def run(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            while self._keys:
                for _ in range(min(SLICE, len(self._keys))):
                    self._tell(self._keys.popleft())
                await asyncio.sleep(0)
