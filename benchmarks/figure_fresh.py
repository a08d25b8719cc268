"""An idle oadrPoll over a mutual-TLS connection of its own, as of a VEN that keeps none, beside an aiohttp handler.

The handler has the same TLS and looks at nothing. Either has a whole handshake each time, or takes up the session of a
former connection. What is counted is the CPU time of the server's process: it accepts, shakes hands (TLS 1.3, P-256 at both
ends), checks the VEN's certificate, answers one poll, and closes. Eight connections are made one after the other, then poll
at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from ssl import SSLContext, SSLSession
from tempfile import TemporaryDirectory

from benchmarks.child import beside, child, cpu_us
from benchmarks.figure_poll import LANES, SERVERS, VEN_NAME, drive
from benchmarks.measure import Figure, Spread, against_floor, spread
from benchmarks.poll_client import Lane, register
from openadr_ra.net.tls import client_context
from openadr_ra.programs import certs
from openadr_ra.protocol.messages import Poll
from openadr_ra.protocol.model import VenId
from openadr_ra.wire.codec import encode

MOST = 1.4
"""Times the floor, as of connections that are kept; nobody set a goal."""

CONNECTIONS = 40
"""In a round; some 40 ms of CPU time."""
ROUNDS = 10


def figures() -> Iterator[Figure]:
    with TemporaryDirectory() as folder:
        now = datetime.now(UTC)
        home = Path(certs.init(Path(folder) / "certs", now=now).directory)
        shown = certs.issue(home, VEN_NAME, role="ven", key="ec", now=now)
        tls = client_context((Path(shown.certificate), Path(shown.key)), home / "ca.pem")
        whole = measured(home, tls, resuming=False)
        resumed = measured(home, tls, resuming=True)
    name = "idle oadrPoll at the VTN, mutual TLS, a connection each"
    yield against_floor(f"{name}, whole handshake", "us CPU", whole, most=MOST)
    yield against_floor(f"{name}, session taken up", "us CPU", resumed, most=MOST)


def measured(home: Path, tls: SSLContext, *, resuming: bool) -> Mapping[str, Spread]:
    """CPU microseconds per connection with its poll of each server; `resuming`: all take up the session of the first."""
    with ExitStack() as stack:
        stack.enter_context(beside())
        pids, ports, bodies, sessions = {}, {}, {}, {}
        for server in SERVERS:
            pids[server], port = stack.enter_context(
                child("-m", "benchmarks.signed_servers", server, str(home), "ec", "plain")
            )
            ports[server] = int(port)
            with closing(Lane(ports[server], tls=tls)) as lane:
                ven = VenId(VEN_NAME) if server == "floor" else register(lane, VEN_NAME)
                bodies[server] = encode(Poll(ven_id=ven))
                drive([lane], [bodies[server]])
                sessions[server] = lane.session if resuming else None
        rounds: dict[str, list[float]] = {server: [] for server in pids}
        for _ in range(ROUNDS + 1):
            for server, pid in pids.items():
                before = cpu_us(pid)
                for _ in range(CONNECTIONS // LANES):
                    connect(ports[server], tls, sessions[server], bodies[server])
                rounds[server].append((cpu_us(pid) - before) / CONNECTIONS)
    # The first round warms the servers up.
    return {server: spread(each[1:]) for server, each in rounds.items()}


def connect(port: int, tls: SSLContext, session: SSLSession | None, body: bytes) -> None:
    """`LANES` connections with a poll each."""
    with ExitStack() as stack:
        lanes = [stack.enter_context(closing(Lane(port, tls=tls, session=session))) for _ in range(LANES)]
        assert all(lane.resumed is (session is not None) for lane in lanes), "sessions are taken up where that is meant"
        drive(lanes, [body] * LANES)
