"""Whoever else is at an ECHONET battery, on the spot or with a controller, rules it; the driver `echonet` says so."""

from __future__ import annotations

import pytest

from openadr_ra.drivers.echonet import codes
from openadr_ra.protocol.parts import GOOD, LOCAL_OVERRIDE
from openadr_ra.seams import Ack
from tests.drivers.echonet_site import BatterySite
from tests.drivers.makers import HOUR_S, MINUTE_S

CHARGE_METHOD, DISCHARGE_METHOD = 0xC1, 0xC2


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
