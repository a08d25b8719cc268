"""What an embedding program leans on: lifespans, its own drivers and handlers, opts, responses."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from examples.my_driver import Boiler
from openadr_ra import OPT_IN, OPT_OUT, Choice, Event, Ven, Vtn, dispatch
from openadr_ra.errors import InvalidId, ResponseCode, SettingsError, TransportError
from openadr_ra.net.client import Link
from openadr_ra.protocol.messages import CreatedPartyRegistration, RegisteredReport
from openadr_ra.protocol.model import EventId, ResourceId
from openadr_ra.run.upstream import Handler
from openadr_ra.seams import Clock
from tests.run.device import device
from tests.run.site import BATTERY, Site, Watch, new_site, soon, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR = timedelta(hours=1)
PLENTY = timedelta(seconds=10)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vtn(site: Site) -> AsyncIterator[Vtn]:
    async with Vtn(site.settings(site.vtn())).running() as running:
        yield running


async def event_for(vtn: Vtn, ven: str, context: str = "") -> EventId:
    """An event an hour ahead, published before its VEN has ever been heard of."""
    order = dispatch(start=soon(3600), every=HOUR, delta_kw=(-1,), to=(ven,), market_context=context)
    return await vtn.publish(order)


@asynccontextmanager
async def consulted(site: Site, vtn: Vtn, name: str, handler: Handler) -> AsyncIterator[Ven]:
    """A VEN that is enrolled and asks `handler` about events."""
    shown = site.issue(name)
    await vtn.enrol(name, [shown.fingerprint])
    async with Ven(
        site.settings(site.ven(name, vtn.url, BATTERY, certificate=shown)), on_event=handler
    ).running() as ven:
        yield ven


async def answer(vtn: Vtn, event: EventId) -> tuple[str | None, str]:
    """The opt for the event, and what the journal says of it."""
    (opt,) = (await vtn.opts(event, within=PLENTY)).values()
    return opt, (await vtn.journal(f"event/{event}"))[-1].detail


async def test_an_asynchronous_handler_opts_out_with_a_code_of_its_own(site: Site, vtn: Vtn) -> None:
    async def handler(event: Event) -> Choice:
        return Choice(opt=OPT_OUT, code=ResponseCode("469"), description="the plant is being cleaned")

    async with consulted(site, vtn, "ASYNC", handler):
        said = await answer(vtn, await event_for(vtn, "ASYNC"))

    assert said == (OPT_OUT, "modification 0, code 469: the plant is being cleaned")


async def test_a_plain_handler_runs_in_a_thread_and_may_block(site: Site, vtn: Vtn) -> None:
    """What it asks the loop for meanwhile is done: the loop is not held up."""
    loop = asyncio.get_running_loop()
    threads: list[str] = []

    def handler(event: Event) -> Choice:
        threads.append(threading.current_thread().name)
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(timeout=5)
        return Choice(opt=OPT_OUT)

    async with consulted(site, vtn, "PLAIN", handler):
        opt, _ = await answer(vtn, await event_for(vtn, "PLAIN"))

    assert opt == OPT_OUT
    assert threads != [threading.main_thread().name]


async def test_a_handler_that_has_no_opinion_leaves_it_to_the_fleet(site: Site, vtn: Vtn) -> None:
    async with consulted(site, vtn, "SILENT", lambda event: None):
        opt, _ = await answer(vtn, await event_for(vtn, "SILENT"))

    assert opt == OPT_IN


async def test_a_handler_that_raises_opts_out_that_event_alone(
    site: Site, vtn: Vtn, caplog: pytest.LogCaptureFixture
) -> None:
    """The VEN goes on, and the next event is asked about as if nothing had been."""

    def handler(event: Event) -> Choice | None:
        if event.market_context == "http://bad.invalid/":
            raise ZeroDivisionError("not my day")
        return None

    async with consulted(site, vtn, "RAISES", handler):
        bad = await event_for(vtn, "RAISES", "http://bad.invalid/")
        good = await event_for(vtn, "RAISES", "http://good.invalid/")
        said = await answer(vtn, bad), await answer(vtn, good)

    assert said[0] == (OPT_OUT, "modification 0: the handler failed")
    assert (said[1][0], said[1][1].partition(",")[0]) == (OPT_IN, "modification 0")
    (line,) = [record for record in caplog.records if "the handler failed" in record.getMessage()]
    assert bad in line.getMessage()


async def test_a_handler_is_asked_about_each_modification(site: Site, vtn: Vtn) -> None:
    asked: list[tuple[str, int]] = []

    async def handler(event: Event) -> None:
        asked.append((event.id, event.modification))

    async with consulted(site, vtn, "AGAIN", handler):
        event = await event_for(vtn, "AGAIN")
        await vtn.opts(event, within=PLENTY)
        await vtn.change(event, dispatch(start=soon(7200), every=HOUR, delta_kw=(-2,), to=("AGAIN",)))
        await vtn.opts(event, within=PLENTY)

    assert asked == [(event, 0), (event, 1)]


async def test_a_driver_of_ones_own_with_plain_verbs_is_driven(site: Site, vtn: Vtn) -> None:
    """Handed in as an object under a name, with settings of its own; the event runs already when the VEN hears of it."""
    made: list[Boiler] = []

    class Watched(Boiler):
        def __init__(self, resource: ResourceId, settings: Boiler.Settings, clock: Clock) -> None:
            super().__init__(resource, settings, clock)
            made.append(self)

    shown, watch = site.issue("BOILER"), Watch()
    await vtn.enrol("BOILER", [shown.fingerprint])
    now = datetime.now(UTC).replace(microsecond=0)
    event = await vtn.publish(dispatch(start=now, every=HOUR, setpoint_kw=(3,), to=("BOILER",)))
    table = site.ven("BOILER", vtn.url, {"id": "boiler", "driver": "mine", "rated_kw": 3.0}, certificate=shown)
    async with Ven(site.settings(table), drivers={"mine": Watched}, tap=watch).running():

        async def heats() -> bool:
            return made[0].relay

        await until(heats, watch.changed)
        assert await vtn.opts(event, within=PLENTY) == {"BOILER": OPT_IN}
    assert not made[0].relay


async def test_opts_wait_for_those_who_have_not_answered_and_no_longer_than_told(site: Site, vtn: Vtn) -> None:
    await vtn.enrol("NEVER", [site.issue("NEVER").fingerprint])
    event = await event_for(vtn, "NEVER")
    begun = asyncio.get_running_loop().time()

    assert await vtn.opts(event, within=timedelta(seconds=0.3)) == {"NEVER": None}

    assert 0.3 <= asyncio.get_running_loop().time() - begun < 4


async def test_the_response_of_a_ven_that_is_not_there_ends_with_the_grace(site: Site, vtn: Vtn) -> None:
    await vtn.enrol("GONE", [site.issue("GONE").fingerprint])
    now = datetime.now(UTC)
    event = await vtn.publish(
        dispatch(start=now - timedelta(seconds=5), every=timedelta(seconds=4), delta_kw=(-1,), to=("GONE",))
    )

    rows = [row async for row in vtn.response(event, grace=timedelta(seconds=0.5))]

    assert rows == []
    assert [row.delivered_kw for row in await vtn.report(event)] == [None, None]


async def test_what_is_asked_of_a_vtn_comes_back_as_the_error_it_is(site: Site) -> None:
    """Not in the wrapping of a task group, so that `except InvalidId` works round the whole block."""
    with pytest.raises(InvalidId, match="VEN NOBODY is unknown here"):
        async with Vtn(site.settings(site.vtn("errors"))).running() as vtn:
            await event_for(vtn, "NOBODY")
    with pytest.raises(ZeroDivisionError):
        async with Ven(site.settings(site.ven("ERRORS", "https://127.0.0.1:9", BATTERY))).running():
            raise ZeroDivisionError


async def test_a_vtn_lets_go_of_its_port_and_its_store_and_can_be_run_again(site: Site) -> None:
    vtn = Vtn(site.settings(site.vtn("twice")))
    async with vtn.running():
        url = vtn.url
        await vtn.enrol("E1", [site.issue("E1").fingerprint])
    async with vtn.running():
        assert [one.ven_id for one in await vtn.vens()] == ["E1"]

    port = url.split(":")[2].split("/")[0]
    async with Link(f"http://127.0.0.1:{port}") as link:
        with pytest.raises(TransportError, match="nothing listens"):
            await link.post("OadrPoll", b"")


async def test_a_vtn_that_holds_polls_does_not_wait_for_them_when_it_ends(site: Site) -> None:
    """Each gets the reply that is ready. The VEN lives on and looks for its VTN."""
    watch = Watch()

    async def drained() -> bool:
        return bool(watch.asked(RegisteredReport))

    async with AsyncExitStack() as afterwards:
        async with Vtn(site.settings(site.vtn("holds"))).running() as vtn:
            ven = Ven(site.settings(site.ven("HOLDS", vtn.url, BATTERY)), tap=watch)
            await afterwards.enter_async_context(ven.running())
            await until(drained, watch.changed)
            begun = asyncio.get_running_loop().time()
        # It would hold them for 45 s.
        assert asyncio.get_running_loop().time() - begun < 15


async def test_a_port_that_is_taken_is_said_before_anything_runs(site: Site, vtn: Vtn) -> None:
    port = vtn.url.split(":")[2].split("/")[0]

    with pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1 port {port}: it is in use"):
        async with Vtn(site.settings(site.vtn("taken", listen=f"127.0.0.1:{port}"))).running():
            pass


async def test_a_ven_that_ends_gives_its_devices_back_and_goes_on_when_run_again(site: Site, vtn: Vtn) -> None:
    """In the middle of an event: the device is let go at the end, and driven again in the next life."""
    shown = site.issue("LIVES")
    await vtn.enrol("LIVES", [shown.fingerprint])
    now = datetime.now(UTC).replace(microsecond=0)
    await vtn.publish(dispatch(start=now, every=HOUR, delta_kw=(-2,), to=("LIVES",)))
    async with device() as edge:
        ven = Ven(site.settings(site.ven("LIVES", vtn.url, edge.table, certificate=shown)))

        async def driven() -> bool:
            return bool(edge.orders) and edge.orders[-1].kw == -2.0

        for _ in range(2):
            async with ven.running():
                await until(driven, edge.changed)
            assert (edge.orders[-1].kw, edge.orders[-1].why) == (None, "shutdown")


async def test_run_serves_until_it_is_cancelled(site: Site) -> None:
    """For programs that have nothing else to do; here they meet each other before they are stopped."""
    async with Vtn(site.settings(site.vtn("run"))).running() as first:
        url = first.url
    port, watch = url.split(":")[2].split("/")[0], Watch()
    vtn = Vtn(site.settings(site.vtn("run", listen=f"127.0.0.1:{port}")))
    ven = Ven(site.settings(site.ven("RUN", url, BATTERY)), tap=watch)

    async def met() -> bool:
        return bool(watch.answered(CreatedPartyRegistration))

    serving = [asyncio.create_task(one.run()) for one in (vtn, ven)]
    await until(met, watch.changed)
    for task in serving:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_what_needs_a_running_vtn_says_so(site: Site) -> None:
    vtn = Vtn(site.settings(site.vtn("idle")))

    with pytest.raises(RuntimeError, match="the VTN is not running"):
        _ = vtn.url
    with pytest.raises(RuntimeError, match="the VTN is not running"):
        await vtn.vens()
    with pytest.raises(RuntimeError, match="the VEN is not running"):
        _ = Ven(site.settings(site.ven("IDLE", "https://127.0.0.1:9", BATTERY))).store
