"""The virtual clock wakes each sleeper at its instant, in order, and nobody else."""

from __future__ import annotations

import asyncio

from openadr_ra.drivers import VirtualClock
from tests.drivers.makers import after


async def test_a_sleeper_wakes_at_its_very_instant() -> None:
    clock = VirtualClock()
    woken = []

    async def sleep(seconds: float) -> None:
        await clock.sleep_until(after(seconds))
        woken.append((seconds, clock.now()))

    async with asyncio.TaskGroup() as group:
        for seconds in (3, 1, 2):
            group.create_task(sleep(seconds))
        await clock.advance(after(10))

    assert woken == [(1, after(1)), (2, after(2)), (3, after(3))]
    assert clock.now() == after(10)


async def test_what_a_sleeper_sets_going_happens_before_the_next_instant() -> None:
    """A loop that sleeps again and again wakes each time, though the clock is moved once."""
    clock = VirtualClock()
    ticks = []

    async def tick() -> None:
        for number in range(1, 4):
            await clock.sleep_until(after(number))
            ticks.append(clock.now())

    async with asyncio.TaskGroup() as group:
        group.create_task(tick())
        await clock.advance(after(3))

        assert ticks == [after(1), after(2), after(3)]


async def test_it_does_not_wake_those_whose_time_has_not_come() -> None:
    clock = VirtualClock()
    sleeper = asyncio.create_task(clock.sleep_until(after(2)))

    await clock.advance(after(1.999))
    assert not sleeper.done()
    assert clock.next() == after(2)
    await clock.advance(after(2))
    assert sleeper.done()
    assert clock.next() is None


async def test_who_was_cancelled_sleeps_no_more() -> None:
    clock = VirtualClock()
    sleeper = asyncio.create_task(clock.sleep_until(after(1)))
    await clock.advance(clock.now())
    sleeper.cancel()

    await clock.advance(after(5))

    assert sleeper.cancelled()
    assert clock.next() is None


async def test_the_past_needs_no_waiting_and_time_never_goes_back() -> None:
    clock = VirtualClock()
    await clock.advance(after(5))

    await clock.sleep_until(after(5))
    await clock.sleep_until(after(1))
    await clock.advance(after(1))

    assert clock.now() == after(5)
