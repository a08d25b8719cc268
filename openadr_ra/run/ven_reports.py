"""The part of `Ven` that is about reports: those of its VTNs that it wants, and the feeds that its program hands in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from datetime import datetime

from openadr_ra.drivers.guard import Guard
from openadr_ra.errors import InvalidId
from openadr_ra.protocol.model import ReportRequestId, ResourceId
from openadr_ra.protocol.node import EndNode
from openadr_ra.protocol.parts import HISTORY_GREENBUTTON
from openadr_ra.protocol.ven import Shelved, Unwanted, Wanted
from openadr_ra.run import availability as available
from openadr_ra.run import feeds, wanted
from openadr_ra.run.feeds import Feeds
from openadr_ra.run.upstream import UpstreamLink
from openadr_ra.run.wanted import Readings, Reports, WantedReport
from openadr_ra.seams import Clock, Store


class ReportDesk(ABC):
    """With `upstream` the VTN of that name is meant, without it each. Raises InvalidId for one that is not there."""

    _clock: Clock
    _guards: Mapping[ResourceId, Guard]

    @property
    @abstractmethod
    def store(self) -> Store: ...

    @abstractmethod
    async def _at(self, upstream: str | None) -> tuple[tuple[UpstreamLink, EndNode], ...]: ...

    async def green_button(self, resource: str, feed: str | None, *, start: datetime, end: datetime) -> None:
        """Hand in a resource's Green Button feed about [start, end), in place of the one before; None takes it back.

        It is offered to every VTN as HISTORY_GREENBUTTON, and sent as it is to one that asks. Raises InvalidId for a
        resource that is not ours, InvalidData for what is no feed, or for a time that cannot be.
        """
        available.check_resources(self._guards, (resource,))
        await feeds.hand_in(self.store, ResourceId(resource), feed, start, end)
        await self._offer_feeds()

    async def _offer_feeds(self) -> None:
        offered = await feeds.handed_in(self.store, self._guards)
        for link, state in await self._at(None):
            if state.producer.feeds != offered:
                await link.order(Shelved(feeds=offered))

    async def want(
        self, reports: Iterable[WantedReport], *, upstream: str | None = None
    ) -> tuple[ReportRequestId, ...]:
        """Ask for reports of the VTN's own, of every upstream or of the one of that name; the ids of the requests.

        Raises InvalidId for what a VTN does not offer, InvalidData for times that cannot be.
        """
        asked = tuple(reports)
        made = [
            (link, wanted.requests(asked, state.requester, self._clock.now()))
            for link, state in await self._at(upstream)
        ]
        for link, requests in made:
            await link.order(Wanted(requests=requests))
        return tuple(request.id for _, requests in made for request in requests)

    async def readings(
        self,
        name: str,
        *,
        start: datetime,
        end: datetime,
        points: Iterable[str] = (),
        upstream: str = "upstream",
    ) -> Readings:
        """What came of that report of a VTN's own and touches [start, end), by point: of all, or of those named."""
        ((_, state),) = await self._at(upstream)
        return await wanted.readings(self.store, state.member.vtn_id or "", name, points, start, end)

    async def stop(self, ids: Iterable[str], *, to_follow: bool = False, upstream: str | None = None) -> None:
        """End these requests; with `to_follow` after one last report (rule 345). Raises InvalidId for an unknown one."""
        named = tuple(ReportRequestId(name) for name in ids)
        links = await self._at(upstream)
        known = {name for _, state in links for name in state.requester.requests}
        for name in named:
            if name not in known:
                raise InvalidId(f"report request {name} is unknown here; `openadr-ra ven vtn-reports` lists them")
        for link, state in links:
            here = tuple(name for name in named if name in state.requester.requests)
            if here:
                await link.order(Unwanted(ids=here, to_follow=to_follow))

    async def reports(self, *, upstream: str = "upstream") -> Reports:
        """What a VTN offers of its own, and what was asked of it."""
        ((_, state),) = await self._at(upstream)
        return wanted.reports(state.requester)

    async def feeds(self, *, points: Iterable[str] = (), upstream: str = "upstream") -> Feeds:
        """Green Button feeds that came from a VTN last, if it has any: of all points, or of those that are named."""
        ((_, state),) = await self._at(upstream)
        named = tuple(points) or wanted.points_of(state.requester, HISTORY_GREENBUTTON)
        return await feeds.came(self.store, state.member.vtn_id or "", named)
