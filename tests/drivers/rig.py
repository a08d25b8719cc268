"""A driver whose answers a test chooses, and which notes what reaches it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from openadr_ra.seams import Ack, Clock, Descriptor, Measurement, Setpoint
from tests.drivers.makers import descriptor, reading

ACCEPTED = Ack(outcome="accepted")

VERBS = ("describe", "apply", "read", "release")


class Rig:
    """Answers sensibly until told otherwise: `answers` by verb; an exception is raised, a function is awaited."""

    def __init__(self, clock: Clock, **answers: object) -> None:
        self.clock = clock
        self.answers: dict[str, object] = answers
        self.calls: list[tuple[str, object]] = []
        self.times: list[datetime] = []
        self.inside = 0
        self.most_inside = 0

    async def describe(self) -> Descriptor:
        return await self._answer("describe", None, descriptor())  # type: ignore[return-value]  # a test may choose a wrong kind

    async def apply(self, setpoint: Setpoint) -> Ack:
        return await self._answer("apply", setpoint, ACCEPTED)  # type: ignore[return-value]  # as above

    async def read(self) -> Measurement:
        return await self._answer("read", None, reading(at=self.clock.now()))  # type: ignore[return-value]  # as above

    async def release(self, reason: str) -> Ack:
        return await self._answer("release", reason, ACCEPTED)  # type: ignore[return-value]  # as above

    def heard(self, verb: str) -> list[object]:
        """The arguments with which `verb` was called."""
        return [argument for called, argument in self.calls if called == verb]

    async def _answer(self, verb: str, argument: object, default: object) -> object:
        self.calls.append((verb, argument))
        self.times.append(self.clock.now())
        with self._counted():
            answer = self.answers.get(verb, default)
            if isinstance(answer, BaseException):
                raise answer
            return await answer() if callable(answer) else answer

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        try:
            yield
        finally:
            self.inside -= 1


async def hang() -> None:
    """Never answer."""
    await asyncio.Event().wait()


def stubborn(until: asyncio.Event) -> Callable[[], Awaitable[None]]:
    """Never answer, and take no notice of a cancellation before `until`."""

    async def wait() -> None:
        while not until.is_set():
            try:
                await until.wait()
            except asyncio.CancelledError:
                continue

    return wait
