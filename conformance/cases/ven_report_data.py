"""EiReport at a VEN: what it sends when it was asked."""

from __future__ import annotations

from conformance.case import NotSupported, case, expect, expect_absent, expect_code, expect_text, expect_there
from conformance.message import NAMESPACES, Element, Message
from conformance.operator import in_
from conformance.play import fresh
from conformance.play_vtn import report_request
from conformance.tested import Ven
from conformance.ven_steps import (
    ENERGY,
    POWER,
    Offer,
    brisk,
    length_s,
    moment,
    near_now,
    offer_of,
    ordered,
    point_of,
    report_path,
    updated,
    wanted,
)

USAGE, STATUS, HISTORY = "TELEMETRY_USAGE", "TELEMETRY_STATUS", "HISTORY_USAGE"
INTERVAL = "strm:intervals/ei:interval"
PAYLOAD = f"{INTERVAL}/oadr:oadrReportPayload"


async def _once(ven: Ven, name: str) -> tuple[Offer, str, Message]:
    """One report of that name, asked for once: the offer, the path of the oadrReport, and the oadrUpdateReport."""
    await ven.bootstrapped()
    offer, request, before = offer_of(ven, name), fresh("report"), len(ven.heard)
    expect_code(await ordered(ven, wanted(request, offer)), "200")
    return offer, report_path(request), await updated(ven, request, after=before)


@case(
    "ven.report.once-usage",
    rules=("510",),
    certification=("R1_3150",),
    says="A TELEMETRY_USAGE that is asked for once is sent once, with data of now.",
    sends="a one-shot TELEMETRY_USAGE of all its points",
    expects="an oadrUpdateReport with at least one interval and a dtstart within 2 minutes of now",
    signed=True,
)
async def once_usage(ven: Ven) -> None:
    _, report, message = await _once(ven, USAGE)
    expect_there(message, f"{report}/{PAYLOAD}/ei:payloadFloat/ei:value")
    near_now(message, f"{report}/xcal:dtstart/xcal:date-time", within_s=120)


@case(
    "ven.report.once-is-once",
    rules=("510",),
    certification=("R1_3150",),
    says="A report that is asked for once does not come again.",
    sends="a one-shot TELEMETRY_USAGE",
    expects="one oadrUpdateReport",
)
async def once_is_once(ven: Ven) -> None:
    _, report, _ = await _once(ven, USAGE)
    await ven.hears_no("oadrUpdateReport", where=lambda one: one.has(report), after=len(ven.heard), for_s=3)


@case(
    "ven.report.once-status",
    rules=("510",),
    certification=("R1_3010",),
    says="A TELEMETRY_STATUS tells at least whether each resource is online and manually overridden.",
    sends="a one-shot TELEMETRY_STATUS",
    expects="oadrOnline and oadrManualOverride for each rID",
)
async def once_status(ven: Ven) -> None:
    offer, report, message = await _once(ven, STATUS)
    for rid in offer.rids:
        status = f"{report}/{PAYLOAD}[ei:rID[normalize-space()='{rid}']]/oadr:oadrPayloadResourceStatus"
        for path in ("oadr:oadrOnline", "oadr:oadrManualOverride"):
            expect_text(message, f"{status}/{path}", "true", "false", "1", "0")


@case(
    "ven.report.status-parts",
    rules=("510",),
    says="A part of oadrLoadControlState that is in one interval is in all of them.",
    sends="a TELEMETRY_STATUS every second, three times",
    expects="the same parts in every payload of an rID",
)
async def status_parts(ven: Ven) -> None:
    await ven.bootstrapped()
    offer, request, before = brisk(ven, STATUS), fresh("report"), len(ven.heard)
    expect_code(await ordered(ven, wanted(request, offer, granularity_s=offer.step_s, back_s=offer.step_s)), "200")
    seen: dict[str, set[str]] = {}
    for _ in range(3):
        message = await updated(ven, request, after=before)
        before = ven.heard.index(message) + 1
        for payload in message.all(f"{report_path(request)}/{PAYLOAD}"):
            rid = payload.findtext("ei:rID", namespaces=NAMESPACES) or ""
            parts = {str(one.tag) for one in payload.findall(".//oadr:oadrLoadControlState/*", NAMESPACES)}
            expect(seen.setdefault(rid, parts) == parts, f"the same parts for {rid}", str(sorted(parts)), message, ".")


def _sent(word: str, name: str) -> None:
    """What holds for the oadrReport of every update, for that report."""

    @case(
        f"ven.report.{word}-form",
        rules=("X-REP-9",),
        says="An oadrUpdateReport has dtstart and intervals, the report's name without METADATA_, and no descriptions.",
        sends=f"a one-shot {name}",
        expects="an oadrReport like that, with the reportSpecifierID that was asked for",
    )
    async def form(ven: Ven) -> None:
        offer, report, message = await _once(ven, name)
        for path in ("xcal:dtstart", INTERVAL, "ei:createdDateTime"):
            expect_there(message, f"{report}/{path}")
        expect_absent(message, f"{report}/oadr:oadrReportDescription")
        expect_text(message, f"{report}/ei:reportName", name)
        expect_text(message, f"{report}/ei:reportSpecifierID", offer.specifier)
        expect_text(message, "./ei:venID", ven.ven_id)

    @case(
        f"ven.report.{word}-rids",
        rules=("304",),
        says="The rIDs of the data are those that were asked for, no more and no fewer.",
        sends=f"a one-shot {name} of all its points",
        expects="exactly those rIDs",
    )
    async def rids(ven: Ven) -> None:
        offer, report, message = await _once(ven, name)
        actual = set(message.texts(f"{report}/{PAYLOAD}/ei:rID"))
        good = actual == set(offer.rids)
        expect(good, ", ".join(sorted(offer.rids)), ", ".join(sorted(actual)), message, f"{report}/{PAYLOAD}")

    @case(
        f"ven.report.{word}-timing",
        rules=("314", "342"),
        says="dtstart and duration are in all intervals of a report or in none, and add up with those of the report.",
        sends=f"a one-shot {name}",
        expects="intervals like that, with uids from 0 where they have no dtstart",
    )
    async def timing(ven: Ven) -> None:
        _, report, message = await _once(ven, name)
        expect_timing(message, report)


def expect_timing(message: Message, report: str) -> None:
    """Rule 342 and its neighbours, for one oadrReport."""
    intervals = message.all(f"{report}/{INTERVAL}")
    starts = [one.findtext("xcal:dtstart/xcal:date-time", namespaces=NAMESPACES) for one in intervals]
    lengths = [one.findtext("xcal:duration/xcal:duration", namespaces=NAMESPACES) for one in intervals]
    for what, found in (("dtstart", starts), ("duration", lengths)):
        good = all(found) or not any(found)
        expect(good, f"{what} in all intervals or in none", f"in {len(list(filter(None, found)))}", message, report)
    begins = moment(message.text(f"{report}/xcal:dtstart/xcal:date-time"))
    if starts[0] is not None:
        expect(moment(starts[0]) == begins, f"first interval at {begins:%H:%M:%S.%f}", starts[0], message, report)
    elif len(intervals) > 1:
        expect(all(lengths), "a duration in each of several intervals without dtstart", "none", message, report)
    _expect_uids(message, report, intervals, needed=starts[0] is None)
    whole = message.text(f"{report}/xcal:duration/xcal:duration")
    if whole is not None and all(lengths):
        total = sum(length_s(one) for one in lengths)
        expect(abs(total - length_s(whole)) < 0.001, f"a report duration of {total:g} s", whole, message, report)


def _expect_uids(message: Message, report: str, intervals: tuple[Element, ...], *, needed: bool) -> None:
    uids = [one.findtext("xcal:uid/xcal:text", namespaces=NAMESPACES) for one in intervals]
    if needed or any(uids):
        wanted_uids = [str(number) for number in range(len(intervals))]
        expect(uids == wanted_uids, f"uids {', '.join(wanted_uids)}", str(uids), message, f"{report}/{INTERVAL}")


_sent("usage", USAGE)
_sent("status", STATUS)


@case(
    "ven.report.some-points",
    rules=("304",),
    says="Only the points that were asked for are sent.",
    sends="a one-shot TELEMETRY_USAGE of its first real-power point alone",
    expects="data of that rID alone",
)
async def some_points(ven: Ven) -> None:
    await ven.bootstrapped()
    offer, request, before = offer_of(ven, USAGE), fresh("report"), len(ven.heard)
    rid = point_of(offer, POWER).rid
    await ordered(ven, wanted(request, offer.only(rid)))
    message = await updated(ven, request, after=before)
    actual = set(message.texts(f"{report_path(request)}/{PAYLOAD}/ei:rID"))
    expect(actual == {rid}, rid, ", ".join(sorted(actual)), message, report_path(request))


# -- periodic -------------------------------------------------------------------------------------------------------


async def _paced(ven: Ven, granularity_s: int, back_s: int, *, leeway_s: float, updates: int) -> None:
    """Updates a reportBackDuration apart on the average, each with the intervals that fall into it."""
    await ven.bootstrapped()
    offer, request, before = offer_of(ven, USAGE), fresh("report"), len(ven.heard)
    only = offer.only(point_of(offer, POWER).rid)
    if only.step_s > granularity_s:
        raise NotSupported(f"the VEN's least period is above {granularity_s} s")
    expect_code(await ordered(ven, wanted(request, only, granularity_s=granularity_s, back_s=back_s)), "200")
    times, count = [], back_s // granularity_s
    for number in range(updates):
        message = await updated(ven, request, after=before, within_s=back_s + leeway_s + 12)
        before = ven.heard.index(message) + 1
        times.append(next(one.at for one in ven.record.exchanges if one.request is message))
        actual = len(message.all(f"{report_path(request)}/{INTERVAL}"))
        # The first may hold less, or the one interval that was there at once.
        if number:
            expect(actual == count, f"{count} intervals", str(actual), message, f"{report_path(request)}/{INTERVAL}")
        expect_timing(message, report_path(request))
    # From the second on: the first may come at once. One that is late on a slow machine is in time with the next.
    gap_s = (times[-1] - times[1]).total_seconds() / (updates - 2)
    good = back_s - leeway_s <= gap_s <= back_s + leeway_s
    expect(good, f"updates {back_s} s apart, give or take {leeway_s:g}", f"{gap_s:.1f} s")


@case(
    "ven.report.periodic-usage",
    rules=("314", "342", "510"),
    certification=("R1_3160",),
    says="A periodic report comes once every reportBackDuration, with an interval for each granularity in it.",
    sends="a TELEMETRY_USAGE of real power, granularity 1 s, reportBackDuration 2 s",
    expects="updates with exactly 2 intervals, about 2 s apart; not to be tested where the least period is above 1 s",
)
async def periodic_usage(ven: Ven) -> None:
    await _paced(ven, 1, 2, leeway_s=1.5, updates=5)


@case(
    "ven.report.periodic-usage-minutes",
    rules=("314", "342", "510"),
    certification=("R1_3160",),
    says="A periodic report comes once every reportBackDuration, with an interval for each granularity in it.",
    sends="a TELEMETRY_USAGE of real power, granularity 1 min, reportBackDuration 2 min",
    expects="updates with exactly 2 intervals, 105 to 135 s apart",
    slow=True,
    within_s=480,
)
async def periodic_usage_minutes(ven: Ven) -> None:
    await _paced(ven, 60, 120, leeway_s=15, updates=3)


@case(
    "ven.report.periodic-status",
    rules=("510",),
    certification=("R1_3020", "R1_3025", "R1_3027"),
    says="A periodic TELEMETRY_STATUS is sent again and again.",
    sends="a TELEMETRY_STATUS every second",
    expects="two updates",
)
async def periodic_status(ven: Ven) -> None:
    await ven.bootstrapped()
    offer, request, before = brisk(ven, STATUS), fresh("report"), len(ven.heard)
    expect_code(await ordered(ven, wanted(request, offer, granularity_s=offer.step_s, back_s=offer.step_s)), "200")
    for _ in range(2):
        message = await updated(ven, request, after=before)
        before = ven.heard.index(message) + 1


@case(
    "ven.report.every-sample",
    rules=("46",),
    says="A granularity of 0 leaves the step to the VEN, and the report is sent all the same.",
    sends="a TELEMETRY_USAGE with granularity 0 every 2 s",
    expects="two updates",
)
async def every_sample(ven: Ven) -> None:
    await ven.bootstrapped()
    offer, request, before = brisk(ven, USAGE), fresh("report"), len(ven.heard)
    expect_code(await ordered(ven, wanted(request, offer, back_s=max(2, offer.step_s))), "200")
    for _ in range(2):
        message = await updated(ven, request, after=before)
        before = ven.heard.index(message) + 1


@case(
    "ven.report.error-is-survived",
    rules=("33",),
    says="A VEN survives an error in the answer to its oadrUpdateReport.",
    sends="oadrUpdatedReport 452 to the first update of a periodic report, then a request for another report",
    expects="the other report",
)
async def error_is_survived(ven: Ven) -> None:
    await ven.bootstrapped()
    ven.answers["oadrUpdateReport"] = lambda message: ven.write(
        "oadrUpdatedReport", request_id=message.request_id, code="452"
    )
    offer, request = brisk(ven, USAGE), fresh("report")
    await ordered(ven, wanted(request, offer, granularity_s=offer.step_s, back_s=offer.step_s))
    await updated(ven, request)
    ven.answers["oadrUpdateReport"] = ven.updated_report
    other, before = fresh("report"), len(ven.heard)
    expect_code(await ordered(ven, wanted(other, offer)), "200")
    await updated(ven, other, after=before)


# -- history --------------------------------------------------------------------------------------------------------


@case(
    "ven.report.history-both",
    rules=("304", "510", "X-REP-7"),
    certification=("R1_3130",),
    says="History of a power and an energy point is sent with both rIDs.",
    sends="HISTORY_USAGE of the first real-power and real-energy points, the 60 minutes before now",
    expects="an oadrUpdateReport with these rIDs and no others",
)
async def history_both(ven: Ven) -> None:
    await ven.bootstrapped()
    offer = offer_of(ven, HISTORY)
    await _history(ven, offer.only(point_of(offer, POWER).rid, point_of(offer, ENERGY).rid), 3600)


@case(
    "ven.report.history-energy",
    rules=("304",),
    certification=("R1_3140",),
    says="History of an energy point alone is sent with its rID alone.",
    sends="HISTORY_USAGE of the first real-energy point, from 30 minutes ago",
    expects="an oadrUpdateReport with that rID and no other",
)
async def history_energy(ven: Ven) -> None:
    await ven.bootstrapped()
    offer = offer_of(ven, HISTORY)
    await _history(ven, offer.only(point_of(offer, ENERGY).rid), 1800)


async def _history(ven: Ven, offer: Offer, ago_s: int) -> None:
    """The VEN keeps a little data first: telemetry is asked for until there is some."""
    warm, before = fresh("report"), len(ven.heard)
    usage = brisk(ven, USAGE)
    await ordered(ven, wanted(warm, usage, granularity_s=usage.step_s, back_s=usage.step_s))
    for _ in range(2):
        before = ven.heard.index(await updated(ven, warm, after=before)) + 1
    request = fresh("report")
    asks = report_request(request, offer.specifier, offer.rids, start=in_(-ago_s), duration_s=ago_s)
    expect_code(await ordered(ven, asks), "200")
    message = await updated(ven, request, after=before)
    report = report_path(request)
    expect_text(message, f"{report}/ei:reportName", HISTORY)
    actual = set(message.texts(f"{report}/{PAYLOAD}/ei:rID"))
    expect(actual == set(offer.rids), ", ".join(offer.rids), ", ".join(sorted(actual)), message, report)
