"""The server that a push VEN is: what its VTN posts is answered, and nobody else is heard."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from openadr_ra.errors import NotRegistered, OadrError, SettingsError, StoreError, WireError
from openadr_ra.net.server import Reply, Request, serve
from openadr_ra.net.tls import normal_fingerprint, server_contexts
from openadr_ra.net.url import base_url, host_and_port
from openadr_ra.protocol.messages import Message
from openadr_ra.protocol.refusal import blank, unreadable
from openadr_ra.run.office import PostOffice, Received
from openadr_ra.run.places import host_port
from openadr_ra.settings import Upstream
from openadr_ra.wire import codec

log = logging.getLogger(__name__)

PUSHED_SERVICES = ("EiEvent", "EiReport", "EiRegisterParty")
"""Nothing is ever sent to a VEN on EiOpt or OadrPoll (reference 1.1)."""

Called = Callable[[Received, str], Awaitable[Message | None]]
"""Answers what was posted to that service; None is an empty 200."""


@asynccontextmanager
async def listening(settings: Upstream, office: PostOffice, called: Called) -> AsyncIterator[None]:
    """Serve the VTN of `settings` until the block is left.

    Over TLS only certificates of `vtn_fingerprints` are heard: `ca` signs those of other VENs, too, and any of them could
    give us events or end our registration. Raises SettingsError if there are none.
    """
    host, port = _place(settings)
    tls = None
    vtn = {normal_fingerprint(text) for text in settings.vtn_fingerprints}
    if base_url(settings.push_url).startswith("https:"):
        if not vtn:
            raise SettingsError(
                f"upstream {settings.name!r}: push_url needs vtn_fingerprints, lest anyone whom ca signed can speak as"
                " the VTN; `openadr-ra certs fingerprint FILE` tells that of a certificate"
            )
        tls = server_contexts(((Path(settings.cert), Path(settings.key)),), Path(settings.ca))

    async def answer(request: Request) -> Reply:
        if tls is not None and request.fingerprint not in vtn:
            log.warning("! refused %s: %s is none of vtn_fingerprints", request.service, request.fingerprint)
            return Reply(body=codec.encode(blank(NotRegistered("this certificate is not our VTN's"))))
        return await _answer(request, office, called)

    async with serve(answer, host=host, port=port, ssl=tls, services=PUSHED_SERVICES) as listener:
        log.info("= push VEN listens on %s", listener.url)
        yield


def _place(settings: Upstream) -> tuple[str, int]:
    if settings.push_listen:
        return host_port(settings.push_listen, "upstream.push_listen")
    return host_and_port(settings.push_url)


async def _answer(request: Request, office: PostOffice, called: Called) -> Reply:
    """An oadrDistributeEvent is answered by an empty 200, the rest by its natural reply."""
    try:
        reply = await called(await office.open(request.body), request.service)
    except WireError as error:
        log.info("! refused %s from %s: %s", request.service, request.address, error)
        return Reply(status=error.status, body=codec.encode(unreadable(error)))
    except OadrError as error:
        log.info("! refused %s from %s: %s", request.service, request.address, error)
        return Reply(body=codec.encode(blank(error)))
    except StoreError as error:
        log.error("! not stored: %s from %s: %s", request.service, request.address, error)
        return Reply(status=503)
    return Reply(body=b"" if reply is None else office.seal(reply))
