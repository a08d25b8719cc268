"""The bytes of ECHONET Lite, format 1: header, transaction, two objects, a service and its properties.

What is read comes from a network without authentication: any bytes are a `Frame` or a `FrameError`, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from openadr_ra.protocol.shape import Value

HEADER = b"\x10\x81"
HEAD_BYTES = 12
MAP_BYTES = 17
"""A property map with 16 codes or more: their number, then a bit for each that there may be."""
LONGEST_LIST = 15
"""A property map with no more codes than this is their number, then the codes."""

LARGEST_TID = 0xFFFF


class FrameError(ValueError):
    """Bytes that mean nothing in ECHONET Lite."""


class Service(IntEnum):
    """What a frame asks or answers (ESV); SetGet, of which nobody here has need, is left out."""

    SETI_SNA = 0x50
    SETC_SNA = 0x51
    GET_SNA = 0x52
    INF_SNA = 0x53
    SETI = 0x60
    SETC = 0x61
    GET = 0x62
    INF_REQ = 0x63
    SET_RES = 0x71
    GET_RES = 0x72
    INF = 0x73
    INFC = 0x74
    INFC_RES = 0x7A


class Eoj(Value, frozen=True, gc=False):
    """An object of a node: its class, like 0x027D for a storage battery, and its number among those of the class."""

    kind: int
    instance: int = 1


CONTROLLER = Eoj(kind=0x05FF)
NODE_PROFILE = Eoj(kind=0x0EF0)


class Property(Value, frozen=True, gc=False):
    """A property (EPC) with its value (EDT), which is empty in questions and where it was taken or refused."""

    epc: int
    edt: bytes = b""


class Frame(Value, frozen=True, gc=False):
    tid: int
    source: Eoj
    target: Eoj
    service: Service
    properties: tuple[Property, ...] = ()


def read(data: bytes) -> Frame:
    """The frame that `data` is. Raises FrameError for a cut one, one with bytes left over, another format or service."""
    if len(data) < HEAD_BYTES:
        raise FrameError(f"{len(data)} bytes are no frame")
    if data[:2] != HEADER:
        raise FrameError(f"a header {data[:2].hex()}, not {HEADER.hex()}")
    try:
        service = Service(data[10])
    except ValueError:
        raise FrameError(f"no service 0x{data[10]:02X}") from None
    return Frame(
        tid=int.from_bytes(data[2:4]),
        source=_object(data[4:7]),
        target=_object(data[7:10]),
        service=service,
        properties=_properties(data[HEAD_BYTES:], data[11]),
    )


def write(frame: Frame) -> bytes:
    """The bytes of `frame`; its properties are at most 255, and so are the bytes of each value."""
    head = HEADER + frame.tid.to_bytes(2) + spelt(frame.source) + spelt(frame.target)
    parts = (bytes((one.epc, len(one.edt))) + one.edt for one in frame.properties)
    return head + bytes((frame.service, len(frame.properties))) + b"".join(parts)


def spelt(one: Eoj) -> bytes:
    return one.kind.to_bytes(2) + bytes((one.instance,))


def read_map(edt: bytes) -> frozenset[int]:
    """The codes in a property map (0x9D, 0x9E, 0x9F), which is a list or, from 16 codes on, a field of bits.

    Raises FrameError where it is neither. The number of codes says which of the two it is and nothing more.
    """
    if edt and edt[0] <= LONGEST_LIST:
        if len(edt) != 1 + edt[0] or any(epc < 0x80 for epc in edt[1:]):
            raise FrameError(f"a property map {edt.hex()}")
        return frozenset(edt[1:])
    if len(edt) != MAP_BYTES:
        raise FrameError(f"a property map {edt.hex()}")
    # The byte is the code's low digit, the bit its high one less 8.
    return frozenset((bit + 8 << 4) + low for low, byte in enumerate(edt[1:]) for bit in range(8) if byte & 1 << bit)


def write_map(codes: Iterable[int]) -> bytes:
    """The property map of these codes, all of them from 0x80 to 0xFF."""
    known = sorted(set(codes))
    if len(known) <= LONGEST_LIST:
        return bytes((len(known), *known))
    rows = [0] * 16
    for epc in known:
        rows[epc & 0x0F] |= 1 << (epc >> 4) - 8
    return bytes((len(known), *rows))


def _object(three: bytes) -> Eoj:
    return Eoj(kind=int.from_bytes(three[:2]), instance=three[2])


def _properties(data: bytes, count: int) -> tuple[Property, ...]:
    found: list[Property] = []
    at = 0
    for _ in range(count):
        if len(data) < at + 2:
            raise FrameError(f"{count} properties in {len(data)} bytes")
        end = at + 2 + data[at + 1]
        if len(data) < end:
            raise FrameError(f"property 0x{data[at]:02X} is cut")
        found.append(Property(epc=data[at], edt=data[at + 2 : end]))
        at = end
    if at != len(data):
        raise FrameError(f"{len(data) - at} bytes left over")
    return tuple(found)
