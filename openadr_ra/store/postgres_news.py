"""News of what other processes change: a NOTIFY is a hint, and mail is looked for every few seconds in any case."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from openadr_ra.errors import OadrRaError, StoreError
from openadr_ra.protocol.step import Key
from openadr_ra.store.postgres_hints import Hint
from openadr_ra.store.postgres_link import CONNECT_S, FAILURES, NAME, Database

if TYPE_CHECKING:
    Listener = asyncpg.Connection[asyncpg.Record]

log = logging.getLogger(__name__)

LOOK_S = 5.0
"""How often unread mail is looked for."""

AGAIN_S = 1.0
"""After a lost connection it is tried again every so often."""

SAY_EVERY = 60
"""Tries that fail alike have one line in the log."""

FIRST = "0"

_NEW = "SELECT DISTINCT key FROM mail WHERE changed >= $1::text::xid8"
_NOW = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text"


class News:
    """Listens until it is closed. `told` hears of rows, of keys with mail, and whether names were given; `lost` is called
    when the news stop. `come`: they come, so that what is in memory can be trusted but for moments."""

    def __init__(
        self,
        database: Database,
        who: str,
        *,
        told: Callable[[Sequence[Key], Sequence[Key], bool], None],
        lost: Callable[[], None],
    ) -> None:
        self._database = database
        self._who = who
        self._told = told
        self._lost = lost
        self._hints: msgspec.json.Decoder[Hint] = msgspec.json.Decoder(Hint)
        self._look_now = asyncio.Event()
        self._since = FIRST
        self._task: asyncio.Task[None] | None = None
        self._tries = 0
        self._closed = False
        self.come = False

    async def open(self) -> None:
        """Listen from now on. Raises StoreError."""
        listener = await self._listening()
        self._task = asyncio.create_task(self._listen(listener), name="openadr-ra news")

    async def close(self) -> None:
        # A connection that fails in the moment of its cancellation may swallow it.
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _listening(self) -> Listener:
        with ExitStack() as failed:
            try:
                listener = await self._database.listener()
                failed.callback(listener.terminate)
                await listener.add_listener(NAME, self._hear)
                await self._look(listener)
            except FAILURES as error:
                raise self._database.refusal(error) from error
            failed.pop_all()
        if self._tries:
            log.info("= news of other processes come again")
        self._tries = 0
        self.come = True
        return listener

    async def _listen(self, first: Listener) -> None:
        listener: Listener | None = first
        while not self._closed:
            try:
                listener = listener or await self._listening()
                await self._follow(listener)
            except asyncio.CancelledError:
                if listener is not None:
                    await _leave(listener)
                raise
            except StoreError as error:
                self._warn(error)
            except FAILURES as error:
                self._warn(self._database.refusal(error))
            self.come = False
            self._lost()
            if listener is not None:
                listener.terminate()
                listener = None
            if not self._closed:
                await self._rest(AGAIN_S)

    def _warn(self, error: OadrRaError) -> None:
        """Say so, but not at each try."""
        if self._tries % SAY_EVERY == 0:
            log.warning("! no news of other processes: %s", error)
        self._tries += 1

    async def _follow(self, listener: Listener) -> None:
        """Look for mail now and then, and at once when told to, until the connection is lost."""
        ended = asyncio.Event()

        def end(*_: object) -> None:
            ended.set()
            self._look_now.set()

        listener.add_termination_listener(end)
        if listener.is_closed():
            end()
        while not self._closed:
            await self._rest(LOOK_S)
            if ended.is_set():
                raise ConnectionError("the connection has ended")
            await self._look(listener)

    async def _rest(self, seconds: float) -> None:
        """Until it is time, or there is something to look for."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._look_now.wait()
        self._look_now.clear()

    async def _look(self, listener: Listener) -> None:
        """Tell of mail that was posted since the last look, also by who had not committed then."""
        now: str = await listener.fetchval(_NOW)
        keys = [Key(key) for (key,) in await listener.fetch(_NEW, self._since)]
        self._since = now
        if keys:
            self._told((), keys, False)

    def _hear(self, _connection: object, _process: int, _channel: str, said: object) -> None:
        try:
            hint = self._hints.decode(str(said))
        except msgspec.DecodeError:
            log.warning("! a NOTIFY of somebody else's on the channel %s", NAME)
            return
        if hint.who == self._who:
            return
        self._told(hint.rows, hint.mail or (), hint.names)
        if hint.mail is None:
            self._look_now.set()


async def _leave(listener: Listener) -> None:
    try:
        async with asyncio.timeout(CONNECT_S):
            await listener.close()
    except FAILURES:
        listener.terminate()
