"""An edge VEN with one simulated battery at a VTN over mutual TLS: what it holds in memory, and how soon it is registered.

An edge is a process as an installer starts it, `python -m openadr_ra ven run edge.toml`; the VTN runs here. The floor is a
process that imports the libraries that an edge cannot do without.
"""

from __future__ import annotations

import asyncio
import subprocess
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import msgspec

from benchmarks.child import PYTHON, STOP_S, resident_mib, resident_mib_of
from benchmarks.measure import Figure, at_most
from openadr_ra.programs import certs
from openadr_ra.programs.certs import Initialised, Issued
from openadr_ra.run.vtn import Vtn
from openadr_ra.settings import from_table

MOST_MIB = 65.0
"""openleadr's bare import had 58 when the goal was set."""

MOST_START_S = 2.0

STARTS = 5
EDGES = 3
POLL_S = 1
SERVED_S = 20.0
"""How long an edge is polling before its memory is looked at; by then it has also sent its first reports."""

LIVE_S = 10
LOOK_S = 0.005
PATIENCE_S = 30.0

LIBRARIES = "import aiohttp, cryptography.x509, lxml.etree, msgspec"
"""What an edge's own imports come to; `import lxml, cryptography` would load next to nothing."""

PEER_LIBRARY = "import openleadr"
SAY_DONE = "print('done', flush=True)"
SHOW_STATUS = "print(open('/proc/self/status').read())"


class Papers(msgspec.Struct, frozen=True, kw_only=True):
    """The certificates of the VTN, and of its VENs."""

    folder: Path
    vtn: Initialised
    vens: tuple[Issued, ...]


def figures() -> Iterator[Figure]:
    with TemporaryDirectory() as folder:
        papers = issued(Path(folder))
        ours_mib = median(asyncio.run(residents(papers)))
        starts = asyncio.run(start_times(papers))
    yield at_most(
        "edge VEN, resident (floor and peer: bare imports)",
        "MiB",
        MOST_MIB,
        ours=ours_mib,
        floor=median(imported_mib(LIBRARIES) for _ in range(EDGES)),
        peer=median(imported_mib(PEER_LIBRARY) for _ in range(EDGES)),
    )
    yield at_most(
        "edge VEN, start to registered (floor: bare imports)",
        "s",
        MOST_START_S,
        ours=median(ours for ours, _, _ in starts),
        floor=median(floor for _, floor, _ in starts),
        peer=median(peer for _, _, peer in starts),
    )


def issued(folder: Path) -> Papers:
    """A throw-away CA with what it takes."""
    now = datetime.now(UTC)
    made = certs.init(folder / "certs", now=now)
    names = [f"edge-{number}" for number in range(EDGES)]
    vens = tuple(certs.issue(folder / "certs", name, role="ven", key="ec", now=now) for name in names)
    return Papers(folder=folder, vtn=made, vens=vens)


async def residents(papers: Papers) -> tuple[float, ...]:
    """MiB of each of several edges that have served one VTN for a while."""
    async with AsyncExitStack() as stack:
        vtn = await stack.enter_async_context(vtn_running(papers))
        edges = [await stack.enter_async_context(edge(papers, ven, vtn.url)) for ven in papers.vens]
        await registered(vtn, EDGES)
        await asyncio.sleep(SERVED_S)
        return tuple(resident_mib_of(each.pid) for each in edges)


async def start_times(papers: Papers) -> tuple[tuple[float, float, float], ...]:
    """Seconds of several starts: ours, the floor's, the peer's, in turn; each VEN is a stranger to a VTN of its own."""
    ven = papers.vens[0]
    found = []
    for _ in range(STARTS):
        async with vtn_running(papers) as vtn:
            began = perf_counter()
            async with edge(papers, ven, vtn.url):
                ours = await registered(vtn, 1) - began
        began = perf_counter()
        async with spawned("-c", f"{LIBRARIES}; {SAY_DONE}") as process:
            assert process.stdout is not None
            assert await process.stdout.readline()
            floor = perf_counter() - began
        async with vtn_running(papers) as vtn:
            began = perf_counter()
            files = (ven.certificate, ven.key, papers.vtn.trust)
            async with spawned("-m", "benchmarks.edge_peer", vtn.url, *files):
                peer = await registered(vtn, 1) - began
        found.append((ours, floor, peer))
    return tuple(found)


@asynccontextmanager
async def vtn_running(papers: Papers) -> AsyncIterator[Vtn]:
    """A VTN that knows nobody, and takes whom our CA signed."""
    downstream = {
        "listen": "127.0.0.1:0",
        "cert": [each.certificate for each in papers.vtn.vtn],
        "key": [each.key for each in papers.vtn.vtn],
        "client_ca": papers.vtn.trust,
        "admit": "ca",
        "poll_s": POLL_S,
        "live_s": LIVE_S,
    }
    settings = from_table({"store": {"url": "memory"}, "downstream": downstream}, papers.folder / "vtn.toml")
    async with Vtn(settings).running() as vtn:
        yield vtn


@asynccontextmanager
async def edge(papers: Papers, ven: Issued, url: str) -> AsyncIterator[Process]:
    """A new edge VEN, as a process of its own."""
    name = Path(ven.certificate).stem
    settings = papers.folder / f"{name}.toml"
    for old in papers.folder.glob(f"{name}.db*"):
        old.unlink()
    settings.write_text(
        f'name = "{name}"\n'
        f'store = {{ url = "sqlite:{name}.db" }}\n'
        f'[[upstream]]\nurl = "{url}"\ncert = "{ven.certificate}"\nkey = "{ven.key}"\nca = "{papers.vtn.trust}"\n'
        '[[device]]\nid = "bat-1"\ndriver = "simulated-battery"\n'
    )
    async with spawned("-m", "openadr_ra", "ven", "run", str(settings), "--log-level", "warning") as process:
        yield process


@asynccontextmanager
async def spawned(*arguments: str) -> AsyncIterator[Process]:
    """`python ARGUMENTS` until the block is left; what it has to complain of is shown."""
    process = await asyncio.create_subprocess_exec(PYTHON, *arguments, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(STOP_S):
            await process.wait()


async def registered(vtn: Vtn, vens: int) -> float:
    """When the VTN knew that `vens` VENs are registered, by the performance counter."""
    async with asyncio.timeout(PATIENCE_S):
        while sum(each.registered for each in await vtn.vens()) < vens:  # noqa: ASYNC110 - looked at as from outside
            await asyncio.sleep(LOOK_S)
    return perf_counter()


def imported_mib(statement: str) -> float:
    """What a Python process holds that has done `statement`."""
    command: Sequence[str] = (PYTHON, "-c", f"{statement}; {SHOW_STATUS}")
    return resident_mib(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
