"""What happens when, in a simulation: the only clock that there is."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from random import Random


class Agenda:
    """Seconds since the beginning. Of what is due at one instant, what was noted first comes first."""

    def __init__(self, seed: int) -> None:
        self.now_s = 0.0
        self._seed = seed
        self._noted = 0
        self._due: list[tuple[float, int, Callable[[], None]]] = []

    def chance(self, name: str) -> Random:
        """Of its own for whoever asks, so that what one does changes nothing of the others'."""
        return Random(f"{self._seed}/{name}/agenda")  # noqa: S311 - it must be the same in each run

    def at(self, at_s: float, act: Callable[[], None]) -> None:
        """Note it; what is past is due now."""
        self._noted += 1
        heappush(self._due, (max(at_s, self.now_s), self._noted, act))

    def runs_to(self, end_s: float) -> None:
        """All that is due until then, the end included."""
        while self._due and self._due[0][0] <= end_s:
            self.now_s, _, act = heappop(self._due)
            act()
        self.now_s = end_s
