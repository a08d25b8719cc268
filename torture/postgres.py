"""A PostgreSQL server that can be killed and stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Postgres:
    """Placeholder until servers are started here."""

    url = ""

    @asynccontextmanager
    async def killed(self) -> AsyncIterator[None]:
        """SIGKILL."""
        yield

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """SIGSTOP."""
        yield
