"""Status and feeds of VENs at a VTN's console, and a VTN's own reports at a VEN's."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from openadr_ra.protocol.messages import CreateReport
from openadr_ra.protocol.parts import LoadControlLevel, LoadControlState
from openadr_ra.protocol.schedule import Reading
from openadr_ra.run.report_orders import GreenButton, OwnOrdered, OwnReadings, ResourceNow
from openadr_ra.run.ven_orders import Reports
from tests.console.site import NOON, running, ven_settings, vtn_settings
from tests.run.peer import Peer
from tests.world import METADATA, MINUTE, VEN1

READINGS = {
    "name": "TELEMETRY_USAGE",
    "start": "2026-11-21T11:00:00Z",
    "end": "2026-11-21T12:30:00Z",
    "upstream": "above",
}


def said(name: str, value: float) -> Reading:
    return Reading(series=f"VEN1/TELEMETRY_STATUS/bat.{name}", start=NOON - MINUTE, span=MINUTE, value=value)


async def test_the_status_of_a_vens_resources_is_shown(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        await site.store.record([said("online", 1.0), said("override", 0.0), said("setpoint.current", -2.0)])
        answer = await site.ask("GET", "/vens/VEN1/status")
        nothing = await site.ask("GET", "/vens/VEN2/status")
        unknown = await site.ask("GET", "/vens/NOBODY/status")

    (now,) = msgspec.json.decode(answer.body, type=tuple[ResourceNow, ...])
    assert (now.resource, now.at, now.online, now.manual_override) == ("bat", NOON, True, False)
    assert now.load_control == LoadControlState(setpoint=LoadControlLevel(current=-2.0))
    assert (nothing.body, unknown.status) == (b"[]", 404)


async def test_feeds_that_no_ven_offers_are_refused_and_those_that_have_not_come_are_said_so(tmp_path: Path) -> None:
    async with running(tmp_path) as site:
        assert site.node.vtn is not None
        peer = Peer(url=site.node.vtn.url)
        await peer.register(VEN1)
        await peer.say(METADATA)
        await peer.drained(VEN1)
        refused = await site.ask("POST", "/vens/VEN1/greenbutton", {})
        usage = METADATA.reports[0]
        points = tuple(msgspec.structs.replace(each, sampling=None) for each in usage.descriptions)
        feeds = msgspec.structs.replace(
            usage, name="METADATA_HISTORY_GREENBUTTON", specifier_id="gb", descriptions=points
        )
        await peer.say(msgspec.structs.replace(METADATA, reports=(*METADATA.reports, feeds)))
        await peer.drained(VEN1)
        late = await site.ask("POST", "/vens/VEN1/greenbutton", {"points": ["bat.kw"]})
        (created,) = await peer.drained(VEN1)
        idle = await site.ask("POST", "/vens/VEN2/greenbutton", {})

    assert (refused.status, idle.status) == (400, 409)
    assert refused.error.startswith("HISTORY_GREENBUTTON is not on offer there")
    assert msgspec.json.decode(late.body, type=GreenButton) == GreenButton(ven_id=VEN1, came=False, points={})
    assert isinstance(created, CreateReport)
    assert [(one.specifier_id, one.interval) for one in created.requests] == [("gb", None)]


async def test_a_vens_operator_sees_nothing_of_a_vtn_that_has_not_said_anything(tmp_path: Path) -> None:
    async with running(tmp_path, ven_settings()) as site:
        shown = await site.ask("GET", "/reports?upstream=above")
        asked = await site.ask("POST", "/reports", {"name": "TELEMETRY_USAGE"})
        metadata = await site.ask("POST", "/reports", {"name": "METADATA", "upstream": "above"})
        (request,) = msgspec.json.decode(metadata.body, type=OwnOrdered).ids
        stopped = await site.ask("DELETE", f"/reports/{request}")
        again = await site.ask("DELETE", f"/reports/{request}")
        readings = await site.ask("POST", "/readings", READINGS)

    assert msgspec.json.decode(shown.body, type=Reports) == Reports(offered=(), asked=())
    assert asked.error == "TELEMETRY_USAGE is not on offer there; what is: nothing yet"
    assert (asked.status, metadata.status, stopped.status, again.status) == (400, 202, 202, 404)
    assert again.error.startswith(f"report request {request} is unknown here; ")
    assert msgspec.json.decode(readings.body, type=OwnReadings) == OwnReadings(points={})


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/reports", None),
        ("POST", "/reports", {}),
        ("DELETE", "/reports/rr-1", None),
        ("POST", "/readings", READINGS),
    ],
)
async def test_reports_of_a_vtn_are_a_vens_to_see(tmp_path: Path, method: str, path: str, body: object) -> None:
    async with running(tmp_path, vtn_settings()) as site:
        answer = await site.ask(method, path, body)

    assert (answer.status, answer.error) == (404, "this node is no VEN: its settings have no [[upstream]]")


async def test_an_upstream_that_is_not_there_is_named(tmp_path: Path) -> None:
    async with running(tmp_path, ven_settings()) as site:
        shown = await site.ask("GET", "/reports?upstream=below")
        read = await site.ask("POST", "/readings", {**READINGS, "upstream": "below"})

    assert (shown.status, read.status) == (404, 400)
    assert shown.error == read.error == "there is no upstream 'below'; there is above"
