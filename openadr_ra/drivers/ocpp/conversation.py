"""What is said to a charger on one connection about one connector."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime

from openadr_ra.drivers.ocpp.dialect import Ask, Composite, NotUnderstood, Profile
from openadr_ra.drivers.ocpp.link import Link, Refused
from openadr_ra.drivers.ocpp.session import Session
from openadr_ra.drivers.ocpp.settings import OcppSettings

MISSES = 3
"""A charger that has said so often that it would send something, and did not in time, is not asked again."""


class Conversation:
    """With a charger as it is since its last start. What it does not do it is asked once.

    Whatever is cut off goes on where it was when it is called again. Gone ends all of it.
    """

    def __init__(self, link: Link, settings: OcppSettings, session: Session) -> None:
        self._link = link
        self._boots = link.boots
        self._connector = settings.connector
        self._unit = settings.unit
        self._patience_s = settings.timeout_s / 2
        self._session = session
        self._todo = list(link.dialect.metering(settings.meter_every_s))
        self._unknown = list(link.dialect.send_status(settings.connector))
        self._misses = 0
        self.reads_back = True
        """Whether it says which limit it follows."""
        self.told: object = None
        """What it was told last, for whoever compares."""

    def is_with(self, link: Link) -> bool:
        return self._link is link and self._boots == link.boots

    async def begin(self) -> None:
        """Ask how the connector stands, and say which values are wanted and how often."""
        while self._unknown:
            await self._ask_status(self._unknown[0])
            self._unknown.pop(0)
        while self._todo:
            for choice in self._todo[0]:
                if await self._does(choice):
                    break
            self._todo.pop(0)

    async def sample(self) -> None:
        """Have it send its values now, if it does that."""
        if self._misses >= MISSES:
            return
        self._session.heard.clear()
        willing = await self._does(self._link.dialect.send_meter(self._connector))
        if not willing:
            self._misses = MISSES
        elif await self._awaited(self._session.heard):
            self._misses = 0
        else:
            self._misses += 1

    async def limit(self, profile: Profile) -> bool:
        """Whether it takes the limit."""
        return await self._does(self._link.dialect.set_profile(profile))

    async def unlimit(self, number: int) -> bool:
        """Whether the limit with that number is gone, or was not there."""
        try:
            await self._link.call(self._link.dialect.clear_profile(number))
        except Refused:
            return False
        return True

    async def followed(self, now: datetime) -> Composite | None:
        """The limit that it follows now, out of all that it knows; None where it does not say."""
        if not self.reads_back:
            return None
        dialect = self._link.dialect
        try:
            found = dialect.read_composite(await self._link.call(dialect.composite(self._connector, self._unit)), now)
        except (Refused, NotUnderstood):
            found = None
        self.reads_back = found is not None
        return found

    async def _ask_status(self, ask: Ask) -> None:
        async with self._link.asking:
            self._link.asked = self._connector
            self._session.knows.clear()
            try:
                if await self._does(ask):
                    await self._awaited(self._session.knows)
            finally:
                self._link.asked = None

    async def _does(self, ask: Ask) -> bool:
        try:
            return self._link.dialect.taken(await self._link.call(ask))
        except (Refused, NotUnderstood):
            return False

    async def _awaited(self, event: asyncio.Event) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience_s):
                await event.wait()
        return event.is_set()
