"""Messages by the dozen: strategies made from the declared types, with the words that the XSDs allow.

The declared paths say only which element a text stands in; what may stand there is read from the schema files.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, NewType, Union, get_args, get_origin

import msgspec
from hypothesis import strategies as st

from openadr_ra.protocol.model import Unit
from openadr_ra.protocol.shape import At, Decimal, Opaque, Token, Value
from openadr_ra.protocol.times import MAX_DURATION_S, Duration
from tests.wire import xsd
from tests.wire.samples import FEATURES, FEED

UNSIGNED_INT = 2**32 - 1
MOST_MONTHS = 400 * 12

# All that XML 1.0 can hold.
TEXTS = st.text(
    st.characters(
        exclude_categories=("Cs", "Cc"), include_characters="\t\n\r\x7f\x85", exclude_characters="\ufffe\uffff"
    ),
    max_size=12,
)
# The schema's pattern wants one character that is no space behind "x-"; what is collapsed cannot come back.
EXTENSIONS = st.text("abcXYZ09_-&<>\"'電力", min_size=1, max_size=8).map("x-{}".format)
URIS = st.sampled_from(["", "http://market.example/dr?a=1&b=2", "urn:market:1", "MarketContext1"])
DATETIMES = st.datetimes(timezones=st.just(UTC))
DURATIONS = st.builds(
    lambda months, seconds, sign: Duration(months=sign * months, seconds=sign * seconds),
    st.integers(0, MOST_MONTHS),
    st.integers(0, MAX_DURATION_S),
    st.sampled_from([1, -1]),
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
# libxml2 keeps at most 24 digits of a decimal.
DECIMALS = st.integers(-(10**9), 10**9).map(lambda thousandths: thousandths / 1000)


@cache
def values(struct: type[Value]) -> st.SearchStrategy[Value]:
    """Every value of `struct` that its schema type allows."""
    return st.builds(struct, **{field.name: _field(struct, field) for field in msgspec.structs.fields(struct)})


def _field(struct: type[Value], field: msgspec.structs.FieldInfo) -> st.SearchStrategy[object]:
    declared, path = _annotated(field.type)
    forms = _forms(declared)
    if issubclass(struct, Unit) and (listed := xsd.words(path, struct.xml).listed):
        return st.sampled_from(listed)
    if get_origin(forms[0]) is tuple:
        members = st.one_of(*(_form(form, path) for form in _forms(get_args(forms[0])[0])))
        return st.lists(members, min_size=1 if field.required else 0, max_size=2).map(tuple)
    return st.one_of(*(_form(form, path) for form in forms))


def _form(form: object, path: str) -> st.SearchStrategy[object]:
    kind, own_path = _annotated(form)
    element = (own_path or path).rsplit("/", 1)[-1].rstrip("?*").removeprefix("@")
    if isinstance(kind, type) and issubclass(kind, Value) and kind is not Duration:
        return values(kind)
    while isinstance(kind, NewType) and kind not in (Token, Decimal, Opaque):
        kind = kind.__supertype__
    if kind is Opaque:
        return st.just(FEED if element == "atom:feed" else FEATURES)
    if kind is Token:
        return _tokens(element)
    return _SPECIAL.get(element, _PLAIN.get(kind, st.nothing()))


_SPECIAL: dict[str, st.SearchStrategy[object]] = {
    "ei:responseCode": st.text("0123456789", min_size=3, max_size=3),
    "ei:confidence": st.integers(0, 100),
}
_PLAIN: dict[object, st.SearchStrategy[object]] = {
    NoneType: st.none(),
    str: TEXTS,
    bool: st.booleans(),
    int: st.integers(0, UNSIGNED_INT),
    float: FLOATS,
    Decimal: DECIMALS,
    datetime: DATETIMES,
    Duration: DURATIONS,
}


def _tokens(element: str) -> st.SearchStrategy[object]:
    if element == "emix:marketContext":
        return URIS
    listed, is_open = xsd.words(element)
    named = st.sampled_from(listed)
    return named | EXTENSIONS if is_open else named


def _annotated(declared: object) -> tuple[object, str]:
    if get_origin(declared) is not Annotated:
        return declared, ""
    plain, place = get_args(declared)
    assert isinstance(place, At)
    return plain, place.path


def _forms(declared: object) -> tuple[object, ...]:
    return get_args(declared) if get_origin(declared) in (Union, UnionType) else (declared,)
