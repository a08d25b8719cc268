"""DRAS → AC → RA → edge: one instruction down, acceptance at once, one response up that is the sum of what is below."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from openadr_ra import OPT_IN, Vtn, dispatch
from openadr_ra.protocol.model import EventId, ResourceId
from openadr_ra.protocol.schedule import Schedule, Slot
from openadr_ra.run.node import Node
from openadr_ra.store import MemoryStore
from tests.postgres import Server
from tests.run.site import PATIENCE, soon
from tests.run.tiers import (
    HURRY,
    Tiers,
    battery,
    chain,
    counts,
    eventually,
    fleet,
    node,
    registered,
    settings,
    two_above,
    url,
)

EVERY = timedelta(seconds=4)


async def ready(tiers: Tiers, kw: float) -> None:
    """Wait until the AC knows that as much can be given."""

    async def known() -> bool:
        member = (await fleet(tiers.ac)).members[ResourceId("ra")]
        return member.last is not None and -member.last.min_kw >= kw

    await eventually(known)


async def test_an_instruction_goes_down_all_tiers_and_its_response_comes_up_as_the_sum() -> None:
    async with chain((battery("b1"),), (battery("b2"), battery("b3"))) as tiers:
        await ready(tiers, 15)
        order = dispatch(start=soon(3), every=EVERY, delta_kw={"ac": (-6.0, -9.0)})
        event = await tiers.dras.publish(order)

        opts = await tiers.dras.opts(event, within=PATIENCE)
        rows = [row async for row in tiers.dras.response(event, grace=PATIENCE)]

        assert opts == {"ac": OPT_IN}
        sums = [row for row in rows if row.ven == "ac" and row.resource == "*"]
        assert [row.asked_kw for row in sums] == [-6.0, -9.0]
        assert [row.delivered_kw for row in sums] == pytest.approx([-6.0, -9.0], abs=0.6)
        below = (await fleet(tiers.ras[0])).promises
        assert [one.event_id for one in below] == [EventId(f"{event}.dras")]
        shares = {id: [share.delta_kw for share in each] for id, each in below[0].shares.items()}
        assert shares == {"edge-1": pytest.approx([-2.0, -3.0]), "edge-2": pytest.approx([-4.0, -6.0])}


async def test_an_aggregator_under_two_vtns_answers_each_for_its_part_alone() -> None:
    """Each asks at the same time; neither is offered what the other was promised, and the parts are what was metered."""
    async with two_above() as both:
        one, other, ra = both
        start = soon(3)
        events = [
            await vtn.publish(dispatch(start=start, every=EVERY, delta_kw={"ra": (kw,)}))
            for vtn, kw in ((one, -6.0), (other, -3.0))
        ]
        opts = [await vtn.opts(event, within=PATIENCE) for vtn, event in zip((one, other), events, strict=True)]
        rows = [
            [row async for row in vtn.response(event, grace=PATIENCE) if row.resource == "*" and row.ven == "ra"]
            for vtn, event in zip((one, other), events, strict=True)
        ]

        assert opts == [{"ra": OPT_IN}, {"ra": OPT_IN}]
        delivered = [each[-1].delivered_kw for each in rows]
        assert delivered == pytest.approx([-6.0, -3.0], abs=0.6)
        assert {str(promise.reply_to) for promise in (await fleet(ra)).promises} == {"node/one", "node/other"}


async def test_an_aggregator_without_a_vtn_above_follows_its_operator() -> None:
    async with AsyncExitStack() as stack:
        ac = await node(stack, settings("ac", down=True, device=[battery("own")]))
        await node(stack, settings("edge", up={"ac": url(ac)}, device=[battery("b1")]))
        await counts(ac, "own", "edge")
        desk = ac.fleet
        assert desk is not None
        start = soon(3).replace(microsecond=0)
        asked = Schedule(id=EventId("own-1"), slots=(Slot(start=start, end=start + EVERY, kw=-8.0),))

        promise = await desk.instruct(asked)

        assert promise.verdict.opt == OPT_IN
        assert {id: share.delta_kw for id, (share,) in promise.shares.items()} == {
            "own": pytest.approx(-4.0),
            "edge": pytest.approx(-4.0),
        }

        async def answered() -> bool:
            (account,) = (await desk.state()).promises[0].accounts
            return account.revision >= 0

        await eventually(answered)
        (account,) = (await desk.state()).promises[0].accounts
        assert account.said[3] == pytest.approx(-8.0, abs=0.8)


async def test_one_process_leads_the_fleet_of_vens_that_others_serve(postgres: Server) -> None:
    """Neither its word nor the edge's goes over the process that leads: both go by the database."""
    shared = {"store": {"url": postgres.database()}}
    async with AsyncExitStack() as stack:
        leader = await node(stack, settings("ac", down=True, **shared))
        worker = await stack.enter_async_context(Node(settings("ac", down=True, **shared), leads=False).running())
        await node(stack, settings("edge", up={"ac": url(worker)}, device=[battery("b1")]))
        await counts(leader, "edge")
        desk = leader.fleet
        assert desk is not None
        start = soon(6).replace(microsecond=0)
        asked = Schedule(id=EventId("own-1"), slots=(Slot(start=start, end=start + EVERY, kw=-4.0),))

        promise = await desk.instruct(asked)

        assert promise.verdict.opt == OPT_IN

        async def answered() -> bool:
            (account,) = (await desk.state()).promises[0].accounts
            return account.revision >= 0

        await eventually(answered)
        (account,) = (await desk.state()).promises[0].accounts
        assert account.said[3] == pytest.approx(-4.0, abs=0.4)


async def test_a_gateway_that_loses_its_vtn_follows_what_it_accepted_until_its_lease_is_over() -> None:
    """Its VTN is gone two seconds into the event; four seconds later the battery has its own plan again, and a restart does
    not begin the lease anew."""
    async with AsyncExitStack() as stack:
        above = AsyncExitStack()
        vtn = await above.enter_async_context(Vtn(settings("ac", down=True), store=MemoryStore()).running())
        hurry = HURRY | {"offline_s": 3}
        made, store = settings("edge", up={"ac": vtn.url}, device=[battery("b1")], fleet=hurry), MemoryStore()
        first = AsyncExitStack()
        edge = await first.enter_async_context(Node(made, store=store).running())
        await registered(vtn, "edge")
        start = soon(2)
        event = await vtn.publish(dispatch(start=start, every=timedelta(seconds=60), delta_kw={"edge": (-1.0,)}))
        assert await vtn.opts(event, within=PATIENCE) == {"edge": OPT_IN}

        async def power(kw: float) -> bool:
            last = (await fleet(edge)).members[ResourceId("b1")].last
            return last is not None and abs(last.kw - kw) < 0.2

        await eventually(lambda: power(-1.0))
        await above.aclose()
        assert await power(-1.0)
        await eventually(lambda: power(0.0))

        assert (await fleet(edge)).cut == ("node/ac",)
        await first.aclose()
        again = await stack.enter_async_context(Node(made, store=store).running())
        assert (await fleet(again)).given == {}
        assert (await fleet(again)).cut == ("node/ac",)
