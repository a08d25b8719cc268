"""What the operator of a VTN asks about its VENs, and of them: the part of `Vtn` that is about parties, not events."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Literal

from msgspec.structs import replace

from openadr_ra.errors import InvalidData, InvalidId, NotRegistered
from openadr_ra.net.tls import normal_fingerprint
from openadr_ra.protocol import vtn
from openadr_ra.protocol.instruction import party
from openadr_ra.protocol.model import ReportRequestId, ResourceId, VenId
from openadr_ra.protocol.parts import HISTORY_GREENBUTTON, HISTORY_USAGE, TELEMETRY_USAGE, Event
from openadr_ra.protocol.report import Quantity, live_series, usage_description
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.step import (
    AnyLetter,
    AskReports,
    EndRegistration,
    Entry,
    Key,
    Mail,
    Offer,
    Outcome,
    Record,
    Reregister,
    StopReports,
    ToParty,
)
from openadr_ra.protocol.vtn import Party
from openadr_ra.run import feeds, wanted
from openadr_ra.run.admission import Admission
from openadr_ra.run.clock import Moments
from openadr_ra.run.feeds import Feeds
from openadr_ra.run.row import chained
from openadr_ra.run.service import Service
from openadr_ra.run.slices import slices
from openadr_ra.run.status import ResourceNow, resources_now
from openadr_ra.run.summary import VenSummary, summary
from openadr_ra.run.wanted import Readings, Reports, WantedReport
from openadr_ra.run.warned import WARNED
from openadr_ra.seams import Clock, Store

USAGE: tuple[Literal["kw", "kwh"], ...] = ("kw", "kwh")
"""What a resource of ours is reported by (rule 331)."""

SOON = timedelta(seconds=1)
"""How often something is looked at again while its change is waited for."""


class VenDesk(ABC):
    """Orders are durable when they return, and told at once to a VEN that is posted to or whose poll is held; to another
    with its next poll. Each raises InvalidId for a VEN that is unknown here, NotRegistered for one without a registration.
    """

    _clock: Clock
    _service: Service | None
    _admission: Admission | None

    @property
    @abstractmethod
    def store(self) -> Store: ...

    @abstractmethod
    async def changed(self, within: timedelta) -> None: ...

    @abstractmethod
    def _posted(self, keys: Iterable[Key]) -> None: ...

    async def vens(self) -> tuple[VenSummary, ...]:
        """Every VEN with its state."""
        found: list[Party] = []
        for some in slices(await self.store.keys("party/")):
            found += await self.store.load_all(some, Party)
            await asyncio.sleep(0)
        seen = self._service.last_seen if self._service is not None else {}
        now = self._clock.now()
        return tuple(summary(item, seen.get(item.ven_id), now) for item in found)

    async def enrol(self, ven_id: str, fingerprints: Iterable[str], *, by: str = "operator") -> None:
        """Admit a VEN with these certificates, in place of those it had."""
        if self._admission is None:
            raise RuntimeError("the VTN is not running; use `async with vtn.running()`")
        prints = [normal_fingerprint(text) for text in fingerprints]
        await self._admission.enrol(VenId(ven_id), prints, by=by)

    async def warnings(self, ven_id: str) -> tuple[Entry, ...]:
        """What had to be repaired in this VEN's messages, each kind once a start."""
        await self._party(ven_id)
        return tuple(entry for entry in await self.journal(party(VenId(ven_id))) if entry.what == WARNED)

    async def journal(self, subject: str) -> tuple[Entry, ...]:
        """What happened to `event/<id>` or `party/<venID>`, in order."""
        return tuple(entry for _, entry in await self.store.journal(subject))

    async def reregister(self, ven_id: str, *, by: str = "operator") -> None:
        """Have the VEN register again, under the same ids: what we say of ourselves has changed."""
        await self._order(ven_id, lambda held: (Reregister(), ""), by, "re-registration asked for")

    async def end_registration(self, ven_id: str, *, by: str = "operator") -> None:
        """End the VEN's registration: its events, reports and opts are void once it has confirmed."""
        await self._order(ven_id, lambda held: (EndRegistration(), ""), by, "end of the registration ordered")

    async def ask(
        self, ven_id: str, reports: Iterable[WantedReport], *, by: str = "operator"
    ) -> tuple[ReportRequestId, ...]:
        """Request reports beside the standing ones; the ids of the requests, in order.

        Raises InvalidId for what the VEN does not offer, InvalidData for times that cannot be.
        """
        asked = tuple(reports)
        ids: tuple[ReportRequestId, ...] = ()

        def order(held: Party) -> tuple[ToParty, str]:
            nonlocal ids
            made = wanted.requests(asked, held.reports, self._clock.now())
            ids = tuple(request.id for request in made)
            return AskReports(requests=made), ", ".join(ids)

        await self._order(ven_id, order, by, "reports asked for")
        return ids

    async def stop(self, ven_id: str, ids: Iterable[str], *, to_follow: bool = False, by: str = "operator") -> None:
        """End these requests; with `to_follow` after one last report (rule 345).

        Raises InvalidId for an unknown one, InvalidData for one that is over.
        """
        named = tuple(ReportRequestId(name) for name in ids)

        def order(held: Party) -> tuple[ToParty, str]:
            for name in named:
                asked = held.reports.requests.get(name)
                if asked is None:
                    raise InvalidId(f"report request {name} is unknown; `openadr-ra ven reports {ven_id}` lists them")
                if wanted.state(asked) == "served":
                    raise InvalidData(f"report request {name} came and is over; there is nothing to stop")
            return StopReports(ids=named, to_follow=to_follow), ", ".join(named)

        await self._order(ven_id, order, by, "reports stopped")

    async def reports(self, ven_id: str) -> Reports:
        """What the VEN offers, and what was asked of it."""
        return wanted.reports((await self._party(ven_id)).reports)

    async def readings(
        self,
        ven_id: str,
        name: str = TELEMETRY_USAGE,
        *,
        start: datetime,
        end: datetime,
        points: Iterable[str] = (),
    ) -> Readings:
        """What came of that report and touches [start, end), by point: of all of them, or of those that are named.

        kW and kWh where the unit is one of real power or energy; power in load convention.
        """
        await self._party(ven_id)
        return await wanted.readings(self.store, ven_id, name, points, start, end)

    async def history(
        self,
        ven_id: str,
        start: datetime,
        end: datetime,
        *,
        points: Iterable[str] = (),
        within: timedelta = timedelta(minutes=1),
        by: str = "operator",
    ) -> Readings | None:
        """What the VEN has kept of [start, end), asked for now and waited for up to `within`; None if it has not come."""
        if end <= start:
            raise InvalidData("end: must be after start")
        asked, until = tuple(points), self._clock.now() + within
        report = WantedReport(name=HISTORY_USAGE, points=asked, start=start, duration=end - start)
        for request_id in await self.ask(ven_id, (report,), by=by):
            if not await self.came(ven_id, request_id, within=until - self._clock.now()):
                return None
        return await self.readings(ven_id, HISTORY_USAGE, start=start, end=end, points=asked)

    async def green_button(
        self,
        ven_id: str,
        *,
        points: Iterable[str] = (),
        start: datetime | None = None,
        duration: timedelta = timedelta(0),
        within: timedelta = timedelta(minutes=1),
        by: str = "operator",
    ) -> Feeds | None:
        """The VEN's Green Button feeds by point, asked for now and waited for up to `within`; None if they have not come.

        Of the `duration` from `start` on, zero: until now; without `start` whatever the VEN has.
        """
        until = self._clock.now() + within
        report = WantedReport(name=HISTORY_GREENBUTTON, points=tuple(points), start=start, duration=duration)
        for request_id in await self.ask(ven_id, (report,), by=by):
            if not await self.came(ven_id, request_id, within=until - self._clock.now()):
                return None
        return await self.feeds(ven_id, points=points)

    async def feeds(self, ven_id: str, *, points: Iterable[str] = ()) -> Feeds:
        """The Green Button feeds that came from the VEN last: of all points that it offers, or of those that are named."""
        held = (await self._party(ven_id)).reports
        named = tuple(points) or wanted.points_of(held, HISTORY_GREENBUTTON)
        return await feeds.came(self.store, ven_id, named)

    async def status(self, ven_id: str) -> tuple[ResourceNow, ...]:
        """What TELEMETRY_STATUS said last of each resource of the VEN, as long as it was said within a day."""
        await self._party(ven_id)
        return await resources_now(self.store, ven_id, self._clock.now())

    async def offer(self, ven_id: str, resources: Iterable[str], *, meter: str = "") -> None:
        """Offer the VEN reports of our own: power and energy of these resources, as TELEMETRY_USAGE and HISTORY_USAGE.

        In place of what it was offered before; its values are what `measured` says. Raises InvalidId for an unknown VEN.
        """
        await self._party(ven_id)
        named = [ResourceId(name) for name in resources]
        points = tuple(usage_description(name, quantity, meter) for name in named for quantity in USAGE)
        key = party(VenId(ven_id))
        await self.store.post((Mail(to=key, body=Offer(usage=points, status=(), response=())),))
        self._posted((key,))

    async def measured(
        self,
        resource: str,
        *,
        kw: float | None = None,
        kwh: float | None = None,
        accuracy_kw: float | None = None,
        at: datetime | None = None,
    ) -> None:
        """What a resource of ours does: its power, and what its energy register (net import) reads; now, unless `at`.
        The power may be wrong by `accuracy_kw`.

        Raises InvalidData for what is no number.
        """
        when = self._clock.now() if at is None else at
        values: tuple[tuple[Quantity, float | None, float | None], ...] = (("kw", kw, accuracy_kw), ("kwh", kwh, None))
        await self.store.record(
            [
                Reading(series=live_series(ResourceId(resource), quantity), start=when, value=value, accuracy=accuracy)
                for quantity, value, accuracy in values
                if value is not None
            ]
        )

    async def came(self, ven_id: str, request_id: str, *, within: timedelta = timedelta(0)) -> bool:
        """Has a report of that request come? Waits for it up to `within`. Raises InvalidId where the VEN refused it."""
        until = self._clock.now() + within
        while True:
            asked = (await self._party(ven_id)).reports.requests.get(ReportRequestId(request_id))
            if asked is None:
                raise InvalidId(f"VEN {ven_id} serves no report request {request_id}: it refused it, or it was stopped")
            left = until - self._clock.now()
            if asked.came or left <= timedelta(0):
                return asked.came
            await self.changed(min(left, SOON))

    async def _order(self, ven_id: str, order: Callable[[Party], tuple[ToParty, str]], by: str, what: str) -> None:
        """What `order` makes of the VEN as it stands, with its journal's detail, takes effect at once."""
        key = party(VenId(ven_id))

        def step(state: Party | None, letters: tuple[AnyLetter, ...]) -> Outcome[Party]:
            if state is None:
                raise _unknown(ven_id)
            held = chained(state, vtn.receive, letters, Moments(self._clock)).state
            if held.registration is None:
                raise NotRegistered(
                    f"VEN {ven_id} is not registered, so it can be told nothing; it registers by itself"
                )
            letter, detail = order(held)
            outcome = chained(state, vtn.receive, (*letters, letter), Moments(self._clock))
            entry = Entry(subject=key, at=self._clock.now(), by=by, what=what, detail=detail)
            return replace(outcome, effects=(*outcome.effects, Record(entries=(entry,))))

        await self.store.update(key, Party, step)
        self._posted((key,))

    async def _events_of(self, vens: Iterable[VenId]) -> dict[VenId, tuple[Event, ...]]:
        """What each of these VENs has been given, mail that nobody has read included.

        A row in memory without mail costs nothing; the others are stepped over their mail, a slice of them at once.
        """
        found: dict[VenId, tuple[Event, ...]] = {}
        for some in slices(vens):
            # Of what another process has just posted memory may not know yet.
            held = {ven: None if self.store.shared else self.store.peek(party(ven), Party) for ven in some}
            unread = [ven for ven, known in held.items() if known is None]
            read = dict(zip(unread, await asyncio.gather(*(self._read(ven) for ven in unread)), strict=True))
            for ven, known in held.items():
                found[ven] = tuple(given.event for given in (known or read[ven]).events.values())
            await asyncio.sleep(0)
        return found

    async def _read(self, ven: VenId) -> Party:
        """The VEN's row with its mail applied."""

        def step(state: Party | None, letters: tuple[AnyLetter, ...]) -> Outcome[Party]:
            return chained(state or Party(ven_id=ven), vtn.receive, letters, Moments(self._clock))

        return (await self.store.update(party(ven), Party, step)).state

    async def _party(self, ven_id: str) -> Party:
        held = await self.store.load(party(VenId(ven_id)), Party)
        if held is None:
            raise _unknown(ven_id)
        return held


def _unknown(ven_id: str) -> InvalidId:
    return InvalidId(f"VEN {ven_id} is unknown here; `openadr-ra ven list` shows those there are")
