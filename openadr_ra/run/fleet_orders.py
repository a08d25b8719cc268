"""What an operator's console takes and gives about a node's fleet: its members, an operator's word on one of them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from openadr_ra.errors import InvalidData, InvalidId
from openadr_ra.protocol.step import Entry
from openadr_ra.protocol.times import FOREVER
from openadr_ra.run.fleet_view import (
    FleetTotal,
    FleetView,
    MemberView,
    PromisedSlot,
    PromiseView,
    WordView,
    fleet_view,
)
from openadr_ra.run.order import FLEET_VEN, Comment

if TYPE_CHECKING:
    from openadr_ra.run.fleet import FleetDesk
    from openadr_ra.run.node import Node

# The console is built on the hall alone, so what it has to name is handed on from here.
__all__ = [
    "FLEET_VEN",
    "FleetTotal",
    "FleetView",
    "MemberOrder",
    "MemberView",
    "PromiseView",
    "PromisedSlot",
    "WordView",
    "desk",
    "give_back",
    "journal",
    "order",
    "seen",
]


class MemberOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operator's word on a member of the fleet, which goes before any event: hold `kw` at its measuring point, or (None)
    have no part in anything; `until` then, or (None) until it is given back."""

    kw: float | None = None
    until: Annotated[datetime, Meta(tz=True)] | None = None
    reason: Comment = ""


def desk(node: Node) -> FleetDesk | None:
    """The fleet of a node that runs: its own, or that of its VEN."""
    if node.fleet is not None:
        return node.fleet
    return node.ven.desk if node.ven is not None else None


async def seen(node: Node, fleet: FleetDesk) -> FleetView:
    """The fleet as it stands."""
    return fleet_view(node.settings.name, await fleet.state(), node.clock.now())


async def order(node: Node, fleet: FleetDesk, resource: str, said: MemberOrder) -> MemberView:
    """The member under that word. Raises InvalidId for one that there is not, InvalidData for a time that is past and for a
    VEN that is to be held at a power."""
    if said.until is not None and said.until <= node.clock.now():
        raise InvalidData(f"until: {said.until:%Y-%m-%dT%H:%M:%SZ} is past")
    await fleet.order(resource, said.kw, said.until or FOREVER, reason=said.reason)
    return await _member(node, fleet, resource)


async def give_back(node: Node, fleet: FleetDesk, resource: str) -> MemberView:
    """The member without an operator's word. Raises InvalidId for one that there is not."""
    await fleet.order(resource, None, None)
    return await _member(node, fleet, resource)


async def journal(fleet: FleetDesk, resource: str) -> tuple[Entry, ...]:
    """What operators said of it, oldest first. Raises InvalidId where it is no member and nothing was ever said."""
    found = await fleet.journal(resource)
    if not found and resource not in (await fleet.state()).members:
        raise InvalidId(f"resource {resource} is none of the fleet's; `openadr-ra fleet show` lists them")
    return found


async def _member(node: Node, fleet: FleetDesk, resource: str) -> MemberView:
    members = (await seen(node, fleet)).members
    found = next((one for one in members if one.id == resource), None)
    if found is None:
        raise InvalidId(f"resource {resource} has just left the fleet")
    return found
