"""What a fleet says yes to, and to what it does not."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.fleet.fleet import FleetTerms
from openadr_ra.protocol.model import OPT_IN, OPT_OUT, ResourceId
from openadr_ra.protocol.schedule import Schedule, Slot
from openadr_ra.protocol.step import Instruct, Offer, Verdict
from openadr_ra.protocol.times import FOREVER
from tests.fleet.world import (
    E1,
    HALF_HOUR,
    HOUR,
    MINUTE,
    NOON,
    OTHER,
    UPSTREAM,
    Plant,
    after,
    battery,
    constant,
    genset,
    line,
    schedule,
)


def test_what_the_devices_can_report_is_offered_at_each_start() -> None:
    plant = Plant(battery("bat", plan_kw=1), line("press", 150))
    (offer,) = plant.letters(Offer)
    assert isinstance(offer, Offer)

    assert [point.rid for point in offer.usage] == ["bat.kw", "bat.kwh", "press.kw", "press.kwh"]
    assert [point.rid for point in offer.status] == ["bat", "press"]
    assert [point.rid for point in offer.response] == [
        *(f"bat.{what}" for what in ("asked", "kw", "baseline", "delta", "coverage", "soc", "frozen")),
        *(f"press.{what}" for what in ("asked", "kw", "baseline", "delta", "coverage", "frozen")),
        *(
            f"*.{what}"
            for what in ("asked", "kw", "baseline", "delta", "coverage", "soc", "frozen", "revision", "final")
        ),
    ]

    plant.starts()
    assert plant.letters(Offer) == [offer, offer]


def test_an_instruction_that_is_covered_is_promised_at_once() -> None:
    plant = Plant(battery("a"), battery("b"))

    assert plant.instructs(schedule(-15, 5)) == Verdict(event_id=E1, modification=0, opt=OPT_IN)
    assert [(entry.subject, entry.what, entry.by) for entry in plant.entries] == [("event/E1", "promised", "fleet")]


@pytest.mark.parametrize(
    ("kw", "opt", "short"), [(-20, OPT_IN, 0), (-22.2222, OPT_IN, 2.2222), (-22.23, OPT_OUT, 2.23)]
)
def test_a_shortfall_is_taken_up_to_the_tenth_that_the_terms_allow(kw: float, opt: str, short: float) -> None:
    """Covered >= min_cover of each slot is an optIn that states its shortfall; below it is an optOut with the reason."""
    plant = Plant(battery("a"), battery("b"))

    verdict = plant.instructs(schedule(-5, kw))

    assert verdict.opt == opt
    assert verdict.short_kw == pytest.approx(short)
    assert (verdict.reason == "") == (opt == OPT_IN)


def test_the_refusal_says_what_is_missing_where() -> None:
    plant = Plant(battery("a"))

    verdict = plant.instructs(schedule(-5, -20))

    assert verdict.reason == ("10 kW of 20 kW from 2026-11-21T12:30:00Z on cannot be covered; at least 90% must be")
    plant.runs_to(after(61))
    assert plant.applied == []
    assert plant.delivered() == []


@pytest.mark.parametrize(("kw", "opt"), [(-5.0, OPT_IN), (-10, OPT_IN), (5, OPT_IN), (10, OPT_IN), (11.2, OPT_OUT)])
def test_loads_can_be_raised_as_well_as_reduced(kw: float, opt: str) -> None:
    assert Plant(battery("a")).instructs(schedule(kw)).opt == opt


def test_a_battery_is_promised_for_no_more_than_its_energy_lasts() -> None:
    """10 kW from 6 kWh: half an hour of it can be had, an hour cannot."""
    assert Plant(battery("a", 10, kwh=6)).instructs(schedule(-10)).opt == OPT_IN
    assert Plant(battery("a", 10, kwh=6)).instructs(schedule(-10, -10)).opt == OPT_OUT


def test_energy_goes_where_it_is_asked() -> None:
    """6 kWh carry 10 kW for half an hour, then 2 kW; that the second slot is small is known in the first."""
    assert Plant(battery("a", 10, kwh=6)).instructs(schedule(-10, -2)).opt == OPT_IN
    assert Plant(battery("a", 10, kwh=6)).instructs(schedule(-2, -10)).opt == OPT_IN


def test_an_open_ended_instruction_is_planned_for_an_hour() -> None:
    asked = Schedule(id=E1, slots=(Slot(start=NOON, end=FOREVER, kw=-10),))

    assert Plant(battery("a", 10, kwh=10)).instructs(asked).opt == OPT_IN
    assert Plant(battery("a", 10, kwh=8)).instructs(asked).opt == OPT_OUT


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (schedule(-1, to=("nobody",)), "none of the resources is here: nobody"),
        (Schedule(id=E1), "the schedule has no interval"),
        (schedule(-1, start=NOON - HOUR), "the schedule was over at 2026-11-21T11:30:00Z"),
    ],
)
def test_what_makes_no_sense_here_is_refused_in_words(asked: Schedule, reason: str) -> None:
    verdict = Plant(battery("a")).instructs(asked)

    assert (verdict.opt, verdict.reason) == (OPT_OUT, reason)


def test_a_fleet_without_members_promises_nothing() -> None:
    assert Plant().instructs(schedule(0)).reason == "the fleet has no member"


def test_only_the_resources_that_were_named_are_counted() -> None:
    """Resources of other VENs in the same target are not ours to answer for (rule 22)."""
    plant = Plant(battery("a"), battery("b"))

    assert plant.instructs(schedule(-10, to=("a", "elsewhere"))).opt == OPT_IN
    assert plant.instructs(schedule(-12, to=("a", "elsewhere"), event="E2")).opt == OPT_OUT


@pytest.mark.parametrize("what", ["offline", "override", "lies", "unmeasured"])
def test_a_member_that_cannot_be_had_is_not_counted(what: str) -> None:
    plant = Plant(battery("a"), battery("b"))
    plant.devices[ResourceId("b")].online = what != "offline"
    plant.devices[ResourceId("b")].override = what == "override"
    plant.devices[ResourceId("b")].lies = what == "lies"
    if what == "unmeasured":
        plant.devices[ResourceId("c")] = plant.devices.pop(ResourceId("b"))
    plant.measures()

    assert plant.instructs(schedule(-10)).opt == OPT_IN
    assert plant.instructs(schedule(-12, event="E2"), reply_to=OTHER).opt == OPT_OUT


def test_mail_that_comes_twice_gets_the_same_answer_and_changes_nothing() -> None:
    plant = Plant(battery("a"))
    for asked, event in ((schedule(-9), "E1"), (schedule(-20, event="E2"), "E2")):
        given = Instruct(schedule=asked, modification=3, reply_to=UPSTREAM)
        first = plant.gives(given)
        for again in (given, replace(given, modification=2, schedule=schedule(1, event=event))):
            outcome = plant.gives(again)

            assert outcome.mail == first.mail
            assert outcome.state == first.state
            assert outcome.effects == ()


def test_a_refused_instruction_stays_refused_when_a_device_comes_back() -> None:
    """Until its next modification: an answer once given is the answer."""
    plant = Plant(battery("a"), battery("b"))
    plant.devices[ResourceId("b")].online = False
    plant.measures()
    assert plant.instructs(schedule(-20)).opt == OPT_OUT

    plant.devices[ResourceId("b")].online = True
    plant.measures()

    assert plant.instructs(schedule(-20)).opt == OPT_OUT
    assert plant.instructs(schedule(-20), modification=1).opt == OPT_IN


def test_a_kilowatt_promised_to_one_is_not_offered_to_another() -> None:
    plant = Plant(battery("a"))
    plant.instructs(schedule(-6, -6))

    assert plant.instructs(schedule(-6, event="E2"), reply_to=OTHER).opt == OPT_OUT
    assert plant.instructs(schedule(-4, event="E3"), reply_to=OTHER).opt == OPT_IN
    assert plant.instructs(schedule(-10, start=after(60), event="E4"), reply_to=OTHER).opt == OPT_IN
    # and what E1 takes away can be given the other way on top
    assert plant.instructs(schedule(20, start=after(30), event="E5"), reply_to=OTHER).opt == OPT_OUT
    assert plant.instructs(schedule(16, start=after(30), event="E6"), reply_to=OTHER).opt == OPT_IN


def test_energy_promised_to_one_is_not_offered_to_another() -> None:
    plant = Plant(battery("a", 10, kwh=6))
    plant.instructs(schedule(-10))

    assert plant.instructs(schedule(-3, start=after(60), event="E2")).opt == OPT_OUT
    assert plant.instructs(schedule(-2, start=after(60), event="E3")).opt == OPT_IN


def test_a_line_that_is_promised_is_not_offered_twice() -> None:
    plant = Plant(line("press", 150))
    plant.instructs(schedule(-150))

    assert plant.instructs(schedule(-150, event="E2")).opt == OPT_OUT
    assert plant.instructs(schedule(-150, start=after(30), event="E3")).opt == OPT_IN


def test_two_upstreams_may_call_their_events_the_same() -> None:
    plant = Plant(battery("a"))
    plant.instructs(schedule(-6))

    assert plant.instructs(schedule(-6), reply_to=OTHER).opt == OPT_OUT
    assert plant.instructs(schedule(-6), reply_to=UPSTREAM).opt == OPT_IN


def test_an_absolute_power_counts_all_that_the_members_do_together() -> None:
    """The plan is 4 kW; to -14 kW there are 18 to go of 24, to -20 all of them, and no further."""
    plant = Plant(battery("a", plan_kw=4), battery("b"))

    assert plant.instructs(schedule(-14, mode="setpoint")).opt == OPT_IN
    assert plant.instructs(schedule(-20, mode="setpoint", event="E2")).opt == OPT_OUT
    plant.releases()
    assert plant.instructs(schedule(-20, mode="setpoint", event="E3")).short_kw == pytest.approx(0)
    plant.releases("E3")
    assert plant.instructs(schedule(-23, mode="setpoint", event="E4")).opt == OPT_OUT


def test_a_level_is_refused_only_where_nothing_can_be_reduced() -> None:
    assert Plant(line("press", 150)).instructs(schedule(1, mode="level")).opt == OPT_IN
    assert Plant(genset("g", 100, 300)).instructs(schedule(3, mode="level")).opt == OPT_IN
    idle = replace(line("press", 150), plan=constant(0))
    assert Plant(idle).instructs(schedule(1, mode="level")).opt == OPT_OUT
    assert Plant(idle).instructs(schedule(0, mode="level")).opt == OPT_IN


def test_the_terms_decide_how_much_must_be_covered() -> None:
    asked = schedule(-20)

    assert Plant(battery("a"), terms=FleetTerms(min_cover=0.5)).instructs(asked).opt == OPT_IN
    assert Plant(battery("a"), terms=FleetTerms(min_cover=0.51)).instructs(asked).opt == OPT_OUT


def test_a_change_that_is_refused_ends_what_was_promised() -> None:
    plant = Plant(battery("a"))
    plant.instructs(schedule(-6, -6))
    plant.runs_to(after(10))

    verdict = plant.instructs(schedule(-6, -30), modification=1)

    assert verdict.opt == OPT_OUT
    assert verdict.reason.endswith("; what was promised to modification 0 ends now")
    assert plant.setpoints("a") == [(0, -6), (10, None)]
    plant.runs_to(after(61))
    assert plant.delivered() == [(0, 10, 0)]
    assert plant.value("delta") == pytest.approx(-6)


def test_an_event_that_was_let_go_can_be_asked_anew_in_the_same_version() -> None:
    """An operator who withdraws and comes back; a VTN that forgets an event and sends it again."""
    plant = Plant(battery("a"))
    plant.instructs(schedule(-6, -6))
    plant.runs_to(after(10))
    plant.releases()
    plant.runs_to(after(20))

    assert plant.instructs(schedule(-6, -6)).opt == OPT_IN
    assert plant.setpoints("a") == [(0, -6), (10, None), (20, -6)]


def test_promises_are_forgotten_once_nothing_can_be_corrected_any_more() -> None:
    plant = Plant(battery("a"))
    plant.instructs(schedule(-6))
    plant.instructs(schedule(-60, event="E2"))
    plant.runs_to(NOON + HALF_HOUR + plant.terms.correct - MINUTE)
    assert [promise.event_id for promise in plant.fleet.promises] == ["E1", "E2"]

    plant.runs_to(NOON + HALF_HOUR + plant.terms.correct)

    assert list(plant.fleet.promises) == []
    assert plant.due is None


def test_a_line_that_another_event_moves_within_the_slot_is_not_counted() -> None:
    """Its room is not the same throughout; in steps there is no telling what it could do."""
    plant = Plant(line("press", 150), battery("a"))
    plant.instructs(schedule(-150, every=HALF_HOUR / 2, to=("press",), event="E2"), reply_to=OTHER)

    assert plant.instructs(schedule(150)).opt == OPT_OUT
    assert plant.instructs(schedule(-10, event="E3")).opt == OPT_IN


def test_a_device_that_moves_in_steps_or_not_by_little_has_a_share_that_it_can_give() -> None:
    """One moves by whole kW, the other by 3 kW at least; the battery takes what is left."""
    stepped = replace(battery("stepped"), step_kw=1.0)
    coarse = replace(battery("coarse"), deadband_kw=3.0)
    plant = Plant(stepped, coarse, battery("rest"))

    plant.instructs(schedule(-7))
    plant.runs_to(after(1))

    given = {name: plant.kw(name) for name in ("stepped", "coarse", "rest")}
    assert given["stepped"] == round(given["stepped"])
    assert given["coarse"] == 0 or given["coarse"] <= -3
    assert sum(given.values()) == pytest.approx(-7)
