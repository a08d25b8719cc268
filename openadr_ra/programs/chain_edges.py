"""Many gateways in one process: `python -m openadr_ra.programs.chain_edges edges/street-01.toml …`, until SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from openadr_ra.programs.serve import log_to_stderr
from openadr_ra.run.ven import Ven


async def serve(settings: Iterable[Path]) -> None:
    """Be all of these VENs until cancelled."""
    async with AsyncExitStack() as stack:
        for path in settings:
            await stack.enter_async_context(Ven.from_toml(path).running())
        await asyncio.Event().wait()


async def _until_told(settings: Iterable[Path]) -> None:
    serving = asyncio.ensure_future(serve(settings))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    with suppress(asyncio.CancelledError):
        await serving


if __name__ == "__main__":
    log_to_stderr("WARNING")
    asyncio.run(_until_told([Path(name) for name in sys.argv[1:]]))
