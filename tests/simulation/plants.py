"""Small worlds with a flaw planted in them, played by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from msgspec.structs import replace

from openadr_ra.protocol import instruction as instructions
from openadr_ra.protocol.instruction import Ask, Instruction
from openadr_ra.protocol.model import EventId
from openadr_ra.protocol.step import AnyLetter, Key, Outcome, Record, State
from openadr_ra.seams import S, Step
from openadr_ra.store.memory import MemoryStore
from simulation.build import Kind, world
from simulation.invariants import CHECKS
from simulation.stage import Stage
from simulation.timeline import HOUR, MINUTE
from simulation.world import Broken, Link, World

E1 = EventId("E1")
SEED = 4
"""A world of pull VENs."""

Alter = Callable[[State | None, Outcome[State]], Outcome[State]]


class Spoiled(MemoryStore):
    """A store that does something to what steps make, before it keeps it."""

    def __init__(self, alter: Alter) -> None:
        super().__init__()
        self._alter = alter

    async def update(self, key: Key, kind: type[S], step: Step[S]) -> Outcome[S]:
        def altered(state: S | None, letters: tuple[AnyLetter, ...]) -> Outcome[S]:
            outcome = step(state, letters)
            changed = self._alter(state, outcome)
            assert isinstance(changed.state, kind)
            return replace(outcome, state=changed.state, effects=changed.effects, mail=changed.mail, due=changed.due)

        return await super().update(key, kind, altered)


class Forgetful(MemoryStore):
    """A store that says that it has kept something, and has not."""

    def __init__(self, forgets: Callable[[State | None, Outcome[State]], bool]) -> None:
        super().__init__()
        self._forgets = forgets

    async def update(self, key: Key, kind: type[S], step: Step[S]) -> Outcome[S]:
        state = await self.load(key, kind)
        waiting = [letter for _, letter in await self.letters(0, 1000) if letter.to == key]
        if not waiting:
            outcome = step(state, ())
            if self._forgets(state, outcome):
                return outcome
            return await super().update(key, kind, lambda held, letters: outcome)
        return await super().update(key, kind, step)


class Repeating(MemoryStore):
    """A store that hands letters out twice."""

    async def update(self, key: Key, kind: type[S], step: Step[S]) -> Outcome[S]:
        return await super().update(key, kind, lambda state, letters: step(state, letters + letters[-1:]))


class Played:
    """A world in which nothing goes wrong but what is planted. `link` is its first VEN's."""

    def __init__(self, kind: Kind = "protocol", seed: int = SEED) -> None:
        self.world: World = world(kind, Stage(seed), CHECKS, 0)
        self.link: Link = self.world.links[0]

    def starts(self) -> None:
        self.world.start()
        self.passes(5 * MINUTE)

    def passes(self, length: timedelta) -> None:
        self.world.run(length)

    def order(self, kw: float = -2.0, *, after: timedelta = 10 * MINUTE, length: timedelta = HOUR) -> Instruction:
        start = (self.link.vtn.node.clock.now() + after).replace(microsecond=0)
        return Instruction(id=E1, start=start, every=length, asks={self.link.ven_id: Ask(values=(kw,))})

    def publishes(self, order: Instruction) -> None:
        now = self.link.vtn.node.clock.now()
        self.link.vtn.instruct(order, lambda held: instructions.publish(held, order, now, "operator"))
        self.passes(10 * MINUTE)

    def changes(self, order: Instruction) -> None:
        now = self.link.vtn.node.clock.now()
        self.link.vtn.instruct(order, lambda held: instructions.change(held, order.id, order, now, "operator"))
        self.passes(10 * MINUTE)

    def cancels(self) -> None:
        now = self.link.vtn.node.clock.now()
        self.link.vtn.order(E1, lambda held: instructions.cancel(held, E1, now, "operator"))
        self.passes(10 * MINUTE)


def broken(play: Callable[[], None]) -> str:
    """The invariant that fails in the play; "" where all hold."""
    try:
        play()
    except Broken as error:
        return error.name
    return ""


def with_entries(outcome: Outcome[State], times: dict[str, int]) -> Outcome[State]:
    """The outcome with the lines of the journal that say so as many times as that."""
    effects = tuple(
        replace(effect, entries=tuple(one for one in effect.entries for _ in range(times.get(one.what, 1))))
        if isinstance(effect, Record)
        else effect
        for effect in outcome.effects
    )
    return replace(outcome, effects=effects)


def usual(played: Played) -> None:
    """An event, its change, its cancellation, and quiet."""
    played.starts()
    order = played.order()
    played.publishes(order)
    played.changes(replace(order, every=2 * HOUR))
    played.passes(HOUR)
    played.world.check_quiet()
    played.cancels()
    played.passes(HOUR)
    played.world.check_quiet()


def at_the_ven(alter: Callable[[State | None, Outcome[State]], Outcome[State]], played: Played | None = None) -> str:
    """What fails where the VEN's store does that."""
    made = played or Played()
    made.link.ven.node.store = Spoiled(alter)
    return broken(lambda: usual(made))


def at_the_vtn(alter: Callable[[State | None, Outcome[State]], Outcome[State]]) -> str:
    made = Played()
    made.link.vtn.node.store = Spoiled(alter)
    return broken(lambda: usual(made))


def forgotten(forgets: Callable[[State | None, Outcome[State]], bool]) -> str:
    made = Played()
    made.link.vtn.node.store = Forgetful(forgets)
    return broken(lambda: usual(made))
