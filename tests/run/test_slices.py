"""What concerns thousands of VENs keeps nobody else waiting."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from openadr_ra import Vtn, dispatch
from openadr_ra.protocol.instruction import party
from openadr_ra.protocol.model import EventId, VenId
from openadr_ra.protocol.party import Party
from openadr_ra.protocol.step import Key, Outcome
from openadr_ra.run.slices import SLICE, Telling
from openadr_ra.seams import Step
from openadr_ra.settings import Downstream, NodeSettings
from openadr_ra.store import MemoryStore
from tests.run.site import soon

MANY = 20 * SLICE + 1


class Turns:
    """How often the loop came round so far."""

    def __init__(self) -> None:
        self.count = 0

    @asynccontextmanager
    async def counted(self) -> AsyncIterator[None]:
        async def go_on() -> None:
            while True:
                self.count += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(go_on())
        yield
        task.cancel()


async def test_parties_are_told_in_slices() -> None:
    """In order, and between two slices the loop does what else there is."""
    turns, told = Turns(), list[tuple[Key, int]]()
    done = asyncio.Event()

    def tell(key: Key) -> None:
        told.append((key, turns.count))
        if len(told) == MANY:
            done.set()

    telling = Telling(tell)
    keys = [Key(f"party/{number}") for number in range(MANY)]
    async with turns.counted():
        telling.tell(keys[:5])
        telling.tell(keys[5:])
        task = asyncio.create_task(telling.run())
        await done.wait()
        task.cancel()
    assert [key for key, _ in told] == keys
    assert max(Counter(turn for _, turn in told).values()) <= SLICE


async def test_publishing_to_many_vens_comes_in_slices_with_the_loop_free_between() -> None:
    """The looking at what they have as well as their opts; this store itself never lets go of the loop."""
    store = MemoryStore()
    vens = [VenId(f"V{number}") for number in range(MANY)]

    def known(ven: VenId) -> Step[Party]:
        return lambda state, letters: Outcome(state=Party(ven_id=ven))

    for ven in vens:
        await store.update(party(ven), Party, known(ven))
    settings = NodeSettings(downstream=Downstream(listen="127.0.0.1:0", admit="ca", signature="off"))
    turns = Turns()
    async with Vtn(settings, store=store).running() as vtn, turns.counted():
        order = dispatch(start=soon(3600), every=timedelta(hours=1), delta_kw=dict.fromkeys(vens, (-1.0,)))
        before = turns.count
        event = await vtn.publish(order)
        assert turns.count - before >= MANY // SLICE
        assert len(await store.letters(0, MANY + 1)) == MANY
        before = turns.count
        assert list(await vtn.opts(EventId(event))) == vens
        assert turns.count - before >= MANY // SLICE
