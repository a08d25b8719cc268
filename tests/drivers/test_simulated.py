"""What every simulated device does, whatever it is."""

from __future__ import annotations

import math
import statistics

import pytest

from openadr_ra.drivers.sanity import descriptor_faults, reading_faults
from openadr_ra.protocol.parts import COMM_FAILURE, GOOD, LOCAL_OVERRIDE, NO_VALUE
from openadr_ra.protocol.schedule import mean
from tests.drivers.makers import HOUR_S, KINDS, MINUTE_S, Site, after, setpoint

OTHER_KW = {
    "simulated-battery": -2.0,
    "simulated-ev": 1.0,
    "simulated-generator": -200.0,
    "simulated-line": 0.0,
    "simulated-load": 80.0,
    "simulated-pv": -1.0,
    "simulated-thermal": 0.5,
    "simulated-v2h": -2.0,
    "simulated-wind": -5.0,
}
"""For each kind a power that it can have and would not have by itself."""

LONG_S = 40 * MINUTE_S
"""Within it each of them has done what it was told, minimum times included."""


async def own_kw(site: Site, seconds: float) -> float:
    """What the device declared to do then."""
    now = after(seconds)
    return mean((await site.device.describe()).plan, now, now)


@pytest.mark.parametrize("kind", KINDS)
async def test_without_settings_it_is_a_sensible_device(kind: str) -> None:
    site = Site(kind)

    assert not list(descriptor_faults(await site.device.describe()))
    assert not list(reading_faults(await site.reach(0), after(0)))


@pytest.mark.parametrize("kind", KINDS)
async def test_by_itself_it_does_what_its_plan_says(kind: str) -> None:
    site = Site(kind)

    for seconds in (0.0, 1.0, HOUR_S, 9 * HOUR_S):
        assert await site.kw(seconds) == await own_kw(site, seconds)


@pytest.mark.parametrize("kind", KINDS)
async def test_it_goes_back_to_its_plan_by_itself_when_its_lease_ends(kind: str) -> None:
    """Also when nobody is there any more to release it."""
    site = Site(kind)
    await site.device.apply(setpoint(OTHER_KW[kind], until_s=LONG_S))
    assert await site.kw(LONG_S - 1) == OTHER_KW[kind]
    site.device.reachable = False
    await site.reach(2 * LONG_S)
    site.device.reachable = True

    assert await site.kw(2 * LONG_S) == await own_kw(site, 2 * LONG_S)


@pytest.mark.parametrize("kind", KINDS)
async def test_released_it_goes_back_to_its_plan(kind: str) -> None:
    site = Site(kind)
    await site.device.apply(setpoint(OTHER_KW[kind]))
    await site.reach(LONG_S)
    ack = await site.device.release("enough")

    assert ack.outcome == "accepted"
    assert await site.kw(2 * LONG_S) == await own_kw(site, 2 * LONG_S)
    assert (await site.device.release("once more")).outcome == "accepted"


@pytest.mark.parametrize("kind", KINDS)
async def test_an_older_set_point_is_stale_and_an_equal_one_changes_nothing(kind: str) -> None:
    site = Site(kind)
    first = await site.device.apply(setpoint(OTHER_KW[kind], sequence=5))
    settled_kw = await site.kw(LONG_S)

    assert (await site.device.apply(setpoint(0.1, sequence=4))).outcome == "stale"
    assert await site.device.apply(setpoint(OTHER_KW[kind], sequence=5)) == first
    assert await site.kw(2 * LONG_S) == settled_kw == OTHER_KW[kind]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("kw", "until_s"), [(math.nan, 60.0), (-math.inf, 60.0), (1.0, 0.0)])
async def test_an_order_without_sense_is_rejected(kind: str, kw: float, until_s: float) -> None:
    site = Site(kind)

    assert (await site.device.apply(setpoint(kw, until_s=until_s))).outcome == "rejected"
    assert await site.kw(1) == await own_kw(site, 1)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_local_override_wins_and_is_reported(kind: str) -> None:
    site = Site(kind)
    site.device.override(OTHER_KW[kind])
    turned = await site.reach(LONG_S)

    ack = await site.device.apply(setpoint(turned.max_kw + 1))

    assert (ack.outcome, ack.effective_kw, ack.reason) == ("clamped", OTHER_KW[kind], "local override")
    later = await site.reach(2 * LONG_S)
    assert later.kw == later.min_kw == later.max_kw == OTHER_KW[kind]
    assert (later.local_override, later.quality) == (True, LOCAL_OVERRIDE)
    assert (later.can_reduce_kwh, later.can_raise_kwh) == (0.0, 0.0)


@pytest.mark.parametrize("kind", KINDS)
async def test_when_the_override_ends_the_set_point_that_still_holds_is_followed(kind: str) -> None:
    site = Site(kind)
    site.device.override(await site.kw(0))
    await site.device.apply(setpoint(OTHER_KW[kind]))
    assert await site.kw(LONG_S) != OTHER_KW[kind]

    site.device.override(None)

    assert await site.kw(2 * LONG_S) == OTHER_KW[kind]


@pytest.mark.parametrize("kind", KINDS)
async def test_cut_off_it_says_so_with_every_verb_and_goes_on_by_itself(kind: str) -> None:
    site = Site(kind)
    site.device.reachable = False
    assert (await site.device.read()).quality == NO_VALUE
    site.device.reachable = True
    await site.device.apply(setpoint(OTHER_KW[kind]))
    last = await site.reach(LONG_S)

    site.device.reachable = False

    assert (await site.device.apply(setpoint(0.0, sequence=9))).outcome == "unreachable"
    assert (await site.device.release("enough")).outcome == "unreachable"
    cut = await site.reach(2 * LONG_S)
    assert (cut.at, cut.kw, cut.online, cut.quality) == (last.at, last.kw, False, COMM_FAILURE)
    site.device.reachable = True
    back = await site.reach(2 * LONG_S)
    assert (back.kw, back.quality) == (OTHER_KW[kind], GOOD)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_order_takes_effect_after_its_latency(kind: str) -> None:
    quick, slow = Site(kind), Site(kind, latency_s=90.0)
    for site in (quick, slow):
        await site.device.apply(setpoint(OTHER_KW[kind]))

    assert await slow.kw(89) == await own_kw(slow, 89)
    for seconds in (0.0, 1.0, 300.0):
        assert await slow.kw(90 + seconds) == await quick.kw(seconds)


async def test_orders_on_their_way_arrive_one_after_the_other() -> None:
    site = Site("simulated-battery", latency_s=10.0)

    await site.device.apply(setpoint(-1.0, sequence=1))
    await site.reach(4)
    await site.device.apply(setpoint(-2.0, sequence=2))
    await site.reach(8)
    await site.device.release("enough")

    assert [await site.kw(seconds) for seconds in (9, 10, 13, 14, 17, 18)] == [0.0, -1.0, -1.0, -2.0, -2.0, 0.0]


async def test_noise_is_round_the_true_power_and_the_same_in_each_run() -> None:
    """Registers have none."""
    sites = [Site("simulated-line", noise_kw=2.0, seed=seed) for seed in (1, 1, 2)]
    runs = [[await site.kw(second) for second in range(200)] for site in sites]

    assert runs[0] == runs[1] != runs[2]
    assert statistics.fmean(runs[0]) == pytest.approx(150.0, abs=0.5)
    assert statistics.stdev(runs[0]) == pytest.approx(2.0, rel=0.2)
    assert (await sites[0].reach(HOUR_S)).import_kwh == pytest.approx(150.0)


async def test_at_another_speed_ten_seconds_stand_for_half_an_hour() -> None:
    """To its state of charge; power is power, and a register's difference over the clock's span is its mean."""
    real, quick = (
        Site("simulated-battery", ramp_kw_per_s=0.01),
        Site("simulated-battery", ramp_kw_per_s=0.01, speed=180),
    )
    for site in (real, quick):
        await site.device.apply(setpoint(-4.0))

    half_an_hour, ten_seconds = await real.reach(30 * MINUTE_S), await quick.reach(10)

    assert ten_seconds.kw == half_an_hour.kw == -4.0
    assert ten_seconds.soc_percent == half_an_hour.soc_percent
    assert ten_seconds.export_kwh == pytest.approx((half_an_hour.export_kwh or 0.0) / 180)
    assert ten_seconds.can_reduce_kwh == pytest.approx((half_an_hour.can_reduce_kwh or 0.0) / 180)
    mean_kw = (ten_seconds.export_kwh or 0.0) / (10 / HOUR_S)
    assert mean_kw == pytest.approx((half_an_hour.export_kwh or 0.0) / 0.5)


@pytest.mark.parametrize("kind", KINDS)
async def test_at_another_speed_it_describes_itself_in_the_clocks_time(kind: str) -> None:
    ramps = kind in ("simulated-battery", "simulated-ev", "simulated-v2h")
    settings = {"ramp_kw_per_s": 0.5} if ramps else {}
    real = await Site(kind, latency_s=18.0, **settings).device.describe()
    quick = await Site(kind, latency_s=18.0, speed=180, **settings).device.describe()

    assert (quick.min_kw, quick.max_kw, quick.levels_kw) == (real.min_kw, real.max_kw, real.levels_kw)
    assert quick.latency_s == pytest.approx(real.latency_s / 180)
    assert quick.min_on_s == pytest.approx(real.min_on_s / 180)
    assert (quick.ramp_kw_per_s or 0.0) == pytest.approx((real.ramp_kw_per_s or 0.0) * 180)
    assert [slot.kw for slot in quick.plan] == [slot.kw for slot in real.plan]
    assert (quick.energy is None) == (real.energy is None)
    if quick.energy is not None and real.energy is not None:
        assert quick.energy.capacity_kwh == pytest.approx(real.energy.capacity_kwh / 180)
        assert quick.energy.reserve_kwh == pytest.approx(real.energy.reserve_kwh / 180)


async def test_at_another_speed_a_lease_still_ends_by_the_clock() -> None:
    site = Site("simulated-battery", speed=180)

    await site.device.apply(setpoint(-1.0, until_s=10))

    assert await site.kw(9.9) == -1.0
    assert await site.kw(10) == 0.0


async def test_it_names_its_metering_point() -> None:
    assert (await Site("simulated-pv", metering_point="M-7").device.describe()).metering_point == "M-7"
