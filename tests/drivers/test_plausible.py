"""A device that lies is flagged within a stated time, and believed again when it has been plausible for a while."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from openadr_ra.drivers import Guard, VirtualClock
from openadr_ra.protocol.parts import DEVICE_FAILURE, GOOD, LOCAL_OVERRIDE, UNCERTAIN
from openadr_ra.seams import Ack, Descriptor, Energy, Measurement, Setpoint
from tests.drivers.makers import after, descriptor, reading, setpoint, simulated

EVERY_S = 10.0
"""So often a device is read here."""

MINUTE_S = 60.0

Lie = Callable[[Measurement], Measurement]


def true(said: Measurement) -> Measurement:
    return said


class Liar:
    """A true device, and what is made of its readings. `seconds` after the start."""

    def __init__(self, kind: str = "simulated-battery", **settings: object) -> None:
        self.clock = VirtualClock()
        self.device = simulated(kind, self.clock, settings)
        self.lie: Lie = true
        self.metering = "device"

    async def describe(self) -> Descriptor:
        return msgspec.structs.replace(await self.device.describe(), metering=self.metering)

    async def apply(self, setpoint: Setpoint) -> Ack:
        return await self.device.apply(setpoint)

    async def release(self, reason: str) -> Ack:
        return await self.device.release(reason)

    async def read(self) -> Measurement:
        return self.lie(await self.device.read())


async def found_after(guard: Guard, liar: Liar, within_s: float) -> float | None:
    """The seconds until it is a device failure."""
    start = liar.clock.now()
    while (liar.clock.now() - start).total_seconds() < within_s:
        await liar.clock.advance(liar.clock.now() + timedelta(seconds=EVERY_S))
        got = await guard.read()
        if got.quality == DEVICE_FAILURE:
            return (liar.clock.now() - start).total_seconds()
    return None


async def believed_after(guard: Guard, liar: Liar, within_s: float = 1200.0) -> float | None:
    """The seconds until it is good again."""
    start = liar.clock.now()
    while (liar.clock.now() - start).total_seconds() < within_s:
        await liar.clock.advance(liar.clock.now() + timedelta(seconds=EVERY_S))
        if (await guard.read()).quality == GOOD:
            return (liar.clock.now() - start).total_seconds()
    return None


async def told(guard: Guard, liar: Liar, kw: float, sequence: int = 1) -> None:
    until_s = (liar.clock.now() - VirtualClock().now()).total_seconds() + 4 * 3600.0
    assert (await guard.apply(setpoint(kw, sequence=sequence, until_s=until_s))).outcome in ("accepted", "clamped")


def with_soc(percent: float) -> Lie:
    def lie(said: Measurement) -> Measurement:
        return msgspec.structs.replace(said, soc_percent=(said.soc_percent or 0.0) + percent)

    return lie


def times(factor: float, *names: str) -> Lie:
    """Those fields in another unit."""

    def lie(said: Measurement) -> Measurement:
        changed = {name: getattr(said, name) * factor for name in names}
        return msgspec.structs.replace(said, **changed)

    return lie


def stuck(at: Measurement, *names: str) -> Lie:
    def lie(said: Measurement) -> Measurement:
        return msgspec.structs.replace(said, **{name: getattr(at, name) for name in names})

    return lie


@pytest.mark.parametrize(("jump", "found"), [(8.0, False), (-8.0, False), (9.5, True), (-9.5, True)])
async def test_a_state_of_charge_that_jumps_is_found_at_once(jump: float, found: bool) -> None:
    """5 kW for 5 min and 10 s out of 10 kWh, with losses, half as much again, and 2 %: 8.8 %."""
    liar = Liar()
    async with Guard(liar, liar.clock) as guard:
        await guard.describe()
        await guard.read()
        liar.lie = with_soc(jump)

        assert await found_after(guard, liar, EVERY_S) == (EVERY_S if found else None)


async def test_a_device_that_lied_once_is_believed_again_after_five_minutes() -> None:
    liar = Liar()
    async with Guard(liar, liar.clock) as guard:
        await guard.describe()
        await guard.read()
        liar.lie = with_soc(40.0)
        assert await found_after(guard, liar, EVERY_S) is not None

        assert await believed_after(guard, liar) == 5 * MINUTE_S


async def test_another_car_is_no_lie() -> None:
    """Its charger's subtype says that the store may be another one."""
    liar = Liar("simulated-ev", discharge_kw=6)
    async with Guard(liar, liar.clock) as guard:
        await guard.describe()
        await guard.read()
        liar.lie = with_soc(40.0)

        assert await found_after(guard, liar, MINUTE_S) is None


async def test_a_register_that_stands_still_while_power_is_told_is_found_in_ten_minutes() -> None:
    liar = Liar()
    async with Guard(liar, liar.clock) as guard:
        await guard.describe()
        await told(guard, liar, -5.0)
        await liar.clock.advance(after(60))
        liar.lie = stuck(await guard.read(), "import_kwh", "export_kwh")

        assert await found_after(guard, liar, 3600.0) == 10 * MINUTE_S


async def test_a_register_in_steps_of_1_kwh_has_to_miss_two_and_a_half() -> None:
    liar = Liar("simulated-generator", minimum_kw=0, rated_kw=10, ramp_kw_per_min=10000)
    async with Guard(liar, liar.clock) as guard:
        await guard.describe()
        await told(guard, liar, -5.0)
        await liar.clock.advance(after(120))
        liar.lie = stuck(reading(export_kwh=7.0, import_kwh=0.0), "import_kwh", "export_kwh")

        found_s = await found_after(guard, liar, 3600.0)

        assert found_s is not None
        assert 1800 <= found_s <= 1800 + 3 * EVERY_S


async def test_a_register_that_moves_again_is_believed_again() -> None:
    liar = Liar()
    async with Guard(liar, liar.clock) as guard:
        await guard.describe()
        await told(guard, liar, -2.0)
        await liar.clock.advance(after(60))
        liar.lie = stuck(await guard.read(), "import_kwh", "export_kwh")
        assert await found_after(guard, liar, 3600.0) is not None
        liar.lie = true

        assert await believed_after(guard, liar) == pytest.approx(5 * MINUTE_S, abs=2 * EVERY_S)


@pytest.mark.parametrize("first_kw", [0.0, -1.0])
async def test_a_power_that_stands_still_whatever_it_is_told_is_found_in_four_minutes(first_kw: float) -> None:
    """Three in which it should be elsewhere, and what a device has to get there."""
    liar = Liar(ramp_kw_per_s=0.2)
    async with Guard(liar, liar.clock) as guard:
        await guard.describe()
        await told(guard, liar, first_kw)
        await liar.clock.advance(after(120))
        liar.lie = stuck(await guard.read(), "kw", "import_kwh", "export_kwh")
        await told(guard, liar, 4.0, sequence=2)

        found_s = await found_after(guard, liar, 3600.0)

        assert found_s is not None
        assert 180.0 < found_s <= 260.0


async def test_a_power_that_stands_still_is_told_by_the_registers_in_ten_minutes() -> None:
    liar = Liar()
    async with Guard(liar, liar.clock) as guard:
        await guard.describe()
        liar.lie = stuck(await guard.read(), "kw")
        await liar.device.apply(setpoint(-4.0))

        assert await found_after(guard, liar, 3600.0) == 10 * MINUTE_S


async def test_a_device_that_does_nothing_is_tried_again_after_an_hour() -> None:
    liar = Liar()
    async with Guard(liar, liar.clock) as guard:
        await guard.describe()
        liar.lie = stuck(await guard.read(), "kw", "import_kwh", "export_kwh")
        await liar.clock.advance(after(10))
        await guard.read()
        await told(guard, liar, 4.0)
        assert await found_after(guard, liar, 600.0) is not None
        await guard.release("another one does it")

        again_s = await believed_after(guard, liar, 7200.0)

        assert again_s == pytest.approx(3600.0 + 5 * MINUTE_S, abs=30.0)


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        ("simulated-pv", {"profile_kw": [0.0]}),
        ("simulated-pv", {"profile_kw": [1.0]}),
        ("simulated-line", {}),
        ("simulated-battery", {"soc_percent": 20}),
        ("simulated-ev", {"arrives_after_h": 4}),
    ],
)
async def test_a_power_that_is_right_to_stand_still_is_none(kind: str, own: dict[str, object]) -> None:
    """At night, below its limit, between its steps, empty, without a car."""
    liar = Liar(kind, **own)
    async with Guard(liar, liar.clock) as guard:
        described = await guard.describe()
        assert described is not None
        for number, part in enumerate((0.99, 0.6, 0.9), 1):
            largest_kw = described.max_kw if described.kind == "consumer" else described.min_kw
            await guard.apply(setpoint(part * largest_kw, sequence=number, until_s=20000))
            assert await found_after(guard, liar, 1200.0) is None


async def test_w_for_kw_is_found_at_once_and_doubted_for_five_minutes() -> None:
    """What is small in the wrong unit is not right for that."""
    liar = Liar()
    async with Guard(liar, liar.clock) as guard:
        await guard.describe()
        liar.lie = times(1000.0, "kw")
        await told(guard, liar, -0.06)
        assert await found_after(guard, liar, EVERY_S) == EVERY_S
        await told(guard, liar, 0.0, sequence=2)

        assert await believed_after(guard, liar) == 5 * MINUTE_S


async def test_mw_for_kw_is_told_by_two_set_points() -> None:
    liar = Liar()
    async with Guard(liar, liar.clock) as guard:
        await guard.describe()
        liar.lie = times(0.001, "kw", "import_kwh", "export_kwh")
        await told(guard, liar, -4.0)
        assert await found_after(guard, liar, MINUTE_S) is None
        await told(guard, liar, -2.0, sequence=2)

        assert await found_after(guard, liar, MINUTE_S) == pytest.approx(10.0, abs=EVERY_S)


@pytest.mark.parametrize("names", [("import_kwh", "export_kwh"), ("kw",)])
@pytest.mark.parametrize("kw", [-0.5, 0.5])
async def test_power_and_register_in_different_units_are_found_in_ten_minutes(
    names: tuple[str, ...], kw: float
) -> None:
    liar = Liar()
    async with Guard(liar, liar.clock) as guard:
        await guard.describe()
        liar.lie = times(0.001, *names)
        await told(guard, liar, kw)

        found_s = await found_after(guard, liar, 3600.0)

        assert found_s is not None
        assert found_s <= 11 * MINUTE_S


async def test_registers_in_wh_leap_and_leap_again() -> None:
    liar = Liar()
    async with Guard(liar, liar.clock) as guard:
        await guard.describe()
        liar.lie = times(1000.0, "import_kwh", "export_kwh")
        await told(guard, liar, -5.0)

        found_s = await found_after(guard, liar, 3600.0)

        assert found_s is not None
        assert found_s <= 11 * MINUTE_S


@pytest.mark.parametrize(("kwh", "quality"), [(25.01, GOOD), (28.0, UNCERTAIN)])
async def test_a_register_that_leaps_once_is_left_out_and_goes_on_from_where_it_was(kwh: float, quality: str) -> None:
    """Half an hour of ten times 5 kW, for a register may be counted up so rarely; and two of its steps."""
    clock = VirtualClock()
    said = [0.001, kwh, kwh + 0.01]
    got = []

    async with Guard(Said(clock, said), clock) as guard:
        await guard.describe()
        for _ in said:
            got.append(await guard.read())
            await clock.advance(clock.now() + timedelta(seconds=EVERY_S))

    left_out = quality != GOOD
    assert [one.quality for one in got] == [GOOD, quality, GOOD]
    assert got[1].import_kwh == (None if left_out else kwh)
    assert got[2].import_kwh == pytest.approx(0.011 if left_out else kwh + 0.01)


@pytest.mark.parametrize(("pause_s", "found"), [(600.0, True), (610.0, False)])
async def test_registers_that_fall_twice_within_ten_minutes_are_not_believed(pause_s: float, found: bool) -> None:
    clock = VirtualClock()
    async with Guard(Said(clock, [9.0, 1.0, 0.0]), clock) as guard:
        await guard.describe()
        await guard.read()
        await clock.advance(clock.now() + timedelta(seconds=EVERY_S))
        assert (await guard.read()).quality == UNCERTAIN
        await clock.advance(clock.now() + timedelta(seconds=pause_s))

        assert (await guard.read()).quality == (DEVICE_FAILURE if found else UNCERTAIN)


async def test_a_register_that_trembles_by_a_watt_hour_stands() -> None:
    clock = VirtualClock()
    async with Guard(Said(clock, [9.0, 8.9995, 9.0]), clock) as guard:
        await guard.describe()
        got = [await guard.read() for _ in range(3)]

    assert [(one.import_kwh, one.quality) for one in got] == [(9.0, GOOD)] * 3


async def test_a_site_behind_one_meter_is_judged_by_power_and_register_alone() -> None:
    """What passes there is not the device's."""
    liar = Liar()
    liar.metering = "pcc"
    async with Guard(liar, liar.clock) as guard:
        await guard.describe()
        await guard.read()
        liar.lie = with_soc(40.0)
        assert await found_after(guard, liar, MINUTE_S) is None
        liar.lie = times(0.001, "import_kwh", "export_kwh")
        await told(guard, liar, -5.0)

        found_s = await found_after(guard, liar, 3600.0)

        assert found_s is not None
        assert found_s <= 11 * MINUTE_S


async def test_a_device_in_somebody_elses_hands_need_not_follow() -> None:
    liar = Liar()
    async with Guard(liar, liar.clock) as guard:
        await guard.describe()
        await guard.read()
        liar.device.override(2.0)
        await told(guard, liar, -4.0)

        assert await found_after(guard, liar, 1200.0) is None
        assert (await guard.read()).quality == LOCAL_OVERRIDE


async def test_the_log_says_why_a_device_is_not_believed_and_when_it_is_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    liar = Liar()
    async with Guard(liar, liar.clock) as guard:
        await guard.describe()
        await guard.read()
        liar.lie = with_soc(40.0)
        await found_after(guard, liar, MINUTE_S)
        await believed_after(guard, liar)

    assert caplog.messages == [
        "! device-1 is not believed: its state of charge jumped from 50 to 90 %",
        "= device-1 is believed again",
    ]


class Said:
    """A device that says these import registers, one after the other."""

    def __init__(self, clock: VirtualClock, kwh: list[float]) -> None:
        self._clock = clock
        self._kwh = kwh
        self._read = 0

    async def describe(self) -> Descriptor:
        return descriptor(energy=Energy(capacity_kwh=10.0))

    async def apply(self, setpoint: Setpoint) -> Ack:
        return Ack(outcome="accepted")

    async def release(self, reason: str) -> Ack:
        return Ack(outcome="accepted")

    async def read(self) -> Measurement:
        kwh = self._kwh[min(self._read, len(self._kwh) - 1)]
        self._read += 1
        return reading(at=self._clock.now(), import_kwh=kwh)
