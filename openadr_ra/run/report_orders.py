"""What an operator's console takes and gives about status and feeds of VENs, and about reports of a VTN's own."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from openadr_ra.protocol.model import ReportRequestId
from openadr_ra.run.feeds import Feeds
from openadr_ra.run.orders import VenName
from openadr_ra.run.status import ResourceNow
from openadr_ra.run.ven_orders import MAX_POINTS, Instant, Name, Period, ReportOrder, Sample, samples
from openadr_ra.run.wanted import Readings

# The console is built on the hall alone, so what it has to name is handed on from here.
__all__ = [
    "FeedOrder",
    "FeedText",
    "GreenButton",
    "OwnOrdered",
    "OwnReadings",
    "OwnReportOrder",
    "ReadingsOrder",
    "ReportRequestId",
    "ResourceNow",
    "green_button",
    "own_readings",
]


class FeedOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Green Button feeds to ask a VEN for: of these points, or of all; about that time, or whatever there is."""

    points: Annotated[tuple[Name, ...], Meta(max_length=MAX_POINTS)] = ()
    start: Instant | None = None
    duration_s: Period = 0


class FeedText(msgspec.Struct, frozen=True, kw_only=True):
    """An atom feed, and the time that it is about."""

    start: datetime
    duration_s: float
    feed: str


class GreenButton(msgspec.Struct, frozen=True, kw_only=True):
    """What came, by point; `came` is false where nothing had come when the time was over."""

    ven_id: VenName
    came: bool
    points: dict[str, tuple[FeedText, ...]]


class OwnReportOrder(ReportOrder, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A report to ask the VTNs above for, or the one so called."""

    upstream: str | None = None


class OwnOrdered(msgspec.Struct, frozen=True, kw_only=True):
    """The report requests that are meant."""

    ids: tuple[ReportRequestId, ...]


class ReadingsOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What came of a report of a VTN's own within [start, end)."""

    name: Name
    start: Instant
    end: Instant
    points: Annotated[tuple[Name, ...], Meta(max_length=MAX_POINTS)] = ()
    upstream: str = "upstream"


class OwnReadings(msgspec.Struct, frozen=True, kw_only=True):
    """What came, by point."""

    points: dict[str, tuple[Sample, ...]]


def green_button(ven_id: VenName, found: Feeds | None) -> GreenButton:
    """What came, for programs that are not ours; None is nothing yet."""
    points = {
        name: tuple(
            FeedText(start=feed.start, duration_s=feed.span / timedelta(seconds=1), feed=feed.text) for feed in each
        )
        for name, each in (found or {}).items()
    }
    return GreenButton(ven_id=ven_id, came=found is not None, points=points)


def own_readings(found: Readings) -> OwnReadings:
    """What came, for programs that are not ours."""
    return OwnReadings(points=samples(found))
