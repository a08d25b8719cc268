"""EiReport: for each case of a VEN, what makes it fail."""

from __future__ import annotations

from tests.conformance.ven_flaw import Table, both
from tests.conformance.ven_wrongs import Deaf
from tests.conformance.wrongs import code, drop, put, swap

OFFERS, UPDATE, TAKEN, ENDED = "oadrRegisterReport", "oadrUpdateReport", "oadrCreatedReport", "oadrCanceledReport"
LONG_AGO = "2020-01-01T00:00:00Z"
ASKS = "oadrRegisteredReport"
REPORT = "//oadr:oadrReport"
POINT = f"{REPORT}/oadr:oadrReportDescription"
INTERVAL = f"{REPORT}/strm:intervals/ei:interval"
REQUEST_ID = "//ei:eiResponse/pyld:requestID"
TOLERANT = (
    "<ei:reportInterval><xcal:properties><xcal:dtstart><xcal:date-time>2026-01-01T00:00:00Z</xcal:date-time></xcal:dtstart>"
    "<xcal:duration><xcal:duration>PT0S</xcal:duration></xcal:duration>"
    "<xcal:tolerance><xcal:tolerate/></xcal:tolerance></xcal:properties></ei:reportInterval>"
)
DESCRIPTION = (
    "<oadr:oadrReportDescription><ei:rID>power</ei:rID><ei:reportType>usage</ei:reportType>"
    "<ei:readingType>Direct Read</ei:readingType></oadr:oadrReportDescription>"
)


def named(name: str) -> str:
    return f"{REPORT}[ei:reportName='METADATA_{name}']"


METADATA: Table = {
    "offers": (
        "offers nothing at first",
        swap(OFFERS, "</ei:venID></oadr", "</ei:venID><ei:reportRequestID>0</ei:reportRequestID></oadr"),
        drop(OFFERS, "//ei:venID"),
        put(OFFERS, "//ei:venID", "somebody"),
    ),
    "metadata-request-id": (put(OFFERS, f"{REPORT}/ei:reportRequestID", "1"),),
    "metadata-duration": (
        put(OFFERS, f"{REPORT}/xcal:duration/xcal:duration", "PT1M"),
        drop(OFFERS, f"{REPORT}/xcal:duration"),
    ),
    "metadata-ids": (put(OFFERS, f"{REPORT}/ei:reportSpecifierID", "same"), put(OFFERS, f"{POINT}/ei:rID", "same")),
    "metadata-minimum": (drop(OFFERS, named("TELEMETRY_STATUS")), drop(OFFERS, named("TELEMETRY_USAGE"))),
    "metadata-usage-points": (drop(OFFERS, f"{POINT}[power:energyReal]"), drop(OFFERS, f"{POINT}[power:powerReal]")),
    "metadata-names": (put(OFFERS, f"{REPORT}/ei:reportName", "TELEMETRY_USAGE"),),
    "metadata-sampling": (
        drop(OFFERS, f"{named('TELEMETRY_STATUS')}//oadr:oadrSamplingRate"),
        put(OFFERS, "//oadr:oadrMinPeriod", "PT2H"),
    ),
    "metadata-holds-no-data": (
        swap(
            OFFERS,
            "<oadr:oadrReport>",
            f"<oadr:oadrReport><xcal:dtstart><xcal:date-time>{LONG_AGO}</xcal:date-time></xcal:dtstart>",
        ),
        swap(
            OFFERS,
            "</xcal:duration></xcal:duration><oadr",
            "</xcal:duration></xcal:duration><ei:eiReportID>1</ei:eiReportID><oadr",
        ),
    ),
    "metadata-created": (put(OFFERS, f"{REPORT}/ei:createdDateTime", LONG_AGO),),
    "metadata-combinations": (
        put(OFFERS, f"{named('TELEMETRY_USAGE')}//ei:reportType", "reading"),
        put(OFFERS, f"{named('TELEMETRY_USAGE')}//ei:readingType", "Net"),
        put(OFFERS, f"{named('TELEMETRY_STATUS')}//ei:reportType", "operatingState"),
        drop(OFFERS, f"{named('HISTORY_USAGE')}//power:powerReal"),
    ),
    "metadata-on-request": (
        "metadata never",
        drop(OFFERS, "//oadr:oadrRegisterReport/ei:reportRequestID"),
        put(OFFERS, f"{REPORT}/ei:createdDateTime", LONG_AGO, where="./ei:reportRequestID"),
    ),
    "metadata-requested-request-id": (put(OFFERS, f"{REPORT}/ei:reportRequestID", "7", where="./ei:reportRequestID"),),
    "metadata-twice": ("serves the first only", "metadata never"),
    "metadata-periodic": ("metadata once", "metadata never"),
    "metadata-periodic-minute": ("metadata once",),
    "vtn-offers-nothing": (Deaf(kind=OFFERS), Deaf(kind=OFFERS, code="461")),
    "vtn-offers": (Deaf(kind=OFFERS, where="./oadr:oadrReport", code="461"),),
    "asks-named": (put(ASKS, "//ei:reportRequestID", "0"), put(ASKS, "//ei:reportRequestID", "")),
    "asks-what-is-on-offer": (
        put(ASKS, "//ei:reportSpecifierID", "another"),
        put(ASKS, "//ei:rID", "another"),
        put(ASKS, "//xcal:granularity/xcal:duration", "PT1S"),
    ),
    "asks-plainly": (
        put(ASKS, "//ei:readingType", "Direct Read"),
        swap(ASKS, "</ei:reportBackDuration>", f"</ei:reportBackDuration>{TOLERANT}"),
    ),
    "asks-and-gets": ("takes no data",),
    "asks-in-vain": (both("asks the VTN for nothing", "stops at an error"),),
    "report-unknown": ("takes any data", code("oadrUpdatedReport", "459")),
    "history-storage": (put(OFFERS, f"{named('HISTORY_USAGE')}/xcal:duration/xcal:duration", "PT1H"),),
}

FORM = (
    put(UPDATE, "//ei:reportName", "METADATA_TELEMETRY_USAGE"),
    put(UPDATE, "//ei:reportSpecifierID", "METADATA"),
    drop(UPDATE, f"{REPORT}/xcal:dtstart"),
    drop(UPDATE, f"{REPORT}/strm:intervals"),
    drop(UPDATE, "//ei:venID"),
    swap(UPDATE, "<ei:reportRequestID>", f"{DESCRIPTION}<ei:reportRequestID>"),
)
TIMING = (
    put(UPDATE, f"{REPORT}/xcal:dtstart/xcal:date-time", LONG_AGO),
    put(UPDATE, f"{REPORT}/xcal:duration/xcal:duration", "PT99S"),
    put(UPDATE, f"{INTERVAL}/xcal:uid/xcal:text", "5"),
)

DATA: Table = {
    "once-usage": ("no data", put(UPDATE, f"{REPORT}/xcal:dtstart/xcal:date-time", LONG_AGO)),
    "once-is-once": ("data twice",),
    "once-status": (drop(UPDATE, "//oadr:oadrManualOverride"), put(UPDATE, "//oadr:oadrOnline", "maybe"), "no data"),
    "status-parts": ("load control now and then",),
    "usage-form": FORM,
    "usage-rids": ("one point less", "one point more"),
    "usage-timing": TIMING,
    "status-form": FORM,
    "status-rids": ("one point more",),
    "status-timing": TIMING,
    "some-points": ("all points always",),
    "periodic-usage": ("one interval only", "late data", "data once", drop(UPDATE, f"{INTERVAL}[1]/xcal:duration")),
    "periodic-usage-minutes": ("one interval only", "late data", "data once"),
    "periodic-status": ("data once", "no data"),
    "every-sample": ("data once", "no data"),
    "error-is-survived": ("stops at an error",),
    "history-both": ("one point less", "no data", put(UPDATE, "//ei:reportName", "TELEMETRY_USAGE")),
    "history-energy": ("all points always", "no data"),
}

END: Table = {
    "cancelled": (
        "cancels nothing",
        "pending all",
        drop(ENDED, "//ei:venID"),
        Deaf(kind="oadrCancelReport"),
        Deaf(kind="oadrCancelReport", code="452"),
    ),
    "cancelled-without-last": ("always last data",),
    "cancelled-with-last": ("no last data", "last data twice"),
    "cancel-unknown": ("takes any cancellation", code(ENDED, "459")),
    "cancel-ven-id": ("takes any ven id",),
    "cancel-one-of-two": ("cancels all", "cancels nothing"),
    "cancel-both": ("cancels the first only", "pending all"),
    "piggyback-cancel": ("no piggyback",),
    "new-registration-voids": ("keeps reports from the old", "offers once"),
    "same-registration-keeps": ("forgets at each registration",),
}

REQUESTS: Table = {
    "created": (
        Deaf(kind="oadrCreateReport"),
        Deaf(kind="oadrCreateReport", code="461"),
        drop(TAKEN, "//ei:venID"),
        put(TAKEN, REQUEST_ID, "another"),
    ),
    "request-at-registration": ("no first requests", "acknowledges first requests by its own id"),
    "request-at-registration-served": ("no first requests", "no data"),
    "pending": ("pending none", "pending all", "pending the newest", "cancels nothing"),
    "two-requests": ("serves the first only",),
    "two-payloads": ("serves the first ever only",),
    "specifier-unknown": ("takes any specifier", code(TAKEN, "461")),
    "rid-unknown": ("takes any point", code(TAKEN, "461")),
    "refused-is-not-sent": ("serves what it refused", "takes any point"),
    "ven-id-foreign": ("takes any ven id", code(TAKEN, "461")),
    "request-id-zero": ("takes any request id",),
    "request-id-empty": ("takes any request id",),
    "request-id-twice": ("takes any request id",),
    "granularity-too-fine": ("takes any granularity",),
    "history-with-granularity": ("takes any history",),
    "request-options": (Deaf(kind="oadrCreateReport", where=".//xcal:tolerance"), "deaf after odd requests"),
    "without-interval": (
        "no data",
        Deaf(kind="oadrCreateReport", where="self::*[not(.//ei:reportInterval)]", code="459"),
    ),
    "future-interval": ("data at once", "pending none"),
    "interval-ends": ("data for ever",),
    "request-id-own": (put(UPDATE, "//ei:reportRequestID", "a/b: ???"),),
}

REPORTS: Table = {
    f"ven.report.{name}": flaws for part in (METADATA, DATA, END, REQUESTS) for name, flaws in part.items()
}
