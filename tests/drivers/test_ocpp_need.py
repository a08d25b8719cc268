"""What a car needs by its departure bounds how far and how long its charging can be reduced."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from openadr_ra.drivers import VirtualClock
from openadr_ra.seams import Ack
from tests.drivers.counterparts import need_package
from tests.drivers.makers import HOUR_S, after, setpoint, stated

need_package("ocpp", "ocpp")
need_package("websockets", "ocpp")

# Only here they can be had.
from openadr_ra.drivers.ocpp.need import Need, next_departure  # noqa: E402
from tests.drivers.ocpp_bench import Bench, until_gone  # noqa: E402
from tests.drivers.ocpp_device import VERSIONS, Point201, Version  # noqa: E402

EVERY_VERSION = pytest.mark.parametrize("version", VERSIONS)

LATEST_S = 8 * HOUR_S


def night(version: Version = "1.6", *, meter_every_s: int = 10) -> Bench:
    """Plugged in at midnight it may wait until eight: two hours at 6 kW are what it needs by ten."""
    return Bench(VirtualClock(), version, departs="10:00", need_kwh=12.0, meter_every_s=meter_every_s)


@EVERY_VERSION
async def test_a_car_may_wait_as_long_as_full_power_still_meets_its_need(version: Version) -> None:
    async with night(version, meter_every_s=900) as bench:
        first = await bench.read()
        await bench.apply(setpoint(0.0))
        await bench.wait(LATEST_S - 1)
        waiting = await bench.read()
        await bench.wait(2)
        forced = await bench.read()
        ack = await bench.apply(setpoint(0.0, sequence=2))

        assert first.can_reduce_kwh == pytest.approx(10 * 6 - 12)
        assert (waiting.kw, waiting.min_kw, waiting.max_kw) == (0.0, 0.0, 6.0)
        assert (forced.kw, forced.min_kw, forced.max_kw, forced.can_reduce_kwh) == (6.0, 6.0, 6.0, 0.0)
        assert (forced.plan_kw, forced.load_control is not None) == (6.0, True)
        assert not forced.local_override
        assert ack.reason == "the car could not have what it needs by its departure"
        assert (ack.outcome, ack.effective_kw) == ("clamped", 6.0)


async def test_once_it_must_charge_it_goes_on_until_there_is_time_again() -> None:
    """Else it would have to stop and go with each rounding of its meter: five minutes are time."""
    async with night(meter_every_s=900) as bench:
        await bench.apply(setpoint(0.0))
        await bench.wait(LATEST_S + HOUR_S)
        assert (await bench.read()).min_kw == 6.0
        bench.device.outlet.kwh += 0.49
        await bench.wait(900)
        assert (await bench.read()).min_kw == 6.0
        bench.device.outlet.kwh += 0.02
        await bench.wait(900)

        assert (await bench.read()).min_kw == 0.0


async def test_it_states_what_the_car_still_needs_for_those_who_plan_by_prices() -> None:
    async with night(meter_every_s=900) as bench:
        first = await bench.read()
        await bench.wait(HOUR_S)
        half = await bench.read()
        await bench.wait(HOUR_S + 1)
        met = await bench.read()

    found = [stated(each.need) for each in (first, half, met)]
    assert found == [pytest.approx((kwh, 10 * HOUR_S, 0)) for kwh in (12, 6, 0)]


@EVERY_VERSION
async def test_it_charges_in_time_even_if_the_gateway_is_dead(version: Version) -> None:
    """When it has to begin stands in its profile."""
    async with night(version) as bench:
        await bench.apply(setpoint(0.0))
        await bench.device.quiet()
        await bench.device.cut()

        await bench.clock.advance(after(10 * HOUR_S))
        assert bench.device.outlet.kw(after(LATEST_S - 1)) == 0.0
        assert bench.device.outlet.kw(after(LATEST_S)) == 6.0
        assert bench.device.outlet.look(after(10 * HOUR_S)) == pytest.approx(112)


async def test_what_it_has_had_counts() -> None:
    async with night(meter_every_s=900) as bench:
        await bench.wait(HOUR_S)
        charged = await bench.read()
        await bench.wait(HOUR_S + 1)
        met = await bench.read()

    assert charged.can_reduce_kwh == pytest.approx(9 * 6 - 6)
    assert met.can_reduce_kwh is None


@pytest.mark.parametrize(("held_kw", "latest_h"), [(0.0, 8.0), (1.2, 10.0), (3.0, None)])
async def test_a_car_that_is_given_something_may_wait_longer(held_kw: float, latest_h: float | None) -> None:
    """With 1.2 kW it gets just its 12 kWh in ten hours."""
    async with night() as bench:
        await bench.apply(setpoint(held_kw))
        (profile,) = bench.device.outlet.profiles.values()

    raised = [one for one in profile.periods if one.limit == 30.0]
    assert [one.start_period for one in raised] == ([round(latest_h * HOUR_S)] if latest_h and latest_h < 10 else [])


async def test_the_need_of_one_session_can_be_said_and_ends_with_it() -> None:
    async with night() as bench:
        assert bench.charger.session_need(6.0, after(HOUR_S))
        assert (await bench.read()).min_kw == 6.0
        assert bench.charger.session_need(6.0, after(2 * HOUR_S))
        assert (await bench.read()).can_reduce_kwh == pytest.approx(6)
        await bench.device.unplug()
        await bench.read()
        assert not bench.charger.session_need(6.0, after(HOUR_S))
        await bench.device.plug()

        assert (await bench.read()).can_reduce_kwh == pytest.approx(10 * 6 - 12)


async def test_a_need_that_comes_in_mid_event_changes_the_limit_that_runs() -> None:
    async with Bench(VirtualClock()) as bench:
        await bench.apply(setpoint(0.0))
        await bench.wait(60)
        bench.charger.session_need(6.0, after(60 + HOUR_S))
        await bench.read()
        await bench.wait(5)

        assert (await bench.read()).kw == 6.0


async def test_a_car_that_takes_less_has_to_begin_earlier() -> None:
    """At 3 kW its 12 kWh take four hours."""
    async with night() as bench:
        bench.device.outlet.car_kw = 3.0
        await bench.wait(60)
        await bench.read()
        await bench.apply(setpoint(0.0))
        (profile,) = bench.device.outlet.profiles.values()

    assert profile.start + timedelta(seconds=profile.periods[1].start_period) == pytest.approx(
        after(6 * HOUR_S + 60), abs=timedelta(seconds=2)
    )


async def test_what_the_car_itself_says_that_it_needs_counts_instead_of_what_is_usual() -> None:
    """OCPP 2.0.1 with ISO 15118."""
    async with night("2.0.1") as bench:
        point = bench.device.point
        assert isinstance(point, Point201)
        await point.wants(1, 3.0, after(HOUR_S))

        assert (await bench.read()).can_reduce_kwh == pytest.approx(3)


@EVERY_VERSION
async def test_what_it_needs_outlives_a_power_cut(version: Version) -> None:
    async with night(version) as bench:
        await bench.wait(HOUR_S)
        before = await bench.read()
        await bench.device.cut()
        await until_gone(bench)
        await bench.device.connect(bench.charger.port)

        assert (await bench.read()).can_reduce_kwh == before.can_reduce_kwh == pytest.approx(48)


@EVERY_VERSION
async def test_a_second_transaction_counts_from_its_own_start(version: Version) -> None:
    """It may be another car's, and too much is better than too little."""
    async with night(version, meter_every_s=900) as bench:
        await bench.wait(HOUR_S)
        first = await bench.read()
        await bench.device.point.end(1)
        await bench.device.point.begin(1, "TAG-2")
        await bench.device.moved()
        await bench.wait(1)
        second = await bench.read()

    assert first.can_reduce_kwh == pytest.approx(9 * 6 - 6)
    assert second.can_reduce_kwh == pytest.approx(9 * 6 - 12, abs=0.01)


async def test_a_departure_that_has_passed_binds_nobody() -> None:
    async with night() as bench:
        bench.charger.session_need(6.0, after(-1))

        assert await bench.apply(setpoint(0.0)) == Ack(outcome="accepted", effective_kw=0.0)


@pytest.mark.parametrize(
    ("kwh", "given_kwh", "held_kw", "hours"),
    [
        (12.0, 0.0, 0.0, 8.0),
        (12.0, 6.0, 0.0, 9.0),
        (12.0, 0.0, 1.0, 9.6),
        (12.0, 0.0, 1.2, None),
        (12.0, 12.0, 0.0, None),
        (60.0, 0.0, 0.0, 0.0),
        (61.0, 0.0, 0.0, 0.0),
        (59.0, 0.0, 0.0, 1 / 6),
        (12.0, 0.0, 6.0, None),
    ],
)
def test_full_power_from_the_latest_instant_on_just_meets_the_need(
    kwh: float, given_kwh: float, held_kw: float, hours: float | None
) -> None:
    need = Need(kwh=kwh, departs_at=after(10 * HOUR_S))

    at = need.must_charge_at(after(0), given_kwh, full_kw=6.0, held_kw=held_kw)

    assert (None if at is None else (at - after(0)) / timedelta(hours=1)) == (hours and pytest.approx(hours))


@pytest.mark.parametrize(
    ("now", "departs", "zone", "next_utc"),
    [
        ("2026-01-01T00:00", "10:00", "UTC", "2026-01-01T10:00"),
        ("2026-01-01T10:00", "10:00", "UTC", "2026-01-02T10:00"),
        ("2026-01-01T12:00", "07:30", "Asia/Tokyo", "2026-01-01T22:30"),
        ("2026-01-01T22:29", "07:30", "Asia/Tokyo", "2026-01-01T22:30"),
        ("2026-01-01T22:30", "07:30", "Asia/Tokyo", "2026-01-02T22:30"),
        ("2026-03-29T00:00", "07:00", "Europe/Berlin", "2026-03-29T05:00"),
        ("2026-03-28T12:00", "02:30", "Europe/Berlin", "2026-03-29T01:30"),
        ("2026-10-25T00:00", "07:00", "Europe/Berlin", "2026-10-25T06:00"),
    ],
)
def test_the_next_departure_is_a_local_time_of_day(now: str, departs: str, zone: str, next_utc: str) -> None:
    found = next_departure(instant(now), time.fromisoformat(departs), zone)

    assert found == instant(next_utc)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
