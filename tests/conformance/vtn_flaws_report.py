"""EiReport: for each case of a VTN, what makes it fail."""

from __future__ import annotations

from tests.conformance.tiny_state import Flaw
from tests.conformance.vtn_flaw import Table
from tests.conformance.wrongs import Chokes, Mutation, Takes, code, drop, put, swap

_UPDATED, _REGISTERED = "oadrUpdatedReport", "oadrRegisteredReport"
_OWN, _ASKS, _DATA = "oadrRegisterReport", "oadrCreateReport", "oadrUpdateReport"
_UPDATE = Takes(kind="oadrUpdateReport")

_BAD_UPDATES = (
    *(
        "rid-missing",
        "specifier",
        "metadata-name",
        "other-name",
        "no-name",
        "descriptions",
        "no-intervals",
        "no-dtstart",
    ),
    *("dtstart-apart", "some-start", "some-last", "no-lengths", "sum", "uid-gap"),
)

BAD: Table = {
    "bad-request-id": (_UPDATE, code(_UPDATED, "459")),
    "bad-request-of-another": (_UPDATE,),
    "bad-rid": (_UPDATE, "holds a grudge"),
    "bad-ven-id": ("case does not matter", code(_UPDATED, "463")),
    **{f"bad-{name}": ("holds a grudge", "refuses by oadrResponse") for name in _BAD_UPDATES},
    "bad-in-a-hundred-years": (Chokes(on="2126-01-01"), Chokes(on="2126-01-01", does="empty", after=True)),
    **{f"refused-{name}": (_UPDATE,) for name in ("no-intervals", "metadata-name", "no-lengths")},
    **{f"refused-{name}": (_UPDATE, "holds a grudge") for name in ("not-a-number", "infinite", "minus-infinite")},
    "bad-confidence": (_UPDATE,),
    "bad-unregistered": (_UPDATE,),
    "bad-after-a-new-registration": ("keeps requests",),
}

CANCEL: Table = {
    "cancel": (
        put("oadrCancelReport", "//pyld:reportToFollow", "true"),
        swap(
            "oadrCancelReport",
            "</ei:reportRequestID>",
            "</ei:reportRequestID><ei:reportRequestID>b</ei:reportRequestID>",
        ),
        Chokes(on="<oadr:oadrCanceledReport"),
    ),
    "cancel-with-a-last-report": ("no final update", put("oadrCancelReport", "//pyld:reportToFollow", "false")),
    "update-after-cancel": ("updates after the end",),
    "cancel-refused": ("asks again and again", Chokes(on="oadrCanceledReport.*<ei:responseCode>452<")),
    "cancel-one-of-two": ("one cancellation ends all",),
    "piggyback": (
        swap(
            _UPDATED,
            "</ei:eiResponse>",
            '</ei:eiResponse><oadr:oadrCancelReport ei:schemaVersion="2.0b"><pyld:requestID>r</pyld:requestID>'
            "<ei:reportRequestID>another</ei:reportRequestID><pyld:reportToFollow>false</pyld:reportToFollow>"
            "</oadr:oadrCancelReport>",
        ),
    ),
}

_BAD_METADATA = (
    *("rate-missing", "period-too-long", "duration-missing", "request-id", "rid-twice", "specifier-twice", "report-id"),
)

METADATA: Table = {
    "metadata-usual": (code(_REGISTERED, "459", instead_of="2"),),
    "metadata-empty": (Chokes(on="oadrRegisterReport(?!.*<oadr:oadrReport>)", does="400"),),
    "metadata-history": (Chokes(on="METADATA_HISTORY_USAGE", does="400"),),
    "metadata-own": (Chokes(on="x-WEATHER", does="400"),),
    "metadata-fixed-rate": (Chokes(on="PT60S</oadr:oadrMinPeriod>", does="400"),),
    "metadata-many-points": (Chokes(on="<ei:rID>p99<"),),
    "metadata-lenient": (Chokes(on="<ei:reportType>reading<", does="400"),),
    "metadata-again": ("adds to the metadata",),
    **{f"metadata-bad-{name}": ("holds a grudge", "refuses by oadrResponse") for name in _BAD_METADATA},
    "metadata-bad-wrong-combination": (Chokes(on="x-resourceStatus<.*METADATA_TELEMETRY_USAGE"),),
    "metadata-wrong-ven": ("case does not matter", code(_REGISTERED, "463")),
    "metadata-unregistered": (Takes(kind=_OWN),),
    "greenbutton-metadata": (Chokes(on="METADATA_HISTORY_GREENBUTTON", does="400"),),
    "own-metadata": (
        "no metadata of its own",
        swap(_OWN, "</ei:venID>", "</ei:venID><ei:reportRequestID>0</ei:reportRequestID>"),
    ),
    "own-metadata-acknowledged": ("asks again and again",),
    "own-metadata-form": (
        put(_OWN, "//oadr:oadrReport/ei:reportRequestID", "7"),
        put(_OWN, "//ei:createdDateTime", "2020-01-01T00:00:00Z"),
        swap(_OWN, "<oadr:oadrReportDescription>", "<ei:eiReportID>1</ei:eiReportID><oadr:oadrReportDescription>"),
    ),
    "own-metadata-ids": (
        put(_OWN, "//ei:rID", "load"),
        Mutation(kind=_OWN, copy="//oadr:oadrReport"),
    ),
    "own-metadata-rates": (
        drop(_OWN, "//oadr:oadrReport/xcal:duration"),
        drop(_OWN, "//oadr:oadrSamplingRate"),
        put(_OWN, "//oadr:oadrMaxPeriod", "PT2H"),
    ),
    "own-metadata-kinds": (put(_OWN, "//ei:reportType", "reading"), put(_OWN, "//ei:readingType", "Mean")),
    "own-metadata-after-a-new-registration": ("metadata once for all", "the same registration"),
}

_STANDING = (
    "<oadr:oadrReportRequest><ei:reportRequestID>{id}</ei:reportRequestID><ei:reportSpecifier><ei:reportSpecifierID>"
    "{specifier}</ei:reportSpecifierID><xcal:granularity><xcal:duration>PT60S</xcal:duration></xcal:granularity>"
    "<ei:reportBackDuration><xcal:duration>PT60S</xcal:duration></ei:reportBackDuration>{interval}<ei:specifierPayload>"
    "<ei:rID>power</ei:rID><ei:readingType>{reading}</ei:readingType></ei:specifierPayload></ei:reportSpecifier>"
    "</oadr:oadrReportRequest>"
)
_INTERVAL = (
    "<ei:reportInterval><xcal:properties><xcal:dtstart><xcal:date-time>2030-01-01T00:00:00Z</xcal:date-time></xcal:dtstart>"
    "<xcal:duration><xcal:duration>PT0S</xcal:duration></xcal:duration></xcal:properties></ei:reportInterval>"
)


def _standing(
    *, id: str = "r", specifier: str = "usage", reading: str = "x-notApplicable", interval: str = _INTERVAL
) -> Mutation:
    """A request of the VTN's own in its answer to METADATA."""
    asked = _STANDING.format(id=id, specifier=specifier, reading=reading, interval=interval)
    return swap(_REGISTERED, "</ei:eiResponse>", f"</ei:eiResponse>{asked}")


_ASKED: tuple[Flaw, ...] = (
    put(_ASKS, "//ei:readingType", "Direct Read"),
    put(_ASKS, "//xcal:granularity/*", "PT7S"),
    put(_ASKS, "//ei:reportBackDuration/*", "PT7S"),
    put(_ASKS, "//ei:rID", "nobody"),
    "request id 0",
)

REQUESTS: Table = {
    "standing-requests": (
        _standing(id="0"),
        _standing(specifier="nobody"),
        _standing(reading="Mean"),
        _standing(interval=""),
    ),
    "granularity-not-below-the-shortest": ("asks for anything",),
    **{f"request-{name}": _ASKED for name in ("status-once", "status-periodic", "usage-once", "usage-periodic")},
    "request-acknowledged": ("asks again and again", Chokes(on="<oadr:oadrCreatedReport")),
    "two-requests": ("same request id", Chokes(on="</oadr:oadrReport><oadr:oadrReport>", does="400")),
    "request-history": (put(_ASKS, "//xcal:granularity/*", "PT1S"), drop(_ASKS, "//ei:reportInterval")),
    "request-history-energy": (
        put(_ASKS, "//ei:reportBackDuration/*", "PT1S"),
        put(_ASKS, "//ei:reportInterval//xcal:date-time", "2020-01-01T00:00:00Z"),
    ),
    "request-refused": (Chokes(on="oadrCreatedReport.*<ei:responseCode>452<"),),
    "request-metadata": (Chokes(on="oadrRegisterReport.*tiny-report", does="400"), "nothing is delivered"),
}

_LOADS = ("oadrCapacity", "oadrLevelOffset", "oadrPercentOffset", "oadrSetPoint")

UPDATES: Table = {
    "update-usual": (code(_UPDATED, "459", instead_of="2"), "periodic ends before it begins"),
    "update-start-of-the-report": (Chokes(on="<ei:interval><xcal:duration>", does="400"),),
    "update-several": (Chokes(on="<ei:interval><xcal:duration>.*<xcal:text>2<", does="400"),),
    "update-each-starts": (Chokes(on="<ei:interval><xcal:dtstart>.*<xcal:text>2<", does="400"),),
    "update-point-in-time": (Chokes(on="</xcal:dtstart><xcal:uid>", does="400"),),
    "update-hundred": (Chokes(on="<xcal:text>99<", does="400"),),
    "update-quality": (Chokes(on="Quality Uncertain - EU Units Exceeded", does="400"),),
    "update-report-id": (Chokes(on="eiReportID", does="400"),),
    "update-extremes": (Chokes(on="0.1E-10"),),
    "update-confidence-zero": (Chokes(on="<ei:confidence>0<", does="400"),),
    "update-twice": ("takes one update only",),
    "updates-in-a-row": ("takes one update only",),
    "update-of-nothing": (Chokes(on="oadrUpdateReport(?!.*<oadr:oadrReport>)"),),
    "status-online": (Chokes(on="oadrOnline>true<", does="400"),),
    "status-offline": (Chokes(on="oadrOnline>false<", does="400"),),
    **{f"status-{name}": (Chokes(on=f"oadr:{name}>", does="400"),) for name in _LOADS},
    "status-all": (Chokes(on="oadrCapacity.*oadrSetPoint", does="400"),),
    "status-empty-state": (Chokes(on="<oadr:oadrLoadControlState></", does="400"),),
}

PRODUCED: Table = {
    "produce-metadata": (
        "no metadata on demand",
        "reports to another request",
        put(_OWN, "//oadr:oadrReport/ei:reportRequestID", "7"),
    ),
    "produce-metadata-periodically": ("periodic ends after one", "goes on after the end"),
    "produce-metadata-twice": ("one request only", "reports to another request"),
    "produce-pending": ("pending is empty", "pending is the newest", "keeps what was asked", "cancels all"),
    "produce-data": (
        drop(_DATA, "//oadr:oadrReport/xcal:dtstart"),
        swap(_DATA, "<ei:reportName>", "<ei:reportName>METADATA_"),
        drop(_DATA, "//oadr:oadrReportPayload[2]"),
        "no data on demand",
        "pending is empty",
    ),
    "produce-cancelled": ("nothing to follow", "goes on after the end"),
    "produce-cancelled-at-once": ("follows up unasked", "goes on after the end"),
    "produce-cancelled-by-an-answer": ("answers cancel nothing",),
    "produce-bad-specifier": ("takes any request", Takes(kind=_ASKS)),
    "produce-bad-id-zero": ("takes any request id",),
    "produce-bad-id-empty": ("takes any request id",),
    "produce-bad-rid": ("takes any request", code("oadrCreatedReport", "459")),
    "produce-bad-granularity": ("takes any request",),
    "produce-bad-cancel": ("takes any cancellation", Takes(kind="oadrCancelReport"), code("oadrCanceledReport", "459")),
    "produce-bad-unit": (Chokes(on="pulseFactor"),),
    "produce-bad-twice": ("takes any request id",),
    "produce-unregistered": (Takes(kind=_ASKS),),
    "produce-after-a-new-registration": ("keeps requests",),
}

REPORT: Table = {
    f"vtn.report.{name}": flaws
    for part in (BAD, CANCEL, METADATA, REQUESTS, UPDATES, PRODUCED)
    for name, flaws in part.items()
}
