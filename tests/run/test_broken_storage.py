"""A node whose store cannot be written or read: its peer gets 503 and comes again, and nothing is acknowledged that is not
stored."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from openadr_ra import Ven, Vtn, dispatch
from openadr_ra.errors import OK, StoreError
from openadr_ra.protocol.messages import CreatedPartyRegistration, CreatePartyRegistration
from openadr_ra.protocol.model import OPT_IN, RequestId, VenId
from openadr_ra.wire import codec
from tests.programs.nodes import VTN, command, vens, written
from tests.run.peer import Peer
from tests.run.site import BATTERY, PATIENCE, Site, Table, Watch, code, new_site, soon, until


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


def plain(site: Site, **downstream: object) -> Table:
    """A VTN without TLS, and without limits for a peer in a hurry."""
    limits = {"address_registrations_per_h": 0, "ven_registrations_per_h": 0}
    return site.vtn("ac", cert=[], key=[], client_ca="", limits=limits, **downstream)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Another program has begun to write and does not end."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def full(file: Path) -> Iterator[None]:
    """No file may grow any more: a limit of the system, as a full disk is."""
    log = file.with_name(f"{file.name}-wal")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def register(ven: str) -> bytes:
    return codec.encode(CreatePartyRegistration(request_id=RequestId("r1"), ven_id=VenId(ven), ven_name=ven, pull=True))


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [(locked, "is locked by another program"), (full, "could not be read or written by the disk")],
)
async def test_vtn_answers_503_while_it_cannot_store_and_has_stored_whatever_it_acknowledged(
    site: Site, trouble: Callable[[Path], AbstractContextManager[None]], sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What the peer comes with again is taken once the trouble is over; a start on that file has it all."""
    caplog.set_level(logging.ERROR, "openadr_ra")
    settings = site.settings(plain(site))
    file = site.folder / "ac.db"
    async with Vtn(settings).running() as vtn:
        peer = Peer(url=vtn.url)
        taken = [f"BEFORE{number}" for number in range(3)]
        for ven in taken:
            assert code(await peer.register(ven)) == OK
        with trouble(file):
            statuses = [await peer.post("EiRegisterParty", register(f"DURING{number}")) for number in range(3)]
        assert [(answer.status, answer.body) for answer in statuses] == [(503, b"")] * 3
        said = [one.getMessage() for one in caplog.records]
        assert [line for line in said if "not stored" in line and sentence in line and "ac.db" in line]
        assert {ven.ven_id for ven in await vtn.vens()} == set(taken)
        again = await peer.register("DURING0")
        assert isinstance(again, CreatedPartyRegistration)
    assert [one for one in caplog.records if one.exc_info] == []
    async with Vtn(settings).running() as vtn:
        assert {ven.ven_id for ven in await vtn.vens()} == {*taken, "DURING0"}


async def test_vtn_does_not_start_on_a_row_that_it_cannot_read(site: Site) -> None:
    """It is not begun anew, which would be to forget a VEN; it stays as it is, and is named."""
    settings = site.settings(plain(site))
    file = site.folder / "ac.db"
    async with Vtn(settings).running() as vtn:
        await Peer(url=vtn.url).register("BROKEN")
    with closing(sqlite3.connect(file)) as other, other:
        other.execute("UPDATE states SET body = substr(body, 1, 30) WHERE key = 'party/BROKEN'")
    before = await asyncio.to_thread(body, file)

    vtn = Vtn(settings)
    with pytest.raises(StoreError, match=r"row party/BROKEN cannot be read as Party .*; restore it from a backup"):
        await vtn.run()
    assert await asyncio.to_thread(body, file) == before


def body(file: Path) -> str:
    with closing(sqlite3.connect(file)) as other:
        found: tuple[str] = other.execute("SELECT body FROM states WHERE key = 'party/BROKEN'").fetchone()
    return found[0]


async def test_ven_comes_again_until_the_vtn_can_store(site: Site) -> None:
    """It registers, and answers an event, each of which the VTN could not store at first."""
    watch = Watch()
    file = site.folder / "ac.db"

    async def turned_away() -> bool:
        return any(each.status == 503 for each in watch.exchanges)

    async with Vtn(site.settings(site.vtn("ac", hold_s=0)), tap=watch).running() as vtn, AsyncExitStack() as stack:
        with locked(file):
            await stack.enter_async_context(Ven(site.settings(site.ven("VEN1", vtn.url, BATTERY))).running())
            await until(turned_away, watch.changed)

        async def registered() -> bool:
            return any(one.ven_id == "VEN1" and one.registered for one in await vtn.vens())

        await until(registered, watch.changed)
        event = await vtn.publish(dispatch(start=soon(600), every=timedelta(hours=1), delta_kw=(-2,), to=("VEN1",)))
        watch.exchanges.clear()
        with locked(file):
            await until(turned_away, watch.changed)
        assert await vtn.opts(event, within=PATIENCE) == {"VEN1": OPT_IN}


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        ("no database", "is no SQLite database or is damaged; restore it from a backup"),
        ("newer", "was written by a newer openadr-ra (schema 99"),
        ("locked", "is locked by another program; close that program"),
        ("read-only", "cannot be written; make the file and its directory writable"),
    ],
)
def test_node_does_not_start_on_a_store_that_it_cannot_use(tmp_path: Path, spoil: str, sentence: str) -> None:
    """One line that names the file and the cure, and the exit status of a failure."""
    settings, file = written(tmp_path / "node.toml", VTN, vens("VEN1")), tmp_path / "node.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        match spoil:
            case "no database":
                file.write_bytes(b"Dear Sir or Madam, " * 500)
            case "newer":
                other.execute("PRAGMA application_id = 1329677394")
                other.execute("CREATE TABLE later (x)")
                other.execute("PRAGMA user_version = 99")
            case "locked":
                other.execute("PRAGMA application_id = 1329677394")
                other.execute("BEGIN EXCLUSIVE")
            case _:
                if os.getuid() == 0:
                    pytest.skip("whoever may write everything cannot be kept from it; tests/store does it as nobody")
                file.touch()
                file.chmod(0o444)
        done = command("run", settings, cwd=tmp_path)
    assert done.status == 1
    assert sentence in done.line
    assert str(file) in done.line
