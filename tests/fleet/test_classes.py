"""What a device is called in a target: its class follows from its kind, unless its driver says another."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.fleet.classes import asset
from openadr_ra.protocol.signals_table import DEVICE_CLASSES
from openadr_ra.seams import Descriptor
from tests.fleet.world import battery, genset, line


@pytest.mark.parametrize(
    ("descriptor", "classes"),
    [
        (battery("a"), ("RESU", "Storage")),
        (replace(battery("a"), subtype="ev"), ("EVSE", "Electric_Vehicle")),
        (replace(line("a", 7.0), subtype="ev"), ("EVSE", "Electric_Vehicle")),
        (genset("a", 1, 2), ("Generation_Systems",)),
        (replace(genset("a", 1, 2), subtype="pv"), ("Smart_Inverter", "Generation_Systems")),
        (replace(line("a", 7.0), subtype="line"), ("Managed_Commercial_and_Industrial_Loads",)),
        (replace(line("a", 7.0), device_class="Water_Heater"), ("Water_Heater",)),
    ],
)
def test_a_device_has_the_classes_of_its_kind_or_the_one_it_says(
    descriptor: Descriptor, classes: tuple[str, ...]
) -> None:
    found = asset(replace(descriptor, metering_point="m1"))

    assert (found.classes, found.meter) == (classes, "m1")
    assert set(classes) <= set(DEVICE_CLASSES)
