"""The response to an event at the fleet that gave it: from its own recorded series, a row for each member and for all."""

from __future__ import annotations

from datetime import UTC, datetime
from math import fsum

from openadr_ra.fleet.aggregate import ResponseRow, response_rows
from openadr_ra.fleet.known import Said
from openadr_ra.fleet.promise import Promise
from openadr_ra.protocol.instruction import Instruction
from openadr_ra.protocol.model import SETPOINT, EventId, OptType
from openadr_ra.protocol.report import TOTAL
from openadr_ra.protocol.schedule import Mode, Slot, mean
from openadr_ra.protocol.times import FOREVER
from openadr_ra.run.fleet_view import asked_kw, intervals
from openadr_ra.run.order import FLEET_VEN
from openadr_ra.run.responses import parsed
from openadr_ra.seams import Store

EVER = datetime(1970, 1, 1, tzinfo=UTC)

_Slots = dict[datetime, Slot]


async def known(store: Store, event_id: EventId) -> tuple[Said, ...]:
    """All that was recorded of the event's intervals."""
    prefix = f"response/{event_id}/"
    found = await store.readings(await store.series(prefix), EVER, FOREVER)
    return tuple(one for reading in found if (one := parsed(reading, FLEET_VEN, prefix)) is not None)


def response_of(
    event_id: EventId,
    held: Instruction | None,
    promise: Promise | None,
    said: tuple[Said, ...],
    *,
    opt: OptType | None,
    band: float,
    now: datetime,
) -> tuple[ResponseRow, ...]:
    """The rows of an event, those of its members under the name of the fleet.

    The intervals are those that were answered for, then those that the promise still has; where nothing was promised those
    of the order, so that what was asked is seen.
    """
    absolute = held.kind == SETPOINT if held is not None else promise is not None and promise.absolute
    slots = _promised(promise, absolute, now) | _recorded(said, absolute)
    if not slots and held is not None:
        slots = {slot.start: slot for slot in held.slots(FLEET_VEN)}
    mode: Mode = "setpoint" if absolute else "delta"
    return response_rows(
        event_id,
        {FLEET_VEN: tuple(slots[start] for start in sorted(slots))},
        mode=mode,
        opts={FLEET_VEN: opt} if opt is not None else {},
        said=said,
        band=band,
    )


def _promised(promise: Promise | None, absolute: bool, now: datetime) -> _Slots:
    """What is asked in the intervals that it answers for."""
    if promise is None:
        return {}
    found: _Slots = {}
    for start, end in intervals(promise):
        kw = asked_kw(promise, start, end, now)
        if absolute and end < FOREVER:
            kw += fsum(mean(plan, start, end) for plan in promise.baselines.values())
        found[start] = Slot(start=start, end=end, kw=kw)
    return found


def _recorded(said: tuple[Said, ...], absolute: bool) -> _Slots:
    """What was asked in the intervals that are closed; of several lengths the longest."""
    asked: _Slots = {}
    for one in said:
        reading = one.reading
        if one.resource != TOTAL or one.quantity != "asked":
            continue
        held = asked.get(reading.start)
        if held is None or held.end < reading.start + reading.span:
            asked[reading.start] = Slot(start=reading.start, end=reading.start + reading.span, kw=reading.value)
    if not absolute:
        return asked
    bases: dict[tuple[datetime, datetime], list[float]] = {}
    for one in said:
        reading = one.reading
        if one.resource != TOTAL and one.quantity == "baseline":
            bases.setdefault((reading.start, reading.start + reading.span), []).append(reading.value)
    return {
        start: Slot(start=start, end=slot.end, kw=slot.kw + fsum(bases.get((start, slot.end), ())))
        for start, slot in asked.items()
    }
