"""What of a device is a change that VTNs hear of without waiting for a period, and what is recorded of its control."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from openadr_ra.fleet.member import Device, Noted
from openadr_ra.protocol.model import Rid
from openadr_ra.protocol.report import is_bad, rid
from openadr_ra.protocol.report_status import moved
from openadr_ra.seams import Measurement

RENEWED_S = 60
"""How a device is controlled is recorded when it changes, and so often at least, that whoever looks finds it."""


def noted(member: Device, new: Measurement, change_kw: float | None) -> Noted:
    """`new` as what was last told of the device; of power only what moved far enough, so that it cannot creep."""
    held = member.noted
    far = held is None or _has_moved(held, new, change_kw)
    return Noted(
        online=new.online,
        override=new.local_override,
        kw=new.kw if held is None or far else held.kw,
        load_control=new.load_control
        if held is None or moved(held.load_control, new.load_control)
        else held.load_control,
    )


def changed(member: Device, new: Measurement, change_kw: float | None) -> Iterator[Rid]:
    """The points of the device that changed since what was last told of it.

    Its status: whether it is there, in whose hands it is, where its control stands. Its power, if it moved by `change_kw`.
    """
    held, id = member.noted, member.descriptor.id
    if held is None:
        return
    if (new.online, new.local_override) != (held.online, held.override) or moved(held.load_control, new.load_control):
        yield Rid(id)
    if _has_moved(held, new, change_kw):
        yield rid(id, "kw")


def _has_moved(held: Noted, new: Measurement, change_kw: float | None) -> bool:
    return change_kw is not None and not is_bad(new.quality) and abs(new.kw - held.kw) >= change_kw


def is_to_record(last: Measurement | None, new: Measurement, at: datetime) -> bool:
    """Is it time to record how the device is controlled? `at` is when the status is of."""
    if last is None or last.load_control != new.load_control or last.quality != new.quality:
        return True
    return at.timestamp() // RENEWED_S != last.at.timestamp() // RENEWED_S
