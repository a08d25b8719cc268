"""xs:dateTime and the duration of the 2.0b schemas, in every lexical form that the patterns allow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openadr_ra.errors import InvalidData
from openadr_ra.protocol.times import (
    FOREVER,
    MAX_DURATION_CHARACTERS,
    MAX_DURATION_S,
    Duration,
    duration,
    read_datetime,
    read_duration,
    shift,
    write_datetime,
    write_duration,
)

SPANS = st.builds(
    lambda months, seconds, sign: Duration(months=sign * months, seconds=sign * seconds),
    st.integers(0, 4800),
    st.integers(0, MAX_DURATION_S),
    st.sampled_from([1, -1]),
)


@pytest.mark.parametrize(
    ("text", "months", "seconds"),
    [
        ("PT0S", 0, 0),
        ("P", 0, 0),
        ("PT", 0, 0),
        ("-P", 0, 0),
        ("PT30M", 0, 1800),
        ("PT1H", 0, 3600),
        ("PT90S", 0, 90),
        ("P1D", 0, 86_400),
        ("P1DT2H3M4S", 0, 93_784),
        ("P1D2H", 0, 93_600),
        ("P1H", 0, 3600),
        ("P1Y", 12, 0),
        ("P2M", 2, 0),
        ("P1Y2M3DT4S", 14, 259_204),
        ("5W", 0, 3_024_000),
        ("P5W", 0, 3_024_000),
        ("+PT5S", 0, 5),
        ("-PT5S", 0, -5),
        ("-P1M1D", -1, -86_400),
        ("P00000000000000000001D", 0, 86_400),
        (" PT1M\n", 0, 60),
    ],
)
def test_a_duration_is_read_in_every_form_of_the_pattern(text: str, months: int, seconds: int) -> None:
    """Integers only, `T` optional, a bare `P` is nothing, weeks with and without `P`."""
    assert read_duration(text) == Duration(months=months, seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30M",
        "PT1.5S",
        "P1W2D",
        "-5W",
        "P-1D",
        "PT5M1H",
        "--P1D",
        "P1",
        "1D",
        "PT\N{ARABIC-INDIC DIGIT ONE}S",
        "P 1D",
        "PT1S PT1S",
    ],
)
def test_what_is_no_duration_is_refused_with_454(text: str) -> None:
    with pytest.raises(InvalidData, match="no duration"):
        read_duration(text)


def test_durations_are_read_up_to_400_years_and_no_further() -> None:
    """A longer span cannot be added to a date."""
    assert read_duration(f"PT{MAX_DURATION_S}S").seconds == MAX_DURATION_S
    assert read_duration("P400Y").months == 4800

    for text in (f"PT{MAX_DURATION_S + 1}S", "P4801M", "P400Y1M", "P99999999999W"):
        with pytest.raises(InvalidData, match="400 years"):
            read_duration(text)


def test_a_duration_of_64_characters_is_read_and_one_of_65_is_not() -> None:
    """The pattern allows any number of leading zeros; memory does not."""
    longest = "PT" + "1S".zfill(MAX_DURATION_CHARACTERS - 2)
    assert read_duration(longest) == Duration(seconds=1)

    with pytest.raises(InvalidData):
        read_duration("PT0" + longest[2:])


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (Duration(), "PT0S"),
        (Duration(seconds=1800), "PT30M"),
        (Duration(seconds=93_784), "P1DT2H3M4S"),
        (Duration(seconds=86_400 * 35), "P35D"),
        (Duration(months=14), "P14M"),
        (Duration(months=1, seconds=60), "P1MT1M"),
        (Duration(seconds=-61), "-PT1M1S"),
        (Duration(months=-1), "-P1M"),
    ],
)
def test_a_duration_is_written_without_weeks_and_never_as_a_bare_p(span: Duration, text: str) -> None:
    assert write_duration(span) == text


@given(SPANS)
def test_a_duration_reads_back_as_it_was_written(span: Duration) -> None:
    assert read_duration(write_duration(span)) == span


def test_a_duration_with_two_signs_is_not_written() -> None:
    with pytest.raises(InvalidData, match="two signs"):
        write_duration(Duration(months=1, seconds=-1))


def test_a_month_has_no_length_in_seconds() -> None:
    assert Duration(seconds=90).length == timedelta(seconds=90)

    with pytest.raises(InvalidData, match="P12M"):
        _ = Duration(months=12).length


@given(st.timedeltas(min_value=-timedelta(days=99), max_value=timedelta(days=99)))
def test_a_span_goes_out_only_in_whole_seconds(span: timedelta) -> None:
    """The schema has no fractions of a second in durations."""
    if span.microseconds:
        with pytest.raises(InvalidData, match="fraction"):
            duration(span)
    else:
        assert duration(span).length == span


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2026-06-01T12:00:00Z", datetime(2026, 6, 1, 12, tzinfo=UTC)),
        ("2026-06-01T12:00:00", datetime(2026, 6, 1, 12, tzinfo=UTC)),
        ("2026-06-01T12:00:00.5Z", datetime(2026, 6, 1, 12, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-06-01T12:00:00.123456789Z", datetime(2026, 6, 1, 12, 0, 0, 123_456, tzinfo=UTC)),
        ("2026-06-01T12:00:00.999999999", datetime(2026, 6, 1, 12, 0, 0, 999_999, tzinfo=UTC)),
        ("2026-06-01T12:00:00.Z", datetime(2026, 6, 1, 12, tzinfo=UTC)),
        ("2026-06-01T12:00:00.", datetime(2026, 6, 1, 12, tzinfo=UTC)),
        ("2026-12-31T24:00:00Z", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2026-12-31T24:00:00", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2026-12-31T24:00:00.000Z", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2026-12-31T24:00:00.Z", datetime(2027, 1, 1, tzinfo=UTC)),
        ("\n 2026-06-01T12:00:00Z ", datetime(2026, 6, 1, 12, tzinfo=UTC)),
        ("+2026-06-01T12:00:00Z", datetime(2026, 6, 1, 12, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_rule_1_at_both_ends_a_date_time_is_read_as_utc_in_every_form_of_the_pattern(text: str, when: datetime) -> None:
    """Fractions are cut to microseconds, 24:00 is the next day, a missing Z is no other time zone."""
    read = read_datetime(text)

    assert read == when
    assert read.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "noon",
        "-0044-03-15T12:00:00Z",
        "12026-06-01T12:00:00Z",
        "0000-06-01T12:00:00Z",
        "2026-02-29T12:00:00Z",
        "2026-06-01T12:00:60Z",
        "2026-06-01T24:00:01Z",
        "2026-06-01T12:00:00+09:00",
        "2026-06-01T24:00:00+09:00",
        "9999-12-31T24:00:00Z",
        "2026-06-01T12:00:00Z..",
    ],
)
def test_a_date_time_that_cannot_be_used_is_refused_with_454(text: str) -> None:
    """Years outside of the calendar, leap seconds, and offsets, which the pattern does not allow either."""
    with pytest.raises(InvalidData):
        read_datetime(text)


@given(st.datetimes(timezones=st.just(UTC)))
def test_rule_1_at_both_ends_a_date_time_is_written_in_utc_with_z_and_reads_back(when: datetime) -> None:
    text = write_datetime(when)

    assert text.endswith("Z")
    assert read_datetime(text) == when


def test_rule_1_at_both_ends_a_local_time_is_written_in_utc() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert write_datetime(datetime(2026, 6, 1, 21, tzinfo=tokyo)) == "2026-06-01T12:00:00Z"


def test_a_time_that_is_nowhere_is_not_written() -> None:
    """Neither one without a zone, nor one that leaves the calendar on its way to UTC."""
    for when in (datetime(2026, 6, 1), datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9)))):  # noqa: DTZ001
        with pytest.raises(InvalidData):
            write_datetime(when)


def test_a_far_future_stays_inside_the_calendar() -> None:
    """A peer's dates must not raise where they are added up."""
    first, day = datetime.min.replace(tzinfo=UTC), timedelta(days=1)

    assert shift(FOREVER, day) == FOREVER
    assert shift(first, -day) == first
    assert shift(FOREVER - day, day) == FOREVER
    assert shift(first + day, -day) == first
