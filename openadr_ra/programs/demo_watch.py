"""The demo while it runs: what the VTN knows at this moment, from its VENs' live reports."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from math import fsum

import msgspec

from openadr_ra.fleet.aggregate import is_in_band
from openadr_ra.programs.demo_sites import SITES, Device, Site
from openadr_ra.protocol.instruction import Instruction
from openadr_ra.protocol.model import ResourceId, VenId
from openadr_ra.protocol.parts import TELEMETRY_USAGE
from openadr_ra.protocol.report import rid, value
from openadr_ra.protocol.requester import series_prefix
from openadr_ra.protocol.schedule import Reading, Slot
from openadr_ra.run.vtn import Vtn

BAND = 0.1

RECENT = timedelta(seconds=10)
"""Older live values are no longer shown as those of now; some machines are slow."""


class Gauge(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the live table; kW against the plan, load convention. None: not known, or nothing is asked.

    `part`: a resource of the VEN above. What it is asked its VEN decides; the VTN learns it with the response.
    """

    name: str
    part: bool = False
    asked_kw: float | None = None
    now_kw: float | None = None
    mean_kw: float | None = None
    in_band: bool | None = None
    seen_s: float | None = None


class View(msgspec.Struct, frozen=True, kw_only=True):
    """The live table: where events stand, in words, then the VENs with their resources, and the sum."""

    words: str
    gauges: tuple[Gauge, ...]


def usage_series(site: Site, device: Device) -> str:
    """Where the VTN keeps the power that a device reported."""
    return series_prefix(VenId(site.name), TELEMETRY_USAGE) + rid(ResourceId(device.id), "kw")


USAGE = tuple(usage_series(site, device) for site in SITES for device in site.devices)


async def look(vtn: Vtn, now: datetime) -> View:
    """What there is to see at `now`."""
    orders = await vtn.events()
    seen = {one.ven_id: one.last_seen for one in await vtn.vens()}
    running = {site.name: _running(orders, site, now) for site in SITES}
    since = min((slot.start for slot in running.values() if slot is not None), default=now)
    readings = await vtn.store.readings(USAGE, min(since, now - RECENT), now)
    found: dict[str, list[Reading]] = {}
    for reading in readings:
        found.setdefault(reading.series, []).append(reading)
    gauges: list[Gauge] = []
    totals: list[Gauge] = []
    for site in SITES:
        slot, last = running[site.name], seen.get(VenId(site.name))
        devices = [_device(device, found.get(usage_series(site, device), []), slot, now) for device in site.devices]
        # It may have been seen since `now`.
        age_s = None if last is None else max((now - last).total_seconds(), 0.0)
        whole = _together(site.name, devices, None if slot is None else slot.kw, age_s)
        totals.append(whole)
        gauges += [whole, *devices]
    asked_kw = _sum(one.asked_kw for one in totals)
    gauges.append(_together("all", totals, asked_kw, None))
    return View(words=_words(orders, now), gauges=tuple(gauges))


def _running(orders: Iterable[Instruction], site: Site, now: datetime) -> Slot | None:
    slots = (slot for order in orders for slot in order.slots(VenId(site.name)))
    return next((slot for slot in slots if slot.start <= now < slot.end), None)


def _device(device: Device, power: list[Reading], slot: Slot | None, now: datetime) -> Gauge:
    newest = power[-1] if power and power[-1].start > now - RECENT else None
    mean = value(slot.start, now, power=power) if slot is not None else None
    return Gauge(
        name=device.id,
        part=True,
        now_kw=None if newest is None else newest.value - device.plan_kw,
        mean_kw=None if mean is None or mean.kw is None else mean.kw - device.plan_kw,
    )


def _together(name: str, parts: list[Gauge], asked_kw: float | None, seen_s: float | None) -> Gauge:
    mean_kw = _sum(one.mean_kw for one in parts)
    return Gauge(
        name=name,
        asked_kw=asked_kw,
        now_kw=_sum(one.now_kw for one in parts),
        mean_kw=mean_kw,
        in_band=None if mean_kw is None or asked_kw is None else is_in_band(mean_kw, asked_kw, BAND),
        seen_s=seen_s,
    )


def _sum(values: Iterable[float | None]) -> float | None:
    """None where one is not known."""
    found = list(values)
    known = [one for one in found if one is not None]
    return fsum(known) if known and len(known) == len(found) else None


def _words(orders: tuple[Instruction, ...], now: datetime) -> str:
    for order in orders:
        if now < order.start:
            return f"event {order.id}: starts in {(order.start - now).total_seconds():.0f} s"
        for number, (start, end) in enumerate(order.spans(), start=1):
            if start <= now < end:
                span = f"{start:%H:%M:%S} to {end:%H:%M:%S} UTC"
                return f"event {order.id}: interval {number} of {order.count}, {span}"
    return "no event is waiting or running"
