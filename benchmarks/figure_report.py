"""An oadrUpdateReport at the VTN, of 100 values and of five, over plain HTTP, committed to SQLite before it is answered.

The five are a live report as it comes once a minute, of a VEN whose poll is held meanwhile: the VTN then looks whether there
is something to say there, which counts. Eight VENs report at once, and every report has times of its own, so that all of it
is stored anew (`synchronous=FULL`, as it comes). Beside it openleadr, which keeps the same values in memory and holds no
poll; it is sent one value an interval, as its own VENs do. What is counted is the CPU time of the whole process on one core,
the thread that writes included.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.child import beside, child, cpu_us
from benchmarks.load_client import MINUTE, join, metadata, over, post_all, update
from benchmarks.load_servers import HOLD_S
from benchmarks.measure import Figure, Spread, against_peer, spread, without_goal
from benchmarks.poll_client import Lane
from openadr_ra.protocol.messages import Poll
from openadr_ra.protocol.model import ReportRequestId, VenId
from openadr_ra.wire.codec import encode


class Kind(NamedTuple):
    """A report's shape, whether its VEN has a poll that is held, and what it may cost, if anybody said."""

    rids: int
    intervals: int
    held: bool = False
    most_ms: float | None = None


WIDE, LONG = Kind(10, 10, most_ms=1.5), Kind(1, 100, most_ms=1.8)
LIVE = Kind(5, 1, held=True)

VENS = 8
ROUNDS = 15
REPORTS: Mapping[str, int] = {"ours": 80, "peer": 8}
"""In a round; one of the peer's takes as long as one of ours."""

HELD = f"Prefer: wait={HOLD_S}\r\n"
"""For longer than all rounds of a live report take."""

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Reporter(NamedTuple):
    lane: Lane
    ven: VenId
    request: ReportRequestId


def figures() -> Iterator[Figure]:
    with beside():
        for kind in (WIDE, LONG, LIVE):
            points = f"{_count(kind.rids, 'rID')} x {_count(kind.intervals, 'interval')}"
            name = f"oadrUpdateReport at the VTN, committed, {points}{', beside a held poll' if kind.held else ''}"
            if kind.most_ms is None:
                yield without_goal(name, "ms CPU", measured(kind))
            else:
                yield against_peer(name, "ms CPU", measured(kind), most=kind.most_ms)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''}"


def measured(kind: Kind) -> dict[str, Spread]:
    """CPU milliseconds a report of each server."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        pids: dict[str, int] = {}
        vens: dict[str, list[Reporter]] = {}
        for server in REPORTS:
            pids[server], port = stack.enter_context(
                child("-m", "benchmarks.load_servers", server, f"{folder}/vtn.db", "0")
            )
            lanes = [stack.enter_context(closing(Lane(int(port)))) for _ in range(VENS)]
            offer = (metadata(kind.rids),)
            vens[server] = [Reporter(lane, *join(f"bench-{n}", offer, over(lane))) for n, lane in enumerate(lanes)]
            if kind.held and server == "ours":
                for at in vens[server]:
                    held = stack.enter_context(closing(Lane(int(port))))
                    held.send("OadrPoll", encode(Poll(ven_id=at.ven)), HELD)
        rounds: dict[str, list[float]] = {server: [] for server in pids}
        for number in range(ROUNDS + 1):
            for server, pid in pids.items():
                posts = tuple(_posts(vens[server], kind, number, REPORTS[server], together=server == "ours"))
                before = cpu_us(pid)
                post_all("EiReport", posts, VENS)
                rounds[server].append((cpu_us(pid) - before) / len(posts) / 1000)
    # The first round warms the servers up.
    return {server: spread(each[1:]) for server, each in rounds.items()}


def _posts(
    vens: list[Reporter], kind: Kind, number: int, count: int, *, together: bool
) -> Iterator[tuple[Lane, bytes]]:
    """A round's reports; no time of a VEN comes twice."""
    for index in range(count):
        at = vens[index % VENS]
        start = BEGIN + (number * count // VENS + index // VENS) * kind.intervals * MINUTE
        yield at.lane, update(at.ven, at.request, start, rids=kind.rids, intervals=kind.intervals, together=together)
