"""Bodies to messages without holding up the loop, at either end. A VEN that decodes loads no server for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from openadr_ra.protocol.messages import Message
from openadr_ra.wire import codec

T = TypeVar("T")

PARSE_IN_THREAD_BYTES = 64 * 1024
"""Larger bodies are decoded in a thread, so that one peer's report does not hold up the others."""

DECODERS = 2
"""So many at a time: while it is decoded a body takes up to thirty times its bytes."""

_decoders = ThreadPoolExecutor(DECODERS, "openadr-ra decoder")


async def decoded(body: bytes) -> Message:
    """The message in `body`. Raises what `codec.decode` raises."""
    return await apart(body, lambda: codec.decode(body))


async def apart(body: bytes, work: Callable[[], T]) -> T:
    """What `work` makes of `body`; in a thread if that may take its time. Raises what `work` raises."""
    if len(body) > PARSE_IN_THREAD_BYTES:
        return await asyncio.get_running_loop().run_in_executor(_decoders, work)
    return work()
