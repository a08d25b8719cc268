"""Node: whatever a settings file describes, a VTN, a VEN or both, on one store and one clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from openadr_ra.errors import InvalidId, SettingsError
from openadr_ra.protocol.agenda import FLEET
from openadr_ra.protocol.model import OptType
from openadr_ra.run.clock import SystemClock
from openadr_ra.run.fleet import FleetDesk
from openadr_ra.run.retention import bounded
from openadr_ra.run.traffic import Tap, no_tap
from openadr_ra.run.unwrapped import unwrapped
from openadr_ra.run.upstream import Handler
from openadr_ra.run.ven import Ven
from openadr_ra.seams import Clock, DriverFactory, Store
from openadr_ra.settings import NodeSettings, read
from openadr_ra.store import open_store

if TYPE_CHECKING:
    from openadr_ra.net.listening import Sockets
    from openadr_ra.protocol.step import Key, Mail, Outcome
    from openadr_ra.protocol.vtn import Party
    from openadr_ra.run.vtn import Vtn


class Node:
    """Both sides of a node. Use `async with node.running():`, or `await node.run()`.

    `vtn` and `ven` are there while it runs; one of them is None where the settings have no such side. With a VTN there is a
    `fleet`, whose members are its VENs and the node's own devices; unless another process `leads` it, on the same store.
    The other arguments are those of `Ven` and `Vtn`.
    """

    def __init__(
        self,
        settings: NodeSettings,
        *,
        drivers: Mapping[str, DriverFactory] | None = None,
        on_event: Handler | None = None,
        clock: Clock | None = None,
        store: Store | None = None,
        tap: Tap = no_tap,
        sockets: Sockets = (),
        leads: bool = True,
    ) -> None:
        if settings.downstream is None and not settings.upstream:
            raise SettingsError(
                "a node needs [downstream] (it is a VTN), [[upstream]] (it is a VEN) or both; see README"
            )
        self.settings = settings
        self.clock = clock or SystemClock()
        self.vtn: Vtn | None = None
        self.ven: Ven | None = None
        self.fleet: FleetDesk | None = None
        self._drivers = drivers
        self._on_event = on_event
        self._store = store
        self._tap = tap
        self._sockets = sockets
        self._leads = leads

    @classmethod
    def from_toml(
        cls,
        path: str | Path,
        *,
        drivers: Mapping[str, DriverFactory] | None = None,
        on_event: Handler | None = None,
        tap: Tap = no_tap,
    ) -> Self:
        """The node that a settings file describes. Raises SettingsError."""
        return cls(read(Path(path)), drivers=drivers, on_event=on_event, tap=tap)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Be both until the block is left. What one side raises ends the other too."""
        try:
            async with unwrapped(), AsyncExitStack() as stack:
                store = self._store
                if store is None:
                    store = await open_store(self.settings.store.url)
                    stack.push_async_callback(store.close)
                await stack.enter_async_context(bounded(store, self.clock, self.settings))
                await self._enter(stack, store)
                yield self
        finally:
            self.vtn = self.ven = self.fleet = None

    @property
    def is_led_elsewhere(self) -> bool:
        """Whether another process leads the fleet of its VENs."""
        return not self._leads and self.settings.downstream is not None

    async def run(self) -> None:
        """Be both until cancelled."""
        async with self.running():
            await asyncio.Event().wait()

    async def drain(self) -> None:
        """Before the end: return when the VENs below have had their answers. See `Vtn.drain`."""
        if self.vtn is not None:
            await self.vtn.drain()

    async def missing(self) -> tuple[str, ...]:
        """What it still waits for before it can serve, a sentence each; empty once it is ready."""
        if self.vtn is None and self.ven is None:
            return ("the node is not running",)
        lacking: list[str] = []
        for upstream in self.settings.upstream:
            known = await self.ven.upstream(upstream.name) if self.ven is not None else None
            if known is None or known.member.phase != "registered":
                said = f": {known.member.refusal}" if known is not None and known.member.refusal else ""
                lacking.append(f"upstream {upstream.name} has not registered us{said}")
        return tuple(lacking)

    async def opt(self, event_id: str, opt: OptType | None) -> None:
        """The operator's own word on an event from above; None takes it back. Raises InvalidId for an unknown one."""
        ven = self.ven
        if ven is None:
            raise InvalidId("this node is no VEN: its settings have no [[upstream]]")
        known = [await ven.upstream(upstream.name) for upstream in self.settings.upstream]
        if not any(held is not None and event_id in held.agenda for held in known):
            raise InvalidId(f"event {event_id} is unknown here: no upstream has sent it, or it is long over")
        await ven.opt(event_id, opt)

    async def _enter(self, stack: AsyncExitStack, store: Store) -> None:
        """The VTN first: a port that is in use is noticed before anything is said upward."""
        if self.settings.downstream is not None:
            # A server is some MB of code that an edge VEN on a small gateway would carry for nothing.
            from openadr_ra.run.below import Below
            from openadr_ra.run.vtn import Vtn

            vtn = Vtn(self.settings, clock=self.clock, store=store, tap=self._tap, sockets=self._sockets)
            if not self._leads:
                self.vtn = await stack.enter_async_context(vtn.running())
                return
            below = Below(self.settings.downstream, store, self.clock)
            fleet = FleetDesk(self.settings, drivers=self._drivers or {}, clock=self.clock, store=store, below=below)

            def heard(step: tuple[Key, Outcome[Party]] | None, mail: tuple[Mail, ...]) -> None:
                if step is not None:
                    below.heard(*step)
                if any(item.to == FLEET for item in mail):
                    fleet.poke()

            def elsewhere(keys: frozenset[Key], names: bool) -> None:
                below.others(keys, lost=names and not keys)
                if FLEET in keys:
                    fleet.poke()

            vtn.listen(heard)
            store.watch(elsewhere)
            fleet.listen(vtn.posted)
            await fleet.open(stack)
            self.vtn = await stack.enter_async_context(vtn.running())
            if not self.settings.upstream:
                await fleet.enrol(())
            self.fleet = fleet
        if self.settings.upstream:
            ven = Ven(
                self.settings,
                drivers=self._drivers,
                on_event=self._on_event,
                clock=self.clock,
                store=store,
                tap=self._tap,
                fleet=self.fleet,
            )
            self.ven = await stack.enter_async_context(ven.running())
        if self.fleet is not None:
            # Not before the VEN knows which of its VTNs have been silent for too long: no device is to move for those.
            group = await stack.enter_async_context(asyncio.TaskGroup())
            for work in self.fleet.work():
                stack.callback(group.create_task(work).cancel)
