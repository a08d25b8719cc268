"""What a check of a store finds, and what it takes for a fault."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from openadr_ra.errors import StoreError
from openadr_ra.protocol.step import Key, State
from openadr_ra.store import rows

MOST_FAULTS = 100
"""Of each kind no more are told."""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much a table holds; `octets` with its indexes, None where this SQLite cannot tell."""

    table: str
    rows: int
    octets: int | None


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """Letters that nobody has read. `has_row` false: there is no such row yet, or no more."""

    key: Key
    letters: int
    has_row: bool


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in a file, or in a database, which is named without its user and password. `faults` are sentences;
    without any it is sound."""

    file: str
    octets: int
    schema: int
    newest_schema: int
    faults: tuple[str, ...]
    unread: tuple[Unread, ...]
    tables: tuple[Size, ...]


def row_fault(key: str, name: str, written: int, body: str, kinds: Mapping[str, type[State]]) -> str | None:
    """Why the row cannot be read, if it cannot. `kinds` are the states that rows may hold, by name."""
    if name not in kinds:
        return f"row {key} holds a {name}, of which this program knows nothing"
    try:
        rows.state(Key(key), kinds[name], name, written, body)
    except StoreError as error:
        return str(error)
    return None


def letter_fault(number: int, key: str, body: str) -> str | None:
    """Why the letter cannot be read, if it cannot."""
    try:
        rows.letter(Key(key), body)
    except StoreError as error:
        return f"letter {number}: {error}"
    return None
