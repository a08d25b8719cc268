"""EiEvent at a VTN: answers and requests that are wrong."""

from __future__ import annotations

from conformance.case import NotSupported, case, expect_code
from conformance.play_ven import event_response
from conformance.template import edited
from conformance.tested import Vtn
from conformance.vtn_steps import asked, given, opt_is, opt_is_not, opted, refused

NOBODY = "nobody-knows-this"


@case(
    "vtn.event.answer-to-nothing",
    rules=("48", "21"),
    says="An answer to an event that the VTN never sent is an error.",
    sends="oadrCreatedEvent for an eventID that there is none of",
    expects="oadrResponse 4xx (452)",
    negative=True,
    signed=True,
)
async def answer_to_nothing(vtn: Vtn) -> None:
    ven, _, message = await opted(vtn)
    refused(await asked(ven, "oadrCreatedEvent", request_id="", responses=event_response(message, NOBODY)))


@case(
    "vtn.event.answer-to-the-past",
    rules=("48",),
    says="An answer to a modification that was overtaken is an error, and changes nothing.",
    sends="an event is changed and answered by optIn; then optOut for its number 0",
    expects="oadrResponse 4xx (450); the VTN shows optIn",
    negative=True,
)
async def answer_to_the_past(vtn: Vtn) -> None:
    ven, event_id, old = await opted(vtn)
    await vtn.change(event_id, ven, in_s=3600)
    message = await ven.event(event_id, modification=1)
    expect_code(await ven.opt(message, event_id), "200")
    refused(await asked(ven, "oadrCreatedEvent", request_id="", responses=event_response(old, event_id, "optOut")))
    await opt_is(vtn, event_id, ven, "optIn")


@case(
    "vtn.event.answer-to-the-future",
    rules=("48",),
    says="An answer to a modification that there is none of is an error, and changes nothing.",
    sends="optIn for an event, then optOut for its number 7",
    expects="oadrResponse 4xx; the VTN shows optIn",
    negative=True,
)
async def answer_to_the_future(vtn: Vtn) -> None:
    ven, event_id, message = await opted(vtn)
    response = event_response(message, event_id, "optOut", modification=7)
    refused(await asked(ven, "oadrCreatedEvent", request_id="", responses=response))
    await opt_is(vtn, event_id, ven, "optIn")


@case(
    "vtn.event.answer-under-wrong-request",
    rules=("42",),
    says="An answer under a requestID that was never used is taken or refused, and the VTN holds what it says.",
    sends="oadrCreatedEvent optIn with another requestID in its eventResponse",
    expects="oadrResponse 200 and optIn shown, or 4xx and no optIn shown",
    negative=True,
)
async def wrong_request(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    response = event_response(await ven.event(event_id), event_id, request_id=NOBODY)
    exchange = await asked(ven, "oadrCreatedEvent", request_id="", responses=response)
    if exchange.answer is not None and exchange.answer.code == "200":
        await opt_is(vtn, event_id, ven, "optIn")
        return
    refused(exchange)
    await opt_is_not(vtn, event_id, ven, "optIn")


def _swapped(text: str) -> str:
    """The same letters in the other case. NotSupported where there are none."""
    if text.swapcase() == text:
        raise NotSupported(f"{text} has no letters")
    return text.swapcase()


@case(
    "vtn.event.answer-in-other-letters",
    rules=("21",),
    certification=("E1_1080",),
    says="A venID in other letters is another venID.",
    sends="oadrCreatedEvent optIn with the case of the venID's letters flipped",
    expects="oadrResponse 452; the VTN does not show optIn",
    negative=True,
    signed=True,
)
async def other_letters(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    response = event_response(await ven.event(event_id), event_id)
    name = _swapped(ven.ven_id)
    reply = await ven.say("oadrCreatedEvent", request_id="", responses=response, ven_id=name)
    expect_code(reply, "452")
    await opt_is_not(vtn, event_id, ven, "optIn")


@case(
    "vtn.event.answer-of-nobody",
    rules=("21",),
    says="An answer under a venID that there is none of is an error.",
    sends="oadrCreatedEvent optIn with an unknown venID",
    expects="a refusal; the VTN does not show optIn",
    negative=True,
)
async def answer_of_nobody(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    response = event_response(await ven.event(event_id), event_id)
    refused(await asked(ven, "oadrCreatedEvent", request_id="", responses=response, ven_id=NOBODY))
    await opt_is_not(vtn, event_id, ven, "optIn")


@case(
    "vtn.event.answer-for-another",
    rules=("48", "21"),
    says="A VEN answers its own events only.",
    sends="oadrCreatedEvent of one VEN for an event that only another one has",
    expects="oadrResponse 4xx (452)",
    negative=True,
)
async def answer_for_another(vtn: Vtn) -> None:
    _, event_id, message = await opted(vtn)
    other = await vtn.registered()
    refused(
        await asked(other, "oadrCreatedEvent", request_id="", responses=event_response(message, event_id, "optOut"))
    )


@case(
    "vtn.event.request-in-other-letters",
    rules=("21",),
    certification=("E1_1080",),
    says="A request under a venID in other letters gets no events.",
    sends="oadrRequestEvent with the case of the venID's letters flipped",
    expects="452 without events",
    negative=True,
)
async def request_other_letters(vtn: Vtn) -> None:
    ven = await vtn.registered()
    await given(ven, await vtn.create(ven))
    refused(await asked(ven, "oadrRequestEvent", ven_id=_swapped(ven.ven_id)), "452")


@case(
    "vtn.event.request-of-nobody",
    rules=("21",),
    says="A request under a venID that there is none of gets no events.",
    sends="oadrRequestEvent with an unknown venID",
    expects="a refusal without events",
    negative=True,
)
async def request_of_nobody(vtn: Vtn) -> None:
    ven = await vtn.registered()
    await given(ven, await vtn.create(ven))
    refused(await asked(ven, "oadrRequestEvent", ven_id=NOBODY))


@case(
    "vtn.event.answer-without-opt",
    rules=("33",),
    says="An answer from which what is mandatory is missing is an error, and changes nothing.",
    sends="oadrCreatedEvent whose eventResponse has no optType",
    expects="a refusal; the VTN does not show optIn",
    negative=True,
)
async def answer_without_opt(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    response = event_response(await ven.event(event_id), event_id)
    raw = edited(ven.write("oadrCreatedEvent", request_id="", responses=response), drop=("//ei:optType",))
    refused(await ven.try_(raw, "EiEvent"))
    await opt_is_not(vtn, event_id, ven, "optIn")


def _declare_reverse(kind: str, **holes: str) -> None:
    """What a VTN says to a VEN is refused when a VEN says it to the VTN."""

    @case(
        f"vtn.event.not-for-a-vtn-{kind.removeprefix('oadr').lower()}",
        rules=("23", "33"),
        says=f"{kind} is nothing that a VTN is sent.",
        sends=f"{kind} to the VTN",
        expects="a refusal",
        negative=True,
    )
    async def reverse(vtn: Vtn) -> None:
        ven = await vtn.registered()
        refused(await asked(ven, kind, vtn_id=ven.vtn_id, **holes))


_declare_reverse("oadrDistributeEvent", events="")
_declare_reverse("oadrCreatedOpt", opt_id="opt")
_declare_reverse("oadrCreatedPartyRegistration", registration_id="registration", more="")
_declare_reverse("oadrRequestReregistration")


@case(
    "vtn.event.wrong-service",
    rules=("33", "507"),
    says="An oadrCreatedEvent is taken at EiEvent alone.",
    sends="oadrCreatedEvent to EiReport",
    expects="a refusal (453); the VTN does not show optIn",
    negative=True,
)
async def wrong_service(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    response = event_response(await ven.event(event_id), event_id)
    refused(await ven.try_(ven.write("oadrCreatedEvent", request_id="", responses=response), "EiReport"))
    await opt_is_not(vtn, event_id, ven, "optIn")
