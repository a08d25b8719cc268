"""What registers mean to the driver `sunspec`, and how many of them it asks for."""

from __future__ import annotations

import pytest

from tests.drivers.counterparts import need_package

need_package("sunspec2", "sunspec")
need_package("pymodbus", "sunspec")

# Only here they can be had.
from openadr_ra.drivers.sunspec.models import points  # noqa: E402
from openadr_ra.drivers.sunspec.registers import Placed, blocks, decode, encode, scaled  # noqa: E402


@pytest.mark.parametrize(
    ("kind", "words", "value"),
    [
        ("int16", (0xFFFE,), -2),
        ("int16", (0x7FFF,), 32767),
        ("int16", (0x8000,), None),
        ("uint16", (0xFFFE,), 65534),
        ("uint16", (0xFFFF,), None),
        ("enum16", (0xFFFF,), None),
        ("bitfield16", (0xFFFF,), None),
        ("sunssf", (0xFFFD,), -3),
        ("sunssf", (0x8000,), None),
        ("int32", (0xFFFF, 0xF448), -3000),
        ("int32", (0x8000, 0x0000), None),
        ("uint32", (0x0001, 0x0000), 65536),
        ("uint32", (0xFFFF, 0xFFFF), None),
        ("acc32", (0x0000, 0x0000), None),
        ("acc32", (0x0000, 0x0001), 1),
        ("uint64", (0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF), None),
        ("uint64", (0x0000, 0x0000, 0x0001, 0x0000), 65536),
    ],
)
def test_registers_are_what_sunspec_says_they_are(kind: str, words: tuple[int, ...], value: int | None) -> None:
    """None: not implemented."""
    assert decode(kind, words) == value
    if value is not None:
        assert encode(kind, len(words), value) == words


@pytest.mark.parametrize(
    ("kind", "size", "asked", "held"),
    [
        ("uint16", 1, 65534, 65534),
        ("uint16", 1, 65535, 65534),
        ("uint16", 1, -1, 0),
        ("int16", 1, -32768, -32767),
        ("int16", 1, 32768, 32767),
        ("uint32", 2, 2**32 - 1, 2**32 - 2),
    ],
)
def test_no_number_is_written_as_not_implemented(kind: str, size: int, asked: int, held: int) -> None:
    assert decode(kind, encode(kind, size, asked)) == held


def test_a_scale_factor_is_a_power_of_ten() -> None:
    assert [scaled(123, power) for power in (-1, 0, 2)] == [12.3, 123.0, 12300.0]


def test_a_read_never_asks_for_more_than_modbus_allows() -> None:
    """125 registers; model 701 has 155."""
    found = blocks({701: Placed(40070, 153)}, {701: tuple(points(701))})

    assert [count for _, count in found] == [123, 32]


def test_points_beyond_the_length_that_the_device_states_are_not_read() -> None:
    """An older revision of a model is shorter."""
    assert blocks({713: Placed(40070, 5)}, {713: ("SoC", "Sta")}) == ((40074, 3),)
    assert blocks({713: Placed(40070, 4)}, {713: ("SoC", "Sta")}) == ((40074, 1),)
