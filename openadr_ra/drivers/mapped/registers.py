"""Values in Modbus registers: 16 bits each, and two of them in either order for what needs more. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

from openadr_ra.drivers.mapped.mapping import Grid, Point

Type = Literal["int16", "uint16", "int32", "uint32", "float32"]
Table = Literal["holding", "input", "coil", "discrete"]

FORMATS: dict[Type, str] = {"int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "float32": ">f"}
RANGES: dict[Type, tuple[float, float]] = {
    "int16": (-(2**15), 2**15 - 1),
    "uint16": (0, 2**16 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "float32": (-3.4e38, 3.4e38),
}

MAX_REGISTERS = 120
"""In one request; the protocol allows 125, and some gateways a little less."""


class Register(Point, frozen=True, kw_only=True):
    """A point in the device's memory. `address` counts from 0, as it goes over the wire.

    `word_order`: which half of a value of 32 bits comes first, "big": the high one. `bit` takes one bit of a register as
    a flag, 0 being the lowest. Coils and discrete inputs are bits by themselves.
    """

    table: Table = "holding"
    address: Annotated[int, Meta(ge=0, le=65_535)]
    type: Type = "int16"
    word_order: Literal["big", "little"] = "big"
    bit: Annotated[int, Meta(ge=0, le=15)] | None = None

    def __post_init__(self) -> None:
        if self.bit is not None and (self.bits or self.size != 1):
            raise ValueError(f"bit {self.bit} of {self.table} {self.address}: only a register of 16 bits has bits")

    @property
    def bits(self) -> bool:
        """Is it a bit by itself?"""
        return self.table in ("coil", "discrete")

    @property
    def size(self) -> int:
        """Registers, or bits, that it takes."""
        return 1 if self.bits or self.type.endswith("16") else 2

    @property
    def writable(self) -> bool:
        return self.table in ("holding", "coil") and self.bit is None

    @property
    def grid(self) -> Grid:
        if self.bits:
            return Grid(1, 0, 1)
        low, high = RANGES[self.type]
        return Grid(self.step if self.type == "float32" else max(self.step, 1), low, high)


class Span(NamedTuple):
    """Neighbours that are read in one request, which makes them values of one instant."""

    table: Table
    address: int
    size: int
    names: tuple[str, ...]


def spans(points: Iterable[tuple[str, Register]]) -> tuple[Span, ...]:
    """The requests that it takes to read `points`: of those without a gap between them one.

    A gap is never read over: behind it there may be an address that the device does not have.
    """
    ordered = sorted(points, key=lambda one: (one[1].table, one[1].address, one[1].size))
    found: list[Span] = []
    for name, point in ordered:
        end = point.address + point.size
        last = found[-1] if found else None
        if last is not None and _joins(last, point):
            size = max(last.size, end - last.address)
            found[-1] = Span(last.table, last.address, size, (*last.names, name))
        else:
            found.append(Span(point.table, point.address, point.size, (name,)))
    return tuple(found)


def _joins(span: Span, point: Register) -> bool:
    near = span.table == point.table and point.address <= span.address + span.size
    return near and point.address + point.size - span.address <= MAX_REGISTERS


def decode(point: Register, words: Sequence[int]) -> float:
    """The raw value in the point's registers, or in its bit. Raises ValueError where there are too few."""
    if len(words) < point.size:
        raise ValueError(f"{point.table} {point.address}: {len(words)} registers of {point.size}")
    if point.bits:
        return float(bool(words[0]))
    if point.bit is not None:
        return float(words[0] >> point.bit & 1)
    ordered = words[: point.size] if point.word_order == "big" else words[point.size - 1 :: -1]
    (found,) = struct.unpack(FORMATS[point.type], b"".join(struct.pack(">H", word) for word in ordered))
    return float(found)


def encode(point: Register, raw: float) -> tuple[int, ...]:
    """`raw` as the point's registers. Raises ValueError for what they cannot hold."""
    grid = point.grid
    if not grid.low <= raw <= grid.high:
        raise ValueError(f"{point.table} {point.address} holds {grid.low:g} to {grid.high:g}, not {raw:g}")
    if point.bits:
        return (int(bool(raw)),)
    packed = struct.pack(FORMATS[point.type], raw if point.type == "float32" else round(raw))
    words = struct.unpack(f">{point.size}H", packed)
    return words if point.word_order == "big" else words[::-1]


def overlapping(points: Iterable[Register]) -> tuple[int, int] | None:
    """Two addresses of written points of which one lies in the other; None where all are apart."""
    ordered = sorted(points, key=lambda one: (one.table, one.address))
    for first, second in pairwise(ordered):
        if first.table == second.table and second.address < first.address + first.size:
            return first.address, second.address
    return None
