"""The larger parts of payloads: intervals and what they hold, events with their signals, reports, requests."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, NewType

from openadr_ra.protocol.model import (
    ALWAYS,
    EventId,
    EventStatus,
    ItemBase,
    MarketContext,
    OptType,
    Period,
    QualifiedEventId,
    ReportRequestId,
    RequestId,
    ResourceId,
    ResponseRequired,
    Rid,
    SignalName,
    SignalType,
    SpecifierId,
    Target,
)
from openadr_ra.protocol.shape import Opaque, Token, Value, at
from openadr_ra.protocol.times import Duration

Quality = NewType("Quality", Token)
GOOD, NO_VALUE, COMM_FAILURE, UNCERTAIN, LOCAL_OVERRIDE, LAST_KNOWN, DEVICE_FAILURE = (
    Quality(Token(word))
    for word in (
        "Quality Good - Non Specific",
        "No Quality - No Value",
        "Quality Bad - Comm Failure",
        "Quality Uncertain - Non Specific",
        "Quality Good - Local Override",
        "Quality Bad - Last Known Value",
        "Quality Bad - Device Failure",
    )
)

ReportName = NewType("ReportName", Token)
TELEMETRY_USAGE, TELEMETRY_STATUS, HISTORY_USAGE, HISTORY_GREENBUTTON = (
    ReportName(Token(word)) for word in ("TELEMETRY_USAGE", "TELEMETRY_STATUS", "HISTORY_USAGE", "HISTORY_GREENBUTTON")
)
X_RESPONSE, X_AVAILABILITY = (ReportName(Token(word)) for word in ("x-RESPONSE", "x-AVAILABILITY"))
"""Our own: a response in each event's intervals, and what could be given now. A METADATA_ form of them the schema lacks."""
ReportType = NewType("ReportType", Token)
ReadingType = NewType("ReadingType", Token)
DIRECT_READ, MEAN, SUMMED, NOT_APPLICABLE = (
    ReadingType(Token(word)) for word in ("Direct Read", "Mean", "Summed", "x-notApplicable")
)


class LoadControlLevel(Value, frozen=True, kw_only=True, gc=False):
    """One kind of load control: where it may stand, where it stands."""

    minimum: Annotated[float | None, at("oadr:oadrMin")] = None
    maximum: Annotated[float | None, at("oadr:oadrMax")] = None
    current: Annotated[float, at("oadr:oadrCurrent")]
    normal: Annotated[float | None, at("oadr:oadrNormal")] = None


class LoadControlState(Value, frozen=True, kw_only=True, gc=False):
    """The mirror of the LOAD_CONTROL signal types."""

    capacity: Annotated[LoadControlLevel | None, at("oadr:oadrCapacity")] = None
    level_offset: Annotated[LoadControlLevel | None, at("oadr:oadrLevelOffset")] = None
    percent_offset: Annotated[LoadControlLevel | None, at("oadr:oadrPercentOffset")] = None
    setpoint: Annotated[LoadControlLevel | None, at("oadr:oadrSetPoint")] = None


class ResourceStatus(Value, frozen=True, kw_only=True, gc=False):
    """oadrPayloadResourceStatus: what TELEMETRY_STATUS says of a resource."""

    xml: ClassVar[str] = "oadr:oadrPayloadResourceStatus"
    online: Annotated[bool, at("oadr:oadrOnline")]
    manual_override: Annotated[bool, at("oadr:oadrManualOverride")]
    load_control: Annotated[LoadControlState | None, at("oadr:oadrLoadControlState")] = None


Number = Annotated[float, at("ei:payloadFloat/ei:value")]


class Payload(Value, frozen=True, kw_only=True, gc=False, tag_field="_", tag=True):
    """A member of strm:streamPayloadBase."""


class SignalPayload(Payload, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "ei:signalPayload"
    value: Annotated[Number | ResourceStatus, at("*")]


class ReportPayload(Payload, frozen=True, kw_only=True, gc=False):
    """One value of one rID. `confidence` in percent, `accuracy` in the value's own unit."""

    xml: ClassVar[str] = "oadr:oadrReportPayload"
    rid: Annotated[Rid, at("ei:rID")]
    confidence: Annotated[int | None, at("ei:confidence")] = None
    accuracy: Annotated[float | None, at("ei:accuracy")] = None
    value: Annotated[Number | ResourceStatus, at("*")]
    quality: Annotated[Quality | None, at("oadr:oadrDataQuality")] = None


class GreenButtonPayload(Payload, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:oadrGBPayload"
    feed: Annotated[Opaque, at("atom:feed")]


class Interval(Value, frozen=True, kw_only=True, gc=False):
    """A piece of time and its values. What it leaves out it inherits from its report or its predecessors (3.4)."""

    start: Annotated[datetime | None, at("xcal:dtstart?/xcal:date-time")] = None
    duration: Annotated[Duration | None, at("xcal:duration?/xcal:duration")] = None
    uid: Annotated[str | None, at("xcal:uid?/xcal:text")] = None
    payloads: Annotated[tuple[SignalPayload | ReportPayload | GreenButtonPayload, ...], at("*")]


class Signal(Value, frozen=True, kw_only=True, gc=False):
    """One thing asked for, interval by interval. `current_value` is what runs at the event's `created`."""

    intervals: Annotated[tuple[Interval, ...], at("strm:intervals/ei:interval")]
    target: Annotated[Target | None, at("ei:eiTarget")] = None
    name: Annotated[SignalName, at("ei:signalName")]
    type: Annotated[SignalType, at("ei:signalType")]
    id: Annotated[str, at("ei:signalID")]
    unit: Annotated[ItemBase | None, at("*")] = None
    current_value: Annotated[float | None, at("ei:currentValue?/ei:payloadFloat/ei:value")] = None


class Baseline(Value, frozen=True, kw_only=True, gc=False):
    """eiEventBaseline: what would have been used without the event."""

    start: Annotated[datetime, at("xcal:dtstart/xcal:date-time")]
    duration: Annotated[Duration, at("xcal:duration/xcal:duration")]
    intervals: Annotated[tuple[Interval, ...], at("strm:intervals/ei:interval")]
    id: Annotated[str, at("ei:baselineID")]
    resources: Annotated[tuple[ResourceId, ...], at("ei:resourceID")] = ()
    name: Annotated[str, at("ei:baselineName")]
    unit: Annotated[ItemBase | None, at("*")] = None


class Event(Value, frozen=True, kw_only=True, gc=False):
    """eiEvent. `status`, `created` and the signals' `current_value` are a snapshot of one moment.

    priority: 1 is the most important, absent or 0 the least (the newer schema's reading of 0).
    """

    id: Annotated[EventId, at("ei:eventDescriptor/ei:eventID")]
    modification: Annotated[int, at("ei:eventDescriptor/ei:modificationNumber")] = 0
    modified: Annotated[datetime | None, at("ei:eventDescriptor/ei:modificationDateTime")] = None
    modification_reason: Annotated[str | None, at("ei:eventDescriptor/ei:modificationReason")] = None
    priority: Annotated[int | None, at("ei:eventDescriptor/ei:priority")] = None
    market_context: Annotated[MarketContext, at("ei:eventDescriptor/ei:eiMarketContext/emix:marketContext")]
    created: Annotated[datetime, at("ei:eventDescriptor/ei:createdDateTime")]
    status: Annotated[EventStatus, at("ei:eventDescriptor/ei:eventStatus")]
    test: Annotated[str | None, at("ei:eventDescriptor/ei:testEvent")] = None
    comment: Annotated[str | None, at("ei:eventDescriptor/ei:vtnComment")] = None
    period: Annotated[Period, at("ei:eiActivePeriod/xcal:properties")]
    components: Annotated[None, at("ei:eiActivePeriod/xcal:components")] = None
    signals: Annotated[tuple[Signal, ...], at("ei:eiEventSignals/ei:eiEventSignal")]
    baseline: Annotated[Baseline | None, at("ei:eiEventSignals/ei:eiEventBaseline")] = None
    target: Annotated[Target, at("ei:eiTarget")] = Target()


class DistributedEvent(Value, frozen=True, kw_only=True, gc=False):
    """oadrEvent: an event and whether its answer is wanted (rule 12)."""

    event: Annotated[Event, at("ei:eiEvent")]
    response_required: Annotated[ResponseRequired, at("oadr:oadrResponseRequired")] = ALWAYS


class Result(Value, frozen=True, kw_only=True, gc=False):
    """eiResponse: how the request of that id ended."""

    code: Annotated[str, at("ei:responseCode")] = "200"
    description: Annotated[str | None, at("ei:responseDescription")] = None
    request_id: Annotated[RequestId, at("pyld:requestID")] = RequestId("")


class EventResponse(Value, frozen=True, kw_only=True, gc=False):
    """A VEN's answer to one event; `request_id` is that of the oadrDistributeEvent (rule 42)."""

    code: Annotated[str, at("ei:responseCode")] = "200"
    description: Annotated[str | None, at("ei:responseDescription")] = None
    request_id: Annotated[RequestId, at("pyld:requestID")] = RequestId("")
    event: Annotated[QualifiedEventId, at("ei:qualifiedEventID")]
    opt: Annotated[OptType, at("ei:optType")]


class SamplingRate(Value, frozen=True, kw_only=True, gc=False):
    minimum: Annotated[Duration, at("oadr:oadrMinPeriod")]
    maximum: Annotated[Duration, at("oadr:oadrMaxPeriod")]
    on_change: Annotated[bool, at("oadr:oadrOnChange")] = False


class ReportDescription(Value, frozen=True, kw_only=True, gc=False):
    """One data point that a report offers. `subject` names device classes, `source` the meters and resources behind it."""

    rid: Annotated[Rid, at("ei:rID")]
    subject: Annotated[Target | None, at("ei:reportSubject")] = None
    source: Annotated[Target | None, at("ei:reportDataSource")] = None
    type: Annotated[ReportType, at("ei:reportType")]
    unit: Annotated[ItemBase | None, at("*")] = None
    reading_type: Annotated[ReadingType, at("ei:readingType")]
    market_context: Annotated[MarketContext | None, at("emix:marketContext")] = None
    sampling: Annotated[SamplingRate | None, at("oadr:oadrSamplingRate")] = None


class Report(Value, frozen=True, kw_only=True, gc=False):
    """oadrReport: METADATA when it has descriptions, data when it has intervals."""

    start: Annotated[datetime | None, at("xcal:dtstart?/xcal:date-time")] = None
    duration: Annotated[Duration | None, at("xcal:duration?/xcal:duration")] = None
    intervals: Annotated[tuple[Interval, ...], at("strm:intervals?/ei:interval")] = ()
    report_id: Annotated[str | None, at("ei:eiReportID")] = None
    descriptions: Annotated[tuple[ReportDescription, ...], at("oadr:oadrReportDescription")] = ()
    request_id: Annotated[ReportRequestId, at("ei:reportRequestID")]
    specifier_id: Annotated[SpecifierId, at("ei:reportSpecifierID")]
    name: Annotated[ReportName | None, at("ei:reportName")] = None
    created: Annotated[datetime, at("ei:createdDateTime")]


class SpecifierPayload(Value, frozen=True, kw_only=True, gc=False):
    rid: Annotated[Rid, at("ei:rID")]
    unit: Annotated[ItemBase | None, at("*")] = None
    reading_type: Annotated[ReadingType, at("ei:readingType")] = NOT_APPLICABLE


class ReportRequest(Value, frozen=True, kw_only=True, gc=False):
    """oadrReportRequest: these points, sampled so, sent so often. `report_back` zero is one-shot (3.3)."""

    id: Annotated[ReportRequestId, at("ei:reportRequestID")]
    specifier_id: Annotated[SpecifierId, at("ei:reportSpecifier/ei:reportSpecifierID")]
    granularity: Annotated[Duration, at("ei:reportSpecifier/xcal:granularity/xcal:duration")] = Duration()
    report_back: Annotated[Duration, at("ei:reportSpecifier/ei:reportBackDuration/xcal:duration")] = Duration()
    interval: Annotated[Period | None, at("ei:reportSpecifier/ei:reportInterval?/xcal:properties")] = None
    points: Annotated[tuple[SpecifierPayload, ...], at("ei:reportSpecifier/ei:specifierPayload")]


class Info(Value, frozen=True, kw_only=True, gc=False):
    key: Annotated[str, at("oadr:oadrKey")]
    value: Annotated[str, at("oadr:oadrValue")]


class ServiceInfo(Value, frozen=True, kw_only=True, gc=False):
    service: Annotated[Token, at("oadr:oadrServiceName")]
    infos: Annotated[tuple[Info, ...], at("oadr:oadrInfo")]


class Extension(Value, frozen=True, kw_only=True, gc=False):
    name: Annotated[str, at("oadr:oadrExtensionName")]
    infos: Annotated[tuple[Info, ...], at("oadr:oadrInfo")] = ()


class Profile(Value, frozen=True, kw_only=True, gc=False):
    """A profile and the transports it is offered over."""

    name: Annotated[Token, at("oadr:oadrProfileName")]
    transports: Annotated[tuple[Token, ...], at("oadr:oadrTransports/oadr:oadrTransport*/oadr:oadrTransportName")]
