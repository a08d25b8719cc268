"""What simulated devices can stand for: examples/simulated.toml."""

from __future__ import annotations

import tomllib

import pytest

from openadr_ra.drivers import VirtualClock, build, check_driver
from openadr_ra.drivers.promises import PROMISES
from openadr_ra.protocol.model import ResourceId
from openadr_ra.seams import AnyDriver, Clock
from openadr_ra.settings import read
from tests.pages import ROOT

EXAMPLE = ROOT / "examples" / "simulated.toml"
PRESETS: dict[str, dict[str, object]] = {
    device["id"]: device for device in tomllib.loads(EXAMPLE.read_text())["device"]
}

STORES = {"home-battery", "industrial-battery", "v2h"}
"""What cannot discharge has no reserve to keep."""


def made(name: str, clock: Clock) -> AnyDriver:
    """The device as a node makes it."""
    preset = PRESETS[name]
    settings = {key: value for key, value in preset.items() if key not in ("id", "driver")}
    return build(str(preset["driver"]), ResourceId(name), settings, clock)


def test_they_are_the_settings_of_a_node_with_every_kind_that_has_more_than_one_use() -> None:
    assert read(EXAMPLE).name == "site-1"
    assert STORES | {"heat-pump", "water-heater", "cold-store", "turbine", "press", "office"} == set(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
async def test_each_keeps_the_promises_of_a_driver(name: str) -> None:
    """Nobody cuts it off or turns it by hand here."""
    shown = await check_driver(lambda clock: made(name, clock))

    expected = {promise.name for promise in PROMISES} - {"unreachable", "override"}
    assert set(shown) == expected - (set() if name in STORES else {"reserve"})


async def test_a_home_battery_is_what_there_is_without_settings() -> None:
    clock = VirtualClock()
    plain = build("simulated-battery", ResourceId("home-battery"), {}, clock)

    assert await _described(made("home-battery", clock)) == await _described(plain)


async def _described(driver: AnyDriver) -> object:
    found = driver.describe()
    return found if not hasattr(found, "__await__") else await found
