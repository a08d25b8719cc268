"""The console of a process that serves VENs, while another one on the same database leads their fleet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from openadr_ra.run.orders import EventDetail, EventView
from openadr_ra.settings import StoreSettings
from openadr_ra.store import open_store
from tests.console.site import Site, order, running, vtn_settings
from tests.postgres import Server

LED = "another process leads the fleet: `openadr-ra run` on the same database"
OF_FLEET = order(asks={"fleet": [-5.0]}, fleet=True, id="F1")

Two = tuple[Site, Site]


@pytest.fixture
async def two(postgres: Server, tmp_path: Path) -> AsyncIterator[Two]:
    """Who leads the fleet, and who does not."""
    url = postgres.database()
    settings = replace(vtn_settings(), store=StoreSettings(url=url))
    one, other = await open_store(url), await open_store(url)
    async with (
        running(tmp_path, settings, one) as leader,
        running(tmp_path, settings, other, leads=False) as worker,
    ):
        yield leader, worker
    await one.close()
    await other.close()


async def test_events_for_vens_are_published_shown_changed_and_cancelled(two: Two) -> None:
    _, worker = two
    assert await worker.published(id="E1") == "E1"
    again = await worker.ask("POST", "/events", order(id="E1"))
    changed = await worker.ask("PUT", "/events/E1", order(asks={"VEN1": [-1, -2, -3]}))
    opts = await worker.ask("GET", "/events/E1/opts")
    response = await worker.ask("GET", "/events/E1/response")
    cancelled = await worker.ask("DELETE", "/events/E1")
    shown = await worker.ask("GET", "/events/E1")
    listed = await worker.ask("GET", "/events")

    assert again.status == 409
    assert [answer.status for answer in (changed, opts, response, cancelled, shown, listed)] == [200] * 6
    assert msgspec.json.decode(shown.body, type=EventDetail).status == "cancelled"
    assert [one.id for one in msgspec.json.decode(listed.body, type=tuple[EventView, ...])] == ["E1"]


async def test_events_for_the_fleet_are_for_who_leads_it(two: Two) -> None:
    """Ids are one set all the same."""
    leader, worker = two
    refused = await worker.ask("POST", "/events", OF_FLEET)
    made = await leader.ask("POST", "/events", OF_FLEET)
    named = await worker.ask("POST", "/events", order(id="F1"))
    asked = [await worker.ask(method, "/events/F1") for method in ("GET", "DELETE")]

    assert (refused.status, refused.error) == (404, LED)
    assert made.status == 201
    assert named.status == 409
    assert [(answer.status, answer.error) for answer in asked] == [(404, LED)] * 2


async def test_event_that_there_is_not_is_unknown(two: Two) -> None:
    _, worker = two
    answer = await worker.ask("GET", "/events/E9")

    assert (answer.status, answer.error) == (404, "event E9 is unknown; `openadr-ra event list` shows those there are")
