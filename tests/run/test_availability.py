"""A VEN declares when it is available, and its word on one event: it follows that itself, and its VTNs know."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import pytest_asyncio

from openadr_ra import OPT_IN, OPT_OUT, Event, Ven, Vtn, WantedReport, dispatch
from openadr_ra.errors import InvalidData, InvalidId, NotAllowed, OadrRaError
from openadr_ra.protocol.messages import CancelOpt, CancelPartyRegistration, CreatedEvent, CreateOpt
from openadr_ra.protocol.model import ALWAYS, NEVER, EventId, OptType, ResponseRequired, VenId
from openadr_ra.run.summary import Availability, Span
from openadr_ra.run.upstream import Handler
from tests.run.site import BATTERY, Site, Watch, new_site, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LITTLE = timedelta(seconds=0.05)
TOMORROW = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) + DAY


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A VEN that is registered, its VTN, and what goes between them."""

    vtn: Vtn
    ven: Ven
    name: VenId
    watch: Watch

    async def event(self, start: datetime, context: str = "", response_required: ResponseRequired = ALWAYS) -> EventId:
        """An event of an hour, answered if it has to be."""
        order = dispatch(start=start, every=HOUR, delta_kw=(-1,), to=(self.name,), market_context=context)
        event = await self.vtn.publish(msgspec.structs.replace(order, response_required=response_required))

        async def answered() -> bool:
            known = await self.ven.upstream()
            return known is not None and event in known.agenda and not known.debts

        await until(answered, self.soon)
        return event

    async def opt(self, event: EventId, wanted: OptType | None = None) -> OptType | None:
        """The VEN's answer; waits until it is the one that is wanted."""

        async def said() -> bool:
            found = (await self.vtn.opts(event))[self.name]
            return found is not None and wanted in (None, found)

        await until(said, self.soon)
        return (await self.vtn.opts(event))[self.name]

    async def soon(self, within: timedelta) -> None:
        """Return at the next exchange, or shortly: what it brought is not stored yet when it is seen."""
        await self.watch.changed(min(within, LITTLE))

    async def told(self) -> tuple[Availability, ...]:
        """What the VTN knows, once all that was declared has been said there."""

        async def all_told() -> bool:
            known = await self.ven.upstream()
            return known is not None and not known.debts

        await until(all_told, self.soon)
        (shown,) = [one for one in await self.vtn.vens() if one.ven_id == self.name]
        return shown.availability


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vtn(site: Site) -> AsyncIterator[Vtn]:
    async with Vtn(site.settings(site.vtn())).running() as running:
        yield running


@asynccontextmanager
async def line(
    site: Site, vtn: Vtn, name: str, on_event: Handler | None = None, **upstream: object
) -> AsyncIterator[Line]:
    """Registered, and with nothing left to say."""
    watch = Watch()
    table = site.ven(name, vtn.url, BATTERY, certificate=None, **upstream)
    async with Ven(site.settings(table), on_event=on_event, tap=watch).running() as ven:

        async def registered() -> bool:
            known = await ven.upstream()
            return known is not None and known.member.phase == "registered" and not known.debts

        made = Line(vtn=vtn, ven=ven, name=VenId(name), watch=watch)
        await until(registered, made.soon)
        yield made


async def test_a_ven_that_declared_itself_away_opts_out_of_what_comes_then(site: Site, vtn: Vtn) -> None:
    """And of nothing else; both ends show what stands."""
    async with line(site, vtn, "AWAY") as made:
        name = await made.ven.declare(OPT_OUT, [(TOMORROW, TOMORROW + 2 * HOUR), (TOMORROW + DAY, None)])
        (shown,) = await made.told()
        within = await made.event(TOMORROW + HOUR)
        before = await made.event(TOMORROW - HOUR)
        after = await made.event(TOMORROW + 2 * HOUR)
        forever = await made.event(TOMORROW + 3 * DAY)
        opts = [await made.opt(event) for event in (within, before, after, forever)]
        (own,) = await made.ven.availability()
        journal = await vtn.journal(f"event/{within}")

    assert opts == [OPT_OUT, OPT_IN, OPT_IN, OPT_OUT]
    assert shown.spans == (
        Span(start=TOMORROW, end=TOMORROW + 2 * HOUR),
        Span(start=TOMORROW + DAY, end=None),
    )
    assert (shown.id, shown.opt, shown.event_id, shown.reason) == (name, OPT_OUT, None, "x-schedule")
    assert (own.id, own.opt, own.spans, own.upstream, own.told) == (name, OPT_OUT, shown.spans, "upstream", True)
    assert journal[-1].detail == "modification 0: not available then, as declared by oadrCreateOpt"


async def test_a_declaration_is_replaced_under_its_id_and_taken_back(site: Site, vtn: Vtn) -> None:
    async with line(site, vtn, "BACK") as made:
        name = await made.ven.declare(OPT_OUT, [(TOMORROW, TOMORROW + HOUR)], opt_id="maintenance")
        await made.told()
        await made.ven.declare(OPT_OUT, [(TOMORROW + DAY, TOMORROW + DAY + HOUR)], opt_id=name, reason="economic")
        replaced = await made.told()
        now_free = await made.event(TOMORROW)
        await made.ven.retract(name)
        after = await made.told()
        free_too = await made.event(TOMORROW + DAY)
        opts = [await made.opt(event) for event in (now_free, free_too)]
        with pytest.raises(InvalidId, match="nothing is declared as maintenance; `openadr-ra ven availability` shows"):
            await made.ven.retract(name)

    assert name == "maintenance"
    assert [(one.id, one.reason, one.spans[0].start) for one in replaced] == [(name, "economic", TOMORROW + DAY)]
    assert (after, opts) == ((), [OPT_IN, OPT_IN])
    assert [one.opt_id for one in made.watch.asked(CancelOpt)] == [name]


async def test_another_market_stops_no_event(site: Site, vtn: Vtn) -> None:
    async with line(site, vtn, "MARKET") as made:
        span = (TOMORROW, TOMORROW + HOUR)
        await made.ven.declare(OPT_OUT, [span], market_context="http://market.example/a")
        (shown,) = await made.told()
        other = await made.event(TOMORROW, "http://market.example/b")
        same = await made.event(TOMORROW, "http://market.example/a")
        opts = [await made.opt(event) for event in (other, same)]

    assert opts == [OPT_IN, OPT_OUT]
    assert shown.market_context == "http://market.example/a"


async def test_a_resource_that_is_away_has_no_part_in_events(site: Site, vtn: Vtn) -> None:
    """It is the only one, so the fleet can promise nothing; after it was taken back, it can again."""
    async with line(site, vtn, "PART") as made:
        name = await made.ven.declare(OPT_OUT, [(TOMORROW, TOMORROW + HOUR)], resources=["bat-1"])
        (shown,) = await made.told()
        event = await made.event(TOMORROW)
        away = await made.opt(event)
        await made.ven.retract(name)
        back = await made.opt(event, OPT_IN)

    assert (shown.resources, away, back) == (("bat-1",), OPT_OUT, OPT_IN)


async def test_an_absence_that_is_declared_later_opts_out_of_what_was_accepted(site: Site, vtn: Vtn) -> None:
    """And its end opts in again: nobody has to know which of the two came first."""
    async with line(site, vtn, "LATER") as made:
        event = await made.event(TOMORROW)
        before = await made.opt(event, OPT_IN)
        name = await made.ven.declare(OPT_OUT, [(TOMORROW - HOUR, TOMORROW + HOUR)])
        during = await made.opt(event, OPT_OUT)
        await made.ven.retract(name)
        after = await made.opt(event, OPT_IN)
        journal = await vtn.journal(f"event/{event}")

    assert (before, during, after) == (OPT_IN, OPT_OUT, OPT_IN)
    assert [entry.what for entry in journal if entry.what in (OPT_IN, OPT_OUT)] == [OPT_IN, OPT_OUT, OPT_IN]
    assert journal[-2].detail == "modification 0: not available then, as declared by oadrCreateOpt"


async def test_spans_are_in_whole_seconds_and_no_shorter_than_said(site: Site, vtn: Vtn) -> None:
    async with line(site, vtn, "WHOLE") as made:
        late = timedelta(seconds=0.75)
        await made.ven.declare(OPT_IN, [(TOMORROW + late, TOMORROW + HOUR + late / 3)])
        (shown,) = await made.told()

    assert shown.spans == (Span(start=TOMORROW, end=TOMORROW + HOUR + timedelta(seconds=1)),)


async def test_an_operator_overrules_an_answer_by_oadr_create_opt(site: Site, vtn: Vtn) -> None:
    """E1_1060: optIn by oadrCreatedEvent, optOut by oadrCreateOpt; and back again. The fleet follows."""
    async with line(site, vtn, "QUALIFIES") as made:
        event = await made.event(TOMORROW)
        await made.ven.opt_event(event, OPT_OUT, reason="emergency")
        assert await made.opt(event, OPT_OUT) == OPT_OUT
        (shown,) = await made.told()
        await made.ven.opt_event(event, OPT_IN)
        assert await made.opt(event, OPT_IN) == OPT_IN
        await made.told()
        fleet = [entry.what for _, entry in await made.ven.store.journal(f"event/{event}") if entry.by == "fleet"]
        said = [(one.opt_id, one.opt, one.event and one.event.event_id) for one in made.watch.asked(CreateOpt)]

    assert (shown.event_id, shown.modification, shown.opt, shown.reason) == (event, 0, OPT_OUT, "emergency")
    assert fleet == ["promised", "released", "promised"]
    assert said == [(shown.id, OPT_OUT, event), (shown.id, OPT_IN, event)]


async def test_what_was_said_by_oadr_create_opt_can_be_taken_back(site: Site, vtn: Vtn) -> None:
    """By either way of speaking; then the fleet decides."""
    async with line(site, vtn, "UNSAYS") as made:
        for way, hour in ((made.ven.opt_event, 0), (made.ven.opt, 1)):
            event = await made.event(TOMORROW + hour * HOUR)
            await made.ven.opt_event(event, OPT_OUT)
            assert await made.opt(event, OPT_OUT) == OPT_OUT
            await made.told()
            await way(event, None)
            assert await made.opt(event, OPT_IN) == OPT_IN
            assert await made.told() == ()


async def test_an_operators_word_after_oadr_create_opt_is_said_so_too(site: Site, vtn: Vtn) -> None:
    """Rule 206: any other way it would not count."""
    async with line(site, vtn, "STANDS") as made:
        event = await made.event(TOMORROW)
        await made.ven.opt_event(event, OPT_OUT)
        assert await made.opt(event, OPT_OUT) == OPT_OUT
        await made.told()
        await made.ven.opt(event, OPT_IN)
        assert await made.opt(event, OPT_IN) == OPT_IN


async def test_before_an_event_is_answered_the_word_on_it_is_the_answer(site: Site, vtn: Vtn) -> None:
    """The embedding program is still asked about it when its operator speaks."""
    running: list[Ven] = []

    async def handler(event: Event) -> None:
        await running[0].opt_event(event.id, OPT_OUT, reason="economic")

    async with line(site, vtn, "EARLY", on_event=handler) as made:
        running.append(made.ven)
        event = await made.event(TOMORROW)

        assert await made.opt(event) == OPT_OUT
        assert made.watch.asked(CreateOpt) == ()
        (answer,) = made.watch.asked(CreatedEvent)
        assert (answer.responses[0].opt, answer.responses[0].description) == (OPT_OUT, "economic")


async def test_the_word_on_an_event_that_wants_no_answer_is_said_by_oadr_create_opt(site: Site, vtn: Vtn) -> None:
    """The VTN would not hear of it otherwise."""
    async with line(site, vtn, "UNASKED") as made:
        event = await made.event(TOMORROW, response_required=NEVER)
        await made.ven.opt_event(event, OPT_OUT, reason="emergency")
        assert await made.opt(event, OPT_OUT) == OPT_OUT
        (said,) = made.watch.asked(CreateOpt)

    assert (said.opt, said.reason) == (OPT_OUT, "emergency")
    assert made.watch.asked(CreatedEvent) == ()


async def test_what_cannot_be_declared_is_refused_here(site: Site, vtn: Vtn) -> None:
    refused: list[tuple[dict[str, object], type[OadrRaError], str]] = [
        ({"spans": []}, InvalidData, "spans: say from when until when"),
        ({"spans": [(TOMORROW, TOMORROW)]}, InvalidData, "spans: .* is not after "),
        ({"spans": [(TOMORROW.replace(tzinfo=None), None)]}, InvalidData, "spans: a time has no time zone"),
        ({"resources": ["pv-1"]}, InvalidId, "resource pv-1 is none of ours; they are bat-1"),
        ({"reason": "lazy"}, InvalidData, "reason: 'lazy' is none that OpenADR knows"),
        ({"upstream": "nowhere"}, InvalidId, "there is no upstream 'nowhere'; there is upstream"),
    ]
    async with line(site, vtn, "REFUSES") as made:
        for change, kind, sentence in refused:
            said: dict[str, object] = {"spans": [(TOMORROW, None)], **change}
            with pytest.raises(kind, match=sentence):
                await made.ven.declare(OPT_OUT, **said)  # type: ignore[arg-type] # a table of what is wrong
        with pytest.raises(InvalidId, match="event ev-none is unknown here"):
            await made.ven.opt_event("ev-none", OPT_OUT)
        with pytest.raises(InvalidData, match="reason: 'lazy' is none that OpenADR knows"):
            await made.ven.opt_event("ev-none", OPT_OUT, reason="lazy")
        assert await made.ven.availability() == ()


async def test_a_report_only_ven_declares_nothing(site: Site, vtn: Vtn) -> None:
    async with line(site, vtn, "REPORTS", report_only=True) as made:
        with pytest.raises(NotAllowed, match="a report-only VEN declares no opts"):
            await made.ven.declare(OPT_OUT, [(TOMORROW, None)])
        (shown,) = [one for one in await vtn.vens() if one.ven_id == "REPORTS"]

    assert shown.report_only


async def test_a_ven_speaks_to_each_of_its_vtns_or_to_one(site: Site, vtn: Vtn) -> None:
    async with AsyncExitStack() as stack:
        second = await stack.enter_async_context(Vtn(site.settings(site.vtn("second", vtn_id="Second"))).running())
        watch, table = Watch(), site.ven("TWO", vtn.url, BATTERY)
        (first,) = msgspec.convert(table["upstream"], list[dict[str, object]])
        table["upstream"] = [first | {"name": "first"}, first | {"name": "second", "url": second.url}]
        ven = await stack.enter_async_context(Ven(site.settings(table), tap=watch).running())
        both = await ven.declare(OPT_OUT, [(TOMORROW, TOMORROW + HOUR)])
        one = await ven.declare(OPT_IN, [(TOMORROW + DAY, None)], upstream="second")

        async def told() -> bool:
            said = await ven.availability()
            return bool(said) and all(each.told for each in said)

        await until(told, watch.changed)
        own = [(each.upstream, each.id) for each in await ven.availability()]
        shown = [
            [each.id for each in known.availability]
            for at in (vtn, second)
            for known in await at.vens()
            if known.ven_id == "TWO"
        ]
        await ven.leave(upstream="second")

        async def left() -> bool:
            return not any(known.registered for known in await second.vens())

        await until(left, second.changed)
        stays = [known.registered for known in await vtn.vens() if known.ven_id == "TWO"]

    assert own == [("first", both), ("second", both), ("second", one)]
    assert shown == [[both], [both, one]]
    assert stays == [True]
    assert len(watch.asked(CancelPartyRegistration)) == 1


async def test_a_ven_wants_only_what_its_vtn_offers(site: Site, vtn: Vtn) -> None:
    """This one offers nothing but to say so."""
    async with line(site, vtn, "WANTS") as made:
        with pytest.raises(InvalidId, match="TELEMETRY_USAGE is not on offer there; what is: nothing yet"):
            await made.ven.want([WantedReport()])
        (request,) = await made.ven.want([WantedReport(name="METADATA")])
        await made.told()
        known = await made.ven.upstream()
        now = datetime.now(UTC)
        readings = await made.ven.readings("TELEMETRY_USAGE", start=now - HOUR, end=now)

    assert known is not None
    assert known.requester.requests[request].running
    assert readings == {}
