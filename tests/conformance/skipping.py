"""A loop that does not wait where nobody does anything: its clock goes on to the next timer at once.

All ends of a test live in one loop and talk over loopback, where what one has sent the other can read. So when no socket has
anything to say, nothing will happen before the next timer, and the time until then can be left out: minutes of patience cost
nothing, and how fast the machine is decides nothing.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import TypeVar

GRACE_S = 0.005
"""So long a socket may take to bring what was sent before."""

T = TypeVar("T")


class _Impatient(selectors.DefaultSelector):
    """Waits for no timer. `skipped_s`: what it left out so far."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= GRACE_S:
            return super().select(timeout)
        if not (ready := super().select(GRACE_S)):
            self.skipped_s += timeout - GRACE_S
        return ready


class SkippingLoop(asyncio.SelectorEventLoop):
    """Its clock runs ahead by what it skipped; `conformance.clock.now` follows it."""

    def __init__(self) -> None:
        self._impatient = _Impatient()
        super().__init__(self._impatient)

    def time(self) -> float:
        return super().time() + self._impatient.skipped_s


def run(main: Coroutine[None, None, T]) -> T:
    """What comes of `main`, in such a loop."""
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        return runner.run(main)
