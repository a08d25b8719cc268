"""The driver `echonet` on an EV charger/discharger: what it does depends on the vehicle, and on whether there is one."""

from __future__ import annotations

import pytest

from openadr_ra.drivers.echonet import codes
from openadr_ra.seams import Ack
from tests.drivers.echonet_site import V2hSite
from tests.drivers.makers import HOUR_S, MINUTE_S

CONNECTION = 0xC7


async def test_set_to_minus_one_kw_an_echonet_v2h_discharges_its_vehicle() -> None:
    async with V2hSite() as site:
        ack = await site.apply(-1.0)
        later = await site.reach(HOUR_S)

    assert ack == Ack(outcome="accepted", effective_kw=-1.0)
    assert site.device.settings[codes.MODE] == codes.DISCHARGING
    assert site.device.settings[0xDD] == codes.DESIGNATED
    assert site.device.settings[codes.DISCHARGE_W] == (1000).to_bytes(4)
    assert (site.device.kw, later.kw) == (-1.0, -1.0)
    assert later.export_kwh == pytest.approx(1.0)


async def test_set_to_two_kw_an_echonet_v2h_charges_its_vehicle() -> None:
    async with V2hSite() as site:
        await site.apply(2.0)
        later = await site.reach(HOUR_S)

    assert site.device.settings[0xDC] == codes.DESIGNATED
    assert (site.device.kw, later.kw) == (2.0, 2.0)
    assert later.import_kwh == pytest.approx(2.0)
    assert later.soc_percent == 45.0


async def test_an_echonet_v2h_says_what_its_vehicle_holds() -> None:
    """40 kWh, 40 % full, 20 % of it kept; what it can give and take it says itself."""
    async with V2hSite() as site:
        described = await site.driver.describe()
        reading = await site.driver.read()

    assert (described.kind, described.subtype, described.min_kw, described.max_kw) == ("battery", "ev", -6.0, 6.0)
    assert described.energy is not None
    assert described.energy.capacity_kwh == 40.0
    assert reading.soc_percent == 40.0
    assert reading.can_reduce_kwh == pytest.approx(8 * 0.95)
    assert reading.can_raise_kwh == pytest.approx(24 / 0.95, abs=1e-3)


async def test_an_echonet_v2h_that_says_no_range_has_its_rated_power() -> None:
    async with V2hSite(vehicle={"power_kw": 5.0, "discharge_kw": 4.0}) as site:
        site.node.refused |= {codes.CHARGE_RANGE_W, codes.DISCHARGE_RANGE_W}
        described = await site.driver.describe()

    assert (described.min_kw, described.max_kw) == (-4.0, 5.0)


async def test_without_a_vehicle_there_is_nothing_to_move() -> None:
    """It arrives after an hour; until then it is not overridden but of no use, and says nothing of a state of charge."""
    async with V2hSite(vehicle={"arrives_after_h": 1.0}) as site:
        reading = await site.driver.read()
        ack = await site.apply(-2.0)
        there = await site.reach(HOUR_S)
        then = await site.apply(-2.0)

    assert (reading.min_kw, reading.max_kw, reading.soc_percent) == (0.0, 0.0, None)
    assert (reading.can_reduce_kwh, reading.local_override) == (0.0, False)
    assert ack == Ack(outcome="clamped", effective_kw=0.0, reason="no vehicle is connected")
    assert (there.min_kw, there.max_kw) == (-6.0, 6.0)
    assert then == Ack(outcome="accepted", effective_kw=-2.0)


async def test_a_vehicle_that_leaves_in_mid_event_is_no_override() -> None:
    """Also when the charger changes its mode for that."""
    async with V2hSite(vehicle={"departs_after_h": 1.0}) as site:
        await site.apply(-2.0)
        await site.reach(HOUR_S)
        site.device.set(codes.MODE, codes.STANDBY)
        reading = await site.reach(HOUR_S + MINUTE_S)

    assert (reading.kw, reading.local_override, reading.min_kw) == (0.0, False, 0.0)


@pytest.mark.parametrize(
    ("connection", "low_kw", "high_kw"),
    [
        (b"\x30", 0.0, 0.0),
        (b"\x40", 0.0, 0.0),
        (b"\x41", 0.0, 6.0),
        (b"\x42", -6.0, 0.0),
        (b"\x43", -6.0, 6.0),
        (b"\x44", -6.0, 6.0),
    ],
)
async def test_a_vehicle_may_be_able_to_charge_to_discharge_both_or_neither(
    connection: bytes, low_kw: float, high_kw: float
) -> None:
    async with V2hSite() as site:
        site.device.readings[CONNECTION] = connection
        reading = await site.driver.read()
        acks = [await site.apply(kw) for kw in (-6.0, 6.0)]

    assert (reading.min_kw, reading.max_kw) == (low_kw, high_kw)
    assert [ack.effective_kw for ack in acks] == [low_kw, high_kw]


async def test_a_charger_that_does_not_know_whether_there_is_a_vehicle_is_told_to_look() -> None:
    async with V2hSite() as site:
        site.device.vehicle_found = False
        before = await site.driver.read()
        ack = await site.apply(-2.0)

    assert (before.min_kw, before.max_kw) == (-6.0, 6.0)
    assert site.device.vehicle_found
    assert (ack.outcome, site.device.kw) == ("accepted", -2.0)


async def test_an_echonet_v2h_that_cannot_be_automatic_is_released_to_standby() -> None:
    async with V2hSite() as site:
        await site.apply(-2.0)
        ack = await site.driver.release("over")

    assert ack.outcome == "accepted"
    assert site.device.settings[codes.MODE] == codes.STANDBY
    assert site.device.settings[0xDD] == codes.SURPLUS


async def test_a_reserve_of_ours_keeps_the_vehicle_ready() -> None:
    """It keeps 20 % by itself, we keep 39; what can be given is told accordingly."""
    async with V2hSite(reserve_percent=39.0) as site:
        described = await site.driver.describe()
        start = await site.driver.read()
        await site.apply(-6.0)
        end = await site.reach(HOUR_S)

    assert described.energy is not None
    assert described.energy.reserve_kwh == pytest.approx(15.6)
    assert start.can_reduce_kwh == pytest.approx(0.4)
    assert end.min_kw == 0.0
    assert site.device.kw == 0.0
