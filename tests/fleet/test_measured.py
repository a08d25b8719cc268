"""What devices say, as it is recorded and remembered."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from msgspec.structs import replace

from openadr_ra.fleet.fleet import Measured
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.parts import COMM_FAILURE, GOOD
from openadr_ra.protocol.report import TOTAL, live_series
from tests.fleet.world import MINUTE, NOON, Plant, after, battery, line, schedule

A = ResourceId("a")


def test_what_is_measured_is_recorded_with_its_quality() -> None:
    plant = Plant(battery("a"))
    measured = replace(
        plant.devices[A].measures(plant.now), at=after(0), kw=-2.5, import_kwh=7.0, export_kwh=9.5, soc_percent=41.0
    )

    plant.gives(Measured(measurements={A: measured}))

    found = {key[0]: one.value for key, one in plant.readings.items() if one.start == NOON}
    assert found == {
        "live/a.kw": -2.5,
        "live/a.kwh": -2.5,
        "live/a.soc": 41,
        "live/a.online": 1,
        "live/a.override": 0,
    }


@pytest.mark.parametrize(("said", "kept"), [(None, None), (0.05, 0.05), (math.nan, None)])
def test_how_accurate_a_power_is_is_recorded_with_it_alone(said: float | None, kept: float | None) -> None:
    plant = Plant(battery("a"))
    measured = replace(plant.devices[A].measures(plant.now), at=after(0), import_kwh=7.0, accuracy_kw=said)

    plant.gives(Measured(measurements={A: measured}))

    found = {key[0]: one.accuracy for key, one in plant.readings.items() if one.start == NOON}
    assert found["live/a.kw"] == kept
    assert {accuracy for series, accuracy in found.items() if series != "live/a.kw"} == {None}


def test_a_silent_device_is_recorded_as_absent_now_and_its_old_values_are_not_repeated() -> None:
    plant = Plant(battery("a"))
    plant.runs_to(NOON - 5 * MINUTE)
    known = plant.devices[A].measures(plant.now)
    plant.now = after(0)

    plant.gives(Measured(measurements={A: replace(known, online=False, quality=COMM_FAILURE)}))

    assert plant.readings[live_series(A, "online"), NOON, timedelta(0)].value == 0
    assert (live_series(A, "kw"), NOON, timedelta(0)) not in plant.readings
    assert plant.readings[live_series(A, "kw"), known.at, timedelta(0)].quality == GOOD


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "field", ["kw", "min_kw", "max_kw", "import_kwh", "export_kwh", "soc_percent", "can_reduce_kwh", "can_raise_kwh"]
)
def test_what_is_no_number_never_enters(field: str, bad: float) -> None:
    plant = Plant(battery("a"), battery("b"))
    measured = replace(plant.devices[A].measures(plant.now), at=after(0), **{field: bad})
    stranger = replace(measured, kw=bad)

    plant.gives(Measured(measurements={A: measured, ResourceId("new"): stranger}))

    last = plant.fleet.members[A].last
    assert last is not None
    assert all(math.isfinite(value) for value in (last.kw, last.min_kw, last.max_kw, last.can_reduce_kwh or 0))
    assert all(math.isfinite(reading.value) for reading in plant.readings.values())
    assert (last.quality == GOOD) == (field not in ("kw", "min_kw", "max_kw"))


def test_the_response_of_a_total_of_storages_has_their_mean_charge_by_size() -> None:
    plant = Plant(battery("a", kwh=100), battery("b", kwh=300), line("c", 10))
    plant.instructs(schedule(0))
    plant.runs_to(after(30) - timedelta(seconds=1))
    for name, soc in (("a", 20.0), ("b", 80.0)):
        one = plant.devices[ResourceId(name)].measures(after(30))
        plant.gives(Measured(measurements={ResourceId(name): replace(one, soc_percent=soc)}))
    plant.sleeps_to(after(31))
    plant.starts()
    plant.runs_to(after(32))

    assert plant.value("soc", resource="a") == 20
    assert plant.value("soc", resource="c") is None
    assert plant.value("soc", resource=TOTAL) == pytest.approx(65)
