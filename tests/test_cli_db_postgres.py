"""`openadr-ra db` and `openadr-ra export` of a store in a PostgreSQL database, while its node runs on it or not."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NamedTuple

import asyncpg
import msgspec
import pytest

from openadr_ra.store import open_store
from openadr_ra.store.findings import Checked, Size
from openadr_ra.store.looking import reading
from openadr_ra.store.postgres_link import newest_schema
from openadr_ra.store.postgres_looking import TABLES
from tests.postgres import Server
from tests.programs.nodes import CONSOLE, TOKYO, VTN, Done, command, node, vens
from tests.store.check_store import OTHER, mail
from tests.test_cli_db import fill, filled, rows

SECRET = "s3cret"  # noqa: S105 - that of a database of this test alone


async def fill_database(url: str) -> None:
    store = await open_store(url)
    await fill(store)
    await store.close()


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


@pytest.fixture(scope="module")
def full(postgres: Server) -> str:
    """The url of a database with what a VTN and a fleet keep."""
    url = postgres.database()
    asyncio.run(fill_database(url))
    return url


class Locked(NamedTuple):
    """A database whose owner has a password, and whoever comes has to say it."""

    user: str
    port: int

    def url(self, password: str = "") -> str:
        return f"postgresql://{self.user}{password and ':'}{password}@127.0.0.1:{self.port}/{self.user}"

    @property
    def name(self) -> str:
        return f"{self.user} at 127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def locked(postgres: Server) -> Locked:
    made = Locked(user="keeper", port=postgres.port)

    async def make() -> None:
        connection = await asyncpg.connect(postgres.url("postgres"))
        await connection.execute(f"CREATE ROLE {made.user} LOGIN PASSWORD '{SECRET}'")
        await connection.execute(f"CREATE DATABASE {made.user} OWNER {made.user} TEMPLATE template0 ENCODING 'UTF8'")
        file = await connection.fetchval("SHOW hba_file")
        rules = f"ARRAY['host all {made.user} all scram-sha-256', 'host all all all trust']"
        await connection.execute(f"COPY (SELECT unnest({rules})) TO '{file}'")
        await connection.execute("SELECT pg_reload_conf()")
        await connection.close()

    asyncio.run(make())
    asyncio.run(fill_database(made.url(SECRET)))
    return made


@pytest.mark.parametrize(
    "words",
    [
        ("readings",),
        ("readings", "--ven", "V2", "--from", "2027-07-01T12:00:10Z", "--to", "2027-07-01T12:00:12Z"),
        ("readings", "--ven", "V3"),
        ("events",),
        ("events", "--from", "2027-07-01T12:00:01Z", "--ven", "V1"),
        ("journal",),
        ("journal", "--ven", "V1"),
    ],
)
def test_export_from_a_database_is_that_from_a_file(full: str, tmp_path: Path, words: tuple[str, ...]) -> None:
    asyncio.run(filled(tmp_path / "node.db"))
    of_file = command("export", *words, "--store", "node.db", cwd=tmp_path)
    of_database = command("export", *words, "--store", full, cwd=tmp_path)

    assert (of_file.status, of_file.err) == (0, "")
    assert of_database == of_file


def test_database_of_a_running_node_is_named_by_its_settings(postgres: Server, tmp_path: Path) -> None:
    """What the node has committed is exported and sound."""
    store = f'[store]\nurl = "{postgres.database()}"\n'
    (tmp_path / "node.toml").write_text("\n".join(('name = "node"', VTN, vens("VEN1"), CONSOLE, store)))
    with node(tmp_path / "node.toml", "--json") as running:
        at = ("--console", str(running.started.console), "--token-file", tmp_path / "console.token")
        done = command("event", "create", "--id", "E1", "--start", "2099-11-21T12:00+09:00", "--every", "30m",
                       "--kw=-5,-8", "--to", "VEN1", *at, cwd=tmp_path)  # fmt: skip
        assert done.status == 0, done.err
        found = rows(command("export", "events", cwd=tmp_path))
        checked = command("db", "check", cwd=tmp_path)

    assert [(one["event"], one["ven"], one["asked"]) for one in found] == [
        ("E1", "VEN1", "-5.0"),
        ("E1", "VEN1", "-8.0"),
    ]
    assert (checked.status, checked.out.splitlines()[-1]) == (0, "sound: all rows and letters can be read")


def test_export_holds_the_database_back_in_nothing(full: str) -> None:
    """Between two pages there is no transaction, and nothing could be written."""
    watch = (
        "SELECT state, xact_start FROM pg_stat_activity"
        " WHERE application_name LIKE '%look' AND datname = current_database()"
    )

    async def watched() -> list[tuple[object, ...]]:
        connection = await asyncpg.connect(full)
        seen = [tuple(line) for line in await connection.fetch(watch)]
        await connection.close()
        return seen

    with reading(full) as reader:
        first = reader.page("V2/TELEMETRY_USAGE/meter", (0, -1), 1 << 62, 1000)
        seen = asyncio.run(watched())
        last = first[-1]
        then = reader.page("V2/TELEMETRY_USAGE/meter", (int(last.start.timestamp()) * 1_000_000, 0), 1 << 62, 1000)

    assert seen == [("idle", None)]
    assert [one.value for one in (*first, *then)] == [n / 4 for n in range(2000)]


def test_check_of_a_database_says_how_much_is_in_it(locked: Locked, tmp_path: Path) -> None:
    """By table, without its password."""
    done = command("db", "check", "--json", "--store", locked.url(SECRET), cwd=tmp_path)
    found = msgspec.json.decode(done.out, type=Checked)

    assert (done.status, done.err, found.faults) == (0, "", ())
    assert (found.file, found.schema, found.newest_schema) == (locked.name, newest_schema(), newest_schema())
    assert tuple(size.table for size in found.tables) == TABLES
    assert {size.table: size.rows for size in found.tables} == {
        "states": 3, "mail": 0, "aliases": 0, "series": 20, "qualities": 1, "readings": 2519, "journal": 3, "nonces": 0,
        "seen": 0, "duties": 0,
    }  # fmt: skip
    assert sum(octets(size) for size in found.tables) < found.octets
    assert SECRET not in done.out


def octets(size: Size) -> int:
    assert size.octets is not None
    return size.octets


def test_check_names_tables_with_their_indexes(full: str, tmp_path: Path) -> None:
    """Those of the 2,519 readings are larger than the lines alone."""
    found = msgspec.json.decode(command("db", "check", "--json", "--store", full, cwd=tmp_path).out, type=Checked)

    assert octets(next(size for size in found.tables if size.table == "readings")) > 2519 * 70


def checked(url: str, folder: Path, *statements: str) -> Done:
    """The check of a database of which something was broken."""

    async def broken() -> None:
        await fill_database(url)
        store = await open_store(url)
        await store.post(mail(OTHER, "1", "2"))
        await store.close()
        await execute(url, *statements)

    asyncio.run(broken())
    return command("db", "check", "--store", url, cwd=folder)


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE states SET body = '{' WHERE key = 'event/E1'", "row event/E1 cannot be read as Instruction"),
        ("UPDATE states SET format = 99 WHERE key = 'own/E2'", "row own/E2 was written by a newer openadr-ra"),
        ("UPDATE states SET kind = 'Kettle' WHERE key = 'own/E2'", "row own/E2 holds a Kettle, of which this program"),
        ("UPDATE mail SET body = '[]' WHERE number = 2", "letter 2: mail for tank/2 cannot be read"),
        ("DELETE FROM qualities", "2519 readings have a quality that does not exist"),
        ("DROP TABLE aliases", 'relation "aliases" does not exist'),
    ],
)
def test_check_of_a_database_names_what_cannot_be_read(
    postgres: Server, tmp_path: Path, statement: str, fault: str
) -> None:
    """That alone, and ends with 1; all the rest is looked at, too."""
    done = checked(postgres.database(), tmp_path, statement)

    assert done.status == 1
    (told,) = (line for line in done.out.splitlines() if line.startswith("FAULT: "))
    assert fault in told
    assert "2 letters wait for tank/2, and there is no such row" in done.out


def test_check_of_a_database_tells_no_more_than_a_hundred_faults_of_a_kind(postgres: Server, tmp_path: Path) -> None:
    """Of rows and letters beyond one page."""
    done = checked(
        postgres.database(), tmp_path,
        "INSERT INTO states (key, kind, format, version, body) SELECT 'x/' || n, 'Kettle', 1, 1, '{}'"
        " FROM generate_series(1, 450) AS n",
        "INSERT INTO mail (key, body) SELECT 'x', '[]' FROM generate_series(1, 99)",
    )  # fmt: skip

    assert done.out.count("FAULT: row x/") == 100
    assert done.out.count("FAULT: letter ") == 99


def test_check_looks_at_what_comes_after_a_page(postgres: Server, tmp_path: Path) -> None:
    done = checked(
        postgres.database(), tmp_path,
        "INSERT INTO states (key, kind, format, version, body) SELECT 'aa/' || n, kind, format, version, body"
        " FROM states, generate_series(1, 450) AS n WHERE key = 'event/E1'",
        "INSERT INTO mail (key, body) SELECT key, body FROM mail, generate_series(1, 450) AS n WHERE number = 1",
        "INSERT INTO mail (key, body) VALUES ('last', '[]')",
        "UPDATE states SET body = '{' WHERE key = 'own/E2'",
    )  # fmt: skip

    faults = [line for line in done.out.splitlines() if line.startswith("FAULT: ")]
    assert [fault.partition(": ")[2].partition(" cannot")[0] for fault in faults] == [
        "row own/E2",
        "letter 453: mail for last",
    ]


def test_backup_of_a_database_is_refused_with_the_cure(locked: Locked, tmp_path: Path) -> None:
    done = command("db", "backup", "copy.db", "--store", locked.url(SECRET), cwd=tmp_path)

    assert (done.status, done.line) == (
        2,
        "openadr-ra: the store is a PostgreSQL database; back it up as its provider does, or with "
        "pg_dump --format=custom --file=FILE DATABASE",
    )
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.parametrize("words", [("db", "check"), ("export", "journal")])
@pytest.mark.parametrize(
    ("url", "status", "says"),
    [
        ("postgresql://keeper:s3cret@127.0.0.1:1/vtn", 1, "database vtn at 127.0.0.1:1 cannot be reached"),
        ("postgresql://keeper:s3cretly@127.0.0.1:{port}/keeper", 1, "refuses the user or the password"),
        ("postgresql://keeper@127.0.0.1:{port}/keeper?password=s3cretly", 1, "refuses the user or the password"),
        ("postgresql://postgres:s3cret@127.0.0.1:{port}/none", 1, "none at 127.0.0.1:{port} does not exist"),
        (
            "postgresql://postgres:s3cret@127.0.0.1:{port}/postgres",
            1,
            "holds no store; name another, or start its node",
        ),
        ("postgresql://keeper:s3cret@127.0.0.1:{port}/postgres", 1, "postgres at 127.0.0.1:{port} holds no store"),
        (
            "postgresql://postgres:s3cret/more@127.0.0.1:{port}/x",
            2,
            "the store's url cannot be read; write postgresql:",
        ),
    ],
)
def test_what_is_wrong_with_a_database_is_one_line_without_its_password(
    locked: Locked, tmp_path: Path, words: tuple[str, ...], url: str, status: int, says: str
) -> None:
    done = command(*words, "--store", url.format(port=locked.port), cwd=tmp_path)

    assert done.status == status
    assert says.format(port=locked.port) in done.line
    assert SECRET not in done.line


@pytest.mark.parametrize("where", ["environment", "file"])
def test_password_may_stand_outside_of_the_url(locked: Locked, tmp_path: Path, where: str) -> None:
    """As PostgreSQL's own programs have it."""
    env = {"PGPASSWORD": SECRET}
    url = locked.url()
    if where == "file":
        file = tmp_path / "passwords"
        file.write_text(f"*:*:*:{locked.user}:{SECRET}\n")
        file.chmod(0o600)
        url, env = f"{url}?passfile={file}", {}
    done = command("export", "journal", "--store", url, cwd=tmp_path, env={**TOKYO, **env})

    assert len(rows(done)) == 3


def test_export_of_a_database_that_a_newer_program_wrote_is_refused(postgres: Server, tmp_path: Path) -> None:
    url = postgres.database()
    asyncio.run(fill_database(url))
    asyncio.run(execute(url, "INSERT INTO openadr_ra_schema (version) VALUES (99)"))
    done = command("export", "journal", "--store", url, cwd=tmp_path)

    assert done.status == 1
    assert "was written by a newer openadr-ra (schema 99, this one knows" in done.line


def test_export_that_breaks_off_leaves_no_file(postgres: Server, tmp_path: Path) -> None:
    """Which could be taken for the whole."""
    url = postgres.database()
    asyncio.run(fill_database(url))
    asyncio.run(execute(url, "ALTER TABLE readings RENAME COLUMN span TO width"))
    done = command("export", "readings", "--store", url, "--out", "readings.csv", cwd=tmp_path)

    assert done.status == 1
    assert 'column "span" does not exist' in done.line
    assert not (tmp_path / "readings.csv").exists()


@pytest.mark.parametrize("words", [("db", "check", "--store"), ("export", "journal", "--store"), ("vtn",)])
def test_database_without_asyncpg_says_how_to_get_it(tmp_path: Path, words: tuple[str, ...]) -> None:
    """On a machine with the core install alone."""
    (tmp_path / "asyncpg.py").write_text('raise ModuleNotFoundError("No module named \'asyncpg\'", name="asyncpg")\n')
    (tmp_path / "node.toml").write_text(f'{VTN}\n[store]\nurl = "postgresql://keeper:{SECRET}@127.0.0.1/vtn"\n')
    done = command(*words, "node.toml", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})

    assert done.status == 2
    assert done.err.splitlines()[-1].endswith(
        'a postgresql:// store needs asyncpg, which is not installed: pip install "openadr-ra[postgres]"'
    )
    assert SECRET not in done.err
