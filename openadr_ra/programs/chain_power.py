"""The power in the chain while its event ran, as each node knew it: from what it left in its store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from math import fsum

import msgspec

from openadr_ra.programs.chain_plant import AC, Aggregator, Plant, Thing
from openadr_ra.programs.chain_story import Told
from openadr_ra.programs.demo_picture import Trace, instant
from openadr_ra.protocol.model import ResourceId, VenId
from openadr_ra.protocol.parts import TELEMETRY_USAGE
from openadr_ra.protocol.report import live_series, rid
from openadr_ra.protocol.requester import series_prefix
from openadr_ra.protocol.schedule import Reading
from openadr_ra.seams import Store

STALE = timedelta(seconds=12)
"""An older value no longer counts as the power of now."""

MARGIN = timedelta(seconds=4)
"""What is shown before the start and after the end."""

STEP = timedelta(seconds=1)


class Power(msgspec.Struct, frozen=True, kw_only=True):
    """Against the plan: of a node in all, and at an RA of each kind of device."""

    whole: Trace
    kinds: dict[str, Trace]


async def power(store: Store, name: str, plant: Plant, told: Told) -> Power:
    """What the node of that name left."""
    begin, end = told.order.start - MARGIN, told.order.end + MARGIN
    mine = [ra for ra in plant.ras if name in (AC, ra.name)]
    base_kw = fsum(thing.device.plan_kw for ra in mine for _, thing in _things(ra))
    whole = await store.readings((live_series(ResourceId(name), "kw"),), begin - STALE, end)
    if name == AC:
        return Power(whole=_trace([(whole, base_kw)], begin, end), kinds={})
    of: dict[str, list[tuple[tuple[Reading, ...], float]]] = {}
    for series, thing in _things(mine[0]):
        found = await store.readings((series,), begin - STALE, end)
        of.setdefault(thing.kind, []).append((found, thing.device.plan_kw))
    kinds = {kind: _trace(parts, begin, end) for kind, parts in of.items()}
    return Power(whole=_trace([(whole, base_kw)], begin, end), kinds=kinds)


def _things(ra: Aggregator) -> Iterator[tuple[str, Thing]]:
    """Each device, and the series in the RA's store that its power is in."""
    for thing in ra.things:
        yield live_series(ResourceId(thing.device.id), "kw"), thing
    for gateway in ra.gateways:
        prefix = series_prefix(VenId(gateway.name), TELEMETRY_USAGE)
        for thing in gateway.things:
            yield prefix + rid(ResourceId(thing.device.id), "kw"), thing


def _trace(parts: Iterable[tuple[tuple[Reading, ...], float]], begin: datetime, end: datetime) -> Trace:
    """The sum of all parts, less their plans; who is not known at an instant adds nothing to it."""
    count = int((end - begin) / STEP) + 1
    kw = [0.0] * count
    for readings, plan_kw in parts:
        for number, value in _held(readings, begin, count):
            kw[number] += value - plan_kw
    return Trace(at=tuple(instant(begin + number * STEP) for number in range(count)), kw=tuple(kw))


def _held(readings: tuple[Reading, ...], begin: datetime, count: int) -> Iterator[tuple[int, float]]:
    """The value at each step: the newest one, if it is not too old."""
    rest = iter(readings)
    ahead = next(rest, None)
    last: Reading | None = None
    for number in range(count):
        now = begin + number * STEP
        while ahead is not None and ahead.start <= now:
            last, ahead = ahead, next(rest, None)
        if last is not None and now <= last.start + last.span + STALE:
            yield number, last.value
