"""The store that several processes share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from functools import partial

import asyncpg
import pytest

from openadr_ra.errors import ComplianceError, StoreError
from openadr_ra.protocol.step import AnyLetter, Key, Once, Outcome, Record
from openadr_ra.seams import Step, Store
from openadr_ra.store import open_store
from openadr_ra.store.postgres import PostgresStore
from tests.postgres import Server
from tests.store.check_drop import DropContract
from tests.store.check_store import MICROSECOND, MINUTE, NOON, OTHER, TANK, Contract, Tank, mail, once, pour, poured


@pytest.fixture
def url(postgres: Server) -> str:
    return postgres.database()


class TestPostgresStore(Contract, DropContract):
    """Passes the contract."""

    @pytest.fixture
    async def store(self, url: str) -> AsyncIterator[Store]:
        store = await open_store(url)
        yield store
        await store.close()


@pytest.fixture
async def two(url: str) -> AsyncIterator[tuple[PostgresStore, PostgresStore]]:
    """Two processes' stores on one database; that they live in one loop makes no difference to the database."""
    one, other = await PostgresStore.open(url), await PostgresStore.open(url)
    yield one, other
    await one.close()
    await other.close()


Two = tuple[PostgresStore, PostgresStore]


async def now(store: Store, key: Key = TANK) -> tuple[str, ...]:
    """What has been poured by whomever: `load` may be behind other processes for a moment, a step never is."""
    return (await store.update(key, Tank, pour())).state.poured


async def test_no_update_of_two_processes_is_lost(two: Two) -> None:
    """Each steps on what the other left, though neither asks first."""
    await asyncio.gather(*(store.update(TANK, Tank, pour(f"{number}")) for number in range(60) for store in two))
    assert sorted(await now(two[0])) == sorted(f"{number}" for number in range(60) for _ in two)


async def test_only_who_lost_steps_again(two: Two) -> None:
    """Others in the same batch are stepped once, and stored with the winner's next try at the latest."""
    one, other = two
    for key in (TANK, OTHER):
        await one.update(key, Tank, pour("a"))
    await other.update(TANK, Tank, pour("b"))
    steps: list[Key] = []

    def counted(key: Key) -> Step[Tank]:
        def step(tank: Tank | None, letters: tuple[AnyLetter, ...]) -> Outcome[Tank]:
            steps.append(key)
            return pour("c")(tank, letters)

        return step

    await asyncio.gather(*(one.update(key, Tank, counted(key)) for key in (TANK, OTHER)))
    assert await poured(one) == ("a", "b", "c")
    assert await poured(one, OTHER) == ("a", "c")
    assert steps.count(OTHER) == 1


async def test_letter_is_read_by_one_of_two_processes(two: Two) -> None:
    """Also where it changes nothing of the row, and both have it in hand."""
    one, other = two
    await one.update(TANK, Tank, pour("a"))
    await other.update(TANK, Tank, pour("b"))
    await one.post(mail(TANK, *(f"{number}" for number in range(20))))
    await asyncio.gather(*(store.update(TANK, Tank, pour()) for store in two))
    assert await now(one) == ("a", "b", *(f"{number}" for number in range(20)))
    assert await other.waiting() == ()


async def test_other_process_hears_of_rows_and_mail(two: Two) -> None:
    """What it has in memory is not gone by any more, and whoever watches is told."""
    one, other = two
    await other.update(TANK, Tank, pour("a"))
    told: asyncio.Queue[frozenset[Key]] = asyncio.Queue()
    other.watch(lambda keys, names: told.put_nowait(keys))
    await one.update(TANK, Tank, pour("b", post=mail(OTHER, "c")))
    assert await told.get() == {TANK, OTHER}
    assert other.peek(TANK, Tank) is None
    assert await poured(other) == ("a", "b")


async def test_mail_to_thousands_reaches_the_other_process(two: Two) -> None:
    """More keys than one NOTIFY carries: they are looked for at once, not with the next look."""
    one, other = two
    told: set[Key] = set()
    whole = asyncio.Event()

    def hear(keys: frozenset[Key], names: bool) -> None:
        told.update(keys)
        if len(told) == 3000:
            whole.set()

    other.watch(hear)
    await one.post([each for number in range(3000) for each in mail(Key(f"tank/{number}"), "x")])
    async with asyncio.timeout(4):
        await whole.wait()


async def test_alias_that_another_process_gives_away_is_looked_up_again(two: Two) -> None:
    one, other = two
    await one.update(TANK, Tank, pour("a", effects=(Record(aliases=("n",)),)))
    assert await other.resolve("n") == TANK
    told: asyncio.Queue[bool] = asyncio.Queue()
    other.watch(lambda keys, names: told.put_nowait(names))
    await one.update(OTHER, Tank, pour("b", effects=(Record(aliases=("n",)),)))
    assert await told.get()
    assert await other.resolve("n") == OTHER


async def test_nonce_is_taken_by_one_of_two_processes(two: Two) -> None:
    done = await asyncio.gather(
        *(
            store.update(key, Tank, pour("a", effects=(once("n"),)))
            for store, key in zip(two, (TANK, OTHER), strict=True)
        ),
        return_exceptions=True,
    )
    assert sorted(isinstance(each, ComplianceError) for each in done) == [False, True]


async def test_nonces_go_some_time_after_they_have_expired(two: Two, url: str) -> None:
    """Else the table would grow for ever."""

    async def take(nonce: str, at: datetime) -> None:
        taken = Record(once=Once(nonce=nonce, until=at + MINUTE, now=at))
        await two[0].update(TANK, Tank, pour("a", effects=(taken,)))

    hour = 60 * MINUTE
    await take("old", NOON)
    await take("new", NOON + hour)
    await take("newer", NOON + hour + 3 * MINUTE)
    database = await asyncpg.connect(url)
    left = {nonce for (nonce,) in await database.fetch("SELECT nonce FROM nonces")}
    await database.close()
    assert left == {"new", "newer"}


async def test_exclusive_block_is_entered_by_one_at_a_time(two: Two) -> None:
    inside = 0

    async def enter(store: Store) -> None:
        nonlocal inside
        inside += 1
        assert inside == 1
        await store.post(mail(TANK, "in"))
        inside -= 1

    await asyncio.gather(*(store.exclusive("x", partial(enter, store)) for _ in range(5) for store in two))
    assert len(await two[0].letters(0, 100)) == 10


async def test_overdue_row_is_in_one_hand(two: Two) -> None:
    """Until its lease is over, or it is stepped."""
    one, other = two
    await one.update(TANK, Tank, pour("a", due=NOON))
    await one.update(OTHER, Tank, pour("a", due=NOON + MICROSECOND))
    assert await one.overdue("tank/", NOON - MICROSECOND, MINUTE, 10) == ()
    assert await one.overdue("party/", NOON, MINUTE, 10) == ()
    assert await one.overdue("tank/", NOON, MINUTE, 10) == (TANK,)
    assert await other.overdue("tank/", NOON + MICROSECOND, MINUTE, 10) == (OTHER,)
    assert await one.overdue("tank/", NOON + MINUTE - MICROSECOND, MINUTE, 10) == ()
    assert await other.overdue("tank/", NOON + MINUTE, MINUTE, 10) == (TANK,)
    await one.update(TANK, Tank, pour("b", due=NOON + MINUTE))
    assert TANK in await one.overdue("tank/", NOON + MINUTE, MINUTE, 10)


async def test_duty_is_one_processes_until_its_time_is_over(two: Two) -> None:
    one, other = two
    assert await one.claim("sweep", NOON, NOON + MINUTE)
    assert not await other.claim("sweep", NOON + MINUTE - MICROSECOND, NOON + 2 * MINUTE)
    assert await other.claim("sweep", NOON + MINUTE, NOON + 2 * MINUTE)


async def test_newer_schema_is_refused(url: str) -> None:
    """Nothing is changed, and the words say what to do."""
    await (await PostgresStore.open(url)).close()
    connection = await asyncpg.connect(url)
    await connection.execute("INSERT INTO openadr_ra_schema (version) VALUES (99)")
    await connection.close()
    with pytest.raises(StoreError, match=r"schema 99, this one knows \d+\): update the program"):
        await PostgresStore.open(url)


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ("postgresql://postgres:secret@127.0.0.1:1/none", r"none at 127\.0\.0\.1:1 cannot be reached"),
        ("postgresql://nobody:secret@127.0.0.1:{port}/postgres", "refuses the user or the password"),
        ("postgresql://postgres:secret@127.0.0.1:{port}/none", "none at .* does not exist; create it"),
    ],
)
async def test_database_that_cannot_be_used_is_named_without_its_password(
    postgres: Server, named: str, says: str
) -> None:
    with pytest.raises(StoreError, match=says) as refused:
        await open_store(named.format(port=postgres.port))
    assert "secret" not in str(refused.value)


async def test_what_cannot_be_stored_harms_nobody_else(two: Two) -> None:
    """A name with a NUL, which a database cannot hold, in one batch with another row."""
    bad, good = await asyncio.gather(
        two[0].update(Key("tank/\x00"), Tank, pour("a")), two[0].update(TANK, Tank, pour("b")), return_exceptions=True
    )
    assert isinstance(bad, StoreError)
    assert not isinstance(good, BaseException)
    assert await now(two[1]) == ("b",)
