"""`GET /live` and `GET /ready` for load balancers and supervisors: a port of its own, without TLS and without secrets."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

import msgspec
from aiohttp import web

from openadr_ra.errors import SettingsError
from openadr_ra.net import listening
from openadr_ra.run.places import host_port

log = logging.getLogger(__name__)

SHUTDOWN_S = 0.5
"""For an answer under way in the end."""


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether VENs may be sent here, and what is missing, a sentence each."""

    ready: bool
    missing: tuple[str, ...] = ()


@asynccontextmanager
async def answering(listen: str, readiness: Callable[[], Awaitable[Readiness]]) -> AsyncIterator[str]:
    """Answers at the URL that is yielded until the block is left; port 0 takes a free one.

    `/live` is 200 while the process answers at all; `/ready` is 200 or 503, and its body says what is missing.
    Raises SettingsError if it cannot listen there.
    """

    async def live(request: web.Request) -> web.Response:
        return _reply(HTTPStatus.OK, b'{"live":true}')

    async def ready(request: web.Request) -> web.Response:
        found = await readiness()
        status = HTTPStatus.OK if found.ready else HTTPStatus.SERVICE_UNAVAILABLE
        return _reply(status, msgspec.json.encode(found))

    host, port = host_port(listen, "downstream.health")
    app = web.Application()
    app.add_routes([web.get("/live", live), web.get("/ready", ready)])
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_S)
    try:
        sockets = await listening.bound(host, port)
    except SettingsError as error:
        raise SettingsError(f"downstream.health: {error}") from error
    await runner.setup()
    try:
        for one in sockets:
            await web.SockSite(runner, one).start()
        url = f"http://{f'[{host}]' if ':' in host else host}:{sockets[0].getsockname()[1]}"
        log.info("= health is told on %s", url)
        yield url
    finally:
        await runner.cleanup()


def _reply(status: HTTPStatus, body: bytes) -> web.Response:
    return web.Response(
        status=status,
        body=body + b"\n",
        content_type="application/json",
        headers={"Cache-Control": "no-store", "Server": "openadr-ra"},
    )
