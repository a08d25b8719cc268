"""The simulated heat pump, water heater and cold store: comfort first."""

from __future__ import annotations

import pytest

from openadr_ra.drivers import build
from openadr_ra.errors import SettingsError
from tests.drivers.makers import DEVICE, HOUR_S, MINUTE_S, Site, setpoint

THERMAL = "simulated-thermal"
COMFORT = "the temperature would leave its band"

HEATER: dict[str, object] = {"modulates": False, "profile_kw": [3.0, 0.0, 0.0, 0.0], "heat_kwh_per_k": 1.0}
"""Off, or 3 kW: by itself half an hour at first, and then whatever comfort asks for."""

STORE: dict[str, object] = {"low_c": -25.0, "high_c": -18.0, "start_c": -22.0, "outside_c": 20.0}


async def test_by_itself_it_holds_its_temperature() -> None:
    """16 K at 0.2 kW/K, three times as much heat as power."""
    site = Site(THERMAL)

    assert await site.kw(0) == pytest.approx(16 * 0.2 / 3)
    later = await site.reach(10 * HOUR_S)
    assert later.soc_percent == pytest.approx(50.0)
    assert later.import_kwh == pytest.approx(10 * 16 * 0.2 / 3)


async def test_off_it_cools_down_and_then_does_what_holds_the_edge_of_comfort() -> None:
    """From 21 to 19 °C: ln(16/14) of its 15 hours."""
    site = Site(THERMAL)
    assert (await site.device.apply(setpoint(0.0))).outcome == "accepted"

    edge_s = 15 * HOUR_S * 0.1335314
    assert await site.kw(edge_s - 60) == 0.0
    assert await site.kw(edge_s + 60) == pytest.approx(14 * 0.2 / 3)
    later = await site.reach(10 * HOUR_S)
    assert [later.soc_percent, later.min_kw] == pytest.approx([0.0, 14 * 0.2 / 3], abs=1e-6)
    assert later.can_reduce_kwh == 0.0
    ack = await site.device.apply(setpoint(0.5, sequence=2))
    assert (ack.outcome, ack.reason) == ("clamped", COMFORT)
    assert ack.effective_kw == pytest.approx(14 * 0.2 / 3)


async def test_at_full_power_it_stores_heat_until_it_is_warm_enough() -> None:
    site = Site(THERMAL)
    await site.device.apply(setpoint(3.0))

    first, later = await site.reach(HOUR_S / 2), await site.reach(3 * HOUR_S)

    assert [first.kw, later.kw] == pytest.approx([3.0, 18 * 0.2 / 3])
    assert [later.soc_percent, later.can_raise_kwh] == pytest.approx([100.0, 0.0])


async def test_a_cold_store_keeps_its_cold_the_other_way_round() -> None:
    """Its load is what it takes to keep it cold, and off it gets warmer."""
    site = Site(THERMAL, **STORE)
    assert await site.kw(0) == pytest.approx(42 * 0.2 / 3)
    assert (await site.reach(0)).soc_percent == pytest.approx(4 / 7 * 100)

    await site.device.apply(setpoint(0.0))

    warmer = await site.reach(HOUR_S)
    assert warmer.kw == 0.0
    assert (warmer.soc_percent or 0.0) < 4 / 7 * 100
    assert (await site.reach(20 * HOUR_S)).kw == pytest.approx(38 * 0.2 / 3)


async def test_what_can_be_shed_lasts_as_long_as_it_says_and_longer() -> None:
    """Colder it loses less, so that what is stored goes farther than its figure."""
    site = Site(THERMAL)
    can_kwh = (await site.reach(0)).can_reduce_kwh
    assert can_kwh == pytest.approx(2.0)

    await site.device.apply(setpoint(0.0))

    hours = 2.0 / (16 * 0.2 / 3)
    assert await site.kw(hours * HOUR_S) == 0.0


@pytest.mark.parametrize(("asked_kw", "given_kw"), [(1.5, 0.0), (1.6, 3.0), (3.0, 3.0), (-1.0, 0.0), (4.0, 3.0)])
async def test_one_that_does_not_modulate_is_off_or_on(asked_kw: float, given_kw: float) -> None:
    site = Site(THERMAL, **HEATER)

    ack = await site.device.apply(setpoint(asked_kw))

    assert ack.effective_kw == given_kw
    assert ack.outcome == ("accepted" if asked_kw == given_kw else "clamped")
    described = await site.device.describe()
    assert (described.levels_kw, described.min_on_s, described.min_off_s) == ((0.0, 3.0), 600.0, 300.0)


async def test_once_switched_it_stays_so_for_its_time() -> None:
    site = Site(THERMAL, **HEATER)
    await site.device.apply(setpoint(0.0, until_s=60))

    off = await site.reach(299)
    assert (off.kw, off.min_kw, off.max_kw) == (0.0, 0.0, 0.0)
    assert await site.kw(301) == 3.0


async def test_it_switches_itself_before_comfort_is_lost_and_not_into_a_time_that_would_cost_it() -> None:
    """Off for as long as it can be, on for as long as it must, and never out of its band."""
    site = Site(THERMAL, **HEATER)
    await site.device.apply(setpoint(0.0, until_s=24 * HOUR_S))
    course = [await site.reach(minute * MINUTE_S) for minute in range(600)]

    assert {reading.kw for reading in course} == {0.0, 3.0}
    assert all(-1e-9 <= (reading.soc_percent or 0.0) <= 100 for reading in course)
    on = "".join("1" if reading.kw else "0" for reading in course)
    assert min(len(run) for run in on.rstrip("1").split("0") if run) >= 10


async def test_refused_for_comfort_it_says_so() -> None:
    site = Site(THERMAL, **HEATER, start_c=19.1)
    ack = await site.device.apply(setpoint(0.0))

    assert (ack.outcome, ack.effective_kw, ack.reason) == ("clamped", 3.0, COMFORT)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"start_c": 18.9}, "start_c does not lie in the band"),
        ({"low_c": 21.0, "high_c": 21.0}, "start_c does not lie in the band"),
        ({"outside_c": 19.1}, "outside_c lies in the band"),
        ({"modulates": False}, "needs a profile_kw"),
        ({**HEATER, "profile_kw": [3.0, 1.0]}, "more than 0 and power_kw 3"),
        ({"profile_kw": [3.1]}, "profile_kw goes beyond power_kw 3"),
        ({"power_kw": 1.0}, "power_kw 1 does not make up for the loss"),
        ({**HEATER, "min_off_s": 10_000.0}, "longer than its band allows"),
        ({**HEATER, "min_on_s": 10_000.0}, "longer than its band allows"),
    ],
)
def test_what_cannot_keep_its_temperature_is_refused(settings: dict[str, object], why: str) -> None:
    site = Site(THERMAL, outside_c=19.0, power_kw=1.1, start_c=19.0)

    with pytest.raises(SettingsError, match=why):
        build(THERMAL, DEVICE, settings, site.clock)
