"""Whom and what an event means here (rule 22): names, device classes, meters, and what of it moves devices."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from msgspec.structs import replace

from openadr_ra.errors import DeploymentError, TargetMismatch
from openadr_ra.protocol import event as events
from openadr_ra.protocol import signals_table as table
from openadr_ra.protocol.model import SIMPLE, MarketContext, ResourceId, Target, VenId
from openadr_ra.protocol.parts import Event, Signal
from openadr_ra.protocol.schedule import Schedule
from openadr_ra.protocol.shape import Value


class Asset(Value, frozen=True, kw_only=True, gc=False):
    """What a resource goes by beside its name: its device classes (reference 2.8), and its metering point."""

    classes: tuple[str, ...] = ()
    meter: str = ""


class Scope(Value, frozen=True, kw_only=True, gc=False):
    """Whom an event may concern here, and which `signals` are taken. Empty market contexts: any is taken.

    `nodes` are nodes of the grid (aggregatedPnode, pnode, serviceDeliveryPoint) that stand for this VEN.
    """

    ven_id: VenId
    resources: tuple[ResourceId, ...] = ()
    assets: dict[ResourceId, Asset] = {}
    groups: tuple[str, ...] = ()
    parties: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    market_contexts: tuple[MarketContext, ...] = ()
    signals: tuple[str, ...] = table.USUAL


def check(event: Event, scope: Scope, *, heard: bool) -> None:
    """Raise TargetMismatch (462) for an event that does not concern this VEN, DeploymentError (469) for one that does, and
    that nothing here can execute. `heard`: a program here is asked about events, and may execute what devices do not."""
    if scope.market_contexts and event.market_context not in scope.market_contexts:
        raise TargetMismatch(f"market context {event.market_context} of event {event.id} is unknown here")
    if not _concerns(event.target, scope):
        raise TargetMismatch(f"the target of event {event.id} names nothing of {scope.ven_id}")
    mine = _concerning(event, scope)
    if not mine.signals:
        raise TargetMismatch(f"{scope.ven_id} has no device of the classes that event {event.id} is aimed at")
    if not events.is_test(event):
        _check_executable(mine, scope, heard)


def _concerns(target: Target, scope: Scope) -> bool:
    """Rule 22: an empty target means me; several criteria are OR-ed. Areas and interfaces of the grid are not known here."""
    classes = {name for asset in scope.assets.values() for name in asset.classes}
    named: tuple[tuple[Iterable[str], Iterable[str]], ...] = (
        (target.vens, (scope.ven_id,)),
        (target.resources, scope.resources),
        (target.groups, scope.groups),
        (target.group_names, scope.groups),
        (target.parties, scope.parties),
        (target.device_classes, classes),
        (target.meters, (asset.meter for asset in scope.assets.values())),
        (target.aggregated_pnodes, scope.nodes),
        (target.pnodes, scope.nodes),
        (target.delivery_points, scope.nodes),
    )
    return target == Target() or any(set(wanted) & set(ours) for wanted, ours in named)


def _check_executable(event: Event, scope: Scope, heard: bool) -> None:
    if heard:
        # What moves no device here, or several of them in several ways, is then for the program.
        return
    steering = events.steering(event)
    if steering and not scope.resources:
        raise DeploymentError(f"there is no device here that could follow event {event.id}")
    if steering and not _addressed(event, steering[0], scope):
        raise DeploymentError(f"event {event.id} is aimed at devices that its target leaves out")
    if _is_torn(steering):
        raise DeploymentError(f"event {event.id} asks several things at once; send an event for each device class")
    if not steering and not any(table.canonical(signal.name) in table.TELLING for signal in event.signals):
        names = ", ".join(f"{signal.name}/{signal.type}" for signal in event.signals)
        raise DeploymentError(f"no device here follows {names}, and no program is asked")


def schedule(event: Event, scope: Scope, offset: timedelta) -> Schedule | None:
    """The power that the event asks of devices here, `offset` later, or the prices that it tells them where it asks for no
    power; None if it does neither. Call `check` first.

    Where it says several things to several devices at once, which only a program can follow, it says nothing.
    """
    mine = _concerning(event, scope)
    signals = events.steering(mine) or events.pricing(mine)
    if not signals or _is_torn(signals):
        return None
    named = _addressed(mine, signals[0], scope)
    asked = events.schedule(mine, offset)
    if asked is None or not named:
        return None
    return replace(asked, resources=() if _is_whole(mine, signals[0]) else named)


def _concerning(event: Event, scope: Scope) -> Event:
    """With the signals that are aimed at nothing in particular, or at a device class that is here."""
    classes = {name for asset in scope.assets.values() for name in asset.classes}
    return replace(event, signals=tuple(one for one in event.signals if not _aim(one) or _aim(one) & classes))


def _aim(signal: Signal) -> frozenset[str]:
    return frozenset(signal.target.device_classes) if signal.target is not None else frozenset()


def _is_whole(event: Event, signal: Signal) -> bool:
    """Does it mean all there is here?"""
    return not (_aim(signal) or event.target.resources or event.target.device_classes or event.target.meters)


def _addressed(event: Event, signal: Signal, scope: Scope) -> tuple[ResourceId, ...]:
    """The resources that the signal means: those that the event's target names beside us, of the
    classes that it is aimed at."""
    target = event.target
    if _is_whole(event, signal):
        return scope.resources
    assets = {id: scope.assets.get(id, Asset()) for id in scope.resources}
    named = tuple(
        id
        for id, asset in assets.items()
        if id in target.resources or set(asset.classes) & set(target.device_classes) or asset.meter in target.meters
    )
    if not (target.resources or target.device_classes or target.meters):
        named = scope.resources
    aim = _aim(signal)
    return tuple(id for id in named if not aim or set(assets[id].classes) & aim)


def _is_torn(steering: tuple[Signal, ...]) -> bool:
    """Do several signals ask for different things? Less exact ones for the same devices, and levels for whoever knows
    nothing else, only say the same again."""
    if not steering:
        return False
    first, *rest = steering
    return any(
        (one.name, one.type) == (first.name, first.type)
        or (_aim(one) != _aim(first) and (_aim(one) or table.canonical(one.name) != SIMPLE))
        for one in rest
    )
