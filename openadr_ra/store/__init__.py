"""Rows, mail, readings, nonces and the journal behind one protocol: `openadr_ra.seams.Store`."""

from pathlib import Path

from openadr_ra.errors import SettingsError
from openadr_ra.seams import Store
from openadr_ra.store.memory import MemoryStore
from openadr_ra.store.sqlite import SqliteStore

__all__ = ["MemoryStore", "SqliteStore", "open_store"]


async def open_store(url: str) -> Store:
    """The store that `url` names: `memory`, or `sqlite:` and the path of a file, made where there is none.

    `sqlite:node.db` is relative to the working directory; `sqlite:/var/lib/node.db` and `sqlite:///var/lib/node.db`
    are the same. Raises SettingsError for other urls and StoreError for a file that cannot be used.
    """
    scheme, _, path = url.partition(":")
    match scheme, path.removeprefix("//"):
        case "memory", "":
            return MemoryStore()
        case "sqlite", name if name:
            return await SqliteStore.open(Path(name))
        case _:
            raise SettingsError(f'store "{url}" is unknown; use "memory" or "sqlite:FILE"')
