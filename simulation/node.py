"""A node and its rows, as the hall runs them (`openadr_ra/run/row.py`), without a loop.

A step is committed, then its mail is told of, then its effects are carried out one after the other, and what follows from
them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Generic, TypeVar

from openadr_ra.protocol.step import AnyLetter, Effect, Key, Mail, Moment, Outcome, Record, State
from openadr_ra.run.row import START, Receive, Wake, chained
from openadr_ra.store.memory import MemoryStore
from simulation.stage import Sight, Stage
from simulation.timeline import MINUTE, SECOND, Fold, NodeClock, SeededMoments, done

S = TypeVar("S", bound=State)
G = TypeVar("G")

Resume = Callable[[Iterable[Effect]], None]
Carry = Callable[[Effect, Resume], None]
"""Carries an effect out and calls the other, now or later, with what follows from it."""


class Crashed(Exception):
    """The node died in the middle of what it was doing."""


class Node:
    """A process that may die, with a store that does not.

    `starters` are called at each start; what they set up is gone with a crash: `tellers` are shown the mail of each step,
    `lookers` look again after the clock was set.
    """

    def __init__(self, name: str, stage: Stage, offset: timedelta, store: MemoryStore | None = None) -> None:
        self.name = name
        self.stage = stage
        self.clock = NodeClock(stage.timeline, offset)
        self.store = store or MemoryStore()
        self.life = 0
        self.up = False
        self.starters: list[Callable[[], None]] = []
        self.tellers: list[Callable[[tuple[Mail, ...]], None]] = []
        self.lookers: list[Callable[[], None]] = []

    def start(self) -> None:
        """The process begins."""
        if self.up:
            return
        self.up = True
        self.life += 1
        self.lookers, self.tellers = [], []
        self.stage.tell(self.name, "= starts")
        try:
            for starter in self.starters:
                starter()
        except Crashed:
            return

    def crash(self) -> None:
        """All that is not in the store is lost; the process is started again some time later."""
        if not self.up:
            return
        self.up = False
        self.life += 1
        self.lookers, self.tellers = [], []
        self.stage.counts["crashes"] += 1
        self.stage.tell(self.name, "# crashes")
        self.stage.timeline.after(self.stage.within(SECOND / 10, 3 * MINUTE), self.start)

    def soon(self, happening: Callable[[], None], wait: timedelta = timedelta(0)) -> None:
        """Do it later in this life, if that lasts so long."""
        self.stage.timeline.after(wait, partial(self._alive, self.life, happening))

    def at(self, when: datetime, happening: Callable[[], None]) -> None:
        """Do it when this node's clock, as it goes now, shows `when`."""
        self.stage.timeline.at(self.clock.true(when), partial(self._alive, self.life, happening))

    def idly_at(self, when: datetime, happening: Callable[[], None], fold: Fold) -> None:
        """The same for what may turn out to change nothing, see `Timeline.idly_at`."""
        life = self.life

        def folded(before: datetime) -> datetime | None:
            return fold(before) if life == self.life else None

        self.stage.timeline.idly_at(self.clock.true(when), partial(self._alive, life, happening), folded)

    def doing(self, happening: Callable[[], None]) -> None:
        """Do it now; a crash in the middle ends it."""
        self._alive(self.life, happening)

    def _alive(self, life: int, happening: Callable[[], None]) -> None:
        if life != self.life or not self.up:
            return
        try:
            happening()
        except Crashed:
            return

    def steps_clock(self, by: timedelta) -> None:
        """The clock is set. Sleepers notice within a minute, as `SystemClock` cuts its sleeps."""
        self.clock.offset += by
        self.stage.counts["clock steps"] += 1
        self.stage.tell(self.name, f"# clock set by {by.total_seconds():+.0f} s")
        for look in self.lookers:
            self.soon(look, self.stage.within(timedelta(0), MINUTE))

    def update(
        self,
        key: Key,
        kind: type[S],
        new: Callable[[], S],
        receive: Receive[S, G],
        inputs: tuple[G, ...],
        otherwise: tuple[G, ...] = (),
    ) -> Outcome[S]:
        """Apply waiting mail, then `inputs`, or `otherwise` where there is neither: one transaction.

        Raises Crashed where the node dies just after the commit.
        """
        moments = SeededMoments(self.clock, self.stage.dice)
        read: list[tuple[S | None, tuple[AnyLetter, ...]]] = []

        def step(state: S | None, letters: tuple[AnyLetter, ...]) -> Outcome[S]:
            read.append((state, letters))
            given = (*letters, *inputs) or otherwise
            return chained(new() if state is None else state, receive, given, moments)

        outcome = done(self.store.update(key, kind, step))
        before, letters = read[-1]
        self.committed(Sight(self.name, self.clock.now(), key, before, letters, inputs, outcome))
        return outcome

    def committed(self, sight: Sight) -> None:
        """Somebody watches each commit. Raises Crashed."""
        stage = self.stage
        stage.committed(sight, self.store)
        if stage.faults.crash and stage.happens(stage.faults.crash):
            self.crash()
            raise Crashed

    def tell(self, mail: tuple[Mail, ...]) -> None:
        """Rows of this process look at their mail at once."""
        for teller in self.tellers:
            teller(mail)


class _Waking:
    """An input: the clock spoke."""


WAKING = _Waking()


class Row(Generic[S, G]):
    """One row and its loop. Make it in a starter of its node, and call `begin`."""

    def __init__(
        self,
        node: Node,
        key: Key,
        kind: type[S],
        *,
        new: Callable[[], S],
        receive: Receive[S, G],
        wake: Wake[S],
        carry: Carry,
    ) -> None:
        self.node = node
        self.key = key
        self._kind = kind
        self._new = new
        self._carry = carry
        self._mail = False
        self._busy = False
        self._is_looking = False
        self._due: datetime | None = START
        self._alarm: datetime | None = None
        self.fold: Fold | None = None
        """Where being woken may be one of many times that change nothing."""
        node.lookers.append(self.look)

        def routed(state: S, given: G | AnyLetter | _Waking, moment: Moment) -> Outcome[S]:
            return wake(state, moment) if isinstance(given, _Waking) else receive(state, given, moment)

        self._routed: Receive[S, G | _Waking] = routed

    def step(self, *inputs: G, waking: bool = False) -> Outcome[S]:
        """As `run.row.Row.step`: the outcome, committed and told of."""
        given: tuple[G | _Waking, ...] = (*inputs, WAKING) if waking else inputs
        outcome = self.node.update(self.key, self._kind, self._new, self._routed, given, (WAKING,))
        self._due = outcome.due
        if outcome.mail:
            self.node.tell(outcome.mail)
        return outcome

    def give(self, *inputs: G) -> tuple[Effect, ...]:
        """Step with inputs and let the loop look at the new deadline: what is left to carry out."""
        outcome = self.step(*inputs)
        self._look_soon()
        return left(outcome)

    def order(self, given: G) -> None:
        """An input from outside, as of a task of its own: what follows is carried out beside the loop."""
        self.beside(self.give(given))

    def beside(self, effects: Iterable[Effect]) -> None:
        """Carry these out in a task of their own."""
        self._carry_all(deque(effects), lambda: None)

    def state(self) -> S | None:
        return done(self.node.store.load(self.key, self._kind))

    def poke(self) -> None:
        """Mail has come."""
        self._mail = True
        self._look_soon()

    def wake_up(self) -> None:
        """Somebody else stepped the row: wake it at once."""
        self._due = START
        self._look_soon()

    def _look_soon(self) -> None:
        """Once, however many want it."""
        if not self._is_looking:
            self._is_looking = True
            self.node.soon(self.look)

    def look(self) -> None:
        """Do what there is to do now, unless something is being done, else wait for the deadline."""
        self._is_looking = False
        if self._busy:
            return
        waking = self._due is not None and self.node.clock.now() >= self._due
        if not waking and not self._mail:
            self._wait()
            return
        self._mail, self._busy = False, True
        outcome = self.step(waking=waking)
        self._carry_all(deque(left(outcome)), self._rested)

    def _rested(self) -> None:
        self._busy = False
        self._look_soon()

    def _wait(self) -> None:
        """One alarm is enough: an earlier one looks again."""
        due = self._due
        if due is None:
            return
        true = self.node.clock.true(due)
        now = self.node.stage.timeline.now
        if self._alarm is not None and now < self._alarm <= true:
            return
        self._alarm = true
        if self.fold is None:
            self.node.at(due, self.look)
        else:
            self.node.idly_at(due, self.look, self._folded)

    def _folded(self, before: datetime) -> datetime | None:
        return None if self._busy or self._mail or self.fold is None else self.fold(before)

    def _carry_all(self, work: deque[Effect], then: Callable[[], None]) -> None:
        """One effect after the other. An effect that is answered at once is not worth a turn of its own."""
        while work:
            answered: list[Iterable[Effect]] = []
            waiting = _Waiting(answered, partial(self._resumed, work, then))
            self._carry(work.popleft(), waiting.resume)
            if not waiting.left():
                return
            work.extend(effect for each in answered for effect in each)
        then()

    def _resumed(self, work: deque[Effect], then: Callable[[], None], more: Iterable[Effect]) -> None:
        work.extend(more)
        self._carry_all(work, then)


class _Waiting:
    """An effect that is being carried out: done before anybody waits for it, or later."""

    def __init__(self, answered: list[Iterable[Effect]], later: Resume) -> None:
        self._answered = answered
        self._later = later
        self._is_waited_for = False

    def resume(self, more: Iterable[Effect]) -> None:
        if self._is_waited_for:
            self._later(more)
        else:
            self._answered.append(more)

    def left(self) -> bool:
        """Whether it is done; if not, it is waited for from now on."""
        self._is_waited_for = not self._answered
        return not self._is_waited_for


def left(outcome: Outcome[S]) -> tuple[Effect, ...]:
    """The effects that the store has not seen to."""
    return tuple(effect for effect in outcome.effects if not isinstance(effect, Record))
