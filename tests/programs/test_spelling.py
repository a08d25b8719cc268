"""How an operator may write times, spans and figures, and what is said to what cannot be meant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from openadr_ra.errors import SettingsError
from openadr_ra.programs import spelling

NOW = datetime(2026, 11, 21, 2, 59, 30, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("30m", 1800),
        ("1h30m", 5400),
        ("1d", 86_400),
        ("1d2h3m4s", 93_784),
        ("0s", 0),
        ("PT30M", 1800),
        ("PT1H30M", 5400),
        ("P1DT2S", 86_402),
    ],
)
def test_a_span_may_be_written_short_or_as_the_protocol_does(text: str, seconds: int) -> None:
    assert spelling.span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "30", "m", "-30m", "1.5h", "30 m", "30m1h", "P", "PT", "PT30m", "1w", "99999999d"]
)
def test_what_is_no_span_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SettingsError, match=r"is no span of time; write it like 90s, 30m, 1h30m or PT30M"):
        spelling.span(text)


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("now", NOW.replace(microsecond=0)),
        ("+15m", datetime(2026, 11, 21, 3, 14, 30, tzinfo=UTC)),
        ("2026-11-21T12:00Z", datetime(2026, 11, 21, 12, tzinfo=UTC)),
        ("2026-11-21T12:00+09:00", datetime(2026, 11, 21, 3, tzinfo=UTC)),
        ("2026-11-21 12:00:30+0900", datetime(2026, 11, 21, 3, 0, 30, tzinfo=UTC)),
    ],
)
def test_a_start_is_now_or_soon_or_a_time_with_its_zone(text: str, when: datetime) -> None:
    """Cut to whole seconds where it depends on the clock: intervals begin on them."""
    found = spelling.start(text, NOW)

    assert found == when
    assert found.tzinfo is UTC


def test_a_time_without_its_zone_is_doubtful_and_so_refused() -> None:
    """Whoever is in Tokyo and whoever is on a server in UTC mean two times, nine hours apart."""
    with pytest.raises(SettingsError, match=r"'2026-11-21T12:00' has no zone; write 2026-11-21T12:00[+-]\d\d:\d\d for"):
        spelling.start("2026-11-21T12:00", NOW)


@pytest.mark.parametrize("text", ["", "noon", "12:00Z", "2026-13-01T00:00Z", "15m"])
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(SettingsError, match=r"is no time; write it like 2026-11-21T12:00\+09:00, .*, \+15m or now"):
        spelling.start(text, NOW)


@pytest.mark.parametrize("text", ["0001-01-01T00:00+09:00", "9999-12-31T23:59-09:00"])
def test_a_time_outside_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="is outside the calendar"):
        spelling.start(text, NOW)


@pytest.mark.parametrize(
    ("text", "figures"), [("-5,-8,-6", (-5.0, -8.0, -6.0)), ("0", (0.0,)), ("1.5, +2e1", (1.5, 20.0))]
)
def test_figures_are_one_for_each_interval(text: str, figures: tuple[float, ...]) -> None:
    assert spelling.figures(text) == figures


@pytest.mark.parametrize("text", ["", "5,", "5;6", "five", "5 kW"])
def test_what_is_no_figure_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="is no number; write one for each interval, like -5,-8,-6"):
        spelling.figures(text)


@pytest.mark.parametrize("text", ["nan", "1,inf", "1e999"])
def test_a_figure_is_finite(text: str) -> None:
    with pytest.raises(SettingsError, match="is not finite"):
        spelling.figures(text)


def test_an_ask_names_its_ven() -> None:
    assert spelling.ask("VEN1=-5,-8") == ("VEN1", (-5.0, -8.0))


@pytest.mark.parametrize("text", ["VEN1", "=5", "-5,-8"])
def test_an_ask_without_its_ven_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="names no VEN; write it like VEN1=-5,-8,-6"):
        spelling.ask(text)


@pytest.mark.parametrize("text", ["now", "+15m", "2026-11-21T12:00+09:00"])
def test_a_time_may_be_past_where_that_makes_sense(text: str) -> None:
    assert spelling.when("-1h30m", NOW) == datetime(2026, 11, 21, 1, 29, 30, tzinfo=UTC)
    assert spelling.when(text, NOW) == spelling.start(text, NOW)
    with pytest.raises(SettingsError, match="is no span of time"):
        spelling.when("-yesterday", NOW)
