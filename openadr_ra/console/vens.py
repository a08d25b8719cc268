"""The console of a VTN, as far as it is about VENs.

| request | answer |
|---|---|
| `GET /vens` | every VEN: registration, last seen, opts, availability, what it owes |
| `PUT /vens/ID` an `Enrolment` | the VEN may come with these certificates and no others |
| `GET /vens/ID/warnings` | what had to be repaired in its messages |
| `POST /vens/ID/registration` | 202: the VEN is told to register again |
| `DELETE /vens/ID/registration` | 202: the VEN is told that its registration ends |
| `GET /vens/ID/reports` | what it offers, and what was asked of it |
| `POST /vens/ID/reports` a `ReportOrder` | 202 and the ids of the requests |
| `DELETE /vens/ID/reports/REQUEST?to_follow=true` | 202: the request ends, with `to_follow` after one last report |
| `POST /vens/ID/history?within_s=N` a `HistoryOrder` | what the VEN has kept; waits up to N seconds for it to come |
| `POST /vens/ID/greenbutton?within_s=N` a `FeedOrder` | its Green Button feeds; waits likewise |
| `GET /vens/ID/status` | what it said last of each of its resources |
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus

from aiohttp import web

from openadr_ra.console import asked
from openadr_ra.console.gate import Refusal, reply
from openadr_ra.run.node import Node
from openadr_ra.run.orders import Enrolled, Enrolment, InvalidId, NotRegistered, VenId
from openadr_ra.run.report_orders import FeedOrder, green_button
from openadr_ra.run.ven_orders import HistoryOrder, Ordered, ReportOrder, Reports, history, wanted
from openadr_ra.run.vtn import Vtn

log = logging.getLogger(__name__)


class VenRoutes:
    """The handlers. Each says yes with a value, or raises."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/vens", self.list_all),
            web.put("/vens/{id}", self.enrol),
            web.get("/vens/{id}/warnings", self.warnings),
            web.post("/vens/{id}/registration", self.reregister),
            web.delete("/vens/{id}/registration", self.end_registration),
            web.get("/vens/{id}/reports", self.reports),
            web.post("/vens/{id}/reports", self.ask),
            web.delete("/vens/{id}/reports/{request}", self.stop),
            web.post("/vens/{id}/history", self.history),
            web.post("/vens/{id}/greenbutton", self.green_button),
            web.get("/vens/{id}/status", self.status),
        ]

    @property
    def _vtn(self) -> Vtn:
        return asked.vtn(self._node)

    async def list_all(self, request: web.Request) -> web.Response:
        return reply(await self._vtn.vens())

    async def enrol(self, request: web.Request) -> web.Response:
        vtn, ven_id = self._vtn, asked.ven_id(request)
        enrolment = await asked.body(request, Enrolment)
        await vtn.enrol(ven_id, enrolment.fingerprints)
        log.info("< console enrols %s", ven_id)
        return reply(Enrolled(ven_id=ven_id, fingerprints=enrolment.fingerprints))

    async def warnings(self, request: web.Request) -> web.Response:
        ven_id, _ = await self._known(request)
        return reply(await self._vtn.warnings(ven_id))

    async def reregister(self, request: web.Request) -> web.Response:
        ven_id, _ = await self._known(request)
        with _registered():
            await self._vtn.reregister(ven_id)
        log.info("< console has %s register again", ven_id)
        return reply(Ordered(ven_id=ven_id, ordered="registration again"), HTTPStatus.ACCEPTED)

    async def end_registration(self, request: web.Request) -> web.Response:
        ven_id, _ = await self._known(request)
        with _registered():
            await self._vtn.end_registration(ven_id)
        log.info("< console ends the registration of %s", ven_id)
        return reply(Ordered(ven_id=ven_id, ordered="end of the registration"), HTTPStatus.ACCEPTED)

    async def reports(self, request: web.Request) -> web.Response:
        _, known = await self._known(request)
        return reply(known)

    async def ask(self, request: web.Request) -> web.Response:
        ven_id, _ = await self._known(request)
        order = await asked.body(request, ReportOrder)
        with _registered():
            ids = await self._vtn.ask(ven_id, (wanted(order),))
        log.info("< console asks %s for %s", ven_id, order.name)
        return reply(Ordered(ven_id=ven_id, ordered="reports", ids=ids), HTTPStatus.ACCEPTED)

    async def stop(self, request: web.Request) -> web.Response:
        ven_id, known = await self._known(request)
        name, to_follow = request.match_info["request"], asked.flag(request, "to_follow")
        ids = tuple(one.id for one in known.asked if one.id == name)
        if not ids:
            raise Refusal(HTTPStatus.NOT_FOUND, f"report request {name} is unknown; `openadr-ra ven reports {ven_id}`")
        with _registered():
            await self._vtn.stop(ven_id, ids, to_follow=to_follow)
        log.info("< console stops report request %s of %s", name, ven_id)
        return reply(Ordered(ven_id=ven_id, ordered="end of reports", ids=ids), HTTPStatus.ACCEPTED)

    async def history(self, request: web.Request) -> web.Response:
        ven_id, _ = await self._known(request)
        within = timedelta(seconds=asked.within_s(request))
        order = await asked.body(request, HistoryOrder)
        with _registered():
            found = await self._vtn.history(ven_id, order.start, order.end, points=order.points, within=within)
        return reply(history(ven_id, found))

    async def green_button(self, request: web.Request) -> web.Response:
        ven_id, _ = await self._known(request)
        within = timedelta(seconds=asked.within_s(request))
        order = await asked.body(request, FeedOrder)
        with _registered():
            found = await self._vtn.green_button(
                ven_id,
                points=order.points,
                start=order.start,
                duration=timedelta(seconds=order.duration_s),
                within=within,
            )
        return reply(green_button(ven_id, found))

    async def status(self, request: web.Request) -> web.Response:
        ven_id, _ = await self._known(request)
        return reply(await self._vtn.status(ven_id))

    async def _known(self, request: web.Request) -> tuple[VenId, Reports]:
        """The VEN that the path names, and its reports. An unknown one is 404, an unknown report 400."""
        ven_id = asked.ven_id(request)
        try:
            return ven_id, await self._vtn.reports(ven_id)
        except InvalidId as error:
            raise Refusal(HTTPStatus.NOT_FOUND, str(error)) from error


@contextmanager
def _registered() -> Iterator[None]:
    """Nothing can be ordered of a VEN without a registration: 409, for it may come yet."""
    try:
        yield
    except NotRegistered as error:
        raise Refusal(HTTPStatus.CONFLICT, str(error)) from error
