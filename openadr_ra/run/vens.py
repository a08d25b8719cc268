"""What the operator of a VTN asks about its VENs, and of them: the part of `Vtn` that is about parties, not events."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterable
from datetime import datetime, timedelta

from openadr_ra.errors import InvalidData, InvalidId
from openadr_ra.net.tls import normal_fingerprint
from openadr_ra.protocol.instruction import party
from openadr_ra.protocol.model import ReportRequestId, VenId
from openadr_ra.protocol.parts import HISTORY_USAGE, TELEMETRY_USAGE
from openadr_ra.protocol.step import AskReports, EndRegistration, Entry, Key, Mail, Reregister, StopReports, ToParty
from openadr_ra.protocol.vtn import Party
from openadr_ra.run import wanted
from openadr_ra.run.admission import Admission
from openadr_ra.run.service import Service
from openadr_ra.run.summary import VenSummary, summary
from openadr_ra.run.wanted import Readings, Reports, WantedReport
from openadr_ra.run.warned import WARNED
from openadr_ra.seams import Clock, Store

SOON = timedelta(seconds=1)
"""How often something is looked at again while its change is waited for."""


class VenDesk(ABC):
    """Orders are durable when they return, and told at once to a VEN that is posted to or whose poll is held; to another
    with its next poll. Each raises InvalidId for a VEN that is unknown here."""

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
        found = [await self.store.load(key, Party) for key in await self.store.keys("party/")]
        seen = self._service.last_seen if self._service is not None else {}
        now = self._clock.now()
        return tuple(summary(item, seen.get(item.ven_id), now) for item in found if item is not None)

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
        await self._registered(ven_id)
        await self._order(ven_id, Reregister(), by, "re-registration asked for")

    async def end_registration(self, ven_id: str, *, by: str = "operator") -> None:
        """End the VEN's registration: its events, reports and opts are void once it has confirmed."""
        await self._registered(ven_id)
        await self._order(ven_id, EndRegistration(), by, "end of the registration ordered")

    async def ask(
        self, ven_id: str, reports: Iterable[WantedReport], *, by: str = "operator"
    ) -> tuple[ReportRequestId, ...]:
        """Request reports beside the standing ones; their ids, in order.

        Raises InvalidId for what the VEN does not offer, InvalidData for times that cannot be.
        """
        held = await self._registered(ven_id)
        made = wanted.requests(reports, held.reports, self._clock.now(), _fresh)
        ids = tuple(request.id for request in made)
        await self._order(ven_id, AskReports(requests=made), by, "reports asked for", ", ".join(ids))
        return ids

    async def stop(
        self, ven_id: str, ids: Iterable[str], *, to_follow: bool = False, by: str = "operator"
    ) -> None:
        """End these requests; with `to_follow` after one last report (rule 345). Raises InvalidId for an unknown one."""
        held = await self._party(ven_id)
        named = tuple(ReportRequestId(name) for name in ids)
        for name in named:
            if name not in held.reports.requests:
                raise InvalidId(f"report request {name} is unknown; `openadr-ra ven reports {ven_id}` lists them")
        await self._order(
            ven_id, StopReports(ids=named, to_follow=to_follow), by, "reports stopped", ", ".join(named)
        )

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
        """What the VEN has kept of [start, end): asked for, and waited for up to `within`; None if it has not come by then."""
        if end <= start:
            raise InvalidData("end: must be after start")
        asked = tuple(points)
        report = WantedReport(name=HISTORY_USAGE, points=asked, start=start, duration=end - start)
        for request_id in await self.ask(ven_id, (report,), by=by):
            if not await self.came(ven_id, request_id, within=within):
                return None
        return await self.readings(ven_id, HISTORY_USAGE, start=start, end=end, points=asked)

    async def _order(self, ven_id: str, letter: ToParty, by: str, what: str, detail: str = "") -> None:
        """The letter is posted and told of, and stands in the VEN's journal."""
        key = party(VenId(ven_id))
        await self.store.post((Mail(to=key, body=letter),))
        self._posted((key,))
        entry = Entry(subject=key, at=self._clock.now(), by=by, what=what, detail=detail)
        await self.store.record((), (entry,))

    async def _party(self, ven_id: str) -> Party:
        held = await self.store.load(party(VenId(ven_id)), Party)
        if held is None:
            raise InvalidId(f"VEN {ven_id} is unknown here; `openadr-ra ven list` shows those there are")
        return held

    async def _registered(self, ven_id: str) -> Party:
        held = await self._party(ven_id)
        if held.registration is None:
            raise InvalidData(f"VEN {ven_id} is not registered, so nothing can be asked of it; it registers by itself")
        return held


def _fresh() -> str:
    return f"rr-{secrets.token_hex(6)}"
