"""xs:dateTime and the duration of the 2.0b schemas, read and written.

The XSD's pattern for durations is nobody's standard: integers only, `T` optional, weeks without `P`. Hence our own parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from openadr_ra.errors import InvalidData
from openadr_ra.protocol.shape import Value

MAX_DURATION_S = 400 * 366 * 86_400
"""Longer spans cannot be added to a date without leaving the calendar; refused on reading."""

MAX_DURATION_CHARACTERS = 64
"""The pattern lets a number have any count of leading zeros; the memo of read durations must not hold them."""

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


FOREVER = datetime.max.replace(microsecond=0, tzinfo=UTC)
"""The end of what is open-ended."""

_BEGINNING = datetime.min.replace(tzinfo=UTC)


def shift(when: datetime, by: timedelta) -> datetime:
    """`when + by`, held inside the calendar: a peer's far future must not raise here."""
    try:
        return when + by
    except OverflowError:
        return FOREVER if by > timedelta(0) else _BEGINNING


def joined(spans: Iterable[tuple[datetime, datetime]]) -> Iterator[tuple[datetime, datetime]]:
    """The spans, in order as they come, with those that follow one another without a gap as one."""
    held: tuple[datetime, datetime] | None = None
    for start, end in spans:
        if held is not None and held[1] == start:
            held = held[0], end
            continue
        if held is not None:
            yield held
        held = start, end
    if held is not None:
        yield held


@lru_cache(maxsize=4096)
def read_duration(text: str) -> Duration:
    """The value of a `DurationValueType`. Raises InvalidData for what the pattern does not take, and for centuries."""
    plain = text.strip()
    match = _DURATION.fullmatch(plain) if len(plain) <= MAX_DURATION_CHARACTERS else None
    if match is None:
        raise InvalidData(f"{text[:40]!r} is no duration")
    years, months, days, hours, minutes, seconds, weeks = (
        int(match[name] or 0) for name in ("Y", "M", "D", "h", "m", "s", "W")
    )
    total_months = years * 12 + months
    total_seconds = ((weeks * 7 + days) * 24 + hours) * 3600 + minutes * 60 + seconds
    if total_seconds > MAX_DURATION_S or total_months > 400 * 12:
        raise InvalidData(f"duration {text[:40]!r} is longer than 400 years")
    sign = -1 if match["sign"] == "-" else 1
    return Duration(months=sign * total_months, seconds=sign * total_seconds)


@lru_cache(maxsize=4096)
def write_duration(span: Duration) -> str:
    """`PT30M`, `P1DT2H`, `PT0S`; never weeks, never a bare `P`. Raises InvalidData if months and seconds differ in sign."""
    if span.months * span.seconds < 0:
        raise InvalidData(f"a duration of {span.months} months and {span.seconds} s has two signs")
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

    Raises InvalidData for years that Python's calendar does not have, and for what the pattern does not take.
    """
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return _read_odd_datetime(text)
    return when if when.tzinfo is UTC else _in_utc(when, text)


def _in_utc(when: datetime, text: str) -> datetime:
    if when.tzinfo not in (None, UTC):
        raise InvalidData(f"{text[:40]!r} is not in UTC")
    return when.replace(tzinfo=UTC)


def _read_odd_datetime(text: str) -> datetime:
    plain = text.strip().removeprefix("+")
    midnight = _MIDNIGHT.search(plain)
    if midnight:
        plain = plain[: midnight.start()] + "T00:00:00" + plain[midnight.end() :]
    # The pattern lets a fraction be a bare point.
    plain = plain.replace(".Z", "Z").removesuffix(".")
    try:
        when = _in_utc(datetime.fromisoformat(plain), text)
        return when + timedelta(days=1) if midnight else when
    except (ValueError, OverflowError) as error:
        raise InvalidData(f"{text[:40]!r} is no date-time that can be used") from error


def write_datetime(when: datetime) -> str:
    """UTC with `Z` (rule 1); microseconds only where there are any.

    Raises InvalidData for a naive `when`, and for one that leaves the calendar on its way to UTC.
    """
    if when.tzinfo is not UTC:
        if when.tzinfo is None:
            raise InvalidData(f"{when} has no time zone")
        try:
            when = when.astimezone(UTC)
        except OverflowError as error:
            raise InvalidData(f"{when} is outside the calendar of UTC") from error
    if when.microsecond:
        return when.isoformat()[:-6] + "Z"
    # isoformat takes twice as long: it asks the time zone for its offset.
    fields = (when.year, when.month, when.day, when.hour, when.minute, when.second)
    return "%04d-%02d-%02dT%02d:%02d:%02dZ" % fields  # noqa: UP031 - an f-string takes twice as long, too
