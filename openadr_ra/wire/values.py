"""Single values, text on one side and Python on the other, and the XML rules for text."""

from __future__ import annotations

import re
from decimal import Decimal as ExactDecimal
from functools import lru_cache

from lxml import etree
from lxml.etree import _Element as Element

from openadr_ra.errors import InvalidData, WireError
from openadr_ra.protocol.shape import Opaque
from openadr_ra.wire.names import clark, short
from openadr_ra.wire.parse import MAX_BODY_BYTES, one_line, parse

_KEPT_TOKEN_CHARACTERS = 64
"""Longer tokens are collapsed each time anew: the memo must not hold a peer's novels."""

# Python's own idea of white space has many more characters; U+3000 inside a token is part of it.
_SPACE = re.compile("[ \t\n\r]+")
_TRUE = frozenset({"true", "1"})

_MARKUP = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
_IN_TEXT = re.compile("[&<>\r]")
_IN_ATTRIBUTE = re.compile('[&<>"\r\n\t]')
_TO_LOOK_AT = re.compile("[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


def read_token(text: str | None) -> str:
    """`text` with its white space collapsed."""
    if text is None:
        return ""
    return _kept_token(text) if len(text) <= _KEPT_TOKEN_CHARACTERS else _collapsed(text)


@lru_cache(maxsize=1024)
def _kept_token(text: str) -> str:
    return _collapsed(text)


def _collapsed(text: str) -> str:
    return _SPACE.sub(" ", text).strip(" ")


def read_boolean(text: str) -> bool:
    """xs:boolean, which has two spellings of each."""
    return text.strip() in _TRUE


def not_finite(element: Element) -> InvalidData:
    """NaN, INF and what no float can hold: allowed by the schema, refused before they enter any state."""
    return InvalidData(f"{short(element.tag)} is {one_line(element.text or '')}, not a finite number")


def unexpected(element: Element) -> InvalidData:
    """An element that the schema allows and that we cannot read, such as an abstract unit with an `xsi:type`."""
    return InvalidData(f"{short(element.tag)} cannot be read here")


def read_opaque(element: Element) -> Opaque:
    """`element` as exclusive canonical XML: the same text wherever it stands, with the namespaces it uses and no others.

    Prefixes that only an `xsi:type` uses are kept too, which plain exclusive canonicalisation would lose.
    Raises InvalidData for relative namespace names, which canonical XML does not have.
    """
    typed = {kind.partition(":")[0].strip() for each in element.iter("*") if (kind := each.get(_TYPE)) and ":" in kind}
    try:
        text = etree.tostring(
            element, method="c14n", exclusive=True, with_comments=False, inclusive_ns_prefixes=sorted(typed)
        )
    except etree.LxmlError as error:
        raise InvalidData(f"{short(element.tag)} has no canonical form: {one_line(str(error))}") from error
    return Opaque(text.decode())


def write_opaque(text: Opaque, name: str) -> str:
    """`text` to stand inside another element. Raises InvalidData if it is not one well-formed element called `name`."""
    if text.startswith("<?xml"):
        raise InvalidData(f"{name} begins with an XML declaration, which only a document may have")
    try:
        element = parse(text.encode(), max_bytes=MAX_BODY_BYTES)
    except (WireError, UnicodeEncodeError) as error:
        raise InvalidData(f"{name} is not well-formed: {one_line(str(error))}") from error
    if element.tag != clark(name):
        raise InvalidData(f"{short(element.tag)} stands where {name} belongs")
    return read_opaque(element)


def escape(text: str) -> str:
    """`text` as the content of an element. Raises InvalidData for characters that XML 1.0 does not have."""
    if _TO_LOOK_AT.search(text) is None:
        return text
    _refuse_forbidden(text)
    return _IN_TEXT.sub(lambda found: _MARKUP[found[0]], text)


def escape_attribute(text: str) -> str:
    """`text` between double quotes. Raises InvalidData for characters that XML 1.0 does not have."""
    _refuse_forbidden(text)
    return _IN_ATTRIBUTE.sub(lambda found: _MARKUP[found[0]], text)


def _refuse_forbidden(text: str) -> None:
    found = _FORBIDDEN.search(text)
    if found is not None:
        raise InvalidData(f"the text {text[:40]!a} has the character U+{ord(found[0]):04X}, which XML does not allow")


def write_float(value: float) -> str:
    """The shortest text that reads back as `value`. Raises InvalidData for NaN and INF."""
    # Zero for every finite number, NaN for the others.
    if value - value:
        raise InvalidData(f"{value} is not a finite number")
    return repr(float(value))


def write_decimal(value: float) -> str:
    """As `write_float`, without an exponent."""
    return format(ExactDecimal(write_float(value)), "f")
