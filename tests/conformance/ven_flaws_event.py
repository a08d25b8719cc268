"""EiEvent: for each case of a VEN, what makes it fail."""

from __future__ import annotations

from tests.conformance.ven_flaw import Table, pushed
from tests.conformance.ven_wrongs import Deaf, Judges, ignores, refuses, takes
from tests.conformance.wrongs import drop, put, swap

CREATED = "oadrCreatedEvent"
ABOUT = "ei:eiEvent/ei:eventDescriptor"
PERIOD = "ei:eiEvent/ei:eiActivePeriod/xcal:properties"
SIGNALS = "ei:eiEvent/ei:eiEventSignals"
SIGNAL = f"{SIGNALS}/ei:eiEventSignal"
TARGET = "ei:eiEvent/ei:eiTarget"


def signal(name: str) -> str:
    return f"{SIGNAL}[ei:signalName='{name}']"


def status(name: str) -> str:
    return f"{ABOUT}[ei:eventStatus='{name}']"


def number(value: int) -> str:
    return f"{ABOUT}[ei:modificationNumber='{value}']"


def intervals(count: int) -> str:
    return f"{SIGNAL}[count(strm:intervals/ei:interval)={count}]"


def opts_in(where: str, code: str) -> Judges:
    """It refuses such events, and opts in all the same."""
    return Judges(where=where, code=code, opt="optIn")


CANCELLED = refuses(status("cancelled"), "452")
CUSTOM = signal("x-CUSTOM_SIGNAL")

ANSWERS: Table = {
    "accepts-simple": (
        refuses(signal("SIMPLE"), "460"),
        ignores(signal("SIMPLE")),
        Judges(opt="optOut"),
        put(CREATED, "//pyld:eiCreatedEvent/ei:eiResponse/ei:responseCode", "459"),
    ),
    "accepts-dispatch": (refuses(signal("LOAD_DISPATCH"), "460"), Judges(where=signal("LOAD_DISPATCH"), opt="optOut")),
    "accepts-price": (refuses(signal("ELECTRICITY_PRICE"), "460"),),
    "accepts-later-modification": (refuses(number(4), "450"), put(CREATED, "//ei:modificationNumber", "0")),
    "echoes-request-id": (
        put(CREATED, "//ei:eventResponse/pyld:requestID", "another"),
        put(CREATED, "//ei:eventResponse/pyld:requestID", ""),
        "another request id each",
    ),
    "overall-request-id": (put(CREATED, "//pyld:eiCreatedEvent/ei:eiResponse/pyld:requestID", "overall"),),
    "request-id-again": ("each request id once", "another request id each"),
    "never-is-not-answered": ("answers everything",),
    "always-and-never": ("answers everything", "answers never"),
    "unchanged-is-answered": ("answers once",),
    "by-request-event": ("no answer to what it asked for", "asks for no events"),
    "empty": ("speaks at nothing", "deaf after nothing"),
    "two-events": ("answers the first only", Judges(where=signal("ELECTRICITY_PRICE"), opt="optOut")),
    "four-events-of-three-intervals": (refuses(intervals(3)), "answers the first only"),
    "twenty-four-intervals": (refuses(intervals(24)),),
    "long-texts": (
        refuses(f"{ABOUT}[string-length(ei:vtnComment)>=250]"),
        put(CREATED, "//ei:eventID", "shortened"),
        swap(CREATED, "x" * 20, ""),
    ),
    "all-options": (
        refuses(f"{SIGNALS}/ei:eiEventBaseline"),
        refuses(f"{PERIOD}/ei:x-eiRecovery"),
        refuses(f"{ABOUT}/ei:priority"),
        ignores(f"{ABOUT}/ei:vtnComment"),
    ),
    "no-options": (refuses(f"self::*[not({PERIOD}/ei:x-eiNotification)]"), refuses(f"{SIGNAL}[not(ei:currentValue)]")),
    "negative-ramp-up": (refuses(f"{PERIOD}/ei:x-eiRampUp[starts-with(xcal:duration, '-')]"),),
    "startafter": (refuses(f"{PERIOD}/xcal:tolerance"),),
    "test-true": (refuses(f"{ABOUT}[ei:testEvent='true']"), ignores(f"{ABOUT}/ei:testEvent")),
    "test-word": (refuses(f"{ABOUT}[ei:testEvent='drill']", "454"),),
    "test-false": (refuses(f"{ABOUT}[ei:testEvent='false']"),),
    "test-empty": (refuses(f"{ABOUT}/ei:testEvent[not(text())]", "454"),),
    "several-signals": (refuses(f"{SIGNALS}[count(ei:eiEventSignal)>1]", "460"),),
    "active-on-arrival": (refuses(status("active")),),
    "completed-on-arrival": (ignores(status("completed")),),
    "over-long-ago": (ignores(status("completed")),),
    "open-ended": (refuses(f"{PERIOD}[xcal:duration/xcal:duration='PT0S']", "454"), "answers once"),
    "status-by-clock": (refuses(status("active")),),
    "error-is-survived": ("stops at an error",),
    "created-event": (
        put(CREATED, "//ei:venID", "somebody"),
        put(CREATED, "//pyld:eiCreatedEvent/ei:eiResponse/ei:responseCode", "459"),
        drop(CREATED, "//ei:eventResponses"),
        "answers by the wrong service",
    ),
}

CHANGES: Table = {
    "modification": (refuses(number(1), "450"), "number of before"),
    "modification-may-skip": (refuses(number(5), "450"), "number of before"),
    "lower-modification": ("takes lower",),
    "lower-modification-keeps": ("keeps the lower",),
    "lower-than-cancelled": ("forgets the cancelled number",),
    "cancelled": (CANCELLED, ignores(status("cancelled"))),
    "cancelled-while-active": (CANCELLED, ignores(status("cancelled"))),
    "cancelled-randomised": (CANCELLED, ignores(f"{PERIOD}/xcal:tolerance")),
    "cancelled-is-forgotten": ("speaks of the cancelled",),
    "cancelled-again": ("answers once", CANCELLED),
    "unknown-cancelled": (CANCELLED, ignores(status("cancelled"))),
    "unknown-cancelled-never": ("answers everything",),
    "implied-cancel": ("speaks of the missing",),
    "implied-cancel-of-all": ("speaks of the missing",),
    "again-after-implied-cancel": ("the missing never comes back",),
}

TARGETS: Table = {
    "target-empty": (refuses(f"{TARGET}[not(*)]", "462"),),
    "target-own": (refuses(f"{TARGET}/ei:venID", "462"),),
    "target-foreign": (takes(f"{TARGET}/ei:venID"), opts_in(f"{TARGET}/ei:venID", "462")),
    "target-any": (refuses(f"{TARGET}/ei:groupID", "462"),),
    "target-resource": (refuses(f"{TARGET}/ei:resourceID", "462"),),
    "target-foreign-resource": (takes(f"{TARGET}/ei:resourceID"), opts_in(f"{TARGET}/ei:resourceID", "462")),
    "target-some-resources": (refuses(f"{TARGET}[count(ei:resourceID)>1]", "462"),),
    "target-foreign-group": (takes(f"{TARGET}/ei:groupID"), opts_in(f"{TARGET}/ei:groupID", "462")),
}

REFUSALS: Table = {
    "vtn-id-case": ("any case of vtn", "wrong vtn by event"),
    "vtn-id-unknown": ("any vtn", "wrong vtn by event"),
    "wrong-vtn-changes-nothing": ("wrong vtn cancels", "any vtn"),
    "custom-signal": (
        takes(CUSTOM),
        refuses(CUSTOM, "459"),
        opts_in(CUSTOM, "460"),
        put(CREATED, "//pyld:eiCreatedEvent/ei:eiResponse/ei:responseCode", "460"),
    ),
    "custom-beside-simple": (takes(CUSTOM), opts_in(CUSTOM, "460")),
    "one-bad-of-three": ("one bad spoils all", takes(f"{TARGET}/ei:venID"), "answers the first only"),
    "market-context": (takes("."), opts_in(".", "462")),
    **{f"signal-{word}": (takes(SIGNAL),) for word in ("type", "unit", "level-4", "level-between", "level-negative")},
    **{
        word: (takes("."), "deaf after an error")
        for word in (
            "duration-sum",
            "uid-gap",
            "interval-dtstart",
            "two-values",
            "duplicate-signal-id",
            "baseline-sum",
            "device-class",
        )
    },
    "duplicate-event-id": ("any duplicate",),
    "request-event-reversed": ("answers as a VTN", pushed(Deaf(kind="oadrRequestEvent", code="200"))),
    "overlap-of-contexts": ("no overlap",),
    "error-keeps-responses": ("any vtn", "wrong vtn by event", "deaf after an error"),
}

EFFECTS: Table = {
    "effect-of-time": ("acts for ever", "acts at once", "first value only", "starts late"),
    "effect-of-test": ("acts on tests",),
    "effect-of-modification": ("keeps the first content",),
    "effect-of-cancellation": ("never cancels", "acts on the missing"),
    "effect-of-implied-cancel": ("acts on the missing",),
    "effect-of-open-end": ("open end is short", "never cancels"),
    "effect-of-startafter": ("starts late", "acts at once"),
    "effect-of-startafter-varies": ("no randomness",),
    "effect-of-startafter-kept": ("starts again at a change",),
    "effect-of-randomised-end": ("never cancels",),
    "effect-of-early-completed": ("stops at early completion",),
    "effect-of-priority": ("priority upside down",),
}

EVENT: Table = {
    f"ven.event.{name}": flaws
    for part in (ANSWERS, CHANGES, TARGETS, REFUSALS, EFFECTS)
    for name, flaws in part.items()
}
