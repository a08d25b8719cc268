"""A run in which everything is as it should be, to plant faults in: one VTN, one VEN, an event, an absence, a reading."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from openadr_ra.protocol.agenda import Known
from openadr_ra.protocol.distribution import Given
from openadr_ra.protocol.instruction import Ask, Instruction, event
from openadr_ra.protocol.messages import (
    CreatedEvent,
    CreatedOpt,
    CreatedPartyRegistration,
    CreateOpt,
    CreatePartyRegistration,
    Message,
    Response,
    UpdatedReport,
    UpdateReport,
)
from openadr_ra.protocol.model import (
    OPT_IN,
    OPT_OUT,
    EventId,
    OptId,
    Period,
    QualifiedEventId,
    RegistrationId,
    ReportRequestId,
    RequestId,
    Rid,
    SpecifierId,
    VenId,
    VtnId,
)
from openadr_ra.protocol.node import EndNode, Identity
from openadr_ra.protocol.opt import SCHEDULED, Opt
from openadr_ra.protocol.parts import (
    TELEMETRY_USAGE,
    EventResponse,
    Interval,
    Profile,
    Report,
    ReportPayload,
    Result,
)
from openadr_ra.protocol.party import Party
from openadr_ra.protocol.registration import Membership, Registration
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.step import Entry, Key
from openadr_ra.protocol.times import duration
from openadr_ra.wire import codec
from torture.ends import Ends, VtnEnd
from torture.ledger import Alive, Book, Declared, Done, Heard, Ordered, Told
from torture.scene import Cell, Scene, VenPlace

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
VEN = "S-held"
DEVICE = "S-held-device"
SERIES = f"{VEN}/{TELEMETRY_USAGE}/{DEVICE}.kw"
SCENE = Scene(cells=(Cell(name="s", tls=False, vens=(VenPlace(name=VEN, way="held"),)),))
DONE = Result(request_id=RequestId("r"))

INSTRUCTION = Instruction(
    id=EventId("far-1"), start=NOON, every=timedelta(hours=1), asks={VenId(VEN): Ask(values=(-2.0,))}, modification=1
)
ABSENCE = Opt(id=OptId("away-1"), opt=OPT_OUT, reason=SCHEDULED, created=NOON)
READING = Reading(series=SERIES, start=NOON, span=timedelta(seconds=2), value=-1.5)


def heard(message: Message, reply: Message | None, at_s: float = 10.0) -> Heard:
    """What the VEN posted, and what came back."""
    return Heard(
        at_s=at_s,
        service="EiEvent",
        status=0 if reply is None else 200,
        request=codec.encode(message),
        reply=b"" if reply is None else codec.encode(reply),
    )


def registered(reply: bool = True) -> Heard:
    asked = CreatePartyRegistration(request_id=RequestId("r"), ven_id=VenId(VEN), ven_name=VEN, pull=True)
    granted = CreatedPartyRegistration(
        result=DONE,
        registration_id=RegistrationId("reg-1"),
        ven_id=VenId(VEN),
        vtn_id=VtnId("s-vtn"),
        profiles=(Profile(name=Token("2.0b"), transports=(Token("simpleHttp"),)),),
    )
    return heard(asked, granted if reply else None)


def answered(opt: str = "optIn", modification: int = 1) -> Heard:
    said = EventResponse(
        event=QualifiedEventId(event_id=EventId("far-1"), modification=modification),
        opt=OPT_IN if opt == "optIn" else OPT_OUT,
        request_id=RequestId("r"),
    )
    return heard(CreatedEvent(result=DONE, responses=(said,), ven_id=VenId(VEN)), Response(result=DONE))


def absent() -> Heard:
    said = CreateOpt(
        opt_id=ABSENCE.id,
        opt=OPT_OUT,
        reason=SCHEDULED,
        ven_id=VenId(VEN),
        availability=(Period(start=NOON, duration=duration(timedelta(hours=1))),),
        created=NOON,
        request_id=RequestId("r"),
    )
    return heard(said, CreatedOpt(result=DONE, opt_id=ABSENCE.id))


def reported(value: float = -1.5, *, reply: bool = True) -> Heard:
    payload = ReportPayload(rid=Rid(f"{DEVICE}.kw"), value=value)
    interval = Interval(start=NOON, duration=duration(timedelta(seconds=2)), payloads=(payload,))
    report = Report(
        intervals=(interval,),
        request_id=ReportRequestId("live"),
        specifier_id=SpecifierId("usage"),
        name=TELEMETRY_USAGE,
        created=NOON,
    )
    said = UpdateReport(request_id=RequestId("r"), reports=(report,), ven_id=VenId(VEN))
    return heard(said, UpdatedReport(result=DONE) if reply else None)


def entry(what: str, by: str, detail: str, subject: str = "event/far-1") -> Entry:
    return Entry(subject=subject, at=NOON, by=by, what=what, detail=detail)


JOURNAL = (
    entry("registered", VEN, VEN, subject=f"party/{VEN}"),
    entry("published", "operator", "modification 0"),
    entry("changed", "operator", "modification 1"),
    entry("sent", VEN, "modification 1"),
    entry("optIn", VEN, "modification 1, in effect from 2026-11-21T12:00:00Z"),
)

ORDERS = (
    Ordered(at_s=1, cell="s", verb="publish", event="far-1", vens=(VEN,), kw=(-1.0,), modification=0),
    Ordered(at_s=2, cell="s", verb="change", event="far-1", vens=(VEN,), kw=(-2.0,), modification=1),
)


def party(**changed: object) -> Party:
    told = event(INSTRUCTION, VenId(VEN), NOON)
    given = Given(event=told, revision=1, delivered=1, answered=1, opt=OPT_IN, code="200")
    whole: dict[str, object] = {
        "ven_id": VenId(VEN),
        "registration": Registration(id=RegistrationId("reg-1"), at=NOON),
        "events": {told.id: given},
        "opts": {ABSENCE.id: ABSENCE},
    }
    return Party(**(whole | changed))  # type: ignore[arg-type] # the fields of a party, by name


def node(**changed: object) -> EndNode:
    known = Known(event=event(INSTRUCTION, VenId(VEN), NOON), opt=OPT_IN, answered=1)
    whole: dict[str, object] = {
        "key": Key("node/upstream"),
        "identity": Identity(ven_name=VEN),
        "member": Membership(phase="registered", registration_id=RegistrationId("reg-1"), ven_id=VenId(VEN)),
        "agenda": {known.event.id: known},
        "opts": {ABSENCE.id: ABSENCE},
    }
    return EndNode(**(whole | changed))  # type: ignore[arg-type] # the fields of an end node, by name


def vtn(**changed: object) -> VtnEnd:
    whole: dict[str, object] = {
        "events": {INSTRUCTION.id: INSTRUCTION},
        "parties": {VEN: party()},
        "journal": JOURNAL,
        "readings": {SERIES: (READING,)},
    }
    return VtnEnd(**(whole | changed))  # type: ignore[arg-type] # the fields of that end, by name


def ends(end: VtnEnd | None = None, ven: EndNode | None = None) -> Ends:
    return Ends(vtns={"s": end or vtn()}, vens={VEN: ven or node()})


def applied(at_s: float, lease_s: float = 6.0) -> Told:
    return Told(at_s=at_s, device=DEVICE, verb="apply", kw=-2.0, lease_s=lease_s, event="near-1")


TOLD = (applied(20.0), applied(22.0), Told(at_s=24.0, device=DEVICE, verb="release"))
CUT = Done(kind="network", target=VEN, what="refuse", began_s=5.0, ended_s=9.0, vens=(VEN,))


def book(**changed: object) -> Book:
    whole: dict[str, object] = {
        "orders": ORDERS,
        "declared": (Declared(at_s=3, ven=VEN, opt_id="away-1", acknowledged=True),),
        "heard": {VEN: (registered(), answered(), absent(), reported())},
        "told": TOLD,
        "alive": (Alive(name=VEN, began_s=0.0, ended_s=100.0, killed=True),),
        "done": (CUT,),
    }
    return Book(**(whole | changed))  # type: ignore[arg-type] # the fields of a book, by name
