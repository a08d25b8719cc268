"""The shape of the table of flaws."""

from __future__ import annotations

import msgspec

from tests.conformance.tiny_state import Flaw


class Both(msgspec.Struct, frozen=True, kw_only=True):
    """Flaws that make one only together."""

    of: tuple[Flaw, ...]


Table = dict[str, tuple[Flaw | Both, ...]]
"""By case, each flaw that by itself has to make the case fail."""


def both(*flaws: Flaw) -> Both:
    return Both(of=flaws)


def single(flaw: Flaw | Both) -> tuple[Flaw, ...]:
    return flaw.of if isinstance(flaw, Both) else (flaw,)
