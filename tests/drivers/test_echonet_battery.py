"""The driver `echonet` on a storage battery: charges at positive power, keeps to its limits, and gives it back."""

from __future__ import annotations

import pytest

from openadr_ra.drivers.echonet import codes
from openadr_ra.seams import Ack
from tests.drivers.echonet_site import BatterySite, echonet
from tests.drivers.makers import HOUR_S, MINUTE_S, setpoint

CHARGE_METHOD, DISCHARGE_METHOD = 0xC1, 0xC2


# Sign, unit, limits


async def test_set_to_minus_one_kw_an_echonet_battery_discharges() -> None:
    async with BatterySite() as site:
        ack = await site.apply(-1.0)
        later = await site.reach(HOUR_S)

    assert ack == Ack(outcome="accepted", effective_kw=-1.0)
    assert site.device.settings[codes.MODE] == codes.DISCHARGING
    assert site.device.settings[DISCHARGE_METHOD] == codes.DESIGNATED
    assert site.device.settings[codes.DISCHARGE_W] == (1000).to_bytes(4)
    assert (site.device.kw, later.kw) == (-1.0, -1.0)
    assert later.export_kwh == pytest.approx(1.0)
    assert later.import_kwh == 0.0


async def test_set_to_one_and_a_half_kw_an_echonet_battery_charges() -> None:
    async with BatterySite() as site:
        await site.apply(1.5)
        later = await site.reach(HOUR_S)

    assert site.device.settings[codes.MODE] == codes.CHARGING
    assert site.device.settings[CHARGE_METHOD] == codes.DESIGNATED
    assert site.device.settings[codes.CHARGE_W] == (1500).to_bytes(4)
    assert (site.device.kw, later.kw) == (1.5, 1.5)
    assert later.import_kwh == pytest.approx(1.5)
    assert (later.soc_percent or 0.0) > 60


async def test_set_to_nothing_an_echonet_battery_stands_by() -> None:
    async with BatterySite() as site:
        await site.apply(2.0)
        assert await site.apply(0.0) == Ack(outcome="accepted", effective_kw=0.0)

    assert site.device.settings[codes.MODE] == codes.STANDBY


@pytest.mark.parametrize(("asked_kw", "given_kw"), [(-5.0, -5.0), (-5.1, -5.0), (5.0, 5.0), (5.1, 5.0)])
async def test_beyond_its_power_an_echonet_battery_is_clamped_and_says_so(asked_kw: float, given_kw: float) -> None:
    async with BatterySite() as site:
        ack = await site.apply(asked_kw)

    assert ack.outcome == ("accepted" if asked_kw == given_kw else "clamped")
    assert ack.effective_kw == given_kw
    assert site.device.kw == given_kw


@pytest.mark.parametrize(("asked_kw", "given_kw"), [(-3.0, -3.0), (-3.1, -3.0), (2.0, 2.0), (2.1, 2.0)])
async def test_the_settings_narrow_what_an_echonet_battery_may_do(asked_kw: float, given_kw: float) -> None:
    async with BatterySite(min_kw=-3.0, max_kw=2.0) as site:
        described = await site.driver.describe()
        ack = await site.apply(asked_kw)

    assert (described.min_kw, described.max_kw) == (-3.0, 2.0)
    assert ack.effective_kw == given_kw


@pytest.mark.parametrize(
    ("asked_kw", "given_kw"), [(0.5, 0.5), (0.49, 0.5), (0.26, 0.5), (0.25, 0.0), (-0.8, -0.8), (-0.3, 0.0)]
)
async def test_below_its_least_power_an_echonet_battery_takes_that_or_none(asked_kw: float, given_kw: float) -> None:
    async with BatterySite() as site:
        site.device.readings[codes.CHARGE_RANGE_W] = (500).to_bytes(4) + (5000).to_bytes(4)
        site.device.readings[codes.DISCHARGE_RANGE_W] = (800).to_bytes(4) + (5000).to_bytes(4)
        ack = await site.apply(asked_kw)

    assert ack.outcome == ("accepted" if asked_kw == given_kw else "clamped")
    assert (ack.effective_kw, site.device.kw) == (given_kw, given_kw)


async def test_a_power_that_an_echonet_battery_rounds_is_told_as_it_is() -> None:
    """And is no reason to write it again, nor a sign that somebody else was there."""
    async with BatterySite(step_w=100) as site:
        ack = await site.apply(-1.23)
        asked = site.node.questions
        again = await site.apply(-1.23)
        reading = await site.reach(MINUTE_S)

    assert (ack.outcome, ack.effective_kw) == ("clamped", -1.2)
    assert again == ack
    assert site.node.questions == asked + 3
    assert (reading.kw, reading.local_override) == (-1.2, False)


async def test_an_echonet_battery_without_power_settings_knows_full_power_and_none() -> None:
    async with BatterySite() as site:
        site.device.settable = (codes.MODE,)
        site.device.settings[CHARGE_METHOD] = codes.MAXIMUM
        site.device.settings[DISCHARGE_METHOD] = codes.MAXIMUM
        described = await site.driver.describe()
        acks = [await site.apply(kw) for kw in (-4.0, -2.0, 5.0)]

    assert described.levels_kw == (-5.0, 0.0, 5.0)
    assert [ack.effective_kw for ack in acks] == [-5.0, 0.0, 5.0]
    assert site.device.kw == 5.0


async def test_full_power_beyond_the_settings_is_no_power_to_have() -> None:
    """It charges at 5 kW or not at all, and may not at more than 4."""
    async with BatterySite(max_kw=4.0) as site:
        site.device.settable = (codes.MODE,)
        site.device.settings[CHARGE_METHOD] = codes.MAXIMUM
        described = await site.driver.describe()
        ack = await site.apply(4.0)

    assert (described.levels_kw, described.max_kw) == ((-5.0, 0.0), 0.0)
    assert (ack.outcome, ack.effective_kw, site.device.kw) == ("clamped", 0.0, 0.0)


async def test_a_battery_that_does_not_say_its_range_is_not_moved_unless_the_settings_do() -> None:
    ranges = {codes.CHARGE_RANGE_W, codes.DISCHARGE_RANGE_W}
    async with BatterySite() as site:
        site.node.refused |= ranges
        unknown = await site.apply(-1.0)
        mode = site.device.settings[codes.MODE]
    async with BatterySite(min_kw=-2.0, max_kw=2.0) as site:
        site.node.refused |= ranges
        told = await site.apply(-3.0)

    assert unknown.reason == "its range is not known: give min_kw and max_kw"
    assert (unknown.outcome, unknown.effective_kw, mode) == ("clamped", 0.0, codes.AUTO)
    assert (told.outcome, told.effective_kw, site.device.kw) == ("clamped", -2.0, -2.0)


# What it holds


async def test_an_echonet_battery_says_what_it_holds() -> None:
    """10 kWh, filled by 10 / 0.95 and giving 9.5 at its terminals; from 50 % down to its reserve of 20 % it gives 2.85."""
    async with BatterySite() as site:
        described = await site.driver.describe()
        reading = await site.driver.read()

    assert described.kind == "battery"
    assert described.energy is not None
    assert (described.energy.capacity_kwh, described.energy.reserve_kwh) == (10.0, 2.0)
    assert described.energy.charge_efficiency == pytest.approx(0.95, abs=1e-3)
    assert described.energy.discharge_efficiency == pytest.approx(0.95, abs=1e-3)
    assert (reading.soc_percent, reading.min_kw, reading.max_kw) == (50.0, -5.0, 5.0)
    assert reading.can_reduce_kwh == pytest.approx(2.85)
    assert reading.can_raise_kwh == pytest.approx(5 / 0.95, abs=1e-3)


async def test_without_the_stored_capacity_it_lies_between_what_fills_and_what_empties_it() -> None:
    async with BatterySite() as site:
        site.node.refused.add(0xD0)
        described = await site.driver.describe()

    assert described.energy is not None
    assert described.energy.capacity_kwh == pytest.approx(10.0, abs=1e-3)
    assert described.energy.charge_efficiency == pytest.approx(0.95, abs=1e-3)


async def test_at_its_own_reserve_an_echonet_battery_is_not_asked_to_discharge() -> None:
    async with BatterySite(battery={"soc_percent": 20.0}) as site:
        reading = await site.driver.read()
        ack = await site.apply(-3.0)

    assert (reading.min_kw, reading.max_kw) == (0.0, 5.0)
    assert (ack.outcome, ack.effective_kw) == ("clamped", 0.0)
    assert site.device.settings[codes.MODE] == codes.STANDBY


async def test_at_a_reserve_of_ours_a_discharge_ends_though_the_battery_would_go_on() -> None:
    """It keeps 20 % by itself, we keep 40. Reading it is enough; nobody has to renew the set-point."""
    async with BatterySite(reserve_percent=40.0) as site:
        await site.apply(-5.0)
        above = await site.reach(10 * MINUTE_S)
        below = await site.reach(12 * MINUTE_S)
        ack = await site.apply(-5.0)

    assert (above.soc_percent, above.kw) == (41.0, -5.0)
    assert (below.soc_percent, below.min_kw) == (39.0, 0.0)
    assert site.device.kw == 0.0
    assert (ack.outcome, ack.effective_kw) == ("clamped", 0.0)


async def test_a_full_echonet_battery_is_not_asked_to_charge() -> None:
    async with BatterySite(battery={"soc_percent": 100.0}) as site:
        reading = await site.driver.read()
        ack = await site.apply(3.0)

    assert (reading.min_kw, reading.max_kw) == (-5.0, 0.0)
    assert (ack.outcome, ack.effective_kw) == ("clamped", 0.0)


# Order and release


async def test_set_points_to_an_echonet_battery_may_come_twice_or_late() -> None:
    async with BatterySite() as site:
        first = await site.driver.apply(setpoint(-2.0, sequence=5))
        again = await site.driver.apply(setpoint(-2.0, sequence=5))
        late = await site.driver.apply(setpoint(3.0, sequence=4))
        over = await site.driver.apply(setpoint(3.0, sequence=6, until_s=0.0))

    assert (first.outcome, again.outcome, late.outcome, over.outcome) == ("accepted", "accepted", "stale", "rejected")
    assert site.device.kw == -2.0


async def test_a_set_point_that_stands_is_not_written_again() -> None:
    async with BatterySite() as site:
        await site.apply(-2.0)
        asked = site.node.questions
        await site.apply(-2.0)

    assert site.node.questions == asked + 2


async def test_a_small_change_of_a_set_point_is_written() -> None:
    async with BatterySite() as site:
        await site.apply(-2.0)
        await site.apply(-2.01)

    assert site.device.kw == -2.01


async def test_released_an_echonet_battery_is_automatic_again_with_the_methods_of_its_owner() -> None:
    async with BatterySite() as site:
        await site.apply(2.0)
        await site.apply(-2.0)
        ack = await site.driver.release("over")

    assert ack.outcome == "accepted"
    assert site.device.settings[codes.MODE] == codes.AUTO
    assert site.device.settings[CHARGE_METHOD] == codes.SURPLUS
    assert site.device.settings[DISCHARGE_METHOD] == codes.SURPLUS


async def test_an_echonet_battery_that_cannot_be_set_to_automatic_is_released_to_standby() -> None:
    async with BatterySite() as site:
        site.device.modes.discard(codes.AUTO)
        await site.apply(-2.0)
        ack = await site.driver.release("over")

    assert ack.outcome == "accepted"
    assert site.device.settings[codes.MODE] == codes.STANDBY


async def test_an_echonet_battery_that_refuses_to_be_released_says_so() -> None:
    async with BatterySite() as site:
        await site.apply(-2.0)
        site.node.refused.add(codes.MODE)
        ack = await site.driver.release("over")

    assert (ack.outcome, ack.reason) == ("rejected", "it refuses to have 0xDA set")


async def test_a_gateway_that_starts_anew_in_mid_event_goes_on_and_releases() -> None:
    """The battery still does what it was told before; that is no override."""
    async with BatterySite() as site:
        await site.apply(-2.0)
        async with echonet(site.clock, site.node.address) as restarted:
            reading = await restarted.read()
            ack = await restarted.apply(setpoint(-2.0))
            await restarted.release("over")

    assert (reading.kw, reading.local_override) == (-2.0, False)
    assert ack == Ack(outcome="accepted", effective_kw=-2.0)
    assert site.device.settings[codes.MODE] == codes.AUTO
