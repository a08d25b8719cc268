"""EiOpt at a VEN."""

from __future__ import annotations

import asyncio
import contextlib

from conformance.case import NotSupported, case, expect, expect_absent, expect_text, expect_there
from conformance.message import Message
from conformance.operator import Refused, in_
from conformance.play import fresh
from conformance.play_vtn import own_request_id
from conformance.tested import Ven
from conformance.ven_operator import Availability
from conformance.ven_steps import alive, context, expect_taken, made, near_now, offered, offers

CREATE = "oadrCreateOpt"
AVAILABLE = "./xcal:vavailability/xcal:components/xcal:available/xcal:properties"
SETTLED_S = 1.0
REASONS = (
    "economic", "emergency", "mustRun", "notParticipating", "outageRunStatus", "overrideStatus", "participating",
    "x-schedule",
)  # fmt: skip


async def _declared(ven: Ven, *, spans: int = 1, market_context: str = "", opt: str = "optOut") -> tuple[str, Message]:
    """The same of a VEN that registers first."""
    await ven.bootstrapped()
    return await _declare(ven, spans=spans, market_context=market_context, opt=opt)


async def _declare(
    ven: Ven,
    *,
    spans: int = 1,
    resources: tuple[str, ...] = (),
    market_context: str = "",
    name: str = "",
    opt: str = "optOut",
) -> tuple[str, Message]:
    """An hour of absence from an hour ahead, declared: its name at the operator's, and the VEN's oadrCreateOpt."""
    before = len(ven.heard)
    days = tuple((in_(3600 + 86_400 * number), 3600) for number in range(spans))
    wish = Availability(opt=opt, spans=days, resources=resources, market_context=market_context, name=name)
    known = await ven.operator.declare(wish)
    return known, await ven.hears(CREATE, after=before)


@case(
    "ven.opt.schedule",
    rules=("X-OPT-1", "X-OPT-2", "510"),
    certification=("P1_2010",),
    says="An availability schedule is told by oadrCreateOpt, with an optID and the spans, and without an event.",
    sends="the operator declares an absence of one hour",
    expects="oadrCreateOpt with optID, venID, optOut and one span of an hour",
    signed=True,
)
async def schedule(ven: Ven) -> None:
    _, said = await _declared(ven)
    expect(bool(said.text("./ei:optID")), "an optID", "none", said, "./ei:optID")
    expect_text(said, "./ei:venID", ven.ven_id)
    expect_text(said, "./ei:optType", "optOut")
    expect_there(said, f"{AVAILABLE}/xcal:dtstart/xcal:date-time")
    expect_absent(said, "./ei:qualifiedEventID")


@case(
    "ven.opt.schedule-in",
    rules=("X-OPT-1", "X-OPT-2"),
    certification=("P1_2015",),
    says="A schedule may also say when the VEN is available.",
    sends="the operator declares an hour of availability",
    expects="oadrCreateOpt with optIn and a span",
)
async def schedule_in(ven: Ven) -> None:
    _, said = await _declared(ven, opt="optIn")
    expect_text(said, "./ei:optType", "optIn")
    expect_there(said, f"{AVAILABLE}/xcal:dtstart/xcal:date-time")


@case(
    "ven.opt.schedule-spans",
    rules=("X-OPT-2",),
    certification=("P1_2015",),
    says="A schedule may have several spans.",
    sends="the operator declares an hour of absence on three days",
    expects="three spans, in one oadrCreateOpt or several",
)
async def schedule_spans(ven: Ven) -> None:
    before = len(ven.heard)
    _, said = await _declared(ven, spans=3)
    found = len(said.all(AVAILABLE))
    while found < 3:
        more = await ven.hears(CREATE, after=max(before, ven.heard.index(said) + 1))
        said, found = more, found + len(more.all(AVAILABLE))
    expect(found == 3, "3 spans", str(found), said, AVAILABLE)


@case(
    "ven.opt.schedule-properties",
    rules=("X-OPT-3",),
    says="The spans of a schedule have no tolerance, notification, ramp-up or recovery.",
    sends="the operator declares an absence",
    expects="dtstart and duration alone in available/properties",
)
async def schedule_properties(ven: Ven) -> None:
    _, said = await _declared(ven)
    for path in ("xcal:tolerance", "ei:x-eiNotification", "ei:x-eiRampUp", "ei:x-eiRecovery"):
        expect_absent(said, f"{AVAILABLE}/{path}")
    expect_there(said, f"{AVAILABLE}/xcal:duration/xcal:duration")


@case(
    "ven.opt.created",
    rules=("X-EV-3",),
    says="createdDateTime of an oadrCreateOpt is the time at which it was made.",
    sends="the operator declares an absence",
    expects="createdDateTime within a minute of the harness's clock",
)
async def created(ven: Ven) -> None:
    _, said = await _declared(ven)
    near_now(said, "./ei:createdDateTime", within_s=60)


@case(
    "ven.opt.reason",
    rules=("X-OPT-1",),
    says="The optReason is one of the profile's, or begins with x-.",
    sends="the operator declares an absence",
    expects="an optReason of the enumeration, or x-…",
)
async def reason(ven: Ven) -> None:
    _, said = await _declared(ven)
    text = said.text("./ei:optReason") or "none"
    expect(text in REASONS or text.startswith("x-"), "an optReason of the profile", text, said, "./ei:optReason")


@case(
    "ven.opt.market-context",
    rules=("X-OPT-2",),
    says="A schedule may be for one market context.",
    sends="the operator declares an absence in a market context",
    expects="that marketContext in oadrCreateOpt",
)
async def market_context(ven: Ven) -> None:
    _, said = await _declared(ven, market_context=context(ven))
    expect_text(said, "./emix:marketContext", context(ven))


@case(
    "ven.opt.resource",
    rules=("X-OPT-2",),
    certification=("P1_2030",),
    says="A schedule may be for one of the VEN's resources.",
    sends="the operator declares an absence of a resource of the METADATA",
    expects="that resourceID in eiTarget",
)
async def resource(ven: Ven) -> None:
    await ven.bootstrapped()
    known = [one.resource for offer in (offers(ven.offers) if ven.offers else ()) for one in offer.points]
    name = next((one for one in known if one), "")
    if not name:
        raise NotSupported("the VEN names no resource in its METADATA")
    _, said = await _declare(ven, resources=(name,))
    expect_text(said, "./ei:eiTarget/ei:resourceID", name)


@case(
    "ven.opt.retracted",
    rules=("X-OPT-4",),
    certification=("P1_2020",),
    says="A schedule is taken back by oadrCancelOpt with its optID.",
    sends="the operator declares an absence, and takes it back",
    expects="oadrCancelOpt with the optID of the oadrCreateOpt, and the venID",
)
async def retracted(ven: Ven) -> None:
    name, said = await _declared(ven)
    before = len(ven.heard)
    await ven.operator.retract(name)
    gone = await ven.hears("oadrCancelOpt", after=before)
    expect_text(gone, "./ei:optID", said.text("./ei:optID") or "")
    expect_text(gone, "./ei:venID", ven.ven_id)


@case(
    "ven.opt.revised",
    rules=("X-OPT-1", "X-OPT-4"),
    certification=("P1_2030", "P1_2040"),
    says="A schedule is revised under the same optID, or taken back and told anew.",
    sends="the operator declares an absence, then revises it, then takes it back",
    expects="a second oadrCreateOpt, and in the end no optID that was not taken back",
)
async def revised(ven: Ven) -> None:
    name, said = await _declared(ven)
    _, again = await _declare(ven, spans=2, name=name)
    await ven.operator.retract(name)
    await ven.hears("oadrCancelOpt", where=lambda one: one.text("./ei:optID") == again.text("./ei:optID"))
    told = {one.text("./ei:optID") for one in ven.heard if one.kind == CREATE}
    gone = {one.text("./ei:optID") for one in ven.heard if one.kind == "oadrCancelOpt"}
    expect(told == gone, f"all taken back: {sorted(map(str, told))}", str(sorted(map(str, gone))), said, ".")


@case(
    "ven.opt.refused-is-survived",
    rules=("33",),
    says="A VEN survives that a schedule is refused.",
    sends="oadrCreatedOpt 452, then an event",
    expects="an answer to the event",
    negative=True,
)
async def refused_is_survived(ven: Ven) -> None:
    ven.answers[CREATE] = lambda message: ven.write(
        "oadrCreatedOpt", request_id=own_request_id(message), opt_id=message.text("./ei:optID") or "", code="452"
    )
    await _declared(ven)
    await alive(ven)


# -- one event ------------------------------------------------------------------------------------------------------


async def _opted(ven: Ven, opt: str = "optOut") -> tuple[str, Message]:
    """An event in an hour that was opted in to, and then the operator's own word: its eventID, and the oadrCreateOpt."""
    await ven.bootstrapped()
    name = fresh("event")
    expect_taken(await offered(ven, name, made(ven, name, start=in_(3600), modification=2)), name, "optIn")
    # A word that comes before the VTN's oadrResponse was read may still be part of the answer.
    await asyncio.sleep(SETTLED_S)
    before = len(ven.heard)
    await ven.operator.opt_event(name, opt)
    return name, await ven.hears(CREATE, after=before)


@case(
    "ven.opt.event",
    rules=("510", "X-OPT-2"),
    certification=("E1_1060",),
    says="An event that was accepted is opted out of by oadrCreateOpt, with its eventID and modificationNumber.",
    sends="an event, optIn, then the operator opts out",
    expects="oadrCreateOpt with optOut and qualifiedEventID",
    signed=True,
)
async def event(ven: Ven) -> None:
    name, said = await _opted(ven)
    expect_text(said, "./ei:optType", "optOut")
    expect_text(said, "./ei:qualifiedEventID/ei:eventID", name)
    expect_text(said, "./ei:qualifiedEventID/ei:modificationNumber", "2")


@case(
    "ven.opt.event-alone",
    rules=("X-OPT-1", "X-OPT-2"),
    says="An oadrCreateOpt for an event has an optID, and neither spans nor a market context.",
    sends="an event, optIn, then the operator opts out",
    expects="an optID; no vavailability, no marketContext",
)
async def event_alone(ven: Ven) -> None:
    _, said = await _opted(ven)
    expect(bool(said.text("./ei:optID")), "an optID", "none", said, "./ei:optID")
    expect_absent(said, "./xcal:vavailability")
    expect_absent(said, "./emix:marketContext")


@case(
    "ven.opt.event-then-in",
    rules=("206",),
    says="Who opted for an event by oadrCreateOpt changes that by EiOpt too, for an oadrCreatedEvent no longer counts.",
    sends="an event, optIn, then the operator opts out, then in",
    expects="oadrCreateOpt with optOut, then one with optIn, or an oadrCancelOpt",
)
async def event_then_in(ven: Ven) -> None:
    name, said = await _opted(ven)
    before = len(ven.heard)
    await ven.operator.opt_event(name, "optIn")
    changed = await ven.hears_one_of((CREATE, "oadrCancelOpt"), after=before)
    if changed.kind == CREATE:
        expect_text(changed, "./ei:optType", "optIn")
        expect_text(changed, "./ei:qualifiedEventID/ei:eventID", name)
    else:
        expect_text(changed, "./ei:optID", said.text("./ei:optID") or "")


@case(
    "ven.opt.event-answers-on",
    rules=("12", "206"),
    says="An event that was opted out of is answered as before when it comes again, and with the same opt.",
    sends="an event, optIn, the operator opts out, then the event again",
    expects="200 for it with optOut",
)
async def event_answers_on(ven: Ven) -> None:
    name, _ = await _opted(ven)
    again = made(ven, name, start=in_(3600), modification=3)
    expect_taken(await offered(ven, name, again, modification=3), name, "optOut")


@case(
    "ven.opt.new-registration",
    rules=("406",),
    says="Schedules die with the registration: what was declared before is not taken back under a new one.",
    sends="an absence, then a re-registration answered with a new registrationID, then the absence taken back",
    expects="no oadrCancelOpt, unless the VEN declared it anew under the new registration",
)
async def new_registration(ven: Ven) -> None:
    name, _ = await _declared(ven)
    ven.registration_id = "void"
    before = len(ven.heard)
    await ven.ask(ven.write("oadrRequestReregistration"), "oadrResponse")
    await ven.hears("oadrCreatePartyRegistration", after=before)
    await ven.hears("oadrRequestEvent", after=before)
    await asyncio.sleep(SETTLED_S)
    await ven.operator.retract(name)

    def stale(message: Message) -> bool:
        anew = {one.text("./ei:optID") for one in ven.heard[before:] if one.kind == CREATE}
        return message.text("./ei:optID") not in anew

    await ven.hears_no("oadrCancelOpt", where=stale, after=before, for_s=2)


@case(
    "ven.opt.report-only",
    rules=("501",),
    says="A VEN that only reports sends no opts.",
    sends="the operator of a VEN that only reports declares an absence",
    expects="no oadrCreateOpt",
)
async def report_only(ven: Ven) -> None:
    await ven.start("report-only")
    await ven.bootstrapped()
    wish = Availability(spans=((in_(3600), 3600),))
    with contextlib.suppress(Refused, ValueError):
        await ven.operator.declare(wish)
    await ven.hears_no(CREATE, for_s=2)
