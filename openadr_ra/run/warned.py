"""What had to be repaired in a VEN's messages, kept for its operator."""

from __future__ import annotations

from openadr_ra.protocol.step import Entry, Key
from openadr_ra.seams import Clock, Store
from openadr_ra.wire.lenient import InteropWarning

WARNED = "interop warning"
"""What a journal entry about a repaired message says."""

MOST_WARNED = 10_000
"""Kinds of repair that are remembered over all VENs; beyond it nothing more is written down."""


class Warned:
    """Each kind of repair goes into the journal once a start: a peer repeats its own way for ever."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: set[tuple[Key, str, str]] = set()

    async def note(self, key: Key, warnings: tuple[InteropWarning, ...]) -> None:
        """Write down what is new of `warnings` about this party. Raises StoreError."""
        new = [one for one in warnings if (key, one.repair, one.path) not in self._known]
        if not new or len(self._known) > MOST_WARNED:
            return
        self._known.update((key, one.repair, one.path) for one in new)
        ven = key.partition("/")[2]
        entries = [
            Entry(
                subject=key,
                at=self._clock.now(),
                by=ven,
                what=WARNED,
                detail=f"{one.repair} at {one.path}: {one.detail}",
            )
            for one in new
        ]
        await self._store.record((), entries)
