"""What a `[[device]]` table says of its device that is not its driver's."""

from __future__ import annotations

from openadr_ra.errors import SettingsError
from openadr_ra.fleet.member import Merit
from openadr_ra.protocol.signals_table import MAX_LEVEL

NUMBERS = ("price_per_kwh", "weight", "notice_s")
AT_LEVELS = ("at_levels_kw", "at_levels_part")


def merit(number: int, table: dict[str, object]) -> Merit:
    """What the table says of its device, taken out of it. Raises SettingsError with the key."""
    at = f"device[{number}]"
    figures = {name: _not_negative(f"{at}.{name}", table.pop(name)) for name in NUMBERS if name in table}
    levels = {name: _at_levels(f"{at}.{name}", table.pop(name)) for name in AT_LEVELS if name in table}
    if len(levels) == len(AT_LEVELS):
        raise SettingsError(f"{at}: at_levels_kw and at_levels_part say the same in two ways; leave one of them")
    usual = Merit()
    return Merit(
        price_per_kwh=figures.get("price_per_kwh", usual.price_per_kwh),
        weight=figures.get("weight", usual.weight),
        notice_s=figures.get("notice_s", usual.notice_s),
        at_levels_kw=levels.get("at_levels_kw", ()),
        at_levels_part=levels.get("at_levels_part", ()),
    )


def _not_negative(key: str, value: object) -> float:
    number = _number(key, value, "must be a number, not negative")
    if number < 0:
        raise SettingsError(f"{key}: must be a number, not negative")
    return number


def _at_levels(key: str, value: object) -> tuple[float, ...]:
    what = f"must be {MAX_LEVEL} numbers, for the levels 1 to {MAX_LEVEL}"
    if not isinstance(value, list | tuple) or len(value) != MAX_LEVEL:
        raise SettingsError(f"{key}: {what}")
    return tuple(_number(key, one, what) for one in value)


def _number(key: str, value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SettingsError(f"{key}: {what}")
    return float(value)
