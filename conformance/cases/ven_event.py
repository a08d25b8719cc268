"""EiEvent at a VEN: what it accepts, and how it answers."""

from __future__ import annotations

from conformance.case import case, expect, expect_code, expect_text
from conformance.operator import DISPATCH, PRICE, in_
from conformance.play import fresh
from conformance.play_vtn import response_path
from conformance.tested import Ven
from conformance.ven_steps import alive, expect_taken, made, offered, unmentioned


def _echoed(event_id: str) -> str:
    return f"{response_path(event_id)}/pyld:requestID"


@case(
    "ven.event.accepts-simple",
    rules=("35", "56", "510"),
    certification=("E1_1020",),
    says="A VEN takes an event that it does not know, and opts in.",
    sends="a SIMPLE event in ten minutes; the VEN is set up to take part in such events",
    expects="oadrCreatedEvent with 200 and optIn for it",
    signed=True,
)
async def accepts_simple(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    expect_taken(await offered(ven, name, made(ven, name)), name, "optIn")


@case(
    "ven.event.accepts-dispatch",
    rules=("510",),
    certification=("E1_1025",),
    says="A VEN supports LOAD_DISPATCH with a setpoint of real power.",
    sends="a LOAD_DISPATCH/setpoint event",
    expects="oadrCreatedEvent with 200 and optIn for it",
    signed=True,
)
async def accepts_dispatch(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    expect_taken(await offered(ven, name, made(ven, name, DISPATCH)), name, "optIn")


@case(
    "ven.event.accepts-price",
    rules=("510",),
    says="A VEN supports ELECTRICITY_PRICE with a price per kWh.",
    sends="an ELECTRICITY_PRICE/price event",
    expects="oadrCreatedEvent with 200 for it",
)
async def accepts_price(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    expect_taken(await offered(ven, name, made(ven, name, PRICE)), name)


@case(
    "ven.event.accepts-later-modification",
    rules=("56",),
    says="An event that the VEN does not know is taken whatever its modificationNumber.",
    sends="a new event with modificationNumber 4",
    expects="200 for it, with modificationNumber 4",
)
async def accepts_later_modification(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    created = await offered(ven, name, made(ven, name, modification=4))
    expect_taken(created, name)
    expect_text(created, f"{response_path(name)}/ei:qualifiedEventID/ei:modificationNumber", "4")


@case(
    "ven.event.echoes-request-id",
    rules=("42",),
    says="An eventResponse carries the requestID of the oadrDistributeEvent.",
    sends="an event, with a requestID of its own in the oadrDistributeEvent",
    expects="that requestID in the eventResponse",
)
async def echoes_request_id(ven: Ven) -> None:
    await ven.bootstrapped()
    name, request = fresh("event"), fresh("distribution")
    before = await ven.send_events(made(ven, name), request_id=request)
    expect_text(await ven.answered(name, after=before), _echoed(name), request)


@case(
    "ven.event.overall-request-id",
    rules=("42",),
    says="The requestID of the overall eiResponse is empty where there are eventResponses.",
    sends="an event",
    expects="an empty requestID in eiCreatedEvent/eiResponse",
)
async def overall_request_id(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    created = await offered(ven, name, made(ven, name))
    expect_text(created, "./pyld:eiCreatedEvent/ei:eiResponse/pyld:requestID", "")


@case(
    "ven.event.request-id-again",
    rules=("43",),
    says="A VEN assumes nothing about the uniqueness of requestIDs.",
    sends="two oadrDistributeEvent with the same requestID and different events",
    expects="an answer to each",
)
async def request_id_again(ven: Ven) -> None:
    await ven.bootstrapped()
    first, second, request = fresh("event"), fresh("event"), fresh("distribution")
    kept = made(ven, first)
    before = await ven.send_events(kept, request_id=request)
    expect_taken(await ven.answered(first, after=before), first)
    before = await ven.send_events(kept, made(ven, second, start=in_(7200)), request_id=request)
    created = await ven.answered(second, after=before)
    expect_taken(created, second)
    expect_text(created, _echoed(second), request)


@case(
    "ven.event.never-is-not-answered",
    rules=("12", "62"),
    says="An event with oadrResponseRequired never is not answered.",
    sends="one event with never",
    expects="no oadrCreatedEvent that names it",
)
async def never_is_not_answered(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    before = await ven.send_events(made(ven, name, required=False))
    await unmentioned(ven, name, after=before)


@case(
    "ven.event.always-and-never",
    rules=("12", "62"),
    says="In one oadrDistributeEvent each event is answered as its own oadrResponseRequired says.",
    sends="an event with never and one with always",
    expects="an answer to the second only",
)
async def always_and_never(ven: Ven) -> None:
    await ven.bootstrapped()
    silent, asked = fresh("event"), fresh("event")
    before = await ven.send_events(made(ven, silent, required=False), made(ven, asked, start=in_(7200)))
    expect_taken(await ven.answered(asked, after=before), asked)
    await unmentioned(ven, silent, after=before)


@case(
    "ven.event.unchanged-is-answered",
    rules=("12", "62"),
    says="An unchanged event is answered again if a response is required.",
    sends="the same event twice, always",
    expects="an answer to each oadrDistributeEvent",
)
async def unchanged_is_answered(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    same = made(ven, name)
    expect_taken(await offered(ven, name, same), name)
    expect_taken(await offered(ven, name, same), name)


@case(
    "ven.event.by-request-event",
    rules=("62", "405"),
    says="An event in the answer to oadrRequestEvent is answered like any other.",
    sends="an event in the answer to the first oadrRequestEvent",
    expects="oadrCreatedEvent with 200 for it",
)
async def by_request_event(ven: Ven) -> None:
    name = fresh("event")
    ven.events = (made(ven, name),)
    await ven.start()
    await ven.hears("oadrRequestEvent", within_s=15)
    expect_taken(await ven.answered(name), name)


@case(
    "ven.event.empty",
    rules=("62",),
    certification=("E1_1010",),
    says="An oadrDistributeEvent without events is understood.",
    sends="an empty oadrDistributeEvent, then one with an event",
    expects="no response to any event, then an answer to the event",
)
async def empty(ven: Ven) -> None:
    await ven.bootstrapped()
    before = await ven.send_events()
    path = ".//ei:eventResponse"
    await ven.hears_no("oadrCreatedEvent", where=lambda one: one.has(path), for_s=1.5, after=before)
    await alive(ven)


@case(
    "ven.event.error-is-survived",
    rules=("33",),
    says="A VEN survives an error in the answer to its oadrCreatedEvent.",
    sends="459 in the oadrResponse to the VEN's oadrCreatedEvent, and a good event after it",
    expects="200 for the next event",
    certification=("A_E0_0092",),
)
async def error_is_survived(ven: Ven) -> None:
    await ven.bootstrapped()
    ven.answers["oadrCreatedEvent"] = lambda message: ven.write("oadrResponse", request_id="", code="459")
    name = fresh("event")
    await offered(ven, name, made(ven, name))
    del ven.answers["oadrCreatedEvent"]
    await alive(ven)


@case(
    "ven.event.created-event",
    rules=("21", "35", "511"),
    says="An oadrCreatedEvent goes to EiEvent with the venID, overall code 200, and a response to each event.",
    sends="an event",
    expects="an oadrCreatedEvent like that",
)
async def created_event(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("event")
    created = await offered(ven, name, made(ven, name))
    expect_code(created, "200")
    expect_text(created, "./pyld:eiCreatedEvent/ei:venID", ven.ven_id)
    path = next(one.path for one, said in zip(ven.paths, ven.heard, strict=True) if said is created)
    expect(path.endswith("/OpenADR2/Simple/2.0b/EiEvent"), "a POST to …/OpenADR2/Simple/2.0b/EiEvent", path, created)
