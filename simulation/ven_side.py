"""A node as a VEN towards one VTN: what `run/upstream.py` does with an end node, without a loop.

What the end node wants said is posted, one message after the other; what comes back is its next input. A held poll waits
beside, and what a push VEN is called with is answered beside.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from msgspec.structs import replace

from openadr_ra.protocol import ven
from openadr_ra.protocol.hearing import POLL_JITTER
from openadr_ra.protocol.messages import Message
from openadr_ra.protocol.model import VenId
from openadr_ra.protocol.node import EndNode, Identity
from openadr_ra.protocol.step import Effect, Fetched, Key, Read, Send
from openadr_ra.protocol.times import FOREVER
from openadr_ra.protocol.ven import Answered, Broken, Called, Configured, Input
from simulation.network import Answer, Network, Reply
from simulation.node import Node, Resume, Row, left
from simulation.timeline import SECOND, done
from simulation.vtn_side import VtnSide

LATEST = FOREVER - timedelta(days=365)
"""Later than any deadline."""

MARGIN = SECOND
"""A poll is answered within this time where nothing goes wrong."""

Before = Callable[[Read], None]


class VenSide:
    """The end node `key` of a node. `reading` is called before readings are looked for, so that meters can be read late."""

    def __init__(self, node: Node, network: Network, key: Key, identity: Identity, vtn: str) -> None:
        self.node = node
        self.key = key
        self.identity = identity
        self.vtn = vtn
        self.heard_at = node.stage.timeline.now
        self._network = network
        self._folding: VtnSide | None = None
        self.reading: Before | None = None
        self.row = self._made()
        node.starters.append(self._started)

    def _made(self) -> Row[EndNode, Input]:
        return Row(
            self.node,
            self.key,
            EndNode,
            new=lambda: EndNode(key=self.key, identity=self.identity),
            receive=ven.receive,
            wake=ven.wake,
            carry=self._carry,
        )

    def _started(self) -> None:
        self.row = self._made()
        if self._folding is not None:
            self.row.fold = partial(self._folded, self._folding)
        self.node.tellers.append(lambda mail: self.row.poke() if any(item.to == self.key for item in mail) else None)
        self.node.soon(self._begins)

    def _begins(self) -> None:
        """The loop begins once all of the node is there."""
        self.row.beside(self.row.give(Configured(identity=self.identity)))

    def folds(self, vtn: VtnSide) -> None:
        """Of a row of polls that bring nothing only the last one is made. It leaves the same behind as all of them: an idle
        poll changes when the next one is due, and nothing at the VTN."""
        self._folding = vtn

    def _folded(self, vtn: VtnSide, before: datetime) -> datetime | None:
        """When that last poll is, before somebody interferes; None where polls may matter."""
        state, clock, timeline = self.state(), self.node.clock, self.node.stage.timeline
        until = vtn.idle_until(VenId(self.node.name))
        idle = state.member.phase == "registered" and not (
            state.debts or state.draining or state.poll_tries or state.holds
        )
        if until is None or not idle or not self._network.is_clean(self.node.name, self.vtn):
            return None
        rest = ven.deadline(replace(state, poll_due=LATEST), clock.now())
        last = min(before, until, clock.true(rest) if rest is not None else before) - MARGIN
        due, period = clock.true(state.poll_due), timedelta(seconds=max(state.member.poll_s, 1) * (1 + POLL_JITTER))
        count = (last - due) // period
        if due < timeline.now or count < 1:
            return None
        self.node.stage.counts["idle polls folded"] += count
        return due + count * period

    def state(self) -> EndNode:
        """What this VEN knows of itself towards the VTN."""
        return self.row.state() or EndNode(key=self.key, identity=self.identity)

    def serve(self, message: Message, wait_s: int, reply: Reply) -> None:
        """Answer what the VTN posts to a push VEN."""
        outcome = self.row.step(Called(message=message))
        self.node.soon(self.row.look)
        self.heard_at = self.node.stage.timeline.now
        self.row.beside(left(outcome))
        reply(outcome.replies[0] if outcome.replies else None)

    def _carry(self, effect: Effect, resume: Resume) -> None:
        match effect:
            case Send(message=message, wait_s=wait_s) if wait_s:
                self._network.post(self.node, self.vtn, message, wait_s, partial(self._held, message))
                resume(())
            case Send(message=message):
                self._network.post(self.node, self.vtn, message, 0, partial(self._answered, message, resume))
            case Read():
                resume(self.row.give(self._fetched(effect)))
            case _:
                resume(())

    def _fetched(self, read: Read) -> Fetched:
        if self.reading is not None:
            self.reading(read)
        return Fetched(tag=read.tag, readings=done(self.node.store.readings(read.series, read.start, read.end)))

    def _answered(self, message: Message, resume: Resume, answer: Answer) -> None:
        """A post that fails is silence: the end node tries again by itself."""
        if not answer.came:
            resume(())
            return
        self.heard_at = self.node.stage.timeline.now
        resume(self.row.give(Answered(request=message, answer=answer.message)))

    def _held(self, message: Message, answer: Answer) -> None:
        given: Input = Answered(request=message, answer=answer.message) if answer.came else Broken()
        if answer.came:
            self.heard_at = self.node.stage.timeline.now
        self.row.beside(self.row.give(given))
