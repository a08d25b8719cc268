"""EiRegisterParty, EiOpt and OadrPoll: for each case of a VTN, what makes it fail."""

from __future__ import annotations

from tests.conformance.vtn_flaw import Table
from tests.conformance.wrongs import Chokes, Takes, code, drop, put, swap

_CREATED = "oadrCreatedPartyRegistration"
_GONE = "oadrCanceledPartyRegistration"

_UNREGISTERED = {
    "oadrRequestEvent": "registration",
    "oadrCreatedEvent": "registration",
    "oadrRegisterReport": "registration",
    "oadrUpdateReport": "registration",
    "oadrCreateOpt": "registration",
    "oadrCancelOpt": "registration",
    "oadrCancelPartyRegistration": "registration",
    "oadrPoll": "poll",
}

REGISTRATION: Table = {
    "sanity": (
        drop(_CREATED, "//ei:registrationID"),
        drop(_CREATED, "//ei:venID"),
        code(_CREATED, "459", instead_of="2"),
    ),
    "bootstrap": (
        "no metadata of its own",
        drop(_CREATED, "//ei:venID"),
        code("oadrRegisteredReport", "459", instead_of="2"),
        swap("oadrRegisterReport", "</ei:venID>", "</ei:venID><ei:reportRequestID>0</ei:reportRequestID>"),
    ),
    "vtn-metadata-first": ("metadata after the VEN's", "no metadata of its own"),
    "query-unregistered": ("tells ids to anybody", put(_CREATED, "//oadr:oadrProfileName", "2.0a")),
    "query-lists-transports": (put(_CREATED, "//oadr:oadrTransportName", "xmpp"),),
    "query-does-not-register": (Takes(kind="oadrRequestEvent"),),
    "query-registered": (
        "a query tells another id",
        "a query unregisters",
    ),
    "query-of-another": ("tells ids to anybody",),
    "poll-frequency": (
        drop(_CREATED, "//oadr:oadrRequestedOadrPollFreq"),
        put(_CREATED, "//oadr:oadrRequestedOadrPollFreq/*", "PT0S"),
    ),
    "without-name": (Chokes(on=r"oadrCreatePartyRegistration(?!.*oadrVenName)", does="400"),),
    "assigned-id": ("another venID",),
    "report-only": (Chokes(on="<oadr:oadrReportOnly>true", does="400"),),
    "report-only-has-no-events": (Takes(kind="oadrRequestEvent"),),
    "xml-signature": ("signs registrations only",),
    "push-without-address": (Takes(kind="oadrCreatePartyRegistration"),),
    "without-pull-model": (Takes(kind="oadrCreatePartyRegistration"),),
    "profile-2.0a": (Takes(kind="oadrCreatePartyRegistration"),),
    "unknown-registration": (Takes(kind="oadrCreatePartyRegistration"),),
    "cancel-unknown-registration": (Takes(kind="oadrCancelPartyRegistration"), code(_GONE, "459")),
    "cancel-unknown-ven": (Takes(kind="oadrCancelPartyRegistration"), code(_GONE, "463")),
    "bad-cancel-changes-nothing": ("bad cancel cancels",),
    "venid-of-another": ("anyone is anyone",),
    "registered-by-another": ("anyone is anyone",),
    "cancelled-by-another": ("anyone is anyone", "bad cancel cancels"),
    "cancelled-ends-events": ("stays registered",),
    "again-keeps-ids": ("new ids each time", put(_CREATED, "//ei:venID", "another")),
    "again-without-metadata": ("metadata again",),
    "again-keeps-reports": ("forgets requests",),
    "push-address-changes": ("keeps the old address",),
    "push-becomes-pull": ("keeps to push",),
    "anew-gives-new-id": ("the same registration",),
    "anew-exchanges-metadata": ("metadata once for all",),
    "anew-ends-reports": ("keeps requests",),
    "anew-gives-events-again": ("new ones get no events",),
    "last-creation-counts": ("only the first registration",),
    "asked-again-by-the-vtn": ("nothing is delivered", put("oadrRequestReregistration", "//ei:venID", "another")),
    "asked-again-once": ("asks again and again",),
    "cancelled-by-the-ven": (code(_GONE, "452", instead_of="2"), put(_GONE, "//ei:registrationID", "another")),
    "cancelled-then-created": ("the same registration",),
    "cancelled-by-the-vtn": (
        put("oadrCancelPartyRegistration", "//ei:registrationID", "another"),
        put("oadrCancelPartyRegistration", "//ei:venID", "another"),
    ),
    "cancelled-by-the-vtn-is-over": ("stays registered",),
}

_OPT = Takes(kind="oadrCreateOpt")
_REASONS = (
    *("economic", "emergency", "mustRun", "notParticipating", "outageRunStatus", "overrideStatus", "participating"),
    *("x-schedule", "x-a-reason-of-ours"),
)

OPT: Table = {
    "schedule": (put("oadrCreatedOpt", "//ei:optID", "another"), code("oadrCreatedOpt", "459", instead_of="2")),
    "schedule-in": (Chokes(on="<ei:optType>optIn<", does="400"),),
    "several-spans": (Chokes(on="xcal:available>.*<xcal:available>", does="500"),),
    "for-a-market-context": (Chokes(on="oadrCreateOpt.*<emix:marketContext>", does="400"),),
    "for-everything": (Chokes(on="<ei:eiTarget></ei:eiTarget>", does="400"),),
    "for-a-resource": ("resources are unknown",),
    "for-a-device-class": (Chokes(on="oadrDeviceClass", does="400"),),
    **{f"reason-{one.lower()}": (Chokes(on=f"<ei:optReason>{one}<", does="400"),) for one in _REASONS},
    "replaced": ("opts once",),
    "replaced-is-one": ("opts twice are two", Takes(kind="oadrCancelOpt")),
    "cancelled": (put("oadrCanceledOpt", "//ei:optID", "another"), code("oadrCanceledOpt", "452", instead_of="2")),
    "cancelled-then-created": ("optIDs are used up",),
    "ends-with-the-registration": ("keeps opts",),
    "survives-registering-again": ("forgets opts",),
    "cancel-unknown": (Takes(kind="oadrCancelOpt"), code("oadrCanceledOpt", "459")),
    "cancel-twice": ("cancelled opts stay",),
    "cancel-of-another": ("cancels opts of others", Takes(kind="oadrCancelOpt")),
    "without-id": (_OPT,),
    "event-and-schedule": (_OPT, "acts on what it refuses"),
    "event-and-context": (_OPT, "acts on what it refuses"),
    "neither": (_OPT,),
    **{f"span-with-{one}": (_OPT,) for one in ("tolerance", "notification", "ramp-up", "recovery")},
    "event-unknown": (_OPT,),
    "event-of-the-past": (_OPT, "acts on what it refuses"),
    "event-of-the-future": (_OPT, "acts on what it refuses"),
    "event-of-another": (_OPT, "acts on what it refuses"),
    "foreign-resource": (_OPT,),
    "foreign-target": (_OPT,),
    "other-letters": ("case does not matter", code("oadrCreatedOpt", "463")),
    "report-only": (_OPT,),
    "event-out": ("opt does not count",),
    "event-in": ("opt does not count",),
    "event-in-stands": ("createdEvent wins",),
    "event-out-stands": ("createdEvent wins",),
    "event-for-a-resource": ("resources are unknown",),
    "event-resource-stands": ("createdEvent wins",),
    "event-changes-its-mind": ("first opt counts",),
    "event-cancelled": ("createOpt wins for ever",),
    "event-changed": ("opt does not count", Chokes(on="oadrCreateOpt.*<ei:modificationNumber>1<", does="400")),
}

_ORDINARY = code("oadrResponse", "500", instead_of="2")

POLL: Table = {
    "nothing": (_ORDINARY, "never a plain response", Chokes(on="oadrPoll", does="empty")),
    "register-report": ("nothing is delivered", Chokes(on="oadrRegisteredReport", does="400")),
    "event": ("nothing is delivered", "forgets the far"),
    "create-report": ("nothing is delivered", Chokes(on="oadrCreatedReport", does="400")),
    "cancel-report": (put("oadrCancelReport", "//ei:reportRequestID", "another"), Chokes(on="oadrCanceledReport")),
    "request-reregistration": (
        put("oadrRequestReregistration", "//ei:venID", "another"),
        Chokes(on="<oadr:oadrResponse", does="500"),
    ),
    "cancel-registration": ("nothing is delivered", Chokes(on="oadrCanceledPartyRegistration", does="400")),
    "drained": ("polls bring one thing only", "never a plain response"),
    "late-answers": ("late answers are lost",),
    "answered-is-not-repeated": ("brings events again and again",),
    "asked-events-are-not-repeated": ("brings events again and again",),
    "often": ("polls too often",),
    "own-queue": ("one queue for all",),
    "nobody": (Takes(kind="oadrPoll"),),
    "other-letters": ("case does not matter",),
    "pushed": ("push VENs may poll",),
    "pull-and-push": ("keeps to pull",),
}

_NOT_REGISTERED: Table = {
    **{
        f"vtn.{service}.{when}-{kind.removeprefix('oadr').lower()}": (Takes(kind=kind),)
        for kind, service in _UNREGISTERED.items()
        for when in ("unregistered", "cancelled")
    },
    "vtn.registration.cancelled-requestevent": (Takes(kind="oadrRequestEvent"), "stays registered"),
    "vtn.poll.cancelled-poll": (Takes(kind="oadrPoll"), "stays registered"),
}

SERVICES: Table = {
    **_NOT_REGISTERED,
    **{f"vtn.registration.{name}": flaws for name, flaws in REGISTRATION.items()},
    **{f"vtn.opt.{name}": flaws for name, flaws in OPT.items()},
    **{f"vtn.poll.{name}": flaws for name, flaws in POLL.items()},
}
