"""Laws of following prices, over whatever cars stand behind one connection."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openadr_ra.fleet.follow import Course, Prices, courses
from openadr_ra.fleet.member import Device
from openadr_ra.fleet.plan import Members
from openadr_ra.fleet.tariff import Tariff
from openadr_ra.fleet.terms import FleetTerms
from openadr_ra.protocol.model import EventId, ResourceId
from openadr_ra.protocol.schedule import mean
from openadr_ra.seams import Descriptor, Measurement, Need
from tests.fleet.world import HOUR, NOON, UPSTREAM, after, constant, schedule

TARIFF_H = 6

Stay = tuple[float, float, float]
"""Power in kW, kWh that are needed, and hours until it leaves."""

stays = st.lists(
    st.tuples(st.sampled_from([3.0, 6.0]), st.floats(0.5, 30.0), st.sampled_from([0.75, 2.0, 3.5, 6.0])),
    min_size=1,
    max_size=4,
)
hourly = st.lists(st.sampled_from([5.0, 10.0, 10.0, 30.0]), min_size=TARIFF_H, max_size=TARIFF_H)


def cars(stays: list[Stay]) -> Members:
    made = {}
    for number, (kw, need_kwh, hours) in enumerate(stays):
        id = ResourceId(f"car-{number}")
        made[id] = Device(
            descriptor=Descriptor(id=id, kind="consumer", min_kw=0, max_kw=kw, plan=constant(0)),
            last=Measurement(at=NOON, kw=0, min_kw=0, max_kw=kw, need=Need(kwh=need_kwh, by=NOON + hours * HOUR)),
        )
    return made


def led(stays: list[Stay], prices: list[float], terms: FleetTerms) -> dict[ResourceId, Course]:
    slots = schedule(*prices, every=HOUR).slots
    told = Tariff(event_id=EventId("P"), modification=0, reply_to=UPSTREAM, slots=slots)
    return courses(Prices((told,), (), {}, terms), cars(stays), NOON)


def kwh(course: Course) -> float:
    return sum(slot.kw * ((slot.end - slot.start) / HOUR) for slot in course.slots)


@given(stays=stays, prices=hourly)
def test_law_each_car_gets_what_it_needs_as_far_as_its_stay_allows_and_nothing_after_it(
    stays: list[Stay], prices: list[float]
) -> None:
    found = led(stays, prices, FleetTerms())

    for number, (kw, need_kwh, hours) in enumerate(stays):
        course = found[ResourceId(f"car-{number}")]
        assert course.slots[-1].end == NOON + hours * HOUR
        assert kwh(course) == pytest.approx(min(need_kwh, kw * hours), abs=0.01)


@settings(max_examples=50)
@given(stays=stays, prices=hourly, limit_kw=st.floats(0.0, 15.0))
def test_law_all_together_never_draw_more_than_the_site_may(
    stays: list[Stay], prices: list[float], limit_kw: float
) -> None:
    found = led(stays, prices, FleetTerms(import_max_kw=limit_kw))

    for minute in range(0, TARIFF_H * 60, 5):
        start = after(minute)
        together = sum(mean(one.slots, start, start + timedelta(seconds=1)) for one in found.values())
        assert together <= limit_kw + 1e-6
