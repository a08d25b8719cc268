"""Rows, mail, readings, nonces and the journal behind one protocol: `openadr_ra.seams.Store`."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from openadr_ra.errors import SettingsError
from openadr_ra.seams import Store
from openadr_ra.store.extras import needing_asyncpg

if TYPE_CHECKING:
    from openadr_ra.store.memory import MemoryStore
    from openadr_ra.store.sqlite import SqliteStore

_HOMES = {"MemoryStore": "memory", "SqliteStore": "sqlite"}
"""They are imported when first used: a node has one of them."""

__all__ = ["MemoryStore", "SqliteStore", "open_store"]


async def open_store(url: str) -> Store:
    """The store that `url` names: `memory`, `sqlite:` and the path of a file, made where there is none, or
    `postgresql://user@host/database`, which other processes may share.

    `sqlite:node.db` is relative to the working directory; `sqlite:/var/lib/node.db` and `sqlite:///var/lib/node.db`
    are the same. Raises SettingsError for other urls and StoreError for a file that cannot be used.
    """
    scheme, _, path = url.partition(":")
    match scheme, path.removeprefix("//"):
        case "memory", "":
            from openadr_ra.store.memory import MemoryStore

            return MemoryStore()
        case "sqlite", name if name:
            from openadr_ra.store.sqlite import SqliteStore

            return await SqliteStore.open(Path(name))
        case (("postgresql" | "postgres"), _):
            return await _postgres(url)
        case _:
            raise SettingsError(
                f'store "{scheme}:…" is unknown; use "memory", "sqlite:FILE" or "postgresql://USER@HOST/DATABASE"'
            )


async def _postgres(url: str) -> Store:
    with needing_asyncpg():
        from openadr_ra.store.postgres import PostgresStore
    return await PostgresStore.open(url)


if not TYPE_CHECKING:
    # A type checker that sees it takes every name for one of ours, a misspelt one too.
    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
