"""The chain's plant: two resource aggregators with their gateways, and what stands behind each of them.

Devices run as much faster as an interval is shorter than half an hour.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from openadr_ra.errors import SettingsError
from openadr_ra.programs.demo_sites import Device, Setting, speed
from openadr_ra.protocol.model import EventId

DRAS, AC = "dras", "ac"
RAS = ("ra-1", "ra-2")

EVENT = EventId("tso")

LOST, LEAVING = "block-1", "block-2"
"""The gateway that is lost, and the one whose operator opts out late; each has a process of its own."""

HOMES_PER_GATEWAY = 5

FEWEST_BATTERIES, MOST_BATTERIES = 10, 2000
"""Two blocks have a tenth each, and each RA has a gateway in a street beside them."""

FULL_SIZE = 450
"""Household batteries behind one RA in the utility's proof of 2018; the industrial part fits to it."""

SLOTS = 5
CANCELLED = 3
"""The slot that the TSO takes back, counted from 0, while the one before it runs."""

AT_FIRST_KW = (-500.0,) * SLOTS
CHANGES_KW = (
    (-800.0, -800.0, -800.0, -400.0, -400.0),
    (-900.0, -1000.0, -900.0, -600.0, 300.0),
    (-700.0, -1000.0, -850.0, -600.0, 500.0),
)
"""What is asked of the AC in each slot at FULL_SIZE: at first, and by three changes soon after one another."""

KINDS = ("home batteries", "industrial storage", "gensets", "EVs", "line", "PV")


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """A device, and what it is counted under: one of KINDS."""

    kind: str
    device: Device


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """An edge VEN."""

    name: str
    things: tuple[Thing, ...]


class Aggregator(msgspec.Struct, frozen=True, kw_only=True):
    """An RA: its gateways, and devices of its own."""

    name: str
    gateways: tuple[Gateway, ...]
    things: tuple[Thing, ...] = ()

    @property
    def members(self) -> tuple[str, ...]:
        """The names of all that its fleet is made of."""
        return (*(gateway.name for gateway in self.gateways), *(thing.device.id for thing in self.things))


class Plant(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, for intervals of `interval_s`."""

    batteries: int
    interval_s: int
    ras: tuple[Aggregator, ...]

    @property
    def speed(self) -> float:
        return speed(self.interval_s)

    @property
    def live_s(self) -> int:
        """The period of live reports: some in each interval."""
        return max(1, self.interval_s // 5)

    @property
    def gateways(self) -> tuple[Gateway, ...]:
        return tuple(gateway for ra in self.ras for gateway in ra.gateways)

    def count(self, kind: str) -> int:
        """How many devices of that kind there are."""
        things = (thing for ra in self.ras for thing in (*ra.things, *(one for of in ra.gateways for one in of.things)))
        return sum(thing.kind == kind for thing in things)

    def asked(self, values: tuple[float, ...]) -> tuple[float, ...]:
        """What is asked of a plant of this size, in whole kW."""
        return tuple(float(round(kw * self.batteries / FULL_SIZE)) + 0.0 for kw in values)


def plant(batteries: int, interval_s: int) -> Plant:
    """With that many household batteries. Raises SettingsError for a number that cannot be."""
    if not FEWEST_BATTERIES <= batteries <= MOST_BATTERIES:
        raise SettingsError(f"{batteries} batteries cannot be; give {FEWEST_BATTERIES} to {MOST_BATTERIES}")
    size = batteries / FULL_SIZE
    block = batteries // 10
    streets = tuple(_streets(batteries - 2 * block))
    half = len(streets) // 2
    ra_1 = Aggregator(
        name=RAS[0],
        gateways=(
            _block(LOST, block),
            *streets[:half],
            Gateway(
                name="works-1", things=(_storage("storage", size), *(_genset(f"genset-{n}", size) for n in (1, 2)))
            ),
            Gateway(name="depot", things=(*(_ev(number, size) for number in range(1, 11)), _pv("pv", size))),
        ),
    )
    ra_2 = Aggregator(
        name=RAS[1],
        gateways=(
            _block(LEAVING, block),
            *streets[half:],
            Gateway(
                name="works-2",
                things=(_storage("shed", size / 2), _line("line", size), _genset("genset-3", size), _pv("roof", size)),
            ),
        ),
        things=(_storage("yard", size),),
    )
    return Plant(batteries=batteries, interval_s=interval_s, ras=(ra_1, ra_2))


def _block(name: str, homes: int) -> Gateway:
    return Gateway(name=name, things=tuple(_homes(name, homes)))


def _streets(homes: int) -> Iterator[Gateway]:
    for number, first in enumerate(range(0, homes, HOMES_PER_GATEWAY), start=1):
        name = f"street-{number:02d}"
        yield Gateway(name=name, things=tuple(_homes(name, min(HOMES_PER_GATEWAY, homes - first))))


def _homes(name: str, count: int) -> Iterator[Thing]:
    """Of 10 kWh and 5 kW, not all alike in what is in them."""
    for number in range(1, count + 1):
        soc = 60.0 + 5.0 * (number % 5)
        settings: dict[str, Setting] = {"power_kw": 5.0, "capacity_kwh": 10.0, "soc_percent": soc, "latency_s": 2.0}
        yield _thing("home batteries", f"{name}-h{number}", "simulated-battery", 0.0, settings)


def _storage(id: str, size: float) -> Thing:
    settings: dict[str, Setting] = {"power_kw": 250.0 * size, "capacity_kwh": 1500.0 * size, "soc_percent": 70.0}
    return _thing("industrial storage", id, "simulated-battery", 0.0, settings)


def _genset(id: str, size: float) -> Thing:
    settings: dict[str, Setting] = {
        "rated_kw": 100.0 * size,
        "minimum_kw": 30.0 * size,
        "start_up_s": 30.0,
        "ramp_kw_per_min": 100.0 * size,
    }
    return _thing("gensets", id, "simulated-generator", 0.0, settings)


def _line(id: str, size: float) -> Thing:
    levels = (0.0, 50.0 * size, 100.0 * size)
    settings: dict[str, Setting] = {"levels_kw": levels, "plan_kw": levels[-1], "latency_s": 30.0}
    return _thing("line", id, "simulated-line", levels[-1], settings)


def _ev(number: int, size: float) -> Thing:
    settings: dict[str, Setting] = {
        "power_kw": 11.0 * size,
        "plan_kw": 6.0 * size,
        "battery_kwh": 80.0 * size,
        "soc_percent": 20.0,
        "need_kwh": 60.0 * size,
        "departs_after_h": 14.0,
    }
    return _thing("EVs", f"ev-{number}", "simulated-ev", 6.0 * size, settings)


def _pv(id: str, size: float) -> Thing:
    settings: dict[str, Setting] = {"rated_kw": 60.0 * size, "profile_kw": (40.0 * size,)}
    return _thing("PV", id, "simulated-pv", -40.0 * size, settings)


def _thing(kind: str, id: str, driver: str, plan_kw: float, settings: dict[str, Setting]) -> Thing:
    return Thing(kind=kind, device=Device(id=id, driver=driver, plan_kw=plan_kw, settings=settings))
