"""DRAS → AC → RA → edge: one instruction down, acceptance at once, one response up that is the sum of what is below."""

from __future__ import annotations

from datetime import timedelta

import pytest

from openadr_ra import OPT_IN, dispatch
from openadr_ra.protocol.model import EventId, ResourceId
from tests.run.site import PATIENCE, soon
from tests.run.tiers import Tiers, battery, chain, eventually, fleet

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
