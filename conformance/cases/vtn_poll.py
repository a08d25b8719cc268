"""OadrPoll at a VTN: what polls bring, in which order, and who may poll."""

from __future__ import annotations

from conformance.case import SHOULD, Mode, NotSupported, case, expect, expect_code, expect_kind, expect_text
from conformance.message import Message
from conformance.operator import ReportWish
from conformance.play_ven import PlayVen, number_of
from conformance.tested import Vtn
from conformance.vtn_steps import asked, given, opt_is, refused

POLLS: tuple[Mode, ...] = ("pull",)
OFTEN = 5
NOBODY = "nobody-knows-this"


async def _asks_for_report(vtn: Vtn, ven: PlayVen) -> None:
    await vtn.operator.request_report(
        ReportWish(ven_id=ven.ven_id, name="TELEMETRY_USAGE", specifier="usage", points=("power",), back_s=3600)
    )


async def _queued(vtn: Vtn) -> tuple[PlayVen, str]:
    """A VEN for which an event and a report request wait, and the event."""
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    await _asks_for_report(vtn, ven)
    return ven, event_id


async def _until_empty(ven: PlayVen) -> tuple[Message, ...]:
    """Poll without delay, and without answering, until a plain oadrResponse."""
    found: list[Message] = []
    while len(found) < 2 * OFTEN:
        message = await ven.poll()
        if message.kind == "oadrResponse":
            return tuple(found)
        found.append(message)
    kinds = ", ".join(message.kind for message in found)
    expect(False, "a plain oadrResponse at the end", kinds, found[-1], ".")
    return ()


@case(
    "vtn.poll.nothing",
    rules=("500",),
    says="A poll is answered by a plain oadrResponse if there is nothing.",
    sends="oadrPoll of a VEN for which nothing waits",
    expects="oadrResponse 200",
    modes=POLLS,
    signed=True,
)
async def nothing(vtn: Vtn) -> None:
    ven = await vtn.registered()
    await _until_empty(ven)
    reply = await ven.poll()
    expect_kind(reply, "oadrResponse")
    expect_code(reply, "200")
    if reply.has("./ei:venID"):
        expect_text(reply, "./ei:venID", ven.ven_id)


@case(
    "vtn.poll.register-report",
    rules=("500", "301"),
    certification=("N1_0020",),
    says="A poll brings the VTN's oadrRegisterReport.",
    sends="oadrCreatePartyRegistration, then polls",
    expects="oadrRegisterReport; 200 to the answer",
    modes=POLLS,
)
async def register_report(vtn: Vtn) -> None:
    ven = await vtn.ven()
    await ven.register()
    message = await _brought(ven, "oadrRegisterReport")
    reply = await ven.say("oadrRegisteredReport", request_id=message.request_id, requests="")
    expect_kind(reply, "oadrResponse")
    expect_code(reply, "200")


async def _brought(ven: PlayVen, kind: str) -> Message:
    """The next payload of that kind by a poll, itself not answered."""
    ven.answers.pop(kind, None)
    return await ven.receive(kind)


@case(
    "vtn.poll.event",
    rules=("500", "50"),
    certification=("E1_1020",),
    says="A poll brings an oadrDistributeEvent.",
    sends="an event is created; polls",
    expects="oadrDistributeEvent with the event",
    modes=POLLS,
    signed=True,
)
async def event(vtn: Vtn) -> None:
    ven = await vtn.registered()
    await given(ven, await vtn.create(ven))


@case(
    "vtn.poll.create-report",
    rules=("500",),
    says="A poll brings an oadrCreateReport, and its answer goes to EiReport.",
    sends="the operator asks for a report; polls, then oadrCreatedReport",
    expects="oadrCreateReport; oadrResponse 200 to the answer",
    modes=POLLS,
)
async def create_report(vtn: Vtn) -> None:
    ven = await vtn.registered()
    await _asks_for_report(vtn, ven)
    message = await _brought(ven, "oadrCreateReport")
    reply = await ven.post(ven.created_report(message))
    expect_kind(reply, "oadrResponse")
    expect_code(reply, "200")


@case(
    "vtn.poll.cancel-report",
    rules=("500",),
    says="A poll brings an oadrCancelReport, and its answer goes to EiReport.",
    sends="the operator asks for a report and cancels it; polls, then oadrCanceledReport",
    expects="oadrCancelReport; oadrResponse 200 to the answer",
    modes=POLLS,
)
async def cancel_report(vtn: Vtn) -> None:
    ven = await vtn.registered()
    await _asks_for_report(vtn, ven)
    asks = await ven.receive("oadrCreateReport")
    request_id = asks.text("./oadr:oadrReportRequest/ei:reportRequestID") or ""
    await vtn.operator.cancel_report(ven.ven_id, request_id, to_follow=False)
    message = await _brought(ven, "oadrCancelReport")
    expect_text(message, "./ei:reportRequestID", request_id)
    reply = await ven.post(ven.canceled_report(message))
    expect_kind(reply, "oadrResponse")
    expect_code(reply, "200")


@case(
    "vtn.poll.request-reregistration",
    rules=("500",),
    certification=("N1_0050",),
    says="A poll brings an oadrRequestReregistration, and oadrResponse acknowledges it.",
    sends="the operator's wish; polls, then oadrResponse to EiRegisterParty",
    expects="oadrRequestReregistration; oadrResponse 200 or an empty 200 to the acknowledgement",
    modes=POLLS,
)
async def request_reregistration(vtn: Vtn) -> None:
    ven = await vtn.registered()
    await vtn.operator.request_reregistration(ven.ven_id)
    message = await _brought(ven, "oadrRequestReregistration")
    expect_text(message, "./ei:venID", ven.ven_id)
    exchange = await ven.try_(ven.response(message), "EiRegisterParty")
    expect(exchange.status == 200, "HTTP status 200", str(exchange.status), exchange.request, ".")
    if exchange.answer is not None and exchange.answer.kind:
        expect_code(exchange.answer, "200")


@case(
    "vtn.poll.cancel-registration",
    rules=("500",),
    certification=("N1_0040",),
    says="A poll brings an oadrCancelPartyRegistration, and its answer goes to EiRegisterParty.",
    sends="the operator's wish; polls, then oadrCanceledPartyRegistration",
    expects="oadrCancelPartyRegistration; oadrResponse 200 to the answer",
    modes=POLLS,
)
async def cancel_registration(vtn: Vtn) -> None:
    ven = await vtn.registered()
    await vtn.operator.cancel_registration(ven.ven_id)
    message = await _brought(ven, "oadrCancelPartyRegistration")
    reply = await ven.post(ven.canceled_registration(message))
    expect_kind(reply, "oadrResponse")
    expect_code(reply, "200")


@case(
    "vtn.poll.drained",
    rules=("500",),
    certification=("G1_4015",),
    says="Polls without delay bring all that waits, one payload each, and then a plain oadrResponse.",
    sends="an event and a report request wait; polls without any answer",
    expects="oadrDistributeEvent and oadrCreateReport, then oadrResponse",
    modes=POLLS,
    signed=True,
)
async def drained(vtn: Vtn) -> None:
    ven, event_id = await _queued(vtn)
    found = await _until_empty(ven)
    kinds = [message.kind for message in found]
    for kind in ("oadrDistributeEvent", "oadrCreateReport"):
        expect(kind in kinds, kind, ", ".join(kinds) or "nothing")
    told = [message for message in found if number_of(message, event_id) is not None]
    expect(bool(told), f"event {event_id}", "it is not told")


@case(
    "vtn.poll.late-answers",
    rules=("500",),
    certification=("G1_4015",),
    says="What polls brought may be answered after all of it has come, in any order.",
    sends="an event and a report request are polled; then oadrCreatedReport, then oadrCreatedEvent",
    expects="oadrResponse 200 to both; the VTN shows optIn",
    modes=POLLS,
)
async def late_answers(vtn: Vtn) -> None:
    ven, event_id = await _queued(vtn)
    found = await _until_empty(ven)
    for message in found:
        if message.kind == "oadrCreateReport":
            expect_code(await ven.post(ven.created_report(message)), "200")
    for message in found:
        if number_of(message, event_id) is not None:
            expect_code(await ven.opt(message, event_id), "200")
    await opt_is(vtn, event_id, ven, "optIn")


@case(
    "vtn.poll.answered-is-not-repeated",
    rules=("500",),
    says="What was answered does not come again.",
    sends="an event is polled and answered; polls",
    expects="no oadrDistributeEvent any more",
    modes=POLLS,
)
async def answered_not_repeated(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    message, _ = await given(ven, event_id)
    await ven.opt(message, event_id)
    await ven.nothing("oadrDistributeEvent", for_s=1.5)


@case(
    "vtn.poll.asked-events-are-not-repeated",
    rules=("500", "405"),
    level=SHOULD,
    says="What oadrRequestEvent told and the VEN answered is not brought by a poll once more.",
    sends="an event is told by oadrRequestEvent and answered; polls",
    expects="no oadrDistributeEvent",
    modes=POLLS,
)
async def requested_not_repeated(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    message = await ven.say("oadrRequestEvent")
    if number_of(message, event_id) is None:
        raise NotSupported("the VTN tells a new event by polls first")
    await ven.opt(message, event_id)
    await ven.nothing("oadrDistributeEvent", for_s=1.5)


@case(
    "vtn.poll.often",
    rules=("500",),
    level=SHOULD,
    says="A few polls more often than wanted are still answered.",
    sends=f"{OFTEN} polls without delay",
    expects="HTTP 200 each time, with oadrResponse 200 or what is due",
    modes=POLLS,
)
async def often(vtn: Vtn) -> None:
    ven = await vtn.registered()
    for _ in range(OFTEN):
        reply = await ven.poll()
        expect(bool(reply.kind), "a payload", reply.problem, reply)
        if reply.kind == "oadrResponse":
            expect_code(reply, "200")


@case(
    "vtn.poll.own-queue",
    rules=("500", "21"),
    says="A poll brings what is for that VEN, and nothing of others.",
    sends="an event is created for one of two VENs; the other polls",
    expects="no oadrDistributeEvent with that event",
    modes=POLLS,
    negative=True,
)
async def own_queue(vtn: Vtn) -> None:
    ven, other = await vtn.registered(), await vtn.registered()
    event_id = await vtn.create(ven)
    await other.nothing(
        "oadrDistributeEvent", where=lambda message: number_of(message, event_id) is not None, for_s=1.0
    )
    await given(ven, event_id)


@case(
    "vtn.poll.nobody",
    rules=("21",),
    says="A poll under a venID that there is none of brings nothing.",
    sends="oadrPoll with an unknown venID",
    expects="a refusal (452)",
    modes=POLLS,
    negative=True,
)
async def nobody(vtn: Vtn) -> None:
    ven = await vtn.registered()
    refused(await asked(ven, "oadrPoll", ven_id=NOBODY))


@case(
    "vtn.poll.other-letters",
    rules=("21",),
    certification=("E1_1080",),
    says="A poll under a venID in other letters brings nothing.",
    sends="oadrPoll with the case of the venID's letters flipped",
    expects="452",
    modes=POLLS,
    negative=True,
)
async def other_letters(vtn: Vtn) -> None:
    ven = await vtn.registered()
    name = ven.ven_id.swapcase()
    if name == ven.ven_id:
        raise NotSupported(f"{name} has no letters")
    refused(await asked(ven, "oadrPoll", ven_id=name), "452")


@case(
    "vtn.poll.pushed",
    rules=("X-POLL-1",),
    level=SHOULD,
    says="A VEN that is pushed to does not poll.",
    sends="oadrPoll of a VEN registered with oadrHttpPullModel false",
    expects="a refusal (451)",
    modes=("push",),
    negative=True,
)
async def pushed(vtn: Vtn) -> None:
    ven = await vtn.registered()
    refused(await asked(ven, "oadrPoll"))


@case(
    "vtn.poll.pull-and-push",
    rules=("500", "501"),
    certification=("G1_4020",),
    says="VENs that poll and VENs that are pushed to have one VTN.",
    sends="events are created for a VEN that polls, one that is pushed to, and the first again",
    expects="each event at its VEN, in its way",
)
async def pull_and_push(vtn: Vtn) -> None:
    polls = await vtn.registered(mode="pull")
    listens = await vtn.registered(mode="push")
    for ven, in_s in ((polls, 600), (listens, 600), (polls, 7200)):
        await given(ven, await vtn.create(ven, in_s=in_s))
