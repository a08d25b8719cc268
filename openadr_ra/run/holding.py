"""Polls that are held: one of each VEN, until there is something to say, its time is over, or a newer one has come."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from openadr_ra.protocol.step import Key


class Turn:
    """The time for which one poll is held."""

    def __init__(self) -> None:
        self._over = False
        self._told = asyncio.Event()

    def tell(self) -> None:
        """There may be something to say."""
        self._told.set()

    def end(self) -> None:
        """It is not held any longer, and gets nothing that might be lost with its connection."""
        self._over = True
        self._told.set()

    async def wait(self, seconds: float) -> bool:
        """Return as soon as there may be something to say, at the latest in `seconds`: may it be said?"""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._told.wait()
        self._told.clear()
        return not self._over


class Holding:
    """The polls that a VTN holds, for up to `most_s` each; 0: none."""

    def __init__(self, most_s: int) -> None:
        self._most_s = most_s
        self._turns: dict[Key, Turn] = {}

    def seconds(self, asked_s: int | None) -> int:
        """How long a poll is held whose VEN prefers to wait `asked_s` (RFC 7240)."""
        return min(asked_s or 0, self._most_s)

    @contextmanager
    def turn(self, key: Key) -> Iterator[Turn]:
        """That party's poll is held in the block. One that is held already is let go: whoever asks anew has given it up."""
        former = self._turns.get(key)
        if former is not None:
            former.end()
        made = self._turns[key] = Turn()
        try:
            yield made
        finally:
            if self._turns.get(key) is made:
                del self._turns[key]

    def tell(self, key: Key) -> None:
        """There may be something for this party."""
        turn = self._turns.get(key)
        if turn is not None:
            turn.tell()

    def close(self) -> None:
        """From now on no poll is held; those that are get their answers, so that nobody waits for our end."""
        self._most_s = 0
        for turn in tuple(self._turns.values()):
            turn.end()
