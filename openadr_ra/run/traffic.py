"""Who looks on: a tap gets every exchange as it went over the wire, for recording and for counting."""

from __future__ import annotations

from collections.abc import Callable

import msgspec


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """A post and its answer. `peer` is the venID at a VTN, the upstream's name at a VEN."""

    peer: str
    service: str
    request: bytes
    reply: bytes
    status: int


Tap = Callable[[Exchange], None]


def no_tap(exchange: Exchange) -> None:
    """Nobody looks on."""
