"""`check_driver` passes drivers that keep their promises, and names the promise that another one breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from openadr_ra.drivers import ContractBroken, build, check_driver
from openadr_ra.drivers.promises import PROMISES
from openadr_ra.drivers.simulated import Battery, Line
from openadr_ra.drivers.simulated.battery import BatterySettings
from openadr_ra.drivers.simulated.line import LineSettings
from openadr_ra.drivers.virtual_clock import settle
from openadr_ra.seams import AnyDriver, Clock, Descriptor, Measurement
from tests.drivers import broken
from tests.drivers.makers import DEVICE, KINDS, simulated

ALL = tuple(promise.name for promise in PROMISES)
SHORT_S = 0.2

BY_HAND_KW = {
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

SETTINGS: dict[str, tuple[dict[str, object], ...]] = {
    "simulated-battery": (
        {},
        {"ramp_kw_per_s": 0.1, "latency_s": 3.0},
        {"power_kw": 2000.0, "capacity_kwh": 8000.0, "ramp_kw_per_s": 20.0},
        {"reserve_percent": 0.0, "soc_percent": 99.0},
        {"speed": 10.0},
    ),
    "simulated-ev": (
        {},
        {"discharge_kw": 6.0, "departs_after_h": None},
        {"ramp_kw_per_s": 0.1},
        {"departs_after_h": 30.0, "discharge_kw": 3.0},
    ),
    "simulated-generator": (
        {},
        {"base_kw": 150.0},
        {"minimum_kw": 0.0},
        {"speed": 180.0},
        {"latency_s": 10.0},
    ),
    "simulated-line": ({}, {"levels_kw": [0.0, 50.0, 150.0], "plan_kw": 50.0}, {"plan_kw": 0.0}, {"speed": 180.0}),
    "simulated-load": ({}, {"speed": 2.0}, {"circuits_kw": [100.0]}, {"circuits_kw": [5.0, 10.0, 15.0]}),
    "simulated-pv": ({}, {"speed": 180.0}, {"profile_kw": [1.0, 2.0, 3.0]}),
    "simulated-thermal": (
        {},
        {"speed": 10.0},
        {"low_c": -25.0, "high_c": -18.0, "start_c": -22.0, "outside_c": 20.0},
        {"modulates": False, "profile_kw": [0.0], "heat_kwh_per_k": 6.0},
        {"modulates": False, "profile_kw": [3.0, 0.0], "min_on_s": 120.0},
    ),
    "simulated-v2h": (
        {},
        {"ramp_kw_per_s": 0.1},
        {"arrives_h": [0.0], "departs_h": [1000.0], "speed": 10.0},
        {"soc_percent": 90.0, "discharge_kw": 3.0},
    ),
    "simulated-wind": (
        {},
        {"speed": 180.0},
        {"mean_m_per_s": 14.0, "gusts_m_per_s": 1.0},
        {"seed": 7, "error_part": 0.0},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_every_simulated_device_keeps_every_promise(kind: str) -> None:
    """With one exception: what cannot discharge has no reserve to keep."""

    def unreachable(clock: Clock) -> AnyDriver:
        device = simulated(kind, clock)
        device.reachable = False
        return device

    def overridden(clock: Clock) -> AnyDriver:
        device = simulated(kind, clock)
        device.override(BY_HAND_KW[kind])
        return device

    shown = await check_driver(lambda clock: simulated(kind, clock), unreachable=unreachable, overridden=overridden)

    assert set(ALL) - set(shown) == (set() if kind in ("simulated-battery", "simulated-v2h") else {"reserve"})


@pytest.mark.parametrize(("kind", "settings"), [(kind, one) for kind in KINDS for one in SETTINGS[kind]])
async def test_so_it_does_with_other_settings(kind: str, settings: dict[str, object]) -> None:
    shown = await check_driver(lambda clock: simulated(kind, clock, settings))

    assert {"describes", "reads", "envelope", "clamps", "sign", "lease", "order", "release"} <= set(shown)


async def test_what_a_device_gives_no_chance_to_show_is_left_out() -> None:
    """PV at night can do nothing but what it does."""
    dark: dict[str, object] = {"profile_kw": [0.0]}

    shown = await check_driver(lambda clock: simulated("simulated-pv", clock, dark))

    assert shown == ("describes", "reads", "envelope", "clamps")


async def test_a_device_that_holds_its_set_point_need_not_go_back_when_its_lease_ends() -> None:
    class Holds(Battery):
        def __init__(self, clock: Clock) -> None:
            super().__init__(DEVICE, BatterySettings(), clock)

        async def describe(self) -> Descriptor:
            return msgspec.structs.replace(await super().describe(), failsafe="hold")

    assert set(ALL) - set(await check_driver(Holds)) == {"lease", "unreachable", "override"}


async def test_the_example_keeps_every_promise_that_it_can_show() -> None:
    """A driver of plain functions, found as a node finds it."""
    shown = await check_driver(lambda clock: build("examples.my_driver:Boiler", DEVICE, {}, clock))

    assert set(shown) == {"describes", "reads", "envelope", "clamps", "sign", "lease", "order", "release"}


@pytest.mark.parametrize(
    ("wrong", "promise"),
    [
        (broken.DescribesItselfAnew, "describes"),
        (broken.DescribesNonsense, "describes"),
        (broken.InventsADeviceClass, "describes"),
        (broken.PlansOnlyTheFirstMinute, "describes"),
        (broken.ReadsOnce, "reads"),
        (broken.ReadsNan, "reads"),
        (broken.CountsBackwards, "reads"),
        (broken.LeavesItsEnvelope, "envelope"),
        (broken.ClampsInSilence, "clamps"),
        (broken.ClampsToNowhere, "clamps"),
        (broken.GeneratorConvention, "sign"),
        (broken.GeneratorConventionThroughout, "sign"),
        (broken.SwappedRegisters, "sign"),
        (broken.WattsForKilowatts, "clamps"),
        (broken.EmptiesItsReserve, "reserve"),
        (broken.KeepsItsSetPoint, "lease"),
        (broken.TakesWhatComesLate, "order"),
        (broken.SaysStaleAndDoesIt, "order"),
        (broken.TakesNothingTwice, "order"),
        (broken.ReleasesButDoesNot, "release"),
        (broken.ReleasesOnce, "release"),
        (broken.Raises, "raises nothing"),
        (broken.CancelsItself, "raises nothing"),
        (broken.FailsToStart, "raises nothing"),
        (broken.Hangs, "answers in time"),
        (broken.SleepsTooLong, "answers in time"),
        (broken.AnswersNothing, "envelope"),
    ],
)
async def test_a_driver_that_breaks_a_promise_is_told_which(wrong: Callable[[Clock], AnyDriver], promise: str) -> None:
    with pytest.raises(ContractBroken) as caught:
        await check_driver(wrong, deadline_s=SHORT_S)

    assert caught.value.promise == promise
    assert str(caught.value).startswith(f"{promise}: ")


async def test_a_driver_that_rejects_what_it_offers_is_told_so() -> None:
    with pytest.raises(ContractBroken, match="which read\\(\\) says can be reached, was rejected: no"):
        await check_driver(broken.RejectsWhatItOffers)


@pytest.mark.parametrize(
    ("wrong", "promise"), [(broken.HangsInItsThread, "answers in time"), (broken.RaisesInItsThread, "raises nothing")]
)
async def test_so_is_a_driver_of_plain_functions(wrong: Callable[[], AnyDriver], promise: str) -> None:
    with pytest.raises(ContractBroken) as caught:
        await check_driver(lambda _: wrong(), deadline_s=SHORT_S)

    assert caught.value.promise == promise


@pytest.mark.parametrize("wrong", [broken.SaysItIsFine, broken.ReadsFineOutOfReach, broken.Raises])
async def test_a_driver_that_hides_that_it_cannot_reach_its_device_breaks_a_promise(
    wrong: Callable[[Clock], AnyDriver],
) -> None:
    with pytest.raises(ContractBroken) as caught:
        await check_driver(lambda clock: simulated("simulated-battery", clock), unreachable=wrong)

    assert caught.value.promise == "unreachable"


@pytest.mark.parametrize("wrong", [broken.ForgetsWhoTurnedIt, broken.OverridesTheOverride, broken.AcceptsUnderOverride])
async def test_a_driver_that_does_not_respect_an_override_breaks_a_promise(
    wrong: Callable[[Clock], AnyDriver],
) -> None:
    with pytest.raises(ContractBroken) as caught:
        await check_driver(lambda clock: simulated("simulated-battery", clock), overridden=wrong)

    assert caught.value.promise == "override"


class Sleepy(Battery):
    """Each of its verbs takes a second of the clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(DEVICE, BatterySettings(), clock)
        self.clock = clock

    async def read(self) -> Measurement:
        await self.clock.sleep_until(self.clock.now() + timedelta(seconds=1))
        return await super().read()


async def test_a_driver_that_waits_by_the_clock_is_given_its_time() -> None:
    assert "sign" in await check_driver(Sleepy)


class Polled(Line):
    """It asks its device by the clock, which takes a moment of real time, and answers from memory."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(DEVICE, LineSettings(min_on_s=10.0, min_off_s=10.0), clock)
        self.clock = clock
        self.known: Measurement | None = None
        self.idle = asyncio.Event()
        self.idle.set()

    async def __aenter__(self) -> Polled:
        self.known = await super().read()
        self.polling = asyncio.create_task(self.poll())
        return self

    async def __aexit__(self, *reason: object) -> None:
        self.polling.cancel()
        self.idle.set()

    async def poll(self) -> None:
        while True:
            await self.clock.sleep_until(self.clock.now() + timedelta(seconds=5))
            self.idle.clear()
            asyncio.get_running_loop().call_later(0.0005, self.idle.set)
            await self.idle.wait()
            self.known = await super().read()

    async def read(self) -> Measurement:
        assert self.known is not None
        return self.known


async def test_a_driver_whose_traffic_takes_real_time_is_waited_for() -> None:
    """If its author says how; else the clock runs away from it."""
    drivers: list[Polled] = []

    def make(clock: Clock) -> AnyDriver:
        drivers.append(Polled(clock))
        return drivers[-1]

    async def quiet() -> None:
        await settle()
        for driver in drivers:
            await driver.idle.wait()
        await settle()

    assert "lease" in await check_driver(make, settle=quiet)
    with pytest.raises(ContractBroken):
        await check_driver(make)


async def test_a_tolerance_is_for_meters_that_are_not_exact() -> None:
    noisy = LineSettings(noise_kw=3.0)

    await check_driver(lambda clock: Line(DEVICE, noisy, clock), tolerance_kw=20.0)
    with pytest.raises(ContractBroken):
        await check_driver(lambda clock: Line(DEVICE, noisy, clock), tolerance_kw=0.01)
