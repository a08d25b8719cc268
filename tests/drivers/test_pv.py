"""The simulated PV plant: generates at negative power what the sun gives, and less when it is curtailed."""

from __future__ import annotations

import pytest

from openadr_ra.protocol.times import FOREVER
from openadr_ra.seams import Ack
from tests.drivers.makers import HOUR_S, MINUTE_S, Site, after, setpoint

PV = "simulated-pv"


async def test_by_itself_it_generates_what_it_declared() -> None:
    site = Site(PV, profile_kw=[1.0, 4.0, 0.0], step_h=1.0)

    plan = (await site.device.describe()).plan

    assert [(slot.start, slot.kw) for slot in plan] == [
        (after(0), -1.0),
        (after(HOUR_S), -4.0),
        (after(2 * HOUR_S), 0.0),
    ]
    assert plan[-1].end == FOREVER
    for slot in plan:
        assert await site.kw((slot.start - after(0)).total_seconds()) == slot.kw
    assert (await site.reach(3 * HOUR_S)).export_kwh == pytest.approx(5.0)


async def test_set_to_minus_one_kw_it_is_curtailed_to_that() -> None:
    site = Site(PV)

    assert await site.device.apply(setpoint(-1.0)) == Ack(outcome="accepted", effective_kw=-1.0)

    assert await site.kw(HOUR_S) == -1.0
    assert (await site.reach(HOUR_S)).export_kwh == pytest.approx(1.0)


@pytest.mark.parametrize(("asked_kw", "given_kw"), [(0.0, 0.0), (2.0, 0.0), (-3.0, -3.0), (-4.0, -3.0)])
async def test_it_gives_no_more_than_the_sun_and_takes_nothing(asked_kw: float, given_kw: float) -> None:
    site = Site(PV)

    ack = await site.device.apply(setpoint(asked_kw))

    assert ack.outcome == ("accepted" if asked_kw == given_kw else "clamped")
    assert ack.effective_kw == given_kw
    assert await site.kw(1) == given_kw


async def test_a_limit_is_no_order_to_generate() -> None:
    """The sun goes down below it, and comes up again to it."""
    site = Site(PV, profile_kw=[3.0, 1.0, 4.0])

    await site.device.apply(setpoint(-2.0))

    assert await site.kw(29 * MINUTE_S) == -2.0
    assert await site.kw(31 * MINUTE_S) == -1.0
    assert await site.kw(61 * MINUTE_S) == -2.0


async def test_what_can_be_curtailed_is_what_is_to_come() -> None:
    endless = await Site(PV).reach(0)
    evening = await Site(PV, profile_kw=[2.0, 1.0, 0.0]).reach(0)

    assert (endless.min_kw, endless.max_kw) == (-3.0, 0.0)
    assert (endless.can_reduce_kwh, endless.can_raise_kwh) == (0.0, None)
    assert evening.can_reduce_kwh == 0.0
    assert evening.can_raise_kwh == pytest.approx(1.5)
