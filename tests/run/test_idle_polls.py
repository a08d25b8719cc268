"""An idle poll at a VTN needs neither the store's file nor anybody who is at work on it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from threading import Event

import pytest

from openadr_ra import Vtn
from openadr_ra.errors import OK
from openadr_ra.protocol.messages import Poll
from openadr_ra.protocol.model import VenId
from openadr_ra.protocol.party import Party
from openadr_ra.protocol.step import AnyLetter, Key, Outcome
from openadr_ra.store import SqliteStore
from tests.run.peer import Peer
from tests.run.site import Table, code, new_site


async def test_an_idle_poll_is_answered_while_nothing_can_be_stored(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The thread that writes is held up here for as long as this test likes; and nothing is committed."""
    store = await SqliteStore.open(tmp_path / "vtn.db")
    table: Table = {"store": {"url": "memory:"}, "downstream": {"listen": "127.0.0.1:0"}}
    at_work = Event()

    def held_up(state: Party | None, letters: tuple[AnyLetter, ...]) -> Outcome[Party]:
        at_work.wait()
        return Outcome(state=Party(ven_id=VenId("other")))

    async with Vtn(new_site(tmp_path_factory).settings(table), store=store).running() as vtn:
        peer = Peer(url=vtn.url)
        for ven in ("IDLE-1", "IDLE-2"):
            await peer.register(ven)
            await peer.drained(ven)
        before = store.commits
        other = asyncio.create_task(store.update(Key("party/other"), Party, held_up))
        try:
            said = [await peer.say(Poll(ven_id=VenId(ven))) for ven in ("IDLE-1", "IDLE-2", "IDLE-1")]
            commits, waited = store.commits, not other.done()
        finally:
            at_work.set()
            await other
    await store.close()

    assert waited
    assert commits == before
    assert [(code(each), getattr(each, "ven_id", None)) for each in said] == [
        (OK, "IDLE-1"),
        (OK, "IDLE-2"),
        (OK, "IDLE-1"),
    ]
