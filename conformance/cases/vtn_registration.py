"""EiRegisterParty at a VTN: what a VEN is told, registers and asks."""

from __future__ import annotations

from conformance.case import (
    SHOULD,
    NotSupported,
    case,
    expect,
    expect_absent,
    expect_code,
    expect_kind,
    expect_text,
    expect_there,
)
from conformance.events_seen import length_s
from conformance.message import Message
from conformance.seal import sealer
from conformance.tested import Vtn
from conformance.vtn_steps import asked, listed, refused

IDS = ("./ei:registrationID", "./ei:venID")


def _same(reply: Message, path: str, wanted: str) -> None:
    """The element, if it is there, says that."""
    if reply.has(path):
        expect_text(reply, path, wanted)


@case(
    "vtn.registration.bootstrap",
    rules=("301", "401", "402", "405"),
    certification=("N1_0020",),
    says="A VEN registers, both sides register their reports, the VEN asks for events and polls.",
    sends="the whole bootstrap, step by step",
    expects="200 at each step, the ids given, the VTN's own oadrRegisterReport",
    signed=True,
)
async def bootstrap(vtn: Vtn) -> None:
    ven = await vtn.ven()
    created = await ven.register()
    for path in (*IDS, "./ei:vtnID"):
        expect_there(created, path)
    offered = await ven.offer()
    expect_code(offered, "200")
    events = await ven.say("oadrRequestEvent")
    expect_kind(events, "oadrDistributeEvent")
    theirs = await ven.receive("oadrRegisterReport")
    expect_absent(theirs, "./ei:reportRequestID")


@case(
    "vtn.registration.vtn-metadata-first",
    rules=("301", "402"),
    certification=("N1_0020",),
    says="The VTN registers its reports whether or not the VEN has registered its own yet.",
    sends="oadrCreatePartyRegistration, and nothing more but polls and answers",
    expects="the VTN's oadrRegisterReport",
)
async def vtn_metadata_first(vtn: Vtn) -> None:
    ven = await vtn.ven()
    await ven.register()
    theirs = await ven.receive("oadrRegisterReport")
    expect_absent(theirs, "./ei:reportRequestID")
    offered = await ven.offer()
    expect_code(offered, "200")


@case(
    "vtn.registration.query-unregistered",
    rules=("401",),
    certification=("N1_0010",),
    says="A query lists profiles and transports, and neither registers nor tells ids.",
    sends="oadrQueryRegistration of a VEN that is not registered",
    expects="oadrCreatedPartyRegistration 200 with profile 2.0b, without registrationID and venID",
)
async def query_unregistered(vtn: Vtn) -> None:
    ven = await vtn.ven()
    reply = await ven.say("oadrQueryRegistration")
    expect_kind(reply, "oadrCreatedPartyRegistration")
    expect_code(reply, "200")
    names = reply.texts(".//oadr:oadrProfileName")
    expect("2.0b" in names, "profile 2.0b", ", ".join(names), reply, ".//oadr:oadrProfileName")
    expect_absent(reply, "./ei:registrationID")


@case(
    "vtn.registration.query-lists-transports",
    rules=("401", "506"),
    certification=("N1_0010",),
    says="A query's answer offers simple HTTP with profile 2.0b.",
    sends="oadrQueryRegistration of a VEN that is not registered",
    expects="oadrTransportName simpleHttp in the oadrProfile 2.0b",
)
async def query_lists_transports(vtn: Vtn) -> None:
    ven = await vtn.ven()
    reply = await ven.say("oadrQueryRegistration")
    profile = "./oadr:oadrProfiles/oadr:oadrProfile[normalize-space(oadr:oadrProfileName)='2.0b']"
    names = reply.texts(f"{profile}//oadr:oadrTransportName")
    expect("simpleHttp" in names, "transport simpleHttp", ", ".join(names) or "none", reply, "./oadr:oadrProfiles")


@case(
    "vtn.registration.query-does-not-register",
    rules=("401", "X-ACT-1"),
    certification=("N1_0010",),
    says="A query alone makes no registration.",
    sends="oadrQueryRegistration of an unknown VEN, then its oadrRequestEvent",
    expects="the second is refused",
    negative=True,
)
async def query_does_not_register(vtn: Vtn) -> None:
    ven = await vtn.ven()
    await ven.say("oadrQueryRegistration")
    refused(await asked(ven, "oadrRequestEvent", ven_id=ven.identity.name))


@case(
    "vtn.registration.query-registered",
    rules=("401",),
    certification=("N1_0015",),
    says="A query of a registered VEN tells its ids as they are, if it tells them, and changes nothing.",
    sends="oadrQueryRegistration of a registered VEN, then its oadrRequestEvent",
    expects="200, the ids of the registration where there are any; events are still given",
    signed=True,
)
async def query_registered(vtn: Vtn) -> None:
    ven = await vtn.registered()
    reply = await ven.say("oadrQueryRegistration")
    expect_code(reply, "200")
    _same(reply, "./ei:registrationID", ven.registration_id)
    _same(reply, "./ei:venID", ven.ven_id)
    _same(reply, "./ei:vtnID", ven.vtn_id)
    await listed(ven)


@case(
    "vtn.registration.query-of-another",
    rules=("401", "21"),
    says="A query tells nobody the ids of another VEN.",
    sends="oadrQueryRegistration over a certificate that is not registered, while another VEN is",
    expects="200 without registrationID",
    negative=True,
)
async def query_of_another(vtn: Vtn) -> None:
    await vtn.registered()
    stranger = await vtn.ven()
    reply = await stranger.say("oadrQueryRegistration")
    expect_kind(reply, "oadrCreatedPartyRegistration")
    expect_absent(reply, "./ei:registrationID")


@case(
    "vtn.registration.poll-frequency",
    rules=("X-REG-2",),
    certification=("N1_0015", "N1_0020"),
    says="A pull VEN is told how often to poll.",
    sends="oadrCreatePartyRegistration with oadrHttpPullModel true",
    expects="oadrRequestedOadrPollFreq, longer than zero",
    modes=("pull",),
    signed=True,
)
async def poll_frequency(vtn: Vtn) -> None:
    ven = await vtn.ven()
    path = "./oadr:oadrRequestedOadrPollFreq/xcal:duration"
    created = await ven.register()
    expect_there(created, path)
    text = created.text(path) or ""
    expect(length_s(text) > 0, "a duration above zero", text, created, path)


@case(
    "vtn.registration.without-name",
    rules=("46", "401"),
    says="What is optional in a registration may be left out.",
    sends="oadrCreatePartyRegistration without oadrVenName",
    expects="200 and the ids",
)
async def without_name(vtn: Vtn) -> None:
    ven = await vtn.ven()
    created = await ven.register(ven_name=None)
    for path in IDS:
        expect_there(created, path)


@case(
    "vtn.registration.assigned-id",
    rules=("401", "21"),
    certification=("N1_0025",),
    says="A venID that the VEN was assigned before comes back unchanged from its registration.",
    sends="oadrCreatePartyRegistration without registrationID, with the venID that the VTN gave this VEN once "
    "(or `assigned_id` of the subject)",
    expects="200 with that venID",
)
async def assigned_id(vtn: Vtn) -> None:
    ven = await vtn.ven()
    ven.ven_id = str(vtn.parameters.get("assigned_id", ""))
    if not ven.ven_id:
        await ven.register()
        gone = await ven.say("oadrCancelPartyRegistration", registration_id=ven.registration_id)
        expect_code(gone, "200")
    given = ven.ven_id
    created = await ven.register()
    expect_text(created, "./ei:venID", given)


@case(
    "vtn.registration.report-only",
    rules=("501", "401"),
    says="A VEN that only reports is registered like any other.",
    sends="oadrCreatePartyRegistration with oadrReportOnly true, then its METADATA",
    expects="200 to both",
)
async def report_only(vtn: Vtn) -> None:
    ven = await vtn.ven()
    await ven.register(report_only=True)
    expect_code(await ven.offer(), "200")


@case(
    "vtn.registration.report-only-has-no-events",
    rules=("501",),
    level=SHOULD,
    says="A VEN that only reports has no use of EiEvent.",
    sends="oadrRequestEvent of a VEN registered with oadrReportOnly true",
    expects="a refusal (451)",
    negative=True,
)
async def report_only_events(vtn: Vtn) -> None:
    ven = await vtn.ven()
    await ven.register(report_only=True)
    refused(await asked(ven, "oadrRequestEvent"))


@case(
    "vtn.registration.xml-signature",
    rules=("514",),
    level=SHOULD,
    says="A VEN that registers with oadrXmlSignature is answered by signed messages from then on.",
    sends="a signed oadrCreatePartyRegistration with oadrXmlSignature true, then a signed oadrRequestEvent",
    expects="a signed answer 200; a VTN without signatures refuses the registration",
)
async def xml_signature(vtn: Vtn) -> None:
    ven = await vtn.ven()
    if not ven.identity.cert:
        raise NotSupported("signatures need certificates")
    ven.sign = sealer(ven.identity)
    created = await ven.say("oadrCreatePartyRegistration", xml_signature=True)
    if created.code[:1] == "4":
        raise NotSupported(f"the VTN refuses oadrXmlSignature: {created.code}")
    ven.adopt(created)
    events = await listed(ven)
    expect(events.signed, "a signed answer", "one without ds:Signature", events, ".")
