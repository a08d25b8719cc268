"""Two workers of one VTN on PostgreSQL against one, under a mixed load of a fleet with a connection for each VEN.

In a round every VEN gets an event and accepts it, reports ten points, and polls three times for nothing; for ten of them
there is a registration of a VEN that is new. In the column of the floor is one worker, with 32 requests at once: those that
wait at the same time share a transaction, so it matters how many a worker has. After all rounds each VEN's poll is held,
over a connection beside, and it reports five points again and again, as it would once a minute; eight at once for each
worker, because such reports come evenly. The kernel spreads connections over the workers; the share of the busier one is
that of the CPU time of both.

What is counted is the CPU time of the VTN's processes, and by itself that of all of PostgreSQL's, durable as it is shipped.
Each VTN has a database to itself on one server. None of them is kept on cores of its own: VTN, PostgreSQL and the VENs share
what there are. PostgreSQL's figures have no goal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import NamedTuple

from benchmarks import sites
from benchmarks.fleet import RIDS
from benchmarks.fleet_client import room_for
from benchmarks.load_client import MINUTE, Joined, Posts, post_all, update
from benchmarks.measure import Figure, Spread, against_floor, spread, without_goal
from benchmarks.poll_client import Lane
from benchmarks.sites import Load, Site, Spent
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
LIVE_RIDS, LIVE_AT_ONCE = 5, 8
HELD = "Prefer: wait=45\r\n"
"""As long as a VTN holds a poll; all live reports are through long before."""
HALF_HOUR_S = 1800
PATIENCE_S = 30.0
BEGIN, LIVE_BEGIN = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)

ONE, EACH, SHARED = Load(1, AT_ONCE), Load(2, 2 * AT_ONCE), Load(2, AT_ONCE)


class Part(NamedTuple):
    """What was spent, and among how many requests, or VENs, it is shared out."""

    among: int
    spent: Spent


class Rounds(NamedTuple):
    """The parts of each round of one load: of everything, of its event alone, and of live reports."""

    mixed: list[Part]
    event: list[Part]
    live: list[Part]


def figures() -> Iterator[Figure]:
    """As many requests at once for each worker."""
    yield from _figures((ONE, EACH), DAILY_ROUNDS)


def full() -> Iterator[Figure]:
    """And as many for both together."""
    yield from _figures((ONE, EACH, SHARED), ROUNDS)


def _figures(loads: tuple[Load, ...], count: int) -> Iterator[Figure]:
    found = {load: Rounds([], [], []) for load in loads}
    room_for(2 * VENS * len(loads))
    with TemporaryDirectory() as folder, ExitStack() as stack:
        server = stack.enter_context(postgres.server())
        fleets = {load: sites.start(stack, Path(folder), server.database(), server.pid, load, VENS) for load in loads}
        for number in range(count + 1):
            for load, site in fleets.items():
                _round(site, number, load.at_once, found[load])
        for site in fleets.values():
            _hold(stack, site)
        for number in range(count + 1):
            for load, site in fleets.items():
                found[load].live.append(_live(site, number, LIVE_AT_ONCE * load.workers))
    yield from _shown(found)


def _shown(found: Mapping[Load, Rounds]) -> Iterator[Figure]:
    mixed = {load: rounds.mixed for load, rounds in found.items()}
    name = "a request of a mixed load, two workers against one, 32 at once for "
    yield _goal(f"{name}each", mixed, EACH)
    if SHARED in found:
        yield _goal(f"{name}both", mixed, SHARED)
    yield _postgres("PostgreSQL's own part of such a request, 32 at once for each", mixed)
    event = {load: rounds.event for load, rounds in found.items()}
    yield without_goal("an event, published to answered, per VEN", "us CPU", _both(event, _vtn))
    yield _postgres("PostgreSQL's own part of an event, per VEN", event)
    live = {load: rounds.live for load, rounds in found.items()}
    yield without_goal(f"a live report, {LIVE_RIDS} rIDs x 1 interval, beside a held poll", "us CPU", _both(live, _vtn))
    yield _postgres("PostgreSQL's own part of a live report", live)
    share = spread([_share(part) for part in found[EACH].mixed[1:]])
    yield Figure(
        name="share of the busier of two workers",
        unit="% of their CPU",
        ours=share.median,
        least=share.least,
        most=share.most,
        goal=f"at most {MOST_SHARE:g} %",
        met=share.median <= MOST_SHARE,
    )


def _goal(name: str, parts: Mapping[Load, Sequence[Part]], load: Load) -> Figure:
    spreads = {"ours": _spread(parts[load], _vtn), "floor": _spread(parts[ONE], _vtn)}
    return against_floor(name, "us CPU", spreads, most=MOST_TIMES)


def _postgres(name: str, parts: Mapping[Load, Sequence[Part]]) -> Figure:
    return without_goal(name, "us CPU", _both(parts, _database))


def _both(parts: Mapping[Load, Sequence[Part]], of: Callable[[Part], float]) -> Mapping[str, Spread]:
    return {"ours": _spread(parts[EACH], of), "floor": _spread(parts[ONE], of)}


def _spread(parts: Sequence[Part], of: Callable[[Part], float]) -> Spread:
    """The first round warms them up."""
    return spread([of(part) for part in parts[1:]])


def _vtn(part: Part) -> float:
    """CPU microseconds of the VTN for each that was counted."""
    return sum(part.spent.vtn_us) / part.among


def _database(part: Part) -> float:
    return part.spent.postgres_us / part.among


def _share(part: Part) -> float:
    """Percent of the workers' time that the busier of two has spent."""
    workers = part.spent.vtn_us[-EACH.workers :]
    return 100 * max(workers) / sum(workers)


def _round(site: Site, number: int, at_once: int, found: Rounds) -> None:
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1 + number)
    reports = tuple(_reports(site, BEGIN + number * MINUTE, RIDS))
    strangers = tuple(_strangers(site, number))
    polls = [(lane, _poll(joined)) for lane, joined in site.fleet]
    before = site.spent()
    asks: dict[str, tuple[float, ...]] = {ven: (-1.0,) for _, (ven, _) in site.fleet}
    event = EventId(site.console.create(Order(start=start, every_s=HALF_HOUR_S, asks=asks)).id)
    given, in_vain = _given(polls, event, at_once)
    post_all("EiEvent", [_accepted(event, *each) for each in zip(site.fleet, given, strict=True)], at_once)
    found.event.append(Part(VENS, site.spent().since(before)))
    post_all("EiReport", reports, at_once)
    for _ in range(IDLE_POLLS):
        post_all("OadrPoll", polls, at_once)
    post_all("EiRegisterParty", strangers, at_once)
    requests = in_vain + (3 + IDLE_POLLS) * VENS + len(strangers)
    found.mixed.append(Part(requests, site.spent().since(before)))


def _hold(stack: ExitStack, site: Site) -> None:
    """A poll of each VEN that the VTN holds, over a connection of its own."""
    for _, joined in site.fleet:
        lane = stack.enter_context(closing(Lane(site.port)))
        lane.send("OadrPoll", _poll(joined), HELD)


def _live(site: Site, number: int, at_once: int) -> Part:
    """A report of one minute of each VEN."""
    reports = tuple(_reports(site, LIVE_BEGIN + number * MINUTE, LIVE_RIDS))
    before = site.spent()
    post_all("EiReport", reports, at_once)
    return Part(len(reports), site.spent().since(before))


def _poll(joined: Joined) -> bytes:
    return encode(Poll(ven_id=joined.ven))


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


def _reports(site: Site, minute: datetime, rids: int) -> Iterator[tuple[Lane, bytes]]:
    for lane, (ven, request) in site.fleet:
        yield lane, update(ven, request, minute, rids=rids, intervals=1, together=True)


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
