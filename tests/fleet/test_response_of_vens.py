"""The response of a fleet of VENs: the sum of theirs, when all are in or the grace is over, and corrected after them."""

from __future__ import annotations

import pytest

from openadr_ra.fleet.fleet import FleetTerms
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.parts import GOOD, UNCERTAIN
from tests.fleet.aggregator import Aggregator, Ven
from tests.fleet.world import MINUTE, OTHER, Plant, after, battery, schedule

GRACE_S = 300.0


def two() -> Aggregator:
    return Aggregator(Ven("v1"), Ven("v2"), terms=FleetTerms(grace_s=GRACE_S, patience_s=3600))


def test_an_interval_is_said_as_soon_as_all_are_in() -> None:
    ra = two()
    ra.instructs(schedule(-12))
    ra.runs_to(after(30.5))
    ra.answers("v1")
    assert ra.delivered() == []

    ra.answers("v2")
    ra.runs_to(after(30.6))

    assert ra.delivered() == [(0, 30, 0)]
    assert (ra.value("delta"), ra.value("asked"), ra.value("final")) == (-12, -12, 1)
    response = ra.response("kw")
    assert response is not None
    assert response.quality == GOOD


def test_the_sum_is_exactly_that_of_what_the_members_said() -> None:
    ra = two()
    ra.instructs(schedule(-12))
    ra.runs_to(after(30.5))
    ra.answers("v1", kw=-5.123456)
    ra.answers("v2", kw=-6.7654321)
    ra.runs_to(after(31))

    assert ra.value("delta") == -5.123456 - 6.7654321
    assert ra.value("delta", resource="v1") == -5.123456


def test_after_the_grace_it_is_said_without_those_that_are_not_in() -> None:
    """What v2 was metered at stands in for its word."""
    ra = two()
    ra.instructs(schedule(-12))
    ra.vens[ResourceId("v2")].factor = 0.5
    ra.runs_to(after(30.5))
    ra.answers("v1")
    ra.runs_to(after(30) + (GRACE_S - 1) * MINUTE / 60)
    assert ra.delivered() == []

    ra.runs_to(after(30) + (GRACE_S + 1) * MINUTE / 60)

    assert ra.delivered() == [(0, 30, 0)]
    assert ra.value("delta") == pytest.approx(-9, abs=0.3)
    assert ra.value("final") == 0
    response = ra.response("kw")
    assert response is not None
    assert response.quality == UNCERTAIN


def test_what_comes_after_that_is_a_correction() -> None:
    ra = two()
    ra.instructs(schedule(-12))
    ra.runs_to(after(36))
    ra.answers("v1")
    ra.answers("v2", kw=-4.0)

    ra.runs_to(after(37))

    assert ra.delivered()[-1] == (0, 30, 1)
    assert (ra.value("delta"), ra.value("final"), ra.value("revision")) == (-10, 1, 1)


def test_a_correction_of_a_ven_is_one_upward() -> None:
    ra = two()
    ra.instructs(schedule(-12))
    ra.runs_to(after(30.5))
    ra.answers("v1")
    ra.answers("v2")
    ra.runs_to(after(31))

    ra.answers("v2", kw=-7.0, revision=1)
    ra.runs_to(after(32))

    assert ra.delivered() == [(0, 30, 0), (0, 30, 1)]
    assert ra.value("delta") == -13


def test_the_same_word_once_more_changes_nothing() -> None:
    ra = two()
    ra.instructs(schedule(-12))
    ra.runs_to(after(30.5))
    for _ in range(2):
        ra.answers("v1")
        ra.answers("v2")
        ra.runs_to(ra.now + MINUTE)

    assert ra.delivered() == [(0, 30, 0)]


def test_of_a_ven_that_joined_in_the_middle_the_time_before_counts_as_it_was_metered() -> None:
    ra = two()
    ra.instructs(schedule(-4))
    ra.runs_to(after(10))
    ra.instructs(schedule(-16), modification=1)
    ra.runs_to(after(30.5))
    ra.answers("v1")
    ra.answers("v2")
    ra.runs_to(after(31))

    assert ra.asked("v1") == [(0, 10, -2), (10, 30, -8)]
    assert ra.value("delta") == pytest.approx((-4 * 10 - 16 * 20) / 30)
    assert ra.value("asked") == pytest.approx(ra.value("delta"))


def test_what_two_vtns_asked_of_one_battery_is_shared_between_their_responses() -> None:
    """The battery gives 8 kW of 10: each VTN hears of its part, and the parts are what was metered."""
    plant = Plant(battery("bat", 20.0))
    plant.instructs(schedule(-6))
    plant.instructs(schedule(-4, event="E2"), reply_to=OTHER)
    (device,) = plant.devices.values()
    device.noise_kw = 2.0
    plant.runs_to(after(31))

    one, other = plant.value("delta"), plant.value("delta", event="E2")
    assert one is not None
    assert other is not None
    assert one == pytest.approx(-6 + 2 * 0.6)
    assert one + other == pytest.approx(-8)


def test_a_gateway_that_is_lost_counts_no_longer_than_its_newest_reading() -> None:
    """v2 gives half of 12 kW, is heard of until 12:10, and then no more; its readings count for three minutes."""
    ra = two()
    ra.instructs(schedule(-12))
    ra.runs_to(after(10))
    ra.vens[ResourceId("v2")].silent = True
    ra.vens[ResourceId("v2")].can_kw = 0.0
    ra.vens[ResourceId("v1")].can_kw = 6.0
    ra.runs_to(after(30.5))
    ra.answers("v1")
    ra.runs_to(after(31))

    assert ra.value("delta", resource="v2") == pytest.approx(-6 * 13 / 30, abs=0.21)
    assert ra.value("coverage", resource="v2") == pytest.approx(100 * 13 / 30, abs=4)


def test_a_silent_ven_is_not_waited_for() -> None:
    ra = two()
    ra.instructs(schedule(-6))
    ra.runs_to(after(10))
    ra.vens[ResourceId("v2")].silent = True
    ra.runs_to(after(30.5))
    ra.answers("v1")
    ra.runs_to(after(30.6))

    assert ra.delivered() == [(0, 30, 0)]


def test_a_ven_that_has_not_reported_yet_has_no_part() -> None:
    ra = Aggregator(Ven("v1"), Ven("v2"))
    ra.vens[ResourceId("v3")] = Ven("v3")
    ra.enrols()

    ra.instructs(schedule(-12))

    assert ra.told() == {"v1": 1, "v2": 1, "v3": 0}
    assert "v3" not in ra.fleet.promises[0].baselines


def test_a_response_that_comes_while_the_interval_is_read_is_in_it() -> None:
    """v2 opted out at its end, so nobody waits for it."""
    ra = two()
    ra.instructs(schedule(-12))
    ra.runs_to(after(29))
    ra.opts("v2")
    ra.runs_to(after(30))
    ra.withheld = []
    ra.runs_to(after(30.3))
    ra.answers("v1")
    ra.vens[ResourceId("v2")].out = False
    ra.answers("v2", kw=-4.0)
    ra.fetches()
    ra.runs_to(after(31))

    assert ra.value("delta", resource="v2") == -4
