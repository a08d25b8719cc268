"""What both ends have at the end, as their stores say once every process has stopped."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from openadr_ra.protocol.instruction import Instruction
from openadr_ra.protocol.node import EndNode
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.step import Entry, Key, State
from openadr_ra.protocol.times import FOREVER
from openadr_ra.protocol.vtn import Party
from openadr_ra.seams import Store
from openadr_ra.store import open_store
from torture.scene import Cell
from torture.site import Site

S = TypeVar("S", bound=State)

PAGE = 1000


class VtnEnd(msgspec.Struct, frozen=True, kw_only=True):
    """A VTN's store: events by id, VENs by venID, the journal in its order, readings by series."""

    events: dict[str, Instruction] = {}
    parties: dict[str, Party] = {}
    journal: tuple[Entry, ...] = ()
    readings: dict[str, tuple[Reading, ...]] = {}


class Ends(msgspec.Struct, frozen=True, kw_only=True):
    """All stores: VTNs by cell, VENs by name."""

    vtns: dict[str, VtnEnd] = {}
    vens: dict[str, EndNode] = {}


async def found(site: Site) -> Ends:
    """What the stores of a site hold. Raises StoreError where one cannot be read."""
    vtns = {cell.name: await _vtn(site, cell) for cell in site.scene.cells}
    vens: dict[str, EndNode] = {}
    for ven in site.scene.vens:
        store = await open_store(site.store_url(ven.name))
        held = await store.load(Key("node/upstream"), EndNode)
        await store.close()
        if held is not None:
            vens[ven.name] = held
    return Ends(vtns=vtns, vens=vens)


async def _vtn(site: Site, cell: Cell) -> VtnEnd:
    store = await open_store(site.store_url(cell.vtn))
    try:
        names = [name for ven in cell.vens for name in await store.series(f"{ven.name}/")]
        ever = datetime.min.replace(tzinfo=UTC)
        return VtnEnd(
            events=await _rows(store, "event/", Instruction),
            parties=await _rows(store, "party/", Party),
            journal=await _journal(store),
            readings={name: await store.readings((name,), ever, FOREVER) for name in names},
        )
    finally:
        await store.close()


async def _rows(store: Store, prefix: str, kind: type[S]) -> dict[str, S]:
    found: dict[str, S] = {}
    for key in await store.keys(prefix):
        held = await store.load(key, kind)
        if held is not None:
            found[key.removeprefix(prefix)] = held
    return found


async def _journal(store: Store) -> tuple[Entry, ...]:
    found: list[Entry] = []
    after = 0
    while page := await store.entries(after, PAGE):
        after = page[-1][0]
        found.extend(entry for _, entry in page)
    return tuple(found)
