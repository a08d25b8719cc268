"""What a registered VEN with ten data points costs the VTN in memory: after a restart, when each has polled once.

What is counted is the resident memory of the server's process with many VENs, less that with a few.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import fleet
from benchmarks.child import beside, child, resident_mib_of
from benchmarks.measure import Figure
from benchmarks.poll_client import Lane
from openadr_ra.protocol.messages import Poll
from openadr_ra.wire.codec import encode

MOST_KIB = 8
"""openleadr took 29 when the goal was set."""

FEW, VENS = 200, 5000


def figures() -> Iterator[Figure]:
    with TemporaryDirectory() as folder, beside():
        few, all_ = (held_mib(Path(folder) / f"{count}.db", count) for count in (FEW, FEW + VENS))
    kib = (all_ - few) * 1024 / VENS
    yield Figure(
        name=f"registered VEN with {fleet.RIDS} rIDs, after a restart",
        unit="KiB resident",
        ours=kib,
        goal=f"at most {MOST_KIB} KiB",
        met=kib <= MOST_KIB,
    )


def held_mib(file: Path, count: int) -> float:
    """What a VTN holds that was started on the rows of so many VENs, and has been polled by each of them."""
    asyncio.run(fleet.enrol(file, count))
    with (
        child("-m", "benchmarks.load_servers", "ours", str(file), "0") as (pid, port),
        closing(Lane(int(port))) as lane,
    ):
        for number in range(count):
            lane.send("OadrPoll", encode(Poll(ven_id=fleet.ven_id(number))))
            assert b"oadrResponse" in lane.receive()
        return resident_mib_of(pid)
