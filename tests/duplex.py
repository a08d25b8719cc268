"""A pair whose VTN may speak first: it posts to a push VEN, and holds the polls of a pull VEN that lets it.

    pair = Duplex(identity=PUSHED)
    pair.ven_starts()
    pair.vtn_publishes(shed())
    pair.settles()

Both ends wake when they want to, and only then; a state that is woken without end at one instant fails the test.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from msgspec.structs import replace

from openadr_ra.protocol import ven, vtn
from openadr_ra.protocol.messages import Message, Poll
from openadr_ra.protocol.node import Identity
from openadr_ra.protocol.step import Effect, Outcome, Read, Send
from openadr_ra.protocol.ven import Called, Configured
from openadr_ra.protocol.vtn import Lost, Party, Pushed, Terms, quiet_until
from tests.world import (
    HOUR,
    IDENTITY,
    MOST_STEPS,
    NOON,
    SECOND,
    SLOWNESS,
    TERMS,
    Exchange,
    Fate,
    Pair,
    found,
    over_the_wire,
)

PUSHED = replace(IDENTITY, push_address="https://ven.example:8443")
"""A VEN that is told by its VTN's posts."""


class Duplex(Pair):
    """`pushes` has what the VTN posted and what came back; `down`: nobody listens at the VEN's address. While it is not
    `patient`, something on the way to the VTN has polls answered at once.

    What becomes of a post is told by `push_fates`; of "crash" it is the VTN that dies, after the VEN has heard.
    """

    def __init__(
        self,
        *,
        now: datetime = NOON - HOUR,
        terms: Terms = TERMS,
        identity: Identity = IDENTITY,
        fates: Iterable[Fate] = (),
        push_fates: Iterable[Fate] = (),
        wire: Callable[[Message], Message] = over_the_wire,
    ) -> None:
        super().__init__(now=now, terms=terms, identity=identity, fates=fates, wire=wire)
        self.push_fates: Iterator[Fate] = iter(push_fates)
        self.pushes: list[Exchange] = []
        self.down = False
        self.patient = True
        self.polls_sent: list[tuple[datetime, int]] = []
        self.vtn_wakes = 0
        self._overtaken: list[Message] = []
        self._held: tuple[Message, datetime] | None = None

    def clock_reaches(self, when: datetime) -> None:
        """Time passes, and both ends wake whenever they want to."""
        while True:
            self._settle()
            due = min((at for at in self._dues() if at is not None), default=None)
            if due is None or due > when:
                break
            self.now = max(due, self.now)
        self.now = max(self.now, when)

    def _settle(self) -> None:
        """All that is due now, at both ends."""
        for _ in range(MOST_STEPS):
            before = self.party, self.node, self._held
            super().clock_reaches(self.now)
            self._vtn_speaks()
            self._let_go()
            if before == (self.party, self.node, self._held):
                return
        raise AssertionError(f"no progress at {self.now}: {self.node.debts} {self.party.debts}")

    def _dues(self) -> tuple[datetime | None, ...]:
        held_until = None
        if self._held is not None:
            held_until = min(self._held[1], quiet_until(self.party, self.now, self.terms) or self.now)
        return (
            ven.deadline(self.node, self.now),
            vtn.wake(self.party, self.terms, self._moments.at(self.now)).due,
            held_until,
        )

    # The VTN's posts.

    def _vtn_speaks(self) -> None:
        for _ in range(MOST_STEPS):
            self.vtn_wakes += 1
            posts = self._posts(vtn.wake(self.party, self.terms, self._moments.at(self.now)))
            assert len(posts) <= 1, "one payload at a time"
            if not posts:
                return
            self._post(posts[0])
        raise AssertionError(f"the VTN posts without end at {self.now}: {self.party.debts}")

    def _posts(self, outcome: Outcome[Party]) -> list[Message]:
        """What the outcome wants posted, once the readings that it needs are fetched."""
        posts = [effect.message for effect in outcome.effects if isinstance(effect, Send)]
        if self._kept(outcome):
            (read,) = (effect for effect in outcome.effects if isinstance(effect, Read))
            given = found(self.vtn_samples, read)
            posts += self._posts(vtn.receive(self.party, given, self._moments.at(self.now)))
        return posts

    def _post(self, message: Message) -> None:
        fate = "request lost" if self.down else next(self.push_fates, "carried")
        late, self._overtaken = self._overtaken, []
        reply: Message | None = None
        if fate == "late":
            self._overtaken.append(message)
        elif fate != "request lost":
            reply = self.ven_is_called(message)
        if fate == "carried twice":
            self.ven_is_called(message)
        for overtaken in late:
            self.ven_is_called(overtaken)
        if fate == "slow":
            self.now += SLOWNESS
        arrived = fate in ("carried", "carried twice", "slow")
        self.pushes.append(Exchange(self.now, message, reply if arrived else None))
        if fate == "crash":
            return
        came = Pushed(message=message, answer=reply, terms=self.terms) if arrived else Lost(message=message)
        self._kept(vtn.receive(self.party, came, self._moments.at(self.now)))

    def ven_is_called(self, message: Message) -> Message | None:
        """The VEN's answer to a post; None is an empty 200."""
        outcome = ven.receive(self.node, Called(message=self._wire(message)), self._moments.at(self.now))
        self._stepped(replace(outcome, replies=()))
        self._carry()
        assert len(outcome.replies) <= 1
        return self._wire(outcome.replies[0]) if outcome.replies else None

    # Held polls.

    def _carry(self) -> None:
        effects: deque[Effect] = deque()
        while self._effects:
            effect = self._effects.popleft()
            if isinstance(effect, Send) and isinstance(effect.message, Poll):
                self.polls_sent.append((self.now, effect.wait_s))
            if isinstance(effect, Send) and effect.wait_s and self.patient:
                # The poll before is given up.
                self._held = effect.message, self.now + effect.wait_s * SECOND
            else:
                effects.append(effect)
        self._effects = effects
        super()._carry()

    def _let_go(self) -> None:
        """A held poll is answered when there is something to say, or when its time is over."""
        if self._held is None:
            return
        message, until = self._held
        if self.now < until and quiet_until(self.party, self.now, self.terms) is not None:
            return
        self._held = None
        self._exchange(message)
        self._carry()

    # The rest.

    def late_ones_arrive(self) -> None:
        """Nothing is on its way any more."""
        while self._late:
            self.vtn_hears(self._late.pop(0))
        while self._overtaken:
            self.ven_is_called(self._overtaken.pop(0))

    def restarts(self, identity: Identity | None = None) -> None:
        """The VEN's process dies and begins again, with other settings if there are any.

        Nothing is on its way any more when people have changed settings: no message tells which of two is the newer.
        """
        if identity is not None:
            self.late_ones_arrive()
        self.identity = identity or self.identity
        self._effects.clear()
        self._held = None
        self.ven_receives(Configured(identity=self.identity))
