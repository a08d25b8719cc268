"""Rule 18 in a fleet: where events overlap and there is not enough for all, the one with precedence gets what it asks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from openadr_ra.fleet.fleet import Fleet
from openadr_ra.protocol.model import OPT_IN, OPT_OUT, EventId, ResourceId
from openadr_ra.protocol.schedule import Schedule
from openadr_ra.protocol.step import Away, Instruct, Key, Release, Verdict
from tests.fleet.world import MINUTE, OTHER, UPSTREAM, Plant, after, battery, genset, line, schedule

A, B = ResourceId("a"), ResourceId("b")


def asks(
    plant: Plant, asked: Schedule, priority: int = 0, *, reply_to: Key = UPSTREAM, away: tuple[Away, ...] = ()
) -> Verdict:
    """What the fleet says to an event of that priority."""
    given = Instruct(schedule=asked, modification=0, reply_to=reply_to, priority=priority, away=away)
    outcome = plant.gives(given)
    (answer,) = [mail.body for mail in outcome.mail if isinstance(mail.body, Verdict) and mail.to == reply_to][:1]
    return answer


def verdicts(plant: Plant) -> dict[str, str]:
    return {promise.event_id: promise.verdict.opt for promise in plant.fleet.promises}


def shares(fleet: Fleet, event: str) -> dict[str, tuple[tuple[float, float], ...]]:
    """Of each member: from when, in minutes after noon, it gives how much."""
    (promise,) = [one for one in fleet.promises if one.event_id == event]
    return {
        id: tuple(((share.start - after(0)) / MINUTE, share.delta_kw) for share in all)
        for id, all in promise.shares.items()
    }


@pytest.mark.parametrize("first", ["low", "high"])
def test_rule_18_at_the_ven_the_higher_priority_wins_whichever_came_first(first: str) -> None:
    """In the overlap alone: before and after it the other is followed in full."""
    plant = Plant(battery("a"))
    low, high = schedule(-6, -6), replace(schedule(-8, start=after(20), every=20 * MINUTE), id=EventId("E2"))
    if first == "low":
        said = [asks(plant, low, 2), asks(plant, high, 1, reply_to=OTHER)]
    else:
        said = [asks(plant, high, 1, reply_to=OTHER), asks(plant, low, 2)]

    plant.runs_to(after(65))

    assert {one.opt for one in said} == {OPT_IN}
    assert plant.setpoints("a") == [(0, -6), (20, -10), (40, -6), (60, None)]
    assert plant.value("asked", after(20), event="E2") == pytest.approx(-8)


def test_rule_18_at_the_ven_one_is_the_highest_priority_and_none_the_lowest() -> None:
    for strong, weak in ((1, 2), (2, 9), (9, 0), (1, 0)):
        plant = Plant(battery("a"))
        asks(plant, schedule(-10), weak)
        asks(plant, schedule(-10, start=after(15), event="E2"), strong, reply_to=OTHER)

        plant.runs_to(after(20))

        assert shares(plant.fleet, "E2")["a"] == ((15, -10),)
        assert shares(plant.fleet, "E1")["a"][-1][1] == pytest.approx(0)


@pytest.mark.parametrize("priority", [0, 3])
def test_rule_18_at_the_ven_of_equal_priorities_the_first_to_become_active_wins(priority: int) -> None:
    """Not the first to be published."""
    plant = Plant(battery("a"))
    asks(plant, schedule(-10, start=after(15), event="late"), priority)
    asks(plant, schedule(-10, event="early"), priority, reply_to=OTHER)

    assert shares(plant.fleet, "early")["a"] == ((0, -10),)
    plant.runs_to(after(50))
    assert plant.setpoints("a") == [(0, -10), (45, None)]
    assert plant.value("asked", after(0), event="early") == pytest.approx(-10)
    assert plant.value("asked", after(15), resource="a", event="late") == pytest.approx(-5)


def test_rule_18_at_the_ven_an_event_that_has_begun_is_not_overtaken_by_its_own_change() -> None:
    plant = Plant(battery("a"))
    asks(plant, schedule(-10, -10), 0)
    plant.runs_to(after(10))
    asks(plant, schedule(-10, -10, start=after(11), event="E2"), 0)
    plant.instructs(schedule(-9, -9, start=after(12), event="E1"), modification=1)

    assert shares(plant.fleet, "E1")["a"][-1] == (42, -9)
    assert shares(plant.fleet, "E2")["a"][-1] != (41, -10)


def test_what_another_vtn_was_promised_is_not_promised_again_for_as_important_an_event() -> None:
    plant = Plant(battery("a"))
    asks(plant, schedule(-10), 3)

    assert asks(plant, schedule(-10, start=after(15), event="E2"), 3, reply_to=OTHER).opt == OPT_OUT
    assert asks(plant, schedule(-10, start=after(15), event="E3"), 4, reply_to=OTHER).opt == OPT_IN


def test_rule_18_at_the_ven_an_event_that_gave_way_goes_on_at_once_when_the_other_is_cancelled() -> None:
    plant = Plant(battery("a"))
    asks(plant, schedule(-6, -6), 2)
    asks(plant, schedule(-10, start=after(10), every=40 * MINUTE, event="E2"), 1, reply_to=OTHER)
    plant.runs_to(after(20))

    plant.gives(Release(event_id=EventId("E2"), modification=0, at=plant.now, reply_to=OTHER))
    plant.runs_to(after(65))

    assert plant.setpoints("a") == [(0, -6), (10, -10), (20, -6), (60, None)]
    assert verdicts(plant)["E1"] == OPT_IN


def test_an_event_of_which_nothing_is_left_is_opted_out_and_says_to_whom_it_lost() -> None:
    """A VTN that can ask somebody else has to know."""
    plant = Plant(battery("a"))
    asks(plant, schedule(-6), 2)
    plant.mail.clear()

    asks(plant, schedule(-10, event="E2"), 1, reply_to=OTHER)

    told = [mail.body for mail in plant.mail if mail.to == UPSTREAM and isinstance(mail.body, Verdict)]
    assert [(one.event_id, one.opt, one.reason) for one in told] == [
        ("E1", OPT_OUT, "nothing is left of it beside E2 (rule 18)")
    ]
    assert asks(plant, schedule(-6, event="E3"), 3).reason.endswith(
        "; gives way to E2 from 2026-11-21T12:00:00Z to 2026-11-21T12:30:00Z (rule 18)"
    )


def test_what_the_fleet_could_not_do_anyway_is_no_question_of_precedence() -> None:
    plant = Plant(battery("a"))
    asks(plant, schedule(-2), 1, reply_to=OTHER)

    refused = asks(plant, schedule(-30, -2, event="E2"), 2)

    assert (refused.opt, "rule 18" in refused.reason) == (OPT_OUT, False)


def test_events_for_which_there_is_room_both_run() -> None:
    """Changes of power add up; the other member is used where the first is taken."""
    plant = Plant(battery("a"), battery("b"))
    asks(plant, schedule(-12), 2)
    asks(plant, schedule(-8, event="E2"), 1, reply_to=OTHER)
    plant.runs_to(after(5))

    assert plant.kw("a") + plant.kw("b") == pytest.approx(-20)
    assert set(verdicts(plant).values()) == {OPT_IN}


def test_rule_18_at_the_ven_a_set_point_is_held_against_whatever_comes_after_it() -> None:
    """A change on top of it would be none of the two."""
    plant = Plant(battery("a", plan_kw=4))
    asks(plant, schedule(-1, -1), 2)
    asks(plant, schedule(2, start=after(10), every=10 * MINUTE, mode="setpoint", event="E2"), 1, reply_to=OTHER)

    plant.runs_to(after(65))

    assert plant.setpoints("a") == [(0, 3), (10, 2), (20, 3), (60, None)]
    assert plant.value("kw", after(10), event="E2") == pytest.approx(2)


def test_rule_18_at_the_ven_a_set_point_gives_way_to_a_change_that_goes_first() -> None:
    plant = Plant(battery("a", plan_kw=4))
    asks(plant, schedule(1, 1, mode="setpoint"), 2)
    asks(plant, schedule(-1, start=after(10), every=10 * MINUTE, event="E2"), 1, reply_to=OTHER)

    plant.runs_to(after(65))

    assert plant.setpoints("a") == [(0, 1), (10, 3), (20, 1), (60, None)]


def test_a_member_that_fails_is_replaced_first_for_the_event_with_precedence() -> None:
    plant = Plant(battery("a"), battery("b"))
    asks(plant, schedule(-6, -6, to=("b",)), 2)
    asks(plant, schedule(-8, event="E2", to=("a", "b")), 1, reply_to=OTHER)
    assert shares(plant.fleet, "E1")["b"] == ((0, -6), (30, -6))
    plant.devices[A].online = False

    plant.runs_to(after(35))

    assert plant.setpoints("b") == [(0, -10), (30, -6)]
    assert shares(plant.fleet, "E2")["b"][-1][1] == pytest.approx(-8)
    assert shares(plant.fleet, "E1")["b"][-2][1] == pytest.approx(-2)


def test_a_line_is_given_to_the_event_with_precedence_as_a_whole() -> None:
    plant = Plant(line("press", 150))
    asks(plant, schedule(-150, -150), 2)
    asks(plant, schedule(-150, start=after(20), event="E2"), 1, reply_to=OTHER)

    plant.runs_to(after(65))

    assert plant.setpoints("press") == [(0, 0), (60, None)]
    assert plant.value("asked", after(20), resource="press", event="E2") == pytest.approx(-150)
    assert plant.value("asked", after(0), resource="press", event="E1") == pytest.approx(-100)


def test_a_resource_that_is_away_has_no_share_in_that_time() -> None:
    """Others take it over, and give it back."""
    plant = Plant(battery("a"), battery("b"))
    gone = Away(resource=B, start=after(10), end=after(20))

    assert asks(plant, schedule(-8), away=(gone,)).opt == OPT_IN
    plant.runs_to(after(35))

    assert plant.setpoints("b") == [(0, -4), (10, None), (20, -4), (30, None)]
    assert plant.setpoints("a") == [(0, -4), (10, -8), (20, -4), (30, None)]


def test_an_absence_that_is_declared_later_is_heeded_in_the_same_version() -> None:
    """And told twice it changes nothing."""
    plant = Plant(battery("a"), battery("b"))
    gone = Away(resource=B, start=after(0), end=after(20))
    asks(plant, schedule(-8))
    plant.runs_to(after(5))

    assert asks(plant, schedule(-8), away=(gone,)).opt == OPT_IN
    held = plant.fleet
    assert asks(plant, schedule(-8), away=(gone,)).opt == OPT_IN
    assert plant.fleet.promises == held.promises
    plant.runs_to(after(10))

    assert plant.kw("a") == pytest.approx(-8)
    assert plant.kw("b") == 0
    assert asks(plant, schedule(-15), away=(gone,)).opt == OPT_IN, "the version is the same, and so is its answer"


def test_nobody_stands_in_who_is_away() -> None:
    plant = Plant(battery("a"), battery("b"))
    gone = Away(resource=B, start=after(0), end=after(30))
    asks(plant, schedule(-8), away=(gone,))
    plant.devices[A].online = False

    plant.runs_to(after(10))

    assert plant.kw("b") == 0


def test_nobody_who_could_follow_is_a_469_and_too_little_is_none() -> None:
    plant = Plant(battery("a"))
    assert asks(plant, schedule(-30)).code == "200"
    plant.devices[A].online = False
    plant.measures()

    assert asks(plant, schedule(-3, event="E2")).code == "469"
    assert asks(plant, schedule(-3, to=("elsewhere",), event="E3")).code == "469"
    assert asks(Plant(), schedule(-3)).code == "469"


events = st.tuples(
    st.integers(0, 3),
    st.integers(0, 50),
    st.lists(st.integers(-20, 20), min_size=1, max_size=2),
    st.sampled_from(["delta", "delta", "setpoint"]),
)


def members() -> Plant:
    return Plant(battery("a", 10), battery("b", 8, plan_kw=2), line("press", 15), genset("gen", 5, 12))


@settings(max_examples=60)
@given(events, st.lists(events, max_size=3))
def test_rule_18_at_the_ven_those_behind_an_event_change_nothing_for_it(
    strongest: tuple[int, int, list[int], str], others: list[tuple[int, int, list[int], str]]
) -> None:
    """Whatever came first, the event with precedence over all is promised what it would be alone."""
    _, start, kw, mode = strongest
    first = schedule(*kw, start=after(start), every=15 * MINUTE, mode=mode, event="first")  # type: ignore[arg-type] # drawn from its values
    alone, crowded = members(), members()
    expected = asks(alone, first, 1)
    for number, (priority, begin, values, kind) in enumerate(others):
        other = schedule(*values, start=after(begin), every=15 * MINUTE, mode=kind, event=f"E{number}")  # type: ignore[arg-type] # drawn from its values
        asks(crowded, other, priority + 2, reply_to=OTHER)

    assert asks(crowded, first, 1).opt == expected.opt
    assert shares(crowded.fleet, "first") == shares(alone.fleet, "first")


@settings(max_examples=60)
@given(st.lists(events, min_size=2, max_size=4))
def test_rule_18_at_the_ven_what_is_promised_together_can_be_held_together(
    found: list[tuple[int, int, list[int], str]],
) -> None:
    """At no time do the shares of all events ask more of a member than it can do."""
    plant = members()
    for number, (priority, start, kw, mode) in enumerate(found):
        asked = schedule(*kw, start=after(start), every=15 * MINUTE, mode=mode, event=f"E{number}")  # type: ignore[arg-type] # drawn from its values
        asks(plant, asked, priority, reply_to=Key(f"node/{number}"))

    edges = sorted({share.start for one in plant.fleet.promises for each in one.shares.values() for share in each})
    for when in edges:
        for id, member in plant.fleet.members.items():
            running = [
                share
                for one in plant.fleet.promises
                for share in one.shares.get(id, ())
                if share.start <= when < share.end
            ]
            if running:
                kw_now = running[0].base_kw + sum(share.delta_kw for share in running)
                assert member.descriptor.min_kw - 1e-6 <= kw_now <= member.descriptor.max_kw + 1e-6
