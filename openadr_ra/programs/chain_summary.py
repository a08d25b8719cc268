"""What the chain came to, for programs: `summary.json`. And whether anything is missing from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from openadr_ra.fleet.aggregate import is_in_band
from openadr_ra.programs.chain_plant import AC, CANCELLED, CHANGES_KW, DRAS, KINDS, Plant
from openadr_ra.programs.chain_story import Happening, Told
from openadr_ra.programs.chain_tiers import Part, Tier, TierSlot
from openadr_ra.programs.demo_sites import STANDS_FOR_S
from openadr_ra.programs.demo_summary import Version
from openadr_ra.programs.demo_watch import BAND
from openadr_ra.protocol.model import OPT_IN
from openadr_ra.protocol.schedule import Slot

WATT_KW = 0.001


class HopSlot(msgspec.Struct, frozen=True, kw_only=True):
    """A slot at a link between two tiers; kW against the baseline, load convention. null: not known.

    `delivered_kw` is what the tier above recorded, `reported_kw` what the one below said. `accepted_kw` is the part of what
    was asked that somebody below took, as the slot's mean: a share moves when its holder is lost. A slot is `feasible` where
    that is within the band of what was asked. Where nothing was asked the band is that of the largest slot.
    """

    hop: str
    slot: int
    start: datetime
    asked_kw: float | None
    accepted_kw: float
    delivered_kw: float | None
    reported_kw: float | None
    in_band: bool | None
    feasible: bool


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """`disagree` has a sentence for each sum that does not, `missing` one for what keeps the chain from having worked.
    `live_s`: the period of live reports. `stands_for_s`: the real slot that one of the chain stands for."""

    hops: tuple[HopSlot, ...]
    sums_agree: bool
    disagree: tuple[str, ...]
    versions: tuple[Version, ...]
    happened: tuple[Happening, ...]
    devices: dict[str, int]
    gateways: int
    interval_s: int
    live_s: int
    stands_for_s: int = STANDS_FOR_S
    missing: str = ""


def slots(told: Told) -> tuple[Slot, ...]:
    """The event's slots with what was asked at last."""
    return told.order.slots(next(iter(told.order.asks)))


def summary(told: Told, plant: Plant, ac: Tier, ras: tuple[Tier, ...]) -> Summary:
    """All of it."""
    links = tuple(_hops(told, ac, ras))
    disagree = tuple(_disagreements(told, ac, ras))
    return Summary(
        hops=links,
        sums_agree=not disagree,
        disagree=disagree,
        versions=told.versions,
        happened=told.happened,
        devices={kind: plant.count(kind) for kind in KINDS},
        gateways=len(plant.gateways),
        interval_s=plant.interval_s,
        live_s=plant.live_s,
        missing=_missing(told, links, disagree),
    )


def _hops(told: Told, ac: Tier, ras: tuple[Tier, ...]) -> Iterator[HopSlot]:
    asked = slots(told)
    peak_kw = max(abs(slot.kw) for slot in asked)
    delivered = delivered_kw(told)
    for number, (slot, tier) in enumerate(zip(asked, ac.slots, strict=True), start=1):
        own = (slot.kw, tier.promised_kw, delivered.get(slot.start), tier.reported_kw)
        yield _hop(f"{DRAS}→{AC}", number, slot, own, peak_kw)
    for ra in ras:
        parts = [tier.parts.get(ra.name) for tier in ac.slots]
        peak_kw = max((abs(part.asked_kw) for part in parts if part is not None), default=0.0)
        for number, (slot, part, tier) in enumerate(zip(asked, parts, ra.slots, strict=True), start=1):
            above = part or Part(asked_kw=0.0, recorded_kw=None, reported_kw=None, of_its_own_kw=None)
            figures = (above.asked_kw, tier.promised_kw, above.recorded_kw, tier.reported_kw)
            yield _hop(f"{AC}→{ra.name}", number, slot, figures, peak_kw)
        for number, (slot, tier) in enumerate(zip(asked, ra.slots, strict=True), start=1):
            within = (tier.asked_kw, tier.accepted_below_kw, tier.recorded_kw, tier.said_kw)
            yield _hop(f"{ra.name}→edges", number, slot, within, peak_kw)


def delivered_kw(told: Told) -> dict[datetime, float | None]:
    """What the DRAS recorded of the AC, by the slot's start."""
    return {row.start: row.delivered_kw for row in told.rows if row.ven == AC and row.resource == "*"}


def _hop(
    hop: str,
    number: int,
    slot: Slot,
    figures: tuple[float | None, float, float | None, float | None],
    peak_kw: float,
) -> HopSlot:
    asked, accepted, delivered, reported = figures
    known = asked is not None and delivered is not None
    return HopSlot(
        hop=hop,
        slot=number,
        start=slot.start,
        asked_kw=_rounded(asked),
        accepted_kw=round(accepted, 6) + 0.0,
        delivered_kw=_rounded(delivered),
        reported_kw=_rounded(reported),
        in_band=is_in_band(delivered or 0.0, asked or 0.0, BAND, peak_kw) if known else None,
        feasible=asked is not None and bool(is_in_band(accepted, asked, BAND, peak_kw)),
    )


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 6) + 0.0


def _disagreements(told: Told, ac: Tier, ras: tuple[Tier, ...]) -> Iterator[str]:
    """A sentence for each sum that is not the one recorded above, to the watt."""
    recorded = delivered_kw(told)
    for number, slot in enumerate(slots(told)):
        yield from _unlike(number, "the AC", ac.slots[number].reported_kw, "the DRAS", recorded.get(slot.start))
        yield from _within(number, ac.name, ac.slots[number])
        for ra in ras:
            part = ac.slots[number].parts.get(ra.name)
            above_kw = part.recorded_kw if part is not None else None
            yield from _unlike(number, ra.name, ra.slots[number].reported_kw, "the AC", above_kw)
            yield from _within(number, ra.name, ra.slots[number])


def _within(number: int, name: str, tier: TierSlot) -> Iterator[str]:
    """What the node said against what it recorded of its members, and that against what they said themselves."""
    yield from _unlike(number, f"the members of {name}", tier.recorded_kw, name, tier.reported_kw)
    for id, part in tier.parts.items():
        if part.reported_kw is not None:
            yield from _unlike(number, id, part.reported_kw, name, part.recorded_kw)
        if part.of_its_own_kw is not None:
            yield from _unlike(number, f"the resources of {id}", part.of_its_own_kw, id, part.reported_kw)


def _unlike(number: int, one: str, one_kw: float | None, other: str, other_kw: float | None) -> Iterator[str]:
    if one_kw is None or other_kw is None:
        if one_kw is not other_kw:
            yield f"slot {number + 1}: {one} has {one_kw} kW, {other} has {other_kw} kW"
    elif abs(one_kw - other_kw) > WATT_KW:
        yield f"slot {number + 1}: {one} has {one_kw:.3f} kW, {other} has {other_kw:.3f} kW"


def _missing(told: Told, links: Iterable[HopSlot], disagree: tuple[str, ...]) -> str:
    """One sentence; empty if nothing is missing."""
    for one in told.versions[len(CHANGES_KW) :]:
        for ven, opt in one.opts.items():
            if opt != OPT_IN:
                return f"{ven} answered {opt or 'nothing'} to version {one.modification}"
    for link in links:
        if link.delivered_kw is None:
            return f"the response of slot {link.slot} is missing at {link.hop}"
        if link.feasible and not link.in_band:
            said = f"{link.asked_kw} kW asked, {link.delivered_kw} kW delivered"
            return f"{link.hop}: slot {link.slot} is out of its band, {said}"
    if slots(told)[CANCELLED].kw:
        return f"slot {CANCELLED + 1} was not taken back"
    if disagree:
        return f"{len(disagree)} sums do not agree, the first: {disagree[0]}"
    return ""
