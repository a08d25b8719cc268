"""One kW figure to members that share connections with limits."""

from __future__ import annotations

from math import fsum

import pytest
from msgspec.structs import replace

from openadr_ra.errors import SettingsError
from openadr_ra.fleet.allocate import MERIT_ORDER, PRO_RATA, Headroom, Site, allocate, by_level
from openadr_ra.protocol.model import ResourceId

A, B, C, D = (ResourceId(name) for name in "ABCD")


def shed(name: str, kw: float, price: float = 0.0) -> Headroom:
    return Headroom(id=ResourceId(name), reduce_kw=kw, price=price)


def lump(name: str, kw: float) -> Headroom:
    return Headroom(id=ResourceId(name), reduce_kw=kw, steps_kw=(-kw,))


def test_a_site_gives_no_more_than_its_limits() -> None:
    """150 of 300 kW; its two members are held to 60 kW together, in one direction."""
    members = tuple(Headroom(id=id, reduce_kw=100, raise_kw=100) for id in (A, B, C))
    site = Site(id="home", members=(A, B), reduce_kw=60)

    assert allocate(-90, members, PRO_RATA, (site,)).shares == {A: -30, B: -30, C: -30}
    assert allocate(-150, members, PRO_RATA, (site,)).shares == pytest.approx({A: -30, B: -30, C: -90})
    assert allocate(-170, members, PRO_RATA, (site,)).uncovered_kw == -10
    assert allocate(150, members, PRO_RATA, (site,)).shares == {A: 50, B: 50, C: 50}
    assert allocate(150, members, PRO_RATA, (replace(site, raise_kw=0.0),)).shares == {A: 0, B: 0, C: 100}


def test_within_a_site_the_cheapest_comes_first_too() -> None:
    members = (shed("A", 100, 5), shed("B", 100, 7), shed("C", 100, 9))
    site = Site(id="home", members=(A, B), reduce_kw=120, raise_kw=0)

    assert allocate(-150, members, MERIT_ORDER, (site,)).shares == {A: -100, B: -20, C: -30}


def test_a_sites_limit_leaves_out_lines_that_do_not_fit_and_takes_those_that_do() -> None:
    members = (lump("A", 70), lump("B", 60), lump("C", 50), shed("D", 10))
    site = Site(id="works", members=(A, B), reduce_kw=60, raise_kw=0)

    assert allocate(-120, members, PRO_RATA, (site,)).shares == {A: 0, B: -60, C: -50, D: -10}
    assert allocate(-130, members, PRO_RATA, (site,)).uncovered_kw == -10


def test_what_is_fixed_uses_up_its_sites_limit_or_makes_room() -> None:
    site = Site(id="home", members=(A, B), reduce_kw=60, raise_kw=60)

    def of_b(held_kw: float, target_kw: float) -> float:
        fixed = Headroom(id=A, held_kw=held_kw, fixed=True)
        return allocate(target_kw, (fixed, Headroom(id=B, reduce_kw=200, raise_kw=200)), sites=(site,)).shares[B]

    assert of_b(-40, -200) == -20
    assert of_b(40, -200) == -100
    assert of_b(-80, -200) == 0


def test_under_a_sites_limit_two_lines_may_not_fit_where_one_does() -> None:
    """The lines together are held to 120 kW, and still can give 70 at most: the generator gives the rest."""
    members = (lump("A", 70), lump("B", 60), Headroom(id=C, reduce_kw=90, gap_kw=(-30, 0), price=9))
    site = Site(id="works", members=(A, B), reduce_kw=120)

    assert allocate(-120, members, MERIT_ORDER, (site,)).shares == {A: -70, B: 0, C: -50}


def test_a_member_of_two_sites_is_refused() -> None:
    with pytest.raises(SettingsError, match="A is a member of two sites, one and two"):
        allocate(-1, (shed("A", 1),), sites=(Site(id="one", members=(A,)), Site(id="two", members=(A,))))


def test_at_a_level_a_site_shares_what_it_may_give() -> None:
    members = (shed("A", 30), shed("B", 60), shed("C", 90))
    site = Site(id="home", members=(A, B), reduce_kw=30, raise_kw=0)

    assert by_level(1, members, (site,)).shares == {A: -10, B: -20, C: -30}
    assert by_level(2, members, (site,)).shares == {A: -10, B: -20, C: -60}


def test_a_fleet_of_many_kinds_and_sites_is_shared_out_exactly() -> None:
    """Ten thousand members: of each site's limit, and of the sum, nothing is lost to size."""
    members = tuple(
        Headroom(
            id=ResourceId(f"R{number:05}"),
            reduce_kw=3.0 + number % 7 / 7,
            least_kw=1.4 if number % 5 == 0 else 0.0,
            step_kw=0.23 if number % 11 == 0 else 0.0,
            steps_kw=(-2.5,) if number % 13 == 0 else None,
        )
        for number in range(10_000)
    )
    sites = tuple(
        Site(id=f"S{at}", members=tuple(each.id for each in members[at : at + 4]), reduce_kw=9.0)
        for at in range(0, 10_000, 4)
    )
    allocation = allocate(-12_345.678, members, PRO_RATA, sites)

    assert allocation.uncovered_kw == 0
    assert fsum(allocation.shares.values()) == pytest.approx(-12_345.678, abs=1e-9)
    assert all(fsum(allocation.shares[id] for id in site.members) >= -9 - 1e-9 for site in sites)
