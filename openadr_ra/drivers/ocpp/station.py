"""One charge point, whether it is there or not: its newest connection, and those who want to hear of its connectors."""

from __future__ import annotations

import hmac
import logging
from typing import Protocol

from websockets.asyncio.server import ServerConnection

from openadr_ra.drivers.ocpp.dialect import Authority, Dialect, Payload
from openadr_ra.drivers.ocpp.facts import Fact, Metered, Stands
from openadr_ra.drivers.ocpp.link import Gone, Link
from openadr_ra.drivers.ocpp.v16 import V16
from openadr_ra.drivers.ocpp.v201 import V201
from openadr_ra.seams import Clock

_log = logging.getLogger("openadr_ra.drivers")

DIALECTS: dict[str, Dialect] = {one.subprotocol: one for one in (V201(), V16())}
"""Newest first: a charge point that speaks both is spoken to in it."""

NUMBERED_SINCE_S = 1_577_836_800
"""2020: transaction numbers count seconds from there, so that they differ from those before a restart."""


class Listens(Protocol):
    """Who has a connector of a charge point."""

    def permits(self, tag: str) -> bool: ...

    def has(self, transaction: str) -> bool: ...

    def learn(self, fact: Fact) -> None: ...


class Station:
    """A charge point by its id. Its newest connection counts: an older one may hang on a dead network."""

    def __init__(self, name: str, password: bytes | None, clock: Clock) -> None:
        self.name = name
        self.password = password
        self.connectors: dict[int, Listens] = {}
        self._clock = clock
        self._link: Link | None = None
        self._number = 0

    @property
    def link(self) -> Link:
        """The connection. Raises Gone."""
        if self._link is None:
            raise Gone(f"{self.name} is not connected")
        return self._link

    def admits(self, password: bytes | None) -> bool:
        """Whether a charge point that gives this password is it."""
        if self.password is None:
            return True
        return password is not None and hmac.compare_digest(password, self.password)

    async def serve(self, connection: ServerConnection) -> None:
        """Until the connection ends, or a newer one takes its place."""
        link = Link(connection, DIALECTS[connection.subprotocol or V16.subprotocol], self.name)
        before, self._link = self._link, link
        _log.info("= %s speaks %s", self.name, link.dialect.subprotocol)
        if before is not None:
            await before.close()
        try:
            await link.serve(lambda action, payload: self._hear(link, action, payload))
        finally:
            if self._link is link:
                self._link = None
                _log.warning("! %s is gone", self.name)

    async def hang_up(self) -> None:
        """Nobody here has a connector of it any more."""
        if self._link is not None:
            await self._link.close()

    def _hear(self, link: Link, action: str, payload: object) -> Payload:
        link.boots += action == "BootNotification"
        heard = link.dialect.hear(action, payload, self._clock.now(), Authority(self._permits, self._next_number))
        for fact in heard.facts:
            if (listener := self._whose(link, fact)) is not None:
                listener.learn(fact)
        return heard.reply

    def _whose(self, link: Link, fact: Fact) -> Listens | None:
        if fact.connector is not None:
            return self.connectors.get(fact.connector)
        for one in self.connectors.values():
            if one.has(fact.transaction):
                return one
        asked = isinstance(fact, Stands | Metered) and fact.asked
        return self.connectors.get(link.asked) if asked and link.asked is not None else None

    def _permits(self, tag: str) -> bool:
        """A charge point asks before it is known at which connector: where one permits it, all do."""
        return any(one.permits(tag) for one in self.connectors.values())

    def _next_number(self) -> int:
        """Rises with each transaction, beyond a restart too."""
        now_s = int(self._clock.now().timestamp()) - NUMBERED_SINCE_S
        self._number = max(self._number + 1, now_s)
        return self._number
