"""The simulated EV charger: charges when the car is there, and the car has what it needs when it leaves."""

from __future__ import annotations

import pytest

from openadr_ra.protocol.schedule import Slot
from openadr_ra.protocol.times import FOREVER
from openadr_ra.seams import Need
from tests.drivers.makers import HOUR_S, MINUTE_S, Site, after, setpoint, stated

EV = "simulated-ev"

LOSSLESS = {"charge_efficiency": 1.0, "discharge_efficiency": 1.0}
"""Round figures: 40 kWh, at 40 %, needs 16 more in 10 h; 6 kW at most, 3 kW by itself."""

CHARGED_S = 16 / 3 * HOUR_S


async def test_by_itself_it_charges_until_the_need_is_met() -> None:
    site = Site(EV, **LOSSLESS)

    described = await site.device.describe()
    assert described.plan == (
        Slot(start=after(0), end=after(CHARGED_S), kw=3.0),
        Slot(start=after(CHARGED_S), end=FOREVER, kw=0.0),
    )
    assert await site.kw(CHARGED_S - 1) == 3.0
    met = await site.reach(CHARGED_S + 1)
    assert met.kw == 0.0
    assert met.soc_percent == pytest.approx(80)
    assert met.import_kwh == pytest.approx(16)


async def test_set_to_one_kw_less_it_charges_less() -> None:
    site = Site(EV, **LOSSLESS)

    assert (await site.device.apply(setpoint(2.0))).outcome == "accepted"
    assert await site.kw(1) == 2.0
    assert (await site.reach(HOUR_S)).import_kwh == pytest.approx(2.0)


async def test_load_up_charges_faster() -> None:
    site = Site(EV, **LOSSLESS)

    assert (await site.device.apply(setpoint(6.0))).outcome == "accepted"

    assert await site.kw(1) == 6.0


async def test_a_plain_charger_does_not_discharge() -> None:
    site = Site(EV)

    ack = await site.device.apply(setpoint(-1.0))

    assert (ack.outcome, ack.effective_kw) == ("clamped", 0.0)
    assert (await site.device.describe()).kind == "consumer"


async def test_a_v2h_charger_set_to_minus_one_kw_discharges() -> None:
    site = Site(EV, discharge_kw=6.0, **LOSSLESS)

    assert (await site.device.apply(setpoint(-1.0))).outcome == "accepted"
    later = await site.reach(HOUR_S)

    assert later.kw == -1.0
    assert later.export_kwh == pytest.approx(1.0)
    assert later.soc_percent == pytest.approx(37.5)
    assert (await site.device.describe()).kind == "battery"


async def test_a_v2h_charger_stops_at_the_reserve() -> None:
    """8 kWh over it: 80 minutes at 6 kW."""
    site = Site(EV, discharge_kw=6.0, departs_after_h=None, **LOSSLESS)

    await site.device.apply(setpoint(-6.0))

    assert await site.kw(79 * MINUTE_S) == -6.0
    stopped = await site.reach(81 * MINUTE_S)
    assert stopped.kw == 0.0
    assert stopped.soc_percent == pytest.approx(20)


async def test_curtailed_for_too_long_it_charges_all_the_same() -> None:
    """16 kWh at 6 kW take 2 h 40: it can wait for 7 h 20 of its ten hours, and no longer."""
    site = Site(EV, **LOSSLESS)
    latest_s = 10 * HOUR_S - 16 / 6 * HOUR_S

    await site.device.apply(setpoint(0.0))

    assert await site.kw(latest_s - 1) == 0.0
    forced = await site.reach(latest_s + 1)
    assert (forced.kw, forced.min_kw, forced.max_kw) == (6.0, 6.0, 6.0)
    ack = await site.device.apply(setpoint(0.0, sequence=2))
    assert (ack.outcome, ack.effective_kw) == ("clamped", 6.0)
    assert (await site.reach(10 * HOUR_S - 0.001)).soc_percent == pytest.approx(80, abs=0.01)


async def test_a_v2h_charger_that_discharged_leaves_itself_time_to_charge_again() -> None:
    site = Site(EV, discharge_kw=6.0, ramp_kw_per_s=0.05, **LOSSLESS)

    await site.device.apply(setpoint(-6.0))

    assert (await site.reach(HOUR_S)).kw == pytest.approx(-6.0)
    leaving = await site.reach(10 * HOUR_S - 0.001)
    assert 80 <= (leaving.soc_percent or 0.0) < 81


async def test_what_it_can_still_give_leaves_room_for_the_need() -> None:
    """Waiting as long as possible it misses all that was planned until then: 16 kWh, for which time remains."""
    site = Site(EV, **LOSSLESS)

    start = await site.reach(0)
    assert start.can_reduce_kwh == pytest.approx(16)
    assert start.can_raise_kwh == pytest.approx(24 - 16)

    await site.device.apply(setpoint(0.0))
    later = await site.reach(7 * HOUR_S)
    assert later.can_reduce_kwh == pytest.approx(0)
    forced = await site.reach(8 * HOUR_S)
    assert forced.can_reduce_kwh == pytest.approx(0)


async def test_a_tight_stay_can_give_little() -> None:
    """4 h for 16 kWh at 5 kW planned: of 3.2 h of charging, 80 minutes can be put off."""
    site = Site(EV, departs_after_h=4.0, plan_kw=5.0, **LOSSLESS)

    assert (await site.reach(0)).can_reduce_kwh == pytest.approx(5.0 * 80 / 60)


async def test_a_v2h_charger_can_give_what_stands_above_its_reserve_too() -> None:
    site = Site(EV, discharge_kw=6.0, departs_after_h=None, **LOSSLESS)

    assert (await site.reach(0)).can_reduce_kwh == pytest.approx(16 + 8)


async def test_without_a_car_it_can_do_nothing() -> None:
    site = Site(EV, arrives_after_h=1.0, departs_after_h=10.0, **LOSSLESS)

    before = await site.reach(0)
    assert (before.kw, before.min_kw, before.max_kw, before.soc_percent) == (0.0, 0.0, 0.0, None)
    assert (before.can_reduce_kwh, before.can_raise_kwh) == (0.0, 0.0)
    assert (await site.device.apply(setpoint(6.0))).reason == "no car is plugged in"
    assert await site.kw(HOUR_S) == 6.0
    gone = await site.reach(10 * HOUR_S)
    assert (gone.kw, gone.soc_percent) == (0.0, None)


async def test_the_plan_of_a_car_that_is_still_to_come_says_when() -> None:
    site = Site(EV, arrives_after_h=1.0, **LOSSLESS)

    plan = (await site.device.describe()).plan

    assert [slot.kw for slot in plan] == [0.0, 3.0, 0.0]
    assert plan[1].start == after(HOUR_S)
    for slot in plan[:2]:
        middle_s = ((slot.start - after(0)) + (slot.end - after(0))).total_seconds() / 2
        assert await site.kw(middle_s) == slot.kw


async def test_a_car_that_needs_nothing_is_not_charged() -> None:
    site = Site(EV, need_kwh=0.0)

    assert await site.kw(HOUR_S) == 0.0
    assert [slot.kw for slot in (await site.device.describe()).plan] == [0.0]


async def test_it_stops_when_the_car_is_full() -> None:
    site = Site(EV, **LOSSLESS)

    await site.device.apply(setpoint(6.0))

    full = await site.reach(4 * HOUR_S + 1)
    assert (full.kw, full.soc_percent, full.max_kw) == (0.0, 100.0, 0.0)


async def test_it_states_what_the_car_still_needs_and_until_when() -> None:
    """At its terminals, losses included; nothing before the car is here, and none when it has left."""
    site = Site(EV, charge_efficiency=0.8, arrives_after_h=1.0, departs_after_h=9.0)

    assert (await site.device.read()).need is None
    assert stated((await site.reach(2 * HOUR_S)).need) == pytest.approx((20 - 3, 9 * HOUR_S, 0))
    assert (await site.reach(9 * HOUR_S - 1)).need == Need(kwh=0.0, by=after(9 * HOUR_S))
    assert (await site.reach(9 * HOUR_S)).need is None


async def test_a_car_that_never_leaves_needs_it_all_the_same() -> None:
    site = Site(EV, departs_after_h=None, **LOSSLESS)

    need = (await site.device.read()).need

    assert need is not None
    assert need.by == FOREVER
    assert need.kwh == pytest.approx(16)


async def test_a_fast_charger_states_its_need_in_the_time_of_the_clock() -> None:
    """Sixty times as fast: a sixtieth of the energy, in a sixtieth of the time."""
    site = Site(EV, speed=60, **LOSSLESS)

    assert stated((await site.device.read()).need) == pytest.approx((16 / 60, 10 * MINUTE_S, 0))
