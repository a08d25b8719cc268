"""EiRegisterParty, OadrPoll and EiOpt: for each case of a VEN, what makes it fail."""

from __future__ import annotations

from tests.conformance.ven_flaw import Table, pushed
from tests.conformance.ven_wrongs import Deaf
from tests.conformance.wrongs import drop, put, swap

CREATE, OFFERS, OPT = "oadrCreatePartyRegistration", "oadrRegisterReport", "oadrCreateOpt"
CANCEL, CANCELED = "oadrCancelPartyRegistration", "oadrCanceledPartyRegistration"
AGAIN = "oadrRequestReregistration"
VEN_ID = "//ei:venID"

BEGIN: Table = {
    "sanity": ("never registers",),
    "bootstrap": (
        put(CREATE, "//oadr:oadrProfileName", "2.0a"),
        "offers nothing at first",
        "asks for no events",
        "never polls",
    ),
    "bootstrap-with-vtn-reports": (Deaf(kind=OFFERS), Deaf(kind=OFFERS, code="452")),
    "profile": (put(CREATE, "//oadr:oadrProfileName", "2.0a"), put(CREATE, "//oadr:oadrTransportName", "xmpp")),
    "pull-model": (put(CREATE, "//oadr:oadrHttpPullModel", "false"), drop(CREATE, "//oadr:oadrHttpPullModel")),
    "push-address": (
        put(CREATE, "//oadr:oadrHttpPullModel", "true"),
        drop(CREATE, "//oadr:oadrTransportAddress"),
        put(CREATE, "//oadr:oadrTransportAddress", ""),
    ),
    "first": ("keeps its ids for the new",),
    "adopts-ids": (
        "keeps its own venID",
        put(OFFERS, VEN_ID, "own-name"),
        put("oadrRequestEvent", VEN_ID, "own-name"),
        put("oadrPoll", VEN_ID, "own-name"),
    ),
    "assigned-id": (drop(CREATE, VEN_ID), put(CREATE, VEN_ID, "own-name"), put(OFFERS, VEN_ID, "own-name")),
    "assigned-id-replaced": ("keeps its own venID",),
    "all-options": (
        Deaf(kind="oadrCreatedPartyRegistration", where=".//oadr:oadrExtensions"),
        Deaf(kind="oadrCreatedPartyRegistration", where=".//oadr:oadrServiceSpecificInfo"),
    ),
    "query": ("no query", "deaf after a query"),
    "refused": ("registers whatever is said",),
    "requested-again": (
        Deaf(kind=AGAIN),
        Deaf(kind=AGAIN, code="451"),
        "never registers again",
        "new registration when asked",
    ),
    "again-goes-on": ("deaf after registering again",),
    "again-of-itself": ("never registers again", "new registration when asked"),
    "requested-of-another": ("takes any ven id",),
    "new-id": ("offers once", "asks once"),
    "forced-new": ("keeps its ids for the new",),
    "restarted": ("mixes ids",),
    "poll-frequency": ("polls too often",),
    "poll-frequency-changed": ("keeps the first frequency",),
}

END: Table = {
    "cancelled-by-vtn": (Deaf(kind=CANCEL), Deaf(kind=CANCEL, code="452"), drop(CANCELED, VEN_ID)),
    "silent-after-cancel": ("stays after the cancellation",),
    "cancel-wrong-registration": ("cancels for any id", "unregistered by refused cancellations"),
    "cancel-wrong-ven": ("takes any ven id", "unregistered by refused cancellations"),
    "cancel-after-wrong-ones": ("cancels for any id", Deaf(kind=CANCEL, code="452")),
    "cancelled-by-ven": (
        put(CANCEL, "//ei:registrationID", "another"),
        put(CANCEL, VEN_ID, "somebody"),
        "stays after the cancellation",
    ),
    "report-only": (
        put(CREATE, "//oadr:oadrReportOnly", "false"),
        drop(OFFERS, "//oadr:oadrReport[ei:reportName='METADATA_HISTORY_USAGE']"),
        "has events though it only reports",
    ),
    "full-says-so": (put(CREATE, "//oadr:oadrReportOnly", "true"),),
    "report-only-gets-event": ("has events though it only reports", "deaf after an error"),
}

POLLS: Table = {
    "ven-id": (drop("oadrPoll", VEN_ID), put("oadrPoll", VEN_ID, "somebody"), "never polls"),
    "push-does-not": (pushed("polls though pushed to"),),
    "drains": ("never drains",),
    "rests": ("drains for ever", "polls too often"),
    "queue": ("loses reports of a queue", Deaf(kind="oadrDistributeEvent"), Deaf(kind="oadrCreateReport")),
    "error-is-survived": ("stops at an error",),
    "endpoints": ("answers by the wrong service",),
    "pushed-alike": ("answers pushes with a body", Deaf(kind="oadrDistributeEvent")),
    "push-answers-at-once": ("answers pushes later", Deaf(kind="oadrCreateReport")),
}

OPTS: Table = {
    "schedule": (
        "no opt",
        put(OPT, "//ei:optID", ""),
        put(OPT, "//ei:optType", "optIn"),
        put(OPT, VEN_ID, "somebody"),
        drop(OPT, "//xcal:vavailability"),
        "schedule and event",
    ),
    "schedule-in": (put(OPT, "//ei:optType", "optOut"), drop(OPT, "//xcal:vavailability")),
    "schedule-spans": ("one span only",),
    "schedule-properties": (
        swap(OPT, "</xcal:properties>", "<xcal:tolerance><xcal:tolerate/></xcal:tolerance></xcal:properties>"),
        drop(OPT, "//xcal:available/xcal:properties/xcal:duration"),
    ),
    "created": (put(OPT, "//ei:createdDateTime", "2020-01-01T00:00:00Z"),),
    "reason": (put(OPT, "//ei:optReason", "because"),),
    "market-context": (drop(OPT, "//emix:marketContext"), put(OPT, "//emix:marketContext", "http://another.invalid")),
    "resource": (drop(OPT, "//ei:eiTarget/ei:resourceID"),),
    "retracted": ("no cancelled opt", "cancels another opt", put("oadrCancelOpt", VEN_ID, "somebody")),
    "revised": ("new id for the same", "no cancelled opt"),
    "refused-is-survived": ("stops at an error",),
    "event": ("no opt", put(OPT, "//ei:optType", "optIn"), "opts for the old number"),
    "event-alone": ("schedule and event", put(OPT, "//ei:optID", "")),
    "event-then-in": (put(OPT, "//ei:optType", "optOut"), "opts once"),
    "event-answers-on": ("forgets its opts",),
    "new-registration": ("keeps opts from the old",),
    "report-only": ("opts though it only reports",),
}

PARTY: Table = {
    **{f"ven.registration.{name}": flaws for part in (BEGIN, END) for name, flaws in part.items()},
    **{f"ven.poll.{name}": flaws for name, flaws in POLLS.items()},
    **{f"ven.opt.{name}": flaws for name, flaws in OPTS.items()},
}
