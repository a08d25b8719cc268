"""The simulated wind turbine: its seed decides what it can give, a set-point limits that."""

from __future__ import annotations

import pytest

from openadr_ra.drivers.simulated.wind import output_kw
from tests.drivers.makers import HOUR_S, Site, setpoint

WIND = "simulated-wind"


async def course(**settings: object) -> list[float]:
    site = Site(WIND, **settings)
    return [await site.kw(half * HOUR_S / 2) for half in range(48)]


@pytest.mark.parametrize(("speed", "kw"), [(0, 0), (2.99, 0), (3, 0), (7.5, 23.214), (12, 100), (24.99, 100), (25, 0)])
def test_it_gives_by_the_third_power_of_the_wind_and_nothing_in_a_storm(speed: float, kw: float) -> None:
    assert output_kw(100.0, speed) == pytest.approx(kw, abs=1e-3)


async def test_the_same_seed_has_the_same_wind() -> None:
    first, again, other = await course(seed=1), await course(seed=1), await course(seed=2)

    assert first == again != other
    assert len(set(first)) > 20
    assert all(-100 <= kw <= 0 for kw in first)


async def test_a_steady_wind_gives_the_same_all_day() -> None:
    assert set(await course(gusts_m_per_s=0.0, mean_m_per_s=12.0)) == {-100.0}


async def test_a_set_point_curtails_it_and_cannot_raise_the_wind() -> None:
    site = Site(WIND, gusts_m_per_s=0.0, mean_m_per_s=12.0, rated_kw=50.0)

    assert (await site.device.apply(setpoint(-20.0))).outcome == "accepted"
    assert await site.kw(HOUR_S) == -20.0
    beyond = await site.device.apply(setpoint(-60.0, sequence=2))

    assert (beyond.outcome, beyond.effective_kw) == ("clamped", -50.0)
    assert (await site.reach(HOUR_S)).can_reduce_kwh == 0.0


async def test_the_forecast_is_what_comes_unless_it_errs() -> None:
    """An error of the declared plan is no error of the wind: that stays the same."""
    sure, unsure = Site(WIND), Site(WIND, error_part=0.3)
    declared = [(await site.device.describe()).plan for site in (sure, unsure)]
    given = [[await site.kw(half * HOUR_S / 2) for half in range(48)] for site in (sure, unsure)]

    assert given[0] == given[1] == [slot.kw for slot in declared[0]][:48]
    assert [slot.kw for slot in declared[1]] != [slot.kw for slot in declared[0]]
    assert all(-100 <= slot.kw <= 0 for slot in declared[1])


async def test_curtailed_to_nothing_it_keeps_what_is_left_of_the_forecast() -> None:
    site = Site(WIND, gusts_m_per_s=0.0, mean_m_per_s=12.0, steps=1)

    assert (await site.reach(0)).can_raise_kwh is None
