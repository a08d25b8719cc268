"""The response to an event, gathered from what the VENs reported: their own x-RESPONSE, or a stranger's usage."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from openadr_ra.fleet.aggregate import ResponseRow, response_rows
from openadr_ra.fleet.known import Derived, Said
from openadr_ra.protocol.event import STEERING
from openadr_ra.protocol.instruction import Instruction, party
from openadr_ra.protocol.model import EnergyReal, OptType, PowerReal, ResourceId, VenId
from openadr_ra.protocol.parts import TELEMETRY_USAGE, X_RESPONSE
from openadr_ra.protocol.report import RESPONSE_QUANTITIES, value
from openadr_ra.protocol.requester import Requester, plain_name, series_prefix
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.times import shift
from openadr_ra.protocol.vtn import Party
from openadr_ra.seams import Store

__all__ = ["ResponseRow", "parsed", "rows"]

GRACE = timedelta(seconds=60)
"""How long after an interval's end a stranger's usage may still arrive before its value counts as final."""

MARGIN = timedelta(minutes=31)
"""How far around an interval readings are looked for: a half-hour report that holds its edge is found."""


async def rows(
    store: Store, order: Instruction, opts: dict[VenId, OptType | None], *, band: float, now: datetime
) -> tuple[ResponseRow, ...]:
    """All rows of an event that asks for power; none for a price. Other signals in the same event have none."""
    mode = STEERING.get((order.signal, order.kind))
    if mode is None or not isinstance(order.unit, PowerReal | None):
        return ()
    said: list[Said] = []
    derived: list[Derived] = []
    for ven in order.asks:
        own = await _said(store, order, ven)
        said += own
        if not own:
            derived += await _derived(store, order, ven, now)
    return response_rows(
        order.id,
        {ven: order.slots(ven) for ven in order.asks},
        mode=mode,
        opts={ven: opt for ven, opt in opts.items() if opt is not None},
        said=said,
        derived=derived,
        band=band,
    )


async def _said(store: Store, order: Instruction, ven: VenId) -> list[Said]:
    prefix = series_prefix(ven, X_RESPONSE, order.id)
    names = await store.series(prefix)
    found = await store.readings(names, order.start, order.end)
    return [one for reading in found if (one := parsed(reading, ven, prefix)) is not None]


def parsed(reading: Reading, ven: VenId, prefix: str) -> Said | None:
    """What the reading of a series that begins with `prefix` says of which resource; None where that is nothing known."""
    resource, _, named = reading.series.removeprefix(prefix).rpartition(".")
    quantity = next((one for one in RESPONSE_QUANTITIES if one == named), None)
    if quantity is None:
        return None
    return Said(ven=ven, resource=ResourceId(resource), quantity=quantity, reading=reading)


async def _derived(store: Store, order: Instruction, ven: VenId, now: datetime) -> list[Derived]:
    """The mean power of each resource of a stranger, from the points that its METADATA describes."""
    held = await store.load(party(ven), Party)
    if held is None:
        return []
    made: list[Derived] = []
    prefix = series_prefix(ven, TELEMETRY_USAGE)
    until = shift(order.end, MARGIN)
    for resource, (power, register) in _points(held.reports).items():
        kw = await store.readings([prefix + name for name in power[:1]], order.start - MARGIN, until)
        kwh = await store.readings([prefix + name for name in register[:1]], order.start - MARGIN, until)
        made += list(_means(order, ven, resource, kw, () if power else kwh, now))
    return made


def _means(
    order: Instruction,
    ven: VenId,
    resource: ResourceId,
    kw: tuple[Reading, ...],
    kwh: tuple[Reading, ...],
    now: datetime,
) -> Iterator[Derived]:
    for start, end in order.spans():
        mean = value(start, end, power=kw, register=kwh)
        if mean.kw is not None and now >= end:
            yield Derived(ven=ven, resource=resource, start=start, end=end, mean=mean, final=now >= shift(end, GRACE))


def _points(reports: Requester) -> dict[ResourceId, tuple[list[str], list[str]]]:
    """The rIDs of real power and of real energy, by the one resource each names, else by the rID itself.

    An energy is taken for a register and used only where there is no power: whether a stranger's energy is a register or
    an amount per interval, its METADATA does not say.
    """
    found: dict[ResourceId, tuple[list[str], list[str]]] = {}
    for report in reports.offered:
        if plain_name(report) != TELEMETRY_USAGE:
            continue
        for point in report.descriptions:
            named = point.source.resources if point.source is not None else ()
            power, register = found.setdefault(named[0] if len(named) == 1 else ResourceId(point.rid), ([], []))
            if isinstance(point.unit, PowerReal) or point.unit is None:
                power.append(point.rid)
            elif isinstance(point.unit, EnergyReal):
                register.append(point.rid)
    return {resource: both for resource, both in found.items() if both[0] or both[1]}
