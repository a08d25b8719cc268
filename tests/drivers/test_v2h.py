"""The simulated V2H charger: a car that comes and goes, and has what it needs at each departure."""

from __future__ import annotations

import pytest

from openadr_ra.drivers import build
from openadr_ra.errors import SettingsError
from tests.drivers.makers import DEVICE, HOUR_S, Site, setpoint, stated

V2H = "simulated-v2h"


async def test_by_itself_it_charges_what_it_needs_at_each_stay() -> None:
    """12 kWh at first, then what each trip took, at 3 kW and with the losses."""
    site = Site(V2H)
    first_h, later_h = 12 / 0.95 / 3, 10 / 0.95 / 3
    edges = [(0, first_h), (22, 22 + later_h), (46, 46 + later_h)]

    for start_h, end_h in edges:
        assert await site.kw((start_h + 0.01) * HOUR_S) == 3.0
        assert await site.kw((end_h - 0.01) * HOUR_S) == 3.0
        assert await site.kw((end_h + 0.01) * HOUR_S) == 0.0
    assert [(slot.kw) for slot in (await site.device.describe()).plan] == [3, 0, 3, 0, 3, 0]


async def test_it_is_a_battery_with_a_reserve_that_discharges_while_it_is_plugged_in() -> None:
    site = Site(V2H)

    assert (await site.device.apply(setpoint(-6.0))).outcome == "accepted"
    reading = await site.reach(HOUR_S)

    assert [reading.kw, reading.export_kwh] == pytest.approx([-6.0, 6.0])
    described = await site.device.describe()
    assert (described.kind, described.subtype, described.min_kw) == ("battery", "ev", -6.0)
    assert described.energy is not None
    assert described.energy.reserve_kwh == 12.0
    emptied = await site.reach(1.5 * HOUR_S)
    assert [emptied.kw, emptied.soc_percent] == pytest.approx([0.0, 30.0])


async def test_away_it_can_do_nothing_and_says_so() -> None:
    site = Site(V2H)
    away = await site.reach(12 * HOUR_S)

    assert (away.kw, away.min_kw, away.max_kw, away.soc_percent) == (0.0, 0.0, 0.0, None)
    assert (away.can_reduce_kwh, away.can_raise_kwh) == (0.0, 0.0)
    ack = await site.device.apply(setpoint(-3.0, until_s=60 * HOUR_S))
    assert (ack.outcome, ack.effective_kw, ack.reason) == ("clamped", 0.0, "no car is plugged in")
    assert await site.kw(21.9 * HOUR_S) == 0.0
    assert await site.kw(22.1 * HOUR_S) == -3.0


async def test_whatever_is_asked_it_leaves_with_what_it_needs_and_comes_back_with_less() -> None:
    site = Site(V2H)
    await site.device.apply(setpoint(-6.0, until_s=100 * HOUR_S))

    leaving = await site.reach(12 * HOUR_S - 1)
    assert [leaving.kw, leaving.soc_percent] == pytest.approx([6.0, 80.0], abs=0.01)
    back = await site.reach(22 * HOUR_S)
    assert back.soc_percent == pytest.approx(80 - 25, abs=0.01)


async def test_a_trip_may_use_the_reserve_and_then_no_order_discharges_it() -> None:
    site = Site(V2H, trip_kwh=24.0)
    back = await site.reach(22 * HOUR_S)
    ack = await site.device.apply(setpoint(-3.0))

    assert back.soc_percent == pytest.approx(20.0)
    assert (ack.outcome, ack.effective_kw) == ("clamped", 0.0)


async def test_the_way_there_before_the_first_arrival_uses_nothing() -> None:
    site = Site(V2H, arrives_h=[2.0], departs_h=[12.0])

    assert await site.kw(HOUR_S) == 0.0
    assert (await site.reach(2 * HOUR_S)).soc_percent == pytest.approx(50.0)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"plan_kw": 6.1}, "plan_kw 6.1 is more than power_kw 6"),
        ({"arrives_h": [0.0]}, "not of the same number"),
        ({"arrives_h": [0.0, 12.0, 46.0]}, "do not follow one another"),
        ({"arrives_h": [0.0, 22.0, 20.0]}, "do not follow one another"),
        ({"trip_kwh": 32.1}, "trip_kwh 32.1 is more than need_percent of the battery"),
        ({"departs_h": [4.2, 36.0, 60.0]}, "does not give need_percent by hour 4.2"),
        ({"departs_h": [12.0, 25.5, 60.0]}, "does not give need_percent by hour 25.5"),
    ],
)
def test_stays_that_cannot_be_are_refused(settings: dict[str, object], why: str) -> None:
    site = Site(V2H, departs_h=[4.3, 25.6, 60.0], trip_kwh=10.0)

    with pytest.raises(SettingsError, match=why):
        build(V2H, DEVICE, settings, site.clock)


async def test_it_states_what_the_car_needs_at_each_departure_or_could_give_back() -> None:
    """32 of 40 kWh by hour 12: 12 are missing at first; charged on by an order it has 4 more than it needs."""
    site = Site(V2H, charge_efficiency=1.0, discharge_efficiency=0.5)

    assert stated((await site.device.read()).need) == pytest.approx((12, 12 * HOUR_S, 0))
    await site.device.apply(setpoint(4.0, until_s=4 * HOUR_S))
    assert stated((await site.reach(4 * HOUR_S)).need) == pytest.approx((0, 12 * HOUR_S, 2))
    assert (await site.reach(13 * HOUR_S)).need is None
    assert stated((await site.reach(22 * HOUR_S)).need) == pytest.approx((6, 36 * HOUR_S, 0))
