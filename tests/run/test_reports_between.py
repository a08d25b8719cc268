"""Status, changes, feeds and a VTN's own reports, between a VTN and a VEN that are both running."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import pytest_asyncio

from openadr_ra import LoadControlLevel, LoadControlState, Ven, Vtn, WantedReport, dispatch
from openadr_ra.errors import InvalidData, InvalidId
from openadr_ra.programs.certs import Issued
from openadr_ra.protocol.messages import CancelReport, UpdateReport
from openadr_ra.protocol.parts import HISTORY_GREENBUTTON, TELEMETRY_STATUS, TELEMETRY_USAGE, Report
from openadr_ra.protocol.schedule import Feed, Reading
from openadr_ra.seams import Store
from openadr_ra.store import MemoryStore
from tests.run.site import BATTERY, Site, Table, Watch, new_site, soon, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
PLENTY = timedelta(seconds=20)
LITTLE = timedelta(seconds=0.05)

JUNE = datetime(2026, 6, 1, tzinfo=UTC)
FEED = (
    '<feed xmlns="http://www.w3.org/2005/Atom"><id>urn:june</id><title>June</title>'
    "<updated>2026-07-01T00:00:00Z</updated></feed>"
)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A registered VEN, and what goes between it and its VTN."""

    ven: Ven
    watch: Watch

    async def soon(self, within: timedelta) -> None:
        await self.watch.changed(min(within, LITTLE))

    def sent(self, name: str) -> list[Report]:
        """Every report of that name that the VEN has sent."""
        return [report for update in self.watch.asked(UpdateReport) for report in update.reports if report.name == name]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vtn(site: Site) -> AsyncIterator[Vtn]:
    async with Vtn(site.settings(site.vtn())).running() as running:
        yield running


@asynccontextmanager
async def line(
    site: Site,
    vtn: Vtn,
    name: str,
    device: Table = BATTERY,
    *,
    store: Store | None = None,
    fleet: Table | None = None,
    certificate: Issued | None = None,
) -> AsyncIterator[Line]:
    watch = Watch()
    table = site.ven(name, vtn.url, device, certificate=certificate)
    table["fleet"] = {**_table(table["fleet"]), **(fleet or {})}
    async with Ven(site.settings(table), store=store, tap=watch).running() as ven:
        made = Line(ven=ven, watch=watch)

        async def asked() -> bool:
            return any(one.ven_id == name and one.reports_running for one in await vtn.vens())

        await until(asked, made.soon)
        yield made


def _table(found: object) -> Table:
    assert isinstance(found, dict)
    return found


async def test_the_status_of_each_resource_is_shown_with_how_it_is_controlled(site: Site, vtn: Vtn) -> None:
    """As the simulated line says it: power, part of its load, levels."""
    device: Table = {"id": "line", "driver": "simulated-line", "levels_kw": [0.0, 50.0, 100.0], "plan_kw": 100.0}
    async with line(site, vtn, "STATUS", device) as made:

        async def known() -> bool:
            return bool(await vtn.status("STATUS"))

        await until(known, made.soon)
        (now,) = await vtn.status("STATUS")
        with pytest.raises(InvalidId, match="VEN NOBODY is unknown here"):
            await vtn.status("NOBODY")

    assert (now.resource, now.online, now.manual_override) == ("line", True, False)
    assert now.load_control == LoadControlState(
        capacity=LoadControlLevel(minimum=0.0, maximum=1.0, current=1.0, normal=1.0),
        level_offset=LoadControlLevel(minimum=-2.0, maximum=0.0, current=0.0, normal=0.0),
        setpoint=LoadControlLevel(minimum=0.0, maximum=100.0, current=100.0, normal=100.0),
    )


async def test_a_change_of_status_is_told_without_waiting_for_the_period(site: Site, vtn: Vtn) -> None:
    """The battery gets a set-point; who asked for changes hears of it long before half an hour is over."""
    async with line(site, vtn, "CHANGE") as made:
        (request,) = await vtn.ask("CHANGE", [WantedReport(name=TELEMETRY_STATUS, on_change=True)])

        async def running() -> bool:
            state = await made.ven.upstream()
            return state is not None and request in state.producer.requests

        await until(running, made.soon)
        begin = soon()
        event = await vtn.publish(dispatch(start=begin, every=HOUR, delta_kw=(-3,), to=("CHANGE",)))

        async def told() -> bool:
            found = await vtn.readings(
                "CHANGE", TELEMETRY_STATUS, start=begin - MINUTE, end=begin + HOUR, points=("bat-1",)
            )
            sampled = [one.value for one in found.get("bat-1.setpoint.current", ()) if not one.span]
            return any(kw < -1 for kw in sampled)

        await until(told, made.soon)
        await vtn.cancel(event)
        (asked,) = [one for one in (await vtn.reports("CHANGE")).asked if one.id == request]
        offered = {
            str(point.point): point.on_change for one in (await vtn.reports("CHANGE")).offered for point in one.points
        }
        with pytest.raises(InvalidData, match="on_change: TELEMETRY_USAGE is not told on change there"):
            await vtn.ask("CHANGE", [WantedReport(on_change=True)])
        with pytest.raises(InvalidData, match=r"on_change: bat-1.kw is not told on change there"):
            await vtn.ask("CHANGE", [WantedReport(on_change=True, points=("bat-1.kw",))])
        with pytest.raises(InvalidData, match="granularity: what is told on change is not sampled"):
            await vtn.ask("CHANGE", [WantedReport(name=TELEMETRY_STATUS, on_change=True, granularity=SECOND)])

    assert (asked.granularity, asked.back) == ("PT0S", "PT30M")
    assert (offered["bat-1"], offered["bat-1.kw"]) == (True, False)


async def test_power_is_told_on_change_where_a_setting_says_what_a_change_is(site: Site, vtn: Vtn) -> None:
    async with line(site, vtn, "POWER", fleet={"change_kw": 0.5}) as made:
        wish = WantedReport(on_change=True, back=HOUR)
        (request,) = await vtn.ask("POWER", [wish])

        async def running() -> bool:
            state = await made.ven.upstream()
            return state is not None and request in state.producer.requests

        await until(running, made.soon)
        begin = soon()
        await vtn.publish(dispatch(start=begin, every=HOUR, delta_kw=(-2,), to=("POWER",)))

        async def told() -> bool:
            return any(report.request_id == request for report in made.sent(TELEMETRY_USAGE))

        await until(told, made.soon)
        (asked,) = [one for one in (await vtn.reports("POWER")).asked if one.id == request]

    assert (asked.points, asked.back) == (("bat-1.kw",), "PT1H")


async def test_a_green_button_feed_goes_from_program_to_program(site: Site, vtn: Vtn) -> None:
    """Handed in at the VEN, asked for at the VTN, which keeps it; it outlives a restart of the VEN."""
    store, shown = MemoryStore(), site.issue("FEED")
    async with line(site, vtn, "FEED", store=store, certificate=shown) as made:
        with pytest.raises(InvalidId, match="HISTORY_GREENBUTTON is not on offer there"):
            await vtn.green_button("FEED")
        await made.ven.green_button("bat-1", FEED, start=JUNE, end=JUNE + 30 * 24 * HOUR)

        async def offered() -> bool:
            return HISTORY_GREENBUTTON in [one.name for one in (await vtn.reports("FEED")).offered]

        await until(offered, made.soon)
    async with line(site, vtn, "FEED", store=store, certificate=shown) as made:
        found = await vtn.green_button("FEED", within=PLENTY)
        kept = await vtn.feeds("FEED")
        with pytest.raises(InvalidId, match="it refused it, or it was stopped"):
            await vtn.green_button("FEED", start=JUNE - HOUR, duration=HOUR, within=PLENTY)
        with pytest.raises(InvalidId, match="resource pv is none of ours"):
            await made.ven.green_button("pv", FEED, start=JUNE, end=JUNE + HOUR)
        with pytest.raises(InvalidData, match="stands where atom:feed belongs"):
            await made.ven.green_button("bat-1", "<feed/>", start=JUNE, end=JUNE + HOUR)
        with pytest.raises(InvalidData, match="end: must be after start"):
            await made.ven.green_button("bat-1", FEED, start=JUNE, end=JUNE)
        await made.ven.green_button("bat-1", None, start=JUNE, end=JUNE + HOUR)

        async def withdrawn() -> bool:
            return HISTORY_GREENBUTTON not in [one.name for one in (await vtn.reports("FEED")).offered]

        await until(withdrawn, made.soon)
        after = await vtn.feeds("FEED", points=("bat-1.greenbutton",))

    feed = Feed(start=JUNE, span=30 * 24 * HOUR, text=after["bat-1.greenbutton"][0].text)
    assert "<title>June</title>" in feed.text
    assert found == kept == after == {"bat-1.greenbutton": (feed,)}


async def test_what_a_vtn_measures_a_ven_can_have_and_end(site: Site, vtn: Vtn) -> None:
    """From `measured` at the VTN to `readings` at the VEN."""
    async with line(site, vtn, "BELOW") as made:
        await vtn.offer("BELOW", ["area"], meter="feeder-7")
        now = datetime.now(UTC).replace(microsecond=0)
        for number in range(11):
            await vtn.measured("area", kw=40.0, kwh=100.0, accuracy_kw=0.5, at=now - (10 - number) * SECOND)

        async def offered() -> bool:
            return bool((await made.ven.reports()).offered)

        await until(offered, made.soon)
        wish = WantedReport(points=("area.kw",), granularity=SECOND, back=2 * SECOND, start=now - 8 * SECOND)
        (request,) = await made.ven.want([wish])

        async def told() -> bool:
            return bool(await made.ven.readings(TELEMETRY_USAGE, start=now - MINUTE, end=now + MINUTE))

        await until(told, made.soon)
        found = await made.ven.readings(TELEMETRY_USAGE, start=now - 8 * SECOND, end=now - 7 * SECOND)
        with pytest.raises(InvalidId, match="report request rr-none is unknown here"):
            await made.ven.stop(["rr-none"])
        await made.ven.stop([request])

        async def over() -> bool:
            return request not in [one.id for one in (await made.ven.reports()).asked]

        await until(over, made.soon)
        (cancelled,) = made.watch.asked(CancelReport)

    assert [(one.value, one.accuracy) for one in found["area.kw"]] == [(40.0, 0.5)]
    assert cancelled.report_request_ids == (request,)
    with pytest.raises(InvalidId, match="VEN NOBODY is unknown here"):
        await vtn.offer("NOBODY", ["area"])


async def test_samples_are_kept_as_long_as_is_set_and_a_hundred_of_each_however_old(site: Site, vtn: Vtn) -> None:
    """Rule 510. What was kept is what METADATA says."""
    store = MemoryStore()
    now = datetime.now(UTC)
    old = [Reading(series="live/bat-1.kw", start=now - 3 * HOUR + number * SECOND, value=1.0) for number in range(250)]
    gone = [Reading(series="live/away.kw", start=now - 3 * HOUR + number * SECOND, value=1.0) for number in range(250)]
    await store.record([*old, *gone])
    async with line(site, vtn, "KEPT", store=store, fleet={"keep_samples_h": 2}):

        async def pruned() -> bool:
            return len(await store.readings(("live/away.kw",), now - 4 * HOUR, now - 2 * HOUR)) == 100

        await until(pruned, vtn.changed)
        kept = await store.readings(("live/away.kw",), now - 4 * HOUR, now)
        reports = await vtn.reports("KEPT")

    assert list(kept) == gone[150:]
    assert {one.kept_for for one in reports.offered} == {"PT2H"}
