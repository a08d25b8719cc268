"""What an operator can do through the console, and what it says to what cannot be done."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from openadr_ra.protocol.instruction import Ask, Instruction
from openadr_ra.protocol.model import EventId, ResourceId, VenId
from openadr_ra.protocol.step import Entry
from openadr_ra.run.orders import EventDetail, EventView, Order
from openadr_ra.run.ven_orders import VenSummary
from openadr_ra.store import SqliteStore
from tests.console.site import NOON, Site, order, running, ven_settings, vtn_settings

HOUR = timedelta(hours=1)


async def view(site: Site, event_id: str) -> EventDetail:
    answer = await site.ask("GET", f"/events/{event_id}")
    assert answer.status == 200, answer.body
    return msgspec.json.decode(answer.body, type=EventDetail)


async def test_operator_gives_an_event_to_vens(tmp_path: Path) -> None:
    """It is answered with the event as it stands, and its VENs have it."""
    written = order(
        asks={"VEN1": [-5, -8], "VEN2": [-1, 0.5]},
        kind="setpoint",
        market_context="http://example.org/vpp",
        priority=1,
        comment="下げ & <more>",
        test=True,
    )
    async with running(tmp_path) as site:
        answer = await site.ask("POST", "/events", written)
        made = msgspec.json.decode(answer.body, type=EventView)
        shown = await view(site, made.id)
        assert site.node.vtn is not None
        held = await site.node.vtn.event(made.id)

    assert answer.status == 201
    assert (made.modification, made.status, made.created, made.modified) == (0, "far", NOON, None)
    assert made.end == NOON + 2 * HOUR
    assert made.order == msgspec.convert(written, Order)
    assert shown.order == made.order
    assert shown.opts == {"VEN1": None, "VEN2": None}
    assert [(entry.by, entry.what) for entry in shown.journal] == [("operator", "published")]
    assert held.asks == {VenId("VEN1"): Ask(values=(-5, -8)), VenId("VEN2"): Ask(values=(-1, 0.5))}


@pytest.mark.parametrize(
    ("kind", "signal", "values"),
    [
        ("delta", ("LOAD_DISPATCH", "delta"), [-5.0]),
        ("setpoint", ("LOAD_DISPATCH", "setpoint"), [3.5]),
        ("price", ("ELECTRICITY_PRICE", "price"), [12.25]),
        ("level", ("SIMPLE", "level"), [3.0]),
    ],
)
async def test_each_kind_of_order_becomes_its_signal(
    tmp_path: Path, kind: str, signal: tuple[str, str], values: list[float]
) -> None:
    async with running(tmp_path) as site:
        event_id = await site.published(kind=kind, asks={"VEN1": values}, currency="EUR")
        assert site.node.vtn is not None
        held = await site.node.vtn.event(event_id)
        shown = await view(site, event_id)

    assert (held.signal, held.kind) == signal
    assert (shown.order.kind, shown.order.asks, shown.order.currency) == (kind, {"VEN1": tuple(values)}, "EUR")


async def test_events_are_listed_soonest_first_as_they_stand_now(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        late = await site.published(start="2026-11-21T15:00:00Z")
        soon = await site.published(start="2026-11-21T22:30:00+09:00", every_s=60)
        await site.clock.advance(NOON + timedelta(minutes=91))
        found = msgspec.json.decode((await site.ask("GET", "/events")).body, type=tuple[EventView, ...])

    assert [(one.id, one.status) for one in found] == [(soon, "active"), (late, "far")]


async def test_operator_changes_an_event(tmp_path: Path) -> None:
    """The next modification says what the order says; a VEN that is left out is told to stop."""
    async with running(tmp_path) as site:
        event_id = await site.published()
        answer = await site.ask("PUT", f"/events/{event_id}", order(asks={"VEN2": [1, 2]}, comment="instead"))
        shown = await view(site, event_id)

    assert answer.status == 200
    assert (shown.modification, shown.modified, shown.order.comment) == (1, NOON, "instead")
    assert shown.order.asks == {"VEN2": (1.0, 2.0)}
    assert [entry.detail for entry in shown.journal] == ["modification 0", "modification 1, withdrawn from VEN1"]


async def test_a_change_keeps_what_an_order_cannot_say(tmp_path: Path) -> None:
    """An embedding program may have published more than the console knows."""
    async with running(tmp_path) as site:
        assert site.node.vtn is not None
        ask = Ask(values=(-5.0,), resources=(ResourceId("battery"),))
        made = Instruction(
            id=EventId("ev-1"), start=NOON + HOUR, every=HOUR, asks={VenId("VEN1"): ask}, ramp_up=timedelta(minutes=5)
        )
        await site.node.vtn.publish(made)
        await site.ask("PUT", "/events/ev-1", order(asks={"VEN1": [-6], "VEN2": [-1]}))
        held = await site.node.vtn.event("ev-1")

    assert held.ramp_up == timedelta(minutes=5)
    assert held.asks[VenId("VEN1")] == Ask(values=(-6.0,), resources=(ResourceId("battery"),))
    assert held.asks[VenId("VEN2")] == Ask(values=(-1.0,))


async def test_operator_cancels_an_event_and_may_say_so_twice(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        event_id = await site.published()
        first = await site.ask("DELETE", f"/events/{event_id}")
        second = await site.ask("DELETE", f"/events/{event_id}")

    assert first.status == 200
    found = msgspec.json.decode(first.body, type=EventView)
    assert (found.status, found.modification) == ("cancelled", 1)
    assert second.body == first.body


async def test_a_cancelled_event_cannot_be_changed_any_more(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        event_id = await site.published()
        await site.ask("DELETE", f"/events/{event_id}")
        answer = await site.ask("PUT", f"/events/{event_id}", order())

    assert answer.status == 409
    assert answer.error == f"event {event_id} is cancelled and cannot be changed; publish a new one"


@pytest.mark.parametrize(
    ("method", "tail", "body"),
    [
        ("GET", "", None),
        ("PUT", "", order()),
        ("DELETE", "", None),
        ("GET", "/opts", None),
        ("GET", "/response", None),
        ("GET", "/response/stream", None),
    ],
)
async def test_an_unknown_event_is_not_found(tmp_path: Path, method: str, tail: str, body: object) -> None:
    async with running(tmp_path) as site:
        answer = await site.ask(method, f"/events/ev-none{tail}", body)

    assert answer.status == 404
    assert answer.error == "event ev-none is unknown; `openadr-ra event list` shows those there are"


async def test_an_unknown_ven_in_an_order_is_the_orders_fault(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        event_id = await site.published()
        created = await site.ask("POST", "/events", order(asks={"VEN9": [1]}))
        changed = await site.ask("PUT", f"/events/{event_id}", order(asks={"VEN9": [1]}))

    for answer in (created, changed):
        assert answer.status == 400
        assert answer.error == "VEN VEN9 is unknown here; `openadr-ra ven list` shows those there are"


WRONG: list[tuple[dict[str, object], str]] = [
    ({"extra": 1}, "extra: there is no such field"),
    ({"start": None}, "start: expected `datetime`, got `null`"),
    ({"start": "2026-11-21T13:00:00"}, "start: expected `datetime` with a timezone component"),
    ({"start": "0001-01-01T00:00:00+09:00"}, "start: 0001-01-01T00:00:00+09:00 is outside the calendar"),
    ({"start": "9999-12-31T23:59:59.5Z"}, "start: 9999-12-31T23:59:59.500000+00:00 is outside the calendar"),
    ({"asks": {"VEN1": ["5"]}}, "asks[...][0]: expected `float`, got `str`"),
    ({"asks": {"VEN1": [1], "VEN2": [1, 2]}}, "every VEN needs the same number of intervals"),
    ({"asks": {}}, "asks: expected `object` of length >= 1"),
    ({"kind": "gas"}, "kind: invalid enum value 'gas'"),
    ({"kind": "level", "asks": {"VEN1": [0, 1, 2, 3, 4]}}, "asks.VEN1: 4 is no level; SIMPLE has 0, 1, 2 and 3"),
    ({"kind": "level", "asks": {"VEN1": [0.5]}}, "asks.VEN1: 0.5 is no level"),
    ({"currency": "EURO"}, "currency: expected `str` of length <= 3"),
    ({"currency": "yen"}, "currency: has characters that cannot stand there"),
    ({"market_context": "http://a b"}, "market_context: has characters that cannot stand there"),
    ({"comment": "a\u0001b"}, "comment: has characters that cannot stand there"),
    ({"comment": "a\uffffb"}, "comment: has characters that cannot stand there"),
    ({"asks": {"V 1": [1]}}, "asks: has characters that cannot stand there"),
    ({"asks": {"V1\n": [1]}}, "asks: has characters that cannot stand there"),
    ({"asks": {"": [1]}}, "asks: expected `str` of length >= 1"),
]


@pytest.mark.parametrize(("change", "sentence"), WRONG, ids=range(len(WRONG)))
async def test_a_wrong_order_is_refused_with_the_place_of_the_mistake(
    tmp_path: Path, change: dict[str, object], sentence: str
) -> None:
    async with running(tmp_path) as site:
        answer = await site.ask("POST", "/events", order(**change))
        events = await site.ask("GET", "/events")

    assert answer.status == 400
    assert sentence in answer.error
    assert events.body == b"[]"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "the body is no JSON (Input data was truncated)"),
        (b"{", "the body is no JSON (Input data was truncated)"),
        (b"\xff", "the body is no JSON (JSON is malformed"),
        (b'{"comment":"\xff"}', "the body is no"),
        (b"[]", "the body: expected `object`, got `array`"),
        (b"{}", "start: is missing"),
        (b'{"start":"2026-11-21T13:00:00Z","every_s":1,"asks":{"VEN1":[1e999]}}', "asks[...][0]: number out of range"),
        (b'{"start":"2026-11-21T13:00:00Z","every_s":1,"asks":{"VEN1":[NaN]}}', "the body is no JSON"),
    ],
)
async def test_what_is_no_order_at_all_is_refused(tmp_path: Path, body: bytes, sentence: str) -> None:
    async with running(tmp_path) as site:
        answer = await site.ask("POST", "/events", body)

    assert answer.status == 400
    assert answer.error.startswith(sentence)


@pytest.mark.parametrize(
    ("field", "within", "beyond"),
    [
        ("every_s", 1, -1),
        ("every_s", 86_400, 86_401),
        ("asks", {"VEN1": [1] * 1488}, {"VEN1": [1] * 1489}),
        ("asks", {"V" * 50: [1]}, {"V" * 51: [1]}),
        ("comment", "x" * 500, "x" * 501),
        ("market_context", "x" * 255, "x" * 256),
        ("priority", 0, -1),
        ("priority", 9999, 10_000),
    ],
)
async def test_an_order_has_its_limits(tmp_path: Path, field: str, within: object, beyond: object) -> None:
    async with running(tmp_path, vtn_settings("VEN1", "V" * 50)) as site:
        good = await site.ask("POST", "/events", order(**{field: within}))
        bad = await site.ask("POST", "/events", order(**{field: beyond}))

    assert good.status == 201, good.body
    assert bad.status == 400
    assert bad.error.startswith(f"{field}")


async def test_opts_are_answered_by_ven(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        event_id = await site.published(asks={"VEN1": [1], "VEN2": [1]})
        answer = await site.ask("GET", f"/events/{event_id}/opts")

    assert (answer.status, answer.body) == (200, b'{"VEN1":null,"VEN2":null}')


@pytest.mark.parametrize(("within", "status"), [("0", 200), ("600", 200), ("601", 400), ("-1", 400), ("1.5", 400)])
async def test_the_wait_for_opts_has_a_limit(tmp_path: Path, within: str, status: int) -> None:
    """Nobody is waited for here: the event has no VEN that has not answered once it is over for all."""
    async with running(tmp_path) as site:
        event_id = await site.published()
        await answered(site, event_id)
        answer = await site.ask("GET", f"/events/{event_id}/opts?within_s={within}")

    assert answer.status == status, answer.body
    if status == 400:
        assert answer.error == f"within_s: '{within}' is no whole number from 0 to 600"


async def answered(site: Site, event_id: str) -> None:
    """VEN1 opts in, as the journal has it."""
    entry = Entry(subject=f"event/{event_id}", at=NOON, by="VEN1", what="optIn", detail="modification 0")
    await site.store.record((), (entry,))


async def test_vens_are_listed_with_what_they_owe(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        answer = await site.ask("GET", "/vens")

    found = msgspec.json.decode(answer.body, type=tuple[VenSummary, ...])
    assert [(ven.ven_id, ven.registered, ven.last_seen) for ven in found] == [
        ("VEN1", False, None),
        ("VEN2", False, None),
    ]


async def test_operator_enrols_a_ven_and_its_certificates(tmp_path: Path) -> None:
    """In any spelling; those it had are replaced."""
    async with running(tmp_path) as site:
        await site.ask("PUT", "/vens/VEN%2F3", {"fingerprints": ["00" * 10]})
        answer = await site.ask("PUT", "/vens/VEN%2F3", {"fingerprints": ["aa-" * 9 + "aa", "BB" * 10]})
        assert site.node.vtn is not None
        (ven,) = [ven for ven in await site.node.vtn.vens() if ven.ven_id == "VEN/3"]

    assert answer.status == 200
    assert ven.fingerprints == (":".join(["AA"] * 10), ":".join(["BB"] * 10))


@pytest.mark.parametrize(
    ("ven_id", "fingerprints", "sentence"),
    [
        ("VEN3", [], "fingerprints: expected `array` of length >= 1"),
        ("VEN3", ["00" * 10] * 17, "fingerprints: expected `array` of length <= 16"),
        ("VEN3", ["00"], "'00' is no fingerprint: it takes 20 hex digits"),
        ("V" * 51, ["00" * 10], "venID: expected `str` of length <= 50"),
        ("V%0A", ["00" * 10], "venID: has characters that cannot stand there"),
    ],
)
async def test_a_wrong_enrolment_is_refused(
    tmp_path: Path, ven_id: str, fingerprints: list[str], sentence: str
) -> None:
    async with running(tmp_path, vtn_settings("VEN1")) as site:
        answer = await site.ask("PUT", f"/vens/{ven_id}", {"fingerprints": fingerprints})
        assert site.node.vtn is not None
        vens = await site.node.vtn.vens()

    assert answer.status == 400
    assert sentence in answer.error
    assert [ven.ven_id for ven in vens] == ["VEN1"]


async def test_as_many_certificates_as_the_limit_has_can_be_enrolled(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        answer = await site.ask("PUT", "/vens/VEN3", {"fingerprints": [f"{number:020x}" for number in range(16)]})

    assert answer.status == 200


@pytest.mark.parametrize(("method", "path"), [("POST", "/events"), ("GET", "/vens")])
async def test_a_ven_has_no_vens(tmp_path: Path, method: str, path: str) -> None:
    """Nor events for them; its fleet may have some, see test_fleet_events."""
    async with running(tmp_path, ven_settings()) as site:
        answer = await site.ask(method, path, order() if method == "POST" else None)

    assert (answer.status, answer.error) == (404, "this node is no VTN: its settings have no [downstream]")


async def test_an_opt_needs_an_event_from_above(tmp_path: Path) -> None:
    async with running(tmp_path, ven_settings()) as site:
        unknown = await site.ask("PUT", "/opts/ev-1", {"opt": "optOut"})
        wrong = await site.ask("PUT", "/opts/ev-1", {"opt": "maybe"})
        missing = await site.ask("PUT", "/opts/ev-1", {})
    async with running(tmp_path) as site:
        vtn = await site.ask("PUT", "/opts/ev-1", {"opt": None})

    assert (unknown.status, unknown.error.split(":")[0]) == (404, "event ev-1 is unknown here")
    assert (wrong.status, wrong.error) == (400, "opt: invalid enum value 'maybe'")
    assert (missing.status, missing.error) == (400, "opt: is missing")
    assert (vtn.status, vtn.error) == (404, "this node is no VEN: its settings have no [[upstream]]")


async def test_a_node_is_ready_once_its_upstreams_have_registered_it(tmp_path: Path) -> None:
    async with running(tmp_path, ven_settings()) as site:
        health = await site.ask("GET", "/health")
        ready = await site.ask("GET", "/ready")
    async with running(tmp_path) as site:
        vtn = await site.ask("GET", "/ready")

    assert (health.status, health.body) == (200, b'{"healthy":true}')
    assert ready.status == 503
    assert ready.body == b'{"ready":false,"missing":["upstream above has not registered us"]}'
    assert (vtn.status, vtn.body) == (200, b'{"ready":true,"missing":[]}')


async def test_what_cannot_be_stored_is_no_fault_of_the_operator(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "node.db")
    async with running(tmp_path, store=store) as site:
        await store.close()
        answer = await site.ask("POST", "/events", order())

    assert answer.status == 503
    assert answer.error.endswith("has been closed; open it again")
