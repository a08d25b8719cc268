"""The contract of a driver, to be run by its author: `await check_driver(make)`, in a test or by hand.

Each promise is put to a fresh driver with a clock that stands still until the check moves it. So a driver that lives by
the clock it was given is checked in no time, leases and start-ups included; one that talks to real hardware, or to an
emulator with a clock of its own, is checked as far as it keeps up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from openadr_ra.drivers.bench import Bench, ContractBroken, Promise
from openadr_ra.drivers.guard import TIMEOUT_S, Guard, told
from openadr_ra.drivers.promises import PROMISES
from openadr_ra.drivers.virtual_clock import Settle, VirtualClock, settle
from openadr_ra.seams import AnyDriver, Clock

Make = Callable[[Clock], AnyDriver]
"""Makes a fresh driver that lives by the clock it is given."""


async def check_driver(
    make: Make,
    *,
    unreachable: Make | None = None,
    overridden: Make | None = None,
    settle: Settle = settle,
    deadline_s: float = TIMEOUT_S,
    tolerance_kw: float | None = None,
) -> tuple[str, ...]:
    """Hold the drivers that `make` makes to every promise; returns the names of those that could be shown.

    Left out are promises that a device gives no chance to show (one that stores no energy has no reserve), and
    "unreachable" and "override" without a maker: of drivers whose device cannot be reached, or is turned to some power
    by hand. `settle` waits for traffic that the clock set going; `tolerance_kw` is how exactly power is measured.

    Raises ContractBroken for the first promise that is broken.
    """
    shown = []
    for promise in PROMISES:
        maker = {"unreachable": unreachable, "override": overridden}.get(promise.name, make)
        if maker is None:
            continue
        clock = VirtualClock(settle=settle)
        made = maker(clock)
        driver = Guard(made, clock, timeout_s=deadline_s) if promise.guarded else made
        bench = Bench(promise.name, driver, clock, deadline_s=deadline_s, tolerance_kw=tolerance_kw)
        if await _checked(promise, bench, driver, deadline_s):
            shown.append(promise.name)
    return tuple(shown)


async def _checked(promise: Promise, bench: Bench, driver: AnyDriver | Guard, deadline_s: float) -> bool:
    """Whether the promise was shown to hold. In a task, so that whatever the driver's context raises is a broken one."""

    async def check() -> bool:
        async with AsyncExitStack() as stack:
            if isinstance(driver, AbstractAsyncContextManager):
                async with asyncio.timeout(deadline_s):
                    await stack.enter_async_context(driver)
            return await promise.check(bench)

    run = asyncio.ensure_future(check())
    await asyncio.wait({run})
    match run.exception():
        case None:
            return run.result()
        case ContractBroken() as broken:
            raise broken
        case error:
            raise ContractBroken("raises nothing", f"its context raised {told(error)}") from error
