"""One kW figure to one per member."""

from __future__ import annotations

from math import fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openadr_ra.fleet.allocate import EXACT_KW, Headroom, allocate, by_level, sustainable
from openadr_ra.protocol.model import ResourceId

A, B, C, D, E = (ResourceId(name) for name in "ABCDE")

BLOCK_H = 0.5

VECTOR_A = (
    Headroom(id=A, reduce_kw=sustainable(250, 200, BLOCK_H)),
    Headroom(id=B, reduce_kw=sustainable(200, 60, BLOCK_H)),
    Headroom(id=C, reduce_kw=300, gap_kw=(-100, 0)),
    Headroom(id=D, reduce_kw=150, steps_kw=(-150, 0)),
    Headroom(id=E, reduce_kw=80),
)


def shed(name: str, kw: float) -> Headroom:
    return Headroom(id=ResourceId(name), reduce_kw=kw)


def lump(name: str, kw: float) -> Headroom:
    return Headroom(id=ResourceId(name), reduce_kw=kw, steps_kw=(-kw,))


def engine(name: str, least: float, most: float) -> Headroom:
    return Headroom(id=ResourceId(name), reduce_kw=most, gap_kw=(-least, 0))


def test_the_block_of_vector_a_is_shared_out_as_the_reference_has_it() -> None:
    """The line first, the rest in proportion to what lasts the block (erab 6.1)."""
    allocation = allocate(-600, VECTOR_A)

    assert allocation.shares == pytest.approx({A: -150, B: -72, C: -180, D: -150, E: -48}, abs=1e-9)
    assert allocation.uncovered_kw == 0


@pytest.mark.parametrize(
    ("target", "shares", "uncovered"),
    [
        (0, {A: 0, B: 0, C: 0, D: 0, E: 0}, 0),
        # the line does not fit, and the proportional share of the generator is below its minimum
        (-149, {A: -149 * 250 / 450, B: -149 * 120 / 450, C: 0, D: 0, E: -149 * 80 / 450}, 0),
        (-150, {A: 0, B: 0, C: 0, D: -150, E: 0}, 0),
        # 250 is where the generator's proportional share reaches its minimum
        (-399, {A: -249 * 250 / 450, B: -249 * 120 / 450, C: 0, D: -150, E: -249 * 80 / 450}, 0),
        (-400, {A: -250 / 3, B: -40, C: -100, D: -150, E: -80 / 3}, 0),
        (-900, {A: -250, B: -120, C: -300, D: -150, E: -80}, 0),
        (-901, {A: -250, B: -120, C: -300, D: -150, E: -80}, -1),
        (10, {A: 0, B: 0, C: 0, D: 0, E: 0}, 10),
    ],
)
def test_the_neighbours_of_vector_a(target: float, shares: dict[ResourceId, float], uncovered: float) -> None:
    allocation = allocate(target, VECTOR_A)

    assert allocation.shares == pytest.approx(shares, abs=1e-9)
    assert allocation.uncovered_kw == pytest.approx(uncovered, abs=1e-9)


def test_nobody_is_asked_for_more_than_its_energy_lasts() -> None:
    """A nameplate split would ask the household pool for more than 120 kW and find it empty before the end."""
    assert all(allocate(-target, VECTOR_A).shares[B] >= -120 - 1e-9 for target in range(0, 1001, 10))


@pytest.mark.parametrize(
    ("power", "energy", "hours", "kw"),
    [(250, 200, 0.5, 250), (200, 60, 0.5, 120), (200, None, 9, 200), (200, 0, 1, 0), (-5, None, 1, 0), (5, 1, 0, 5)],
)
def test_sustainable_power_is_the_less_of_power_and_energy(
    power: float, energy: float | None, hours: float, kw: float
) -> None:
    assert sustainable(power, energy, hours) == kw


def test_a_sum_of_smaller_lines_is_found_where_the_largest_spoils_it() -> None:
    allocation = allocate(-100, (lump("A", 70), lump("B", 60), lump("C", 40)))

    assert allocation.shares == {A: 0, B: -60, C: -40}
    assert allocation.uncovered_kw == 0


def test_a_line_makes_room_for_a_generator_that_cannot_run_lower() -> None:
    allocation = allocate(-150, (lump("A", 100), engine("B", 100, 300)))

    assert allocation.shares == {A: 0, B: -150}


def test_as_many_generators_start_as_are_needed() -> None:
    assert allocate(-150, (engine("A", 100, 150), engine("B", 100, 150))).shares == {A: -150, B: 0}
    assert allocate(-151, (engine("A", 100, 150), engine("B", 100, 150))).uncovered_kw == -1
    assert allocate(-200, (engine("A", 100, 150), engine("B", 100, 150))).shares == {A: -100, B: -100}


def test_a_running_generator_may_be_moved_up_to_the_edge_of_its_gap_and_beyond() -> None:
    """It gives 180 kW, cannot give 0 to 100, and may be stopped."""
    running = Headroom(id=A, raise_kw=180, reduce_kw=120, gap_kw=(80, 180))

    assert allocate(80, (running,)).shares == {A: 80}
    assert allocate(81, (running,)).uncovered_kw == 1
    assert allocate(180, (running,)).shares == {A: 180}
    assert allocate(-120, (running,)).shares == {A: -120}


def test_a_member_in_the_middle_of_its_gap_moves_out_of_it_or_not_at_all() -> None:
    between = Headroom(id=A, raise_kw=50, reduce_kw=250, gap_kw=(-50, 50))

    assert allocate(-49, (between,)).uncovered_kw == -49
    assert allocate(-50, (between,)).shares == {A: -50}
    assert allocate(50, (between,)).shares == {A: 50}


def test_a_line_of_several_levels_takes_the_one_that_fits() -> None:
    stepped = Headroom(id=A, reduce_kw=90, raise_kw=30, steps_kw=(-90, -60, -30, 0, 30))

    assert allocate(-75, (stepped, shed("B", 20))).shares == {A: -60, B: -15}
    assert allocate(45, (stepped,)).shares == {A: 30}
    assert allocate(45, (stepped,)).uncovered_kw == 15


def test_hundreds_of_lines_are_not_tried_in_all_combinations() -> None:
    """Beyond the bound the largest-first guess stands; what is left is stated."""
    lines = tuple(lump(f"L{number}", 70 + number / 1000) for number in range(300))
    allocation = allocate(-100, lines)

    assert sum(1 for kw in allocation.shares.values() if kw) == 1
    assert allocation.uncovered_kw == pytest.approx(-100 + 70.299)


@pytest.mark.parametrize(
    ("level", "shares"),
    [
        (0, {A: 0, B: 0, C: 0, D: 0}),
        (1, {A: -10, B: 0, C: 0, D: -30}),
        (2, {A: -20, B: -150, C: -240, D: -60}),
        (3, {A: -30, B: -150, C: -300, D: -90}),
    ],
)
def test_a_level_is_a_third_of_what_each_can_reduce(level: float, shares: dict[ResourceId, float]) -> None:
    """The on/off line and the generator take the nearest they can."""
    members = (
        shed("A", 30),
        lump("B", 150),
        engine("C", 240, 300),
        Headroom(id=D, reduce_kw=90, steps_kw=(-90, -60, -30)),
    )
    allocation = by_level(level, members)

    assert allocation.shares == pytest.approx(shares)
    assert allocation.uncovered_kw == 0


powers = st.floats(0, 1e5, allow_subnormal=False)


@st.composite
def headrooms(draw: st.DrawFn) -> tuple[Headroom, ...]:
    members = []
    for number in range(draw(st.integers(0, 14))):
        kind = draw(st.sampled_from(["plain", "steps", "gap"]))
        steps = draw(st.lists(st.floats(-1e4, 1e4), max_size=3)) if kind == "steps" else None
        edges = sorted(draw(st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))))
        members.append(
            Headroom(
                id=ResourceId(f"R{number}"),
                reduce_kw=draw(powers),
                raise_kw=draw(powers),
                steps_kw=tuple(steps) if steps is not None else None,
                gap_kw=(edges[0], edges[1]) if kind == "gap" else None,
            )
        )
    return tuple(members)


@given(st.floats(-2e5, 2e5), headrooms())
def test_whatever_is_asked_of_whomever_the_parts_make_the_whole(target: float, members: tuple[Headroom, ...]) -> None:
    """Sum and uncovered are the target; caps, signs, levels and gaps are kept."""
    allocation = allocate(target, members)

    assert fsum((*allocation.shares.values(), allocation.uncovered_kw)) == pytest.approx(target, abs=2 * EXACT_KW)
    assert allocation.uncovered_kw * target >= 0
    assert abs(allocation.uncovered_kw) <= abs(target)
    assert set(allocation.shares) == {member.id for member in members}
    for member in members:
        share = allocation.shares[member.id]
        cap = member.reduce_kw if target < 0 else member.raise_kw
        assert share * target >= 0
        assert abs(share) <= cap + EXACT_KW
        if member.steps_kw is not None:
            assert share in (0.0, *member.steps_kw)
        if member.gap_kw is not None:
            low, high = member.gap_kw
            assert share == 0 or not low + EXACT_KW < share < high - EXACT_KW


@given(st.floats(1, 1e5), st.lists(st.floats(0.1, 1e4), min_size=1, max_size=30))
def test_without_steps_and_gaps_nothing_that_fits_is_uncovered_and_all_bear_alike(
    target: float, caps: list[float]
) -> None:
    members = tuple(shed(f"R{number}", cap) for number, cap in enumerate(caps))
    allocation = allocate(-target, members)

    assert -allocation.uncovered_kw == pytest.approx(max(target - fsum(caps), 0), abs=1e-6)
    level = min(target / fsum(caps), 1)
    assert all(allocation.shares[member.id] == pytest.approx(-level * member.reduce_kw, rel=1e-6) for member in members)


@given(st.floats(-1e4, 1e4), headrooms())
def test_the_order_of_members_without_steps_does_not_matter(target: float, members: tuple[Headroom, ...]) -> None:
    plain = tuple(member for member in members if member.steps_kw is None and member.gap_kw is None)

    one, other = allocate(target, plain), allocate(target, plain[::-1])

    assert one.shares == pytest.approx(other.shares, abs=1e-6)
