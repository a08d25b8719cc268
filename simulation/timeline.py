"""Virtual time: what is to happen when, and the clocks of the nodes, which are off."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from openadr_ra.protocol.step import Moment
from openadr_ra.run.clock import Moments

T = TypeVar("T")

START = datetime(2026, 6, 1, 6, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)

MOST_AT_ONCE = 5000
"""Happenings at one instant; with more of them there is no progress."""


class NoProgress(Exception):
    """Something happens again and again without any time passing."""


def done(work: Coroutine[object, None, T]) -> T:
    """What `work` returns; it never suspends, as those of a `MemoryStore` do not."""
    try:
        work.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    work.close()
    raise RuntimeError(f"{work} suspended, and there is no loop here")


Fold = Callable[[datetime], datetime | None]
"""Asked about a happening that is due, and that may be one of many that change nothing: the last of them before the given
time, when somebody interferes, to which it can be put off with the same effect; None: it cannot."""


class Timeline:
    """True time, and the happenings that are still to come, in order of time and then of planning."""

    def __init__(self, start: datetime = START) -> None:
        self.now = start
        self._heap: list[tuple[datetime, int, Callable[[], None]]] = []
        self._idle: list[tuple[datetime, int, Callable[[], None], Fold | None]] = []
        self._cancelled: set[int] = set()
        self._deeds: list[datetime] = []
        self._planned = 0

    def at(self, when: datetime, happening: Callable[[], None]) -> int:
        """Plan a happening; what lies in the past happens at once. Its number, by which it can be cancelled."""
        self._planned += 1
        heapq.heappush(self._heap, (max(self.now, when), self._planned, happening))
        return self._planned

    def after(self, wait: timedelta, happening: Callable[[], None]) -> int:
        return self.at(self.now + wait, happening)

    def deed(self, when: datetime, happening: Callable[[], None]) -> None:
        """Plan what comes from outside: it may concern anybody."""
        heapq.heappush(self._deeds, when)
        self.at(when, happening)

    def idly_at(self, when: datetime, happening: Callable[[], None], fold: Fold) -> None:
        """Plan what may turn out to change nothing; then `fold` can put it off, up to the next deed."""
        self._planned += 1
        heapq.heappush(self._idle, (max(self.now, when), self._planned, happening, fold))

    def cancel(self, number: int) -> None:
        """That happening is not to come."""
        self._cancelled.add(number)

    def run(self, until: datetime) -> None:
        """Let all happen that is planned up to then. Raises NoProgress."""
        heap, idle, at_once = self._heap, self._idle, 0
        while True:
            while heap and heap[0][1] in self._cancelled:
                self._cancelled.discard(heapq.heappop(heap)[1])
            if idle and idle[0][0] <= (min(heap[0][0], until) if heap else until):
                when, number, happening, fold = heapq.heappop(idle)
                later = fold(self._next_deed(until)) if fold is not None else None
                if later is not None:
                    heapq.heappush(idle, (later, number, happening, None))
                    continue
            elif heap and heap[0][0] <= until:
                when, _, happening = heapq.heappop(heap)
            else:
                break
            at_once = at_once + 1 if when == self.now else 0
            if at_once > MOST_AT_ONCE:
                raise NoProgress(f"{MOST_AT_ONCE} happenings at {when}, the last of them {happening}")
            self.now = when
            happening()
        self.now = until

    def _next_deed(self, until: datetime) -> datetime:
        while self._deeds and self._deeds[0] < self.now:
            heapq.heappop(self._deeds)
        return min(self._deeds[0], until) if self._deeds else until


class NodeClock:
    """A node's own idea of the time: a `Clock` that is `offset` ahead of the true one."""

    def __init__(self, timeline: Timeline, offset: timedelta) -> None:
        self._timeline = timeline
        self.offset = offset

    def now(self) -> datetime:
        return self._timeline.now + self.offset

    def true(self, when: datetime) -> datetime:
        """The true time at which this clock, as it goes now, shows `when`."""
        try:
            return when - self.offset
        except OverflowError:
            return when

    async def sleep_until(self, when: datetime) -> None:
        raise RuntimeError("nobody sleeps in a simulation")


class SeededMoments(Moments):
    """Moments whose tokens come from the seed, and are the same in each run of it."""

    def __init__(self, clock: NodeClock, dice: random.Random) -> None:
        self._now = clock.now()
        self._token = f"{dice.getrandbits(40):010x}"
        self._count = 0

    def next(self) -> Moment:
        self._count += 1
        return Moment(now=self._now, token=f"{self._token}{self._count:02x}")
