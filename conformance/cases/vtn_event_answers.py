"""EiEvent at a VTN: what VENs answer, and what the VTN makes of it."""

from __future__ import annotations

from conformance.case import SHOULD, case, expect, expect_code, expect_kind
from conformance.message import Message
from conformance.play_ven import PlayVen, event_response, number_of
from conformance.tested import Vtn
from conformance.vtn_steps import asked, given, listed, opt_is, opt_is_not, opted

NOBODY = "nobody-knows-this"


async def _two(vtn: Vtn) -> tuple[PlayVen, Message, str, str]:
    """Two events of one VEN, one after the other, and a message with both."""
    ven = await vtn.registered()
    first, second = await vtn.create(ven), await vtn.create(ven, in_s=7200)
    await given(ven, second)
    return ven, await listed(ven), first, second


@case(
    "vtn.event.opt-in",
    rules=("16", "42"),
    certification=("E1_1020",),
    says="An optIn is understood.",
    sends="oadrCreatedEvent optIn",
    expects="oadrResponse 200; the VTN shows optIn",
    signed=True,
)
async def opt_in(vtn: Vtn) -> None:
    ven, event_id, _ = await opted(vtn)
    await opt_is(vtn, event_id, ven, "optIn")


@case(
    "vtn.event.opt-out",
    rules=("16",),
    says="An optOut is understood.",
    sends="oadrCreatedEvent optOut",
    expects="oadrResponse 200; the VTN shows optOut",
)
async def opt_out(vtn: Vtn) -> None:
    ven, event_id, _ = await opted(vtn, "optOut")
    await opt_is(vtn, event_id, ven, "optOut")


@case(
    "vtn.event.answer-is-a-response",
    rules=("16", "25"),
    certification=("E1_1020",),
    says="oadrCreatedEvent is answered by oadrResponse.",
    sends="oadrCreatedEvent optIn",
    expects="oadrResponse 200",
)
async def answered_byevent_response(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    reply = await ven.opt(await ven.event(event_id), event_id)
    expect_kind(reply, "oadrResponse")
    expect_code(reply, "200")


@case(
    "vtn.event.late-opt-out",
    rules=("17", "42"),
    says="A VEN may opt out later without being asked, under the requestID of before.",
    sends="optIn, then optOut for the same event with the same requestID",
    expects="oadrResponse 200 to both; the VTN shows optOut",
)
async def late_opt_out(vtn: Vtn) -> None:
    ven, event_id, message = await opted(vtn)
    expect_code(await ven.opt(message, event_id, "optOut"), "200")
    await opt_is(vtn, event_id, ven, "optOut")


@case(
    "vtn.event.late-opt-in",
    rules=("17",),
    says="A VEN may opt in again.",
    sends="optOut, then optIn for the same event",
    expects="oadrResponse 200 to both; the VTN shows optIn",
)
async def late_opt_in(vtn: Vtn) -> None:
    ven, event_id, message = await opted(vtn, "optOut")
    expect_code(await ven.opt(message, event_id), "200")
    await opt_is(vtn, event_id, ven, "optIn")


@case(
    "vtn.event.answered-twice",
    rules=("16", "42"),
    says="The same answer once more is none the worse.",
    sends="the same oadrCreatedEvent twice",
    expects="oadrResponse 200 twice; the VTN shows optIn",
)
async def answered_twice(vtn: Vtn) -> None:
    ven, event_id, message = await opted(vtn)
    expect_code(await ven.opt(message, event_id), "200")
    await opt_is(vtn, event_id, ven, "optIn")


@case(
    "vtn.event.answers-together",
    rules=("16", "25"),
    certification=("E1_1040",),
    says="Two events may be answered in one oadrCreatedEvent.",
    sends="one oadrCreatedEvent with optIn for one event and optOut for another",
    expects="oadrResponse 200; the VTN shows each",
)
async def answers_together(vtn: Vtn) -> None:
    ven, message, first, second = await _two(vtn)
    responses = event_response(message, first) + event_response(message, second, "optOut")
    expect_code(await ven.say("oadrCreatedEvent", request_id="", responses=responses), "200")
    await opt_is(vtn, first, ven, "optIn")
    await opt_is(vtn, second, ven, "optOut")


@case(
    "vtn.event.answers-apart",
    rules=("16",),
    certification=("E1_1040",),
    says="Two events of one payload may be answered one by one.",
    sends="an oadrCreatedEvent for each of two events",
    expects="oadrResponse 200 twice; the VTN shows optIn for both",
)
async def answers_apart(vtn: Vtn) -> None:
    ven, message, first, second = await _two(vtn)
    for event_id in (first, second):
        expect_code(await ven.opt(message, event_id), "200")
        await opt_is(vtn, event_id, ven, "optIn")


@case(
    "vtn.event.bad-beside-good",
    rules=("25",),
    says="A failure of one event is no failure of the answers to others.",
    sends="one oadrCreatedEvent 200 with optIn for one event, and 462 with optOut for another",
    expects="oadrResponse 200; the VTN shows optIn for the first, and not for the second",
)
async def bad_beside_good(vtn: Vtn) -> None:
    ven, message, first, second = await _two(vtn)
    responses = event_response(message, first) + event_response(message, second, "optOut", code="462")
    expect_code(await ven.say("oadrCreatedEvent", request_id="", responses=responses), "200")
    await opt_is(vtn, first, ven, "optIn")
    await opt_is_not(vtn, second, ven, "optIn")


@case(
    "vtn.event.unknown-beside-good",
    rules=("25",),
    level=SHOULD,
    says="An answer to an unknown event does not undo the good one beside it.",
    sends="one oadrCreatedEvent with optIn for an event, and optIn for one that there is none of",
    expects="the VTN shows optIn for the first",
    negative=True,
)
async def unknown_beside_good(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    message = await ven.event(event_id)
    responses = event_response(message, event_id) + event_response(message, NOBODY)
    await asked(ven, "oadrCreatedEvent", request_id="", responses=responses)
    await opt_is(vtn, event_id, ven, "optIn")


@case(
    "vtn.event.signal-refused",
    rules=("25", "48"),
    certification=("E1_1070",),
    says="A VEN may refuse an event for its signal, in that event's answer alone.",
    sends="oadrCreatedEvent 200 with an eventResponse 460 optOut",
    expects="oadrResponse 200; the VTN does not show optIn",
)
async def signal_refused(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    message = await ven.event(event_id)
    expect_code(await ven.opt(message, event_id, "optOut", code="460"), "200")
    await opt_is_not(vtn, event_id, ven, "optIn")


@case(
    "vtn.event.message-refused",
    rules=("25",),
    certification=("A_E0_0092",),
    says="A VEN may refuse a whole oadrDistributeEvent, without answers to its events.",
    sends="oadrCreatedEvent with eiResponse 459 and no eventResponses; then oadrRequestEvent",
    expects="an oadrResponse; the events are told as before",
)
async def message_refused(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    message = await ven.event(event_id)
    request_id = message.text("./pyld:requestID") or ""
    reply = await ven.say("oadrCreatedEvent", code="459", request_id=request_id, responses=None)
    expect_kind(reply, "oadrResponse")
    await _still_listed(ven, event_id)
    await opt_is_not(vtn, event_id, ven, "optIn")


async def _still_listed(ven: PlayVen, event_id: str) -> None:
    message = await listed(ven)
    known = number_of(message, event_id) is not None
    expect(known, f"event {event_id}", "it is not there", message, "./oadr:oadrEvent")


@case(
    "vtn.event.described-answer",
    rules=("46",),
    says="A responseDescription may stand in an answer.",
    sends="oadrCreatedEvent optIn with responseDescription",
    expects="oadrResponse 200; the VTN shows optIn",
)
async def described(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    message = await ven.event(event_id)
    reply = await ven.say(
        "oadrCreatedEvent", request_id="", description="as you like it", responses=event_response(message, event_id)
    )
    expect_code(reply, "200")
    await opt_is(vtn, event_id, ven, "optIn")


@case(
    "vtn.event.answer-to-a-change",
    rules=("16", "5"),
    certification=("E1_1030",),
    says="Each modification is answered anew.",
    sends="optIn for an event, then optOut for its modification",
    expects="oadrResponse 200 to both; the VTN shows optOut",
)
async def answer_to_a_change(vtn: Vtn) -> None:
    ven, event_id, _ = await opted(vtn)
    await vtn.change(event_id, ven, in_s=3600)
    message = await ven.event(event_id, modification=1)
    expect_code(await ven.opt(message, event_id, "optOut"), "200")
    await opt_is(vtn, event_id, ven, "optOut")
