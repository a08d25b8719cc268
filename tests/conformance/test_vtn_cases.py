"""Each case of a VTN passes at a right VTN and fails at wrong ones, so that no case says yes to everybody."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from conformance import cases
from conformance.attempt import STUMBLED
from conformance.case import CASES, Case, Mode, Verdict
from conformance.identity import Authority
from conformance.record import Record
from conformance.watch import WATCHES, findings
from tests.conformance.tiny_events import EventSwitch
from tests.conformance.tiny_reports import ReportSwitch
from tests.conformance.tiny_seal import SealSwitch
from tests.conformance.tiny_state import OwnSwitch
from tests.conformance.vtn_flaw import single
from tests.conformance.vtn_flaws import CERTIFIED, FLAWS
from tests.conformance.vtn_site import tried

cases.load()
OF_A_VTN = {name: one for name, one in CASES.items() if one.role == "vtn"}
SERVICES = tuple(dict.fromkeys(one.service for one in OF_A_VTN.values()))
BOTH: tuple[Mode, ...] = ("pull", "push")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder: Path = tmp_path_factory.mktemp("certificates")
    return Authority(folder)


def _needed(case: Case, authority: Authority) -> Authority | None:
    return authority if case.id.startswith(CERTIFIED) else None


@pytest.mark.timeout(240)
@pytest.mark.parametrize("mode", BOTH)
@pytest.mark.parametrize("service", SERVICES)
def test_a_right_vtn_passes_every_case_and_breaks_no_watch(service: str, mode: Mode, authority: Authority) -> None:
    wrongly = {}
    for case in (one for one in OF_A_VTN.values() if one.service == service and mode in one.modes):
        record = Record()
        made = tried(case, mode=mode, authority=_needed(case, authority), record=record)
        if made.verdict != "pass":
            wrongly[case.id] = f"{made.verdict}: expected {made.expected}; got {made.actual}{made.why}"
        for watch in (one for one in WATCHES if "vtn" in one.roles):
            wrongly |= {f"{watch.id} in {case.id}": str(one) for one in findings(watch, record, case.id)}
    assert wrongly == {}


@pytest.mark.parametrize("mode", BOTH)
def test_a_right_vtn_passes_over_signed_messages_too(mode: Mode, authority: Authority) -> None:
    signed = [one for one in OF_A_VTN.values() if one.signed and mode in one.modes]
    made = {one.id: tried(one, mode=mode, authority=authority, signed=True).verdict for one in signed}
    assert made == {one.id: "pass" for one in signed}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("service", SERVICES)
def test_each_flaw_makes_its_case_fail(service: str, authority: Authority) -> None:
    unseen = {}
    for case in (one for one in OF_A_VTN.values() if one.service == service):
        due: Verdict = "fail" if case.level == "MUST" else "non-strict"
        for flaw in FLAWS.get(case.id, ()):
            made = tried(case, *single(flaw), mode=case.modes[0], authority=_needed(case, authority))
            if made.verdict != due or made.expected == STUMBLED:
                unseen[case.id, str(flaw)] = f"{made.verdict} {made.expected} {made.actual} {made.why}"
    assert unseen == {}


def test_every_case_of_a_vtn_has_a_flaw() -> None:
    """A case that cannot fail is a defect."""
    assert sorted(set(OF_A_VTN) - set(FLAWS)) == []
    assert [name for name, flaws in FLAWS.items() if not flaws] == []


def test_every_flaw_is_one_of_a_case_that_there_is() -> None:
    assert sorted(set(FLAWS) - set(OF_A_VTN)) == []


def test_every_switch_of_the_tiny_vtn_is_in_the_table() -> None:
    known = {name for switches in (OwnSwitch, EventSwitch, ReportSwitch, SealSwitch) for name in get_args(switches)}
    used = {one for flaws in FLAWS.values() for flaw in flaws for one in single(flaw) if isinstance(one, str)}
    assert sorted(known - used) == []
