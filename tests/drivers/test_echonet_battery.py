"""The driver `echonet` on a storage battery: charges at positive power, and whoever else is at the battery rules."""

from __future__ import annotations

import asyncio

import pytest

from openadr_ra.drivers.echonet import codes
from openadr_ra.protocol.parts import GOOD, LOCAL_OVERRIDE, NO_VALUE, UNCERTAIN
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


# Whoever else is at the battery


async def test_operation_from_outside_that_is_barred_is_a_local_override() -> None:
    async with BatterySite() as site:
        await site.apply(-2.0)
        site.device.by_hand(1.0)
        reading = await site.reach(1)
        ack = await site.apply(-2.0)
        await site.driver.release("over")
        mode = site.device.settings[codes.MODE]
        site.device.by_hand(None)
        freed = await site.apply(-3.0)

    assert (reading.kw, reading.min_kw, reading.max_kw) == (1.0, 1.0, 1.0)
    assert (reading.local_override, reading.quality) == (True, LOCAL_OVERRIDE)
    assert (reading.can_reduce_kwh, reading.can_raise_kwh) == (0.0, 0.0)
    assert ack == Ack(outcome="clamped", effective_kw=1.0, reason="local override: operation from outside is barred")
    assert mode == codes.DISCHARGING
    assert freed.outcome == "accepted"


async def test_settings_of_somebody_else_are_reported_and_not_fought() -> None:
    """Neither by the next set-point nor by the release; when the battery is its own master again, it can be had again."""
    async with BatterySite() as site:
        await site.apply(-2.0)
        await site.clock.advance(site.clock.now())
        await site.reach(MINUTE_S)
        site.device.set(codes.CHARGE_W, (3000).to_bytes(4))
        site.device.set(CHARGE_METHOD, codes.DESIGNATED)
        site.device.set(codes.MODE, codes.CHARGING)
        taken = await site.reach(2 * MINUTE_S)
        ack = await site.apply(-2.0)
        released = await site.driver.release("over")
        still = await site.driver.read()
        assert site.device.kw == 3.0
        site.device.set(codes.MODE, codes.AUTO)
        ended = await site.driver.read()
        again = await site.apply(-2.0)

    assert (taken.kw, taken.local_override, taken.quality) == (3.0, True, LOCAL_OVERRIDE)
    assert ack.outcome == "clamped"
    assert (ack.effective_kw, ack.reason) == (3.0, "local override: somebody else set its 0xDA to 0x42")
    assert released.outcome == "accepted"
    assert (still.local_override, ended.local_override) == (True, False)
    assert again == Ack(outcome="accepted", effective_kw=-2.0)


async def test_who_puts_our_settings_back_gives_the_battery_back() -> None:
    async with BatterySite() as site:
        await site.apply(-2.0)
        site.device.set(codes.MODE, codes.STANDBY)
        taken = await site.reach(MINUTE_S)
        site.device.set(codes.MODE, codes.DISCHARGING)
        given = await site.reach(2 * MINUTE_S)

    assert (taken.local_override, given.local_override) == (True, False)


@pytest.mark.parametrize(("off_w", "somebody"), [(100, False), (101, True)])
async def test_a_power_that_is_further_off_than_rounding_is_somebody_elses(off_w: int, somebody: bool) -> None:
    async with BatterySite() as site:
        await site.apply(-2.0)
        site.device.set(codes.DISCHARGE_W, (2000 + off_w).to_bytes(4))
        reading = await site.reach(MINUTE_S)

    assert reading.local_override is somebody


@pytest.mark.parametrize(("after_s", "somebody"), [(4.9, False), (5.0, True)])
async def test_just_after_a_set_point_other_settings_are_those_of_before(after_s: float, somebody: bool) -> None:
    """A gateway between us and the battery may show its last copy for a while."""
    async with BatterySite(settle_s=5.0) as site:
        await site.apply(-2.0)
        site.device.readings[codes.MODE] = codes.AUTO
        reading = await site.reach(after_s)

    assert reading.local_override is somebody


async def test_a_battery_operated_on_the_spot_says_so() -> None:
    async with BatterySite() as site:
        await site.apply(-2.0)
        before = await site.reach(MINUTE_S)
        site.device.settings[codes.REMOTE] = codes.LAST_LOCAL
        after_all = await site.reach(2 * MINUTE_S)
        ack = await site.apply(-1.0)

    assert site.device.kw == -2.0
    assert (before.local_override, after_all.local_override) == (False, True)
    assert ack.reason == "local override: it was operated on the spot"


async def test_a_battery_that_is_switched_off_is_in_other_hands() -> None:
    async with BatterySite() as site:
        site.device.settings[codes.STATUS] = codes.OFF
        reading = await site.driver.read()
        ack = await site.apply(-1.0)

    assert reading.local_override
    assert ack.reason == "local override: it is switched off"
    assert site.device.settings[codes.MODE] == codes.AUTO


async def test_a_battery_that_leaves_an_order_because_it_is_empty_is_not_overridden() -> None:
    async with BatterySite() as site:
        await site.apply(-5.0)
        await site.clock.advance(site.clock.now())
        empty = await site.reach(HOUR_S)
        site.device.set(codes.MODE, codes.STANDBY)
        left = await site.reach(HOUR_S + MINUTE_S)

    assert (empty.kw, empty.min_kw, empty.soc_percent) == (0.0, 0.0, 20.0)
    assert (left.local_override, left.quality) == (False, GOOD)


# What it refuses, and what it says wrongly


async def test_a_battery_that_refuses_the_power_never_runs_at_another() -> None:
    async with BatterySite() as site:
        site.node.refused.add(codes.CHARGE_W)
        ack = await site.apply(2.0)

    assert (ack.outcome, ack.reason) == ("rejected", "it refuses to have 0xEB set")
    assert site.device.settings[codes.MODE] == codes.AUTO


async def test_a_method_that_is_refused_matters_only_if_it_is_another() -> None:
    async with BatterySite() as site:
        site.device.settable = tuple(epc for epc in site.device.settable if epc != CHARGE_METHOD)
        other = await site.apply(2.0)
        site.device.settings[CHARGE_METHOD] = codes.DESIGNATED
        right = await site.apply(2.0)

    assert (other.outcome, other.reason) == ("rejected", "it refuses to have 0xC1 set")
    assert right == Ack(outcome="accepted", effective_kw=2.0)


async def test_properties_that_are_listed_and_refused_are_left_out() -> None:
    """What is refused is refused by itself: the rest of the answer counts."""
    async with BatterySite() as site:
        site.node.refused |= {codes.REMAINING_PERCENT, 0xA8, codes.REMOTE}
        reading = await site.driver.read()
        ack = await site.apply(-1.0)

    assert (reading.kw, reading.soc_percent, reading.import_kwh, reading.quality) == (0.0, None, None, GOOD)
    assert reading.export_kwh == 0.0
    assert ack.outcome == "accepted"


@pytest.mark.parametrize("at_once", [1, 3])
async def test_a_node_that_answers_a_few_properties_at_a_time_is_asked_for_the_rest(at_once: int) -> None:
    async with BatterySite() as site:
        site.node.at_once = at_once
        reading = await site.driver.read()
        ack = await site.apply(-1.0)

    assert (reading.kw, reading.soc_percent, reading.min_kw) == (0.0, 50.0, -5.0)
    assert (ack.outcome, site.device.kw) == ("accepted", -1.0)


async def test_a_node_that_refuses_all_for_the_sake_of_one_is_asked_in_parts() -> None:
    async with BatterySite() as site:
        site.node.all_or_nothing = True
        site.node.refused |= {codes.REMAINING_PERCENT, codes.REMOTE}
        reading = await site.driver.read()
        ack = await site.apply(-1.0)

    assert (reading.kw, reading.soc_percent, reading.export_kwh) == (0.0, None, 0.0)
    assert (ack.outcome, site.device.kw) == ("accepted", -1.0)


async def test_a_battery_without_property_maps_is_asked_for_everything() -> None:
    async with BatterySite() as site:
        site.node.refused |= {0x9D, 0x9E, 0x9F}
        reading = await site.driver.read()
        ack = await site.apply(-1.0)

    assert (reading.soc_percent, reading.quality) == (50.0, GOOD)
    assert (ack.outcome, site.device.kw) == ("accepted", -1.0)


@pytest.mark.parametrize("edt", [b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\x00\x00", b""])
async def test_a_power_that_is_no_value_has_none(edt: bytes) -> None:
    """Overflow, underflow, another length, refused."""
    async with BatterySite() as site:
        await site.apply(-1.0)
        before = await site.driver.read()
        site.device.readings[codes.NOW_W] = edt
        reading = await site.reach(1)

    assert (before.kw, before.quality) == (-1.0, GOOD)
    assert (reading.kw, reading.quality, reading.online) == (-1.0, NO_VALUE, True)


@pytest.mark.parametrize(("watts", "quality"), [(-1000, GOOD), (50, GOOD), (51, UNCERTAIN), (1000, UNCERTAIN)])
async def test_a_power_against_the_mode_that_runs_is_uncertain(watts: int, quality: str) -> None:
    """It says that it discharges, and the power that it charges: the sign or the meter is wrong."""
    async with BatterySite() as site:
        await site.apply(-1.0)
        site.device.readings[codes.NOW_W] = watts.to_bytes(4, signed=True)
        reading = await site.driver.read()

    assert reading.quality == quality


@pytest.mark.parametrize(("edt", "soc"), [(b"\x64", 100.0), (b"\x65", None), (b"\xff", None)])
async def test_a_state_of_charge_beyond_full_is_none(edt: bytes, soc: float | None) -> None:
    async with BatterySite() as site:
        site.device.readings[codes.REMAINING_PERCENT] = edt
        reading = await site.driver.read()

    assert reading.soc_percent == soc


async def test_a_battery_with_a_fault_is_uncertain_and_not_moved() -> None:
    async with BatterySite() as site:
        site.device.readings[codes.FAULT] = codes.FAULTY
        reading = await site.driver.read()
        ack = await site.apply(-1.0)

    assert (reading.quality, reading.min_kw, reading.max_kw) == (UNCERTAIN, 0.0, 0.0)
    assert ack == Ack(outcome="clamped", effective_kw=0.0, reason="it reports a fault")
    assert site.device.settings[codes.MODE] == codes.AUTO


async def test_a_battery_that_measures_its_capacity_is_left_alone() -> None:
    async with BatterySite() as site:
        site.device.readings[0xCF] = codes.RECOUNT
        reading = await site.driver.read()
        ack = await site.apply(-1.0)

    assert (reading.min_kw, reading.max_kw, reading.local_override) == (0.0, 0.0, False)
    assert ack.reason == "it measures its capacity"


async def test_two_verbs_at_once_do_not_mix_their_answers() -> None:
    async with BatterySite() as site:
        readings = await asyncio.gather(*(site.driver.read() for _ in range(20)))

    assert {reading.soc_percent for reading in readings} == {50.0}
