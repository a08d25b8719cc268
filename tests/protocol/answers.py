"""The table of item 9: every payload, in every situation, at either end, and what it is answered with (references 1.3, 1.6).

A cell is the kind of the answer and its code; `NEVER` where a situation cannot arise, because the payload names nothing, or
because nothing about it may be unsupported. What comes to a wrong service, and what is not schema-valid, is refused before
anybody looks who says it, so those two situations have no cells: it is 453 by the natural reply, and HTTP 400. They are
walked for all payloads at both ends by `test_table_of_answers` and `test_table_of_services`, and over sockets in tests/run.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from msgspec.structs import replace

from openadr_ra.protocol.messages import (
    PROFILES,
    CanceledOpt,
    CanceledPartyRegistration,
    CanceledReport,
    CancelOpt,
    CancelPartyRegistration,
    CancelReport,
    CreatedEvent,
    CreatedOpt,
    CreatedPartyRegistration,
    CreatedReport,
    CreateOpt,
    CreatePartyRegistration,
    CreateReport,
    DistributeEvent,
    Message,
    Poll,
    QueryRegistration,
    RegisteredReport,
    RegisterReport,
    RequestEvent,
    RequestReregistration,
    Response,
    UpdatedReport,
    UpdateReport,
)
from openadr_ra.protocol.model import (
    OPT_IN,
    OPT_OUT,
    EventId,
    OptId,
    QualifiedEventId,
    RegistrationId,
    ReportRequestId,
    RequestId,
    Rid,
    SpecifierId,
    VenId,
    VtnId,
)
from openadr_ra.protocol.opt import SCHEDULED, period
from openadr_ra.protocol.parts import (
    EventResponse,
    Interval,
    Report,
    ReportPayload,
    ReportRequest,
    Result,
    SpecifierPayload,
)
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.times import Duration
from tests.world import (
    E1,
    HOUR,
    METADATA,
    NOON,
    VEN1,
    VTN1,
    distributed,
    event,
)

Cell = tuple[type[Message] | None, str | None] | None
NEVER: Final[Cell] = None
EMPTY: Final[Cell] = (None, None)
"""An empty HTTP 200: there is nothing to say to it, or it is said later."""

R1, OK = RequestId("r1"), Result(request_id=RequestId("r1"))
OTHER = VenId("ven1")
"""Our VEN's name in another letter case, which is another name (rule 21)."""


class Row(NamedTuple):
    """A payload and its answers. "unknown id" and "not supported" name the field that is wrong and its value."""

    accepted: Cell
    unknown: tuple[Cell, Message | None]
    unregistered: Cell
    unsupported: tuple[Cell, Message | None]


def request(rid: str = "bat.kw", *, specifier: str = "usage", granularity_s: int = 60) -> ReportRequest:
    return ReportRequest(
        id=ReportRequestId("rr1"),
        specifier_id=SpecifierId(specifier),
        granularity=Duration(seconds=granularity_s),
        report_back=Duration(seconds=60),
        points=(SpecifierPayload(rid=Rid(rid)),),
    )


def update(request_id: str = "rr1") -> UpdateReport:
    interval = Interval(start=NOON, payloads=(ReportPayload(rid=Rid("bat.kw"), value=1.0),))
    report = Report(
        start=NOON,
        intervals=(interval,),
        request_id=ReportRequestId(request_id),
        specifier_id=SpecifierId("usage"),
        name=METADATA.reports[0].name,
        created=NOON,
    )
    return UpdateReport(request_id=R1, reports=(report,), ven_id=VEN1)


def answer(id: EventId = E1) -> CreatedEvent:
    about = QualifiedEventId(event_id=id, modification=0)
    return CreatedEvent(result=Result(), responses=(EventResponse(event=about, opt=OPT_IN),), ven_id=VEN1)


CANCEL = CancelReport(request_id=R1, report_request_ids=(ReportRequestId("rr1"),), ven_id=VEN1)
END = CancelPartyRegistration(request_id=R1, registration_id=RegistrationId("reg-1"), ven_id=VEN1)
REGISTER = CreatePartyRegistration(request_id=R1, ven_id=VEN1, pull=True)
OPT = CreateOpt(
    opt_id=OptId("o1"), opt=OPT_OUT, reason=SCHEDULED, ven_id=VEN1, availability=(period(NOON, HOUR),), created=NOON,
    request_id=R1,
)  # fmt: skip

VALID: tuple[Message, ...] = (
    Poll(ven_id=VEN1),
    RequestEvent(request_id=R1, ven_id=VEN1),
    distributed(event()),
    answer(),
    Response(result=OK, ven_id=VEN1),
    QueryRegistration(request_id=R1),
    REGISTER,
    CreatedPartyRegistration(result=OK, vtn_id=VTN1, profiles=PROFILES),
    END,
    CanceledPartyRegistration(result=OK, ven_id=VEN1),
    RequestReregistration(ven_id=VEN1),
    RegisterReport(request_id=R1, reports=METADATA.reports, ven_id=VEN1),
    RegisteredReport(result=OK, ven_id=VEN1),
    CreateReport(request_id=R1, requests=(request(),), ven_id=VEN1),
    CreatedReport(result=OK, ven_id=VEN1),
    update(),
    UpdatedReport(result=OK, ven_id=VEN1),
    CANCEL,
    CanceledReport(result=OK, ven_id=VEN1),
    OPT,
    CreatedOpt(result=OK, opt_id=OptId("o1")),
    CancelOpt(request_id=R1, opt_id=OptId("o1"), ven_id=VEN1),
    CanceledOpt(result=OK, opt_id=OptId("o1")),
)
"""One good message of each kind, as either end may have to say it to the other."""

BY_KIND: dict[type[Message], Message] = {type(message): message for message in VALID}
NOBODY: tuple[Cell, Message | None] = (NEVER, None)


def of(kind: type[Message], ven_id: VenId = OTHER) -> Message:
    """The good message of that kind, from or for another VEN."""
    return replace(BY_KIND[kind], ven_id=ven_id)


def plain(kind: type[Message]) -> Row:
    """An answer that only names its VEN, and is itself answered by oadrResponse."""
    return Row((Response, "200"), ((Response, "452"), of(kind)), (Response, "463"), NOBODY)


def not_said_here(unknown: Message | None = None, code: str = "451") -> Row:
    """What the other end alone may say: 451 whatever it holds (rule 23); `code` where its sender is looked at before."""
    wrong = NOBODY if unknown is None else ((Response, code), unknown)
    return Row(NEVER, wrong, (Response, "463"), ((Response, "451"), None))


def foreign(kind: type[Message]) -> Row:
    """The same, of a payload that names its VEN."""
    return not_said_here(of(kind), "452")


AT_THE_VTN: dict[type[Message], Row] = {
    Poll: Row((Response, "200"), ((Response, "452"), of(Poll)), (Response, "463"), ((Response, "451"), None)),
    RequestEvent: Row(
        (DistributeEvent, "200"),
        ((DistributeEvent, "452"), of(RequestEvent)),
        (DistributeEvent, "463"),
        ((DistributeEvent, "451"), None),
    ),
    CreatedEvent: Row(
        (Response, "200"), ((Response, "452"), answer(EventId("e1"))), (Response, "463"), ((Response, "451"), None)
    ),
    Response: plain(Response),
    QueryRegistration: Row((CreatedPartyRegistration, "200"), NOBODY, (CreatedPartyRegistration, "200"), NOBODY),
    CreatePartyRegistration: Row(
        (CreatedPartyRegistration, "200"),
        ((CreatedPartyRegistration, "452"), replace(REGISTER, registration_id=RegistrationId("none"))),
        (CreatedPartyRegistration, "200"),
        ((CreatedPartyRegistration, "451"), replace(REGISTER, profile=Token("2.0a"))),
    ),
    CancelPartyRegistration: Row(
        (CanceledPartyRegistration, "200"),
        ((CanceledPartyRegistration, "452"), replace(END, registration_id=RegistrationId("none"))),
        (CanceledPartyRegistration, "463"),
        NOBODY,
    ),
    CanceledPartyRegistration: plain(CanceledPartyRegistration),
    RegisterReport: Row(
        (RegisteredReport, "200"), ((RegisteredReport, "452"), of(RegisterReport)), (RegisteredReport, "463"), NOBODY
    ),
    RegisteredReport: plain(RegisteredReport),
    CreateReport: Row(
        (CreatedReport, "200"),
        ((CreatedReport, "452"), CreateReport(request_id=R1, requests=(request("BAT.kw"),), ven_id=VEN1)),
        (CreatedReport, "463"),
        ((CreatedReport, "461"), CreateReport(request_id=R1, requests=(request(specifier="status"),), ven_id=VEN1)),
    ),
    CreatedReport: plain(CreatedReport),
    UpdateReport: Row(
        (UpdatedReport, "200"), ((UpdatedReport, "452"), update("none")), (UpdatedReport, "463"), NOBODY
    ),
    UpdatedReport: plain(UpdatedReport),
    CancelReport: Row(
        (CanceledReport, "200"),
        ((CanceledReport, "452"), replace(CANCEL, report_request_ids=(ReportRequestId("RR1"),))),
        (CanceledReport, "463"),
        NOBODY,
    ),
    CanceledReport: plain(CanceledReport),
    CreateOpt: Row(
        (CreatedOpt, "200"),
        ((CreatedOpt, "452"), replace(OPT, availability=(), event=QualifiedEventId(event_id=EventId("e1"), modification=0))),
        (CreatedOpt, "463"),
        ((CreatedOpt, "451"), None),
    ),
    CancelOpt: Row(
        (CanceledOpt, "200"),
        ((CanceledOpt, "452"), CancelOpt(request_id=R1, opt_id=OptId("O1"), ven_id=VEN1)),
        (CanceledOpt, "463"),
        ((CanceledOpt, "451"), None),
    ),
    DistributeEvent: not_said_here(distributed(event(), vtn_id=VtnId("vtn1"))),
    CreatedPartyRegistration: foreign(CreatedPartyRegistration),
    RequestReregistration: foreign(RequestReregistration),
    CreatedOpt: not_said_here(CreatedOpt(result=OK, opt_id=OptId("O1"))),
    CanceledOpt: not_said_here(CanceledOpt(result=OK, opt_id=OptId("O1"))),
}  # fmt: skip
"""What the VTN answers. Not supported: what the role or the registration of this VEN does not have."""

AT_THE_VEN: dict[type[Message], Row] = {
    DistributeEvent: Row(
        EMPTY, (EMPTY, distributed(event(), vtn_id=VtnId("vtn1"))), (Response, "463"), ((Response, "451"), None)
    ),
    Response: Row(EMPTY, (EMPTY, of(Response)), (Response, "463"), NOBODY),
    CancelPartyRegistration: Row(
        (CanceledPartyRegistration, "200"),
        ((CanceledPartyRegistration, "452"), replace(END, registration_id=RegistrationId("none"))),
        (CanceledPartyRegistration, "463"),
        NOBODY,
    ),
    RequestReregistration: Row(
        (Response, "200"), ((Response, "452"), of(RequestReregistration)), (Response, "463"), NOBODY
    ),
    RegisterReport: Row(
        (RegisteredReport, "200"), ((RegisteredReport, "452"), of(RegisterReport)), (RegisteredReport, "463"), NOBODY
    ),
    CreateReport: Row(
        (CreatedReport, "200"),
        ((CreatedReport, "452"), CreateReport(request_id=R1, requests=(request("BAT.kw"),), ven_id=VEN1)),
        (CreatedReport, "463"),
        ((CreatedReport, "454"), CreateReport(request_id=R1, requests=(request(granularity_s=1),), ven_id=VEN1)),
    ),
    UpdateReport: Row(
        (UpdatedReport, "200"), ((UpdatedReport, "452"), update("none")), (UpdatedReport, "463"), NOBODY
    ),
    CancelReport: Row(
        (CanceledReport, "200"),
        ((CanceledReport, "452"), replace(CANCEL, report_request_ids=(ReportRequestId("RR1"),))),
        (CanceledReport, "463"),
        NOBODY,
    ),
    Poll: foreign(Poll),
    RequestEvent: not_said_here(of(RequestEvent)),
    CreatedEvent: foreign(CreatedEvent),
    QueryRegistration: not_said_here(),
    CreatePartyRegistration: not_said_here(of(CreatePartyRegistration)),
    CreatedPartyRegistration: foreign(CreatedPartyRegistration),
    CanceledPartyRegistration: foreign(CanceledPartyRegistration),
    RegisteredReport: foreign(RegisteredReport),
    CreatedReport: foreign(CreatedReport),
    UpdatedReport: foreign(UpdatedReport),
    CanceledReport: foreign(CanceledReport),
    CreateOpt: not_said_here(of(CreateOpt)),
    CreatedOpt: not_said_here(CreatedOpt(result=OK, opt_id=OptId("O1"))),
    CancelOpt: not_said_here(of(CancelOpt)),
    CanceledOpt: not_said_here(CanceledOpt(result=OK, opt_id=OptId("O1"))),
}  # fmt: skip
"""What a push VEN answers in the HTTP response; a pull VEN says the same with a message of its own."""
