"""What is held against every message of a VTN is found in a wrong one, and not in a right one."""

from __future__ import annotations

import pytest

from conformance import cases
from conformance.case import CASES, Mode
from conformance.record import Record
from conformance.watch import WATCHES, findings
from tests.conformance.tiny_state import Flaw
from tests.conformance.vtn_site import tried
from tests.conformance.wrongs import Mutation, drop, put, swap

cases.load()
OF_A_VTN = tuple(one for one in WATCHES if "vtn" in one.roles)

EVENT = "oadrDistributeEvent"
SIGNALS = "vtn.event.several-signals"
ACTIVE = "vtn.event.status-active"
DATED = "<ei:interval><xcal:dtstart><xcal:date-time>2030-01-01T00:00:00Z</xcal:date-time></xcal:dtstart>"
TWO_VALUES = (
    "</ei:signalPayload><ei:signalPayload><ei:payloadFloat><ei:value>1</ei:value></ei:payloadFloat></ei:signalPayload>"
)
LOCATED = ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b" xmlns:oadr='

FOUND: dict[str, tuple[str, Mode, Flaw]] = {
    "schema.valid": ("vtn.registration.bootstrap", "pull", drop("oadrCreatedPartyRegistration", "//oadr:oadrProfiles")),
    "schema.version": ("vtn.registration.bootstrap", "pull", swap("oadrResponse", ' ei:schemaVersion="2.0b"', "")),
    "schema.utc": ("vtn.event.uids", "pull", put(EVENT, "//ei:createdDateTime", "2030-01-01T00:00:00")),
    "schema.location": ("vtn.registration.bootstrap", "pull", swap("", " xmlns:oadr=", LOCATED)),
    "schema.correlation": (
        "vtn.registration.bootstrap",
        "pull",
        put("oadrRegisteredReport", "//ei:eiResponse/pyld:requestID", "another"),
    ),
    "transport.headers": ("vtn.registration.bootstrap", "pull", Mutation(lose="Content-Length")),
    "transport.host": ("vtn.registration.bootstrap", "push", Mutation(lose="Host")),
    "event.always-uids": ("vtn.event.uids", "pull", "uids from one"),
    "event.always-sums": ("vtn.event.uids", "pull", "sum too short"),
    "event.always-levels": ("vtn.event.simple-out-of-range", "pull", "takes any signal"),
    "event.always-calm": ("vtn.event.uids", "pull", "current always"),
    "event.always-order": ("vtn.event.four-events", "pull", "by age"),
    "event.always-unique-events": ("vtn.event.four-events", "pull", put(EVENT, "//ei:eventID", "event")),
    "event.always-one-venid": (
        "vtn.event.uids",
        "pull",
        swap(EVENT, "</ei:venID></ei:eiTarget>", "</ei:venID><ei:venID>b</ei:venID></ei:eiTarget>"),
    ),
    "event.always-running": (ACTIVE, "pull", "current is the last"),
    "event.always-undated": ("vtn.event.uids", "pull", swap(EVENT, "<ei:interval>", DATED)),
    "event.always-unique-signals": (SIGNALS, "pull", put(EVENT, "//ei:signalID", "signal")),
    "event.always-one-value": ("vtn.event.uids", "pull", swap(EVENT, "</ei:signalPayload>", TWO_VALUES)),
    "event.always-baselines": (
        "vtn.event.baseline-adds-up",
        "pull",
        put(EVENT, "//ei:eiEventBaseline/xcal:duration/*", "PT1H"),
    ),
    "event.always-status": (ACTIVE, "pull", put(EVENT, "//ei:eventStatus", "completed")),
    "event.always-fresh": ("vtn.event.uids", "pull", "old createdDateTime"),
    "event.always-request-id": ("vtn.event.uids", "pull", drop(EVENT, "//oadr:oadrDistributeEvent/pyld:requestID")),
    "event.always-answers": ("vtn.event.uids", "pull", drop(EVENT, "//ei:eiResponse")),
    "event.never-requests": (
        "vtn.registration.asked-again-by-the-vtn",
        "push",
        swap("oadrRequestReregistration", "oadrRequestReregistration", "oadrRequestEvent"),
    ),
}
"""For each watch: a case, and the flaw in whose messages the watch finds something."""


def _seen(watch_id: str, case_id: str, mode: Mode, *flaws: Flaw) -> list[str]:
    record = Record()
    tried(CASES[case_id], *flaws, mode=mode, record=record)
    (watch,) = (one for one in OF_A_VTN if one.id == watch_id)
    return [f"expected {one.expected}; got {one.actual}" for one in findings(watch, record, case_id)]


@pytest.mark.parametrize("watch_id", [one.id for one in OF_A_VTN])
def test_a_watch_finds_what_it_is_for_and_nothing_in_a_right_vtn(watch_id: str) -> None:
    case_id, mode, flaw = FOUND[watch_id]

    assert _seen(watch_id, case_id, mode, flaw)
    assert _seen(watch_id, case_id, mode) == []
