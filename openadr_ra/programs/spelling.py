"""How an operator spells times, spans and figures on a command line. Whatever cannot be meant is refused with an example."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

from openadr_ra.errors import SettingsError

_SPAN = re.compile(
    r"(?:(?P<days>\d{1,4})d)?(?:(?P<hours>\d{1,5})h)?(?:(?P<minutes>\d{1,6})m)?(?:(?P<seconds>\d{1,8})s)?"
)
_ISO_SPAN = re.compile(
    r"P(?:(?P<days>\d{1,4})D)?(?:T(?:(?P<hours>\d{1,5})H)?(?:(?P<minutes>\d{1,6})M)?(?:(?P<seconds>\d{1,8})S)?)?"
)


def span(text: str) -> timedelta:
    """`90s`, `30m`, `1h30m`, `1d` or `PT30M`. Raises SettingsError."""
    match = _SPAN.fullmatch(text) or _ISO_SPAN.fullmatch(text)
    numbers = {name: int(digits) for name, digits in match.groupdict().items() if digits} if match else {}
    if not numbers:
        raise SettingsError(f"{text!r} is no span of time; write it like 90s, 30m, 1h30m or PT30M")
    return timedelta(**numbers)


def start(text: str, now: datetime) -> datetime:
    """`now`, `+15m`, or a date and time with its zone; UTC, `now` cut to the second. Raises SettingsError."""
    whole = now.replace(microsecond=0)
    if text == "now":
        return whole
    if text.startswith("+"):
        return whole + span(text[1:])
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(
            f"{text!r} is no time; write it like 2026-11-21T12:00+09:00, 2026-11-21T03:00Z, +15m or now"
        ) from None
    try:
        if when.tzinfo is not None:
            return when.astimezone(UTC)
        here = when.astimezone().isoformat(timespec="minutes")
    except OverflowError:
        raise SettingsError(f"{text!r} is outside the calendar") from None
    raise SettingsError(f"{text!r} has no zone; write {here} for the time here, or end it with Z for UTC")


def when(text: str, now: datetime) -> datetime:
    """As `start`; and `-1h` is past. Raises SettingsError."""
    if text.startswith("-"):
        return now.replace(microsecond=0) - span(text[1:])
    return start(text, now)


def figures(text: str) -> tuple[float, ...]:
    """`-5,-8,-6`: a figure for each interval. Raises SettingsError."""
    return tuple(_figure(part.strip(), text) for part in text.split(","))


def _figure(part: str, text: str) -> float:
    try:
        number = float(part)
    except ValueError:
        raise SettingsError(f"{part!r} in {text!r} is no number; write one for each interval, like -5,-8,-6") from None
    if not math.isfinite(number):
        raise SettingsError(f"{part!r} in {text!r} is not finite")
    return number


def ask(text: str) -> tuple[str, tuple[float, ...]]:
    """`VEN1=-5,-8,-6`: a VEN and its own figures. Raises SettingsError."""
    ven, equals, rest = text.partition("=")
    if not ven or not equals:
        raise SettingsError(f"{text!r} names no VEN; write it like VEN1=-5,-8,-6")
    return ven, figures(rest)
