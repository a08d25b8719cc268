"""What an ECHONET battery refuses, answers in parts or says wrongly: the driver `echonet` makes the best of it."""

from __future__ import annotations

import asyncio

import pytest

from openadr_ra.drivers.echonet import codes
from openadr_ra.protocol.parts import GOOD, NO_VALUE, UNCERTAIN
from openadr_ra.seams import Ack
from tests.drivers.echonet_site import BatterySite

CHARGE_METHOD = 0xC1


async def test_a_battery_that_refuses_the_power_never_runs_at_another() -> None:
    async with BatterySite() as site:
        site.node.refused.add(codes.CHARGE_W)
        ack = await site.apply(2.0)

    assert (ack.outcome, ack.reason) == ("rejected", "it refuses to have 0xEB set")
    assert site.device.settings[codes.MODE] == codes.AUTO


async def test_a_method_that_is_refused_matters_only_if_it_is_another() -> None:
    async with BatterySite() as site:
        site.device.settable = tuple(epc for epc in site.device.settable if epc != CHARGE_METHOD)
        other = await site.apply(2.0)
        site.device.settings[CHARGE_METHOD] = codes.DESIGNATED
        right = await site.apply(2.0)

    assert (other.outcome, other.reason) == ("rejected", "it refuses to have 0xC1 set")
    assert right == Ack(outcome="accepted", effective_kw=2.0)


async def test_properties_that_are_listed_and_refused_are_left_out() -> None:
    """What is refused is refused by itself: the rest of the answer counts."""
    async with BatterySite() as site:
        site.node.refused |= {codes.REMAINING_PERCENT, 0xA8, codes.REMOTE}
        reading = await site.driver.read()
        ack = await site.apply(-1.0)

    assert (reading.kw, reading.soc_percent, reading.import_kwh, reading.quality) == (0.0, None, None, GOOD)
    assert reading.export_kwh == 0.0
    assert ack.outcome == "accepted"


@pytest.mark.parametrize("at_once", [1, 3])
async def test_a_node_that_answers_a_few_properties_at_a_time_is_asked_for_the_rest(at_once: int) -> None:
    async with BatterySite() as site:
        site.node.at_once = at_once
        reading = await site.driver.read()
        ack = await site.apply(-1.0)

    assert (reading.kw, reading.soc_percent, reading.min_kw) == (0.0, 50.0, -5.0)
    assert (ack.outcome, site.device.kw) == ("accepted", -1.0)


async def test_a_node_that_refuses_all_for_the_sake_of_one_is_asked_in_parts() -> None:
    async with BatterySite() as site:
        site.node.all_or_nothing = True
        site.node.refused |= {codes.REMAINING_PERCENT, codes.REMOTE}
        reading = await site.driver.read()
        ack = await site.apply(-1.0)

    assert (reading.kw, reading.soc_percent, reading.export_kwh) == (0.0, None, 0.0)
    assert (ack.outcome, site.device.kw) == ("accepted", -1.0)


async def test_a_battery_without_property_maps_is_asked_for_everything() -> None:
    async with BatterySite() as site:
        site.node.refused |= {0x9D, 0x9E, 0x9F}
        reading = await site.driver.read()
        ack = await site.apply(-1.0)

    assert (reading.soc_percent, reading.quality) == (50.0, GOOD)
    assert (ack.outcome, site.device.kw) == ("accepted", -1.0)


@pytest.mark.parametrize("edt", [b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\x00\x00", b""])
async def test_a_power_that_is_no_value_has_none(edt: bytes) -> None:
    """Overflow, underflow, another length, refused."""
    async with BatterySite() as site:
        await site.apply(-1.0)
        before = await site.driver.read()
        site.device.readings[codes.NOW_W] = edt
        reading = await site.reach(1)

    assert (before.kw, before.quality) == (-1.0, GOOD)
    assert (reading.kw, reading.quality, reading.online) == (-1.0, NO_VALUE, True)


@pytest.mark.parametrize(("watts", "quality"), [(-1000, GOOD), (50, GOOD), (51, UNCERTAIN), (1000, UNCERTAIN)])
async def test_a_power_against_the_mode_that_runs_is_uncertain(watts: int, quality: str) -> None:
    """It says that it discharges, and the power that it charges: the sign or the meter is wrong."""
    async with BatterySite() as site:
        await site.apply(-1.0)
        site.device.readings[codes.NOW_W] = watts.to_bytes(4, signed=True)
        reading = await site.driver.read()

    assert reading.quality == quality


@pytest.mark.parametrize(("edt", "soc"), [(b"\x64", 100.0), (b"\x65", None), (b"\xff", None)])
async def test_a_state_of_charge_beyond_full_is_none(edt: bytes, soc: float | None) -> None:
    async with BatterySite() as site:
        site.device.readings[codes.REMAINING_PERCENT] = edt
        reading = await site.driver.read()

    assert reading.soc_percent == soc


async def test_a_battery_with_a_fault_is_uncertain_and_not_moved() -> None:
    async with BatterySite() as site:
        site.device.readings[codes.FAULT] = codes.FAULTY
        reading = await site.driver.read()
        ack = await site.apply(-1.0)

    assert (reading.quality, reading.min_kw, reading.max_kw) == (UNCERTAIN, 0.0, 0.0)
    assert ack == Ack(outcome="clamped", effective_kw=0.0, reason="it reports a fault")
    assert site.device.settings[codes.MODE] == codes.AUTO


async def test_a_battery_that_measures_its_capacity_is_left_alone() -> None:
    async with BatterySite() as site:
        site.device.readings[0xCF] = codes.RECOUNT
        reading = await site.driver.read()
        ack = await site.apply(-1.0)

    assert (reading.min_kw, reading.max_kw, reading.local_override) == (0.0, 0.0, False)
    assert ack.reason == "it measures its capacity"


async def test_two_verbs_at_once_do_not_mix_their_answers() -> None:
    async with BatterySite() as site:
        readings = await asyncio.gather(*(site.driver.read() for _ in range(20)))

    assert {reading.soc_percent for reading in readings} == {50.0}
