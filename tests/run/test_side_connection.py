"""The second connection that a VEN uses while its poll is held: it closes when nothing goes over it, at both ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from openadr_ra import Vtn
from openadr_ra.net.client import Bounds
from openadr_ra.protocol.messages import CreateReport, RegisteredReport
from openadr_ra.protocol.producer import Rates
from openadr_ra.protocol.ven import Wanted
from openadr_ra.run.clock import SystemClock
from openadr_ra.run.upstream import SIDE_KEEPALIVE_S, UpstreamLink
from openadr_ra.settings import Upstream
from openadr_ra.store import MemoryStore
from tests.protocol.answers import request
from tests.run.site import Site, Watch, new_site, until

IDLE_S = 0.2


class Tunnel:
    """Everything between a VEN and its VTN goes through here; `open` are the connections that both ends hold."""

    def __init__(self) -> None:
        self.made = 0
        self.open = 0
        self.closed_by_ven = 0
        self._moved = asyncio.Event()

    @asynccontextmanager
    async def to(self, port: int) -> AsyncIterator[int]:
        async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there = await asyncio.open_connection("127.0.0.1", port)
            self._note(made=1)
            up = asyncio.create_task(_carry(reader, there[1]))
            down = asyncio.create_task(_carry(there[0], writer))
            await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
            by_ven = up.done()
            # The other end hangs up, too, once it has seen it.
            await asyncio.wait((up, down))
            writer.close()
            there[1].close()
            self._note(made=-1, by_ven=by_ven)

        server = await asyncio.start_server(meet, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]

    def _note(self, *, made: int, by_ven: bool = False) -> None:
        self.made += max(made, 0)
        self.open += made
        self.closed_by_ven += by_ven
        self._moved.set()
        self._moved = asyncio.Event()

    async def changed(self, within: timedelta) -> None:
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self._moved.wait()
        except TimeoutError:
            return


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Bytes until there are no more, and the end of them."""
    try:
        while octets := await reader.read(65536):
            writer.write(octets)
            await writer.drain()
        writer.write_eof()
    except (ConnectionError, OSError):
        return


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


async def test_the_connection_beside_a_held_poll_is_closed_when_it_is_idle_and_made_anew_when_needed(
    site: Site,
) -> None:
    """It carries what is said meanwhile; the held poll's own connection stays. The VTN lets go of it, too."""
    tunnel, watch = Tunnel(), Watch()
    table = site.vtn(hold_s=40, poll_s=1, cert=[], key=[], client_ca="")
    async with Vtn(site.settings(table)).running() as vtn, tunnel.to(urlsplit(vtn.url).port or 0) as port:
        link = UpstreamLink(
            Upstream(url=f"http://127.0.0.1:{port}"), {}, name="idle", store=MemoryStore(), clock=SystemClock(),
            tell=lambda mail: None, tap=watch, on_event=None, rates=Rates(), side_keepalive_s=IDLE_S,
        )  # fmt: skip
        async with link.connected():
            running = asyncio.create_task(link.run())
            try:
                await until(lambda: holding(link, watch), watch.changed)
                await until(lambda: connections(tunnel, 1), tunnel.changed)
                for again in (1, 2):
                    before = tunnel.made, tunnel.closed_by_ven
                    await link.order(Wanted(requests=(request(specifier="METADATA"),)))
                    await until(lambda: holding(link, watch), watch.changed)
                    await until(lambda: connections(tunnel, 1), tunnel.changed)
                    assert len(watch.asked(CreateReport)) == again
                    assert (tunnel.made, tunnel.closed_by_ven) > before
            finally:
                running.cancel()
                await asyncio.wait({running})


async def holding(link: UpstreamLink, watch: Watch) -> bool:
    """Is a poll held, and is there nothing else to say?"""
    node = await link.state()
    return node.poll_tries == 1 and not node.draining and not node.debts and bool(watch.asked(RegisteredReport))


async def connections(tunnel: Tunnel, count: int) -> bool:
    return tunnel.open == count


def test_the_side_connection_is_kept_for_fifteen_seconds_and_the_other_for_longer_than_a_poll_period() -> None:
    assert SIDE_KEEPALIVE_S == 15
    assert Bounds().keepalive_s > SIDE_KEEPALIVE_S
