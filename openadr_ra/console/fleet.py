"""The console of a node as far as it is about its fleet: the members, whatever they are, and an operator's word on one.

| request | answer |
|---|---|
| `GET /fleet` | members, what they could give, what holds them; sums; promises with asked, covered and short |
| `PUT /fleet/members/ID/word` a `MemberOrder` | the member, held at a power or left out of everything until then |
| `DELETE /fleet/members/ID/word` | the member, given back to the fleet |
| `GET /fleet/members/ID/journal` | what operators said of it |

Events for the fleet are among `/events`: see `console.api`.
"""

from __future__ import annotations

import logging
from http import HTTPStatus

from aiohttp import web

from openadr_ra.console import asked
from openadr_ra.console.gate import Refusal, reply
from openadr_ra.run import fleet_orders
from openadr_ra.run.fleet_orders import MemberOrder
from openadr_ra.run.node import Node
from openadr_ra.run.orders import InvalidId

log = logging.getLogger(__name__)


class FleetRoutes:
    """The handlers. Each says yes with a value, or raises."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/fleet", self.show),
            web.put("/fleet/members/{id}/word", self.order),
            web.delete("/fleet/members/{id}/word", self.give_back),
            web.get("/fleet/members/{id}/journal", self.journal),
        ]

    async def show(self, request: web.Request) -> web.Response:
        return reply(await fleet_orders.seen(self._node, asked.fleet(self._node)))

    async def order(self, request: web.Request) -> web.Response:
        fleet, resource = asked.fleet(self._node), request.match_info["id"]
        said = await asked.body(request, MemberOrder)
        try:
            member = await fleet_orders.order(self._node, fleet, resource, said)
        except InvalidId as error:
            raise Refusal(HTTPStatus.NOT_FOUND, str(error)) from error
        log.info("< console %s %s", "withdraws" if said.kw is None else f"holds at {said.kw:g} kW", resource)
        return reply(member)

    async def give_back(self, request: web.Request) -> web.Response:
        fleet, resource = asked.fleet(self._node), request.match_info["id"]
        try:
            member = await fleet_orders.give_back(self._node, fleet, resource)
        except InvalidId as error:
            raise Refusal(HTTPStatus.NOT_FOUND, str(error)) from error
        log.info("< console gives back %s", resource)
        return reply(member)

    async def journal(self, request: web.Request) -> web.Response:
        fleet, resource = asked.fleet(self._node), request.match_info["id"]
        try:
            return reply(await fleet_orders.journal(fleet, resource))
        except InvalidId as error:
            raise Refusal(HTTPStatus.NOT_FOUND, str(error)) from error
