"""What a fleet delivered in an interval of an event: of each member and of all together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from math import fsum
from typing import NamedTuple

from openadr_ra.fleet import of_ven
from openadr_ra.fleet.allocate import EXACT_KW
from openadr_ra.fleet.member import Share
from openadr_ra.fleet.plan import Members
from openadr_ra.fleet.promise import Account, Promise
from openadr_ra.fleet.state import Fleet
from openadr_ra.fleet.terms import FleetTerms
from openadr_ra.protocol.model import ResourceId, VenId
from openadr_ra.protocol.parts import GOOD, NO_VALUE, UNCERTAIN, Quality
from openadr_ra.protocol.report import TOTAL, Quantity, is_bad, live_series, response_series, value
from openadr_ra.protocol.schedule import Reading, mean
from openadr_ra.protocol.step import Read
from openadr_ra.protocol.times import FOREVER, shift

_READ: tuple[Quantity, ...] = ("kw", "kwh", "soc")

_COVERED = 1 - 1e-6
"""A coverage that leaves nothing out but rounding."""


class Figures(NamedTuple):
    """The response of one member, or of all. None: not known, which is not zero. Coverage and soc in percent."""

    asked_kw: float
    kw: float | None
    baseline_kw: float
    delta_kw: float | None
    coverage: float
    soc: float | None
    quality: Quality


def tag(promise: Promise, account: Account) -> str:
    """What a `Read` for this interval is known by."""
    start, end = account.start.isoformat(), account.end.isoformat()
    return f"close {promise.reply_to} {promise.event_id} {start} {end}"


def read(promise: Promise, account: Account, fleet: Fleet) -> Read:
    """The readings that the interval's response is made of: those within it and `hold_s` around it."""
    return Read(
        tag=tag(promise, account),
        series=tuple(series for id in concerned(promise, account) for series in _series(promise, id, fleet.members)),
        start=account.start - fleet.terms.hold,
        end=account.end + fleet.terms.hold,
    )


def _series(promise: Promise, id: ResourceId, members: Members) -> Iterator[str]:
    """What a device measured, or what a VEN below said of itself and of its event."""
    yield from (live_series(id, quantity) for quantity in _READ)
    member = members.get(id)
    if member is not None and member.ven is not None:
        yield from of_ven.series(promise, id, member.ven)


def needed_since(promises: Iterable[Promise], terms: FleetTerms) -> datetime | None:
    """From when on readings are still wanted for responses that are not final; None: for none.

    An open-ended interval is not counted: nobody knows when it will be answered for.
    """
    starts = (
        account.start
        for promise in promises
        for account in promise.accounts
        if account.read_at is not None and account.end < FOREVER
    )
    return min((shift(start, -terms.hold) for start in starts), default=None)


def concerned(promise: Promise, account: Account) -> tuple[ResourceId, ...]:
    """The members that the interval's response is made of: those addressed, and those with a share in it."""
    addressed = promise.asks.resources
    return tuple(
        id
        for id in promise.baselines
        if not addressed or id in addressed or _touches(promise.shares.get(id, ()), account)
    )


def _touches(shares: tuple[Share, ...], account: Account) -> bool:
    return any(share.start < account.end and share.end > account.start for share in shares)


def figures(promise: Promise, account: Account, readings: Iterable[Reading], fleet: Fleet) -> dict[ResourceId, Figures]:
    """The response of each member concerned: a device's from its live readings, of which each promise that moved it has its
    part; a VEN's from its own."""
    series: dict[str, list[Reading]] = {}
    for reading in readings:
        series.setdefault(reading.series, []).append(reading)
    others = tuple(one for one in fleet.promises if one is not promise)
    found: dict[ResourceId, Figures] = {}
    for id in concerned(promise, account):
        member = fleet.members.get(id)
        if member is not None and member.ven is not None:
            found[id] = _of_ven(promise, account, id, member.ven, series, fleet.terms)
        else:
            found[id] = _attributed(_of_member(promise, account, id, series, fleet.terms), id, account, others)
    return found


def _of_ven(
    promise: Promise, account: Account, id: ResourceId, ven: VenId, series: dict[str, list[Reading]], terms: FleetTerms
) -> Figures:
    said = of_ven.said(promise, account, id, ven, series, terms)
    return Figures(asked_kw=_asked(promise.shares.get(id, ()), account), **said._asdict())


def _attributed(one: Figures, id: ResourceId, account: Account, others: tuple[Promise, ...]) -> Figures:
    """Of a device that several promises moved each has what it asked, and of the rest a part as large as its own: so the
    parts add up to what was metered, and nobody is told of another's."""
    beside = [
        _asked(other.shares.get(id, ()), account) for other in others if _touches(other.shares.get(id, ()), account)
    ]
    if not beside or one.delta_kw is None:
        return one
    size = abs(one.asked_kw) + fsum(map(abs, beside))
    part = abs(one.asked_kw) / size if size > EXACT_KW else 1 / (len(beside) + 1)
    delta_kw = one.asked_kw + part * (one.delta_kw - one.asked_kw - fsum(beside))
    return one._replace(delta_kw=delta_kw, kw=one.baseline_kw + delta_kw)


def _of_member(
    promise: Promise,
    account: Account,
    id: ResourceId,
    series: dict[str, list[Reading]],
    terms: FleetTerms,
) -> Figures:
    power, register, soc = (series.get(live_series(id, quantity), []) for quantity in _READ)
    measured = value(
        account.start,
        account.end,
        power=power,
        register=register,
        hold=timedelta(seconds=terms.sample_s),
        register_hold=terms.hold,
    )
    baseline_kw = mean(promise.baselines[id], account.start, account.end)
    return Figures(
        asked_kw=_asked(promise.shares.get(id, ()), account),
        kw=measured.kw,
        baseline_kw=baseline_kw,
        delta_kw=measured.kw - baseline_kw if measured.kw is not None else None,
        coverage=min(measured.coverage * 100, 100.0),
        soc=_at_end(soc, account, terms),
        quality=measured.quality,
    )


def _asked(shares: tuple[Share, ...], account: Account) -> float:
    """Mean of the member's own share over the interval."""
    total = fsum(
        share.delta_kw * (overlap / timedelta(seconds=1))
        for share in shares
        if (overlap := min(share.end, account.end) - max(share.start, account.start)) > timedelta(0)
    )
    return total / ((account.end - account.start) / timedelta(seconds=1))


def _at_end(soc: list[Reading], account: Account, terms: FleetTerms) -> float | None:
    """The last state of charge known at the interval's end."""
    known = [
        reading.value
        for reading in soc
        if account.end - terms.hold <= reading.start <= account.end and not is_bad(reading.quality)
    ]
    return known[-1] if known else None


def total(promise: Promise, account: Account, of: dict[ResourceId, Figures], members: Members) -> Figures:
    """All members together: exact sums of those that have a value, so that delta = kw - baseline.

    A member without one is left out of the sums, the quality says so, and the coverage falls by its size.
    """
    known = [one for one in of.values() if one.kw is not None]
    whole = all(_is_good(one) for one in of.values())
    sizes = {id: _size(members, id) for id in of}
    return Figures(
        asked_kw=mean(promise.asks.slots, account.start, account.end),
        kw=fsum(one.kw for one in known if one.kw is not None) if known else None,
        baseline_kw=fsum(one.baseline_kw for one in known),
        delta_kw=fsum(one.delta_kw for one in known if one.delta_kw is not None) if known else None,
        coverage=_weighted({id: one.coverage for id, one in of.items()}, sizes) or 0.0,
        soc=_weighted(
            {id: one.soc for id, one in of.items() if one.soc is not None},
            {id: _capacity(members, id) for id in of},
        ),
        quality=(GOOD if whole else UNCERTAIN) if known else NO_VALUE,
    )


def _is_good(one: Figures) -> bool:
    return one.kw is not None and one.coverage >= _COVERED * 100 and one.quality == GOOD


def lacking(of: dict[ResourceId, Figures]) -> tuple[ResourceId, ...]:
    """Members whose value is missing, incomplete or doubtful: more samples may mend it."""
    return tuple(id for id, one in of.items() if not _is_good(one))


def _weighted(values: dict[ResourceId, float], weights: dict[ResourceId, float]) -> float | None:
    weight = fsum(weights[id] for id in values)
    if weight <= EXACT_KW:
        return fsum(values.values()) / len(values) if values else None
    return fsum(values[id] * weights[id] for id in values) / weight


def _size(members: Members, id: ResourceId) -> float:
    """The range of power of a member, kW."""
    member = members.get(id)
    return member.descriptor.max_kw - member.descriptor.min_kw if member is not None else 0.0


def _capacity(members: Members, id: ResourceId) -> float:
    """What a member can store, kWh."""
    member = members.get(id)
    energy = member.descriptor.energy if member is not None else None
    return energy.capacity_kwh if energy is not None else 0.0


def said(all_together: Figures, final: bool) -> tuple[float | None, ...]:
    """What tells one revision of a response from the next."""
    return (*all_together[:6], float(final))


def readings(
    promise: Promise,
    account: Account,
    of: dict[ResourceId, Figures],
    all_together: Figures,
    revision: int,
    final: bool,
) -> Iterator[Reading]:
    """The response as it is stored: a reading per quantity with the interval's span; what is not known has none."""
    span = account.end - account.start
    ahead_s = (account.start - promise.frozen_at) / timedelta(seconds=1)

    def reading(id: ResourceId, quantity: Quantity, number: float, quality: Quality = GOOD) -> Reading:
        return Reading(
            series=response_series(promise.event_id, id, quantity),
            start=account.start,
            span=span,
            value=number,
            quality=quality,
            revision=revision,
        )

    for id, one in (*of.items(), (TOTAL, all_together)):
        yield reading(id, "asked", one.asked_kw)
        yield reading(id, "baseline", one.baseline_kw)
        yield reading(id, "coverage", one.coverage, one.quality)
        yield reading(id, "frozen", ahead_s)
        if one.kw is not None and one.delta_kw is not None:
            yield reading(id, "kw", one.kw, one.quality)
            yield reading(id, "delta", one.delta_kw, one.quality)
        if one.soc is not None:
            yield reading(id, "soc", one.soc)
    yield reading(TOTAL, "revision", float(revision))
    yield reading(TOTAL, "final", float(final))


def is_late(account: Account, resource: ResourceId, at: datetime, terms: FleetTerms) -> bool:
    """Whether a measurement taken at `at` can change the response already said of the interval."""
    if account.revision < 0:
        return False
    if resource in account.lacking:
        return account.start - terms.hold <= at <= account.end + terms.hold
    return account.start <= at < account.end
