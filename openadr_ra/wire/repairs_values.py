"""Repairs of single values, where another spelling means the same and nothing else.

Each function changes the draft of an element that holds text, and yields what it did.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from openadr_ra.protocol.times import MAX_DURATION_CHARACTERS
from openadr_ra.wire.draft import SPACE, Draft
from openadr_ra.wire.names import clark
from openadr_ra.wire.parse import one_line

MAX_OFFSET = timedelta(hours=14)
"""The furthest from UTC that a time zone may be, in XML and on the map."""

_SHOWN_CHARACTERS = 40

_BOOLEANS = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false"}
_OFFSET = re.compile(
    r"(?P<local>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?P<fraction>\.\d*)?(?P<sign>[+-])(?P<h>\d\d):?(?P<m>\d\d)?", re.ASCII
)
_WEEKS = re.compile(r"(?P<sign>[+-]?)P(?P<weeks>\d+)W", re.ASCII)
_FRACTION = re.compile(
    r"(?P<rest>[+-]?P(?:\d+Y)?(?:\d+M)?(?:\d+D)?T(?:\d+H)?(?:\d+M)?)(?P<seconds>\d+)\.(?P<fraction>\d+)S", re.ASCII
)
_ANY_OF_1_TO_9 = re.compile("[1-9]")

_INTERVAL = clark("ei:interval")
_START = clark("xcal:dtstart")
_STATUS = clark("ei:eventStatus")


def shown(text: str) -> str:
    """A peer's `text` for a warning: one line, printable, at most 40 characters."""
    return one_line(text)[:_SHOWN_CHARACTERS]


def boolean_case(leaf: Draft) -> Iterator[str]:
    """`True` is true."""
    spelled = _BOOLEANS.get(leaf.text.strip(SPACE))
    if spelled is not None:
        yield f"{shown(leaf.text)} read as {spelled}"
        leaf.text = spelled


def utc_offset(leaf: Draft) -> Iterator[str]:
    """`…T09:00:00+09:00` is `…T00:00:00Z`; a fraction of a second stays as it is written."""
    match = _OFFSET.fullmatch(leaf.text.strip(SPACE))
    if match is None or int(match["m"] or 0) > 59:
        return
    offset = timedelta(hours=int(match["h"]), minutes=int(match["m"] or 0))
    try:
        local = datetime.fromisoformat(match["local"])
        utc = local - offset if match["sign"] == "+" else local + offset
    except (ValueError, OverflowError):
        return
    if offset <= MAX_OFFSET:
        yield f"{shown(leaf.text)} is not in UTC"
        leaf.text = f"{utc.isoformat()}{match['fraction'] or ''}Z"


def space(leaf: Draft) -> Iterator[str]:
    """A duration is a string to the schema, in which white space counts; to everyone else it does not."""
    text = leaf.text.strip(SPACE)
    if text != leaf.text:
        yield f"white space round {shown(text)}"
        leaf.text = text


def weeks(leaf: Draft) -> Iterator[str]:
    """`P5W` is `P35D`. The schema means to take weeks, and its pattern takes them without the P alone (reference 0.5)."""
    match = _WEEKS.fullmatch(leaf.text) if len(leaf.text) <= MAX_DURATION_CHARACTERS else None
    if match is not None:
        days = f"{match['sign']}P{7 * int(match['weeks'])}D"
        yield f"{shown(leaf.text)} read as {shown(days)}"
        leaf.text = days


def fractional_seconds(leaf: Draft) -> Iterator[str]:
    """`PT10.0S` is `PT10S`; other fractions are rounded to the nearest second, which is the unit of our durations.

    Never to zero, which means something else everywhere: open-ended, once, no rate. And not where the start of what
    follows is the sum of such durations: there an error would grow with each interval.
    """
    match = _FRACTION.fullmatch(leaf.text) if len(leaf.text) <= MAX_DURATION_CHARACTERS else None
    if match is None:
        return
    seconds, fraction = int(match["seconds"]), match["fraction"]
    if _ANY_OF_1_TO_9.search(fraction):
        if _adds_up(leaf):
            return
        seconds += fraction[0] >= "5"
        seconds += seconds == 0 and not _ANY_OF_1_TO_9.search(match["rest"])
    whole = f"{match['rest']}{seconds}S"
    yield f"{shown(leaf.text)} read as {shown(whole)}"
    leaf.text = whole


def _adds_up(leaf: Draft) -> bool:
    """Is `leaf` the duration of an interval that does not say when it starts? The start would be its first child."""
    inside = leaf.parent.parent if leaf.parent is not None else None
    return inside is not None and inside.tag == _INTERVAL and inside.children[0].tag != _START


def cancelled(leaf: Draft) -> Iterator[str]:
    """The schema spells the status with two l, and the names of payloads with one (reference, pitfall 14)."""
    if leaf.tag == _STATUS and leaf.text.strip(SPACE) == "canceled":
        yield "canceled read as cancelled"
        leaf.text = "cancelled"
