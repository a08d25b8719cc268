"""A gateway that is started again and again while its VTN is silent."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path

from openadr_ra import OPT_IN, Vtn, dispatch
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.step import Key
from openadr_ra.run.clock import SystemClock
from openadr_ra.run.node import Node
from openadr_ra.store import MemoryStore, SqliteStore
from tests.run.site import PATIENCE, soon
from tests.run.tiers import HURRY, battery, eventually, fleet, registered, settings

OFFLINE_S = 600
"""What was accepted is followed for so long; each life of the gateway is much shorter."""

AC = Key("node/ac")


class Ahead:
    """The machine's clock, but later."""

    def __init__(self, by: timedelta) -> None:
        self._by = by
        self._clock = SystemClock()

    def now(self) -> datetime:
        return self._clock.now() + self._by

    async def sleep_until(self, when: datetime) -> None:
        await self._clock.sleep_until(when - self._by)


async def test_silence_goes_on_over_restarts_however_short_each_life_is(tmp_path: Path) -> None:
    """What was accepted is followed anew by each life until the time is over, counted from when the VTN was heard last;
    after that no device is moved for it, not even once."""

    async def power(edge: Node, kw: float) -> bool:
        last = (await fleet(edge)).members[ResourceId("b1")].last
        return last is not None and abs(last.kw - kw) < 0.2

    async with AsyncExitStack() as above:
        vtn = await above.enter_async_context(Vtn(settings("ac", down=True), store=MemoryStore()).running())
        hurry = HURRY | {"offline_s": OFFLINE_S}
        # In its own time: an hour of the event is a few minutes of the battery's energy.
        made = settings("edge", up={"ac": vtn.url}, device=[battery("b1", speed=1)], fleet=hurry)
        store = await SqliteStore.open(tmp_path / "edge.db")
        async with Node(made, store=store).running() as edge:
            await registered(vtn, "edge")
            event = await vtn.publish(dispatch(start=soon(1), every=timedelta(hours=1), delta_kw={"edge": (-1.0,)}))
            assert await vtn.opts(event, within=PATIENCE) == {"edge": OPT_IN}
            await eventually(lambda: power(edge, -1.0))

    for later_s in (OFFLINE_S * 0.3, OFFLINE_S * 0.6):
        async with Node(made, store=store, clock=Ahead(timedelta(seconds=later_s))).running() as edge:
            await eventually(lambda: power(edge, -1.0))
            assert (await fleet(edge)).cut == ()
    async with Node(made, store=store, clock=Ahead(timedelta(seconds=OFFLINE_S + 1))).running() as edge:
        assert (await fleet(edge)).cut == (AC,)
        assert (await fleet(edge)).given == {}
    await store.close()


async def test_vtn_that_is_heard_of_after_a_long_time_is_followed_at_once(tmp_path: Path) -> None:
    """Though the gateway was off for longer than it follows a silent one."""
    async with Vtn(settings("ac", down=True), store=MemoryStore()).running() as vtn:
        made = settings("edge", up={"ac": vtn.url}, device=[battery("b1")])
        store = await SqliteStore.open(tmp_path / "edge.db")
        await store.see({AC: soon(-86_400)})
        async with Node(made, store=store).running() as edge:
            assert (await fleet(edge)).cut == (AC,)

            async def followed() -> bool:
                return (await fleet(edge)).cut == ()

            await eventually(followed)

            async def noted() -> bool:
                return (await store.seen())[AC] >= soon(-60)

            await eventually(noted)
        await store.close()


async def test_vtn_that_was_never_heard_of_is_silent_since_the_first_start(tmp_path: Path) -> None:
    """A later start does not begin that anew; a clock that is set back does not make it longer."""
    made = settings("edge", up={"ac": "http://127.0.0.1:9"}, device=[battery("b1")])
    store = await SqliteStore.open(tmp_path / "edge.db")
    async with Node(made, store=store).running():
        first = (await store.seen())[AC]
    async with Node(made, store=store, clock=Ahead(timedelta(seconds=10))).running() as edge:
        assert ((await store.seen())[AC], (await fleet(edge)).cut) == (first, ())
    async with Node(made, store=store, clock=Ahead(timedelta(seconds=-3600))).running() as edge:
        assert ((await store.seen())[AC], (await fleet(edge)).cut) == (first, ())
    await store.close()
