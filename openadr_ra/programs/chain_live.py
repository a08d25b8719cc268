"""The chain while it runs: what the AC knows of its RAs at this moment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from math import fsum

from openadr_ra.fleet.aggregate import is_in_band
from openadr_ra.fleet.member import Member
from openadr_ra.fleet.promise import Promise
from openadr_ra.programs.chain_plant import AC, EVENT, RAS, SLOTS
from openadr_ra.programs.chain_site import Site
from openadr_ra.programs.demo_watch import BAND, Gauge, View
from openadr_ra.protocol.model import ResourceId, VenId
from openadr_ra.protocol.report import live_series, value
from openadr_ra.protocol.schedule import Slot


async def look(site: Site, now: datetime) -> View:
    """What there is to see at `now`."""
    fleet = await site.fleet()
    promise = next((one for one in fleet.promises if one.event_id == EVENT), None)
    slot = promise.asks.at(now) if promise is not None else None
    found = (
        await site.ac_store.readings([live_series(ResourceId(name), "kw") for name in RAS], slot.start, now)
        if slot
        else ()
    )
    gauges: list[Gauge] = []
    for name in RAS:
        series = live_series(ResourceId(name), "kw")
        power = [reading for reading in found if reading.series == series]
        mean_kw = value(slot.start, now, power=power).kw if slot is not None and power else None
        gauges.append(_gauge(name, fleet.members.get(ResourceId(name)), promise, mean_kw, now))
    return View(words=_words(promise, slot, now), gauges=(_together(gauges, slot), *gauges))


def _gauge(name: str, member: Member | None, promise: Promise | None, mean_kw: float | None, now: datetime) -> Gauge:
    last = member.last if member is not None else None
    plan_kw = (last.plan_kw or 0.0) if last is not None else 0.0
    shares = promise.shares.get(ResourceId(name), ()) if promise is not None else ()
    share = next((one for one in shares if one.start <= now < one.end), None)
    base_kw = share.base_kw if share is not None else plan_kw
    return Gauge(
        name=name,
        part=True,
        asked_kw=share.delta_kw if share is not None else None,
        now_kw=last.kw - plan_kw if last is not None else None,
        mean_kw=mean_kw - base_kw if mean_kw is not None else None,
        seen_s=max((now - last.at).total_seconds(), 0.0) if last is not None else None,
    )


def _together(parts: list[Gauge], slot: Slot | None) -> Gauge:
    mean_kw = _sum(one.mean_kw for one in parts)
    asked_kw = slot.kw if slot is not None else None
    return Gauge(
        name=VenId(AC),
        asked_kw=asked_kw,
        now_kw=_sum(one.now_kw for one in parts),
        mean_kw=mean_kw,
        in_band=None if mean_kw is None or asked_kw is None else is_in_band(mean_kw, asked_kw, BAND),
    )


def _sum(values: Iterable[float | None]) -> float | None:
    found = list(values)
    known = [one for one in found if one is not None]
    return fsum(known) if len(known) == len(found) else None


def _words(promise: Promise | None, slot: Slot | None, now: datetime) -> str:
    if promise is None or not promise.asks.slots:
        return "no event is waiting or running"
    if now < promise.asks.start:
        return f"event {promise.event_id}: starts in {(promise.asks.start - now).total_seconds():.0f} s"
    if slot is None:
        return f"event {promise.event_id} is over; its last responses come up"
    number = sum(start <= now for start in {one.start for one in promise.asks.slots})
    return f"event {promise.event_id}: slot {min(number, SLOTS)} of {SLOTS}, to {slot.end:%H:%M:%S} UTC"
