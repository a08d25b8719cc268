"""What holds of every allocation, whatever the fleet."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openadr_ra.fleet.allocate import (
    EXACT_KW,
    MERIT_ORDER,
    PRO_RATA,
    Allocation,
    Headroom,
    Policy,
    Site,
    allocate,
    by_level,
)
from openadr_ra.protocol.model import ResourceId

policies = st.sampled_from([PRO_RATA, MERIT_ORDER])
targets = st.one_of(st.floats(-2e5, 2e5), st.integers(-400, 400).map(float))

Span = tuple[float, float]
Fleet = tuple[tuple[Headroom, ...], tuple[Site, ...]]


def powers(most: float) -> st.SearchStrategy[float]:
    """Smooth and round ones: the round ones meet exactly, where trouble is."""
    return st.one_of(st.floats(0, most, allow_subnormal=False), st.integers(0, int(most)).map(float))


@st.composite
def headroom(draw: st.DrawFn, number: int, most: float, kinds: tuple[str, ...], by_kw: tuple[float, ...]) -> Headroom:
    kind = draw(st.sampled_from(kinds))
    edges = sorted((draw(powers(2 * most)) - most, draw(powers(2 * most)) - most))
    steps = draw(st.lists(powers(2 * most).map(lambda kw: kw - most), max_size=3))
    held = draw(st.one_of(st.none(), powers(2 * most).map(lambda kw: kw - most)))
    return Headroom(
        id=ResourceId(f"R{number:02}"),
        reduce_kw=draw(powers(most)),
        raise_kw=draw(powers(most)),
        weight=draw(st.sampled_from([0.0, 0.5, 1.0, 1.0, 3.0])),
        price=draw(st.sampled_from([-1.0, 0.0, 5.0, 12.5])),
        steps_kw=tuple(steps) if kind == "lines" else None,
        gap_kw=(edges[0], edges[1]) if kind == "gap" else None,
        least_kw=draw(powers(most)) if kind in ("deadband", "both") else 0.0,
        step_kw=draw(st.sampled_from(by_kw)) if kind in ("step", "both") else 0.0,
        held_kw=held if kind != "plain" else None,
        fixed=kind == "fixed",
    )


FREE = ("plain", "plain", "lines", "gap", "deadband", "step", "both")


@st.composite
def fleets(
    draw: st.DrawFn,
    most: float = 1e4,
    kinds: tuple[str, ...] = FREE,
    size: int = 12,
    by_kw: tuple[float, ...] = (0.1, 0.23, 5.0, 40.0),
) -> Fleet:
    members = tuple(draw(headroom(number, most, kinds, by_kw)) for number in range(draw(st.integers(0, size))))
    homes = [draw(st.sampled_from([None, None, "S1", "S2"])) for _ in members]
    limit = st.one_of(st.none(), powers(most))
    sites = tuple(
        Site(
            id=name,
            members=tuple(member.id for member, home in zip(members, homes, strict=True) if home == name),
            reduce_kw=draw(limit),
            raise_kw=draw(limit),
        )
        for name in ("S1", "S2")
    )
    return members, sites


def is_possible(member: Headroom, share: float) -> bool:
    """Whether the member can move by `share`, by the words of Headroom."""
    if share == 0:
        return True
    if not -member.reduce_kw - EXACT_KW <= share <= member.raise_kw + EXACT_KW:
        return False
    if abs(share) < member.least_kw - EXACT_KW:
        return False
    if member.steps_kw is not None:
        return share in member.steps_kw
    if member.gap_kw is not None and member.gap_kw[0] + EXACT_KW < share < member.gap_kw[1] - EXACT_KW:
        return False
    return member.step_kw == 0 or abs(share) == pytest.approx(
        round(abs(share) / member.step_kw) * member.step_kw, abs=1e-9, rel=1e-12
    )


def moved(site: Site, allocation: Allocation) -> float:
    return fsum(allocation.shares[id] for id in site.members)


def broken(sites: tuple[Site, ...], allocation: Allocation) -> Iterator[str]:
    """The sites whose limits the allocation does not keep."""
    for site in sites:
        kw = moved(site, allocation)
        if site.reduce_kw is not None and kw < -site.reduce_kw - 1e-8:
            yield f"{site.id} reduces by {-kw}, at most {site.reduce_kw}"
        if site.raise_kw is not None and kw > site.raise_kw + 1e-8:
            yield f"{site.id} raises by {kw}, at most {site.raise_kw}"


@given(targets, fleets(), policies)
def test_the_parts_make_the_whole_and_nobody_is_asked_for_what_it_cannot(
    target: float, fleet: Fleet, policy: Policy
) -> None:
    """Sum and uncovered are the target; signs, caps, levels, gaps, deadbands, steps and sites are kept."""
    members, sites = fleet
    allocation = allocate(target, members, policy, sites)

    assert list(allocation.shares) == [member.id for member in members]
    assert fsum((*allocation.shares.values(), allocation.uncovered_kw)) == pytest.approx(target, abs=2 * EXACT_KW)
    assert allocation.uncovered_kw * target >= 0
    assert abs(allocation.uncovered_kw) <= abs(target)
    for member in members:
        share = allocation.shares[member.id]
        assert share * target >= 0
        assert is_possible(member, share), (member, share)
    assert list(broken(sites, allocation)) == []


@given(targets, fleets(kinds=(*FREE, "fixed")), policies)
def test_what_is_fixed_stays_and_the_others_make_up_the_rest(target: float, fleet: Fleet, policy: Policy) -> None:
    members, sites = fleet
    allocation = allocate(target, members, policy, sites)

    fixed = {member.id: member.held_kw or 0.0 for member in members if member.fixed}
    left = target - fsum(fixed.values())
    assert {id: allocation.shares[id] for id in fixed} == fixed
    assert fsum((*allocation.shares.values(), allocation.uncovered_kw)) == pytest.approx(target, abs=2 * EXACT_KW)
    assert allocation.uncovered_kw * left >= 0
    assert all(share * left >= 0 for id, share in allocation.shares.items() if id not in fixed)
    for site in sites:
        limit = site.reduce_kw if left < 0 else site.raise_kw
        alone = fsum(kw for id, kw in fixed.items() if id in site.members)
        towards = -1 if left < 0 else 1
        if limit is not None:
            assert towards * moved(site, allocation) <= max(limit, towards * alone) + 1e-8


@given(targets, fleets(kinds=(*FREE, "fixed")), policies)
def test_the_order_of_members_and_of_sites_means_nothing(target: float, fleet: Fleet, policy: Policy) -> None:
    members, sites = fleet
    one = allocate(target, members, policy, sites)
    other = allocate(target, members[::-1], policy, sites[::-1])
    rotated = allocate(target, members[1:] + members[:1], policy, sites)

    assert one == other == rotated


@given(st.integers(-300, 300), fleets(most=60, size=5, by_kw=(2.3, 5.0, 40.0)), policies)
def test_no_other_choice_would_have_covered_more(target: int, fleet: Fleet, policy: Policy) -> None:
    """Everything that a small fleet can do is tried."""
    members, sites = fleet
    allocation = allocate(target, members, policy, sites)

    assert abs(allocation.uncovered_kw) <= abs(target) - best_of_all(target, members, sites) + 1e-7


def best_of_all(target: float, members: tuple[Headroom, ...], sites: tuple[Site, ...]) -> float:
    """The largest part of the target that any combination of the members' ranges comes to."""
    towards = -1.0 if target < 0 else 1.0
    homes = {id: site for site in sites for id in site.members}
    reached = sums_of([possible(member, towards) for member in members if member.id not in homes], abs(target))
    for site in sites:
        limit = site.reduce_kw if target < 0 else site.raise_kw
        inside = [possible(member, towards) for member in members if homes.get(member.id) == site]
        own = sums_of(inside, abs(target) if limit is None else min(limit, abs(target)))
        reached = sums_of([reached, own], abs(target))
    return reached[-1][1]


def sums_of(parts: list[list[Span]], most: float) -> list[Span]:
    """All sums of one power of each part, as far as they are not above `most`."""
    found = [(0.0, 0.0)]
    for part in parts:
        found = tidied([(a + c, min(b + d, most)) for a, b in found for c, d in part if a + c <= most])
    return found


def tidied(ranges: list[Span]) -> list[Span]:
    """The same powers in fewer ranges."""
    found: list[Span] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return found


def possible(member: Headroom, towards: float) -> list[Span]:
    """Where the member can stand, from its edges and multiples and whether it can hold what lies between them."""
    most = member.reduce_kw if towards < 0 else member.raise_kw
    edges = {0.0, most, member.least_kw, *(towards * kw for kw in (*(member.gap_kw or ()), *(member.steps_kw or ())))}
    if member.step_kw > 0:
        edges |= {number * member.step_kw for number in range(int(most / member.step_kw) + 1)}
    points = sorted(edge for edge in edges if 0 <= edge <= most and is_possible(member, towards * edge))
    ranges = [(point, point) for point in points]
    for low, high in pairwise(points):
        if is_possible(member, towards * (low + high) / 2) and member.step_kw == 0:
            ranges.append((low, high))
    return ranges


@given(st.floats(0, 1e5), st.floats(0, 1e5), fleets(kinds=("plain",)), policies)
def test_who_can_give_anything_never_gives_less_when_more_is_asked(
    one: float, other: float, fleet: Fleet, policy: Policy
) -> None:
    members, sites = fleet
    less, more = (allocate(-kw, members, policy, sites) for kw in sorted((one, other)))

    assert all(-more.shares[id] >= -share - 1e-6 for id, share in less.shares.items())


@given(targets, fleets(kinds=("plain",)))
def test_pro_rata_whoever_is_not_at_a_limit_gives_as_much_for_its_weight(target: float, fleet: Fleet) -> None:
    """Nobody who has room is below the level of another who gives something."""
    members, sites = fleet
    allocation = allocate(target, members, PRO_RATA, sites)
    full = {id for site in sites for id in site.members if is_full(site, target, allocation)}

    level = {
        member.id: abs(allocation.shares[member.id]) / (room(member, target) * member.weight)
        for member in members
        if member.weight > 0 and room(member, target) > 1e-3
    }
    for member in members:
        if (
            member.id in level
            and member.id not in full
            and -room(member, target) < -abs(allocation.shares[member.id]) - 1e-6
        ):
            assert level[member.id] >= max(level.values()) - 1e-6


@given(st.floats(1, 1e5), st.lists(st.floats(0.1, 1e4), min_size=1, max_size=30))
def test_without_steps_and_gaps_nothing_that_fits_is_uncovered_and_all_bear_alike(
    target: float, caps: list[float]
) -> None:
    members = tuple(Headroom(id=ResourceId(f"R{number}"), reduce_kw=cap) for number, cap in enumerate(caps))
    allocation = allocate(-target, members)

    assert -allocation.uncovered_kw == pytest.approx(max(target - fsum(caps), 0), abs=1e-6)
    level = min(target / fsum(caps), 1)
    assert all(allocation.shares[member.id] == pytest.approx(-level * member.reduce_kw, rel=1e-6) for member in members)


@given(targets, fleets(kinds=("plain",)))
def test_in_merit_order_nobody_gives_while_a_cheaper_one_has_room(target: float, fleet: Fleet) -> None:
    members, sites = fleet
    allocation = allocate(target, members, MERIT_ORDER, sites)
    full = {id for site in sites for id in site.members if is_full(site, target, allocation)}

    spare = [
        member.price
        for member in members
        if member.id not in full and abs(allocation.shares[member.id]) < room(member, target) - 1e-6
    ]
    giving = [member.price for member in members if abs(allocation.shares[member.id]) > 1e-6]
    assert not spare or not giving or max(giving) <= min(spare)


def room(member: Headroom, target: float) -> float:
    return member.reduce_kw if target < 0 else member.raise_kw


def is_full(site: Site, target: float, allocation: Allocation) -> bool:
    limit = site.reduce_kw if target < 0 else site.raise_kw
    return limit is not None and abs(moved(site, allocation)) >= limit - 1e-6


@given(st.floats(0, 3), fleets(kinds=(*FREE, "fixed")))
def test_at_a_level_nobody_is_asked_for_what_it_cannot(level: float, fleet: Fleet) -> None:
    members, sites = fleet
    allocation = by_level(level, members, sites)

    assert list(allocation.shares) == [member.id for member in members]
    assert allocation.uncovered_kw == 0
    fixed = {member.id: member.held_kw or 0.0 for member in members if member.fixed}
    for member in members:
        share = allocation.shares[member.id]
        assert share == fixed[member.id] if member.fixed else share <= 0 and is_possible(member, share)
    for site in sites:
        alone = fsum(kw for id, kw in fixed.items() if id in site.members)
        if site.reduce_kw is not None and alone >= -site.reduce_kw:
            assert moved(site, allocation) >= -site.reduce_kw - 1e-8
