"""The operator's local JSON API on a running node: instruct, look, enrol. Loopback and a token by default.

| request | answer |
|---|---|
| `GET /events` | every event, for VENs and for the node's own fleet where this process leads it, soonest first |
| `POST /events` an `Order` | 201, the event; one for the fleet with what that promises, a refusal too |
| `GET /events/ID` | the event with opts and journal |
| `PUT /events/ID` an `Order` | the event, changed: its VENs are told and answer anew |
| `DELETE /events/ID` | the event, cancelled |
| `GET /events/ID/opts?within_s=N` | opt by venID; waits up to N seconds for those that have not answered |
| `GET /events/ID/response` | the band and the rows of the response |
| `GET /events/ID/response/stream` | the rows as they become known, one JSON object a line; ends with the event |
| `/fleet…` | see `console.fleet` |
| `/vens…`, `/upstreams…`, `/opts…`, `/availability…` | see `console.vens` and `console.own` |
| `GET /health`, `GET /ready` | it runs; it can serve (else 503). Without a token |

An event for the fleet is answered by the same requests. The response is also that of any event from above.

An error is `{"error": sentence}`: 400 what was said is wrong, 401 no token, 403 sent by a web page, 404 unknown, 409 it
cannot be done now or not any more, 502 the VTN above did not say what was asked, 503 it could not be stored.
"""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cached_property
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path

import msgspec
from aiohttp import web

from openadr_ra.console import asked
from openadr_ra.console.fleet import FleetRoutes
from openadr_ra.console.gate import HEADERS, MAX_BODY_BYTES, Gate, Refusal, own_token, reply
from openadr_ra.console.own import OwnRoutes
from openadr_ra.console.vens import VenRoutes
from openadr_ra.run.fleet_events import FleetEvents, Over, is_ordered, is_taken
from openadr_ra.run.node import Node
from openadr_ra.run.orders import (
    EventId,
    EventView,
    InvalidData,
    InvalidId,
    OadrRaError,
    Order,
    Overlap,
    Report,
    SettingsError,
    changed,
    detail,
    full,
    instruction,
    report,
    view,
)
from openadr_ra.run.places import host_port
from openadr_ra.run.vtn import Vtn

log = logging.getLogger(__name__)

SHUTDOWN_S = 1.0
"""For requests under way when the node stops; streams of responses end here."""


@asynccontextmanager
async def serve(
    node: Node, *, listen: str, token_file: Path, sockets: Sequence[socket.socket] = ()
) -> AsyncIterator[str]:
    """Answers at the URL that is yielded until the block is left; port 0 takes a free one. `node` is running.

    `sockets` are bound there already, where several processes share the port.
    Raises SettingsError if it cannot listen there, or if the token cannot be read or made.
    """
    host, port = host_port(listen, "console.listen")
    gate = Gate(own_token(token_file), host)
    app = web.Application(middlewares=[gate.guard], client_max_size=MAX_BODY_BYTES)
    for part in (_Api(node), VenRoutes(node), OwnRoutes(node), FleetRoutes(node)):
        app.add_routes(part.routes())
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        try:
            sites: list[web.BaseSite] = [web.SockSite(runner, one) for one in sockets]
            for site in sites or [web.TCPSite(runner, host, port)]:
                await site.start()
        except OSError as error:
            raise SettingsError(_listen_fault(error, listen)) from error
        if not _is_loopback(host):
            log.warning("! the console listens on %s in plain HTTP: its token can be read on the way", listen)
        bound = runner.addresses[0][1]
        url = f"http://{f'[{host}]' if ':' in host else host}:{bound}"
        log.info("= console listens on %s", url)
        yield url
    finally:
        await runner.cleanup()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.casefold() == "localhost"


def _listen_fault(error: OSError, listen: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"console.listen: {listen} is in use; stop the other program or choose another port"
    return f"console.listen: cannot listen on {listen}: {error.strerror or error}; choose another address"


class _Api:
    """The handlers. Each says yes with a value, or raises."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/health", self.health),
            web.get("/ready", self.ready),
            web.get("/events", self.list_events),
            web.post("/events", self.create_event),
            web.get("/events/{id}", self.show_event),
            web.put("/events/{id}", self.change_event),
            web.delete("/events/{id}", self.cancel_event),
            web.get("/events/{id}/opts", self.opts),
            web.get("/events/{id}/response", self.response),
            web.get("/events/{id}/response/stream", self.stream),
        ]

    @property
    def _vtn(self) -> Vtn:
        return asked.vtn(self._node)

    @cached_property
    def _own(self) -> FleetEvents:
        """The events of the node's own fleet: one, for it takes orders one after the other."""
        return FleetEvents(asked.fleet(self._node), self._node.clock)

    async def health(self, request: web.Request) -> web.Response:
        return reply({"healthy": True})

    async def ready(self, request: web.Request) -> web.Response:
        missing = await self._node.missing()
        status = HTTPStatus.SERVICE_UNAVAILABLE if missing else HTTPStatus.OK
        return reply({"ready": not missing, "missing": missing}, status)

    async def list_events(self, request: web.Request) -> web.Response:
        now = self._node.clock.now()
        found = [view(held, now) for held in await self._node.vtn.events()] if self._node.vtn is not None else []
        own = () if self._node.is_led_elsewhere else await self._own.events()
        return reply(sorted((*found, *own), key=lambda one: (one.order.start, one.id)))

    async def create_event(self, request: web.Request) -> web.Response:
        order = await asked.body(request, Order)
        if order.id is not None and await self._exists(order.id):
            raise Refusal(HTTPStatus.CONFLICT, f"event {order.id} exists already; change it, or choose another id")
        if order.fleet:
            seen = await self._own.create(order)
            log.info("< console orders event %s of the fleet", seen.id)
            return reply(seen, HTTPStatus.CREATED)
        try:
            event_id = await self._vtn.publish(instruction(order))
        except Overlap as error:
            raise Refusal(HTTPStatus.CONFLICT, str(error)) from error
        log.info("< console orders event %s", event_id)
        return reply(view(await self._vtn.event(event_id), self._node.clock.now()), HTTPStatus.CREATED)

    async def show_event(self, request: web.Request) -> web.Response:
        event_id = await self._known(request)
        if await self._is_own(event_id):
            return reply(await self._own.detail(event_id))
        opts = await self._vtn.opts(event_id)
        journal = await self._vtn.journal(f"event/{event_id}")
        return reply(detail(await self._vtn.event(event_id), self._node.clock.now(), opts, journal))

    async def change_event(self, request: web.Request) -> web.Response:
        event_id = await self._known(request)
        order = await asked.body(request, Order)
        own = await self._is_own(event_id)
        if order.fleet != own:
            whom = "the fleet" if own else "VENs"
            raise InvalidData(f"fleet: event {event_id} is for {whom}, and stays so; publish another one")
        if order.id not in (None, event_id):
            raise InvalidData(f"id: event {event_id} keeps its name; publish another one")
        try:
            seen = await self._own.change(event_id, order) if own else await self._changed(event_id, order)
        except Over as error:
            raise Refusal(HTTPStatus.CONFLICT, str(error)) from error
        log.info("< console changes event %s", event_id)
        return reply(seen)

    async def _changed(self, event_id: EventId, order: Order) -> EventView:
        """The event for VENs as it is then."""
        try:
            await self._vtn.change(event_id, changed(await self._vtn.event(event_id), order))
        except InvalidData as error:
            if isinstance(error, Overlap) or (await self._vtn.event(event_id)).cancelled:
                raise Refusal(HTTPStatus.CONFLICT, str(error)) from error
            raise
        return view(await self._vtn.event(event_id), self._node.clock.now())

    async def cancel_event(self, request: web.Request) -> web.Response:
        event_id = await self._known(request)
        if await self._is_own(event_id):
            seen = await self._own.cancel(event_id)
        else:
            await self._vtn.cancel(event_id)
            seen = view(await self._vtn.event(event_id), self._node.clock.now())
        log.info("< console cancels event %s", event_id)
        return reply(seen)

    async def opts(self, request: web.Request) -> web.Response:
        event_id = await self._known(request)
        within = timedelta(seconds=asked.within_s(request))
        if await self._is_own(event_id):
            return reply(await self._own.opts(event_id, within=within))
        return reply(await self._vtn.opts(event_id, within=within))

    async def response(self, request: web.Request) -> web.Response:
        event_id = EventId(request.match_info["id"])
        if not await self._is_for_vens(event_id):
            return reply(await self._of_fleet(event_id))
        down = self._node.settings.downstream
        rows = await self._vtn.report(event_id)
        return reply(report(event_id, rows, band=down.band if down is not None else 0.0))

    async def stream(self, request: web.Request) -> web.StreamResponse:
        event_id = EventId(request.match_info["id"])
        if await self._is_for_vens(event_id):
            rows = self._vtn.response(event_id)
        else:
            await self._of_fleet(event_id)
            rows = self._own.response(event_id)
        response = web.StreamResponse(headers=HEADERS)
        response.content_type = "application/x-ndjson"
        await response.prepare(request)
        try:
            async for row in rows:
                await response.write(msgspec.json.encode(full(row)) + b"\n")
        except OadrRaError as error:
            # The status has gone out long ago; a line of another kind tells the reader that this is not the end.
            await response.write(msgspec.json.encode({"error": str(error)}) + b"\n")
        return response

    async def _of_fleet(self, event_id: EventId) -> Report:
        """The response of the node's own fleet; 404 for an event in which it had no part."""
        try:
            return await self._own.report(event_id)
        except InvalidId as error:
            raise Refusal(HTTPStatus.NOT_FOUND, str(error)) from error

    async def _is_own(self, event_id: EventId) -> bool:
        """Is it an event for the node's own fleet, whichever process leads that?"""
        return await is_ordered(self._node, event_id)

    async def _is_for_vens(self, event_id: EventId) -> bool:
        """Is it an event that the operator gave to VENs?"""
        if self._node.vtn is None:
            return False
        try:
            await self._node.vtn.event(event_id)
        except InvalidId:
            return False
        return True

    async def _exists(self, event_id: str) -> bool:
        return await is_taken(self._node, event_id) or await self._is_for_vens(EventId(event_id))

    async def _known(self, request: web.Request) -> EventId:
        """The event that the path names. An unknown one is 404, while an unknown VEN inside an order is 400."""
        event_id = EventId(request.match_info["id"])
        if await self._is_own(event_id) or await self._is_for_vens(event_id):
            return event_id
        raise Refusal(
            HTTPStatus.NOT_FOUND, f"event {event_id} is unknown; `openadr-ra event list` shows those there are"
        )
