"""What a device is, is asked again while it is not known, and whenever the device has come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from openadr_ra.drivers import Guard, VirtualClock
from openadr_ra.run.describing import Descriptions
from openadr_ra.seams import Descriptor
from tests.drivers.makers import DEVICE, after, descriptor, reading
from tests.drivers.rig import Rig

OFF = ConnectionError("it is off")


class Desk:
    """One device, and how often what it is has changed."""

    def __init__(self, rig: Rig, clock: VirtualClock, known: Descriptions) -> None:
        self.rig = rig
        self.clock = clock
        self.known = known
        self.changes = 0

    def asked(self) -> int:
        return len(self.rig.heard("describe"))

    async def reach(self, seconds: float) -> None:
        await self.clock.advance(after(seconds))

    async def watch(self) -> None:
        while True:
            await self.known.changed()
            self.changes += 1


@asynccontextmanager
async def desk(answer: Descriptor | Exception) -> AsyncIterator[Desk]:
    clock = VirtualClock()
    rig = Rig(clock, describe=answer)
    async with Guard(rig, clock) as guard:
        known = Descriptions({DEVICE: guard}, clock)
        await known.first(DEVICE)
        made = Desk(rig, clock, known)
        watching = asyncio.create_task(made.watch())
        yield made
        watching.cancel()


@pytest.mark.parametrize("first", [OFF, descriptor(min_kw=0.0, max_kw=0.0)])
async def test_a_device_that_is_not_known_is_asked_each_minute_until_it_is(first: Descriptor | Exception) -> None:
    """Not described at all, or without a range."""
    async with desk(first) as made:
        await made.reach(59.9)
        assert made.asked() == 1
        await made.reach(60)
        assert (made.asked(), made.changes) == (2, 0)
        made.rig.answers["describe"] = descriptor()
        await made.reach(120)
        assert (made.changes, made.known.all()) == (1, (descriptor(),))

        await made.reach(1000)

        assert (made.asked(), made.changes) == (3, 1)


async def test_a_device_that_came_back_is_asked_again_and_what_is_the_same_is_no_change() -> None:
    async with desk(descriptor()) as made:
        made.known.heard({DEVICE: reading()})
        await made.reach(1)
        assert (made.asked(), made.changes) == (2, 0)
        made.known.heard({DEVICE: reading()})
        await made.reach(2)
        assert made.asked() == 2

        made.known.heard({DEVICE: reading(online=False)})
        made.rig.answers["describe"] = descriptor(max_kw=4.0)
        await made.reach(3)
        assert made.asked() == 2
        made.known.heard({DEVICE: reading()})
        await made.reach(4)

        assert (made.changes, made.known.all()) == (1, (descriptor(max_kw=4.0),))


async def test_a_device_that_cannot_be_described_again_is_what_it_was() -> None:
    async with desk(descriptor()) as made:
        made.rig.answers["describe"] = OFF
        made.known.heard({DEVICE: reading()})
        await made.reach(1)

        assert (made.asked(), made.changes, made.known.all()) == (2, 0, (descriptor(),))
