"""Where VENs come in: one port, over TLS of our own, in plain HTTP, or by proxies that end their TLS."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from openadr_ra.errors import SettingsError, StoreError
from openadr_ra.net.listening import Sockets
from openadr_ra.net.proxy import Proxies
from openadr_ra.net.quota import Quota
from openadr_ra.net.server import Answerer, Limits, Listener, serve
from openadr_ra.net.tls import Contexts, client_contexts, server_contexts
from openadr_ra.run.places import host_port
from openadr_ra.seams import Store
from openadr_ra.settings import Downstream

log = logging.getLogger(__name__)

PATIENCE_S = 2.0
"""How long the store may take before it is out of reach; whoever asks us waits hardly longer."""

NO_ENTRY = 2**62
"""Above the number of any entry of the journal: looking for it costs nothing but the way to the store."""


class Reception:
    """The listener of a VTN. `sockets` are bound to its port already, where several processes share it."""

    def __init__(self, down: Downstream, quota: Quota, sockets: Sockets) -> None:
        """Raises SettingsError."""
        self._down = down
        self._quota = quota
        self._sockets = sockets
        self._listener: Listener | None = None
        self._draining = False
        try:
            self._proxies = Proxies(down.proxies, header=down.client_cert_header) if down.proxies else None
        except SettingsError as error:
            raise SettingsError(f"downstream.{error}") from error

    def contexts(self) -> Contexts | None:
        """Our certificates towards whoever comes; None without TLS of our own. Raises SettingsError."""
        if not self._down.client_ca:
            if self._proxies is None:
                log.warning("! no client_ca is set: VENs are not authenticated and nothing is encrypted")
            return None
        chains = tuple((Path(cert), Path(key)) for cert, key in self._down.chains)
        return server_contexts(chains, Path(self._down.client_ca))

    def as_client(self) -> Contexts | None:
        """The same certificate towards push VENs, which are servers."""
        if not self._down.client_ca:
            return None
        cert, key = self._down.chains[0]
        check = self._down.check_push_hostname
        return client_contexts((Path(cert), Path(key)), Path(self._down.client_ca), check_hostname=check)

    @asynccontextmanager
    async def open(self, answer: Answerer, contexts: Contexts | None) -> AsyncIterator[Listener]:
        """Answers until the block is left."""
        host, port = host_port(self._down.listen, "downstream.listen")
        try:
            async with serve(
                answer,
                host=host,
                port=port,
                ssl=contexts,
                strict=self._down.strict_content_type,
                limits=Limits(max_body_bytes=self._down.max_body_bytes, drain_s=self._down.drain_s),
                quota=self._quota,
                proxies=self._proxies,
                sockets=self._sockets,
            ) as self._listener:
                yield self._listener
        finally:
            self._listener = None

    @property
    def url(self) -> str:
        """Where VENs reach it; known once it is open."""
        if self._listener is None:
            raise RuntimeError("the VTN is not running; use `async with vtn.running()`")
        return self._listener.url

    async def drain(self) -> None:
        """Let nobody new in, and return when all who are in have had their answers."""
        self._draining = True
        if self._listener is not None:
            await self._listener.drain()

    async def missing(self, store: Store | None) -> tuple[str, ...]:
        """What keeps us from serving VENs, a sentence each."""
        if self._listener is None or store is None:
            return ("the VTN does not listen yet",)
        lacking = ("the VTN is about to stop",) if self._draining else ()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await store.entries(NO_ENTRY, 1)
        except StoreError as error:
            # Whoever asks needs no token, and an error may name hosts and files.
            log.debug("the store: %s", error)
            return (*lacking, "the store cannot be reached")
        except TimeoutError:
            return (*lacking, f"the store has not answered for {PATIENCE_S:g} s")
        return lacking
