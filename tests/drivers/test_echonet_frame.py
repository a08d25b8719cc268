"""The bytes of ECHONET Lite: whatever is written is read again, and no bytes do harm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openadr_ra.drivers.echonet import codes
from openadr_ra.drivers.echonet.frame import (
    CONTROLLER,
    HEAD_BYTES,
    Eoj,
    Frame,
    FrameError,
    Property,
    Service,
    read,
    read_map,
    write,
    write_map,
)

BATTERY = Eoj(kind=0x027D)

OBJECTS = st.builds(Eoj, kind=st.integers(0, 0xFFFF), instance=st.integers(0, 0xFF))
PROPERTIES = st.builds(Property, epc=st.integers(0, 0xFF), edt=st.binary(max_size=255))
FRAMES = st.builds(
    Frame,
    tid=st.integers(0, 0xFFFF),
    source=OBJECTS,
    target=OBJECTS,
    service=st.sampled_from(Service),
    properties=st.lists(PROPERTIES, max_size=5).map(tuple),
)
CODES = st.frozensets(st.integers(0x80, 0xFF))


def question(*properties: Property) -> Frame:
    return Frame(tid=0x0102, source=CONTROLLER, target=BATTERY, service=Service.GET, properties=properties)


def test_a_question_has_the_bytes_that_the_specification_shows() -> None:
    """Header, number, from the controller, to the battery, Get, two properties without a value."""
    asked = question(Property(epc=0xCF), Property(epc=0xD3))

    assert write(asked).hex() == "10810102" + "05ff01" + "027d01" + "62" + "02" + "cf00" + "d300"


@given(FRAMES)
def test_a_frame_that_is_written_is_read_again(frame: Frame) -> None:
    assert read(write(frame)) == frame


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=60).map(lambda tail: b"\x10\x81" + tail)))
def test_any_bytes_are_a_frame_or_a_frame_error(data: bytes) -> None:
    try:
        frame = read(data)
    except FrameError:
        return
    assert write(frame) == data


@given(FRAMES, st.data())
def test_a_frame_that_is_cut_anywhere_or_has_a_byte_more_is_none(frame: Frame, data: st.DataObject) -> None:
    whole = write(frame)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]

    for wrong in (cut, whole + b"\0"):
        with pytest.raises(FrameError):
            read(wrong)


def test_the_shortest_frame_has_twelve_bytes() -> None:
    whole = write(question())

    assert len(whole) == HEAD_BYTES
    assert read(whole).properties == ()
    with pytest.raises(FrameError, match="11 bytes are no frame"):
        read(whole[:-1])


@pytest.mark.parametrize(
    ("at", "byte", "wrong"),
    [(0, 0x00, "a header 0081"), (1, 0x82, "a header 1082"), (10, 0x6E, "no service 0x6E"), (11, 3, "3 properties")],
)
def test_a_frame_of_another_format_or_service_is_none(at: int, byte: int, wrong: str) -> None:
    """0x82 is the format that says nothing of what is in it."""
    data = bytearray(write(question(Property(epc=0xCF), Property(epc=0xD3))))
    data[at] = byte

    with pytest.raises(FrameError, match=wrong):
        read(bytes(data))


@given(CODES)
def test_a_property_map_that_is_written_is_read_again(known: frozenset[int]) -> None:
    assert read_map(write_map(known)) == known


def test_a_property_map_is_a_list_up_to_fifteen_codes_and_bits_from_sixteen_on() -> None:
    """The second as the specification draws it: the byte is the low digit of the code, the bit the high one."""
    fifteen = frozenset(range(0x80, 0x8F))

    assert write_map(fifteen) == bytes((15, *range(0x80, 0x8F)))
    assert write_map({*fifteen, 0xF0}) == bytes((16, 0b10000001, *(1,) * 14, 0))
    assert read_map(write_map({*fifteen, 0xF0})) == {*fifteen, 0xF0}


@given(st.binary(max_size=20))
def test_any_bytes_are_a_property_map_or_a_frame_error(edt: bytes) -> None:
    try:
        known = read_map(edt)
    except FrameError:
        return
    assert all(0x80 <= epc <= 0xFF for epc in known)


@pytest.mark.parametrize("edt", ["", "02cf", "01cfd3", "0110", "10" + "00" * 15, "10" + "00" * 17])
def test_a_property_map_of_the_wrong_length_or_with_codes_that_there_are_not_is_none(edt: str) -> None:
    with pytest.raises(FrameError):
        read_map(bytes.fromhex(edt))


@pytest.mark.parametrize(
    ("edt", "number"),
    [("fffd", 65533), ("fffe", None), ("ffff", None), ("0000", 0), ("00", None), ("000000", None)],
)
def test_a_number_without_sign_ends_below_overflow_and_underflow(edt: str, number: int | None) -> None:
    assert codes.unsigned({0xE0: bytes.fromhex(edt)}, 0xE0, 2) == number
    assert codes.unsigned({}, 0xE0, 2) is None


@pytest.mark.parametrize(
    ("edt", "number"),
    [("7ffffffe", 2**31 - 2), ("7fffffff", None), ("80000000", None), ("80000002", 2 - 2**31), ("ffffffff", -1)],
)
def test_a_number_with_a_sign_ends_inside_overflow_and_underflow(edt: str, number: int | None) -> None:
    assert codes.signed({0xD3: bytes.fromhex(edt)}, 0xD3, 4) == number


@pytest.mark.parametrize(("edt", "percent"), [("00", 0), ("64", 100), ("65", None), ("ff", None), ("0064", None)])
def test_percents_go_from_0_to_100(edt: str, percent: float | None) -> None:
    assert codes.percent({0xE4: bytes.fromhex(edt)}, 0xE4) == percent


@pytest.mark.parametrize(
    ("edt", "kw"),
    [
        ("00000064" + "00001388", (0.1, 5.0)),
        ("00001388" + "00000064", None),
        ("00000064" + "ffffffff", None),
        ("00000064", None),
        ("00000064" + "00001388" + "00", None),
    ],
)
def test_a_range_of_powers_has_its_least_first(edt: str, kw: tuple[float, float] | None) -> None:
    assert codes.span({0xC8: bytes.fromhex(edt)}, 0xC8) == kw


def test_a_power_larger_than_its_bytes_can_say_is_the_largest_that_they_can() -> None:
    assert codes.watts(65.533, 2) == b"\xff\xfd"
    assert codes.watts(65.534, 2) == b"\xff\xfd"
    assert codes.watts(-2.0, 4) == b"\x00\x00\x07\xd0"
