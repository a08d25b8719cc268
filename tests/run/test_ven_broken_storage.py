"""A gateway whose store cannot be written for a while, in the middle of an event."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from openadr_ra import OPT_IN, Ven, Vtn, dispatch
from openadr_ra.store import MemoryStore
from tests.run.device import device
from tests.run.site import FLEET, PATIENCE, new_site, soon, until
from tests.run.test_broken_storage import full, locked
from tests.test_chain import registered


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [(locked, "is locked by another program"), (full, "could not be read or written by the disk")],
)
async def test_device_is_let_go_by_its_lease_while_nothing_can_be_stored_and_led_again_afterwards(
    tmp_path_factory: pytest.TempPathFactory,
    trouble: Callable[[Path], AbstractContextManager[None]],
    sentence: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing is asked of a device that is not stored. The log names the file and the cure; the VEN recovers by itself."""
    site = new_site(tmp_path_factory)
    caplog.set_level(logging.WARNING, "openadr_ra")
    async with AsyncExitStack() as stack:
        edge = await stack.enter_async_context(device())
        vtn = await stack.enter_async_context(Vtn(site.settings(site.vtn()), store=MemoryStore()).running())
        table = site.ven("STARVED", vtn.url, edge.table) | {"fleet": FLEET | {"track_every_s": 0.5, "lease_s": 2}}
        await stack.enter_async_context(Ven(site.settings(table)).running())
        await registered(vtn, "STARVED")
        order = dispatch(start=soon(), every=timedelta(hours=1), delta_kw=(-2,), to=("STARVED",))
        event = await vtn.publish(order)
        assert await vtn.opts(event, within=PATIENCE) == {"STARVED": OPT_IN}

        async def led() -> bool:
            return bool(edge.orders) and edge.orders[-1].kw == -2.0

        async def let_go() -> bool:
            return edge.orders[-1].kw is None

        await until(led, edge.changed)
        caplog.clear()
        with trouble(site.folder / "STARVED.db"):
            await until(let_go, edge.changed)
        said = [one.getMessage() for one in caplog.records]
        assert [line for line in said if "STARVED.db" in line and sentence in line]
        assert [one for one in caplog.records if one.exc_info] == []
        await until(led, edge.changed)
        assert await vtn.opts(event) == {"STARVED": OPT_IN}
