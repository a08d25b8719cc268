"""A reading is only as good as it is: what is missing, old or impossible is marked, and never taken for a value."""

from __future__ import annotations

import math
from datetime import timedelta

import msgspec
import pytest

from openadr_ra.drivers import Guard, VirtualClock
from openadr_ra.protocol.parts import (
    COMM_FAILURE,
    DEVICE_FAILURE,
    GOOD,
    LAST_KNOWN,
    LOCAL_OVERRIDE,
    NO_VALUE,
    UNCERTAIN,
)
from openadr_ra.protocol.schedule import Slot
from openadr_ra.seams import Ack, Energy
from tests.drivers.makers import after, descriptor, reading, setpoint
from tests.drivers.rig import ACCEPTED, Rig

GONE = OSError("no route to host")


async def test_a_device_that_was_never_read_has_no_value() -> None:
    clock = VirtualClock()

    async with Guard(Rig(clock, read=GONE), clock) as guard:
        got = await guard.read()

    assert got == reading(kw=0.0, min_kw=0.0, max_kw=0.0, online=False, quality=NO_VALUE)


@pytest.mark.parametrize(("age_s", "quality"), [(10, LAST_KNOWN), (180, LAST_KNOWN), (180.001, COMM_FAILURE)])
async def test_a_device_that_is_silent_keeps_its_last_values_for_three_minutes(age_s: float, quality: str) -> None:
    """With the time at which they were true; then only the failure counts."""
    clock = VirtualClock()
    rig = Rig(clock)

    async with Guard(rig, clock) as guard:
        await guard.read()
        rig.answers["read"] = GONE
        await clock.advance(after(age_s))
        got = await guard.read()

    assert got == reading(at=after(0), online=False, quality=quality)


async def test_a_device_that_is_back_is_believed_again() -> None:
    clock = VirtualClock()
    rig = Rig(clock)

    async with Guard(rig, clock) as guard:
        await guard.read()
        rig.answers["read"] = GONE
        await guard.read()
        rig.answers.clear()
        await clock.advance(after(10))

        assert await guard.read() == reading(at=after(10))


@pytest.mark.parametrize(
    "wrong",
    [
        {"kw": math.nan},
        {"kw": math.inf},
        {"kw": None},
        {"kw": "1.0"},
        {"min_kw": -math.inf},
        {"max_kw": math.nan},
        {"import_kwh": math.inf},
        {"export_kwh": math.nan},
        {"soc_percent": math.nan},
        {"accuracy_kw": math.inf},
        {"accuracy_kw": -0.01},
        {"soc_percent": 100.01},
        {"soc_percent": -0.01},
        {"can_reduce_kwh": -0.01},
        {"can_raise_kwh": math.nan},
        {"min_kw": 5.1, "max_kw": 5.0},
        {"kw": 50.01},
        {"kw": -5000.0},
        {"at": after(0).replace(tzinfo=None)},
        {"at": "2026-01-01"},
        {"at": after(10 + 300.1)},
    ],
)
async def test_an_impossible_reading_is_never_passed_on(wrong: dict[str, object]) -> None:
    """Instead come the last values that were possible, marked as a failure of the device."""
    clock = VirtualClock()
    rig = Rig(clock)

    async with Guard(rig, clock) as guard:
        await guard.describe()
        await guard.read()
        await clock.advance(after(10))
        rig.answers["read"] = reading(**wrong)
        got = await guard.read()

    assert got == reading(at=after(0), quality=DEVICE_FAILURE)


@pytest.mark.parametrize(
    "right",
    [
        {"soc_percent": 0.0},
        {"accuracy_kw": 0.0},
        {"soc_percent": 100.0},
        {"can_reduce_kwh": 0.0},
        {"min_kw": 5.0, "max_kw": 5.0},
        {"kw": 50.0},
        {"kw": -50.0},
    ],
)
async def test_a_reading_at_the_edge_of_the_possible_is_passed_on(right: dict[str, object]) -> None:
    clock = VirtualClock()
    rig = Rig(clock, read=reading(**right))

    async with Guard(rig, clock) as guard:
        await guard.describe()

        assert await guard.read() == reading(**right)


async def test_what_passes_a_sites_meter_may_be_far_more_than_its_device() -> None:
    clock = VirtualClock()
    rig = Rig(clock, describe=descriptor(metering="pcc"), read=reading(kw=500.0))

    async with Guard(rig, clock) as guard:
        await guard.describe()

        assert (await guard.read()).kw == 500.0


async def test_nonsense_from_a_device_that_was_never_read_has_no_values_to_go_with() -> None:
    clock = VirtualClock()

    async with Guard(Rig(clock, read=reading(kw=math.nan)), clock) as guard:
        got = await guard.read()

    assert (got.kw, got.quality, got.online) == (0.0, DEVICE_FAILURE, True)


@pytest.mark.parametrize(
    ("skew_s", "at_s", "quality"),
    [
        (-300, -300, GOOD),
        (-300.1, -300.1, LAST_KNOWN),
        (300, 0, GOOD),
    ],
)
async def test_a_devices_clock_may_be_five_minutes_wrong(skew_s: float, at_s: float, quality: str) -> None:
    """Behind by more it is stale, ahead by less it is of now."""
    clock = VirtualClock()
    rig = Rig(clock, read=reading(at=after(skew_s)))

    async with Guard(rig, clock) as guard:
        assert await guard.read() == reading(at=after(at_s), quality=quality)


async def test_a_bad_quality_of_the_drivers_own_stays_and_is_not_remembered_as_good() -> None:
    clock = VirtualClock()
    rig = Rig(clock, read=reading(quality=COMM_FAILURE, online=False))

    async with Guard(rig, clock) as guard:
        assert (await guard.read()).quality == COMM_FAILURE
        rig.answers["read"] = GONE
        assert (await guard.read()).quality == NO_VALUE


@pytest.mark.parametrize("quality", [GOOD, UNCERTAIN])
async def test_a_local_override_shows_in_a_good_quality(quality: str) -> None:
    clock = VirtualClock()
    rig = Rig(clock, read=reading(local_override=True, quality=quality))

    async with Guard(rig, clock) as guard:
        assert (await guard.read()).quality == (LOCAL_OVERRIDE if quality == GOOD else quality)


@pytest.mark.parametrize("register", ["import_kwh", "export_kwh"])
async def test_a_register_that_fell_is_left_out_once(register: str) -> None:
    """The meter was replaced: one difference is lost, and it goes on from where it was, so that the next ones are right."""
    clock = VirtualClock()
    rig = Rig(clock)
    got = []

    async with Guard(rig, clock) as guard:
        for kwh in (100.0, 100.0, 1.0, 2.0):
            rig.answers["read"] = reading(**{register: kwh})
            got.append(await guard.read())

    assert got[1] == reading(**{register: 100.0})
    assert got[2] == reading(quality=UNCERTAIN)
    assert got[3] == reading(**{register: 101.0})


async def test_a_driver_that_never_described_itself_sensibly_has_no_description() -> None:
    clock = VirtualClock()
    rig = Rig(clock, describe=GONE)

    async with Guard(rig, clock) as guard:
        assert await guard.describe() is None
        rig.answers.clear()
        assert await guard.describe() == descriptor()
        rig.answers["describe"] = GONE
        assert await guard.describe() == descriptor()


SLOT = Slot(start=after(0), end=after(60), kw=1.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": ""},
        {"min_kw": math.nan},
        {"max_kw": math.inf},
        {"min_kw": 5.1},
        {"levels_kw": (0.0, 5.1)},
        {"levels_kw": (5.0, 0.0)},
        {"gap_kw": (-6.0, 0.0)},
        {"gap_kw": (0.0, 0.0)},
        {"ramp_kw_per_s": 0.0},
        {"ramp_kw_per_s": math.nan},
        {"latency_s": -1.0},
        {"min_on_s": math.inf},
        {"min_off_s": -1.0},
        {"plan": (Slot(start=after(0), kw=5.1),)},
        {"plan": (Slot(start=after(0), kw=math.nan),)},
        {"plan": (SLOT, SLOT)},
        {"plan": (Slot(start=after(0), end=after(0), kw=1.0),)},
        {"plan": (Slot(start=after(0).replace(tzinfo=None), end=after(60), kw=1.0),)},
        {"energy": Energy(capacity_kwh=math.inf)},
        {"energy": Energy(capacity_kwh=10.0, reserve_kwh=10.1)},
        {"energy": Energy(capacity_kwh=10.0, reserve_kwh=-0.1)},
        {"energy": Energy(capacity_kwh=10.0, charge_efficiency=1.1)},
        {"energy": Energy(capacity_kwh=10.0, discharge_efficiency=0.0)},
    ],
)
async def test_a_description_that_does_not_fit_together_is_not_believed(wrong: dict[str, object]) -> None:
    clock = VirtualClock()

    async with Guard(Rig(clock, describe=descriptor(**wrong)), clock) as guard:
        assert await guard.describe() is None


@pytest.mark.parametrize(
    "right",
    [
        {"min_kw": 5.0},
        {"levels_kw": (-5.0, 5.0)},
        {"gap_kw": (-5.0, 5.0)},
        {"latency_s": 0.0, "min_on_s": 0.0, "min_off_s": 0.0},
        {"plan": (SLOT, Slot(start=after(60), kw=-5.0))},
        {"energy": Energy(capacity_kwh=10.0, reserve_kwh=10.0)},
        {"energy": Energy(capacity_kwh=0.0, reserve_kwh=0.0)},
    ],
)
async def test_a_description_at_the_edge_of_the_possible_is_believed(right: dict[str, object]) -> None:
    clock = VirtualClock()

    async with Guard(Rig(clock, describe=descriptor(**right)), clock) as guard:
        assert await guard.describe() == descriptor(**right)


@pytest.mark.parametrize(
    "wrong",
    [Ack(outcome="clamped", effective_kw=math.nan), msgspec.structs.replace(ACCEPTED, outcome="fine"), "fine"],
)
async def test_an_acknowledgement_without_sense_is_none(wrong: object) -> None:
    clock = VirtualClock()

    async with Guard(Rig(clock, apply=wrong), clock) as guard:
        assert (await guard.apply(setpoint())).outcome == "unreachable"


async def test_the_age_of_a_reading_counts_from_when_it_was_true() -> None:
    """Not from when it was fetched: a cached reading ages with its cache."""
    clock = VirtualClock()
    rig = Rig(clock, read=reading(at=after(0) - timedelta(minutes=2)))

    async with Guard(rig, clock) as guard:
        assert (await guard.read()).quality == GOOD
        rig.answers["read"] = GONE
        await clock.advance(after(61))
        assert (await guard.read()).quality == COMM_FAILURE
