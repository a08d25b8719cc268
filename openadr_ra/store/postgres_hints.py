"""What a NOTIFY says of a batch."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from openadr_ra.protocol.step import Key
from openadr_ra.store.batch import Batch

MOST_HINT_BYTES = 7500
"""Of the 8000 that a NOTIFY carries."""


class Hint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a NOTIFY says: who has stepped which rows, and posted mail to which; None: look for it. `names`: aliases, too."""

    who: str
    rows: tuple[Key, ...] = ()
    mail: tuple[Key, ...] | None = ()
    names: bool = False


def hints(who: str, batches: Sequence[Batch]) -> list[str]:
    """One, but for a batch of very many rows. Mail to many is looked for by the others themselves."""
    stepped = [key for batch in batches for key in batch.rows]
    mailed = list(dict.fromkeys(mail.to for batch in batches for mail in batch.posted.values()))
    names = any(batch.aliases for batch in batches)
    if not (stepped or mailed or names):
        return []
    whole = _hint(Hint(who=who, rows=tuple(stepped), mail=tuple(mailed), names=names))
    if len(whole) <= MOST_HINT_BYTES:
        return [whole.decode()]
    slices = _slices(stepped) or [()]
    return [_hint(Hint(who=who, rows=keys, mail=None if mailed else (), names=names)).decode() for keys in slices]


_hint = msgspec.json.Encoder().encode


def _slices(keys: Sequence[Key]) -> list[tuple[Key, ...]]:
    """The keys in as many pieces as fit into a NOTIFY each."""
    made: list[tuple[Key, ...]] = []
    piece: list[Key] = []
    size = 0
    for key in keys:
        size += len(_hint(key)) + 1
        if size > MOST_HINT_BYTES - 200 and piece:
            made.append(tuple(piece))
            piece, size = [], len(_hint(key)) + 1
        piece.append(key)
    return [*made, tuple(piece)] if piece else made
