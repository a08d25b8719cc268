"""An edge VEN at a VTN over mutual TLS: what it holds in memory, how soon it is registered, what it spends.

An edge is a process as an installer starts it, `python -m openadr_ra ven edge.toml`; the VTN runs here. The floor is a
process that imports the libraries that an edge cannot do without. It has one simulated battery; what it spends is that of
one with five, read each second.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import BinaryIO

import msgspec

from benchmarks.child import PYTHON, STOP_S, cpu_us, resident_mib, resident_mib_of
from benchmarks.measure import Figure, Spread, against_floor, spread
from openadr_ra.programs import certs
from openadr_ra.programs.certs import Initialised, Issued
from openadr_ra.run.vtn import Vtn
from openadr_ra.settings import from_table

MOST_RATIO = 1.3
"""Of what is resident to what the bare imports hold."""

MOST_START_S = 1.0
MOST_CPU_PERCENT = 2.0

RESOURCES = 5
READ_EVERY_S = 1
SETTLED_S = 5.0
"""From the registration on, until what comes once at the start is over."""

DAILY_WINDOWS, WINDOWS = 3, 5
WINDOW_S = 10.0
"""How long it is looked at what an edge spends; each has one live report."""

STARTS = 5
EDGES = 3
POLL_S = 1
SERVED_S = 20.0
"""How long an edge is polling before its memory is looked at; by then it has also sent its first reports."""

LIVE_S = 10
"""An edge with us reports six times as often as it would at PT1M, as VTNs usually have it."""

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
    """It is looked at for a shorter time."""
    yield from _figures(DAILY_WINDOWS)


def full() -> Iterator[Figure]:
    yield from _figures(WINDOWS)


def _figures(windows: int) -> Iterator[Figure]:
    with TemporaryDirectory() as folder:
        papers = issued(Path(folder))
        held = spread(asyncio.run(residents(papers)))
        starts = asyncio.run(start_times(papers))
        spent = asyncio.run(cpu_percents(papers, windows))
    bare = spread([imported_mib(LIBRARIES) for _ in range(EDGES)])
    peer = spread([imported_mib(PEER_LIBRARY) for _ in range(EDGES)])
    yield against_floor(
        "edge VEN, resident (floor and peer: bare imports)",
        "MiB",
        {"ours": held, "floor": bare, "peer": peer},
        most=MOST_RATIO,
    )
    ours, floor, theirs = (spread(times) for times in zip(*starts, strict=True))
    yield within("edge VEN, start to registered (floor: bare imports)", "s", MOST_START_S, ours, floor, theirs)
    yield within(f"edge VEN, CPU with {RESOURCES} resources at {READ_EVERY_S} s", "% core", MOST_CPU_PERCENT, spent)


def within(
    name: str, unit: str, most: float, ours: Spread, floor: Spread | None = None, peer: Spread | None = None
) -> Figure:
    """A figure with a goal in its own `unit`, and how far it varied."""
    return Figure(
        name=name,
        unit=unit,
        ours=ours.median,
        floor=floor.median if floor is not None else None,
        peer=peer.median if peer is not None else None,
        ratio_to_floor=ours.over(floor).median if floor is not None else None,
        ratio_to_peer=ours.over(peer).median if peer is not None else None,
        least=ours.least,
        most=ours.most,
        goal=f"at most {most:g} {unit}",
        met=ours.median <= most,
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


async def cpu_percents(papers: Papers, windows: int) -> Spread:
    """Per cent of a core that an edge spends."""
    async with vtn_running(papers) as vtn, edge(papers, papers.vens[0], vtn.url, resources=RESOURCES) as process:
        await registered(vtn, 1)
        await asyncio.sleep(SETTLED_S)
        found: list[float] = []
        for _ in range(windows):
            before, began = cpu_us(process.pid), perf_counter()
            await asyncio.sleep(WINDOW_S)
            found.append((cpu_us(process.pid) - before) / (perf_counter() - began) / 1e6 * 100)
    return spread(found)


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
async def edge(papers: Papers, ven: Issued, url: str, resources: int = 1) -> AsyncIterator[Process]:
    """A new edge VEN with simulated batteries, as a process of its own; what it has to complain of is shown."""
    name = Path(ven.certificate).stem
    settings = papers.folder / f"{name}.toml"
    for old in papers.folder.glob(f"{name}.db*"):
        old.unlink()
    settings.write_text(
        f'name = "{name}"\n'
        f'store = {{ url = "sqlite:{name}.db" }}\n'
        f'[[upstream]]\nurl = "{url}"\ncert = "{ven.certificate}"\nkey = "{ven.key}"\nca = "{papers.vtn.trust}"\n'
        f"[fleet]\nread_every_s = {READ_EVERY_S}\n"
        + "".join(f'[[device]]\nid = "bat-{number}"\ndriver = "simulated-battery"\n' for number in range(resources))
    )
    log = papers.folder / f"{name}.log"
    with log.open("wb") as file:
        async with spawned("-m", "openadr_ra", "ven", str(settings), stderr=file) as process:
            yield process
    sys.stderr.writelines(f"{line}\n" for line in log.read_text().splitlines() if " INFO " not in line)


@asynccontextmanager
async def spawned(*arguments: str, stderr: BinaryIO | None = None) -> AsyncIterator[Process]:
    """`python ARGUMENTS` until the block is left; what it has to complain of goes to `stderr`, or is shown."""
    process = await asyncio.create_subprocess_exec(PYTHON, *arguments, stdout=subprocess.PIPE, stderr=stderr)
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
