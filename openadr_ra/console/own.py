"""The console of a VEN: its operator's own word, to the VTNs above.

| request | answer |
|---|---|
| `GET /upstreams` | how it stands with each VTN above |
| `GET /upstreams/NAME/registration` | what the VTN says of itself and of our registration, asked now; 502 if it does not |
| `POST /upstreams/NAME/registration` | 202: it registers again there, under its ids; 409 while that is being ended |
| `DELETE /upstreams/NAME/registration` | 202: the VTN is told that the registration ends; until a POST or the next start |
| `PUT /opts/ID` an `OwnOpt` | the operator's own opt for an event from above |
| `GET /availability` | what stands declared, at each upstream, and whether that knows it |
| `POST /availability` a `Declaration` | 201 and the id by which it is taken back |
| `DELETE /availability/ID` | taken back, wherever it was declared |
| `GET /reports?upstream=NAME` | what a VTN offers of its own, and what was asked of it |
| `POST /reports` an `OwnReportOrder` | 202 and the ids of the requests |
| `DELETE /reports/REQUEST?to_follow=true` | 202: the request ends, with `to_follow` after one last report |
| `POST /readings` a `ReadingsOrder` | what came of a report of a VTN's own |
"""

from __future__ import annotations

import logging
from http import HTTPStatus

from aiohttp import web

from openadr_ra.console import asked
from openadr_ra.console.gate import Refusal, reply
from openadr_ra.run.node import Node
from openadr_ra.run.orders import InvalidId, OwnOpt, chosen
from openadr_ra.run.report_orders import OwnOrdered, OwnReportOrder, ReadingsOrder, ReportRequestId, own_readings
from openadr_ra.run.ven_orders import (
    Declaration,
    Declared,
    Leaving,
    NotAllowed,
    OadrError,
    Registering,
    TransportError,
    WireError,
    declared,
    spans,
    wanted,
)

log = logging.getLogger(__name__)


class OwnRoutes:
    """The handlers. Each says yes with a value, or raises."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/upstreams", self.upstreams),
            web.get("/upstreams/{name}/registration", self.query),
            web.post("/upstreams/{name}/registration", self.reregister),
            web.delete("/upstreams/{name}/registration", self.leave),
            web.put("/opts/{id}", self.opt),
            web.get("/availability", self.availability),
            web.post("/availability", self.declare),
            web.delete("/availability/{id}", self.retract),
            web.get("/reports", self.reports),
            web.post("/reports", self.want),
            web.delete("/reports/{request}", self.unwant),
            web.post("/readings", self.readings),
        ]

    async def upstreams(self, request: web.Request) -> web.Response:
        return reply(await asked.ven(self._node).upstreams())

    async def query(self, request: web.Request) -> web.Response:
        ven, name = asked.ven(self._node), request.match_info["name"]
        try:
            (said,) = await ven.query(upstream=name)
        except InvalidId as error:
            raise Refusal(HTTPStatus.NOT_FOUND, str(error)) from error
        except (OadrError, TransportError, WireError) as error:
            raise Refusal(HTTPStatus.BAD_GATEWAY, str(error)) from error
        return reply(said)

    async def reregister(self, request: web.Request) -> web.Response:
        ven, name = asked.ven(self._node), request.match_info["name"]
        try:
            await ven.reregister(upstream=name)
        except InvalidId as error:
            raise Refusal(HTTPStatus.NOT_FOUND, str(error)) from error
        except NotAllowed as error:
            raise Refusal(HTTPStatus.CONFLICT, str(error)) from error
        log.info("< console has us register with %s again", name)
        return reply(Registering(upstream=name), HTTPStatus.ACCEPTED)

    async def leave(self, request: web.Request) -> web.Response:
        ven, name = asked.ven(self._node), request.match_info["name"]
        try:
            await ven.leave(upstream=name)
        except InvalidId as error:
            raise Refusal(HTTPStatus.NOT_FOUND, str(error)) from error
        log.info("< console leaves %s", name)
        return reply(Leaving(upstream=name), HTTPStatus.ACCEPTED)

    async def opt(self, request: web.Request) -> web.Response:
        word, event_id = await asked.body(request, OwnOpt), request.match_info["id"]
        try:
            if word.reason or word.upstream is not None:
                await asked.ven(self._node).opt_event(
                    event_id, chosen(word), reason=word.reason, upstream=word.upstream
                )
            else:
                await self._node.opt(event_id, chosen(word))
        except InvalidId as error:
            raise Refusal(HTTPStatus.NOT_FOUND, str(error)) from error
        return reply(word)

    async def availability(self, request: web.Request) -> web.Response:
        return reply(await asked.ven(self._node).availability())

    async def declare(self, request: web.Request) -> web.Response:
        ven = asked.ven(self._node)
        order = await asked.body(request, Declaration)
        name = await ven.declare(
            declared(order),
            spans(order),
            resources=order.resources,
            market_context=order.market_context,
            reason=order.reason,
            opt_id=order.id,
            upstream=order.upstream,
        )
        log.info("< console declares %s", name)
        return reply(Declared(id=name), HTTPStatus.CREATED)

    async def retract(self, request: web.Request) -> web.Response:
        ven, name = asked.ven(self._node), request.match_info["id"]
        try:
            await ven.retract(name)
        except InvalidId as error:
            raise Refusal(HTTPStatus.NOT_FOUND, str(error)) from error
        log.info("< console takes back %s", name)
        return reply(Declared(id=name))

    async def reports(self, request: web.Request) -> web.Response:
        ven, name = asked.ven(self._node), request.query.get("upstream", "upstream")
        try:
            return reply(await ven.reports(upstream=name))
        except InvalidId as error:
            raise Refusal(HTTPStatus.NOT_FOUND, str(error)) from error

    async def want(self, request: web.Request) -> web.Response:
        ven = asked.ven(self._node)
        order = await asked.body(request, OwnReportOrder)
        ids = await ven.want((wanted(order),), upstream=order.upstream)
        log.info("< console wants %s of the VTN", order.name)
        return reply(OwnOrdered(ids=ids), HTTPStatus.ACCEPTED)

    async def unwant(self, request: web.Request) -> web.Response:
        ven, name, to_follow = asked.ven(self._node), request.match_info["request"], asked.flag(request, "to_follow")
        try:
            await ven.stop((name,), to_follow=to_follow)
        except InvalidId as error:
            raise Refusal(HTTPStatus.NOT_FOUND, str(error)) from error
        log.info("< console stops report request %s", name)
        return reply(OwnOrdered(ids=(ReportRequestId(name),)), HTTPStatus.ACCEPTED)

    async def readings(self, request: web.Request) -> web.Response:
        ven = asked.ven(self._node)
        order = await asked.body(request, ReadingsOrder)
        found = await ven.readings(
            order.name, start=order.start, end=order.end, points=order.points, upstream=order.upstream
        )
        return reply(own_readings(found))
