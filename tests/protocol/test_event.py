"""What is true of an event by itself: where it stands, what it says at a moment, what it asks for, what is wrong with it."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from openadr_ra.errors import InvalidData, OadrError
from openadr_ra.protocol import event as events
from openadr_ra.protocol.model import (
    ACTIVE,
    CANCELLED,
    COMPLETED,
    DELTA,
    ELECTRICITY_PRICE,
    FAR,
    LEVEL,
    LOAD_CONTROL,
    LOAD_DISPATCH,
    NEAR,
    PRICE,
    SETPOINT,
    SIMPLE,
    CurrencyPerKwh,
    EnergyReal,
    EventStatus,
    ItemBase,
    PowerReal,
    ScaleCode,
    SignalName,
    SignalType,
)
from openadr_ra.protocol.parts import Event, Interval, ResourceStatus, Signal, SignalPayload
from openadr_ra.protocol.schedule import Slot
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.times import FOREVER, Duration
from tests.world import DAY, HOUR, MINUTE, NOON, SECOND, event

INSTANT = timedelta(microseconds=1)
MONTH = Duration(months=1)


def periods(base: Event, **changes: Duration | datetime | None) -> Event:
    """`base` with another active period."""
    return replace(base, period=replace(base.period, **changes))


def signal(
    *values: float,
    each: timedelta = 30 * MINUTE,
    name: SignalName = LOAD_DISPATCH,
    kind: SignalType = DELTA,
    unit: ItemBase | None = None,
    id: str = "1",
) -> Signal:
    """A signal with one interval per value."""
    intervals = tuple(
        Interval(duration=Duration(seconds=each // SECOND), uid=str(n), payloads=(SignalPayload(value=float(value)),))
        for n, value in enumerate(values)
    )
    return Signal(intervals=intervals, name=name, type=kind, id=id, unit=unit)


KW = PowerReal()
HOURLY = replace(event(), signals=(signal(-1.0, -2.0, unit=KW),))
"""An hour from noon on: -1 kW, then -2 kW."""
OPEN_ENDED = replace(periods(event(), duration=Duration()), signals=(signal(-3.0, each=timedelta(0), unit=KW),))


@pytest.mark.parametrize(
    ("now", "status"),
    [
        (NOON - DAY, FAR),
        (NOON - 10 * MINUTE - INSTANT, FAR),
        (NOON - 10 * MINUTE, NEAR),
        (NOON - INSTANT, NEAR),
        (NOON, ACTIVE),
        (NOON + HOUR - INSTANT, ACTIVE),
        (NOON + HOUR, COMPLETED),
        (NOON + DAY, COMPLETED),
    ],
)
def test_x_ev_11_at_the_vtn_the_status_is_a_function_of_time(now: datetime, status: EventStatus) -> None:
    """At the instant the period ends the event is completed."""
    assert events.status(periods(HOURLY, ramp_up=Duration(seconds=600)), now) == status


@pytest.mark.parametrize("ramp_up", [None, Duration(), Duration(seconds=-600)], ids=["absent", "zero", "negative"])
def test_without_a_ramp_up_an_event_is_never_near(ramp_up: Duration | None) -> None:
    assert events.status(periods(HOURLY, ramp_up=ramp_up), NOON - INSTANT) == FAR


@pytest.mark.parametrize("now", [NOON - DAY, NOON, NOON + DAY])
def test_a_cancelled_event_is_cancelled_at_any_time(now: datetime) -> None:
    assert events.status(replace(HOURLY, status=CANCELLED), now) == CANCELLED


def test_rule_47_at_both_ends_a_duration_of_zero_is_active_for_ever() -> None:
    assert events.end(OPEN_ENDED) == FOREVER
    assert events.listed_until(OPEN_ENDED) == FOREVER
    assert events.status(OPEN_ENDED, NOON - INSTANT) == FAR
    assert events.status(OPEN_ENDED, NOON + 10_000 * DAY) == ACTIVE


def test_rule_66_at_the_vtn_an_event_is_listed_until_its_duration_and_startafter_are_over() -> None:
    assert events.listed_until(HOURLY) == NOON + HOUR
    assert events.listed_until(periods(HOURLY, startafter=Duration(seconds=300))) == NOON + HOUR + 5 * MINUTE


def test_an_event_with_unusable_lengths_is_over_at_its_start() -> None:
    """It was refused, and is to be forgotten some day."""
    assert events.listed_until_or_never(periods(HOURLY, duration=MONTH)) == NOON
    assert events.listed_until_or_never(HOURLY) == NOON + HOUR


@pytest.mark.parametrize(
    ("text", "test"),
    [(None, False), ("", False), ("false", False), ("False", False), (" FALSE ", False), ("true", True), ("no", True),
     ("x", True), (" False?", True), ("0", True)],
)  # fmt: skip
def test_rule_6_at_the_ven_any_text_but_false_makes_it_a_test(text: str | None, test: bool) -> None:
    assert events.is_test(replace(HOURLY, test=text)) is test


@pytest.mark.parametrize(
    ("now", "value"),
    [
        (NOON - INSTANT, 0.0),
        (NOON, -1.0),
        (NOON + 30 * MINUTE - INSTANT, -1.0),
        (NOON + 30 * MINUTE, -2.0),
        (NOON + HOUR - INSTANT, -2.0),
        (NOON + HOUR, 0.0),
    ],
)
def test_rule_14_x_ev_4_at_the_vtn_the_current_value_is_that_of_the_running_interval(
    now: datetime, value: float
) -> None:
    """Zero before and after, for every signal."""
    two = replace(HOURLY, signals=(*HOURLY.signals, signal(1, 2, name=SIMPLE, kind=LEVEL, id="2")))

    sent = events.at(two, now)

    assert [each.current_value for each in sent.signals] == [value, -value]
    assert (sent.created, sent.status) == (now, events.status(two, now))


def test_rule_5_at_the_vtn_a_snapshot_changes_nothing_but_status_created_and_current_value() -> None:
    for now in (NOON - DAY, NOON + 10 * MINUTE, NOON + DAY):
        sent = events.at(HOURLY, now)
        assert replace(sent, status=HOURLY.status, created=HOURLY.created, signals=HOURLY.signals) == HOURLY
        assert replace(sent.signals[0], current_value=None) == HOURLY.signals[0]


def test_a_cancelled_event_has_no_current_value() -> None:
    (sent,) = events.at(replace(HOURLY, status=CANCELLED), NOON).signals

    assert sent.current_value == 0.0


def test_rule_15_at_the_vtn_active_events_come_first_then_pending_then_completed() -> None:
    """Active by priority, then start; pending by start, then priority; 0 and absent are the lowest."""
    now = NOON
    long = 4 * HOUR
    listed = [
        ("active, 1", replace(event(start=now - HOUR, duration=long), priority=1)),
        ("active, 2, early", replace(event(start=now - 2 * HOUR, duration=long), priority=2)),
        ("active, 2, late", replace(event(start=now - HOUR, duration=long), priority=2)),
        ("active, none, early", event(start=now - 3 * HOUR, duration=long)),
        ("active, 0, late", replace(event(start=now - HOUR, duration=long), priority=0)),
        ("pending, early, none", event(start=now + HOUR)),
        ("pending, late, 1", replace(event(start=now + 2 * HOUR), priority=1)),
        ("pending, late, 2", replace(event(start=now + 2 * HOUR), priority=2)),
        ("completed, early", event(start=now - 9 * HOUR)),
        ("completed, late", replace(event(start=now - 8 * HOUR), priority=1)),
    ]
    named = [replace(item, id=name) for name, item in listed]

    ordered = events.order(iter(named[::-1]), now)

    assert [item.id for item in ordered] == [name for name, _ in listed]


def test_rule_15_at_the_vtn_a_cancelled_event_stands_where_its_time_would_put_it() -> None:
    cancelled = replace(event("gone", start=NOON - MINUTE), status=CANCELLED, priority=1)
    running = replace(event("runs", start=NOON - MINUTE), priority=2)

    assert [item.id for item in events.order(iter([running, cancelled]), NOON)] == ["gone", "runs"]


@given(st.lists(st.integers(-100, 100), min_size=1, max_size=6), st.integers(1, 7200))
def test_the_intervals_of_a_signal_lie_end_to_end(values: list[int], seconds: int) -> None:
    each = seconds * SECOND
    laid = list(events.laid(signal(*values, each=each), periods(event(), duration=Duration(seconds=7200))))

    assert [value for _, value in laid] == values
    assert laid[0][0][0] == NOON
    assert all(before[1] == after[0] for (before, _), (after, _) in pairwise(laid))
    assert laid[-1][0][1] == NOON + len(values) * each


def test_a_schedule_is_the_power_of_each_interval_in_kw() -> None:
    schedule = events.schedule(HOURLY)

    assert schedule is not None
    assert schedule.mode == "delta"
    assert schedule.slots == (
        Slot(start=NOON, end=NOON + 30 * MINUTE, kw=-1.0),
        Slot(start=NOON + 30 * MINUTE, end=NOON + HOUR, kw=-2.0),
    )
    assert (schedule.start, schedule.end) == (NOON, NOON + HOUR)


def test_rule_30_at_the_ven_an_offset_shifts_the_whole_schedule() -> None:
    schedule = events.schedule(HOURLY, 5 * MINUTE)

    assert schedule is not None
    assert (schedule.start, schedule.end) == (NOON + 5 * MINUTE, NOON + HOUR + 5 * MINUTE)


def test_the_schedule_of_an_open_ended_event_ends_never() -> None:
    schedule = events.schedule(OPEN_ENDED, 5 * MINUTE)

    assert schedule is not None
    assert schedule.slots == (Slot(start=NOON + 5 * MINUTE, end=FOREVER, kw=-3.0),)


@pytest.mark.parametrize(
    ("scale", "kw"), [("none", 0.0015), ("k", 1.5), ("M", 1500.0), ("m", 1.5e-6)], ids=["W", "kW", "MW", "mW"]
)
def test_power_is_in_kw_whatever_its_scale(scale: str, kw: float) -> None:
    unit = PowerReal(scale=ScaleCode(Token(scale)))
    schedule = events.schedule(replace(event(), signals=(signal(1.5, each=HOUR, unit=unit),)))

    assert schedule is not None
    assert schedule.slots[0].kw == pytest.approx(kw)


def test_the_most_exact_signal_steers() -> None:
    """A set-point before a delta before a level; prices count where nothing steers."""
    price = signal(30.0, 40.0, name=ELECTRICITY_PRICE, kind=PRICE, unit=CurrencyPerKwh(), id="p")
    simple = signal(1, 2, name=SignalName(Token("simple")), kind=LEVEL, id="s")
    delta = signal(-1.0, -2.0, unit=KW, id="d")
    setpoint = signal(5.0, 6.0, kind=SETPOINT, unit=KW, id="p")

    def mode(*signals: Signal) -> str | None:
        schedule = events.schedule(replace(event(), signals=signals))
        return schedule.mode if schedule is not None else None

    assert mode(price) == "price"
    assert mode(price, simple) == "level"
    assert mode(simple, delta) == "delta"
    assert mode(delta, setpoint) == "setpoint"


@pytest.mark.parametrize(
    "sound",
    [
        HOURLY,
        OPEN_ENDED,
        periods(HOURLY, startafter=Duration(seconds=60), ramp_up=Duration(seconds=-60)),
        replace(HOURLY, signals=(signal(0, 3, name=SIMPLE, kind=LEVEL),)),
        replace(HOURLY, signals=(signal(1, 2, name=SignalName(Token("simple")), kind=LEVEL),)),
        replace(HOURLY, signals=(signal(1, 2, kind=SETPOINT, unit=KW),)),
        replace(HOURLY, signals=(signal(1, 2, name=ELECTRICITY_PRICE, kind=PRICE, unit=CurrencyPerKwh()),)),
        replace(HOURLY, signals=(replace(signal(7, each=HOUR, unit=KW), intervals=(
            Interval(duration=Duration(seconds=3600), payloads=(SignalPayload(value=7.0),)),)),)),
    ],
    ids=["delta", "open-ended", "startafter", "SIMPLE", "simple of the A profile", "set-point", "price", "no uid"],
)  # fmt: skip
def test_rule_510_at_both_ends_a_sound_event_passes(sound: Event) -> None:
    events.check(sound)


NO_NUMBER = SignalPayload(value=ResourceStatus(online=True, manual_override=False))


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (periods(HOURLY, duration=Duration(seconds=-3600)), "454"),
        (periods(HOURLY, duration=MONTH), "454"),
        (periods(HOURLY, startafter=MONTH), "454"),
        (periods(HOURLY, startafter=Duration(seconds=-1)), "454"),
        (periods(HOURLY, ramp_up=MONTH), "454"),
        (replace(HOURLY, signals=(signal(4, 0, name=SIMPLE, kind=LEVEL),)), "454"),
        (replace(HOURLY, signals=(signal(-1, 0, name=SIMPLE, kind=LEVEL),)), "454"),
        (replace(HOURLY, signals=(signal(1.5, 0, name=SIMPLE, kind=LEVEL),)), "454"),
        (replace(HOURLY, signals=(replace(signal(1, each=HOUR, unit=KW), intervals=(
            Interval(duration=Duration(seconds=3600), payloads=(NO_NUMBER,)),)),)), "454"),
        (replace(HOURLY, signals=(signal(1, 2, unit=KW), signal(3, 4, unit=KW))), "459"),
        (replace(HOURLY, signals=(signal(1, unit=KW),)), "459"),
        (replace(HOURLY, signals=(signal(1, 2, 3, unit=KW),)), "459"),
        (replace(HOURLY, signals=(replace(signal(1, 2, unit=KW), intervals=signal(1, 2).intervals[::-1]),)), "459"),
        (replace(HOURLY, signals=(replace(signal(1, 2, unit=KW), intervals=(
            *signal(1, 2).intervals[:1], replace(signal(1, 2).intervals[1], uid=None))),)), "459"),
        (replace(HOURLY, signals=(replace(signal(1, 2, unit=KW), intervals=(
            *signal(1, each=timedelta(0)).intervals, replace(signal(1, each=HOUR).intervals[0], uid="1"))),)), "459"),
        (replace(HOURLY, signals=(replace(signal(1, 2, unit=KW), intervals=(
            *signal(1, each=-HOUR).intervals, replace(signal(1, each=2 * HOUR).intervals[0], uid="1"))),)), "459"),
        (replace(OPEN_ENDED, signals=(signal(1, 2, each=timedelta(0), unit=KW),)), "459"),
        (replace(OPEN_ENDED, signals=(replace(signal(unit=KW)),)), "459"),
        (replace(OPEN_ENDED, signals=HOURLY.signals), "459"),
        (replace(HOURLY, signals=(signal(1, 2, name=SignalName(Token("x-OURS")), unit=KW),)), "460"),
        (replace(HOURLY, signals=(signal(1, 2, kind=PRICE, unit=KW),)), "460"),
        (replace(HOURLY, signals=(signal(1, 2, name=LOAD_CONTROL, kind=LEVEL),)), "460"),
        (replace(HOURLY, signals=(signal(1, 2),)), "460"),
        (replace(HOURLY, signals=(signal(1, 2, unit=EnergyReal()),)), "460"),
        (replace(HOURLY, signals=(signal(1, 2, name=ELECTRICITY_PRICE, kind=PRICE, unit=KW),)), "460"),
        (replace(HOURLY, signals=(signal(1, 2, unit=KW), signal(1, 2, name=LOAD_CONTROL, id="2"))), "460"),
    ],
    ids=[
        "negative duration", "a month", "startafter of a month", "negative startafter", "ramp-up of a month", "level 4",
        "level -1", "level 1.5", "no number", "signalID twice", "too short", "too long", "uids out of order",
        "a uid missing", "an empty interval", "a negative interval", "two open ends", "no interval", "an end within",
        "x- signal", "unknown type", "unknown name", "no unit", "energy for power", "power for price", "one of two",
    ],
)  # fmt: skip
def test_rules_2_8_9_48_109_at_the_ven_what_is_wrong_with_an_event_has_its_code(bad: Event, code: str) -> None:
    """454 for unusable values, 459 for contradictions, 460 for signals that nobody here can follow."""
    with pytest.raises(OadrError) as caught:
        events.check(bad)

    assert caught.value.code == code


@given(st.integers(1, 24), st.integers(1, 3600))
def test_an_event_that_passes_has_a_schedule_that_fills_its_period(count: int, seconds: int) -> None:
    whole = periods(event(), duration=Duration(seconds=count * seconds))
    whole = replace(whole, signals=(signal(*range(count), each=seconds * SECOND, unit=KW),))
    events.check(whole)

    schedule = events.schedule(whole)

    assert schedule is not None
    assert (schedule.start, schedule.end) == (NOON, events.end(whole))


def test_a_number_is_wanted_where_a_current_value_is_to_be_said() -> None:
    silent = replace(HOURLY, signals=(replace(HOURLY.signals[0], intervals=(Interval(payloads=(NO_NUMBER,)),)),))

    with pytest.raises(InvalidData, match="no number"):
        events.at(silent, NOON)
