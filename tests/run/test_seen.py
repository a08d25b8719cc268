"""When a VEN was heard of last outlives a restart."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openadr_ra import Vtn
from openadr_ra.errors import OK
from openadr_ra.protocol.instruction import party
from openadr_ra.protocol.model import VenId
from openadr_ra.run.seen import EVERY, Seen
from openadr_ra.store import SqliteStore
from tests.run.peer import peer
from tests.run.site import code, new_site

NOON = datetime(2027, 7, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
V1, V2, V3 = VenId("V1"), VenId("V2"), VenId("V3")


class Stepped:
    """A clock that stands until somebody waits, and then shows what was waited for: three times, and it is done."""

    def __init__(self) -> None:
        self.time = NOON
        self.slept: list[timedelta] = []
        self.done = asyncio.Event()

    def now(self) -> datetime:
        return self.time

    async def sleep_until(self, when: datetime) -> None:
        if len(self.slept) == 3:
            self.done.set()
            await asyncio.Event().wait()
        self.slept.append(when - self.time)
        self.time = when


async def test_last_seen_is_known_after_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Before the VEN has said anything again."""
    site = new_site(tmp_path_factory)
    settings = site.settings(site.vtn())
    async with Vtn(settings).running() as vtn:
        ven = peer(site, vtn.url, site.issue("V1"))
        assert code(await ven.register(V1)) == OK
        (before,) = await vtn.vens()
        assert before.last_seen is not None
    async with Vtn(settings).running() as vtn:
        (after,) = await vtn.vens()
    assert (after.ven_id, after.last_seen) == (V1, before.last_seen)


async def test_what_is_new_is_stored_once_a_minute_and_at_the_end(tmp_path: Path) -> None:
    """All of it in one commit, and none where nobody was heard of."""
    store, clock = await SqliteStore.open(tmp_path / "node.db"), Stepped()
    await store.see({party(V3): NOON - SECOND})
    at: dict[VenId, datetime] = {}
    seen, before = Seen(store, clock, at), store.commits
    async with seen.kept():
        assert at == {V3: NOON - SECOND}
        at |= {V1: NOON, V2: NOON}
        running = asyncio.create_task(seen.run())
        await clock.done.wait()
        assert await store.seen() == {party(V1): NOON, party(V2): NOON, party(V3): NOON - SECOND}
        running.cancel()
        at[V2] = clock.time
    assert clock.slept == [EVERY] * 3
    assert store.commits == before + 2
    assert await store.seen() == {party(V1): NOON, party(V2): NOON + 3 * EVERY, party(V3): NOON - SECOND}
    await store.close()


async def test_newer_knowledge_of_our_own_stays_when_the_stored_is_learned(tmp_path: Path) -> None:
    """Another process may have heard of a VEN later, or earlier; other keys are none of ours."""
    store = await SqliteStore.open(tmp_path / "node.db")
    await store.see({party(V1): NOON, party(V2): NOON + SECOND, party(V3): NOON})
    at = {V1: NOON + SECOND, V2: NOON}
    await Seen(store, Stepped(), at).learn()
    assert at == {V1: NOON + SECOND, V2: NOON + SECOND, V3: NOON}
    await store.close()


async def test_what_could_not_be_stored_is_stored_the_next_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Here because another program has the file; the log says so."""
    file, clock = tmp_path / "node.db", Stepped()
    store = await SqliteStore.open(file)
    seen = Seen(store, clock, {V1: NOON})
    clock.time = NOON + EVERY
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await seen.store()
    assert "when VENs were heard of is not stored" in caplog.text
    assert await store.seen() == {}
    await seen.store()
    assert await store.seen() == {party(V1): NOON}
    await store.close()
