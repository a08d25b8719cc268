"""A node as a VTN: what `run/service.py` and `run/pushing.py` do with parties, and `run/vtn.py` with events, without a loop.

A post is a step of its party, and its reply leaves after the commit; polls that bring nothing are answered from memory, and
held where their VEN prefers to wait; a push VEN is told by posts of a row of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from openadr_ra.errors import InvalidId, NotRegistered
from openadr_ra.protocol import event_overlap, vtn
from openadr_ra.protocol import instruction as instructions
from openadr_ra.protocol.instruction import Instruction, party
from openadr_ra.protocol.messages import Message
from openadr_ra.protocol.model import EventId, VenId
from openadr_ra.protocol.parts import Event
from openadr_ra.protocol.refusal import refusal, refused_with
from openadr_ra.protocol.step import AnyLetter, Effect, Fetched, Key, Outcome, Read, Send
from openadr_ra.protocol.vtn import Heard, Input, Lost, Party, Pushed, Terms
from simulation.network import Answer, Network, Reply
from simulation.node import Node, Resume, Row
from simulation.stage import Acknowledged, Sight
from simulation.timeline import done

Step = Callable[[Instruction | None], Outcome[Instruction]]


class Idle(NamedTuple):
    """What a poll is answered with while nothing else changes, up to `until`."""

    party: Party
    until: datetime
    said: Message


class Turn:
    """A poll that is held until something is to be said, or until `end`."""

    def __init__(self, message: Message, end: datetime, reply: Reply) -> None:
        self.message = message
        self.end = end
        self.reply: Reply | None = reply


class VtnSide:
    """The VTN of a node. `vens` are enrolled at each start, as those of the settings are.

    There are no certificates, so that a VEN is who it says it is. `listeners` are shown each step of a party.
    """

    def __init__(self, node: Node, network: Network, terms: Terms, vens: tuple[VenId, ...]) -> None:
        self.node = node
        self.terms = terms
        self.vens = vens
        self._network = network
        self._idle: dict[Key, Idle] = {}
        self._turns: dict[Key, Turn] = {}
        self._pushing: dict[Key, Row[Party, Input]] = {}
        self.listeners: list[Callable[[Key, Outcome[Party]], None]] = []
        node.starters.append(self._started)

    def _started(self) -> None:
        self._idle, self._turns, self._pushing = {}, {}, {}
        self.listeners = []
        for ven in self.vens:
            if self.party(ven) is None:
                self.node.update(party(ven), Party, partial(_new, party(ven)), vtn.receive, ())
        self.node.tellers.append(lambda mail: self.tell(item.to for item in mail))
        for key in done(self.node.store.keys("party/")):
            held = self.party(VenId(key.partition("/")[2]))
            if held is not None:
                self._look(key, held)

    def party(self, ven: VenId) -> Party | None:
        return done(self.node.store.load(party(ven), Party))

    # What VENs post.

    def serve(self, message: Message, wait_s: int, reply: Reply) -> None:
        """Answer a post."""
        named = getattr(message, "ven_id", None)
        if named not in self.vens:
            error = InvalidId(f"venID {named} is unknown here")
            reply(refusal(message, error, ven_id=None, vtn_id=self.terms.vtn_id))
            return
        key = party(VenId(named))
        if not vtn.is_poll(message):
            reply(self._said(key, message))
            return
        held_s = min(wait_s, self.terms.hold_s)
        turn = Turn(message, self.node.clock.now() + timedelta(seconds=held_s), reply)
        if held_s:
            former = self._turns.get(key)
            self._turns[key] = turn
            if former is not None:
                self._over(key, former)
        self._hold(key, turn)

    def _hold(self, key: Key, turn: Turn) -> None:
        """Say what there is to be said; where that is nothing, wait for it."""
        if turn.reply is None:
            return
        said, idle = self._next(key, turn.message)
        if idle is not None and self.node.clock.now() < turn.end:
            self.node.at(min(turn.end, idle.until), partial(self._hold, key, turn))
            return
        self._replies(key, turn, said)

    def _over(self, key: Key, turn: Turn) -> None:
        """A newer poll has come; the older one gets nothing that might be lost with its connection."""
        idle = self._idle.get(key)
        if idle is not None:
            self._replies(key, turn, idle.said)

    def _replies(self, key: Key, turn: Turn, said: Message) -> None:
        reply, turn.reply = turn.reply, None
        if self._turns.get(key) is turn:
            del self._turns[key]
        if reply is not None:
            reply(said)

    def _next(self, key: Key, message: Message) -> tuple[Message, Idle | None]:
        """What a poll brings now; if that is nothing, how long it stays so."""
        idle, now = self._idle.get(key), self.node.clock.now()
        if idle is not None:
            if self.node.store.peek(key, Party) is idle.party and now < idle.until:
                return idle.said, idle
            del self._idle[key]
        said = self._said(key, message)
        held = self.node.store.peek(key, Party)
        if held is None or not vtn.is_plain(said) or refused_with(said) is not None:
            return said, None
        until = vtn.quiet_until(held, now, self.terms)
        if until is None:
            return said, None
        self._idle[key] = Idle(held, until, said)
        return said, self._idle[key]

    def idle_until(self, ven: VenId) -> datetime | None:
        """Until when, in true time, polls of that VEN bring nothing if nothing else happens; None: that is not known."""
        idle = self._idle.get(party(ven))
        if idle is None or self.node.store.peek(party(ven), Party) is not idle.party:
            return None
        return self.node.clock.true(idle.until)

    def _said(self, key: Key, message: Message) -> Message:
        """What the party's step says to it; a report of ours is written from its readings by a second one."""
        before = self.node.store.peek(key, Party)
        outcome = self._stepped(key, Heard(message=message, fingerprint=None, terms=self.terms))
        for effect in outcome.effects:
            if isinstance(effect, Read) and not outcome.replies:
                outcome = self._stepped(key, self._fetched(effect))
        said = outcome.replies[-1]
        self.node.stage.watcher.saw_reply(Acknowledged(self.node.name, key, before, message, said), self.node.store)
        return said

    def _stepped(self, key: Key, *inputs: Input) -> Outcome[Party]:
        outcome = self.node.update(key, Party, partial(_new, key), vtn.receive, inputs)
        if outcome.mail:
            self.node.tell(outcome.mail)
        for listener in self.listeners:
            listener(key, outcome)
        self._look(key, outcome.state)
        return outcome

    def _fetched(self, read: Read) -> Fetched:
        return Fetched(tag=read.tag, readings=done(self.node.store.readings(read.series, read.start, read.end)))

    # Push VENs.

    def _look(self, key: Key, held: Party) -> None:
        """The party has changed: whoever holds its poll, or posts to it, looks again."""
        if held.pushed and key not in self._pushing:
            self._pushing[key] = Row(
                self.node,
                key,
                Party,
                new=partial(_new, key),
                receive=vtn.receive,
                wake=lambda state, moment: vtn.wake(state, self.terms, moment),
                carry=partial(self._carry, key),
            )
        self.tell((key,))

    def tell(self, keys: Iterable[Key]) -> None:
        """There may be something for these parties."""
        for key in keys:
            turn = self._turns.get(key)
            if turn is not None:
                self.node.soon(partial(self._hold, key, turn))
            if key in self._pushing:
                self._pushing[key].wake_up()

    def _carry(self, key: Key, effect: Effect, resume: Resume) -> None:
        row = self._pushing[key]
        match effect:
            case Read():
                resume(row.give(self._fetched(effect)))
            case Send(message=message):
                held = row.state()
                if held is None or held.registration is None:
                    resume(())
                    return
                self._network.post(
                    self.node, held.registration.address, message, 0, partial(self._pushed, key, message, resume)
                )
            case _:
                resume(())

    def _pushed(self, key: Key, message: Message, resume: Resume, answer: Answer) -> None:
        row = self._pushing[key]
        refused = refused_with(answer.message) if answer.message is not None else None
        given: Input = Pushed(message=message, answer=answer.message, terms=self.terms)
        if not answer.came or (refused is not None and refused.code == NotRegistered.code):
            given = Lost(message=message)
        # As in the hall: neither has effects that are to be carried out.
        row.give(given)
        row.wake_up()
        resume(())

    # The operator.

    def instruct(self, order: Instruction, step: Step) -> None:
        """Publish or change an event as `step` does, if its VENs are free then. Raises OadrError."""
        taken = {ven: self._events_of(ven) for ven in order.asks}
        now = self.node.clock.now()

        def checked(held: Instruction | None) -> Outcome[Instruction]:
            outcome = step(held)
            event_overlap.check(outcome.state, taken, now)
            return outcome

        self.order(order.id, checked)

    def order(self, event_id: EventId, step: Step) -> None:
        """Step an event; durable on return. Raises OadrError."""
        key, now = instructions.key(event_id), self.node.clock.now()
        held = done(self.node.store.load(key, Instruction))

        def stepped(state: Instruction | None, letters: tuple[AnyLetter, ...]) -> Outcome[Instruction]:
            return step(state)

        outcome = done(self.node.store.update(key, Instruction, stepped))
        self.node.committed(Sight(self.node.name, now, key, held, (), (), outcome))
        self.node.tell(outcome.mail)

    def _events_of(self, ven: VenId) -> tuple[Event, ...]:
        """What the VEN has been given, its row stepped over its mail."""
        held = self.node.store.peek(party(ven), Party) or self._stepped(party(ven)).state
        return tuple(given.event for given in held.events.values())

    def says(self, ven: VenId, letter: AnyLetter) -> None:
        """An order about one VEN; nothing for one without registration."""
        held = self.party(ven)
        if held is not None and held.registration is not None:
            self._stepped(party(ven), letter)

    def event(self, event_id: EventId) -> Instruction | None:
        return done(self.node.store.load(instructions.key(event_id), Instruction))


def _new(key: Key) -> Party:
    return Party(ven_id=VenId(key.partition("/")[2]))
