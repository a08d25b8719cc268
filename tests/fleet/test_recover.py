"""After the last slot: batteries are brought back, and nobody else notices."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from msgspec.structs import replace

from openadr_ra.fleet.fleet import FleetTerms
from openadr_ra.fleet.recover import RECOVERY
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.schedule import Slot
from openadr_ra.seams import Descriptor
from tests.fleet.world import HOUR, after, battery, constant, schedule
from tests.fleet.yard import SETTLED, TERMS, Yard, used


def test_a_battery_gets_back_what_an_event_took_of_it() -> None:
    """3 kWh, at no more than 4 kW for recovery; then control goes back to the device."""
    yard = used(battery("a"))
    assert yard.soc("a") == pytest.approx(47)

    yard.runs_to(after(30) + 2 * HOUR)

    assert yard.soc("a") == pytest.approx(50, abs=0.1)
    changes = yard.setpoints("a")
    assert changes[:3] == [(0, -6), (30, None), (SETTLED, 4)]
    assert changes[-1][1] is None
    assert changes[-1][0] == pytest.approx(SETTLED + 45, abs=2)
    assert yard.fleet.stores == {}


def test_a_battery_gives_back_what_an_event_put_into_it() -> None:
    yard = used(battery("a"), kw=6)
    assert yard.soc("a") == pytest.approx(53)

    yard.runs_to(after(30) + 2 * HOUR)

    assert yard.soc("a") == pytest.approx(50, abs=0.1)
    assert yard.setpoints("a")[2] == (SETTLED, -4)


def test_without_the_setting_a_battery_is_left_to_its_own_plan() -> None:
    yard = used(battery("a"), terms=FleetTerms(recover_kw=4))

    yard.runs_to(after(30) + 2 * HOUR)

    assert yard.setpoints("a") == [(0, -6), (30, None)]
    assert yard.fleet.stores == {}
    assert yard.due is None


def test_recovery_is_over_once_the_setting_is_taken_back() -> None:
    yard = used(battery("a"))
    yard.runs_to(after(40))

    yard.terms = FleetTerms()
    yard.starts()

    assert yard.recovering() == set()
    assert yard.setpoints("a")[-1] == (40, None)
    assert yard.journal("a")[-1] == ("recovery ended", "the settings no longer ask for it")


def test_a_set_point_of_recovery_is_a_lease_that_is_renewed() -> None:
    yard = used(battery("a"))
    yard.runs_to(after(40))

    given = [(at, one) for at, one in yard.applied if one.event_id == RECOVERY and one.kw is not None]
    every = timedelta(seconds=TERMS.track_every_s)
    assert all(later - sooner <= every for (sooner, _), (later, _) in pairwise(given))
    assert {one.lease_until - at for at, one in given} == {timedelta(seconds=TERMS.lease_s)}


def test_a_process_that_was_down_goes_on_bringing_it_back() -> None:
    """Meanwhile the lease had ended."""
    yard = used(battery("a"))
    yard.runs_to(after(40))
    yard.sleeps_to(after(60))
    soc = yard.soc("a")
    assert soc == pytest.approx(47 + 4 * 10.75 / 60, abs=0.01)

    yard.starts()
    yard.runs_to(after(150))

    assert yard.soc("a") == pytest.approx(50, abs=0.1)


def test_the_journal_has_a_line_when_it_begins_and_when_it_ends() -> None:
    yard = used(battery("a"))

    yard.runs_to(after(150))

    assert yard.journal("a") == [("recovery begins", "from 47 % to 50 %"), ("recovery ended", "back at 50 %")]


def test_what_is_back_already_needs_no_recovery() -> None:
    """A discharge and as much of a charge."""
    yard = Yard(battery("a"))
    yard.instructs(schedule(-6, 6))

    yard.runs_to(after(90))

    assert yard.setpoints("a") == [(0, -6), (30, 6), (60, None)]
    assert yard.journal("a") == []
    assert yard.fleet.stores == {}


# --- what it may draw -------------------------------------------------------------------------------------------------


def load(name: str, kw: float) -> Descriptor:
    """Draws that much, whatever is asked of it."""
    return Descriptor(id=ResourceId(name), kind="consumer", min_kw=kw, max_kw=kw, plan=constant(kw))


@pytest.mark.parametrize(("limit_kw", "charged_kw"), [(5.0, 2.0), (6.9, 3.9), (7.1, 4.0), (None, 4.0)])
def test_the_site_draws_no_more_than_it_may(limit_kw: float | None, charged_kw: float) -> None:
    """3 kW go to a load; recovery by itself may have 4 kW."""
    yard = used(battery("a"), load("pump", 3), terms=replace(TERMS, import_max_kw=limit_kw))

    yard.runs_to(after(35))

    assert yard.kw("a") == pytest.approx(charged_kw)


@pytest.mark.parametrize(("limit_kw", "fed_kw"), [(2.0, 2.0), (5.0, 4.0), (None, 4.0)])
def test_the_site_feeds_in_no_more_than_it_may(limit_kw: float | None, fed_kw: float) -> None:
    yard = used(battery("a"), kw=6, terms=replace(TERMS, export_max_kw=limit_kw))

    yard.runs_to(after(35))

    assert yard.kw("a") == pytest.approx(-fed_kw)


def test_with_a_site_limit_alone_recovery_may_have_what_it_leaves() -> None:
    yard = used(battery("a"), load("pump", 3), terms=FleetTerms(recover=True, import_max_kw=11))

    yard.runs_to(after(31))

    assert yard.kw("a") == pytest.approx(8)


def test_where_no_limit_is_known_recovery_makes_no_new_peak() -> None:
    """A charge would be one; a discharge that the site's own load takes is none."""
    charging = used(battery("a"), load("pump", 3), terms=FleetTerms(recover=True))
    discharging = used(battery("a"), load("pump", 3), kw=6, terms=FleetTerms(recover=True))

    charging.runs_to(after(35))
    discharging.runs_to(after(35))

    assert charging.kw("a") == 0
    assert discharging.kw("a") == pytest.approx(-3)


def test_a_plan_that_is_about_to_draw_more_counts_already() -> None:
    """As long before as a lease may run."""
    pump = replace(load("pump", 0), max_kw=9, plan=(Slot(start=after(40), kw=9.0),))
    yard = used(battery("a"), pump, terms=replace(TERMS, import_max_kw=10))

    yard.runs_to(after(38.9))
    assert yard.kw("a") == pytest.approx(4)
    yard.runs_to(after(39.2))

    assert yard.kw("a") == pytest.approx(1)


def test_several_batteries_share_what_may_be_drawn() -> None:
    yard = used(battery("a", 10), battery("b", 5), battery("full", 0))

    yard.runs_to(after(35))

    assert yard.kw("a") + yard.kw("b") == pytest.approx(4)
    assert yard.kw("a") == pytest.approx(2 * yard.kw("b"))
    yard.runs_to(after(200))
    assert [yard.soc(name) for name in "ab"] == pytest.approx([50, 50], abs=0.1)


# --- what goes before it ----------------------------------------------------------------------------------------------


def test_recovery_waits_while_anything_is_asked_of_the_fleet_whoever_gives_it() -> None:
    """Its rebound would be part of the other's slot."""
    yard = Yard(battery("a"), battery("b"))
    yard.instructs(schedule(-6, to=("a",)))
    yard.instructs(schedule(-3, start=after(15), to=("b",), event="E2"))

    yard.runs_to(after(45))
    assert yard.setpoints("a") == [(0, -6), (30, None)]

    yard.runs_to(after(46))
    assert yard.recovering() == {"a", "b"}


def test_a_pause_between_two_slots_of_an_event_belongs_to_the_event() -> None:
    yard = Yard(battery("a"))
    asked = schedule(-6, 0, -6)
    yard.instructs(replace(asked, slots=(asked.slots[0], asked.slots[2])))

    yard.runs_to(after(91))

    assert [(at, kw) for at, kw in yard.setpoints("a")][:4] == [(0, -6), (30, None), (60, -6), (90, None)]
    assert yard.recovering() == {"a"}


def test_a_slot_that_holds_the_baseline_holds_it() -> None:
    """Delta 0 is no release, and no time for a recharge."""
    yard = Yard(battery("a"))
    yard.instructs(schedule(-6))
    yard.instructs(schedule(0, start=after(30), event="E2"))

    yard.runs_to(after(60))

    assert [kw for _, kw in yard.setpoints("a")] == [-6, 0, None]


@pytest.mark.parametrize(
    ("ramp_kw_per_s", "latency_s", "early_s"), [(None, 0.0, 0.0), (0.25, 0.0, 40.0), (0.25, 20.0, 60.0)]
)
def test_recovery_has_ended_before_the_next_slot_begins(
    ramp_kw_per_s: float | None, latency_s: float, early_s: float
) -> None:
    """With the time that the device takes to be back at its baseline, and one renewal at most before that."""
    yard = used(replace(battery("a"), ramp_kw_per_s=ramp_kw_per_s, latency_s=latency_s))
    yard.instructs(schedule(-6, start=after(60), event="E2"))

    yard.runs_to(after(62))

    stop = after(60) - timedelta(seconds=early_s)
    given = [(at, one) for at, one in yard.applied if one.event_id == RECOVERY]
    assert max(one.lease_until for _, one in given) <= stop
    assert given[-1][0] >= stop - 2 * timedelta(seconds=TERMS.track_every_s)
    assert (given[-1][1].kw is None) == (early_s > 0)
    assert yard.setpoints("a")[-1] == (60, -6)


def test_an_event_that_begins_at_once_interrupts_recovery_and_afterwards_it_goes_on_to_where_it_was_going() -> None:
    yard = used(battery("a"))
    yard.runs_to(after(40))
    yard.instructs(schedule(-6, start=after(40), event="E2"))
    assert yard.kw("a") == -6

    yard.runs_to(after(300))

    assert yard.soc("a") == pytest.approx(50, abs=0.1)
    assert [what for what, _ in yard.journal("a")] == ["recovery begins", "recovery ended"]


def test_an_event_that_puts_in_more_than_was_missing_turns_recovery_round() -> None:
    yard = used(battery("a"))
    yard.runs_to(after(40))
    yard.instructs(schedule(8, 8, start=after(60), event="E2"))
    yard.runs_to(after(120))
    assert yard.soc("a") > 55

    yard.runs_to(after(300))

    assert yard.soc("a") == pytest.approx(50, abs=0.1)


def test_the_next_event_finds_the_room_that_it_was_promised() -> None:
    """Of 10 kWh 8 are free at the end of the first event, and 6 are promised: 2 of the 3 may come back."""
    yard = Yard(battery("a", kwh=10))
    yard.instructs(schedule(-6))
    yard.runs_to(after(30))
    assert yard.soc("a") == pytest.approx(20)

    verdict = yard.instructs(schedule(6, 6, start=after(240), event="E2"))
    yard.runs_to(after(239))

    assert verdict.opt == "optIn"
    assert yard.soc("a") == pytest.approx(40, abs=1)
    assert yard.soc("a") <= 40
    yard.runs_to(after(299))
    assert yard.kw("a") == 6


def test_the_next_event_finds_the_energy_that_it_was_promised() -> None:
    """A store that is to be emptied keeps it."""
    yard = Yard(battery("a", kwh=10))
    yard.instructs(schedule(6))
    yard.runs_to(after(30))
    yard.instructs(schedule(-7, -7, start=after(240), event="E2"))

    yard.runs_to(after(239))

    assert yard.soc("a") == pytest.approx(70, abs=1)
    assert yard.soc("a") >= 70


def test_an_event_that_wants_energy_is_no_reason_not_to_charge() -> None:
    yard = used(battery("a", kwh=10))
    yard.instructs(schedule(-2, start=after(240), event="E2"))

    yard.runs_to(after(200))

    assert yard.soc("a") == pytest.approx(50, abs=0.5)
