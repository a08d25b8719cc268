"""Values in payloads: a plain number or word, or a place in JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from openadr_ra.drivers.mapped.mapping import Point, Raw, number

Json = Mapping[str, "Json"] | list["Json"] | str | float | bool | None

WHOLE = 2.0**53
"""Beyond, not every whole number is a float."""


class Field(Point, frozen=True, kw_only=True):
    """A point in a payload. `at`: the MQTT topic, or the path of the URL. `path`: where in its JSON, names with dots between
    and numbers for places in a list, like `meters.0.kw`; empty: the payload is the value.
    """

    at: Annotated[str, Meta(min_length=1)]
    path: str = ""


def parsed(payload: bytes) -> Json:
    """JSON, or else the text as it is. Raises ValueError for what is not even text."""
    try:
        found: Json = msgspec.json.decode(payload, type=object)  # type: ignore[assignment]  # any JSON is a Json
    except (msgspec.DecodeError, RecursionError):
        return payload.decode().strip()
    return found


def picked(document: Json, path: str) -> Raw | None:
    """What stands at `path`; None where nothing does, or nothing that a point can hold."""
    found = document
    for part in path.split(".") if path else ():
        match found:
            case dict():
                found = found.get(part)
            case list() if part.isdecimal() and int(part) < len(found):
                found = found[int(part)]
            case _:
                return None
    return found if isinstance(found, str | bool | int | float) else None


def bodies(values: Iterable[tuple[Field, Raw]]) -> Mapping[str, bytes]:
    """What goes where: the values of one place in one JSON document, a value without a path as it is.

    The order is that in which the places come first. Raises ValueError where two values want the same place.
    """
    found: dict[str, Json] = {}
    plain: set[str] = set()
    for field, raw in values:
        if field.at in plain or (field.at in found and not field.path):
            raise ValueError(f"{field.at}: two values, and no path to tell them apart")
        if not field.path:
            plain.add(field.at)
        found[field.at] = _with(found.get(field.at), field.path, tidy(raw)) if field.path else tidy(raw)
    return {at: _spelt(document, at in plain) for at, document in found.items()}


def _with(document: Json, path: str, raw: Raw) -> Json:
    """`document` with `raw` at `path`."""
    name, _, rest = path.partition(".")
    inside = dict(document) if isinstance(document, Mapping) else {}
    if name in inside and (not rest or not isinstance(inside[name], Mapping)):
        raise ValueError(f"{path}: two values at one place")
    inside[name] = _with(inside.get(name), rest, raw) if rest else raw
    return inside


def _spelt(document: Json, plain: bool) -> bytes:
    if plain and isinstance(document, str):
        return document.encode()
    return msgspec.json.encode(document)


def tidy(raw: Raw) -> Raw:
    """A number as people write it: whole ones without a point, others without the noise of their arithmetic."""
    if isinstance(raw, str | bool):
        return raw
    short = number(f"{raw:.10g}")
    if short is None:
        raise ValueError(f"{raw} cannot be written")
    return int(short) if short.is_integer() and abs(short) < WHOLE else short
