"""The cheapest course of a store: hand-computed ones, and laws over whatever can be enumerated."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openadr_ra.fleet.cheapest import Piece, Store, cheapest
from openadr_ra.protocol.schedule import Slot
from tests.fleet.world import HOUR, NOON, after

EPS = 1e-6


def pieces(*prices: float, up_kw: float = 6.0, down_kw: float = 0.0, base_kw: float = 0.0) -> tuple[Piece, ...]:
    """An hour for each price, from noon on."""
    return tuple(
        Piece(
            start=NOON + n * HOUR, end=NOON + (n + 1) * HOUR, price=price, base_kw=base_kw, up_kw=up_kw, down_kw=down_kw
        )
        for n, price in enumerate(prices)
    )


def car(need_kwh: float, efficiency: float = 1.0) -> Store:
    """Has to get so much into its battery."""
    return Store(capacity_kwh=need_kwh, target_kwh=need_kwh, charge_efficiency=efficiency)


def battery(held_kwh: float, capacity_kwh: float, efficiency: float = 1.0) -> Store:
    """Ends with no less than it begins with."""
    return Store(
        held_kwh=held_kwh,
        capacity_kwh=capacity_kwh,
        target_kwh=held_kwh,
        charge_efficiency=efficiency,
        discharge_efficiency=efficiency,
    )


def runs(slots: tuple[Slot, ...]) -> list[tuple[float, float, float]]:
    """Start and end in hours after noon, and kW, of whatever is not idle."""
    return [((slot.start - NOON) / HOUR, (slot.end - NOON) / HOUR, slot.kw) for slot in slots if slot.kw]


def energy_kwh(slots: tuple[Slot, ...]) -> float:
    return sum(slot.kw * ((slot.end - slot.start) / HOUR) for slot in slots)


def cost(slots: tuple[Slot, ...], priced: tuple[Piece, ...]) -> float:
    def price(when: datetime) -> float:
        return next(piece.price for piece in priced if piece.start <= when < piece.end)

    return sum(slot.kw * ((slot.end - slot.start) / HOUR) * price(slot.start) for slot in slots)


def test_a_car_is_charged_in_the_cheapest_hours() -> None:
    """9 kWh with 6 kW are an hour and a half: all of the hour at 10, half of that at 20."""
    assert runs(cheapest(pieces(30, 20, 40, 10), car(9))) == [(1.0, 1.5, 6.0), (3.0, 4.0, 6.0)]


def test_of_equal_prices_the_earliest_hour_is_taken() -> None:
    assert runs(cheapest(pieces(20, 20, 20), car(9))) == [(0.0, 1.0, 6.0), (1.0, 1.5, 6.0)]


def test_losses_of_charging_are_charged_too() -> None:
    """5.4 kWh in the battery are 6 kWh at 90 %."""
    assert runs(cheapest(pieces(30, 10), car(5.4, 0.9))) == [(1.0, 2.0, 6.0)]


def test_what_cannot_be_had_in_time_is_charged_as_far_as_it_can() -> None:
    assert runs(cheapest(pieces(30, 10), car(20))) == [(0.0, 1.0, 6.0), (1.0, 2.0, 6.0)]


def test_who_needs_nothing_gets_nothing_even_for_nothing() -> None:
    assert runs(cheapest(pieces(0, 10), car(0))) == []


def test_a_battery_charges_in_the_cheapest_hour_and_discharges_in_the_dearest() -> None:
    """4 kWh of 5 kW: 48 minutes each."""
    slots = cheapest(pieces(20, 10, 20, 40, 20, up_kw=5, down_kw=5), battery(0, 4))

    assert runs(slots) == [(1.0, 1.8, 5.0), (3.0, 3.8, -5.0)]


def test_a_full_battery_discharges_first_and_is_full_again_at_the_end() -> None:
    assert runs(cheapest(pieces(40, 10, up_kw=5, down_kw=5), battery(5, 5))) == [(0.0, 1.0, -5.0), (1.0, 2.0, 5.0)]


@pytest.mark.parametrize(("dear", "trades"), [(24.6, False), (24.8, True)])
def test_a_battery_trades_only_where_the_spread_pays_for_its_losses(dear: float, trades: bool) -> None:
    """Of what is bought at 20, 81 % can be sold: 20 / 0.81 is 24.69."""
    slots = cheapest(pieces(20, dear, up_kw=5, down_kw=5), battery(0, 4, 0.9))

    assert bool(runs(slots)) == trades


def test_two_swings_of_the_price_are_two_trades() -> None:
    slots = cheapest(pieces(10, 40, 15, 50, up_kw=5, down_kw=5), battery(0, 5))

    assert runs(slots) == [(0.0, 1.0, 5.0), (1.0, 2.0, -5.0), (2.0, 3.0, 5.0), (3.0, 4.0, -5.0)]


def test_a_car_that_can_give_sells_in_between_and_has_what_it_needs_at_departure() -> None:
    """5 kWh are in it and 5 kWh must be: the dear hour first, the cheap one last."""
    slots = cheapest(pieces(50, 20, 10, up_kw=5, down_kw=5), battery(5, 10))

    assert runs(slots) == [(0.0, 1.0, -5.0), (2.0, 3.0, 5.0)]


def test_what_others_ask_is_part_of_the_course() -> None:
    """It is charged with 6 kW for an event at 40; the other 3 kWh come at 10."""
    first, *rest = pieces(30, 40, 10)
    bound = Piece(start=rest[0].start, end=rest[0].end, price=40, bound_kw=6.0)
    slots = cheapest((first, bound, rest[1]), Store(capacity_kwh=15, target_kwh=9))

    assert runs(slots) == [(1.0, 2.0, 6.0), (2.0, 2.5, 6.0)]


def test_what_an_event_will_discharge_is_charged_before_it() -> None:
    bound = Piece(start=after(120), end=after(180), price=30, bound_kw=-4.0)
    slots = cheapest((*pieces(20, 10, up_kw=4, down_kw=4), bound), battery(0, 10))

    assert runs(slots) == [(1.0, 2.0, 4.0), (2.0, 3.0, -4.0)]


def test_nothing_is_sold_where_the_price_is_not_above_0() -> None:
    slots = cheapest(pieces(-5, -1, up_kw=5, down_kw=5), battery(0, 5))

    assert runs(slots) == [(0.0, 1.0, 5.0)]


def test_a_store_with_a_plan_is_moved_from_its_plan() -> None:
    """A heat store that takes 1 kW by itself: nothing in the dear hour, twice as much in the cheap one."""
    slots = cheapest(pieces(10, 40, up_kw=1, down_kw=1, base_kw=1), battery(0, 5))

    assert [slot.kw for slot in slots] == [2.0, 0.0]


def test_a_course_without_pieces_is_empty() -> None:
    assert cheapest((), car(5)) == ()


prices_of = st.lists(st.sampled_from([1.0, 5.0, 10.0, 10.0, 25.0, 40.0]), min_size=1, max_size=5)


@given(prices=prices_of, need=st.floats(0.0, 30.0), efficiency=st.sampled_from([1.0, 0.9]))
def test_law_a_car_has_what_it_needs_where_that_can_be_and_never_a_minute_late(
    prices: list[float], need: float, efficiency: float
) -> None:
    priced = pieces(*prices)
    slots = cheapest(priced, car(need, efficiency))

    assert energy_kwh(slots) * efficiency == pytest.approx(min(need, 6.0 * len(prices) * efficiency), abs=1e-4)
    assert slots[0].start == NOON
    assert slots[-1].end == priced[-1].end
    assert all(one.end == other.start for one, other in pairwise(slots))


@given(prices=prices_of, hours=st.integers(0, 5))
def test_law_no_other_choice_of_hours_is_cheaper_for_a_car(prices: list[float], hours: int) -> None:
    """By enumeration of all of them."""
    hours = min(hours, len(prices))
    priced = pieces(*prices)
    found = cost(cheapest(priced, car(6.0 * hours)), priced)

    for chosen in product((0, 1), repeat=len(prices)):
        if sum(chosen) == hours:
            assert found <= sum(6.0 * price for price, on in zip(prices, chosen, strict=True) if on) + EPS


@settings(max_examples=60)
@given(
    prices=prices_of,
    held=st.integers(0, 3),
    efficiency=st.sampled_from([1.0, 0.95, 0.8]),
)
def test_law_no_other_course_is_cheaper_for_a_battery_and_none_leaves_its_limits(
    prices: list[float], held: int, efficiency: float
) -> None:
    """By enumeration of courses that charge, idle or discharge at full or half power in each hour."""
    priced = pieces(*prices, up_kw=2, down_kw=2)
    store = battery(held, 4, efficiency)
    found = cheapest(priced, store)

    assert_within(found, store)
    best = cost(found, priced)
    for powers in product((-2.0, -1.0, 0.0, 1.0, 2.0), repeat=len(prices)):
        if _fits(powers, store):
            assert best <= sum(price * kw for price, kw in zip(prices, powers, strict=True)) + EPS


def assert_within(slots: tuple[Slot, ...], store: Store) -> None:
    """It holds something between nothing and all at each instant, and at the end what it has to."""
    level = store.held_kwh
    for slot in slots:
        kwh = slot.kw * ((slot.end - slot.start) / timedelta(hours=1))
        level += kwh * store.charge_efficiency if kwh > 0 else kwh / store.discharge_efficiency
        assert -1e-4 <= level <= store.capacity_kwh + 1e-4
    assert level >= store.target_kwh - 1e-4


def _fits(powers: tuple[float, ...], store: Store) -> bool:
    level = store.held_kwh
    for kw in powers:
        level += kw * store.charge_efficiency if kw > 0 else kw / store.discharge_efficiency
        if not 0 <= level <= store.capacity_kwh:
            return False
    return level >= store.target_kwh
