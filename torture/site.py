"""Where a run happens: its folder, ports, certificates, and the settings of its nodes."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from openadr_ra.programs import certs
from openadr_ra.programs.certs import Initialised
from torture.scene import Cell, Scene, VenPlace

LEASE_S = 6.0
"""A VEN renews each 2 s; so a device is let go soon after its VEN has gone."""

PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST_PORT = 10240

LIMITS = "\n".join(
    f"{key} = 0"
    for key in (
        "ven_requests_per_s", "ven_bytes_per_min", "ven_registrations_per_h", "address_requests_per_s",
        "address_bytes_per_min", "address_registrations_per_h", "address_connections", "address_connections_per_s",
    )
)  # fmt: skip
"""None: all VENs come from one address."""

FLEET = f"""
[fleet]
read_every_s = 1
track_every_s = 2
settle_s = 2
lease_s = {LEASE_S:g}
hold_mean = false
offline_s = 900
"""
"""Out of reach is no reason to let go within a run: what a VEN has accepted it follows."""


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """Of a node: where it listens, where its console does, and where the lines begin: the one up to its
    VTN, and the one down to it."""

    listen: int
    console: int
    line: int
    push_line: int


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """A folder for one run. `databases` has the store of each VTN on PostgreSQL."""

    folder: Path
    scene: Scene
    ports: dict[str, Ports]
    devices_port: int
    certificates: Initialised
    databases: dict[str, str] = {}

    def settings(self, name: str) -> Path:
        return self.folder / f"{name}.toml"

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def ledger(self, name: str) -> Path:
        return self.folder / f"{name}.ledger"

    def clock(self, name: str) -> Path:
        """How far a node's clock is off: a file that libfaketime reads."""
        return self.folder / f"{name}.clock"

    def token(self, name: str) -> Path:
        return self.folder / f"{name}.token"

    def disk(self, name: str) -> Path:
        """The folder of a node's store."""
        return self.folder / f"{name}-disk"

    def store_url(self, name: str) -> str:
        """PostgreSQL for a VTN that stands on it, else a file."""
        return self.databases.get(name, f"sqlite:{self.disk(name) / 'node.db'}")


def make(folder: Path, scene: Scene, databases: dict[str, str]) -> Site:
    """The folder with certificates and settings. `databases` has the url of the store of each VTN on PostgreSQL."""
    folder.mkdir(parents=True)
    free = free_ports()
    site = Site(
        folder=folder,
        scene=scene,
        ports={
            name: Ports(listen=next(free), console=next(free), line=next(free), push_line=next(free))
            for name in scene.nodes
        },
        devices_port=next(free),
        certificates=certs.init(folder / "certs", now=datetime.now(UTC)),
        databases=databases,
    )
    for name in scene.nodes:
        site.disk(name).mkdir()
        site.clock(name).write_text("+0\n")
    for cell in scene.cells:
        site.settings(cell.vtn).write_text(_vtn(site, cell))
        for ven in cell.vens:
            site.settings(ven.name).write_text(_ven(site, cell, ven))
    return site


def free_ports() -> Iterator[int]:
    """Ports below those that the system gives to whoever connects: one of these could be taken while its node is down."""
    highest = int(PORT_RANGE.read_text().split()[0]) if PORT_RANGE.exists() else 32768
    for port in random.Random().sample(range(LOWEST_PORT, highest), highest - LOWEST_PORT):  # noqa: S311 - no secret
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        yield port


def _vtn(site: Site, cell: Cell) -> str:
    own = site.certificates.vtn
    tls = (
        ""
        if not cell.tls
        else f"""
cert = {_list(one.certificate for one in own)}
key = {_list(one.key for one in own)}
client_ca = "{site.certificates.trust}"
"""
    )
    return f"""name = "{cell.vtn}"

[store]
url = "{site.store_url(cell.vtn)}"

[downstream]
listen = "127.0.0.1:{site.ports[cell.vtn].listen}"
vtn_id = "{cell.vtn}"
admit = "ca"
poll_s = 2
hold_s = 20
live_s = 2
slot_s = 60
{tls}
[downstream.limits]
{LIMITS}
{_console(site, cell.vtn)}"""


def _ven(site: Site, cell: Cell, ven: VenPlace) -> str:
    scheme = "https" if cell.tls else "http"
    ports = site.ports[ven.name]
    push = (
        ""
        if ven.way != "push"
        else f"""
push_url = "{scheme}://127.0.0.1:{ports.push_line}"
push_listen = "127.0.0.1:{ports.listen}"
"""
    )
    tls = _certificate(site, ven.name) if cell.tls else ""
    return f"""name = "{ven.name}"

[store]
url = "{site.store_url(ven.name)}"
{FLEET}
[[upstream]]
url = "{scheme}://127.0.0.1:{ports.line}"
ven_id = "{ven.name}"
hold_polls = {str(ven.way == "held").lower()}
{push}{tls}
[[device]]
id = "{ven.device}"
driver = "recorder"
port = {site.devices_port}
{_console(site, ven.name)}"""


def _certificate(site: Site, name: str) -> str:
    home = Path(site.certificates.trust).parent
    made = certs.issue(home, name, role="ven", key="ec", now=datetime.now(UTC), days=30, hosts=("127.0.0.1",))
    return f"""
cert = "{made.certificate}"
key = "{made.key}"
ca = "{site.certificates.trust}"
vtn_fingerprints = {_list(one.fingerprint for one in site.certificates.vtn)}
"""


def _console(site: Site, name: str) -> str:
    return f"""
[console]
listen = "127.0.0.1:{site.ports[name].console}"
token_file = "{site.token(name)}"
"""


def _list(items: Iterator[str]) -> str:
    return "[" + ", ".join(f'"{item}"' for item in items) + "]"
