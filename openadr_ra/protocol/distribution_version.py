"""How the journal of an event names a version of it, and when it is in effect: what is written here is read here again."""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

from openadr_ra.protocol.times import read_datetime, write_datetime

_NAMED = re.compile(
    r"modification (?P<told>\d+)(?: \(instruction (?P<instructed>\d+)\))?(?![\w(])"
    r"(?:, code \d+)?(?:, in effect from (?P<effective>[-\dT:.]+Z))?"
)


class Named(NamedTuple):
    """The number that the VEN was told, the instruction's own, and from when on the VEN follows it as far as is known."""

    modification: int
    revision: int
    effective_at: datetime | None


def version(modification: int, revision: int) -> str:
    """The number that the VEN was told, and the instruction's own where it is another: the VEN's is ahead of it once another
    signal was offered."""
    return f"modification {modification}" + (f" (instruction {revision})" if revision != modification else "")


def effect(when: datetime | None) -> str:
    """Stands behind the version where the VEN follows it."""
    return f", in effect from {write_datetime(when)}" if when is not None else ""


def named(detail: str) -> Named | None:
    """The version that an entry with this detail is about; None if it is about none."""
    found = _NAMED.match(detail)
    if found is None:
        return None
    when = found["effective"]
    return Named(
        modification=int(found["told"]),
        revision=int(found["instructed"] or found["told"]),
        effective_at=read_datetime(when) if when else None,
    )


def revision_of(detail: str) -> int | None:
    """Which modification of the instruction an entry with this detail is about; None if it is about none."""
    found = named(detail)
    return found.revision if found is not None else None
