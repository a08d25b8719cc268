"""Minimum on and off times: who was switched a short time ago stays as it is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from openadr_ra.fleet.allocate import EXACT_KW
from openadr_ra.fleet.member import Share
from openadr_ra.protocol.schedule import Slot, mean
from openadr_ra.seams import Descriptor

INSTANT = timedelta(microseconds=1)


def pinned(descriptor: Descriptor, plan: tuple[Slot, ...], taken: Iterable[Share], start: datetime) -> float | None:
    """The change from its plan that keeps the member as it is at `start`, where it was switched on or off too short a time
    before; None where it is free. `taken` is all that it is asked, by whomever, what is past included."""
    if not descriptor.min_on_s and not descriptor.min_off_s:
        return None
    shares = tuple(taken)
    before_kw = _power(plan, shares, start - INSTANT)
    runs = abs(before_kw) > EXACT_KW
    least = timedelta(seconds=descriptor.min_on_s if runs else descriptor.min_off_s)
    edges = sorted({edge for share in shares for edge in (share.start, share.end) if edge < start}, reverse=True)
    for edge in edges:
        if start - edge >= least:
            return None
        if (abs(_power(plan, shares, edge - INSTANT)) > EXACT_KW) != runs:
            return before_kw - mean(plan, start, start)
    return None


def _power(plan: tuple[Slot, ...], shares: tuple[Share, ...], when: datetime) -> float:
    """What it does at that instant by its plan and all shares."""
    running = [share for share in shares if share.start <= when < share.end]
    base_kw = running[0].base_kw if running else mean(plan, when, when)
    return base_kw + sum(share.delta_kw for share in running)
