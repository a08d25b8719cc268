"""What a store says of others where there are none: it is one process's own."""

from __future__ import annotations

from asyncio import Lock
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar
from weakref import WeakValueDictionary

from openadr_ra.protocol.step import Key
from openadr_ra.seams import Told

T = TypeVar("T")


class Alone:
    """Base of the stores of one process."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, Lock] = WeakValueDictionary()

    @property
    def shared(self) -> bool:
        return False

    def watch(self, told: Told) -> None:
        """There is nothing to be told."""

    async def exclusive(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        async with self._locks.setdefault(name, Lock()):
            return await work()

    async def overdue(self, prefix: str, now: datetime, lease: timedelta, most: int) -> tuple[Key, ...]:
        return ()

    async def claim(self, duty: str, now: datetime, until: datetime) -> bool:
        return True
