"""Vectors V1 to V7 of the reference (erab 6.3): what becomes of the mean of a slot."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from openadr_ra.fleet.hold import HoldTerms, Pace, aim, band
from openadr_ra.fleet.metered import Delivered, beginning, heard, hours
from openadr_ra.protocol.model import EventId
from openadr_ra.protocol.schedule import Schedule, Slot, splice
from tests.fleet.pace import (
    HALF_HOUR,
    MINUTE,
    NOON,
    NOTHING,
    PLENTY,
    SIGNS,
    TERMS,
    after,
    came,
    is_ok,
    raised,
    running,
)


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize(
    ("added", "mean_kw", "ok"), [(150, 900, True), (149, 899.33333, False), (0, 800, False), (300, 1000, True)]
)
def test_vector_v1_a_loss_that_others_make_up_for_in_part_is_on_the_limit_and_passes(
    sign: int, added: float, mean_kw: float, ok: bool
) -> None:
    """300 kW of 1000 are lost at 10 min: the band's edge is inside it, and nobody reacting is outside."""
    delivered = came((10, sign * 1000), (0, sign * 700))

    found = aim(running(sign * 1000, delivered), raised(sign * 1000, added), TERMS, after(10))

    assert found.required_kw == pytest.approx(sign * 1000)
    assert found.kw == pytest.approx(sign * (700 + added))
    assert found.change_kw == pytest.approx(sign * added)
    assert found.settled_kw == pytest.approx(sign * mean_kw)
    assert found.projected_kw == pytest.approx(sign * 800)
    assert not found.in_band
    assert is_ok(sign * 1000, found.settled_kw) is ok


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize(("at", "needed"), [(19.9, True), (20, False), (25, False)])
def test_vector_v2_the_latest_harmless_loss_needs_no_redispatch(sign: int, at: float, needed: bool) -> None:
    """300 kW lost at 20 min leave 900 kW. Who can correct for nothing still does: aim and need are two things."""
    delivered = came((at, sign * 1000), (0, sign * 700))

    found = aim(running(sign * 1000, delivered), PLENTY, TERMS, after(at))

    assert found.in_band is not needed
    assert abs(found.kw) > 700


@pytest.mark.parametrize("sign", SIGNS)
def test_vector_v3_a_late_start_fails_and_a_catch_up_of_a_tenth_passes(sign: int) -> None:
    """Nothing for 4 min, then 1000: 866.7 kW. With 1100 for the other 26 min: 953 kW."""
    delivered = came((4, 0), (0, sign * 1000))

    found = aim(running(sign * 1000, delivered), PLENTY, HoldTerms(limit=0.1), after(4))

    assert found.projected_kw == pytest.approx(sign * 866.6667)
    assert not is_ok(sign * 1000, found.projected_kw)
    assert found.required_kw == pytest.approx(sign * 1153.8462)
    assert found.kw == pytest.approx(sign * 1100)
    assert found.settled_kw == pytest.approx(sign * 953.3333)
    assert is_ok(sign * 1000, found.settled_kw)


def constant(kw: float) -> Schedule:
    return Schedule(id=EventId("E1"), slots=(Slot(start=NOON, end=after(30), kw=kw),))


@pytest.mark.parametrize(
    ("response", "weighted_kw"),
    [(0, 760), (5, 826.66667), (18, 1000), (45, 1000)],
)
def test_vector_v4_a_modification_in_the_slot_counts_from_its_response_time(
    response: float, weighted_kw: float
) -> None:
    """From 1000 to 600 at 12 min: each for the time that it was in force, the response time being dead time."""
    judged = splice(constant(1000), constant(600), after(12 + response))

    assert judged.mean(NOON, after(30)) == pytest.approx(weighted_kw)


def test_vector_v4_a_second_modification_leaves_what_was_in_force_of_the_first() -> None:
    """1000, 600 from 12 + 5 min, 800 from 20 + 5 min."""
    first = splice(constant(1000), constant(600), after(12 + 5))

    judged = splice(first, constant(800), after(20 + 5))

    assert judged.mean(NOON, after(30)) == pytest.approx((17 * 1000 + 8 * 600 + 5 * 800) / 30)


def test_vector_v4_the_aim_follows_the_new_instruction_at_once_and_holds_the_mean_that_is_judged() -> None:
    """With no dead time 600 is both; what the response time still counts as 1000 is made up for over the rest."""
    asks = (Slot(start=NOON, end=after(12), kw=1000), Slot(start=after(12), end=after(30), kw=600))
    at_once = Pace(start=NOON, end=after(30), asks=asks, delivered=came((12, 1000)))

    prompt = aim(at_once, PLENTY, TERMS, after(12))
    judged = aim(replace(at_once, target_kw=2480 / 3), PLENTY, TERMS, after(12))

    assert prompt.kw == pytest.approx(600)
    assert prompt.change_kw == pytest.approx(-400)
    assert judged.kw == pytest.approx(711.1111)
    assert judged.settled_kw == pytest.approx(826.66667)


@pytest.mark.parametrize("sign", SIGNS)
def test_vector_v5_the_band_is_a_part_of_the_award_or_of_the_instruction(sign: int) -> None:
    """Award 1000, instructed 400: 300 to 500, or 360 to 440."""
    of_award, of_instruction = band(sign * 400, 0.1, base_kw=1000), band(sign * 400, 0.1)

    assert sorted(abs(kw) for kw in (of_award.low_kw, of_award.high_kw)) == [300, 500]
    assert sorted(abs(kw) for kw in (of_instruction.low_kw, of_instruction.high_kw)) == [360, 440]
    pace = running(sign * 400, came((15, sign * 320)))
    assert not aim(pace, NOTHING, TERMS, after(15)).in_band
    assert aim(replace(pace, base_kw=1000), NOTHING, TERMS, after(15)).in_band


@pytest.mark.parametrize("kw", [899.9999, 900, 1100, 1100.0001])
def test_the_edges_of_the_band_are_inside_it(kw: float) -> None:
    assert band(1000, 0.1).holds(kw) is (900 <= kw <= 1100)
    assert band(-1000, 0.1).holds(-kw) is (900 <= kw <= 1100)


LOST = 0.2
"""The part of the pool of V6 whose communication is lost."""


def test_vector_v6_devices_that_hold_their_last_set_point_leave_the_mean_unchanged() -> None:
    """A lease as long as the slot: nobody is asked for more."""
    found = aim(running(1000, came((10, 1000))), PLENTY, TERMS, after(10))

    assert found.change_kw == pytest.approx(0)
    assert found.projected_kw == pytest.approx(1000)
    assert found.in_band


def test_vector_v6_a_lease_that_ends_has_to_be_covered() -> None:
    """Five minutes of lease, then the fail-safe lets go of 200 kW: without redispatch 833 kW, which fails."""
    found = aim(running(1000, came((5, 1000), (5, 1000 * (1 - LOST)))), PLENTY, TERMS, after(10))

    assert found.projected_kw == pytest.approx(1000 * (1 - LOST * 25 / 30))
    assert not found.in_band
    assert found.change_kw == pytest.approx(250)
    assert found.settled_kw == pytest.approx(1000)


def drifts(pace: Callable[[Delivered], Pace], drift_kw: float, metered: bool, terms: HoldTerms = TERMS) -> list[float]:
    """A slot held minute by minute by a battery beside a load that drifts: the mean of both, and of the battery."""
    battery = -100.0
    site, own = beginning(NOON, kw=battery), beginning(NOON, kw=battery)
    for minute in range(30):
        load = drift_kw * minute / 30
        seen = replace(site if metered else own, kw=battery + (load if metered else 0.0))
        battery += aim(pace(seen), PLENTY, terms, after(minute)).change_kw
        site = heard(replace(site, kw=battery + load), after(minute + 1), battery + load, MINUTE)
        own = heard(replace(own, kw=battery), after(minute + 1), battery, MINUTE)
    return [site.kwh / hours(HALF_HOUR), own.kwh / hours(HALF_HOUR)]


def minus_100(delivered: Delivered) -> Pace:
    return running(-100, delivered)


@pytest.mark.parametrize("drift_kw", [40, -40])
def test_vector_v7_at_the_site_s_meter_the_battery_absorbs_what_the_load_does(drift_kw: float) -> None:
    """40 kW of ramp, which would cost a fifth of the mean: judged at the connection point it is held."""
    site_kw, battery_kw = drifts(minus_100, drift_kw, metered=True)

    assert site_kw == pytest.approx(-100, abs=1)
    assert battery_kw == pytest.approx(-100 - drift_kw / 2, abs=2)


def test_vector_v7_at_the_device_s_meter_the_load_is_not_its_business() -> None:
    site_kw, battery_kw = drifts(minus_100, 40, metered=False)

    assert battery_kw == pytest.approx(-100)
    assert site_kw > -90
