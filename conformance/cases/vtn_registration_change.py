"""EiRegisterParty at a VTN: registering again, anew, and not any more, by either side's wish."""

from __future__ import annotations

import asyncio

from conformance.case import SHOULD, case, expect, expect_code, expect_kind, expect_text
from conformance.message import Message
from conformance.operator import ReportWish
from conformance.play_ven import PlayVen, usage_report
from conformance.tested import Vtn
from conformance.vtn_steps import asked, given, listed, refused


async def _again(ven: PlayVen, **holes: str | bool) -> Message:
    """Register again, with both ids."""
    return await ven.register(registration_id=ven.registration_id, **holes)


async def _anew(ven: PlayVen) -> Message:
    """Register as after a factory reset: without a registrationID."""
    return await ven.register(registration_id=None)


@case(
    "vtn.registration.again-keeps-ids",
    rules=("401",),
    certification=("N1_0065",),
    says="A VEN that registers again keeps its registrationID and its venID.",
    sends="oadrCreatePartyRegistration with both ids of the registration",
    expects="200 with the same two ids",
    signed=True,
)
async def again_keeps_ids(vtn: Vtn) -> None:
    ven = await vtn.registered()
    before = ven.registration_id, ven.ven_id
    created = await _again(ven)
    expect_text(created, "./ei:registrationID", before[0])
    expect_text(created, "./ei:venID", before[1])


@case(
    "vtn.registration.again-without-metadata",
    rules=("301",),
    level=SHOULD,
    certification=("N1_0065",),
    says="After registering again no METADATA is exchanged anew.",
    sends="oadrCreatePartyRegistration with both ids, then polls",
    expects="no oadrRegisterReport of the VTN",
)
async def again_without_metadata(vtn: Vtn) -> None:
    ven = await vtn.registered()
    if ven.mode == "push":
        late = bool(vtn.parameters.get("own_reports"))
        await ven.receive("oadrRegisterReport", where=lambda one: not late or one.has("./oadr:oadrReport"))
    ven.inbox.clear()
    await _again(ven)
    await ven.nothing("oadrRegisterReport")


@case(
    "vtn.registration.again-keeps-reports",
    rules=("401", "406"),
    says="What was asked of a VEN stays asked when it registers again under the same registrationID.",
    sends="both ids again, then an oadrUpdateReport for a request from before",
    expects="oadrUpdatedReport 200",
)
async def again_keeps_reports(vtn: Vtn) -> None:
    ven = await vtn.registered()
    request = await _requested(vtn, ven)
    await _again(ven)
    reply = await ven.say("oadrUpdateReport", reports=usage_report(request, points=("power",)))
    expect_kind(reply, "oadrUpdatedReport")
    expect_code(reply, "200")


async def _requested(vtn: Vtn, ven: PlayVen) -> str:
    """The reportRequestID of a periodic request for the power point."""
    before = set(ven.requests)
    await vtn.operator.request_report(
        ReportWish(ven_id=ven.ven_id, name="TELEMETRY_USAGE", specifier="usage", points=("power",), back_s=3600)
    )
    message = await ven.receive("oadrCreateReport")
    news = [one for one in message.texts("./oadr:oadrReportRequest/ei:reportRequestID") if one not in before]
    expect(bool(news), "a new reportRequestID", "one that was used before", message, "./oadr:oadrReportRequest")
    return news[0]


@case(
    "vtn.registration.push-address-changes",
    rules=("401",),
    says="A VEN that registers again from another address is told there.",
    sends="both ids with another oadrTransportAddress, then an event is created",
    expects="the oadrDistributeEvent at the new address",
    modes=("push",),
)
async def push_address_changes(vtn: Vtn) -> None:
    ven = await vtn.registered()
    moved = await vtn.ven(identity=ven.identity)
    moved.ven_id, moved.registration_id = ven.ven_id, ven.registration_id
    await _again(moved)
    await given(moved, await vtn.create(moved))


@case(
    "vtn.registration.push-becomes-pull",
    rules=("401", "500"),
    certification=("G1_4020",),
    says="A VEN may go over from being pushed to, to polling, by registering again.",
    sends="both ids with oadrHttpPullModel true, then an event is created and the VEN polls",
    expects="the event as the answer to a poll",
    modes=("push",),
)
async def push_becomes_pull(vtn: Vtn) -> None:
    ven = await vtn.registered()
    ven.mode, ven.address = "pull", ""
    await _again(ven)
    await given(ven, await vtn.create(ven))


@case(
    "vtn.registration.anew-gives-new-id",
    rules=("406",),
    certification=("N1_0060",),
    says="A registered VEN that registers without registrationID gets a new one.",
    sends="oadrCreatePartyRegistration without registrationID, from a registered VEN",
    expects="200 with another registrationID",
    signed=True,
)
async def anew_gives_new_id(vtn: Vtn) -> None:
    ven = await vtn.registered()
    before = ven.registration_id
    created = await _anew(ven)
    expect(ven.registration_id != before, "a new registrationID", before, created, "./ei:registrationID")


@case(
    "vtn.registration.anew-exchanges-metadata",
    rules=("301", "406"),
    certification=("N1_0060",),
    says="After a new registration the VTN registers its reports again.",
    sends="oadrCreatePartyRegistration without registrationID, from a registered VEN",
    expects="the VTN's oadrRegisterReport once more; the VEN's is taken",
)
async def anew_exchanges_metadata(vtn: Vtn) -> None:
    ven = await vtn.registered()
    if ven.mode == "push":
        await ven.receive("oadrRegisterReport")
    await _anew(ven)
    await ven.receive("oadrRegisterReport")
    expect_code(await ven.offer(), "200")


@case(
    "vtn.registration.anew-ends-reports",
    rules=("406",),
    certification=("N1_0060",),
    says="A new registrationID ends what was asked of the VEN.",
    sends="a new registration, then an oadrUpdateReport for a request from before",
    expects="oadrUpdatedReport 4xx (452)",
    negative=True,
)
async def anew_ends_reports(vtn: Vtn) -> None:
    ven = await vtn.registered()
    request = await _requested(vtn, ven)
    await _anew(ven)
    refused(await asked(ven, "oadrUpdateReport", reports=usage_report(request, points=("power",))))


@case(
    "vtn.registration.anew-gives-events-again",
    rules=("405", "50"),
    says="After a new registration the events of that VEN are told when it asks.",
    sends="an event, a new registration, oadrRequestEvent",
    expects="the event in the answer",
)
async def anew_gives_events(vtn: Vtn) -> None:
    ven = await vtn.registered()
    event_id = await vtn.create(ven)
    await given(ven, event_id)
    await _anew(ven)
    events = await listed(ven)
    path = "./oadr:oadrEvent/ei:eiEvent/ei:eventDescriptor/ei:eventID"
    ids = events.texts(path)
    expect(event_id in ids, f"event {event_id}", ", ".join(ids) or "no event", events, path)


@case(
    "vtn.registration.last-creation-counts",
    rules=("401", "406"),
    says="Of two creations without ids the last one is the registration.",
    sends="oadrCreatePartyRegistration twice, then oadrCancelPartyRegistration with the ids of the last",
    expects="200 three times",
)
async def last_creation_counts(vtn: Vtn) -> None:
    ven = await vtn.ven()
    await ven.register()
    ven.ven_id = ""
    await ven.register()
    reply = await ven.say("oadrCancelPartyRegistration", registration_id=ven.registration_id)
    expect_code(reply, "200")


@case(
    "vtn.registration.asked-again-by-the-vtn",
    rules=("401",),
    certification=("N1_0050",),
    says="The VTN asks a VEN to register again by oadrRequestReregistration with its venID.",
    sends="the operator's wish; then oadrResponse, and the registration with both ids",
    expects="oadrRequestReregistration, then 200 with the same ids",
    signed=True,
)
async def asked_again(vtn: Vtn) -> None:
    ven = await vtn.registered()
    before = ven.registration_id
    await vtn.operator.request_reregistration(ven.ven_id)
    asks = await ven.receive("oadrRequestReregistration")
    expect_text(asks, "./ei:venID", ven.ven_id)
    created = await _again(ven)
    expect_text(created, "./ei:registrationID", before)


@case(
    "vtn.registration.asked-again-once",
    rules=("401", "500"),
    certification=("N1_0050",),
    says="A VEN that has registered again is not asked to any more.",
    sends="the operator's wish, oadrResponse and the registration with both ids, then polls",
    expects="no second oadrRequestReregistration",
)
async def asked_again_once(vtn: Vtn) -> None:
    ven = await vtn.registered()
    await vtn.operator.request_reregistration(ven.ven_id)
    await ven.receive("oadrRequestReregistration")
    await _again(ven)
    await ven.nothing("oadrRequestReregistration")


@case(
    "vtn.registration.cancelled-by-the-ven",
    rules=("401",),
    certification=("N1_0030",),
    says="A VEN cancels its registration.",
    sends="oadrCancelPartyRegistration with both ids",
    expects="oadrCanceledPartyRegistration 200, with these ids where it has any",
    signed=True,
)
async def cancelled_by_the_ven(vtn: Vtn) -> None:
    ven = await vtn.registered()
    reply = await ven.say("oadrCancelPartyRegistration", registration_id=ven.registration_id)
    expect_kind(reply, "oadrCanceledPartyRegistration")
    expect_code(reply, "200")
    for path, wanted in (("./ei:registrationID", ven.registration_id), ("./ei:venID", ven.ven_id)):
        if reply.has(path):
            expect_text(reply, path, wanted)


@case(
    "vtn.registration.cancelled-then-created",
    rules=("401", "406"),
    certification=("N1_0030", "N1_0060"),
    says="A VEN that cancelled may register anew, under a new registrationID.",
    sends="oadrCancelPartyRegistration, then oadrCreatePartyRegistration without registrationID",
    expects="200 with another registrationID",
)
async def cancelled_then_created(vtn: Vtn) -> None:
    ven = await vtn.registered()
    before = ven.registration_id
    await ven.say("oadrCancelPartyRegistration", registration_id=before)
    created = await _anew(ven)
    expect(ven.registration_id != before, "a new registrationID", before, created, "./ei:registrationID")


async def _cancelled_by_the_vtn(vtn: Vtn) -> tuple[PlayVen, Message]:
    ven = await vtn.registered()
    await vtn.operator.cancel_registration(ven.ven_id)
    return ven, await ven.receive("oadrCancelPartyRegistration")


@case(
    "vtn.registration.cancelled-by-the-vtn",
    rules=("401",),
    certification=("N1_0040",),
    says="The VTN cancels a registration by its ids.",
    sends="the operator's wish",
    expects="oadrCancelPartyRegistration with the VEN's registrationID and venID",
    signed=True,
)
async def cancelled_by_the_vtn(vtn: Vtn) -> None:
    ven, message = await _cancelled_by_the_vtn(vtn)
    expect_text(message, "./ei:registrationID", ven.registration_id)
    if message.has("./ei:venID"):
        expect_text(message, "./ei:venID", ven.ven_id)


@case(
    "vtn.registration.cancelled-by-the-vtn-is-over",
    rules=("X-ACT-1",),
    certification=("N1_0040",),
    says="Once the VEN has confirmed the VTN's cancellation it is not registered any more.",
    sends="oadrCanceledPartyRegistration, then oadrRequestEvent",
    expects="a refusal",
    negative=True,
)
async def cancelled_by_the_vtn_over(vtn: Vtn) -> None:
    ven, _ = await _cancelled_by_the_vtn(vtn)
    # Of a push VEN the answer may still be under way in the VTN.
    await asyncio.sleep(ven.pause_s)
    refused(await asked(ven, "oadrRequestEvent"))
