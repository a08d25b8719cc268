"""The driver `mapped-modbus` at pymodbus's own server: a battery in its maker's units, signs and word orders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from openadr_ra.drivers import Guard, check_driver
from openadr_ra.protocol.parts import COMM_FAILURE, DEVICE_FAILURE, GOOD, LOCAL_OVERRIDE, NO_VALUE, UNCERTAIN
from openadr_ra.seams import AnyDriver, Clock
from tests.drivers.counterparts import need_package
from tests.drivers.makers import DAY_S, after, setpoint

need_package("pymodbus", "modbus")

from pymodbus.constants import ExcCodes  # noqa: E402 - only where it is installed

from openadr_ra.drivers.promises import PROMISES  # noqa: E402
from openadr_ra.drivers.virtual_clock import VirtualClock  # noqa: E402
from tests.drivers.mapped_modbus import (  # noqa: E402
    NOBODY,
    PATIENCE_S,
    READ_HOLDING,
    WRITE_ONE,
    Registers,
    bay,
    driver,
    points,
)
from tests.drivers.mapped_plant import Plant  # noqa: E402


@pytest.fixture
async def yard() -> AsyncIterator[Callable[[Plant], Registers]]:
    """Servers, plugged beforehand, one for each plant that a test comes with."""
    async with AsyncExitStack() as stack:
        spare = [await stack.enter_async_context(Registers(Plant(VirtualClock()))) for _ in PROMISES]

        def plug(plant: Plant) -> Registers:
            registers = spare.pop()
            registers.plant = plant
            return registers

        yield plug


async def test_a_battery_behind_registers_keeps_every_promise(yard: Callable[[Plant], Registers]) -> None:
    def make(clock: Clock, by_hand_kw: float | None = None) -> AnyDriver:
        plant = Plant(clock)
        plant.by_hand_kw = by_hand_kw
        return driver(clock, yard(plant).port)

    def gone(clock: Clock) -> AnyDriver:
        return driver(clock, 1, timeout_s=0.5)

    shown = await check_driver(make, unreachable=gone, overridden=lambda clock: make(clock, -2.0))

    assert shown == tuple(promise.name for promise in PROMISES)


async def test_set_to_minus_one_kw_it_discharges() -> None:
    """100 in its register: it counts in 10 W, and delivering is positive there."""
    async with bay() as site:
        ack = await site.driver.apply(setpoint(-1.0))
        await site.wait(360)
        found = await site.driver.read()

    assert (ack.outcome, ack.effective_kw) == ("accepted", -1.0)
    assert (0, 100) in site.registers.writes
    assert (site.plant.kw, found.kw) == (-1.0, -1.0)
    assert (found.export_kwh, found.import_kwh, found.soc_percent) == pytest.approx((0.1, 0.0, 40.0))


async def test_set_to_one_kw_it_charges() -> None:
    async with bay() as site:
        await site.driver.apply(setpoint(1.0))
        await site.wait(360)
        found = await site.driver.read()

    assert (0, 65_536 - 100) in site.registers.writes
    assert found.kw == 1.0
    assert (found.export_kwh, found.import_kwh, found.soc_percent) == pytest.approx((0.0, 0.1, 60.0))


@pytest.mark.parametrize(
    ("asked", "outcome", "effective"),
    [
        (-5.0, "accepted", -5.0),
        (5.0, "accepted", 5.0),
        (-5.01, "clamped", -5.0),
        (5.01, "clamped", 5.0),
        (1.234, "accepted", 1.23),
    ],
)
async def test_its_limits_hold_and_each_clamp_is_reported(asked: float, outcome: str, effective: float) -> None:
    """Rounding to the register's 10 W is no clamp."""
    async with bay() as site:
        ack = await site.driver.apply(setpoint(asked))

    assert (ack.outcome, ack.effective_kw) == (outcome, effective)
    assert site.plant.setpoint_kw == effective


async def test_what_the_device_can_do_at_the_moment_narrows_its_limits() -> None:
    async with bay() as site:
        site.plant.max_kw = 2.5
        ack = await site.driver.apply(setpoint(4.0))
        found = await site.driver.read()

    assert (ack.outcome, ack.effective_kw) == ("clamped", 2.5)
    assert (found.min_kw, found.max_kw) == (-5.0, 2.5)


async def test_a_set_point_is_moved_when_the_limits_move_under_it() -> None:
    async with bay() as site:
        await site.driver.apply(setpoint(4.0))
        site.plant.max_kw = 2.5
        await site.driver.read()

        assert site.plant.setpoint_kw == 2.5


async def test_a_device_that_refuses_to_be_moved_is_read_all_the_same() -> None:
    async with bay() as site:
        await site.driver.apply(setpoint(4.0))
        site.plant.max_kw = 2.5
        site.registers.refused[WRITE_ONE, 0] = ExcCodes.DEVICE_BUSY
        found = await site.driver.read()

    assert (found.kw, found.max_kw, found.quality) == (2.5, 2.5, GOOD)


@pytest.mark.parametrize(("percent", "reachable"), [(20.1, -5.0), (20.0, 0.0)])
async def test_below_its_reserve_nothing_is_taken(percent: float, reachable: float) -> None:
    async with bay() as site:
        site.plant.guards_itself = False
        site.plant.stored_kwh = percent / 100
        found = await site.driver.read()
        ack = await site.driver.apply(setpoint(-5.0))

    assert found.min_kw == reachable
    assert ack.effective_kw == reachable


async def test_a_discharge_ends_at_the_reserve_as_soon_as_that_is_read() -> None:
    async with bay() as site:
        site.plant.guards_itself = False
        await site.driver.apply(setpoint(-5.0))
        for _ in range(400):
            await site.wait(1)
            await site.driver.read()

        assert site.plant.kw == 0.0
        assert site.plant.soc_percent == pytest.approx(20.0, abs=0.2)


@pytest.mark.parametrize(("percent", "reachable"), [(99.9, 5.0), (100.0, 0.0)])
async def test_what_is_full_is_not_charged(percent: float, reachable: float) -> None:
    async with bay() as site:
        site.plant.stored_kwh = percent / 100
        ack = await site.driver.apply(setpoint(5.0))

    assert ack.effective_kw == reachable


async def test_the_devices_own_timer_is_the_lease() -> None:
    """Nobody renews it, and nobody is there to release it: it ends all the same."""
    async with bay() as site:
        await site.driver.apply(setpoint(-1.0, until_s=30))
        assert (2, 30) in site.registers.writes

        await site.wait(29)
        assert site.plant.kw == -1.0
        await site.wait(1)
        assert site.plant.kw == 0.0
        assert not (await site.driver.read()).local_override


async def test_a_lease_longer_than_the_timer_is_as_long_as_the_timer_can_be() -> None:
    async with bay() as site:
        await site.driver.apply(setpoint(-1.0, until_s=DAY_S))

    assert (2, 65_535) in site.registers.writes


async def test_without_a_timer_the_guard_ends_the_lease() -> None:
    clock = VirtualClock()
    plant = Plant(clock)
    async with (
        Registers(plant) as registers,
        Guard(driver(clock, registers.port, points=points(lease=None)), clock, timeout_s=PATIENCE_S) as guard,
    ):
        await guard.apply(setpoint(-1.0, until_s=30))
        await clock.advance(after(29))
        assert plant.kw == -1.0
        await clock.advance(after(30))
        async with asyncio.timeout(PATIENCE_S):
            while plant.kw:
                await clock.advance(clock.now())


async def test_a_heartbeat_goes_on_as_long_as_the_lease_and_no_longer() -> None:
    beat = {"address": 3, "type": "uint16"}
    async with bay(points=points(heartbeat=beat), heartbeat_s=10) as site:
        await site.driver.apply(setpoint(-1.0, until_s=35))
        first = site.plant.heartbeat
        for moment in (10, 20, 30):
            await site.clock.advance(after(moment))
            async with asyncio.timeout(PATIENCE_S):
                while site.plant.heartbeat != first + moment / 10:
                    await site.wait(0)
        await site.wait(60)
        await site.driver.read()

        assert (first, site.plant.heartbeat) == (1, 4)


async def test_released_it_gets_its_mode_back_and_then_the_set_point_of_nobody() -> None:
    async with bay() as site:
        await site.driver.apply(setpoint(-1.0))
        site.registers.writes.clear()

        ack = await site.driver.release("over")

        assert ack.outcome == "accepted"
        assert site.registers.writes == [(1, 1), (0, 65_536 + NOBODY)]
        assert (await site.driver.read()).kw == 0.0


async def test_the_set_point_comes_before_the_mode_that_makes_it_count() -> None:
    """And the timer before both: else there would be an instant at which an old set-point ran, or one without an end."""
    async with bay() as site:
        await site.driver.apply(setpoint(-1.0, until_s=30))

    assert [address for address, _ in site.registers.writes] == [2, 0, 1]


async def test_twice_the_same_changes_nothing_and_an_older_one_is_stale() -> None:
    async with bay() as site:
        first = await site.driver.apply(setpoint(-1.0, sequence=5))
        again = await site.driver.apply(setpoint(-1.0, sequence=5))
        late = await site.driver.apply(setpoint(3.0, sequence=4))

        assert (first.outcome, again.outcome, late.outcome) == ("accepted", "accepted", "stale")
        assert site.plant.setpoint_kw == -1.0


@pytest.mark.parametrize("kw", [float("nan"), float("inf")])
async def test_what_is_no_power_is_never_written(kw: float) -> None:
    async with bay() as site:
        assert (await site.driver.apply(setpoint(kw))).outcome == "rejected"
        assert site.registers.writes == []


# A device that is turned by hand, or led by somebody else


async def test_the_key_switch_wins_and_is_reported() -> None:
    async with bay() as site:
        await site.driver.apply(setpoint(-1.0))
        site.plant.turn_by_hand(2.0)
        found = await site.driver.read()
        ack = await site.driver.apply(setpoint(-1.0, sequence=2))

        assert (found.local_override, found.quality, found.kw) == (True, LOCAL_OVERRIDE, 2.0)
        assert (found.min_kw, found.max_kw, found.can_reduce_kwh) == (2.0, 2.0, 0.0)
        assert (ack.outcome, ack.reason) == ("rejected", "local override: it is in local mode")

        site.plant.turn_by_hand(None)
        assert not (await site.driver.read()).local_override
        assert (await site.driver.apply(setpoint(-1.0, sequence=3))).outcome == "accepted"


async def test_another_controllers_set_point_is_reported_and_not_fought() -> None:
    """Not even when our lease ends: what stands there is not ours to take away."""
    async with bay() as site:
        await site.driver.apply(setpoint(-1.0))
        site.registers.raw_setpoint = -300
        site.plant.set_kw(3.0)
        await site.wait(10)
        found = await site.driver.read()
        ack = await site.driver.apply(setpoint(-1.0, sequence=2))
        released = await site.driver.release("over")

        assert found.local_override
        assert (ack.outcome, ack.reason) == ("rejected", "local override: another controller set it to 3 kW")
        assert (released.outcome, site.plant.setpoint_kw, site.plant.remote) == ("accepted", 3.0, True)

        site.registers.restart()
        assert not (await site.driver.read()).local_override
        assert (await site.driver.apply(setpoint(-1.0, sequence=3))).outcome == "accepted"


async def test_a_remote_mode_that_somebody_switched_off_stays_off() -> None:
    async with bay() as site:
        await site.driver.apply(setpoint(-1.0))
        site.plant.set_remote(False)
        await site.wait(10)

        assert (await site.driver.apply(setpoint(-1.0, sequence=2))).outcome == "rejected"
        assert not site.plant.remote


async def test_a_device_that_restarted_gets_its_set_point_again() -> None:
    """Its connection broke: so what it shows is nobody's will."""
    async with bay() as site:
        await site.driver.apply(setpoint(-1.0))
        await site.registers.unplug()
        await site.wait(0)
        site.registers.restart()
        await site.registers.plug()
        await site.wait(10)
        found = await site.driver.read()

        assert (found.kw, found.quality, found.local_override) == (0.0, GOOD, False)
        assert (await site.driver.apply(setpoint(-1.0, sequence=2))).outcome == "accepted"
        assert site.plant.kw == -1.0


async def test_a_driver_that_restarted_releases_what_the_one_before_it_left() -> None:
    async with bay(points=points(lease=None)) as site:
        await site.driver.apply(setpoint(-1.0))
        async with driver(site.clock, site.registers.port) as anew:
            assert (await anew.read()).kw == -1.0
            assert (await anew.release("over")).outcome == "accepted"

        assert (site.plant.kw, site.plant.remote) == (0.0, False)


# A device that cannot be reached, or answers nonsense


async def test_unplugged_it_says_so_and_plugged_in_again_it_goes_on() -> None:
    async with bay() as site:
        good = await site.driver.read()
        await site.registers.unplug()
        await site.wait(0)
        gone = await site.driver.read()
        acks = [await site.driver.apply(setpoint(-1.0)), await site.driver.release("over")]
        await site.registers.plug()

        assert (gone.quality, gone.online, gone.kw, gone.at) == (COMM_FAILURE, False, good.kw, good.at)
        assert [ack.outcome for ack in acks] == ["unreachable", "unreachable"]
        assert (await site.driver.read()).quality == GOOD
        assert (await site.driver.apply(setpoint(-1.0, sequence=2))).outcome == "accepted"


async def test_never_reached_it_knows_nothing() -> None:
    async with bay() as site:
        await site.registers.unplug()
        found = await site.driver.read()

    assert (found.quality, found.online) == (NO_VALUE, False)


async def test_a_slow_device_costs_no_more_than_its_deadline_and_its_late_answer_is_nobodys() -> None:
    async with bay(timeout_s=0.2) as site:
        site.registers.gate.clear()
        assert (await site.driver.read()).quality == NO_VALUE
        assert (await site.driver.apply(setpoint(-1.0))).outcome == "unreachable"
        site.registers.gate.set()

    async with bay() as site:
        site.registers.gate.clear()
        reading = asyncio.create_task(site.driver.read())
        async with asyncio.timeout(PATIENCE_S):
            while not site.registers.asked:
                await site.wait(0)
        reading.cancel()
        await asyncio.wait({reading})
        site.plant.stored_kwh = 0.7
        site.registers.gate.set()

        found = await site.driver.read()
        assert (found.kw, found.soc_percent) == (0.0, 70.0)


async def test_a_refused_set_point_is_rejected_with_the_devices_reason() -> None:
    async with bay() as site:
        site.registers.refused[WRITE_ONE, 0] = ExcCodes.ILLEGAL_VALUE
        ack = await site.driver.apply(setpoint(-1.0))

        assert ack.outcome == "rejected"
        assert ack.reason == "holding 0: illegal value (Modbus exception 3)"
        assert site.plant.kw == 0.0


async def test_a_register_that_there_is_not_costs_itself_and_not_its_neighbours() -> None:
    """Registers 0 to 8 are read at once; where that is refused, each by itself."""
    async with bay() as site:
        site.registers.holes = {2}
        found = await site.driver.read()

        assert (found.kw, found.import_kwh, found.soc_percent, found.quality) == (0.0, None, 50.0, UNCERTAIN)


async def test_without_a_power_there_is_no_reading() -> None:
    async with bay() as site:
        site.registers.holes = {0}
        found = await site.driver.read()

    assert (found.quality, found.online) == (DEVICE_FAILURE, True)


async def test_a_gateway_that_misses_its_device_is_no_refusal() -> None:
    async with bay() as site:
        site.registers.refused[READ_HOLDING, 0] = ExcCodes.GATEWAY_NO_RESPONSE

        assert not (await site.driver.read()).online


async def test_a_state_of_charge_that_is_not_known_is_left_out_and_nothing_is_taken_unseen() -> None:
    async with bay() as site:
        site.registers.forced[6] = 65_535
        found = await site.driver.read()
        ack = await site.driver.apply(setpoint(-1.0))

    assert (found.soc_percent, found.quality, found.min_kw) == (None, UNCERTAIN, 0.0)
    assert ack.effective_kw == 0.0


@pytest.mark.parametrize(("seconds", "online"), [(60, True), (61, False)])
async def test_a_counter_that_stands_still_for_too_long_is_a_dead_device(seconds: float, online: bool) -> None:
    """Its gateway goes on answering."""
    async with bay(alive_s=60) as site:
        site.registers.forced[8] = 77
        await site.driver.read()
        await site.wait(seconds)

        assert (await site.driver.read()).online is online
        assert ((await site.driver.apply(setpoint(-1.0))).outcome != "unreachable") is online


async def test_a_power_beyond_its_points_limits_is_a_device_failure() -> None:
    power = {"table": "input", "address": 6, "type": "uint16", "unit": "kW", "high": 5.0}
    async with bay(points=points(power=power, soc={"table": "input", "address": 6, "scale": 0.1})) as site:
        found = await site.driver.read()

    assert (found.quality, found.online) == (DEVICE_FAILURE, True)


async def test_a_float_that_is_not_a_number_is_no_limit() -> None:
    async with bay() as site:
        site.registers.forced |= {12: 0x7FC0, 13: 0}
        found = await site.driver.read()

    assert (found.max_kw, found.quality) == (5.0, UNCERTAIN)
