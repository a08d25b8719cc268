"""EiOpt at a VTN: availability schedules."""

from __future__ import annotations

from conformance.case import case, expect_code, expect_kind, expect_text
from conformance.play import fresh
from conformance.tested import Vtn
from conformance.vtn_opts import availability, created_opt, resource, schedule, span
from conformance.vtn_steps import contexts

REASONS = (
    "economic",
    "emergency",
    "mustRun",
    "notParticipating",
    "outageRunStatus",
    "overrideStatus",
    "participating",
    "x-schedule",
    "x-a-reason-of-ours",
)


@case(
    "vtn.opt.schedule",
    rules=("X-OPT-1",),
    certification=("P1_2010",),
    says="A VEN declares a time at which it does not take part.",
    sends="oadrCreateOpt optOut with one span of availability",
    expects="oadrCreatedOpt 200 with the same optID",
    signed=True,
)
async def one_span(vtn: Vtn) -> None:
    ven = await vtn.registered()
    opt_id = fresh("opt")
    reply = await created_opt(ven, schedule(ven, opt_id=opt_id))
    expect_text(reply, "./ei:optID", opt_id)


@case(
    "vtn.opt.schedule-in",
    rules=("X-OPT-1",),
    certification=("P1_2010",),
    says="A VEN declares a time at which it takes part.",
    sends="oadrCreateOpt optIn with one span of availability",
    expects="oadrCreatedOpt 200",
)
async def opt_in(vtn: Vtn) -> None:
    ven = await vtn.registered()
    await created_opt(ven, schedule(ven, opt="optIn"))


@case(
    "vtn.opt.several-spans",
    rules=("46", "X-OPT-2"),
    certification=("P1_2015",),
    says="A schedule may have several spans.",
    sends="oadrCreateOpt with three spans of availability",
    expects="oadrCreatedOpt 200",
)
async def several_spans(vtn: Vtn) -> None:
    ven = await vtn.registered()
    spans = availability(span(), span(in_s=7200), span(in_s=86400, lasts_s=3600))
    await created_opt(ven, schedule(ven, availability=spans))


@case(
    "vtn.opt.for-a-market-context",
    rules=("46",),
    certification=("P1_2015",),
    says="A schedule may be for one market context.",
    sends="oadrCreateOpt with marketContext",
    expects="oadrCreatedOpt 200",
)
async def for_context(vtn: Vtn) -> None:
    ven = await vtn.registered()
    (context,) = contexts(vtn, 1)
    await created_opt(ven, schedule(ven, market_context=context))


@case(
    "vtn.opt.for-everything",
    rules=("46",),
    says="An empty eiTarget is the whole VEN.",
    sends="oadrCreateOpt with an empty eiTarget",
    expects="oadrCreatedOpt 200",
)
async def for_everything(vtn: Vtn) -> None:
    ven = await vtn.registered()
    await created_opt(ven, schedule(ven, target=""))


@case(
    "vtn.opt.for-a-resource",
    rules=("46",),
    certification=("P1_2030",),
    says="A schedule may be for a resource of the VEN.",
    sends="oadrCreateOpt for a resourceID of the VEN's METADATA",
    expects="oadrCreatedOpt 200",
)
async def for_resource(vtn: Vtn) -> None:
    ven = await vtn.registered()
    await created_opt(ven, schedule(ven, target=resource("power")))


@case(
    "vtn.opt.for-a-device-class",
    rules=("46",),
    certification=("P1_2030",),
    says="A schedule may be for a class of devices.",
    sends="oadrCreateOpt for the VEN with oadrDeviceClass Thermostat",
    expects="oadrCreatedOpt 200",
)
async def for_device_class(vtn: Vtn) -> None:
    ven = await vtn.registered()
    await created_opt(ven, schedule(ven, device_class="Thermostat"))


def _declare_reason(reason: str) -> None:
    @case(
        f"vtn.opt.reason-{reason.lower()}",
        rules=("46",),
        says=f"The optReason {reason} is taken.",
        sends=f"oadrCreateOpt with optReason {reason}",
        expects="oadrCreatedOpt 200",
    )
    async def taken(vtn: Vtn) -> None:
        ven = await vtn.registered()
        await created_opt(ven, schedule(ven, reason=reason))


for _reason in REASONS:
    _declare_reason(_reason)


@case(
    "vtn.opt.replaced",
    rules=("X-OPT-1", "X-OPT-4"),
    certification=("P1_2030", "P1_2040"),
    says="A schedule that is created again under its optID is replaced.",
    sends="oadrCreateOpt twice under one optID, then oadrCancelOpt once",
    expects="oadrCreatedOpt 200 twice, oadrCanceledOpt 200",
)
async def replaced(vtn: Vtn) -> None:
    ven = await vtn.registered()
    opt_id = fresh("opt")
    await created_opt(ven, schedule(ven, opt_id=opt_id))
    await created_opt(ven, schedule(ven, opt_id=opt_id, availability=availability(span(in_s=9000))))
    expect_code(await ven.say("oadrCancelOpt", opt_id=opt_id), "200")


@case(
    "vtn.opt.replaced-is-one",
    rules=("X-OPT-4",),
    certification=("P1_2040",),
    says="A replaced schedule is one schedule: cancelled once, it is gone.",
    sends="oadrCreateOpt twice under one optID, then oadrCancelOpt twice",
    expects="oadrCanceledOpt 200, then 452",
    negative=True,
)
async def replaced_is_one(vtn: Vtn) -> None:
    ven = await vtn.registered()
    opt_id = fresh("opt")
    for _ in range(2):
        await created_opt(ven, schedule(ven, opt_id=opt_id))
    expect_code(await ven.say("oadrCancelOpt", opt_id=opt_id), "200")
    expect_code(await ven.say("oadrCancelOpt", opt_id=opt_id), "452")


@case(
    "vtn.opt.cancelled",
    rules=("X-OPT-4",),
    certification=("P1_2020",),
    says="A schedule is cancelled by its optID.",
    sends="oadrCreateOpt, then oadrCancelOpt",
    expects="oadrCanceledOpt 200, with the optID where it has one",
    signed=True,
)
async def cancelled(vtn: Vtn) -> None:
    ven = await vtn.registered()
    opt_id = fresh("opt")
    await created_opt(ven, schedule(ven, opt_id=opt_id))
    reply = await ven.say("oadrCancelOpt", opt_id=opt_id)
    expect_kind(reply, "oadrCanceledOpt")
    expect_code(reply, "200")
    if reply.has("./ei:optID"):
        expect_text(reply, "./ei:optID", opt_id)


@case(
    "vtn.opt.cancelled-then-created",
    rules=("X-OPT-1", "X-OPT-4"),
    certification=("P1_2020",),
    says="After a cancellation the optID is free.",
    sends="oadrCreateOpt, oadrCancelOpt, oadrCreateOpt under the same optID",
    expects="200 three times",
)
async def cancelled_then_created(vtn: Vtn) -> None:
    ven = await vtn.registered()
    opt_id = fresh("opt")
    await created_opt(ven, schedule(ven, opt_id=opt_id))
    expect_code(await ven.say("oadrCancelOpt", opt_id=opt_id), "200")
    await created_opt(ven, schedule(ven, opt_id=opt_id))


@case(
    "vtn.opt.ends-with-the-registration",
    rules=("406",),
    certification=("N1_0060",),
    says="A new registration ends the opts of the former one.",
    sends="oadrCreateOpt, a new registration, oadrCancelOpt",
    expects="oadrCanceledOpt 4xx (452)",
    negative=True,
)
async def ends_with_registration(vtn: Vtn) -> None:
    ven = await vtn.registered()
    opt_id = fresh("opt")
    await created_opt(ven, schedule(ven, opt_id=opt_id))
    await ven.register(registration_id=None)
    reply = await ven.say("oadrCancelOpt", opt_id=opt_id)
    expect_code(reply, "4xx")


@case(
    "vtn.opt.survives-registering-again",
    rules=("406",),
    says="A registration that is renewed under its id keeps its opts.",
    sends="oadrCreateOpt, registering again with both ids, oadrCancelOpt",
    expects="oadrCanceledOpt 200",
)
async def survives_again(vtn: Vtn) -> None:
    ven = await vtn.registered()
    opt_id = fresh("opt")
    await created_opt(ven, schedule(ven, opt_id=opt_id))
    await ven.register(registration_id=ven.registration_id)
    expect_code(await ven.say("oadrCancelOpt", opt_id=opt_id), "200")
