"""The simulated production line: runs on its levels, and is switched only so often."""

from __future__ import annotations

import pytest

from openadr_ra.seams import Ack
from tests.drivers.makers import HOUR_S, MINUTE_S, Site, setpoint

LINE = "simulated-line"


async def test_by_itself_it_runs() -> None:
    site = Site(LINE)

    assert await site.kw(0) == 150.0
    assert (await site.reach(HOUR_S)).import_kwh == pytest.approx(150.0)
    assert [slot.kw for slot in (await site.device.describe()).plan] == [150.0]


async def test_set_to_zero_it_stands() -> None:
    site = Site(LINE)

    assert await site.device.apply(setpoint(0.0)) == Ack(outcome="accepted", effective_kw=0.0)

    assert (await site.reach(HOUR_S)).import_kwh == 0.0


async def test_loaded_up_it_runs_on_a_higher_level() -> None:
    site = Site(LINE, levels_kw=[0.0, 50.0, 150.0], plan_kw=50.0)

    assert (await site.device.apply(setpoint(150.0))).outcome == "accepted"

    assert await site.kw(1) == 150.0
    reading = await site.reach(1)
    assert (reading.can_reduce_kwh, reading.can_raise_kwh) == (None, None)


@pytest.mark.parametrize(
    ("asked_kw", "given_kw"), [(-10.0, 0.0), (75.0, 0.0), (75.1, 150.0), (149.9, 150.0), (200.0, 150.0)]
)
async def test_it_goes_to_the_nearest_level_and_says_so(asked_kw: float, given_kw: float) -> None:
    site = Site(LINE)

    ack = await site.device.apply(setpoint(asked_kw))

    assert (ack.outcome, ack.effective_kw) == ("clamped", given_kw)
    assert await site.kw(1) == given_kw


async def test_once_stopped_it_is_not_started_before_its_time() -> None:
    """Ten minutes: also to go back to its plan."""
    site = Site(LINE)
    await site.device.apply(setpoint(0.0, until_s=60))

    standing = await site.reach(599)
    assert (standing.kw, standing.min_kw, standing.max_kw) == (0.0, 0.0, 0.0)
    ack = await site.device.apply(setpoint(150.0, sequence=2, until_s=700))
    assert (ack.outcome, ack.effective_kw) == ("clamped", 0.0)
    assert ack.reason == "it cannot be switched for 1 s more"
    assert await site.kw(600) == 150.0


async def test_once_started_it_is_not_stopped_before_its_time() -> None:
    """Fifteen minutes; then the set-point that still holds is followed."""
    site = Site(LINE, plan_kw=0.0)
    await site.device.apply(setpoint(150.0))
    await site.reach(MINUTE_S)

    ack = await site.device.apply(setpoint(0.0, sequence=2))

    assert (ack.outcome, ack.effective_kw) == ("clamped", 150.0)
    assert await site.kw(899) == 150.0
    assert await site.kw(900) == 0.0


async def test_between_levels_on_which_it_runs_it_changes_freely() -> None:
    site = Site(LINE, levels_kw=[0.0, 50.0, 150.0], plan_kw=0.0)

    for sequence, kw in enumerate((50.0, 150.0, 50.0)):
        assert (await site.device.apply(setpoint(kw, sequence=sequence))).outcome == "accepted"
        assert await site.kw(sequence + 1) == kw


async def test_it_says_what_a_planner_has_to_know() -> None:
    described = await Site(LINE).device.describe()

    assert described.levels_kw == (0.0, 150.0)
    assert (described.kind, described.min_on_s, described.min_off_s) == ("consumer", 900.0, 600.0)
    assert (await Site(LINE).reach(0)).can_raise_kwh == 0.0
