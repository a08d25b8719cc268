"""Unsigned messages that were decoded before, as they come again and again: polls, and the plain answers to them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from openadr_ra.protocol.messages import Message
from openadr_ra.wire import mould

P = TypeVar("P")

MAX_MOULDS = 512
"""Shapes of a message, of 2 KiB at most: all VENs of one make share one. Beyond them the one unseen for longest goes, and
the next of its messages is decoded anew."""


class Remembered(Generic[P]):
    """A bounded memo of a pure function: what a message means under a policy `P`."""

    def __init__(self) -> None:
        self._messages: OrderedDict[tuple[mould.Mould, P], Message] = OrderedDict()

    def __len__(self) -> int:
        return len(self._messages)

    def read(self, body: bytes, policy: P) -> Message | None:
        """What `body` means; None: it is to be decoded."""
        parted = mould.split(body)
        if parted is None:
            return None
        shape, ven_id = parted
        known = self._messages.get((shape, policy))
        if known is None:
            return None
        self._messages.move_to_end((shape, policy))
        return mould.filled(known, ven_id)

    def keep(self, body: bytes, policy: P, message: Message) -> None:
        """`body` was found to mean `message`, had not to be repaired for it, and is not signed."""
        parted = mould.split(body)
        if parted is None or not mould.holds(body, message):
            return
        self._messages[parted[0], policy] = message
        if len(self._messages) > MAX_MOULDS:
            self._messages.popitem(last=False)
