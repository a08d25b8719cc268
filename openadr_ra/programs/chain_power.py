"""The power in the chain while its event ran, as gateways reported it: from what the RAs left in their stores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from openadr_ra.programs.chain_plant import Aggregator, Thing
from openadr_ra.programs.demo_picture import Trace, instant
from openadr_ra.protocol.instruction import Instruction
from openadr_ra.protocol.model import ResourceId, VenId
from openadr_ra.protocol.parts import TELEMETRY_USAGE
from openadr_ra.protocol.report import live_series, rid
from openadr_ra.protocol.requester import series_prefix
from openadr_ra.protocol.schedule import Reading
from openadr_ra.seams import Store

MARGIN = timedelta(seconds=4)
"""What is shown before the start and after the end."""

STEP = timedelta(seconds=1)

SAMPLE = timedelta(seconds=2)
"""So long a sample of a device of the RA's own stands for what follows; reports of gateways have their own spans."""

LOOK_BACK = timedelta(seconds=30)

Power = dict[str, Trace]
"""Of each kind of device, against its plan."""


async def power(store: Store, ra: Aggregator, order: Instruction) -> Power:
    """What the RA knows of its devices."""
    begin, end = order.start - MARGIN, order.end + MARGIN
    of: dict[str, list[tuple[tuple[Reading, ...], float]]] = {}
    for series, thing in _things(ra):
        found = await store.readings((series,), begin - LOOK_BACK, end)
        of.setdefault(thing.kind, []).append((found, thing.device.plan_kw))
    return {kind: _trace(parts, begin, end) for kind, parts in of.items()}


def together(traces: Iterable[Trace]) -> Trace:
    """The sum of traces over the same time."""
    each = list(traces)
    return Trace(at=each[0].at, kw=tuple(sum(values) for values in zip(*(one.kw for one in each), strict=True)))


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
    """The value at each step at which there is one."""
    rest = iter(readings)
    ahead = next(rest, None)
    last: Reading | None = None
    for number in range(count):
        now = begin + number * STEP
        while ahead is not None and ahead.start <= now:
            last, ahead = ahead, next(rest, None)
        if last is not None and now < last.start + max(last.span, SAMPLE):
            yield number, last.value
