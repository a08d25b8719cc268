"""The mean power of an interval from whatever was measured, and the times of a report's intervals."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from openadr_ra.errors import InvalidData
from openadr_ra.protocol.model import (
    EnergyReal,
    PowerApparent,
    PowerReal,
    ReportRequestId,
    ScaleCode,
    SpecifierId,
)
from openadr_ra.protocol.parts import (
    COMM_FAILURE,
    GOOD,
    LAST_KNOWN,
    LOCAL_OVERRIDE,
    NO_VALUE,
    UNCERTAIN,
    Interval,
    Quality,
    Report,
)
from openadr_ra.protocol.report import Mean, is_bad, live_series, register_at, response_series, scaled, spans, value
from openadr_ra.protocol.schedule import Reading, Schedule, Slot, mean, splice
from openadr_ra.protocol.shape import Token
from openadr_ra.protocol.times import FOREVER, Duration
from tests.world import BAT, E1, HOUR, MINUTE, NOON, SECOND, reading

HALF = 30 * MINUTE
END = NOON + HALF
HOLD = 2 * MINUTE


def power(minute: float, kw: float, span: timedelta = timedelta(0), quality: Quality = GOOD) -> Reading:
    """A power reading so many minutes after noon."""
    return replace(reading(start=NOON + minute * MINUTE, span=span, value=kw), quality=quality)


def energy(minute: float, kwh: float, quality: Quality = GOOD) -> Reading:
    """The register so many minutes after noon."""
    return replace(reading("live/bat.kwh", start=NOON + minute * MINUTE, value=kwh), quality=quality)


EVERY_MINUTE = tuple(power(minute, 4.0, MINUTE) for minute in range(30))
RISING = (energy(0, 100.0), energy(30, 103.0))
"""3 kWh in half an hour: 6 kW."""


@pytest.mark.parametrize("kw", [1.0, 400.0, -1e12])
def test_the_mean_of_a_constant_power_is_that_power_for_ever(kw: float) -> None:
    assert mean((Slot(start=NOON, kw=kw),), NOON, FOREVER) == pytest.approx(kw, rel=1e-12)


def test_the_mean_over_an_instant_is_as_exact_as_over_a_day() -> None:
    """A set-point is made of it, and a device is let go where that is no power that it can hold."""
    third = (Slot(start=NOON, kw=1 / 3),)
    assert mean(third, NOON, NOON + timedelta(microseconds=7)) == pytest.approx(1 / 3, rel=1e-12)


def test_a_reading_of_that_very_span_comes_first() -> None:
    slot = power(0, 5.0, HALF)

    assert value(NOON, END, power=(slot, *EVERY_MINUTE), register=RISING) == Mean(kw=5.0, coverage=1.0, quality=GOOD)


def test_a_reading_of_that_very_span_says_how_good_it_is() -> None:
    slot = power(0, 5.0, HALF, UNCERTAIN)

    assert value(NOON, END, power=(slot,)).quality == UNCERTAIN


@pytest.mark.parametrize("quality", [COMM_FAILURE, NO_VALUE, LAST_KNOWN])
def test_a_bad_reading_of_that_very_span_is_none(quality: Quality) -> None:
    """What a peer sends in place of a value that it does not have."""
    slot = power(0, 0.0, HALF, quality)

    assert value(NOON, END, power=(slot, *EVERY_MINUTE)).kw == pytest.approx(4.0)
    assert value(NOON, END, power=(slot,)) == Mean(kw=None, coverage=0.0, quality=NO_VALUE)


def test_the_register_comes_before_samples() -> None:
    assert value(NOON, END, power=EVERY_MINUTE, register=RISING) == Mean(kw=6.0, coverage=1.0, quality=GOOD)


def test_a_register_that_falls_is_power_delivered() -> None:
    falling = (energy(0, 100.0), energy(30, 98.0))

    assert value(NOON, END, register=falling).kw == pytest.approx(-4.0)


@pytest.mark.parametrize(("gap", "used"), [(HOLD, True), (HOLD + SECOND, False)])
def test_the_register_is_interpolated_between_readings_that_are_near_enough(gap: timedelta, used: bool) -> None:
    """Two minutes apart, not more; otherwise samples have to do."""
    before = NOON - gap / 2
    around = (
        replace(energy(0, 99.0), start=before),
        replace(energy(0, 101.0), start=before + gap),
        energy(30, 103.0),
    )

    found = value(NOON, END, power=EVERY_MINUTE, register=around)

    assert found.kw == pytest.approx(6.0 if used else 4.0)


def test_a_register_that_was_not_read_at_both_edges_is_not_used() -> None:
    for lacking in (RISING[:1], RISING[1:], (), (energy(5, 100.0), energy(25, 103.0))):
        assert value(NOON, END, power=EVERY_MINUTE, register=lacking).kw == pytest.approx(4.0)


def test_a_bad_register_reading_is_not_used() -> None:
    broken = (RISING[0], replace(RISING[1], quality=COMM_FAILURE))

    assert value(NOON, END, register=broken).kw is None


def test_a_register_reading_with_a_span_is_the_value_at_its_start() -> None:
    """Whether the reports come each minute or each half hour."""
    reports = tuple(replace(energy(minute, 100 + minute / 10), span=MINUTE) for minute in range(32))

    assert value(NOON, END, register=reports).kw == pytest.approx(6.0)
    assert register_at(NOON, reports, HOLD) == 100.0


def test_samples_count_until_the_next_one() -> None:
    """Weighted by time."""
    samples = (power(0, 1.0), power(1, 2.0), power(1.5, 4.0))

    found = value(NOON, NOON + 2 * MINUTE, power=samples)

    assert found.kw == pytest.approx((1.0 * 60 + 2.0 * 30 + 4.0 * 30) / 120)
    assert (found.coverage, found.quality) == (1.0, GOOD)


@pytest.mark.parametrize(("length", "coverage"), [(HOLD, 1.0), (2 * HOLD, 0.5)])
def test_a_sample_counts_for_two_minutes_at_most(length: timedelta, coverage: float) -> None:
    """What is covered in part is uncertain."""
    found = value(NOON, NOON + length, power=(power(0, 3.0),))

    assert found == Mean(kw=3.0, coverage=coverage, quality=GOOD if coverage == 1.0 else UNCERTAIN)


def test_a_sample_from_before_the_interval_counts_into_it() -> None:
    found = value(NOON, NOON + 2 * MINUTE, power=(power(-1, 3.0), power(5, 9.0)))

    assert found == Mean(kw=3.0, coverage=0.5, quality=UNCERTAIN)


def test_means_of_parts_make_the_mean_of_the_whole() -> None:
    found = value(NOON, END, power=tuple(power(5 * n, float(n), 5 * MINUTE) for n in range(6)))

    assert found == Mean(kw=2.5, coverage=1.0, quality=GOOD)


def test_a_gap_is_not_covered() -> None:
    found = value(NOON, END, power=EVERY_MINUTE[:15])

    assert found == Mean(kw=4.0, coverage=0.5, quality=UNCERTAIN)


def test_bad_readings_are_a_gap() -> None:
    half_bad = (*EVERY_MINUTE[:15], *(replace(each, quality=COMM_FAILURE) for each in EVERY_MINUTE[15:]))

    assert value(NOON, END, power=half_bad).coverage == 0.5


def test_a_quality_other_than_good_is_carried() -> None:
    one_overridden = (replace(EVERY_MINUTE[0], quality=LOCAL_OVERRIDE), *EVERY_MINUTE[1:])

    assert value(NOON, END, power=one_overridden).quality == LOCAL_OVERRIDE


def test_of_readings_with_one_start_the_most_detailed_counts() -> None:
    """The report of the half hour says nothing of its first minute that the minute's own does not say better."""
    both = sorted((*EVERY_MINUTE, power(0, 400.0, HALF)), key=lambda each: each.start)

    assert value(NOON, NOON + 10 * MINUTE, power=both).kw == pytest.approx(4.0)
    assert value(NOON, NOON + 10 * MINUTE, power=both[::-1]).kw == pytest.approx(4.0)


def test_nothing_measured_is_no_value_not_zero() -> None:
    assert value(NOON, END) == Mean(kw=None, coverage=0.0, quality=NO_VALUE)
    assert value(NOON, END, power=(power(-30, 1.0), power(31, 1.0))).kw is None


@pytest.mark.parametrize(("minute", "kw"), [(-2.1, None), (-1.9, 7.0), (0, 7.0), (0.1, None)])
def test_at_an_instant_the_sample_that_counts_then_is_the_value(minute: float, kw: float | None) -> None:
    """As a one-shot report asks for it."""
    assert value(NOON, NOON, power=(power(minute, 7.0),)).kw == kw


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.integers(1, 600))
def test_a_mean_lies_between_the_least_and_the_greatest_sample(values: list[float], seconds: int) -> None:
    samples = tuple(reading(start=NOON + n * 10 * SECOND, value=number) for n, number in enumerate(values))
    found = value(NOON, NOON + seconds * SECOND, power=samples)

    assert found.kw is not None
    assert min(values) - 1e-6 <= found.kw <= max(values) + 1e-6
    assert 0 < found.coverage <= 1


@pytest.mark.parametrize(
    ("quality", "bad"),
    [(GOOD, False), (UNCERTAIN, False), (LOCAL_OVERRIDE, False), (NO_VALUE, True), (COMM_FAILURE, True)],
)
def test_what_must_not_be_counted(quality: Quality, bad: bool) -> None:
    assert is_bad(quality) is bad


def test_real_power_and_energy_are_scaled_to_kilo_and_nothing_else_is() -> None:
    mega, plain = ScaleCode(Token("M")), ScaleCode(Token("none"))

    assert scaled(PowerReal(scale=mega), 2.0) == 2000.0
    assert scaled(PowerReal(), 2.0) == 2.0
    assert scaled(EnergyReal(scale=plain), 1500.0) == 1.5
    assert scaled(PowerApparent(scale=mega), 2.0) == 2.0
    assert scaled(None, 2.0) == 2.0


def report(*intervals: Interval, start: datetime | None = NOON, duration: Duration | None = None) -> Report:
    return Report(
        start=start,
        duration=duration,
        intervals=intervals,
        request_id=ReportRequestId("rr1"),
        specifier_id=SpecifierId("usage"),
        created=NOON,
    )


def piece(start: datetime | None = None, length: timedelta | None = None) -> Interval:
    return Interval(
        start=start, duration=Duration(seconds=length // SECOND) if length is not None else None, payloads=()
    )


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (report(piece(NOON + HOUR, MINUTE)), [(NOON + HOUR, MINUTE)]),
        (report(piece(None, MINUTE)), [(NOON, MINUTE)]),
        (report(piece(None, MINUTE), piece(None, HOUR), piece(None, MINUTE)),
         [(NOON, MINUTE), (NOON + MINUTE, HOUR), (NOON + HOUR + MINUTE, MINUTE)]),
        (report(piece(NOON + HOUR, MINUTE), piece(None, MINUTE)), [(NOON + HOUR, MINUTE), (NOON + HOUR + MINUTE, MINUTE)]),
        (report(piece(), duration=Duration(seconds=60)), [(NOON, MINUTE)]),
        (report(piece(NOON), piece(NOON + MINUTE), duration=Duration(seconds=60)),
         [(NOON, timedelta(0)), (NOON + MINUTE, timedelta(0))]),
        (report(piece(NOON), start=None), [(NOON, timedelta(0))]),
        (report(), []),
    ],
    ids=["its own", "the report's", "one after the other", "after its predecessor", "the report's length", "samples",
         "no start but its own", "none"],
)  # fmt: skip
def test_rules_314_342_at_both_ends_an_interval_inherits_what_it_leaves_out(
    said: Report, expected: list[tuple[datetime, timedelta]]
) -> None:
    assert [(start, length) for start, length, _ in spans(said)] == expected


def test_rule_314_at_both_ends_an_interval_without_any_start_is_refused() -> None:
    with pytest.raises(InvalidData, match="rule 314"):
        list(spans(report(piece(None, MINUTE), start=None)))


@pytest.mark.parametrize("length", [Duration(seconds=-1), Duration(months=1)], ids=["negative", "a month"])
def test_an_interval_without_a_usable_length_is_refused(length: Duration) -> None:
    with pytest.raises(InvalidData):
        list(spans(report(Interval(duration=length, payloads=()))))


PLAN = Schedule(id=E1, slots=(Slot(start=NOON, end=END, kw=-1.0), Slot(start=END, end=NOON + HOUR, kw=-3.0)))


def test_a_schedule_knows_its_power_at_any_time() -> None:
    """A slot's start is inside, its end is not."""
    ticks = (NOON - SECOND, NOON, END - SECOND, END, NOON + HOUR)

    assert [slot.kw if (slot := PLAN.at(when)) else None for when in ticks] == [None, -1.0, -1.0, -3.0, None]
    assert list(PLAN.edges()) == [NOON, END, END, NOON + HOUR]
    assert list(Schedule(id=E1, slots=(Slot(start=NOON, kw=1.0),)).edges()) == [NOON]


def test_the_mean_of_a_schedule_is_weighted_by_time_and_zero_outside() -> None:
    assert PLAN.mean(NOON, NOON + HOUR) == -2.0
    assert PLAN.mean(NOON - HOUR, NOON + HOUR) == -1.0
    assert PLAN.mean(NOON + HOUR, NOON + 2 * HOUR) == 0.0
    assert mean(PLAN.slots, END, END) == -3.0
    assert mean(PLAN.slots, NOON + HOUR, NOON + HOUR) == 0.0


def test_a_schedule_that_is_replaced_keeps_its_past() -> None:
    newer = Schedule(id=E1, mode="setpoint", slots=(Slot(start=NOON - HOUR, end=FOREVER, kw=7.0),))

    spliced = splice(PLAN, newer, NOON + 40 * MINUTE)

    assert spliced.mode == "setpoint"
    assert spliced.slots == (
        Slot(start=NOON, end=END, kw=-1.0),
        Slot(start=END, end=NOON + 40 * MINUTE, kw=-3.0),
        Slot(start=NOON + 40 * MINUTE, end=FOREVER, kw=7.0),
    )
    assert splice(PLAN, newer, NOON - 2 * HOUR).slots == newer.slots


def test_series_are_named_after_what_they_are_about() -> None:
    assert live_series(BAT, "kw") == "live/bat.kw"
    assert response_series(E1, BAT, "delta") == "response/E1/bat.delta"


def test_a_sample_counts_for_its_own_time_while_a_register_bridges_a_longer_one() -> None:
    """A minute without power samples was not measured; the register knows what flowed in it all the same."""
    end = NOON + 2 * MINUTE
    power = [reading(start=at, value=4.0) for at in (NOON, end - SECOND)]
    register = [reading(start=at, value=kwh) for at, kwh in ((NOON, 0.0), (end, 0.1))]

    by_power = value(NOON, end, power=power, hold=5 * SECOND)
    by_register = value(NOON, end, power=power, register=register, hold=5 * SECOND, register_hold=2 * MINUTE)

    assert by_power.coverage == pytest.approx(6 / 120)
    assert by_power.quality != GOOD
    assert by_register.kw == pytest.approx(3.0)
    assert (by_register.coverage, by_register.quality) == (1.0, GOOD)
