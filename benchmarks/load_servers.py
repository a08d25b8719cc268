"""`python -m benchmarks.load_servers ours|peer FILE VENS [CERTS]`: a VTN that takes reports and gives events.

Its port is on stdout. Each SIGUSR1 makes it publish an event to the next VENS of the fleet that FILE holds, and say so when
it has. With CERTS, what `openadr-ra certs init` makes, it serves mutual TLS. The peer has no FILE; it takes whoever comes.
"""

from __future__ import annotations

import asyncio
import io
import logging
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from signal import SIGUSR1

from benchmarks import fleet
from benchmarks.poll_servers import bound

HOLD_S = 50
AHEAD = timedelta(hours=1)
EVERY = timedelta(minutes=30)
DELTA_KW = (-1.0, -1.5, -0.5, -2.0)
"""What an event asks for in its intervals."""

UNLIMITED: Mapping[str, int] = {
    "ven_requests_per_s": 0,
    "ven_bytes_per_min": 0,
    "address_requests_per_s": 0,
    "address_bytes_per_min": 0,
    "address_registrations_per_h": 0,
    "address_connections": 0,
    "address_connections_per_s": 0,
}
"""One address sends what a whole fleet would."""


async def ours(file: Path, vens: int, certs: Path | None) -> None:
    """A VTN as it comes; only the limits per address are left out."""
    from openadr_ra import dispatch
    from openadr_ra.programs.serve import own_process
    from openadr_ra.run.vtn import Vtn
    from openadr_ra.settings import from_table

    # Without certificates it warns that nobody is authenticated; here that is meant.
    logging.getLogger("openadr_ra").setLevel(logging.ERROR)
    down: dict[str, object] = {"listen": "127.0.0.1:0", "admit": "ca", "hold_s": HOLD_S, "limits": UNLIMITED}
    if certs is not None:
        down |= {
            "cert": str(certs / "vtn-ec.pem"),
            "key": str(certs / "vtn-ec.key"),
            "client_ca": str(certs / "ca.pem"),
        }
    table = {"store": {"url": f"sqlite:{file}"}, "downstream": down}
    settings = from_table(table, file.with_suffix(".toml"))
    own_process(settings)
    async with Vtn(settings).running() as vtn:
        port = int(vtn.url.split(":")[2].partition("/")[0])
        async for addressed in rounds(port, vens):
            start = datetime.now(UTC).replace(microsecond=0) + AHEAD
            await vtn.publish(dispatch(start=start, every=EVERY, delta_kw=DELTA_KW, to=addressed))


async def peer(_: Path, vens: int, certs: Path | None) -> None:
    """openleadr's VTN with the handlers that its guide asks for; what is reported stays in memory."""
    from openleadr import OpenADRServer

    assert certs is None, "the peer is measured over plain HTTP"
    values: list[tuple[datetime, float]] = []

    async def register(payload: Mapping[str, object]) -> tuple[str, str]:
        return f"VEN-{payload['ven_name']}", "registration-1"

    async def look_up(ven_id: str) -> Mapping[str, str]:
        return {"ven_id": ven_id, "registration_id": "registration-1"}

    async def keep(came: list[tuple[datetime, float]]) -> None:
        values.extend(came)

    # openleadr goes by these names.
    async def offered(
        ven_id: str,
        resource_id: str | None,
        measurement: str,
        unit: str,
        scale: str,
        min_sampling_interval: timedelta,
        max_sampling_interval: timedelta,
    ) -> object:
        return keep, min_sampling_interval

    async def answered(ven_id: str, event_id: str, opt_type: str) -> None:
        return

    free = bound()
    port: int = free.getsockname()[1]
    free.close()
    server = OpenADRServer(vtn_id="VTN", http_port=port, ven_lookup=look_up)
    server.add_handler("on_create_party_registration", register)
    server.add_handler("on_register_report", offered)
    with redirect_stdout(io.StringIO()):
        await server.run()
    async for addressed in rounds(port, vens):
        start = datetime.now(UTC).replace(microsecond=0) + AHEAD
        for ven in addressed:
            intervals = [
                {"dtstart": start + number * EVERY, "duration": EVERY, "signal_payload": kw}
                for number, kw in enumerate(DELTA_KW)
            ]
            server.add_event(ven, "LOAD_DISPATCH", "delta", intervals, callback=answered)


async def rounds(port: int, vens: int) -> AsyncIterator[tuple[str, ...]]:
    """Say the port; for each SIGUSR1 the next VENs, and say so when they have been seen to."""
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(SIGUSR1, asked.set)
    print(port, flush=True)
    first = 0
    while await asked.wait():
        asked.clear()
        yield tuple(fleet.ven_id(number) for number in range(first, first + vens))
        first += vens
        print("published", flush=True)


SERVERS = {"ours": ours, "peer": peer}

if __name__ == "__main__":
    asyncio.run(SERVERS[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]) if sys.argv[4:] else None))
