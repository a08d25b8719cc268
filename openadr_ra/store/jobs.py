"""What stores do in batches, and who waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from openadr_ra.store.batch import Batch

MAX_BATCH = 512
"""Jobs that share one commit: the first of them waits for the last."""

T = TypeVar("T")


class Job:
    """Something to do in a batch, and who waits for its result."""

    def __init__(self, work: Callable[[Batch], T], result: asyncio.Future[T]) -> None:
        self._attempt: Callable[[Batch], Callable[[], None]] = lambda batch: partial(result.set_result, work(batch))
        self._refuse = result.set_exception
        self._given_up = result.done
        self._tell: Callable[[], None]

    def run(self, batch: Batch) -> None:
        """Do it; what it raises is kept for who waits."""
        error = raised(partial(self._try, batch))
        if error is not None:
            self.fail(error)

    def _try(self, batch: Batch) -> None:
        self._tell = self._attempt(batch)

    def fail(self, error: BaseException) -> None:
        """It raised, or what it did could not be stored."""
        if isinstance(error, StopIteration):
            # A future cannot carry this one; a coroutine makes of it the same.
            error = RuntimeError("a step raised StopIteration")
        self._tell = partial(self._refuse, error)

    def deliver(self) -> None:
        """In the loop: hand the result to who waits, unless nobody does any more."""
        if not self._given_up():
            self._tell()


def raised(work: Callable[[], None]) -> BaseException | None:
    """What `work` raises.

    A step may raise whatever it likes, and its caller alone shall hear of it: an error that ended the thread would
    leave everybody waiting for ever.
    """
    try:
        work()
    except BaseException as error:
        return error
    return None
