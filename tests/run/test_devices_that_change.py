"""Devices that are off at the start, that lie, or that somebody turns by hand, seen from the VTN above, over the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import msgspec
import pytest

from openadr_ra import OPT_IN, Vtn, dispatch
from openadr_ra.drivers.simulated import Battery
from openadr_ra.drivers.simulated.battery import BatterySettings
from openadr_ra.fleet.fleet import Fleet
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.parts import DEVICE_FAILURE, GOOD, LOCAL_OVERRIDE, NO_VALUE, UNCERTAIN, Quality
from openadr_ra.run.ven import Ven
from openadr_ra.seams import Clock, Descriptor, DriverFactory, Measurement
from openadr_ra.store import MemoryStore
from tests.run.site import PATIENCE, Table, soon
from tests.run.tiers import eventually, registered, settings

B1, B2 = ResourceId("b1"), ResourceId("b2")


class Switchable(Battery):
    """A battery that may be off, and may lie about its state of charge; described by what it says, if it is there."""

    Settings = BatterySettings

    def __init__(self, resource: ResourceId, settings: BatterySettings, clock: Clock) -> None:
        super().__init__(resource, settings, clock)
        self.off = False
        self.unknown = False
        self.lies = False

    async def describe(self) -> Descriptor:
        if self.off and not self.unknown:
            raise ConnectionError("it is off")
        described = await super().describe()
        if self.off:
            return msgspec.structs.replace(described, min_kw=0.0, max_kw=0.0)
        return described

    async def read(self) -> Measurement:
        if self.off:
            raise ConnectionError("it is off")
        said = await super().read()
        return msgspec.structs.replace(said, soc_percent=(said.soc_percent or 0.0) + 40) if self.lies else said


class Home:
    """A VTN, a VEN with two batteries of 5 kW below it, and the batteries."""

    def __init__(self, vtn: Vtn, ven: Ven, batteries: dict[ResourceId, Switchable]) -> None:
        self.vtn = vtn
        self.ven = ven
        self.batteries = batteries

    async def fleet(self) -> Fleet:
        return await self.ven.desk.state()

    async def counted(self, *names: ResourceId) -> None:
        async def there() -> bool:
            members = (await self.fleet()).members
            return all(name in members and members[name].last is not None for name in names)

        await eventually(there)

    async def quality(self, name: ResourceId) -> Quality | None:
        last = (await self.fleet()).members[name].last
        return last.quality if last is not None else None

    async def shares(self, b1: float | None, b2: float) -> None:
        """Wait until the batteries have these set-points, None is none; one may make up for what the other missed."""

        async def given() -> bool:
            found = (await self.fleet()).placed
            first, second = found.get(B1), found.get(B2)
            right = first is None if b1 is None else first is not None and first.kw <= b1 + 0.01
            return right and second is not None and second.kw <= b2 + 0.01

        await eventually(given)


def first_off(battery: Switchable) -> None:
    battery.off = True


def first_unknown(battery: Switchable) -> None:
    battery.off = battery.unknown = True


@asynccontextmanager
async def home(**first: object) -> AsyncIterator[Home]:
    """`b1` is what `first` makes of it."""
    made: dict[ResourceId, Switchable] = {}

    def driver(resource: ResourceId, settings: BatterySettings, clock: Clock) -> Switchable:
        made[resource] = Switchable(resource, settings, clock)
        prepare = first.get(resource)
        if callable(prepare):
            prepare(made[resource])
        return made[resource]

    driver.Settings = BatterySettings  # type: ignore[attr-defined]  # a factory names its settings so
    factory: DriverFactory = driver
    devices: list[Table] = [{"id": name, "driver": "switchable", "capacity_kwh": 10.0} for name in (B1, B2)]
    async with AsyncExitStack() as stack:
        vtn = await stack.enter_async_context(Vtn(settings("vtn", down=True), store=MemoryStore()).running())
        table = settings("ven", up={"vtn": vtn.url}, device=devices)
        running = Ven(table, drivers={"switchable": factory}, store=MemoryStore()).running()
        ven = await stack.enter_async_context(running)
        await registered(vtn, "ven")
        yield Home(vtn, ven, made)


@pytest.mark.parametrize("first", [first_off, first_unknown])
async def test_a_device_that_is_off_at_the_start_takes_part_once_it_is_there(first: object) -> None:
    """It could not be described, or not its range; what runs on the other one goes on."""
    async with home(b1=first) as made:
        await made.counted(B2)
        running = await made.vtn.publish(dispatch(start=soon(1), every=timedelta(minutes=5), delta_kw={"ven": (-2.0,)}))
        assert await made.vtn.opts(running, within=PATIENCE) == {"ven": OPT_IN}
        await made.shares(None, -2.0)

        made.batteries[B1].off = False
        await made.counted(B1, B2)

        async def known() -> bool:
            return (await made.fleet()).members[B1].descriptor.min_kw == -5.0

        await eventually(known)
        assert (await made.fleet()).placed[B2].kw == pytest.approx(-2.0, abs=0.1)
        order = dispatch(
            start=soon(1), every=timedelta(minutes=5), delta_kw={"ven": (-6.0,)}, market_context="http://other.invalid"
        )
        more = await made.vtn.publish(order)
        assert await made.vtn.opts(more, within=PATIENCE) == {"ven": OPT_IN}


async def test_a_device_that_lies_loses_its_share_to_another() -> None:
    async with home() as made:
        await made.counted(B1, B2)
        event = await made.vtn.publish(dispatch(start=soon(1), every=timedelta(minutes=5), delta_kw={"ven": (-4.0,)}))
        assert await made.vtn.opts(event, within=PATIENCE) == {"ven": OPT_IN}
        await made.shares(-2.0, -2.0)
        made.batteries[B1].lies = True

        await made.shares(None, -4.0)

        assert await made.quality(B1) == DEVICE_FAILURE
        assert await made.quality(B2) == GOOD


async def test_a_device_that_lies_is_in_no_sum_and_the_response_shows_what_it_is_worth() -> None:
    async with home() as made:
        await made.counted(B1, B2)
        made.batteries[B1].lies = True

        async def found() -> bool:
            return await made.quality(B1) == DEVICE_FAILURE

        await eventually(found)
        event = await made.vtn.publish(dispatch(start=soon(2), every=timedelta(seconds=4), delta_kw={"ven": (-4.0,)}))

        async def answered() -> bool:
            return any(row.resource == "*" and row.delivered_kw is not None for row in await made.vtn.report(event))

        await eventually(answered)
        rows = {str(row.resource): row for row in await made.vtn.report(event)}
        assert rows["*"].delivered_kw == rows["b2"].delivered_kw
        assert (rows["b1"].quality, rows["*"].quality) == (NO_VALUE, UNCERTAIN)


async def test_a_device_turned_by_hand_is_reported_and_its_share_is_given_to_another() -> None:
    """It stays where it was put: TELEMETRY_STATUS says so."""
    async with home() as made:
        await made.counted(B1, B2)
        event = await made.vtn.publish(dispatch(start=soon(1), every=timedelta(minutes=5), delta_kw={"ven": (-4.0,)}))
        assert await made.vtn.opts(event, within=PATIENCE) == {"ven": OPT_IN}
        await made.shares(-2.0, -2.0)

        made.batteries[B1].override(1.5)

        async def told() -> bool:
            return {str(one.resource): one.manual_override for one in await made.vtn.status("ven")} == {
                B1: True,
                B2: False,
            }

        await eventually(told)

        await made.shares(None, -4.0)
        last = (await made.fleet()).members[B1].last
        assert last is not None
        assert (last.kw, last.quality) == (1.5, LOCAL_OVERRIDE)
