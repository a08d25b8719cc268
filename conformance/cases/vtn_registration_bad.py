"""EiRegisterParty at a VTN: registrations that are wrong, and everybody who has none."""

from __future__ import annotations

from conformance.case import SHOULD, NotSupported, case, expect_code, expect_kind
from conformance.play_ven import PlayVen, metadata, usage_report
from conformance.tested import Vtn
from conformance.vtn_opts import Holes, event_opt, schedule
from conformance.vtn_steps import asked, listed, refused

NOBODY = "nobody-knows-this"


@case(
    "vtn.registration.push-without-address",
    rules=("X-REG-1", "33"),
    says="A VEN that wants to be pushed to has to say where.",
    sends="oadrCreatePartyRegistration with oadrHttpPullModel false and no oadrTransportAddress",
    expects="a refusal",
    negative=True,
)
async def push_without_address(vtn: Vtn) -> None:
    ven = await vtn.ven(mode="pull")
    refused(await asked(ven, "oadrCreatePartyRegistration", pull=False))


@case(
    "vtn.registration.without-pull-model",
    rules=("X-REG-1", "33"),
    says="A VEN on simple HTTP has to say whether it polls.",
    sends="oadrCreatePartyRegistration for simpleHttp without oadrHttpPullModel",
    expects="a refusal",
    negative=True,
)
async def without_pull_model(vtn: Vtn) -> None:
    ven = await vtn.ven(mode="pull")
    refused(await asked(ven, "oadrCreatePartyRegistration", pull=None))


@case(
    "vtn.registration.profile-2.0a",
    rules=("506",),
    level=SHOULD,
    says="Profile 2.0a is nothing to register for at the endpoint of 2.0b.",
    sends="oadrCreatePartyRegistration with oadrProfileName 2.0a",
    expects="a refusal",
    negative=True,
)
async def profile_a(vtn: Vtn) -> None:
    ven = await vtn.ven()
    refused(await asked(ven, "oadrCreatePartyRegistration", profile="2.0a"))


@case(
    "vtn.registration.unknown-registration",
    rules=("21", "406"),
    says="A registrationID that the VTN never gave renews nothing.",
    sends="oadrCreatePartyRegistration with the VEN's venID and a registrationID of its own making",
    expects="a refusal (452)",
    negative=True,
)
async def unknown_registration(vtn: Vtn) -> None:
    ven = await vtn.registered()
    refused(await asked(ven, "oadrCreatePartyRegistration", registration_id=NOBODY))


@case(
    "vtn.registration.cancel-unknown-registration",
    rules=("21",),
    certification=("N1_0070",),
    says="Only the VEN's own registrationID cancels its registration.",
    sends="oadrCancelPartyRegistration with a registrationID that there is none of",
    expects="oadrCanceledPartyRegistration 452",
    negative=True,
    signed=True,
)
async def cancel_unknown_registration(vtn: Vtn) -> None:
    ven = await vtn.registered()
    reply = await ven.say("oadrCancelPartyRegistration", registration_id=NOBODY)
    expect_kind(reply, "oadrCanceledPartyRegistration")
    expect_code(reply, "452")


@case(
    "vtn.registration.cancel-unknown-ven",
    rules=("21",),
    certification=("N1_0070",),
    says="Only the VEN's own venID cancels its registration.",
    sends="oadrCancelPartyRegistration with a venID that there is none of",
    expects="oadrCanceledPartyRegistration 452",
    negative=True,
)
async def cancel_unknown_ven(vtn: Vtn) -> None:
    ven = await vtn.registered()
    reply = await ven.say("oadrCancelPartyRegistration", registration_id=ven.registration_id, ven_id=NOBODY)
    expect_kind(reply, "oadrCanceledPartyRegistration")
    expect_code(reply, "452")


@case(
    "vtn.registration.bad-cancel-changes-nothing",
    rules=("21",),
    certification=("N1_0070",),
    says="After cancellations with wrong ids the registration stands, and a right one ends it.",
    sends="two wrong cancellations, oadrRequestEvent, the right cancellation",
    expects="the events, then oadrCanceledPartyRegistration 200",
    negative=True,
)
async def bad_cancel_changes_nothing(vtn: Vtn) -> None:
    ven = await vtn.registered()
    await asked(ven, "oadrCancelPartyRegistration", registration_id=NOBODY)
    await asked(ven, "oadrCancelPartyRegistration", registration_id=ven.registration_id, ven_id=NOBODY)
    await listed(ven)
    reply = await ven.say("oadrCancelPartyRegistration", registration_id=ven.registration_id)
    expect_code(reply, "200")


async def _two(vtn: Vtn) -> tuple[PlayVen, PlayVen]:
    """A registered VEN, and another with another certificate."""
    if not vtn.ca:
        raise NotSupported("without certificates a VEN is whoever it says it is")
    ven = await vtn.registered()
    return ven, await vtn.registered()


@case(
    "vtn.registration.venid-of-another",
    rules=("21",),
    says="A venID belongs to a certificate: nobody speaks for another VEN.",
    sends="oadrRequestEvent over one VEN's certificate with another's venID",
    expects="a refusal (463)",
    negative=True,
)
async def ven_id_of_another(vtn: Vtn) -> None:
    ven, other = await _two(vtn)
    refused(await asked(other, "oadrRequestEvent", ven_id=ven.ven_id))


@case(
    "vtn.registration.registered-by-another",
    rules=("21",),
    says="Nobody takes over another VEN's registration.",
    sends="oadrCreatePartyRegistration over one VEN's certificate with both ids of another",
    expects="a refusal (463)",
    negative=True,
)
async def registered_by_another(vtn: Vtn) -> None:
    ven, other = await _two(vtn)
    holes = {"registration_id": ven.registration_id, "ven_id": ven.ven_id}
    refused(await asked(other, "oadrCreatePartyRegistration", **holes))


@case(
    "vtn.registration.cancelled-by-another",
    rules=("21",),
    says="Nobody cancels another VEN's registration.",
    sends="oadrCancelPartyRegistration over one VEN's certificate with both ids of another; then the other's request",
    expects="a refusal; the other's oadrRequestEvent is answered by 200",
    negative=True,
)
async def cancelled_by_another(vtn: Vtn) -> None:
    ven, other = await _two(vtn)
    holes = {"registration_id": ven.registration_id, "ven_id": ven.ven_id}
    refused(await asked(other, "oadrCancelPartyRegistration", **holes))
    await listed(ven)


def _kinds(ven: PlayVen) -> dict[str, Holes]:
    """What a VEN says in each service, as far as it needs a registration."""
    return {
        "oadrPoll": {},
        "oadrRequestEvent": {},
        "oadrCreatedEvent": {"responses": None},
        "oadrRegisterReport": {"reports": metadata()},
        "oadrUpdateReport": {"reports": usage_report("request")},
        "oadrCreateOpt": schedule(ven),
        "oadrCancelOpt": {"opt_id": "opt"},
        "oadrCancelPartyRegistration": {"registration_id": NOBODY},
    }


def _declare_unregistered(kind: str) -> None:
    """Two cases for one kind of payload: before any registration, and after its end."""
    service = "poll" if kind == "oadrPoll" else "registration"
    word = kind.removeprefix("oadr").lower()

    @case(
        f"vtn.{service}.unregistered-{word}",
        rules=("X-ACT-1",),
        certification=("N1_0080",),
        says=f"A VEN that is not registered gets no more than a refusal for {kind}.",
        sends=f"{kind} of a VEN that never registered",
        expects="no payload, or a refusal (463)",
        negative=True,
    )
    async def unregistered(vtn: Vtn) -> None:
        ven = await vtn.ven()
        ven.ven_id = ven.identity.name
        refused(await asked(ven, kind, **_kinds(ven)[kind]))

    @case(
        f"vtn.{service}.cancelled-{word}",
        rules=("X-ACT-1",),
        certification=("N1_0030", "N1_0080"),
        says=f"A VEN that has cancelled its registration gets no more than a refusal for {kind}.",
        sends=f"oadrCancelPartyRegistration, then {kind}",
        expects="no payload, or a refusal (463)",
        negative=True,
    )
    async def cancelled(vtn: Vtn) -> None:
        ven = await vtn.registered()
        await ven.say("oadrCancelPartyRegistration", registration_id=ven.registration_id)
        refused(await asked(ven, kind, **_kinds(ven)[kind]))


for _kind in (
    "oadrPoll",
    "oadrRequestEvent",
    "oadrCreatedEvent",
    "oadrRegisterReport",
    "oadrUpdateReport",
    "oadrCreateOpt",
    "oadrCancelOpt",
    "oadrCancelPartyRegistration",
):
    _declare_unregistered(_kind)


@case(
    "vtn.registration.cancelled-ends-events",
    rules=("X-ACT-1", "406"),
    certification=("N1_0030",),
    says="Events and opts end with the registration: an opt for an event from before is refused.",
    sends="an event, oadrCancelPartyRegistration, oadrCreateOpt for the event",
    expects="no payload, or a refusal",
    negative=True,
)
async def cancelled_ends_events(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    message = await ven.event(event_id)
    await ven.say("oadrCancelPartyRegistration", registration_id=ven.registration_id)
    refused(await asked(ven, "oadrCreateOpt", **event_opt(message, event_id)))
