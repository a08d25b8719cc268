"""Simulated sites with every kind of device, moved at random, and what may never happen there.

A site is driven by the fleet's own allocation, `fleet.allocate`, with its limits of import and export. What a device may do
unasked, when its store is full, its lease over, its car in a hurry, takes up room of these limits beforehand.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from openadr_ra.drivers import build
from openadr_ra.drivers.simulated.shell import Simulated
from openadr_ra.fleet.allocate import EXACT_KW, Headroom, Site, allocate
from openadr_ra.protocol.model import EventId, ResourceId
from openadr_ra.seams import Clock, Descriptor, Measurement, Setpoint

START = datetime(2026, 1, 1, tzinfo=UTC)
STEPS_A_SITE = 250
MOST_ROOM = 0.15
"""Of all that the devices could do together, what the limits leave at most beyond what they may do unasked."""

TOLERANCE_KW = 1e-6
TOLERANCE_PERCENT = 1e-4

Settings = Callable[[random.Random], Mapping[str, object]]

MAKERS: tuple[tuple[str, Settings], ...] = (
    (
        "simulated-battery",
        lambda chance: {"capacity_kwh": chance.uniform(2, 10), "soc_percent": chance.uniform(20, 100)},
    ),
    (
        "simulated-battery",
        lambda chance: {"power_kw": 250, "capacity_kwh": chance.uniform(50, 500), "ramp_kw_per_s": 20},
    ),
    ("simulated-ev", lambda chance: {"departs_after_h": chance.uniform(7, 20), "ramp_kw_per_s": 1}),
    ("simulated-generator", lambda chance: {"base_kw": chance.choice([0, 150]), "start_up_s": chance.uniform(0, 90)}),
    ("simulated-line", lambda chance: {"levels_kw": [0, 50, 150], "plan_kw": chance.choice([50, 150])}),
    ("simulated-load", lambda chance: {"longest_s": chance.uniform(600, 7200)}),
    ("simulated-pv", lambda chance: {"profile_kw": [chance.uniform(0, 5) for _ in range(48)]}),
    ("simulated-thermal", lambda chance: {"start_c": chance.uniform(19, 23), "heat_kwh_per_k": chance.uniform(0.2, 3)}),
    (
        "simulated-thermal",
        lambda chance: {"modulates": False, "profile_kw": [3, 0] * 24, "heat_kwh_per_k": chance.uniform(1, 3)},
    ),
    ("simulated-v2h", lambda chance: {"soc_percent": chance.uniform(30, 80), "power_kw": chance.uniform(4, 8)}),
    ("simulated-wind", lambda chance: {"seed": chance.randrange(1000), "mean_m_per_s": chance.uniform(4, 12)}),
)
"""What each site has one of: each kind that there is."""


class Tally(msgspec.Struct, kw_only=True):
    """What was seen. `below_reserve`, `beyond_site` and `after_lease` are violations; the rest says what was tried."""

    steps: int = 0
    orders: int = 0
    at_reserve: int = 0
    at_limit: int = 0
    leases_over: int = 0
    by_hand: int = 0
    below_reserve: int = 0
    beyond_site: int = 0
    after_lease: int = 0
    beyond_range: int = 0

    @property
    def violations(self) -> int:
        return self.below_reserve + self.beyond_site + self.after_lease + self.beyond_range


class StillClock:
    """Stands until it is set."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    async def sleep_until(self, when: datetime) -> None:
        raise AssertionError("a simulated device waits for nothing")


class One:
    """A device, what it was told, and what was seen of it last."""

    def __init__(self, device: Simulated, descriptor: Descriptor, reading: Measurement) -> None:
        self.device = device
        self.descriptor = descriptor
        self.reading = reading
        self.planned_kw = sorted(slot.kw for slot in descriptor.plan)
        self.ordered: Setpoint | None = None
        self.by_hand = False

    @property
    def unasked_kw(self) -> tuple[float, float]:
        """The lowest and the highest power that it may come to without any further order."""
        powers = [self.reading.kw, self.planned_kw[0], self.planned_kw[-1]]
        powers += [self.ordered.kw] if self.ordered is not None else []
        match self.descriptor.subtype, self.descriptor.kind:
            case ("ev" | "thermal", _):
                powers += [0.0, self.descriptor.max_kw]
            case ("pv" | "wind", _):
                powers += [self.descriptor.min_kw, 0.0]
            case _, "battery":
                powers += [0.0]
            case _, "generator":
                powers += [0.0, self.descriptor.gap_kw[0] if self.descriptor.gap_kw else 0.0]
            case _, _:
                pass
        return min(powers), max(powers)


async def run(steps: int, seed: int = 1) -> Tally:
    """So many steps, over as many sites as they take. The same seed makes the same steps."""
    tally = Tally()
    chance = random.Random(seed)  # noqa: S311 - it must be the same in each run
    while tally.steps < steps:
        plant = await Plant.made(chance, tally)
        for _ in range(min(STEPS_A_SITE, steps - tally.steps)):
            await plant.step()
    return tally


class Plant:
    """The devices behind one connection, and its limits: positive both."""

    def __init__(self, clock: StillClock, ones: Sequence[One], chance: random.Random, tally: Tally) -> None:
        self.clock = clock
        self.ones = ones
        self.chance = chance
        self.tally = tally
        self.sequence = 0
        self.answerable = True
        low, high = self.unasked()
        room_kw = sum(one.descriptor.max_kw - one.descriptor.min_kw for one in ones) * chance.uniform(0, MOST_ROOM)
        self.export_kw, self.import_kw = room_kw - low, room_kw + high

    @classmethod
    async def made(cls, chance: random.Random, tally: Tally) -> Plant:
        clock = StillClock()
        ones = [await one(kind, number, settings(chance), clock) for number, (kind, settings) in enumerate(MAKERS)]
        return cls(clock, ones, chance, tally)

    def unasked(self) -> tuple[float, float]:
        """What the site may come to without any further order."""
        ranges = [one.unasked_kw for one in self.ones]
        return sum(low for low, _ in ranges), sum(high for _, high in ranges)

    async def step(self) -> None:
        """Something happens, orders are given or not, and time goes by."""
        self.tally.steps += 1
        self.happens()
        if self.chance.random() < 0.7:
            await self.dispatch()
        self.clock.at += timedelta(seconds=self.chance.uniform(1, 600))
        await self.look()

    def happens(self) -> None:
        """A line is cut or mended, a hand is laid on a device or taken off."""
        one = self.chance.choice(self.ones)
        if self.chance.random() < 0.3:
            one.device.reachable = not one.device.reachable
        elif self.chance.random() < 0.1:
            one.by_hand = not one.by_hand
            kw = self.chance.uniform(one.descriptor.min_kw, one.descriptor.max_kw)
            one.device.override(kw if one.by_hand else None)
            # From here on the site is in somebody else's hands, until its orders take that into account.
            self.answerable = False
            self.tally.by_hand += 1

    async def dispatch(self) -> None:
        """A figure for all, shared out within the limits; the others are released, or moved where they may be anyway."""
        down = self.chance.random() < 0.5
        free = [one for one in self.ones if one.device.reachable and not one.by_hand]
        offers = [offer(one) for one in free]
        low, high = self.unasked()
        inside = low >= -self.export_kw - TOLERANCE_KW and high <= self.import_kw + TOLERANCE_KW
        site = Site(
            id="site",
            members=tuple(each.id for each in offers),
            reduce_kw=max(self.export_kw + low, 0.0),
            raise_kw=max(self.import_kw - high, 0.0),
        )
        most_kw = sum(each.reduce_kw if down else each.raise_kw for each in offers)
        target_kw = self.chance.uniform(0, 1.2 * most_kw) * (-1 if down else 1)
        shares = allocate(target_kw, offers, sites=(site,)).shares
        room_kw = site.reduce_kw if down else site.raise_kw
        self.tally.at_limit += inside and abs(sum(shares.values())) >= (room_kw or 0.0) - TOLERANCE_KW
        for one in free:
            await self.order(one, shares.get(one.descriptor.id, 0.0))
        self.answerable = inside and not any(one.by_hand for one in self.ones)

    async def order(self, one: One, share_kw: float) -> None:
        low, high = one.unasked_kw
        if abs(share_kw) > EXACT_KW:
            kw = (low if share_kw < 0 else high) + share_kw
        elif self.chance.random() < 0.5:
            kw = self.chance.uniform(low, high)
        else:
            await one.device.release("not needed")
            one.ordered = None
            return
        self.sequence += 1
        until = self.clock.at + timedelta(seconds=self.chance.uniform(20, 1500))
        one.ordered = Setpoint(event_id=EventId("E1"), sequence=self.sequence, kw=kw, lease_until=until)
        await one.device.apply(one.ordered)
        self.tally.orders += 1

    async def look(self) -> None:
        """Everything is seen, also what the driver is cut off from."""
        for one in self.ones:
            before, cut = one.reading, not one.device.reachable
            one.device.reachable = True
            one.reading = await one.device.read()
            one.device.reachable = not cut
            self.judge(one, before)
        total_kw = sum(one.reading.kw for one in self.ones)
        if self.answerable:
            room_kw = min(total_kw + self.export_kw, self.import_kw - total_kw)
            self.tally.beyond_site += room_kw < -TOLERANCE_KW

    def judge(self, one: One, before: Measurement) -> None:
        reading, descriptor = one.reading, one.descriptor
        inside = descriptor.min_kw - TOLERANCE_KW <= reading.kw <= descriptor.max_kw + TOLERANCE_KW
        self.tally.beyond_range += not inside
        if one.by_hand:
            return
        if one.ordered is not None and one.ordered.lease_until <= self.clock.at:
            self.tally.leases_over += 1
            self.tally.after_lease += not is_its_own(reading)
            one.ordered = None
        if descriptor.energy is None or reading.soc_percent is None or before.soc_percent is None:
            return
        reserve_percent = descriptor.energy.reserve_kwh / descriptor.energy.capacity_kwh * 100
        # Who came below it by hand, or from a trip, has to go no further.
        least = min(reserve_percent, before.soc_percent) if is_lower(one, before) else 0.0
        self.tally.below_reserve += reading.soc_percent < least - TOLERANCE_PERCENT
        self.tally.at_reserve += reading.soc_percent <= reserve_percent + TOLERANCE_PERCENT


def is_lower(one: One, before: Measurement) -> bool:
    """Did it discharge since? What is used on a trip, or leaks, is no order's doing."""
    return (one.reading.export_kwh or 0.0) > (before.export_kwh or 0.0)


def is_its_own(reading: Measurement) -> bool:
    """Is the power that it is to go to the one that it would go to by itself?"""
    control = reading.load_control.setpoint if reading.load_control is not None else None
    if control is None or control.normal is None:
        return False
    own_kw = min(max(control.normal, reading.min_kw), reading.max_kw)
    return abs(control.current - own_kw) <= TOLERANCE_KW


def offer(one: One) -> Headroom:
    """How far it can be moved beyond what it may do anyway."""
    low, high = one.unasked_kw
    return Headroom(
        id=one.descriptor.id,
        reduce_kw=max(low - max(one.reading.min_kw, one.descriptor.min_kw), 0.0),
        raise_kw=max(min(one.reading.max_kw, one.descriptor.max_kw) - high, 0.0),
        steps_kw=steps_kw(one.descriptor, low, high),
    )


def steps_kw(descriptor: Descriptor, low: float, high: float) -> tuple[float, ...] | None:
    """Steps below and above what it may do anyway; none where it has no levels."""
    if not descriptor.levels_kw:
        return None
    below = [level - low for level in descriptor.levels_kw if level < low]
    above = [level - high for level in descriptor.levels_kw if level > high]
    return (*below, *above)


async def one(kind: str, number: int, settings: Mapping[str, object], clock: Clock) -> One:
    made = build(kind, ResourceId(f"{kind}-{number}"), settings, clock)
    if not isinstance(made, Simulated):
        raise TypeError(f"{kind} is not simulated")
    return One(made, await made.describe(), await made.read())
