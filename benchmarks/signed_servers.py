"""`python -m benchmarks.signed_servers ours|floor|peer FOLDER rsa|ec signed|plain`: one server over mutual TLS.

Its port is on stdout. FOLDER holds what `openadr-ra certs init` makes; the server's certificate is its VTN's of that kind.
`signed`: it signs with it, and takes nothing that is not signed.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.poll_servers import bound, floor_app, serve


async def ours(home: Path, kind: str, *, signed: bool) -> None:
    """A VTN on SQLite."""
    from openadr_ra.run.vtn import Vtn
    from openadr_ra.settings import from_table

    with TemporaryDirectory() as folder:
        downstream = {
            "listen": "127.0.0.1:0",
            "admit": "ca",
            "cert": str(home / f"vtn-{kind}.pem"),
            "key": str(home / f"vtn-{kind}.key"),
            "client_ca": str(home / "ca.pem"),
            "signature": "required" if signed else "accepted",
            # More than a fleet's VENs may take of it is what is measured here.
            "limits": {
                "ven_requests_per_s": 0,
                "address_requests_per_s": 0,
                "ven_bytes_per_min": 0,
                "address_bytes_per_min": 0,
                "address_connections": 0,
                "address_connections_per_s": 0,
            },
        }
        table = {"store": {"url": "sqlite:vtn.db"}, "downstream": downstream}
        async with Vtn(from_table(table, Path(folder) / "vtn.toml")).running() as vtn:
            await serve(int(vtn.url.split(":")[2].partition("/")[0]))


async def floor(home: Path, kind: str, *, signed: bool) -> None:
    """aiohttp alone, over the same TLS: the body is read, not looked at, and nothing is signed."""
    from aiohttp import web

    from openadr_ra.net.tls import server_context

    context = server_context(((home / f"vtn-{kind}.pem", home / f"vtn-{kind}.key"),), home / "ca.pem")
    runner = web.AppRunner(floor_app())
    await runner.setup()
    listening = bound()
    await web.SockSite(runner, listening, ssl_context=context).start()
    await serve(listening.getsockname()[1])


async def peer(home: Path, kind: str, *, signed: bool) -> None:
    """openleadr's VTN with the handlers that its guide asks for."""
    from openleadr import OpenADRServer

    known: dict[str, Mapping[str, str]] = {}

    async def register(payload: Mapping[str, str]) -> tuple[str, str]:
        ven_id = f"VEN-{payload['ven_name']}"
        known[ven_id] = {"ven_id": ven_id, "registration_id": "reg-1", "fingerprint": payload["fingerprint"]}
        return ven_id, "reg-1"

    async def look_up(ven_id: str) -> Mapping[str, str] | None:
        return known.get(ven_id)

    free = bound()
    port: int = free.getsockname()[1]
    free.close()
    cert, key = str(home / f"vtn-{kind}.pem"), str(home / f"vtn-{kind}.key")
    server = OpenADRServer(
        vtn_id="VTN", cert=cert if signed else None, key=key if signed else None, http_port=port, http_cert=cert,
        http_key=key, http_ca_file=str(home / "ca.pem"), ven_lookup=look_up, show_fingerprint=False,
        verify_message_signatures=signed,
    )  # fmt: skip
    server.add_handler("on_create_party_registration", register)
    with redirect_stdout(io.StringIO()):
        await server.run()
    await serve(port)


SERVERS = {"ours": ours, "floor": floor, "peer": peer}

if __name__ == "__main__":
    asyncio.run(SERVERS[sys.argv[1]](Path(sys.argv[2]), sys.argv[3], signed=sys.argv[4] == "signed"))
