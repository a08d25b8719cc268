"""The fleet's row, what is given to it, and how its promises are found."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec.structs import replace

from openadr_ra.fleet.member import Member, Merit
from openadr_ra.fleet.promise import Placed, Promise
from openadr_ra.fleet.recover import Owed
from openadr_ra.fleet.tariff import Tariff
from openadr_ra.fleet.terms import FleetTerms
from openadr_ra.protocol.model import EventId, ResourceId, VenId
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.step import AnyLetter, Entry, Fetched, Key, Outcome, State
from openadr_ra.seams import Descriptor, Measurement

BY_FLEET = "fleet"
"""Who the journal says it was."""

OPERATOR = Key("operator")
"""Who asked for an event that comes from no VTN: nobody reads mail there, the answer is read in the row."""


class Fleet(State, frozen=True, kw_only=True, gc=False):
    """Who was promised what, for whom. `given` names the event each device holds a set-point for, `placed` has
    that.

    `sequence` is that of the last set-point to anyone; `steered` when set-points were last given; `stated` when it was
    last recorded what could be given. `total` names all members as one resource, where VTNs above are told of no other. Of
    those in `cut` nothing has been heard for so long that their events are not followed. `stores` are those that
    promises used and that are to be brought back.

    `tariffs` are the prices that were told. `anchors` is how much each store held when it began to follow them, in kWh above
    its reserve; `turn` when one of the members that do so changes its power next.
    """

    terms: FleetTerms = FleetTerms()
    members: dict[ResourceId, Member] = msgspec.field(default_factory=dict)
    promises: tuple[Promise, ...] = ()
    given: dict[ResourceId, EventId] = msgspec.field(default_factory=dict)
    placed: dict[ResourceId, Placed] = msgspec.field(default_factory=dict)
    sequence: int = 0
    steered: datetime | None = None
    report_to: tuple[Key, ...] = ()
    stated: datetime | None = None
    total: ResourceId | None = None
    cut: tuple[Key, ...] = ()
    stores: dict[ResourceId, Owed] = msgspec.field(default_factory=dict)
    tariffs: tuple[Tariff, ...] = ()
    anchors: dict[ResourceId, float] = msgspec.field(default_factory=dict)
    turn: datetime | None = None


class Enrolled(Value, frozen=True, kw_only=True, gc=False):
    """An input, at each start and when a VEN comes or goes: these are the members. What they offer is mailed to `report_to`;
    promises are kept. `vens` are those of them that are VENs of the VTN below. With a `total` VTNs above are told of
    that one resource alone."""

    terms: FleetTerms
    descriptors: tuple[Descriptor, ...]
    report_to: tuple[Key, ...]
    total: ResourceId | None = None
    vens: dict[ResourceId, VenId] = msgspec.field(default_factory=dict)
    merits: dict[ResourceId, Merit] = msgspec.field(default_factory=dict)


class Measured(Value, frozen=True, kw_only=True, gc=False):
    """An input: what members do now."""

    measurements: dict[ResourceId, Measurement]


class Ordered(Value, frozen=True, kw_only=True, gc=False):
    """An input: an operator's word on a resource, to be held at `kw` or (None) left alone until then. `until` None takes
    back what was said."""

    resource: ResourceId
    kw: float | None
    until: datetime | None
    by: str
    reason: str = ""


class Cut(Value, frozen=True, kw_only=True, gc=False):
    """An input: nothing was heard of that VTN for as long as its events are followed without it; or (`cut` False) it is
    heard of again."""

    upstream: Key
    cut: bool


Input = Enrolled | Measured | Fetched | Ordered | Cut | AnyLetter


def find(fleet: Fleet, event_id: EventId, reply_to: Key) -> Promise | None:
    """The promise that was given for the event."""
    return next((one for one in fleet.promises if one.event_id == event_id and one.reply_to == reply_to), None)


def put(fleet: Fleet, old: Promise | None, new: Promise) -> Fleet:
    """With the promise in the place of the one before."""
    if old is None:
        return replace(fleet, promises=(*fleet.promises, new))
    return replace(fleet, promises=tuple(new if one is old else one for one in fleet.promises))


def noted(promise: Promise, now: datetime, what: str, detail: str) -> Entry:
    """A line of the journal about the event."""
    return Entry(subject=f"event/{promise.event_id}", at=now, by=BY_FLEET, what=what, detail=detail)


def sent(outcome: Outcome[Fleet]) -> Outcome[Fleet]:
    """Without what is for nobody."""
    mail = tuple(item for item in outcome.mail if item.to != OPERATOR)
    return outcome if len(mail) == len(outcome.mail) else msgspec.structs.replace(outcome, mail=mail)
