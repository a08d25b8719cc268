"""An event to a whole fleet: pull VENs with held polls, a connection each, all on one machine with the VTN.

From the operator's order until the VTN has acknowledged the last oadrCreatedEvent, by the clock on the wall; each VEN polls
again at once, and that counts. All are registered and offer ten points to report; everything is committed to SQLite first.
The VTN has one core; the generator, which does next to nothing, has the other. Over mutual TLS each VEN has a certificate of
its own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path
from signal import SIGUSR1
from ssl import SSLContext
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import NamedTuple

from benchmarks.child import beside, cpu_us, talking
from benchmarks.fleet import enrol, name, ven_id
from benchmarks.fleet_client import Fleet, room_for
from benchmarks.measure import Figure
from openadr_ra.net.tls import client_context
from openadr_ra.programs import certs
from openadr_ra.programs.certs import Issued

MOST_S = 10.0
PLAIN, OVER_TLS = 10_000, 3_000
A_FIFTH = 5
"""What `make bench` measures; `--full` is the size of the goals."""

LOOK_S = 0.25
RESTING_US = 10_000
"""A server that spends less between two looks has taken all that was sent to it."""


class FanOut(NamedTuple):
    """Seconds from the order until each hundredth of the fleet was done, and the server's CPU milliseconds a VEN."""

    done_s: tuple[float, ...]
    cpu_ms: float


def figures() -> Iterator[Figure]:
    """A fifth of the fleets."""
    yield from _figures(PLAIN // A_FIFTH, OVER_TLS // A_FIFTH)


def full() -> Iterator[Figure]:
    """The fleets that the goals are about."""
    yield from _figures(PLAIN, OVER_TLS)


def _figures(plain: int, over_tls: int) -> Iterator[Figure]:
    with beside(), TemporaryDirectory() as folder:
        yield from _shown(f"{plain:,} VENs, plain HTTP", _plain(Path(folder), plain))
        yield from _shown(f"{over_tls:,} VENs, mutual TLS", _over_tls(Path(folder), over_tls))


def _shown(which: str, found: FanOut) -> Iterator[Figure]:
    last_s = found.done_s[-1]
    yield Figure(
        name=f"event to the last of {which}",
        unit="s wall",
        ours=last_s,
        goal=f"at most {MOST_S:g} s",
        met=last_s <= MOST_S,
        done_s=found.done_s,
    )
    yield Figure(name=f"the VTN's part of it, per VEN, {which}", unit="ms CPU", ours=found.cpu_ms, goal="", met=True)


def _plain(folder: Path, count: int) -> FanOut:
    asyncio.run(enrol(folder / "plain.db", count))
    return measured(folder / "plain.db", count, repeat(None))


def _over_tls(folder: Path, count: int) -> FanOut:
    """The CA, a certificate and a row for each VEN, then the same."""
    home, now = folder / "certs", datetime.now(UTC)
    certs.init(home, now=now)
    shown = [certs.issue(home, name(number), role="ven", key="ec", now=now) for number in range(count)]
    asyncio.run(enrol(folder / "tls.db", count, [one.fingerprint for one in shown]))
    return measured(folder / "tls.db", count, _contexts(shown, home / "ca.pem"), str(home))


def _contexts(shown: Sequence[Issued], trust: Path) -> Iterator[SSLContext]:
    """For each of them; it is one context, for a connection keeps the certificate that it began with."""
    context = client_context((Path(shown[0].certificate), Path(shown[0].key)), trust)
    for one in shown:
        context.load_cert_chain(one.certificate, one.key)
        yield context


def measured(file: Path, count: int, tls: Iterable[SSLContext | None], *words: str) -> FanOut:
    """One event to all of them."""
    room_for(count)
    vens = tuple(ven_id(number) for number in range(count))
    with ExitStack() as stack:
        command = ("-m", "benchmarks.load_servers", "ours", str(file), str(count), *words)
        server = stack.enter_context(talking(*command))
        fleet = stack.enter_context(closing(Fleet(int(server.said), vens, tls)))
        before = _rested(server.pid)
        began = monotonic()
        os.kill(server.pid, SIGUSR1)
        done = [at - began for at in fleet.answered()]
        spent = _rested(server.pid) - before
    return FanOut(tuple(done[min(count * part // 100, count - 1)] for part in range(101)), spent / count / 1000)


def _rested(pid: int) -> float:
    """CPU microseconds that it has spent, once it has nothing left to do."""
    spent = cpu_us(pid)
    while True:
        sleep(LOOK_S)
        now = cpu_us(pid)
        if now - spent < RESTING_US:
            return now
        spent = now
