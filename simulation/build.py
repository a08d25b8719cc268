"""Worlds: a VTN and its VENs; the same with fleets of devices; and a chain of three tiers."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Literal, NamedTuple

from openadr_ra.fleet.fleet import FleetTerms
from openadr_ra.protocol.agenda_scope import Asset
from openadr_ra.protocol.model import ResourceId, VenId, VtnId
from openadr_ra.protocol.node import Identity
from openadr_ra.protocol.producer import Rates
from openadr_ra.protocol.requester import Wanted
from openadr_ra.protocol.step import Key, Outcome
from openadr_ra.protocol.vtn import Party, Terms
from openadr_ra.run.below import Below
from openadr_ra.settings import Downstream
from openadr_ra.store.memory import MemoryStore
from simulation.fleet_side import Device, FleetSide
from simulation.network import Network, Place
from simulation.node import Node
from simulation.site import BAT, SiteSide
from simulation.stage import Stage
from simulation.timeline import MINUTE, SECOND
from simulation.ven_side import VenSide
from simulation.vtn_side import VtnSide
from simulation.world import Checks, Ledger, Link, World

Kind = Literal["protocol", "fleet", "chain"]

LEASE = MINUTE


class Pace(NamedTuple):
    """How often things happen, in seconds: polls, held polls (0: none), live reports."""

    poll_s: int
    hold_s: int
    live_s: int


PACES = (
    Pace(60, 0, 900),
    Pace(60, 0, 1800),
    Pace(300, 0, 1800),
    Pace(60, 0, 1800),
    Pace(30, 0, 1800),
    Pace(60, 50, 600),
)


def world(kind: Kind, stage: Stage, checks: Checks, wired: int, store: type[MemoryStore] = MemoryStore) -> World:
    """A world of that kind, as the dice of the stage have it. `store` is what VTNs keep their rows in."""
    network = Network(stage, wired)
    ledger = Ledger(checks)
    build = {"protocol": _protocol, "fleet": _fleets, "chain": _chain}[kind]
    links = build(stage, network, store)
    ledger.lease = LEASE
    return World(stage, network, ledger, links)


def _skew(stage: Stage) -> timedelta:
    """Most clocks are right to a few tenths, some are seconds off."""
    wide = stage.dice.random() < 0.2
    return stage.within(-5 * SECOND, 5 * SECOND) if wide else stage.within(-SECOND / 4, SECOND / 4)


def _vtn(
    stage: Stage, network: Network, name: str, pace: Pace, vens: tuple[VenId, ...], store: type[MemoryStore]
) -> VtnSide:
    node = Node(name, stage, _skew(stage), store())
    terms = Terms(
        vtn_id=VtnId(name),
        poll_s=pace.poll_s,
        hold_s=pace.hold_s,
        wanted=Wanted(live_s=pace.live_s, slot_s=1800),
    )
    side = VtnSide(node, network, terms, vens)
    network.places[name] = Place(node, side.serve)
    return side


def _ven(network: Network, node: Node, vtn: str, resources: tuple[ResourceId, ...], *, push: bool) -> VenSide:
    identity = Identity(
        ven_name=node.name,
        preassigned=VenId(node.name),
        resources=resources,
        assets=dict.fromkeys(resources, Asset()),
        rates=Rates(status_on_change=True),
        push_address=f"{node.name}.called" if push else "",
    )
    side = VenSide(node, network, Key(f"node/{vtn}"), identity, vtn)
    network.places[f"{node.name}.called"] = Place(node, side.serve)
    return side


def _protocol(stage: Stage, network: Network, store: type[MemoryStore]) -> tuple[Link, ...]:
    """Several VENs, some of them told by push, each with a site that promises and refuses."""
    pace = stage.dice.choice(PACES)
    names = tuple(VenId(f"VEN{number + 1}") for number in range(stage.dice.randint(2, 3)))
    vtn = _vtn(stage, network, "VTN", pace, names, store)
    links: list[Link] = []
    for name in names:
        node = Node(name, stage, _skew(stage))
        site = SiteSide(node, (Key("node/VTN"),))
        side = _ven(network, node, "VTN", (BAT, ResourceId("pv")), push=stage.dice.random() < 0.3)
        side.reading = site.meters
        side.folds(vtn)
        links.append(Link(vtn, side, name, site=site))
    return tuple(links)


def _terms() -> FleetTerms:
    return FleetTerms(track_every_s=20.0, lease_s=LEASE.total_seconds(), sample_s=75.0, patience_s=120.0)


def _fleet(stage: Stage, node: Node, side: VenSide | None, devices: int, below: VtnSide | None = None) -> FleetSide:
    own = tuple(Device(f"{node.name}-{number}", stage, 5.0 + number) for number in range(devices))
    return FleetSide(
        node,
        own,
        (side.key,) if side is not None else (),
        terms=_terms(),
        read_every=30 * SECOND,
        heard_at=(lambda: side.heard_at) if side is not None else (lambda: stage.timeline.now),
        offline=3 * MINUTE,
        below=partial(_below, below) if below is not None else None,
    )


def _below(vtn: VtnSide) -> Below:
    settings = Downstream(listen="127.0.0.1:0", vtn_id=str(vtn.terms.vtn_id), live_s=vtn.terms.wanted.live_s)
    return Below(settings, vtn.node.store, vtn.node.clock)


def _edge(stage: Stage, network: Network, vtn: VtnSide, name: VenId, *, push: bool, devices: int) -> Link:
    node = Node(name, stage, _skew(stage))
    resources = tuple(ResourceId(f"{name}-{number}") for number in range(devices))
    side = _ven(network, node, vtn.node.name, resources, push=push)
    return Link(vtn, side, name, fleet=_fleet(stage, node, side, devices))


def _fleets(stage: Stage, network: Network, store: type[MemoryStore]) -> tuple[Link, ...]:
    """VENs with a fleet of batteries each."""
    names = tuple(VenId(f"VEN{number + 1}") for number in range(stage.dice.randint(1, 2)))
    vtn = _vtn(stage, network, "VTN", Pace(30, 0, 60), names, store)
    return tuple(
        _edge(stage, network, vtn, name, push=stage.dice.random() < 0.3, devices=stage.dice.randint(1, 2))
        for name in names
    )


def _chain(stage: Stage, network: Network, store: type[MemoryStore]) -> tuple[Link, ...]:
    """A DRAS, under it a resource aggregator, and under that two gateways: whoever is in the middle is both."""
    middle = VenId("RA")
    edges = (VenId("EDGE1"), VenId("EDGE2"))
    top = _vtn(stage, network, "DRAS", Pace(30, 0, 60), (middle,), store)
    below = _vtn(stage, network, "RA", Pace(30, 0, 60), edges, store)
    node = below.node
    up = _ven(network, node, "DRAS", (ResourceId("RA"),), push=False)
    fleet = _fleet(stage, node, up, 0, below)

    def heard(key: Key, outcome: Outcome[Party]) -> None:
        listening = fleet.below
        if listening is None:
            return
        before = set(listening.vens())
        listening.heard(key, outcome)
        if set(listening.vens()) != before:
            node.soon(fleet.enrol)

    node.starters.append(lambda: below.listeners.append(heard))
    return (
        Link(top, up, middle, fleet=fleet),
        *(_edge(stage, network, below, name, push=number == 1, devices=1) for number, name in enumerate(edges)),
    )
