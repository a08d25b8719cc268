"""EiOpt at a VTN: opts that are wrong."""

from __future__ import annotations

from conformance.case import SHOULD, NotSupported, case, expect_code, expect_kind
from conformance.play import fresh, seconds
from conformance.tested import Vtn
from conformance.vtn_opts import availability, created_opt, event_opt, resource, schedule, span
from conformance.vtn_steps import asked, given, opt_is, opted, refused

NOBODY = "nobody-knows-this"


@case(
    "vtn.opt.cancel-unknown",
    rules=("X-OPT-4", "21"),
    says="What was never created cannot be cancelled.",
    sends="oadrCancelOpt with an optID that there is none of",
    expects="oadrCanceledOpt 452",
    negative=True,
    signed=True,
)
async def cancel_unknown(vtn: Vtn) -> None:
    ven = await vtn.registered()
    reply = await ven.say("oadrCancelOpt", opt_id=NOBODY)
    expect_kind(reply, "oadrCanceledOpt")
    expect_code(reply, "452")


@case(
    "vtn.opt.cancel-twice",
    rules=("X-OPT-4",),
    says="What was cancelled cannot be cancelled again.",
    sends="oadrCreateOpt, oadrCancelOpt twice",
    expects="oadrCanceledOpt 200, then 452",
    negative=True,
)
async def cancel_twice(vtn: Vtn) -> None:
    ven = await vtn.registered()
    opt_id = fresh("opt")
    await created_opt(ven, schedule(ven, opt_id=opt_id))
    expect_code(await ven.say("oadrCancelOpt", opt_id=opt_id), "200")
    expect_code(await ven.say("oadrCancelOpt", opt_id=opt_id), "452")


@case(
    "vtn.opt.cancel-of-another",
    rules=("X-OPT-4", "21"),
    says="Nobody cancels the opt of another VEN.",
    sends="oadrCreateOpt of one VEN, oadrCancelOpt of another with that optID, then oadrCancelOpt of the first",
    expects="4xx (452) for the other; 200 for the first",
    negative=True,
)
async def cancel_of_another(vtn: Vtn) -> None:
    ven, other = await vtn.registered(), await vtn.registered()
    opt_id = fresh("opt")
    await created_opt(ven, schedule(ven, opt_id=opt_id))
    refused(await asked(other, "oadrCancelOpt", opt_id=opt_id))
    expect_code(await ven.say("oadrCancelOpt", opt_id=opt_id), "200")


@case(
    "vtn.opt.without-id",
    rules=("X-OPT-1", "33"),
    says="An opt has an optID.",
    sends="oadrCreateOpt with an empty optID",
    expects="a refusal",
    negative=True,
)
async def without_id(vtn: Vtn) -> None:
    ven = await vtn.registered()
    refused(await asked(ven, "oadrCreateOpt", **schedule(ven, opt_id="")))


@case(
    "vtn.opt.event-and-schedule",
    rules=("X-OPT-2", "33"),
    says="An opt for one event is no schedule.",
    sends="oadrCreateOpt with qualifiedEventID and vavailability",
    expects="a refusal; the opt of the event stays",
    negative=True,
)
async def event_and_schedule(vtn: Vtn) -> None:
    ven, event_id, message = await opted(vtn)
    refused(await asked(ven, "oadrCreateOpt", **event_opt(message, event_id, availability=availability())))
    await opt_is(vtn, event_id, ven, "optIn")


@case(
    "vtn.opt.event-and-context",
    rules=("X-OPT-2", "33"),
    says="An opt for one event is for no market context.",
    sends="oadrCreateOpt with qualifiedEventID and marketContext",
    expects="a refusal; the opt of the event stays",
    negative=True,
)
async def event_and_context(vtn: Vtn) -> None:
    ven, event_id, message = await opted(vtn)
    context = message.text(".//emix:marketContext")
    refused(await asked(ven, "oadrCreateOpt", **event_opt(message, event_id, market_context=context)))
    await opt_is(vtn, event_id, ven, "optIn")


@case(
    "vtn.opt.neither",
    rules=("X-OPT-2", "33"),
    says="An opt is for an event, or it is a schedule.",
    sends="oadrCreateOpt with neither qualifiedEventID nor vavailability",
    expects="a refusal",
    negative=True,
)
async def neither(vtn: Vtn) -> None:
    ven = await vtn.registered()
    refused(await asked(ven, "oadrCreateOpt", **schedule(ven, availability="")))


_MORE = {
    "tolerance": "<xcal:tolerance><xcal:tolerate><xcal:startafter>{}</xcal:startafter></xcal:tolerate></xcal:tolerance>",
    "notification": "<ei:x-eiNotification><xcal:duration>{}</xcal:duration></ei:x-eiNotification>",
    "ramp-up": "<ei:x-eiRampUp><xcal:duration>{}</xcal:duration></ei:x-eiRampUp>",
    "recovery": "<ei:x-eiRecovery><xcal:duration>{}</xcal:duration></ei:x-eiRecovery>",
}


def _declare_more(name: str, more: str) -> None:
    @case(
        f"vtn.opt.span-with-{name}",
        rules=("X-OPT-3", "33"),
        says=f"A span of availability has no {name}.",
        sends=f"oadrCreateOpt whose available has a {name}",
        expects="a refusal",
        negative=True,
    )
    async def wrong(vtn: Vtn) -> None:
        ven = await vtn.registered()
        spans = availability(span(more=more.format(seconds(60))))
        refused(await asked(ven, "oadrCreateOpt", **schedule(ven, availability=spans)))


for _name, _more in _MORE.items():
    _declare_more(_name, _more)


@case(
    "vtn.opt.event-unknown",
    rules=("48", "21"),
    says="An opt for an event that there is none of is an error.",
    sends="oadrCreateOpt with an unknown eventID",
    expects="oadrCreatedOpt 4xx (452)",
    negative=True,
)
async def event_unknown(vtn: Vtn) -> None:
    ven, _, message = await opted(vtn)
    refused(await asked(ven, "oadrCreateOpt", **event_opt(message, NOBODY)))


@case(
    "vtn.opt.event-of-the-past",
    rules=("48",),
    says="An opt for a modification that was overtaken is an error, and changes nothing.",
    sends="an event is changed and answered by optIn; oadrCreateOpt optOut for its number 0",
    expects="oadrCreatedOpt 4xx (452); the VTN shows optIn",
    negative=True,
)
async def event_of_the_past(vtn: Vtn) -> None:
    ven, event_id, old = await opted(vtn)
    await vtn.change(event_id, ven, in_s=3600)
    message, _ = await given(ven, event_id, modification=1)
    expect_code(await ven.opt(message, event_id), "200")
    refused(await asked(ven, "oadrCreateOpt", **event_opt(old, event_id, "optOut")))
    await opt_is(vtn, event_id, ven, "optIn")


@case(
    "vtn.opt.event-of-the-future",
    rules=("48",),
    says="An opt for a modification that there is none of is an error, and changes nothing.",
    sends="oadrCreateOpt optOut for number 7 of an event",
    expects="oadrCreatedOpt 4xx (452); the VTN shows optIn",
    negative=True,
)
async def event_of_the_future(vtn: Vtn) -> None:
    ven, event_id, message = await opted(vtn)
    refused(await asked(ven, "oadrCreateOpt", **event_opt(message, event_id, "optOut", modification=7)))
    await opt_is(vtn, event_id, ven, "optIn")


@case(
    "vtn.opt.event-of-another",
    rules=("48", "21"),
    says="A VEN opts for its own events only.",
    sends="oadrCreateOpt optOut of one VEN for an event that only another one has",
    expects="oadrCreatedOpt 4xx (452); the VTN shows optIn of the other",
    negative=True,
)
async def event_of_another(vtn: Vtn) -> None:
    ven, event_id, message = await opted(vtn)
    other = await vtn.registered()
    refused(await asked(other, "oadrCreateOpt", **event_opt(message, event_id, "optOut")))
    await opt_is(vtn, event_id, ven, "optIn")


@case(
    "vtn.opt.foreign-resource",
    rules=("21", "48"),
    level=SHOULD,
    says="A VEN opts for its own resources only.",
    sends="oadrCreateOpt for a resourceID that the VEN's METADATA has not got",
    expects="oadrCreatedOpt 4xx (452)",
    negative=True,
)
async def foreign_resource(vtn: Vtn) -> None:
    ven = await vtn.registered()
    refused(await asked(ven, "oadrCreateOpt", **schedule(ven, target=resource(NOBODY))))


@case(
    "vtn.opt.foreign-target",
    rules=("21", "48"),
    level=SHOULD,
    says="A VEN opts for itself only.",
    sends="oadrCreateOpt whose eiTarget has the venID of another VEN",
    expects="oadrCreatedOpt 4xx (452)",
    negative=True,
)
async def foreign_target(vtn: Vtn) -> None:
    ven, other = await vtn.registered(), await vtn.registered()
    target = f"<ei:venID>{other.ven_id}</ei:venID>"
    refused(await asked(ven, "oadrCreateOpt", **schedule(ven, target=target)))


@case(
    "vtn.opt.other-letters",
    rules=("21",),
    certification=("E1_1080",),
    says="An opt under a venID in other letters is an error.",
    sends="oadrCreateOpt with the case of the venID's letters flipped",
    expects="452",
    negative=True,
)
async def other_letters(vtn: Vtn) -> None:
    ven = await vtn.registered()
    name = ven.ven_id.swapcase()
    if name == ven.ven_id:
        raise NotSupported(f"{name} has no letters")
    refused(await asked(ven, "oadrCreateOpt", **schedule(ven, ven_id=name)), "452")


@case(
    "vtn.opt.report-only",
    rules=("501",),
    level=SHOULD,
    says="A VEN that only reports has no use of EiOpt.",
    sends="oadrCreateOpt of a VEN registered with oadrReportOnly true",
    expects="a refusal (451)",
    negative=True,
)
async def report_only(vtn: Vtn) -> None:
    ven = await vtn.ven()
    await ven.register(report_only=True)
    refused(await asked(ven, "oadrCreateOpt", **schedule(ven)))
