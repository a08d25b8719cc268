"""An idle oadrPoll at the VTN, over plain HTTP and over mutual TLS, beside an aiohttp handler that looks at nothing.

What is counted is the CPU time of the server's process. All three servers get the same bytes from the same client, over
several connections at once, so that a server always finds work and its naps do not count. A VEN polls with the same bytes
each time; with others each time, all are parsed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from ssl import SSLContext
from tempfile import TemporaryDirectory

from benchmarks.child import beside, child, cpu_us
from benchmarks.measure import Figure, Spread, against_floor, spread
from benchmarks.poll_client import Lane, register
from openadr_ra.net.tls import client_context
from openadr_ra.programs import certs
from openadr_ra.protocol.messages import Poll, Response
from openadr_ra.wire.codec import encode

MOST, MOST_PARSED, MOST_TLS = 1.5, 2.5, 1.4
"""Times the floor. openleadr took 5.6, and 4.4 over TLS, when the goals were set."""

LANES = 8
POLLS = 160
ROUNDS = 50
"""Of so many polls per server: 10 ms of the cheapest one's CPU time. The machine's mood lasts longer than a round."""

VEN_NAME = "bench"
SERVERS = ("floor", "ours", "peer")


def figures() -> Iterator[Figure]:
    plain = {server: ("-m", "benchmarks.poll_servers", server) for server in SERVERS}
    spreads = measured(plain)
    yield against_floor("idle oadrPoll at the VTN, plain HTTP", "us CPU", spreads, most=MOST)
    spreads = measured(plain, parsed=True)
    yield against_floor("the same, every poll parsed", "us CPU", spreads, most=MOST_PARSED)
    with TemporaryDirectory() as folder:
        now = datetime.now(UTC)
        home = Path(certs.init(Path(folder) / "certs", now=now).directory)
        shown = certs.issue(home, VEN_NAME, role="ven", key="ec", now=now)
        tls = client_context((Path(shown.certificate), Path(shown.key)), home / "ca.pem")
        over_tls = {server: ("-m", "benchmarks.signed_servers", server, str(home), "ec", "plain") for server in SERVERS}
        spreads = measured(over_tls, tls=tls)
    yield against_floor("idle oadrPoll at the VTN, mutual TLS, kept alive", "us CPU", spreads, most=MOST_TLS)


def measured(
    servers: Mapping[str, Sequence[str]], *, parsed: bool = False, tls: SSLContext | None = None
) -> Mapping[str, Spread]:
    """CPU microseconds per poll of each server, which is `python` with those words. `parsed`: no two polls are alike."""
    with ExitStack() as stack:
        stack.enter_context(beside())
        pids, lanes = {}, {}
        for server, words in servers.items():
            pid, port = stack.enter_context(child(*words))
            pids[server] = pid
            lanes[server] = [stack.enter_context(closing(Lane(int(port), tls=tls))) for _ in range(LANES)]
        vens = {server: register(lanes[server][0], VEN_NAME) for server in ("ours", "peer")}
        bodies = {}
        for server in servers:
            body = encode(Poll(ven_id=vens.get(server, vens["ours"])))
            polls = POLLS * (ROUNDS + 1)
            bodies[server] = distinct(body, polls) if parsed else (body,) * polls
        rounds: dict[str, list[float]] = {server: [] for server in servers}
        for first in range(0, POLLS * (ROUNDS + 1), POLLS):
            for server, pid in pids.items():
                before = cpu_us(pid)
                drive(lanes[server], bodies[server][first : first + POLLS])
                rounds[server].append((cpu_us(pid) - before) / POLLS)
        for server, ven_id in vens.items():
            assert isinstance(lanes[server][0].post(Poll(ven_id=ven_id), "OadrPoll"), Response)
    # The first round warms the servers up.
    return {server: spread(each[1:]) for server, each in rounds.items()}


def distinct(body: bytes, count: int) -> tuple[bytes, ...]:
    """`body` `count` times with blanks after its end, no two alike: bytes that were seen before need not be parsed."""
    digits = max(count - 1, 1).bit_length()
    return tuple(body + bytes(b" \n"[number >> place & 1] for place in range(digits)) for number in range(count))


def drive(lanes: Sequence[Lane], bodies: Sequence[bytes]) -> None:
    """Poll with each of `bodies`, a poll per connection at a time.

    The last answer is waited for first, then all others are there: to wake us for each would cost the server more than some
    of them do, and the slower one more often.
    """
    for first in range(0, len(bodies), len(lanes)):
        batch = tuple(zip(lanes, bodies[first : first + len(lanes)], strict=False))
        for lane, body in batch:
            lane.send("OadrPoll", body)
        for lane, _ in reversed(batch):
            lane.receive()
