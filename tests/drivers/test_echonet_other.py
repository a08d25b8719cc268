"""Another ECHONET Lite controller, pychonet, beside our driver: on one node both read the same and set the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from openadr_ra.drivers.echonet import codes
from openadr_ra.drivers.echonet.link import PORT
from openadr_ra.drivers.echonet.simulated_devices import SimulatedDevice
from tests.drivers.counterparts import need_package
from tests.drivers.echonet_site import BatterySite, PvSite, Site, V2hSite, address
from tests.drivers.makers import HOUR_S, MINUTE_S, after

need_package("pychonet", "test")

from pychonet import ECHONETAPIClient, EchonetInstance, ElectricVehicleChargerDischarger, HomeSolarPower, StorageBattery  # noqa: E402
from pychonet.lib.udpserver import UDPServer  # noqa: E402


@asynccontextmanager
async def other_controller(
    site: Site, device: SimulatedDevice, kind: type[EchonetInstance]
) -> AsyncIterator[EchonetInstance]:
    """Its view of the device, found through the node's profile and the object's property maps.

    It is the last to be entered: nothing is opened once it has closed its socket.
    """
    local, host = address(), site.node.address
    server = UDPServer(local_ip=local)
    server.run(local, PORT, asyncio.get_running_loop())
    try:
        client = ECHONETAPIClient(server)
        client.configure(logger=lambda text: None)
        assert await client.discover(host)
        group, number = divmod(device.eoj.kind, 0x100)
        assert await client.getAllPropertyMaps(host, group, number, device.eoj.instance)
        yield kind(host, client, instance=device.eoj.instance)
    finally:
        server.close()


async def test_another_controller_finds_the_objects_and_properties_that_we_do() -> None:
    async with BatterySite() as site, other_controller(site, site.device, StorageBattery) as other:
        listed = set(other.getGetProperties())
        settable = set(other.getSetProperties())

    assert listed == {*site.device.values(), 0x9D, 0x9E, 0x9F}
    assert settable == set(site.device.settable)


@pytest.mark.parametrize("kw", [-2.0, 1.5])
async def test_another_controller_reads_a_battery_as_we_do(kw: float) -> None:
    async with BatterySite() as site, other_controller(site, site.device, StorageBattery) as other:
        await site.apply(kw)
        ours = await site.reach(HOUR_S)
        described = await site.driver.describe()
        theirs = await other.update([0xA0, 0xA1, 0xA4, 0xA5, 0xA7, 0xA8, 0xA9, 0xC8, 0xC9, 0xCF, 0xD0, 0xD3, 0xE4])

    assert described.energy is not None
    assert ours.kw == kw == theirs[0xD3] / 1000
    assert theirs[0xCF] == ("charging" if kw > 0 else "discharging")
    assert ours.soc_percent == theirs[0xE4]
    assert (ours.import_kwh, ours.export_kwh) == (theirs[0xA8] / 1000, theirs[0xA9] / 1000)
    assert ours.can_raise_kwh == theirs[0xA4] / 1000
    assert ours.can_reduce_kwh == pytest.approx(theirs[0xA5] / 1000, abs=0.1)
    assert (theirs[0xC8], theirs[0xC9]) == ("0/5000", "0/5000")
    assert (described.min_kw, described.max_kw) == (-5.0, 5.0)
    assert described.energy.capacity_kwh == theirs[0xD0] / 1000
    assert described.energy.reserve_kwh == theirs[0xA7] / 100 * 10


async def test_another_controller_sees_the_order_that_we_gave_and_its_end() -> None:
    async with BatterySite() as site, other_controller(site, site.device, StorageBattery) as other:
        await site.apply(-2.0)
        ordered = await other.update([0x93, 0xC1, 0xC2, 0xDA, 0xEC])
        await site.driver.release("over")
        over = await other.update([0xC2, 0xDA])

    assert ordered == {0x93: "42", 0xC1: "surplus", 0xC2: "designatedPower", 0xDA: "discharging", 0xEC: 2000}
    assert over == {0xC2: "loadFollowing", 0xDA: "auto"}


async def test_what_another_controller_sets_does_the_same_as_what_we_set() -> None:
    async with (
        BatterySite() as first,
        BatterySite() as second,
        other_controller(first, first.device, StorageBattery) as other,
    ):
        for epc, value, size in ((0xC2, 0x03, 1), (0xEC, 1750, 4), (0xDA, 0x43, 1)):
            assert await other.setMessage(epc, value, size)
        await second.apply(-1.75)
        theirs, ours = await first.reach(HOUR_S), await second.reach(HOUR_S)

    assert (theirs.kw, theirs.export_kwh, theirs.soc_percent) == (ours.kw, ours.export_kwh, ours.soc_percent)
    assert {**first.device.settings, codes.REMOTE: codes.LAST_REMOTE} == second.device.settings


async def test_another_controller_that_takes_the_battery_is_reported_and_not_fought() -> None:
    async with BatterySite() as site, other_controller(site, site.device, StorageBattery) as other:
        await site.apply(-2.0)
        for epc, value, size in ((0xC1, 0x03, 1), (0xEB, 3000, 4), (0xDA, 0x42, 1)):
            assert await other.setMessage(epc, value, size)
        reading = await site.reach(MINUTE_S)
        ack = await site.apply(-2.0)
        still = await other.update([0xDA, 0xEB])

    assert (reading.kw, reading.local_override) == (3.0, True)
    assert (ack.outcome, ack.effective_kw) == ("clamped", 3.0)
    assert still == {0xDA: "charging", 0xEB: 3000}


async def test_a_refusal_is_the_same_to_another_controller() -> None:
    async with BatterySite() as site, other_controller(site, site.device, StorageBattery) as other:
        site.node.refused |= {codes.MODE}
        theirs = await other.setMessage(0xDA, 0x42, 1)
        ours = await site.apply(1.0)

    assert theirs is False
    assert ours.outcome == "rejected"


async def test_another_controller_reads_and_sets_an_ev_charger_as_we_do() -> None:
    async with V2hSite() as site, other_controller(site, site.device, ElectricVehicleChargerDischarger) as other:
        await site.apply(-2.0)
        ours = await site.reach(HOUR_S)
        theirs = await other.update(
            [0xC2, 0xC5, 0xC6, 0xC7, 0xCF, 0xD0, 0xD3, 0xD6, 0xD8, 0xDA, 0xDD, 0xE1, 0xE4, 0xEC]
        )
        for epc, value, size in ((0xDC, 0x03, 1), (0xEB, 1000, 4), (0xDA, 0x42, 1)):
            assert await other.setMessage(epc, value, size)
        await site.clock.advance(after(HOUR_S + MINUTE_S))
        charging = await site.driver.read()

    assert ours.kw == -2.0 == theirs[0xD3] / 1000
    assert (theirs[0xDA], theirs[0xE1], theirs[0xEC]) == ("Discharge", "Discharge", 2000)
    assert theirs[0xDD] == "Designated electric power discharging"
    assert theirs[0xC7] == "Chargeable and Dischargeable"
    assert (theirs[0xC5], theirs[0xC6], theirs[0xD0]) == (6000, 6000, 40000)
    assert ours.soc_percent == theirs[0xE4]
    assert (ours.import_kwh, ours.export_kwh) == (theirs[0xD8] / 1000, theirs[0xD6] / 1000)
    assert ours.can_raise_kwh == theirs[0xCF] / 1000
    assert charging.kw == 1.0


async def test_another_controller_reads_and_sets_pv_as_we_do() -> None:
    async with PvSite() as site, other_controller(site, site.device, HomeSolarPower) as other:
        await site.apply(-1.2)
        ours = await site.reach(HOUR_S)
        theirs = await other.update([0xA0, 0xA1, 0xD1, 0xE0, 0xE1, 0xE8])
        await site.driver.release("over")
        assert await other.setMessage(0xA0, 40, 1)
        limited = await site.reach(HOUR_S + MINUTE_S)

    assert ours.kw == -1.2 == -theirs[0xE0] / 1000
    assert (theirs[0xA0], theirs[0xA1], theirs[0xE8]) == (100, 1200, 5000)
    assert theirs[0xD1] == "Ongoing restraint (output power control)"
    assert ours.export_kwh == theirs[0xE1] / 1000
    assert limited.kw == -2.0
