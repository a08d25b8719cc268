"""The console of a VEN: its operator's own word, to the VTNs above.

| request | answer |
|---|---|
| `PUT /opts/ID` an `OwnOpt` | the operator's own opt for an event from above |
| `GET /availability` | what stands declared, at each upstream, and whether that knows it |
| `POST /availability` a `Declaration` | 201 and the id by which it is taken back |
| `DELETE /availability/ID` | taken back, wherever it was declared |
"""

from __future__ import annotations

import logging
from http import HTTPStatus

from aiohttp import web

from openadr_ra.console import asked
from openadr_ra.console.gate import Refusal, reply
from openadr_ra.run.node import Node
from openadr_ra.run.orders import InvalidId, OwnOpt, chosen
from openadr_ra.run.ven_orders import Declaration, Declared, declared, spans

log = logging.getLogger(__name__)


class OwnRoutes:
    """The handlers. Each says yes with a value, or raises."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def routes(self) -> list[web.RouteDef]:
        return [
            web.put("/opts/{id}", self.opt),
            web.get("/availability", self.availability),
            web.post("/availability", self.declare),
            web.delete("/availability/{id}", self.retract),
        ]

    async def opt(self, request: web.Request) -> web.Response:
        word = await asked.body(request, OwnOpt)
        try:
            await self._node.opt(request.match_info["id"], chosen(word))
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
