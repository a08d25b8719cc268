"""A VEN whose store does not take what the VTN says."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest

from openadr_ra import Ven, Vtn, dispatch
from openadr_ra.protocol.messages import RegisteredReport
from openadr_ra.protocol.model import OPT_IN
from tests.run.site import BATTERY, PATIENCE, Site, Watch, new_site, soon, until

HOUR = timedelta(hours=1)

HOLD_S = 2


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory)


async def test_a_ven_outlives_a_store_that_refuses_the_answer_to_a_held_poll(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Another program has the file when an event comes: the VEN says so, and hears of the event again."""
    watch = Watch()
    async with (
        Vtn(site.settings(site.vtn("ac", hold_s=HOLD_S))).running() as vtn,
        Ven(site.settings(site.ven("LOCKED", vtn.url, BATTERY)), tap=watch).running() as ven,
    ):

        async def held() -> bool:
            node = await ven.upstream()
            waits = node is not None and node.poll_tries == 1 and node.member.hold_s == HOLD_S and not node.draining
            return waits and bool(watch.asked(RegisteredReport))

        async def refused() -> bool:
            said = [one.getMessage() for one in caplog.records if one.name == "openadr_ra.run.upstream"]
            return any("is locked by another program" in line for line in said)

        await until(held, watch.changed)
        with closing(sqlite3.connect(site.folder / "LOCKED.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            event = await vtn.publish(dispatch(start=soon(600), every=HOUR, delta_kw=(-2,), to=("LOCKED",)))
            await until(refused, watch.changed)
        opts = await vtn.opts(event, within=PATIENCE)

    assert opts == {"LOCKED": OPT_IN}
