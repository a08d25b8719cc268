"""`python -m benchmarks.poll_servers ours|floor|peer`: one server over plain HTTP on loopback, its port on stdout."""

from __future__ import annotations

import asyncio
import io
import logging
import socket
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.poll_client import PATH

if TYPE_CHECKING:
    from aiohttp import web

ANSWER_BYTES = 500
"""What the floor answers; an oadrResponse of ours has about as many."""


async def ours() -> None:
    """A VTN as it comes, on SQLite; only TLS, the certificates and the limits per address are left out."""
    from openadr_ra.run.vtn import Vtn
    from openadr_ra.settings import from_table

    # It warns that nobody is authenticated; here that is meant.
    logging.getLogger("openadr_ra").setLevel(logging.ERROR)
    with TemporaryDirectory() as folder:
        # One address polls as a whole fleet would.
        unlimited = {"address_requests_per_s": 0, "address_bytes_per_min": 0}
        table = {
            "store": {"url": "sqlite:vtn.db"},
            "downstream": {"listen": "127.0.0.1:0", "admit": "ca", "limits": unlimited},
        }
        async with Vtn(from_table(table, Path(folder) / "vtn.toml")).running() as vtn:
            await serve(int(vtn.url.split(":")[2].partition("/")[0]))


async def floor() -> None:
    """aiohttp alone: the body is read, not looked at."""
    from aiohttp import web

    runner = web.AppRunner(floor_app())
    await runner.setup()
    listening = bound()
    await web.SockSite(runner, listening).start()
    await serve(listening.getsockname()[1])


def floor_app() -> web.Application:
    """Answers whatever is posted."""
    from aiohttp import web

    answer = b"x" * ANSWER_BYTES

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=answer, content_type="application/xml")

    app = web.Application()
    app.router.add_post(PATH + "/{service}", handle)
    return app


async def peer() -> None:
    """openleadr's VTN with the handlers that its guide asks for, which know one VEN once it has registered."""
    from openleadr import OpenADRServer

    known: dict[str, Mapping[str, str]] = {}

    async def register(payload: Mapping[str, object]) -> tuple[str, str]:
        ven_id = f"VEN-{payload['ven_name']}"
        known[ven_id] = {"ven_id": ven_id, "registration_id": "registration-1"}
        return ven_id, "registration-1"

    async def look_up(ven_id: str) -> Mapping[str, str] | None:
        return known.get(ven_id)

    free = bound()
    port: int = free.getsockname()[1]
    free.close()
    server = OpenADRServer(vtn_id="VTN", http_port=port, ven_lookup=look_up)
    server.add_handler("on_create_party_registration", register)
    with redirect_stdout(io.StringIO()):
        await server.run()
    await serve(port)


async def serve(port: int) -> None:
    """Say the port, and be there until terminated."""
    print(port, flush=True)
    await asyncio.Event().wait()


def bound() -> socket.socket:
    """A socket on a free port."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind(("127.0.0.1", 0))
    return found


SERVERS = {"ours": ours, "floor": floor, "peer": peer}

if __name__ == "__main__":
    asyncio.run(SERVERS[sys.argv[1]]())
