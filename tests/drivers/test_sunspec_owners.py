"""The driver `sunspec` holds a device for as long as it may: leases, heartbeats, owners, devices that cannot or will not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from openadr_ra.drivers import Guard
from openadr_ra.protocol.parts import DEVICE_FAILURE, GOOD, LOCAL_OVERRIDE, UNCERTAIN
from tests.drivers.counterparts import need_package
from tests.drivers.makers import DAY_S, HOUR_S, setpoint

need_package("pymodbus", "sunspec")
need_package("sunspec2", "sunspec")

# Only here they can be had.
from tests.drivers.sunspec_device import Site, another_controller, site  # noqa: E402
from tests.drivers.sunspec_maps import (  # noqa: E402
    BANKED,
    BATTERIES,
    NEWER,
    NEWER_STORAGE,
    OLDER,
    OLDER_STORAGE,
    PLANTS,
    Values,
)

# The lease is the device's own timer


@pytest.mark.parametrize("values", [*BATTERIES.values(), *PLANTS.values()], ids=[*BATTERIES, "older PV", "newer PV"])
async def test_the_device_lets_go_by_itself_when_the_lease_ends(values: Values) -> None:
    """Nobody is there any more to release it."""
    made = Site(values)
    async with made.plugged():
        async with made.make() as driver:
            own_kw = (await driver.read()).kw
            await driver.apply(setpoint(-1.0, until_s=4.0))
        await made.pass_to(3)
        held_kw = made.device.kw()
        await made.pass_to(20)

    assert held_kw != -own_kw
    assert made.device.kw() == -own_kw


@pytest.mark.parametrize(
    ("values", "model", "timer", "most_s"),
    [
        (OLDER_STORAGE, 124, "InOutWRte_RvrtTms", 65534),
        (NEWER_STORAGE, 704, "WSetRvrtTms", 180_000),
        (OLDER, 123, "WMaxLimPct_RvrtTms", 65534),
        (NEWER, 704, "WMaxLimPctRvrtTms", 180_000),
    ],
)
async def test_the_timer_is_the_lease_rounded_up_and_what_the_register_holds(
    values: Values, model: int, timer: str, most_s: int
) -> None:
    async with site(values) as (made, driver):
        for sequence, (until_s, timer_s) in enumerate(((0.2, 1), (10.2, 11), (50 * HOUR_S, most_s))):
            await driver.apply(setpoint(0.0, sequence=sequence, until_s=until_s))

            assert made.device.registers.get(model, timer) == timer_s


async def test_a_device_without_a_timer_is_let_go_by_the_guard() -> None:
    values = {**OLDER_STORAGE, 124: OLDER_STORAGE[124].replace("InOutWRte_RvrtTms=0", "")}
    made = Site(values)
    async with made.plugged(), Guard(made.make(), made.clock, timeout_s=60) as guard:
        await guard.apply(setpoint(-1.0, until_s=30))
        await made.pass_to(29)
        held_kw = made.device.kw()
        await made.pass_to(60)

    assert (held_kw, made.device.kw()) == (1.0, 0.0)


async def test_the_controllers_heart_beats_each_second_of_a_lease_and_no_longer() -> None:
    """802: CtrlHb."""
    async with site(BANKED) as (made, driver):
        await driver.apply(setpoint(-1.0, until_s=30))
        await made.reach(20)
        held_kw, beats = made.device.kw(), list(made.device.beats)
        await made.reach(60)

    assert held_kw == 1.0
    assert len(beats) == 21
    assert all(one != other for one, other in pairwise(beats))
    assert len(made.device.beats) <= 30


async def test_a_released_device_hears_no_heartbeat() -> None:
    async with site(BANKED) as (made, driver):
        await driver.apply(setpoint(-1.0))
        await made.reach(5)
        await driver.release("over")
        beats = len(made.device.beats)
        await made.reach(30)

    assert len(made.device.beats) == beats


async def test_a_device_lets_go_when_the_heartbeat_stops_long_before_the_lease_ends() -> None:
    made = Site(BANKED)
    async with made.plugged():
        async with made.make() as driver:
            await driver.apply(setpoint(-1.0, until_s=DAY_S))
            held = await made.reach(60)
        await made.pass_to(75)

    assert held.kw == -1.0
    assert made.device.kw() == 0.0


# Owners


async def test_in_local_mode_a_battery_belongs_to_whoever_stands_before_it() -> None:
    """802: LocRemCtl."""
    async with site(BANKED) as (made, driver):
        made.device.by_hand(-500)
        await made.reach(10)
        ack, reading = await driver.apply(setpoint(-1.0)), await made.reach(20)
        made.device.local_w = None
        made.device.registers.put(802, "LocRemCtl", 0)
        taken, later = await driver.apply(setpoint(-1.0, sequence=2)), await made.reach(40)

    assert (ack.outcome, ack.reason) == ("rejected", "it is in local mode")
    assert (reading.kw, reading.min_kw, reading.max_kw, reading.quality) == (0.5, 0.5, 0.5, LOCAL_OVERRIDE)
    assert reading.local_override
    assert (taken.outcome, later.kw, later.local_override) == ("accepted", -1.0, False)


@pytest.mark.parametrize(
    "values", [OLDER_STORAGE, NEWER_STORAGE, OLDER, NEWER], ids=["older", "newer", "older PV", "newer PV"]
)
async def test_another_controllers_order_is_reported_not_fought_and_not_taken_back(values: Values) -> None:
    async with site(values) as (made, driver):
        await driver.apply(setpoint(-1.0, sequence=1))
        await made.reach(10)
        another_controller(made, 2000)
        reading = await made.reach(20)
        ack = await driver.apply(setpoint(-1.0, sequence=2))
        released = await driver.release("over")
        later = await made.reach(30)

    assert (reading.kw, reading.local_override) == (-2.0, True)
    assert (ack.outcome, ack.reason) == ("rejected", "another controller holds it at -2 kW")
    assert (released.outcome, later.kw) == ("accepted", -2.0)


@pytest.mark.parametrize("values", BATTERIES.values(), ids=BATTERIES)
async def test_a_gateway_that_starts_again_takes_its_own_order_over(values: Values) -> None:
    """It ends by itself, so it was somebody's lease; before a first order of ours it is taken for our own."""
    made = Site(values)
    async with made.plugged():
        async with made.make() as driver:
            await driver.apply(setpoint(-2.0, sequence=7, until_s=HOUR_S))
            await made.reach(4)
        async with made.make() as driver:
            found = await driver.read()
            ack = await driver.apply(setpoint(-1.0, sequence=8, until_s=HOUR_S))
            held = await made.reach(14)
            await driver.release("over")
            free = await made.reach(24)

    assert (found.kw, found.local_override) == (-2.0, False)
    assert (ack.outcome, held.kw, free.kw) == ("accepted", -1.0, 0.0)


async def test_a_gateway_that_starts_again_releases_what_it_finds() -> None:
    made = Site(NEWER_STORAGE)
    async with made.plugged():
        async with made.make() as driver:
            await driver.apply(setpoint(-2.0, until_s=HOUR_S))
        async with made.make() as driver:
            ack = await driver.release("nothing applies")
            reading = await made.reach(10)

    assert (ack.outcome, reading.kw) == ("accepted", 0.0)


async def test_a_device_that_lost_its_power_is_told_again() -> None:
    """What it was told is gone; nobody else has it."""
    async with site(NEWER_STORAGE) as (made, driver):
        await driver.apply(setpoint(-2.0))
        await made.reach(10)
        made.device.power_cut()
        lost = await made.reach(20)
        ack = await driver.apply(setpoint(-2.0))
        reading = await made.reach(30)

    assert (lost.kw, lost.local_override) == (0.0, False)
    assert (ack.outcome, reading.kw) == ("accepted", -2.0)


async def test_set_points_that_come_twice_or_late_change_nothing() -> None:
    async with site(NEWER_STORAGE) as (made, driver):
        first = await driver.apply(setpoint(-2.0, sequence=5))
        again = await driver.apply(setpoint(-2.0, sequence=5))
        late = await driver.apply(setpoint(3.0, sequence=4))
        over = await driver.apply(setpoint(3.0, sequence=6, until_s=0.0))
        reading = await made.reach(10)

    assert [ack.outcome for ack in (first, again, late, over)] == ["accepted", "accepted", "stale", "rejected"]
    assert reading.kw == -2.0


# A device that cannot, or says what cannot be


@pytest.mark.parametrize(
    ("values", "model", "name", "value", "why"),
    [
        (NEWER_STORAGE, 701, "InvSt", 6, "the inverter reports a fault"),
        (OLDER_STORAGE, 103, "St", 7, "the inverter reports a fault"),
        (NEWER_STORAGE, 713, "Sta", 2, "the battery reports a fault"),
        (BANKED, 802, "State", 99, "the battery reports a fault"),
        (NEWER_STORAGE, 701, "ConnSt", 0, "it is disconnected from the grid"),
        (OLDER_STORAGE, 123, "Conn", 0, "it is disconnected from the grid"),
        (NEWER_STORAGE, 703, "ES", 0, "it has no permission to enter service"),
        (BANKED, 802, "State", 1, "its battery is disconnected"),
        (OLDER, 103, "Evt1", 1 << 6, "it was shut down by hand"),
    ],
)
async def test_a_device_that_cannot_move_has_no_range_and_says_why(
    values: Values, model: int, name: str, value: int, why: str
) -> None:
    async with site(values) as (made, driver):
        made.device.registers.put(model, name, value)
        reading, ack = await driver.read(), await driver.apply(setpoint(-1.0))

    assert (reading.min_kw, reading.max_kw) == (reading.kw, reading.kw)
    assert (ack.outcome, ack.reason) == ("rejected", why)
    assert reading.quality == (UNCERTAIN if "fault" in why else LOCAL_OVERRIDE if "hand" in why else GOOD)


async def test_a_device_that_forgets_what_it_is_told_has_not_taken_it() -> None:
    async with site(NEWER_STORAGE) as (made, driver):
        made.device.deaf = True
        ack = await driver.apply(setpoint(-1.0, sequence=1))
        made.device.deaf = False
        await driver.apply(setpoint(-1.0, sequence=2))
        made.device.deaf = True
        kept = await driver.release("over")
        made.device.deaf = False
        released = await driver.release("over")

    assert (ack.outcome, ack.reason) == ("rejected", "the device did not take it")
    assert (kept.outcome, kept.reason) == ("rejected", "the device did not let go")
    assert released.outcome == "accepted"


async def test_a_device_without_controls_is_watched() -> None:
    values = {1: NEWER[1], 701: NEWER[701], 702: NEWER[702]}
    async with site(values) as (_, driver):
        reading, ack = await driver.read(), await driver.apply(setpoint(-1.0))

    assert (reading.kw, reading.min_kw, reading.max_kw) == (-3.0, -3.0, -3.0)
    assert (ack.outcome, "no control" in ack.reason) == ("rejected", True)


async def test_a_battery_whose_own_heartbeat_stands_still_is_doubted() -> None:
    """802: Hb, every second; after ten without one."""
    async with site(BANKED) as (made, driver):
        await driver.read()
        made.device.pulse = False
        at_ten, later = await made.reach(10), await made.reach(11)
        made.device.pulse = True
        well = await made.reach(13)

    assert [one.quality for one in (at_ten, later, well)] == [GOOD, UNCERTAIN, GOOD]


@asynccontextmanager
async def guarded(made: Site) -> AsyncIterator[Guard]:
    async with made.plugged(), Guard(made.make(), made.clock, timeout_s=60) as guard:
        yield guard


async def test_a_charge_that_cannot_be_is_flagged_by_the_guard() -> None:
    made = Site(NEWER_STORAGE)
    async with guarded(made) as guard:
        good = await guard.read()
        made.device.soc_percent = 130
        bad = await guard.read()

    assert good.quality == GOOD
    assert bad.quality == DEVICE_FAILURE
