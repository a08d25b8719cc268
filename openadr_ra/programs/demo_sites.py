"""The demo's plant: three sites, what each can do and is asked, and the settings files that a VTN and three VENs run on."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import msgspec

from openadr_ra.errors import SettingsError
from openadr_ra.net.ca import KEY_KINDS, KeyKind, Role, ca_files
from openadr_ra.programs import certs

STANDS_FOR_S = 1800
"""What an interval of the demo stands for: a slot of the market. Devices run that much faster."""

Setting = float | tuple[float, ...]


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A simulated device. `plan_kw` is what it does by itself, load convention; the demo is over before that changes."""

    id: str
    driver: str
    plan_kw: float
    settings: dict[str, Setting]


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """An edge VEN. Per interval: what it is asked to reduce at first and after the change, and to raise; kW."""

    name: str
    what: str
    key: KeyKind
    devices: tuple[Device, ...]
    at_first_kw: tuple[float, ...]
    reduce_kw: tuple[float, ...]
    raise_kw: tuple[float, ...]


BATTERY = Site(
    name="edge-1",
    what="battery",
    key="ec",
    devices=(
        Device(
            id="battery",
            driver="simulated-battery",
            plan_kw=0.0,
            settings={"power_kw": 60.0, "capacity_kwh": 200.0, "soc_percent": 60.0},
        ),
    ),
    at_first_kw=(-20.0, -20.0, -20.0),
    reduce_kw=(-30.0, -45.0, -20.0),
    raise_kw=(40.0, 25.0),
)

# A bus that stays the night: it wants 220 kWh within 14 h, and gets them slowly unless somebody asks for something else.
DEPOT = Site(
    name="edge-2",
    what="EV charger and PV",
    key="rsa",
    devices=(
        Device(
            id="ev-charger",
            driver="simulated-ev",
            plan_kw=24.0,
            settings={
                "power_kw": 60.0,
                "plan_kw": 24.0,
                "battery_kwh": 300.0,
                "soc_percent": 20.0,
                "need_kwh": 220.0,
                "departs_after_h": 14.0,
                "latency_s": 20.0,
            },
        ),
        Device(
            id="pv",
            driver="simulated-pv",
            plan_kw=-40.0,
            settings={"rated_kw": 60.0, "profile_kw": (40.0,)},
        ),
    ),
    at_first_kw=(-10.0, -10.0, -10.0),
    reduce_kw=(-15.0, -20.0, -12.0),
    raise_kw=(30.0, 20.0),
)

# The set starts within 30 s and takes up its load at 2 kW/s, as an emergency diesel does, and the line is stopped by hand:
# of the first half hour both miss less than a twentieth, and the response says so.
PLANT = Site(
    name="edge-3",
    what="generator and production line",
    key="ec",
    devices=(
        Device(
            id="generator",
            driver="simulated-generator",
            plan_kw=0.0,
            settings={
                "rated_kw": 120.0,
                "minimum_kw": 40.0,
                "start_up_s": 30.0,
                "ramp_kw_per_min": 120.0,
            },
        ),
        Device(
            id="line",
            driver="simulated-line",
            plan_kw=40.0,
            settings={"levels_kw": (0.0, 40.0, 80.0), "plan_kw": 40.0, "latency_s": 45.0},
        ),
    ),
    at_first_kw=(-80.0, -80.0, -60.0),
    reduce_kw=(-90.0, -100.0, -60.0),
    raise_kw=(40.0, 40.0),
)

SITES = (BATTERY, DEPOT, PLANT)


def speed(interval_s: int) -> float:
    """How much faster than real ones the devices run."""
    return STANDS_FOR_S / interval_s


def make_certificates(folder: Path, names: Iterable[tuple[str, KeyKind]], now: datetime) -> bool:
    """A CA, the VTN's two certificates and one for each VEN; True if they were there already and are good.

    Leaves that are missing or no longer good are made anew. Raises SettingsError if that cannot be said of the CA.
    """
    trust = ca_files(folder).trust
    fresh = not trust.exists()
    if fresh:
        certs.init(folder, now=now)
    if any(check.problems for check in certs.check([trust], now=now, ca=trust)):
        raise SettingsError(f"the CA in {folder} can no longer be used; remove that directory and start again")
    for kind in KEY_KINDS:
        _provide(folder, f"vtn-{kind}", "vtn", kind, certs.HOSTS, now)
    for name, kind in names:
        _provide(folder, name, "ven", kind, (), now)
    return not fresh


def _provide(folder: Path, name: str, role: Role, key: KeyKind, hosts: tuple[str, ...], now: datetime) -> None:
    if not _is_good(folder / f"{name}.pem", ca_files(folder).trust, now):
        certs.issue(folder, name, role=role, key=key, hosts=hosts, now=now, replace=True)


def _is_good(certificate: Path, trust: Path, now: datetime) -> bool:
    key = certificate.with_suffix(".key")
    if not certificate.exists() or not key.exists():
        return False
    return not any(one.problems or one.warnings for one in certs.check([certificate, key], now=now, ca=trust))


def write_vtn(out: Path) -> Path:
    """`ac.toml`: the VTN of the aggregation coordinator. It admits the three fingerprints and nobody else."""
    lines = [
        'name = "ac"',
        "",
        "[store]",
        'url = "sqlite:ac.sqlite"',
        "",
        "[downstream]",
        'listen = "127.0.0.1:0"',
        'vtn_id = "AC"',
        'cert = ["certs/vtn-rsa.pem", "certs/vtn-ec.pem"]',
        'key = ["certs/vtn-rsa.key", "certs/vtn-ec.key"]',
        'client_ca = "certs/ca.pem"',
        'admit = "listed"',
        "poll_s = 1",
        "live_s = 1",
    ]
    for site in SITES:
        fingerprint = certs.fingerprint(out / "certs" / f"{site.name}.pem").fingerprint
        lines += ["", "[[downstream.ven]]", f'id = "{site.name}"', f'fingerprints = ["{fingerprint}"]']
    return written(out / "ac.toml", lines)


def write_ven(out: Path, site: Site, url: str, interval_s: int) -> Path:
    """`edge-N.toml`: read ten times a second, on the edges of intervals too; an interval is closed a second after."""
    lines = [
        f'name = "{site.name}"',
        "",
        "[store]",
        f'url = "sqlite:{site.name}.sqlite"',
        "",
        "[fleet]",
        "read_every_s = 0.1",
        "track_every_s = 1",
        "lease_s = 5",
        "settle_s = 1",
        "",
        "[[upstream]]",
        f'url = "{url}"',
        f'ven_id = "{site.name}"',
        f'cert = "certs/{site.name}.pem"',
        f'key = "certs/{site.name}.key"',
        'ca = "certs/ca.pem"',
    ]
    for device in site.devices:
        settings = {**device.settings, "speed": speed(interval_s)}
        lines += ["", "[[device]]", f'id = "{device.id}"', f'driver = "{device.driver}"']
        lines += [f"{name} = {toml(value)}" for name, value in settings.items()]
    return written(out / f"{site.name}.toml", lines)


def toml(value: Setting) -> str:
    """As it stands in a settings file."""
    return repr(list(value)) if isinstance(value, tuple) else repr(value)


def written(path: Path, lines: list[str]) -> Path:
    """The settings file of these lines."""
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path
