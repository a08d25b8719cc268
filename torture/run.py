"""One run: nodes up, load on, faults by the schedule, quiet, nodes down, and then the books."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from openadr_ra import OadrRaError
from torture import faults
from torture.ends import found
from torture.faults import Tormentor
from torture.judge import Finding
from torture.keeper import Keeper
from torture.leash import leashed
from torture.ledger import Alive, Book, Declared, Done, Heard, Ordered, Told, Writer, lines
from torture.line import Line
from torture.operating import LATER, Operator, console
from torture.postgres import Postgres
from torture.scene import Scene
from torture.schedule import Fault
from torture.site import Site
from torture.site import make as make_site
from torture.verdict import judged

READY_S = 90.0
"""For all VENs to register, on a busy machine."""

QUIET_S = 150.0
"""For both ends to agree after the last fault. A VEN that backed off may wait a minute before it tries again."""

NEAR_OVER = timedelta(seconds=2)
"""And an interval, after the last event was over: that is answered for then."""

Say = Callable[[str], None]


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    book: Book
    findings: tuple[Finding, ...]
    starts: dict[str, int]


class Crew:
    """The processes and lines of a run, and what was noted of them."""

    def __init__(self, site: Site, stepped: frozenset[str]) -> None:
        """`stepped` are those whose clocks will be."""
        self.site = site
        self._stepped = stepped
        self.alive: list[Alive] = []
        self.done: list[Done] = []
        self.keepers = {name: self._keeper(name) for name in site.scene.nodes}
        self.lines: dict[str, tuple[Line, ...]] = {}
        for cell in site.scene.cells:
            for ven in cell.vens:
                ports = site.ports[ven.name]
                up = Line(ports.line, site.ports[cell.vtn].listen)
                down = (Line(ports.push_line, ports.listen),) if ven.way == "push" else ()
                self.lines[ven.name] = (up, *down)

    def _keeper(self, name: str) -> Keeper:
        site = self.site
        cell = site.scene.cell_of(name)
        if name == cell.vtn:
            workers = ("--workers", str(cell.workers)) if cell.workers > 1 else ()
            command = (sys.executable, "-m", "openadr_ra", "vtn", str(site.settings(name)), *workers)
        else:
            command = (sys.executable, "-m", "torture.ven", str(site.settings(name)), str(site.ledger(name)))
        env = faults.clock_of(site, name) if name in self._stepped else {}
        return Keeper(name, command, site.log(name), env, self.alive.append)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """All of it, until the block is left; then nodes are told to stop, VENs first."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._devices())
            group = await stack.enter_async_context(asyncio.TaskGroup())
            for lines_of_ven in self.lines.values():
                for line in lines_of_ven:
                    await line.open()
                    stack.push_async_callback(line.close)
            for keeper in self.keepers.values():
                stack.callback(group.create_task(keeper.keep()).cancel)
            yield
            vtns = {cell.vtn for cell in self.site.scene.cells}
            for names in (self.keepers.keys() - vtns, vtns):
                await asyncio.gather(*(self._stop(self.keepers[name]) for name in names))

    async def _stop(self, keeper: Keeper) -> None:
        if not await keeper.stop():
            # Whoever does not stop when it is told to is written down as one that ended by itself.
            now_s = time.monotonic()
            self.alive.append(Alive(name=f"{keeper.name} (SIGTERM)", began_s=now_s, ended_s=now_s, killed=False))

    @asynccontextmanager
    async def _devices(self) -> AsyncIterator[None]:
        command = leashed(
            sys.executable, "-m", "torture.device", str(self.site.devices_port), str(self.site.ledger("devices"))
        )
        process = await asyncio.create_subprocess_exec(*command)
        try:
            yield
        finally:
            process.kill()
            await process.wait()


async def run(
    folder: Path,
    scene: Scene,
    schedule: tuple[Fault, ...],
    *,
    seed: int,
    seconds: float,
    say: Say,
    servers: dict[str, Postgres],
) -> Ran:
    """Torture that scene by that schedule, in a folder that there is not yet."""
    site = make_site(folder, scene, {name: server.url for name, server in servers.items()})
    for name in scene.on_small_disks:
        faults.mount(site.disk(name))
    crew = Crew(site, frozenset(fault.target for fault in schedule if fault.kind == "clock"))
    async with crew.working():
        if lacking := await _until(lambda: _unregistered(site), READY_S):
            raise TimeoutError(f"not within {READY_S:g} s: {lacking}; see {folder}")
        say(f"{len(scene.vens)} VENs have registered with {len(scene.cells)} VTNs")
        await _load(crew, schedule, seed, seconds, servers, say)
        unquiet = await _until(lambda: _unsettled(site), QUIET_S)
        say(f"not quiet after {QUIET_S:g} s: {unquiet}" if unquiet else "all is quiet")
    book = _book(crew)
    return Ran(
        book=book,
        findings=judged(book, scene, await found(site)),
        starts={name: keeper.starts for name, keeper in crew.keepers.items()},
    )


async def _load(
    crew: Crew, schedule: tuple[Fault, ...], seed: int, seconds: float, servers: dict[str, Postgres], say: Say
) -> None:
    """Orders and faults, and orders a little longer."""
    site = crew.site
    writer = Writer(site.ledger("operator"))
    absences = Writer(site.ledger("absences"))
    operators = [Operator(site, cell, seed, writer, absences) for cell in site.scene.cells]
    tormentor = Tormentor(
        site,
        crew.keepers,
        crew.lines,
        _by_database(site.scene, servers),
        crew.done.append,
        say,
    )
    tasks = [asyncio.create_task(operator.work()) for operator in operators]
    began_s = time.monotonic()
    try:
        await tormentor.suffer(schedule)
        await asyncio.sleep(max(began_s + seconds - time.monotonic(), 0.0))
    finally:
        for operator in operators:
            operator.end()
        await asyncio.gather(*tasks)
    over = max(operator.near_until for operator in operators) + timedelta(seconds=site.scene.near_s) + NEAR_OVER
    await asyncio.sleep(max((over - datetime.now(UTC)).total_seconds(), 0.0))


def _by_database(scene: Scene, servers: dict[str, Postgres]) -> dict[str, Postgres]:
    """Servers by the name that a schedule has for them."""
    return {f"{cell.name}-database": servers[cell.vtn] for cell in scene.cells if cell.vtn in servers}


async def _until(lacking: Callable[[], str], within_s: float) -> str:
    """What is lacking still when the time is over; empty as soon as nothing is."""
    end_s = time.monotonic() + within_s
    while (what := await asyncio.to_thread(lacking)) and time.monotonic() < end_s:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.5)
    return what


def _unregistered(site: Site) -> str:
    """Which VEN a VTN does not know yet; empty once all are registered."""
    for cell in site.scene.cells:
        try:
            there = {ven.ven_id for ven in console(site, cell.vtn).vens() if ven.registered}
        except (OadrRaError, OSError) as error:
            return f"{cell.vtn}: {error}"
        lacking = {ven.name for ven in cell.vens} - there
        if lacking:
            return f"{cell.vtn} has not registered {', '.join(sorted(lacking))}"
    return ""


def _unsettled(site: Site) -> str:
    """Who is not answered, or has not answered for an event that is still to come; empty where all is quiet."""
    try:
        for cell in site.scene.cells:
            for ven in console(site, cell.vtn).vens():
                open_ones = [name for name in ven.unacknowledged if LATER in name]
                if open_ones or not ven.registered:
                    return f"{ven.ven_id} has not answered for {', '.join(open_ones)}"
            for place in cell.vens:
                for above in console(site, place.name).upstreams():
                    owed = [one for one in above.owed if one != "Update"]
                    if above.link != "connected" or above.unanswered > 1 or owed:
                        return f"{place.name} is {above.link}, owes {', '.join(owed) or 'reports'}: {above.last_error}"
    except (OadrRaError, OSError) as error:
        return str(error)
    return ""


def _book(crew: Crew) -> Book:
    site = crew.site
    return Book(
        orders=lines(site.ledger("operator"), Ordered),
        declared=lines(site.ledger("absences"), Declared),
        heard={ven.name: lines(site.ledger(ven.name), Heard) for ven in site.scene.vens},
        told=lines(site.ledger("devices"), Told),
        alive=tuple(crew.alive),
        done=tuple(crew.done),
    )
