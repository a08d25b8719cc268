"""Two workers of one VTN on PostgreSQL against one, under a mixed load of a fleet with a connection for each VEN.

In a round every VEN gets an event and accepts it, reports ten points, and polls three times for nothing; for ten of them
there is a registration of a VEN that is new. What is counted is the CPU time of the VTN's processes; PostgreSQL, durable as
it is shipped, has its own. Each VTN has a database to itself. In the column of the floor is one worker, with 32 requests at
once: those that wait at the same time share a transaction, so it matters how many a worker has. The kernel spreads
connections over the workers; the share of the busier one is that of the CPU time of both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import NamedTuple

import msgspec

from benchmarks.child import CORES, cpu_us, talking
from benchmarks.fleet import RIDS, name
from benchmarks.load_client import Joined, Posts, join, metadata, over, post_all, update
from benchmarks.load_servers import UNLIMITED
from benchmarks.measure import Figure, Spread, against_floor, spread
from benchmarks.poll_client import Lane
from openadr_ra.console.client import Client
from openadr_ra.programs.serve import Started
from openadr_ra.protocol.messages import CreatedEvent, CreatePartyRegistration, DistributeEvent, Poll
from openadr_ra.protocol.model import OPT_IN, EventId, QualifiedEventId, RequestId
from openadr_ra.protocol.parts import EventResponse, Result
from openadr_ra.run.order import Order
from openadr_ra.wire.codec import decode, encode
from tests import postgres

MOST_TIMES, MOST_SHARE = 1.2, 60.0

VENS = 320
AT_ONCE = 32
DAILY_ROUNDS, ROUNDS = 3, 6
IDLE_POLLS = 3
VENS_FOR_A_NEW_ONE = 10
HALF_HOUR_S = 1800
PATIENCE_S = 30.0
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Load(NamedTuple):
    """So many requests at once, of so many workers."""

    workers: int
    at_once: int


ONE, EACH, SHARED = Load(1, AT_ONCE), Load(2, 2 * AT_ONCE), Load(2, AT_ONCE)


class Site(NamedTuple):
    """A VTN with its fleet; `pids` are those of its processes, the workers last."""

    pids: tuple[int, ...]
    console: Client
    fleet: tuple[tuple[Lane, Joined], ...]


def figures() -> Iterator[Figure]:
    """As many requests at once for each worker."""
    yield from _figures((ONE, EACH), DAILY_ROUNDS)


def full() -> Iterator[Figure]:
    """And as many for both together."""
    yield from _figures((ONE, EACH, SHARED), ROUNDS)


def _figures(loads: tuple[Load, ...], count: int) -> Iterator[Figure]:
    with TemporaryDirectory() as folder, ExitStack() as stack:
        database = stack.enter_context(postgres.server())
        sites = {load: _site(stack, Path(folder), database.database(), load) for load in loads}
        costs: dict[Load, list[float]] = {load: [] for load in sites}
        shares: list[float] = []
        for number in range(count + 1):
            for load, site in sites.items():
                requests, spent = _round(site, number, load.at_once)
                costs[load].append(sum(spent.values()) / requests)
                workers = [spent[pid] for pid in site.pids[-load.workers :]]
                shares += [100 * max(workers) / sum(workers)] if load is EACH else []
    # The first round warms them up.
    spreads = {load: spread(each[1:]) for load, each in costs.items()}
    yield _cost(f"a request of a mixed load, two workers against one, {AT_ONCE} at once for each", spreads, EACH)
    if SHARED in spreads:
        yield _cost(f"a request of a mixed load, two workers against one, {AT_ONCE} at once for both", spreads, SHARED)
    share = spread(shares[1:])
    yield Figure(
        name="share of the busier of two workers",
        unit="% of their CPU",
        ours=share.median,
        least=share.least,
        most=share.most,
        goal=f"at most {MOST_SHARE:g} %",
        met=share.median <= MOST_SHARE,
    )


def _cost(name: str, spreads: Mapping[Load, Spread], load: Load) -> Figure:
    return against_floor(name, "us CPU", {"ours": spreads[load], "floor": spreads[ONE]}, most=MOST_TIMES)


def _site(stack: ExitStack, folder: Path, database: str, load: Load) -> Site:
    """The VTN as its operator starts it, and all VENs registered there."""
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
    lanes = [stack.enter_context(closing(Lane(port))) for _ in range(VENS)]
    offer = (metadata(RIDS),)
    return Site(
        pids=(process.pid, *_children(process.pid)),
        console=Client(started.console, (home / "token").read_text("utf-8").strip()),
        fleet=tuple((lane, join(name(number), offer, over(lane))) for number, lane in enumerate(lanes)),
    )


def _children(pid: int) -> tuple[int, ...]:
    return tuple(int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def _round(site: Site, number: int, at_once: int) -> tuple[int, Mapping[int, float]]:
    """How many requests there were, and CPU microseconds of each process."""
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1 + number)
    reports = tuple(_reports(site, BEGIN + number * timedelta(minutes=1)))
    strangers = tuple(_strangers(site, number))
    polls = [(lane, encode(Poll(ven_id=ven))) for lane, (ven, _) in site.fleet]
    before = {pid: cpu_us(pid) for pid in site.pids}
    asks: dict[str, tuple[float, ...]] = {ven: (-1.0,) for _, (ven, _) in site.fleet}
    event = EventId(site.console.create(Order(start=start, every_s=HALF_HOUR_S, asks=asks)).id)
    given, in_vain = _given(polls, event, at_once)
    post_all("EiEvent", [_accepted(event, *each) for each in zip(site.fleet, given, strict=True)], at_once)
    post_all("EiReport", reports, at_once)
    for _ in range(IDLE_POLLS):
        post_all("OadrPoll", polls, at_once)
    post_all("EiRegisterParty", strangers, at_once)
    requests = in_vain + (3 + IDLE_POLLS) * VENS + len(strangers)
    return requests, {pid: cpu_us(pid) - spent for pid, spent in before.items()}


def _given(polls: Posts, event: EventId, at_once: int) -> tuple[list[bytes], int]:
    """What each VEN is given of the event, and how many polls came to a worker before the news of it did."""
    given = list(post_all("OadrPoll", polls, at_once, good=b""))
    in_vain = 0
    end = monotonic() + PATIENCE_S
    while missing := [index for index, said in enumerate(given) if event.encode() not in said]:
        assert monotonic() < end, f"{len(missing)} VENs are not given {event}"
        in_vain += len(missing)
        again = post_all("OadrPoll", [polls[index] for index in missing], at_once, good=b"")
        for index, said in zip(missing, again, strict=True):
            given[index] = said
    return given, in_vain


def _reports(site: Site, minute: datetime) -> Iterator[tuple[Lane, bytes]]:
    for lane, (ven, request) in site.fleet:
        yield lane, update(ven, request, minute, rids=RIDS, intervals=1, together=True)


def _strangers(site: Site, number: int) -> Iterator[tuple[Lane, bytes]]:
    """VENs that register for the first time."""
    for index, (lane, _) in enumerate(site.fleet[::VENS_FOR_A_NEW_ONE]):
        new = f"new-{number}-{index}"
        yield lane, encode(CreatePartyRegistration(request_id=RequestId("register-1"), ven_name=new, pull=True))


def _accepted(event: EventId, asked: tuple[Lane, Joined], distributed: bytes) -> tuple[Lane, bytes]:
    lane, (ven, _) = asked
    message = decode(distributed)
    assert isinstance(message, DistributeEvent), message
    response = EventResponse(
        request_id=message.request_id, event=QualifiedEventId(event_id=event, modification=0), opt=OPT_IN
    )
    return lane, encode(CreatedEvent(result=Result(), responses=(response,), ven_id=ven))
