"""What all of a simulated world have in common: time, dice, faults, who watches, and what is written down."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from openadr_ra.protocol.messages import Message
from openadr_ra.protocol.step import AnyLetter, Apply, Key, Outcome, State
from openadr_ra.seams import Store
from simulation.timeline import NodeClock, Timeline


class Faults(NamedTuple):
    """How likely what is, of each message or of each step; all zero: nothing goes wrong."""

    lost: float = 0.0
    answer_lost: float = 0.0
    twice: float = 0.0
    slow: float = 0.0
    crash: float = 0.0


NO_FAULTS = Faults()


class Sight(NamedTuple):
    """A step of a row, as it was committed; `now` by the clock of its node."""

    node: str
    now: datetime
    key: Key
    before: State | None
    letters: tuple[AnyLetter, ...]
    inputs: tuple[object, ...]
    outcome: Outcome[State]


class Acknowledged(NamedTuple):
    """A VTN's reply to a message of a VEN's, as it leaves; what it says is in the store by now, or never."""

    node: str
    key: Key
    before: State | None
    message: Message
    reply: Message


class Told(NamedTuple):
    """A set-point that reaches a device, at that time of its node's clock."""

    node: str
    order: Apply
    clock: NodeClock


class Watcher:
    """Who looks at all that happens; does nothing by itself."""

    def saw_step(self, sight: Sight, store: Store) -> None:
        """A step was committed."""

    def saw_reply(self, seen: Acknowledged, store: Store) -> None:
        """A VTN's reply is about to leave."""

    def saw_order(self, told: Told) -> None:
        """A device was given a set-point."""

    def saw_drift(self, node: str, resource: str, late: timedelta) -> None:
        """A device held a set-point for so long after the end of its lease."""


class Stage:
    """One world: its time, its dice, and its faults as they are now. `note` is told what happens, for the transcript, and
    `describe` says what a step changed; None where nobody reads it."""

    def __init__(
        self, seed: int, note: Callable[[str, str], None] | None = None, describe: Callable[[Sight], str] | None = None
    ) -> None:
        self.timeline = Timeline()
        # Not a secret, and it must be the same in each run.
        self.dice = random.Random(seed)  # noqa: S311
        self.faults = NO_FAULTS
        self.watcher = Watcher()
        self.counts: Counter[str] = Counter()
        self.note = note
        self._describe = describe

    def happens(self, chance: float) -> bool:
        """Whether a fault of that likelihood strikes now. Dice are thrown for what can happen alone."""
        return chance > 0 and self.dice.random() < chance

    def within(self, least: timedelta, most: timedelta) -> timedelta:
        """A length between the two."""
        return least + (most - least) * self.dice.random()

    def tell(self, node: str, what: str) -> None:
        """Write it down, where somebody reads."""
        if self.note is not None:
            self.note(node, what)

    def committed(self, sight: Sight, store: Store) -> None:
        """A step was committed: it is counted, written down, and looked at."""
        self.counts["steps"] += 1
        if self._describe is not None:
            changed = self._describe(sight)
            if changed:
                self.tell(sight.node, f"= {sight.key}: {changed}")
        self.watcher.saw_step(sight, store)
