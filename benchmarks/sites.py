"""VTNs on one PostgreSQL, as their operator starts them, each with its fleet; and what each program spends."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import msgspec
import psutil

from benchmarks.child import CORES, cpu_us, talking, tree_us
from benchmarks.fleet import RIDS, name
from benchmarks.load_client import Joined, join, metadata, over
from benchmarks.load_servers import UNLIMITED
from benchmarks.poll_client import Lane
from openadr_ra.console.client import Client
from openadr_ra.programs.serve import Started


class Load(NamedTuple):
    """So many requests at once, of so many workers."""

    workers: int
    at_once: int


class Spent(NamedTuple):
    """CPU microseconds: of each process of a VTN, and of all of the PostgreSQL server's."""

    vtn_us: tuple[float, ...]
    postgres_us: float

    def since(self, before: Spent) -> Spent:
        each = zip(self.vtn_us, before.vtn_us, strict=True)
        return Spent(tuple(now - then for now, then in each), self.postgres_us - before.postgres_us)


class Site(NamedTuple):
    """A VTN with its fleet; `pids` are those of its processes, the workers last."""

    port: int
    pids: tuple[int, ...]
    console: Client
    fleet: tuple[tuple[Lane, Joined], ...]
    postgres: int

    def spent(self) -> Spent:
        return Spent(tuple(cpu_us(pid) for pid in self.pids), tree_us(self.postgres))


def start(stack: ExitStack, folder: Path, database: str, postgres_pid: int, load: Load, vens: int) -> Site:
    """The VTN with so many workers on a database of its own, and all VENs registered there; it ends with the stack."""
    home = folder / f"{load.workers}-{load.at_once}"
    home.mkdir()
    limits = "".join(f"{key} = {value}\n" for key, value in UNLIMITED.items())
    (home / "vtn.toml").write_text(
        f'[store]\nurl = "{database}"\n[console]\nlisten = "127.0.0.1:0"\ntoken_file = "token"\n'
        f'[downstream]\nlisten = "127.0.0.1:0"\nadmit = "ca"\n[downstream.limits]\n{limits}'
    )
    words = ("vtn", str(home / "vtn.toml"), "--workers", str(load.workers), "--log-level", "error", "--json")
    process = stack.enter_context(talking("-m", "openadr_ra", *words, cores=CORES))
    started = msgspec.json.decode(process.said, type=Started)
    assert started.vtn is not None
    assert started.console is not None
    port = int(started.vtn.split(":")[2].partition("/")[0])
    lanes = [stack.enter_context(closing(Lane(port))) for _ in range(vens)]
    offer = (metadata(RIDS),)
    return Site(
        port=port,
        pids=(process.pid, *(child.pid for child in psutil.Process(process.pid).children())),
        console=Client(started.console, (home / "token").read_text("utf-8").strip()),
        fleet=tuple((lane, join(name(number), offer, over(lane))) for number, lane in enumerate(lanes)),
        postgres=postgres_pid,
    )
