"""What a charger's sampled values come to: units, phases, places, and values that cannot be."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.drivers.counterparts import need_package
from tests.drivers.makers import after

need_package("ocpp", "ocpp")
need_package("websockets", "ocpp")

# Only here they can be had.
from openadr_ra.drivers.ocpp.facts import Metered, Sample  # noqa: E402
from openadr_ra.drivers.ocpp.metering import Mean, Meter, mean_of, metered  # noqa: E402

POWER, EXPORT, REGISTER = "Power.Active.Import", "Power.Active.Export", "Energy.Active.Import.Register"
CURRENT, VOLTAGE = "Current.Import", "Voltage"


def sample(measurand: str, value: float, unit: str = "", phase: str = "", location: str = "") -> Sample:
    return Sample(measurand=measurand, value=value, unit=unit, phase=phase, location=location)


def kw(*samples: Sample) -> float | None:
    return metered(samples, voltage_v=200.0).kw


@pytest.mark.parametrize(("value", "unit"), [(1500.0, "W"), (1.5, "kW"), (1500.0, "")])
def test_power_is_told_in_watts_or_kilowatts(value: float, unit: str) -> None:
    assert kw(sample(POWER, value, unit)) == 1.5


@pytest.mark.parametrize(("value", "unit"), [(1500.0, "Wh"), (1.5, "kWh"), (1500.0, "")])
def test_energy_is_told_in_watt_hours_or_kilowatt_hours(value: float, unit: str) -> None:
    assert metered((sample(REGISTER, value, unit),), voltage_v=200.0).import_kwh == 1.5


@pytest.mark.parametrize("unit", ["VA", "kvar", "A", "furlong"])
def test_a_value_in_another_unit_is_none(unit: str) -> None:
    assert metered((sample(POWER, 1.0, unit), sample(REGISTER, 1.0, unit)), voltage_v=200.0) == Meter()


def test_phases_add_up_where_no_total_is_told() -> None:
    phases = [sample(POWER, 1000.0, "W", phase) for phase in ("L1", "L2", "L3")]

    assert kw(*phases) == 3.0
    assert kw(*phases, sample(POWER, 2.9, "kW")) == 2.9


def test_export_counts_against_import() -> None:
    """A charger that feeds back exports: negative."""
    assert kw(sample(EXPORT, 1.0, "kW")) == -1.0
    assert kw(sample(POWER, 3.0, "kW"), sample(EXPORT, 1.0, "kW")) == 2.0


def test_power_at_the_outlet_counts_before_that_of_another_place() -> None:
    assert kw(sample(POWER, 3.0, "kW", location="Inlet"), sample(POWER, 2.0, "kW", location="Outlet")) == 2.0
    assert kw(sample(POWER, 3.0, "kW", location="Inlet")) == 3.0


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([sample(CURRENT, 10.0, "A")], 2.0),
        ([sample(CURRENT, 10.0, "A"), sample(VOLTAGE, 230.0, "V")], 2.3),
        ([sample(CURRENT, 10.0, "A", phase) for phase in ("L1", "L2", "L3")], 6.0),
        ([sample(CURRENT, 10.0, "A", "L1"), sample(CURRENT, 3.0, "A", "N")], 2.0),
        ([sample(CURRENT, 10.0, "A", "L1"), sample(VOLTAGE, 230.0, "V", "L1-N")], 2.3),
        ([sample(CURRENT, 10.0, "A", "L1"), sample(VOLTAGE, 400.0, "V", "L1-L2")], 2.0),
        ([sample(VOLTAGE, 230.0, "V")], None),
    ],
)
def test_where_no_power_is_told_it_follows_from_currents_and_voltages(
    samples: list[Sample], expected: float | None
) -> None:
    """With the settings' voltage where none is told between a phase and neutral."""
    assert kw(*samples) == (expected and pytest.approx(expected))


@pytest.mark.parametrize(("value", "told"), [(0.0, 0.0), (100.0, 100.0), (-0.1, None), (100.1, None)])
def test_a_state_of_charge_lies_between_nothing_and_all(value: float, told: float | None) -> None:
    assert metered((sample("SoC", value, "Percent"),), voltage_v=200.0).soc_percent == told


def test_a_register_below_nothing_is_none() -> None:
    assert metered((sample(REGISTER, -1.0, "Wh"),), voltage_v=200.0).import_kwh is None


@pytest.mark.parametrize(
    ("seconds", "kwh", "mean"),
    [
        (5.0, 0.01, Mean(7.2, 0.72)),
        (4.9, 0.01, None),
        (10.0, 0.0, Mean(0.0, 0.36)),
        (10.0, -0.001, None),
        (-10.0, 0.01, None),
    ],
)
def test_a_mean_needs_time_and_a_register_that_rises(seconds: float, kwh: float, mean: Mean | None) -> None:
    first, second = (Metered(connector=1, at=after(at), samples=()) for at in (0.0, seconds))

    found = mean_of(first, 100.0, second, 100.0 + kwh)

    assert found == (mean and pytest.approx(mean))


SAMPLES = st.builds(
    sample,
    st.sampled_from([POWER, EXPORT, REGISTER, CURRENT, VOLTAGE, "SoC", "Temperature", ""]),
    st.floats(),
    st.sampled_from(["", "W", "kW", "Wh", "kWh", "A", "V", "Percent", "VA"]),
    st.sampled_from(["", "L1", "L2", "L3", "N", "L1-N", "L2-N", "L1-L2", "?"]),
    st.sampled_from(["", "Outlet", "Inlet", "Body"]),
)


@given(st.lists(SAMPLES, max_size=8))
def test_whatever_is_told_comes_to_numbers_that_can_be(samples: list[Sample]) -> None:
    found = metered(tuple(samples), voltage_v=200.0)

    assert found.kw is None or math.isfinite(found.kw)
    assert found.import_kwh is None or 0 <= found.import_kwh < math.inf
    assert found.soc_percent is None or 0 <= found.soc_percent <= 100
