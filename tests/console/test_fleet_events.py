"""Events that an operator gives to the node's own fleet: what it promises, what becomes of it, and what came of it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from openadr_ra import Vtn, dispatch
from openadr_ra.console.api import serve
from openadr_ra.console.client import Client
from openadr_ra.fleet.aggregate import sums_agree
from openadr_ra.run.fleet_orders import FleetView, PromisedSlot
from openadr_ra.run.node import Node
from openadr_ra.run.orders import EventDetail, EventView, Order, Report, Row
from openadr_ra.store import MemoryStore
from tests.console.site import NOON, Site, order, running
from tests.console.test_fleet import batteries, fleet, member, says
from tests.run.site import PATIENCE, soon
from tests.run.tiers import battery, counts, eventually, settings, vtn

HOUR = timedelta(hours=1)
HALF = timedelta(minutes=30)


def fleet_order(*kw: float, **changes: object) -> dict[str, object]:
    """An order for the fleet, half hours from one o'clock on."""
    return order(**{"asks": {"fleet": list(kw)}, "fleet": True, **changes})


async def made(site: Site, *kw: float, **changes: object) -> EventView:
    """The event, given to a fleet that knows what its devices can do."""
    await fleet(site)
    answer = await site.ask("POST", "/events", fleet_order(*kw, **changes))
    assert answer.status == 201, answer.body
    return msgspec.json.decode(answer.body, type=EventView)


async def shown(site: Site, event_id: str) -> EventDetail:
    answer = await site.ask("GET", f"/events/{event_id}")
    assert answer.status == 200, answer.body
    return msgspec.json.decode(answer.body, type=EventDetail)


async def listed(site: Site) -> tuple[EventView, ...]:
    return msgspec.json.decode((await site.ask("GET", "/events")).body, type=tuple[EventView, ...])


async def read(site: Site, event_id: str) -> Report:
    answer = await site.ask("GET", f"/events/{event_id}/response")
    assert answer.status == 200, answer.body
    return msgspec.json.decode(answer.body, type=Report)


def figures(rows: tuple[Row, ...]) -> list[tuple[str, str, float | None, float | None, bool | None]]:
    return [(one.ven, one.resource, one.asked_kw, one.delivered_kw, one.in_band) for one in rows]


@pytest.mark.parametrize("side", ["a VEN", "a VTN", "both"])
async def test_an_operator_gives_the_fleet_a_schedule_and_hears_at_once_what_it_promises(
    tmp_path: Path, side: str
) -> None:
    async with running(tmp_path, batteries("b1", "b2", side=side)) as site:
        told = await made(site, -6, 4, id="peak", priority=2, comment="evening")
        seen = await shown(site, "peak")
        known = await listed(site)
        (promise,) = (await fleet(site)).promises

    assert told.order == Order(
        start=NOON + HOUR, every_s=1800, asks={"fleet": (-6.0, 4.0)}, fleet=True, priority=2, comment="evening"
    )
    assert (told.id, told.modification, told.status, told.end) == ("peak", 0, "far", NOON + 2 * HOUR)
    assert told.promise == promise
    assert (promise.asked_by, promise.state, promise.priority, promise.reason) == ("operator", "promised", 2, "")
    assert promise.slots == (
        PromisedSlot(start=NOON + HOUR, end=NOON + HOUR + HALF, asked_kw=-6, covered_kw=-6, short_kw=0),
        PromisedSlot(start=NOON + HOUR + HALF, end=NOON + 2 * HOUR, asked_kw=4, covered_kw=4, short_kw=0),
    )
    assert known == (told,)
    assert (seen.opts, seen.promise) == ({"fleet": "optIn"}, promise)
    assert seen.shares == {"b1": (-3, 2), "b2": (-3, 2)}
    assert [(one.by, one.what) for one in seen.journal] == [("operator", "published"), ("fleet", "promised")]


@pytest.mark.parametrize(
    ("kw", "state", "short_kw"), [(-10.0, "promised", 0), (-11.0, "short", 1), (-11.2, "refused", 1.2)]
)
async def test_what_cannot_be_covered_is_told_and_below_the_least_cover_it_is_refused(
    tmp_path: Path, kw: float, state: str, short_kw: float
) -> None:
    """Nine tenths must be covered; ten kW can be."""
    async with running(tmp_path, batteries("b1", "b2")) as site:
        told = await made(site, kw)
        report = await read(site, told.id)

    assert told.promise is not None
    assert told.promise.state == state
    assert told.promise.short_kw == pytest.approx(short_kw)
    assert bool(told.promise.reason) == (state == "refused")
    opt = "optOut" if state == "refused" else "optIn"
    assert [(row.resource, row.asked_kw, row.accepted) for row in report.rows if row.ven == "fleet"] == [("*", kw, opt)]


async def test_an_event_for_the_fleet_is_changed_and_promised_anew(tmp_path: Path) -> None:
    async with running(tmp_path, batteries("b1")) as site:
        told = await made(site, -2, comment="stays")
        answer = await site.ask("PUT", f"/events/{told.id}", fleet_order(-4, 3, kind="setpoint", comment="stays"))
        changed = msgspec.json.decode(answer.body, type=EventView)
        refused = await site.ask("PUT", f"/events/{told.id}", fleet_order(-40))
        seen = await shown(site, told.id)

    assert answer.status == refused.status == 200
    assert (changed.modification, changed.modified, changed.order.kind) == (1, NOON, "setpoint")
    assert changed.promise is not None
    assert (changed.promise.modification, [one.asked_kw for one in changed.promise.slots]) == (1, [-4, 3])
    assert seen.promise is not None
    assert (seen.modification, seen.promise.state, seen.opts) == (2, "refused", {"fleet": "optOut"})


async def test_a_cancelled_event_releases_the_fleet_and_cannot_be_changed(tmp_path: Path) -> None:
    """Cancelling twice changes nothing."""
    async with running(tmp_path, batteries("b1")) as site:
        told = await made(site, -2, -2)
        await site.clock.advance(NOON + HOUR + timedelta(minutes=10))
        held = await member(site, "b1")
        first = await site.ask("DELETE", f"/events/{told.id}")
        second = await site.ask("DELETE", f"/events/{told.id}")
        free = await member(site, "b1")
        late = await site.ask("PUT", f"/events/{told.id}", fleet_order(-1))
        await site.clock.advance(NOON + HOUR + timedelta(minutes=12))
        report = await read(site, told.id)

    assert (held.held_kw, held.asked_kw, held.events) == (-2, -2, (told.id,))
    assert held.kw == pytest.approx(-2)
    gone = msgspec.json.decode(first.body, type=EventView)
    assert (first.status, gone.status, gone.modification) == (200, "cancelled", 1)
    assert gone.promise is not None
    assert gone.promise.state == "released"
    assert second.body == first.body
    assert (free.held_kw, free.events) == (None, ())
    assert (late.status, late.error) == (
        409,
        f"event {told.id} is cancelled and cannot be changed; publish a new one",
    )
    # What ran until then is answered for, and the rest is not.
    assert [(row.resource, row.duration_s, row.final) for row in report.rows if row.ven == "fleet"] == [
        ("b1", 600, True),
        ("*", 600, True),
    ]


async def test_the_response_of_the_fleet_has_each_member_and_stays_when_the_promise_is_forgotten(
    tmp_path: Path,
) -> None:
    """From what was recorded at each interval's end, in the sense in which it was asked."""
    async with running(tmp_path, batteries("b1", "b2")) as site:
        told = await made(site, -6, kind="setpoint")
        before = await read(site, told.id)
        await site.clock.advance(NOON + HOUR + HALF + timedelta(seconds=10))
        after = await read(site, told.id)
        stream = await site.ask("GET", f"/events/{told.id}/response/stream")
        late = await site.ask("PUT", f"/events/{told.id}", fleet_order(-1))
        await site.clock.advance(NOON + 2 * HOUR)
        promises = (await fleet(site)).promises
        later, seen = await read(site, told.id), await shown(site, told.id)

    assert (before.band, figures(before.rows)) == (
        0.1,
        [("fleet", "*", -6.0, None, None), ("*", "*", -6.0, None, None)],
    )
    assert [(row.ven, row.resource, row.in_band) for row in after.rows] == [
        ("fleet", "b1", True),
        ("fleet", "b2", True),
        ("fleet", "*", True),
        ("*", "*", True),
    ]
    assert [row.asked_kw for row in after.rows] == pytest.approx([-3, -3, -6, -6])
    assert [row.delivered_kw for row in after.rows] == pytest.approx([-3, -3, -6, -6], abs=0.2)
    assert sums_agree(after.rows)
    assert {(row.accepted, row.final, row.source) for row in after.rows} == {("optIn", True, "x-RESPONSE")}
    assert tuple(msgspec.json.decode(line, type=Row) for line in stream.body.splitlines()) == after.rows
    assert (late.status, late.error) == (409, f"event {told.id} is over and cannot be changed; publish a new one")
    assert promises == ()
    assert later == after
    assert (seen.promise, seen.status, seen.opts) == (None, "completed", {"fleet": "optIn"})


async def test_a_withdrawn_member_is_stood_in_for_and_what_is_missing_is_shown(tmp_path: Path) -> None:
    async with running(tmp_path, batteries("b1", "b2")) as site:
        told = await made(site, -5)
        await site.clock.advance(NOON + HOUR + timedelta(minutes=5))
        await says(site, "b1", reason="smoke")
        covered = await shown(site, told.id)
        await says(site, "b2", kw=0)
        lost = await fleet(site)

    assert covered.promise is not None
    assert covered.promise.state == "promised"
    (promise,) = lost.promises
    assert (promise.state, promise.short_kw > 4) == ("short", True)
    assert {one.id: (one.held_kw, one.events) for one in lost.members} == {"b1": (None, ()), "b2": (0, ())}


async def test_an_event_without_an_end_is_promised_until_it_is_cancelled(tmp_path: Path) -> None:
    async with running(tmp_path, batteries("b1")) as site:
        told = await made(site, -2, every_s=0)
        await site.ask("DELETE", f"/events/{told.id}")

    assert told.promise is not None
    assert told.promise.slots == (PromisedSlot(start=NOON + HOUR, end=None, asked_kw=-2, covered_kw=-2, short_kw=0),)


WRONG: list[tuple[dict[str, object], str]] = [
    ({"asks": {"VEN1": [-5]}}, "asks: an event for the fleet has figures for `fleet`, and for nobody else"),
    ({"asks": {"fleet": [-5], "VEN1": [-5]}}, "asks: an event for the fleet has figures for `fleet`, and for nobody"),
    ({"kind": "price"}, "kind: a fleet is asked for power, delta or setpoint, not for a price; address VENs"),
    ({"kind": "level"}, "kind: a fleet is asked for power, delta or setpoint, not for a level; address VENs"),
    ({"test": True}, "test: a fleet's own event has none; address VENs for that"),
    ({"market_context": "http://example.org"}, "market_context: a fleet's own event has none"),
    ({"resources": {"fleet": ["b1"]}}, "resources: a fleet's own event has none"),
    ({"ramp_up_s": 60}, "ramp_up_s: a fleet's own event has none"),
    ({"start": "2026-11-21T11:30:00Z"}, "start: the event would be over already, at 2026-11-21T12:00:00Z"),
    ({"every_s": 0, "asks": {"fleet": [1, 2]}}, "event ev-"),
    ({"id": "a/b"}, "id: has characters that cannot stand there"),
    ({"id": "x" * 41}, "id: expected `str` of length <= 40"),
]


@pytest.mark.parametrize(("change", "sentence"), WRONG, ids=range(len(WRONG)))
async def test_a_wrong_order_to_the_fleet_is_refused_and_leaves_nothing(
    tmp_path: Path, change: dict[str, object], sentence: str
) -> None:
    async with running(tmp_path, batteries("b1", side="both")) as site:
        await fleet(site)
        answer = await site.ask("POST", "/events", fleet_order(-5, **change))
        known = await listed(site)

    assert answer.status == 400
    assert answer.error.startswith(sentence)
    assert known == ()


async def test_names_of_events_are_those_of_one_event_each(tmp_path: Path) -> None:
    """Of VENs and of the fleet alike; the longest has forty characters."""
    async with running(tmp_path, batteries("b1", side="both")) as site:
        assert site.node.vtn is not None
        await site.node.vtn.enrol("VEN1", ["0a" * 10])
        await made(site, -1, id="x" * 40)
        sent = await site.ask("POST", "/events", order(id="theirs"))
        again = [
            await site.ask("POST", "/events", fleet_order(-1, id="x" * 40)),
            await site.ask("POST", "/events", order(id="x" * 40)),
            await site.ask("POST", "/events", fleet_order(-1, id="theirs")),
        ]
        crossed = [
            await site.ask("PUT", "/events/theirs", fleet_order(-1)),
            await site.ask("PUT", f"/events/{'x' * 40}", order()),
            await site.ask("PUT", f"/events/{'x' * 40}", fleet_order(-1, id="y")),
        ]

    assert sent.status == 201
    for answer in again:
        assert (answer.status, answer.error.partition("exists")[2]) == (
            409,
            " already; change it, or choose another id",
        )
    assert [(answer.status, answer.error) for answer in crossed] == [
        (400, "fleet: event theirs is for VENs, and stays so; publish another one"),
        (400, f"fleet: event {'x' * 40} is for the fleet, and stays so; publish another one"),
        (400, f"id: event {'x' * 40} keeps its name; publish another one"),
    ]


@pytest.mark.parametrize(
    ("method", "tail"), [("GET", ""), ("DELETE", ""), ("GET", "/response"), ("GET", "/response/stream")]
)
async def test_a_ven_does_not_know_what_nobody_asked_of_it(tmp_path: Path, method: str, tail: str) -> None:
    async with running(tmp_path, batteries("b1")) as site:
        answer = await site.ask(method, f"/events/ev-none{tail}")

    assert (answer.status, answer.error) == (
        404,
        "event ev-none is unknown; `openadr-ra event list` shows those there are",
    )


async def test_vens_below_and_devices_of_its_own_follow_the_operator_of_a_coordinator(tmp_path: Path) -> None:
    """DRAS or not: the fleet of an AC has both; each VEN answers for its part, and so does its own fleet above it."""
    token = tmp_path / "console.token"
    ac = Node(settings("ac", down=True, device=[battery("own", speed=1)]), store=MemoryStore())
    async with ac.running(), serve(ac, listen="127.0.0.1:0", token_file=token) as url:
        console = Client(url, token.read_text().strip())
        below = Node(settings("edge", up={"ac": vtn(ac).url}, device=[battery("b1", speed=1)]), store=MemoryStore())
        async with below.running(), serve(below, listen="127.0.0.1:0", token_file=token) as edge_url:
            edge = Client(edge_url, token.read_text().strip())
            await counts(ac, "own", "edge")
            starts = soon(4).replace(microsecond=0)
            wanted = Order(start=starts, every_s=2, asks={"fleet": (-4.0, -6.0)}, fleet=True)
            told = await asyncio.to_thread(console.create, wanted)
            opts = await asyncio.to_thread(console.opts, told.id, int(PATIENCE.total_seconds()))
            rows = await asyncio.to_thread(lambda: tuple(console.follow(told.id)))
            mirrored = await asyncio.to_thread(edge.response, told.id)
            held = await asyncio.to_thread(console.fleet)

    assert told.promise is not None
    assert told.promise.state == "promised"
    assert opts == {"fleet": "optIn", "edge": "optIn"}
    assert {one.id: one.what for one in held.members} == {"own": "device", "edge": "VEN"}
    final: dict[tuple[datetime, str], Row] = {(row.start, row.resource): row for row in rows if row.ven == "fleet"}
    assert [final[starts, name].asked_kw for name in ("edge", "own", "*")] == pytest.approx([-2, -2, -4])
    second = starts + timedelta(seconds=2)
    assert sums_agree(final.values(), tolerance_kw=0.001)
    assert final[second, "edge"].mean_kw == pytest.approx(
        next(row.mean_kw for row in mirrored.rows if row.resource == "*" and row.ven == "fleet" and row.start == second)
    )


async def test_the_fleet_of_an_event_from_above_has_its_response_too(tmp_path: Path) -> None:
    """It is no event of this node's operator, but its members had their part in it."""
    token = tmp_path / "console.token"
    async with Vtn(settings("above", down=True), store=MemoryStore()).running() as above:
        node = Node(settings("edge", up={"dras": above.url}, device=[battery("b1", speed=1)]), store=MemoryStore())
        async with node.running(), serve(node, listen="127.0.0.1:0", token_file=token) as url:
            console = Client(url, token.read_text().strip())

            async def is_there() -> bool:
                return any(one.registered for one in await above.vens())

            await eventually(is_there)
            event = await above.publish(dispatch(start=soon(3), every=HALF, delta_kw={"edge": (-2.0,)}))
            await above.opts(event, within=PATIENCE)
            report = await asyncio.to_thread(console.response, event)
            seen: FleetView = await asyncio.to_thread(console.fleet)
            events = await asyncio.to_thread(console.events)

    assert [(row.ven, row.resource, row.asked_kw, row.accepted) for row in report.rows] == [
        ("fleet", "*", -2, "optIn"),
        ("*", "*", -2, "optIn"),
    ]
    assert [(one.event_id, one.asked_by) for one in seen.promises] == [(event, "dras")]
    assert events == ()
