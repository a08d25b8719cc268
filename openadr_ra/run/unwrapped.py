"""What a block raises comes out of it as it is, not in the wrapping of the task groups it passed through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def unwrapped() -> AsyncIterator[None]:
    """A group of one is that one; several errors at once stay a group."""
    try:
        yield
    except BaseExceptionGroup as group:
        alone = _alone(group)
        if alone is None:
            raise
        raise alone from alone.__cause__


def _alone(error: BaseException) -> BaseException | None:
    """The one exception in a group of groups; None if there are several."""
    while isinstance(error, BaseExceptionGroup):
        if len(error.exceptions) > 1:
            return None
        error = error.exceptions[0]
    return error
