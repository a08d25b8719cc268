"""An idle oadrPoll at the VTN over plain HTTP, every poll parsed, beside an aiohttp handler that parses nothing.

What is counted is the CPU time of the server's process. All three servers get the same bytes from the same client, over
several connections at once, so that a server always finds work and its naps do not count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing

from benchmarks.child import child, cpu_us
from benchmarks.measure import Figure, against_floor, spread
from benchmarks.poll_client import Lane, register
from openadr_ra.protocol.messages import Poll, Response
from openadr_ra.wire.codec import encode

MOST = 2.5
"""Times the floor. openleadr took 5.6 when the goal was set."""

LANES = 8
POLLS = 160
ROUNDS = 50
"""Of so many polls per server: 10 ms of the cheapest one's CPU time. The machine's mood lasts longer than a round."""

VEN_NAME = "bench"


def figures() -> Iterator[Figure]:
    with ExitStack() as stack:
        pids, lanes = {}, {}
        for server in ("floor", "ours", "peer"):
            pid, port = stack.enter_context(child("-m", "benchmarks.poll_servers", server))
            pids[server] = pid
            lanes[server] = [stack.enter_context(closing(Lane(int(port)))) for _ in range(LANES)]
        ven_id = register(lanes["ours"][0], VEN_NAME)
        assert register(lanes["peer"][0], VEN_NAME) == ven_id
        bodies = distinct(encode(Poll(ven_id=ven_id)), POLLS)
        rounds: dict[str, list[float]] = {server: [] for server in pids}
        for _ in range(ROUNDS + 1):
            for server, pid in pids.items():
                before = cpu_us(pid)
                drive(lanes[server], bodies)
                rounds[server].append((cpu_us(pid) - before) / POLLS)
        for server in ("ours", "peer"):
            assert isinstance(lanes[server][0].post(Poll(ven_id=ven_id), "OadrPoll"), Response)
    # The first round warms the servers up.
    spreads = {server: spread(each[1:]) for server, each in rounds.items()}
    yield against_floor("idle oadrPoll at the VTN, plain HTTP", "us CPU", spreads, most=MOST)


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
