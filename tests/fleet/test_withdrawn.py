"""Whose promise no longer holds, and who stands in for them, when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from openadr_ra.fleet.allocate import Headroom, Site
from openadr_ra.fleet.withdrawn import (
    Kept,
    MoveTerms,
    Withdrawn,
    fewest,
    may_move,
    missing_kwh,
    next_move,
    stand_ins,
    withdrawn,
)
from openadr_ra.protocol.model import ResourceId

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SIGNS = (1, -1)
TERMS = MoveTerms()
A, B, C = (ResourceId(name) for name in "abc")


def after(minutes: float) -> datetime:
    """So many minutes after noon."""
    return NOON + minutes * MINUTE


END = after(30)
NOW = after(10)
FINE = Kept(id=A, asked_kw=-10, asked_at=NOON, heard_at=NOW)


def found(member: Kept, now: datetime = NOW) -> Withdrawn | None:
    return next(iter(withdrawn((member,), TERMS, now)), None)


def test_a_promise_that_holds_is_left_alone() -> None:
    told = replace(FINE, able_kw=10, recent_kw=(-10, -10, -10))

    assert withdrawn((FINE, told, replace(told, stranger=True)), TERMS, NOW) == ()


def test_who_was_asked_for_nothing_has_nothing_to_withdraw() -> None:
    assert found(replace(FINE, asked_kw=0, opted_out=True)) is None


@pytest.mark.parametrize("sign", SIGNS)
def test_an_opt_out_withdraws_all_of_it_at_once(sign: int) -> None:
    lost = found(replace(FINE, asked_kw=sign * 10, opted_out=True))

    assert lost == Withdrawn(id=A, cause="opted out", since=NOW, lost_kw=sign * 10)


@pytest.mark.parametrize(("heard", "silent"), [(7, False), (6.99, True)])
def test_silence_for_three_live_periods_withdraws_it(heard: float, silent: bool) -> None:
    lost = found(replace(FINE, heard_at=after(heard)))

    assert (lost is not None and lost.cause == "silent") is silent


@pytest.mark.parametrize(("asked", "silent"), [(7, False), (6.99, True)])
def test_who_was_asked_just_now_has_the_same_time_to_be_heard_of(asked: float, silent: bool) -> None:
    """Silence begins with the question."""
    for heard_at in (None, NOON - MINUTE):
        lost = found(replace(FINE, asked_at=after(asked), heard_at=heard_at))

        assert (lost is not None) is silent


@pytest.mark.parametrize(("lease", "since"), [(None, 10), (8, 10), (10, 10), (18, 18)])
def test_who_is_silent_holds_its_set_point_until_its_lease_ends(lease: float | None, since: float) -> None:
    """What it still gives is not asked of others, too (V6)."""
    until = None if lease is None else after(lease)
    lost = found(replace(FINE, heard_at=NOON, lease_until=until))

    assert lost is not None
    assert lost.since == after(since)
    assert missing_kwh((lost,), NOW, END) == pytest.approx(-10 * (30 - since) / 60)


def test_a_lease_beyond_the_slot_leaves_nothing_missing() -> None:
    lost = found(replace(FINE, heard_at=NOON, lease_until=after(31)))

    assert lost is not None
    assert missing_kwh((lost,), NOW, END) == 0


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize(("able", "left"), [(9.9, None), (9.89, 9.89), (4, 4), (0, 0), (-3, 0)])
def test_a_stated_capability_below_the_ask_withdraws_the_difference(sign: int, able: float, left: float | None) -> None:
    """A hundredth less is not worth a message; what is left goes on."""
    lost = found(replace(FINE, asked_kw=sign * 10, able_kw=able))

    if left is None:
        assert lost is None
        return
    assert lost is not None
    assert (lost.cause, lost.left_kw) == ("unable", sign * left)
    assert lost.lost_kw == pytest.approx(sign * (10 - left))


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize(
    ("recent", "left"),
    [
        ((0, 0, 0), 0),
        ((5, 8.9, 8), 7.3),
        ((0, 0, 0, 5, 5, 5), 5),
        ((0, None, 0, None, 0), 0),
        ((12, 12, 15), 13),
        ((0, 0), None),  # one period more
        ((0, 0, 9), None),  # the edge of the band is inside it
        ((0, 0, 11), None),
        ((9, 0, 0), None),
        ((None, None, None), None),
    ],
)
def test_a_stranger_that_is_out_of_the_band_for_three_periods_withdraws_what_it_does_not_give(
    sign: int, recent: tuple[float | None, ...], left: float | None
) -> None:
    """It states no capability. A period that was not measured says nothing either way."""
    seen = tuple(None if kw is None else sign * kw for kw in recent)
    lost = found(replace(FINE, asked_kw=sign * 10, recent_kw=seen, stranger=True))

    if left is None:
        assert lost is None
        return
    assert lost is not None
    assert lost.cause == "astray"
    assert [lost.left_kw, lost.lost_kw] == pytest.approx([sign * left, sign * (10 - left)])


def test_one_of_ours_holds_its_own_promise_and_its_deviation_is_its_own_business() -> None:
    assert found(replace(FINE, recent_kw=(0, 0, 0))) is None


def test_the_missing_energy_is_that_of_the_rest_of_the_slot() -> None:
    lost = (
        Withdrawn(id=A, cause="opted out", since=NOW, lost_kw=-12),
        Withdrawn(id=B, cause="unable", since=NOW, lost_kw=-3, left_kw=-7),
        Withdrawn(id=C, cause="silent", since=after(20), lost_kw=-6),
    )

    assert missing_kwh(lost, NOW, END) == pytest.approx(-(12 + 3) / 3 - 1)
    assert missing_kwh(lost, after(20), END) == pytest.approx(-(12 + 3 + 6) / 6)
    assert missing_kwh(lost, END, END) == 0


def moves(*minutes: float) -> tuple[datetime, ...]:
    return tuple(after(minute) for minute in minutes)


@pytest.mark.parametrize(
    ("moved", "at", "free"),
    [
        ((), 0, 0),
        ((), -3, 0),  # not before it runs
        ((8,), 10, 13),
        ((5,), 10, 10),
        ((-2,), 0, 3),  # that of the slot before counts for the distance
        ((-12, -7, -2), 4, 4),  # and not for the number
        ((0, 5), 10, 10),
        ((0, 5, 10), 20, None),
        ((), 28 + 50 / 60, 28 + 50 / 60),
        ((), 28 + 51 / 60, None),  # poll and ramp before its end
        ((24,), 25, None),
    ],
)
def test_a_slot_is_re_allocated_five_minutes_apart_thrice_at_most_and_not_near_its_end(
    moved: tuple[float, ...], at: float, free: float | None
) -> None:
    found = next_move(NOON, END, moves(*moved), TERMS, after(at))

    assert found == (None if free is None else after(free))
    assert may_move(NOON, END, moves(*moved), TERMS, after(at)) is (free == at)


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

    found = fewest(-45, POOL, (site,))

    assert found.uncovered_kw == 0
    assert -found.shares.get(ResourceId("b"), 0) <= 10 + 1e-9


@pytest.mark.parametrize("sign", SIGNS)
def test_stand_ins_bring_the_missing_energy_in_the_time_that_they_have(sign: int) -> None:
    """10 s of poll and half of a minute of ramp are lost."""
    found = stand_ins(sign * 10, (Headroom(id=A, reduce_kw=99, raise_kw=99),), END, TERMS, NOW)

    assert found.shares == {A: pytest.approx(sign * 10 * 3600 / (20 * 60 - 40))}


def test_when_it_is_too_late_nobody_is_asked() -> None:
    assert stand_ins(-10, POOL, END, TERMS, END - timedelta(seconds=40)).shares == {}
    assert stand_ins(0, POOL, END, TERMS, NOW).shares == {}


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


instants = st.floats(-10, 40).map(after)


@given(st.lists(instants, max_size=5), instants)
def test_the_next_move_can_be_made_when_it_comes(moved: list[datetime], now: datetime) -> None:
    found = next_move(NOON, END, moved, TERMS, now)

    if found is not None:
        assert found >= max(now, NOON)
        assert may_move(NOON, END, moved, TERMS, found)
        assert all(found - at >= timedelta(seconds=TERMS.apart_s) for at in moved)
