"""Each version of an event at each VEN: when it was sent, received, answered and in effect, as the journal has it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec
from msgspec.structs import replace

from openadr_ra.protocol.distribution_version import Named, named
from openadr_ra.protocol.model import OPT_IN, OPT_OUT, OptType, VenId
from openadr_ra.protocol.step import Entry


class EventVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A (eventID, modificationNumber) at a VEN. `modification` is what the VEN was told, `revision` the event's own number.

    `sent_at` is the first time; `received_at` is known of push VENs, of others by their answer at the latest. `opt` is the
    last word on this version, of `answered_at`. `effective_at`: from when on the VEN follows it as far as it can be known,
    its start or the opt's time; None where it does not, or said something else before that came.
    """

    ven_id: VenId
    modification: int
    revision: int
    sent_at: datetime
    received_at: datetime | None = None
    answered_at: datetime | None = None
    opt: OptType | None = None
    effective_at: datetime | None = None


Known = dict[int, EventVersion]
"""Of one VEN, by the number that it was told."""


def versions(journal: Iterable[Entry]) -> tuple[EventVersion, ...]:
    """What the journal of one event says, VEN by VEN, each VEN's versions in the order in which they were sent."""
    vens: dict[str, Known] = {}
    for entry in journal:
        about = named(entry.detail)
        if about is None:
            continue
        known = vens.setdefault(entry.by, {})
        held = known.get(about.modification)
        if held is None and entry.what == "sent":
            known[about.modification] = _sent(entry, about)
        elif held is not None:
            known[about.modification] = _heard(held, entry, about)
        if about.effective_at is not None or entry.what == OPT_OUT:
            _overtake(known, entry, about)
    return tuple(version for known in vens.values() for version in known.values())


def _sent(entry: Entry, about: Named) -> EventVersion:
    return EventVersion(
        ven_id=VenId(entry.by),
        modification=about.modification,
        revision=about.revision,
        sent_at=entry.at,
        effective_at=about.effective_at,
    )


def _heard(held: EventVersion, entry: Entry, about: Named) -> EventVersion:
    if entry.what == "received":
        return replace(held, received_at=held.received_at or entry.at)
    if entry.what not in (OPT_IN, OPT_OUT):
        return held
    out = entry.what == OPT_OUT
    started = held.effective_at is not None and held.effective_at <= entry.at
    # What it followed until it opted out was in effect; what it follows already is not in effect once more.
    keeps = started and (out or held.opt != OPT_OUT)
    return replace(
        held,
        received_at=held.received_at or entry.at,
        answered_at=entry.at,
        opt=OPT_OUT if out else OPT_IN,
        effective_at=held.effective_at if keeps else about.effective_at,
    )


def _overtake(known: Known, entry: Entry, about: Named) -> None:
    """Versions before this one that were to be in effect only later never are."""
    for number, held in known.items():
        if number < about.modification and held.effective_at is not None and held.effective_at > entry.at:
            known[number] = replace(held, effective_at=None)
