"""Rows, mail, readings, nonces and the journal behind one protocol: `openadr_ra.seams.Store`."""

from pathlib import Path

from openadr_ra.errors import SettingsError
from openadr_ra.seams import Store
from openadr_ra.store.memory import MemoryStore
from openadr_ra.store.sqlite import SqliteStore

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
            return MemoryStore()
        case "sqlite", name if name:
            return await SqliteStore.open(Path(name))
        case (("postgresql" | "postgres"), _):
            return await _postgres(url)
        case _:
            raise SettingsError(
                f'store "{url}" is unknown; use "memory", "sqlite:FILE" or "postgresql://USER@HOST/DATABASE"'
            )


async def _postgres(url: str) -> Store:
    try:
        from openadr_ra.store.postgres import PostgresStore
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "asyncpg":
            raise
        raise SettingsError(
            'a postgresql:// store needs asyncpg, which is not installed: pip install "openadr-ra[postgres]"'
        ) from error
    return await PostgresStore.open(url)
