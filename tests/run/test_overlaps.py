"""Rule 18 at the VTN: no two events of a market context run at the same time for one VEN; who tries is told of which."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from openadr_ra import Vtn, dispatch
from openadr_ra.drivers import VirtualClock
from openadr_ra.errors import InvalidData, InvalidId
from openadr_ra.protocol.event_overlap import Overlap
from openadr_ra.protocol.instruction import Instruction
from openadr_ra.protocol.model import EventId
from openadr_ra.seams import Store
from openadr_ra.settings import AdmittedVen, Downstream, NodeSettings
from openadr_ra.store import MemoryStore, open_store

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
OTHER = "http://other.example/"


@asynccontextmanager
async def running(store: Store | None = None, clock: VirtualClock | None = None) -> AsyncIterator[Vtn]:
    """A VTN at nine in the morning that knows two VENs; nobody has fetched anything."""
    down = Downstream(listen="127.0.0.1:0", admit="ca", ven=(AdmittedVen(id="VEN1"), AdmittedVen(id="VEN2")))
    made = Vtn(
        NodeSettings(downstream=down), clock=clock or VirtualClock(NOON - 3 * HOUR), store=store or MemoryStore()
    )
    async with made.running() as vtn:
        yield vtn


def event(
    name: str,
    start: datetime = NOON,
    length: timedelta = HOUR,
    *,
    to: tuple[str, ...] = ("VEN1",),
    context: str = "",
    startafter: timedelta = timedelta(0),
) -> Instruction:
    made = dispatch(start=start, every=length, delta_kw=(-1,), to=to, market_context=context)
    return replace(made, id=EventId(name), startafter=startafter)


async def known(vtn: Vtn) -> dict[str, int]:
    """The modification of each event."""
    return {order.id: order.modification for order in await vtn.events()}


async def test_rule_18_at_the_vtn_an_overlap_is_refused_with_the_name_of_the_other_event() -> None:
    async with running() as vtn:
        await vtn.publish(event("ev-1"))
        with pytest.raises(Overlap) as refused:
            await vtn.publish(event("ev-2", NOON + MINUTE))

        assert await known(vtn) == {"ev-1": 0}
    assert str(refused.value) == (
        "VEN VEN1 has event ev-1 from 2026-11-21T12:00:00Z to 2026-11-21T13:00:00Z in the same market context"
        " http://openadr-ra.invalid/dispatch; choose another time or market context, or change or cancel that one (rule 18)"
    )


@pytest.mark.parametrize(
    ("start", "length", "fits"),
    [
        (NOON - HOUR, HOUR, True),
        (NOON - HOUR, HOUR + SECOND, False),
        (NOON + HOUR - SECOND, HOUR, False),
        (NOON + HOUR, HOUR, True),
        (NOON - HOUR, 3 * HOUR, False),
        (NOON + MINUTE, MINUTE, False),
    ],
    ids=["just before", "a second too long", "a second too early", "just after", "round it", "inside it"],
)
async def test_rule_18_at_the_vtn_events_may_touch_and_no_more(start: datetime, length: timedelta, fits: bool) -> None:
    async with running() as vtn:
        await vtn.publish(event("ev-1"))
        if fits:
            await vtn.publish(event("ev-2", start, length))
        else:
            with pytest.raises(Overlap):
                await vtn.publish(event("ev-2", start, length))


async def test_rule_18_at_the_vtn_other_vens_and_other_market_contexts_have_their_own_time() -> None:
    async with running() as vtn:
        await vtn.publish(event("ev-1"))
        await vtn.publish(event("ev-2", to=("VEN2",)))
        await vtn.publish(event("ev-3", to=("VEN1", "VEN2"), context=OTHER))
        with pytest.raises(Overlap, match="VEN VEN2 has event ev-2 "):
            await vtn.publish(event("ev-4", NOON + 59 * MINUTE, to=("VEN2",)))


@pytest.mark.parametrize(("later", "fits"), [(10 * MINUTE - SECOND, False), (10 * MINUTE, True)])
async def test_rule_18_at_the_vtn_what_startafter_may_add_belongs_to_an_event(later: timedelta, fits: bool) -> None:
    """Of the one that is there and of the new one alike."""
    orders = event("ev-1", startafter=10 * MINUTE), event("ev-2", NOON + HOUR + later)
    for first, second in (orders, orders[::-1]):
        async with running() as vtn:
            await vtn.publish(first)
            if fits:
                await vtn.publish(second)
            else:
                with pytest.raises(Overlap):
                    await vtn.publish(second)


async def test_rule_18_at_the_vtn_a_change_into_another_event_is_refused_and_changes_nothing() -> None:
    async with running() as vtn:
        await vtn.publish(event("ev-1"))
        await vtn.publish(event("ev-2", NOON + 2 * HOUR))
        with pytest.raises(Overlap, match="VEN VEN1 has event ev-1 "):
            await vtn.change("ev-2", event("", NOON + 30 * MINUTE))

        assert await known(vtn) == {"ev-1": 0, "ev-2": 0}
        await vtn.change("ev-2", event("", NOON + HOUR))
        assert await known(vtn) == {"ev-1": 0, "ev-2": 1}


async def test_rule_18_at_the_vtn_an_event_is_not_in_its_own_way() -> None:
    async with running() as vtn:
        await vtn.publish(event("ev-1"))
        await vtn.change("ev-1", event("", NOON + 30 * MINUTE, 2 * HOUR))
        with pytest.raises(Overlap):
            await vtn.publish(event("ev-2", NOON + 2 * HOUR))


async def test_rule_18_at_the_vtn_a_ven_that_was_left_out_is_free_and_one_that_was_taken_in_is_not() -> None:
    async with running() as vtn:
        await vtn.publish(event("ev-1"))
        await vtn.change("ev-1", event("", to=("VEN2",)))
        await vtn.publish(event("ev-2"))
        with pytest.raises(Overlap, match="VEN VEN1 has event ev-2 "):
            await vtn.change("ev-1", event("", to=("VEN1", "VEN2")))


async def test_rule_18_at_the_vtn_a_cancelled_event_frees_its_time() -> None:
    async with running() as vtn:
        await vtn.publish(event("ev-1", startafter=10 * MINUTE))
        await vtn.cancel("ev-1")
        await vtn.publish(event("ev-2"))


@pytest.mark.parametrize(
    ("startafter", "start", "fits"),
    [
        (timedelta(0), NOON + 20 * MINUTE, True),
        (10 * MINUTE, NOON + 30 * MINUTE - SECOND, False),
        (10 * MINUTE, NOON + 30 * MINUTE, True),
    ],
)
async def test_rule_65_at_the_vtn_a_running_event_that_is_cancelled_ends_within_startafter(
    startafter: timedelta, start: datetime, fits: bool
) -> None:
    """Twenty minutes after its start it is cancelled; until it has ended for certain the time is not free."""
    clock = VirtualClock(NOON - HOUR)
    async with running(clock=clock) as vtn:
        await vtn.publish(event("ev-1", startafter=startafter))
        await clock.advance(NOON + 20 * MINUTE)
        await vtn.cancel("ev-1")
        if fits:
            await vtn.publish(event("ev-2", start))
            return
        with pytest.raises(
            Overlap, match="has event ev-1, which was cancelled and ends at random until 2026-11-21T12:30:00Z, in the"
        ):
            await vtn.publish(event("ev-2", start))


async def test_events_that_are_over_are_in_nobodys_way() -> None:
    """What is ordered late for a time that is past harms nobody."""
    clock = VirtualClock(NOON)
    async with running(clock=clock) as vtn:
        await vtn.publish(event("ev-1"))
        await clock.advance(NOON + HOUR - SECOND)
        with pytest.raises(Overlap):
            await vtn.publish(event("ev-2", NOON, 2 * HOUR))
        await clock.advance(NOON + HOUR)
        await vtn.publish(event("ev-2", NOON, 2 * HOUR))


async def test_rule_18_at_the_vtn_of_two_orders_at_once_one_is_too_late() -> None:
    async with running() as vtn:
        orders = [vtn.publish(event(f"ev-{number}", to=("VEN1", "VEN2"))) for number in range(5)]
        said = await asyncio.gather(*orders, return_exceptions=True)

        assert [type(one) for one in said[1:]] == [Overlap] * 4
        assert await known(vtn) == {"ev-0": 0}


async def test_rule_18_at_the_vtn_what_no_ven_has_fetched_counts_after_a_restart(tmp_path: Path) -> None:
    """The events are still in the mail of their VENs."""
    url = f"sqlite:{tmp_path / 'vtn.db'}"
    for expected in ("published", "refused"):
        store = await open_store(url)
        async with running(store) as vtn:
            if expected == "published":
                await vtn.publish(event("ev-1", to=("VEN1", "VEN2")))
            else:
                with pytest.raises(Overlap, match="VEN VEN2 has event ev-1 "):
                    await vtn.publish(event("ev-2", to=("VEN2",)))
        await store.close()


async def test_what_else_is_wrong_with_an_order_is_said_as_before() -> None:
    async with running() as vtn:
        await vtn.publish(event("ev-1"))
        await vtn.publish(event("ev-2", context=OTHER))
        await vtn.cancel("ev-2")
        with pytest.raises(InvalidId, match="event ev-1 exists already"):
            await vtn.publish(event("ev-1"))
        with pytest.raises(InvalidData, match="event ev-2 is cancelled and cannot be changed"):
            await vtn.change("ev-2", event(""))
        with pytest.raises(InvalidId, match="event ev-9 is unknown"):
            await vtn.change("ev-9", event(""))
        with pytest.raises(InvalidId, match="VEN VEN9 is unknown here"):
            await vtn.publish(event("ev-3", to=("VEN1", "VEN9")))
