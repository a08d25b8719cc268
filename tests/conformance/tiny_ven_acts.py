"""What the tiny VEN does for its events: the power of its site, which its reports show."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import cycle

from conformance.events_seen import EventSeen, SignalSeen
from tests.conformance.ven_wrongs import Switch

Wrong = Callable[[Switch], bool]

IDLE_W = 120.0
"""What the site takes when nobody asks for anything."""

SHORT_S = 3
"""How long an open-ended event lasts for a VEN that does not know what that is."""

_PARTS = (0.1, 0.8, 0.4, 0.6)
"""Of startafter: where events begin in it, one after the other."""


class Acts:
    """`moment` is always the VEN's own clock."""

    def __init__(self, wrong: Wrong) -> None:
        self.wrong = wrong
        self._parts = cycle(_PARTS)
        self._offsets: dict[str, tuple[int, float]] = {}
        self._first: dict[str, EventSeen] = {}
        self._taken: dict[str, datetime] = {}
        self._since: dict[str, datetime] = {}
        self._ending: list[tuple[EventSeen, datetime]] = []

    def take(self, event: EventSeen, moment: datetime) -> None:
        """An event is held, or held in another modification: the offset stays unless startafter is another (rule 30)."""
        known = self._offsets.get(event.id)
        if known is None or known[0] != event.startafter_s:
            part = 0.0 if self.wrong("no randomness") else next(self._parts)
            self._offsets[event.id] = event.startafter_s, event.startafter_s * part
        changed = event.id in self._first and event.number != self._first[event.id].number
        if self.wrong("starts again at a change") and changed:
            self._since[event.id] = moment + timedelta(seconds=5)
        self._first.setdefault(event.id, event)
        self._taken.setdefault(event.id, moment)

    def drop(self, event: EventSeen, moment: datetime) -> None:
        """An event is no more: one that runs, and began at random, ends at random (rule 65)."""
        if self.wrong("acts on the missing"):
            self._ending.append((event, moment + timedelta(days=1)))
        elif event.startafter_s and self._asked_w(event, moment) is not None:
            self._ending.append((event, moment + timedelta(seconds=event.startafter_s * next(self._parts))))
        self._first.pop(event.id, None)
        self._offsets.pop(event.id, None)

    def load_w(self, events: Iterable[EventSeen], moment: datetime) -> float:
        """What the site takes: the setpoint of the event that runs and matters most (rule 18)."""
        ending = [event for event, until in self._ending if moment < until]
        upside = -1 if self.wrong("priority upside down") else 1
        found = sorted((*events, *ending), key=lambda one: (one.priority * upside, one.start))
        asked = (self._asked_w(one, moment) for one in found)
        return next((one for one in asked if one is not None), IDLE_W)

    def _asked_w(self, event: EventSeen, moment: datetime) -> float | None:
        """What the event asks for at that time; None for nothing."""
        if self.wrong("keeps the first content"):
            event = self._first.get(event.id, event)
        if self._is_test(event) or moment < self._since.get(event.id, moment):
            return None
        if event.status == "completed" and self.wrong("stops at early completion"):
            return None
        for signal in event.signals:
            if signal.name == "LOAD_DISPATCH" and signal.unit == "powerReal":
                return self._value(event, signal, moment)
        return None

    def _is_test(self, event: EventSeen) -> bool:
        return event.test.strip().lower() not in ("", "false") and not self.wrong("acts on tests")

    def _value(self, event: EventSeen, signal: SignalSeen, moment: datetime) -> float | None:
        _, offset_s = self._offsets.get(event.id, (0, 0.0))
        taken = self._taken.get(event.id, moment)
        if self.wrong("starts late") and event.start > taken:
            offset_s = event.startafter_s + 20.0
        at = moment - timedelta(seconds=offset_s)
        if self.wrong("acts at once") and at < event.start:
            return signal.values[0]
        if not event.length_s and self.wrong("open end is short") and at > taken + timedelta(seconds=SHORT_S):
            return None
        if self.wrong("first value only"):
            return signal.values[0] if event.value_at(signal, at) is not None else None
        over = self.wrong("acts for ever") and event.end is not None and at >= event.end
        return signal.values[-1] if over else event.value_at(signal, at)
