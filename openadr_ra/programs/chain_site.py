"""The chain while it runs: the DRAS and the AC in this process, each RA in its own, and the gateways in a few."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from openadr_ra.console.client import Client
from openadr_ra.fleet.state import Fleet
from openadr_ra.programs import chain_nodes, demo_sites
from openadr_ra.programs.chain_plant import AC, LEAVING, LOST, Aggregator, Plant
from openadr_ra.programs.demo_edges import Edge, Processes, processes
from openadr_ra.programs.demo_screen import Screen
from openadr_ra.programs.demo_story import Failed, logged
from openadr_ra.programs.serve import Started
from openadr_ra.run.node import Node
from openadr_ra.run.vtn import Vtn
from openadr_ra.seams import Clock, Store


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What is there to give orders to: `lost` is the gateway that will be lost, `leaving` the other one's console."""

    out: Path
    dras: Vtn
    ac: Node
    ras: tuple[Client, ...]
    lost: Edge
    leaving: Client
    rest: tuple[Edge, ...]

    @property
    def ac_store(self) -> Store:
        """What the AC knows. Raises Failed once it has ended."""
        if self.ac.vtn is None:
            raise Failed("the AC has ended")
        return self.ac.vtn.store

    async def gateways_registered(self) -> int:
        """At both RAs."""
        found = await asyncio.gather(*(asyncio.to_thread(ra.vens) for ra in self.ras))
        return sum(ven.registered for vens in found for ven in vens)

    async def fleet(self) -> Fleet:
        """What the AC was promised by whom."""
        return await self.ac.fleet.state() if self.ac.fleet is not None else Fleet()


@asynccontextmanager
async def running(out: Path, plant: Plant, clock: Clock, screen: Screen) -> AsyncIterator[Site]:
    """Everybody, until the block is left. Raises Failed for a node that does not start."""
    folder = out / "certs"
    names = (AC, *(ra.name for ra in plant.ras), *(gateway.name for gateway in plant.gateways))
    reused = demo_sites.make_certificates(folder, [(name, "ec") for name in names], clock.now())
    screen.say(f"certificates  {'those there are' if reused else 'a throw-away CA'} in {folder}")
    async with AsyncExitStack() as stack:
        stack.enter_context(logged(out / f"{AC}.log"))
        dras = await stack.enter_async_context(Vtn.from_toml(chain_nodes.write_dras(out, plant)).running())
        ac = await stack.enter_async_context(Node.from_toml(chain_nodes.write_ac(out, plant, dras.url)).running())
        if ac.vtn is None:
            raise Failed("the AC has no VTN")
        started = await stack.enter_async_context(processes())
        screen.say(f"DRAS, AC      VTNs at {dras.url} and {ac.vtn.url}; everybody with mutual TLS")
        ras = await asyncio.gather(*(_ra(out, plant, ra, ac.vtn.url, started, screen) for ra in plant.ras))
        found = await asyncio.gather(
            *(_gateways(out, plant, ra, url, started) for ra, (_, url) in zip(plant.ras, ras, strict=True))
        )
        leaving = next(client for clients in found for client in clients)
        gone = next(edge for edge in started.all if edge.name == LOST)
        yield Site(
            out=out,
            dras=dras,
            ac=ac,
            ras=tuple(client for client, _ in ras),
            lost=gone,
            leaving=leaving,
            rest=tuple(edge for edge in started.all if edge is not gone),
        )


async def _ra(
    out: Path, plant: Plant, ra: Aggregator, above: str, started: Processes, screen: Screen
) -> tuple[Client, str]:
    """Its console, and where its VTN is."""
    path = chain_nodes.write_ra(out, plant, ra, above)
    node = await _node(path, "run", started)
    if node.vtn is None:
        raise Failed(f"{ra.name} has no VTN; its log is {path.with_suffix('.log')}")
    homes = sum(thing.kind == "home batteries" for gateway in ra.gateways for thing in gateway.things)
    screen.say(f"RA            {ra.name} at {node.vtn}: {len(ra.gateways)} gateways, {homes} home batteries")
    return _client(node, path), node.vtn


async def _gateways(out: Path, plant: Plant, ra: Aggregator, url: str, started: Processes) -> tuple[Client, ...]:
    """All of its gateways started; the consoles of those that have one."""
    paths = {gateway.name: chain_nodes.write_edge(out, plant, gateway, url) for gateway in ra.gateways}
    clients: list[Client] = []
    for name, path in paths.items():
        if name == LOST:
            await started.module(name, path.with_suffix(".log"), "openadr_ra", "ven", str(path))
        if name == LEAVING:
            clients.append(_client(await _node(path, "ven", started), path))
    rest = [str(path) for name, path in paths.items() if name not in (LOST, LEAVING)]
    log = out / chain_nodes.EDGES / f"{ra.name}-gateways.log"
    await started.module(f"{ra.name}'s gateways", log, "openadr_ra.programs.chain_edges", *rest)
    return tuple(clients)


async def _node(path: Path, command: str, started: Processes) -> Started:
    log = path.with_suffix(".log")
    _, line = await started.talking(path.stem, log, "openadr_ra", command, str(path), "--json")
    try:
        return msgspec.json.decode(line, type=Started)
    except msgspec.DecodeError:
        raise Failed(f"{path.stem} did not start; its log is {log}") from None


def _client(node: Started, path: Path) -> Client:
    if node.console is None:
        raise Failed(f"{node.name} has no console; its log is {path.with_suffix('.log')}")
    return Client(node.console, path.with_suffix(".token").read_text("utf-8").strip())
