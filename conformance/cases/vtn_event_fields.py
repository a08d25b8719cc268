"""EiEvent at a VTN: what may stand in an event, comes through as it was ordered."""

from __future__ import annotations

from conformance.case import SHOULD, case, expect, expect_there
from conformance.tested import Vtn
from conformance.vtn_steps import contexts, created

LONG_COMMENT = "A comment as long as every node has to take it. " * 5 + "Its end."


@case(
    "vtn.event.resources",
    rules=("46",),
    certification=("A_E2_0435", "A_E3_0435"),
    says="An event for some resources names them in its target.",
    sends="an event for the resources power and energy of a VEN is created",
    expects="both resourceIDs in eiTarget",
)
async def resources(vtn: Vtn) -> None:
    message, event = await created(vtn, resources=("power", "energy"))
    expect(
        set(event.resources) == {"power", "energy"},
        "resourceIDs power and energy",
        str(event.resources),
        message,
        f"{event.path}/ei:eiTarget",
    )


@case(
    "vtn.event.market-context",
    rules=("46",),
    says="An event is in the market context that it was ordered in.",
    sends="an event in a market context is created",
    expects="that marketContext",
)
async def market_context(vtn: Vtn) -> None:
    (context,) = contexts(vtn, 1)
    message, event = await created(vtn, market_context=context)
    expect(event.context == context, context, event.context, message, f"{event.path}//ei:eiMarketContext")


@case(
    "vtn.event.priority",
    rules=("46",),
    certification=("A_E2_0510", "A_E3_0510"),
    says="An event has the priority that was wanted.",
    sends="an event of priority 3 is created",
    expects="priority 3",
)
async def priority(vtn: Vtn) -> None:
    message, event = await created(vtn, priority=3)
    expect(event.priority == 3, "priority 3", str(event.priority), message, f"{event.path}//ei:priority")


@case(
    "vtn.event.test",
    rules=("46",),
    says="A test event says so.",
    sends="a test event is created",
    expects="testEvent with a text that is not false",
)
async def test(vtn: Vtn) -> None:
    message, event = await created(vtn, test=True)
    told = event.test.lower() not in ("", "false")
    expect(told, "testEvent, not false", event.test or "none", message, f"{event.path}//ei:testEvent")


@case(
    "vtn.event.no-test",
    rules=("46",),
    says="An event that is real says nothing of a test, or that it is none.",
    sends="an event is created",
    expects="no testEvent, an empty one, or false",
)
async def no_test(vtn: Vtn) -> None:
    message, event = await created(vtn)
    real = event.test.lower() in ("", "false")
    expect(real, "no testEvent, or false", event.test, message, f"{event.path}//ei:testEvent")


@case(
    "vtn.event.comment",
    rules=("46",),
    says="A comment of 250 characters comes through whole.",
    sends="an event with such a vtnComment is created",
    expects="the same vtnComment",
)
async def comment(vtn: Vtn) -> None:
    wanted = LONG_COMMENT[:250].strip()
    message, event = await created(vtn, comment=wanted)
    expect(event.comment == wanted, wanted, event.comment, message, f"{event.path}//ei:vtnComment")


@case(
    "vtn.event.response-required",
    rules=("46",),
    says="An event that wants an answer says always.",
    sends="an event is created whose answer is wanted",
    expects="oadrResponseRequired always",
)
async def response_required(vtn: Vtn) -> None:
    message, event = await created(vtn)
    expect(event.required == "always", "always", event.required, message, "./oadr:oadrEvent/oadr:oadrResponseRequired")


@case(
    "vtn.event.response-never",
    rules=("46",),
    certification=("A_E2_0468", "A_E3_0468", "A_E2_0480", "A_E3_0480", "A_E2_0498", "A_E3_0498"),
    says="An event that wants no answer says never.",
    sends="an event is created whose answer is not wanted",
    expects="oadrResponseRequired never",
)
async def response_never(vtn: Vtn) -> None:
    message, event = await created(vtn, response_required=False)
    expect(event.required == "never", "never", event.required, message, "./oadr:oadrEvent/oadr:oadrResponseRequired")


@case(
    "vtn.event.startafter",
    rules=("46", "66"),
    certification=("A_E2_0685", "A_E3_0685"),
    says="A randomised start is told as startafter.",
    sends="an event with a startafter of 120 s is created",
    expects="tolerate/startafter of 120 s",
)
async def startafter(vtn: Vtn) -> None:
    message, event = await created(vtn, startafter_s=120)
    expect(event.startafter_s == 120, "startafter 120 s", f"{event.startafter_s} s", message, event.path)


@case(
    "vtn.event.ramp-up",
    rules=("46",),
    certification=("A_E2_0527", "A_E3_0527"),
    says="A ramp-up is told as x-eiRampUp.",
    sends="an event with a ramp-up of 60 s is created",
    expects="x-eiRampUp of 60 s",
)
async def ramp_up(vtn: Vtn) -> None:
    message, event = await created(vtn, ramp_up_s=60)
    expect(event.ramp_up_s == 60, "x-eiRampUp 60 s", f"{event.ramp_up_s} s", message, event.path)


@case(
    "vtn.event.notification",
    rules=("46",),
    level=SHOULD,
    says="Every event has an x-eiNotification, be it zero.",
    sends="an event is created",
    expects="x-eiNotification in the active period",
)
async def notification(vtn: Vtn) -> None:
    message, event = await created(vtn)
    expect_there(message, f"{event.path}/ei:eiActivePeriod/xcal:properties/ei:x-eiNotification")
