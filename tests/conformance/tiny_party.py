"""What the tiny VTN knows of one VEN, and how it says no."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec

from conformance.operator import EventWish, ReportWish


class Refusal(Exception):
    """The answer carries this code."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


class Rejected(Exception):
    """HTTP itself says no, by this status."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A report of the VEN's METADATA: its points, and the shortest sampling period of each in seconds."""

    name: str
    points: dict[str, int]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A report that the VTN asked for. `closing`: cancelled, and one last update is to come."""

    wish: ReportWish
    points: tuple[str, ...]
    closing: bool = False
    over: bool = False


class TinyEvent(msgspec.Struct, kw_only=True):
    """An event of one VEN. `sent`: how often since it was cancelled; `told`: when it was last brought to the VEN."""

    id: str
    wish: EventWish
    made: datetime
    number: int = 0
    former: EventWish | None = None
    """As it was before the last change."""
    cancelled: bool = False
    acknowledged: bool = False
    sent: int = 0
    told: datetime | None = None


class Party(msgspec.Struct, kw_only=True):
    """One VEN. `queue` makes what it is to be told, each at the time when it is."""

    ven_id: str
    key: str
    fingerprint: str
    registration_id: str = ""
    pull: bool = True
    address: str = ""
    report_only: bool = False
    signs: bool = False
    active: bool = False
    queue: list[Callable[[], bytes]] = msgspec.field(default_factory=list)
    events_due: bool = False
    changed: str = ""
    """The event that was changed last."""
    polls: int = 0
    spoilt: bool = False
    """Did it report something that was refused?"""
    polled_since: bool = False
    """Was there a poll since the last oadrDistributeEvent?"""
    plain: bool = True
    """Did the last poll bring nothing?"""
    request_ids: set[str] = msgspec.field(default_factory=set)
    used: list[str] = msgspec.field(default_factory=list)
    """Every optID that was ever created, as often as it was."""
    resources: set[str] = msgspec.field(default_factory=set)
    offers: dict[str, Offer] = msgspec.field(default_factory=dict)
    asked: dict[str, Asked] = msgspec.field(default_factory=dict)
    owed: dict[str, float] = msgspec.field(default_factory=dict)
    """What the VEN asked of the VTN: reportRequestID, and the seconds between two of them (0: once)."""
    schedules: dict[str, str] = msgspec.field(default_factory=dict)
    """The VEN's opts that stand: optID, and the event it is for or ""."""
    opts: dict[str, str] = msgspec.field(default_factory=dict)
    """By eventID, optIn or optOut."""
    chosen: set[str] = msgspec.field(default_factory=set)
    """Events for which an oadrCreateOpt stands (rule 206)."""

    def forget(self) -> None:
        """Rule 406."""
        self.queue.clear()
        self.offers.clear()
        self.asked.clear()
        self.owed.clear()
        self.schedules.clear()
        self.opts.clear()
        self.chosen.clear()
        self.resources.clear()
