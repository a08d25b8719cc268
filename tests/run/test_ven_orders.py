"""What the operator of a VTN asks of a VEN reaches one that polls, and has its effect there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import pytest_asyncio

from openadr_ra import Ven, Vtn, WantedReport, dispatch
from openadr_ra.errors import InvalidData, InvalidId, NotRegistered, OadrRaError
from openadr_ra.protocol.instruction import party
from openadr_ra.protocol.messages import (
    CancelReport,
    CreatePartyRegistration,
    CreateReport,
    RegisterReport,
    UpdateReport,
)
from openadr_ra.protocol.model import ReportRequestId, VenId
from openadr_ra.protocol.parts import HISTORY_USAGE, TELEMETRY_STATUS, TELEMETRY_USAGE, Interval
from openadr_ra.protocol.schedule import Reading
from openadr_ra.protocol.vtn import Party
from openadr_ra.run.summary import VenSummary
from openadr_ra.seams import Store
from openadr_ra.store import MemoryStore
from tests.run.site import BATTERY, Site, Watch, new_site, soon, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
PLENTY = timedelta(seconds=15)
LITTLE = timedelta(seconds=0.05)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A VEN that is registered, its VTN, and what goes between them."""

    vtn: Vtn
    ven: Ven
    name: VenId
    watch: Watch

    async def soon(self, within: timedelta) -> None:
        """Return at the next exchange, or shortly: what it brought is not stored yet when it is seen."""
        await self.watch.changed(min(within, LITTLE))

    async def party(self) -> Party:
        found = await self.vtn.store.load(party(self.name), Party)
        assert found is not None
        return found

    async def shown(self) -> VenSummary:
        (found,) = [one for one in await self.vtn.vens() if one.ven_id == self.name]
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vtn(site: Site) -> AsyncIterator[Vtn]:
    async with Vtn(site.settings(site.vtn())).running() as running:
        yield running


@asynccontextmanager
async def line(site: Site, vtn: Vtn, name: str, store: Store | None = None, **upstream: object) -> AsyncIterator[Line]:
    """Registered, and asked for its standing reports."""
    watch = Watch()
    table = site.ven(name, vtn.url, BATTERY, certificate=None, **upstream)
    async with Ven(site.settings(table), store=store, tap=watch).running() as ven:
        made = Line(vtn=vtn, ven=ven, name=VenId(name), watch=watch)

        async def asked() -> bool:
            return any(one.ven_id == name and one.reports_running for one in await vtn.vens())

        await until(asked, made.soon)
        yield made


async def test_a_ven_registers_again_under_its_ids(site: Site, vtn: Vtn) -> None:
    async with line(site, vtn, "AGAIN") as made:
        before = (await made.party()).registration
        assert before is not None
        await vtn.reregister("AGAIN", by="Ms Sato")

        async def again() -> bool:
            return [one.registration_id for one in made.watch.asked(CreatePartyRegistration)] == [None, before.id]

        await until(again, made.soon)
        journal = [(entry.by, entry.what) for entry in await vtn.journal("party/AGAIN")]
        after = (await made.party()).registration

    assert after is not None
    assert after.id == before.id
    assert journal[-2:] == [("Ms Sato", "re-registration asked for"), ("AGAIN", "registered again")]


async def test_a_registration_that_is_ended_is_over_at_both_ends(site: Site, vtn: Vtn) -> None:
    """Events, reports and opts are void; nothing more can be ordered of that VEN."""
    async with line(site, vtn, "ENDED") as made:
        event = await vtn.publish(dispatch(start=soon(3600), every=HOUR, delta_kw=(-1,), to=("ENDED",)))
        assert await vtn.opts(event, within=PLENTY) == {"ENDED": "optIn"}
        await vtn.end_registration("ENDED")

        async def over() -> bool:
            return not (await made.shown()).registered

        await until(over, made.soon)
        known = await made.ven.upstream()
        shown = await made.shown()
        with pytest.raises(NotRegistered, match="VEN ENDED is not registered"):
            await vtn.reregister("ENDED")

    assert known is not None
    assert (known.member.phase, known.agenda) == ("ended", {})
    assert (shown.transport, shown.opts, shown.reports_running) == (None, {}, ())
    assert [entry.by for entry in await vtn.journal("party/ENDED")][-2:] == ["operator", "operator"]


async def test_an_extra_report_comes_as_it_was_asked_for_until_it_is_stopped(site: Site, vtn: Vtn) -> None:
    """One point, each second, in pairs; with one last report after the end (rule 345)."""
    async with line(site, vtn, "EXTRA") as made:
        start = datetime.now(UTC).replace(microsecond=0)
        wish = WantedReport(points=("bat-1.kw",), granularity=SECOND, back=2 * SECOND, start=start)
        (request,) = await vtn.ask("EXTRA", [wish])
        assert await vtn.came("EXTRA", request, within=PLENTY)
        running = await made.shown()
        (asked,) = [one for one in (await vtn.reports("EXTRA")).asked if one.id == request]
        await vtn.stop("EXTRA", [request], to_follow=True)

        async def stopped() -> bool:
            state = await made.ven.upstream()
            return state is not None and request not in state.producer.requests

        await until(stopped, made.soon)
        (cancelled,) = made.watch.answered(CancelReport)
        first = updates(made.watch, request)[0]
        readings = await vtn.readings("EXTRA", start=start, end=start + 2 * SECOND, points=("bat-1.kw",))

    assert [(one.start, one.duration and one.duration.seconds) for one in first] == [
        (start, 1),
        (start + SECOND, 1),
    ]
    assert {(one.start, one.span) for one in readings["bat-1.kw"]} >= {(start, SECOND), (start + SECOND, SECOND)}
    assert request in running.reports_running
    assert (asked.name, asked.points, asked.granularity, asked.back, asked.standing, asked.state) == (
        TELEMETRY_USAGE, ("bat-1.kw",), "PT1S", "PT2S", False, "running",
    )  # fmt: skip
    assert (cancelled.report_request_ids, cancelled.to_follow) == ((request,), True)


def updates(watch: Watch, request: ReportRequestId) -> list[tuple[Interval, ...]]:
    """The intervals of each report that came of the request."""
    reports = (report for update in watch.asked(UpdateReport) for report in update.reports)
    return [report.intervals for report in reports if report.request_id == request]


async def test_a_report_that_is_wanted_once_comes_once(site: Site, vtn: Vtn) -> None:
    async with line(site, vtn, "ONCE") as made:
        usage, status = await vtn.ask("ONCE", [WantedReport(), WantedReport(name=TELEMETRY_STATUS)])
        assert await vtn.came("ONCE", usage, within=PLENTY)
        assert await vtn.came("ONCE", status, within=PLENTY)
        states = {one.id: one.state for one in (await vtn.reports("ONCE")).asked}
        shown = await made.shown()
        with pytest.raises(InvalidData, match=f"report request {usage} came and is over; there is nothing to stop"):
            await vtn.stop("ONCE", [usage])
        now = datetime.now(UTC)
        readings = await vtn.readings("ONCE", TELEMETRY_STATUS, start=now - MINUTE, end=now)
        reports = [len(updates(made.watch, request)) for request in (usage, status)]

    assert (states[usage], states[status], reports) == ("served", "served", [1, 1])
    assert not {usage, status} & {*shown.reports_running, *shown.reports_unanswered}
    assert set(readings) == {
        "bat-1.online", "bat-1.override",
        "bat-1.setpoint.minimum", "bat-1.setpoint.maximum", "bat-1.setpoint.current", "bat-1.setpoint.normal",
    }  # fmt: skip


async def test_metadata_can_be_asked_for(site: Site, vtn: Vtn) -> None:
    """Rule 306: what the VEN offers comes anew, under the id of the request."""
    async with line(site, vtn, "METADATA") as made:
        (request,) = await vtn.ask("METADATA", [WantedReport(name="METADATA")])

        async def told() -> bool:
            return request in [one.report_request_id for one in made.watch.asked(RegisterReport)]

        await until(told, made.soon)
        (asked,) = [one for each in made.watch.answered(CreateReport) for one in each.requests if one.id == request]
        reports = await vtn.reports("METADATA")

    assert (asked.specifier_id, [point.rid for point in asked.points]) == ("METADATA", ["0"])
    assert [one.name for one in reports.offered] == [
        TELEMETRY_USAGE, TELEMETRY_STATUS, HISTORY_USAGE, "x-RESPONSE", "x-AVAILABILITY",
    ]  # fmt: skip
    usage = reports.offered[0]
    assert [(one.point, one.resources, one.unit, one.every) for one in usage.points] == [
        ("bat-1.kw", ("bat-1",), "kW", ("PT1S", "PT30M")),
        ("bat-1.kwh", ("bat-1",), "kWh", ("PT1S", "PT30M")),
    ]


async def test_history_comes_back_complete(site: Site, vtn: Vtn) -> None:
    """Two hours of samples that the VEN kept while it had no VTN: each minute of them, with its value."""
    store, samples = MemoryStore(), 240
    end = datetime.now(UTC).replace(second=0, microsecond=0) - HOUR
    start = end - samples * 30 * SECOND
    kept = [
        Reading(series="live/bat-1.kw", start=start + number * 30 * SECOND, span=timedelta(0), value=number / 10)
        for number in range(samples + 1)
    ]
    registers = [msgspec.structs.replace(one, series="live/bat-1.kwh", value=one.value * 2) for one in kept]
    await store.record([*kept, *registers])

    async with line(site, vtn, "HISTORY", store) as made:
        found = await vtn.history("HISTORY", start, end, within=PLENTY)
        again = await vtn.history("HISTORY", start + HOUR, end, points=("bat-1.kwh",), within=PLENTY)
        (asked, narrow) = [
            one for each in made.watch.answered(CreateReport) for one in each.requests if one.specifier_id == "history"
        ]

    assert found is not None
    minutes = [start + number * MINUTE for number in range(120)]
    assert [(one.start, one.span) for one in found["bat-1.kw"]] == [(minute, MINUTE) for minute in minutes]
    # Each half minute its own value: the mean of a minute is half way between two of them.
    assert [one.value for one in found["bat-1.kw"]] == pytest.approx([number / 5 + 0.05 for number in range(120)])
    assert [one.start for one in found["bat-1.kwh"]] == minutes
    assert [one.value for one in found["bat-1.kwh"]] == pytest.approx([number * 0.4 for number in range(120)])
    assert again is not None
    assert list(again) == ["bat-1.kwh"]
    assert len(again["bat-1.kwh"]) == 60
    # 3.3: a history has neither granularity nor a period.
    assert (asked.granularity.seconds, asked.report_back.seconds) == (0, 0)
    assert [point.rid for point in narrow.points] == ["bat-1.kwh"]


async def test_history_that_does_not_come_is_not_waited_for_for_ever(site: Site, vtn: Vtn) -> None:
    """It is of a time to come, and comes then."""
    async with line(site, vtn, "NOTHING"):
        now = datetime.now(UTC)
        assert await vtn.history("NOTHING", now + HOUR, now + 2 * HOUR, within=SECOND / 2) is None


REFUSED: list[tuple[WantedReport, type[OadrRaError], str]] = [
    (
        WantedReport(name="HISTORY_GREENBUTTON"),
        InvalidId,
        "HISTORY_GREENBUTTON is not on offer there; what is: TELEMETRY_USAGE, TELEMETRY_STATUS, HISTORY_USAGE, x-RESPONSE",
    ),
    (WantedReport(points=("pv.kw",)), InvalidId, "TELEMETRY_USAGE has no point pv.kw; it has bat-1.kw, bat-1.kwh"),
    (WantedReport(granularity=-SECOND), InvalidData, "granularity: cannot be less than nothing"),
    (WantedReport(back=-SECOND), InvalidData, "back: cannot be less than nothing"),
    (WantedReport(back=SECOND / 2), InvalidData, "has a fraction of a second"),
    (WantedReport(duration=-SECOND), InvalidData, "duration: cannot be less than nothing"),
    (WantedReport(start=datetime(2026, 11, 21)), InvalidData, "start has no time zone"),  # noqa: DTZ001 - hence
    (WantedReport(name=HISTORY_USAGE, back=HOUR), InvalidData, "HISTORY_USAGE comes once and as it was kept"),
    (WantedReport(name=HISTORY_USAGE, granularity=MINUTE), InvalidData, "leave granularity, back and on_change out"),
]


async def test_what_a_ven_does_not_have_is_not_asked_for(site: Site, vtn: Vtn) -> None:
    """It is said here, with what there is; the VEN hears nothing of it."""
    async with line(site, vtn, "SLOW", shortest_report_s=5):
        before = (await vtn.reports("SLOW")).asked
        for wish, kind, sentence in REFUSED:
            with pytest.raises(kind, match=sentence):
                await vtn.ask("SLOW", [WantedReport(), wish])
        with pytest.raises(InvalidData, match=r"granularity: bat-1.kw is sampled every 5 s at most"):
            await vtn.ask("SLOW", [WantedReport(granularity=4 * SECOND)])
        assert [one.id for one in (await vtn.reports("SLOW")).asked] == [one.id for one in before]
        (request,) = await vtn.ask("SLOW", [WantedReport(granularity=5 * SECOND, back=5 * SECOND)])
        with pytest.raises(InvalidId, match=r"report request rr-none is unknown; `openadr-ra ven reports SLOW`"):
            await vtn.stop("SLOW", [request, "rr-none"])
        with pytest.raises(InvalidId, match="VEN SLOW serves no report request rr-none"):
            await vtn.came("SLOW", "rr-none")


async def test_orders_to_a_ven_that_is_not_there_are_refused(vtn: Vtn) -> None:
    await vtn.enrol("SILENT", ["0A" * 10])
    now = datetime.now(UTC)
    for name, kind, sentence in (
        ("NOBODY", InvalidId, "VEN NOBODY is unknown here; `openadr-ra ven list` shows those there are"),
        ("SILENT", NotRegistered, "VEN SILENT is not registered, so it can be told nothing"),
    ):
        for order in (
            vtn.reregister(name),
            vtn.end_registration(name),
            vtn.ask(name, [WantedReport()]),
            vtn.stop(name, ["rr-1"]),
            vtn.history(name, now - HOUR, now),
        ):
            with pytest.raises(kind, match=sentence):
                await order
    for question in (vtn.reports("NOBODY"), vtn.readings("NOBODY", start=now, end=now), vtn.came("NOBODY", "rr-1")):
        with pytest.raises(InvalidId, match="VEN NOBODY is unknown here"):
            await question
    with pytest.raises(InvalidData, match="end: must be after start"):
        await vtn.history("SILENT", now, now)


async def test_vens_are_shown_with_their_transport(site: Site, vtn: Vtn) -> None:
    async with line(site, vtn, "SHOWN") as made:
        shown = await made.shown()
    silent = next(one for one in await vtn.vens() if one.ven_id == "SILENT")

    assert (shown.transport, shown.signs, shown.report_only, shown.refused_signals) == ("pull", False, False, ())
    assert (silent.transport, silent.registered, silent.availability) == (None, False, ())
