"""One kW figure to one per member."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from openadr_ra.fleet.allocate import (
    MERIT_ORDER,
    PRO_RATA,
    Headroom,
    Policy,
    allocate,
    by_level,
    sustainable,
)
from openadr_ra.protocol.model import ResourceId

A, B, C, D, E = (ResourceId(name) for name in "ABCDE")

BLOCK_H = 0.5

VECTOR_A = (
    Headroom(id=A, reduce_kw=sustainable(250, 200, BLOCK_H), price=12),
    Headroom(id=B, reduce_kw=sustainable(200, 60, BLOCK_H), price=15),
    Headroom(id=C, reduce_kw=300, gap_kw=(-100, 0), price=35),
    Headroom(id=D, reduce_kw=150, steps_kw=(-150, 0), price=20),
    Headroom(id=E, reduce_kw=80, price=5),
)

NAMEPLATE_KW = {A: 250, B: 200, C: 300, D: 150, E: 80}


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


@pytest.mark.parametrize("policy", [PRO_RATA, MERIT_ORDER])
def test_nobody_is_asked_for_more_than_its_energy_lasts(policy: Policy) -> None:
    assert all(allocate(-target, VECTOR_A, policy).shares[B] >= -120 - 1e-9 for target in range(0, 1001, 10))


def test_a_split_by_nameplate_fails_vector_a() -> None:
    """It asks the household pool for more than its energy lasts, and the line for what it cannot do."""
    scale = 600 / sum(NAMEPLATE_KW.values())
    naive = {id: -kw * scale for id, kw in NAMEPLATE_KW.items()}

    assert -naive[B] * BLOCK_H > 60
    assert naive[D] not in (0, -150)
    emptied = allocate(-600, tuple(Headroom(id=id, reduce_kw=kw) for id, kw in NAMEPLATE_KW.items()))
    assert emptied.shares == pytest.approx(naive)
    assert emptied.shares != pytest.approx(allocate(-600, VECTOR_A).shares)


@pytest.mark.parametrize(
    ("target", "shares", "uncovered"),
    [
        (-600, {A: -250, B: -120, C: 0, D: -150, E: -80}, 0),
        (-80, {A: 0, B: 0, C: 0, D: 0, E: -80}, 0),
        (-81, {A: -1, B: 0, C: 0, D: 0, E: -80}, 0),
        (-450, {A: -250, B: -120, C: 0, D: 0, E: -80}, 0),
        # the line gives too much at its turn, and is still cheaper than the generator: the dearest before it makes room
        (-451, {A: -221, B: 0, C: 0, D: -150, E: -80}, 0),
        # the generator cannot give 1 kW: it gives its least, and those before it less
        (-601, {A: -250, B: -21, C: -100, D: -150, E: -80}, 0),
        (-700, {A: -250, B: -120, C: -100, D: -150, E: -80}, 0),
        (-900, {A: -250, B: -120, C: -300, D: -150, E: -80}, 0),
        (-901, {A: -250, B: -120, C: -300, D: -150, E: -80}, -1),
    ],
)
def test_in_merit_order_the_cheapest_of_vector_a_comes_first(
    target: float, shares: dict[ResourceId, float], uncovered: float
) -> None:
    allocation = allocate(target, VECTOR_A, MERIT_ORDER)

    assert allocation.shares == pytest.approx(shares, abs=1e-9)
    assert allocation.uncovered_kw == pytest.approx(uncovered, abs=1e-9)


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


def test_equal_prices_share_in_proportion() -> None:
    members = (priced("A", 100, 5), priced("B", 50, 7), priced("C", 150, 7))

    assert allocate(-180, members, MERIT_ORDER).shares == {A: -100, B: -20, C: -60}
    assert allocate(-300, members, MERIT_ORDER).shares == {A: -100, B: -50, C: -150}


def priced(name: str, kw: float, price: float) -> Headroom:
    return Headroom(id=ResourceId(name), reduce_kw=kw, price=price)


def test_a_price_means_nothing_pro_rata() -> None:
    assert allocate(-60, (priced("A", 100, 5), priced("B", 50, 7))).shares == {A: -40, B: -20}


def test_a_weight_scales_the_share_until_the_headroom_is_used_up() -> None:
    heavy = (Headroom(id=A, reduce_kw=100, weight=3), shed("B", 100))

    assert allocate(-80, heavy).shares == {A: -60, B: -20}
    assert allocate(-160, heavy).shares == pytest.approx({A: -100, B: -60})


def test_who_has_no_weight_is_asked_last() -> None:
    members = (Headroom(id=A, reduce_kw=100, weight=0), shed("B", 100), replace(lump("C", 50), weight=0.0))

    assert allocate(-100, members).shares == {A: 0, B: -100, C: 0}
    assert allocate(-130, members).shares == {A: -30, B: -100, C: 0}
    assert allocate(-230, members).shares == {A: -80, B: -100, C: -50}


def test_a_share_within_the_deadband_is_given_by_others_or_not_at_all() -> None:
    charger = Headroom(id=A, reduce_kw=20, raise_kw=20, least_kw=5)

    assert allocate(-8, (charger, shed("B", 20))).shares == {A: 0, B: -8}
    assert allocate(-10, (charger, shed("B", 20))).shares == {A: -5, B: -5}
    assert allocate(-24, (charger, shed("B", 20))).shares == {A: -12, B: -12}
    assert allocate(-4, (charger,)).uncovered_kw == -4
    assert allocate(5, (charger,)).shares == {A: 5}
    # what B cannot give alone wakes A up, and B makes room for it
    assert allocate(-12, (charger, shed("B", 10))).shares == {A: -8, B: -4}
    assert allocate(-12, (replace(charger, least_kw=9.0), shed("B", 10))).shares == {A: -9, B: -3}


def test_a_deadband_and_a_gap_are_both_kept() -> None:
    picky = Headroom(id=A, reduce_kw=30, least_kw=2, gap_kw=(-20, -10))

    given = [allocate(-kw, (picky,)).shares[A] for kw in (1, 2, 10, 11, 19, 20, 31)]
    assert given == [0, -2, -10, -10, -10, -20, -30]


def test_shares_are_multiples_of_a_step_and_others_give_what_is_left() -> None:
    stepped = Headroom(id=A, reduce_kw=11, step_kw=2.5)

    assert allocate(-11, (stepped, shed("B", 11))).shares == {A: -5, B: -6}
    assert allocate(-11, (stepped,)).shares == {A: -10}
    assert allocate(-11, (stepped,)).uncovered_kw == -1
    assert allocate(-18, (stepped, shed("B", 10))).shares == {A: -10, B: -8}
    # B alone cannot give the rest, so that A goes a step further than its proportion
    assert allocate(-8, (Headroom(id=A, reduce_kw=10, step_kw=5), shed("B", 4))).shares == {A: -5, B: -3}
    assert allocate(-13, (Headroom(id=A, reduce_kw=10, step_kw=5), shed("B", 4))).shares == {A: -10, B: -3}


def test_steps_of_different_size_are_put_together_so_that_the_sum_is_met() -> None:
    """Rounded shares come to 50 kW; only 60 = 2 x 30 meets the target."""
    members = (Headroom(id=A, reduce_kw=150, step_kw=50), Headroom(id=B, reduce_kw=90, step_kw=30))

    assert allocate(-60, members).shares == {A: 0, B: -60}
    assert allocate(-130, members).shares == {A: -100, B: -30}


def test_what_is_fixed_gives_what_it_holds_and_the_others_the_rest() -> None:
    running = replace(lump("A", 70), held_kw=-70.0, fixed=True)

    assert allocate(-100, (running, shed("B", 50))).shares == {A: -70, B: -30}
    assert allocate(-130, (running, shed("B", 50))).uncovered_kw == -10
    # it may not be stopped yet, so that others charge against it
    back = Headroom(id=B, raise_kw=50)
    assert allocate(-40, (running, back)).shares == {A: -70, B: 30}
    assert allocate(-10, (running, back)).uncovered_kw == 10
    assert allocate(-100, (replace(running, held_kw=None), shed("B", 50))).shares == {A: 0, B: -50}


def test_what_is_on_stays_on_and_what_is_off_stays_off_where_the_sum_allows() -> None:
    on, off, battery = replace(lump("A", 40), held_kw=-40.0), replace(lump("B", 60), held_kw=0.0), shed("C", 50)

    assert allocate(-70, (on, off, battery)).shares == {A: -40, B: 0, C: -30}
    assert allocate(-70, (lump("A", 40), lump("B", 60), battery)).shares == {A: 0, B: -60, C: -10}
    assert allocate(-110, (on, off, battery)).shares == {A: -40, B: -60, C: -10}
    assert allocate(-65, (on, off, shed("C", 5))).shares == {A: 0, B: -60, C: -5}
    engines = (replace(engine("A", 100, 150), held_kw=0.0), replace(engine("B", 100, 150), held_kw=-120.0))
    assert allocate(-150, engines).shares == {A: 0, B: -150}


def test_a_level_keeps_to_steps_deadbands_and_what_is_fixed() -> None:
    members = (
        Headroom(id=A, reduce_kw=10, step_kw=3),
        Headroom(id=B, reduce_kw=30, least_kw=21),
        Headroom(id=C, reduce_kw=30, held_kw=-5, fixed=True),
    )

    assert by_level(1, members).shares == {A: -3, B: 0, C: -5}
    assert by_level(2, members).shares == {A: -6, B: -21, C: -5}
    assert by_level(3, members).shares == {A: -9, B: -30, C: -5}
