"""What time it is for the harness."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta


def now() -> datetime:
    """The wall clock's time, aware and in UTC, and ahead of it by as much as the running loop's clock is ahead of ours.

    Whoever waits does so by the loop's clock, so what is waited for and what is stamped cannot drift apart. A usual loop
    is not ahead; one that skips the time in which nobody does anything is.
    """
    try:
        ahead_s = asyncio.get_running_loop().time() - time.monotonic()
    except RuntimeError:
        ahead_s = 0.0
    return datetime.now(UTC) + timedelta(seconds=ahead_s)
