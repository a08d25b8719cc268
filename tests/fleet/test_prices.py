"""A fleet that was told prices: who follows them, what goes before them, and when that is thought over anew."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest
from msgspec.structs import replace

from openadr_ra.fleet.fleet import Cut, Fleet, FleetTerms, Ordered
from openadr_ra.protocol.model import OPT_IN, ResourceId
from openadr_ra.protocol.schedule import Schedule, Slot
from openadr_ra.protocol.step import Away, Instruct
from openadr_ra.protocol.times import FOREVER
from openadr_ra.seams import Descriptor, Energy, Measurement, Need
from tests.fleet.world import (
    HALF_HOUR,
    HOUR,
    MINUTE,
    NOON,
    OTHER,
    UPSTREAM,
    Device,
    Plant,
    after,
    battery,
    constant,
    schedule,
)

TERMS = FleetTerms(track_every_s=60, lease_s=180, sample_s=200, hold_mean=False)
CAR = ResourceId("car")
EVENING = NOON + 4 * HOUR


def charger(name: str = "car", kw: float = 6.0, plan_kw: float = 0.0) -> Descriptor:
    return Descriptor(id=ResourceId(name), kind="consumer", subtype="ev", min_kw=0, max_kw=kw, plan=constant(plan_kw))


class Car(Device):
    """Needs so much from when it is first looked at; charges as it is told, and stops when it has that."""

    def __init__(self, descriptor: Descriptor, need_kwh: float, by: datetime) -> None:
        super().__init__(descriptor)
        self.need_kwh = need_kwh
        self.by = by

    def measures(self, now: datetime) -> Measurement:
        measured = super().measures(now)
        got_kwh = (measured.import_kwh or 0.0) - 1000.0
        need = Need(kwh=max(self.need_kwh - got_kwh, 0.0), by=self.by)
        return replace(measured, need=need if now < self.by else None)


class Store(Device):
    """Its state of charge follows what it does."""

    def measures(self, now: datetime) -> Measurement:
        measured = super().measures(now)
        energy = self.descriptor.energy
        assert energy is not None
        held_kwh = energy.capacity_kwh / 2 + (measured.import_kwh or 0.0) - 1000.0
        return replace(measured, soc_percent=100 * held_kwh / energy.capacity_kwh)


def garage(need_kwh: float = 6.0, by: datetime = EVENING, terms: FleetTerms = TERMS, plan_kw: float = 0.0) -> Plant:
    """A car at noon, read each minute."""
    plant = Plant(charger(plan_kw=plan_kw), start=NOON, terms=terms, read_every=MINUTE)
    plant.devices[CAR] = Car(plant.devices[CAR].descriptor, need_kwh, by)
    plant.measures()
    return plant


def prices(*per_kwh: float, start: datetime = NOON, every: timedelta = HOUR, event: str = "P1") -> Schedule:
    return schedule(*per_kwh, start=start, every=every, mode="price", event=event)


def test_a_car_waits_for_the_cheap_hour_and_is_full_at_departure() -> None:
    plant = garage()
    verdict = plant.instructs(prices(30, 40, 10, 20))
    plant.runs_to(after(245))

    assert verdict.opt == OPT_IN
    assert plant.setpoints("car") == [(0, 0.0), (120, 6.0), (180, None)]
    assert [entry.what for entry in plant.entries] == ["prices known"]


def test_each_set_point_by_prices_is_a_lease() -> None:
    """The gateway may die at any time: the device is back at its own plan three minutes later."""
    plant = garage()
    plant.instructs(prices(30, 10))
    plant.runs_to(after(10))

    assert all(one.lease_until == at + 3 * MINUTE for at, one in plant.applied)
    assert len(plant.applied) == 11


def test_a_need_that_just_fits_is_met_whatever_it_costs() -> None:
    plant = garage(need_kwh=12, by=after(120))
    plant.instructs(prices(50, 10, 1))
    plant.runs_to(after(120))

    assert plant.setpoints("car") == [(0, 6.0), (120, None)]


def test_new_prices_move_what_is_still_to_come() -> None:
    plant = garage()
    plant.instructs(prices(30, 40, 10, 20))
    plant.runs_to(after(150))
    plant.instructs(prices(30, 40, 50, 20), modification=1)
    plant.runs_to(after(239))

    assert plant.setpoints("car") == [(0, 0.0), (120, 6.0), (150, 0.0), (180, 6.0), (210, None)]


def test_a_new_need_is_planned_anew() -> None:
    """The driver says that it leaves sooner."""
    plant = garage()
    plant.instructs(prices(30, 40, 10, 20))
    plant.runs_to(after(30))
    car = plant.devices[CAR]
    assert isinstance(car, Car)
    car.by = after(120)
    plant.runs_to(after(119))

    (at, _), (then, kw), *_ = plant.setpoints("car")
    assert at == 0
    assert 31 <= then <= 32
    assert kw == 6.0
    assert plant.devices[CAR].measures(after(119)).need == Need(kwh=0.0, by=after(120))


def test_a_cancelled_tariff_lets_go_at_once() -> None:
    plant = garage()
    plant.instructs(prices(30, 10))
    plant.runs_to(after(30))
    plant.releases("P1", modification=1)

    assert plant.setpoints("car") == [(0, 0.0), (30, None)]
    assert plant.due is None


def test_a_tariff_that_ends_later_is_followed_until_then() -> None:
    """Rule 65: a running event may be cancelled with a random delay; an older word than the newest version is none."""
    plant = garage()
    plant.instructs(prices(30, 10), modification=2)
    plant.releases("P1", modification=1)
    assert plant.setpoints("car") == [(0, 0.0)]
    plant.releases("P1", modification=3, at=after(5))
    plant.runs_to(after(10))

    assert plant.setpoints("car")[-1] == (5, None)


def test_an_event_goes_before_prices_and_what_it_charges_is_needed_no_more() -> None:
    """3 kWh are charged in the dear hour, as the event asks; the rest in the cheap one."""
    plant = garage()
    plant.instructs(prices(30, 40, 10, 20))
    plant.instructs(schedule(6.0, start=after(60), event="E1"))
    plant.runs_to(after(239))

    assert plant.setpoints("car") == [(0, 0.0), (60, 6.0), (90, 0.0), (120, 6.0), (150, None)]


def test_an_event_keeps_a_car_from_its_cheap_hour_and_the_next_cheapest_is_taken() -> None:
    """The event wants the plan held, 0 kW."""
    plant = garage()
    plant.instructs(prices(30, 40, 10, 20))
    plant.instructs(schedule(0.0, start=after(120), every=HOUR, mode="setpoint", event="E1"))
    plant.runs_to(after(239))

    assert plant.setpoints("car") == [(0, 0.0), (180, 6.0)]


def test_an_operators_word_goes_before_prices() -> None:
    plant = garage()
    plant.instructs(prices(10, 30))
    plant.gives(Ordered(resource=CAR, kw=2.0, until=after(30), by="operator"))
    plant.runs_to(after(120))

    assert plant.setpoints("car")[:3] == [(0, 6.0), (0, 2.0), (30, 6.0)]


def test_prices_of_a_vtn_out_of_reach_are_not_followed() -> None:
    plant = garage()
    plant.instructs(prices(30, 10))
    plant.gives(Cut(upstream=UPSTREAM, cut=True))
    assert plant.setpoints("car") == [(0, 0.0), (0, None)]
    plant.gives(Cut(upstream=UPSTREAM, cut=False))

    assert plant.setpoints("car") == [(0, 0.0), (0, None), (0, 0.0)]


def test_the_prices_of_the_more_important_event_count() -> None:
    """The other VTN's speak of the same time."""
    plant = garage()
    plant.instructs(prices(10, 30, 30, 30))
    plant.gives(Instruct(schedule=prices(50, 50, 50, 5, event="P2"), modification=0, reply_to=OTHER, priority=1))
    plant.runs_to(after(239))

    assert plant.setpoints("car") == [(0, 6.0), (0, 0.0), (180, 6.0)]


@pytest.mark.parametrize(("usual", "charged"), [(None, [(0, 6.0), (60, None)]), (20.0, [(0, 0.0), (60, None)])])
def test_where_nobody_tells_a_price_the_usual_one_counts_and_without_one_it_is_the_last_resort(
    usual: float | None, charged: list[tuple[float, float | None]]
) -> None:
    """A dear hour is told, and nothing of the others; when it is over nobody leads the car any more."""
    plant = garage(terms=replace(TERMS, usual_price=usual))
    plant.instructs(prices(99))
    plant.runs_to(after(61))

    assert plant.setpoints("car") == charged


def test_one_price_for_ever_is_no_reason_to_wait() -> None:
    plant = garage()
    for_ever = replace(prices(30), slots=(Slot(start=NOON, kw=30.0),))
    plant.instructs(for_ever)
    plant.runs_to(after(70))

    assert plant.setpoints("car") == [(0, 6.0), (60, None)]


def test_prices_that_are_over_are_forgotten() -> None:
    plant = garage()
    plant.instructs(prices(10))
    plant.runs_to(after(61))

    assert plant.fleet.tariffs == ()
    assert plant.due is None


def test_a_car_that_is_away_as_declared_is_left_alone() -> None:
    plant = garage()
    away = (Away(resource=CAR, start=NOON, end=after(60)),)
    plant.gives(Instruct(schedule=prices(10, 20, 30), modification=0, reply_to=UPSTREAM, away=away))
    plant.runs_to(after(61))

    assert plant.setpoints("car") == [(60, 6.0)]


def test_a_tariff_is_for_whom_it_names() -> None:
    plant = garage()
    plant.instructs(schedule(30, 10, every=HOUR, mode="price", to=("other",), event="P1"))

    assert plant.applied == []


def test_an_event_of_power_that_becomes_one_of_prices_asks_for_no_power_any_more() -> None:
    plant = garage()
    plant.instructs(schedule(3.0, every=HOUR, event="E1"))
    assert plant.setpoints("car") == [(0, 3.0)]
    plant.instructs(prices(30, 10, event="E1"), modification=1)
    assert plant.setpoints("car")[-1] == (0, 0.0)
    plant.instructs(schedule(2.0, every=HOUR, event="E1"), modification=2)

    assert plant.setpoints("car")[-1] == (0, 2.0)
    assert plant.fleet.tariffs == ()


class V2h(Store):
    """Half full; half is what it needs."""

    def measures(self, now: datetime) -> Measurement:
        measured = super().measures(now)
        beyond_kwh = (measured.import_kwh or 0.0) - 1000.0
        need = Need(kwh=max(-beyond_kwh, 0.0), by=after(180), spare_kwh=max(beyond_kwh, 0.0))
        return replace(measured, need=need if now < need.by else None)


@pytest.mark.parametrize(("follow", "powers"), [(None, []), (True, [(0, -5.0), (60, 0.0), (120, 5.0)])])
def test_a_car_that_could_give_sells_only_where_stores_may_trade_and_has_what_it_needs_at_departure(
    follow: bool | None, powers: list[tuple[float, float | None]]
) -> None:
    made = replace(battery("bat", 5.0), energy=Energy(capacity_kwh=10.0))
    plant = Plant(made, start=NOON, terms=replace(TERMS, follow_prices=follow), read_every=MINUTE)
    plant.devices[made.id] = V2h(made)
    plant.measures()
    plant.instructs(prices(50, 20, 10))
    plant.runs_to(after(179))

    assert plant.setpoints("bat") == powers
    need = plant.devices[made.id].measures(plant.now).need
    assert need is not None
    assert need.kwh <= 5 / 60 + 1e-6


def shop(follow: bool | None) -> Plant:
    """A battery of 10 kWh, half full, at noon."""
    made = replace(battery("bat", 5.0), energy=Energy(capacity_kwh=10.0))
    plant = Plant(made, start=NOON, terms=replace(TERMS, follow_prices=follow), read_every=MINUTE)
    plant.devices[made.id] = Store(made)
    plant.measures()
    return plant


@pytest.mark.parametrize("follow", [None, False])
def test_a_battery_does_not_trade_unless_the_settings_say_so(follow: bool | None) -> None:
    """It has no need that would be met all the same; what its owner keeps it for nobody here knows."""
    plant = shop(follow)
    plant.instructs(prices(10, 50))
    plant.runs_to(after(61))

    assert plant.applied == []
    assert plant.due is not None


def test_a_battery_that_trades_ends_with_what_it_had() -> None:
    plant = shop(True)
    plant.instructs(prices(10, 50, 10))
    plant.runs_to(after(181))

    assert plant.setpoints("bat") == [(0, 5.0), (60, -5.0), (120, 0.0), (180, None)]
    assert plant.devices[ResourceId("bat")].measures(plant.now).soc_percent == pytest.approx(50.0)


def test_nobody_follows_prices_where_the_settings_forbid_it() -> None:
    plant = garage(terms=replace(TERMS, follow_prices=False))
    plant.instructs(prices(30, 10))

    assert plant.applied == []


def test_what_the_site_may_draw_holds_for_all_that_follow_together() -> None:
    """Two cars of 6 kW behind 8 kW, where 1 kW is used already: one charges with 6, the other with 1."""
    terms = replace(TERMS, import_max_kw=8.0)
    house = Descriptor(id=ResourceId("house"), kind="consumer", min_kw=0, max_kw=5, plan=constant(1.0))
    plant = Plant(charger("a"), charger("b"), house, start=NOON, terms=terms, read_every=MINUTE)
    for name in ("a", "b"):
        held = plant.devices[ResourceId(name)].descriptor
        plant.devices[held.id] = Car(held, 6.0, after(120))
    plant.measures()
    plant.instructs(prices(30, 10))
    plant.runs_to(after(61))
    assert sorted(plant.kw(name) for name in ("a", "b")) == [1.0, 6.0]
    plant.runs_to(after(119))

    assert all(plant.devices[ResourceId(name)].measures(plant.now).need is not None for name in ("a", "b"))
    assert max(_together(plant)) <= 7.0 + 1e-6


def _together(plant: Plant) -> list[float]:
    """What the set-points of both come to after each that was given."""
    now: dict[str, float] = {}
    moments: dict[datetime, float] = {}
    for at, one in plant.applied:
        now[one.resource] = one.kw or 0.0
        moments[at] = sum(now.values())
    return list(moments.values())


def test_a_need_without_a_deadline_is_met_while_prices_are_known() -> None:
    plant = garage(by=FOREVER)
    plant.instructs(prices(30, 10, 20))
    plant.runs_to(after(61))

    assert plant.setpoints("car") == [(0, 0.0), (60, 6.0)]


def test_a_row_of_before_there_were_prices_is_read() -> None:
    plant = garage()
    plant.instructs(schedule(-1.0, every=HALF_HOUR))
    row = msgspec.json.decode(msgspec.json.encode(plant.fleet), type=dict[str, msgspec.Raw])
    for name in ("tariffs", "anchors", "turn"):
        row.pop(name, None)

    assert msgspec.json.decode(msgspec.json.encode(row), type=Fleet) == plant.fleet
