"""The driver `sunspec` on the wire: finding the map, reading it in few blocks, devices that are silent, refuse or lie."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from openadr_ra.drivers import VirtualClock, build
from openadr_ra.errors import SettingsError
from openadr_ra.protocol.parts import COMM_FAILURE, GOOD, NO_VALUE
from openadr_ra.settings import read
from tests.drivers.counterparts import need_package
from tests.drivers.makers import DEVICE, setpoint

need_package("pymodbus", "sunspec")
need_package("sunspec2", "sunspec")

# Only here they can be had.
from pymodbus.constants import ExcCodes  # noqa: E402
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP  # type: ignore[import-untyped] # noqa: E402 # no hints

from openadr_ra.drivers.sunspec import Sunspec, SunspecSettings  # noqa: E402
from tests.drivers.sunspec_device import Site, site  # noqa: E402
from tests.drivers.sunspec_maps import BANKED, NEWER, NEWER_STORAGE, OLDER, OLDER_STORAGE, Values  # noqa: E402

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "sunspec.toml"

HASTE_S = 0.2
"""How long a driver waits for what never comes."""

READ = 3


# The map


@pytest.mark.parametrize("base", [40000, 50000, 0])
async def test_the_map_is_found_wherever_sunspec_lets_it_begin(base: int) -> None:
    async with site(NEWER_STORAGE, base=base) as (_, driver):
        ack = await driver.apply(setpoint(-1.0))

    assert ack.outcome == "accepted"


async def test_models_that_are_not_known_are_passed_over() -> None:
    """Here 160 and 11, between those that are."""
    values = {1: OLDER[1], 11: "", 103: OLDER[103], 120: OLDER[120], 129: "", 123: OLDER[123]}
    async with site(values) as (_, driver):
        reading, ack = await driver.read(), await driver.apply(setpoint(-1.0))

    assert (reading.kw, ack.outcome) == (-3.0, "accepted")


@pytest.mark.parametrize(("values", "most"), [(OLDER_STORAGE, 2), (NEWER_STORAGE, 2), (BANKED, 3)])
async def test_a_reading_takes_few_requests(values: Values, most: int) -> None:
    async with site(values) as (made, driver):
        await driver.read()
        made.device.requests.clear()
        await driver.read()

    assert len(made.device.requests) <= most
    assert {function for function, _, _ in made.device.requests} == {READ}


async def test_a_device_that_refuses_requests_across_models_is_asked_model_by_model() -> None:
    async with site(OLDER_STORAGE) as (made, driver):
        made.device.strict = True
        first, ack = await driver.read(), await driver.apply(setpoint(-1.0))
        made.device.requests.clear()
        second = await made.reach(10)

    assert (first.quality, ack.outcome, second.kw) == (GOOD, "accepted", -1.0)
    assert len(made.device.requests) == 4


async def test_a_device_that_is_no_sunspec_device_is_unreachable() -> None:
    async with site(NEWER_STORAGE, base=1000) as (_, driver):
        reading, ack = await driver.read(), await driver.apply(setpoint(-1.0))

    assert (reading.online, reading.quality, ack.outcome) == (False, NO_VALUE, "unreachable")
    assert ack.reason == "there is no SunSpec map at 40000, 50000, 0; is `unit` the right one?"


@pytest.mark.parametrize(
    ("values", "model", "name"), [(NEWER_STORAGE, 701, "W"), (NEWER_STORAGE, 701, "W_SF"), (OLDER, 103, "W_SF")]
)
async def test_power_that_is_not_implemented_is_no_value(values: Values, model: int, name: str) -> None:
    known = values[model].replace(f"{name}=0", "")
    async with site({**values, model: known}) as (made, driver):
        if name == "W":
            made.device.silent_meter = True
        reading = await driver.read()

    assert (reading.quality, reading.online) == (NO_VALUE, True)


async def test_a_scale_factor_that_changes_changes_no_power() -> None:
    async with site(NEWER) as (made, driver):
        readings = []
        for power in (0, 1, 2, 0):
            made.device.registers.put(701, "W_SF", power)
            readings.append((await driver.read()).kw)

    assert readings == [-3.0] * 4


async def test_a_scale_factor_that_cannot_be_is_no_value() -> None:
    """SunSpec has -10 to 10."""
    async with site(NEWER) as (made, driver):
        made.device.registers.put(701, "W_SF", 11)
        reading = await driver.read()

    assert reading.quality == NO_VALUE


async def test_pysunspec2_reads_and_sets_the_same_as_the_driver() -> None:
    """Its own client is a second controller on the same device."""
    async with site(BANKED) as (made, driver):
        await driver.apply(setpoint(-1.5))
        ours = await made.reach(10)
        its = await asyncio.to_thread(_by_pysunspec2, made.plant.port)
        after = await made.reach(20)

    assert its == {"W": 1500, "WSet": 1500, "WSetEna": 1, "SoC": ours.soc_percent, "WHRtg": 10_000}
    assert (ours.kw, after.kw, after.local_override) == (-1.5, 0.7, True)


def _by_pysunspec2(port: int) -> dict[str, object]:
    """What it reads; then it orders 700 W of charging."""
    client = SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr="127.0.0.1", ipport=port, timeout=30)
    try:
        client.scan()
        measured, control, storage = (client.models[model][0] for model in (701, 704, 713))
        found = {
            "W": measured.W.cvalue,
            "WSet": control.WSet.cvalue,
            "WSetEna": control.WSetEna.value,
            "SoC": storage.SoC.cvalue,
            "WHRtg": storage.WHRtg.cvalue,
        }
        control.WSet.cvalue = -700
        control.WSet.write()
        return found
    finally:
        client.close()


# A device that is silent, refuses, or talks nonsense


async def test_a_device_that_is_unplugged_is_unreachable_and_heals_by_itself() -> None:
    made = Site(NEWER_STORAGE)
    await made.plant.plug()
    async with made.make() as driver:
        before = await driver.read()
        await made.plant.unplug()
        gone, refused = await driver.read(), await driver.apply(setpoint(-1.0, sequence=1))
        released = await driver.release("over")
        described = await driver.describe()
        await made.plant.plug()
        back, ack = await driver.read(), await driver.apply(setpoint(-1.0, sequence=2))
        reading = await made.reach(10)
    await made.plant.unplug()

    assert (before.quality, gone.quality, gone.online, gone.at) == (GOOD, COMM_FAILURE, False, before.at)
    assert (refused.outcome, released.outcome, described.min_kw) == ("unreachable", "unreachable", -5.0)
    assert (back.quality, ack.outcome, reading.kw) == (GOOD, "accepted", -1.0)


async def test_the_map_is_not_looked_for_again_after_a_reconnection() -> None:
    """Unless it is another device that answers."""
    async with site(NEWER_STORAGE) as (made, driver):
        await driver.read()
        for serial, fewest, most in (("SN-1", 3, 3), ("SN-2", 10, 20)):
            await made.plant.unplug()
            await driver.read()
            made.device.registers.put(1, "SN", serial)
            await made.plant.plug()
            made.device.requests.clear()
            reading = await driver.read()

            assert reading.quality == GOOD
            assert fewest <= len(made.device.requests) <= most


async def test_the_heartbeat_goes_on_after_a_reconnection() -> None:
    async with site(BANKED) as (made, driver):
        await driver.apply(setpoint(-1.0))
        await made.plant.unplug()
        await made.reach(3)
        await made.plant.plug()
        await driver.apply(setpoint(-1.0))
        beats = len(made.device.beats)
        reading = await made.reach(20)

    assert reading.kw == -1.0
    assert len(made.device.beats) == beats + 17


async def test_a_silent_device_costs_no_more_than_the_timeout_and_heals() -> None:
    async with site(NEWER_STORAGE) as (made, patient):
        await patient.read()
        async with made.make(timeout_s=HASTE_S) as driver:
            made.plant.answers.clear()
            reading, ack = await driver.read(), await driver.apply(setpoint(-1.0, sequence=1))
            released = await driver.release("over")
            made.plant.answers.set()
            outcomes = [(await driver.apply(setpoint(-1.0, sequence=number))).outcome for number in range(2, 50)]

    assert (reading.online, ack.outcome, released.outcome) == (False, "unreachable", "unreachable")
    assert "accepted" in outcomes


async def test_a_verb_that_is_cancelled_half_way_leaves_nothing_behind() -> None:
    """The guard does so with one that takes too long: its answer comes when another one is awaited."""
    async with site(NEWER_STORAGE) as (made, driver):
        await driver.read()
        made.plant.answers.clear()
        call = asyncio.create_task(driver.apply(setpoint(-1.0, sequence=1)))
        await made.plant.asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        made.plant.answers.set()
        ack = await driver.apply(setpoint(-2.0, sequence=2))
        reading = await made.reach(10)

    assert (ack.outcome, reading.kw) == ("accepted", -2.0)


async def test_a_slow_device_is_known_in_the_end_however_little_it_says_each_time() -> None:
    """What was found of the map before the timeout is kept."""
    made = Site(NEWER_STORAGE)
    async with made.plugged(), made.make(timeout_s=HASTE_S) as driver:
        tries, made.plant.budget = 0, 4
        while (await driver.describe()).max_kw == 0:
            tries += 1
            assert tries < 100
            made.plant.budget = 4
        made.plant.budget = None

    assert tries > 2


async def test_an_order_that_is_refused_is_rejected_with_the_devices_word() -> None:
    async with site(NEWER_STORAGE) as (made, driver):
        place = made.device.registers.address(704, "WSetEna")
        made.device.refused_writes[place] = ExcCodes.ILLEGAL_VALUE
        ack = await driver.apply(setpoint(-1.0, sequence=1))
        made.device.refused_writes.clear()
        taken = await driver.apply(setpoint(-1.0, sequence=2))

    assert (ack.outcome, ack.reason) == (
        "rejected",
        f"it refuses registers {place} to {place}: Modbus exception 3",
    )
    assert taken.outcome == "accepted"


async def test_a_device_that_is_busy_is_unreachable_for_now() -> None:
    async with site(NEWER_STORAGE) as (made, driver):
        await driver.read()
        made.device.refused_writes[made.device.registers.address(704, "WSetEna")] = ExcCodes.DEVICE_BUSY
        ack = await driver.apply(setpoint(-1.0))

    assert (ack.outcome, ack.reason) == ("unreachable", "it is busy")


@asynccontextmanager
async def babbling(answer: bytes) -> AsyncIterator[int]:
    """A server that says the same whatever it is asked; its port."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talking.add(asyncio.current_task())
        with suppress(ConnectionError):
            while await reader.read(1024):
                writer.write(answer)
        writer.close()

    talking: set[asyncio.Task[None] | None] = set()
    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.gather(*filter(None, talking))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        bytes(300),
        b"\xff" * 12,
        bytes.fromhex("0001 0000 0005 01 03 02 5375"),
        bytes.fromhex("0001 0000 0003 01 83 63"),
    ],
    ids=["http", "zeros", "ones", "too short", "no such exception"],
)
async def test_nonsense_is_unreachable(answer: bytes) -> None:
    async with babbling(answer) as port:
        settings = SunspecSettings(host="127.0.0.1", port=port, timeout_s=HASTE_S)
        async with Sunspec(DEVICE, settings, VirtualClock()) as driver:
            reading, ack = await driver.read(), await driver.apply(setpoint(-1.0))
            described = await driver.describe()

    assert (reading.online, ack.outcome) == (False, "unreachable")
    assert (described.min_kw, described.max_kw) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("told", "kind", "low_kw", "high_kw"),
    [
        ({"kind": "pv", "min_kw": -4.0, "max_kw": 0.0}, "generator", -4.0, 0.0),
        ({"min_kw": -4.0, "max_kw": 3.0}, "battery", -4.0, 3.0),
        ({}, "battery", 0.0, 0.0),
    ],
)
async def test_a_device_that_was_never_met_is_what_the_settings_say(
    told: dict[str, object], kind: str, low_kw: float, high_kw: float
) -> None:
    made = Site(NEWER_STORAGE)
    async with made.plugged():
        pass
    async with made.make(**told) as driver:
        said = await driver.describe()

    assert (said.kind, said.min_kw, said.max_kw) == (kind, low_kw, high_kw)


# Settings


def test_the_example_is_settings_of_a_node_and_its_devices_are_built() -> None:
    found = read(EXAMPLE)

    assert len(EXAMPLE.read_text("utf-8").splitlines()) < 50
    for table in found.device:
        told = {key: value for key, value in table.items() if key not in ("id", "driver")}
        assert isinstance(build(str(table["driver"]), DEVICE, told, VirtualClock()), Sunspec)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({}, "needs the setting `host`"),
        ({"host": "a", "port": 0}, "`port`"),
        ({"host": "a", "unit": 256}, "`unit`"),
        ({"host": "a", "kind": "wind"}, "`kind`"),
        ({"host": "a", "reserve_percent": 101}, "`reserve_percent`"),
    ],
)
def test_settings_that_cannot_be_are_named(told: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        build("sunspec", DEVICE, told, VirtualClock())
