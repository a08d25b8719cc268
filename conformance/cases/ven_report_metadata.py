"""EiReport at a VEN: what it offers."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.case import case, expect, expect_absent, expect_code, expect_text, expect_there
from conformance.message import Message
from conformance.play import fresh
from conformance.play_ven import metadata
from conformance.play_vtn import report_request
from conformance.tested import Ven
from conformance.ven_steps import ENERGY, POWER, length_s, near_now, offer_of, offers, point_of

REPORT = "./oadr:oadrReport"
DESCRIPTION = f"{REPORT}/oadr:oadrReportDescription"
STANDARD = ("HISTORY_USAGE", "HISTORY_GREENBUTTON", "TELEMETRY_USAGE", "TELEMETRY_STATUS")


async def _offered(ven: Ven) -> Message:
    """What the VEN offers after its registration."""
    await ven.start()
    return await ven.hears("oadrRegisterReport", within_s=15)


def _unique(message: Message, path: str, values: Sequence[str]) -> None:
    twice = sorted({one for one in values if values.count(one) > 1})
    expect(not twice, f"every {path} once", f"twice: {', '.join(twice)}", message, path)


@case(
    "ven.report.offers",
    rules=("301",),
    says="After its registration a VEN registers its reports, without a reportRequestID of the payload's own.",
    sends="a good answer to the registration",
    expects="oadrRegisterReport with the venID and no reportRequestID beside it",
)
async def offers_reports(ven: Ven) -> None:
    message = await _offered(ven)
    expect_absent(message, "./ei:reportRequestID")
    expect_text(message, "./ei:venID", ven.ven_id)


@case(
    "ven.report.metadata-request-id",
    rules=("311",),
    says="Each METADATA report has the reportRequestID 0.",
    sends="a good answer to the registration",
    expects="oadrReport/reportRequestID 0 in each",
)
async def metadata_request_id(ven: Ven) -> None:
    message = await _offered(ven)
    for text in message.texts(f"{REPORT}/ei:reportRequestID"):
        expect(text == "0", "reportRequestID 0", text, message, f"{REPORT}/ei:reportRequestID")


@case(
    "ven.report.metadata-duration",
    rules=("312",),
    says="Each METADATA report has a duration, and no oadrMaxPeriod is above it.",
    sends="a good answer to the registration",
    expects="a duration in each oadrReport, at least as long as its oadrMaxPeriods",
)
async def metadata_duration(ven: Ven) -> None:
    message = await _offered(ven)
    for number in range(1, len(message.all(REPORT)) + 1):
        own = f"{REPORT}[{number}]/xcal:duration"
        kept_s = length_s(message.text(f"{own}/xcal:duration"))
        for longest in message.texts(f"{REPORT}[{number}]//oadr:oadrMaxPeriod"):
            expect(length_s(longest) <= kept_s, f"oadrMaxPeriod of at most {kept_s:g} s", longest, message, own)


@case(
    "ven.report.metadata-ids",
    rules=("X-REP-1",),
    says="reportSpecifierIDs are unique in a payload, and rIDs in a report.",
    sends="a good answer to the registration",
    expects="no reportSpecifierID twice, and no rID twice in one oadrReport",
)
async def metadata_ids(ven: Ven) -> None:
    message = await _offered(ven)
    path = f"{REPORT}/ei:reportSpecifierID"
    _unique(message, path, message.texts(path))
    for number in range(1, len(message.all(REPORT)) + 1):
        path = f"{REPORT}[{number}]/oadr:oadrReportDescription/ei:rID"
        _unique(message, path, message.texts(path))


@case(
    "ven.report.metadata-minimum",
    rules=("510", "X-REP-2"),
    says="A VEN offers TELEMETRY_USAGE and TELEMETRY_STATUS.",
    sends="a good answer to the registration",
    expects="METADATA_TELEMETRY_USAGE and METADATA_TELEMETRY_STATUS",
)
async def metadata_minimum(ven: Ven) -> None:
    message = await _offered(ven)
    names = message.texts(f"{REPORT}/ei:reportName")
    for name in ("METADATA_TELEMETRY_USAGE", "METADATA_TELEMETRY_STATUS"):
        expect(name in names, name, ", ".join(names) or "nothing", message, f"{REPORT}/ei:reportName")


@case(
    "ven.report.metadata-usage-points",
    rules=("510", "331"),
    says="The usage report offers a point of real power and one of real energy.",
    sends="a good answer to the registration",
    expects="a description with powerReal and one with energyReal in METADATA_TELEMETRY_USAGE",
)
async def metadata_usage_points(ven: Ven) -> None:
    message = await _offered(ven)
    units = {point.unit for offer in offers(message) if offer.name == "TELEMETRY_USAGE" for point in offer.points}
    good = {POWER, ENERGY} <= units
    expect(good, f"{POWER} and {ENERGY}", ", ".join(sorted(units)) or "neither", message, DESCRIPTION)


@case(
    "ven.report.metadata-names",
    rules=("301",),
    says="Standard reports have METADATA_ before their names in METADATA; others begin with x-.",
    sends="a good answer to the registration",
    expects="METADATA_ with a name of the profile, or x-",
)
async def metadata_names(ven: Ven) -> None:
    message = await _offered(ven)
    for name in message.texts(f"{REPORT}/ei:reportName"):
        good = name.startswith("x-") or (name.startswith("METADATA_") and name.removeprefix("METADATA_") in STANDARD)
        expect(good, "METADATA_ and a name, or x-…", name, message, f"{REPORT}/ei:reportName")


@case(
    "ven.report.metadata-sampling",
    rules=("X-REP-3",),
    says="Every point of a telemetry report has a sampling rate whose least period is not above its longest.",
    sends="a good answer to the registration",
    expects="oadrSamplingRate with oadrMinPeriod <= oadrMaxPeriod",
)
async def metadata_sampling(ven: Ven) -> None:
    message = await _offered(ven)
    telemetry = f"{REPORT}[starts-with(ei:reportName, 'METADATA_TELEMETRY_')]/oadr:oadrReportDescription"
    expect_absent(message, f"{telemetry}[not(oadr:oadrSamplingRate)]")
    for offer in offers(message):
        for point in offer.points:
            good = point.min_s <= point.max_s
            said = f"{point.min_s:g} s and {point.max_s:g} s for {point.rid}"
            expect(good, "oadrMinPeriod <= oadrMaxPeriod", said, message, DESCRIPTION)


@case(
    "ven.report.metadata-holds-no-data",
    rules=("X-REP-4",),
    says="METADATA has no intervals, no dtstart and no eiReportID.",
    sends="a good answer to the registration",
    expects="none of them in any oadrReport",
)
async def metadata_holds_no_data(ven: Ven) -> None:
    message = await _offered(ven)
    for path in ("strm:intervals", "xcal:dtstart", "ei:eiReportID"):
        expect_absent(message, f"{REPORT}/{path}")


@case(
    "ven.report.metadata-created",
    rules=("X-EV-3",),
    says="createdDateTime of METADATA is the time at which the payload was made.",
    sends="a good answer to the registration",
    expects="createdDateTime within a minute of the harness's clock",
)
async def metadata_created(ven: Ven) -> None:
    near_now(await _offered(ven), f"{REPORT}/ei:createdDateTime", within_s=60)


@case(
    "ven.report.metadata-combinations",
    rules=("331",),
    says="The standard reports have the reportType, unit and readingType of the profile's table.",
    sends="a good answer to the registration",
    expects="usage, powerReal or energyReal, Direct Read; x-resourceStatus, no unit, x-notApplicable",
)
async def metadata_combinations(ven: Ven) -> None:
    message = await _offered(ven)
    for name in ("TELEMETRY_USAGE", "HISTORY_USAGE"):
        path = f"{REPORT}[ei:reportName[normalize-space()='METADATA_{name}']]/oadr:oadrReportDescription"
        for number in range(1, len(message.all(path)) + 1):
            expect_text(message, f"{path}[{number}]/ei:reportType", "usage")
            expect_text(message, f"{path}[{number}]/ei:readingType", "Direct Read")
        expect_absent(message, f"{path}[not(power:{POWER}) and not(power:{ENERGY})]")
    path = f"{REPORT}[ei:reportName[normalize-space()='METADATA_TELEMETRY_STATUS']]/oadr:oadrReportDescription"
    for number in range(1, len(message.all(path)) + 1):
        expect_text(message, f"{path}[{number}]/ei:reportType", "x-resourceStatus")
        expect_text(message, f"{path}[{number}]/ei:readingType", "x-notApplicable")


# -- METADATA on request --------------------------------------------------------------------------------------------


def _metadata(request_id: str, *, back_s: int = 0) -> str:
    return report_request(request_id, "METADATA", ("0",), back_s=back_s)


async def _asked(ven: Ven, *requests: str) -> int:
    """Ask for METADATA; how many requests had been heard before."""
    before = len(ven.heard)
    reply = await ven.ask(ven.write("oadrCreateReport", requests="".join(requests)), "oadrCreatedReport")
    expect_code(reply, "200")
    return before


async def _described(ven: Ven, request_id: str, *, after: int, within_s: float = 12.0) -> Message:
    where = f"./ei:reportRequestID[normalize-space()='{request_id}']"
    return await ven.hears("oadrRegisterReport", where=lambda one: one.has(where), after=after, within_s=within_s)


@case(
    "ven.report.metadata-on-request",
    rules=("306", "311"),
    certification=("R1_3120",),
    says="A request for the specifier METADATA is answered, and then by an oadrRegisterReport that names the request.",
    sends="oadrCreateReport for reportSpecifierID METADATA, once",
    expects="oadrCreatedReport 200, then oadrRegisterReport with that reportRequestID beside its reports",
)
async def metadata_on_request(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("metadata")
    message = await _described(ven, name, after=await _asked(ven, _metadata(name)))
    expect_there(message, f"{REPORT}/ei:reportName")
    near_now(message, f"{REPORT}/ei:createdDateTime", within_s=60)


@case(
    "ven.report.metadata-requested-request-id",
    rules=("311",),
    says="In METADATA that was asked for each report's reportRequestID is 0, or the request's.",
    sends="oadrCreateReport for reportSpecifierID METADATA, once",
    expects="oadrReport/reportRequestID 0, or that of the request",
)
async def metadata_requested_request_id(ven: Ven) -> None:
    await ven.bootstrapped()
    name = fresh("metadata")
    message = await _described(ven, name, after=await _asked(ven, _metadata(name)))
    for text in message.texts(f"{REPORT}/ei:reportRequestID"):
        expect(text in ("0", name), f"reportRequestID 0 or {name}", text, message, f"{REPORT}/ei:reportRequestID")


@case(
    "ven.report.metadata-twice",
    rules=("306",),
    certification=("R1_3090",),
    says="Two requests for METADATA are both served, each under its own reportRequestID.",
    sends="oadrCreateReport with two requests for METADATA",
    expects="an oadrRegisterReport for each",
)
async def metadata_twice(ven: Ven) -> None:
    await ven.bootstrapped()
    first, second = fresh("metadata"), fresh("metadata")
    before = await _asked(ven, _metadata(first), _metadata(second))
    for name in (first, second):
        await _described(ven, name, after=before)


async def _periodic(ven: Ven, back_s: int) -> None:
    await ven.bootstrapped()
    name = fresh("metadata")
    before = await _asked(ven, _metadata(name, back_s=back_s))
    await _described(ven, name, after=before)
    await _described(ven, name, after=len(ven.heard), within_s=back_s * 1.25 + 10)


@case(
    "ven.report.metadata-periodic",
    rules=("306",),
    certification=("R1_3080",),
    says="METADATA asked for periodically comes at once, and again after each reportBackDuration.",
    sends="oadrCreateReport for METADATA with reportBackDuration 2 s",
    expects="two oadrRegisterReport for it",
)
async def metadata_periodic(ven: Ven) -> None:
    await _periodic(ven, 2)


@case(
    "ven.report.metadata-periodic-minute",
    rules=("306",),
    certification=("R1_3080",),
    says="METADATA asked for every minute comes at once, and again after a minute.",
    sends="oadrCreateReport for METADATA with reportBackDuration 1 min",
    expects="two oadrRegisterReport for it",
    slow=True,
    within_s=120,
)
async def metadata_periodic_minute(ven: Ven) -> None:
    await _periodic(ven, 60)


# -- the VTN's own offer --------------------------------------------------------------------------------------------


@case(
    "ven.report.vtn-offers-nothing",
    rules=("301",),
    certification=("N1_0020",),
    says="A VEN takes a VTN's METADATA that is empty.",
    sends="oadrRegisterReport without a report",
    expects="oadrRegisteredReport 200",
    signed=True,
)
async def vtn_offers_nothing(ven: Ven) -> None:
    await ven.bootstrapped()
    reply = await ven.ask(ven.write("oadrRegisterReport", reports=""), "oadrRegisteredReport")
    expect_code(reply, "200")


@case(
    "ven.report.vtn-offers",
    rules=("301", "46"),
    says="A VEN takes a VTN's METADATA that offers reports.",
    sends="oadrRegisterReport with a usage and a status report",
    expects="oadrRegisteredReport 200",
)
async def vtn_offers(ven: Ven) -> None:
    await ven.bootstrapped()
    reply = await ven.ask(ven.write("oadrRegisterReport", reports=metadata()), "oadrRegisteredReport")
    expect_code(reply, "200")


@case(
    "ven.report.history-storage",
    rules=("510",),
    says="The METADATA of a history report tells that at least 100 data points are kept.",
    sends="a good answer to the registration",
    expects="a duration of at least 100 least periods, if HISTORY_USAGE is offered",
)
async def history_storage(ven: Ven) -> None:
    message = await _offered(ven)
    offer = offer_of(ven, "HISTORY_USAGE")
    point = point_of(offer, POWER)
    path = f"{REPORT}[ei:reportSpecifierID[normalize-space()='{offer.specifier}']]/xcal:duration/xcal:duration"
    kept_s = length_s(message.text(path))
    expect(kept_s >= 100 * point.min_s, f"at least {100 * point.min_s:g} s", f"{kept_s:g} s", message, path)
