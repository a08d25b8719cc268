"""What stands behind a VEN in tests of the protocol: it promises, and is released."""

from __future__ import annotations

from datetime import datetime
from itertools import zip_longest
from typing import Final

from msgspec.structs import replace

from openadr_ra.protocol.model import OPT_IN, OPT_OUT, EventId
from openadr_ra.protocol.schedule import Schedule
from openadr_ra.protocol.step import AnyLetter, Away, Instruct, Release, Verdict

RELEASE: Final = "release"


class Site:
    """What stands behind the VEN. It agrees to all that `refused` does not name, and follows what it agreed to.

    While it is `silent` it answers nothing.
    """

    def __init__(self) -> None:
        self.silent = False
        self.refused: dict[str, str] = {}
        self.promised: dict[EventId, Schedule] = {}
        self.priorities: dict[EventId, int] = {}
        self.away: dict[EventId, tuple[Away, ...]] = {}

    def hears(self, letter: AnyLetter) -> Verdict | None:
        match letter:
            case Instruct(schedule=schedule, modification=number) if schedule.id in self.refused:
                self.promised.pop(schedule.id, None)
                reason = self.refused[schedule.id]
                return Verdict(event_id=schedule.id, modification=number, opt=OPT_OUT, reason=reason)
            case Instruct(schedule=schedule, modification=number, priority=priority, away=away):
                self.promised[schedule.id] = schedule
                self.priorities[schedule.id] = priority
                self.away[schedule.id] = away
                return Verdict(event_id=schedule.id, modification=number, opt=OPT_IN)
            case Release(event_id=name, at=at) if name in self.promised:
                held = self.promised[name]
                slots = tuple(replace(slot, end=min(slot.end, at)) for slot in held.slots if slot.start < at)
                self.promised[name] = replace(held, slots=slots)
        return None

    def verdict(self, name: EventId) -> Verdict:
        """That it follows this event, said late."""
        return Verdict(event_id=name, modification=0, opt=OPT_IN)

    @property
    def applied(self) -> list[tuple[datetime, float | str]]:
        """Every change of the load: the kW of each slot from its start, RELEASE where none follows. Prices change none."""
        asked = tuple(held for held in self.promised.values() if held.mode != "price")
        slots = sorted((slot for held in asked for slot in held.slots), key=lambda slot: slot.start)
        changes: list[tuple[datetime, float | str]] = []
        for slot, following in zip_longest(slots, slots[1:]):
            changes.append((slot.start, slot.kw))
            if following is None or following.start > slot.end:
                changes.append((slot.end, RELEASE))
        return changes
