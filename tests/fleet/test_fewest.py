"""Who stands in: the largest headroom first, so that few change, and the sum is exact."""

from __future__ import annotations

from math import fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openadr_ra.fleet.allocate import Headroom, Site
from openadr_ra.fleet.fewest import fewest
from openadr_ra.protocol.model import ResourceId

A, B, C = (ResourceId(name) for name in "abc")


def reducer(name: str, kw: float) -> Headroom:
    return Headroom(id=ResourceId(name), reduce_kw=kw, raise_kw=kw / 2)


POOL = (reducer("a", 5), reducer("b", 80), reducer("c", 20), reducer("d", 40))


@pytest.mark.parametrize(
    ("missing", "members"),
    [(-80, {"b"}), (-80.1, {"b", "d"}), (-120, {"b", "d"}), (-121, {"b", "c", "d"}), (-145, {"a", "b", "c", "d"})],
)
def test_the_largest_headroom_stands_in_first_so_that_few_members_change(missing: float, members: set[str]) -> None:
    found = fewest(missing, POOL)

    assert set(found.shares) == members
    assert fsum(found.shares.values()) == pytest.approx(missing)
    assert found.uncovered_kw == 0


def test_the_direction_decides_who_is_largest() -> None:
    up = Headroom(id=A, raise_kw=30)

    assert set(fewest(25, (up, *POOL)).shares) == {"b"}
    assert fewest(30, (up, reducer("z", 10))).shares == {A: 30}
    assert fewest(-1, (up,)).uncovered_kw == -1


def test_what_nobody_can_give_is_said() -> None:
    assert fewest(-200, POOL).uncovered_kw == pytest.approx(-55)
    assert fewest(-200, ()).uncovered_kw == -200


def test_a_line_that_does_not_fit_is_passed_over_and_one_that_is_fixed_is_left_alone() -> None:
    line = Headroom(id=A, reduce_kw=100, steps_kw=(-100,))
    fixed = Headroom(id=B, reduce_kw=500, held_kw=0.0, fixed=True)

    assert fewest(-40, (fixed, line, reducer("c", 60))).shares == {C: -40}
    assert fewest(-100, (fixed, line, reducer("c", 60))).shares == {A: -100}


def test_a_site_that_can_export_no_more_is_passed_over() -> None:
    site = Site(id="s", members=(ResourceId("b"),), reduce_kw=10)

    found = fewest(-45, POOL, sites=(site,))

    assert found.uncovered_kw == 0
    assert -found.shares.get(ResourceId("b"), 0) <= 10 + 1e-9


headrooms = st.lists(st.floats(0, 100), max_size=12).map(
    lambda sizes: tuple(reducer(f"m{index}", kw) for index, kw in enumerate(sizes))
)


@given(headrooms, st.floats(-700, 350))
def test_the_sum_is_exact_and_no_smaller_number_of_members_could_cover_it(
    offers: tuple[Headroom, ...], missing: float
) -> None:
    found = fewest(missing, offers)
    sizes = sorted((one.reduce_kw if missing < 0 else one.raise_kw for one in offers), reverse=True)

    assert fsum(found.shares.values()) + found.uncovered_kw == pytest.approx(missing, abs=1e-6)
    assert fsum(sizes[: max(len(found.shares) - 1, 0)]) <= abs(missing) + 1e-6
    for one in offers:
        assert -one.reduce_kw - 1e-6 <= found.shares.get(one.id, 0) <= one.raise_kw + 1e-6
