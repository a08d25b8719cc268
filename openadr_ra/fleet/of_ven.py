"""What a VEN below delivered in an interval: its own word, interval by interval of its event, and between them what it
measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from math import fsum
from typing import NamedTuple

from openadr_ra.fleet.below import names
from openadr_ra.fleet.promise import Account, Promise
from openadr_ra.fleet.terms import FleetTerms
from openadr_ra.protocol.model import ResourceId, VenId
from openadr_ra.protocol.parts import GOOD, NO_VALUE, UNCERTAIN, X_RESPONSE, Quality
from openadr_ra.protocol.report import TOTAL, Quantity, is_bad, live_series, rid, value
from openadr_ra.protocol.requester import series_prefix
from openadr_ra.protocol.schedule import Reading, mean

_SAID: tuple[Quantity, ...] = ("kw", "baseline", "coverage", "soc")

_WHOLE = timedelta(seconds=1)
"""Intervals of an event are cut to whole seconds."""


class SaidOfVen(NamedTuple):
    """As `Figures` has it, but for what was asked."""

    kw: float | None
    baseline_kw: float
    delta_kw: float | None
    coverage: float
    soc: float | None
    quality: Quality


class _Tile(NamedTuple):
    """A piece of the interval. `kw` None: nothing is known of it."""

    start: datetime
    end: datetime
    kw: float | None
    baseline_kw: float
    coverage: float
    quality: Quality
    soc: float | None = None

    @property
    def hours(self) -> float:
        return (self.end - self.start) / timedelta(hours=1)


def series(promise: Promise, id: ResourceId, ven: VenId) -> Iterator[str]:
    """Where what the VEN said of its events for the promise is kept."""
    for name in names(promise, id):
        prefix = series_prefix(ven, X_RESPONSE, name)
        yield from (prefix + rid(TOTAL, quantity) for quantity in _SAID)


def said(
    promise: Promise,
    account: Account,
    id: ResourceId,
    ven: VenId,
    found: dict[str, list[Reading]],
    terms: FleetTerms,
) -> SaidOfVen:
    """The VEN's value: good once it has answered for all of its part in the interval."""
    tiles = list(_tiles(promise, account, id, ven, found))
    covered = _is_answered(promise, account, id, tiles)
    rest = [_measured(promise, account, id, gap, found, terms, covered) for gap in _gaps(account, tiles)]
    known = [tile for tile in (*tiles, *rest) if tile.kw is not None]
    hours = fsum(tile.hours for tile in known)
    if not known or not hours:
        base_kw = mean(promise.baselines[id], account.start, account.end)
        return SaidOfVen(None, base_kw, None, 0.0, None, NO_VALUE)
    whole_h = (account.end - account.start) / timedelta(hours=1)
    kw = fsum(tile.kw * tile.hours for tile in known if tile.kw is not None) / hours
    baseline_kw = fsum(tile.baseline_kw * tile.hours for tile in known) / hours
    good = covered and all(tile.quality == GOOD for tile in tiles)
    return SaidOfVen(
        kw=kw,
        baseline_kw=baseline_kw,
        delta_kw=kw - baseline_kw,
        coverage=min(fsum(tile.coverage * tile.hours for tile in known) / whole_h, 100.0),
        soc=tiles[-1].soc if tiles else None,
        quality=GOOD if good else UNCERTAIN,
    )


def _tiles(
    promise: Promise, account: Account, id: ResourceId, ven: VenId, found: dict[str, list[Reading]]
) -> Iterator[_Tile]:
    """What the VEN answered for within the interval, in order."""
    tiles: list[_Tile] = []
    for name in names(promise, id):
        prefix = series_prefix(ven, X_RESPONSE, name)
        by = {
            quantity: {reading.start: reading for reading in found.get(prefix + rid(TOTAL, quantity), ())}
            for quantity in _SAID
        }
        for start, reading in by["kw"].items():
            begin, end = max(start, account.start), min(start + reading.span, account.end)
            base, share, soc = (by[quantity].get(start) for quantity in ("baseline", "coverage", "soc"))
            if end <= begin or is_bad(reading.quality):
                continue
            tiles.append(
                _Tile(
                    start=begin,
                    end=end,
                    kw=reading.value,
                    baseline_kw=base.value if base is not None else mean(promise.baselines[id], begin, end),
                    coverage=share.value if share is not None else 100.0,
                    quality=reading.quality,
                    soc=soc.value if soc is not None else None,
                )
            )
    at = account.start
    for tile in sorted(tiles):
        if tile.start >= at:
            yield tile
            at = tile.end


def _is_answered(promise: Promise, account: Account, id: ResourceId, tiles: Iterable[_Tile]) -> bool:
    """Is all of the VEN's part in the interval among the tiles?"""
    answered = [(tile.start, tile.end) for tile in tiles]
    version = promise.told.get(id)
    for slot in version.slots if version is not None else ():
        at, end = max(slot.start, account.start), min(slot.end, account.end)
        for start, until in answered:
            if start <= at + _WHOLE:
                at = max(at, until)
        if at + _WHOLE < end and not _was_cancelled(promise, id):
            return False
    return True


def _was_cancelled(promise: Promise, id: ResourceId) -> bool:
    return promise.told[id].cancelled or promise.told[id].withdrawn


def _gaps(account: Account, tiles: Iterable[_Tile]) -> Iterator[tuple[datetime, datetime]]:
    at = account.start
    for tile in tiles:
        if tile.start > at:
            yield at, tile.start
        at = tile.end
    if at < account.end:
        yield at, account.end


def _measured(
    promise: Promise,
    account: Account,
    id: ResourceId,
    gap: tuple[datetime, datetime],
    found: dict[str, list[Reading]],
    terms: FleetTerms,
    answered: bool,
) -> _Tile:
    """The time in which it had no part, or has not answered yet: what it measured, and else its plan. So a gateway that is
    lost counts no longer than its newest reading does."""
    start, end = gap
    base_kw = mean(promise.baselines[id], start, end)
    live = value(start, end, power=found.get(live_series(id, "kw"), ()), hold=timedelta(seconds=terms.below_sample_s))
    if live.kw is None:
        return (
            _Tile(start, end, base_kw, base_kw, 100.0, GOOD)
            if answered
            else _Tile(start, end, None, base_kw, 0.0, NO_VALUE)
        )
    kw = live.coverage * live.kw + (1 - live.coverage) * base_kw
    if answered:
        return _Tile(start, end, kw, base_kw, 100.0, GOOD)
    return _Tile(start, end, kw, base_kw, 100 * live.coverage, live.quality)
