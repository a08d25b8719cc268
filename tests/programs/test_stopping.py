"""How `openadr-ra run node.toml` ends, and what it tells load balancers of that."""

from __future__ import annotations

import http.client
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from openadr_ra.programs.health import Readiness
from openadr_ra.protocol.messages import Poll
from openadr_ra.protocol.model import VenId
from openadr_ra.wire import codec
from tests.programs.nodes import PATIENCE_S, VTN, RunningNode, command, node, written

POLL = codec.encode(Poll(ven_id=VenId("VEN1")))
PATIENT = f"{VTN}\ndrain_s = 60"
HEALTH = 'health = "127.0.0.1:0"'
WATCHED = f"{VTN}\ndrain_s = 0\n{HEALTH}"


@contextmanager
def connected(url: str | None) -> Iterator[http.client.HTTPConnection]:
    """A connection that is kept."""
    assert url is not None
    where = urlsplit(url)
    assert where.hostname is not None
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=PATIENCE_S)
    connection.connect()
    try:
        yield connection
    finally:
        connection.close()


def polled(connection: http.client.HTTPConnection) -> tuple[int, str | None]:
    """Status and Connection header of the answer to a poll."""
    connection.request("POST", "/OpenADR2/Simple/2.0b/OadrPoll", POLL, {"Content-Type": "application/xml"})
    response = connection.getresponse()
    response.read()
    return response.status, response.getheader("Connection")


def got(running: RunningNode, path: str) -> tuple[int, bytes]:
    with connected(running.started.health) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()


def ready(running: RunningNode) -> tuple[int, Readiness]:
    status, body = got(running, "/ready")
    return status, msgspec.json.decode(body, type=Readiness)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_node_that_is_told_to_stop_answers_over_connections_that_are_open(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Once, and says with that that it was the last time; then nothing keeps it."""
    with node(written(tmp_path / "ac.toml", PATIENT), "--json") as running, connected(running.started.vtn) as ven:
        assert polled(ven) == (200, None)
        running.hear(number)
        while (said := polled(ven)) == (200, None):
            pass
        status = running.stop(number)

    assert said == (200, "close")
    assert status == 0


def test_a_second_signal_waits_for_nobody(tmp_path: Path) -> None:
    with node(written(tmp_path / "ac.toml", PATIENT), "--json") as running, connected(running.started.vtn) as ven:
        polled(ven)
        running.hear(signal.SIGTERM)

        assert running.stop(signal.SIGINT) == 0
        assert "stopping at once" in running.log


def test_health_says_when_vens_may_be_sent_and_when_no_longer(tmp_path: Path) -> None:
    """A node that is told to stop serves on until load balancers have noticed."""
    with node(written(tmp_path / "ac.toml", PATIENT, HEALTH), "--json") as running:
        live, first = got(running, "/live"), ready(running)
        running.hear(signal.SIGTERM)
        while (then := ready(running))[0] == 200:
            pass
        with connected(running.started.vtn) as ven:
            still = polled(ven)
        status = running.stop(signal.SIGINT)

    assert live == (200, b'{"live":true}\n')
    assert first == (200, Readiness(ready=True))
    assert then == (503, Readiness(ready=False, missing=("it is about to stop",)))
    assert still == (200, None)
    assert status == 0


def test_health_tells_nothing_else(tmp_path: Path) -> None:
    with node(written(tmp_path / "ac.toml", WATCHED), "--json") as running:
        assert got(running, "/events")[0] == 404
        with connected(running.started.health) as connection:
            connection.request("POST", "/ready")
            assert connection.getresponse().status == 405


def test_health_that_cannot_be_told_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        written(tmp_path / "ac.toml", WATCHED.replace('health = "127.0.0.1:0"', f'health = "127.0.0.1:{port}"'))
        done = command("run", "ac.toml", "--log-level", "ERROR", cwd=tmp_path)

    assert done.status == 2
    assert done.line.startswith(f"openadr-ra: ac.toml: downstream.health: cannot listen on 127.0.0.1 port {port}")


def test_a_node_says_where_its_health_is_told(tmp_path: Path) -> None:
    with node(written(tmp_path / "ac.toml", WATCHED)) as running:
        assert "; no console; health is told on http://127.0.0.1:" in running.first
