"""An event to many VENs at the VTN, over plain HTTP: it is published, each VEN polls, gets it and answers it.

Ours commits each of its steps to SQLite before the other side hears of it (`synchronous=FULL`, as it comes), and each of its
VENs offers ten points to report. Beside it openleadr, which keeps the same in memory. Each round is a new event of four half
hours, to VENs that have polled before and have no other event. What is counted is the CPU time of the whole process on one
core, from the operator's order to the last oadrCreatedEvent acknowledged.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from signal import SIGUSR1
from tempfile import TemporaryDirectory

from msgspec.structs import replace

from benchmarks.child import Child, beside, cpu_us, talking
from benchmarks.fleet import enrol, ven_id
from benchmarks.load_client import accepting, post_all
from benchmarks.measure import Figure, Spread, against_peer, spread
from benchmarks.poll_client import Lane
from openadr_ra.protocol.messages import Poll
from openadr_ra.protocol.model import VenId
from openadr_ra.wire.codec import encode

MOST_MS = 0.45
"""openleadr took 1.75 when the goal was set."""

LANES = 32
"""VENs that poll and answer at once, as an event makes them; those whose steps wait at the same time share a commit."""
FEW_LANES = 8
ROUNDS = 15
VENS: Mapping[str, int] = {"ours": 160, "peer": 40}
"""In a round."""


def figures() -> Iterator[Figure]:
    with beside():
        name = f"event to N VENs, {LANES} at a time, published to answered, per VEN"
        yield against_peer(name, "ms CPU", measured(LANES), most=MOST_MS)


def full() -> Iterator[Figure]:
    """And where few answer at the same time, which has no goal."""
    yield from figures()
    with beside():
        few = against_peer(
            f"event to N VENs, {FEW_LANES} at a time, per VEN", "ms CPU", measured(FEW_LANES), most=MOST_MS
        )
        yield replace(few, goal="", met=True)


def measured(at_once: int) -> Mapping[str, Spread]:
    """CPU milliseconds a VEN of each server."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        file = Path(folder) / "vtn.db"
        asyncio.run(enrol(file, VENS["ours"] * (ROUNDS + 1)))
        servers: dict[str, Child] = {}
        lanes: dict[str, list[Lane]] = {}
        for server, vens in VENS.items():
            found = stack.enter_context(talking("-m", "benchmarks.load_servers", server, str(file), str(vens)))
            servers[server] = found
            lanes[server] = [stack.enter_context(closing(Lane(int(found.said)))) for _ in range(at_once)]
        rounds: dict[str, list[float]] = {server: [] for server in VENS}
        for number in range(ROUNDS + 1):
            for server, vens in VENS.items():
                asked = tuple(ven_id(number * vens + index) for index in range(vens))
                rounds[server].append(_round(servers[server], lanes[server], asked) / vens / 1000)
    # The first round warms the servers up.
    return {server: spread(each[1:]) for server, each in rounds.items()}


def _round(server: Child, lanes: Sequence[Lane], vens: Sequence[VenId]) -> float:
    """CPU microseconds of an event that all of these VENs answer."""
    polls = [(lanes[index % len(lanes)], encode(Poll(ven_id=ven))) for index, ven in enumerate(vens)]
    # They have been there for long: what the VTN reads of each only once is behind it.
    post_all("OadrPoll", polls, len(lanes))
    before = cpu_us(server.pid)
    os.kill(server.pid, SIGUSR1)
    assert next(server.lines) == "published"
    given = post_all("OadrPoll", polls, len(lanes), good=b"oadrDistributeEvent")
    answers = [(lane, accepting(ven)(said)) for (lane, _), ven, said in zip(polls, vens, given, strict=True)]
    post_all("EiEvent", answers, len(lanes))
    return cpu_us(server.pid) - before
