"""The response to an event over the console: at once, and as it becomes known."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from openadr_ra.console.api import SHUTDOWN_S
from openadr_ra.protocol.schedule import Reading
from openadr_ra.run.orders import Report, Row
from openadr_ra.store import SqliteStore
from tests.console.site import NOON, Site, running

HALF_HOUR = timedelta(minutes=30)
START = NOON + timedelta(hours=1)


async def responds(site: Site, event_id: str, number: int, kw: float, *, final: bool = True) -> None:
    """What VEN1 says of an interval against a baseline of 0 kW, for its battery and for all of it."""
    figures = {"asked": -5.0, "baseline": 0.0, "kw": kw, "delta": kw, "coverage": 100.0}
    said = {f"{resource}.{name}": value for resource in ("battery", "*") for name, value in figures.items()}
    said |= {"*.revision": 0.0, "*.final": float(final)}
    start = START + HALF_HOUR * number
    readings = tuple(
        Reading(series=f"VEN1/x-RESPONSE/{event_id}/{name}", start=start, span=HALF_HOUR, value=value)
        for name, value in said.items()
    )
    await site.store.record(readings)


async def read(site: Site, event_id: str) -> Report:
    answer = await site.ask("GET", f"/events/{event_id}/response")
    assert answer.status == 200, answer.body
    return msgspec.json.decode(answer.body, type=Report)


def figures(rows: Sequence[Row]) -> list[tuple[str, str, float | None, bool | None]]:
    return [(row.ven, row.resource, row.delivered_kw, row.in_band) for row in rows]


async def test_response_has_each_interval_of_each_ven_and_the_sum(tmp_path: Path) -> None:
    """Before anything is known the rows are there all the same, with what was asked."""
    async with running(tmp_path) as site:
        event_id = await site.published(asks={"VEN1": [-5, -5]})
        before = await read(site, event_id)
        await responds(site, event_id, 0, -4.5)
        await responds(site, event_id, 1, -4.49, final=False)
        after = await read(site, event_id)

    assert (before.event_id, before.band) == (event_id, 0.1)
    assert figures(before.rows) == [("VEN1", "*", None, None), ("*", "*", None, None)] * 2
    assert [row.asked_kw for row in before.rows] == [-5.0] * 4
    assert figures(after.rows) == [
        ("VEN1", "battery", -4.5, True),
        ("VEN1", "*", -4.5, True),
        ("*", "*", -4.5, True),
        ("VEN1", "battery", -4.49, False),
        ("VEN1", "*", -4.49, False),
        ("*", "*", -4.49, False),
    ]
    assert [row.final for row in after.rows] == [True] * 3 + [False] * 3


async def test_what_is_not_known_is_written_as_null(tmp_path: Path) -> None:
    """A program in another language shall not have to know our defaults."""
    async with running(tmp_path) as site:
        event_id = await site.published(asks={"VEN1": [-5]})
        answer = await site.ask("GET", f"/events/{event_id}/response")

    raw = msgspec.json.decode(answer.body, type=dict[str, msgspec.Raw])
    (row, *_) = msgspec.json.decode(raw["rows"], type=list[dict[str, object]])
    assert set(row) == {field.name for field in msgspec.structs.fields(Row)}
    assert row["delivered_kw"] is None
    assert row["final"] is False


async def test_an_event_that_asks_for_no_power_has_no_response(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        event_id = await site.published(kind="price", asks={"VEN1": [12, 8]})

        assert (await read(site, event_id)).rows == ()


async def test_stream_ends_with_the_event(tmp_path: Path) -> None:
    """Each row once, as `response` has it, one JSON object a line."""
    async with running(tmp_path) as site:
        event_id = await site.published(asks={"VEN1": [-5, -5]})
        for number in (0, 1):
            await responds(site, event_id, number, -5.0)
        answer = await site.ask("GET", f"/events/{event_id}/response/stream")
        report = await read(site, event_id)

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert tuple(msgspec.json.decode(line, type=Row) for line in answer.body.splitlines()) == report.rows


async def test_stream_gives_each_row_as_it_becomes_known(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        event_id = await site.published(asks={"VEN1": [-5, -5]})
        shown = {"Authorization": f"Bearer {site.token}"}
        async with site.http.get(f"{site.url}/events/{event_id}/response/stream", headers=shown) as answer:
            first = asyncio.ensure_future(answer.content.readline())
            await responds(site, event_id, 0, -5.0)
            row = msgspec.json.decode(await first, type=Row)
            await responds(site, event_id, 1, -5.0)
            rest = await answer.content.read()

    assert (row.start, row.resource, row.delivered_kw) == (START, "battery", -5.0)
    assert len(rest.splitlines()) == 5


async def test_stream_says_when_it_cannot_go_on(tmp_path: Path) -> None:
    """Its status has long gone out, so the last line is an error in place of a row."""
    store = await SqliteStore.open(tmp_path / "node.db")
    async with running(tmp_path, store=store) as site:
        event_id = await site.published(asks={"VEN1": [-5]})
        shown = {"Authorization": f"Bearer {site.token}"}
        async with site.http.get(f"{site.url}/events/{event_id}/response/stream", headers=shown) as answer:
            await store.close()
            line = await answer.content.readline()
            rest = await answer.content.read()

    assert b"has been closed" in line
    assert set(msgspec.json.decode(line, type=dict[str, str])) == {"error"}
    assert rest == b""


@pytest.mark.parametrize("leaves", [True, False])
async def test_a_stream_does_not_hold_up_the_end_of_a_node(tmp_path: Path, leaves: bool) -> None:
    """Whether the reader stays to the end or not."""
    async with running(tmp_path) as site:
        event_id = await site.published()
        shown = {"Authorization": f"Bearer {site.token}"}
        answer = await site.http.get(f"{site.url}/events/{event_id}/response/stream", headers=shown)
        if leaves:
            answer.close()
        loop = asyncio.get_running_loop()
        began = loop.time()
    answer.close()

    # The stream itself would go on for hours.
    assert loop.time() - began < SHUTDOWN_S + 10
