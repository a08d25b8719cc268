"""The shape of the tables of flaws of a VEN."""

from __future__ import annotations

import msgspec

from conformance.case import Mode
from tests.conformance.ven_wrongs import Flaw


class Wrongs(msgspec.Struct, frozen=True, kw_only=True):
    """Flaws that make one only together, or only in that mode."""

    of: tuple[Flaw, ...]
    mode: Mode | None = None


Table = dict[str, tuple[Flaw | Wrongs, ...]]
"""By case, each flaw that by itself has to make the case fail."""


def both(*flaws: Flaw) -> Wrongs:
    return Wrongs(of=flaws)


def pushed(*flaws: Flaw) -> Wrongs:
    """Of a VEN that is pushed to."""
    return Wrongs(of=flaws, mode="push")


def parts(flaw: Flaw | Wrongs) -> Wrongs:
    return flaw if isinstance(flaw, Wrongs) else Wrongs(of=(flaw,))
