"""A chain of nodes on this machine, without certificates: a DRAS, an AC, RAs, and edges with simulated batteries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import msgspec

from openadr_ra import Vtn
from openadr_ra.fleet.fleet import Fleet
from openadr_ra.protocol.model import ResourceId
from openadr_ra.run.clock import SystemClock
from openadr_ra.run.node import Node
from openadr_ra.settings import NodeSettings, from_table
from openadr_ra.store import MemoryStore
from tests.run.site import PATIENCE, Table

HURRY: Table = {
    "read_every_s": 0.2,
    "track_every_s": 0.5,
    "settle_s": 0.5,
    "lease_s": 5,
    "below_every_s": 1,
    "grace_s": 10,
    "offline_s": 30,
    "stated_s": 10,
}
"""A fleet whose minutes are seconds."""

DOWN: Table = {"listen": "127.0.0.1:0", "admit": "ca", "poll_s": 1, "live_s": 1, "slot_s": 0, "silent_reports": 10}


def battery(name: str, **settings: object) -> Table:
    """5 kW, 10 kWh, half full, idle by itself; half an hour is ten seconds."""
    return {"id": name, "driver": "simulated-battery", "speed": 180} | settings


def settings(name: str, *, up: dict[str, str] | None = None, down: bool = False, **more: object) -> NodeSettings:
    """A node called `name`; `up` are the VTNs above it by the names it has for them."""
    table: Table = {"name": name, "fleet": HURRY} | more
    if up:
        table["upstream"] = [{"url": url, "name": called, "ven_id": name} for called, url in up.items()]
    if down:
        table["downstream"] = DOWN | {"vtn_id": name}
    return from_table(table, Path("node.toml"))


class Tiers(msgspec.Struct, kw_only=True):
    """What runs. `dras` is a plain VTN; `ac`, `ras` and `edges` are nodes."""

    dras: Vtn
    ac: Node
    ras: tuple[Node, ...]
    edges: tuple[Node, ...]


def vtn(node: Node) -> Vtn:
    assert node.vtn is not None
    return node.vtn


async def fleet(node: Node) -> Fleet:
    """Who is promised what at this node."""
    if node.fleet is not None:
        return await node.fleet.state()
    assert node.ven is not None
    return await node.ven.desk.state()


async def eventually(condition: Callable[[], Awaitable[bool]], within: timedelta = PATIENCE) -> None:
    """Return once it holds."""
    clock = SystemClock()
    end = clock.now() + within
    while not await condition():
        assert clock.now() < end, f"not within {within}: {condition.__qualname__}"
        await clock.sleep_until(clock.now() + timedelta(seconds=0.1))


async def counts(node: Node, *members: str) -> None:
    """Wait until the fleet of this node counts on all of these."""

    async def counted() -> bool:
        found = (await fleet(node)).members
        return all((member := found.get(ResourceId(name))) is not None and member.last is not None for name in members)

    await eventually(counted)


@asynccontextmanager
async def chain(*edges: tuple[Table, ...]) -> AsyncIterator[Tiers]:
    """A DRAS, an AC, one RA and as many edges as there are tuples of devices; all of them know what the others can give."""
    async with AsyncExitStack() as stack:
        dras = await stack.enter_async_context(Vtn(settings("dras", down=True), store=MemoryStore()).running())
        ac = await node(stack, settings("ac", up={"dras": dras.url}, down=True))
        ra = await node(stack, settings("ra", up={"ac": vtn(ac).url}, down=True))
        below = [
            await node(stack, settings(f"edge-{number}", up={"ra": vtn(ra).url}, device=list(devices)))
            for number, devices in enumerate(edges, 1)
        ]
        await counts(ra, *(f"edge-{number}" for number in range(1, len(edges) + 1)))
        await counts(ac, "ra")
        yield Tiers(dras=dras, ac=ac, ras=(ra,), edges=tuple(below))


def url(node: Node) -> str:
    """Where VENs reach its VTN."""
    return vtn(node).url


async def registered(vtn: Vtn, *vens: str) -> None:
    """Wait until these VENs are registered."""

    async def there() -> bool:
        return {one.ven_id for one in await vtn.vens() if one.registered} >= set(vens)

    await eventually(there)


@asynccontextmanager
async def two_above() -> AsyncIterator[tuple[Vtn, Vtn, Node]]:
    """Two VTNs, and under both an aggregator with a battery of its own and one edge; they know what it can give."""
    async with AsyncExitStack() as stack:
        one, other = [
            await stack.enter_async_context(Vtn(settings(name, down=True), store=MemoryStore()).running())
            for name in ("one", "other")
        ]
        ra = await node(
            stack, settings("ra", up={"one": one.url, "other": other.url}, down=True, device=[battery("own")])
        )
        await node(stack, settings("edge", up={"ra": url(ra)}, device=[battery("b1")]))
        await counts(ra, "own", "edge")
        await registered(one, "ra")
        await registered(other, "ra")
        yield one, other, ra


async def node(stack: AsyncExitStack, made: NodeSettings) -> Node:
    """That forgets, unless its store is one that it shares."""
    return await stack.enter_async_context(Node(made, store=None if made.store.shared else MemoryStore()).running())
