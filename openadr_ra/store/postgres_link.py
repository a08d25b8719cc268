"""The way to a PostgreSQL database: its connections, its schema, and its errors in plain words."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import TYPE_CHECKING

import asyncpg

from openadr_ra.errors import OadrRaError, SettingsError, StoreError

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]

CONNECT_S = 5.0
"""How long a connection may take to come about."""

COMMAND_S = 10.0
"""How long a statement may take: a database that hangs is away for who waits for it."""

LOOK_S = 3600.0
"""The same for who only looks, and counts the lines of a large table."""

MOST_CONNECTIONS = 6
"""Of one process: one writes, one listens, the others read."""

NAME = "openadr_ra"
"""Our channel, our lock, and what our connections are called in the server's views."""

_Attribute = asyncpg.connect_utils.SessionAttribute

AWAY = (OSError, asyncio.TimeoutError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError,
        asyncpg.CannotConnectNowError, asyncpg.AdminShutdownError, asyncpg.CrashShutdownError,
        asyncpg.TooManyConnectionsError)  # fmt: skip
"""The database cannot be reached, or not now."""

FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, asyncio.TimeoutError)
"""All that asyncpg raises where a database is not as it should be."""

REPEATABLE = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.ForeignKeyViolationError)
"""What the database says of two that were in one another's way."""

# Of these the first that matches is said.
_SENTENCES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (asyncpg.InvalidAuthorizationSpecificationError, "refuses the user or the password; see [store] url"),
    (asyncpg.InvalidCatalogNameError, "does not exist; create it: createdb -E UTF8 NAME"),
    (asyncpg.InsufficientPrivilegeError, "does not let this user work in it; let the user own the database"),
    (
        (asyncpg.ReadOnlySQLTransactionError, asyncpg.TargetServerAttributeNotMatched),
        "only reads: it is a standby; name the primary, or all hosts, in [store] url",
    ),
    (asyncpg.DiskFullError, "cannot grow because its disk is full; free some space there"),
    (asyncpg.TooManyConnectionsError, "has no connection left for us; raise max_connections or run fewer workers"),
    (asyncpg.QueryCanceledError, "was too busy to answer; see what it is doing"),
    (asyncpg.ClientConfigurationError, "cannot be asked for like that; see [store] url"),
    (AWAY, "cannot be reached; see that it runs and that [store] url names it"),
)


LAST_PORT = 65_535

_HOST = r"(?:\[[0-9A-Fa-f:.%]+\]|[^@/?#:,\[\]\s]*)(?::[0-9]{1,5})?"
_URL = re.compile(
    rf"postgres(?:ql)?://(?:[^@/?#\s]*@)?(?P<hosts>{_HOST}(?:,{_HOST})*)(?:/(?P<name>[^@/?#\s]*))?"
    r"(?:\?[a-z_]+=[^@&=#\s]+(?:&[a-z_]+=[^@&=#\s]+)*)?"
)
"""What urls are taken for by all who read them alike, so that no part of a password comes to stand elsewhere."""


class InTheWay(StoreError):
    """Somebody else was, and nothing has changed: the same may be tried again."""


class Refused(StoreError):
    """The database is there, and does not take this."""


class Database:
    """A database and our connections to it. `url` is asyncpg's: it may name several hosts, and leave the password to the
    environment."""

    def __init__(self, url: str) -> None:
        """Raises SettingsError."""
        self._url = url
        self._pool: Pool | None = None
        self.name = plain(url)

    async def open(self) -> None:
        """Connect, and bring the schema up to date. Raises StoreError."""
        await self._connect(most=MOST_CONNECTIONS, command_s=COMMAND_S, mark=NAME)
        try:
            async with self.connection() as connection:
                await _upgrade(self.name, connection)
        except StoreError:
            await self.close()
            raise

    async def look(self) -> int:
        """Connect, for reading alone; the schema, which is some. Raises StoreError, also for what is no store."""
        await self._connect(most=1, command_s=LOOK_S, mark=f"{NAME} look", reads=True)
        try:
            async with self.connection() as connection:
                if await connection.fetchval("SELECT to_regclass('openadr_ra_schema')") is not None:
                    version = await _version(self.name, connection)
                    if version:
                        return version
        except StoreError:
            await self.close()
            raise
        await self.close()
        raise StoreError(f"database {self.name} holds no store; name another, or start its node once, which makes one")

    async def _connect(self, *, most: int, command_s: float, mark: str, reads: bool = False) -> None:
        settings = {"application_name": mark} | ({"default_transaction_read_only": "on"} if reads else {})
        async with self._plainly():
            self._pool = await asyncpg.create_pool(
                self._url, min_size=0, max_size=most, timeout=CONNECT_S, command_timeout=command_s,
                reset=_leave_as_it_is, server_settings=settings,
                target_session_attrs=_Attribute.primary if reads else _Attribute.read_write,
            )  # fmt: skip

    async def listener(self) -> asyncpg.Connection[asyncpg.Record]:
        """A connection outside of the pool. Raises what asyncpg raises."""
        return await asyncpg.connect(
            self._url, timeout=CONNECT_S, command_timeout=COMMAND_S,
            server_settings={"application_name": f"{NAME} listener"}, target_session_attrs=_Attribute.read_write,
        )  # fmt: skip

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """One of our connections, for the block. Raises StoreError for what goes wrong with it."""
        if self._pool is None:
            raise StoreError(f"{self.name} has been closed; open it again")
        async with self._plainly(), self._pool.acquire(timeout=CONNECT_S) as connection:
            yield connection

    @asynccontextmanager
    async def _plainly(self) -> AsyncIterator[None]:
        try:
            yield
        except FAILURES as error:
            raise self.refusal(error) from error

    def refusal(self, error: BaseException) -> OadrRaError:
        """What `error` means for whoever runs the program."""
        if isinstance(error, OadrRaError):
            return error
        said = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, REPEATABLE):
            return InTheWay(f"database {self.name}: others were in the way; try again ({said})")
        for kind, sentence in _SENTENCES:
            if isinstance(error, kind):
                return StoreError(f"database {self.name} {sentence} ({said})")
        return Refused(f"database {self.name} could not store or say this ({said})")

    async def close(self) -> None:
        """Let go of all connections."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            async with asyncio.timeout(CONNECT_S):
                await pool.close()
        except TimeoutError:
            pool.terminate()


def plain(url: str) -> str:
    """The database without user and password. Raises SettingsError, which shows nothing of it, for what is no url."""
    found = _URL.fullmatch(url)
    if found is None or any(int(port) > LAST_PORT for port in re.findall(r":([0-9]+)(?:,|$)", found["hosts"])):
        raise SettingsError(
            "the store's url cannot be read; write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, and in names and "
            "password %40 for @, %3A for :, %2F for /, %3F for ?, %23 for #, %25 for %; or leave the password to PGPASSWORD"
        )
    return f"{found['name'] or 'of the user'} at {found['hosts'] or 'this machine'}"


async def _leave_as_it_is(connection: Connection) -> None:
    """What asyncpg does instead after each use costs a way to the server; nothing of ours stays in a connection."""


def _scripts() -> tuple[str, ...]:
    names = (file.name for file in (files(__package__) / "schema" / "postgres").iterdir())
    return tuple(sorted(name for name in names if name.endswith(".sql")))


def newest_schema() -> int:
    """The schema that this program writes."""
    return len(_scripts())


async def _upgrade(name: str, connection: Connection) -> None:
    """Apply each schema script that the database has not seen, one process at a time."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", NAME)
        await connection.execute("CREATE TABLE IF NOT EXISTS openadr_ra_schema (version integer NOT NULL)")
        version = await _version(name, connection)
        encoding: str = await connection.fetchval("SHOW server_encoding")
        if encoding != "UTF8":
            raise StoreError(
                f"database {name} is in {encoding}, which lacks letters; create one: createdb -E UTF8 NAME"
            )
        for number, script in enumerate(_scripts()[version:], version + 1):
            await connection.execute((files(__package__) / "schema" / "postgres" / script).read_text(encoding="utf-8"))
            await connection.execute("INSERT INTO openadr_ra_schema (version) VALUES ($1)", number)


async def _version(name: str, connection: Connection) -> int:
    """The schema of the database. Raises StoreError for one that a newer program wrote."""
    version: int = await connection.fetchval("SELECT coalesce(max(version), 0) FROM openadr_ra_schema")
    newest = newest_schema()
    if version > newest:
        raise StoreError(
            f"database {name} was written by a newer openadr-ra (schema {version}, this one knows {newest}): "
            "update the program, or restore the backup made before the update"
        )
    return version
