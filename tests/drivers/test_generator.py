"""The simulated generator: generates at negative power, starts in its own time, and never stays in its gap."""

from __future__ import annotations

import pytest

from openadr_ra.seams import Ack
from tests.drivers.makers import HOUR_S, MINUTE_S, Site, setpoint

GENERATOR = "simulated-generator"


async def test_set_to_a_negative_power_it_starts_and_generates() -> None:
    """One minute of start-up, then 60 kW a minute: 180 kW after four minutes."""
    site = Site(GENERATOR)

    assert await site.device.apply(setpoint(-180.0)) == Ack(outcome="accepted", effective_kw=-180.0)

    assert await site.kw(59) == 0.0
    assert await site.kw(2 * MINUTE_S) == pytest.approx(-60.0)
    assert await site.kw(4 * MINUTE_S) == pytest.approx(-180.0)
    later = await site.reach(64 * MINUTE_S)
    assert later.kw == -180.0
    assert later.export_kwh == pytest.approx(180.0 + 180 * 1.5 / 60)
    assert later.import_kwh == 0.0


async def test_set_to_zero_it_stops() -> None:
    site = Site(GENERATOR, base_kw=200.0)

    assert await site.kw(0) == -200.0
    assert await site.device.apply(setpoint(0.0)) == Ack(outcome="accepted", effective_kw=0.0)

    assert await site.kw(MINUTE_S) == pytest.approx(-140.0)
    assert await site.kw(4 * MINUTE_S) == 0.0


async def test_it_does_not_consume() -> None:
    site = Site(GENERATOR)

    ack = await site.device.apply(setpoint(1.0))

    assert (ack.outcome, ack.effective_kw) == ("clamped", 0.0)


@pytest.mark.parametrize(
    ("asked_kw", "given_kw"),
    [(-50.0, 0.0), (-50.1, -100.0), (-99.9, -100.0), (-100.0, -100.0), (-300.0, -300.0), (-300.1, -300.0)],
)
async def test_in_its_gap_it_goes_to_the_nearest_end(asked_kw: float, given_kw: float) -> None:
    site = Site(GENERATOR)

    ack = await site.device.apply(setpoint(asked_kw))

    assert ack.outcome == ("accepted" if asked_kw == given_kw else "clamped")
    assert ack.effective_kw == given_kw
    assert await site.kw(10 * MINUTE_S) == pytest.approx(given_kw)
    assert (await site.device.describe()).gap_kw == (-100.0, 0.0)


async def test_once_running_it_is_not_stopped_before_its_time() -> None:
    """Ten minutes from the end of the start-up; until then it goes down to its minimum."""
    site = Site(GENERATOR)
    await site.device.apply(setpoint(-200.0))
    await site.reach(5 * MINUTE_S)

    ack = await site.device.apply(setpoint(0.0, sequence=2))

    assert (ack.outcome, ack.effective_kw) == ("clamped", -100.0)
    assert "has to run for 360 s" in ack.reason
    running = await site.reach(11 * MINUTE_S - 1)
    assert (running.kw, running.min_kw, running.max_kw) == (-100.0, -300.0, -100.0)
    assert await site.kw(13 * MINUTE_S) == 0.0


async def test_once_stopped_it_is_not_started_before_its_time() -> None:
    site = Site(GENERATOR, base_kw=120.0, min_off_s=300.0)
    await site.device.apply(setpoint(0.0))
    stopped = await site.reach(2 * MINUTE_S)
    assert (stopped.kw, stopped.min_kw, stopped.max_kw) == (0.0, 0.0, 0.0)

    ack = await site.device.apply(setpoint(-150.0, sequence=2))

    assert (ack.outcome, ack.effective_kw) == ("clamped", 0.0)
    assert "has to stand for 300 s" in ack.reason
    assert await site.kw(8 * MINUTE_S) == 0.0
    assert await site.kw(9 * MINUTE_S) == pytest.approx(-60.0)


async def test_a_start_can_be_broken_off() -> None:
    site = Site(GENERATOR)
    await site.device.apply(setpoint(-200.0))
    starting = await site.reach(30)
    assert (starting.min_kw, starting.max_kw) == (-300.0, 0.0)

    assert (await site.device.apply(setpoint(0.0, sequence=2))).outcome == "accepted"

    assert (await site.reach(HOUR_S)).export_kwh == 0.0


async def test_it_says_how_long_a_start_takes() -> None:
    """Its latency is that of an order and the start-up: nobody shall count on it earlier."""
    described = await Site(GENERATOR, latency_s=5.0).device.describe()

    assert described.latency_s == 65.0
    assert described.ramp_kw_per_s == 1.0
    assert (described.min_on_s, described.min_off_s) == (600.0, 300.0)


async def test_it_can_give_more_and_less_than_its_plan_without_end() -> None:
    """As far as there is more and less."""
    idle = await Site(GENERATOR).reach(0)
    base = await Site(GENERATOR, base_kw=200.0).reach(0)
    flat_out = await Site(GENERATOR, base_kw=300.0).reach(0)

    assert (idle.can_reduce_kwh, idle.can_raise_kwh) == (None, 0.0)
    assert (base.can_reduce_kwh, base.can_raise_kwh) == (None, None)
    assert (flat_out.can_reduce_kwh, flat_out.can_raise_kwh) == (0.0, None)
    assert idle.soc_percent is None


async def test_one_without_a_minimum_has_no_gap_and_runs_its_time_at_nothing() -> None:
    site = Site(GENERATOR, minimum_kw=0.0)
    await site.device.apply(setpoint(-1.0))
    assert await site.kw(5 * MINUTE_S) == -1.0
    assert (await site.device.describe()).gap_kw is None

    await site.device.apply(setpoint(0.0, sequence=2))
    idling = await site.reach(6 * MINUTE_S)
    assert idling.kw == 0.0
    # Standing, it would take a start-up again.
    assert (await site.device.apply(setpoint(-60.0, sequence=3))).outcome == "accepted"
    assert await site.kw(7 * MINUTE_S) == pytest.approx(-60.0)
