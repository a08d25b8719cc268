"""Prices from a VTN to a car: no set-point comes from above, and the car charges when it is cheap."""

from __future__ import annotations

from datetime import timedelta

import pytest

from openadr_ra import OPT_IN, Ven, Vtn, price
from openadr_ra.protocol.model import ResourceId
from openadr_ra.run.clock import SystemClock
from openadr_ra.seams import Measurement
from tests.run.site import Site, Table, new_site, soon, until

EVERY = timedelta(seconds=8)
PLENTY = timedelta(seconds=60)

CAR: Table = {
    "id": "car",
    "driver": "simulated-ev",
    "speed": 1200,
    "power_kw": 6.0,
    "plan_kw": 0.25,
    "charge_efficiency": 1.0,
    "need_kwh": 3.0,
    "departs_after_h": 14.0,
}
"""Twenty minutes a second. By itself it would charge all the time until it leaves, 42 s after the start; with all the power
that it can have it needs a second and a half."""

MUCH_KW = 1.0


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


async def test_a_car_charges_in_the_cheap_interval_of_a_price_event_and_is_full_at_departure(site: Site) -> None:
    clock = SystemClock()
    async with Vtn(site.settings(site.vtn())).running() as vtn:
        await vtn.enrol("EDGE", [(shown := site.issue("EDGE")).fingerprint])
        table = site.ven("EDGE", vtn.url, CAR, certificate=shown)
        async with Ven(site.settings(table)).running() as ven:
            start = soon(0)
            order = price(start=start, every=EVERY, per_kwh=(50, 10, 50), to=("EDGE",))
            event = await vtn.publish(order)
            assert await vtn.opts(event, within=PLENTY) == {"EDGE": OPT_IN}

            async def full() -> Measurement | None:
                last = (await ven.desk.state()).members[ResourceId("car")].last
                return last if last is not None and last.need is not None and last.need.kwh == 0 else None

            async def passed(within: timedelta) -> None:
                await clock.sleep_until(clock.now() + min(within, timedelta(seconds=0.25)))

            charged = await until(full, passed, PLENTY)
            assert charged is not None
            samples = await ven.store.readings(("live/car.kw",), start, charged.at)

    assert charged.need is not None
    assert charged.at < charged.need.by
    assert start + EVERY < charged.at
    fast = [sample for sample in samples if sample.value > MUCH_KW]
    assert fast
    assert all(start + EVERY <= sample.start < start + 2 * EVERY for sample in fast)
