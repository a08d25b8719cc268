"""What is simulated: the reference fleet, what is asked of it, and what goes wrong. All of it follows from a seed.

Times are seconds since the simulation began; the event begins at `EVENT_S`. Powers in kW, load convention: an event that
asks for less consumption is negative.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Literal

from openadr_ra.drivers.simulated import battery, ev, generator, line, pv
from openadr_ra.drivers.simulated.physics import Device
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.shape import Value

ORIGIN = datetime(2026, 7, 21, 6, tzinfo=UTC)
TOLD_S = 300.0
"""When the event comes from above."""

EVENT_S = 900.0
SLOT_S = 1800.0
MINUTE_S = 60.0
AFTER_S = 300.0
"""How long it is watched beyond the event: everything has to be let go by then."""

HOMES = 450
INDUSTRIAL = 10
EVS = 20
MEAN_KW = 1000.0
"""What is asked on average."""

SITE_KW = 500.0
"""The limit of the site: less than half of what its devices could feed in, so that it binds."""

What = Literal["trips", "dies", "is cut off", "opts out"]
"""trips: the device stops, and says so. dies: its gateway with it, nothing is heard any more. is cut off: the network is
gone, the gateway goes on until it takes its VTN for lost. opts out: somebody at home wants it so."""


Spans = tuple[tuple[float, float, float], ...]
"""Powers over time: from, until, kW; one after the other."""


class Faults(Value, frozen=True, kw_only=True):
    """What goes wrong, as parts of the fleet. Times in minutes of their slot.

    lost_share: trips or dies together, at `lost_at_min` of slot `lost_slot`. cut_share, opted_share: one by one, at any time
    of the event. low_share: stores that have next to nothing above their reserve at the start. missing_share: of reports of
    VENs, that never come; latency_s: how late the others are at most; noise_share: standard deviation of metered power, as
    a part of what is rated. cloud_share: by how much PV strays from its plan at most. change_to: what is asked from
    `change_at_min` of slot `change_slot` on, as a part of what was.
    """

    lost_share: float = 0.12
    lost_slot: int = 1
    lost_at_min: float = 8.0
    cut_share: float = 0.02
    opted_share: float = 0.02
    low_share: float = 0.05
    missing_share: float = 0.05
    latency_s: float = 20.0
    noise_share: float = 0.01
    cloud_share: float = 0.5
    change_to: float | None = 0.8
    change_slot: int = 3
    change_at_min: float = 12.0


NONE = Faults(
    lost_share=0.0,
    cut_share=0.0,
    opted_share=0.0,
    low_share=0.0,
    missing_share=0.0,
    latency_s=0.0,
    noise_share=0.0,
    cloud_share=0.0,
    change_to=None,
)


class Happening(Value, frozen=True, kw_only=True):
    """Something goes wrong for good."""

    at_s: float
    id: ResourceId
    what: What


class One(Value, frozen=True, kw_only=True):
    """A device, and whether a VEN of its own is in front of it. `rated_kw` is how far it can be reduced at most."""

    id: ResourceId
    physics: Device
    home: bool
    rated_kw: float
    plan_kw: float
    latency_s: float


class Scene(Value, frozen=True, kw_only=True):
    """`asked_kw` by slot; `changed_kw` the same after the change at `changed_s`, None where there is none. `site_kw` is what
    the node's own devices may feed in together at most."""

    seed: int
    faults: Faults
    ones: tuple[One, ...]
    site_kw: float
    asked_kw: tuple[float, ...]
    changed_kw: tuple[float, ...]
    changed_s: float | None
    happenings: tuple[Happening, ...]

    @property
    def end_s(self) -> float:
        """When the event is over."""
        return EVENT_S + SLOT_S * len(self.asked_kw)

    def ask_kw(self, at_s: float) -> float:
        """What is asked at that instant; a change counts at once."""
        number = int((at_s - EVENT_S) // SLOT_S)
        if at_s < EVENT_S or number >= len(self.asked_kw):
            return 0.0
        late = self.changed_s is not None and at_s >= self.changed_s
        return (self.changed_kw if late else self.asked_kw)[number]

    def target_kw(self, start_s: float, end_s: float) -> float:
        """The mean of what is asked within one slot, each instruction for the time that it was in force (V4)."""
        edge_s = min(max(self.changed_s if self.changed_s is not None else end_s, start_s), end_s)
        before = self.ask_kw(start_s) * (edge_s - start_s)
        return (before + self.ask_kw(edge_s) * (end_s - edge_s)) / (end_s - start_s)

    def kw_by_slot(self, at_s: float) -> tuple[float, ...]:
        """The instruction that is in force."""
        return self.changed_kw if self.changed_s is not None and at_s >= self.changed_s else self.asked_kw


def when(at_s: float) -> datetime:
    """On the clock."""
    return ORIGIN + timedelta(seconds=at_s)


def since(at: datetime) -> float:
    """From the clock."""
    return (at - ORIGIN) / timedelta(seconds=1)


def scene(
    seed: int,
    *,
    faults: Faults,
    slots: int = 5,
    homes: int = HOMES,
    mean_kw: float = MEAN_KW,
    site_kw: float = SITE_KW,
) -> Scene:
    """The scene of that seed. With fewer `homes` everything is smaller in proportion, what is asked too."""
    chance = Random(seed)  # noqa: S311 - it must be the same in each run
    part = homes / HOMES
    ones = tuple(fleet(chance, faults, homes, part))
    asked_kw = tuple(round(-mean_kw * part * chance.choice((0.8, 0.9, 1.0, 1.1, 1.2)), 1) for _ in range(slots))
    changed_s = None
    changed_kw = asked_kw
    if faults.change_to is not None:
        number = faults.change_slot % slots
        changed_s = EVENT_S + number * SLOT_S + faults.change_at_min * MINUTE_S
        later = (round(kw * faults.change_to, 1) for kw in asked_kw[number:])
        changed_kw = (*asked_kw[:number], *later)
    return Scene(
        seed=seed,
        faults=faults,
        ones=ones,
        site_kw=site_kw * part,
        asked_kw=asked_kw,
        changed_kw=changed_kw,
        changed_s=changed_s,
        happenings=tuple(happenings(chance, faults, ones, slots)),
    )


def fleet(chance: Random, faults: Faults, homes: int, part: float) -> Iterator[One]:
    """Batteries at home, each behind its own VEN; and what the node has itself."""
    for number in range(homes):
        kw = chance.choice((2.0, 3.0, 3.0, 4.0, 5.0))
        store = battery.BatterySettings(power_kw=kw, capacity_kwh=2.5 * kw, soc_percent=soc_percent(chance, faults))
        yield One(
            id=ResourceId(f"home-{number + 1:03}"),
            physics=battery.physics(store),
            home=True,
            rated_kw=kw,
            plan_kw=0.0,
            latency_s=chance.uniform(0.5, 2.0),
        )
    for number in range(max(round(INDUSTRIAL * part), 1)):
        kw = chance.choice((50.0, 75.0, 75.0, 100.0))
        large = battery.BatterySettings(
            power_kw=kw, capacity_kwh=2.5 * kw, soc_percent=soc_percent(chance, faults), ramp_kw_per_s=kw / 10
        )
        yield own(f"industrial-{number + 1:02}", battery.physics(large), kw, 0.0)
    for number in range(max(round(EVS * part), 1)):
        kw = chance.choice((3.0, 4.0, 6.0))
        car = ev.EvSettings(plan_kw=kw, need_kwh=20.0)
        yield own(f"ev-{number + 1:02}", ev.physics(car), kw, kw)
    yield from single(chance, faults, part)


def single(chance: Random, faults: Faults, part: float) -> Iterator[One]:
    """What there is one of."""
    rated_kw, least_kw, line_kw, sun_kw = 300.0 * part, 100.0 * part, 150.0 * part, 150.0 * part
    genset = generator.GeneratorSettings(
        rated_kw=rated_kw, minimum_kw=least_kw, start_up_s=30.0, ramp_kw_per_min=120.0 * part
    )
    yield own("genset", generator.physics(genset), rated_kw, 0.0)
    works = line.LineSettings(levels_kw=(0.0, line_kw), plan_kw=line_kw)
    yield own("line", line.physics(works), line_kw, line_kw)
    sun = tuple(sun_kw * (1 + faults.cloud_share * chance.uniform(-1, 1)) for _ in range(60))
    roof = pv.PvSettings(rated_kw=2 * sun_kw, profile_kw=sun, step_h=1 / 12)
    yield own("pv", pv.physics(roof), 0.0, -sun_kw)


def own(name: str, physics: Device, rated_kw: float, plan_kw: float) -> One:
    return One(id=ResourceId(name), physics=physics, home=False, rated_kw=rated_kw, plan_kw=plan_kw, latency_s=1.0)


def soc_percent(chance: Random, faults: Faults) -> float:
    """Of the capacity; the reserve is at 20 %."""
    low = chance.random() < faults.low_share
    return chance.uniform(20.5, 25) if low else chance.uniform(50, 100)


def happenings(chance: Random, faults: Faults, ones: tuple[One, ...], slots: int) -> Iterator[Happening]:
    """In any order."""
    homes = [one.id for one in ones if one.home]
    large = [one.id for one in ones if one.id.startswith("industrial")]
    lost_s = EVENT_S + (faults.lost_slot % slots) * SLOT_S + faults.lost_at_min * MINUTE_S
    chance.shuffle(homes)
    lost = homes[: round(faults.lost_share * len(homes))]
    for number, id in enumerate(lost):
        yield Happening(at_s=lost_s, id=id, what=("trips", "dies")[number % 2])
    for id in chance.sample(large, round(faults.lost_share * len(large))):
        yield Happening(at_s=lost_s, id=id, what="trips")
    rest = homes[len(lost) :]
    cut = rest[: round(faults.cut_share * len(homes))]
    for id in cut:
        yield Happening(at_s=chance.uniform(EVENT_S, EVENT_S + slots * SLOT_S), id=id, what="is cut off")
    for id in rest[len(cut) : len(cut) + round(faults.opted_share * len(homes))]:
        yield Happening(at_s=chance.uniform(EVENT_S, EVENT_S + slots * SLOT_S), id=id, what="opts out")
