"""The simulated reference fleet, a fifth of it: `make bench` runs all of it, and docs/tracking.md says what comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from benchmarks.tracking.bound import feasible
from benchmarks.tracking.measures import SlotFigures, slots, summary
from benchmarks.tracking.report import read_csv, table, write_csv
from benchmarks.tracking.run import POLICIES, Policy, Run, Simulation
from benchmarks.tracking.scene import EVENT_S, NONE, SITE_KW, SLOT_S, Faults, Scene, scene

HOMES = 60
LOST = replace(NONE, lost_share=0.12, lost_slot=0)
DOCS = Path(__file__).parents[2] / "docs"


def small(faults: Faults, *, seed: int = 1, count: int = 1, site_kw: float = SITE_KW) -> Scene:
    return scene(seed, slots=count, faults=faults, homes=HOMES, site_kw=site_kw)


def run(policy: Policy, faults: Faults, *, seed: int = 1, count: int = 1) -> Run:
    return Simulation(small(faults, seed=seed, count=count), policy).run()


@pytest.fixture(scope="module")
def whole() -> dict[Policy, tuple[SlotFigures, ...]]:
    """Two half hours with every fault, under each policy."""
    faults = replace(Faults(), lost_slot=0, lost_at_min=2.0, change_slot=1)
    return {policy: slots(run(policy, faults, count=2)) for policy in POLICIES}


def test_every_policy_holds_a_slot_in_which_nothing_goes_wrong() -> None:
    """So what they lose below is lost to faults, and to stores that the equal split asks for more than they have."""
    found = {policy: slots(run(policy, NONE))[0] for policy in POLICIES}

    assert all(found[policy].in_band for policy in ("pro-rata", "plan", "ours")), found
    assert abs(found["ours"].error_percent) < 1


def test_open_loops_lose_what_the_fleet_loses_and_ours_does_not() -> None:
    """12 % of the homes lost at minute 8 are missing for 22 of 30 minutes, unless somebody stands in."""
    found = {policy: slots(run(policy, LOST))[0] for policy in POLICIES}

    assert found["pro-rata"].error_percent < -4
    assert found["plan"].error_percent < -4
    assert found["ours"].in_band
    assert abs(found["ours"].error_percent) < 3
    assert found["ours"].uncovered_kw_min < found["plan"].uncovered_kw_min / 2


def test_with_all_faults_ours_is_in_band_where_physics_allows_it(
    whole: dict[Policy, tuple[SlotFigures, ...]],
) -> None:
    assert all(slot.feasible for slot in whole["ours"])
    assert all(slot.in_band for slot in whole["ours"]), whole["ours"]
    assert not all(slot.in_band for slot in whole["equal"])
    assert not all(slot.in_band for slot in whole["pro-rata"])


def test_no_reserve_no_site_limit_no_lease_and_no_opt_out_is_violated(
    whole: dict[Policy, tuple[SlotFigures, ...]],
) -> None:
    found = summary("ours", whole["ours"])

    assert (found.below_reserve, found.beyond_site, found.held_after, found.asked_out) == (0, 0, 0, 0)


def test_the_same_seed_makes_the_same_figures() -> None:
    faults = replace(Faults(), lost_slot=0, change_slot=0)

    assert run("ours", faults, seed=3) == run("ours", faults, seed=3)
    assert run("pro-rata", faults, seed=3) != run("pro-rata", faults, seed=4)


def test_every_policy_meets_the_same_fleet_and_the_same_faults() -> None:
    """Also what is asked, and where the network is slow, follows from the seed and not from the policy."""
    runs = [run(policy, LOST) for policy in POLICIES]

    assert all(one.scene == runs[0].scene for one in runs)
    assert len({one.minutes[-1].reports for one in runs}) == 1


def test_a_version_costs_two_requests_for_each_ven_that_hears_of_it() -> None:
    """Poll and oadrDistributeEvent, oadrCreatedEvent and oadrResponse."""
    without = slots(run("pro-rata", NONE))[0]
    changed = slots(run("pro-rata", replace(NONE, change_to=0.8, change_slot=0)))[0]

    assert (without.requests, changed.requests) == (2 * HOMES, 4 * HOMES)


def test_the_bound_knows_what_a_fleet_cannot_do() -> None:
    """Everything lost at the start, or more asked than there is: no slot is possible. Nothing wrong: all of them."""
    all_lost = replace(NONE, lost_share=1.0, lost_slot=0, lost_at_min=0.0)

    assert feasible(small(NONE, count=3)) == (True, True, True)
    assert feasible(scene(1, slots=2, faults=NONE, homes=HOMES, mean_kw=9_000)) == (False, False)
    # Generator, line and cars are left; they are less than half of what is asked.
    assert feasible(small(all_lost, count=2)) == (False, False)


def test_a_changed_slot_is_judged_by_each_instruction_for_its_time() -> None:
    """V4: 12 of 30 minutes of the first, 18 of the second."""
    asked = replace(small(NONE), asked_kw=(-1000.0,), changed_kw=(-600.0,), changed_s=EVENT_S + 720)

    assert asked.target_kw(EVENT_S, EVENT_S + SLOT_S) == pytest.approx(-760)
    assert (asked.ask_kw(EVENT_S - 1), asked.ask_kw(EVENT_S), asked.ask_kw(EVENT_S + 720)) == (0.0, -1000.0, -600.0)


def test_figures_come_back_from_their_csv(tmp_path: Path, whole: dict[Policy, tuple[SlotFigures, ...]]) -> None:
    path = tmp_path / "tracking.csv"
    write_csv(whole["ours"], path)

    for found, kept in zip(read_csv(path), whole["ours"], strict=True):
        assert found.mean_kw == pytest.approx(kept.mean_kw, abs=1e-3)
        assert replace(found, **_rounded(kept)) == found
        assert found.slot == kept.slot


def _rounded(slot: SlotFigures) -> dict[str, float]:
    return {name: round(getattr(slot, name), 3) for name in ("asked_kw", "mean_kw", "error_percent", "rmse_kw")}


def test_the_table_of_the_documentation_is_that_of_its_csv() -> None:
    found = read_csv(DOCS / "tracking.csv")

    assert table([summary(policy, found) for policy in POLICIES]) in (DOCS / "tracking.md").read_text("utf-8")
