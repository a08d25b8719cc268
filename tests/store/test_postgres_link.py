"""How a PostgreSQL database is named, and what happens when it only reads for a while."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from openadr_ra.errors import SettingsError, StoreError
from openadr_ra.protocol.step import Key
from openadr_ra.store import open_store
from openadr_ra.store.postgres import PostgresStore
from openadr_ra.store.postgres_link import Database, InTheWay, plain
from openadr_ra.store.postgres_news import News
from tests.postgres import Server
from tests.store.check_store import TANK, Tank, pour, poured


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://vtn@db.example/vtn", "vtn at db.example"),
        ("postgres://vtn:secret@db.example:5432/vtn", "vtn at db.example:5432"),
        ("postgresql://vtn:secret:more@db.example/vtn", "vtn at db.example"),
        ("postgresql://vtn:se%40c%2Fre%3Ft@db.example/vtn", "vtn at db.example"),
        ("postgresql://vtn:secret@one:5432,two:65535/vtn?sslmode=verify-full", "vtn at one:5432,two:65535"),
        ("postgresql://vtn:secret@[2001:db8::1]:5432,[::1]/vtn", "vtn at [2001:db8::1]:5432,[::1]"),
        ("postgresql://%2Frun%2Fpostgresql/vtn", "vtn at %2Frun%2Fpostgresql"),
        ("postgresql:///vtn?user=vtn&password=secret", "vtn at this machine"),
        ("postgresql://vtn:secret@db.example?passfile=/etc/vtn/pass", "of the user at db.example"),
        ("postgresql://", "of the user at this machine"),
    ],
)
def test_database_is_named_without_its_password(url: str, name: str) -> None:
    assert plain(url) == name


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://vtn:se@cret@db.example/vtn",
        "postgresql://vtn:se/cret@db.example/vtn",
        "postgresql://vtn:12/cret@db.example/vtn",
        "postgresql://vtn:se?cret@db.example/vtn",
        "postgresql://vtn:12?cret@db.example/vtn",
        "postgresql://vtn:12?x=cret@db.example/vtn",
        "postgresql://vtn:se#cret@db.example/vtn",
        "postgresql://vtn:12#cret@db.example/vtn",
        "postgresql://vtn:se cret@db.example/vtn",
        "postgresql://vtn:secret/vtn",
        "postgresql://vtn:secret@db.example:port/vtn",
        "postgresql://vtn:secret@db.example:65536/vtn",
        "postgresql://vtn:secret@db.example/vtn?sslmode",
        "postgresql://vtn:secret@db.example/vtn/more",
        "postgresql:vtn:secret@db.example/vtn",
    ],
)
async def test_url_that_could_be_misread_is_refused_and_no_part_of_it_is_shown(url: str) -> None:
    with pytest.raises(SettingsError, match="the store's url cannot be read; write postgresql:") as refused:
        await open_store(url)
    assert "cret" not in str(refused.value)


async def test_unknown_kind_of_store_is_refused_without_a_password() -> None:
    with pytest.raises(SettingsError, match=r'store "mysql:…" is unknown; use') as refused:
        await open_store("mysql://vtn:secret@db.example/vtn")
    assert "secret" not in str(refused.value)


async def only_reads(url: str, yes: bool) -> None:
    """Whoever connects anew finds it so, and all others have to: as where a standby comes in the place of the primary."""
    connection = await asyncpg.connect(url)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute("SET default_transaction_read_only = off")
    await connection.execute("BEGIN READ WRITE")
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {'on' if yes else 'off'}")
    await connection.execute("COMMIT")
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()", name
    )
    await connection.close()


async def test_database_that_only_reads_is_no_store(postgres: Server) -> None:
    url = postgres.database()
    await (await open_store(url)).close()
    await only_reads(url, yes=True)
    with pytest.raises(StoreError, match="only reads: it is a standby; name the primary"):
        await open_store(url)


async def test_database_that_lacks_letters_is_refused_with_the_cure(postgres: Server) -> None:
    """What a peer says may be in any script."""
    connection = await asyncpg.connect(postgres.url("postgres"))
    await connection.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1'")
    await connection.close()
    with pytest.raises(
        StoreError, match=r"latin at .* is in LATIN1, which lacks letters; create one: createdb -E UTF8"
    ):
        await open_store(postgres.url("latin"))


async def test_two_that_are_in_one_anothers_way_are_told_to_try_again(postgres: Server) -> None:
    """Here by the database's own rules: a reading of a series that somebody has let go of."""
    database = Database(postgres.database())
    await database.open()
    with pytest.raises(InTheWay, match="others were in the way; try again"):
        async with database.connection() as connection:
            await connection.execute("INSERT INTO readings VALUES (7, 0, 0, 1.0, 1, 0, NULL, NULL)")
    await database.close()


class Deaf(Database):
    """Its second connection for news fails just when it is given up, so that nobody hears of that."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.tries = 0
        self.trying = asyncio.Event()

    async def listener(self) -> asyncpg.Connection[asyncpg.Record]:
        self.tries += 1
        if self.tries == 1:
            return await super().listener()
        self.trying.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionResetError("gone") from None
        raise AssertionError


@pytest.mark.timeout(60)
async def test_news_end_although_a_connection_swallows_that(postgres: Server) -> None:
    """Else a process that is told to stop while its database is away would never end."""
    url = postgres.database()
    database = Deaf(url)
    await database.open()
    news = News(database, "me", told=lambda rows, mailed, names: None, lost=lambda: None)
    await news.open()
    async with database.connection() as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE '%listener' AND datname = current_database()"
        )
    await database.trying.wait()
    await news.close()
    await database.close()


@pytest.mark.timeout(60)
async def test_news_come_again_when_a_database_that_only_read_writes_again(postgres: Server) -> None:
    """Nothing is stored meanwhile, and nobody has to do anything."""
    url = postgres.database()
    one, other = await PostgresStore.open(url), await PostgresStore.open(url)
    told: asyncio.Queue[frozenset[Key]] = asyncio.Queue()
    other.watch(lambda keys, names: told.put_nowait(keys))
    await only_reads(url, yes=True)
    while "only reads" not in await written(one, "lost"):
        pass
    for _ in range(3):
        # That there are no news any more, and that there still are none.
        while await told.get():
            pass
    await only_reads(url, yes=False)
    while not await heard(told):
        await written(one, "b")
    assert set(await poured(other)) == {"b"}
    await one.close()
    await other.close()


async def written(store: PostgresStore, what: str) -> str:
    """Pour it; or why that could not be."""
    try:
        await store.update(TANK, Tank, pour(what))
    except StoreError as error:
        return str(error)
    return ""


async def heard(told: asyncio.Queue[frozenset[Key]]) -> bool:
    """Whether there is news of the tank within a moment."""
    try:
        async with asyncio.timeout(0.2):
            while TANK not in await told.get():
                pass
    except TimeoutError:
        return False
    return True
