"""A promise: what was asked, what of it each member gives, against which baseline, and which intervals it answers for."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec.structs import replace

from openadr_ra.errors import OK
from openadr_ra.fleet.allocate import EXACT_KW
from openadr_ra.fleet.member import Share
from openadr_ra.fleet.metered import Delivered
from openadr_ra.fleet.plan import Lot
from openadr_ra.fleet.terms import FleetTerms
from openadr_ra.protocol.model import OPT_OUT, EventId, OptType, ResourceId
from openadr_ra.protocol.schedule import Schedule, Slot
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.step import Away, Key, Verdict
from openadr_ra.protocol.times import FOREVER, joined, shift


class Account(Value, frozen=True, kw_only=True, gc=False):
    """An interval that is answered for. `read_at` is when its readings are wanted next; None: the response is final.

    `revision` is the last one said, -1 before the first; `said` its figures of all members together, in the order
    asked, kw, baseline, delta, coverage, soc, final; `lacking` the members whose own value was not good. `awaited` are the
    VENs below whose responses are still to come; `overtaken`: one came while the readings were fetched.
    """

    start: datetime
    end: datetime
    read_at: datetime | None
    revision: int = -1
    said: tuple[float | None, ...] = ()
    lacking: tuple[ResourceId, ...] = ()
    awaited: tuple[ResourceId, ...] = ()
    overtaken: bool = False


class Told(Value, frozen=True, kw_only=True, gc=False):
    """What a VEN below was told for a promise: its changes of power, the number of that version, and what it said to it.

    A cancelled event stays so: what is asked after it is another one, of the next `generation`.
    """

    modification: int
    slots: tuple[Slot, ...]
    generation: int = 0
    cancelled: bool = False
    opt: OptType | None = None

    @property
    def withdrawn(self) -> bool:
        """Has it opted out? That is of the event, whatever its version."""
        return self.opt == OPT_OUT


class Placed(Value, frozen=True, kw_only=True, gc=False):
    """The set-point that a device has, and since when. `astray_kw` is how far its newest reading was from what it had been
    told long enough before, `seen_at` when that was."""

    kw: float
    at: datetime
    astray_kw: float = 0.0
    seen_at: datetime | None = None


class Promise(Value, frozen=True, kw_only=True, gc=False):
    """What became of an instruction. A refused one is kept too, so that it gets the same answer again.

    `asks` is what was asked over time, as kW against the baseline; `shares` what each member gives, both with the past
    as it was. `baselines` are the declared plans of the members addressed, frozen at `frozen_at`. It is over at `until`,
    and `released` once its end node let go of it. `priority` is the event's, 0 for none; `away` are the times in which
    members were declared not available; `absolute`: it is a set-point that is held. `told` is what VENs below were told
    of it; `moved` has when shares were moved to cover what others lost, and `short_since` from when on too little was left.
    `pace` is what came of the running interval so far, `corrected` by how much own devices are moved for its mean.
    """

    event_id: EventId
    modification: int
    reply_to: Key
    verdict: Verdict
    until: datetime
    frozen_at: datetime
    asks: Schedule
    baselines: dict[ResourceId, tuple[Slot, ...]]
    shares: dict[ResourceId, tuple[Share, ...]]
    accounts: tuple[Account, ...] = ()
    released: bool = False
    priority: int = 0
    away: tuple[Away, ...] = ()
    absolute: bool = False
    told: dict[ResourceId, Told] = msgspec.field(default_factory=dict)
    moved: tuple[datetime, ...] = ()
    short_since: datetime | None = None
    pace: Delivered | None = None
    corrected: dict[ResourceId, float] = msgspec.field(default_factory=dict)

    @property
    def addressed(self) -> tuple[ResourceId, ...]:
        """The members that the newest version of the event means."""
        return self.asks.resources or tuple(self.baselines)


def withdrawn(promise: Promise, now: datetime) -> tuple[Away, ...]:
    """The VENs below that opted out of it: they have no part in it any more."""
    return tuple(Away(resource=id, start=now, end=FOREVER) for id, version in promise.told.items() if version.withdrawn)


def barred(absolute: bool, first: tuple[Promise, ...]) -> tuple[Away, ...]:
    """The members that those with precedence leave to nobody else, and when.

    Changes of power add up; an absolute power cannot be held by members that something else moves. So of two events of
    which one or both are `absolute`, only the first has the members that it means.
    """
    return tuple(
        Away(resource=id, start=start, end=end)
        for promise in first
        if absolute or promise.absolute
        for start, end in joined((slot.start, slot.end) for slot in promise.asks.slots if promise.absolute or slot.kw)
        for id in promise.addressed
    )


def owed(promises: tuple[Promise, ...], resource: ResourceId) -> tuple[Share, ...]:
    """The shares that a member owes to these promises."""
    return tuple(share for promise in promises for share in promise.shares.get(resource, ()))


def covered(lot: Lot, terms: FleetTerms) -> bool:
    """Is enough of it covered for a promise?"""
    return lot.cover >= terms.min_cover - EXACT_KW


def cut(promise: Promise, at: datetime, terms: FleetTerms) -> Promise:
    """The promise ended at `at`: the running interval closes as [start, at), later ones are not answered for."""
    slots = tuple(replace(slot, end=min(slot.end, at)) for slot in promise.asks.slots if slot.start < at)
    return replace(
        promise,
        until=min(promise.until, at),
        asks=replace(promise.asks, slots=slots),
        shares={resource: before(shares, at) for resource, shares in promise.shares.items()},
        accounts=tuple(
            account if account.end <= at or account.revision >= 0 else fresh_account(account.start, at, terms)
            for account in promise.accounts
            if account.start < at or account.revision >= 0
        ),
    )


def ended(promise: Promise, terms: FleetTerms, now: datetime, reason: str, short_kw: float) -> Promise:
    """The promise taken back as of `now`, for others have precedence."""
    verdict = replace(promise.verdict, opt=OPT_OUT, short_kw=short_kw, reason=reason, code=OK)
    return replace(cut(promise, now, terms), verdict=verdict, until=promise.until)


def before(shares: tuple[Share, ...], at: datetime) -> tuple[Share, ...]:
    """What of the shares lies before `at`."""
    return tuple(replace(share, end=min(share.end, at)) for share in shares if share.start < at)


def fresh_account(start: datetime, end: datetime, terms: FleetTerms) -> Account:
    return Account(start=start, end=end, read_at=shift(end, terms.settle))
