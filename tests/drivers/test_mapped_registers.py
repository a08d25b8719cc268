"""Values in registers: types, word orders, bits, and which of them are read together."""

from __future__ import annotations

import struct
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openadr_ra.drivers.mapped.registers import (
    MAX_REGISTERS,
    RANGES,
    Register,
    Type,
    decode,
    encode,
    overlapping,
    spans,
)


@pytest.mark.parametrize(
    ("kind", "raw", "words"),
    [
        ("int16", -1, (0xFFFF,)),
        ("int16", -32768, (0x8000,)),
        ("uint16", 65535, (0xFFFF,)),
        ("int32", -2, (0xFFFF, 0xFFFE)),
        ("uint32", 0x12345678, (0x1234, 0x5678)),
        ("float32", 1.0, (0x3F80, 0x0000)),
        ("float32", -2.5, (0xC020, 0x0000)),
    ],
)
def test_a_value_is_written_high_word_first_and_read_again(kind: Type, raw: float, words: tuple[int, ...]) -> None:
    high_first = Register(address=0, type=kind)
    low_first = Register(address=0, type=kind, word_order="little")

    assert encode(high_first, raw) == words
    assert encode(low_first, raw) == words[::-1]
    assert decode(high_first, words) == raw
    assert decode(low_first, words[::-1]) == raw


@pytest.mark.parametrize("kind", get_args(Type))
def test_a_register_takes_its_whole_range_and_nothing_beyond(kind: Type) -> None:
    point = Register(address=7, type=kind)
    low, high = RANGES[kind]

    assert decode(point, encode(point, low)) == pytest.approx(low)
    assert decode(point, encode(point, high)) == pytest.approx(high)
    for beyond in (low - abs(low) * 0.01 - 1, high * 1.01 + 1):
        with pytest.raises(ValueError, match="holding 7 holds"):
            encode(point, beyond)


@given(
    kind=st.sampled_from(["int16", "uint16", "int32", "uint32"]),
    order=st.sampled_from(["big", "little"]),
    data=st.data(),
)
def test_what_is_encoded_is_decoded(kind: Type, order: str, data: st.DataObject) -> None:
    point = Register(address=0, type=kind, word_order="big" if order == "big" else "little")
    raw = data.draw(st.integers(*(int(one) for one in RANGES[kind])))

    assert decode(point, encode(point, raw)) == raw


@given(words=st.lists(st.integers(0, 65535), min_size=2, max_size=2), kind=st.sampled_from(get_args(Type)))
def test_any_words_decode_to_a_number_or_to_nan(words: list[int], kind: Type) -> None:
    assert isinstance(decode(Register(address=0, type=kind), words), float)


def test_too_few_words_are_no_value() -> None:
    with pytest.raises(ValueError, match="1 registers of 2"):
        decode(Register(address=0, type="int32"), [1])


def test_a_bit_of_a_register_is_a_flag() -> None:
    status = 0b1000_0000_0000_0010

    bits = {bit: decode(Register(address=0, type="uint16", bit=bit), [status]) for bit in (0, 1, 14, 15)}

    assert bits == {0: 0.0, 1: 1.0, 14: 0.0, 15: 1.0}


def test_only_a_register_of_16_bits_has_bits() -> None:
    with pytest.raises(ValueError, match="only a register of 16 bits has bits"):
        Register(address=0, type="int32", bit=1)
    with pytest.raises(ValueError, match="only a register of 16 bits has bits"):
        Register(address=0, table="coil", bit=1)


def test_neighbours_are_read_together_and_gaps_are_not_read_over() -> None:
    points = {
        "a": Register(address=10, type="int32"),
        "b": Register(address=12),
        "c": Register(address=14),
        "d": Register(address=12, table="input"),
        "e": Register(address=12),
    }

    found = spans(points.items())

    assert {(one.table, one.address, one.size, one.names) for one in found} == {
        ("holding", 10, 3, ("a", "b", "e")),
        ("holding", 14, 1, ("c",)),
        ("input", 12, 1, ("d",)),
    }


@pytest.mark.parametrize(("count", "requests"), [(MAX_REGISTERS, 1), (MAX_REGISTERS + 1, 2)])
def test_a_request_reads_no_more_than_gateways_allow(count: int, requests: int) -> None:
    assert len(spans((str(address), Register(address=address)) for address in range(count))) == requests


def test_two_values_that_are_written_into_one_another_are_found() -> None:
    assert overlapping([Register(address=0, type="int32"), Register(address=2)]) is None
    assert overlapping([Register(address=0, type="int32"), Register(address=1)]) == (0, 1)
    assert overlapping([Register(address=0, type="int32"), Register(address=1, table="coil")]) is None


def test_the_float_of_the_standard_is_the_float_here() -> None:
    point = Register(address=0, type="float32")

    assert decode(point, encode(point, 0.1)) == struct.unpack(">f", struct.pack(">f", 0.1))[0]
