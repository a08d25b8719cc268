"""One kW figure shared out over a fleet, beside a loop over the same numbers that knows only headroom.

Nine in ten of the fleet are home batteries, one in a hundred is industry; of the rest some are chargers with a least power
and a step, some generators with a minimum output, some lines that are on or off. Every second member shares a connection,
and its limit, with a neighbour. The floor sorts by headroom and caps an equal level: no weights, no sites, no lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from random import Random

from benchmarks.measure import Figure, Spread, cpu_us
from openadr_ra.fleet.allocate import MERIT_ORDER, PRO_RATA, Headroom, Policy, Site, allocate
from openadr_ra.protocol.model import ResourceId

GOALS_MS = {450: 5.0, 10_000: 100.0}

ASKED = 0.6
"""Of all headroom. The members with a least power, or a minimum, are at work then, and some connections at their limit."""

SEED = 20261122


def figures() -> Iterator[Figure]:
    policies: tuple[Policy, ...] = (PRO_RATA, MERIT_ORDER)
    for size, most_ms in GOALS_MS.items():
        members, sites = fleet(size)
        target_kw = -ASKED * sum(member.reduce_kw for member in members)
        caps = {member.id: member.reduce_kw for member in members}
        for policy in policies:
            allocation = allocate(target_kw, members, policy, sites)
            assert allocation.uncovered_kw == 0, allocation.uncovered_kw
            spreads = cpu_us(
                {
                    "floor": partial(plain, -target_kw, caps),
                    "ours": partial(allocate, target_kw, members, policy, sites),
                }
            )
            yield figure(f"allocate over {size:,} resources, {policy}", spreads, most_ms)


def figure(name: str, spreads: dict[str, Spread], most_ms: float) -> Figure:
    """The line of the table."""
    ours, floor = spreads["ours"].median / 1e3, spreads["floor"].median / 1e3
    return Figure(
        name=name,
        unit="ms CPU",
        ours=ours,
        floor=floor,
        ratio_to_floor=ours / floor,
        goal=f"at most {most_ms:g} ms CPU",
        met=ours <= most_ms,
    )


def fleet(size: int) -> tuple[Sequence[Headroom], Sequence[Site]]:
    """So many members of all kinds, and the connections that two of them share; the same each time."""
    chance = Random(SEED)  # noqa: S311 # the same fleet in every run
    members = tuple(member(number, chance) for number in range(size))
    sites = tuple(
        Site(
            id=f"site-{at:05}",
            members=(members[at].id, members[at + 1].id),
            reduce_kw=chance.uniform(0.7, 1.1) * (members[at].reduce_kw + members[at + 1].reduce_kw),
        )
        for at in range(0, size - 1, 4)
    )
    return members, sites


def member(number: int, chance: Random) -> Headroom:
    """One of the fleet: what it is follows from its number, how large it is from `chance`."""
    id = ResourceId(f"resource-{number:05}")
    match number % 100:
        case 0:
            return Headroom(id=id, reduce_kw=chance.uniform(50, 400), price=12.0)
        case 1 | 2 | 3 | 4:
            return Headroom(id=id, reduce_kw=chance.uniform(3, 7), least_kw=1.4, step_kw=0.23, price=5.0)
        case 5 | 6:
            return Headroom(id=id, reduce_kw=chance.uniform(150, 300), gap_kw=(-100.0, 0.0), price=35.0)
        case 7 | 8 | 9:
            line_kw = chance.uniform(20, 150)
            return Headroom(id=id, reduce_kw=line_kw, steps_kw=(-line_kw,), price=20.0)
        case _:
            weight = chance.choice((1.0, 1.0, 2.0))
            return Headroom(id=id, reduce_kw=chance.uniform(1, 5), weight=weight, price=chance.uniform(8, 16))


def plain(wanted_kw: float, caps: dict[ResourceId, float]) -> dict[ResourceId, float]:
    """Everybody the same, held to its headroom: from the smallest on, what it cannot give falls to those after it."""
    shares: dict[ResourceId, float] = {}
    left_kw, left = wanted_kw, len(caps)
    for id, cap in sorted(caps.items(), key=lambda item: item[1]):
        shares[id] = min(cap, left_kw / left)
        left_kw -= shares[id]
        left -= 1
    return shares
