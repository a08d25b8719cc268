"""A driver is found by its name, told its own settings, and what is wrong is said in one line with its cure."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from examples.my_driver import Boiler
from openadr_ra.drivers import VirtualClock, build, names
from openadr_ra.drivers.simulated import (
    Battery,
    EvCharger,
    Generator,
    InterruptibleLoad,
    Line,
    Pv,
    Thermal,
    V2h,
    Wind,
)
from openadr_ra.drivers.simulated.shell import Simulated
from openadr_ra.errors import SettingsError
from openadr_ra.seams import Clock, Driver, DriverFactory, DriverSettings
from tests.drivers.makers import DEVICE, KINDS, after, setpoint

CLASSES = dict(
    zip(KINDS, (Battery, EvCharger, Generator, Line, InterruptibleLoad, Pv, Thermal, V2h, Wind), strict=True)
)


def refused(name: str, table: Mapping[str, object] | None = None) -> str:
    """What is said when such a device is made."""
    with pytest.raises(SettingsError) as caught:
        build(name, DEVICE, table or {}, VirtualClock())
    return str(caught.value)


@pytest.mark.parametrize("name", KINDS)
async def test_each_simulated_device_is_found_by_its_name(name: str) -> None:
    driver = build(name, DEVICE, {}, VirtualClock())

    assert isinstance(driver, Simulated)
    assert type(driver) is CLASSES[name]
    assert (await driver.describe()).id == DEVICE


def test_the_names_are_those_of_the_entry_points_and_of_what_is_handed_in() -> None:
    assert set(KINDS) <= set(names())
    assert list(names()) == sorted(names())
    assert "boiler" in names({"boiler": Boiler})


async def test_settings_reach_the_driver() -> None:
    driver = build("simulated-battery", DEVICE, {"power_kw": 3, "capacity_kwh": 6.5}, VirtualClock())
    assert isinstance(driver, Battery)

    described = await driver.describe()

    assert (described.min_kw, described.max_kw) == (-3.0, 3.0)
    assert described.energy is not None
    assert described.energy.capacity_kwh == 6.5


async def test_the_driver_lives_by_the_clock_that_it_is_given() -> None:
    clock = VirtualClock(start=after(77))

    driver = build("simulated-pv", DEVICE, {}, clock)

    assert isinstance(driver, Pv)
    assert (await driver.read()).at == after(77)


def test_a_driver_may_be_named_by_its_place() -> None:
    assert isinstance(build("examples.my_driver:Boiler", DEVICE, {"rated_kw": 3.0}, VirtualClock()), Driver)


def test_a_driver_that_is_handed_in_needs_no_installation_and_comes_first() -> None:
    clock = VirtualClock()

    boiler = build("boiler", DEVICE, {}, clock, extra={"boiler": Boiler})
    stand_in = build("simulated-pv", DEVICE, {}, clock, extra={"simulated-pv": Boiler})

    assert isinstance(boiler, Boiler)
    assert isinstance(stand_in, Boiler)


def test_an_unknown_driver_is_answered_with_those_that_are_known() -> None:
    text = refused("simulated-batery")

    assert text.startswith('device "device-1": there is no driver "simulated-batery"; did you mean')
    assert "simulated-battery" in text
    assert all(name in text for name in KINDS)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("no_such_package.module:Class", "No module named 'no_such_package'"),
        ("examples.my_driver:Kettle", "has no attribute 'Kettle'"),
        ("examples.my_driver:Boiler.lid", "there is no driver"),
        ("examples.my_driver:__doc__", "is no driver"),
        ("openadr_ra.drivers.guard:Guard", "has no Settings"),
        ("examples.my_driver:", "there is no driver"),
        (":Boiler", "there is no driver"),
        ("../etc/passwd:x", "there is no driver"),
    ],
)
def test_a_place_without_a_driver_is_said_to_be_one(name: str, what: str) -> None:
    text = refused(name)

    assert text.startswith('device "device-1": ')
    assert what in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (
            {"powr_kw": 5.0},
            'driver "simulated-battery" knows no setting `powr_kw`; did you mean `power_kw`?',
        ),
        ({"power_kw": "5"}, 'setting `power_kw` of driver "simulated-battery": Expected `float`, got `str`'),
        ({"power_kw": 0.0}, 'setting `power_kw` of driver "simulated-battery": Expected `float` > 0.0'),
        ({"power_kw": True}, 'setting `power_kw` of driver "simulated-battery": Expected `float`, got `bool`'),
        ({"power_kw": float("inf")}, 'setting `power_kw` of driver "simulated-battery" is not a finite number'),
        ({"noise_kw": float("nan")}, 'setting `noise_kw` of driver "simulated-battery" is not a finite number'),
        ({"reserve_percent": 100.1}, "setting `reserve_percent` of driver"),
        ({"charge_efficiency": 1.01}, "setting `charge_efficiency` of driver"),
        ({"speed": 0}, "setting `speed` of driver"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(table: dict[str, object], text: str) -> None:
    assert refused("simulated-battery", table).startswith(f'device "device-1": {text}')


def test_an_unknown_setting_that_resembles_none_is_answered_with_all_there_are() -> None:
    text = refused("examples.my_driver:Boiler", {"xyz": 1})

    assert text == ('device "device-1": driver "examples.my_driver:Boiler" knows no setting `xyz`; it has rated_kw')


@pytest.mark.parametrize(
    "table",
    [
        {"power_kw": 3.0},
        {"reserve_percent": 100},
        {"reserve_percent": 0, "soc_percent": 0},
        {"charge_efficiency": 1, "discharge_efficiency": 1.0},
        {"noise_kw": 0.0, "latency_s": 0},
    ],
)
def test_settings_at_the_edge_of_the_possible_are_taken(table: dict[str, object]) -> None:
    assert isinstance(build("simulated-battery", DEVICE, table, VirtualClock()), Battery)


@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [
        ("simulated-ev", {"plan_kw": 6.1}, {"plan_kw": 6.0}),
        ("simulated-ev", {"need_kwh": 24.1}, {"need_kwh": 24.0}),
        ("simulated-ev", {"departs_after_h": 5.6}, {"departs_after_h": 5.7}),
        ("simulated-ev", {"arrives_after_h": 10.0, "need_kwh": 0.0}, {"arrives_after_h": 9.9, "need_kwh": 0.0}),
        ("simulated-ev", {"plan_kw": 0.0}, {"plan_kw": 0.0, "need_kwh": 0.0}),
        ("simulated-generator", {"minimum_kw": 300.1}, {"minimum_kw": 300.0}),
        ("simulated-generator", {"base_kw": 99.9}, {"base_kw": 100.0}),
        ("simulated-generator", {"base_kw": 300.1}, {"base_kw": 300.0}),
        ("simulated-line", {"levels_kw": [0.0, 150.0, 150.0]}, {"levels_kw": [0.0, 150.0, 151.0]}),
        ("simulated-line", {"levels_kw": [150.0]}, {"levels_kw": [0.0, 150.0]}),
        ("simulated-line", {"plan_kw": 149.0}, {"plan_kw": 0.0}),
        ("simulated-pv", {"profile_kw": [1.0, 5.1]}, {"profile_kw": [1.0, 5.0]}),
        ("simulated-pv", {"profile_kw": []}, {"profile_kw": [0.0]}),
    ],
)
def test_settings_that_contradict_one_another_are_refused(
    name: str, wrong: dict[str, object], right: dict[str, object]
) -> None:
    assert refused(name, wrong).startswith('device "device-1": ')
    assert isinstance(build(name, DEVICE, right, VirtualClock()), Driver)


class Demanding:
    """A driver that cannot do without some of its settings."""

    class Settings(DriverSettings, frozen=True, kw_only=True):
        host: str
        ports: tuple[int, ...] = ()
        offsets_kw: dict[str, float] = {}

    def __init__(self, resource: str, settings: Settings, clock: Clock) -> None:
        self.settings = settings


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({}, 'device "device-1": driver "demanding" needs the setting `host`'),
        ({"host": "a", "ports": [1, "x"]}, 'device "device-1": setting `ports[1]` of driver "demanding"'),
        ({"host": "a", "offsets_kw": {"b": float("nan")}}, 'device "device-1": setting `offsets_kw.b` of driver'),
        ({"host": "a"}, 'device "device-1": driver "demanding" has no describe, apply, read, release'),
    ],
)
def test_a_drivers_own_settings_and_verbs_are_asked_for(table: dict[str, object], text: str) -> None:
    extra: Mapping[str, DriverFactory] = {"demanding": Demanding}  # type: ignore[dict-item]  # it has no verbs
    with pytest.raises(SettingsError) as caught:
        build("demanding", DEVICE, table, VirtualClock(), extra=extra)

    assert str(caught.value).startswith(text)


def installed(folder: Path, entry: str) -> Path:
    """A distribution `acme-drivers` in `folder`, with one entry point."""
    meta = folder / "acme_drivers-1.0.dist-info"
    meta.mkdir(parents=True)
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-drivers\nVersion: 1.0\n", "utf-8")
    (meta / "entry_points.txt").write_text(f"[openadr_ra.drivers]\n{entry}\n", "utf-8")
    (folder / "acme.py").write_text("import a_field_bus_library\n", "utf-8")
    return folder


def said_by_build(folder: Path, name: str) -> str:
    """What another Python says, for which `folder` is installed."""
    program = f"from openadr_ra.drivers import *\nbuild({name!r}, 'device-1', {{}}, VirtualClock())"
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(folder)},
        cwd=Path(__file__).parent.parent.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return run.stderr.splitlines()[-1]


def test_a_driver_whose_package_is_not_installed_says_what_to_install(tmp_path: Path) -> None:
    """The extra stands beside the entry point; its distribution is the one that names the driver."""
    folder = installed(tmp_path, "acme = acme:Driver [fieldbus]")

    assert said_by_build(folder, "acme").endswith(
        'device "device-1": driver "acme" cannot be loaded: '
        "No module named 'a_field_bus_library'; pip install acme-drivers[fieldbus]"
    )


def test_a_driver_that_is_installed_is_not_imported_before_it_is_needed(tmp_path: Path) -> None:
    """Its neighbour's module could not even be."""
    folder = installed(tmp_path, "acme = acme:Driver")

    assert said_by_build(folder, "acm").startswith(
        'openadr_ra.errors.SettingsError: device "device-1": there is no driver "acm"; did you mean `acme`?'
    )


def test_the_example_is_a_driver_of_less_than_fifty_lines() -> None:
    boiler = build("examples.my_driver:Boiler", DEVICE, {"rated_kw": 3.0}, VirtualClock())

    assert isinstance(boiler, Boiler)
    assert boiler.apply(setpoint(3.0)).outcome == "accepted"
    assert boiler.read().kw == 3.0
    lines = Path(sys.modules["examples.my_driver"].__file__ or "").read_text("utf-8").splitlines()
    assert len(lines) < 50
