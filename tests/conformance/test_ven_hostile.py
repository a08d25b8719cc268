"""A VEN that means harm, or that runs by itself: each case ends in its time with a verdict, and the run goes on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from pathlib import Path

import pytest

from conformance.run import Plan, run
from conformance.subject import OperatorSettings, SubjectSettings, free_port
from conformance.verdict import Result
from tests.conformance import skipping
from tests.conformance.hostile_ven import HOSTILE, Harm
from tests.conformance.tiny_ven import TinyVen
from tests.conformance.tiny_ven_server import living

SANITY = "ven.registration.sanity"
SLOWER = 0.3
"""Of the cases' usual time: nobody here needs all of it, and a flood goes on as long as a case does."""

ONLY = ("ven.event.accepts-simple", "ven.report.created", "ven.opt.schedule")


async def _results(doing: Awaitable[None], port: int, folder: Path) -> dict[str, Result]:
    """What a run says of a VEN that is there before it, and goes on doing what it does."""
    settings = SubjectSettings(
        name="by hand",
        role="ven",
        url=f"http://127.0.0.1:{port}",
        operator=OperatorSettings(kind="none"),
        parameters={"register_within_s": 20.0},
    )
    task = asyncio.ensure_future(doing)
    try:
        found, _ = await run(settings, Plan(only=ONLY, slower=SLOWER), folder, lambda one, number, of: None)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    return {one.id: one for one in found}


@pytest.mark.parametrize("harm", HOSTILE, ids=lambda harm: harm.__name__)
def test_a_hostile_ven_gets_a_verdict_for_every_case(harm: Harm, tmp_path: Path) -> None:
    port = free_port()
    results = skipping.run(_results(harm(f"http://127.0.0.1:{port}"), port, tmp_path))

    assert {SANITY, *ONLY} <= set(results)
    assert {results[name].verdict for name in ONLY} <= {"fail", "blocked", "needs operator"}
    assert all(results[name].why or results[name].actual for name in ONLY)


def test_a_ven_that_runs_already_registers_for_each_case_anew(tmp_path: Path) -> None:
    port = free_port()

    async def lives() -> None:
        async with living(TinyVen(f"http://127.0.0.1:{port}")):
            await asyncio.Event().wait()

    results = skipping.run(_results(lives(), port, tmp_path))

    assert results[SANITY].verdict == "pass"
    assert [results[name].verdict for name in ONLY] == ["pass", "pass", "not implemented"]
