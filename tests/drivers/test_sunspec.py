"""The driver `sunspec` moves a SunSpec device: pymodbus's own server, with a device behind it that lives by the clock."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from openadr_ra.drivers import check_driver
from openadr_ra.seams import Clock
from tests.drivers.counterparts import need_package
from tests.drivers.makers import HOUR_S, setpoint

need_package("pymodbus", "sunspec")
need_package("sunspec2", "sunspec")

# Only here they can be had.
from openadr_ra.drivers.sunspec import Sunspec  # noqa: E402
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

SMALL_WH = 1000.0
"""A battery that is empty in minutes: its controller's heart beats each second until then."""

ALWAYS = ("describes", "reads", "envelope", "clamps", "sign", "lease", "order", "release", "unreachable", "override")
STORAGE = (*ALWAYS[:5], "reserve", *ALWAYS[5:])

HYBRID = {**OLDER_STORAGE, 120: OLDER_STORAGE[120].replace("DERTyp=4", "DERTyp=82")}


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


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
