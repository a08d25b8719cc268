"""The operator: publishes, changes and cancels events at each VTN's console, and declares absences at VENs'.

What it asks and what it hears is in the ledger; what it does not hear may have been done or not.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from openadr_ra import OadrRaError, SettingsError
from openadr_ra.console.client import Client
from openadr_ra.run.order import Order
from openadr_ra.run.orders import EventView
from openadr_ra.run.ven_orders import Declaration, Span
from torture.ledger import Declared, Ordered, Verb, Writer
from torture.scene import Cell
from torture.site import Site

EVERY_S = (0.6, 1.8)
"""Between two orders in a cell."""

ANSWER_S = 8.0
"""A console that has not answered by then is given up."""

NOTICE_S = 6.0
"""How long before its start it is published."""

LATER = "-far-"
"""In the names of events that are still to come when a run ends."""

MOST_EVENTS = 40
"""That a cell has for later at a time: each goes to its VENs with all the others."""


def console(site: Site, name: str, *, answer_s: float = ANSWER_S) -> Client:
    """Of that node. Raises OSError while it has made no token."""
    token = site.token(name).read_text("ascii").strip()
    return Client(f"http://127.0.0.1:{site.ports[name].console}", token, answer_s=answer_s)


class Operator:
    """Of one cell."""

    def __init__(self, site: Site, cell: Cell, seed: int, writer: Writer, absences: Writer) -> None:
        self._site = site
        self._cell = cell
        self._dice = random.Random(f"{seed} {cell.name}")  # noqa: S311 - no secret
        self._writer = writer
        self._absences = absences
        self._ending = False
        self._count = 0
        self._later: dict[str, Order] = {}
        self.near_until = datetime.now(UTC)

    async def work(self) -> None:
        """Until it is to end; what is under way then is waited for, so that it is in the ledger."""
        while not self._ending:
            await asyncio.to_thread(self._order)
            if self._dice.random() < 0.2:
                await asyncio.to_thread(self._declare)
            await asyncio.sleep(self._dice.uniform(*EVERY_S))

    def end(self) -> None:
        """No further order."""
        self._ending = True

    def _order(self) -> None:
        now = datetime.now(UTC)
        chance = self._dice.random()
        if self.near_until < now + timedelta(seconds=NOTICE_S):
            self._near(now)
        elif (chance < 0.5 and len(self._later) < MOST_EVENTS) or not self._later:
            self._publish(self._far(now))
        elif chance < 0.8:
            self._change()
        else:
            self._cancel()

    def _near(self, now: datetime) -> None:
        """An event to be lived through, after those before it: they must not overlap (rule 18)."""
        start = now + timedelta(seconds=NOTICE_S)
        count, every_s = self._dice.randint(2, 4), self._site.scene.near_s
        self.near_until = start + timedelta(seconds=every_s * count)
        self._publish(self._made("near", start, every_s, count, ""), near=True)

    def _far(self, now: datetime) -> Order:
        start = now + timedelta(hours=2 + 2 * self._count)
        return self._made("far", start, 1800, 3, f"http://{self._cell.name}.invalid/{self._count}")

    def _made(self, kind: str, start: datetime, every_s: int, count: int, context: str) -> Order:
        self._count += 1
        vens = self._dice.sample([ven.name for ven in self._cell.vens], self._dice.randint(1, len(self._cell.vens)))
        return Order(
            id=f"{self._cell.name}-{kind}-{self._count}",
            start=start.replace(microsecond=0),
            every_s=every_s,
            asks={ven: self._values(count) for ven in vens},
            market_context=context,
        )

    def _values(self, count: int) -> tuple[float, ...]:
        return tuple(round(self._dice.uniform(-4.0, 4.0), 1) for _ in range(count))

    def _publish(self, order: Order, *, near: bool = False) -> None:
        if not near:
            self._later[str(order.id)] = order
        self._ask("publish", order, lambda client: client.create(order), near=near)

    def _change(self) -> None:
        name = self._dice.choice(sorted(self._later))
        held = self._later[name]
        order = Order(
            start=held.start,
            every_s=held.every_s,
            asks={ven: self._values(3) for ven in held.asks},
            market_context=held.market_context,
        )
        self._ask("change", order, lambda client: client.change(name, order), name=name)

    def _cancel(self) -> None:
        name = self._dice.choice(sorted(self._later))
        order = self._later.pop(name)
        self._ask("cancel", order, lambda client: client.cancel(name), name=name)

    def _ask(
        self, verb: Verb, order: Order, call: Callable[[Client], EventView], *, name: str = "", near: bool = False
    ) -> None:
        modification, sure, why = None, False, ""
        try:
            modification = call(console(self._site, self._cell.vtn)).modification
        except (OadrRaError, OSError) as error:
            why = str(error)
            # A mistake of ours, as it says: nothing was done. Any other answer, or none, leaves that open.
            sure = isinstance(error, SettingsError)
        line = Ordered(
            at_s=time.monotonic(),
            cell=self._cell.name,
            verb=verb,
            event=name or str(order.id),
            near=near,
            vens=tuple(sorted(order.asks)),
            kw=tuple(value for ven in sorted(order.asks) for value in order.asks[ven]),
            modification=modification,
            sure=sure,
            why=why,
        )
        self._writer.write(line)

    def _declare(self) -> None:
        """A VEN is not available some day next year: no event is concerned, and both ends have to know it."""
        ven = self._dice.choice(self._cell.vens).name
        self._count += 1
        start = datetime.now(UTC) + timedelta(days=365 + self._count)
        opt_id = f"{ven}-away-{self._count}"
        span = Span(start=start.replace(microsecond=0), end=start.replace(microsecond=0) + timedelta(hours=1))
        acknowledged = True
        try:
            console(self._site, ven).declare(Declaration(opt="optOut", spans=(span,), id=opt_id))
        except (OadrRaError, OSError):
            acknowledged = False
        self._absences.write(Declared(at_s=time.monotonic(), ven=ven, opt_id=opt_id, acknowledged=acknowledged))
