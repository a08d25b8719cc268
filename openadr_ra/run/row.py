"""A row and its loop: inputs step it, deadlines wake it, its effects are carried out once they are durable."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Generic, Protocol, TypeVar

from msgspec.structs import replace

from openadr_ra.errors import OadrRaError
from openadr_ra.protocol.messages import Message
from openadr_ra.protocol.step import AnyLetter, Effect, Key, Mail, Moment, Once, Outcome, Record, State
from openadr_ra.run.clock import Moments
from openadr_ra.seams import Clock, Store

S = TypeVar("S", bound=State)
Given = TypeVar("Given")
Given_contra = TypeVar("Given_contra", contravariant=True)

log = logging.getLogger(__name__)

PAUSE_S = 1.0
"""After a failure that nobody foresaw; the loop goes on."""

START = datetime.min.replace(tzinfo=UTC)
"""The deadline of a row that has not been woken in this life."""


class Receive(Protocol[S, Given_contra]):
    def __call__(self, state: S, given: Given_contra | AnyLetter, moment: Moment, /) -> Outcome[S]: ...


Wake = Callable[[S, Moment], Outcome[S]]
Carry = Callable[[Effect], Awaitable[None]]


def chained(state: S, receive: Receive[S, Given], inputs: Iterable[Given | AnyLetter], moments: Moments) -> Outcome[S]:
    """The outcome of several inputs to one row, as of one step."""
    outcome = Outcome(state=state)
    for given in inputs:
        outcome = _joined(outcome, receive(outcome.state, given, moments.next()))
    return outcome


def _joined(first: Outcome[S], then: Outcome[S]) -> Outcome[S]:
    return Outcome(
        state=then.state,
        replies=first.replies + then.replies,
        effects=first.effects + then.effects,
        mail=first.mail + then.mail,
        due=then.due,
    )


def _left(outcome: Outcome[S]) -> tuple[Effect, ...]:
    """The effects that the store has not seen to."""
    return tuple(effect for effect in outcome.effects if not isinstance(effect, Record))


class Row(Generic[S, Given]):
    """One row, stepped in order. `tell` is called with the mail of each step, for rows of this process to be poked."""

    def __init__(
        self,
        key: Key,
        kind: type[S],
        *,
        store: Store,
        clock: Clock,
        new: Callable[[], S],
        receive: Receive[S, Given],
        wake: Wake[S],
        tell: Callable[[tuple[Mail, ...]], None],
    ) -> None:
        self.key = key
        self._kind = kind
        self._store = store
        self._clock = clock
        self._new = new
        self._receive = receive
        self._wake = wake
        self._tell = tell
        self._poked = asyncio.Event()
        self._mail = False
        self._due: datetime | None = START

    def poke(self) -> None:
        """Mail has come."""
        self._mail = True
        self._poked.set()

    def wake_up(self) -> None:
        """Somebody else stepped the row, so that its deadline here may be wrong: wake it at once."""
        self._due = START
        self._poked.set()

    async def step(self, *inputs: Given, waking: bool = False) -> tuple[Effect, ...]:
        """Apply waiting mail, then `inputs`, then wake if `waking` or if there was neither: one transaction.

        What is left to carry out.
        """
        return _left(await self._step(inputs, waking))

    async def _step(self, inputs: tuple[Given, ...], waking: bool, once: Once | None = None) -> Outcome[S]:

        def step(state: S | None, letters: tuple[AnyLetter, ...]) -> Outcome[S]:
            moments = Moments(self._clock)
            held = self._new() if state is None else state
            outcome = chained(held, self._receive, (*letters, *inputs), moments)
            if once is not None:
                outcome = replace(outcome, effects=(*outcome.effects, Record(once=once)))
            if waking or not (letters or inputs):
                return _joined(outcome, self._wake(outcome.state, moments.next()))
            return outcome

        outcome = await self._store.update(self.key, self._kind, step)
        self._due = outcome.due
        if outcome.mail:
            self._tell(outcome.mail)
        return outcome

    async def ask(self, *inputs: Given, once: Once | None = None) -> tuple[tuple[Message, ...], tuple[Effect, ...]]:
        """Step with inputs and let the loop look at the new deadline at once: the replies, and what is left to carry out.

        Raises ComplianceError, and changes nothing, where the inputs came with a nonce (`once`) that is known already.
        """
        outcome = await self._step(inputs, waking=False, once=once)
        self._poked.set()
        return outcome.replies, _left(outcome)

    async def give(self, *inputs: Given, once: Once | None = None) -> tuple[Effect, ...]:
        """The same for whoever expects no replies."""
        _, effects = await self.ask(*inputs, once=once)
        return effects

    async def state(self) -> S | None:
        return await self._store.load(self.key, self._kind)

    async def run(self, carry: Carry) -> None:
        """Wake at the start and at each deadline, take mail as it comes, and carry out what follows, until cancelled."""
        while True:
            self._poked.clear()
            try:
                for effect in await self._look():
                    await carry(effect)
            except OadrRaError as error:
                log.warning("! %s: %s", self.key, error)
                await self._rest(PAUSE_S)
            except Exception:
                log.exception("! %s", self.key)
                await self._rest(PAUSE_S)
            await self._wait()

    async def _look(self) -> tuple[Effect, ...]:
        """What there is to carry out now; nothing where only a deadline has moved."""
        waking = self._due is not None and self._clock.now() >= self._due
        if not waking and not self._mail:
            return ()
        self._mail = False
        return await self.step(waking=waking)

    async def _rest(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.poke()

    async def _wait(self) -> None:
        if self._due is None:
            await self._poked.wait()
            return
        due = self._due
        sleeping = asyncio.ensure_future(self._clock.sleep_until(due))
        poked = asyncio.ensure_future(self._poked.wait())
        try:
            done, _ = await asyncio.wait((sleeping, poked), return_when=asyncio.FIRST_COMPLETED)
            if sleeping in done and self._clock.now() < due:
                # The clock was set back: what was reckoned by it is reckoned anew.
                self._due = START
        finally:
            sleeping.cancel()
            poked.cancel()
            # Awaited one by one, their cancellation could not be told from our own, which must not be lost.
            await asyncio.wait((sleeping, poked))
