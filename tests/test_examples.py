"""The examples as their readers run them: each in a process of its own, with throw-away certificates, over real sockets."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openadr_ra.programs import certs
from openadr_ra.settings import read

EXAMPLES = Path(__file__).parent.parent / "examples"
INTERVAL_S = 5

HASTE = {
    "ac.toml": {"poll_s = 5": "poll_s = 1", "live_s = 60": "live_s = 2"},
    "edge.toml": {
        "read_every_s = 1 ": "read_every_s = 0.2 ",
        "track_every_s = 10": "track_every_s = 1",
        "settle_s = 3": "settle_s = 0.6",
    },
}
"""What the settings of the examples are changed to, for nobody wants to wait for half hours."""


def lines(name: str) -> int:
    return len((EXAMPLES / name).read_text().splitlines())


@pytest.mark.parametrize(("name", "limit"), [("ac.py", 25), ("edge.py", 29), ("my_driver.py", 50)])
def test_an_example_is_no_longer_than_promised(name: str, limit: int) -> None:
    """A program that publishes, awaits opts and follows the response; a gateway with a driver of its own."""
    assert lines(name) <= limit


@pytest.mark.parametrize("name", ["ac.toml", "edge.toml"])
def test_the_settings_of_the_examples_are_settings(name: str) -> None:
    """And they need no more than `certs init` and `certs issue` make."""
    found = read(EXAMPLES / name)

    assert found.name
    assert found.downstream or found.upstream


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The settings with a free port and in haste, and the certificates that they name."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name, haste in HASTE.items():
        text = (EXAMPLES / name).read_text().replace("8443", str(port))
        for slow, fast in haste.items():
            assert slow in text
            text = text.replace(slow, fast)
        (tmp_path / name).write_text(text)
    now = datetime.now(UTC)
    certs.init(tmp_path / "certs", now=now)
    certs.issue(tmp_path / "certs", "edge-1", role="ven", key="ec", now=now)
    return tmp_path


@asynccontextmanager
async def running(place: Path, name: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """An example, started where its settings are; its warnings are errors, as in the tests."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", str(EXAMPLES / name), *arguments,
        cwd=place, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(EXAMPLES.parent)},
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.timeout(180)
async def test_the_coordinator_instructs_the_gateway_and_sees_the_response(place: Path) -> None:
    """-3 kW and then -5: the genset gives its three, the battery the other two; by device and in sum, then it ends."""
    async with running(place, "ac.py", "ac.toml", "EDGE-1", str(INTERVAL_S)) as ac, running(place, "edge.py"):
        said, complaints = await asyncio.wait_for(ac.communicate(), 120)

    assert ac.returncode == 0, complaints.decode()
    answered, *rows = said.decode().splitlines()
    assert answered == "answered: {'EDGE-1': 'optIn'}"
    found = [re.fullmatch(r"\d\d:\d\d:\d\d (\S+): (\S+) of (\S+) kW", row) for row in rows]
    told = {(one[1], float(one[3])): float(one[2]) for one in found if one is not None}
    assert None not in found
    assert told == {
        ("EDGE-1/genset", -3.0): pytest.approx(-3, abs=0.6),
        ("EDGE-1/battery", 0.0): pytest.approx(0, abs=0.3),
        ("EDGE-1/battery", -2.0): pytest.approx(-2, abs=0.6),
        ("EDGE-1/*", -3.0): pytest.approx(-3, abs=0.6),
        ("EDGE-1/*", -5.0): pytest.approx(-5, abs=0.9),
        ("*/*", -3.0): pytest.approx(-3, abs=0.6),
        ("*/*", -5.0): pytest.approx(-5, abs=0.9),
    }


def test_the_aggregator_is_a_ven_above_and_a_vtn_below() -> None:
    found = read(EXAMPLES / "ra.toml")

    assert [upstream.name for upstream in found.upstream] == ["ac"]
    assert found.downstream is not None
    assert found.downstream.ven[0].notice_s == found.fleet.notice_s == 2700
    assert lines("ra.toml") < 50
