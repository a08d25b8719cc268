"""EiRegisterParty at a VEN: the end of a registration, and a VEN that only reports."""

from __future__ import annotations

import asyncio

from conformance.case import case, expect, expect_code, expect_text
from conformance.tested import Ven
from conformance.ven_steps import QUIET_S, SERVICES_OF_THE_REGISTERED, alive, made

CANCELED = "oadrCanceledPartyRegistration"
SETTLED_S = 1.0
"""What was under way when a registration ended may come within that time after."""


async def _quiet(ven: Ven) -> None:
    """From now on nothing comes of the services that need a registration, unless the VEN registers again."""
    await asyncio.sleep(SETTLED_S)
    after = len(ven.heard)
    await asyncio.sleep(QUIET_S)
    for message in ven.heard[after:]:
        if message.kind == "oadrCreatePartyRegistration":
            return
        good = message.kind not in SERVICES_OF_THE_REGISTERED
        expect(good, "nothing without a registration", message.kind, message, ".")


@case(
    "ven.registration.cancelled-by-vtn",
    rules=("401", "402"),
    certification=("N1_0040",),
    says="A VEN acknowledges that the VTN cancels its registration.",
    sends="oadrCancelPartyRegistration with the right ids",
    expects="oadrCanceledPartyRegistration 200 with the venID",
    signed=True,
)
async def cancelled_by_vtn(ven: Ven) -> None:
    await ven.bootstrapped()
    reply = await ven.ask(ven.write("oadrCancelPartyRegistration", registration_id=ven.registration_id), CANCELED)
    expect_code(reply, "200")
    expect_text(reply, "./ei:venID", ven.ven_id)


@case(
    "ven.registration.silent-after-cancel",
    rules=("X-ACT-1",),
    certification=("N1_0040",),
    says="A VEN without a registration sends nothing of events, reports, opts or polls.",
    sends="oadrCancelPartyRegistration with the right ids",
    expects="nothing but EiRegisterParty after it",
)
async def silent_after_cancel(ven: Ven) -> None:
    await ven.bootstrapped()
    ven.answers["oadrCreatePartyRegistration"] = lambda message: ven.write(
        "oadrCreatedPartyRegistration", request_id=message.request_id, code="463", ven_id=None
    )
    await ven.ask(ven.write("oadrCancelPartyRegistration", registration_id=ven.registration_id), CANCELED)
    await asyncio.sleep(SETTLED_S)
    after = len(ven.heard)
    await asyncio.sleep(QUIET_S)
    for message in ven.heard[after:]:
        good = message.kind not in SERVICES_OF_THE_REGISTERED
        expect(good, "nothing without a registration", message.kind, message, ".")


@case(
    "ven.registration.cancel-wrong-registration",
    rules=("21", "33"),
    certification=("N1_0070",),
    says="A cancellation of another registration is refused with 452, and ends nothing.",
    sends="oadrCancelPartyRegistration with another registrationID",
    expects="oadrCanceledPartyRegistration 452; the VEN goes on",
    negative=True,
)
async def cancel_wrong_registration(ven: Ven) -> None:
    await ven.bootstrapped()
    reply = await ven.ask(ven.write("oadrCancelPartyRegistration", registration_id="another"), CANCELED)
    expect_code(reply, "452")
    await alive(ven)


@case(
    "ven.registration.cancel-wrong-ven",
    rules=("21", "33"),
    certification=("N1_0070",),
    says="A cancellation that names another VEN is refused with 452, and ends nothing.",
    sends="oadrCancelPartyRegistration with another venID",
    expects="oadrCanceledPartyRegistration 452; the VEN goes on",
    negative=True,
)
async def cancel_wrong_ven(ven: Ven) -> None:
    await ven.bootstrapped()
    body = ven.write("oadrCancelPartyRegistration", registration_id=ven.registration_id, ven_id="Nobody-Here")
    expect_code(await ven.ask(body, CANCELED), "452")
    await alive(ven)


@case(
    "ven.registration.cancel-after-wrong-ones",
    rules=("21",),
    certification=("N1_0070",),
    says="After refused cancellations the right one is taken.",
    sends="oadrCancelPartyRegistration with another registrationID, then with the right one",
    expects="452, then 200",
    negative=True,
)
async def cancel_after_wrong_ones(ven: Ven) -> None:
    await ven.bootstrapped()
    own = ven.registration_id
    wrong = await ven.ask(ven.write("oadrCancelPartyRegistration", registration_id="another"), CANCELED)
    expect_code(wrong, "452")
    right = await ven.ask(ven.write("oadrCancelPartyRegistration", registration_id=own), CANCELED)
    expect_code(right, "200")


@case(
    "ven.registration.cancelled-by-ven",
    rules=("401",),
    certification=("N1_0030",),
    says="A VEN cancels its registration with its registrationID and venID, and then is silent.",
    sends="the VEN's operator has it cancel; oadrCanceledPartyRegistration 200",
    expects="oadrCancelPartyRegistration with both ids, then nothing but EiRegisterParty",
)
async def cancelled_by_ven(ven: Ven) -> None:
    await ven.bootstrapped()
    before, registration, name = len(ven.heard), ven.registration_id, ven.ven_id
    await ven.operator.cancel_registration()
    said = await ven.hears("oadrCancelPartyRegistration", after=before)
    expect_text(said, "./ei:registrationID", registration)
    expect_text(said, "./ei:venID", name)
    await _quiet(ven)


@case(
    "ven.registration.report-only",
    rules=("501", "507", "510"),
    says="A VEN that only reports says so, offers its reports, history too, and has nothing to do with events and opts.",
    sends="right answers to a VEN that was set up so",
    expects="oadrReportOnly true, METADATA_HISTORY_USAGE, and no oadrRequestEvent",
)
async def report_only(ven: Ven) -> None:
    await ven.start("report-only")
    asked = await ven.hears("oadrCreatePartyRegistration", within_s=15)
    expect_text(asked, "./oadr:oadrReportOnly", "true")
    offered = await ven.hears("oadrRegisterReport")
    names = offered.texts("./oadr:oadrReport/ei:reportName")
    for name in ("METADATA_HISTORY_USAGE", "METADATA_TELEMETRY_USAGE", "METADATA_TELEMETRY_STATUS"):
        expect(name in names, name, ", ".join(names) or "nothing", offered, ".")
    await ven.hears_no("oadrRequestEvent", for_s=QUIET_S)


@case(
    "ven.registration.full-says-so",
    rules=("501", "507"),
    says="A VEN with all functions does not register as one that only reports.",
    sends="nothing: the harness listens",
    expects="oadrReportOnly false",
)
async def full_says_so(ven: Ven) -> None:
    await ven.start()
    asked = await ven.hears("oadrCreatePartyRegistration", within_s=15)
    expect_text(asked, "./oadr:oadrReportOnly", "false", "0")


@case(
    "ven.registration.report-only-gets-event",
    rules=("33", "501"),
    says="A VEN that only reports refuses an event, or passes it over, and goes on.",
    sends="an event to a VEN that only reports",
    expects="no acceptance of it, and an answer to the next report request",
    negative=True,
)
async def report_only_gets_event(ven: Ven) -> None:
    await ven.start("report-only")
    await ven.bootstrapped()
    before = await ven.send_events(made(ven, "not-for-it"))
    taken = ".//ei:eventResponse[ei:responseCode[normalize-space()='200']]"
    await ven.hears_no("oadrCreatedEvent", where=lambda one: one.has(taken), for_s=QUIET_S, after=before)
    reply = await ven.ask(ven.write("oadrRegisterReport", reports=""), "oadrRegisteredReport")
    expect_code(reply, "200")
