"""The driver `sunspec` moves a SunSpec device: pymodbus's own server, with a device behind it that lives by the clock."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from openadr_ra.drivers import Guard, check_driver
from openadr_ra.protocol.parts import DEVICE_FAILURE, GOOD, LOCAL_OVERRIDE, UNCERTAIN
from openadr_ra.seams import Clock
from tests.drivers.counterparts import need_package
from tests.drivers.makers import DAY_S, HOUR_S, setpoint

need_package("pymodbus", "sunspec")
need_package("sunspec2", "sunspec")

# Only here they can be had.
from openadr_ra.drivers.sunspec import Sunspec  # noqa: E402
from tests.drivers.sunspec_device import (  # noqa: E402
    BANKED,
    NEWER,
    NEWER_STORAGE,
    OLDER,
    OLDER_STORAGE,
    Site,
    Values,
    site,
)

SMALL_WH = 1000.0
"""A battery that is empty in minutes: its controller's heart beats each second until then."""

ALWAYS = ("describes", "reads", "envelope", "clamps", "sign", "lease", "order", "release", "unreachable", "override")
STORAGE = (*ALWAYS[:5], "reserve", *ALWAYS[5:])

HYBRID = {**OLDER_STORAGE, 120: OLDER_STORAGE[120].replace("DERTyp=4", "DERTyp=82")}
BATTERIES = {"older": OLDER_STORAGE, "newer": NEWER_STORAGE, "newer with 802": BANKED}
PLANTS = {"older": OLDER, "newer": NEWER}


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def another_controller(site: Site, watts: float) -> None:
    """A standing order, which no timer ends."""
    heard = site.device.registers
    if heard.has(704) and site.device.stores:
        heard.put(704, "WSet", round(watts))
        heard.put(704, "WSetEna", 1)
    elif heard.has(124):
        heard.put(124, "OutWRte", round(watts / 5000 * 10_000))
        heard.put(124, "InWRte", round(-watts / 4000 * 10_000))
        heard.put(124, "StorCtl_Mod", 3)
    else:
        model, enabled = (123, "WMaxLim_Ena") if heard.has(123) else (704, "WMaxLimPctEna")
        heard.put(model, "WMaxLimPct", round(watts / 5000 * 1000))
        heard.put(model, enabled, 1)


# The contract


@pytest.mark.parametrize(
    ("values", "shown"),
    [(OLDER_STORAGE, STORAGE), (NEWER_STORAGE, STORAGE), (BANKED, STORAGE), (OLDER, ALWAYS), (NEWER, ALWAYS)],
    ids=["older battery", "newer battery", "newer battery with 802", "older PV", "newer PV"],
)
async def test_a_sunspec_driver_keeps_every_promise(values: Values, shown: tuple[str, ...], nobody: int) -> None:
    made = Site(values, capacity_wh=SMALL_WH)

    def make(clock: Clock) -> Sunspec:
        made.renew(clock)
        return made.make()

    def overridden(clock: Clock) -> Sunspec:
        made.renew(clock)
        if made.device.registers.has(802):
            made.device.by_hand(1000)
        else:
            another_controller(made, 1000)
        return made.make()

    def unreachable(clock: Clock) -> Sunspec:
        made.renew(clock)
        return made.make(port=nobody)

    async with made.plugged():
        found = await check_driver(make, unreachable=unreachable, overridden=overridden, settle=made.settle)

    assert found == shown


# What it is


@pytest.mark.parametrize("values", BATTERIES.values(), ids=BATTERIES)
async def test_a_battery_is_what_its_nameplate_says(values: Values) -> None:
    async with site(values) as (_, driver):
        said = await driver.describe()

    assert (said.kind, said.subtype, said.min_kw, said.max_kw, said.ramp_kw_per_s) == ("battery", "", -5.0, 4.0, 1.0)
    assert said.energy is not None
    assert said.energy.capacity_kwh == 10.0


@pytest.mark.parametrize("values", PLANTS.values(), ids=PLANTS)
async def test_a_pv_plant_is_a_generator(values: Values) -> None:
    async with site(values) as (_, driver):
        said = await driver.describe()

    assert (said.kind, said.subtype, said.min_kw, said.max_kw, said.energy) == ("generator", "pv", -5.0, 0.0, None)


async def test_pv_with_storage_is_a_hybrid() -> None:
    async with site(HYBRID) as (_, driver):
        said = await driver.describe()

    assert (said.kind, said.subtype, said.min_kw, said.max_kw) == ("battery", "hybrid", -5.0, 4.0)


@pytest.mark.parametrize(
    ("values", "percent"), [(OLDER_STORAGE, 10), (BANKED, 20), (NEWER_STORAGE, 0)], ids=["124", "802", "none"]
)
async def test_the_reserve_is_the_devices_own_or_a_higher_one_of_the_settings(values: Values, percent: float) -> None:
    for asked, held in ((percent - 1, percent), (percent + 1, percent + 1)):
        async with site(values, reserve_percent=max(asked, 0)) as (_, driver):
            energy = (await driver.describe()).energy

        assert energy is not None
        assert energy.reserve_kwh == pytest.approx(held / 10)


async def test_the_settings_narrow_the_range_and_never_widen_it() -> None:
    async with site(NEWER_STORAGE, min_kw=-2.0, max_kw=9.0) as (_, driver):
        said, ack = await driver.describe(), await driver.apply(setpoint(-3.0))

    assert (said.min_kw, said.max_kw) == (-2.0, 4.0)
    assert (ack.outcome, ack.effective_kw) == ("clamped", -2.0)


# Moving


@pytest.mark.parametrize("values", BATTERIES.values(), ids=BATTERIES)
async def test_minus_one_kilowatt_discharges_a_thousand_watts_and_plus_one_charges_them(values: Values) -> None:
    async with site(values) as (made, driver):
        for sequence, kw in enumerate((-1.0, 1.0)):
            before = await driver.read()
            ack = await driver.apply(setpoint(kw, sequence=sequence))
            after = await made.reach(60.0 * (sequence + 1))

            assert (ack.outcome, ack.effective_kw) == ("accepted", kw)
            assert after.kw == kw
            assert made.device.kw() == -kw
            assert after.soc_percent is not None
            assert before.soc_percent is not None
            assert (after.soc_percent - before.soc_percent) * kw > 0


@pytest.mark.parametrize("values", BATTERIES.values(), ids=BATTERIES)
@pytest.mark.parametrize(
    ("kw", "outcome", "effective_kw"),
    [
        (4.0, "accepted", 4.0),
        (4.1, "clamped", 4.0),
        (-5.0, "accepted", -5.0),
        (-5.1, "clamped", -5.0),
        (0.0, "accepted", 0.0),
    ],
)
async def test_a_battery_goes_to_its_limits_and_no_further(
    values: Values, kw: float, outcome: str, effective_kw: float
) -> None:
    async with site(values) as (made, driver):
        ack = await driver.apply(setpoint(kw))
        reading = await made.reach(30)

    assert (ack.outcome, ack.effective_kw) == (outcome, effective_kw)
    assert reading.kw == effective_kw


@pytest.mark.parametrize(
    ("values", "floor"), [(OLDER_STORAGE, 10), (BANKED, 20)], ids=["124 MinRsvPct", "802 SoCRsvMin"]
)
async def test_at_its_reserve_a_battery_does_not_discharge(values: Values, floor: float) -> None:
    async with site(values) as (made, driver):
        made.device.soc_percent = floor
        empty, ack = await driver.read(), await driver.apply(setpoint(-1.0, sequence=1))
        made.device.soc_percent = floor + 0.2
        low, taken = await driver.read(), await driver.apply(setpoint(-1.0, sequence=2))

    assert (empty.min_kw, empty.max_kw, empty.can_reduce_kwh) == (0.0, 4.0, 0.0)
    assert (ack.outcome, ack.effective_kw) == ("clamped", 0.0)
    assert low.min_kw == -5.0
    assert taken.outcome == "accepted"


async def test_at_its_highest_charge_a_battery_does_not_charge() -> None:
    """802: SoCMax."""
    async with site(BANKED) as (made, driver):
        made.device.soc_percent = 95
        full = await driver.read()
        made.device.soc_percent = 94.8
        room = await driver.read()

    assert (full.max_kw, full.can_raise_kwh) == (0.0, 0.0)
    assert room.max_kw == 4.0


async def test_a_battery_that_may_not_charge_from_the_grid_does_not() -> None:
    """124: ChaGriSet."""
    async with site(OLDER_STORAGE) as (made, driver):
        made.device.registers.put(124, "ChaGriSet", 0)
        ack = await driver.apply(setpoint(1.0))

    assert (ack.outcome, ack.effective_kw) == ("clamped", 0.0)


async def test_a_reserve_is_kept_within_a_lease_too() -> None:
    """The device's timer ends before it is reached, for the device may not know of it."""
    async with site(NEWER_STORAGE, reserve_percent=45) as (made, driver):
        await driver.apply(setpoint(-5.0, until_s=HOUR_S))
        assert made.device.registers.get(704, "WSetRvrtTms") == 324
        reading = await made.reach(HOUR_S - 1)

    assert reading.kw == 0.0
    assert reading.soc_percent is not None
    assert reading.soc_percent > 45


async def test_a_device_that_takes_only_percent_is_told_percent() -> None:
    """704: WSetMod 0."""
    values = {**NEWER_STORAGE, 704: NEWER_STORAGE[704].replace("WSet=0", "WSetPct=0 WSetPct_SF=-1")}
    async with site(values) as (made, driver):
        ack = await driver.apply(setpoint(-2.5))
        reading = await made.reach(10)

    assert (ack.effective_kw, reading.kw) == (-2.5, -2.5)
    assert (made.device.registers.get(704, "WSetMod"), made.device.registers.get(704, "WSetPct")) == (0, 500)


async def test_what_the_register_rounds_away_is_said() -> None:
    """WSet_SF 2: hundreds of watts."""
    values = {**NEWER_STORAGE, 704: NEWER_STORAGE[704].replace("WSet_SF=0", "WSet_SF=2")}
    async with site(values) as (_, driver):
        near = await driver.apply(setpoint(-1.23, sequence=1))
        far = await driver.apply(setpoint(-1.345, sequence=2))

    assert (near.outcome, near.effective_kw) == ("accepted", -1.2)
    assert far.effective_kw == pytest.approx(-1.3)


async def test_a_limit_that_somebody_set_beside_bounds_a_battery() -> None:
    """704: WMaxLimPct at 40 %."""
    async with site(NEWER_STORAGE) as (made, driver):
        made.device.registers.put(704, "WMaxLimPct", 400)
        made.device.registers.put(704, "WMaxLimPctEna", 1)
        ack = await driver.apply(setpoint(-3.0))

    assert (ack.outcome, ack.effective_kw) == ("clamped", -2.0)


@pytest.mark.parametrize(("kw", "mode"), [(2.0, 1), (-2.0, 2), (0.0, 3)])
async def test_plain_rates_set_one_rate_and_its_bit(kw: float, mode: int) -> None:
    """124 of a device that takes no negative rates."""
    async with site(OLDER_STORAGE, storage_rates="plain") as (made, driver):
        made.device.plain_rates = True
        ack = await driver.apply(setpoint(kw))
        reading = await made.reach(10)

    assert (ack.outcome, reading.kw) == ("accepted", kw)
    assert made.device.registers.get(124, "StorCtl_Mod") == mode


async def test_a_device_that_takes_no_negative_rates_says_so() -> None:
    async with site(OLDER_STORAGE) as (made, driver):
        made.device.plain_rates = True
        ack = await driver.apply(setpoint(2.0))

    assert ack.outcome == "rejected"
    assert "Modbus exception 3" in ack.reason


@pytest.mark.parametrize("bank", [{}, {802: BANKED[802].replace("SoCRsvMin=200", "SoCRsvMin=100")}], ids=["124", "802"])
async def test_a_hybrids_battery_gives_what_its_pv_does_not(bank: Values) -> None:
    """Without model 802 the battery's own power is known only once it has been told one; the next set-point is exact."""
    async with site({**HYBRID, **bank}) as (made, driver):
        made.device.sun_w = 1000
        for number in range(1, 4):
            await driver.apply(setpoint(-3.0, sequence=number))
            await made.reach(10.0 * number)
        made.device.sun_w = 500
        await made.reach(40)
        ack = await driver.apply(setpoint(-3.0, sequence=4))
        reading = await made.reach(50)

    assert ack.outcome == "accepted"
    assert ack.effective_kw == pytest.approx(-3.0)
    assert reading.kw == pytest.approx(-3.0, abs=0.01)


async def test_a_newer_hybrid_is_told_the_power_at_its_terminals() -> None:
    """704 WSet: what of it is PV is the device's affair, until its battery is empty."""
    async with site(NEWER_STORAGE, kind="hybrid", reserve_percent=10) as (made, driver):
        made.device.sun_w = 2000
        made.device.soc_percent = 11
        full = await made.reach(10)
        ack = await driver.apply(setpoint(-4.0, sequence=1, until_s=HOUR_S))
        both = await made.reach(20)
        made.device.soc_percent = 10
        await made.reach(30)
        empty, limited = await driver.read(), await driver.apply(setpoint(-4.0, sequence=2, until_s=HOUR_S))
        timer_s = made.device.registers.get(704, "WSetRvrtTms")

    assert (full.kw, full.min_kw, full.max_kw) == (-2.0, -5.0, 4.0)
    assert (ack.outcome, both.kw) == ("accepted", -4.0)
    assert (empty.kw, empty.min_kw) == (-2.0, -2.0)
    assert (limited.outcome, limited.effective_kw) == ("clamped", -2.0)
    assert timer_s == HOUR_S - 30


# PV


@pytest.mark.parametrize("values", PLANTS.values(), ids=PLANTS)
async def test_a_pv_plant_is_held_to_a_limit_and_let_go(values: Values) -> None:
    async with site(values) as (made, driver):
        free = await driver.read()
        ack = await driver.apply(setpoint(-2.0))
        held = await made.reach(10)
        await driver.release("over")
        again = await made.reach(20)

    assert (free.kw, free.min_kw, free.max_kw) == (-3.0, -3.0, 0.0)
    assert (ack.outcome, ack.effective_kw) == ("accepted", -2.0)
    assert (held.kw, held.min_kw) == (-2.0, -3.0)
    assert again.kw == -3.0


async def test_a_pv_plant_says_that_the_sun_gives_no_more_and_gives_more_with_more_sun() -> None:
    async with site(NEWER) as (made, driver):
        ack = await driver.apply(setpoint(-4.0))
        made.device.sun_w = 4500
        reading = await made.reach(10)

    assert (ack.outcome, ack.effective_kw) == ("clamped", -3.0)
    assert "sun" in ack.reason
    assert reading.kw == -4.0


async def test_what_the_sun_would_give_is_the_devices_own_figure_where_it_has_one() -> None:
    """122: WAval."""
    async with site({**OLDER, 122: "WAval=450 WAval_SF=1"}) as (_, driver):
        reading = await driver.read()

    assert (reading.kw, reading.min_kw) == (-3.0, -4.5)


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
