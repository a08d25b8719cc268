"""An oadrPoll that is held and brings nothing, beside one that is answered at once; over plain HTTP.

What is counted is the CPU time of the server's process: the poll comes, is held for a second, and is answered. Each VEN has
a connection of its own, and all poll at the same time. In the column of the floor are polls of the same VENs that do not
ask to be held.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import fleet
from benchmarks.child import beside, child, cpu_us
from benchmarks.measure import Figure, spread, without_goal
from benchmarks.poll_client import Lane
from openadr_ra.protocol.messages import Poll
from openadr_ra.wire.codec import encode

VENS = 200
ROUNDS = 5
PREFER = {"ours": "Prefer: wait=1\r\n", "floor": ""}


def figures() -> Iterator[Figure]:
    with TemporaryDirectory() as folder, ExitStack() as stack:
        stack.enter_context(beside())
        file = Path(folder) / "vtn.db"
        asyncio.run(fleet.enrol(file, VENS))
        pid, port = stack.enter_context(child("-m", "benchmarks.load_servers", "ours", str(file), "0"))
        lanes = [stack.enter_context(closing(Lane(int(port)))) for _ in range(VENS)]
        rounds: dict[str, list[float]] = {which: [] for which in PREFER}
        for _ in range(ROUNDS + 1):
            for which, header in PREFER.items():
                before = cpu_us(pid)
                poll(lanes, header)
                rounds[which].append((cpu_us(pid) - before) / VENS)
    # The first round warms it up.
    spreads = {which: spread(each[1:]) for which, each in rounds.items()}
    yield without_goal("oadrPoll at the VTN, held for a second in vain", "us CPU", spreads)


def poll(lanes: Sequence[Lane], header: str) -> None:
    """A poll of each VEN, over a connection each, all at once."""
    for number, lane in enumerate(lanes):
        lane.send("OadrPoll", encode(Poll(ven_id=fleet.ven_id(number))), header)
    for lane in reversed(lanes):
        assert b"responseCode>200<" in lane.receive()
