"""What an operator's console takes and gives about VENs: orders to one, its history, and what a VEN declares itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from openadr_ra.errors import NotAllowed, OadrError, TransportError, WireError
from openadr_ra.protocol.model import OPT_IN, OPT_OUT, OptType, ReportRequestId, VenId
from openadr_ra.protocol.opt import SCHEDULED
from openadr_ra.protocol.parts import TELEMETRY_USAGE, Quality
from openadr_ra.protocol.schedule import Reading
from openadr_ra.run.above import UpstreamOffer, UpstreamSummary
from openadr_ra.run.orders import Context, VenName
from openadr_ra.run.summary import Availability, OwnAvailability, Span, Spans, VenSummary
from openadr_ra.run.wanted import AskedReport, OfferedPoint, OfferedReport, Readings, Reports, WantedReport

# The console is built on the hall alone, so what it has to name is handed on from here.
__all__ = [
    "AskedReport",
    "Availability",
    "Declaration",
    "Declared",
    "History",
    "HistoryOrder",
    "Leaving",
    "NotAllowed",
    "OadrError",
    "OfferedPoint",
    "OfferedReport",
    "Ordered",
    "OwnAvailability",
    "Registering",
    "ReportOrder",
    "Reports",
    "Sample",
    "Span",
    "TransportError",
    "UpstreamOffer",
    "UpstreamSummary",
    "VenSummary",
    "WireError",
    "declared",
    "history",
    "samples",
    "spans",
    "wanted",
]

MAX_PERIOD_S = 400 * 86_400
"""More than a year; no report is asked for that far ahead or back."""

MAX_POINTS = 10_000
MAX_SPANS = 1000
"""Of one declaration; a VEN has to carry all of them in one message."""

Name = Annotated[str, Meta(min_length=1, max_length=255, pattern="^[^\\x00-\\x1f\\x7f\ufffe\uffff]+\\Z")]
Period = Annotated[int, Meta(ge=0, le=MAX_PERIOD_S)]
Instant = Annotated[datetime, Meta(tz=True)]


class ReportOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A report to ask a VEN for, see `WantedReport`; times in whole seconds."""

    name: Name = TELEMETRY_USAGE
    points: Annotated[tuple[Name, ...], Meta(max_length=MAX_POINTS)] = ()
    granularity_s: Period = 0
    back_s: Period = 0
    start: Instant | None = None
    duration_s: Period = 0
    on_change: bool = False


class Ordered(msgspec.Struct, frozen=True, kw_only=True):
    """What a VEN will be told, and the report requests that are meant."""

    ven_id: VenId
    ordered: Literal["registration again", "end of the registration", "reports", "end of reports"]
    ids: tuple[ReportRequestId, ...] = ()


class HistoryOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The past to ask a VEN for, [start, end); no points: all that it kept."""

    start: Instant
    end: Instant
    points: Annotated[tuple[Name, ...], Meta(max_length=MAX_POINTS)] = ()


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """The value of a span, or at an instant; kW and kWh where the unit is one of real power or energy. `confidence` in
    percent and `accuracy` in the value's unit are what its source said of it.
    """

    start: datetime
    duration_s: float
    value: float
    quality: Quality
    confidence: int | None = None
    accuracy: float | None = None


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What came, by point; `came` is false where nothing had come when the time was over."""

    ven_id: VenId
    came: bool
    points: dict[str, tuple[Sample, ...]]


class Leaving(msgspec.Struct, frozen=True, kw_only=True):
    """Which VTN is told that this VEN's registration ends."""

    upstream: str


class Registering(msgspec.Struct, frozen=True, kw_only=True):
    """Which VTN this VEN registers with again."""

    upstream: str


class Declaration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a VEN is available (`optIn`) or not, or some of its resources; at each VTN above it, or at the one so called.

    One of the same `id` takes the place of the earlier one.
    """

    opt: Literal["optIn", "optOut"]
    spans: Annotated[tuple[Span, ...], Meta(min_length=1, max_length=MAX_SPANS)]
    resources: Annotated[tuple[Name, ...], Meta(max_length=MAX_POINTS)] = ()
    market_context: Context = ""
    reason: Name = SCHEDULED
    id: VenName | None = None
    upstream: str | None = None


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """The name by which a declaration is taken back."""

    id: str


def wanted(order: ReportOrder) -> WantedReport:
    """The report as the VTN takes it."""
    return WantedReport(
        name=order.name,
        points=order.points,
        granularity=timedelta(seconds=order.granularity_s),
        back=timedelta(seconds=order.back_s),
        start=order.start,
        duration=timedelta(seconds=order.duration_s),
        on_change=order.on_change,
    )


def history(ven_id: VenId, found: Readings | None) -> History:
    """What came, for programs that are not ours; None is nothing yet."""
    return History(ven_id=ven_id, came=found is not None, points=samples(found or {}))


def samples(found: Readings) -> dict[str, tuple[Sample, ...]]:
    """Readings by point, for programs that are not ours."""
    return {name: tuple(_sample(one) for one in each) for name, each in found.items()}


def _sample(reading: Reading) -> Sample:
    return Sample(
        start=reading.start,
        duration_s=reading.span / timedelta(seconds=1),
        value=reading.value,
        quality=reading.quality,
        confidence=reading.confidence,
        accuracy=reading.accuracy,
    )


def declared(order: Declaration) -> OptType:
    """The opt as the VEN takes it."""
    return OPT_IN if order.opt == "optIn" else OPT_OUT


def spans(order: Declaration) -> Spans:
    """The spans as the VEN takes them."""
    return tuple((span.start, span.end) for span in order.spans)
