"""Members follow prices by themselves: whoever needs energy takes it in the cheapest hours, whoever stores it may trade.

Events that ask for power go first: what a member owes to them is part of its plan and is not touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from math import fsum
from typing import NamedTuple

from msgspec.structs import replace

from openadr_ra.fleet.cheapest import HOUR, Piece, Store, cheapest
from openadr_ra.fleet.member import Member, Share, available, snapped, standing
from openadr_ra.fleet.plan import Members, is_away
from openadr_ra.fleet.promise import Promise, owed
from openadr_ra.fleet.tariff import Priced, Tariff, concerning, prices
from openadr_ra.fleet.terms import FleetTerms
from openadr_ra.protocol.model import EventId, ResourceId
from openadr_ra.protocol.schedule import Slot, mean
from openadr_ra.protocol.step import Away
from openadr_ra.protocol.times import FOREVER, shift
from openadr_ra.seams import Descriptor, Need

HORIZON = timedelta(hours=48)
"""So far ahead is planned at most; nobody tells prices for longer."""

WORTH_KWH = 1e-6
"""Who needs less than that needs nothing."""


NEAR = 0.01
"""A store that holds what it had to this part of its size holds it: for less nothing is switched."""


class Course(NamedTuple):
    """What a member does by the prices: power over time, in absolute kW, with gaps where it is left alone."""

    event_id: EventId
    slots: tuple[Slot, ...]

    def at(self, when: datetime) -> Slot | None:
        return next((slot for slot in self.slots if slot.start <= when < slot.end), None)


class Prices(NamedTuple):
    """What is followed, and what goes before it. `anchors` is how much each store held when it began to follow."""

    tariffs: tuple[Tariff, ...]
    promises: tuple[Promise, ...]
    anchors: dict[ResourceId, float]
    terms: FleetTerms


def follows(member: Member, terms: FleetTerms) -> bool:
    """Whether it may be led by prices: who states a need, unless nobody shall; who only stores energy, if that is wanted."""
    if member.ven is not None or terms.follow_prices is False or not available(member):
        return False
    need, trades = _need(member), terms.follow_prices is True
    if need is None:
        return trades and held_kwh(member) is not None
    return need.kwh > WORTH_KWH or (trades and member.descriptor.min_kw < 0)


def held_kwh(member: Member) -> float | None:
    """What a store without a need holds beyond its reserve; None of what is no such store."""
    return _above_reserve_kwh(member) if member.last is not None and member.last.need is None else None


def courses(given: Prices, members: Members, now: datetime) -> dict[ResourceId, Course]:
    """The cheapest course of each member that follows prices, within what the site leaves it.

    Whoever has the least time to spare chooses first, stores last; the site's limits hold for all of them together.
    """
    members = {id: _projected(member, given.terms, now) for id, member in members.items()}
    following = [id for id, member in members.items() if follows(member, given.terms)]
    found: dict[ResourceId, Course] = {}
    for id in sorted(following, key=lambda id: (*_urgency(members[id], now), id)):
        mine = concerning(given.tariffs, id)
        told = _told(members[id], mine, given.terms, now)
        if not any(span.price is not None for span in told):
            continue
        pending = set(following) - found.keys() - {id}
        spans = _cut(told, id, members, found, given, mine)
        room = _Room(members, found, pending, given)
        away = tuple(each for one in mine for each in one.away)
        alone = tuple(span for span in spans if _is_alone(id, span, members[id], away))
        pieces = tuple(_pieces(id, spans, alone, room))
        slots = cheapest(pieces, _store(members[id], pieces, given.anchors.get(id)))
        led = tuple(slot for slot in slots if not any(span.start <= slot.start < span.end for span in alone))
        found[id] = Course(mine[0].event_id, led)
    return found


def point_kw(descriptor: Descriptor, course: Course, now: datetime) -> float | None:
    """The set-point of now; None where the course leaves the member alone."""
    slot = course.at(now)
    return snapped(descriptor, slot.kw) if slot is not None else None


def _projected(member: Member, terms: FleetTerms, now: datetime) -> Member:
    """The member as it should be now, if it went on as it was last seen."""
    last, energy = member.last, member.descriptor.energy
    if last is None or not timedelta(0) < now - last.at <= timedelta(seconds=terms.sample_s):
        return member
    kwh = last.kw * ((now - last.at) / HOUR)
    need, soc_percent = last.need, last.soc_percent
    if need is not None:
        missing_kwh = need.kwh - need.spare_kwh - kwh
        spare_kwh = max(-missing_kwh, 0.0) if member.descriptor.min_kw < 0 else 0.0
        need = replace(need, kwh=max(missing_kwh, 0.0), spare_kwh=spare_kwh)
    if energy is not None and soc_percent is not None:
        stored_kwh = kwh * energy.charge_efficiency if kwh > 0 else kwh / energy.discharge_efficiency
        soc_percent = min(max(soc_percent + 100 * stored_kwh / energy.capacity_kwh, 0.0), 100.0)
    return replace(member, last=replace(last, need=need, soc_percent=soc_percent))


def _need(member: Member) -> Need | None:
    """What it states that it still needs."""
    return member.last.need if member.last is not None else None


def _urgency(member: Member, now: datetime) -> tuple[bool, float]:
    """Hours that it could wait; stores have no need."""
    need = _need(member)
    if need is None:
        return (True, 0.0)
    return (False, (need.by - now) / HOUR - need.kwh / max(_most_kw(member), WORTH_KWH))


def _told(member: Member, tariffs: tuple[Tariff, ...], terms: FleetTerms, now: datetime) -> tuple[Priced, ...]:
    """The prices of the time that its course is about: to its deadline, else to the end of what is known."""
    if not tariffs:
        return ()
    last = min(max(one.until for one in tariffs), shift(now, HORIZON))
    need = _need(member)
    end = need.by if need is not None and need.by < FOREVER else last
    if end <= now or not any(slot.start < end and slot.end > now for one in tariffs for slot in one.slots):
        return ()
    return prices(tariffs, now, end, terms.usual_price)


def _is_alone(id: ResourceId, span: Priced, member: Member, away: tuple[Away, ...]) -> bool:
    """Is the member left alone then: not available, as declared, or storing only and told no price?"""
    return is_away(id, Slot(start=span.start, end=span.end, kw=0.0), away) or (
        span.price is None and _need(member) is None
    )


def _cut(
    told: tuple[Priced, ...],
    id: ResourceId,
    members: Members,
    found: dict[ResourceId, Course],
    given: Prices,
    mine: tuple[Tariff, ...],
) -> tuple[Priced, ...]:
    """The same, cut wherever what the member owes, what it does by itself, or the room on the site changes."""
    limited = given.terms.import_max_kw is not None or given.terms.export_max_kw is not None
    seen = [one for one, member in members.items() if one == id or (limited and member.ven is None)]
    edges = {edge for one in mine for each in one.away if each.resource == id for edge in (each.start, each.end)}
    for one in seen:
        edges |= {edge for share in owed(given.promises, one) for edge in (share.start, share.end)}
        edges |= {edge for slot in members[one].descriptor.plan for edge in (slot.start, slot.end)}
        edges |= {edge for slot in (found[one].slots if one in found else ()) for edge in (slot.start, slot.end)}
    cut: list[Priced] = []
    for span in told:
        inside = sorted(edge for edge in edges if span.start < edge < span.end)
        bounds = [span.start, *inside, span.end]
        cut.extend(Priced(start, end, span.price) for start, end in pairwise(bounds))
    return tuple(cut)


class _Room(NamedTuple):
    """How far a member may be moved in a span beside all others; those in `pending` choose after it."""

    members: Members
    found: dict[ResourceId, Course]
    pending: set[ResourceId]
    given: Prices

    def limits(self, id: ResourceId, span: Slot) -> tuple[float | None, float | None]:
        """The lowest and the highest power that the site leaves it; None: any."""
        terms = self.given.terms
        if terms.import_max_kw is None and terms.export_max_kw is None:
            return None, None
        low_kw, high_kw = self._others(id, span)
        return (
            None if terms.export_max_kw is None else -terms.export_max_kw - low_kw,
            None if terms.import_max_kw is None else terms.import_max_kw - high_kw,
        )

    def _others(self, id: ResourceId, span: Slot) -> tuple[float, float]:
        each = [
            self._standing(other, member, span)
            for other, member in self.members.items()
            if other != id and member.ven is None
        ]
        return fsum(low for low, _ in each), fsum(high for _, high in each)

    def _standing(self, id: ResourceId, member: Member, span: Slot) -> tuple[float, float]:
        course = self.found.get(id)
        if course is not None and (slot := course.at(span.start)) is not None:
            return slot.kw, slot.kw
        base_kw = 0.0 if id in self.pending else mean(member.descriptor.plan, span.start, span.end)
        return standing(base_kw, owed(self.given.promises, id), span)


def _pieces(id: ResourceId, spans: tuple[Priced, ...], alone: tuple[Priced, ...], room: _Room) -> Iterator[Piece]:
    member = room.members[id]
    shares = owed(room.given.promises, id)
    needs = _need(member) is not None
    # What nobody told the price of is taken for dearer than all that was told: a need is met by it as a last resort.
    dearest = max((span.price for span in spans if span.price is not None), default=0.0) + 1.0
    for span in spans:
        slot = Slot(start=span.start, end=span.end, kw=0.0)
        base_kw = max(member.descriptor.min_kw, 0.0) if needs else mean(member.descriptor.plan, slot.start, slot.end)
        held = [share for share in shares if share.start <= span.start < share.end]
        price = dearest if span.price is None else span.price
        piece = Piece(start=span.start, end=span.end, price=price, base_kw=base_kw)
        if held:
            yield _bound(piece, held)
        elif span in alone:
            yield piece
        else:
            low_kw, high_kw = room.limits(id, slot)
            yield _open(piece, member, low_kw, high_kw, trades=room.given.terms.follow_prices is True)


def _bound(piece: Piece, held: list[Share]) -> Piece:
    kw = held[0].base_kw + fsum(share.delta_kw for share in held)
    return Piece(
        start=piece.start, end=piece.end, price=piece.price, base_kw=piece.base_kw, bound_kw=kw - piece.base_kw
    )


def _open(piece: Piece, member: Member, low_kw: float | None, high_kw: float | None, *, trades: bool) -> Piece:
    """With the power that the device and the site allow, in what the device can hold."""
    descriptor = member.descriptor
    most_kw = _most_kw(member)
    least_kw = descriptor.min_kw if trades else piece.base_kw
    top_kw = _holdable(descriptor, most_kw if high_kw is None else min(most_kw, high_kw), piece.base_kw)
    bottom_kw = _holdable(descriptor, least_kw if low_kw is None else max(least_kw, low_kw), piece.base_kw)
    return Piece(
        start=piece.start,
        end=piece.end,
        price=piece.price,
        base_kw=piece.base_kw,
        up_kw=max(top_kw - piece.base_kw, 0.0),
        down_kw=max(piece.base_kw - bottom_kw, 0.0),
    )


def _most_kw(member: Member) -> float:
    """What it takes at most, as it says now: a car may take less than its charger gives."""
    descriptor, last = member.descriptor, member.last
    return descriptor.max_kw if last is None else min(descriptor.max_kw, max(last.max_kw, 0.0))


def _holdable(descriptor: Descriptor, kw: float, base_kw: float) -> float:
    """The power that the device can hold which is nearest to `kw`, on the side of its base."""
    between = (min(kw, base_kw), max(kw, base_kw))
    if descriptor.levels_kw:
        within = [level for level in descriptor.levels_kw if between[0] <= level <= between[1]]
        return min(within, key=lambda level: abs(level - kw), default=base_kw)
    gap = descriptor.gap_kw
    if gap is not None and gap[0] < kw < gap[1]:
        return gap[0] if base_kw <= gap[0] else gap[1]
    return kw


def _store(member: Member, pieces: tuple[Piece, ...], anchor_kwh: float | None) -> Store:
    """What it holds and has to hold. A store without a need ends with no less than it had when it began to follow."""
    energy, need = member.descriptor.energy, _need(member)
    charge = energy.charge_efficiency if energy is not None else 1.0
    discharge = energy.discharge_efficiency if energy is not None else 1.0
    held = _above_reserve_kwh(member)
    if need is None:
        kept_kwh = held or 0.0
        size_kwh = energy.capacity_kwh if energy is not None else 0.0
        near = anchor_kwh is None or abs(anchor_kwh - kept_kwh) <= NEAR * size_kwh
        target_kwh = kept_kwh if near or anchor_kwh is None else anchor_kwh
    else:
        spare_kwh = need.spare_kwh / discharge
        kept_kwh = spare_kwh if held is None else max(held, spare_kwh)
        target_kwh = kept_kwh + need.kwh * charge - spare_kwh
    given_kwh = fsum(max(piece.bound_kw or 0.0, 0.0) * piece.hours for piece in pieces) * charge
    room_kwh = energy.capacity_kwh - energy.reserve_kwh if energy is not None and held is not None else given_kwh
    return Store(
        held_kwh=kept_kwh,
        capacity_kwh=max(room_kwh, target_kwh, kept_kwh) if need is not None else room_kwh,
        target_kwh=target_kwh,
        charge_efficiency=charge,
        discharge_efficiency=discharge,
    )


def _above_reserve_kwh(member: Member) -> float | None:
    """What is stored beyond the reserve; None where that is not known."""
    last, energy = member.last, member.descriptor.energy
    if last is None or energy is None or last.soc_percent is None:
        return None
    room_kwh = energy.capacity_kwh - energy.reserve_kwh
    return min(max(last.soc_percent / 100 * energy.capacity_kwh - energy.reserve_kwh, 0.0), room_kwh)
