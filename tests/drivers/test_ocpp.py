"""The driver `ocpp` and a charge point on a loopback socket, in both versions: what it moves, and what it says of it."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import count

import pytest

from openadr_ra.drivers import Guard, VirtualClock, check_driver
from openadr_ra.protocol.parts import COMM_FAILURE, GOOD, LAST_KNOWN, LOCAL_OVERRIDE, NO_VALUE
from openadr_ra.seams import Ack, AnyDriver, Clock
from tests.drivers.counterparts import need_package
from tests.drivers.makers import HOUR_S, after, setpoint

need_package("ocpp", "ocpp")
need_package("websockets", "ocpp")

# Only here they can be had.
from tests.drivers.ocpp_bench import PATIENT_S, Bench, driver, settle_all, until_gone  # noqa: E402
from tests.drivers.ocpp_device import VERSIONS, Device, Version  # noqa: E402

EVERY_VERSION = pytest.mark.parametrize("version", VERSIONS)
SHORT_S = 0.3


@EVERY_VERSION
async def test_a_charger_keeps_every_promise(version: Version) -> None:
    """But that of a reserve, which something that does not discharge has none of."""
    benches: list[Bench] = []

    def bench(clock: Clock, by_hand_kw: float | None = None) -> AnyDriver:
        assert isinstance(clock, VirtualClock)
        benches.append(Bench(clock, version, by_hand_kw=by_hand_kw))
        return benches[-1]

    shown = await check_driver(
        bench,
        unreachable=driver,
        overridden=lambda clock: bench(clock, 4.0),
        settle=lambda: settle_all(benches),
        deadline_s=PATIENT_S,
    )

    assert shown == (
        "describes", "reads", "envelope", "clamps", "sign", "lease", "order", "release", "unreachable", "override",
    )  # fmt: skip


@EVERY_VERSION
async def test_by_itself_a_car_charges_with_what_it_takes(version: Version) -> None:
    async with Bench(VirtualClock(), version) as bench:
        first = await bench.read()
        await bench.wait(HOUR_S)
        later = await bench.read()

    assert (first.kw, first.min_kw, first.max_kw, first.quality, first.online) == (6.0, 0.0, 6.0, GOOD, True)
    assert first.import_kwh == pytest.approx(100.0)
    assert later.import_kwh == pytest.approx(106.0)
    assert first.export_kwh is None


@EVERY_VERSION
@pytest.mark.parametrize("unit", ["W", "A"])
async def test_set_to_two_kw_it_charges_with_two(version: Version, unit: str) -> None:
    """Import is positive on both sides; the unit of the limit makes no difference."""
    async with Bench(VirtualClock(), version, unit=unit) as bench:
        ack = await bench.apply(setpoint(2.0))
        await bench.wait(5)

        assert ack == Ack(outcome="accepted", effective_kw=2.0)
        assert (await bench.read()).kw == pytest.approx(2.0)
        (profile,) = bench.device.outlet.profiles.values()
        assert (profile.unit, profile.periods[0].limit) == (unit, {"W": 2000.0, "A": 10.0}[unit])


@EVERY_VERSION
@pytest.mark.parametrize(
    ("asked_kw", "given_kw", "outcome"),
    [
        (6.0, 6.0, "accepted"),
        (6.1, 6.0, "clamped"),
        (1.2, 1.2, "accepted"),
        (1.1, 1.2, "clamped"),
        (0.7, 1.2, "clamped"),
        (0.5, 0.0, "clamped"),
        (0.0, 0.0, "accepted"),
        (-0.1, 0.0, "clamped"),
        (-6.0, 0.0, "clamped"),
    ],
)
async def test_it_charges_between_six_amperes_and_its_most_or_not_at_all(
    version: Version, asked_kw: float, given_kw: float, outcome: str
) -> None:
    async with Bench(VirtualClock(), version) as bench:
        ack = await bench.apply(setpoint(asked_kw))
        await bench.wait(5)

        assert (ack.outcome, bool(ack.reason)) == (outcome, outcome == "clamped")
        assert ack.effective_kw == pytest.approx(given_kw)
        assert (await bench.read()).kw == pytest.approx(given_kw)


async def test_minus_one_kw_is_refused_as_discharge() -> None:
    async with Bench(VirtualClock()) as bench:
        ack = await bench.apply(setpoint(-1.0))

    assert ack == Ack(outcome="clamped", effective_kw=0.0, reason="it does not discharge")


async def test_a_limit_is_rounded_down_to_a_tenth_of_an_ampere_and_that_is_told() -> None:
    async with Bench(VirtualClock()) as bench:
        between = await bench.apply(setpoint(3.339))
        exactly = await bench.apply(setpoint(3.34, sequence=2))

    assert (between.outcome, exactly.outcome) == ("accepted", "accepted")
    assert (between.effective_kw, exactly.effective_kw) == pytest.approx((3.32, 3.34))


async def test_three_phases_carry_three_times_the_power() -> None:
    async with Bench(VirtualClock(), phases=3, voltage_v=230.0, max_a=16.0) as bench:
        described = await bench.describe()
        await bench.apply(setpoint(6.9))

    assert described.max_kw == pytest.approx(11.04)
    assert described.gap_kw == pytest.approx((0.0, 4.14))
    (profile,) = bench.device.outlet.profiles.values()
    assert profile.periods[0].limit == 10.0


async def test_settings_narrow_what_the_charger_could_do() -> None:
    async with Bench(VirtualClock(), min_kw=1.5, max_kw=4.0) as bench:
        described = await bench.describe()
        least = await bench.apply(setpoint(0.0))
        most = await bench.apply(setpoint(6.0, sequence=2))

    assert (described.min_kw, described.max_kw, described.gap_kw) == (1.5, 4.0, None)
    assert (least.outcome, least.effective_kw) == ("clamped", 1.5)
    assert (most.outcome, most.effective_kw) == ("clamped", 4.0)


# Leases


@EVERY_VERSION
async def test_the_charger_lets_go_by_itself_when_the_lease_ends(version: Version) -> None:
    """Nobody tells it: the gateway is dead."""
    async with Bench(VirtualClock(), version) as bench:
        await bench.apply(setpoint(0.0, until_s=600))
        await bench.device.quiet()
        await bench.device.cut()

        await bench.clock.advance(after(599))
        assert bench.device.outlet.kw(after(599)) == 0.0
        await bench.clock.advance(after(600))
        assert bench.device.outlet.kw(after(600)) == 6.0


@EVERY_VERSION
async def test_a_renewed_lease_takes_the_place_of_the_first(version: Version) -> None:
    async with Bench(VirtualClock(), version) as bench:
        await bench.apply(setpoint(2.0, until_s=60))
        await bench.wait(50)
        await bench.apply(setpoint(2.0, until_s=110, sequence=2))
        await bench.wait(50)

        assert len(bench.device.outlet.profiles) == 1
        assert (await bench.read()).kw == pytest.approx(2.0)
        await bench.wait(10)
        assert (await bench.read()).kw == pytest.approx(6.0)


@EVERY_VERSION
async def test_released_it_has_no_limit_of_ours(version: Version) -> None:
    """And it may be released again."""
    async with Bench(VirtualClock(), version) as bench:
        await bench.apply(setpoint(0.0))
        acks = [await bench.release("test"), await bench.release("test")]
        await bench.wait(5)

        assert acks == [Ack(outcome="accepted", effective_kw=6.0)] * 2
        assert bench.device.outlet.profiles == {}
        assert (await bench.read()).kw == pytest.approx(6.0)


async def test_a_charger_that_takes_no_limit_away_is_released_when_its_lease_ends() -> None:
    async with Bench(VirtualClock()) as bench:
        bench.device.refuses.add("ClearChargingProfile")
        await bench.apply(setpoint(0.0, until_s=60))

        assert (await bench.release("test")).outcome == "rejected"
        await bench.wait(60)
        assert (await bench.release("test")).outcome == "accepted"


@EVERY_VERSION
async def test_a_charger_whose_clock_is_wrong_keeps_the_lease_all_the_same(version: Version) -> None:
    """Its clock is five minutes ahead: by it a lease of one minute would be over before it begins."""
    async with Bench(VirtualClock(), version) as bench:
        bench.device.outlet.ahead = timedelta(minutes=5)
        await bench.wait(20)
        await bench.read()
        await bench.apply(setpoint(2.0, until_s=80))
        await bench.wait(59)

        assert (await bench.read()).kw == pytest.approx(2.0)
        await bench.wait(1)
        reading = await bench.read()
        assert reading.kw == pytest.approx(6.0)
        assert reading.at == after(80)


async def test_set_points_that_come_twice_or_late_change_nothing() -> None:
    async with Bench(VirtualClock()) as bench:
        first = await bench.apply(setpoint(2.0, sequence=5))
        again = await bench.apply(setpoint(2.0, sequence=5))
        late = await bench.apply(setpoint(0.0, sequence=4))
        await bench.wait(5)

        assert (first, again, late.outcome) == (first, first, "stale")
        assert (await bench.read()).kw == pytest.approx(2.0)


async def test_a_set_point_without_a_lease_is_no_order() -> None:
    async with Bench(VirtualClock()) as bench:
        assert (await bench.apply(setpoint(2.0, until_s=0))).outcome == "rejected"
        assert (await bench.apply(setpoint(2.0, until_s=1))).outcome == "accepted"


@EVERY_VERSION
async def test_a_charger_that_refuses_a_limit_keeps_the_one_before(version: Version) -> None:
    async with Bench(VirtualClock(), version) as bench:
        await bench.apply(setpoint(2.0, until_s=600))
        bench.device.rejects.add("SetChargingProfile")

        refused = await bench.apply(setpoint(0.0, sequence=2))
        await bench.wait(5)

        assert (refused.outcome, refused.reason) == ("rejected", "the charger takes no such limit")
        assert (await bench.read()).kw == pytest.approx(2.0)
        bench.device.rejects.clear()
        await bench.read()
        await bench.wait(5)
        assert (await bench.read()).kw == pytest.approx(2.0)


async def test_a_charger_without_smart_charging_says_so() -> None:
    async with Bench(VirtualClock()) as bench:
        bench.device.refuses |= {"SetChargingProfile", "ClearChargingProfile", "GetCompositeSchedule"}

        assert (await bench.apply(setpoint(0.0))).outcome == "rejected"
        assert (await bench.read()).kw == pytest.approx(6.0)


# The car


@EVERY_VERSION
async def test_without_a_car_nothing_can_be_reduced_or_raised(version: Version) -> None:
    async with Bench(VirtualClock(), version) as bench:
        await bench.device.unplug()
        reading = await bench.read()
        ack = await bench.apply(setpoint(6.0))

        assert (reading.kw, reading.min_kw, reading.max_kw) == (0.0, 0.0, 0.0)
        assert (reading.can_reduce_kwh, reading.can_raise_kwh) == (0.0, 0.0)
        assert reading.import_kwh == pytest.approx(100.0)
        assert ack == Ack(outcome="clamped", effective_kw=0.0, reason="no car is charging")


@EVERY_VERSION
async def test_a_car_that_comes_while_a_set_point_runs_is_held_to_it(version: Version) -> None:
    async with Bench(VirtualClock(), version) as bench:
        await bench.device.unplug()
        await bench.apply(setpoint(2.0))
        await bench.device.plug()
        await bench.wait(5)

        assert (await bench.read()).kw == pytest.approx(2.0)


@EVERY_VERSION
async def test_a_limit_for_the_transaction_waits_for_one_and_goes_with_it(version: Version) -> None:
    async with Bench(VirtualClock(), version, purpose="TxProfile") as bench:
        await bench.device.unplug()
        await bench.apply(setpoint(2.0))
        assert bench.device.outlet.profiles == {}
        await bench.device.plug()
        await bench.read()
        await bench.wait(5)

        assert (await bench.read()).kw == pytest.approx(2.0)
        (profile,) = bench.device.outlet.profiles.values()
        assert profile.purpose == "TxProfile"


async def test_a_limit_of_the_transaction_outranks_the_default_of_somebody_else() -> None:
    async with Bench(VirtualClock(), purpose="TxProfile", stack_level=3) as bench:
        await bench.apply(setpoint(2.0))

    (profile,) = bench.device.outlet.profiles.values()
    assert (profile.purpose, profile.stack_level) == ("TxProfile", 3)


@EVERY_VERSION
async def test_a_car_that_takes_less_than_the_charger_gives_cannot_be_raised(version: Version) -> None:
    async with Bench(VirtualClock(), version) as bench:
        bench.device.outlet.car_kw = 3.3
        await bench.wait(40)
        reading = await bench.read()
        ack = await bench.apply(setpoint(5.0))

        assert (reading.kw, reading.max_kw, reading.plan_kw) == pytest.approx((3.3, 3.3, 3.3))
        assert ack.outcome == "clamped"
        assert ack.effective_kw == pytest.approx(3.3)
        await bench.device.unplug()
        await bench.device.plug()
        assert (await bench.read()).max_kw == 6.0


@EVERY_VERSION
async def test_a_full_car_can_do_nothing(version: Version) -> None:
    async with Bench(VirtualClock(), version) as bench:
        bench.device.outlet.car_kw = 0.0
        await bench.device.moved()
        reading = await bench.read()

        assert (reading.kw, reading.max_kw) == (0.0, 0.0)
        assert (await bench.apply(setpoint(3.0))).reason == "the car takes no more"


@EVERY_VERSION
async def test_a_car_that_is_held_can_be_raised_again(version: Version) -> None:
    async with Bench(VirtualClock(), version) as bench:
        await bench.apply(setpoint(0.0))
        await bench.wait(60)

        held = await bench.read()
        assert (held.kw, held.max_kw) == (0.0, 6.0)
        assert (await bench.apply(setpoint(3.0, sequence=2))).outcome == "accepted"


@EVERY_VERSION
async def test_the_state_of_charge_is_told_where_the_charger_knows_it(version: Version) -> None:
    async with Bench(VirtualClock(), version) as bench:
        assert (await bench.read()).soc_percent is None
        bench.device.outlet.soc_percent = 56.0
        await bench.wait(20)

        assert (await bench.read()).soc_percent == 56.0


@EVERY_VERSION
async def test_what_the_car_would_do_by_itself_is_its_baseline(version: Version) -> None:
    async with Bench(VirtualClock(), version) as bench:
        free = await bench.read()
        await bench.apply(setpoint(2.0))
        await bench.wait(5)
        held = await bench.read()
        await bench.device.unplug()
        gone = await bench.read()

    assert (free.plan_kw, held.plan_kw, gone.plan_kw) == (6.0, 6.0, 0.0)
    assert (await bench.describe()).plan == ()


async def test_a_baseline_that_is_declared_stands() -> None:
    async with Bench(VirtualClock(), plan_kw=3.0) as bench:
        described, reading = await bench.describe(), await bench.read()

    assert [slot.kw for slot in described.plan] == [3.0]
    assert reading.plan_kw is None


async def test_another_plug_of_the_same_evse_that_is_free_changes_nothing() -> None:
    """Of 2.0.1's plugs one has a car at a time."""
    async with Bench(VirtualClock(), "2.0.1") as bench:
        status = {"timestamp": "2026-01-01T00:00:00Z", "connectorStatus": "Available", "evseId": 1, "connectorId": 2}
        await bench.device.say(json.dumps([2, "plug", "StatusNotification", status]))

        assert (await bench.read()).max_kw == 6.0
        await bench.device.unplug()
        assert (await bench.read()).max_kw == 0.0


async def test_a_transaction_may_begin_before_the_car_is_there() -> None:
    """2.0.1, where it begins with the authorization."""
    async with Bench(VirtualClock(), "2.0.1", plugs=False) as bench:
        outlet = bench.device.outlet
        await bench.device.point.begin(1, "TAG-1")
        before = await bench.read()
        outlet.car_kw = 6.0
        await bench.device.moved()
        await bench.wait(1)

        assert (before.kw, before.max_kw) == (0.0, 0.0)
        assert ((await bench.read()).kw, (await bench.read()).max_kw) == (6.0, 6.0)


async def test_samples_of_no_transaction_make_none() -> None:
    """1.6: some chargers write 0 where there is none."""
    async with Bench(VirtualClock(), plugs=False) as bench:
        bench.device.outlet.transaction = "0"
        await bench.device.point.meter(1, trigger=False)

        assert (await bench.read()).max_kw == 0.0


# What somebody else wants


@EVERY_VERSION
async def test_a_charger_that_was_set_by_hand_is_left_alone_and_reported(version: Version) -> None:
    async with Bench(VirtualClock(), version, by_hand_kw=4.0) as bench:
        await bench.wait(5)
        reading = await bench.read()
        ack = await bench.apply(setpoint(0.0))

        assert (reading.local_override, reading.quality) == (True, LOCAL_OVERRIDE)
        assert (reading.kw, reading.min_kw, reading.max_kw) == (4.0, 4.0, 4.0)
        assert ack == Ack(outcome="clamped", effective_kw=4.0, reason="local override")


async def test_when_the_hand_lets_go_our_limit_counts_again() -> None:
    async with Bench(VirtualClock(), by_hand_kw=4.0) as bench:
        await bench.wait(5)
        await bench.read()
        bench.device.outlet.hand_kw = None
        await bench.wait(60)

        reading = await bench.read()
        assert (reading.local_override, reading.quality) == (False, GOOD)
        assert reading.kw == pytest.approx(2.0)


@pytest.mark.parametrize(("waited_s", "overridden"), [(29, False), (31, True)])
async def test_where_no_schedule_can_be_read_back_the_meter_shows_the_hand(waited_s: float, overridden: bool) -> None:
    """A car has half a minute to follow."""
    async with Bench(VirtualClock()) as bench:
        bench.device.refuses.add("GetCompositeSchedule")
        bench.device.outlet.hand_kw = 4.0
        await bench.apply(setpoint(2.0))
        await bench.wait(waited_s)

        assert (await bench.read()).local_override is overridden


@EVERY_VERSION
async def test_a_lower_limit_of_the_house_is_told(version: Version) -> None:
    async with Bench(VirtualClock(), version) as bench:
        bench.device.outlet.house_kw = 3.0
        ack = await bench.apply(setpoint(5.0))

    assert ack == Ack(outcome="clamped", effective_kw=3.0, reason="another limit of the charger's is lower")


# What its meter says


@EVERY_VERSION
@pytest.mark.parametrize("measurands", ["Current.Import,Voltage,Energy.Active.Import.Register", "Current.Import"])
async def test_power_follows_from_current_where_that_is_all_it_measures(version: Version, measurands: str) -> None:
    async with Bench(VirtualClock(), version) as bench:
        bench.device.measurands, bench.device.wanted = measurands, ""
        await bench.apply(setpoint(3.0))
        await bench.wait(5)

        assert (await bench.read()).kw == pytest.approx(3.0, abs=0.001)


@EVERY_VERSION
async def test_power_follows_from_the_register_where_that_is_all_it_measures(version: Version) -> None:
    clock = VirtualClock()
    device = Device(clock, version)
    device.measurands = "Energy.Active.Import.Register"
    async with Bench(clock, version, device=device) as bench:
        unknown = await bench.read()
        await bench.wait(10)
        reading = await bench.read()

    assert unknown.quality == NO_VALUE
    assert reading.accuracy_kw == pytest.approx(0.36)
    assert reading.kw == pytest.approx(6.0, abs=0.36)
    assert reading.quality == GOOD


@EVERY_VERSION
async def test_the_charger_is_told_which_values_are_wanted_and_how_often(version: Version) -> None:
    """Of the lists it gets the first that it can send."""
    async with Bench(VirtualClock(), version, meter_every_s=20) as bench:
        bench.device.measurands = "Power.Active.Import,Energy.Active.Import.Register"
        await bench.read()

    assert bench.device.wanted == "Power.Active.Import,Energy.Active.Import.Register"
    assert bench.device.every_s == 20


@EVERY_VERSION
async def test_a_charger_that_sends_nothing_on_request_is_read_by_what_it_sends_anyway(version: Version) -> None:
    async with Bench(VirtualClock(), version) as bench:
        bench.device.refuses.add("TriggerMessage")
        await bench.read()
        await bench.wait(25)

        reading = await bench.read()
        assert (reading.at, reading.quality) == (after(20), GOOD)
        assert reading.kw == pytest.approx(6.0)


@EVERY_VERSION
@pytest.mark.parametrize(("willing", "asked"), [(False, 1), (True, 5)])
async def test_what_a_charger_does_not_send_on_request_it_is_asked_once(
    version: Version, willing: bool, asked: int
) -> None:
    async with Bench(VirtualClock(), version, meter_every_s=600) as bench:
        await bench.read()
        line = bench.device.line
        assert line is not None
        line.heard.clear()
        bench.device.every(0)
        bench.device.refuses |= set() if willing else {"TriggerMessage"}
        for _ in range(5):
            await bench.wait(600)
            await bench.read()

        assert sum("TriggerMessage" in text for text in line.heard) == asked


@EVERY_VERSION
async def test_a_meter_that_says_no_more_is_not_taken_for_now(version: Version) -> None:
    async with Bench(VirtualClock(), version) as bench:
        bench.device.refuses.add("TriggerMessage")
        await bench.wait(20)
        await bench.read()
        await bench.wait(10)
        bench.device.every(0)

        await bench.wait(60)
        fresh, stale = await bench.read(), None
        await bench.wait(1)
        stale = await bench.read()

    assert (fresh.quality, stale.quality) == (GOOD, LAST_KNOWN)
    assert fresh.at == stale.at


@EVERY_VERSION
@pytest.mark.parametrize("old_s", [5, 320])
async def test_samples_that_were_kept_while_it_was_away_are_not_taken_for_now(version: Version, old_s: float) -> None:
    async with Bench(VirtualClock(), version) as bench:
        await bench.wait(20)
        before = await bench.read()
        bench.device.outlet.car_kw = 1.5
        await bench.device.point.meter(1, trigger=False, stamp=f"{after(20 - old_s):%Y-%m-%dT%H:%M:%SZ}")

        assert await bench.read() == before


# Whoever is slow, or away


@EVERY_VERSION
async def test_a_charger_that_does_not_answer_in_time_is_unreachable_and_heals(version: Version) -> None:
    async with Bench(VirtualClock(), version, timeout_s=SHORT_S) as bench:
        await bench.device.quiet()
        while (before := await bench.read()).quality != GOOD:
            await bench.wait(1)
        line = bench.device.line
        assert line is not None
        line.mute = True
        await bench.wait(20)
        mute = await bench.read(), await bench.apply(setpoint(2.0)), await bench.release("test")
        line.mute = False

        assert (mute[0].online, mute[0].quality, mute[0].kw) == (False, COMM_FAILURE, before.kw)
        assert [ack.outcome for ack in mute[1:]] == ["unreachable", "unreachable"]
        for sequence in count(2):
            if (await bench.apply(setpoint(2.0, sequence=sequence))).outcome == "accepted":
                break
        assert bench.device.outlet.limit_kw(bench.clock.now()) == 2.0


@EVERY_VERSION
@pytest.mark.parametrize("starts_anew", [True, False])
async def test_a_charger_that_comes_back_gets_its_limit_again(version: Version, starts_anew: bool) -> None:
    async with Bench(VirtualClock(), version) as bench:
        await bench.apply(setpoint(2.0))
        await bench.read()
        await bench.device.cut()
        bench.device.outlet.profiles.clear()
        await until_gone(bench)
        away = await bench.read()
        await bench.device.connect(bench.charger.port, boots=starts_anew)
        await bench.read()
        await bench.wait(5)

        assert (away.online, away.quality) == (False, COMM_FAILURE)
        assert (await bench.read()).kw == pytest.approx(2.0)


@EVERY_VERSION
async def test_a_charger_that_starts_anew_without_hanging_up_gets_its_limit_again(version: Version) -> None:
    async with Bench(VirtualClock(), version) as bench:
        await bench.apply(setpoint(2.0))
        bench.device.outlet.profiles.clear()
        await bench.device.point.boot()
        await bench.read()
        await bench.wait(5)

        assert (await bench.read()).kw == pytest.approx(2.0)


@EVERY_VERSION
async def test_a_schedule_that_is_not_told_in_time_says_nothing_of_the_limit(version: Version) -> None:
    """What it told of the limit before is not held against the new one."""
    async with Bench(VirtualClock(), version, timeout_s=SHORT_S) as bench:
        numbers = count(1)
        while (await bench.apply(setpoint(6.0, sequence=next(numbers)))).outcome != "accepted":
            await bench.wait(1)
        line = bench.device.line
        assert line is not None
        line.deaf_to = "GetCompositeSchedule"
        while (ack := await bench.apply(setpoint(2.0, sequence=next(numbers)))).outcome == "unreachable":
            await bench.wait(1)

        assert (ack.outcome, ack.effective_kw) == ("accepted", 2.0)


@EVERY_VERSION
async def test_a_set_point_that_did_not_reach_it_reaches_it_when_it_is_back(version: Version) -> None:
    async with Bench(VirtualClock(), version) as bench:
        await bench.device.cut()
        await until_gone(bench)
        ack = await bench.apply(setpoint(2.0))
        await bench.device.connect(bench.charger.port, boots=False)
        await bench.read()
        await bench.wait(5)

        assert ack.outcome == "unreachable"
        assert (await bench.read()).kw == pytest.approx(2.0)


@EVERY_VERSION
async def test_released_while_it_was_away_it_is_free_when_it_is_back(version: Version) -> None:
    async with Bench(VirtualClock(), version) as bench:
        await bench.apply(setpoint(2.0))
        await bench.device.cut()
        await until_gone(bench)
        assert (await bench.release("test")).outcome == "unreachable"
        await bench.device.connect(bench.charger.port, boots=False)
        await bench.read()
        await bench.wait(5)

        assert bench.device.outlet.profiles == {}
        assert (await bench.read()).kw == pytest.approx(6.0)


@EVERY_VERSION
async def test_a_lease_that_ended_while_it_was_away_is_not_renewed(version: Version) -> None:
    async with Bench(VirtualClock(), version) as bench:
        await bench.apply(setpoint(2.0, until_s=60))
        await bench.device.cut()
        await until_gone(bench)
        await bench.clock.advance(after(60))
        await bench.device.connect(bench.charger.port)

        assert (await bench.read()).kw == pytest.approx(6.0)
        assert bench.device.outlet.profiles == {}


@EVERY_VERSION
async def test_a_gateway_that_starts_anew_finds_the_car_and_takes_the_old_limit_away(version: Version) -> None:
    """It knows nothing of the transaction; a set-point that still runs is ordered anew."""
    clock = VirtualClock()
    device = Device(clock, version)
    async with Bench(clock, version, device=device) as bench:
        await bench.apply(setpoint(2.0))
        await device.quiet()
    assert device.outlet.profiles

    async with Bench(clock, version, device=device, plugs=False) as anew:
        reading = await anew.read()
        await anew.wait(5)
        assert device.outlet.profiles == {}
        assert (await anew.read()).kw == pytest.approx(6.0)
        assert (await anew.apply(setpoint(3.0))).effective_kw == 3.0

    assert (reading.min_kw, reading.max_kw) == (0.0, 6.0)


@EVERY_VERSION
async def test_behind_a_guard_it_is_released_at_the_end(version: Version) -> None:
    bench = Bench(VirtualClock(), version)
    async with Guard(bench, bench.clock, timeout_s=PATIENT_S) as guard:
        assert (await guard.apply(setpoint(0.0))).outcome == "accepted"
        await bench.device.quiet()
        assert bench.device.outlet.profiles

    assert bench.device.outlet.profiles == {}
