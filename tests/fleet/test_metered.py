"""The integral of a slot that runs: metered, partly missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openadr_ra.fleet.metered import beginning, heard

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SIGNS = (1, -1)


def after(minutes: float) -> datetime:
    """So many minutes after noon."""
    return NOON + minutes * MINUTE


@pytest.mark.parametrize("sign", SIGNS)
def test_a_value_counts_until_the_next_one_and_is_measured_for_as_long_as_it_stands_for_what_follows(sign: int) -> None:
    held = heard(beginning(NOON, kw=sign * 60, size_kw=30), after(2), sign * 120, 5 * MINUTE)

    held = heard(held, after(12), 0, 5 * MINUTE)

    assert [held.kwh, held.kw] == pytest.approx([sign * 22, 0])
    assert held.measured == 7 * MINUTE
    assert held.coverage == pytest.approx(7 / 12)
    assert held.doubt_kwh == pytest.approx(30 * 5 / 60)


@pytest.mark.parametrize("at", [0, 9, 10])
def test_what_is_not_newer_changes_nothing(at: float) -> None:
    held = heard(beginning(NOON, kw=60), after(10), 30, MINUTE)

    assert heard(held, after(at), 99, MINUTE) == held


values = st.lists(st.tuples(st.integers(-3, 29), st.floats(-500, 500)), max_size=12, unique_by=lambda one: one[0])


@given(values, st.floats(0, 20))
def test_whatever_was_heard_the_measured_part_lies_within_the_whole(
    points: list[tuple[int, float]], hold: float
) -> None:
    found = beginning(NOON, size_kw=10)
    for minute, kw in sorted(points):
        found = heard(found, after(minute), kw, hold * MINUTE)

    assert 0 <= found.coverage <= 1
    assert found.doubt_kwh >= 0
    largest = max((abs(kw) for _, kw in points), default=0)
    assert abs(found.kwh) <= largest * 29 / 60 + 1e-6
