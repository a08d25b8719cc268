"""The machine's clock, also when somebody sets it back."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from openadr_ra.drivers.guard import Guard
from openadr_ra.protocol.model import EventId, ResourceId
from openadr_ra.protocol.step import AnyLetter, Key, Moment, Outcome, State
from openadr_ra.run.clock import SystemClock
from openadr_ra.run.row import Row
from openadr_ra.seams import Ack, Descriptor, Measurement, Setpoint
from openadr_ra.store import MemoryStore

PATIENCE_S = 20.0
HOUR = timedelta(hours=1)


class Settable(SystemClock):
    """The machine's clock, how far it is off, and whether somebody sleeps by it."""

    def __init__(self) -> None:
        self.off = timedelta(0)
        self.asleep = asyncio.Event()

    def now(self) -> datetime:
        return super().now() + self.off

    async def sleep_until(self, when: datetime) -> None:
        self.asleep.set()
        await super().sleep_until(when)

    async def set_back(self) -> None:
        """By an hour, once somebody sleeps."""
        await asyncio.wait_for(self.asleep.wait(), PATIENCE_S)
        self.off = -HOUR


async def test_a_sleeper_wakes_in_time_when_the_clock_is_set_back_meanwhile() -> None:
    """Not an hour late; and by the new clock it is not yet what was waited for."""
    clock = Settable()
    when = clock.now() + timedelta(seconds=0.05)
    sleeping = asyncio.ensure_future(clock.sleep_until(when))
    await clock.set_back()
    await asyncio.wait_for(sleeping, PATIENCE_S)

    assert clock.now() < when


async def test_a_sleeper_does_not_wake_early_when_the_clock_stands_right() -> None:
    clock = Settable()
    when = clock.now() + timedelta(seconds=0.05)
    await asyncio.wait_for(clock.sleep_until(when), PATIENCE_S)

    assert clock.now() >= when


class Woken(State, frozen=True, kw_only=True, gc=False):
    """When it was woken."""

    at: tuple[datetime, ...] = ()


async def test_a_row_is_woken_when_the_clock_is_set_back() -> None:
    """It reckons anew: its deadline may lie an hour ahead by the new clock."""
    clock, store, woken = Settable(), MemoryStore(), asyncio.Event()

    def receive(state: Woken, given: AnyLetter, moment: Moment) -> Outcome[Woken]:
        return Outcome(state=state)

    def wake(state: Woken, moment: Moment) -> Outcome[Woken]:
        if state.at:
            woken.set()
        return Outcome(state=Woken(at=(*state.at, moment.now)), due=moment.now + timedelta(seconds=0.2))

    row: Row[Woken, AnyLetter] = Row(
        Key("row"), Woken, store=store, clock=clock, new=Woken, receive=receive, wake=wake, tell=lambda mail: None
    )  # fmt: skip

    async def carry(effect: object) -> None:
        """There are none."""

    running = asyncio.ensure_future(row.run(carry))
    while (held := await row.state()) is None or not held.at:
        await clock.set_back()
    await asyncio.wait_for(woken.wait(), PATIENCE_S)
    running.cancel()


class Held:
    """A device that says when it is let go."""

    def __init__(self) -> None:
        self.released = asyncio.Event()

    async def describe(self) -> Descriptor:
        return Descriptor(id=ResourceId("bat"), kind="battery", min_kw=-5.0, max_kw=5.0)

    async def apply(self, setpoint: Setpoint) -> Ack:
        return Ack(outcome="accepted", effective_kw=setpoint.kw)

    async def read(self) -> Measurement:
        raise NotImplementedError

    async def release(self, reason: str) -> Ack:
        self.released.set()
        return Ack(outcome="accepted", effective_kw=0.0)


async def test_a_lease_does_not_last_longer_because_the_clock_is_set_back() -> None:
    """A device was driven for the hour that the clock had been ahead."""
    clock, device = Settable(), Held()
    async with Guard(device, clock) as guard:
        lease_until = clock.now() + timedelta(seconds=0.3)
        ack = await guard.apply(Setpoint(event_id=EventId("e"), sequence=1, kw=-2.0, lease_until=lease_until))
        assert ack.outcome == "accepted"
        await clock.set_back()
        await asyncio.wait_for(device.released.wait(), PATIENCE_S)
