"""EiOpt at a VTN: opts that qualify one event."""

from __future__ import annotations

from conformance.case import case, expect_code
from conformance.operator import PRICE
from conformance.tested import Vtn
from conformance.vtn_opts import created_opt, event_opt, resource
from conformance.vtn_steps import given, opt_is, opted


@case(
    "vtn.opt.event-out",
    rules=("206", "510"),
    certification=("E1_1060",),
    says="A VEN that opted in may opt out by oadrCreateOpt.",
    sends="oadrCreatedEvent optIn, then oadrCreateOpt optOut for the event",
    expects="oadrCreatedOpt 200; the VTN shows optOut",
    signed=True,
)
async def event_out(vtn: Vtn) -> None:
    ven, event_id, message = await opted(vtn)
    await created_opt(ven, event_opt(message, event_id, "optOut"))
    await opt_is(vtn, event_id, ven, "optOut")


@case(
    "vtn.opt.event-in",
    rules=("206",),
    certification=("E1_1065",),
    says="A VEN may opt in by oadrCreateOpt, before any oadrCreatedEvent.",
    sends="oadrCreateOpt optIn for an event that was not answered yet",
    expects="oadrCreatedOpt 200; the VTN shows optIn",
)
async def event_in(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    message, _ = await given(ven, event_id)
    await created_opt(ven, event_opt(message, event_id, "optIn"))
    await opt_is(vtn, event_id, ven, "optIn")


@case(
    "vtn.opt.event-in-stands",
    rules=("206",),
    certification=("E1_1065",),
    says="What oadrCreateOpt said of an event stands against a later oadrCreatedEvent.",
    sends="oadrCreateOpt optIn for an event, then oadrCreatedEvent optOut",
    expects="an oadrResponse; the VTN still shows optIn",
    signed=True,
)
async def event_in_stands(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    message, _ = await given(ven, event_id)
    await created_opt(ven, event_opt(message, event_id, "optIn"))
    await ven.opt(message, event_id, "optOut")
    await opt_is(vtn, event_id, ven, "optIn")


@case(
    "vtn.opt.event-out-stands",
    rules=("206",),
    certification=("E1_1060",),
    says="An optOut by oadrCreateOpt stands against a later optIn by oadrCreatedEvent.",
    sends="oadrCreateOpt optOut for an event, then oadrCreatedEvent optIn",
    expects="an oadrResponse; the VTN still shows optOut",
)
async def event_out_stands(vtn: Vtn) -> None:
    ven, event_id, message = await opted(vtn)
    await created_opt(ven, event_opt(message, event_id, "optOut"))
    await ven.opt(message, event_id, "optIn")
    await opt_is(vtn, event_id, ven, "optOut")


@case(
    "vtn.opt.event-for-a-resource",
    rules=("206", "46"),
    certification=("E1_1065",),
    says="An opt for an event may be for one of the VEN's resources.",
    sends="oadrCreateOpt optIn for an event and a resourceID of the VEN's METADATA",
    expects="oadrCreatedOpt 200",
)
async def event_for_resource(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    message, _ = await given(ven, event_id)
    await created_opt(ven, event_opt(message, event_id, "optIn", target=resource("power")))


@case(
    "vtn.opt.event-resource-stands",
    rules=("206", "46"),
    certification=("E1_1065",),
    says="An opt for one of an event's resources stands against a later oadrCreatedEvent too.",
    sends="an ELECTRICITY_PRICE event for two resources; oadrCreateOpt optIn for one of them, then oadrCreatedEvent optOut",
    expects="oadrCreatedOpt 200, an oadrResponse; the VTN still shows optIn",
)
async def event_resource_stands(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven, PRICE, resources=("power", "energy"))
    message, _ = await given(ven, event_id)
    await created_opt(ven, event_opt(message, event_id, "optIn", target=resource("power")))
    await ven.opt(message, event_id, "optOut")
    await opt_is(vtn, event_id, ven, "optIn")


@case(
    "vtn.opt.event-changes-its-mind",
    rules=("206",),
    says="A later oadrCreateOpt for an event replaces the earlier one.",
    sends="oadrCreateOpt optOut for an event, then optIn under the same optID",
    expects="oadrCreatedOpt 200 twice; the VTN shows optIn",
)
async def changes_its_mind(vtn: Vtn) -> None:
    ven, event_id, message = await opted(vtn)
    holes = event_opt(message, event_id, "optOut")
    await created_opt(ven, holes)
    await created_opt(ven, {**holes, "opt": "optIn"})
    await opt_is(vtn, event_id, ven, "optIn")


@case(
    "vtn.opt.event-cancelled",
    rules=("206", "X-OPT-4"),
    says="Once its oadrCreateOpt is cancelled, an event is answered by oadrCreatedEvent again.",
    sends="oadrCreateOpt optOut for an event, oadrCancelOpt, then oadrCreatedEvent optIn",
    expects="oadrCanceledOpt 200, oadrResponse 200; the VTN shows optIn",
)
async def event_cancelled(vtn: Vtn) -> None:
    ven, event_id, message = await opted(vtn)
    holes = event_opt(message, event_id, "optOut")
    await created_opt(ven, holes)
    expect_code(await ven.say("oadrCancelOpt", opt_id=holes["opt_id"]), "200")
    expect_code(await ven.opt(message, event_id, "optIn"), "200")
    await opt_is(vtn, event_id, ven, "optIn")


@case(
    "vtn.opt.event-changed",
    rules=("206", "5"),
    says="An opt for a modified event names the modification.",
    sends="an event is changed; oadrCreateOpt optOut for its number 1",
    expects="oadrCreatedOpt 200; the VTN shows optOut",
)
async def event_changed(vtn: Vtn) -> None:
    ven, event_id, _ = await opted(vtn)
    await vtn.change(event_id, ven, in_s=3600)
    message, _ = await given(ven, event_id, modification=1)
    await created_opt(ven, event_opt(message, event_id, "optOut"))
    await opt_is(vtn, event_id, ven, "optOut")
