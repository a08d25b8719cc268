"""The mapping by itself: units, signs, scales and limits, both ways, without any device."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openadr_ra.drivers.mapped.mapping import (
    Kind,
    Point,
    Points,
    Raw,
    Sample,
    Unit,
    alike,
    flag,
    nearest,
    number,
    resolution,
    seen,
    value,
)
from openadr_ra.drivers.mapped.registers import Register

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "unit", "ours"),
    [
        ("power", None, 2.0),
        ("power", "kW", 2.0),
        ("power", "W", 0.002),
        ("power", "MW", 2000.0),
        ("energy", None, 2.0),
        ("energy", "Wh", 0.002),
        ("energy", "MWh", 2000.0),
        ("percent", None, 2.0),
        ("energy", "kWh", 2.0),
        ("time", None, 2.0),
        ("time", "ms", 0.002),
        ("time", "min", 120.0),
        ("count", None, 2.0),
    ],
)
def test_two_of_the_devices_unit_are_so_many_of_ours(kind: Kind, unit: Unit | None, ours: float) -> None:
    assert value(Point(unit=unit), kind, 2) == pytest.approx(ours)


def test_a_fraction_is_a_hundredth_of_its_percentage() -> None:
    assert value(Point(unit="fraction"), "percent", 0.475) == 47.5


def test_a_power_in_generation_sign_is_turned_round() -> None:
    """A device that says 3 when it delivers runs at -3 kW."""
    point = Point(unit="W", sign="generation")

    assert value(point, "power", 3000) == -3.0
    assert nearest(point, "power", -3.0, -5, 5) == (3000.0, -3.0)


def test_minus_one_kw_stays_minus_one_kw_in_load_sign() -> None:
    assert value(Point(), "power", -1) == -1.0
    assert nearest(Point(), "power", -1.0, -5, 5) == (-1.0, -1.0)


def test_there_is_no_minus_zero() -> None:
    assert str(value(Point(sign="generation"), "power", 0)) == "0.0"


def test_the_scale_comes_before_the_unit() -> None:
    assert value(Point(unit="W", scale=10), "power", 123) == pytest.approx(1.23)


@pytest.mark.parametrize("raw", [float("nan"), float("inf"), "much", "", "1_0", "inf "])
def test_what_is_no_number_is_no_value(raw: Raw) -> None:
    assert number(raw) is None
    assert value(Point(), "power", raw) is None


@pytest.mark.parametrize(("raw", "found"), [("2.5", 2.5), (" 3 ", 3.0), (True, 1.0), (False, 0.0), ("-1e3", -1000.0)])
def test_a_number_may_come_as_text_or_as_a_truth(raw: Raw, found: float) -> None:
    assert number(raw) == found


def test_a_value_that_means_not_known_is_not_believed_and_its_neighbour_is() -> None:
    point = Point(invalid=(-32768, 32767))

    assert value(point, "power", -32768) is None
    assert value(point, "power", 32767) is None
    assert value(point, "power", 32766) == 32766


@pytest.mark.parametrize(("raw", "believed"), [(-5001, False), (-5000, True), (3000, True), (3001, False)])
def test_what_is_read_beyond_the_points_limits_is_not_believed(raw: float, believed: bool) -> None:
    assert (value(Point(unit="W", low=-5.0, high=3.0), "power", raw) is not None) is believed


@pytest.mark.parametrize(
    ("point", "raw", "found"),
    [
        (Point(), 1, True),
        (Point(), 0, False),
        (Point(), True, True),
        (Point(), 2, False),
        (Point(on="REMOTE", off="LOCAL"), "remote ", True),
        (Point(on="REMOTE", off="LOCAL"), "LOCAL", False),
        (Point(on="REMOTE", off="LOCAL"), "broken", None),
        (Point(on=3, off=1), 3, True),
        (Point(on=3, off=1), 2, False),
        (Point(on=True, off=False), "true", True),
    ],
)
def test_a_flag_is_on_off_or_not_known(point: Point, raw: Raw, found: bool | None) -> None:
    assert flag(point, raw) is found


@pytest.mark.parametrize(("first", "second"), [(1, True), ("1", 1), ("on", "ON"), (1.0, 1)])
def test_values_that_say_the_same_are_alike(first: Raw, second: Raw) -> None:
    assert alike(first, second)


@pytest.mark.parametrize(("wanted", "raw"), [(1.234, 12.0), (-1.26, -13.0), (0.04, 0.0), (4.97, 49.0), (-4.97, -49.0)])
def test_what_is_written_is_the_nearest_step_that_the_limits_allow(wanted: float, raw: float) -> None:
    """At 4.97 the nearest would be 5.0, which is more than there may be."""
    found = nearest(Point(scale=0.1, step=1), "power", wanted, -4.98, 4.98)

    assert found is not None
    assert found.raw == raw
    assert found.ours == pytest.approx(raw / 10)


def test_no_step_within_the_limits_is_no_value() -> None:
    assert nearest(Point(scale=10, step=1), "power", 4.0, 3.0, 5.0) is None
    assert nearest(Point(scale=10, step=1), "power", 4.0, 0.0, 5.0) == (0.0, 0.0)


def test_a_register_is_given_no_more_than_it_holds() -> None:
    unsigned = Register(address=0, type="uint16", unit="W", step=100)

    assert nearest(unsigned, "power", -3.0, -5.0, 5.0) == (0.0, 0.0)
    assert nearest(unsigned, "power", 70.0, -5.0, 90.0) == (65500.0, 65.5)


@given(
    wanted=st.floats(-20, 20),
    low=st.floats(-10, 0),
    high=st.floats(0, 10),
    step=st.sampled_from([0.0, 1.0, 7.0]),
    sign=st.sampled_from(["load", "generation"]),
    unit=st.sampled_from(["W", "kW"]),
)
def test_nothing_is_ever_written_beyond_the_limits(
    wanted: float, low: float, high: float, step: float, sign: str, unit: str
) -> None:
    """And what is written reads as what it was said to be."""
    point = msgspec.convert({"step": step, "sign": sign, "unit": unit}, Point)

    found = nearest(point, "power", wanted, low, high)

    assert found is not None  # zero always fits
    assert low - 1e-6 <= found.ours <= high + 1e-6
    assert value(point, "power", found.raw) == pytest.approx(found.ours, abs=1e-8)
    inside = min(max(wanted, low), high)
    assert abs(found.ours - inside) <= resolution(point, "power") + 1e-6


POWER, SOC = Point(unit="W"), Point()
POINTS = Points(power=POWER, setpoint=Point(), soc=SOC, online=Point(), setpoint_state=Point())


def samples(**raws: Raw) -> dict[str, Sample]:
    return {name: Sample(raw, NOW) for name, raw in raws.items()}


def test_what_a_device_shows_is_put_together() -> None:
    found = seen(POINTS, samples(power=-1500, soc=40, online=1, setpoint_state=-1.5), None, NOW)

    assert (found.kw, found.soc_percent, found.online, found.setpoint_kw) == (-1.5, 40, True, -1.5)
    assert found.lacking == ()


def test_a_device_is_not_online_before_it_says_so() -> None:
    assert not seen(POINTS, samples(power=0), None, NOW).online
    assert not seen(POINTS, samples(power=0, online="gone"), None, NOW).online
    assert seen(Points(power=POWER, setpoint=Point()), samples(power=0), None, NOW).online


@pytest.mark.parametrize(("percent", "known"), [(-0.1, False), (0, True), (100, True), (100.1, False)])
def test_a_state_of_charge_that_cannot_be_is_none(percent: float, known: bool) -> None:
    found = seen(POINTS, samples(power=0, online=1, soc=percent), None, NOW)

    assert (found.soc_percent is not None) is known
    assert ("soc" in found.lacking) is not known


def test_what_is_mapped_and_says_nothing_is_named() -> None:
    assert seen(POINTS, samples(online=1), None, NOW).lacking == ("power", "soc")


def test_the_set_point_of_a_device_that_nobody_leads_is_known_as_such() -> None:
    points = Points(power=POWER, setpoint=Point(), setpoint_state=Point(invalid=(-32768,)))

    found = seen(points, samples(power=0, setpoint_state=-32768), -32768, NOW)

    assert found.parked
    assert found.setpoint_kw is None
    assert not seen(points, samples(power=0, setpoint_state=0), -32768, NOW).parked


@pytest.mark.parametrize(
    ("name", "point", "complaint"),
    [
        ("power", {"unit": "Wh"}, "points.power: Wh is no unit of a power; it is one of kW, W, MW"),
        ("soc", {"unit": "W"}, "points.soc: W is no unit of a percent"),
        ("local", {"unit": "s"}, "points.local: s is no unit of a flag; it has none"),
        ("soc", {"sign": "generation"}, "points.soc: a percent has no sign"),
        ("heartbeat", {"scale": 2.0}, "points.heartbeat: a count has no scale"),
        ("power", {"low": 2.0, "high": 1.0}, "points.power: low 2 is above high 1"),
        ("local", {"on": 1, "off": "1"}, "points.local: on and off are both"),
        ("power", {"scale": 0}, "scale"),
        ("power", {"scael": 1}, "scael"),
    ],
)
def test_a_point_that_makes_no_sense_is_refused_by_its_name(
    name: str, point: dict[str, object], complaint: str
) -> None:
    table: dict[str, object] = {"power": {}, "setpoint": {}} | {name: point}

    with pytest.raises(msgspec.ValidationError, match=complaint.replace(".", r"\.").replace("(", r"\(")):
        msgspec.convert(table, Points[Point])


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (None, 1.0), (1.0, None)])
def test_limits_may_meet_and_may_be_missing(low: float | None, high: float | None) -> None:
    assert Points(power=Point(low=low, high=high), setpoint=Point()).power.low == low
