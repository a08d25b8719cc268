"""What members lost of a promise, given to others: re-allocation comes first, the opt-out upward last."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import fsum
from typing import NamedTuple

from msgspec.structs import replace

from openadr_ra.fleet.allocate import EXACT_KW, allocate
from openadr_ra.fleet.fewest import fewest
from openadr_ra.fleet.hold import band
from openadr_ra.fleet.member import Member, Share, available, headroom
from openadr_ra.fleet.plan import Members, is_away, length_h, sites
from openadr_ra.fleet.promise import Promise, barred, before, ended, owed, withdrawn
from openadr_ra.fleet.switching import pinned
from openadr_ra.fleet.terms import FleetTerms
from openadr_ra.protocol.model import OPT_IN, ResourceId
from openadr_ra.protocol.schedule import Slot, mean
from openadr_ra.protocol.step import Away
from openadr_ra.protocol.times import FOREVER, shift

WORTH = 0.01
"""A change of less than this part of what is asked is not worth new set-points."""

SLACK = 0.02
"""A VEN may state so much less than its share before it counts: what it states is measured."""

SHORTFALLS = 3
"""So often in a slot VENs are asked to make up for what others state that they cannot; not in the slot's last part."""

CALM = 5
"""Periods of `below_every_s` that lie between two of those, and that are left alone at the slot's end."""


ASTRAY = 3
"""So many reports in a row that are out of its band show what a VEN gives that does not say what it can."""


class Shift(NamedTuple):
    """A promise shared out anew, and what changed, in words. `lost`: too little is left of it, and it is opted out."""

    promise: Promise
    detail: str
    lost: bool = False


class _Gap(NamedTuple):
    """A piece of time in which something is missing. `held` is what each member keeps in it, `lost` who gives nothing more,
    `weak` who gives less than it was asked for."""

    span: Slot
    bases: dict[ResourceId, float]
    held: dict[ResourceId, float]
    lost: tuple[ResourceId, ...]
    weak: tuple[ResourceId, ...]
    missing: float


def reallot(
    promise: Promise, members: Members, others: tuple[Promise, ...], terms: FleetTerms, now: datetime
) -> Shift | None:
    """What is missing from now on, given to members with headroom beside what they owe to the `others`, which have
    precedence; None where nothing can or need change.

    It is missing because members are away, because a VEN below says that it can give less, or because it was never covered.
    Shares that hold are not touched, so that few members change. A member that comes back takes part again. What devices
    alone can give is seen to in the running slot; VENs below must know ahead of time.
    """
    if promise.verdict.opt != OPT_IN or promise.released:
        return None
    away = promise.away + barred(promise.absolute, others) + withdrawn(promise, now)
    shifts: list[str] = []
    moved = promise
    for span in _spans(promise, members, away, now):
        gap = _gap(moved, members, away, span, terms, now)
        changed = _closed(moved, members, others, away, gap, terms, now) if gap is not None else None
        if changed is not None:
            moved = changed.promise
            shifts.append(changed.detail)
    if moved is promise:
        return None
    before_now = tuple(when for when in promise.moved if when >= _slot_start(promise, now))
    since = promise.short_since
    if cover_ahead(moved, now) < min(terms.min_cover, cover_ahead(promise, now)) - EXACT_KW:
        since = since or now
    moved = replace(moved, moved=(*before_now, now), short_since=since)
    return Shift(moved, "; ".join(dict.fromkeys(shifts)))


def judged(promise: Promise, terms: FleetTerms, now: datetime) -> Shift | None:
    """What is said upward when too little is left of a promise for as long as `patience_s`; what was short from the
    beginning was accepted so. None: nothing is to be said."""
    since = promise.short_since
    if since is None or promise.verdict.opt != OPT_IN or promise.released:
        return None
    cover = cover_ahead(promise, now)
    if cover >= terms.min_cover - EXACT_KW:
        return Shift(replace(promise, short_since=None), "")
    if now - since < timedelta(seconds=terms.patience_s):
        return None
    short = f"only {cover:.0%} of what is still asked can be covered; at least {terms.min_cover:.0%} must be"
    slot = promise.asks.at(now)
    short_kw = abs(slot.kw) * (1 - cover) if slot is not None else 0.0
    return Shift(replace(ended(promise, terms, now, short, short_kw), short_since=None), short, lost=True)


def _slot_start(promise: Promise, now: datetime) -> datetime:
    slot = promise.asks.at(now)
    return slot.start if slot is not None else now


def _spans(promise: Promise, members: Members, away: tuple[Away, ...], now: datetime) -> Iterator[Slot]:
    """The pieces of time in which the same members give the same, from now on."""
    ahead = any(member.ven is not None for member in members.values())
    edges = {edge for each in away for edge in (each.start, each.end)}
    if ahead:
        edges |= {edge for shares in promise.shares.values() for share in shares for edge in (share.start, share.end)}
    for slot in promise.asks.slots:
        if slot.end <= now or (slot.start > now and not ahead):
            continue
        start = max(slot.start, now)
        for edge in sorted(edge for edge in edges if start < edge < slot.end):
            yield replace(slot, start=start, end=edge)
            start = edge
        yield replace(slot, start=start)


def _gap(
    promise: Promise, members: Members, away: tuple[Away, ...], span: Slot, terms: FleetTerms, now: datetime
) -> _Gap | None:
    """What is missing in the span; None where that is nothing."""
    shares = {id: share for id, all in promise.shares.items() if (share := _at(all, span.start)) is not None}
    lost = tuple(
        id
        for id, share in shares.items()
        if share.delta_kw and (not available(members.get(id)) or is_away(id, span, away))
    )
    held = {id: share.delta_kw for id, share in shares.items() if id not in lost}
    weak: list[ResourceId] = []
    if span.start <= now:
        for id, kw in held.items():
            able = _able(members.get(id), shares[id], terms)
            if able is not None and abs(kw) - able > SLACK * abs(kw) + EXACT_KW:
                held[id] = able if kw > 0 else -able
                weak.append(id)
    missing = span.kw - fsum(held.values())
    worth = abs(span.kw) * WORTH
    if span.kw == 0 or abs(missing) < worth or missing * span.kw < 0:
        return None
    bases = {
        id: shares[id].base_kw if id in shares else mean(plan, span.start, span.end)
        for id, plan in promise.baselines.items()
    }
    return _Gap(span, bases, held, lost, tuple(weak), missing)


def _able(member: Member | None, share: Share, terms: FleetTerms) -> float | None:
    """How much of its share a VEN can give: as it says itself, or, where it says nothing, as it is seen to do; None for what
    is no VEN, and where nothing speaks against it."""
    if member is None or member.ven is None or member.last is None:
        return None
    sign = -1 if share.delta_kw < 0 else 1
    if member.last.agreed:
        from_when = shift(share.start, timedelta(seconds=terms.below_sample_s / 3))
        strayed = [one.kw - share.base_kw for one in member.recent if one.at > from_when]
        asked = band(share.delta_kw, terms.band)
        if len(strayed) < ASTRAY or any(asked.holds(kw) for kw in strayed):
            return None
        return max(sign * fsum(strayed) / len(strayed), 0.0)
    base_kw = member.descriptor.plan[0].kw if member.descriptor.plan else 0.0
    return max(member.last.max_kw - base_kw if sign > 0 else base_kw - member.last.min_kw, 0.0)


def _at(shares: tuple[Share, ...], when: datetime) -> Share | None:
    return next((share for share in shares if share.start <= when < share.end), None)


def _closed(
    promise: Promise,
    members: Members,
    others: tuple[Promise, ...],
    away: tuple[Away, ...],
    gap: _Gap,
    terms: FleetTerms,
    now: datetime,
) -> Shift | None:
    """The promise with the gap filled as far as it can be."""
    extra = _extra(promise, members, others, away, gap, terms, now, ask_vens=_may_ask(promise, gap, terms, now))
    placed = fsum(extra.values())
    worth = abs(gap.span.kw) * WORTH
    if not gap.lost and abs(placed) < worth:
        return None
    delta_kw = dict.fromkeys(gap.lost, 0.0)
    delta_kw |= {id: gap.held[id] for id in gap.weak if placed}
    delta_kw |= {id: kw + gap.held.get(id, 0.0) for id, kw in extra.items()}
    changed = {
        id: _spliced(
            promise.shares.get(id, ()),
            Share(start=gap.span.start, end=gap.span.end, base_kw=gap.bases.get(id, 0.0), delta_kw=kw),
        )
        for id, kw in delta_kw.items()
    }
    moved = replace(promise, shares=promise.shares | changed)
    return Shift(moved, _words(gap, extra, gap.missing - placed))


def _is_ven(members: Members, id: ResourceId) -> bool:
    member = members.get(id)
    return member is not None and member.ven is not None


def _may_ask(promise: Promise, gap: _Gap, terms: FleetTerms, now: datetime) -> bool:
    """May VENs below be asked to stand in now? For what others lost, once a period; for what others only say that they
    lack, seldom, so that the fleet does not chase what is measured."""
    period = timedelta(seconds=terms.below_every_s)
    last = promise.moved[-1] if promise.moved else None
    if gap.lost:
        return last is None or now - last >= period
    if gap.weak and gap.span.start <= now:
        calm = CALM * period
        late = gap.span.end < FOREVER and gap.span.end - now < min(calm, (gap.span.end - _slot_start(promise, now)) / 6)
        return not late and len(promise.moved) < SHORTFALLS and (last is None or now - last >= calm)
    return last is None or now - last >= period


def _extra(
    promise: Promise,
    members: Members,
    others: tuple[Promise, ...],
    away: tuple[Away, ...],
    gap: _Gap,
    terms: FleetTerms,
    now: datetime,
    *,
    ask_vens: bool,
) -> dict[ResourceId, float]:
    """What members that are there can add to what they already owe: devices first, which need no message, then the VENs
    with the largest headroom, so that few are asked."""
    span = gap.span
    out = {*gap.lost, *gap.weak}
    offers = [
        headroom(
            member,
            (replace(span, kw=base_kw),),
            owed((promise, *others), id),
            span,
            hours=length_h(span),
            now=now,
        )
        for id, base_kw in gap.bases.items()
        if id not in out and not is_away(id, span, away)
        if (member := members.get(id)) is not None and available(member)
        if pinned(member.descriptor, promise.baselines[id], owed((promise, *others), id), span.start) is None
    ]
    own = [offer for offer in offers if not _is_ven(members, offer.id)]
    taken = {id: owed((promise, *others), id) for id in members}
    first = allocate(gap.missing, own, terms.policy, sites(members, taken, span, terms))
    found = {id: kw for id, kw in first.shares.items() if abs(kw) > EXACT_KW}
    if abs(first.uncovered_kw) <= EXACT_KW or not ask_vens:
        return found
    vens = fewest(first.uncovered_kw, [offer for offer in offers if _is_ven(members, offer.id)], terms.policy)
    return found | vens.shares


def _spliced(shares: tuple[Share, ...], new: Share) -> tuple[Share, ...]:
    after = tuple(replace(share, start=max(share.start, new.end)) for share in shares if share.end > new.end)
    return (*before(shares, new.start), new, *after)


def cover_ahead(promise: Promise, now: datetime) -> float:
    """The part of the energy still asked for that shares cover."""
    asked = given = 0.0
    for slot in promise.asks.slots:
        if slot.end <= now or not slot.kw:
            continue
        rest = replace(slot, start=max(slot.start, now))
        asked += abs(slot.kw) * length_h(rest)
        for shares in promise.shares.values():
            for share in shares:
                start, end = max(share.start, rest.start), min(share.end, rest.end)
                if end > start and share.delta_kw * slot.kw > 0:
                    given += abs(share.delta_kw) * length_h(Slot(start=start, end=end, kw=0.0))
    return given / asked if asked else 1.0


def _words(gap: _Gap, extra: dict[ResourceId, float], uncovered_kw: float) -> str:
    away = f"{', '.join(gap.lost)} away; " if gap.lost else ""
    weak = f"{', '.join(gap.weak)} can give less; " if gap.weak else ""
    added = ", ".join(f"{id} {kw:+.3f} kW" for id, kw in extra.items()) or "nobody can stand in"
    return f"{away}{weak}{added}; {uncovered_kw:+.3f} kW uncovered"
