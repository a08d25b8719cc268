"""EiReport at a VEN: what it takes when it is asked for reports, and what it refuses."""

from __future__ import annotations

import asyncio

from conformance import template
from conformance.case import SHOULD, case, expect, expect_code, expect_text
from conformance.message import Message
from conformance.operator import in_
from conformance.play import fresh, utc
from conformance.play_vtn import own_request_id, report_request
from conformance.tested import Ven
from conformance.ven_steps import (
    POWER,
    brisk,
    expect_pending,
    offer_of,
    ordered,
    point_of,
    report_path,
    silent,
    updated,
    wanted,
)

USAGE, STATUS, HISTORY = "TELEMETRY_USAGE", "TELEMETRY_STATUS", "HISTORY_USAGE"


@case(
    "ven.report.created",
    rules=("301", "510", "511"),
    says="A request for a report that the VEN offers is acknowledged with its venID.",
    sends="oadrCreateReport for one TELEMETRY_USAGE",
    expects="oadrCreatedReport 200 with the requestID and the venID",
    signed=True,
)
async def created(ven: Ven) -> None:
    await ven.bootstrapped()
    request = fresh("request")
    body = ven.write("oadrCreateReport", requests=wanted(fresh("report"), offer_of(ven, USAGE)), request_id=request)
    reply = await ven.ask(body, "oadrCreatedReport")
    expect_code(reply, "200")
    expect_text(reply, "./ei:eiResponse/pyld:requestID", request)
    expect_text(reply, "./ei:venID", ven.ven_id)


@case(
    "ven.report.request-at-registration",
    rules=("301",),
    says="A request inside oadrRegisteredReport is acknowledged with the oadrRegisterReport's requestID.",
    sends="oadrRegisteredReport with a request for METADATA",
    expects="oadrCreatedReport 200 with the requestID of the oadrRegisterReport",
)
async def request_at_registration(ven: Ven) -> None:
    name = fresh("report")
    asks = report_request(name, "METADATA", ("0",))
    ven.answers["oadrRegisterReport"] = lambda message: ven.write(
        "oadrRegisteredReport",
        request_id=own_request_id(message),
        requests="" if message.has("./ei:reportRequestID") else asks,
    )
    await ven.start()
    offer = await ven.hears("oadrRegisterReport", within_s=15)
    reply = await ven.hears("oadrCreatedReport")
    expect_code(reply, "200")
    expect_text(reply, "./ei:eiResponse/pyld:requestID", own_request_id(offer))


@case(
    "ven.report.request-at-registration-served",
    rules=("301",),
    says="A report that was asked for inside oadrRegisteredReport is sent.",
    sends="oadrRegisteredReport with a request for one TELEMETRY_USAGE",
    expects="oadrUpdateReport for it",
)
async def request_at_registration_served(ven: Ven) -> None:
    name = fresh("report")
    asked: list[str] = []

    def answer(message: Message) -> bytes:
        request = "" if asked else wanted(name, offer_of(ven, USAGE))
        asked.append(name)
        return ven.write("oadrRegisteredReport", request_id=own_request_id(message), requests=request)

    ven.answers["oadrRegisterReport"] = answer
    await ven.bootstrapped()
    await updated(ven, name)


@case(
    "ven.report.pending",
    rules=("301",),
    certification=("R1_3170",),
    says="oadrPendingReports has all periodic reports that are due still, METADATA too, and no cancelled one.",
    sends="a periodic report, then a periodic METADATA, then the first one's cancellation",
    expects="1, then 2, then 1 in oadrPendingReports",
)
async def pending(ven: Ven) -> None:
    await ven.bootstrapped()
    first, second = fresh("report"), fresh("metadata")
    expect_pending(await ordered(ven, wanted(first, offer_of(ven, USAGE), back_s=60, granularity_s=60)), first)
    metadata = report_request(second, "METADATA", ("0",), back_s=60)
    expect_pending(await ordered(ven, metadata), first, second)
    body = ven.write("oadrCancelReport", report_request_ids=(first,), to_follow=False)
    expect_pending(await ven.ask(body, "oadrCanceledReport"), second)


@case(
    "ven.report.two-requests",
    rules=("301",),
    certification=("R1_3180",),
    says="Two requests in one oadrCreateReport are both served, in one payload or two.",
    sends="oadrCreateReport for a TELEMETRY_USAGE and a TELEMETRY_STATUS, each once",
    expects="oadrCreatedReport 200, then data for both",
)
async def two_requests(ven: Ven) -> None:
    await ven.bootstrapped()
    usage, status, before = fresh("report"), fresh("report"), len(ven.heard)
    reply = await ordered(ven, wanted(usage, offer_of(ven, USAGE)), wanted(status, offer_of(ven, STATUS)))
    expect_code(reply, "200")
    for name in (usage, status):
        await updated(ven, name, after=before)


@case(
    "ven.report.two-payloads",
    rules=("301",),
    certification=("R1_3180",),
    says="Two requests in two payloads are both served.",
    sends="oadrCreateReport for a TELEMETRY_USAGE, and another for a TELEMETRY_STATUS, each once",
    expects="data for both",
)
async def two_payloads(ven: Ven) -> None:
    await ven.bootstrapped()
    usage, status, before = fresh("report"), fresh("report"), len(ven.heard)
    await ordered(ven, wanted(usage, offer_of(ven, USAGE)))
    await ordered(ven, wanted(status, offer_of(ven, STATUS)))
    for name in (usage, status):
        await updated(ven, name, after=before)


@case(
    "ven.report.specifier-unknown",
    rules=("21", "33"),
    certification=("R1_3190",),
    says="A request for a reportSpecifierID that the VEN did not offer is refused with 452.",
    sends="oadrCreateReport with an unknown reportSpecifierID",
    expects="oadrCreatedReport 452",
    negative=True,
    signed=True,
)
async def specifier_unknown(ven: Ven) -> None:
    await ven.bootstrapped()
    offer = offer_of(ven, USAGE)
    reply = await ordered(ven, report_request(fresh("report"), "no-such-specifier", offer.rids))
    expect_code(reply, "452")


@case(
    "ven.report.rid-unknown",
    rules=("21", "33"),
    certification=("R1_3190",),
    says="A request for an rID that the report does not have is refused with 452.",
    sends="oadrCreateReport with an unknown rID",
    expects="oadrCreatedReport 452",
    negative=True,
)
async def rid_unknown(ven: Ven) -> None:
    await ven.bootstrapped()
    reply = await ordered(ven, report_request(fresh("report"), offer_of(ven, USAGE).specifier, ("no-such-rid",)))
    expect_code(reply, "452")


@case(
    "ven.report.refused-is-not-sent",
    rules=("33",),
    says="A request that was refused is not pending, and brings no data.",
    sends="a periodic oadrCreateReport with an unknown rID",
    expects="an error, the request not among oadrPendingReports, and no oadrUpdateReport",
    negative=True,
)
async def refused_is_not_sent(ven: Ven) -> None:
    await ven.bootstrapped()
    name, before = fresh("report"), len(ven.heard)
    reply = await ordered(ven, report_request(name, offer_of(ven, USAGE).specifier, ("no-such-rid",), back_s=2))
    expect_code(reply, "4xx")
    expect_pending(reply)
    await silent(ven, name, after=before)


@case(
    "ven.report.ven-id-foreign",
    rules=("21",),
    says="A request for another VEN is refused with 452.",
    sends="oadrCreateReport with another venID",
    expects="oadrCreatedReport 452",
    negative=True,
)
async def ven_id_foreign(ven: Ven) -> None:
    await ven.bootstrapped()
    body = ven.write("oadrCreateReport", requests=wanted(fresh("report"), offer_of(ven, USAGE)), ven_id="Nobody-Here")
    expect_code(await ven.ask(body, "oadrCreatedReport"), "452")


def _bad_id(word: str, text: str) -> None:
    @case(
        f"ven.report.request-id-{word}",
        rules=("33",),
        level=SHOULD,
        says="A reportRequestID that is empty or 0 is refused.",
        sends=f"oadrCreateReport with reportRequestID {text!r}",
        expects="oadrCreatedReport 4xx",
        negative=True,
    )
    async def bad_id(ven: Ven) -> None:
        await ven.bootstrapped()
        expect_code(await ordered(ven, wanted(text, offer_of(ven, USAGE))), "4xx")


_bad_id("zero", "0")
_bad_id("empty", "")


@case(
    "ven.report.request-id-twice",
    rules=("33",),
    level=SHOULD,
    says="A reportRequestID that is in use already is refused.",
    sends="the same reportRequestID for two periodic reports of different specifiers",
    expects="oadrCreatedReport 200, then 4xx",
    negative=True,
)
async def request_id_twice(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("report")
    expect_code(await ordered(ven, wanted(name, offer_of(ven, USAGE), back_s=60, granularity_s=60)), "200")
    expect_code(await ordered(ven, wanted(name, offer_of(ven, STATUS), back_s=60, granularity_s=60)), "4xx")


@case(
    "ven.report.granularity-too-fine",
    rules=("33",),
    level=SHOULD,
    says="A granularity below the least period of a point is refused.",
    sends="a TELEMETRY_USAGE with a granularity below its oadrMinPeriod",
    expects="oadrCreatedReport 4xx; not to be tested where the least period is a second or less",
    negative=True,
)
async def granularity_too_fine(ven: Ven) -> None:
    await ven.start("slow-sampling")
    await ven.bootstrapped()
    offer = offer_of(ven, USAGE)
    point = point_of(offer, POWER)
    expect(point.min_s > 1, "a least period above 1 s in the variant slow-sampling", f"{point.min_s:g} s", ven.offers)
    expect_code(await ordered(ven, wanted(fresh("report"), offer, granularity_s=1, back_s=60)), "4xx")


@case(
    "ven.report.history-with-granularity",
    rules=("33", "X-REP-7"),
    level=SHOULD,
    says="A request for history with a granularity or a reportBackDuration is refused.",
    sends="a HISTORY_USAGE with granularity and reportBackDuration of a minute",
    expects="oadrCreatedReport 4xx",
    negative=True,
)
async def history_with_granularity(ven: Ven) -> None:
    await ven.bootstrapped()
    offer = offer_of(ven, HISTORY)
    request = report_request(
        fresh("report"), offer.specifier, offer.rids, granularity_s=60, back_s=60, start=in_(-600), duration_s=600
    )
    expect_code(await ordered(ven, request), "4xx")


@case(
    "ven.report.request-options",
    rules=("33", "321"),
    says="A request with what requests leave out, a unit and a tolerance, is answered: taken or refused.",
    sends="a one-shot TELEMETRY_USAGE with an itemBase and a tolerance",
    expects="oadrCreatedReport 200 or 4xx, and a good request taken after it",
    negative=True,
)
async def request_options(ven: Ven) -> None:
    await ven.bootstrapped()
    offer = offer_of(ven, USAGE)
    point = point_of(offer, POWER)
    odd = (
        report_request(fresh("report"), offer.specifier, (point.rid,), start=in_(0))
        .replace("</xcal:properties>", "<xcal:tolerance><xcal:tolerate/></xcal:tolerance></xcal:properties>")
        .replace("</ei:rID><ei:readingType>", f"</ei:rID>{template.fill('powerReal', scale='none')}<ei:readingType>")
    )
    expect_code(await ordered(ven, odd), "200", "4xx")
    expect_code(await ordered(ven, wanted(fresh("report"), offer)), "200")


@case(
    "ven.report.without-interval",
    rules=("46",),
    says="A one-shot request without a reportInterval means now.",
    sends="a one-shot TELEMETRY_USAGE without reportInterval",
    expects="oadrUpdateReport whose dtstart is within 2 minutes of now",
)
async def without_interval(ven: Ven) -> None:
    await ven.bootstrapped()
    name, before = fresh("report"), len(ven.heard)
    expect_code(await ordered(ven, wanted(name, offer_of(ven, USAGE))), "200")
    await updated(ven, name, after=before)


@case(
    "ven.report.future-interval",
    rules=("32",),
    says="A report whose interval begins later is not sent before that.",
    sends="a periodic TELEMETRY_USAGE from an hour ahead, every 2 s",
    expects="oadrCreatedReport 200 with the report pending, and no oadrUpdateReport yet",
)
async def future_interval(ven: Ven) -> None:
    await ven.bootstrapped()
    name, offer, before = fresh("report"), offer_of(ven, USAGE), len(ven.heard)
    request = report_request(
        name, offer.specifier, offer.rids, granularity_s=offer.step_s, back_s=2, start=in_(3600), duration_s=600
    )
    reply = await ordered(ven, request)
    expect_code(reply, "200")
    expect_pending(reply, name)
    await silent(ven, name, after=before, for_s=3.5)


@case(
    "ven.report.interval-ends",
    rules=("32",),
    says="A periodic report ends with its interval.",
    sends="a periodic TELEMETRY_USAGE, two periods long",
    expects="data, then none any more",
    within_s=60,
)
async def interval_ends(ven: Ven) -> None:
    await ven.bootstrapped()
    name, offer, before = fresh("report"), brisk(ven, USAGE), len(ven.heard)
    pace_s = max(2, offer.step_s)
    expect_code(
        await ordered(ven, wanted(name, offer, granularity_s=offer.step_s, back_s=pace_s, duration_s=2 * pace_s)), "200"
    )
    await updated(ven, name, after=before)
    where = report_path(name)
    await asyncio.sleep(4 * pace_s)
    await ven.hears_no("oadrUpdateReport", where=lambda one: one.has(where), after=len(ven.heard), for_s=2 * pace_s)


@case(
    "ven.report.request-id-own",
    rules=("21",),
    says="A reportRequestID may be any text, and comes back whole.",
    sends="a one-shot TELEMETRY_USAGE whose reportRequestID has blanks, slashes and letters beyond ASCII",
    expects="oadrUpdateReport with that reportRequestID",
)
async def request_id_own(ven: Ven) -> None:
    await ven.bootstrapped()
    name, before = f"a/b: 蓄電池 {utc()}", len(ven.heard)
    expect_code(await ordered(ven, wanted(name, offer_of(ven, USAGE))), "200")
    await updated(ven, name, after=before)
