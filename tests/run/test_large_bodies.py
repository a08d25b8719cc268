"""Bodies that take their time are decoded beside the loop, which serves everybody else meanwhile."""

from __future__ import annotations

import asyncio
from threading import Event, get_ident

import pytest

from openadr_ra import Vtn
from openadr_ra.errors import OK
from openadr_ra.protocol.messages import Poll
from openadr_ra.protocol.model import VenId
from openadr_ra.run.decoding import DECODERS, PARSE_IN_THREAD_BYTES, apart
from openadr_ra.wire.codec import encode
from tests.run.peer import Peer
from tests.run.site import Table, code, new_site

POLL = encode(Poll(ven_id=VenId("LARGE")))
LARGE = POLL + b" " * (PARSE_IN_THREAD_BYTES + 1 - len(POLL))


async def test_a_body_is_worked_on_in_a_thread_above_a_size_and_at_once_up_to_it() -> None:
    most = b" " * PARSE_IN_THREAD_BYTES

    assert await apart(most, get_ident) == get_ident()
    assert await apart(most + b" ", get_ident) != get_ident()


async def test_others_are_served_while_a_large_body_is_decoded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """All threads that decode are at work here, so that the large body waits for as long as this test likes."""
    site = new_site(tmp_path_factory)
    table: Table = {"store": {"url": "memory:"}, "downstream": {"listen": "127.0.0.1:0"}}
    at_work = Event()
    async with Vtn(site.settings(table)).running() as vtn:
        peer = Peer(url=vtn.url)
        await peer.register("LARGE")
        await peer.drained("LARGE")
        others = [asyncio.create_task(apart(LARGE, at_work.wait)) for _ in range(DECODERS)]
        try:
            large = asyncio.create_task(peer.post("OadrPoll", LARGE))
            await peer.drained("LARGE")
            answered_early = large.done()
        finally:
            at_work.set()
            await asyncio.gather(*others)
        answer = await large

    assert not answered_early
    assert code(answer.message) == OK
