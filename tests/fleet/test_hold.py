"""The mean of a slot: what is required in its rest, and how far it may be corrected."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from openadr_ra.fleet.hold import Aim, HoldTerms, Pace, Reach, aim, band
from openadr_ra.fleet.metered import beginning, heard, hours
from openadr_ra.protocol.schedule import Slot
from tests.fleet.pace import (
    HALF_HOUR,
    MINUTE,
    NOON,
    PLENTY,
    TERMS,
    after,
    came,
    ends,
    running,
)


def test_a_ramp_in_the_slot_is_made_up_for_by_a_higher_level() -> None:
    """A linear ramp of 3 min from 0 costs 5 % of the mean (erab 6.2)."""
    found = aim(running(-1000, beginning(NOON)), PLENTY, HoldTerms(ramp_s=180), NOON)

    assert found.since == after(1.5)
    assert found.kw == pytest.approx(-1000 / 0.95)


@pytest.mark.parametrize(("at", "corrects"), [(28.4, True), (28.5, False), (29.9, False), (30, False)])
def test_in_the_last_minutes_nothing_is_corrected(at: float, corrects: bool) -> None:
    found = aim(running(1000, came((at, 950))), PLENTY, TERMS, after(at))

    assert (found.change_kw != 0) is corrects


@pytest.mark.parametrize(("at", "corrects"), [(25.9, True), (26, False)])
def test_an_order_that_would_come_too_late_is_not_given(at: float, corrects: bool) -> None:
    """Latency and ramp are longer than the quiet time."""
    terms = HoldTerms(quiet_s=60, latency_s=60, ramp_s=180)

    found = aim(running(1000, came((at, 950))), PLENTY, terms, after(at))

    assert (found.change_kw != 0) is corrects


def test_what_was_ordered_and_is_not_seen_yet_is_not_ordered_again() -> None:
    """260 kW on the way; half of them, on average, come within the minute that a new order takes."""
    terms = HoldTerms(latency_s=60)
    seen = running(1000, came((5, 1000), (0, 750)))

    first = aim(seen, PLENTY, terms, after(5))
    again = aim(replace(seen, pending_kw=first.change_kw), PLENTY, terms, after(5))

    assert first.change_kw == pytest.approx(260.41667)
    assert again.change_kw == pytest.approx(-260.41667 / 2 / 24)


def test_where_headroom_is_short_the_aim_drifts_to_the_band_and_no_further_than_it_must() -> None:
    found = aim(running(-1000, came((10, -950))), Reach(reduce_kw=30, raise_kw=0), TERMS, after(10))

    assert found.kw == pytest.approx(-980)
    assert found.in_band
    assert -1000 < found.settled_kw < found.projected_kw


def test_the_limit_is_what_the_corrector_may_leave_the_instruction_by() -> None:
    """What is farther off already is not pulled back by the limit."""
    low = aim(running(1000, came((20, 300))), PLENTY, TERMS, after(20))
    high = aim(running(1000, came((20, 1600))), PLENTY, TERMS, after(20))
    far = aim(running(1000, came((20, 1200), (0, 600))), PLENTY, TERMS, after(20))

    assert [low.kw, high.kw, far.kw] == [pytest.approx(1250), pytest.approx(750), pytest.approx(600)]


@pytest.mark.parametrize(("base_kw", "kw"), [(None, 0), (1000, -40)])
def test_where_nothing_is_asked_the_mean_is_held_at_nothing(base_kw: float | None, kw: float) -> None:
    """Without an award there is no limit to go by: the deviation is ended, and not made up for."""
    found = aim(replace(running(0, came((10, 80))), base_kw=base_kw), PLENTY, TERMS, after(10))

    assert found.kw == pytest.approx(kw)


def test_what_was_only_assumed_keeps_the_rest_away_from_the_edges_of_the_band() -> None:
    """Half of 20 minutes assumed: 1000 kW of members may each be off by a tenth, so 16.7 kWh stay unused at either edge."""
    sure = came((20, 1000), size_kw=1000)
    unsure = replace(sure, measured=10 * MINUTE)

    wide = aim(running(1000, sure), PLENTY, TERMS, after(20)).allowed
    narrow = aim(running(1000, unsure), PLENTY, TERMS, after(20)).allowed
    doubtful = aim(running(1000, replace(unsure, size_kw=9000)), PLENTY, TERMS, after(20)).allowed

    assert [one.low_kw for one in (wide, narrow, doubtful)] == pytest.approx([700, 800, 1000])
    assert [one.high_kw for one in (wide, narrow, doubtful)] == pytest.approx([1300, 1200, 1000])


def test_a_new_slot_begins_with_nothing_whatever_came_of_the_last() -> None:
    """No wind-up: a slot that was missed altogether leaves no trace in the next but the power of the moment."""
    missed = came((30, 0))
    next_slot = Pace(
        start=after(30),
        end=after(60),
        asks=(Slot(start=after(30), end=after(60), kw=-500),),
        delivered=beginning(after(30), kw=missed.kw),
    )

    assert aim(next_slot, PLENTY, TERMS, after(30)).kw == pytest.approx(-500)


def test_a_step_within_the_slot_is_followed_and_its_deviation_made_up_for_on_top() -> None:
    """400 and then 800 kW; the first half delivers 380."""
    asks = (Slot(start=NOON, end=after(15), kw=400), Slot(start=after(15), end=after(30), kw=800))
    pace = Pace(start=NOON, end=after(30), asks=asks, delivered=came((10, 380)))

    found = aim(pace, PLENTY, TERMS, after(10))

    assert found.kw == pytest.approx(410)
    assert found.required_kw == pytest.approx((5 * 410 + 15 * 810) / 20)
    assert found.settled_kw == pytest.approx(600)


# What holds for any slot.

powers = st.floats(-2_000, 2_000)
minutes = st.floats(0, 28)
slots = st.builds(
    running, powers, st.builds(lambda at, kw, size: came((at, kw), size_kw=size), minutes, powers, st.floats(0, 2_000))
)
reaches = st.builds(Reach, reduce_kw=st.floats(0, 1_000), raise_kw=st.floats(0, 1_000))
dead_times = st.builds(HoldTerms, latency_s=st.floats(0, 60), ramp_s=st.floats(0, 60), limit=st.floats(0, 1))


def mirrored(pace: Pace) -> Pace:
    return replace(
        pace,
        asks=tuple(replace(slot, kw=-slot.kw) for slot in pace.asks),
        delivered=replace(pace.delivered, kwh=-pace.delivered.kwh, kw=-pace.delivered.kw),
    )


def figures(found: Aim) -> tuple[float, ...]:
    return found.required_kw, found.kw, found.change_kw, found.projected_kw, found.settled_kw


@given(slots, reaches, dead_times)
def test_less_and_more_are_mirror_images(pace: Pace, reach: Reach, terms: HoldTerms) -> None:
    here = aim(pace, reach, terms, pace.delivered.at)
    there = aim(mirrored(pace), Reach(reduce_kw=reach.raise_kw, raise_kw=reach.reduce_kw), terms, pace.delivered.at)

    assert figures(there) == pytest.approx(tuple(-kw for kw in figures(here)), abs=1e-6)
    assert there.in_band is here.in_band


@given(slots, dead_times)
def test_the_required_mean_brings_the_slot_to_its_target_and_the_allowed_ones_to_its_band(
    pace: Pace, terms: HoldTerms
) -> None:
    now = pace.delivered.at
    found = aim(pace, PLENTY, terms, now)
    asked = pace.to_hold_kw
    held = band(asked, terms.band)

    def slot_kw(rest_kw: float) -> float:
        return ends(asked, heard(pace.delivered, found.since, rest_kw, HALF_HOUR), rest_kw)

    assert found.allowed.low_kw - 1e-6 <= found.required_kw <= found.allowed.high_kw + 1e-6
    assert slot_kw(found.required_kw) == pytest.approx(asked, abs=1e-6)
    for edge in (found.allowed.low_kw, found.allowed.high_kw):
        assert held.low_kw - 1e-6 <= slot_kw(edge) <= held.high_kw + 1e-6


@given(slots, reaches, dead_times)
def test_no_correction_makes_a_slot_worse_or_asks_for_more_than_there_is(
    pace: Pace, reach: Reach, terms: HoldTerms
) -> None:
    found = aim(pace, reach, terms, pace.delivered.at)

    assert abs(found.settled_kw - pace.to_hold_kw) <= abs(found.projected_kw - pace.to_hold_kw) + 1e-6
    assert -reach.reduce_kw - 1e-6 <= found.change_kw <= reach.raise_kw + 1e-6
    beyond = abs(found.kw - pace.to_hold_kw) - terms.limit * abs(pace.to_hold_kw)
    assert beyond <= 1e-6 or abs(found.kw - pace.to_hold_kw) <= abs(pace.delivered.kw - pace.to_hold_kw) + 1e-6


@given(slots, st.floats(0.1, 1))
def test_holding_again_and_again_ends_at_the_target(pace: Pace, limit: float) -> None:
    """A plant that does as it is told, corrected each minute."""
    asked, held = pace.to_hold_kw, pace.delivered
    terms = HoldTerms(limit=limit)
    first = aim(pace, PLENTY, terms, held.at)
    assume(abs(first.settled_kw - asked) < 1e-6)
    while held.at < pace.end:
        held = replace(held, kw=aim(replace(pace, delivered=held), PLENTY, terms, held.at).kw)
        held = heard(held, min(held.at + MINUTE, pace.end), held.kw, MINUTE)

    assert held.kwh / hours(HALF_HOUR) == pytest.approx(asked, abs=1e-3)
