"""How simulated devices say they are controlled, and what no device's control can be at."""

from __future__ import annotations

import math

import pytest

from openadr_ra.drivers import VirtualClock
from openadr_ra.drivers.guard import Guard
from openadr_ra.drivers.sanity import load_faults
from openadr_ra.protocol.parts import DEVICE_FAILURE, LoadControlLevel, LoadControlState
from tests.drivers.makers import Site, reading, setpoint
from tests.drivers.rig import Rig


def level(minimum: float, maximum: float, current: float, normal: float) -> LoadControlLevel:
    return LoadControlLevel(minimum=minimum, maximum=maximum, current=current, normal=normal)


async def test_a_battery_has_a_power_to_be_set() -> None:
    site = Site("simulated-battery")
    before = (await site.reach(1)).load_control
    await site.device.apply(setpoint(-3.0))
    after = (await site.reach(2)).load_control

    assert before == LoadControlState(setpoint=level(-5.0, 5.0, 0.0, 0.0))
    assert after == LoadControlState(setpoint=level(-5.0, 5.0, -3.0, 0.0))


async def test_a_line_has_levels_and_a_part_of_its_load_too() -> None:
    """One step below what it runs on by itself, and half of the most that it takes."""
    site = Site("simulated-line", levels_kw=[0.0, 64.0, 96.0, 128.0], plan_kw=96.0, min_on_s=0.0)
    await site.device.apply(setpoint(64.0))

    assert (await site.reach(1)).load_control == LoadControlState(
        setpoint=level(0.0, 128.0, 64.0, 96.0),
        capacity=level(0.0, 1.0, 0.5, 0.75),
        level_offset=level(-2.0, 1.0, -1.0, 0.0),
    )


async def test_a_line_that_cannot_be_switched_says_where_it_may_stand() -> None:
    site = Site("simulated-line")
    await site.device.apply(setpoint(0.0))
    load = (await site.reach(1)).load_control

    assert load is not None
    assert load.level_offset == level(-1.0, -1.0, -1.0, 0.0)


async def test_a_charger_that_only_charges_has_a_part_of_its_load_and_one_that_delivers_has_not() -> None:
    charger = (await Site("simulated-ev").reach(1)).load_control
    delivering = (await Site("simulated-ev", discharge_kw=6.0).reach(1)).load_control

    assert charger is not None
    assert charger.capacity == level(0.0, 1.0, 0.5, 0.5)
    assert delivering is not None
    assert (delivering.setpoint, delivering.capacity) == (level(-6.0, 6.0, 3.0, 3.0), None)


@pytest.mark.parametrize("kind", ["simulated-generator", "simulated-pv"])
async def test_what_generates_has_a_power_to_be_set_and_no_load(kind: str) -> None:
    load = (await Site(kind).reach(1)).load_control

    assert load is not None
    assert load.setpoint is not None
    assert load.setpoint.maximum == 0.0
    assert (load.capacity, load.level_offset, load.percent_offset) == (None, None, None)


async def test_a_device_in_somebodys_hands_stands_where_it_was_put() -> None:
    site = Site("simulated-battery")
    site.device.override(2.0)
    load = (await site.reach(1)).load_control

    assert load == LoadControlState(setpoint=level(2.0, 2.0, 2.0, 0.0))


def faults(state: object) -> list[str]:
    return list(load_faults(state))


def test_what_cannot_be_true_of_a_control_is_found() -> None:
    good = LoadControlLevel(minimum=0.0, maximum=0.0, current=1.0)

    assert faults(None) == []
    assert faults(LoadControlState(setpoint=good)) == []
    assert faults(LoadControlState(setpoint=LoadControlLevel(minimum=0.1, maximum=0.0, current=1.0))) == [
        "load_control.setpoint: minimum 0.1 above maximum 0"
    ]
    assert faults(LoadControlState(capacity=LoadControlLevel(current=math.nan))) == [
        "load_control.capacity.current nan"
    ]
    assert faults({"setpoint": 1}) == ["a load_control of {'setpoint': 1}"]


async def test_a_reading_with_an_impossible_control_is_the_devices_failure() -> None:
    clock = VirtualClock()
    wrong = LoadControlState(setpoint=LoadControlLevel(minimum=2.0, maximum=1.0, current=1.0))
    async with Guard(Rig(clock, read=reading(load_control=wrong)), clock) as guard:
        assert (await guard.read()).quality == DEVICE_FAILURE
