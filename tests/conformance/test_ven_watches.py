"""What is held against every message of a VEN is found in a wrong one, and not in a right one."""

from __future__ import annotations

import pytest

from conformance import cases
from conformance.case import CASES, Mode
from conformance.record import Record
from conformance.watch import WATCHES, findings
from tests.conformance.ven_flaws_wire import LOCATED
from tests.conformance.ven_site import tried
from tests.conformance.ven_wrongs import Flaw
from tests.conformance.wrongs import Mutation, drop, put, swap

cases.load()
OF_A_VEN = tuple(one for one in WATCHES if "ven" in one.roles)
CASE = "ven.report.created"

FOUND: dict[str, tuple[Mode, Flaw]] = {
    "schema.valid": ("pull", drop("oadrPoll", "//ei:venID")),
    "schema.version": ("pull", swap("oadrPoll", ' ei:schemaVersion="2.0b"', "")),
    "schema.utc": ("pull", put("oadrRegisterReport", "//ei:createdDateTime", "2030-01-01T00:00:00")),
    "schema.location": ("pull", LOCATED),
    "schema.correlation": ("push", put("oadrCreatedReport", "//ei:eiResponse/pyld:requestID", "another")),
    "schema.ven-id": ("pull", drop("oadrPoll", "//ei:venID")),
    "transport.headers": ("pull", Mutation(media="text/xml")),
    "transport.host": ("pull", Mutation(lose="Host")),
}
"""For each watch: the flaw in whose messages it finds something, of a VEN that polls or is pushed to."""


def _seen(watch_id: str, mode: Mode, *flaws: Flaw) -> list[str]:
    record = Record()
    tried(CASES[CASE], *flaws, mode=mode, record=record)
    (watch,) = (one for one in OF_A_VEN if one.id == watch_id)
    return [f"expected {one.expected}; got {one.actual}" for one in findings(watch, record, CASE)]


@pytest.mark.parametrize("watch_id", [one.id for one in OF_A_VEN])
def test_a_watch_finds_what_it_is_for_and_nothing_in_a_right_ven(watch_id: str) -> None:
    mode, flaw = FOUND[watch_id]

    assert _seen(watch_id, mode, flaw)
    assert _seen(watch_id, mode) == []
