"""xs:dateTime and the duration of the 2.0b schemas, read and written.

The XSD's pattern for durations is nobody's standard: integers only, `T` optional, weeks without `P`. Hence our own parser.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from openadr_ra.errors import InvalidData
from openadr_ra.protocol.shape import Value

MAX_DURATION_S = 400 * 366 * 86_400
"""Longer spans cannot be added to a date without leaving the calendar; refused on reading."""

_DURATION = re.compile(
    r"(?P<sign>[+-])?P(?:(?P<Y>\d+)Y)?(?:(?P<M>\d+)M)?(?:(?P<D>\d+)D)?"
    r"T?(?:(?P<h>\d+)H)?(?:(?P<m>\d+)M)?(?:(?P<s>\d+)S)?|(?:P)?(?P<W>\d+)W",
    re.ASCII,
)
_MIDNIGHT = re.compile(r"T24:00:00(?:\.0*)?(?=Z?$)")


class Duration(Value, frozen=True, kw_only=True, gc=False, array_like=True):
    """A span of calendar months and of seconds, both with the same sign.

    A month has no length in seconds, so `P1M` is kept as it is; `length` refuses it.
    """

    months: int = 0
    seconds: int = 0

    @property
    def length(self) -> timedelta:
        """The span in seconds. Raises InvalidData for years and months, which have no fixed length."""
        if self.months:
            raise InvalidData(f"duration {write_duration(self)} has years or months, whose length is not fixed")
        return timedelta(seconds=self.seconds)


def duration(span: timedelta) -> Duration:
    """`span` as it goes on the wire. Raises InvalidData for fractions of a second, which the schema cannot express."""
    if span.microseconds:
        raise InvalidData(f"a duration of {span} has a fraction of a second, which OpenADR 2.0b cannot express")
    return Duration(seconds=span.days * 86_400 + span.seconds)


ZERO = Duration()

FOREVER = datetime.max.replace(microsecond=0, tzinfo=UTC)
"""The end of what is open-ended."""

_BEGINNING = datetime.min.replace(tzinfo=UTC)


def shift(when: datetime, by: timedelta) -> datetime:
    """`when + by`, held inside the calendar: a peer's far future must not raise here."""
    try:
        return when + by
    except OverflowError:
        return FOREVER if by > timedelta(0) else _BEGINNING


@lru_cache(maxsize=4096)
def read_duration(text: str) -> Duration:
    """The value of a `DurationValueType`. Raises InvalidData for what the pattern does not take, and for centuries."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise InvalidData(f"{text[:40]!r} is no duration")
    years, months, days, hours, minutes, seconds, weeks = (
        int(match[name]) if match[name] and len(match[name]) <= 12 else 0 if not match[name] else MAX_DURATION_S
        for name in ("Y", "M", "D", "h", "m", "s", "W")
    )
    total_months = years * 12 + months
    total_seconds = ((weeks * 7 + days) * 24 + hours) * 3600 + minutes * 60 + seconds
    if total_seconds > MAX_DURATION_S or total_months > 400 * 12:
        raise InvalidData(f"duration {text[:40]!r} is longer than 400 years")
    sign = -1 if match["sign"] == "-" else 1
    return Duration(months=sign * total_months, seconds=sign * total_seconds)


@lru_cache(maxsize=4096)
def write_duration(span: Duration) -> str:
    """`PT30M`, `P1DT2H`, `PT0S`; never weeks, never a bare `P`."""
    sign = "-" if span.months < 0 or span.seconds < 0 else ""
    days, rest = divmod(abs(span.seconds), 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    date = _parts(((abs(span.months), "M"), (days, "D")))
    time = _parts(((hours, "H"), (minutes, "M"), (seconds, "S")))
    if not date and not time:
        return "PT0S"
    return f"{sign}P{date}{'T' + time if time else ''}"


def _parts(units: tuple[tuple[int, str], ...]) -> str:
    return "".join(f"{count}{letter}" for count, letter in units if count)


def read_datetime(text: str) -> datetime:
    """A `DateTimeType` in UTC: fractions cut to microseconds, 24:00 the next day, a missing `Z` read as UTC (rule 1).

    Raises InvalidData for years that Python's calendar does not have and for leap seconds.
    """
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return _read_odd_datetime(text)


def _read_odd_datetime(text: str) -> datetime:
    plain = text.strip().removeprefix("+")
    midnight = _MIDNIGHT.search(plain)
    if midnight:
        plain = plain[: midnight.start()] + "T00:00:00" + plain[midnight.end() :]
    # The pattern lets a fraction be a bare point.
    plain = plain.replace(".Z", "Z").removesuffix(".")
    try:
        when = datetime.fromisoformat(plain).replace(tzinfo=UTC)
        return when + timedelta(days=1) if midnight else when
    except (ValueError, OverflowError) as error:
        raise InvalidData(f"{text[:40]!r} is no date-time that can be used") from error


def write_datetime(when: datetime) -> str:
    """UTC with `Z` (rule 1); microseconds only where there are any. `when` must be aware."""
    if when.tzinfo is not UTC:
        when = when.astimezone(UTC)
    return when.isoformat().replace("+00:00", "Z")
