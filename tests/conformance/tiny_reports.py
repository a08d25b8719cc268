"""The tiny VTN's reports: what a VEN may offer, send and ask for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import msgspec

from conformance import template
from conformance.events_seen import length_s
from conformance.message import NAMESPACES, Element, Message
from conformance.operator import Refused, ReportWish
from conformance.play import seconds, utc
from tests.conformance import tiny_own
from tests.conformance.tiny_party import Asked, Offer, Party, Refusal

METADATA = "METADATA"

ReportSwitch = Literal[
    "adds to the metadata",
    "one request only",
    "periodic ends after one",
    "pending is empty",
    "pending is the newest",
    "no metadata on demand",
    "no data on demand",
    "goes on after the end",
    "reports to another request",
    "takes any request",
    "takes any request id",
    "takes any cancellation",
    "keeps what was asked",
    "cancels all",
    "follows up unasked",
    "nothing to follow",
    "answers cancel nothing",
    "asks for anything",
    "same request id",
    "request id 0",
    "no final update",
    "updates after the end",
    "takes one update only",
    "periodic ends before it begins",
    "one cancellation ends all",
]

Wrong = Callable[[ReportSwitch], bool]


def texts(element: Element, path: str) -> list[str]:
    return [(one.text or "").strip() for one in element.iterfind(path, NAMESPACES)]


def text(element: Element, path: str) -> str:
    return next(iter(texts(element, path)), "")


def offered(message: Message) -> dict[str, Offer]:
    """What a VEN's METADATA offers. Raises Refusal where it contradicts itself (X-REP-1, 3, 4; rules 311, 312)."""
    found: dict[str, Offer] = {}
    for report in message.all("./oadr:oadrReport"):
        name, specifier = text(report, "ei:reportName"), text(report, "ei:reportSpecifierID")
        if specifier in found:
            raise Refusal("459", f"{specifier} twice")
        _check_metadata(report, name)
        found[specifier] = Offer(name=name.removeprefix("METADATA_"), points=_points(report, name))
    return found


def _check_metadata(report: Element, name: str) -> None:
    if text(report, "ei:reportRequestID") != "0":
        raise Refusal("459", "the reportRequestID is not 0")
    if not name.startswith(("METADATA_", "x-")):
        raise Refusal("461", f"{name} is no METADATA")
    for path in ("xcal:dtstart", "strm:intervals", "ei:eiReportID"):
        if report.find(path, NAMESPACES) is not None:
            raise Refusal("459", f"METADATA with {path}")
    if report.find("xcal:duration", NAMESPACES) is None:
        raise Refusal("459", "METADATA without duration")


def _points(report: Element, name: str) -> dict[str, int]:
    whole = length_s(text(report, "xcal:duration/xcal:duration"))
    points: dict[str, int] = {}
    for one in report.iterfind("oadr:oadrReportDescription", NAMESPACES):
        rid = text(one, "ei:rID")
        if rid in points:
            raise Refusal("459", f"rID {rid} twice")
        least = text(one, "oadr:oadrSamplingRate/oadr:oadrMinPeriod")
        most = text(one, "oadr:oadrSamplingRate/oadr:oadrMaxPeriod")
        if not least and "TELEMETRY" in name:
            raise Refusal("459", f"rID {rid} without a sampling rate")
        if most and length_s(most) > whole:
            raise Refusal("459", f"oadrMaxPeriod of {rid} above the duration")
        points[rid] = length_s(least) if least else 0
    return points


def resources(message: Message) -> set[str]:
    return set(message.texts(".//ei:reportDataSource/ei:resourceID"))


def check_update(report: Element, party: Party) -> None:
    """Refusal of data that nobody asked for, or that is not as it was asked for (rule 304, X-REP-9)."""
    request = text(report, "ei:reportRequestID")
    asked = party.asked.get(request)
    if asked is None or asked.over:
        raise Refusal("452", f"request {request} is not known")
    if text(report, "ei:reportSpecifierID") != asked.wish.specifier:
        raise Refusal("452", "another reportSpecifierID")
    name = text(report, "ei:reportName")
    if name != asked.wish.name:
        raise Refusal("461", f"{name} was not asked for")
    if report.find("oadr:oadrReportDescription", NAMESPACES) is not None:
        raise Refusal("459", "descriptions in an update")
    _check_times(report)
    found = set(texts(report, ".//oadr:oadrReportPayload/ei:rID"))
    if not found <= set(asked.points):
        raise Refusal("452", f"rIDs {sorted(found)}")
    if any(not math.isfinite(float(one)) for one in texts(report, ".//ei:payloadFloat/ei:value")):
        raise Refusal("454", "no number")
    if found != set(asked.points):
        raise Refusal("459", "RID count mismatch")


def _check_times(report: Element) -> None:
    """Rules 314, 342."""
    intervals = report.findall("strm:intervals/ei:interval", NAMESPACES)
    start = text(report, "xcal:dtstart/xcal:date-time")
    if not intervals or not start:
        raise Refusal("459", "an update without dtstart or intervals")
    starts = [text(one, "xcal:dtstart/xcal:date-time") for one in intervals]
    lengths = [text(one, "xcal:duration/xcal:duration") for one in intervals]
    if any(starts) != all(starts) or any(lengths) != all(lengths):
        raise Refusal("459", "times in some intervals only")
    if not any(starts) and len(intervals) > 1 and not all(lengths):
        raise Refusal("459", "intervals without any times")
    if all(starts) and starts[0] != start:
        raise Refusal("459", "the report begins elsewhere than its first interval")
    whole = text(report, "xcal:duration/xcal:duration")
    if whole and all(lengths) and sum(map(length_s, lengths)) != length_s(whole):
        raise Refusal("459", "the durations do not add up")
    uids = [text(one, "xcal:uid/xcal:text") for one in intervals]
    if any(uids) and uids != [str(number) for number in range(len(uids))]:
        raise Refusal("459", "the uids do not count")


def updated(party: Party, request: str, wrong: Wrong) -> None:
    """What a request that was served becomes."""
    asked = party.asked[request]
    if asked.closing or asked.wish.back_s == 0 or wrong("takes one update only"):
        party.asked[request] = msgspec.structs.replace(asked, over=True)


def points_of(wish: ReportWish, party: Party, wrong: Wrong) -> tuple[str, ...]:
    """The points of a request; Refused where the VEN offers none such, or not as often (X-REP-6, X-REP-7)."""
    if wish.specifier == METADATA:
        return ("0",)
    offer = party.offers.get(wish.specifier)
    if wrong("asks for anything"):
        return wish.points
    if offer is None or not set(wish.points) <= set(offer.points):
        raise Refused(f"the VEN does not offer {wish.specifier} {wish.points}")
    points = wish.points or tuple(offer.points)
    if wish.granularity_s and any(wish.granularity_s < offer.points[point] for point in points):
        raise Refused(f"{wish.granularity_s} s is too short")
    if "HISTORY" in wish.name and (wish.granularity_s or wish.back_s):
        raise Refused("history has no periods")
    return points


def asking(request: str, asked: Asked) -> str:
    """An oadrReportRequest."""
    wish = asked.wish
    return template.fill(
        "report_request",
        report_request_id=request,
        specifier=wish.specifier,
        granularity=seconds(wish.granularity_s),
        back=seconds(wish.back_s),
        start=utc(wish.start) if wish.start or wish.back_s else None,
        duration=seconds(wish.duration_s),
        points=asked.points,
    )


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a VEN asks of the VTN. `back_s` 0: once."""

    name: str
    back_s: float
    metadata: bool = False
    points: tuple[str, ...] = tiny_own.POINTS


def check_request(request: Element, party: Party, wrong: Wrong) -> Wanted:
    """Raises Refusal for a request that is none, and for what is not on offer (X-REP-5, rule 306)."""
    name = text(request, "ei:reportRequestID")
    if (name in ("", "0") or name in party.owed) and not wrong("takes any request id"):
        raise Refusal("452", f"reportRequestID {name!r}")
    specifier = text(request, "ei:reportSpecifier/ei:reportSpecifierID")
    back_s = float(length_s(text(request, "ei:reportSpecifier/ei:reportBackDuration/xcal:duration")))
    if specifier == METADATA:
        return Wanted(name=name, back_s=back_s, metadata=True)
    points = texts(request, "ei:reportSpecifier/ei:specifierPayload/ei:rID")
    unknown = specifier != tiny_own.SPECIFIER or not set(points) <= set(tiny_own.POINTS)
    step_s = length_s(text(request, "ei:reportSpecifier/xcal:granularity/xcal:duration"))
    if (unknown or 0 < step_s < tiny_own.SHORTEST_S) and not wrong("takes any request"):
        raise Refusal("452", f"{specifier} {points} is not on offer")
    return Wanted(name=name, back_s=back_s, points=tuple(points))
