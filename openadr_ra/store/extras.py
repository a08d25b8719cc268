"""What an extra of the installation brings, and who lacks it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from openadr_ra.errors import SettingsError


@contextmanager
def needing_asyncpg() -> Iterator[None]:
    """Raises SettingsError with the cure where what is imported in the block lacks asyncpg."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "asyncpg":
            raise
        raise SettingsError(
            'a postgresql:// store needs asyncpg, which is not installed: pip install "openadr-ra[postgres]"'
        ) from error
