"""Signals beyond power and price, over sockets: published by a program, taken by the settings, handed to a program."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import pytest_asyncio

from openadr_ra import OPT_IN, OPT_OUT, Event, Ven, Vtn, beside, dispatch, signal
from openadr_ra.protocol.model import EventId
from openadr_ra.run.upstream import Handler
from tests.run.site import BATTERY, Site, new_site, soon

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR = timedelta(hours=1)
PLENTY = timedelta(seconds=30)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vtn(site: Site) -> AsyncIterator[Vtn]:
    async with Vtn(site.settings(site.vtn())).running() as running:
        yield running


@asynccontextmanager
async def edge(
    site: Site, vtn: Vtn, name: str, on_event: Handler | None = None, **upstream: object
) -> AsyncIterator[Ven]:
    """A VEN with one battery, enrolled."""
    shown = site.issue(name)
    await vtn.enrol(name, [shown.fingerprint])
    table = site.ven(name, vtn.url, BATTERY, certificate=shown, **upstream)
    async with Ven(site.settings(table), on_event=on_event).running() as ven:
        yield ven


async def said(vtn: Vtn, event: EventId) -> tuple[str | None, str]:
    """The opt for the event, and the last line of its journal."""
    (opt,) = (await vtn.opts(event, within=PLENTY)).values()
    return opt, (await vtn.journal(f"event/{event}"))[-1].detail


async def test_a_program_hears_of_every_signal_of_an_event(site: Site, vtn: Vtn) -> None:
    """Names, units, classes, values and the baseline as the other program said them; the battery follows the power."""
    heard: list[Event] = []
    takes = ["LOAD_DISPATCH/delta", "CHARGE_STATE/setpoint", "x-OURS/level"]
    order = dispatch(
        start=soon(3600), every=HOUR, delta_kw=(-1,), to=("MANY",), baseline_kw=(2,), baseline="ours",
        device_classes=("Storage",),
    )  # fmt: skip
    order = beside(order, "CHARGE_STATE/setpoint", (60,), device_classes=("Storage",))
    order = beside(order, "x-OURS/level", (7,), unit="customUnit:steps")
    async with edge(site, vtn, "MANY", heard.append, signals=takes) as ven:
        event = await vtn.publish(order)
        opt, _ = await said(vtn, event)
        fleet = await ven.fleet()

    assert (opt, [f"{one.name}/{one.type}" for one in heard[0].signals]) == (OPT_IN, takes)
    assert heard[0].baseline is not None
    assert heard[0].baseline.name == "ours"
    assert fleet is not None
    assert [promise.asks.resources for promise in fleet.promises] == [("bat-1",)]
    assert await vtn.report(event) != ()


async def test_rule_109_at_both_ends_what_a_ven_does_not_take_is_not_taken_for_it(site: Site, vtn: Vtn) -> None:
    async with edge(site, vtn, "USUAL"):
        order = signal("DEMAND_CHARGE/price", start=soon(3600), every=HOUR, values=(900,), to=("USUAL",))
        event = await vtn.publish(order)
        opt, detail = await said(vtn, event)

    assert (opt, detail) == (
        OPT_OUT,
        "modification 0, code 460: signal DEMAND_CHARGE/price is not taken here (rule 109)",
    )
    assert await vtn.report(event) == ()


async def test_x_ev_10_at_both_ends_an_event_for_devices_that_are_not_there_is_a_462(site: Site, vtn: Vtn) -> None:
    async with edge(site, vtn, "NONE"):
        order = dispatch(start=soon(3600), every=HOUR, delta_kw=(-1,), to=("NONE",), device_classes=("Thermostat",))
        opt, detail = await said(vtn, await vtn.publish(order))

    assert opt == OPT_OUT
    assert detail.startswith("modification 0, code 462: NONE has no device of the classes that event")


async def test_rule_109_at_both_ends_a_ven_that_takes_set_points_gets_one(site: Site, vtn: Vtn) -> None:
    """It refused the change of power; the operator had said what it does without the event."""
    async with edge(site, vtn, "ABSOLUTE", signals=["SIMPLE/level", "LOAD_DISPATCH/setpoint"]) as ven:
        order = dispatch(start=soon(3600), every=HOUR, delta_kw=(-1,), to=("ABSOLUTE",), baseline_kw=(0,))
        event = await vtn.publish(order)
        opt = (await vtn.opts(event, within=PLENTY))["ABSOLUTE"]  # type: ignore[index] # a venID is text
        known = await ven.upstream()

    assert opt == OPT_IN
    assert known is not None
    (one,) = known.agenda[event].event.signals
    assert (one.type, one.intervals[0].payloads[0].value) == ("setpoint", -1.0)  # type: ignore[union-attr] # a signal has no feed
