"""The rules of 2.0b whose content is known, with the ends they bind; and which tests say that they prove them.

Rules have their numbers. `X-…` is ours, for what certification checks and whose number is not known. A test says in its name
what it proves and at which end it proves it: after `test_` come the rules, then the end, then the sentence.

    test_rule_58_at_the_ven_a_lower_modification_is_answered_450
    test_rules_16_17_at_the_vtn_both_opts_are_understood
    test_x_ev_6_at_the_vtn_a_signalid_is_used_once
    test_rule_1_x_ev_5_at_both_ends_…

At both ends is what both do in the course of the test, and what is one code for both.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
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
    "401": Rule(BOTH, "A VEN begins by oadrCreatePartyRegistration, and is registered by the answer."),
    "402": Rule(BOTH, "What a registration brings is exchanged before anything else, in any order of the two ends."),
    "405": Rule(BOTH, "After a new registration the VEN asks for its events."),
    "406": Rule(BOTH, "A new registrationID ends reports and opts; whoever wants one sends none."),
    "500": Rule(BOTH, "A VEN polls again at once until it hears a plain oadrResponse."),
    "501": Rule(BOTH, "All five services are there; a report-only VEN has no EiEvent and no EiOpt."),
    "506": Rule(BOTH, "The profile is 2.0b. 2.0a, which the rule wants of a VTN besides, is none of ours."),
    "507": Rule(BOTH, "A payload is taken at its own service, and sent to it."),
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


class Claim(NamedTuple):
    """What the name of a test says that it proves."""

    test: str
    rule: str
    end: End


_ENDS: Final[dict[str, tuple[End, ...]]] = {"the_vtn": VTN, "the_ven": VEN, "both_ends": BOTH}
_CITES = re.compile(r"test_(?:rules?_\d|x_[a-z]+_\d)")
_CITATION = re.compile(r"test((?:_rules?(?:_\d+)+|_x_[a-z]+(?:_\d+)+)+)_at_(the_vtn|the_ven|both_ends)_[a-z]")
_GROUP = re.compile(r"_(rules?|x_[a-z]+)((?:_\d+)+)")


def claims(source: str) -> Iterator[Claim]:
    """What the tests of a module say that they prove. Raises ValueError for a name that cites a rule and says no end."""
    for name in _tests(source):
        if not _CITES.match(name):
            continue
        cited = _CITATION.match(name)
        if cited is None:
            raise ValueError(f"{name} cites a rule: after it comes at_the_vtn, at_the_ven or at_both_ends")
        for rule in _cited(cited[1]):
            for end in _ENDS[cited[2]]:
                yield Claim(name, rule, end)


def _tests(source: str) -> Iterator[str]:
    """The test functions that are run: one that is skipped, or expected to fail, proves nothing."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            if not any(re.search(r"\b(skip|skipif|xfail)\b", ast.unparse(mark)) for mark in node.decorator_list):
                yield node.name


def _cited(text: str) -> Iterator[str]:
    """`_rules_16_17` is 16 and 17, `_x_opt_1_2` is X-OPT-1 and X-OPT-2."""
    for kind, numbers in _GROUP.findall(text):
        prefix = "" if kind.startswith("rule") else kind.upper().replace("_", "-") + "-"
        yield from (prefix + number for number in numbers.split("_")[1:])


def unproved(found: Iterable[Claim]) -> list[str]:
    """Each rule at each end it binds that no test is about."""
    proved = {(claim.rule, claim.end) for claim in found}
    return [
        f"rule {name} at the {end.upper()}: {rule.text}"
        for name, rule in RULES.items()
        for end in rule.ends
        if (name, end) not in proved
    ]


def unknown(found: Iterable[Claim]) -> list[str]:
    """Each test that is about a rule which the table does not have."""
    return [f"{claim.test} is about {claim.rule}" for claim in found if claim.rule not in RULES]
