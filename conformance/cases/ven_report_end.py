"""EiReport at a VEN: how a report ends."""

from __future__ import annotations

import asyncio

from conformance import template
from conformance.case import case, expect_code, expect_text
from conformance.message import Message
from conformance.play import fresh
from conformance.play_vtn import own_request_id
from conformance.tested import Ven
from conformance.ven_steps import (
    brisk,
    cancelled,
    expect_pending,
    ordered,
    report_path,
    silent,
    updated,
    wanted,
)

USAGE = "TELEMETRY_USAGE"
DRAINED_S = 1.0
"""An update that was under way when the report ended may come within that time after."""


async def _running(ven: Ven) -> str:
    """A periodic usage report that has sent its first data; the reportRequestID."""
    await ven.bootstrapped()
    offer, name, before = brisk(ven, USAGE), fresh("report"), len(ven.heard)
    expect_code(await ordered(ven, wanted(name, offer, granularity_s=offer.step_s, back_s=offer.step_s)), "200")
    await updated(ven, name, after=before)
    return name


async def _ended(ven: Ven, name: str) -> None:
    """From now on nothing comes for it, but what was under way."""
    await asyncio.sleep(DRAINED_S)
    await silent(ven, name, after=len(ven.heard))


@case(
    "ven.report.cancelled",
    rules=("345",),
    says="A cancelled report ends; without reportToFollow nothing comes after.",
    sends="oadrCancelReport with reportToFollow false for a periodic report",
    expects="oadrCanceledReport 200, and no oadrUpdateReport after it",
    signed=True,
)
async def is_cancelled(ven: Ven) -> None:
    name = await _running(ven)
    reply = await cancelled(ven, name)
    expect_code(reply, "200")
    expect_text(reply, "./ei:venID", ven.ven_id)
    expect_pending(reply)
    await _ended(ven, name)


@case(
    "ven.report.cancelled-without-last",
    rules=("345",),
    says="Without reportToFollow no last report comes after the cancellation.",
    sends="oadrCancelReport with reportToFollow false for a report every 60 s",
    expects="oadrCanceledReport 200, and no oadrUpdateReport after it",
)
async def cancelled_without_last(ven: Ven) -> None:
    await ven.bootstrapped()
    offer, name = brisk(ven, USAGE), fresh("report")
    await ordered(ven, wanted(name, offer, granularity_s=offer.step_s, back_s=60))
    # Data that were there at once may be under way.
    await asyncio.sleep(DRAINED_S)
    before = len(ven.heard)
    expect_code(await cancelled(ven, name), "200")
    await silent(ven, name, after=before)


@case(
    "ven.report.cancelled-with-last",
    rules=("345",),
    certification=("R1_3045",),
    says="With reportToFollow one last report comes after the cancellation, and no more.",
    sends="oadrCancelReport with reportToFollow true for a report every 60 s",
    expects="oadrCanceledReport 200, one oadrUpdateReport, and no other",
)
async def cancelled_with_last(ven: Ven) -> None:
    await ven.bootstrapped()
    offer, name = brisk(ven, USAGE), fresh("report")
    await ordered(ven, wanted(name, offer, granularity_s=offer.step_s, back_s=60))
    before = len(ven.heard)
    expect_code(await cancelled(ven, name, to_follow=True), "200")
    last = await updated(ven, name, after=before)
    await silent(ven, name, after=ven.heard.index(last) + 1)


@case(
    "ven.report.cancel-unknown",
    rules=("21", "33"),
    says="The cancellation of a report that was not asked for is refused with 452.",
    sends="oadrCancelReport with an unknown reportRequestID",
    expects="oadrCanceledReport 452",
    negative=True,
)
async def cancel_unknown(ven: Ven) -> None:
    await ven.bootstrapped()
    expect_code(await cancelled(ven, "never-asked"), "452")


@case(
    "ven.report.cancel-ven-id",
    rules=("21",),
    says="A cancellation for another VEN is refused with 452, and ends nothing.",
    sends="oadrCancelReport with another venID, for a periodic report",
    expects="oadrCanceledReport 452, and the next oadrUpdateReport",
    negative=True,
)
async def cancel_ven_id(ven: Ven) -> None:
    name = await _running(ven)
    body = ven.write("oadrCancelReport", report_request_ids=(name,), to_follow=False, ven_id="Nobody-Here")
    expect_code(await ven.ask(body, "oadrCanceledReport"), "452")
    await updated(ven, name, after=len(ven.heard))


@case(
    "ven.report.cancel-one-of-two",
    rules=("345",),
    certification=("R1_3170",),
    says="Of two reports only the cancelled one ends.",
    sends="two periodic reports, then oadrCancelReport for the first",
    expects="the second alone is pending, and goes on",
)
async def cancel_one_of_two(ven: Ven) -> None:
    first = await _running(ven)
    offer, second = brisk(ven, "TELEMETRY_STATUS"), fresh("report")
    expect_code(await ordered(ven, wanted(second, offer, granularity_s=offer.step_s, back_s=offer.step_s)), "200")
    expect_pending(await cancelled(ven, first), second)
    await _ended(ven, first)
    await updated(ven, second, after=len(ven.heard))


@case(
    "ven.report.cancel-both",
    rules=("345",),
    says="One oadrCancelReport may end several reports.",
    sends="two periodic reports, then oadrCancelReport for both",
    expects="oadrCanceledReport 200, nothing pending",
)
async def cancel_both(ven: Ven) -> None:
    first = await _running(ven)
    offer, second = brisk(ven, "TELEMETRY_STATUS"), fresh("report")
    await ordered(ven, wanted(second, offer, granularity_s=offer.step_s, back_s=offer.step_s))
    reply = await cancelled(ven, first, second)
    expect_code(reply, "200")
    expect_pending(reply)


@case(
    "ven.report.piggyback-cancel",
    rules=("X-REP-10", "345"),
    says="An oadrCancelReport inside oadrUpdatedReport ends the report that it answers.",
    sends="oadrUpdatedReport with an oadrCancelReport for the reportRequestID that came",
    expects="no oadrUpdateReport for it after that",
)
async def piggyback_cancel(ven: Ven) -> None:
    await ven.bootstrapped()
    offer, name = brisk(ven, USAGE), fresh("report")

    def answer(message: Message) -> bytes:
        mine = message.has(report_path(name))
        piece = template.fill(
            "piggyback", request_id=fresh("request"), report_request_ids=(name,), to_follow=False, ven_id=ven.ven_id
        )
        return ven.write("oadrUpdatedReport", request_id=own_request_id(message), cancel=piece if mine else "")

    ven.answers["oadrUpdateReport"] = answer
    await ordered(ven, wanted(name, offer, granularity_s=offer.step_s, back_s=offer.step_s))
    await updated(ven, name)
    await _ended(ven, name)


@case(
    "ven.report.new-registration-voids",
    rules=("406",),
    says="A new registrationID voids the reports that were asked for.",
    sends="a periodic report, then oadrRequestReregistration, answered with a new registrationID",
    expects="oadrRegisterReport anew, and no oadrUpdateReport for the old request",
)
async def new_registration_voids(ven: Ven) -> None:
    name = await _running(ven)
    ven.registration_id = "void"
    before = len(ven.heard)
    await ven.ask(ven.write("oadrRequestReregistration"), "oadrResponse")
    await ven.hears("oadrCreatePartyRegistration", after=before)
    await ven.hears("oadrRegisterReport", after=before)
    await _ended(ven, name)


@case(
    "ven.report.same-registration-keeps",
    rules=("406",),
    certification=("N1_0065",),
    says="A re-registration under the same registrationID leaves the reports as they are.",
    sends="a periodic report, then oadrRequestReregistration, answered with the same registrationID",
    expects="oadrUpdateReport goes on",
)
async def same_registration_keeps(ven: Ven) -> None:
    name = await _running(ven)
    before = len(ven.heard)
    await ven.ask(ven.write("oadrRequestReregistration"), "oadrResponse")
    again = await ven.hears("oadrCreatePartyRegistration", after=before)
    await updated(ven, name, after=ven.heard.index(again) + 1)
