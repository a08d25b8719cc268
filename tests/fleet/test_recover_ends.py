"""What ends the recovery of a battery, and what else the fleet says and keeps of it."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from openadr_ra.fleet.fleet import Enrolled, Fleet, FleetTerms, Ordered
from openadr_ra.fleet.recover import Owed
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.report import live_series
from openadr_ra.protocol.schedule import Slot
from openadr_ra.seams import Descriptor
from tests.fleet.world import NOON, UPSTREAM, after, battery, schedule
from tests.fleet.yard import SETTLED, TERMS, Yard, used


def test_a_local_override_ends_it_for_good() -> None:
    yard = used(battery("a"))
    yard.runs_to(after(40))
    yard.devices[ResourceId("a")].override = True
    yard.runs_to(after(41))
    yard.devices[ResourceId("a")].override = False

    yard.runs_to(after(120))

    assert yard.setpoints("a")[-1][1] is None
    assert yard.fleet.stores == {}
    assert yard.journal("a")[-1] == ("recovery ended", "local override")


@pytest.mark.parametrize("kw", [None, 1.0])
def test_an_operators_word_ends_it_for_good(kw: float | None) -> None:
    yard = used(battery("a"))
    yard.runs_to(after(40))

    yard.gives(Ordered(resource=ResourceId("a"), kw=kw, until=after(45), by="op"))
    assert yard.kw("a") == (kw or 0)
    yard.runs_to(after(120))

    assert yard.kw("a") == 0
    assert yard.recovering() == set()
    assert ("recovery ended", "an operator's word") in yard.journal("a")


def test_a_battery_that_is_out_of_reach_is_let_go_and_taken_up_again() -> None:
    yard = used(battery("a"))
    yard.runs_to(after(40))
    yard.devices[ResourceId("a")].online = False
    yard.runs_to(after(45))
    assert yard.recovering() == set()

    yard.devices[ResourceId("a")].online = True
    yard.runs_to(after(150))

    assert yard.soc("a") == pytest.approx(50, abs=0.1)
    assert [what for what, _ in yard.journal("a")] == ["recovery begins", "recovery ended"]


def test_what_is_out_of_reach_counts_with_its_last_set_point_until_its_lease_ends() -> None:
    """It took that just before, and nothing was read of it since."""
    yard = used(battery("a"), battery("b"), terms=FleetTerms(recover=True, import_max_kw=10, lease_s=100))
    yard.runs_to(after(SETTLED))
    assert [one.kw for _, one in yard.applied[-2:]] == pytest.approx([5, 5])
    yard.devices[ResourceId("b")].online = False

    yard.runs_to(after(31.5))
    assert yard.kw("a") == pytest.approx(5)
    yard.runs_to(after(32.5))

    assert yard.kw("a") == pytest.approx(10)


@pytest.mark.parametrize(("hours", "soc"), [(0.5, 48.97), (0.7, 49.77), (0.8, 50.0)])
def test_what_is_not_back_in_time_is_left_to_the_devices_plan(hours: float, soc: float) -> None:
    """45 minutes would be needed."""
    yard = used(battery("a"), terms=replace(TERMS, recover_by_h=hours))

    yard.runs_to(after(150))

    assert yard.soc("a") == pytest.approx(soc, abs=0.1)
    reason = "back at 50 %" if soc == 50 else "not back at 50 % in time"
    assert yard.journal("a")[-1] == ("recovery ended", reason)
    assert yard.due is None


def test_a_battery_that_its_plan_moves_is_left_to_that() -> None:
    plan = (Slot(start=after(40), end=after(50), kw=2.0),)
    yard = used(replace(battery("a"), plan=plan))

    yard.runs_to(after(45))
    assert yard.recovering() == set()
    assert yard.kw("a") == 2

    yard.runs_to(after(51))
    assert yard.recovering() == {"a"}


def test_what_the_plan_puts_in_beyond_that_is_not_taken_out_again() -> None:
    plan = (Slot(start=after(30), end=after(90), kw=8.0),)
    yard = used(replace(battery("a"), plan=plan))

    yard.runs_to(after(150))

    assert yard.soc("a") == pytest.approx(55, abs=0.1)
    assert yard.setpoints("a") == [(0, -6), (30, None)]


def test_a_battery_that_is_no_longer_there_is_forgotten() -> None:
    yard = used(battery("a"), battery("b"))
    yard.runs_to(after(40))

    yard.gives(Enrolled(terms=TERMS, descriptors=(battery("b"),), report_to=(UPSTREAM,)))

    assert set(yard.fleet.stores) == {"b"}
    assert yard.journal("a")[-1] == ("recovery ended", "it is no store of this node any more")


def test_an_event_that_is_called_off_is_over_then() -> None:
    """The time for recovery counts from there."""
    yard = Yard(battery("a"), terms=replace(TERMS, recover_by_h=0.2))
    yard.instructs(schedule(-6, -6))
    yard.runs_to(after(20))

    yard.releases(modification=1)
    yard.runs_to(after(21))
    assert yard.recovering() == {"a"}
    yard.runs_to(after(33))

    assert yard.fleet.stores == {}


@pytest.mark.parametrize(
    "device",
    [
        replace(battery("a"), subtype="ev"),
        replace(battery("a"), kind="consumer", subtype="thermal"),
        replace(battery("a"), levels_kw=(-10.0, -6.0, 0.0, 10.0)),
        replace(battery("a"), gap_kw=(-1.0, 0.0)),
    ],
)
def test_what_somebody_uses_or_cannot_hold_any_power_is_not_touched(device: Descriptor) -> None:
    yard = used(device)

    yard.runs_to(after(60))

    assert yard.setpoints("a") == [(0, -6), (30, None)]


def test_what_is_stated_as_available_counts_from_the_baseline_while_a_battery_recovers() -> None:
    """Recovery is no promise: an event may have all of it at once."""
    yard = used(battery("a"))
    yard.runs_to(after(40))
    series = {
        quantity: live_series(ResourceId("ac"), quantity)
        for quantity in ("kw", "baseline", "can_reduce", "can_raise", "can_reduce_kwh", "can_raise_kwh")
    }
    said = {
        quantity: next(one.value for one in reversed(yard.readings.values()) if one.series == name)
        for quantity, name in series.items()
    }
    kwh = yard.soc("a")

    assert said["kw"] == pytest.approx(4)
    assert said["baseline"] == 0
    assert (said["can_reduce"], said["can_raise"]) == (10, 10)
    assert said["can_reduce_kwh"] == pytest.approx(kwh, abs=0.1)
    assert said["can_raise_kwh"] == pytest.approx(100 - kwh, abs=0.1)
    assert yard.instructs(schedule(-10, start=yard.now, event="E2")).opt == "optIn"
    assert yard.kw("a") == -10


def test_a_row_that_knows_of_no_stores_can_be_read() -> None:
    row = b'{"terms":{"min_cover":0.8},"sequence":7}'

    assert msgspec.json.decode(row, type=Fleet) == Fleet(terms=FleetTerms(min_cover=0.8), sequence=7)
    assert msgspec.json.decode(b'{"soc_percent":50,"over":"2026-11-21T12:00:00Z"}', type=Owed) == Owed(
        soc_percent=50, over=NOON
    )
