"""The simulated battery: charges at positive power, discharges at negative power, between its reserve and full."""

from __future__ import annotations

import pytest

from openadr_ra.protocol.times import FOREVER
from openadr_ra.seams import Ack
from tests.drivers.makers import HOUR_S, MINUTE_S, Site, setpoint

BATTERY = "simulated-battery"


async def test_set_to_minus_one_kw_it_discharges() -> None:
    site = Site(BATTERY)

    assert await site.device.apply(setpoint(-1.0)) == Ack(outcome="accepted", effective_kw=-1.0)
    before = await site.reach(0)
    later = await site.reach(HOUR_S)

    assert before.kw == -1.0
    assert later.export_kwh == pytest.approx(1.0)
    assert later.import_kwh == 0.0
    assert before.soc_percent == 50.0
    assert later.soc_percent == pytest.approx(50 - 10 / 0.95)


async def test_set_to_one_kw_it_charges() -> None:
    site = Site(BATTERY)

    await site.device.apply(setpoint(1.0))
    later = await site.reach(HOUR_S)

    assert later.kw == 1.0
    assert later.import_kwh == pytest.approx(1.0)
    assert later.export_kwh == 0.0
    assert later.soc_percent == pytest.approx(50 + 10 * 0.95)


async def test_by_itself_it_does_nothing_and_says_so() -> None:
    site = Site(BATTERY)
    described = await site.device.describe()

    assert await site.kw(HOUR_S) == 0.0
    assert [(slot.end, slot.kw) for slot in described.plan] == [(FOREVER, 0.0)]
    assert (described.kind, described.min_kw, described.max_kw) == ("battery", -5.0, 5.0)


async def test_it_stops_at_its_reserve() -> None:
    """3 kWh over the reserve, of which 2.85 reach the terminals: 34.2 minutes at 5 kW."""
    site = Site(BATTERY)

    await site.device.apply(setpoint(-5.0))

    assert await site.kw(34.1 * MINUTE_S) == -5.0
    stopped = await site.reach(34.3 * MINUTE_S)
    assert (stopped.kw, stopped.min_kw, stopped.max_kw) == (0.0, 0.0, 5.0)
    assert stopped.soc_percent == pytest.approx(20)
    assert stopped.export_kwh == pytest.approx(2.85)
    assert await site.device.apply(setpoint(-5.0, sequence=2)) == Ack(
        outcome="clamped", effective_kw=0.0, reason="its reserve is reached"
    )


async def test_it_stops_when_it_is_full() -> None:
    site = Site(BATTERY)

    await site.device.apply(setpoint(5.0))
    full = await site.reach(2 * HOUR_S)

    assert (full.kw, full.min_kw, full.max_kw, full.soc_percent) == (0.0, -5.0, 0.0, 100.0)
    assert full.import_kwh == pytest.approx(5 / 0.95)
    assert (await site.device.apply(setpoint(1.0, sequence=2))).reason == "it is full"


async def test_below_its_reserve_it_charges_but_does_not_discharge() -> None:
    site = Site(BATTERY, soc_percent=10.0)

    assert (await site.device.apply(setpoint(-1.0))).effective_kw == 0.0
    assert (await site.device.apply(setpoint(1.0, sequence=2))).effective_kw == 1.0
    assert (await site.reach(HOUR_S)).soc_percent == pytest.approx(19.5)


@pytest.mark.parametrize(("asked_kw", "given_kw"), [(-5.0, -5.0), (-5.1, -5.0), (5.0, 5.0), (5.1, 5.0)])
async def test_beyond_its_power_it_is_clamped_and_says_so(asked_kw: float, given_kw: float) -> None:
    site = Site(BATTERY)

    ack = await site.device.apply(setpoint(asked_kw))

    assert ack.outcome == ("accepted" if asked_kw == given_kw else "clamped")
    assert ack.effective_kw == given_kw
    assert await site.kw(1) == given_kw


async def test_it_ramps() -> None:
    """From 0 to -4 kW at 0.5 kW/s: 8 s, in which it gives half of what it would have given at once."""
    site = Site(BATTERY, ramp_kw_per_s=0.5)

    await site.device.apply(setpoint(-4.0))

    assert await site.kw(4) == pytest.approx(-2.0)
    assert (await site.reach(8)).export_kwh == pytest.approx(4.0 * 4 / HOUR_S)
    assert await site.kw(9) == -4.0


async def test_a_ramp_through_zero_counts_in_both_registers() -> None:
    site = Site(BATTERY, ramp_kw_per_s=1.0)

    await site.device.apply(setpoint(-2.0))
    before = await site.reach(10)
    await site.device.apply(setpoint(2.0, sequence=2))
    crossed = await site.reach(14)

    assert crossed.kw == 2.0
    assert (crossed.export_kwh or 0.0) - (before.export_kwh or 0.0) == pytest.approx(2.0 / HOUR_S)
    assert crossed.import_kwh == pytest.approx(2.0 / HOUR_S)


async def test_at_a_limit_it_stops_even_in_the_middle_of_a_ramp() -> None:
    site = Site(BATTERY, soc_percent=20.001, ramp_kw_per_s=0.1)

    await site.device.apply(setpoint(-5.0))

    assert (await site.reach(MINUTE_S)).soc_percent == pytest.approx(20)
    assert await site.kw(2 * MINUTE_S) == 0.0


async def test_what_it_can_still_give_is_what_reaches_its_terminals() -> None:
    site = Site(BATTERY)

    start = await site.reach(0)
    await site.device.apply(setpoint(-3.0))
    later = await site.reach(30 * MINUTE_S)

    assert start.can_reduce_kwh == pytest.approx(3 * 0.95)
    assert start.can_raise_kwh == pytest.approx(5 / 0.95)
    assert later.can_reduce_kwh == pytest.approx(3 * 0.95 - 1.5)


async def test_a_local_override_may_use_the_reserve() -> None:
    """It is the owner's battery; our set-points still may not."""
    site = Site(BATTERY, soc_percent=20.0)

    site.device.override(-5.0)
    drained = await site.reach(15 * MINUTE_S)
    assert (drained.kw, drained.local_override) == (-5.0, True)
    assert drained.soc_percent == pytest.approx(20 - 12.5 / 0.95)

    site.device.override(None)
    assert (await site.device.apply(setpoint(-5.0))).effective_kw == 0.0
