"""The integral of a slot that runs: metered, delayed, partly missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from openadr_ra.fleet.metered import Delivered, beginning, delivered, heard, silent, together
from openadr_ra.protocol.parts import COMM_FAILURE
from openadr_ra.protocol.schedule import Reading, Slot

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SIGNS = (1, -1)
AT_MINUS_20 = (Slot(start=NOON - timedelta(days=1), kw=-20),)


def after(minutes: float) -> datetime:
    """So many minutes after noon."""
    return NOON + minutes * MINUTE


def samples(*points: tuple[float, float], series: str = "live/a.kw") -> tuple[Reading, ...]:
    """The value at so many minutes after noon."""
    return tuple(Reading(series=series, start=after(minutes), value=value) for minutes, value in points)


@pytest.mark.parametrize("sign", SIGNS)
def test_a_value_counts_until_the_next_one_and_is_measured_for_as_long_as_it_stands_for_what_follows(sign: int) -> None:
    held = heard(beginning(NOON, kw=sign * 60, size_kw=30), after(2), sign * 120, 5 * MINUTE)

    held = heard(held, after(12), 0, 5 * MINUTE)

    assert [held.kwh, held.kw] == pytest.approx([sign * 22, 0])
    assert held.measured == 7 * MINUTE
    assert held.coverage == pytest.approx(7 / 12)
    assert held.doubt_kwh == pytest.approx(30 * 5 / 60)


def test_an_energy_register_tells_what_was_between_two_values() -> None:
    """A power sampled too seldom says less than the meter."""
    held = heard(beginning(NOON, kw=60), after(10), 60, MINUTE, kwh=4)

    assert (held.kwh, held.coverage) == (4, 1)


@pytest.mark.parametrize("at", [0, 9, 10])
def test_what_is_not_newer_changes_nothing(at: float) -> None:
    held = heard(beginning(NOON, kw=60), after(10), 30, MINUTE)

    assert heard(held, after(at), 99, MINUTE) == held
    assert silent(held, after(at), MINUTE) == held


def test_in_silence_the_last_good_value_is_assumed() -> None:
    seen = silent(beginning(NOON, kw=60), after(10), 2 * MINUTE)

    assert (seen.kwh, seen.kw, seen.measured) == (10, 60, 2 * MINUTE)


@pytest.mark.parametrize(
    ("lease", "kwh", "kw"),
    [
        (None, 10, 60),
        (-1, 10, 60),  # it was heard of since that lease ended
        (0, 0, 0),
        (4, 4, 0),
        (9.99, 9.99, 0),
        (10, 10, 60),
        (20, 10, 60),
    ],
)
def test_in_silence_nothing_is_assumed_beyond_the_end_of_the_lease(lease: float | None, kwh: float, kw: float) -> None:
    """A gateway that is silent holds its set-point until its lease ends, and then goes back to its plan."""
    until = None if lease is None else after(lease)

    seen = silent(beginning(NOON, kw=60), after(10), MINUTE, lease_until=until)
    stored = delivered(NOON, after(10), samples((0, 60)), hold=MINUTE, lease_until=until)

    assert (seen.kwh, seen.kw) == pytest.approx((kwh, kw))
    assert [stored.kwh, stored.kw] == pytest.approx([kwh, kw])
    assert stored.measured == seen.measured


def test_a_silence_that_ends_is_counted_from_what_was_heard_before_it() -> None:
    """The view of a silence is not what goes on: the value that ends it measures some of it after all."""
    held = beginning(NOON, kw=60)
    silent(held, after(5), 2 * MINUTE)

    assert heard(held, after(10), 60, 2 * MINUTE).measured == 2 * MINUTE


@pytest.mark.parametrize("sign", SIGNS)
def test_readings_are_integrated_against_the_baseline(sign: int) -> None:
    """A plan of -20 kW; two minutes of 40 and then 100 kW, with a sample from before the slot."""
    plan = (replace(AT_MINUS_20[0], kw=sign * -20),)
    power = samples((-1, sign * 40), (2, sign * 100))

    found = delivered(NOON, after(5), power, plan=plan, hold=2 * MINUTE, size_kw=9)

    assert found.kwh == pytest.approx(sign * (2 * 60 + 3 * 120) / 60)
    assert found.kw == sign * 120
    assert found.measured == 3 * MINUTE
    assert (found.at, found.size_kw) == (after(5), 9)


def test_a_bad_reading_is_no_value_and_the_one_before_it_goes_on() -> None:
    first, second = samples((0, 60), (5, 1e9))
    found = delivered(NOON, after(10), (first, replace(second, quality=COMM_FAILURE)))

    assert (found.kwh, found.kw, found.measured) == (10, 60, 2 * MINUTE)


def test_a_mean_is_measured_for_its_span() -> None:
    spans = tuple(replace(one, span=5 * MINUTE) for one in samples((0, 60), (5, 120)))

    found = delivered(NOON, after(12), spans, hold=MINUTE)

    assert found.kwh == pytest.approx((5 * 60 + 7 * 120) / 60)
    assert found.measured == 10 * MINUTE


def test_what_comes_late_and_at_once_counts_where_it_belongs() -> None:
    """A report that brings five minutes of samples gives what each of them would have given in time."""
    power = samples(*((minute, 10.0 * minute) for minute in range(6)))
    running = beginning(NOON)
    for one in power:
        running = heard(running, one.start, one.value, MINUTE)

    assert delivered(NOON, after(5), power, hold=MINUTE) == running


def test_before_the_first_value_nothing_is_taken_to_be_delivered_and_nothing_was_measured() -> None:
    late = delivered(NOON, after(10), samples((4, 60)), plan=AT_MINUS_20, hold=10 * MINUTE, size_kw=10)
    never = delivered(NOON, after(10), (), plan=AT_MINUS_20, size_kw=10)

    assert late.kwh == pytest.approx(8)
    assert late.measured == 6 * MINUTE
    assert [never.kwh, never.kw, never.coverage, never.doubt_kwh] == pytest.approx([0, 0, 0, 10 / 6])


def test_readings_from_after_the_instant_are_not_known_yet() -> None:
    found = delivered(NOON, after(5), samples((0, 60), (6, 1000)))

    assert (found.kwh, found.kw) == (5, 60)


def test_the_register_counts_up_to_its_newest_reading_and_the_power_from_there() -> None:
    """5 kWh by the register in 6 min, whatever the samples say; then 4 min of 60 kW. The plan is -20 kW."""
    register = samples((-0.5, 100), (0.5, 100), (6, 105), series="live/a.kwh")
    power = samples((0, 0), (6, 60))

    found = delivered(NOON, after(10), power, register=register, plan=AT_MINUS_20)

    assert found.kwh == pytest.approx(5 + 20 * 6 / 60 + 80 * 4 / 60)
    assert found.measured == 8 * MINUTE


@pytest.mark.parametrize("register", [((6.0, 105.0),), ((-10.0, 90.0), (6.0, 105.0)), ((-1.0, 99.0), (0.0, 100.0))])
def test_a_register_that_does_not_reach_back_to_the_start_is_left_aside(
    register: tuple[tuple[float, float], ...],
) -> None:
    found = delivered(NOON, after(10), samples((0, 60)), register=samples(*register, series="live/a.kwh"))

    assert found.kwh == pytest.approx(10)


def test_members_add_up_and_what_is_measured_is_weighted_by_their_size() -> None:
    small = replace(silent(beginning(NOON, kw=10, size_kw=10), after(10), after(10) - NOON), kwh=2)
    large = silent(beginning(NOON, kw=-90, size_kw=90), after(10), MINUTE)

    whole = together((small, large))

    assert (whole.kw, whole.kwh, whole.size_kw) == pytest.approx((-80, -13, 100))
    assert whole.coverage == pytest.approx(0.19)
    assert whole.doubt_kwh == pytest.approx(small.doubt_kwh + large.doubt_kwh)


def test_members_of_no_size_count_alike() -> None:
    there, away = Delivered(start=NOON, at=after(10), measured=10 * MINUTE), Delivered(start=NOON, at=after(10))

    assert together((there, away)).coverage == pytest.approx(0.5)


def test_a_sum_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        together(())


values = st.lists(st.tuples(st.integers(-3, 29), st.floats(-500, 500)), max_size=12, unique_by=lambda one: one[0])


@given(values, st.integers(0, 30), st.floats(0, 20))
def test_whatever_was_heard_the_measured_part_lies_within_the_whole(
    points: list[tuple[int, float]], at: int, hold: float
) -> None:
    found = delivered(NOON, after(at), samples(*sorted(points)), hold=hold * MINUTE, size_kw=10)

    assert 0 <= found.coverage <= 1
    assert found.doubt_kwh >= 0
    largest = max((abs(value) for _, value in points), default=0)
    assert abs(found.kwh) <= largest * at / 60 + 1e-6


@given(values, st.floats(-500, 500))
def test_a_shift_of_baseline_and_power_alike_delivers_the_same(points: list[tuple[int, float]], by_kw: float) -> None:
    """Only the difference counts, once something was heard."""
    power = samples((-5, 0), *sorted(points))
    moved = tuple(replace(one, value=one.value + by_kw) for one in power)
    plan = (Slot(start=NOON - timedelta(days=1), kw=by_kw),)

    plain, shifted = delivered(NOON, after(30), power), delivered(NOON, after(30), moved, plan=plan)

    assert shifted.kwh == pytest.approx(plain.kwh, abs=1e-6)
    assert shifted.kw == pytest.approx(plain.kw, abs=1e-6)
