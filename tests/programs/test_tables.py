"""Text for operators stands in columns, whatever is in it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from openadr_ra.programs import tables
from openadr_ra.protocol.times import FOREVER


def test_columns_are_aligned_by_what_a_terminal_shows() -> None:
    """A Japanese character takes two columns, a combining one none."""
    text = tables.table(("VEN", "応動値 kW", "x"), [("VEN1", "-5.00", "a"), ("が", "+10.00", "")], right=(1,))

    assert text.splitlines() == [
        "VEN   応動値 kW  x",
        "VEN1      -5.00  a",
        "が       +10.00",
    ]


def test_what_a_peer_says_cannot_steer_a_terminal() -> None:
    text = tables.table(("name",), [("a\x1b[2Jb\nc\u202e",)])

    assert text == "name\na [2Jb c"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.0, "0.00"), (-0.001, "0.00"), (0.005, "+0.01"), (-5.0, "-5.00"), (12.345, "+12.35")],
)
def test_a_power_has_its_sign(value: float | None, text: str) -> None:
    assert tables.number(value) == text


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (True, "yes"), (False, "NO")])
def test_a_verdict_that_is_not_known_is_none(value: bool | None, text: str) -> None:
    assert tables.yes(value) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, r"\d\d:00-\d\d:00"), (10, r"\d\d:00:00-\d\d:00:10")])
def test_seconds_are_shown_where_there_are_any(seconds: int, text: str) -> None:
    noon = datetime(2026, 11, 21, 12, tzinfo=UTC)

    assert re.fullmatch(text, tables.clock(noon, noon.replace(second=seconds)))


def test_the_end_of_what_never_ends_can_be_shown_anywhere() -> None:
    """East of Greenwich the last second of the calendar has no local time."""
    assert tables.moment(FOREVER).startswith("9999-12-31")
