"""How the journal of an event names a version of it, so that it can be found again by the very number."""

from __future__ import annotations

import re

_NAMED = re.compile(r"modification (?P<told>\d+)(?: \(instruction (?P<instructed>\d+)\))?(?![\w(])")


def version(modification: int, revision: int) -> str:
    """The number that the VEN was told, and the instruction's own where it is another: the VEN's is ahead of it once another
    signal was offered."""
    return f"modification {modification}" + (f" (instruction {revision})" if revision != modification else "")


def revision_of(detail: str) -> int | None:
    """Which modification of the instruction an entry with this detail is about; None if it is about none."""
    named = _NAMED.match(detail)
    return int(named["instructed"] or named["told"]) if named is not None else None
