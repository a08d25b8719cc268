"""What a VTN asks its VENs for, and how (reference 3.3)."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from msgspec.structs import replace

from conformance import clock, template
from conformance.case import case, expect, expect_code, expect_kind
from conformance.operator import ReportWish, in_
from conformance.play_ven import POINTS, PlayVen, described, metadata
from conformance.tested import Vtn
from conformance.vtn_reports import (
    STATUS,
    USAGE,
    Asked,
    all_asked,
    asked_for,
    history,
    length,
    report_of,
    taken,
    usage_asked,
    usage_offer,
)
from conformance.vtn_steps import says_no

ZERO = timedelta(0)

_LEFT_OUT = ("tolerance", "x-eiNotification", "x-eiRampUp", "x-eiRecovery")


# -- the laws of requests --------------------------------------------------------------------------------------------


def named_well(asked: Asked) -> None:
    """X-REP-5: a reportRequestID that is neither empty nor 0."""
    path = f"{asked.path}/ei:reportRequestID"
    expect(
        asked.id not in ("", "0"), "a reportRequestID that is not 0", asked.id or "an empty one", asked.message, path
    )


def offered(asked: Asked, points: dict[str, tuple[str, ...]]) -> None:
    """The specifier and all rIDs are of the VEN's METADATA. `points`: by specifier."""
    if asked.specifier == "METADATA":
        return
    path = f"{asked.path}/ei:reportSpecifier"
    known = ", ".join(points)
    expect(asked.specifier in points, f"a specifier of {known}", asked.specifier, asked.message, path)
    foreign = set(asked.points) - set(points[asked.specifier])
    expect(not foreign, "rIDs that were offered", ", ".join(sorted(foreign)), asked.message, path)


def plain(asked: Asked) -> None:
    """321 and X-REP-8: readingType x-notApplicable, no unit, and a start and a length at most."""
    for said in asked.message.texts(f"{asked.path}//ei:specifierPayload/ei:readingType"):
        expect(said == "x-notApplicable", "readingType x-notApplicable", said, asked.message, asked.path)
    unit = asked.has("ei:reportSpecifier/ei:specifierPayload/*[not(self::ei:rID or self::ei:readingType)]")
    expect(not unit, "no itemBase", "there is one", asked.message, asked.path)
    for name in _LEFT_OUT:
        found = asked.has(f".//*[local-name()='{name}']")
        expect(not found, f"no {name}", "there is one", asked.message, asked.path)


def spanned(asked: Asked) -> None:
    """Periodic data has a reportInterval with dtstart and duration."""
    if length(asked.back) == ZERO or asked.specifier == "METADATA":
        return
    for name in ("dtstart", "duration"):
        found = asked.has(f"ei:reportSpecifier/ei:reportInterval/xcal:properties/xcal:{name}")
        expect(found, f"a reportInterval with {name}", "none", asked.message, asked.path)


def law_abiding(asked: Asked, points: dict[str, tuple[str, ...]]) -> None:
    named_well(asked)
    offered(asked, points)
    plain(asked)
    spanned(asked)


_OFFERED = {"usage": POINTS, "status": ("status",), "history": POINTS}


# -- what comes unasked ----------------------------------------------------------------------------------------------


@case(
    "vtn.report.standing-requests",
    rules=("321", "X-REP-5", "X-REP-8"),
    says="Whatever a VTN asks for of itself is on offer, and asked for as the rules have it.",
    sends="METADATA, then acknowledges what the VTN asks for",
    expects="requests with good ids, for what is on offer, bare; 200 to the acknowledgement. None is right, too",
    signed=True,
)
async def standing_requests(vtn: Vtn) -> None:
    ven = await vtn.registered()
    await _settled(ven)
    for asked in all_asked(ven):
        law_abiding(asked, _OFFERED)
    twice = [name for name, times in Counter(asked.id for asked in all_asked(ven)).items() if times > 1]
    expect(not twice, "each reportRequestID once", ", ".join(twice))


async def _settled(ven: PlayVen) -> None:
    """What the VTN wants of itself has come by then, as far as it comes soon."""
    await ven.nothing("oadrNone", for_s=2.0)


@case(
    "vtn.report.granularity-not-below-the-shortest",
    rules=("X-REP-6",),
    says="No granularity is below the oadrMinPeriod of what it is asked for, unless it is zero.",
    sends="usage with an oadrMinPeriod of 300 s; the operator asks for it every second",
    expects="no request that wants it oftener, be it the operator's or the VTN's own",
)
async def not_below_the_shortest(vtn: Vtn) -> None:
    unit = template.fill("powerReal", scale="none")
    points = described("power", "usage", unit, "Direct Read", min_s=300, max_s=900)
    ven = await vtn.ven()
    await ven.register()
    await ven.offer(usage_offer(points=points))
    wish = ReportWish(
        ven_id="", name="TELEMETRY_USAGE", specifier="usage", points=("power",), granularity_s=1, back_s=600
    )
    await says_no(vtn.operator.request_report(replace(wish, ven_id=ven.ven_id)))
    await _settled(ven)
    for asked in all_asked(ven):
        step = length(asked.granularity) if asked.specifier == "usage" else ZERO
        path = f"{asked.path}/ei:reportSpecifier/xcal:granularity"
        expect(step == ZERO or step >= timedelta(minutes=5), "300 s or more", asked.granularity, asked.message, path)


# -- what the operator wants -----------------------------------------------------------------------------------------


_WISHES: tuple[tuple[str, str, tuple[str, ...], ReportWish], ...] = (
    ("status-once", "TELEMETRY_STATUS once", ("R1_3010",), STATUS),
    (
        "status-periodic",
        "TELEMETRY_STATUS every minute",
        ("R1_3020",),
        replace(STATUS, granularity_s=60, back_s=60),
    ),
    (
        "usage-once",
        "TELEMETRY_USAGE once, power and energy",
        ("R1_3150",),
        replace(USAGE, granularity_s=0, back_s=0),
    ),
    (
        "usage-periodic",
        "TELEMETRY_USAGE of power, a value a minute, every two minutes",
        ("R1_3160", "R1_3025"),
        replace(USAGE, points=("power",), granularity_s=60, back_s=120),
    ),
)

for _name, _what, _ids, _wish in _WISHES:

    @case(
        f"vtn.report.request-{_name}",
        rules=("321", "X-REP-5", "X-REP-8", "X-REP-6"),
        certification=_ids,
        says="A VTN asks for a report as the rules have it, and for nothing else than was wanted.",
        sends=f"the operator's wish for {_what}, the VEN's acknowledgement",
        expects="oadrCreateReport with that specifier, those points and periods",
        signed=_name == "usage-periodic",
    )
    async def wanted_is_asked(vtn: Vtn, wish: ReportWish = _wish) -> None:
        ven = await vtn.registered()
        asked = await asked_for(vtn, ven, wish)
        law_abiding(asked, _OFFERED)
        expect(set(asked.points) == set(wish.points), f"points {wish.points}", str(asked.points), asked.message)
        for said, should_s in ((asked.granularity, wish.granularity_s), (asked.back, wish.back_s)):
            expect(length(said) == timedelta(seconds=should_s), f"{should_s} s", said, asked.message, asked.path)


@case(
    "vtn.report.request-acknowledged",
    rules=("306",),
    certification=("R1_3010",),
    says="The VEN's oadrCreatedReport is taken, by its own request or in the answer to a push.",
    sends="the operator's wish, then oadrCreatedReport; waits",
    expects="oadrResponse 200 where it is posted; the request does not come again",
)
async def acknowledged(vtn: Vtn) -> None:
    ven, asked = await usage_asked(vtn)
    if ven.mode == "pull":
        answers = [
            one.answer
            for one in ven.record.exchanges
            if one.request.kind == "oadrCreatedReport" and one.answer is not None
        ]
        expect(bool(answers), "an answer to oadrCreatedReport", "none")
        expect_kind(answers[-1], "oadrResponse")
        expect_code(answers[-1], "200")
    ven.inbox.clear()
    await ven.nothing("oadrCreateReport", where=lambda one: asked.id in one.texts(".//ei:reportRequestID"))


@case(
    "vtn.report.two-requests",
    rules=("X-REP-5",),
    certification=("R1_3180",),
    says="Two requests have two ids, and come in one payload or in two.",
    sends="two wishes of the operator's, an update with a report to each, then two updates with one",
    expects="two reportRequestIDs; 200 to all updates",
)
async def two_requests(vtn: Vtn) -> None:
    ven = await vtn.registered()
    first = await asked_for(vtn, ven, USAGE)
    second = await asked_for(vtn, ven, replace(USAGE, points=("energy",), granularity_s=15, back_s=30))
    expect(first.id != second.id, "two reportRequestIDs", first.id, second.message)
    await taken(ven, report_of(first), report_of(second))
    await taken(ven, report_of(first))
    await taken(ven, report_of(second))


_PAST: tuple[tuple[str, str, tuple[str, ...], int, str], ...] = (
    ("history", "R1_3130", POINTS, 3600, "power and energy of the last hour"),
    ("history-energy", "R1_3140", ("energy",), 1800, "energy of the last half hour"),
)

for _name, _id, _rids, _past_s, _what in _PAST:

    @case(
        f"vtn.report.request-{_name}",
        rules=("X-REP-7", "321"),
        certification=(_id,),
        says="History is asked for with neither granularity nor reportBackDuration.",
        sends=f"HISTORY_USAGE in METADATA; the operator's wish for {_what}; the values",
        expects="oadrCreateReport with both zero and that interval; 200 to the values",
    )
    async def history_asked(vtn: Vtn, points: tuple[str, ...] = _rids, past_s: int = _past_s) -> None:
        ven = await vtn.ven()
        await ven.register()
        await ven.offer(history())
        wish = ReportWish(
            ven_id="",
            name="HISTORY_USAGE",
            specifier="history",
            points=points,
            start=in_(-past_s),
            duration_s=past_s,
        )
        asked = await asked_for(vtn, ven, wish)
        law_abiding(asked, _OFFERED)
        for said in (asked.granularity, asked.back):
            expect(length(said) == ZERO, "zero", said, asked.message, asked.path)
        begins = asked.text("ei:reportSpecifier/ei:reportInterval/xcal:properties/xcal:dtstart/xcal:date-time")
        expect(begins is not None, "a reportInterval", "none", asked.message, asked.path)
        away = abs(datetime.fromisoformat(begins or "") - clock.now() + timedelta(seconds=past_s))
        expect(away < timedelta(minutes=2), f"dtstart {past_s} s ago", str(begins), asked.message, asked.path)
        await taken(ven, report_of(asked, name="HISTORY_USAGE"))


@case(
    "vtn.report.request-refused",
    rules=("306",),
    certification=("R1_3190",),
    says="A VEN that does not take a request is heard, and goes on being served.",
    sends="the operator's wish, answered by oadrCreatedReport 452",
    expects="200 to the answer where it is posted, then a good answer to oadrRequestEvent",
    negative=True,
)
async def request_refused(vtn: Vtn) -> None:
    ven = await vtn.registered()
    ven.answers["oadrCreateReport"] = lambda message: ven.write(
        "oadrCreatedReport", request_id=message.request_id, code="452", pending=()
    )
    await asked_for(vtn, ven, USAGE)
    for exchange in ven.record.exchanges:
        if (
            exchange.request.kind == "oadrCreatedReport"
            and exchange.answer is not None
            and exchange.sender == "harness"
        ):
            expect_kind(exchange.answer, "oadrResponse")
            expect_code(exchange.answer, "200")
    expect_code(await ven.say("oadrRequestEvent"), "200")


@case(
    "vtn.report.request-metadata",
    rules=("306", "311"),
    says="A VTN may ask for METADATA, and takes what comes under that reportRequestID.",
    sends="the operator's wish for METADATA; oadrCreatedReport, then oadrRegisterReport with the request's id",
    expects="a request whose specifier is METADATA; oadrRegisteredReport 200",
)
async def metadata_wanted(vtn: Vtn) -> None:
    ven = await vtn.registered()
    asked = await asked_for(vtn, ven, ReportWish(ven_id="", name="METADATA", specifier="METADATA"))
    law_abiding(asked, _OFFERED)
    reply = await ven.say("oadrRegisterReport", reports=metadata(), report_request_id=asked.id)
    expect_kind(reply, "oadrRegisteredReport")
    expect_code(reply, "200")
