"""One object of one node: what may be read and written there, and what it refuses."""

from __future__ import annotations

from collections.abc import Mapping

from openadr_ra.drivers.echonet.frame import Eoj, FrameError, Property, Service, read_map
from openadr_ra.drivers.echonet.link import Link

ANNOUNCED_MAP, SET_MAP, GET_MAP = 0x9D, 0x9E, 0x9F


class Remote:
    """Reads and writes properties by their codes. The object's property maps come first, once in a connection.

    An object that does not give its maps, or not such that they can be read, is asked for everything: it refuses what
    it does not have. Refusals are told for each property; what an answer leaves out is asked for again.
    """

    def __init__(self, link: Link, host: str, target: Eoj) -> None:
        self._link = link
        self._host = host
        self._target = target
        self._maps: dict[int, frozenset[int] | None] = {}

    async def get(self, codes: tuple[int, ...]) -> dict[int, bytes]:
        """The values of `codes`, without those that the object does not have or refuses."""
        await self._learn()
        return await self._values(tuple(epc for epc in codes if self.has(GET_MAP, epc)))

    async def set(self, properties: tuple[Property, ...]) -> tuple[int, ...]:
        """Write; returns the codes that the object does not have or refuses."""
        await self._learn()
        known = tuple(one for one in properties if self.has(SET_MAP, one.epc))
        absent = tuple(one.epc for one in properties if one not in known)
        return (*absent, *await self._refused(known))

    def has(self, which: int, epc: int) -> bool:
        """Is `epc` in that map, or is the map unknown?"""
        known = self._maps.get(which)
        return known is None or epc in known

    def forget(self) -> None:
        """The device was away: it may have been replaced, or have other properties now."""
        self._maps.clear()

    async def _learn(self) -> None:
        if not self._maps:
            told = await self._values((ANNOUNCED_MAP, SET_MAP, GET_MAP))
            self._maps = {which: _map(told, which) for which in (ANNOUNCED_MAP, SET_MAP, GET_MAP)}

    async def _values(self, codes: tuple[int, ...]) -> dict[int, bytes]:
        """A node may answer as many as it likes of a question, or refuse the whole for the sake of one."""
        if not codes:
            return {}
        told = await self._told(Service.GET, tuple(Property(epc=epc) for epc in codes))
        values = {epc: edt for epc, edt in told.items() if edt}
        if values or len(codes) == 1:
            return values | await self._values(tuple(epc for epc in codes if epc not in told) if values else ())
        half = len(codes) // 2
        return await self._values(codes[:half]) | await self._values(codes[half:])

    async def _refused(self, properties: tuple[Property, ...]) -> tuple[int, ...]:
        """In a refusal the values that were taken are empty, those that were not come back."""
        if not properties:
            return ()
        told = await self._told(Service.SETC, properties)
        refused = tuple(one for one in properties if told.get(one.epc))
        left = tuple(one for one in properties if one.epc not in told)
        if len(properties) == 1:
            return tuple(one.epc for one in properties if one in refused or one in left)
        if len(refused) + len(left) == len(properties):
            half = len(properties) // 2
            return (*await self._refused(properties[:half]), *await self._refused(properties[half:]))
        return (*(one.epc for one in refused), *await self._refused(left))

    async def _told(self, service: Service, properties: tuple[Property, ...]) -> Mapping[int, bytes]:
        """What the answer says of each property that it was asked for."""
        answer = await self._link.ask(self._host, self._target, service, properties)
        codes = {one.epc for one in properties}
        told = {one.epc: one.edt for one in answer.properties if one.epc in codes}
        # Not every node sends back the values it took as empty.
        return dict.fromkeys(told, b"") if answer.service is Service.SET_RES else told


def _map(told: Mapping[int, bytes], which: int) -> frozenset[int] | None:
    try:
        return read_map(told[which]) if which in told else None
    except FrameError:
        return None
