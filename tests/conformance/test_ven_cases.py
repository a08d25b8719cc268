"""Each case of a VEN passes at a right VEN and fails at wrong ones, so that no case says yes to everybody."""

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
from tests.conformance.ven_flaw import Wrongs, parts
from tests.conformance.ven_flaws import CERTIFIED, FLAWS
from tests.conformance.ven_site import tried
from tests.conformance.ven_wrongs import Flaw, OwnSwitch
from tests.conformance.wrongs import drop, swap

cases.load()
OF_A_VEN = {name: one for name, one in CASES.items() if one.role == "ven"}
SERVICES = tuple(dict.fromkeys(one.service for one in OF_A_VEN.values()))
BOTH: tuple[Mode, ...] = ("pull", "push")

UPDATE, OFFERS = "oadrUpdateReport", "oadrRegisterReport"

OTHERWISE: dict[str, tuple[Flaw, ...]] = {
    "no more than there has to be": (
        drop(UPDATE, "//oadr:oadrReport/xcal:duration"),
        drop(UPDATE, "//xcal:uid"),
        drop(UPDATE, "//ei:eiReportID"),
        drop(UPDATE, "//ei:confidence"),
        drop(UPDATE, "//oadr:oadrDataQuality"),
        drop(OFFERS, "//ei:reportDataSource"),
    ),
    "one time for the whole report": (drop(UPDATE, "//ei:interval/xcal:dtstart"),),
    "other ways to write times": (
        swap(OFFERS, "PT7200S", "PT2H"),
        swap(UPDATE, "Z</xcal:date-time>", ".000Z</xcal:date-time>"),
        swap(UPDATE, "Z</ei:createdDateTime>", ".123Z</ei:createdDateTime>"),
    ),
    "asks the VTN when it is told to": ("asks the VTN for nothing",),
}
"""What a VEN may do as well."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder: Path = tmp_path_factory.mktemp("certificates")
    return Authority(folder)


def _needed(case: Case, authority: Authority) -> Authority | None:
    return authority if case.id.startswith(CERTIFIED) else None


@pytest.mark.timeout(240)
@pytest.mark.parametrize("mode", BOTH)
@pytest.mark.parametrize("service", SERVICES)
def test_a_right_ven_passes_every_case_and_breaks_no_watch(service: str, mode: Mode, authority: Authority) -> None:
    wrongly = {}
    for case in (one for one in OF_A_VEN.values() if one.service == service and mode in one.modes):
        record = Record()
        made = tried(case, mode=mode, authority=_needed(case, authority), record=record)
        if made.verdict != "pass":
            wrongly[case.id] = f"{made.verdict}: expected {made.expected}; got {made.actual}{made.why}"
        for watch in (one for one in WATCHES if "ven" in one.roles):
            wrongly |= {f"{watch.id} in {case.id}": str(one) for one in findings(watch, record, case.id)}
    assert wrongly == {}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("otherwise", OTHERWISE)
def test_a_ven_that_is_right_in_another_way_fails_no_case(otherwise: str) -> None:
    """What the profile leaves open is left open by the cases."""
    wrongly = {}
    for case in (one for one in OF_A_VEN.values() if one.service in ("report", "opt") and "pull" in one.modes):
        made = tried(case, *OTHERWISE[otherwise])
        if made.verdict not in ("pass", "not implemented"):
            wrongly[case.id] = f"{made.verdict}: expected {made.expected}; got {made.actual}{made.why}"
    assert wrongly == {}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("mode", BOTH)
def test_a_right_ven_passes_over_signed_messages_too(mode: Mode, authority: Authority) -> None:
    signed = [one for one in OF_A_VEN.values() if one.signed and mode in one.modes]
    made = {one.id: tried(one, mode=mode, authority=authority, signed=True).verdict for one in signed}
    assert made == {one.id: "pass" for one in signed}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("service", SERVICES)
def test_each_flaw_of_a_ven_makes_its_case_fail(service: str, authority: Authority) -> None:
    """And it fails because of what the case expects, not because the harness stumbles."""
    unseen = {}
    for case in (one for one in OF_A_VEN.values() if one.service == service):
        due: Verdict = "fail" if case.level == "MUST" else "non-strict"
        for flaw in map(parts, FLAWS.get(case.id, ())):
            made = tried(case, *flaw.of, mode=flaw.mode or case.modes[0], authority=_needed(case, authority))
            if made.verdict != due or made.expected == STUMBLED:
                unseen[case.id, _said(flaw)] = f"{made.verdict} {made.expected} {made.actual} {made.why}"
    assert unseen == {}


def _said(flaw: Wrongs) -> str:
    return " and ".join(map(str, flaw.of))


def test_every_case_of_a_ven_has_a_flaw() -> None:
    """A case that cannot fail is a defect."""
    assert sorted(set(OF_A_VEN) - set(FLAWS)) == []
    assert [name for name, flaws in FLAWS.items() if not flaws] == []


def test_every_flaw_of_a_ven_is_one_of_a_case_that_there_is() -> None:
    assert sorted(set(FLAWS) - set(OF_A_VEN)) == []


def test_every_switch_of_the_tiny_ven_is_in_the_table() -> None:
    used = {one for flaws in FLAWS.values() for flaw in flaws for one in parts(flaw).of if isinstance(one, str)}
    assert sorted(set(get_args(OwnSwitch)) - used) == []
