"""A member of a fleet: what it is, what it last said, what it can still give, and what is recorded of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from math import isfinite

from msgspec.structs import replace

from openadr_ra.fleet.allocate import EXACT_KW, Headroom, sustainable
from openadr_ra.protocol.model import ResourceId, VenId
from openadr_ra.protocol.parts import DEVICE_FAILURE, LoadControlState
from openadr_ra.protocol.report import (
    RESPONSE_QUANTITIES,
    TOTAL,
    Quantity,
    availability_descriptions,
    is_bad,
    live_series,
    response_descriptions,
    status_description,
    usage_description,
)
from openadr_ra.protocol.report_status import figures, usable
from openadr_ra.protocol.schedule import Reading, Slot, mean
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.step import Offer
from openadr_ra.seams import Descriptor, Measurement, Need

SNAP_KW = 1e-6
"""A set-point this near to a level or a limit means it; the rest is rounding."""

OF_TOTAL: tuple[Quantity, ...] = ("revision", "final")
"""Quantities of a response that are said once, of all resources together."""


class Noted(Value, frozen=True, kw_only=True, gc=False):
    """What the VTNs above were last told of a device: a change is one against this."""

    online: bool
    override: bool
    kw: float
    load_control: LoadControlState | None = None


class Merit(Value, frozen=True, kw_only=True, gc=False):
    """What its operator settled of a member: its price for moving a kWh, its weight among others, and how long before it
    moves it has to be told. At SIMPLE levels 1 to 3 it goes to `at_levels_kw`, or to `at_levels_part` of what it does by
    itself; without either it sheds in proportion.
    """

    price_per_kwh: float = 0.0
    weight: float = 1.0
    notice_s: float = 0.0
    at_levels_kw: tuple[float, ...] = ()
    at_levels_part: tuple[float, ...] = ()


class Word(Value, frozen=True, kw_only=True, gc=False):
    """An operator's word on a member until then: to be held at `kw`, or, without one, to be left out of everything."""

    kw: float | None
    until: datetime
    by: str
    reason: str = ""


class Seen(Value, frozen=True, kw_only=True, gc=False):
    """What was metered of a VEN at that time."""

    at: datetime
    kw: float


RECENT = 3
"""Of what was metered of a VEN so much is remembered."""


class Device(Value, frozen=True, kw_only=True, gc=False, tag_field="_", tag=True):
    """A device of the node's own, or, where there is a `ven`, all that this VEN of the VTN below answers for.

    `last` is its newest finite measurement. A VEN's powers are what it says that it can hold, its plan is its baseline;
    `recent` is what was metered of it last.
    """

    descriptor: Descriptor
    last: Measurement | None = None
    noted: Noted | None = None
    ven: VenId | None = None
    merit: Merit = Merit()
    word: Word | None = None
    recent: tuple[Seen, ...] = ()


Member = Device
"""What a fleet is made of."""


class Share(Value, frozen=True, kw_only=True, gc=False):
    """What a member does from `start` to `end` for one event: `delta_kw` on top of its mean baseline in that time."""

    start: datetime
    end: datetime
    base_kw: float
    delta_kw: float


def available(member: Member | None) -> bool:
    """Whether it can be counted on: measured, online, in nobody else's hands."""
    if member is None or member.last is None or member.word is not None:
        return False
    last = member.last
    return last.online and not last.local_override and not is_bad(last.quality)


def headroom(
    member: Member, plan: tuple[Slot, ...], taken: tuple[Share, ...], span: Slot, *, hours: float, now: datetime
) -> Headroom:
    """How far the member can still be moved throughout `span`, from `plan` and the shares already `taken`.

    Its energy, less what it owes from `now` on, must last `hours`. A member that moves in steps, or has a gap, offers
    nothing where what was taken of it changes within the span.
    """
    descriptor, last = member.descriptor, member.last
    if last is None or not available(member):
        return Headroom(id=descriptor.id)
    low, high = standing(mean(plan, span.start, span.end), taken, span)
    floor, ceiling = max(descriptor.min_kw, last.min_kw), min(descriptor.max_kw, last.max_kw)
    rigid = bool(descriptor.levels_kw) or descriptor.gap_kw is not None
    if floor > ceiling + EXACT_KW or (rigid and high - low > EXACT_KW):
        return Headroom(id=descriptor.id)
    gap = descriptor.gap_kw
    return Headroom(
        id=descriptor.id,
        weight=member.merit.weight,
        price=member.merit.price_per_kwh,
        least_kw=descriptor.deadband_kw,
        step_kw=descriptor.step_kw,
        reduce_kw=sustainable(low - floor, left(last.can_reduce_kwh, taken, now, -1), hours),
        raise_kw=sustainable(ceiling - high, left(last.can_raise_kwh, taken, now, 1), hours),
        steps_kw=tuple(level - low for level in descriptor.levels_kw) or None,
        gap_kw=(gap[0] - low, gap[1] - low) if gap is not None else None,
    )


def standing(base_kw: float, taken: tuple[Share, ...], span: Slot) -> tuple[float, float]:
    """The lowest and the highest power within the span that the member is already bound to."""
    touching = [share for share in taken if share.start < span.end and share.end > span.start]
    if not touching:
        return base_kw, base_kw
    instants = {span.start, *(edge for share in touching for edge in (share.start, share.end))}
    sums = [
        sum(share.delta_kw for share in touching if share.start <= instant < share.end)
        for instant in instants
        if span.start <= instant < span.end
    ]
    return base_kw + min(sums), base_kw + max(sums)


def left(energy_kwh: float | None, taken: Iterable[Share], now: datetime, sign: int) -> float | None:
    """The energy in one direction, less what shares yet to run will use of it."""
    if energy_kwh is None:
        return None
    bound = sum(
        max(sign * share.delta_kw, 0.0) * (max(share.end - max(share.start, now), timedelta(0)) / _HOUR)
        for share in taken
    )
    return energy_kwh - bound


_HOUR = timedelta(hours=1)


def snapped(descriptor: Descriptor, kw: float) -> float | None:
    """`kw` as a set-point, freed of rounding; None where the device cannot hold it."""
    if descriptor.levels_kw:
        nearest = min(descriptor.levels_kw, key=lambda level: abs(level - kw))
        return nearest if abs(nearest - kw) <= SNAP_KW else None
    held = min(max(kw, descriptor.min_kw), descriptor.max_kw)
    if abs(held - kw) > SNAP_KW:
        return None
    gap = descriptor.gap_kw
    if gap is not None and gap[0] < held < gap[1]:
        edge = min(gap, key=lambda edge: abs(edge - held))
        return edge if abs(edge - held) <= SNAP_KW else None
    return held


def finite(new: Measurement, last: Measurement | None) -> Measurement | None:
    """`new` without what is no number. Without its powers it is the last known, marked as the device's failure."""
    if all(isfinite(kw) for kw in (new.kw, new.min_kw, new.max_kw)):
        return replace(
            new,
            import_kwh=_number(new.import_kwh),
            export_kwh=_number(new.export_kwh),
            soc_percent=_number(new.soc_percent),
            can_reduce_kwh=_number(new.can_reduce_kwh, 0.0),
            can_raise_kwh=_number(new.can_raise_kwh, 0.0),
            load_control=usable(new.load_control),
            accuracy_kw=_number(new.accuracy_kw),
            need=_sound(new.need),
        )
    if last is None:
        return None
    return replace(last, at=new.at, online=new.online, local_override=new.local_override, quality=DEVICE_FAILURE)


def _sound(need: Need | None) -> Need | None:
    """A need in numbers, and of nothing less than nothing."""
    if need is None or not (isfinite(need.kwh) and isfinite(need.spare_kwh)):
        return None
    return need if need.kwh >= 0 and need.spare_kwh >= 0 else None


def _number(value: float | None, instead: float | None = None) -> float | None:
    return value if value is None or isfinite(value) else instead


def live_readings(resource: ResourceId, measured: Measurement) -> Iterator[Reading]:
    """The values of a measurement. The energy register is net: imported less exported kWh."""
    values: dict[Quantity, float | None] = {"kw": measured.kw, "kwh": _net(measured), "soc": measured.soc_percent}
    for quantity, value in values.items():
        if value is not None:
            yield Reading(
                series=live_series(resource, quantity),
                start=measured.at,
                value=value,
                quality=measured.quality,
                accuracy=measured.accuracy_kw if quantity == "kw" else None,
            )


def status_readings(resource: ResourceId, measured: Measurement, at: datetime) -> Iterator[Reading]:
    """Whether the resource is there, and in whose hands."""
    yield Reading(series=live_series(resource, "online"), start=at, value=float(measured.online))
    yield Reading(series=live_series(resource, "override"), start=at, value=float(measured.local_override))


def load_readings(resource: ResourceId, measured: Measurement, at: datetime) -> Iterator[Reading]:
    """How the resource is controlled: see `figures`."""
    for name, value in figures(measured.load_control):
        yield Reading(series=f"live/{resource}.{name}", start=at, value=value, quality=measured.quality)


def _net(measured: Measurement) -> float | None:
    if measured.import_kwh is None and measured.export_kwh is None:
        return None
    return (measured.import_kwh or 0.0) - (measured.export_kwh or 0.0)


def offer(descriptors: tuple[Descriptor, ...], towards: ResourceId, whole: ResourceId | None) -> Offer:
    """The data points of these devices towards the VTN of that name: usage and status of each; response of each and of all
    together; what could be given. With a `whole` all devices are also one resource, of which there is power and status."""
    each = [(descriptor.id, descriptor.metering_point) for descriptor in descriptors]
    stores = any(descriptor.energy is not None for descriptor in descriptors)
    return Offer(
        usage=(
            *(usage_description(id, of, meter) for id, meter in each for of in ("kw", "kwh")),
            *(() if whole is None else (usage_description(whole, "kw", ""),)),
        ),
        status=(
            *(status_description(id, meter) for id, meter in each),
            *(() if whole is None else (status_description(whole, ""),)),
        ),
        availability=availability_descriptions(towards),
        response=(
            *(
                point
                for descriptor in descriptors
                for point in response_descriptions(
                    descriptor.id, descriptor.metering_point, _said(descriptor.energy is not None, OF_TOTAL)
                )
            ),
            *response_descriptions(TOTAL, "", _said(stores, ())),
        ),
    )


def _said(stores: bool, without: tuple[Quantity, ...]) -> Iterator[Quantity]:
    for quantity in RESPONSE_QUANTITIES:
        if quantity not in without and (stores or quantity != "soc"):
            yield quantity
