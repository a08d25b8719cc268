"""METADATA in both directions: what a VEN registers at a VTN, and what the VTN registers itself (reference 3.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from conformance import clock, template
from conformance.case import SHOULD, case, expect, expect_absent, expect_code, expect_kind
from conformance.message import Message
from conformance.operator import ReportWish
from conformance.play_ven import POINTS, described, metadata, metadata_report
from conformance.tested import Vtn
from conformance.vtn_reports import history, length, offered_by, really_offered_by, usage_offer
from conformance.vtn_steps import asked, refused, says_no

Reports = Callable[[], str]
"""Written when they are sent: they carry the time."""

_POWER = template.fill("powerReal", scale="none")

_GOOD: tuple[tuple[str, str, Reports, tuple[str, ...]], ...] = (
    ("usual", "TELEMETRY_USAGE with power and energy, and TELEMETRY_STATUS", metadata, ("510", "331")),
    ("empty", "no report at all", str, ("301",)),
    ("history", "HISTORY_USAGE besides", history, ("331",)),
    (
        "own",
        "a report of the VEN's own besides, x-WEATHER, without sampling rates",
        lambda: metadata() + metadata_report("w", "x-WEATHER", described("t", "x-heat", "", "x-guess", min_s=None)),
        ("331",),
    ),
    (
        "fixed-rate",
        "usage whose shortest and longest period are the same",
        lambda: usage_offer(points=described("power", "usage", _POWER, "Direct Read", min_s=60, max_s=60)),
        ("312",),
    ),
    (
        "many-points",
        "usage of a hundred points",
        lambda: usage_offer(points="".join(described(f"p{n}", "usage", _POWER, "Direct Read") for n in range(100))),
        ("46",),
    ),
)

for _name, _what, _reports, _rules in _GOOD:

    @case(
        f"vtn.report.metadata-{_name}",
        rules=_rules,
        says="A VTN takes the METADATA of its VENs.",
        sends=f"oadrRegisterReport with {_what}",
        expects="oadrRegisteredReport 200",
        signed=_name == "usual",
    )
    async def metadata_taken(vtn: Vtn, reports: Reports = _reports) -> None:
        ven = await vtn.ven()
        await ven.register()
        expect_code(await ven.offer(reports()), "200")


@case(
    "vtn.report.metadata-lenient",
    rules=("331",),
    says="Points are known by rID and unit: a VEN that offers `reading` instead of `usage` is not turned away.",
    sends="TELEMETRY_USAGE with reportType reading",
    expects="oadrRegisteredReport 200",
    level=SHOULD,
)
async def metadata_lenient(vtn: Vtn) -> None:
    ven = await vtn.ven()
    await ven.register()
    expect_code(await ven.offer(usage_offer(points=described("power", "reading", _POWER, "Direct Read"))), "200")


@case(
    "vtn.report.metadata-again",
    rules=("301",),
    says="A later METADATA takes the place of the earlier one as a whole.",
    sends="METADATA, then another without HISTORY_USAGE; then the operator asks for history",
    expects="200 to both; no request for what is not offered any more",
    level=SHOULD,
)
async def metadata_again(vtn: Vtn) -> None:
    ven = await vtn.ven()
    await ven.register()
    await ven.offer(history())
    expect_code(await ven.offer(metadata()), "200")
    wish = ReportWish(ven_id=ven.ven_id, name="HISTORY_USAGE", specifier="history", points=POINTS)
    if await says_no(vtn.operator.request_report(wish)):
        return
    await ven.nothing("oadrCreateReport", where=lambda one: "history" in one.texts(".//ei:reportSpecifierID"))


_BAD: tuple[tuple[str, str, Reports, tuple[str, ...]], ...] = (
    (
        "rate-missing",
        "TELEMETRY_USAGE without oadrSamplingRate",
        lambda: usage_offer(points=described("power", "usage", _POWER, "Direct Read", min_s=None)),
        ("X-REP-3",),
    ),
    (
        "period-too-long",
        "an oadrMaxPeriod above the report's duration",
        lambda: usage_offer(points=described("power", "usage", _POWER, "Direct Read", max_s=7200)),
        ("312",),
    ),
    ("duration-missing", "a report without duration", lambda: usage_offer(duration=None), ("312",)),
    ("request-id", "reportRequestID 7 in a report", lambda: usage_offer(report_request_id="7"), ("311",)),
    (
        "rid-twice",
        "the same rID twice in a report",
        lambda: usage_offer(points=described("power", "usage", _POWER, "Direct Read") * 2),
        ("X-REP-1",),
    ),
    ("specifier-twice", "the same reportSpecifierID twice", lambda: usage_offer() + usage_offer(), ("X-REP-1",)),
    (
        "wrong-combination",
        "TELEMETRY_USAGE of type x-resourceStatus without a unit",
        lambda: usage_offer(points=described("power", "x-resourceStatus", "", "x-notApplicable")),
        ("331",),
    ),
    ("report-id", "an eiReportID in METADATA", lambda: usage_offer(report_id="1"), ("X-REP-4",)),
)

for _name, _what, _reports, _rules in _BAD:

    @case(
        f"vtn.report.metadata-bad-{_name}",
        rules=_rules,
        says="METADATA that contradicts itself is answered as METADATA is, and does no harm.",
        sends=f"oadrRegisterReport with {_what}; then a right one",
        expects="oadrRegisteredReport with 200 or 4xx; then 200 to the right one",
        negative=True,
    )
    async def metadata_bad(vtn: Vtn, reports: Reports = _reports) -> None:
        ven = await vtn.ven()
        await ven.register()
        reply = await ven.say("oadrRegisterReport", reports=reports())
        expect_kind(reply, "oadrRegisteredReport")
        expect_code(reply, "200", "4xx")
        expect_code(await ven.offer(), "200")


@case(
    "vtn.report.metadata-wrong-ven",
    rules=("21",),
    certification=("E1_1080",),
    says="METADATA under a venID in another letter case is refused with 452.",
    sends="oadrRegisterReport with the VEN's own venID, its case flipped",
    expects="oadrRegisteredReport 452",
    negative=True,
)
async def metadata_wrong_ven(vtn: Vtn) -> None:
    ven = await vtn.registered()
    flipped = ven.ven_id.swapcase()
    if flipped == ven.ven_id:
        flipped += "x"
    reply = await ven.say("oadrRegisterReport", reports=metadata(), ven_id=flipped)
    expect_kind(reply, "oadrRegisteredReport")
    expect_code(reply, "452")


@case(
    "vtn.report.metadata-unregistered",
    rules=("X-ACT-1",),
    says="A VEN without a registration registers no reports.",
    sends="oadrRegisterReport before any registration",
    expects="a refusal",
    negative=True,
)
async def metadata_unregistered(vtn: Vtn) -> None:
    ven = await vtn.ven()
    refused(await asked(ven, "oadrRegisterReport", reports=metadata(), ven_id="nobody"))


# -- the VTN's own ---------------------------------------------------------------------------------------------------


@case(
    "vtn.report.own-metadata",
    rules=("301", "510"),
    certification=("N1_0020",),
    says="After a registration the VTN registers its METADATA, empty if it has nothing to offer.",
    sends="registration and METADATA",
    expects="oadrRegisterReport without a reportRequestID of its own",
    signed=True,
)
async def own_metadata(vtn: Vtn) -> None:
    _, offered = await offered_by(vtn)
    expect_absent(offered, "./ei:reportRequestID")


@case(
    "vtn.report.own-metadata-acknowledged",
    rules=("301",),
    says="METADATA that was acknowledged is not sent again.",
    sends="oadrRegisteredReport to the VTN's METADATA, then polls or waits",
    expects="oadrResponse 200 where the answer is posted; no second oadrRegisterReport",
)
async def own_metadata_acknowledged(vtn: Vtn) -> None:
    ven, _ = await (really_offered_by(vtn) if vtn.parameters.get("own_reports") else offered_by(vtn))
    ven.inbox.clear()
    await ven.nothing("oadrRegisterReport", for_s=3.0)


@case(
    "vtn.report.own-metadata-form",
    rules=("311", "X-REP-4", "X-EV-3"),
    says="Each report in METADATA has reportRequestID 0, a fresh createdDateTime, and neither data nor times of data.",
    sends="registration and METADATA",
    expects="such reports, or none",
)
async def own_metadata_form(vtn: Vtn) -> None:
    _, offered = await really_offered_by(vtn)
    for text in offered.texts("./oadr:oadrReport/ei:reportRequestID"):
        expect(text == "0", "reportRequestID 0", text, offered, "./oadr:oadrReport/ei:reportRequestID")
    for path in ("xcal:dtstart", "strm:intervals", "ei:eiReportID"):
        expect_absent(offered, f"./oadr:oadrReport/{path}")
    for text in offered.texts("./oadr:oadrReport/ei:createdDateTime"):
        away = abs(datetime.fromisoformat(text) - clock.now())
        expect(away <= timedelta(minutes=1), "createdDateTime within a minute of now", text, offered)


@case(
    "vtn.report.own-metadata-ids",
    rules=("X-REP-1",),
    says="Specifiers are unique in METADATA, and rIDs in a report.",
    sends="registration and METADATA",
    expects="no id twice",
)
async def own_metadata_ids(vtn: Vtn) -> None:
    _, offered = await really_offered_by(vtn)
    _once(offered, offered.texts("./oadr:oadrReport/ei:reportSpecifierID"), "reportSpecifierID")
    for number in range(1, len(offered.all("./oadr:oadrReport")) + 1):
        _once(offered, offered.texts(f"./oadr:oadrReport[{number}]/oadr:oadrReportDescription/ei:rID"), "rID")


def _once(message: Message, ids: tuple[str, ...], what: str) -> None:
    twice = [name for name, times in Counter(ids).items() if times > 1]
    expect(not twice, f"each {what} once", f"{', '.join(twice)} twice", message)


@case(
    "vtn.report.own-metadata-rates",
    rules=("312", "X-REP-3"),
    says="A report in METADATA says how much is buffered; telemetry has sampling rates, none longer than that.",
    sends="registration and METADATA",
    expects="duration, oadrSamplingRate, oadrMaxPeriod not above the duration",
)
async def own_metadata_rates(vtn: Vtn) -> None:
    _, offered = await really_offered_by(vtn)
    for number, name in enumerate(offered.texts("./oadr:oadrReport/ei:reportName"), 1):
        report = f"./oadr:oadrReport[{number}]"
        kept = offered.text(f"{report}/xcal:duration/xcal:duration")
        expect(kept is not None, f"a duration of {name}", "none", offered, report)
        points = offered.all(f"{report}/oadr:oadrReportDescription")
        rates = offered.texts(f"{report}/oadr:oadrReportDescription/oadr:oadrSamplingRate/oadr:oadrMaxPeriod")
        if "TELEMETRY" in name:
            said = f"{len(rates)} rates for {len(points)} points"
            expect(len(rates) == len(points), "a sampling rate at each point", said, offered, report)
        for rate in rates:
            expect(length(rate) <= length(kept or ""), f"oadrMaxPeriod up to {kept}", rate, offered, report)


_USUAL = {
    "METADATA_TELEMETRY_USAGE": ("usage", "Direct Read"),
    "METADATA_HISTORY_USAGE": ("usage", "Direct Read"),
    "METADATA_TELEMETRY_STATUS": ("x-resourceStatus", "x-notApplicable"),
}


@case(
    "vtn.report.own-metadata-kinds",
    rules=("331",),
    says="The standard reports have their own reportType and readingType.",
    sends="registration and METADATA",
    expects="those of the table for each standard report",
)
async def own_metadata_kinds(vtn: Vtn) -> None:
    _, offered = await really_offered_by(vtn)
    for number, name in enumerate(offered.texts("./oadr:oadrReport/ei:reportName"), 1):
        if name not in _USUAL:
            continue
        for element, wanted in zip(("reportType", "readingType"), _USUAL[name], strict=True):
            path = f"./oadr:oadrReport[{number}]/oadr:oadrReportDescription/ei:{element}"
            for said in offered.texts(path):
                expect(said == wanted, f"{element} {wanted} in {name}", said, offered, path)


@case(
    "vtn.report.own-metadata-after-a-new-registration",
    rules=("301", "406"),
    certification=("N1_0060",),
    says="After a new registration METADATA is registered anew by both.",
    sends="a whole bootstrap, then a registration without registrationID",
    expects="another registrationID, 200 to the VEN's METADATA, and the VTN's once more",
)
async def own_metadata_anew(vtn: Vtn) -> None:
    ven, _ = await offered_by(vtn)
    before = ven.registration_id
    ven.inbox.clear()
    await ven.register(registration_id=None)
    expect(ven.registration_id != before, "a new registrationID", before)
    expect_code(await ven.offer(), "200")
    await ven.receive("oadrRegisterReport")
