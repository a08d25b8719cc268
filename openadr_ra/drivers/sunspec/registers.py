"""Registers and what they mean: SunSpec's types, scale factors, and the values that stand for "not implemented"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from openadr_ra.drivers.sunspec.models import Point, points

WORD_BITS = 16

LARGEST_SCALE = 10
"""SunSpec: a scale factor is a power of ten from -10 to 10; anything else is none."""

LARGEST_READ = 125
"""Registers that one Modbus request can ask for."""


class Placed(NamedTuple):
    """Where a model begins, header included, and how many registers follow its header."""

    address: int
    length: int


class Write(NamedTuple):
    """A point and what it is to be, its scale factor still to be taken out."""

    model: int
    name: str
    value: float


class Span(NamedTuple):
    """Registers side by side."""

    address: int
    words: tuple[int, ...]


def decode(kind: str, words: Sequence[int]) -> int | None:
    """The number in `words`; None where the device does not implement the point."""
    bits = WORD_BITS * len(words)
    raw = 0
    for word in words:
        raw = raw << WORD_BITS | word
    if raw == _absent(kind, bits):
        return None
    return raw - (1 << bits) if _signed(kind) and raw >> (bits - 1) else raw


def encode(kind: str, size: int, value: int) -> tuple[int, ...]:
    """`value` in `size` registers; one that is out of range is held at its end, for beyond lies "not implemented"."""
    bits = WORD_BITS * size
    low, high = (1 - (1 << (bits - 1)), (1 << (bits - 1)) - 1) if _signed(kind) else (0, (1 << bits) - 2)
    raw = min(max(value, low), high) % (1 << bits)
    return tuple(raw >> shift & 0xFFFF for shift in range(bits - WORD_BITS, -1, -WORD_BITS))


def scaled(raw: int, power: int) -> float:
    """Divided where the power is negative: 123 at -1 is 12.3 and not 12.3000001."""
    return raw * float(10**power) if power >= 0 else raw / 10**-power


class Image:
    """What the registers of a device said at one time."""

    def __init__(self, placed: Mapping[int, Placed], spans: Iterable[Span]) -> None:
        self._placed = placed
        self._words = {span.address + number: word for span in spans for number, word in enumerate(span.words)}

    def has(self, model: int) -> bool:
        """Whether the device has that model."""
        return model in self._placed

    def raw(self, model: int, name: str) -> int | None:
        """The point without its scale; None for a model, a point or a value that is not there."""
        point = self._point(model, name)
        if point is None:
            return None
        address = self._placed[model].address + point.offset
        try:
            words = [self._words[address + number] for number in range(point.size)]
        except KeyError:
            return None
        return decode(point.kind, words)

    def number(self, model: int, name: str) -> float | None:
        """The point in its unit. None also where its scale factor is none."""
        raw, power = self.raw(model, name), self._power(model, name)
        return None if raw is None or power is None else scaled(raw, power)

    def first(self, *places: tuple[int, str]) -> float | None:
        """The first of these points that is there."""
        return next((value for place in places if (value := self.number(*place)) is not None), None)

    def step(self, model: int, name: str) -> float:
        """What 1 in the register stands for; 0 where the scale factor is none."""
        power = self._power(model, name)
        return 0.0 if power is None else scaled(1, power)

    def rounded(self, write: Write) -> int:
        """What the register will hold."""
        point, power = self._point(write.model, write.name), self._power(write.model, write.name)
        if point is None or power is None:
            return 0
        value = write.value / 10**power if power >= 0 else write.value * 10**-power
        held = decode(point.kind, encode(point.kind, point.size, round(value)))
        return 0 if held is None else held

    def spans(self, writes: Iterable[Write]) -> tuple[Span, ...]:
        """`writes` as requests, in their order; neighbours go together, points that are not implemented are left out."""
        found: list[Span] = []
        for write in writes:
            point = self._point(write.model, write.name)
            if point is None or self.raw(write.model, write.name) is None:
                continue
            address = self._placed[write.model].address + point.offset
            words = encode(point.kind, point.size, self.rounded(write))
            if found and found[-1].address + len(found[-1].words) == address:
                found[-1] = Span(found[-1].address, found[-1].words + words)
            else:
                found.append(Span(address, words))
        return tuple(found)

    def _power(self, model: int, name: str) -> int | None:
        """The power of ten of a point; None for a scale factor that is not there or none."""
        point = self._point(model, name)
        match point.scale if point is not None else None:
            case None:
                return 0
            case int(power):
                return power
            case str(scale):
                found = self.raw(model, scale)
                return found if found is not None and abs(found) <= LARGEST_SCALE else None

    def _point(self, model: int, name: str) -> Point | None:
        """None for what the model, as the device has it, is too short for."""
        placed = self._placed.get(model)
        if placed is None:
            return None
        point = points(model).get(name)
        fits = point is not None and point.offset + point.size <= 2 + placed.length
        return point if fits else None


def blocks(placed: Mapping[int, Placed], wanted: Mapping[int, Sequence[str]]) -> tuple[tuple[int, int], ...]:
    """The few reads, (address, count), that fetch these points of these models with their scale factors.

    What lies between two of them is read too where that saves a request.
    """
    found: list[tuple[int, int]] = []
    for address, size in sorted(_places(placed, wanted)):
        if found and address + size - found[-1][0] <= LARGEST_READ:
            first, count = found[-1]
            found[-1] = (first, max(count, address + size - first))
        else:
            found.append((address, size))
    return tuple(found)


def _places(placed: Mapping[int, Placed], wanted: Mapping[int, Sequence[str]]) -> Iterable[tuple[int, int]]:
    for model, names in wanted.items():
        if model not in placed:
            continue
        known = points(model)
        scales = [known[name].scale for name in names]
        for name in {*names, *(scale for scale in scales if isinstance(scale, str))}:
            point = known[name]
            if point.offset + point.size <= 2 + placed[model].length:
                yield placed[model].address + point.offset, point.size


def _signed(kind: str) -> bool:
    return kind.startswith("int") or kind == "sunssf"


def _absent(kind: str, bits: int) -> int:
    """The bits that stand for "not implemented"."""
    if kind.startswith("acc"):
        return 0
    return 1 << (bits - 1) if _signed(kind) else (1 << bits) - 1
