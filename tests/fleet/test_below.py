"""VENs below as members: told by an event each, re-allocated first, opted out upward last."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from openadr_ra.fleet.fleet import Cut, FleetTerms, Ordered
from openadr_ra.protocol.model import CANCELLED, OPT_IN, OPT_OUT, ResourceId
from openadr_ra.protocol.step import Verdict
from tests.fleet.aggregator import Aggregator, Ven
from tests.fleet.world import MINUTE, NOON, OTHER, UPSTREAM, after, battery, line, schedule

V1, V2, V3 = (ResourceId(name) for name in ("v1", "v2", "v3"))


def three(*, notice_s: float = 0.0, patience_s: float = 900.0) -> Aggregator:
    return Aggregator(Ven("v1"), Ven("v2"), Ven("v3"), terms=FleetTerms(notice_s=notice_s, patience_s=patience_s))


def upward(ra: Aggregator) -> list[str]:
    return [one.opt for one in ra.letters(Verdict) if isinstance(one, Verdict)]


def test_acceptance_does_not_wait_for_those_below() -> None:
    ra = three()

    assert ra.instructs(schedule(-15, -30)).opt == OPT_IN
    assert ra.told() == {"v1": 1, "v2": 1, "v3": 1}
    assert ra.asked("v1") == [(0, 30, -5), (30, 60, -10)]


def test_what_nobody_below_can_give_is_refused_at_once_and_nobody_is_told() -> None:
    ra = three()

    verdict = ra.instructs(schedule(-40))

    assert (verdict.opt, verdict.short_kw) == (OPT_OUT, 10)
    assert ra.told() == {"v1": 0, "v2": 0, "v3": 0}


def test_a_share_lasts_on_the_energy_that_a_ven_says_it_has() -> None:
    """v1 has 2 kWh: 4 kW for half an hour."""
    ra = Aggregator(Ven("v1", kwh=2.0), Ven("v2"))

    ra.instructs(schedule(-7))

    assert ra.asked("v1") == [(0, 30, -2)]
    assert ra.asked("v2") == [(0, 30, -5)]


def test_devices_and_vens_are_one_fleet() -> None:
    ra = Aggregator(Ven("v1"), devices=(line("line", 20.0),))

    ra.instructs(schedule(-25))
    ra.runs_to(after(1))

    assert ra.kw("line") == 0
    assert ra.asked("v1") == [(0, 30, -5)]


def test_a_ven_without_a_part_hears_nothing() -> None:
    ra = Aggregator(Ven("v1"), Ven("v2", kw=0.0))

    ra.instructs(schedule(-5))

    assert ra.told() == {"v1": 1, "v2": 0}


def test_the_past_stays_as_it_was_sent_and_the_running_interval_is_split_at_a_change() -> None:
    ra = three()
    ra.instructs(schedule(-15, -15))
    ra.runs_to(after(40))

    ra.instructs(schedule(-15, -24), modification=1)

    assert ra.asked("v1") == [(0, 30, -5), (30, 40, -5), (40, 60, -8)]


def test_a_change_that_asks_the_same_of_a_ven_is_not_told_to_it() -> None:
    ra = three()
    ra.instructs(schedule(-15, -15))
    ra.runs_to(after(10))

    ra.instructs(schedule(-15, -15), modification=1)

    assert ra.told() == {"v1": 1, "v2": 1, "v3": 1}


def test_of_several_quick_changes_the_newest_counts_below() -> None:
    ra = three()
    for modification, kw in enumerate((-15, -18, -21, -24)):
        ra.instructs(schedule(kw), modification=modification)

    assert ra.asked("v1") == ra.asked("v3") == [(0, 30, -8)]


def test_what_a_ven_withdraws_is_given_to_others_and_nothing_is_said_upward() -> None:
    ra = three()
    ra.instructs(schedule(-15))
    ra.runs_to(after(5))
    ra.opts("v1")
    ra.runs_to(after(6))

    assert upward(ra) == [OPT_IN]
    assert sum(ven.kw(ra.now) for ven in ra.vens.values()) == pytest.approx(-15)


def test_few_vens_change_when_one_withdraws() -> None:
    ra = Aggregator(Ven("v1", 4.0), Ven("v2", 40.0), Ven("v3", 4.0))
    ra.instructs(schedule(-12))
    ra.opts("v1")
    ra.runs_to(NOON)

    assert ra.told() == {"v1": 1, "v2": 2, "v3": 1}


def test_a_change_and_an_opt_out_come_to_the_same_in_either_order() -> None:
    one, other = three(), three()
    one.instructs(schedule(-12))
    other.instructs(schedule(-12))

    one.instructs(schedule(-16), modification=1)
    one.opts("v1")
    other.opts("v1")
    other.instructs(schedule(-16), modification=1)
    one.runs_to(NOON - 5 * MINUTE)
    other.runs_to(NOON - 5 * MINUTE)

    assert one.asked("v2") == other.asked("v2") == one.asked("v3") == other.asked("v3") == [(0, 30, -8)]


def test_whoever_opted_out_is_not_asked_again_until_it_takes_that_back() -> None:
    ra = three()
    ra.instructs(schedule(-12))
    ra.opts("v1")
    ra.instructs(schedule(-15), modification=1)
    assert ra.told()["v1"] == 1

    ra.opts("v1", OPT_IN)
    assert ra.asked("v1") == []
    ra.instructs(schedule(-24), modification=2)

    assert ra.asked("v1") == [(0, 30, -8)]


def test_too_little_left_is_opted_out_upward_last_and_those_below_are_let_go() -> None:
    ra = three(patience_s=120.0)
    ra.instructs(schedule(-24))
    ra.runs_to(after(5))
    ra.opts("v1")
    ra.runs_to(after(6))
    assert upward(ra) == [OPT_IN]

    ra.runs_to(after(8))

    assert upward(ra) == [OPT_IN, OPT_OUT]
    assert [ven.versions[-1].status for ven in ra.vens.values()] == ["far", CANCELLED, CANCELLED]


def test_a_silent_ven_is_replaced_within_a_minute_and_may_come_back() -> None:
    ra = three()
    ra.instructs(schedule(-15, -15))
    ra.runs_to(after(10))
    ra.vens[V1].silent = True
    ra.runs_to(after(11))

    assert sum(ven.kw(ra.now) for ven in (ra.vens[V2], ra.vens[V3])) == pytest.approx(-15)
    assert [kw for start, _, kw in ra.asked("v1") if start >= 10] == [0, 0]
    ra.vens[V1].silent = False
    ra.vens[V2].silent = True
    ra.runs_to(after(13))
    assert sum(ven.kw(ra.now) for ven in (ra.vens[V1], ra.vens[V3])) == pytest.approx(-15)


def test_a_ven_that_states_less_than_its_share_is_relieved_of_the_rest() -> None:
    ra = three()
    ra.instructs(schedule(-15))
    ra.runs_to(after(10))
    ra.vens[V1].can_kw = 2.0

    ra.runs_to(after(12))

    assert ra.vens[V1].kw(ra.now) == -2
    assert sum(ven.kw(ra.now) for ven in ra.vens.values()) == pytest.approx(-15)


@pytest.mark.parametrize(("factor", "relieved"), [(0.85, True), (0.92, False)])
def test_a_stranger_out_of_its_band_for_three_reports_is_relieved_of_what_it_does_not_give(
    factor: float, relieved: bool
) -> None:
    ra = three()
    ra.vens[V1].stranger, ra.vens[V1].factor = True, factor
    ra.instructs(schedule(-15))
    ra.runs_to(after(3))
    assert ra.told() == {"v1": 1, "v2": 1, "v3": 1}

    ra.runs_to(after(8))

    assert (ra.asked("v1")[-1][2] == pytest.approx(-5 * factor)) is relieved
    assert (sum(ra.told().values()) > 3) is relieved


def test_what_vens_state_is_chased_seldom_and_never_at_the_end_of_a_slot() -> None:
    ra = three()
    ra.instructs(schedule(-15))
    for minute in range(1, 30):
        ra.vens[V1].can_kw = 4.9 - 0.15 * minute
        ra.runs_to(after(minute))

    edges = sorted({start for ven in ("v1", "v2", "v3") for start, _, _ in ra.asked(ven)} - {0.0})
    assert 1 <= len(edges) <= 3
    assert all(later - sooner >= 5 for sooner, later in pairwise(edges))
    assert edges[-1] < 27


def test_a_cancelled_promise_is_cancelled_below_and_what_follows_it_is_another_event() -> None:
    ra = three()
    ra.instructs(schedule(-15))
    ra.releases()
    assert [ven.versions[-1].status for ven in ra.vens.values()] == [CANCELLED] * 3

    ra.instructs(schedule(-15), modification=1)

    assert {event.id for event in ra.vens[V1].versions} == {"E1.ac", "E1.ac-2"}
    assert ra.asked("v1") == [(0, 30, -5)]


def test_events_of_two_vtns_with_one_name_are_two_below() -> None:
    ra = three()
    ra.instructs(schedule(-6))
    ra.instructs(schedule(-6), reply_to=OTHER)

    assert set(ra.vens[V1].events) == {"E1.ac", "E1.other"}


def test_a_kw_that_is_promised_to_one_vtn_is_not_offered_to_another() -> None:
    ra = three()
    ra.instructs(schedule(-18))
    ra.runs_to(after(1))

    def stated(name: str) -> float:
        return [one for one in ra.readings.values() if one.series == f"live/{name}.can_reduce"][-1].value

    assert stated("ac") == pytest.approx(30)
    assert stated("other") == pytest.approx(12)
    assert ra.instructs(schedule(-18, start=after(5), event="E2"), reply_to=OTHER).opt == OPT_OUT


def test_who_must_be_told_ahead_of_time_has_no_part_in_what_comes_sooner() -> None:
    """v1 needs 45 minutes of notice, and it is 11:50."""
    ra = Aggregator(Ven("v1", notice_s=2700), Ven("v2", 20.0))
    ra.instructs(schedule(-15, -15))

    assert ra.asked("v1") == [(35, 60, -5)]
    assert ra.asked("v2") == [(0, 30, -15), (30, 35, -15), (35, 60, -10)]


def test_who_must_be_told_ahead_of_time_keeps_what_it_was_told() -> None:
    ra = Aggregator(Ven("v1", notice_s=2700), Ven("v2", 20.0))
    ra.instructs(schedule(-15, start=after(60)))
    ra.runs_to(after(30))

    ra.instructs(schedule(-21, start=after(60)), modification=1)

    assert ra.asked("v1") == [(60, 75, -5), (75, 90, -7)]
    assert ra.asked("v2") == [(60, 75, -16), (75, 90, -14)]


@pytest.mark.parametrize(("notice_s", "opt"), [(600.0, OPT_IN), (600.1, OPT_OUT)])
def test_a_new_event_needs_the_fleet_s_notice(notice_s: float, opt: str) -> None:
    """It is ten minutes before noon."""
    ra = three(notice_s=notice_s)

    assert ra.instructs(schedule(-15)).opt == opt


def test_a_change_needs_no_notice_of_the_fleet() -> None:
    ra = three(notice_s=600.0)
    ra.instructs(schedule(-15))
    ra.runs_to(NOON - MINUTE)

    assert ra.instructs(schedule(-21), modification=1).opt == OPT_IN
    assert ra.asked("v1") == [(0, 30, -7)]


def test_events_of_a_vtn_out_of_reach_are_followed_no_longer_and_go_on_when_it_is_back() -> None:
    ra = Aggregator(Ven("v1"), devices=(battery("bat"),))
    ra.instructs(schedule(-10, -10))
    ra.runs_to(after(5))
    assert ra.kw("bat") == pytest.approx(-5)

    ra.gives(Cut(upstream=UPSTREAM, cut=True))
    assert ra.kw("bat") == 0
    assert ra.vens[V1].versions[-1].status == CANCELLED
    ra.gives(Cut(upstream=UPSTREAM, cut=False))

    assert ra.kw("bat") == pytest.approx(-5)
    assert ra.vens[V1].kw(ra.now) == pytest.approx(-5)


def test_an_operator_s_withdrawal_beats_the_event_and_others_stand_in() -> None:
    ra = Aggregator(Ven("v1", 20.0), devices=(battery("bat"),))
    ra.instructs(schedule(-12))
    ra.runs_to(after(5))

    ra.gives(Ordered(resource=ResourceId("bat"), kw=None, until=after(60), by="yamada", reason="inspection"))

    assert ra.kw("bat") == 0
    assert ra.vens[V1].kw(ra.now) == pytest.approx(-12)
    assert (ra.entries[-2].subject, ra.entries[-2].by, ra.entries[-2].what) == ("resource/bat", "yamada", "withdrawn")


def test_a_resource_that_its_operator_holds_stays_there_until_the_word_is_over() -> None:
    ra = Aggregator(devices=(battery("bat"),))
    ra.gives(Ordered(resource=ResourceId("bat"), kw=3.0, until=after(20), by="operator"))
    ra.instructs(schedule(-6))
    ra.runs_to(after(19))
    assert ra.kw("bat") == 3

    ra.runs_to(after(21))

    assert ra.kw("bat") != 3


def test_an_emergency_pre_empts_what_runs_and_that_resumes() -> None:
    ra = three()
    ra.instructs(schedule(-24))
    ra.runs_to(after(5))

    ra.emergency(schedule(-30, start=after(10), every=timedelta(minutes=10), event="E9"))
    ra.runs_to(after(12))
    assert sum(ven.kw(ra.now) for ven in ra.vens.values()) == pytest.approx(-30)
    ra.runs_to(after(22))

    assert sum(ven.kw(ra.now) for ven in ra.vens.values()) == pytest.approx(-24)


def test_a_stand_in_is_not_asked_for_more_energy_than_it_has() -> None:
    """b has 10 kWh, of which it owes a part in the slots to come."""
    ra = Aggregator(Ven("v1", kwh=100.0), Ven("v2", kwh=10.0))
    ra.instructs(schedule(-8, -8, -8))
    ra.runs_to(after(1))
    ra.opts("v1")
    ra.runs_to(after(2))

    asked = [(-kw * (end - max(start, 1)) / 60) for start, end, kw in ra.asked("v2")]
    assert sum(asked) <= 10.2
