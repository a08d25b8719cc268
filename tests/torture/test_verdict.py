"""Each check of the torture can fail: a fault that is planted in books that balance is found, and nothing else is."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.protocol.instruction import Ask
from openadr_ra.protocol.model import OPT_OUT, EventId, RegistrationId, VenId
from openadr_ra.protocol.registration import Registration
from tests.torture import books
from tests.torture.books import (
    ABSENCE,
    INSTRUCTION,
    JOURNAL,
    NOON,
    ORDERS,
    READING,
    SCENE,
    SERIES,
    TOLD,
    VEN,
    applied,
    book,
    ends,
    entry,
    node,
    party,
    reported,
    vtn,
)
from torture.ends import Ends
from torture.judge_time import returns
from torture.ledger import Alive, Book, Done, Ordered, Told
from torture.verdict import judged, summed

OPEN = Ordered(at_s=3, cell="s", verb="change", event="far-1", vens=(VEN,), kw=(-3.0,), why="no answer")


def found(of: Book | None = None, at: Ends | None = None) -> set[tuple[str, str]]:
    """What is found, without the sentences."""
    return {(finding.sort, finding.of) for finding in judged(of or book(), SCENE, at or ends())}


def test_books_that_balance_are_found_to() -> None:
    assert judged(book(), SCENE, ends()) == ()


def test_the_figures_are_those_of_the_ledger() -> None:
    summary = summed(book(), (), {VEN: 3}, seed=7, minutes=1, left=())

    counted = summary.events, summary.opts, summary.registrations, summary.readings, summary.restarts
    assert counted == (2, 2, 1, 1, 2)
    assert (summary.slowest_return_s, summary.slowest) == (1.0, f"{VEN} after network on {VEN}")


# --- events -----------------------------------------------------------------------------------------------------------


def test_an_acknowledged_event_that_is_gone_is_lost() -> None:
    assert ("lost", "event far-1") in found(at=ends(vtn(events={})))


def test_an_acknowledged_change_without_an_entry_is_lost() -> None:
    at = ends(vtn(journal=tuple(line for line in JOURNAL if line.what != "changed")))
    assert found(at=at) == {("lost", "event far-1")}


def test_a_change_that_was_carried_out_twice_is_doubled() -> None:
    at = ends(vtn(journal=(*JOURNAL, entry("changed", "operator", "modification 1"))))
    assert found(at=at) == {("doubled", "event far-1")}


def test_a_change_that_nobody_ordered_is_doubled_and_one_that_may_have_been_done_is_none() -> None:
    newer = entry("changed", "operator", "modification 2")
    later = replace(INSTRUCTION, modification=2)
    at = ends(vtn(events={INSTRUCTION.id: later}, journal=(*JOURNAL, newer)))

    assert ("doubled", "event far-1") in found(at=at)
    assert ("doubled", "event far-1") not in found(book(orders=(*ORDERS, OPEN)), at)
    assert ("doubled", "event far-1") in found(book(orders=(*ORDERS, replace(OPEN, sure=True))), at)


def test_an_event_that_is_not_as_it_was_acknowledged_differs() -> None:
    other = replace(INSTRUCTION, asks={VenId(VEN): Ask(values=(-2.5,))})
    assert found(at=ends(vtn(events={INSTRUCTION.id: other}))) == {("differs", "event far-1")}


def test_a_cancelled_event_that_was_not_cancelled_differs() -> None:
    orders = (ORDERS[0], replace(ORDERS[1], verb="cancel"))
    assert ("differs", "event far-1") in found(book(orders=orders))


def test_an_event_that_nobody_published_is_doubled() -> None:
    stranger = replace(INSTRUCTION, id=EventId("far-2"), asks={VenId("other"): Ask(values=(1.0,))})
    assert found(at=ends(vtn(events={INSTRUCTION.id: INSTRUCTION, stranger.id: stranger}))) == {
        ("doubled", "event far-2")
    }


# --- opts -------------------------------------------------------------------------------------------------------------


def test_an_acknowledged_opt_that_was_altered_is_lost() -> None:
    altered = tuple(replace(line, what="optOut") if line.what == "optIn" else line for line in JOURNAL)
    assert found(at=ends(vtn(journal=altered))) == {("lost", "opt to far-1")}


def test_an_opt_that_stands_twice_is_doubled() -> None:
    assert found(at=ends(vtn(journal=(*JOURNAL, JOURNAL[-1])))) == {("doubled", "opt to far-1")}


def test_an_answer_that_only_one_end_has_differs() -> None:
    known = node().agenda[INSTRUCTION.id]
    at = ends(ven=node(agenda={INSTRUCTION.id: replace(known, opt=OPT_OUT)}))
    assert found(at=at) == {("differs", "event far-1")}


def test_an_older_version_at_the_ven_differs() -> None:
    known = node().agenda[INSTRUCTION.id]
    older = replace(known, event=replace(known.event, modification=0), answered=0)
    assert found(at=ends(ven=node(agenda={INSTRUCTION.id: older}))) == {("differs", "event far-1")}


def test_an_event_that_the_ven_lacks_differs() -> None:
    assert found(at=ends(ven=node(agenda={}))) == {("differs", "event far-1")}


def test_an_absence_that_the_vtn_lacks_is_lost_and_differs() -> None:
    named = f"opt {ABSENCE.id}"
    assert found(at=ends(vtn(parties={VEN: party(opts={})}))) == {("lost", named), ("differs", named)}


def test_an_absence_that_the_ven_acknowledged_and_lacks_is_lost() -> None:
    assert ("lost", f"opt {ABSENCE.id}") in found(at=ends(ven=node(opts={})))


# --- registrations ----------------------------------------------------------------------------------------------------


def test_a_registration_that_the_vtn_lacks_is_lost() -> None:
    assert ("lost", f"registration of {VEN}") in found(at=ends(vtn(parties={VEN: party(registration=None)})))


def test_an_acknowledged_registration_without_an_entry_is_lost() -> None:
    assert found(at=ends(vtn(journal=JOURNAL[1:]))) == {("lost", f"registration of {VEN}")}


def test_two_registrations_of_one_ven_differ() -> None:
    other = Registration(id=RegistrationId("reg-2"), at=NOON)
    assert found(at=ends(vtn(parties={VEN: party(registration=other)}))) == {("differs", f"registration of {VEN}")}


def test_a_ven_that_there_is_not_is_doubled() -> None:
    at = ends(vtn(parties={VEN: party(), "S-held-2": party()}))
    assert found(at=at) == {("doubled", "registration of S-held-2")}


# --- readings ---------------------------------------------------------------------------------------------------------


def sorts(of: Book | None = None, at: Ends | None = None) -> list[str]:
    return [finding.sort for finding in judged(of or book(), SCENE, at or ends())]


def test_an_acknowledged_reading_that_was_removed_is_lost() -> None:
    assert sorts(at=ends(vtn(readings={}))) == ["lost"]


def test_a_reading_that_stands_twice_is_doubled() -> None:
    assert sorts(at=ends(vtn(readings={SERIES: (READING, READING)}))) == ["doubled"]


def test_a_reading_of_another_value_differs() -> None:
    assert sorts(at=ends(vtn(readings={SERIES: (replace(READING, value=-1.4),)}))) == ["differs"]


def test_a_reading_that_was_never_acknowledged_need_not_be_there() -> None:
    heard = (*book().heard[VEN][:3], reported(reply=False))
    assert sorts(book(heard={VEN: heard}), ends(vtn(readings={}))) == []


# --- devices, processes, VENs -----------------------------------------------------------------------------------------


def test_a_device_that_stands_past_its_lease_is_an_overrun() -> None:
    assert found(book(told=TOLD[:2])) == {("overrun", books.DEVICE)}


@pytest.mark.parametrize(("at_s", "overrun"), [(31.9, False), (32.1, True)])
def test_a_guard_has_some_seconds_to_let_go(at_s: float, overrun: bool) -> None:
    """22 s and a lease of 6 s, and 4 s more."""
    told = (*TOLD[:2], Told(at_s=at_s, device=books.DEVICE, verb="release"))
    assert (("overrun", books.DEVICE) in found(book(told=told))) == overrun


def test_the_device_of_a_killed_ven_has_its_own_lease() -> None:
    lives = (
        Alive(name=VEN, began_s=0.0, ended_s=25.0, killed=True),
        Alive(name=VEN, began_s=40.0, ended_s=99.0, killed=True),
    )
    assert found(book(told=TOLD[:2], alive=lives)) == set()


def test_a_lease_that_is_too_long_is_an_overrun_unless_the_clock_was_stepped_just_then() -> None:
    told = (applied(20.0, lease_s=306.0), Told(at_s=22.0, device=books.DEVICE, verb="release"))
    step = Done(kind="clock", target=VEN, what="-300", began_s=19.5, ended_s=30.0)

    assert found(book(told=told)) == {("overrun", books.DEVICE)}
    heard = book().heard[VEN]
    late = (*heard, replace(heard[3], at_s=31.0))
    assert found(book(told=told, done=(step,), heard={VEN: late})) == set()


def test_a_process_that_ends_by_itself_is_found() -> None:
    lives = (*book().alive, Alive(name="s-vtn", began_s=0.0, ended_s=12.0, killed=False))
    assert found(book(alive=lives)) == {("ended", "s-vtn")}


@pytest.mark.parametrize(("ended_s", "is_absent"), [(9.0, False), (10.5, True)])
def test_a_ven_that_is_not_answered_after_a_fault_has_not_come_back(ended_s: float, is_absent: bool) -> None:
    """The last answer came at 10 s."""
    cut = replace(books.CUT, ended_s=ended_s)
    assert (("absent", VEN) in found(book(done=(cut,)))) == is_absent


def test_what_a_later_fault_kept_away_the_earlier_one_did_not() -> None:
    """From 5 s to 7 s and from 6 s to 9 s, and answered at 10 s."""
    earlier = replace(books.CUT, ended_s=7.0)
    later = replace(books.CUT, began_s=6.0)
    assert [took_s for _, _, took_s in returns(book(done=(earlier, later)))] == [1.0, 1.0]


@pytest.mark.parametrize(("began_s", "is_found"), [(23.9, False), (24.1, True)])
def test_a_vtn_may_refuse_to_start_while_its_database_is_away(began_s: float, is_found: bool) -> None:
    """Away from 5 s to 9 s; and 15 s more are for workers that are still there."""
    cell = replace(SCENE.cells[0], database=True, workers=2)
    away = Done(kind="database-away", target="s-database", what="", began_s=5.0, ended_s=9.0)
    refused = Alive(name="s-vtn", began_s=began_s, ended_s=40.0, killed=False, served=False)
    findings = judged(book(alive=(*book().alive, refused), done=(away,)), replace(SCENE, cells=(cell,)), ends())
    assert [finding.sort for finding in findings] == ["ended"] * is_found


@pytest.mark.parametrize("served", [True, False])
def test_only_a_start_may_fail_for_a_full_disk(served: bool) -> None:
    """What serves already goes on once there is space."""
    full = Done(kind="disk-full", target=VEN, what="", began_s=5.0, ended_s=9.0)
    ended = Alive(name=VEN, began_s=4.0, ended_s=8.0, killed=False, served=served)
    assert (("ended", VEN) in found(book(alive=(*book().alive, ended), done=(full,)))) == served
