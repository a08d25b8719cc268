"""What an idle oadrPoll costs the VTN by how many VENs are registered: a hundred, and a thousand times as many.

What is counted is the CPU time of the server's process, over plain HTTP. The polls are spread over all the VENs there are,
each of which has polled before.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import fleet
from benchmarks.child import beside, child, cpu_us
from benchmarks.figure_poll import LANES, drive
from benchmarks.measure import Figure, spread
from benchmarks.poll_client import Lane
from openadr_ra.protocol.messages import Poll
from openadr_ra.wire.codec import encode

FEW, MANY = 100, 100_000
MOST = 1.25
"""Times the cost with FEW."""

POLLS = 400
ROUNDS = 30
SEED = 1


def figures() -> Iterator[Figure]:
    """A fifth of them, which takes a fifth of the time."""
    yield from _figures(MANY // 5)


def full() -> Iterator[Figure]:
    yield from _figures(MANY)


def _figures(most: int) -> Iterator[Figure]:
    order = random.Random(SEED)  # noqa: S311 - the same polls each time, nothing secret
    with TemporaryDirectory() as folder, ExitStack() as stack:
        stack.enter_context(beside())
        pids, lanes = {}, {}
        for count in (FEW, most):
            file = Path(folder) / f"{count}.db"
            copied(file, count)
            pid, port = stack.enter_context(child("-m", "benchmarks.load_servers", "ours", str(file), "0"))
            pids[count] = pid
            lanes[count] = [stack.enter_context(closing(Lane(int(port)))) for _ in range(LANES)]
            drive(lanes[count], [poll(number) for number in range(count)])
        rounds: dict[int, list[float]] = {FEW: [], most: []}
        for _ in range(ROUNDS + 1):
            for count, pid in pids.items():
                bodies = [poll(order.randrange(count)) for _ in range(POLLS)]
                before = cpu_us(pid)
                drive(lanes[count], bodies)
                rounds[count].append((cpu_us(pid) - before) / POLLS)
    few, many = (spread(rounds[count][1:]) for count in (FEW, most))
    ratio = many.over(few)
    yield Figure(
        name=f"idle oadrPoll with {most:,} registered VENs, against {FEW}",
        unit="us CPU",
        ours=many.median,
        floor=few.median,
        ratio_to_floor=ratio.median,
        least=ratio.least,
        most=ratio.most,
        goal=f"at most {MOST:g} x floor",
        met=ratio.median <= MOST,
    )


def poll(number: int) -> bytes:
    return encode(Poll(ven_id=fleet.ven_id(number)))


def copied(file: Path, count: int) -> None:
    """A store with `count` VENs: one that registered, and rows of the others that say the same of them."""
    asyncio.run(fleet.enrol(file, 1))
    own = fleet.name(0)
    with closing(sqlite3.connect(file)) as database, database:
        key, *fixed, body = database.execute("SELECT key, kind, format, version, due, body FROM states").fetchone()
        others = (fleet.name(number) for number in range(1, count))
        rows = ((key.replace(own, other), *fixed, body.replace(own, other)) for other in others)
        database.executemany(
            "INSERT INTO states (key, kind, format, version, due, body) VALUES (?, ?, ?, ?, ?, ?)", rows
        )
