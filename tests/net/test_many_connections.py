"""Connections of one listener, which read through one buffer, do not get each other's bytes."""

from __future__ import annotations

import asyncio

from openadr_ra.net.server import Reply, Request, serve
from openadr_ra.net.tls import TLS_READ_BYTES
from tests.net.conftest import Pki
from tests.net.peers import exchange, post

PEERS = 12


async def echo(request: Request) -> Reply:
    return Reply(body=request.body)


async def test_each_of_many_peers_is_answered_what_it_said_itself(pki: Pki) -> None:
    """All at once over TLS, in pieces, and with more than the buffer holds."""
    bodies = [bytes([ord("a") + number]) * (3 * TLS_READ_BYTES + number) for number in range(PEERS)]
    async with serve(echo, host="127.0.0.1", port=0, ssl=pki.serving()) as listener:
        posts = [post(body, "Connection: close") for body in bodies]
        context = pki.calling().current()

        answers = await asyncio.gather(
            *(exchange(listener.port, each[:100], each[100:50_000], each[50_000:], ssl=context) for each in posts)
        )

    assert [answer.partition(b"\r\n\r\n")[2] for answer in answers] == bodies
