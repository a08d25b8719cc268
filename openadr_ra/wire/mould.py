"""Unsigned messages that are alike but for the venID: whose bytes round it were read once need not be read again.

All VENs of one make poll with the same bytes round their venIDs. What holds no comment, no CDATA section, no instruction
and no reference has the same tree whatever plain text stands there, and one such venID is as schema-valid as another.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from msgspec.structs import replace

from openadr_ra.protocol.messages import Message
from openadr_ra.protocol.model import VenId

MAX_BYTES = 2048
"""Of a message that is worth it: a poll has about 500. Signed ones, of which none is like another, have more."""

_NAMED = re.compile(rb"venID>([A-Za-z0-9_.:-]+)<")
"""Letters that are the same bytes in each encoding that has no zeros in it, and that nothing is done to while reading."""

_DECLARATION = re.compile(rb"\s*<\?xml [^?<&]*\?>")

_WITH_A_MEANING = (b"&", b"<!", b"<?", b"\0")
"""What could make of the bytes another text than they show. Zeros are in whatever is UTF-16."""


class Mould(NamedTuple):
    """The bytes round a venID."""

    before: bytes
    after: bytes


def split(body: bytes) -> tuple[Mould, VenId] | None:
    """`body` round its first venID, and that; None if there is none of plain letters, or if it is too large."""
    found = _NAMED.search(body) if len(body) <= MAX_BYTES else None
    if found is None:
        return None
    start, stop = found.span(1)
    return Mould(body[:start], body[stop:]), VenId(found[1].decode("ascii"))


def holds(body: bytes, message: Message) -> bool:
    """Whether the bytes round the venID of `body`, which is `message`, say the same with another venID between them."""
    declared = _DECLARATION.match(body)
    if any(each in body[declared.end() if declared else 0 :] for each in _WITH_A_MEANING):
        return False
    return _NAMED.findall(body) == [str(getattr(message, "ven_id", None)).encode()]


def filled(message: Message, ven_id: VenId) -> Message:
    """`message` with that venID in the place of its own."""
    return replace(message, ven_id=ven_id)
