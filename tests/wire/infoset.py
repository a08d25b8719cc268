"""What an XML message says, apart from how it is spelled."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from lxml import etree
from lxml.etree import _Element as Element

Leaf = tuple[str, str]
"""The path of an element without children, in qualified names, and its text in one spelling."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DATE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z?")
_SPAN = re.compile(r"P(?:(\d+)D)?T?(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?")

# Optional elements that hold nothing but others: empty, they say as much as absent.
_HOLDERS = frozenset({"eventResponses", "oadrServiceSpecificInfo", "oadrExtensions"})
_FIXED = "itemDescription"


def leaves(body: bytes) -> list[Leaf]:
    """The leaves of `body` in document order, without its signature."""
    root = etree.fromstring(body, etree.XMLParser(remove_comments=True, remove_pis=True, resolve_entities=False))
    return [
        ("/".join(each.tag for each in (*reversed(tuple(element.iterancestors())), element)), _spelled(element))
        for element in root.iter("*")
        if not len(element) and not _says_nothing(element)
    ]


def _says_nothing(element: Element) -> bool:
    inside = {etree.QName(each).localname for each in (element, *element.iterancestors())}
    return "Signature" in inside or etree.QName(element).localname in _HOLDERS


def _spelled(element: Element) -> str:
    text = " ".join((element.text or "").split())
    if etree.QName(element).localname == _FIXED:
        # The schema fixes it; an empty one means the fixed text.
        return ""
    if _NUMBER.fullmatch(text):
        return repr(float(text))
    if date := _DATE.fullmatch(text):
        return repr(datetime.fromisoformat(date[1] + (date[2] or "")).replace(tzinfo=UTC))
    if span := _SPAN.fullmatch(text):
        days, hours, minutes, seconds = (int(count or 0) for count in span.groups())
        return f"{((days * 24 + hours) * 60 + minutes) * 60 + seconds} s"
    return text
