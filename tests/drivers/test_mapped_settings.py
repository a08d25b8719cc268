"""What a mapped device can be told, what does not fit together, and what becomes of it without any wire."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from openadr_ra.drivers import VirtualClock, build
from openadr_ra.drivers.mapped.declared import MappedSettings, descriptor, left_kwh, possible, reach
from openadr_ra.drivers.mapped.documents import Field
from openadr_ra.drivers.mapped.driver import Mapped
from openadr_ra.drivers.mapped.mapping import KINDS, UNITS, Point, Points
from openadr_ra.drivers.mapped.registers import Register
from openadr_ra.errors import SettingsError
from openadr_ra.protocol.schedule import Slot
from openadr_ra.seams import Descriptor, Energy
from openadr_ra.settings import read
from tests.drivers import makers, mapped_http
from tests.drivers.counterparts import need_package
from tests.drivers.makers import DEVICE, after
from tests.pages import ROOT, page, rows, settings

DRIVERS = page("docs/drivers.md")
PACKAGES = {"mapped-modbus": ("pymodbus", "modbus"), "mapped-mqtt": ("aiomqtt", "mqtt"), "mapped-http": ("aiohttp", "")}


def told(**changes: object) -> MappedSettings:
    """Of a battery of 5 kW and 10 kWh."""
    table: dict[str, object] = {"kind": "battery", "min_kw": -5.0, "max_kw": 5.0, "capacity_kwh": 10.0}
    return msgspec.convert(table | changes, MappedSettings)


def described(**changes: object) -> Descriptor:
    return descriptor(DEVICE, told(**changes), after(0))


# The examples


@pytest.mark.parametrize("name", PACKAGES)
async def test_the_example_of_a_mapped_driver_is_a_node_with_such_a_device(name: str) -> None:
    need_package(*PACKAGES[name])
    found = read(ROOT / "examples" / f"{name}.toml")
    (device,) = found.device
    rest = {key: value for key, value in device.items() if key not in ("id", "driver")}

    made = build(str(device["driver"]), DEVICE, rest, VirtualClock())

    assert device["driver"] == name
    assert isinstance(made, Mapped)
    assert (await made.describe()).id == DEVICE


@pytest.mark.parametrize("name", PACKAGES)
def test_the_example_of_a_mapped_driver_is_short(name: str) -> None:
    assert len((ROOT / "examples" / f"{name}.toml").read_text("utf-8").splitlines()) < 50


@pytest.mark.parametrize("commented", ["token_file", "ca"])
def test_what_is_commented_out_in_the_example_is_a_setting(commented: str) -> None:
    text = (ROOT / "examples" / "mapped-http.toml").read_text("utf-8")

    assert f"# {commented} = " in text
    assert f"`{commented}`" in [row[0] for row in rows(DRIVERS, "`mapped-http`")]


# The page on drivers


def listed(heading: str) -> list[tuple[str, ...]]:
    return [tuple(row[:3]) for row in rows(DRIVERS, heading)]


def test_the_page_lists_what_can_be_said_of_a_point() -> None:
    assert listed("A point") == [tuple(one) for one in settings(Point)]


@pytest.mark.parametrize(("heading", "kind"), [("A register", Register), ("A field", Field)])
def test_the_page_lists_where_a_point_can_be(heading: str, kind: type[Point]) -> None:
    assert listed(heading) == [tuple(one) for one in settings(kind) if one not in settings(Point)]


def test_the_page_lists_every_point_that_there_is_and_its_units() -> None:
    """Each has a kind, and a kind its units."""
    found = {row[0].strip("`"): row[1] for row in rows(DRIVERS, "Points")}

    assert set(found) == set(KINDS) == {one.name for one in msgspec.structs.fields(Points)}
    for name, units in found.items():
        assert units == (", ".join(f"`{unit}`" for unit in UNITS[KINDS[name]]) or "none"), name


# What the settings make of a device


def test_a_device_is_described_as_the_settings_say() -> None:
    found = described(plan_kw=1.0, ramp_kw_per_s=0.5, latency_s=2, metering="pcc", failsafe="hold", subtype="ess")

    assert (found.id, found.kind, found.min_kw, found.max_kw) == (DEVICE, "battery", -5.0, 5.0)
    assert found.energy == Energy(capacity_kwh=10, reserve_kwh=2, charge_efficiency=0.95, discharge_efficiency=0.95)
    assert found.plan == (Slot(start=after(0), kw=1.0),)
    assert (found.ramp_kw_per_s, found.latency_s, found.metering, found.failsafe) == (0.5, 2, "pcc", "hold")
    assert found.subtype == "ess"
    assert described(capacity_kwh=None).energy is None


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"min_kw": 6.0}, "a range from 6.0 to 5.0 kW"),
        ({"plan_kw": 7.0}, "7.0 kW outside -5 to 5"),
        ({"levels_kw": [3.0, 0.0]}, "levels_kw that do not rise"),
        ({"levels_kw": [0.0, 9.0]}, "9.0 kW outside"),
        ({"gap_kw": [-1.0, -2.0]}, "a gap_kw without width"),
        ({"capacity_kwh": 10.0, "points": mapped_http.points(soc=None)}, "points.soc is missing"),
        ({"points": mapped_http.points(enable=None)}, "needs points.enable or a release_value"),
        ({"failsafe": "hold"}, "points.lease ends each set-point"),
        (
            {"failsafe": "hold", "points": mapped_http.points(lease=None, heartbeat={"at": "/h"})},
            "points.heartbeat ends each set-point",
        ),
    ],
    ids=["range", "plan", "levels order", "levels range", "gap", "soc", "release", "hold", "beat"],
)
def test_what_does_not_fit_together_is_refused_with_the_device_and_the_cure(
    changes: dict[str, object], complaint: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        build("mapped-http", DEVICE, mapped_http.settings(80, **changes), VirtualClock())

    assert str(caught.value).startswith(f'device "{DEVICE}": ')
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"gap_kw": [1.0]}, "gap_kw is two powers"),
        ({"capacity_kwh": 0}, "`capacity_kwh`"),
        ({"reserve_percent": 100.1}, "`reserve_percent`"),
        ({"kind": "wind"}, "`kind`"),
        ({"points": {"power": {"at": "/x"}}}, "needs the setting `points.setpoint`"),
        ({"points": mapped_http.points(power={"at": ""})}, "points.power"),
        ({"points": mapped_http.points(power={"at": "/x", "unit": "Wh"})}, "Wh is no unit of a power"),
        ({"points": mapped_http.points(power={"at": "/x", "scael": 1})}, "scael"),
        ({"points": mapped_http.points(pwoer={"at": "/x"})}, "pwoer"),
    ],
    ids=["gap", "capacity", "reserve", "kind", "missing", "nowhere", "unit", "key", "point"],
)
def test_a_setting_that_is_wrong_by_itself_is_named(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build("mapped-http", DEVICE, mapped_http.settings(80, **changes), VirtualClock())

    assert complaint in str(caught.value)


REGISTER: Mapping[str, object] = {"address": 5}


@pytest.mark.parametrize(
    ("points", "changes", "complaint"),
    [
        ({"setpoint": {"address": 0, "table": "input"}}, {}, "points.setpoint: input 0 cannot be written"),
        ({"enable": {"address": 0, "bit": 1}}, {}, "points.enable: bit 1 of holding 0 cannot be written"),
        ({"enable": {"address": 0, "table": "discrete"}}, {}, "points.enable: discrete 0 cannot be written"),
        ({"setpoint": {"address": 4, "type": "int32"}, "enable": REGISTER}, {}, "addresses 4 and 5"),
        ({}, {"release_value": 32_768}, "release_value: 32768"),
        ({}, {"release_value": "none"}, "release_value: 'none' does not fit holding 5"),
        ({"enable": {"address": 9, "on": "ON"}}, {}, "points.enable.on: 'ON' does not fit holding 9"),
        ({"enable": {"address": 9, "table": "coil", "on": 2}}, {}, "points.enable.on: 2.0 does not fit coil 9"),
    ],
)
def test_registers_that_cannot_be_written_so_are_refused(
    points: dict[str, object], changes: dict[str, object], complaint: str
) -> None:
    need_package("pymodbus", "modbus")
    table = {
        "host": "127.0.0.1",
        "kind": "generator",
        "min_kw": -5.0,
        "max_kw": 0.0,
        "release_value": 0,
        "points": {"power": {"address": 0, "table": "input"}, "setpoint": REGISTER} | points,
    }

    with pytest.raises(SettingsError) as caught:
        build("mapped-modbus", DEVICE, table | changes, VirtualClock())

    assert complaint in str(caught.value)


# What it can do


@pytest.mark.parametrize(
    ("soc", "expected"),
    [
        (50.0, (-5.0, 5.0)),
        (20.1, (-5.0, 5.0)),
        (20.0, (0.0, 5.0)),
        (0.0, (0.0, 5.0)),
        (99.9, (-5.0, 5.0)),
        (100.0, (-5.0, 0.0)),
    ],
)
def test_between_reserve_and_full_a_battery_can_do_everything(soc: float, expected: tuple[float, float]) -> None:
    assert reach(described(), None, None, soc) == expected


def test_a_battery_of_which_nobody_knows_what_is_left_gives_nothing() -> None:
    assert reach(described(), None, None, None) == (0.0, 5.0)
    assert reach(described(capacity_kwh=None), None, None, None) == (-5.0, 5.0)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-3.0, 2.0, (-3.0, 2.0)),
        (-9.0, 9.0, (-5.0, 5.0)),
        (7.0, None, (5.0, 5.0)),
        (None, -7.0, (-5.0, -5.0)),
        (2.0, 1.0, (2.0, 2.0)),
    ],
)
def test_what_the_device_says_narrows_and_never_widens(
    low: float | None, high: float | None, expected: tuple[float, float]
) -> None:
    assert reach(described(capacity_kwh=None), low, high, None) == expected


@pytest.mark.parametrize(
    ("kw", "level"), [(-1.0, 0.0), (0.0, 0.0), (1.4, 0.0), (1.6, 3.0), (3.0, 3.0), (3.9, 3.0), (4.1, 5.0), (9.0, 5.0)]
)
def test_a_device_with_levels_takes_the_nearest_and_says_so(kw: float, level: float) -> None:
    declared = described(kind="consumer", min_kw=0.0, capacity_kwh=None, levels_kw=[0.0, 3.0, 5.0])

    held = possible(declared, kw, declared.min_kw, declared.max_kw)

    assert held.kw == level
    assert bool(held.why) is (kw != level)


def test_a_level_that_cannot_be_reached_now_is_not_taken() -> None:
    declared = described(kind="consumer", min_kw=0.0, capacity_kwh=None, levels_kw=[0.0, 3.0, 5.0])

    assert possible(declared, 5.0, 0.0, 4.0).kw == 3.0


@pytest.mark.parametrize(
    ("kw", "held"), [(-99.0, -100.0), (-100.0, -100.0), (-49.0, 0.0), (0.0, 0.0), (-301.0, -300.0)]
)
def test_a_generator_does_not_stay_in_its_gap(kw: float, held: float) -> None:
    declared = described(kind="generator", min_kw=-300.0, max_kw=0.0, capacity_kwh=None, gap_kw=[-100.0, 0.0])

    assert possible(declared, kw, declared.min_kw, declared.max_kw).kw == held


def test_what_is_left_is_counted_at_the_terminals() -> None:
    energy = described().energy

    assert left_kwh(energy, 50.0) == pytest.approx((2.85, 5 / 0.95))
    assert left_kwh(energy, 10.0) == pytest.approx((0.0, 9 / 0.95))
    assert left_kwh(energy, None) == left_kwh(None, 50.0) == (None, None)


async def test_a_lease_is_rounded_up_to_what_can_be_said() -> None:
    """Half a minute is one minute to a device that counts in minutes, not none."""
    points = mapped_http.points(lease={"at": "/control", "path": "power.for", "unit": "min", "step": 1})
    async with mapped_http.bay(points=points) as site:
        for until_s, sequence in ((30.0, 1), (60.0, 2), (61.0, 3)):
            await site.driver.apply(makers.setpoint(-1.0, until_s=until_s, sequence=sequence))

    assert [one[2]["power"]["for"] for one in site.ems.heard if isinstance(one[2], dict)] == [1, 1, 2]


async def test_a_device_on_levels_is_switched_by_its_scale() -> None:
    """A relay of 3 kW: its coil, or here its field, holds 1 or 0."""
    relay = mapped_http.points(
        setpoint={"at": "/control", "path": "power.target", "scale": 3.0, "step": 1},
        min_power=None,
        max_power=None,
    )
    consumer = {"kind": "consumer", "min_kw": 0.0, "max_kw": 3.0, "levels_kw": [0.0, 3.0], "capacity_kwh": None}
    async with mapped_http.bay(points=relay, **consumer) as site:
        acks = [await site.driver.apply(makers.setpoint(kw, sequence=n)) for n, kw in enumerate((3.0, 1.0, 2.0, 0.0))]

    assert [(ack.outcome, ack.effective_kw) for ack in acks] == [
        ("accepted", 3.0),
        ("clamped", 0.0),
        ("clamped", 3.0),
        ("accepted", 0.0),
    ]
    assert [one[2]["power"]["target"] for one in site.ems.heard if isinstance(one[2], dict)] == [1, 0, 1, 0]
