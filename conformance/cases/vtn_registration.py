"""EiRegisterParty at a VTN."""

from __future__ import annotations

from conformance.case import case, expect, expect_absent, expect_code, expect_kind, expect_there
from conformance.tested import Vtn


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
    for path in ("./ei:registrationID", "./ei:venID", "./ei:vtnID"):
        expect_there(created, path)
    offered = await ven.offer()
    expect_code(offered, "200")
    events = await ven.say("oadrRequestEvent")
    expect_kind(events, "oadrDistributeEvent")
    theirs = await ven.receive("oadrRegisterReport")
    expect_absent(theirs, "./ei:reportRequestID")


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
