"""The network: whatever is posted may be lost, come twice, come late, or its answer may. HTTP's own order is kept where HTTP
keeps it: an answer belongs to its post, and one that comes after the time limit reaches nobody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from openadr_ra.protocol.messages import Message
from openadr_ra.protocol.vtn import is_poll
from openadr_ra.wire import codec
from simulation.node import Node
from simulation.stage import NO_FAULTS, Stage
from simulation.timeline import MINUTE, SECOND

TIME_LIMIT = 60 * SECOND
"""How long a post waits for its answer, as in `net.client.Bounds`."""

QUICKEST, USUAL, SLOW = SECOND / 1000, SECOND / 20, 45 * SECOND


class Answer(NamedTuple):
    """What came back: `message` None is an empty 200, where it came at all."""

    came: bool
    message: Message | None = None


NONE = Answer(came=False)

Reply = Callable[[Message | None], None]
Serve = Callable[[Message, int, Reply], None]
"""Takes a message and for how long it may be held (s), and replies now, later, or never."""


class Place(NamedTuple):
    """Where a node is reached."""

    node: Node
    serve: Serve


class Network:
    """Between all nodes. Every `wired`-th message goes as bytes that the schema has accepted; 0: none does."""

    def __init__(self, stage: Stage, wired: int = 0) -> None:
        self._stage = stage
        self._wired = wired
        self._count = 0
        self.places: dict[str, Place] = {}
        self.cuts: dict[str, datetime] = {}
        """Nodes that cannot be reached and reach nobody, until then."""

    def post(self, source: Node, address: str, message: Message, wait_s: int, then: Callable[[Answer], None]) -> None:
        """Post `message`; `then` is called once in this life of the source, at the latest at the time limit."""
        stage, life = self._stage, source.life
        self._count += 1
        stage.counts["messages"] += 1
        post = _Post(source, life, then)
        stage.tell(source.name, f"> {address}: {message}")
        place = self.places[address]
        if self._is_lost(source, place):
            stage.counts["requests lost"] += 1
            stage.tell(source.name, "# lost")
            # Half of them are refused at once, the rest are silence.
            soon = stage.dice.random() < 0.5
            stage.timeline.after(USUAL if soon else TIME_LIMIT, partial(post.ends, NONE))
            return
        post.limit = stage.timeline.after(TIME_LIMIT + wait_s * SECOND, partial(post.ends, NONE))
        sent = self._as_sent(message)
        arrives = partial(self._arrive, post, place, sent, wait_s)
        stage.timeline.after(self._delay(), arrives)
        # HTTP itself repeats no post; whoever repeats its poll knows that, and asks for what may have gone astray.
        if not is_poll(message) and stage.happens(stage.faults.twice):
            stage.counts["requests twice"] += 1
            stage.timeline.after(self._delay() + stage.within(QUICKEST, SLOW), arrives)

    def _is_lost(self, source: Node, place: Place) -> bool:
        now = self._stage.timeline.now
        if any(name in self.cuts and self.cuts[name] > now for name in (source.name, place.node.name)):
            return True
        return self._stage.happens(self._stage.faults.lost)

    def _arrive(self, post: _Post, place: Place, message: Message, wait_s: int) -> None:
        if not place.node.up:
            post.ends(NONE)
            return
        place.node.doing(partial(place.serve, message, wait_s, partial(self._answered, post)))

    def _answered(self, post: _Post, message: Message | None) -> None:
        stage = self._stage
        if stage.happens(stage.faults.answer_lost) or self._is_cut(post):
            stage.counts["answers lost"] += 1
            stage.tell(post.source.name, f"# lost: the answer {message}")
            return
        answer = Answer(came=True, message=None if message is None else self._as_sent(message))
        stage.timeline.after(self._delay(), partial(post.ends, answer))

    def _is_cut(self, post: _Post) -> bool:
        until = self.cuts.get(post.source.name)
        return until is not None and until > self._stage.timeline.now

    def _delay(self) -> timedelta:
        stage = self._stage
        if stage.happens(stage.faults.slow):
            stage.counts["slow"] += 1
            return stage.within(USUAL, SLOW)
        return stage.within(QUICKEST, USUAL)

    def _as_sent(self, message: Message) -> Message:
        """As the other end reads it."""
        if not self._wired or self._count % self._wired:
            return message
        self._stage.counts["messages as bytes"] += 1
        return codec.decode(codec.encode_checked(message))

    def is_clean(self, name: str, address: str) -> bool:
        """Whether nothing can happen to a message between that node and that address now."""
        place, now = self.places[address], self._stage.timeline.now
        cut = any(until > now for node, until in self.cuts.items() if node in (name, place.node.name))
        return place.node.up and not cut and self._stage.faults == NO_FAULTS

    def cut(self, name: str, minutes: float) -> None:
        """That node is out of reach for so long."""
        self._stage.counts["cuts"] += 1
        self._stage.tell(name, f"# out of reach for {minutes:.0f} min")
        self.cuts[name] = self._stage.timeline.now + minutes * MINUTE


class _Post:
    """A post that waits for its end: the answer, or that there is none."""

    def __init__(self, source: Node, life: int, then: Callable[[Answer], None]) -> None:
        self.source = source
        self._life = life
        self._then: Callable[[Answer], None] | None = then
        self.limit: int | None = None

    def ends(self, answer: Answer) -> None:
        then, self._then = self._then, None
        if then is not None and self.limit is not None and answer.came:
            self.source.stage.timeline.cancel(self.limit)
        if then is None or self._life != self.source.life:
            return
        stage = self.source.stage
        stage.tell(self.source.name, f"< {answer.message or 'an empty answer'}" if answer.came else "< nothing")
        self.source.doing(partial(then, answer))
