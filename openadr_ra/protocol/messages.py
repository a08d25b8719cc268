"""The 23 payloads of oadrSignedObject. Each request names its service and its answer (reference 1.3)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, NewType

from openadr_ra.protocol.model import (
    MarketContext,
    OptId,
    OptReason,
    OptType,
    Period,
    QualifiedEventId,
    RegistrationId,
    ReportRequestId,
    RequestId,
    Target,
    VenId,
    VtnId,
)
from openadr_ra.protocol.parts import (
    DistributedEvent,
    EventResponse,
    Extension,
    Profile,
    Report,
    ReportRequest,
    Result,
    ServiceInfo,
)
from openadr_ra.protocol.shape import Token, Value, at
from openadr_ra.protocol.times import Duration

Service = NewType("Service", str)
EI_EVENT, EI_REPORT, EI_REGISTER_PARTY, EI_OPT, OADR_POLL = (
    Service(name) for name in ("EiEvent", "EiReport", "EiRegisterParty", "EiOpt", "OadrPoll")
)
SERVICES = (EI_EVENT, EI_REPORT, EI_REGISTER_PARTY, EI_OPT, OADR_POLL)

PROFILE_2_0B = Token("2.0b")
SIMPLE_HTTP = Token("simpleHttp")
PROFILES = (Profile(name=PROFILE_2_0B, transports=(SIMPLE_HTTP,)),)
"""What our VTN offers."""


class Message(Value, frozen=True, kw_only=True, gc=False, tag_field="_", tag=True):
    """A payload. `service` is where it is posted; `answer` is the natural reply's element, empty where there is none."""

    service: ClassVar[Service | None] = None
    answer: ClassVar[str] = ""
    schema_version: Annotated[Token, at("@ei:schemaVersion")] = PROFILE_2_0B

    def __str__(self) -> str:
        """As the log has it: what it is, and how much of it."""
        return type(self).__name__


class Poll(Message, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:oadrPoll"
    service: ClassVar[Service | None] = OADR_POLL
    answer: ClassVar[str] = "oadr:oadrResponse"
    ven_id: Annotated[VenId, at("ei:venID")]


class Response(Message, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:oadrResponse"
    result: Annotated[Result, at("ei:eiResponse")]
    ven_id: Annotated[VenId | None, at("ei:venID")] = None


class RequestEvent(Message, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:oadrRequestEvent"
    service: ClassVar[Service | None] = EI_EVENT
    answer: ClassVar[str] = "oadr:oadrDistributeEvent"
    request_id: Annotated[RequestId, at("pyld:eiRequestEvent/pyld:requestID")]
    ven_id: Annotated[VenId, at("pyld:eiRequestEvent/ei:venID")]
    reply_limit: Annotated[int | None, at("pyld:eiRequestEvent/pyld:replyLimit")] = None


class DistributeEvent(Message, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:oadrDistributeEvent"
    service: ClassVar[Service | None] = EI_EVENT
    result: Annotated[Result | None, at("ei:eiResponse")] = None
    request_id: Annotated[RequestId, at("pyld:requestID")]
    vtn_id: Annotated[VtnId, at("ei:vtnID")]
    events: Annotated[tuple[DistributedEvent, ...], at("oadr:oadrEvent")] = ()

    def __str__(self) -> str:
        return f"DistributeEvent {len(self.events)} events"


class CreatedEvent(Message, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:oadrCreatedEvent"
    service: ClassVar[Service | None] = EI_EVENT
    answer: ClassVar[str] = "oadr:oadrResponse"
    result: Annotated[Result, at("pyld:eiCreatedEvent/ei:eiResponse")]
    responses: Annotated[tuple[EventResponse, ...], at("pyld:eiCreatedEvent/ei:eventResponses?/ei:eventResponse")] = ()
    ven_id: Annotated[VenId, at("pyld:eiCreatedEvent/ei:venID")]


class QueryRegistration(Message, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:oadrQueryRegistration"
    service: ClassVar[Service | None] = EI_REGISTER_PARTY
    answer: ClassVar[str] = "oadr:oadrCreatedPartyRegistration"
    request_id: Annotated[RequestId, at("pyld:requestID")]


class CreatePartyRegistration(Message, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:oadrCreatePartyRegistration"
    service: ClassVar[Service | None] = EI_REGISTER_PARTY
    answer: ClassVar[str] = "oadr:oadrCreatedPartyRegistration"
    request_id: Annotated[RequestId, at("pyld:requestID")]
    registration_id: Annotated[RegistrationId | None, at("ei:registrationID")] = None
    ven_id: Annotated[VenId | None, at("ei:venID")] = None
    profile: Annotated[Token, at("oadr:oadrProfileName")] = PROFILE_2_0B
    transport: Annotated[Token, at("oadr:oadrTransportName")] = SIMPLE_HTTP
    address: Annotated[str | None, at("oadr:oadrTransportAddress")] = None
    report_only: Annotated[bool, at("oadr:oadrReportOnly")] = False
    xml_signature: Annotated[bool, at("oadr:oadrXmlSignature")] = False
    ven_name: Annotated[str | None, at("oadr:oadrVenName")] = None
    pull: Annotated[bool | None, at("oadr:oadrHttpPullModel")] = None


class CreatedPartyRegistration(Message, frozen=True, kw_only=True, gc=False):
    """Also the answer to a query; the schema wants `profiles` even in a refusal (reference 1.3)."""

    xml: ClassVar[str] = "oadr:oadrCreatedPartyRegistration"
    result: Annotated[Result, at("ei:eiResponse")]
    registration_id: Annotated[RegistrationId | None, at("ei:registrationID")] = None
    ven_id: Annotated[VenId | None, at("ei:venID")] = None
    vtn_id: Annotated[VtnId, at("ei:vtnID")]
    profiles: Annotated[tuple[Profile, ...], at("oadr:oadrProfiles/oadr:oadrProfile")]
    poll_freq: Annotated[Duration | None, at("oadr:oadrRequestedOadrPollFreq?/xcal:duration")] = None
    service_info: Annotated[tuple[ServiceInfo, ...], at("oadr:oadrServiceSpecificInfo?/oadr:oadrService")] = ()
    extensions: Annotated[tuple[Extension, ...], at("oadr:oadrExtensions?/oadr:oadrExtension")] = ()


class CancelPartyRegistration(Message, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:oadrCancelPartyRegistration"
    service: ClassVar[Service | None] = EI_REGISTER_PARTY
    answer: ClassVar[str] = "oadr:oadrCanceledPartyRegistration"
    request_id: Annotated[RequestId, at("pyld:requestID")]
    registration_id: Annotated[RegistrationId, at("ei:registrationID")]
    ven_id: Annotated[VenId | None, at("ei:venID")] = None


class CanceledPartyRegistration(Message, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:oadrCanceledPartyRegistration"
    service: ClassVar[Service | None] = EI_REGISTER_PARTY
    answer: ClassVar[str] = "oadr:oadrResponse"
    result: Annotated[Result, at("ei:eiResponse")]
    registration_id: Annotated[RegistrationId | None, at("ei:registrationID")] = None
    ven_id: Annotated[VenId | None, at("ei:venID")] = None


class RequestReregistration(Message, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:oadrRequestReregistration"
    service: ClassVar[Service | None] = EI_REGISTER_PARTY
    answer: ClassVar[str] = "oadr:oadrResponse"
    ven_id: Annotated[VenId, at("ei:venID")]


class RegisterReport(Message, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:oadrRegisterReport"
    service: ClassVar[Service | None] = EI_REPORT
    answer: ClassVar[str] = "oadr:oadrRegisteredReport"
    request_id: Annotated[RequestId, at("pyld:requestID")]
    reports: Annotated[tuple[Report, ...], at("oadr:oadrReport")] = ()
    ven_id: Annotated[VenId | None, at("ei:venID")] = None
    report_request_id: Annotated[ReportRequestId | None, at("ei:reportRequestID")] = None


class RegisteredReport(Message, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:oadrRegisteredReport"
    service: ClassVar[Service | None] = EI_REPORT
    answer: ClassVar[str] = "oadr:oadrResponse"
    result: Annotated[Result, at("ei:eiResponse")]
    requests: Annotated[tuple[ReportRequest, ...], at("oadr:oadrReportRequest")] = ()
    ven_id: Annotated[VenId | None, at("ei:venID")] = None


class CreateReport(Message, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:oadrCreateReport"
    service: ClassVar[Service | None] = EI_REPORT
    answer: ClassVar[str] = "oadr:oadrCreatedReport"
    request_id: Annotated[RequestId, at("pyld:requestID")]
    requests: Annotated[tuple[ReportRequest, ...], at("oadr:oadrReportRequest")]
    ven_id: Annotated[VenId | None, at("ei:venID")] = None


class CreatedReport(Message, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:oadrCreatedReport"
    service: ClassVar[Service | None] = EI_REPORT
    answer: ClassVar[str] = "oadr:oadrResponse"
    result: Annotated[Result, at("ei:eiResponse")]
    pending: Annotated[tuple[ReportRequestId, ...], at("oadr:oadrPendingReports/ei:reportRequestID")] = ()
    ven_id: Annotated[VenId | None, at("ei:venID")] = None


class UpdateReport(Message, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:oadrUpdateReport"
    service: ClassVar[Service | None] = EI_REPORT
    answer: ClassVar[str] = "oadr:oadrUpdatedReport"
    request_id: Annotated[RequestId, at("pyld:requestID")]
    reports: Annotated[tuple[Report, ...], at("oadr:oadrReport")] = ()
    ven_id: Annotated[VenId | None, at("ei:venID")] = None


class CancelReport(Message, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:oadrCancelReport"
    service: ClassVar[Service | None] = EI_REPORT
    answer: ClassVar[str] = "oadr:oadrCanceledReport"
    request_id: Annotated[RequestId, at("pyld:requestID")]
    report_request_ids: Annotated[tuple[ReportRequestId, ...], at("ei:reportRequestID")]
    to_follow: Annotated[bool, at("pyld:reportToFollow")] = False
    ven_id: Annotated[VenId | None, at("ei:venID")] = None


class UpdatedReport(Message, frozen=True, kw_only=True, gc=False):
    """May carry a cancellation of requests whose data it acknowledges (3.5)."""

    xml: ClassVar[str] = "oadr:oadrUpdatedReport"
    service: ClassVar[Service | None] = EI_REPORT
    answer: ClassVar[str] = "oadr:oadrResponse"
    result: Annotated[Result, at("ei:eiResponse")]
    cancel: Annotated[CancelReport | None, at("oadr:oadrCancelReport")] = None
    ven_id: Annotated[VenId | None, at("ei:venID")] = None


class CanceledReport(Message, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:oadrCanceledReport"
    service: ClassVar[Service | None] = EI_REPORT
    answer: ClassVar[str] = "oadr:oadrResponse"
    result: Annotated[Result, at("ei:eiResponse")]
    pending: Annotated[tuple[ReportRequestId, ...], at("oadr:oadrPendingReports/ei:reportRequestID")] = ()
    ven_id: Annotated[VenId | None, at("ei:venID")] = None


class CreateOpt(Message, frozen=True, kw_only=True, gc=False):
    """An availability schedule, or the opt that qualifies one event; never both (section 5)."""

    xml: ClassVar[str] = "oadr:oadrCreateOpt"
    service: ClassVar[Service | None] = EI_OPT
    answer: ClassVar[str] = "oadr:oadrCreatedOpt"
    opt_id: Annotated[OptId, at("ei:optID")]
    opt: Annotated[OptType, at("ei:optType")]
    reason: Annotated[OptReason, at("ei:optReason")]
    market_context: Annotated[MarketContext | None, at("emix:marketContext")] = None
    ven_id: Annotated[VenId, at("ei:venID")]
    availability: Annotated[
        tuple[Period, ...], at("xcal:vavailability?/xcal:components/xcal:available*/xcal:properties")
    ] = ()
    created: Annotated[datetime, at("ei:createdDateTime")]
    request_id: Annotated[RequestId, at("pyld:requestID")]
    event: Annotated[QualifiedEventId | None, at("ei:qualifiedEventID")] = None
    target: Annotated[Target, at("ei:eiTarget")] = Target()
    device_class: Annotated[Target | None, at("oadr:oadrDeviceClass")] = None


class CreatedOpt(Message, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:oadrCreatedOpt"
    result: Annotated[Result, at("ei:eiResponse")]
    opt_id: Annotated[OptId, at("ei:optID")]


class CancelOpt(Message, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:oadrCancelOpt"
    service: ClassVar[Service | None] = EI_OPT
    answer: ClassVar[str] = "oadr:oadrCanceledOpt"
    request_id: Annotated[RequestId, at("pyld:requestID")]
    opt_id: Annotated[OptId, at("ei:optID")]
    ven_id: Annotated[VenId, at("ei:venID")]


class CanceledOpt(Message, frozen=True, kw_only=True, gc=False):
    xml: ClassVar[str] = "oadr:oadrCanceledOpt"
    result: Annotated[Result, at("ei:eiResponse")]
    opt_id: Annotated[OptId | None, at("ei:optID")] = None


PAYLOADS: tuple[type[Message], ...] = (
    DistributeEvent, CreatedEvent, RequestEvent, Response, CancelOpt, CanceledOpt, CreateOpt, CreatedOpt,
    CancelReport, CanceledReport, CreateReport, CreatedReport, RegisterReport, RegisteredReport, UpdateReport,
    UpdatedReport, CancelPartyRegistration, CanceledPartyRegistration, CreatePartyRegistration,
    CreatedPartyRegistration, RequestReregistration, QueryRegistration, Poll,
)  # fmt: skip
"""All that oadrSignedObject may hold, in the schema's order."""
