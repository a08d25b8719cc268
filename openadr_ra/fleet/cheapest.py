"""The cheapest way to charge a store over time: what it must hold at the end, and what it may earn on the way.

It is a flow of least cost along time: energy comes in where it is charged, goes out where it is discharged or wanted, and
is carried from each piece of time to the next in the store. The most profitable path is taken first, until none pays.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from openadr_ra.protocol.schedule import Slot
from openadr_ra.protocol.shape import Value

LEAST_KWH = 1e-9
"""Less energy than that is rounding."""

LEAST_GAIN = 1e-9
"""A trade that earns no more for a kWh is none."""

ROUNDING = timedelta(milliseconds=1)
"""Nothing is switched for a time so short."""

HOUR = timedelta(hours=1)


class Piece(Value, frozen=True, kw_only=True, gc=False):
    """A time of one price per kWh, in which power may go from `base_kw` up by `up_kw` and down by `down_kw`.

    Where it is `bound_kw`, it is moved by that for others, and by nothing else.
    """

    start: datetime
    end: datetime
    price: float
    base_kw: float = 0.0
    up_kw: float = 0.0
    down_kw: float = 0.0
    bound_kw: float | None = None

    @property
    def hours(self) -> float:
        return (self.end - self.start) / HOUR


class Store(Value, frozen=True, kw_only=True, gc=False):
    """What is held now, beyond what has to stay in it; what fits in; and what must be held when time is over."""

    held_kwh: float = 0.0
    capacity_kwh: float
    target_kwh: float
    charge_efficiency: float = 1.0
    discharge_efficiency: float = 1.0


def cheapest(pieces: tuple[Piece, ...], store: Store) -> tuple[Slot, ...]:
    """The power over time that costs least, in absolute kW: pieces in order, without gaps.

    The target comes first: where it cannot be reached, all is charged that can be. Beyond it is charged what pays for its
    losses when it is discharged later, never in a piece whose price is not above 0. Of equal prices the earliest is taken,
    with full power first. What is bound goes before everything, as far as the store has it.
    """
    flow = _Flow(pieces, store)
    # Each path uses up a source, a sink, or the room between them; the limit is a safeguard against rounding alone.
    for _ in range(64 * (len(pieces) + 4)):
        path = flow.best()
        if path is None:
            break
        flow.take(path)
    return tuple(
        slot for piece, moved in zip(pieces, flow.moved(), strict=True) for slot in _slots(piece, moved, store)
    )


Worth = tuple[int, float]
"""What a stored kWh costs or earns: first by what has to be, then in money."""


_STOCK: Worth = (-2, 0.0)
"""What is held already has to go somewhere before anything else."""


class _End(NamedTuple):
    """Where energy comes in or goes out: the piece, what a kWh of it is worth, and in which list how much is left."""

    node: int
    worth: Worth
    number: int


class _Path(NamedTuple):
    source: _End
    sink: _End


class _Flow:
    """The store over time. Node n is piece n, the last node is the end; between nodes lies what is held meanwhile."""

    def __init__(self, pieces: tuple[Piece, ...], store: Store) -> None:
        self._count = len(pieces)
        self._capacity = store.capacity_kwh
        self._held = [0.0] * self._count
        self._sources: list[_End] = []
        self._sinks: list[_End] = []
        self._left_in: list[float] = []
        self._left_out: list[float] = []
        target = min(store.target_kwh, store.capacity_kwh)
        self._source(0, _STOCK, min(max(store.held_kwh, 0.0), store.capacity_kwh))
        for node, piece in enumerate(pieces):
            bound_kwh = (piece.bound_kw or 0.0) * piece.hours
            if bound_kwh:
                self._source(node, (-1, 0.0), bound_kwh * store.charge_efficiency)
                self._sink(node, (1, 0.0), -bound_kwh / store.discharge_efficiency)
            elif piece.bound_kw is None:
                cost = (0, piece.price / store.charge_efficiency)
                self._source(node, cost, piece.up_kw * piece.hours * store.charge_efficiency)
                if piece.price > 0:
                    gain = (0, piece.price * store.discharge_efficiency)
                    self._sink(node, gain, piece.down_kw * piece.hours / store.discharge_efficiency)
        self._sink(self._count, (1, 0.0), target)
        self._sink(self._count, (0, 0.0), store.capacity_kwh - target)
        self._full_in, self._full_out = tuple(self._left_in), tuple(self._left_out)

    def _source(self, node: int, worth: Worth, kwh: float) -> None:
        self._sources.append(_End(node, worth, len(self._left_in)))
        self._left_in.append(max(kwh, 0.0))

    def _sink(self, node: int, worth: Worth, kwh: float) -> None:
        self._sinks.append(_End(node, worth, len(self._left_out)))
        self._left_out.append(max(kwh, 0.0))

    def best(self) -> _Path | None:
        """The path that earns most, of equal ones the earliest; None where none earns anything."""
        cheap, dear = self._ends()
        found: tuple[Worth, int, int] | None = None
        best: _Path | None = None
        for source, sink in (*self._forward(cheap, dear), *self._backward(cheap, dear)):
            gain = (sink.worth[0] - source.worth[0], sink.worth[1] - source.worth[1])
            ranked = (gain, -source.node, -sink.node)
            if gain > (0, LEAST_GAIN) and (found is None or ranked > found):
                found, best = ranked, _Path(source, sink)
        return best

    def _ends(self) -> tuple[dict[int, _End], dict[int, _End]]:
        """The cheapest source and the dearest sink of each node that have something left."""
        cheap: dict[int, _End] = {}
        for end in self._sources:
            if self._left_in[end.number] > LEAST_KWH and (end.node not in cheap or end.worth < cheap[end.node].worth):
                cheap[end.node] = end
        dear: dict[int, _End] = {}
        for end in self._sinks:
            if self._left_out[end.number] > LEAST_KWH and (end.node not in dear or end.worth > dear[end.node].worth):
                dear[end.node] = end
        return cheap, dear

    def _forward(self, cheap: dict[int, _End], dear: dict[int, _End]) -> list[_Path]:
        """To each sink from the cheapest source before it, as far as there is room in the store between them."""
        paths: list[_Path] = []
        source: _End | None = None
        for node in range(self._count + 1):
            if node and self._held[node - 1] >= self._capacity - LEAST_KWH:
                source = None
            here = cheap.get(node)
            if here is not None and (source is None or here.worth < source.worth):
                source = here
            if source is not None and node in dear:
                paths.append(_Path(source, dear[node]))
        return paths

    def _backward(self, cheap: dict[int, _End], dear: dict[int, _End]) -> list[_Path]:
        """To each sink from a source after it: what is held between them is taken earlier, and made good later."""
        paths: list[_Path] = []
        source: _End | None = None
        for node in range(self._count, -1, -1):
            if node < self._count and self._held[node] <= LEAST_KWH:
                source = None
            if source is not None and node in dear:
                paths.append(_Path(source, dear[node]))
            here = cheap.get(node)
            if here is not None and (source is None or here.worth <= source.worth):
                source = here
        return paths

    def take(self, path: _Path) -> None:
        """As much as goes that way."""
        source, sink = path
        kwh = min(self._left_in[source.number], self._left_out[sink.number])
        if source.node <= sink.node:
            between = range(source.node, sink.node)
            kwh = min([kwh, *(self._capacity - self._held[node] for node in between)])
        else:
            between = range(sink.node, source.node)
            kwh = min([kwh, *(self._held[node] for node in between)])
        self._left_in[source.number] -= kwh
        self._left_out[sink.number] -= kwh
        sign = 1.0 if source.node <= sink.node else -1.0
        for node in between:
            self._held[node] += sign * kwh

    def moved(self) -> list[float]:
        """By how much each piece changes what is held, in stored kWh."""
        moved = [0.0] * (self._count + 1)
        for end in self._sources:
            if end.worth != _STOCK:
                moved[end.node] += self._full_in[end.number] - self._left_in[end.number]
        for end in self._sinks:
            moved[end.node] -= self._full_out[end.number] - self._left_out[end.number]
        return moved[: self._count]


def _slots(piece: Piece, moved_kwh: float, store: Store) -> tuple[Slot, ...]:
    """The piece at full power for as long as it takes, then at its base."""
    if piece.bound_kw is not None:
        return (_at(piece, piece.start, piece.end, piece.bound_kw),)
    way_kw = piece.up_kw if moved_kwh > 0 else -piece.down_kw
    grid_kwh = moved_kwh / store.charge_efficiency if moved_kwh > 0 else moved_kwh * store.discharge_efficiency
    if abs(grid_kwh) <= LEAST_KWH or not way_kw:
        return (_at(piece, piece.start, piece.end, 0.0),)
    until = piece.start + HOUR * min(grid_kwh / way_kw, piece.hours)
    if piece.end - until < ROUNDING:
        return (_at(piece, piece.start, piece.end, way_kw),)
    if until - piece.start < ROUNDING:
        return (_at(piece, piece.start, piece.end, 0.0),)
    return _at(piece, piece.start, until, way_kw), _at(piece, until, piece.end, 0.0)


def _at(piece: Piece, start: datetime, end: datetime, way_kw: float) -> Slot:
    return Slot(start=start, end=end, kw=piece.base_kw + way_kw)
