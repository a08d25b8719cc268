"""Events of an operator for the node's own fleet: stored as they were ordered, promised by the fleet."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from msgspec.structs import asdict, replace

from openadr_ra.errors import InvalidData, InvalidId
from openadr_ra.fleet.fleet import Fleet
from openadr_ra.fleet.promise import Promise
from openadr_ra.fleet.state import BY_FLEET, OPERATOR
from openadr_ra.protocol import instruction as instructions
from openadr_ra.protocol.agenda import FLEET
from openadr_ra.protocol.instruction import Instruction
from openadr_ra.protocol.model import OPT_IN, OPT_OUT, SETPOINT, EventId, OptType, VenId
from openadr_ra.protocol.schedule import Schedule
from openadr_ra.protocol.step import AnyLetter, Entry, Key, Outcome, Record
from openadr_ra.protocol.times import shift
from openadr_ra.run.fleet import FleetDesk
from openadr_ra.run.fleet_response import known, response_of
from openadr_ra.run.fleet_view import promise_view, shares
from openadr_ra.run.order import FLEET_VEN
from openadr_ra.run.orders import (
    EventDetail,
    EventView,
    Order,
    Report,
    changed,
    detail,
    instruction,
    report,
    view,
)
from openadr_ra.run.responses import ResponseRow
from openadr_ra.seams import Clock, Store

if TYPE_CHECKING:
    from openadr_ra.run.node import Node

PREFIX = "own/"
"""Before the id in the key of such an event's row; those for VENs are the VTN's."""

LOOK_AGAIN = timedelta(seconds=1)
"""So often it is looked whether something is known that was not."""

GRACE = timedelta(seconds=90)
"""After an event's end the response of its last interval is waited for so much longer than VENs below are."""


class Over(InvalidData):
    """It is too late for that: the event is cancelled, or over."""


async def is_ordered(node: Node, event_id: str) -> bool:
    """Is it an event that an operator gave to the fleet of a node that runs, whichever process leads that?"""
    return await _ordered(_store(node), event_id) is not None


async def is_taken(node: Node, event_id: str) -> bool:
    """Has that fleet an event of that name, of whomever?"""
    return await _is_taken(_store(node), event_id)


class FleetEvents:
    """What an operator asks of the fleet itself. An event for it is an Instruction whose one addressee is FLEET_VEN."""

    def __init__(self, desk: FleetDesk, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock
        self._ordering = asyncio.Lock()

    async def event(self, event_id: str) -> Instruction | None:
        """What was ordered last under that id; None where it is no event for the fleet."""
        return await _ordered(self._desk.store, event_id)

    async def events(self) -> tuple[EventView, ...]:
        """Every one of them as it stands."""
        keys = await self._desk.store.keys(PREFIX)
        found = [await self._desk.store.load(key, Instruction) for key in keys]
        return tuple([await self._view(held) for held in found if held is not None])

    async def is_taken(self, event_id: str) -> bool:
        """Has the fleet an event of that name, of whomever?"""
        return await _is_taken(self._desk.store, event_id)

    async def create(self, order: Order, *, by: str = "operator") -> EventView:
        """Give the fleet the event; what it promises is in the answer, a refusal too.

        Raises InvalidId for an id that there is already, InvalidData for what a fleet cannot be asked.
        """
        _check(order)
        async with self._ordering:
            event_id = order.id or EventId(f"ev-{secrets.token_hex(5)}")
            if await self.is_taken(event_id):
                raise InvalidId(f"event {event_id} exists already; change it, or choose another id")
            now = self._clock.now()
            made = replace(instruction(order), id=EventId(event_id), created=now)
            return await self._give(made, "published", by, now)

    async def change(self, event_id: str, order: Order, *, by: str = "operator") -> EventView:
        """Have the fleet promise anew. Raises Over for an event that is cancelled or over, and as `create` does."""
        _check(order)
        async with self._ordering:
            held, now = await self._held(event_id), self._clock.now()
            if held.cancelled:
                raise Over(f"event {event_id} is cancelled and cannot be changed; publish a new one")
            if held.end <= now:
                raise Over(f"event {event_id} is over and cannot be changed; publish a new one")
            promise = await self._promise(event_id)
            number = 0 if promise is None else promise.modification + 1
            newer = replace(changed(held, order), modification=number, modified=now)
            return await self._give(newer, "changed", by, now)

    async def cancel(self, event_id: str, *, by: str = "operator") -> EventView:
        """Release the fleet from it. Cancelling twice changes nothing."""
        async with self._ordering:
            held, now = await self._held(event_id), self._clock.now()
            if held.cancelled:
                return await self._view(held)
            promise = await self._promise(event_id)
            gone = replace(held, modification=held.modification + 1, modified=now, cancelled=True)
            await self._store(gone, "cancelled", by, now)
            if promise is not None:
                await self._desk.release(event_id)
            return await self._view(gone)

    async def detail(self, event_id: str) -> EventDetail:
        """The event with all that is known of it."""
        held, now = await self._held(event_id), self._clock.now()
        promise = await self._promise(event_id)
        seen = await self._view(held)
        shown = detail(held, now, await self.opts(event_id), await self._journal(event_id))
        given = shares(promise, now) if promise is not None else {}
        return replace(shown, order=seen.order, promise=seen.promise, shares=given)

    async def opts(self, event_id: str, *, within: timedelta = timedelta(0)) -> dict[VenId, OptType | None]:
        """The fleet's opt, and that of each VEN below with a part in it; waits up to `within` for those that have none."""
        end = self._clock.now() + within
        while True:
            promise = await self._promise(event_id)
            told = promise.told if promise is not None else {}
            found = {FLEET_VEN: await self._opt(event_id, promise)} | {
                VenId(id): each.opt for id, each in told.items() if not each.cancelled
            }
            now = self._clock.now()
            if now >= end or None not in found.values():
                return found
            await self._clock.sleep_until(min(end, now + LOOK_AGAIN))

    async def report(self, event_id: str) -> Report:
        """The response to any event that the fleet had a part in. Raises InvalidId where there is nothing of it."""
        return report(EventId(event_id), await self._rows(event_id), band=self._desk.terms().band)

    async def response(self, event_id: str) -> AsyncIterator[ResponseRow]:
        """Each row of `report` as it becomes known; ends with the event."""
        given: set[ResponseRow] = set()
        while True:
            found = await self._rows(event_id)
            for row in found:
                if row.delivered_kw is not None and row not in given:
                    given.add(row)
                    yield row
            complete = all(row.delivered_kw is not None and row.final for row in found) and bool(found)
            now = self._clock.now()
            if complete or now > shift(await self._end(event_id), self._desk.terms().grace + GRACE):
                return
            await self._clock.sleep_until(now + LOOK_AGAIN)

    async def _rows(self, event_id: str) -> tuple[ResponseRow, ...]:
        held, promise = await self.event(event_id), await self._any_promise(event_id)
        opt, said = await self._opt(event_id, promise), await known(self._desk.store, EventId(event_id))
        if held is None and promise is None and not said:
            raise InvalidId(f"event {event_id} is unknown; `openadr-ra event list` shows those there are")
        return response_of(
            EventId(event_id), held, promise, said, opt=opt, band=self._desk.terms().band, now=self._clock.now()
        )

    async def _end(self, event_id: str) -> datetime:
        held, promise = await self.event(event_id), await self._any_promise(event_id)
        if promise is not None and promise.verdict.opt == OPT_IN:
            return promise.until
        return self._clock.now() if held is None or held.cancelled else held.end

    async def _opt(self, event_id: str, promise: Promise | None) -> OptType | None:
        """What the fleet said last; the journal knows it when the promise is forgotten."""
        if promise is not None:
            return promise.verdict.opt
        words = {"promised": OPT_IN, "refused": OPT_OUT, "opted out": OPT_OUT}
        entries = await self._journal(event_id)
        return next((words[one.what] for one in reversed(entries) if one.by == BY_FLEET and one.what in words), None)

    async def _journal(self, event_id: str) -> tuple[Entry, ...]:
        found = await self._desk.store.journal(instructions.key(EventId(event_id)))
        return tuple(entry for _, entry in found)

    async def _held(self, event_id: str) -> Instruction:
        held = await self.event(event_id)
        if held is None:
            raise InvalidId(f"event {event_id} is unknown; `openadr-ra event list` shows those there are")
        return held

    async def _promise(self, event_id: str) -> Promise | None:
        """What was promised to the operator."""
        found = (await self._desk.state()).promises
        return next((one for one in found if one.event_id == event_id and one.reply_to == OPERATOR), None)

    async def _any_promise(self, event_id: str) -> Promise | None:
        """To the operator, or to a VTN above; names are unique at their VTN, and the operator's are none of theirs."""
        own = await self._promise(event_id)
        if own is not None:
            return own
        return next((one for one in (await self._desk.state()).promises if one.event_id == event_id), None)

    async def _view(self, held: Instruction) -> EventView:
        shown, promise = view(held, self._clock.now()), await self._promise(held.id)
        return replace(
            shown,
            order=replace(shown.order, fleet=True),
            promise=promise_view(promise, self._clock.now()) if promise is not None else None,
        )

    async def _give(
        self, made: Instruction, what: Literal["published", "changed"], by: str, now: datetime
    ) -> EventView:
        """Stored before it is promised: what a crash leaves behind is an event without a promise, and is seen as such."""
        instructions.check(made)
        if made.end <= now:
            raise InvalidData(f"start: the event would be over already, at {made.end:%Y-%m-%dT%H:%M:%SZ}")
        await self._store(made, what, by, now)
        mode: Literal["delta", "setpoint"] = "setpoint" if made.kind == SETPOINT else "delta"
        schedule = Schedule(id=made.id, mode=mode, slots=made.slots(FLEET_VEN))
        await self._desk.instruct(schedule, priority=made.priority or 0)
        return await self._view(made)

    async def _store(self, made: Instruction, what: str, by: str, now: datetime) -> None:
        entry = Entry(
            subject=instructions.key(made.id), at=now, by=by, what=what, detail=f"modification {made.modification}"
        )

        def step(state: Instruction | None, letters: tuple[AnyLetter, ...]) -> Outcome[Instruction]:
            return Outcome(state=made, effects=(Record(entries=(entry,)),))

        await self._desk.store.update(_key(made.id), Instruction, step)


def _store(node: Node) -> Store:
    side = node.vtn or node.ven
    if side is None:
        raise InvalidId("the node does not run, and has no events")
    return side.store


async def _ordered(store: Store, event_id: str) -> Instruction | None:
    return await store.load(_key(event_id), Instruction)


async def _is_taken(store: Store, event_id: str) -> bool:
    if await _ordered(store, event_id) is not None:
        return True
    fleet = await store.load(FLEET, Fleet)
    return fleet is not None and any(promise.event_id == event_id for promise in fleet.promises)


def _key(event_id: str) -> Key:
    return Key(f"{PREFIX}{event_id}")


def _check(order: Order) -> None:
    """Raise InvalidData for what says nothing to a fleet: it would be left undone without a word."""
    if set(order.asks) != {FLEET_VEN}:
        raise InvalidData(f"asks: an event for the fleet has figures for `{FLEET_VEN}`, and for nobody else")
    if order.kind not in ("delta", "setpoint"):
        raise InvalidData(f"kind: a fleet is asked for power, delta or setpoint, not for a {order.kind}; address VENs")
    plain = Order(
        start=order.start,
        every_s=order.every_s,
        asks=order.asks,
        kind=order.kind,
        priority=order.priority,
        comment=order.comment,
        fleet=order.fleet,
        id=order.id,
    )
    for name, value in asdict(order).items():
        if value != getattr(plain, name):
            raise InvalidData(f"{name}: a fleet's own event has none; address VENs for that")
