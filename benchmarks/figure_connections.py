"""What an idle connection over mutual TLS costs the VTN: its VEN has polled, and waits for its next poll.

What is counted is the resident memory of the server's process, over so many connections from another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from ssl import SSLContext
from tempfile import TemporaryDirectory

from benchmarks.child import beside, child, resident_mib_of
from benchmarks.figure_poll import VEN_NAME
from benchmarks.measure import Figure
from benchmarks.poll_client import Lane, register
from openadr_ra.net.tls import client_context
from openadr_ra.programs import certs
from openadr_ra.protocol.messages import Poll
from openadr_ra.wire.codec import encode

MOST_KIB = 90
"""openleadr took 308 when the goal was set."""

BEFORE = 100
"""What is there once is made by these, and does not count."""

CONNECTIONS = 1000
SERVERS = ("floor", "ours", "peer")


def figures() -> Iterator[Figure]:
    with TemporaryDirectory() as folder:
        now = datetime.now(UTC)
        home = Path(certs.init(Path(folder) / "certs", now=now).directory)
        shown = certs.issue(home, VEN_NAME, role="ven", key="ec", now=now)
        tls = client_context((Path(shown.certificate), Path(shown.key)), home / "ca.pem")
        kib = {
            server: held_kib(
                ("-m", "benchmarks.signed_servers", server, str(home), "ec", "plain"), tls, server != "floor"
            )
            for server in SERVERS
        }
    yield Figure(
        name="idle connection to the VTN, mutual TLS",
        unit="KiB resident",
        ours=kib["ours"],
        floor=kib["floor"],
        peer=kib["peer"],
        ratio_to_floor=kib["ours"] / kib["floor"],
        ratio_to_peer=kib["ours"] / kib["peer"],
        goal=f"at most {MOST_KIB} KiB",
        met=kib["ours"] <= MOST_KIB,
    )


def held_kib(server: Sequence[str], tls: SSLContext, registers: bool) -> float:
    """KiB per connection to the server that is `python` with those words."""
    with ExitStack() as stack:
        stack.enter_context(beside())
        pid, port = stack.enter_context(child(*server))

        def connect(count: int) -> None:
            for _ in range(count):
                lane = stack.enter_context(closing(Lane(int(port), tls=tls)))
                lane.send("OadrPoll", poll)
                lane.receive()

        first = stack.enter_context(closing(Lane(int(port), tls=tls)))
        poll = encode(Poll(ven_id=register(first, VEN_NAME))) if registers else b"poll"
        connect(BEFORE)
        before = resident_mib_of(pid)
        connect(CONNECTIONS)
        return (resident_mib_of(pid) - before) * 1024 / CONNECTIONS
