"""Prices over time as VTNs told them: which of them counts when, of several that speak of the same time."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from openadr_ra.fleet.precedence import rank
from openadr_ra.protocol.model import EventId, ResourceId
from openadr_ra.protocol.schedule import Slot
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.step import Away, Instruct, Key


class Tariff(Value, frozen=True, kw_only=True, gc=False):
    """The prices of an event; `kw` of a slot is the price of a kWh in it. Empty `resources`: they are for all.

    `away` are the times in which members were declared not available: they are then left alone.
    """

    event_id: EventId
    modification: int
    reply_to: Key
    slots: tuple[Slot, ...]
    resources: tuple[ResourceId, ...] = ()
    priority: int = 0
    away: tuple[Away, ...] = ()

    @property
    def until(self) -> datetime:
        """When it has nothing more to say."""
        return self.slots[-1].end


class Priced(NamedTuple):
    """A time of one price; None where nobody told one."""

    start: datetime
    end: datetime
    price: float | None


def tariff(given: Instruct) -> Tariff:
    """What an instruction in prices says."""
    return Tariff(
        event_id=given.schedule.id,
        modification=given.modification,
        reply_to=given.reply_to,
        slots=given.schedule.slots,
        resources=given.schedule.resources,
        priority=given.priority,
        away=given.away,
    )


def ranked(tariffs: tuple[Tariff, ...]) -> tuple[Tariff, ...]:
    """Those with precedence first, as of any events (rule 18)."""
    return tuple(sorted(tariffs, key=lambda one: rank(one.priority, one.slots[0].start)))


def concerning(tariffs: tuple[Tariff, ...], resource: ResourceId) -> tuple[Tariff, ...]:
    """Those that mean the resource."""
    return tuple(one for one in tariffs if not one.resources or resource in one.resources)


def prices(tariffs: tuple[Tariff, ...], start: datetime, end: datetime, usual: float | None) -> tuple[Priced, ...]:
    """The prices from `start` to `end` without gaps: of the first of the tariffs that tells one, else the `usual` one."""
    edges = {edge for one in tariffs for slot in one.slots for edge in (slot.start, slot.end) if start < edge < end}
    bounds = [start, *sorted(edges), end]
    return tuple(
        Priced(since, until, price if (price := price_at(tariffs, since)) is not None else usual)
        for since, until in pairwise(bounds)
    )


def price_at(tariffs: tuple[Tariff, ...], when: datetime) -> float | None:
    """The price of that moment that was told first by rank."""
    return next((slot.kw for one in tariffs for slot in one.slots if slot.start <= when < slot.end), None)
