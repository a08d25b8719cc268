"""What a node of the chain left in its store: slot by slot what it promised, was answered, and said upward."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from math import fsum

import msgspec

from openadr_ra.fleet import below
from openadr_ra.fleet.member import Share
from openadr_ra.fleet.promise import Promise
from openadr_ra.fleet.state import Fleet
from openadr_ra.protocol.agenda import FLEET
from openadr_ra.protocol.model import OPT_IN, EventId, ResourceId
from openadr_ra.protocol.parts import X_RESPONSE
from openadr_ra.protocol.report import TOTAL, Quantity, response_series
from openadr_ra.protocol.requester import series_prefix
from openadr_ra.protocol.schedule import Reading, Slot
from openadr_ra.seams import Store

WHOLE = 1 - 1e-6
"""The part of a slot that has to be answered for; what is missing below that is rounding."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A member in a slot, kW against its baseline: what was asked of it, and what is recorded that it did (None: nothing).

    `reported_kw` is what it said itself, as a VEN, of the whole slot; `of_its_own_kw` what its resources, by its own report,
    add up to. None where it did not answer for all of the slot, or is no VEN.
    """

    asked_kw: float
    recorded_kw: float | None
    reported_kw: float | None
    of_its_own_kw: float | None


class TierSlot(msgspec.Struct, frozen=True, kw_only=True):
    """A node in a slot, kW against the baseline: what it was asked, said that it did, promised, and was promised."""

    asked_kw: float | None
    reported_kw: float | None
    promised_kw: float
    accepted_below_kw: float
    parts: dict[str, Part]

    @property
    def recorded_kw(self) -> float | None:
        """What is recorded of all members together."""
        return _sum(part.recorded_kw for part in self.parts.values())

    @property
    def said_kw(self) -> float | None:
        """The same, of VENs that answered for the whole slot as they said it."""
        return _sum(part.recorded_kw if part.reported_kw is None else part.reported_kw for part in self.parts.values())


def _sum(values: Iterable[float | None]) -> float | None:
    """Of those that are known; None where none is."""
    known = [value for value in values if value is not None]
    return fsum(known) if known else None


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """A node with VENs below, over all slots."""

    name: str
    slots: tuple[TierSlot, ...]


async def tier(store: Store, name: str, event_id: EventId, slots: tuple[Slot, ...]) -> Tier:
    """What the node of that name has of the event that it knows as `event_id`."""
    fleet = await store.load(FLEET, Fleet) or Fleet()
    promise = next((one for one in fleet.promises if one.event_id == event_id), None)
    if promise is None:
        return Tier(name=name, slots=tuple(_nothing() for _ in slots))
    own = _by_series(await _all(store, (f"response/{event_id}/",), slots))
    said: dict[ResourceId, dict[str, list[Reading]]] = {}
    for id, member in fleet.members.items():
        if member.ven is not None:
            prefixes = tuple(series_prefix(member.ven, X_RESPONSE, one) for one in below.names(promise, id))
            said[id] = _merged(await _all(store, prefixes, slots), prefixes)
    return Tier(name=name, slots=tuple(_slot(promise, event_id, own, said, slot) for slot in slots))


async def _all(store: Store, prefixes: Iterable[str], slots: tuple[Slot, ...]) -> tuple[Reading, ...]:
    names = [name for prefix in prefixes for name in await store.series(prefix) if name.endswith((".delta", ".asked"))]
    return await store.readings(names, slots[0].start, slots[-1].end)


def _by_series(readings: Iterable[Reading]) -> dict[str, list[Reading]]:
    found: dict[str, list[Reading]] = {}
    for reading in readings:
        found.setdefault(reading.series, []).append(reading)
    return found


def _merged(readings: Iterable[Reading], prefixes: tuple[str, ...]) -> dict[str, list[Reading]]:
    """By `<resource>.<quantity>`, whatever the VEN's events for the promise were called."""
    found: dict[str, list[Reading]] = {}
    for reading in readings:
        prefix = next(one for one in prefixes if reading.series.startswith(one))
        found.setdefault(reading.series.removeprefix(prefix), []).append(reading)
    return found


def _nothing() -> TierSlot:
    return TierSlot(asked_kw=None, reported_kw=None, promised_kw=0.0, accepted_below_kw=0.0, parts={})


def _slot(
    promise: Promise,
    event_id: EventId,
    own: Mapping[str, list[Reading]],
    said: Mapping[ResourceId, Mapping[str, list[Reading]]],
    slot: Slot,
) -> TierSlot:
    def recorded(id: ResourceId, quantity: Quantity) -> float | None:
        return mean_kw(own.get(response_series(event_id, id, quantity), ()), slot)

    parts = {
        id: Part(
            asked_kw=recorded(id, "asked") or 0.0,
            recorded_kw=recorded(id, "delta"),
            reported_kw=_whole_kw(said.get(id, {}).get(f"{TOTAL}.delta", ()), slot),
            of_its_own_kw=_parts_kw(said.get(id, {}), slot),
        )
        for id in promise.baselines
    }
    promised = {id: shared_kw(shares, slot) for id, shares in promise.shares.items()}
    return TierSlot(
        asked_kw=recorded(TOTAL, "asked"),
        reported_kw=recorded(TOTAL, "delta"),
        promised_kw=fsum(promised.values()) if promise.verdict.opt == OPT_IN else 0.0,
        accepted_below_kw=fsum(kw for id, kw in promised.items() if _has_accepted(promise, id)),
        parts={str(id): part for id, part in parts.items()},
    )


def _has_accepted(promise: Promise, id: ResourceId) -> bool:
    """Devices do what they are told. A VEN answered; what it opted out of later is no share of its any more."""
    told = promise.told.get(id)
    return told is None or told.opt is not None or told.modification > 0


def mean_kw(readings: Iterable[Reading], slot: Slot) -> float | None:
    """Mean over what is answered of the slot; None where nothing is."""
    pieces = list(_pieces(readings, slot))
    seconds = fsum(length for _, length in pieces)
    return fsum(kw * length for kw, length in pieces) / seconds if seconds else None


def _whole_kw(readings: Iterable[Reading], slot: Slot) -> float | None:
    """The same where all of the slot is answered for."""
    found = list(readings)
    seconds = fsum(length for _, length in _pieces(found, slot))
    whole_s = (slot.end - slot.start) / timedelta(seconds=1)
    return mean_kw(found, slot) if seconds >= WHOLE * whole_s else None


def _parts_kw(said: Mapping[str, list[Reading]], slot: Slot) -> float | None:
    each = [
        _whole_kw(readings, slot)
        for name, readings in said.items()
        if name.endswith(".delta") and name != f"{TOTAL}.delta"
    ]
    known = [kw for kw in each if kw is not None]
    return fsum(known) if known and len(known) == len(each) else None


def _pieces(readings: Iterable[Reading], slot: Slot) -> Iterator[tuple[float, float]]:
    """kW and seconds of each reading within the slot, the first of those that overlap."""
    at = slot.start
    for reading in sorted(readings, key=lambda one: one.start):
        start, end = max(reading.start, at), min(reading.start + reading.span, slot.end)
        if end > start:
            yield reading.value, (end - start) / timedelta(seconds=1)
            at = end


def shared_kw(shares: Iterable[Share], slot: Slot) -> float:
    """What a member promised, as a mean over the slot."""
    overlaps = ((one.delta_kw, min(one.end, slot.end) - max(one.start, slot.start)) for one in shares)
    return fsum(kw * (length / (slot.end - slot.start)) for kw, length in overlaps if length > timedelta(0))
