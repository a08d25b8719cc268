"""What an operator can ask of VENs through their VTN's console, and what a VEN's operator can declare through its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from openadr_ra.protocol.messages import (
    CancelPartyRegistration,
    CancelReport,
    CreateReport,
    DistributeEvent,
    RequestReregistration,
)
from openadr_ra.run.ven_orders import Declared, History, Ordered, OwnAvailability, Reports, Span, VenSummary
from tests.console.site import NOON, Answer, Site, order, running, ven_settings, vtn_settings
from tests.run.peer import Peer
from tests.world import BAT, HOUR, METADATA, VEN1

HISTORY = {"start": "2026-11-21T10:00:00Z", "end": "2026-11-21T11:00:00Z"}
SPAN = {"start": "2026-11-21T13:00:00Z", "end": "2026-11-21T23:00:00+09:00"}
LATER = {"start": "2026-11-21T14:00:00Z", "end": "2026-11-21T15:00:00Z"}


@asynccontextmanager
async def registered(tmp_path: Path) -> AsyncIterator[tuple[Site, Peer]]:
    """A VTN with its console, and VEN1, which has told what it offers; there is nothing left to say."""
    async with running(tmp_path) as site:
        assert site.node.vtn is not None
        peer = Peer(url=site.node.vtn.url)
        await peer.register(VEN1)
        await peer.say(METADATA)
        await peer.drained(VEN1)
        yield site, peer


async def known(site: Site) -> Reports:
    answer = await site.ask("GET", "/vens/VEN1/reports")
    assert answer.status == 200
    return msgspec.json.decode(answer.body, type=Reports)


async def test_operator_has_a_ven_register_again_and_ends_its_registration(tmp_path: Path) -> None:
    async with registered(tmp_path) as (site, peer):
        again = await site.ask("POST", "/vens/VEN1/registration")
        told = await peer.drained(VEN1)
        end = await site.ask("DELETE", "/vens/VEN1/registration")
        told += await peer.drained(VEN1)

    assert [again.status, end.status] == [202, 202]
    assert msgspec.json.decode(again.body, type=Ordered) == Ordered(ven_id=VEN1, ordered="registration again")
    assert msgspec.json.decode(end.body, type=Ordered) == Ordered(ven_id=VEN1, ordered="end of the registration")
    assert [type(one) for one in told] == [RequestReregistration, CancelPartyRegistration]


async def test_operator_asks_for_a_report_and_stops_it(tmp_path: Path) -> None:
    wish = {
        "name": "TELEMETRY_USAGE",
        "points": ["bat.kw"],
        "granularity_s": 10,
        "back_s": 60,
        "start": NOON,
        "duration_s": 600,
    }
    async with registered(tmp_path) as (site, peer):
        asked = msgspec.json.decode((await site.ask("POST", "/vens/VEN1/reports", wish)).body, type=Ordered)
        (created,) = await peer.drained(VEN1)
        before = await known(site)
        stop = await site.ask("DELETE", f"/vens/VEN1/reports/{asked.ids[0]}?to_follow=true")
        (cancelled,) = await peer.drained(VEN1)
        after = await known(site)

    assert isinstance(created, CreateReport)
    (request,) = created.requests
    assert ((request.id,), request.granularity.seconds, request.report_back.seconds) == (asked.ids, 10, 60)
    assert request.interval is not None
    assert (request.interval.start, request.interval.duration.seconds) == (NOON, 600)
    (shown,) = [one for one in before.asked if one.id == request.id]
    assert (shown.points, shown.granularity, shown.back, shown.duration, shown.state, shown.standing) == (
        ("bat.kw",), "PT10S", "PT1M", "PT10M", "unanswered", False,
    )  # fmt: skip
    assert [report.name for report in before.offered] == [
        "TELEMETRY_USAGE", "TELEMETRY_STATUS", "HISTORY_USAGE", "x-RESPONSE",
    ]  # fmt: skip
    assert before.offered[0].kept_for == "P1D"
    assert [(point.point, point.resources, point.unit) for point in before.offered[0].points] == [
        ("bat.kw", (BAT,), "kW"),
        ("bat.kwh", (BAT,), "kWh"),
    ]
    assert stop.status == 202
    assert isinstance(cancelled, CancelReport)
    assert (cancelled.report_request_ids, cancelled.to_follow) == (asked.ids, True)
    assert [one.state for one in after.asked if one.id == request.id] == ["ending"]


async def test_what_has_not_come_is_said_so(tmp_path: Path) -> None:
    async with registered(tmp_path) as (site, peer):
        answer = await site.ask("POST", "/vens/VEN1/history", HISTORY)
        (created,) = await peer.drained(VEN1)

    assert msgspec.json.decode(answer.body, type=History) == History(ven_id=VEN1, came=False, points={})
    assert isinstance(created, CreateReport)
    assert [one.specifier_id for one in created.requests] == ["history"]


async def test_vens_are_shown_with_what_runs_and_what_is_unanswered(tmp_path: Path) -> None:
    async with registered(tmp_path) as (site, _):
        (first, second) = msgspec.json.decode((await site.ask("GET", "/vens")).body, type=tuple[VenSummary, ...])
        warnings = await site.ask("GET", "/vens/VEN1/warnings")

    assert (first.transport, first.signs, first.report_only, first.last_seen) == ("pull", False, False, NOON)
    assert len(first.reports_unanswered) == 4
    assert (first.reports_running, second.reports_unanswered, second.transport) == ((), (), None)
    assert warnings.body == b"[]"


@pytest.mark.parametrize(
    ("method", "tail", "body"),
    [
        ("GET", "/warnings", None),
        ("POST", "/registration", None),
        ("DELETE", "/registration", None),
        ("GET", "/reports", None),
        ("POST", "/reports", {}),
        ("DELETE", "/reports/rr-1", None),
        ("POST", "/history", HISTORY),
    ],
)
async def test_a_ven_is_known_and_registered_or_it_is_told_nothing(
    tmp_path: Path, method: str, tail: str, body: object
) -> None:
    """404 for an unknown one. 409 for one without registration; questions about it are answered."""
    async with running(tmp_path) as site:
        unknown = await site.ask(method, f"/vens/NOBODY{tail}", body)
        misspelt = await site.ask(method, f"/vens/N%0A{tail}", body)
        idle = await site.ask(method, f"/vens/VEN2{tail}", body)

    assert (unknown.status, misspelt.status) == (404, 400)
    assert unknown.error == "VEN NOBODY is unknown here; `openadr-ra ven list` shows those there are"
    if method == "GET":
        assert idle.status == 200
    elif tail == "/reports/rr-1":
        assert (idle.status, idle.error) == (404, "report request rr-1 is unknown; `openadr-ra ven reports VEN2`")
    else:
        assert idle.status == 409
        assert idle.error == "VEN VEN2 is not registered, so it can be told nothing; it registers by itself"


@pytest.mark.parametrize(
    ("method", "path", "body", "sentence"),
    [
        ("POST", "/reports", {"name": "x-GAS"}, "x-GAS is not on offer there; what is: TELEMETRY_USAGE, "),
        ("POST", "/reports", {"points": ["pv.kw"]}, "TELEMETRY_USAGE has no point pv.kw; it has bat.kw, bat.kwh"),
        ("POST", "/reports", {"granularity": 1}, "granularity: there is no such field"),
        ("POST", "/reports", {"back_s": -1}, "back_s: expected `int` >= 0"),
        ("POST", "/reports", {"back_s": 1.5}, "back_s: expected `int`, got `float`"),
        ("POST", "/reports", {"start": "2026-11-21T10:00:00"}, "start: expected `datetime` with a timezone component"),
        ("POST", "/history", {**HISTORY, "end": HISTORY["start"]}, "end: must be after start"),
        ("POST", "/history", {"start": HISTORY["start"]}, "end: is missing"),
        ("POST", "/history?within_s=601", HISTORY, "within_s: '601' is no whole number from 0 to 600"),
        ("DELETE", "/reports/{standing}?to_follow=maybe", None, "to_follow: 'maybe' is neither true nor false"),
    ],
)
async def test_a_wrong_order_to_a_ven_is_refused_with_the_place_of_the_mistake(
    tmp_path: Path, method: str, path: str, body: object, sentence: str
) -> None:
    async with registered(tmp_path) as (site, peer):
        standing = (await known(site)).asked[0].id
        answer = await site.ask(method, f"/vens/VEN1{path}".replace("{standing}", standing), body)
        told = await peer.drained(VEN1)

    assert (answer.status, told) == (400, ())
    assert answer.error.startswith(sentence)


@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        ({"duration_s": 400 * 86_400}, {"duration_s": 400 * 86_400 + 1}),
        ({"points": ["bat.kw"] * 10_000}, {"points": ["bat.kw"] * 10_001}),
    ],
)
async def test_a_report_order_has_its_limits(tmp_path: Path, within: object, beyond: object) -> None:
    async with registered(tmp_path) as (site, _):
        good = await site.ask("POST", "/vens/VEN1/reports", within)
        bad = await site.ask("POST", "/vens/VEN1/reports", beyond)

    assert (good.status, bad.status) == (202, 400)


async def test_an_event_that_overlaps_another_is_a_conflict(tmp_path: Path) -> None:
    """Ordered or changed so; what was there stays."""
    async with registered(tmp_path) as (site, peer):
        first = await site.published(asks={"VEN1": [-5]})
        later = await site.published(asks={"VEN1": [-5]}, start="2026-11-21T14:00:00Z")
        again = await site.ask("POST", "/events", order())
        moved = await site.ask("PUT", f"/events/{later}", order(asks={"VEN1": [-5]}))
        elsewhere = await site.ask("POST", "/events", order(market_context="http://other.example/"))
        (told,) = await peer.drained(VEN1)

    assert (again.status, moved.status, elsewhere.status) == (409, 409, 201)
    for answer in (again, moved):
        assert answer.error.startswith(f"VEN VEN1 has event {first} from 2026-11-21T13:00:00Z to 2026-11-21T13:30:00Z")
    assert isinstance(told, DistributeEvent)
    assert [one.event.modification for one in told.events] == [0, 0, 0]


async def declared(site: Site, body: object) -> Answer:
    return await site.ask("POST", "/availability", body)


async def standing(site: Site) -> tuple[OwnAvailability, ...]:
    return msgspec.json.decode((await site.ask("GET", "/availability")).body, type=tuple[OwnAvailability, ...])


async def test_a_vens_operator_declares_replaces_and_takes_back(tmp_path: Path) -> None:
    """Its VTN is not there: that does not know it yet, and will be told."""
    async with running(tmp_path, ven_settings()) as site:
        first = await declared(site, {"opt": "optOut", "spans": [SPAN], "market_context": "http://market.example/"})
        name = msgspec.json.decode(first.body, type=Declared).id
        again = await declared(site, {"opt": "optIn", "spans": [{**SPAN, "end": None}], "id": name, "reason": "x-own"})
        (shown,) = await standing(site)
        gone = await site.ask("DELETE", f"/availability/{name}")
        rest = await standing(site)
        unknown = await site.ask("DELETE", f"/availability/{name}")

    assert (first.status, again.status, gone.status, rest) == (201, 201, 200, ())
    assert (shown.id, shown.opt, shown.reason, shown.market_context) == (name, "optIn", "x-own", "")
    assert (shown.spans, shown.upstream, shown.told) == ((Span(start=NOON + HOUR, end=None),), "above", False)
    assert unknown.status == 404
    assert unknown.error == f"nothing is declared as {name}; `openadr-ra ven availability` shows what is"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"opt": "perhaps"}, "opt: invalid enum value 'perhaps'"),
        ({"spans": []}, "spans: expected `array` of length >= 1"),
        ({"spans": [{"start": SPAN["start"]}]}, "spans[0].end: is missing"),
        ({"spans": [LATER, {**SPAN, "end": SPAN["start"]}]}, "spans: 2026-11-21T13:00:00+00:00 is not after"),
        ({"spans": [{"start": "2026-11-21T13:00:00", "end": None}]}, "spans: a time has no time zone"),
        ({"resources": ["battery"]}, "resource battery is none of ours; they are none"),
        ({"reason": "lazy"}, "reason: 'lazy' is none that OpenADR knows; one of your own begins with x-"),
        ({"market_context": "a b"}, "market_context: has characters that cannot stand there"),
        ({"upstream": "below"}, "there is no upstream 'below'; there is above"),
        ({"id": ""}, "id: expected `str` of length >= 1"),
        ({"when": 1}, "when: there is no such field"),
    ],
)
async def test_a_wrong_declaration_is_refused(tmp_path: Path, change: dict[str, object], sentence: str) -> None:
    async with running(tmp_path, ven_settings()) as site:
        answer = await declared(site, {"opt": "optOut", "spans": [SPAN], **change})
        rest = await standing(site)

    assert (answer.status, rest) == (400, ())
    assert answer.error.startswith(sentence)


@pytest.mark.parametrize(
    ("within", "beyond"), [({"spans": [SPAN] * 1000}, {"spans": [SPAN] * 1001}), ({"id": "o" * 50}, {"id": "o" * 51})]
)
async def test_a_declaration_has_its_limits(
    tmp_path: Path, within: dict[str, object], beyond: dict[str, object]
) -> None:
    async with running(tmp_path, ven_settings()) as site:
        good = await declared(site, {"opt": "optOut", "spans": [SPAN], **within})
        bad = await declared(site, {"opt": "optOut", "spans": [SPAN], **beyond})

    assert (good.status, bad.status) == (201, 400)


async def test_a_vtn_has_no_availability_of_its_own(tmp_path: Path) -> None:
    async with running(tmp_path, vtn_settings()) as site:
        answers = [
            await site.ask("GET", "/availability"),
            await declared(site, {"opt": "optOut", "spans": [SPAN]}),
            await site.ask("DELETE", "/availability/opt-1"),
        ]

    assert {(one.status, one.error) for one in answers} == {
        (404, "this node is no VEN: its settings have no [[upstream]]")
    }
