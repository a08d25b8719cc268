"""The chain's settings files: each is what `openadr-ra run` or `openadr-ra ven` reads. Its half hours are seconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import ceil
from pathlib import Path

from openadr_ra.programs.chain_plant import AC, DRAS, LEAVING, Aggregator, Gateway, Plant, Thing
from openadr_ra.programs.demo_sites import toml, written

SILENCE_S = 8
"""So long a gateway may be silent at least; the period of live reports counts on a busy machine, too."""

EDGE_SETTLE_S = 1
"""How long after its end a gateway answers for an interval; it reads its devices twice in that time."""

RA_GRACE, AC_GRACE = 0.4, 0.65
"""How long after its end an RA and the AC wait for those below, as a part of an interval: whoever is above waits longer."""

SHORTEST_GRACE_S = 2.5
"""An RA's; the AC's is a second more."""

EDGES = "edges"
"""The folder of the gateways' files."""


def ac_grace_s(interval_s: int) -> float:
    """How long after its end an interval waits for the RAs."""
    return max(SHORTEST_GRACE_S + 1.0, AC_GRACE * interval_s)


def write_dras(out: Path, plant: Plant) -> Path:
    """A VTN and nothing else."""
    return written(out / f"{DRAS}.toml", [*_named(DRAS), *_downstream(DRAS, plant)])


def write_ac(out: Path, plant: Plant, url: str) -> Path:
    """A VEN of the DRAS, whose fleet are the VENs of its own VTN."""
    lines = [
        *_named(AC),
        *_fleet(plant, ac_grace_s(plant.interval_s)),
        *_upstream(AC, url, DRAS),
        *_downstream(AC, plant),
    ]
    return written(out / f"{AC}.toml", lines)


def write_ra(out: Path, plant: Plant, ra: Aggregator, url: str) -> Path:
    """The same below the AC, with devices of its own where it has them."""
    lines = [
        *_named(ra.name),
        *_fleet(plant, max(SHORTEST_GRACE_S, RA_GRACE * plant.interval_s)),
        *_upstream(ra.name, url, AC),
        *_downstream(ra.name, plant),
        *_devices(ra.things, plant),
        *_console(ra.name),
    ]
    return written(out / f"{ra.name}.toml", lines)


def write_edge(out: Path, plant: Plant, gateway: Gateway, url: str) -> Path:
    """A gateway. The one whose operator will opt out has a console."""
    lines = [
        f'name = "{gateway.name}"',
        "",
        "[store]",
        'url = "memory"',
        "",
        "[fleet]",
        "read_every_s = 0.5",
        "track_every_s = 1",
        "lease_s = 5",
        f"settle_s = {EDGE_SETTLE_S}",
        f"stated_s = {plant.interval_s}",
        *_upstream(gateway.name, url, "ra", "../"),
        *_devices(gateway.things, plant),
    ]
    if gateway.name == LEAVING:
        lines += _console(gateway.name)
    return written(out / EDGES / f"{gateway.name}.toml", lines)


def _named(name: str) -> Iterator[str]:
    yield from (f'name = "{name}"', "", "[store]", f'url = "sqlite:{name}.sqlite"')


def _fleet(plant: Plant, grace_s: float) -> Iterator[str]:
    yield from (
        "",
        "[fleet]",
        "read_every_s = 1",
        "track_every_s = 1",
        "lease_s = 5",
        "settle_s = 2",
        f"grace_s = {grace_s:g}",
        "below_every_s = 2",
        f"stated_s = {plant.interval_s}",
    )


def _upstream(name: str, url: str, above: str, back: str = "") -> Iterator[str]:
    yield from (
        "",
        "[[upstream]]",
        f'url = "{url}"',
        f'name = "{above}"',
        f'ven_id = "{name}"',
        f'cert = "{back}certs/{name}.pem"',
        f'key = "{back}certs/{name}.key"',
        f'ca = "{back}certs/ca.pem"',
    )


def _downstream(name: str, plant: Plant) -> Iterator[str]:
    """All VENs have one address here, and come at once: no limit is meant for that."""
    yield from (
        "",
        "[downstream]",
        'listen = "127.0.0.1:0"',
        f'vtn_id = "{name}"',
        'cert = ["certs/vtn-rsa.pem", "certs/vtn-ec.pem"]',
        'key = ["certs/vtn-rsa.key", "certs/vtn-ec.key"]',
        'client_ca = "certs/ca.pem"',
        'admit = "ca"',
        "poll_s = 1",
        f"live_s = {plant.live_s}",
        "slot_s = 0",
        f"silent_reports = {ceil(SILENCE_S / plant.live_s)}",
        "",
        "[downstream.limits]",
        "address_connections = 0",
        "address_connections_per_s = 0",
        "address_requests_per_s = 0",
        "address_registrations_per_h = 0",
    )


def _console(name: str) -> Iterator[str]:
    yield from ("", "[console]", 'listen = "127.0.0.1:0"', f'token_file = "{name}.token"')


def _devices(things: Iterable[Thing], plant: Plant) -> Iterator[str]:
    for thing in things:
        settings = {**thing.device.settings, "speed": plant.speed}
        yield from ("", "[[device]]", f'id = "{thing.device.id}"', f'driver = "{thing.device.driver}"')
        yield from (f"{name} = {toml(value)}" for name, value in settings.items())
