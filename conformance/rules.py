"""The rules of 2.0b whose content is known, with the ends they bind, in words of our own; and those that have a number only.

Rules have their numbers. `X-…` is ours, for what certification checks and whose number is not known.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

End = Literal["vtn", "ven"]

VTN: Final[tuple[End, ...]] = ("vtn",)
VEN: Final[tuple[End, ...]] = ("ven",)
BOTH: Final[tuple[End, ...]] = ("vtn", "ven")


class Rule(NamedTuple):
    """Whom a rule binds, and what it asks for."""

    ends: tuple[End, ...]
    text: str


EVENTS: Final[dict[str, Rule]] = {
    "1": Rule(BOTH, "Every date-time is UTC and says so by a Z."),
    "2": Rule(VTN, "The uids of a signal's intervals count from 0."),
    "4": Rule(VTN, "A new event has modificationNumber 0."),
    "5": Rule(
        VTN, "A change of content or a cancellation is the next modificationNumber; what the clock changes is not."
    ),
    "6": Rule(VEN, "Any testEvent but false makes a test: it is answered and not acted on."),
    "8": Rule(VTN, "The intervals of a signal last as long as the event."),
    "9": Rule(VTN, "A SIMPLE level is 0, 1, 2 or 3."),
    "12": Rule(VEN, "Each event is answered as its oadrResponseRequired says, an unchanged one too."),
    "14": Rule(VTN, "currentValue is 0 unless the event is active."),
    "15": Rule(VTN, "Active events come first, then those to come, then those that are over."),
    "16": Rule(VTN, "optIn and optOut are understood."),
    "17": Rule(VTN, "An optOut may come later and unasked."),
    "18": Rule(BOTH, "Events overlap in different market contexts only, and there priority decides."),
    "19": Rule(VEN, "One bad event spoils no good one."),
    "21": Rule(
        BOTH, "An unexpected venID, vtnID or eventID is an error, case and all; an unknown cancelled event is none."
    ),
    "22": Rule(VEN, "An empty target is the VEN itself; of several criteria one is enough."),
    "23": Rule(BOTH, "Only a VEN sends oadrRequestEvent."),
    "25": Rule(VTN, "A bad answer to one event does not undo the good ones in the same message."),
    "30": Rule(VEN, "An event starts at random within startafter, and its changes keep that start."),
    "31": Rule(VEN, "dtstart and duration are kept to; ramp-up and recovery forbid nothing."),
    "32": Rule(BOTH, "Each interval has its own length and value, and they are kept to."),
    "33": Rule(BOTH, "What is invalid, incomplete, misplaced or illogical is answered by an error of the application."),
    "35": Rule(VEN, "oadrCreatedEvent answers each event, unless it refuses the whole message."),
    "36": Rule(VEN, "A cancellation is confirmed by optIn."),
    "37": Rule(VEN, "A VEN can poll; to be pushed to is its choice."),
    "40": Rule(VTN, "An oadrDistributeEvent that answers a request has an eiResponse."),
    "41": Rule(VTN, "An oadrDistributeEvent has a requestID."),
    "42": Rule(BOTH, "Answers to events quote that requestID; the eiResponse beside them quotes none."),
    "43": Rule(VEN, "A requestID may be used twice."),
    "45": Rule(BOTH, "No message has a schemaLocation."),
    "46": Rule(BOTH, "What is optional may be missing, and is understood where it is not."),
    "47": Rule(BOTH, "A duration of zero lasts until it is cancelled."),
    "48": Rule(BOTH, "What is valid and yet illogical is answered with 4xx."),
    "50": Rule(VTN, "Every payload has all events that are far, near or active."),
    "52": Rule(VTN, "A cancelled event is sent until it is acknowledged or would be over."),
    "53": Rule(BOTH, "A request has Host, Content-Length and Content-Type application/xml."),
    "56": Rule(VEN, "An unknown event is taken."),
    "57": Rule(BOTH, "A higher modificationNumber replaces what was there."),
    "58": Rule(VEN, "A lower modificationNumber is an error and changes nothing."),
    "59": Rule(VEN, "A known event that is cancelled ends."),
    "60": Rule(VEN, "An unknown event that is cancelled is ignored, and answered if that is wanted."),
    "61": Rule(VEN, "An event that is not listed any more is cancelled."),
    "62": Rule(VEN, "Rule 12 holds for every way in which an event arrives."),
    "65": Rule(VEN, "A running event with startafter ends at random within that time after its cancellation."),
    "66": Rule(BOTH, "An event is listed until startafter is over too; completed before that stops nothing."),
    "67": Rule(BOTH, "TLS 1.2, with the two suites of 2.0b."),
    "68": Rule(BOTH, "X.509v3 at both ends; a VTN has an RSA and an ECC certificate, a VEN one of them."),
    "109": Rule(VEN, "A signal that is not supported is answered 460 and optOut."),
}

SERVICES: Final[dict[str, Rule]] = {
    "206": Rule(BOTH, "What oadrCreateOpt said of an event stands against a later oadrCreatedEvent."),
    "301": Rule(BOTH, "After a registration both register METADATA, even if it is empty."),
    "304": Rule(BOTH, "An update names a reportRequestID that was asked for."),
    "306": Rule(BOTH, "A request for METADATA is answered by the capabilities."),
    "311": Rule(BOTH, "The reportRequestID of a report in METADATA is 0."),
    "312": Rule(BOTH, "METADATA says how much is buffered, and no sampling period is longer."),
    "314": Rule(BOTH, "An interval without dtstart has that of its report."),
    "321": Rule(BOTH, "A report request has no tolerance, notification, ramp-up, recovery or unit."),
    "331": Rule(BOTH, "The standard reports have their own type, unit and reading type."),
    "342": Rule(BOTH, "Times stand in all intervals of a report or in none; what is left out can be told."),
    "345": Rule(BOTH, "With reportToFollow one last report comes after the cancellation."),
    "401": Rule(BOTH, "With 402: the sequence in which a VEN registers and begins. Which part is whose is not known."),
    "402": Rule(BOTH, "See 401."),
    "405": Rule(BOTH, "After a new registration the VEN asks for its events."),
    "406": Rule(BOTH, "A new registrationID ends reports and opts; whoever wants one sends none."),
    "500": Rule(BOTH, "A VEN polls again at once until it hears a plain oadrResponse."),
    "501": Rule(
        BOTH,
        "With 507: the services of the role are there, each with its payloads; report-only has no EiEvent, no EiOpt.",
    ),
    "506": Rule(BOTH, "The profile is 2.0b. 2.0a, which the rule wants of a VTN besides, is none of ours."),
    "507": Rule(BOTH, "See 501."),
    "509": Rule(BOTH, "Every payload has schemaVersion 2.0b."),
    "510": Rule(
        BOTH, "The least that is supported: three signals, METADATA; of a VEN usage, status, 100 values of history."
    ),
    "511": Rule(BOTH, "A service is at OpenADR2/Simple/2.0b/ and its name."),
    "514": Rule(BOTH, "A signature covers the message and its ReplayProtect."),
}

UNNUMBERED: Final[dict[str, Rule]] = {
    "X-EV-1": Rule(VTN, "An eventID occurs once in a payload."),
    "X-EV-2": Rule(VTN, "The target of an event has one venID at most."),
    "X-EV-3": Rule(BOTH, "createdDateTime is the time of sending."),
    "X-EV-4": Rule(VTN, "currentValue is the value of the running interval."),
    "X-EV-5": Rule(VTN, "The intervals of signals and baselines have no dtstart."),
    "X-EV-6": Rule(VTN, "A signalID occurs once in an event."),
    "X-EV-7": Rule(VTN, "An interval of a signal has one value."),
    "X-EV-8": Rule(VTN, "The intervals of a baseline last as long as the baseline."),
    "X-EV-9": Rule(VTN, "A signal's name, type and unit belong together."),
    "X-EV-10": Rule(VTN, "The target of a signal names device classes and nothing else."),
    "X-EV-11": Rule(VTN, "eventStatus is what the clock says."),
    "X-OPT-1": Rule(BOTH, "An opt has an optID."),
    "X-OPT-2": Rule(BOTH, "An opt is for one event, or it is a schedule."),
    "X-OPT-3": Rule(BOTH, "A span of availability has a start and a length and nothing else."),
    "X-OPT-4": Rule(BOTH, "What is cancelled is an optID that was created."),
    "X-REP-1": Rule(BOTH, "Specifiers are unique in METADATA, and rIDs in a report."),
    "X-REP-2": Rule(VEN, "A VEN that reports anything reports usage and status."),
    "X-REP-3": Rule(BOTH, "The points of telemetry have a sampling rate."),
    "X-REP-4": Rule(BOTH, "METADATA has no intervals, no dtstart and no eiReportID."),
    "X-REP-5": Rule(BOTH, "A reportRequestID is unique, not empty and not 0."),
    "X-REP-6": Rule(BOTH, "A granularity is zero, or no shorter than oadrMinPeriod."),
    "X-REP-7": Rule(BOTH, "A request for history has neither granularity nor reportBackDuration."),
    "X-REP-8": Rule(BOTH, "The readingType in a request is x-notApplicable."),
    "X-REP-9": Rule(BOTH, "An update has dtstart, intervals and a name, and no descriptions."),
    "X-REP-10": Rule(BOTH, "A piggy-backed cancellation names requests of the update it answers."),
    "X-REG-1": Rule(BOTH, "A registration for simpleHttp says oadrHttpPullModel, and one for push its address."),
    "X-REG-2": Rule(BOTH, "A pull VEN is told how often to poll, and polls so."),
    "X-POLL-1": Rule(BOTH, "A push VEN does not poll."),
    "X-ACT-1": Rule(BOTH, "Without a registration there are no events, reports and opts."),
    "X-HDR-1": Rule(BOTH, "A response has Content-Length and Content-Type."),
}

RULES: Final[dict[str, Rule]] = EVENTS | SERVICES | UNNUMBERED

TEXT_UNKNOWN: Final[tuple[str, ...]] = (
    *("3", "10", "13", "20", "27", "29", "38", "51", "63"),
    *(str(number) for number in (*range(100, 109), *range(110, 117))),
    *(str(number) for number in (*range(200, 206), *range(207, 212))),
    *("300", "302", "303", "305", "307", "308", "309", "313", "315", "316", "317", "318", "319", "322", "324", "325"),
    *(str(number) for number in (*range(327, 331), *range(333, 342), 343)),
    *("400", "403", "404", "407", "502", "508", "512", "515"),
)
"""Rules that exist, and whose content is not publicly known: nothing can be tested for them by name."""


def known(role: End) -> tuple[str, ...]:
    """The rules that bind that role."""
    return tuple(name for name, rule in RULES.items() if role in rule.ends)
