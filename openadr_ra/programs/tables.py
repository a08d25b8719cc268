"""Plain text for operators: aligned columns, local time with its zone, Japanese terms beside the English ones."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime

NOTHING = "-"
"""Stands where nothing is known."""

GAP = "  "


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()) -> str:
    """`rows` under `heads`, lines joined; the columns numbered in `right` are set flush right.

    A wide character counts as two columns, as terminals have it.
    """
    lines = [tuple(heads), *(tuple(printable(cell) for cell in row) for row in rows)]
    widths = [max(width(line[column]) for line in lines) for column in range(len(heads))]
    flush = frozenset(right)
    return "\n".join(
        GAP.join(_cell(text, widths[column], column in flush) for column, text in enumerate(line)).rstrip()
        for line in lines
    )


def _cell(text: str, room: int, is_right: bool) -> str:
    blank = " " * (room - width(text))
    return blank + text if is_right else text + blank


def width(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text
    )


def printable(text: str) -> str:
    """`text` in one line, and without what a terminal would obey."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def moment(when: datetime | None) -> str:
    """Date and time here, to the second."""
    return NOTHING if when is None else f"{_here(when):%Y-%m-%d %H:%M:%S}"


def day(when: datetime) -> str:
    """The date here."""
    return f"{_here(when):%Y-%m-%d}"


def clock(start: datetime, end: datetime) -> str:
    """From when to when, here; seconds only where there are any."""
    both = (_here(start), _here(end))
    pattern = "%H:%M:%S" if any(when.second for when in both) else "%H:%M"
    return "-".join(f"{when:{pattern}}" for when in both)


def zone(when: datetime) -> str:
    """What clocks here are set to at `when`: `JST`, `+09`."""
    return f"{_here(when):%Z}"


def _here(when: datetime) -> datetime:
    """In the zone of this machine; as it is at the edges of the calendar."""
    try:
        return when.astimezone()
    except OverflowError:
        return when


def number(value: float | None, digits: int = 2) -> str:
    """With its sign, for it says in which direction power flows; zero has none."""
    if value is None:
        return NOTHING
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text


def percent(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.0f}"


def yes(value: bool | None) -> str:
    return NOTHING if value is None else "yes" if value else "NO"
