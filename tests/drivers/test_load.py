"""The simulated interruptible load: circuits that may be shed, for so long, and then not for a while."""

from __future__ import annotations

import pytest

from openadr_ra.drivers import build
from openadr_ra.errors import SettingsError
from openadr_ra.seams import Ack
from tests.drivers.makers import DEVICE, HOUR_S, MINUTE_S, Site, setpoint

LOAD = "simulated-load"


async def test_by_itself_everything_is_on() -> None:
    site = Site(LOAD)

    assert (await site.reach(HOUR_S)).import_kwh == pytest.approx(100.0)
    described = await site.device.describe()
    assert (described.levels_kw, described.min_on_s) == ((50.0, 80.0, 100.0), 1800.0)


@pytest.mark.parametrize(
    ("asked_kw", "given_kw"), [(100.0, 100.0), (90.1, 100.0), (89.9, 80.0), (65.1, 80.0), (64.9, 50.0), (-10.0, 50.0)]
)
async def test_circuits_are_shed_one_after_the_other(asked_kw: float, given_kw: float) -> None:
    site = Site(LOAD)

    ack = await site.device.apply(setpoint(asked_kw))

    assert ack.effective_kw == given_kw
    assert ack.outcome == ("accepted" if asked_kw == given_kw else "clamped")
    assert await site.kw(1) == given_kw


async def test_while_it_is_interrupted_circuits_come_and_go() -> None:
    site = Site(LOAD)
    for number, kw in enumerate((80.0, 50.0, 80.0)):
        assert (await site.device.apply(setpoint(kw, sequence=number))).outcome == "accepted"
        assert await site.kw(number * MINUTE_S) == kw


async def test_after_the_longest_interruption_it_is_whole_whatever_was_asked_and_may_be_interrupted_after_a_while() -> (
    None
):
    """Two hours at most, half an hour at least."""
    site = Site(LOAD)
    await site.device.apply(setpoint(50.0))

    assert [await site.kw(hours * HOUR_S) for hours in (1.99, 2.01, 2.49, 2.51)] == [50, 100, 100, 50]


async def test_interrupted_anew_before_its_time_it_says_why_not() -> None:
    site = Site(LOAD)
    await site.device.apply(setpoint(80.0, until_s=60))

    back = await site.reach(100)
    assert (back.min_kw, back.max_kw, back.can_reduce_kwh) == (100.0, 100.0, 0.0)
    ack = await site.device.apply(setpoint(80.0, sequence=2))

    assert ack == Ack(outcome="clamped", effective_kw=100.0, reason="it may not be interrupted for 1760 s more")
    assert await site.kw(1859) == 100.0
    assert await site.kw(1861) == 80.0


async def test_what_it_can_shed_is_the_rest_of_an_interruption() -> None:
    site = Site(LOAD)
    assert (await site.reach(0)).can_reduce_kwh == 100.0

    await site.device.apply(setpoint(80.0))

    half = await site.reach(HOUR_S)
    assert (half.can_reduce_kwh, half.can_raise_kwh) == (50.0, 0.0)


async def test_by_hand_it_may_be_off_for_as_long_as_somebody_likes() -> None:
    site = Site(LOAD)
    site.device.override(50.0)

    assert await site.kw(10 * HOUR_S) == 50.0


def test_no_more_can_be_shed_than_there_is() -> None:
    site = Site(LOAD, circuits_kw=[40.0, 60.0])

    with pytest.raises(SettingsError, match="circuits_kw add up to more than load_kw 100"):
        build(LOAD, DEVICE, {"circuits_kw": [40.0, 60.1]}, site.clock)
