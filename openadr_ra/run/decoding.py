"""Bodies to messages without holding up the loop, at either end. A VEN that decodes loads no server for it."""

from __future__ import annotations

import asyncio

from openadr_ra.protocol.messages import Message
from openadr_ra.wire import codec

PARSE_IN_THREAD_BYTES = 64 * 1024
"""Larger bodies are decoded in a thread, so that one peer's report does not hold up the others."""


async def decoded(body: bytes) -> Message:
    """The message in `body`. Raises what `codec.decode` raises."""
    if len(body) > PARSE_IN_THREAD_BYTES:
        return await asyncio.to_thread(codec.decode, body)
    return codec.decode(body)
